"""Fréchet distance and its extrapolation to infinitely many samples, on Gaussians whose distance is known.

``python tools/frechet_bias.py`` prints a Markdown table for N = 500 to 50,000. The reference is known exactly; the
evaluated set is N samples of N(0.05, 1.1^2) in each of D independent dimensions at distance
D (0.05^2 + 0.1^2). Each row is a mean over ``--repeats`` sets.
"""

from __future__ import annotations

import argparse
import statistics

import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.metrics.measures.frechet import frechet_distance
from zerosum.metrics.measures.frechet_infinity import frechet_infinity
from zerosum.metrics.shared.statistics import FeatureStatistics

COUNTS = (500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
MEAN, SCALE = 0.05, 1.1
EXACT = 10**9  # samples that statistics known exactly are said to come from


def standard_normal(dimensions: int) -> FeatureStatistics:
    """Exactly N(0, 1)."""
    identity = torch.eye(dimensions, dtype=torch.float64)
    return FeatureStatistics(EXACT, torch.zeros(dimensions, dtype=torch.float64), identity * (EXACT - 1))


def drawn(count: int, dimensions: int, repeat: int) -> Tensor:
    rng = generator(repeat, "frechet bias", count)
    return torch.randn(count, dimensions, generator=rng) * SCALE + MEAN


def row(count: int, dimensions: int, repeats: int, true: float) -> str:
    """One line of the table."""
    reference = standard_normal(dimensions)
    plain, infinity = [], []
    for repeat in range(repeats):
        features = drawn(count, dimensions, repeat)
        plain.append(frechet_distance(FeatureStatistics.of(features), reference))
        infinity.append(frechet_infinity(features, reference, smallest=max(count // 10, 3 * dimensions), seed=repeat))
    values = [found.value for found in infinity]
    stated = statistics.mean(found.standard_error for found in infinity)
    mean, extrapolated = statistics.mean(plain), statistics.mean(values)
    return (
        f"| {count:,} | {mean:.4f} | {mean / true - 1:+.1%} | {extrapolated:.4f} | {extrapolated / true - 1:+.1%} "
        f"| {statistics.stdev(values):.4f} | {stated:.4f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    asked = parser.parse_args()
    true = asked.dimensions * (MEAN**2 + (SCALE - 1) ** 2)
    print(f"{asked.dimensions} dimensions, true distance {true:.4f}, mean of {asked.repeats} sets.\n")
    print("| N | distance | off | at infinity | off | standard deviation | standard error as stated |")
    print("|---|---|---|---|---|---|---|")
    for count in asked.counts:
        print(row(count, asked.dimensions, asked.repeats, true), flush=True)


if __name__ == "__main__":
    main()
