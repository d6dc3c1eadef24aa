"""Precision, recall, density and coverage of two sets of features: zerosum against the package prdc, in one run.

    python benchmarks/neighbours.py [--count 20000] [--dimensions 64] [--k 5] [--memory-mib 512] [--repeats 1]
                                    [--threads N]

Needs ``pip install prdc``, which takes about 13 bytes per pair of samples: 5 GiB for 20,000. Each contestant runs in a
process of its own, so that the peak of memory (the whole process, features and imports included) is its own; the time
is that of the measure alone, the best of the repeats. Both take one k for all four numbers, as prdc does, and the
numbers are compared; prdc's distances are float32, so a sample at the edge of a ball may fall on the other side. Like
those of a network the features are at least 0 and have far fewer degrees of freedom than dimensions: 32 normal
variables, mixed at random, the negative cut off.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

Four = tuple[float, float, float, float]
NAMES = ("precision", "recall", "density", "coverage")


def zerosum(real: np.ndarray, fake: np.ndarray, k: int, memory_mib: float) -> Four:
    import torch

    from zerosum.metrics.measures.density_coverage import manifold_report

    sets = torch.from_numpy(real), torch.from_numpy(fake)
    return manifold_report(*sets, k_pr=k, k_dc=k, memory_mib=memory_mib)


def prdc(real: np.ndarray, fake: np.ndarray, k: int, memory_mib: float) -> Four:
    from prdc import compute_prdc

    with contextlib.redirect_stdout(io.StringIO()):  # it prints the counts
        found = compute_prdc(real, fake, nearest_k=k)
    return tuple(float(found[name]) for name in NAMES)


CONTESTANTS: dict[str, Callable[..., Four]] = {"zerosum": zerosum, "prdc": prdc}


def contest(args: argparse.Namespace) -> None:
    """One contestant, in this process: its figures as one line of JSON."""
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((32, args.dimensions), dtype=np.float32)
    causes = (scale * rng.standard_normal((args.count, 32), dtype=np.float32) for scale in (1, 0.95))
    real, fake = (np.maximum(x @ mix, 0) for x in causes)
    measure = CONTESTANTS[args.only]
    measure(real[:200], fake[:200], args.k, args.memory_mib)  # imports and first calls
    seconds = []
    for _ in range(args.repeats):
        start = time.perf_counter()
        found = measure(real, fake, args.k, args.memory_mib)
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    print(json.dumps({"seconds": min(seconds), "peak": peak, "found": found}))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--memory-mib", type=float, default=512)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="of numerical libraries; prdc adds its own 8"
    )
    parser.add_argument("--only", choices=CONTESTANTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    if args.only:
        contest(args)
        return
    results = {}
    for name in CONTESTANTS:
        command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
        environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads)}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
        results[name] = json.loads(done.stdout)
    print(
        f"{args.count:,} x {args.count:,} samples, {args.dimensions} dimensions, k = {args.k}, {args.threads} threads\n"
    )
    print("| | seconds | peak MiB | " + " | ".join(NAMES) + " |\n" + "|---" * 7 + "|")
    for name, figures in results.items():
        numbers = " | ".join(f"{value:.6f}" for value in figures["found"])
        print(f"| {name} | {figures['seconds']:.2f} | {figures['peak']:,.0f} | {numbers} |")
    ours, theirs = results["zerosum"], results["prdc"]
    apart = max(abs(a - b) for a, b in zip(ours["found"], theirs["found"], strict=True))
    print(
        f"\nzerosum is {theirs['seconds'] / ours['seconds']:.1f} times faster at "
        f"{theirs['peak'] / ours['peak']:.1f} times less memory; the numbers differ by at most {apart:.1g}"
    )


if __name__ == "__main__":
    main()
