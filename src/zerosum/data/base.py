"""What every data source offers: a shape, classes, and batch number ``k`` as a pure function of the seed."""

from dataclasses import dataclass

import torch
from torch import Tensor

COUNTED = 10_000  # samples whose labels are counted where data do not say how many each class has


@dataclass(frozen=True)
class Data:
    """A source of real samples.

    For samples that no source of zerosum gives, such as those of a simulation, derive a class and define ``batch``::

        class Discs(Data):
            def __init__(self):
                super().__init__(
                    name="discs", shape=(1, 32, 32), classes=(), count=None, fingerprint="discs of version 1", notes=()
                )

            def batch(self, k, size, *, seed, rank=0, world=1, device="cpu"):
                rng = zerosum.core.random.generator(seed, "discs", rank, k)
                return draw_discs(size, rng).to(device), None  # float32 (size, 1, 32, 32) in [-1, 1]

    Whatever is random must follow from ``(seed, rank, k)``, so that runs can be resumed and repeated; ``rank`` of
    ``world`` processes takes its own part of each batch. :func:`zerosum.data.check_data` checks all promises.

    Attributes:
        name: Canonical source, e.g. ``"fashion-mini"`` or ``"folder:photos"``; for data without one, a name that is
            not a source's (see :func:`zerosum.data.is_given`).
        shape: Shape of a sample: ``(C, H, W)`` for images, C = 1 or 3, and ``(2,)`` for points in the plane.
        classes: Names of the classes; empty when there are no labels.
        count: Number of samples; ``None`` where they are drawn without limit.
        fingerprint: SHA-256 of the content, recorded with every run and score: another text means other data.
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

    @property
    def at_hand(self) -> bool:
        """Whether samples can be had at once. Not of data that stand for those of a run which is opened again."""
        return True

    def batch(
        self, k: int, size: int, *, seed: int, rank: int = 0, world: int = 1, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor | None]:
        """Batch number ``k`` of a run, a function of the arguments alone.

        Args:
            k: Number of the batch, from 0.
            size: Number of samples, on each process.
            seed: Seed of the order, or of samples that are drawn.
            rank: Number of this process.
            world: Number of processes.
            device: Device of the result.

        Returns:
            Samples x, float32 ``(size, *shape)``, in [-1, 1] for images; and labels y, int64 ``(size,)``, indices into
            ``classes``, or ``None`` without classes.

        Raises:
            DataError: There are fewer samples than one batch on all processes.
        """
        raise NotImplementedError(f"{type(self).__name__} must define batch()")

    def class_counts(self) -> tuple[int, ...]:
        """Number of samples of each class; ``()`` without classes.

        Data of one's own may define it. Here the labels of some batches are counted: of one pass, of 10,000 samples at
        most.
        """
        if not self.classes:
            return ()
        size = min(100, self.count or 100)
        counts = torch.zeros(len(self.classes), dtype=torch.int64)
        for k in range(min(self.count or COUNTED, COUNTED) // size):
            _, y = self.batch(k, size, seed=0)
            if y is not None:
                counts += torch.bincount(y, minlength=len(counts))
        return tuple(counts.tolist())


def check_batch(k: int, size: int, rank: int, world: int) -> None:
    """Raise ``ValueError`` unless ``k >= 0``, ``size >= 1`` and ``0 <= rank < world``."""
    if k < 0 or size < 1 or not 0 <= rank < world:
        raise ValueError(f"batch({k=}, {size=}, {rank=}, {world=}): needs k >= 0, size >= 1 and 0 <= rank < world")
