"""Precision, recall, density and coverage: zerosum against torch-fidelity and prdc, in one run.

    python benchmarks/neighbours.py [--count 10000] [--dimensions 2048] [--k 5] [--threads 1 2] [--rounds 3]
                                    [--memory-mib 512] [--contestants zerosum zerosum-pr torch-fidelity prdc]

``zerosum-pr`` and ``torch-fidelity`` take precision and recall, ``zerosum`` and ``prdc`` all four numbers. Needs
``pip install torch-fidelity prdc``; prdc takes about 13 bytes per pair of samples.

Each contestant runs in a process of its own, one after the other, round by round, so that what else the machine does
meets all of them alike, and the best round counts. CPU seconds (user and system, of all threads) are what a shared
machine distorts least, and seconds on the clock what an idle one is asked for. The peak of memory is that of the whole
process, features and imports included. All take one k. The distances of the others are float32, so a sample at the edge
of a ball may fall on the other side. Like those of a network the features are at least 0 and have far fewer degrees of
freedom than dimensions: 32 normal variables, mixed at random, the negative cut off.
"""

import argparse
import contextlib
import io
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Numbers = tuple[float, ...]
NAMES = ("precision", "recall", "density", "coverage")
RIVALS = {"zerosum-pr": "torch-fidelity", "zerosum": "prdc"}  # who does the same work


def zerosum(real: np.ndarray, fake: np.ndarray, k: int, memory_mib: float) -> Numbers:
    import torch

    from zerosum.metrics.measures.density_coverage import manifold_report

    sets = torch.from_numpy(real), torch.from_numpy(fake)
    return manifold_report(*sets, k_pr=k, k_dc=k, memory_mib=memory_mib)


def zerosum_pr(real: np.ndarray, fake: np.ndarray, k: int, memory_mib: float) -> Numbers:
    import torch

    from zerosum.metrics.measures.precision_recall import precision_recall

    return precision_recall(torch.from_numpy(real), torch.from_numpy(fake), k=k, memory_mib=memory_mib)


def torch_fidelity(real: np.ndarray, fake: np.ndarray, k: int, memory_mib: float) -> Numbers:
    import torch

    # It imports torchvision, of which nothing is needed here, and which knows only the operators of its own torch.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):  # where torchvision fits, it defines them itself
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torch_fidelity.metric_prc import calculate_precision_recall_full

    found = calculate_precision_recall_full(torch.from_numpy(fake), torch.from_numpy(real), neighborhood=k)
    return tuple(found)


def prdc(real: np.ndarray, fake: np.ndarray, k: int, memory_mib: float) -> Numbers:
    from prdc import compute_prdc

    with contextlib.redirect_stdout(io.StringIO()):  # it prints the counts
        found = compute_prdc(real, fake, nearest_k=k)
    return tuple(float(found[name]) for name in NAMES)


CONTESTANTS: dict[str, Callable[..., Numbers]] = {
    "zerosum-pr": zerosum_pr,
    "torch-fidelity": torch_fidelity,
    "zerosum": zerosum,
    "prdc": prdc,
}


def features(count: int, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((32, dimensions), dtype=np.float32)
    causes = (scale * rng.standard_normal((count, 32), dtype=np.float32) for scale in (1, 0.95))
    real, fake = (np.maximum(x @ mix, 0) for x in causes)
    return real, fake


def contest(args: argparse.Namespace) -> None:
    """One contestant, in this process: its figures as one line of JSON."""
    real, fake = features(args.count, args.dimensions)
    measure = CONTESTANTS[args.only]
    measure(real[:200], fake[:200], args.k, args.memory_mib)  # imports and first calls
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    found = measure(real, fake, args.k, args.memory_mib)
    after, clock = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - start
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    peak = after.ru_maxrss / 1024  # KiB on Linux
    print(json.dumps({"cpu": user + system, "user": user, "clock": clock, "peak": peak, "found": list(found)}))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--memory-mib", type=float, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of numerical libraries")
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--only", choices=CONTESTANTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def machine() -> str:
    info = Path("/proc/cpuinfo")
    models = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def rounds(args: argparse.Namespace, threads: int) -> dict[str, dict]:
    """The best of all rounds of every contestant."""
    best: dict[str, dict] = {}
    variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(variables, str(threads))}
    for _ in range(args.rounds):
        for name in args.contestants:
            command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
            figures = json.loads(done.stdout)
            least = best.setdefault(name, figures)
            best[name] = {**figures, **{key: min(figures[key], least[key]) for key in ("cpu", "user", "clock", "peak")}}
    return best


def report(results: dict[str, dict]) -> None:
    print("| | CPU s | of it user | seconds | peak MiB | " + " | ".join(NAMES) + " |\n" + "|---" * 9 + "|")
    for name, figures in results.items():
        numbers = " | ".join([f"{value:.6f}" for value in figures["found"]] + [""] * (4 - len(figures["found"])))
        spent = " | ".join(f"{figures[key]:.1f}" for key in ("cpu", "user", "clock"))
        print(f"| {name} | {spent} | {figures['peak']:,.0f} | {numbers} |")
    for name, rival in RIVALS.items():
        if name not in results or rival not in results:
            continue
        ours, theirs = results[name], results[rival]
        ratios = {key: theirs[key] / ours[key] for key in ("cpu", "user", "clock", "peak")}
        apart = max(abs(a - b) for a, b in zip(ours["found"], theirs["found"], strict=True))
        print(
            f"\n{name} takes {ratios['cpu']:.2f} times less CPU time than {rival} ({ratios['user']:.2f} times less "
            f"without the system's), is {ratios['clock']:.2f} times faster on the clock, at {ratios['peak']:.2f} times "
            f"less memory; the numbers differ by at most {apart:.1g}"
        )


def main() -> None:
    args = arguments()
    if args.only:
        contest(args)
        return
    for threads in args.threads:
        print(
            f"\n{args.count:,} x {args.count:,} samples, {args.dimensions} dimensions, k = {args.k}, {threads} "
            f"thread(s), best of {args.rounds}, alternating; {machine()}\n",
            flush=True,
        )
        report(rounds(args, threads))


if __name__ == "__main__":
    main()
