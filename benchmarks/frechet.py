"""Statistics and Fréchet distance of two sets of features against torch-fidelity and numpy with scipy's sqrtm.

``python benchmarks/frechet.py --peers-python /tmp/peers/bin/python`` prints a Markdown table. Features are made in
batches, the same for all contestants, each of which runs in a process of its own; making them is not counted. Where
other work shares the machine, take one thread and compare CPU seconds.
torch-fidelity needs torchvision and so an environment of its own:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install torch==2.13.0 numpy scipy tqdm pillow
    /tmp/peers/bin/pip install --no-deps torchvision torch-fidelity

The columns share 64 factors, have noise of their own and are rectified; their covariances have full rank.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

BATCH = 100
FACTORS = 64
THREADED = ("OMP", "MKL", "OPENBLAS")


def batches(side: int, count: int, dimensions: int) -> Iterator[Any]:
    """Batches (100, D) float32 of one side's features, in [0, inf)."""
    import torch

    mixing = torch.randn(FACTORS, dimensions, generator=torch.Generator().manual_seed(0)) / FACTORS**0.5
    rng = torch.Generator().manual_seed(1 + side)
    for begin in range(0, count, BATCH):
        rows = min(BATCH, count - begin)
        common = torch.randn(rows, FACTORS, generator=rng) @ mixing
        own = torch.randn(rows, dimensions, generator=rng)
        yield (0.4 * common + 0.3 * own + 0.1 + 0.05 * side).relu()


class Watch:
    """Seconds, and CPU seconds of this process, spent within ``with`` blocks."""

    seconds = cpu = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._began[0]
        self.cpu += time.process_time() - self._began[1]


def ours(count: int, dimensions: int, watch: Watch, products: str = "float64") -> float:
    import torch

    from zerosum.metrics.measures.frechet import frechet_distance
    from zerosum.metrics.shared.statistics import FeatureStatistics, StatisticsStream

    def statistics(side: int) -> FeatureStatistics:
        with watch:
            stream = StatisticsStream(dimensions, products=getattr(torch, products))
        for batch in batches(side, count, dimensions):
            with watch:
                stream.add(batch)
        with watch:
            return stream.statistics()

    both = statistics(0), statistics(1)
    with watch:
        return frechet_distance(*both)


def ours_float32(count: int, dimensions: int, watch: Watch) -> float:
    return ours(count, dimensions, watch, "float32")


def gathered(side: int, count: int, dimensions: int, watch: Watch) -> Any:
    """All features as one matrix, as the others want them."""
    import torch

    kept = list(batches(side, count, dimensions))
    with watch:
        return torch.cat(kept)


def torch_fidelity(count: int, dimensions: int, watch: Watch) -> float:
    import torch

    # torchvision's CPU wheel has no compiled part for this torch; its operators are declared, never called.
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    def statistics(side: int) -> Any:
        features = gathered(side, count, dimensions, watch)
        with watch:
            return fid_features_to_statistics(features)

    both = statistics(0), statistics(1)
    with watch:
        return float(fid_statistics_to_metric(*both, verbose=False)["frechet_inception_distance"])


def numpy_scipy(count: int, dimensions: int, watch: Watch) -> float:
    import numpy as np
    import scipy.linalg

    def statistics(side: int) -> tuple[Any, Any]:
        features = gathered(side, count, dimensions, watch).numpy()
        with watch:
            return features.mean(axis=0, dtype=np.float64), np.cov(features, rowvar=False)

    (m1, c1), (m2, c2) = statistics(0), statistics(1)
    with watch:
        root = scipy.linalg.sqrtm(c1 @ c2)
        return float(((m1 - m2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * np.trace(root).real)


CONTESTANTS: dict[str, Callable[[int, int, Watch], float]] = {
    "zerosum": ours,
    "zerosum, float32 products": ours_float32,
    "torch-fidelity": torch_fidelity,
    "numpy.cov + sqrtm": numpy_scipy,
}


def contest(name: str, count: int, dimensions: int) -> None:
    """Run one contestant here and print what it took, as JSON."""
    watch = Watch()
    value = CONTESTANTS[name](count, dimensions, watch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"value": value, "seconds": watch.seconds, "cpu": watch.cpu, "mib": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter that has torch-fidelity")
    parser.add_argument("--contestant", choices=CONTESTANTS)
    asked = parser.parse_args()
    if asked.contestant:
        contest(asked.contestant, asked.count, asked.dimensions)
        return
    environment = {**os.environ, **{f"{library}_NUM_THREADS": str(asked.threads) for library in THREADED}}
    results = {}
    for name in CONTESTANTS:
        python = asked.peers_python if name == "torch-fidelity" else sys.executable
        words = ["--count", str(asked.count), "--dimensions", str(asked.dimensions), "--contestant", name]
        done = subprocess.run([python, __file__, *words], stdout=subprocess.PIPE, text=True, env=environment)
        if done.returncode:
            print(f"{name} is not measured: it ended with {done.returncode}", file=sys.stderr)
            continue
        results[name] = json.loads(done.stdout.splitlines()[-1])
    base = results["zerosum"]
    print(f"Two sets of {asked.count:,} x {asked.dimensions} float32 features; {asked.threads} threads.\n")
    print("| | seconds | CPU seconds | CPU, times zerosum's | peak MiB | distance | relative difference |")
    print("|---|---|---|---|---|---|---|")
    for name, r in results.items():
        apart = abs(r["value"] - base["value"]) / abs(base["value"])
        took = f"{r['seconds']:.1f} | {r['cpu']:.1f} | {r['cpu'] / base['cpu']:.2f}"
        print(f"| {name} | {took} | {r['mib']:.0f} | {r['value']:.9g} | {apart:.1e} |")


if __name__ == "__main__":
    main()
