"""What every data source offers: a shape, classes, and batch number ``k`` as a pure function of the seed."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Data:
    """A source of real samples.

    Attributes:
        name: Source as the user wrote it, e.g. ``"fashion-mini"`` or ``"folder:photos"``.
        shape: Shape of a sample: ``(C, H, W)`` for images, ``(2,)`` for points in the plane.
        classes: Names of the classes; empty when there are no labels.
        count: Number of samples; ``None`` where they are drawn without limit.
        fingerprint: SHA-256 of the content, recorded with every run and score.
        notes: Oddities of the source, a sentence each, for people.
    """

    name: str
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    count: int | None
    fingerprint: str
    notes: tuple[str, ...]

    @property
    def is_points(self) -> bool:
        """Whether samples are points rather than images."""
        return len(self.shape) == 1

    def batch(
        self, k: int, size: int, *, seed: int, rank: int = 0, world: int = 1, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor | None]:
        """Batch number ``k`` of a run: ``(x, y)``, x float32 in [-1, 1] for images, y int64 labels or ``None``."""
        raise NotImplementedError(f"{type(self).__name__} must define batch()")


def check_batch(k: int, size: int, rank: int, world: int) -> None:
    """Raise ``ValueError`` unless ``k >= 0``, ``size >= 1`` and ``0 <= rank < world``."""
    if k < 0 or size < 1 or not 0 <= rank < world:
        raise ValueError(f"batch({k=}, {size=}, {rank=}, {world=}): needs k >= 0, size >= 1 and 0 <= rank < world")
