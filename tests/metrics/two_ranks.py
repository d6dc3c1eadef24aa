"""What each of two processes does in test_statistics: ``python two_ranks.py RANK MEETING_POINT OUT``."""

import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor

from zerosum.core import parallel
from zerosum.core.random import generator
from zerosum.errors import UsageError
from zerosum.metrics import FID, Metric
from zerosum.metrics.measures.inception_score import PredictionStatistics
from zerosum.metrics.shared.statistics import FeatureStatistics, merge_ranks

COUNTS = {"uneven": (30, 47), "one sided": (0, 9)}


def share(name: str, rank: int) -> Tensor:
    """Rank's features, about a mean of its own."""
    rng = generator(0, name, rank)
    return torch.randn(COUNTS[name][rank], 5, generator=rng, dtype=torch.float64) + 100 * rank


IMAGES = {"fid": (40, 23), "pr": (40, 23), "intra-fid": (40, 23), "swd": (30, 10), "kid": (0, 60)}


def images(name: str, rank: int, real: bool) -> tuple[Tensor, Tensor]:
    """Rank's images and their classes."""
    n, rng = IMAGES[name][rank], generator(7, "images", rank, int(real))
    pixels = torch.randint(200 if real else 256, (n, 1, 16, 16), generator=rng, dtype=torch.uint8)
    return pixels, torch.arange(n) % 2


def metric_of(name: str, ranks: Iterable[int]) -> Metric:
    """A metric that has seen the images of these ranks."""
    metric = Metric(name, **({} if name == "swd" else {"features": "random"}))
    for real in (True, False):
        for rank in ranks:
            pixels, labels = images(name, rank, real)
            for part in filter(len, torch.arange(len(pixels)).split(7)):
                metric.update(pixels[part], real=real, labels=labels[part])
    return metric


def gather_metrics(rank: int) -> dict[str, Tensor]:
    """Scores of the images of both ranks, and of this one's alone."""
    found = {}
    for name in IMAGES:
        metric = metric_of(name, [rank])
        found[name] = torch.tensor([score.value for score in metric.scores().values()], dtype=torch.float64)
        if min(IMAGES[name]):
            alone = metric.scores(sync=False).values()
            found[f"{name}/alone"] = torch.tensor([score.value for score in alone], dtype=torch.float64)
    wrong = FID(features="random")
    wrong.update(torch.zeros(3, 1, 16, 16 + rank, dtype=torch.uint8), real=True)
    with pytest.raises(UsageError, match="ranks have images of unlike shapes: 1x16x16, 1x16x17"):
        wrong.compute()
    return found


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
    saved |= gather_metrics(rank)
    save_file(saved, out / f"{rank}.safetensors")
    parallel.wait()
    parallel.leave()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
