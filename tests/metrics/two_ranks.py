"""What each of two processes does in test_statistics: ``python two_ranks.py RANK MEETING_POINT OUT``."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor

from zerosum.core import parallel
from zerosum.core.random import generator
from zerosum.metrics.measures.inception_score import PredictionStatistics
from zerosum.metrics.shared.statistics import FeatureStatistics, merge_ranks

COUNTS = {"uneven": (30, 47), "one sided": (0, 9)}


def share(name: str, rank: int) -> Tensor:
    """Rank's features, about a mean of its own."""
    rng = generator(0, name, rank)
    return torch.randn(COUNTS[name][rank], 5, generator=rng, dtype=torch.float64) + 100 * rank


def main(rank: int, meeting: str, out: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=timedelta(seconds=120))
    saved = {}
    for name in COUNTS:
        found = merge_ranks(FeatureStatistics.of(share(name, rank)))
        saved |= {f"{name}/n": torch.tensor(found.n), f"{name}/mean": found.mean, f"{name}/scatter": found.scatter}
    first, total = rank * COUNTS["uneven"][0], sum(COUNTS["uneven"])
    mine = PredictionStatistics.of(share("uneven", rank), first=first, total=total)
    saved["score"] = torch.tensor(mine.merge_ranks().score(), dtype=torch.float64)
    with pytest.raises(ValueError, match="cannot merge ranks: features of 3 and of 4 dimensions"):
        merge_ranks(FeatureStatistics.of(torch.zeros(2, 3 + rank)))
    save_file(saved, out / f"{rank}.safetensors")
    parallel.wait()
    parallel.leave()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
