"""Labelled or unlabelled images held as uint8: batches are gathered, never decoded."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.data.base import Data, check_batch
from zerosum.errors import DataError

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

CUDA_MARGIN = 2 << 30  # bytes of GPU memory that must stay free for training after the data set has moved there


@dataclass(frozen=True, eq=False)
class Images(Data):
    """Images in memory or in a memory-mapped file.

    Attributes:
        pixels: Array or memory map, uint8 ``(N, H, W, C)``.
        labels: Indices into ``classes``, int64 ``(N,)``, or ``None``.
    """

    pixels: Pixels = field(repr=False)
    labels: Labels | None = field(repr=False)
    _kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False)  # see _order and _resident

    @classmethod
    def of(
        cls,
        pixels: Pixels,
        labels: Labels | None = None,
        *,
        name: str,
        classes: Sequence[str] = (),
        notes: Sequence[str] = (),
        fingerprint: str | None = None,
    ) -> "Images":
        """Wrap uint8 ``(N, H, W, C)`` pixels and int64 ``(N,)`` labels; the fingerprint is computed unless given."""
        if pixels.ndim != 4 or pixels.dtype != np.uint8:
            raise ValueError(f"pixels must be uint8 (N, H, W, C), got {pixels.dtype} {pixels.shape}")
        if labels is not None and labels.shape != pixels.shape[:1]:
            raise ValueError(f"{len(pixels)} images need as many labels, got {labels.shape}")
        n, height, width, channels = pixels.shape
        return cls(
            name=name,
            shape=(channels, height, width),
            classes=tuple(classes),
            count=n,
            fingerprint=fingerprint or fingerprint_of(pixels, labels, classes),
            notes=tuple(notes),
            pixels=pixels,
            labels=labels,
        )

    def batch(
        self, k: int, size: int, *, seed: int, rank: int = 0, world: int = 1, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor | None]:
        """Batch ``k``, a function of the arguments only.

        Epoch ``e = k // (count // (size * world))`` visits the images in an order seeded by (seed, e); the ranks take
        disjoint parts of each global batch, and the images left over at the end of an epoch are dropped.

        Returns:
            Images x, float32 ``(size, C, H, W)``, channels_last strides, ``pixel * 2 / 255 - 1`` in [-1, 1]; and labels
            y, int64 ``(size,)`` or ``None``.

        Raises:
            DataError: There are fewer images than one global batch.
        """
        check_batch(k, size, rank, world)
        device = torch.device(device)
        epoch, step = divmod(k, self.batches_per_epoch(size, world))
        first = (step * world + rank) * size
        pixels, labels = self._resident(device)
        chosen = self._order(seed, epoch, pixels.device)[first : first + size]
        x = _to_device(pixels.index_select(0, chosen), device)
        y = None if labels is None else _to_device(labels.index_select(0, chosen), device)
        return x.permute(0, 3, 1, 2).to(torch.float32).mul_(2 / 255).sub_(1), y

    def batches_per_epoch(self, size: int, world: int = 1) -> int:
        """Whole global batches of ``size * world`` images in one pass.

        Raises:
            DataError: There is not even one.
        """
        whole = len(self.pixels) // (size * world)
        if not whole:
            over = f" ({size} on each of {world} processes)" if world > 1 else ""
            raise DataError(
                f"{self.name} holds {len(self.pixels)} images, fewer than one batch of {size * world}{over}. "
                "Use a smaller batch size or more images"
            )
        return whole

    def class_counts(self) -> tuple[int, ...]:
        """Number of images of each class; ``()`` without labels."""
        if self.labels is None:
            return ()
        return tuple(np.bincount(self.labels, minlength=len(self.classes)).tolist())

    def subset(self, indices: npt.NDArray[np.int64], name: str) -> "Images":
        """The images at ``indices`` (copied into memory), with the same classes, under another name."""
        labels = None if self.labels is None else self.labels[indices]
        return Images.of(self.pixels[indices], labels, name=name, classes=self.classes, notes=self.notes)

    def split_halves(self) -> tuple["Images", "Images"]:
        """Two disjoint halves of equal size, always the same ones; an odd image is left out.

        The distance between them is the least that a perfect model of this data could be expected to reach.

        Raises:
            DataError: There are fewer than two images.
        """
        half = len(self.pixels) // 2
        if not half:
            raise DataError(f"{self.name} holds {len(self.pixels)} image; two are needed to split it in halves")
        order = torch.randperm(len(self.pixels), generator=generator("halves")).numpy()
        # Sorted, so that a memory map is read from front to back.
        first, second = np.sort(order[:half]), np.sort(order[half : 2 * half])
        return self.subset(first, f"{self.name} (first half)"), self.subset(second, f"{self.name} (second half)")

    def _order(self, seed: int, epoch: int, device: torch.device) -> Tensor:
        """The order of one epoch, the same on every device; the last one asked for is kept."""
        key = (seed, epoch, device)
        last = self._kept.get("order")
        if last is None or last[0] != key:
            last = (key, torch.randperm(len(self.pixels), generator=generator(seed, "order", epoch)).to(device))
            self._kept["order"] = last
        order: Tensor = last[1]
        return order

    def _resident(self, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """Pixels and labels as tensors where they are gathered: on ``device`` if they fit there, else on the host."""
        kept = self._kept.setdefault("resident", {})
        if device not in kept:
            pixels = torch.from_numpy(self.pixels)
            labels = None if self.labels is None else torch.from_numpy(self.labels)
            if device.type != "cpu" and _fits(self.pixels.nbytes, device):
                pixels, labels = pixels.to(device), None if labels is None else labels.to(device)
            kept[device] = (pixels, labels)
        where: tuple[Tensor, Tensor | None] = kept[device]
        return where

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}}  # neither device copies nor orders travel to another process


def fingerprint_of(pixels: Pixels, labels: Labels | None, classes: Sequence[str]) -> str:
    """SHA-256 over the shape, the pixels, the labels and the class names."""
    digest = hashlib.sha256(repr((pixels.shape, labels is not None, list(classes))).encode())
    for start in range(0, len(pixels), 4096):
        digest.update(np.ascontiguousarray(pixels[start : start + 4096]).data)
    if labels is not None:
        digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def _fits(nbytes: int, device: torch.device) -> bool:
    if device.type != "cuda":
        return True  # devices that share the host's memory, or do not say what is free
    free, _ = torch.cuda.mem_get_info(device)
    return nbytes + CUDA_MARGIN <= free


def _to_device(x: Tensor, device: torch.device) -> Tensor:
    if x.device.type == device.type:
        return x
    return (x.pin_memory() if device.type == "cuda" else x).to(device, non_blocking=True)
