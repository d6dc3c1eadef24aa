"""Measures for a loop of one's own: images are given batch by batch, and the score is asked for at the end.

``named.py`` has a class for each. They run the code that :func:`zerosum.evaluate` runs, and give its numbers::

    fid = zerosum.metrics.FID(features="inception")
    for images in loader:
        fid.update(images, real=True)
    fid.update(generator(z), real=False)
    fid.compute().value
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from zerosum.core import parallel
from zerosum.errors import UsageError
from zerosum.metrics.features.base import Extractor
from zerosum.metrics.features.find import AnyFeatures, as_extractor
from zerosum.metrics.gathering import Gathered, Gatherer
from zerosum.metrics.measure import Context, Measure
from zerosum.metrics.needs import check_features
from zerosum.metrics.options import check_batch_size
from zerosum.metrics.pixels import Range, check_range, to_pixels
from zerosum.metrics.registry import choose
from zerosum.metrics.score import Score
from zerosum.metrics.scores import Scores
from zerosum.metrics.sides import BATCH, Side
from zerosum.metrics.suite import score

REAL, FAKE, HELD_OUT = "real images", "generated images", "held-out images"


class Metric:
    """A measure of images that come batch by batch, in any batches: the result does not depend on them.

    What is kept is what the measure reads: moments of the features for a Fréchet distance, so that memory does not
    grow; features for distances between neighbours; pixels for measures of pixels.

    Under ``torch.distributed`` each rank gives its own images, and :meth:`compute` gathers those of all ranks.

    Args:
        measure: Name of the measure, as ``zerosum.evaluate`` takes it; named classes, such as :class:`FID`, have it.
        features: Network that extracts features: a name (inception, inception-clean, vgg16, dinov2, clip, shipped,
            random; auto: shipped on grey images of 32x32, otherwise inception), the path of an ONNX file, or a function
            or module from float32 images (B, C, H, W) in [-1, 1] to vectors (B, D), or to vectors and logits (B, K). It
            is made with the first images. ``None``: inception, unless the measure has features of its own.
        range: Values of black and white in floating-point images. ``None``: (-1, 1), and images that might as well
            lie in [0, 1] are refused. Images in uint8 always reach from 0 to 255.
        classes: Names of the classes, for measures of labels. ``()``: as many as the labels show.
        options: Options of the measure that are to have other values than the published ones, such as
            ``{"subsets": 50}``; docs/evaluation.md lists all. They are in the protocol. ``None`` stands for a default.
        batch_size: Number of images that pass the network at a time. ``None``: 250, or fewer where images are large.
        seed: Seed of subsets, clusterings and permutations, for the protocol of the score as well.
        memory_mib: Cap on the memory for distances between pairs of images, in MiB.
        device: Where features are computed and kept.

    Raises:
        UsageError: There is no such measure, it cannot be taken in a loop, or an argument makes no sense.
    """

    def __init__(
        self,
        measure: str,
        *,
        features: AnyFeatures | None = None,
        range: Range | None = None,
        classes: Sequence[str] = (),
        options: Mapping[str, Any] | None = None,
        batch_size: int | None = None,
        seed: int = 0,
        memory_mib: float = 512.0,
        device: torch.device | str = "cpu",
    ) -> None:
        self._measure = _with_options(_find(measure), options or {})
        if batch_size is not None:
            check_batch_size(batch_size)
        self._batch_size = batch_size
        takes = self._measure.sees and self._measure.features is None
        if features is not None and not takes:
            own = f"has features of its own ({self._measure.features})" if self._measure.sees else "reads pixels"
            raise UsageError(f"features: {measure!r} {own}, so leave them out", argument="features")
        self._features: AnyFeatures = self._measure.features or ("inception" if features is None else features)
        self._range, self._classes = check_range(range), tuple(map(str, classes))
        self._seed, self._memory_mib, self._device = seed, memory_mib, torch.device(device)
        self._extractor: Extractor | None = None
        self._settled: set[str] = set()  # sides whose images have shown that they lie in [-1, 1]
        self._sides = {name: self._new_side(name) for name in (REAL, FAKE, HELD_OUT)}

    def _new_side(self, name: str) -> Gatherer:
        keeps = self._measure.keeps_pixels(real=name != FAKE) or (name == HELD_OUT and not self._measure.sees)
        return Gatherer(self._measure.reads, keeps_pixels=keeps, hashes=True, batch_size=self._batch_size)

    @property
    def device(self) -> torch.device:
        """Where features are computed and kept."""
        return self._device

    @torch.inference_mode(False)
    @torch.no_grad()
    def update(self, images: Tensor, real: bool, labels: Tensor | None = None, *, held_out: bool = False) -> None:
        """Take in images.

        Args:
            images: Images (B, C, H, W), uint8 or floating point in the metric's ``range``.
            real: Whether they are real; otherwise they are generated.
            labels: Their classes (B,), whole numbers from 0; needed by measures of classes.
            held_out: Whether they are real images that no generator was trained on, for measures that need such.

        Raises:
            UsageError: The images or labels have another type or shape, or values that do not fit; see ``range``.
        """
        if held_out and not real:
            raise UsageError("held_out: held-out images are real ones; say real=True", argument="held_out")
        if self._measure.one_sided and real:
            return  # a loop may give all its metrics the same images
        name = HELD_OUT if held_out else REAL if real else FAKE
        pixels = to_pixels(images, self._range, settled=name in self._settled)
        if images.is_floating_point():
            self._settled.add(name)
        self._check_shape(tuple(pixels.shape[1:]))
        side = self._sides[name]
        checked = self._check_labels(side, labels, len(images))
        # A copy where nothing was converted: loops fill the same memory again.
        pixels = pixels.to(self._device, copy=pixels is images)
        try:
            side.add(pixels, checked, self._look_through(tuple(pixels.shape[1:])))
        except UsageError:
            raise
        except ValueError as error:
            raise UsageError(f"these images cannot be measured: {error}", argument="images") from error

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        for name, side in self._sides.items():
            if side.shape not in (None, shape):
                ours, theirs = ("x".join(map(str, one or ())) for one in (shape, side.shape))
                raise UsageError(
                    f"images are {ours}, but the {name} so far are {theirs}: bring all to one size and number of "
                    "channels; nothing is resized silently",
                    argument="images",
                )

    def _check_labels(self, side: Gatherer, labels: Tensor | None, count: int) -> Tensor | None:
        needed = "labels" in self._measure.needs
        if labels is None:
            if needed or side.labelled:
                raise UsageError(
                    f"labels: {self._measure.name!r} needs the class of each image; give labels (B,)"
                    if needed
                    else "labels: the images before had labels: give them for all images of a side, or for none",
                    argument="labels",
                )
            return None
        if side.count and not side.labelled:
            raise UsageError(
                "labels: the images before had none: give them for all images of a side, or for none",
                argument="labels",
            )
        given = torch.as_tensor(labels).detach().cpu()
        whole = not (given.is_floating_point() or given.is_complex() or given.dtype == torch.bool)
        if tuple(given.shape) != (count,) or not whole or int(given.min()) < 0:
            raise UsageError(
                f"labels: {count} images need as many whole numbers from 0, not {given.dtype} {tuple(given.shape)}",
                argument="labels",
            )
        return given.to(torch.int64, copy=True)

    def _look_through(self, shape: tuple[int, ...]) -> Extractor | None:
        if self._extractor is None and self._measure.sees:
            found = as_extractor(self._features, shape, self._device)
            check_features(self._measure, found, shape)
            self._extractor = found
        return self._extractor

    @torch.inference_mode(False)
    def scores(self, *, sync: bool = True) -> Scores:
        """All scores of the images so far. More images can follow.

        Args:
            sync: Whether to gather the images of all ranks of ``torch.distributed``; then all of them must call it.

        Raises:
            UsageError: There are too few images, or the measure does not apply to them.
        """
        known = {name: side.gathered(self._extractor) for name, side in self._sides.items()}
        try:
            if sync and parallel.world() > 1:
                known = {name: gathered.across_ranks() for name, gathered in known.items()}
            sides = self._make_sides(known)
            context = Context(self._seed, self._memory_mib, str(self._device), sides.get(HELD_OUT))
            return Scores(score(self._measure, sides[REAL], sides[FAKE], context))
        except UsageError:
            raise
        except ValueError as error:
            raise UsageError(f"{self._measure.name!r} cannot be computed: {error}") from error

    def compute(self, *, sync: bool = True) -> Score | Scores:
        """The score of the images so far, or the scores by name where the measure has several; see :meth:`scores`.

        Raises:
            UsageError: There are too few images, or the measure does not apply to them.
        """
        found = self.scores(sync=sync)
        return found if len(self._measure.directions) > 1 else next(iter(found.values()))

    def _make_sides(self, known: dict[str, Gathered]) -> dict[str, Side]:
        needed = [FAKE] if self._measure.one_sided else [REAL, FAKE]
        needed += [HELD_OUT] if "held-out" in self._measure.needs else []
        for name in needed:
            if not known[name].count:
                how = {REAL: "real=True", FAKE: "real=False", HELD_OUT: "real=True, held_out=True"}[name]
                raise UsageError(
                    f"{self._measure.name!r} has no {name} yet: call update(images, {how})", argument="images"
                )
        extractor = self._look_through(_shape(known))  # a rank without images has none yet
        classes = self._classes or _count_classes(known.values())
        sides = {
            name: one.side(name, "generated" if name == FAKE else "real", classes, extractor, self._batch_size or BATCH)
            for name, one in known.items()
            if one.count
        }
        return {REAL: sides[FAKE], **sides}  # what looks only at generated images is not asked for others

    def reset(self, *, keep_real: bool = False) -> None:
        """Forget all images.

        Args:
            keep_real: Whether to keep the real and the held-out ones, which then need not be given again.
        """
        for name in self._sides:
            if name == FAKE or not keep_real:
                self._sides[name] = self._new_side(name)
                self._settled.discard(name)

    def merge(self, other: Metric) -> Self:
        """Take in all images that another metric has seen, after those of this one; the other is left as it is.

        Raises:
            UsageError: The other is of another measure, other options, other features, or images of another shape.
        """
        if not isinstance(other, Metric) or other._measure.name != self._measure.name:
            told = other._measure.name if isinstance(other, Metric) else type(other).__name__
            raise UsageError(f"cannot merge {told!r} into {self._measure.name!r}")
        mine, given = self._measure.departures, other._measure.departures
        if mine != given:
            raise UsageError(
                f"cannot merge {self._measure.name!r} with options {given or 'as published'} into one with options "
                f"{mine or 'as published'}"
            )
        ours, theirs = self._extractor, other._extractor
        if ours is not None and theirs is not None and (ours.name, ours.hash) != (theirs.name, theirs.hash):
            raise UsageError(f"cannot merge features of {theirs.name!r} into features of {ours.name!r}")
        try:
            merged = {
                name: side.gathered(ours).merge(other._sides[name].gathered(theirs).to(self._device))
                for name, side in self._sides.items()
            }
        except ValueError as error:
            raise UsageError(str(error)) from error
        for name, gathered in merged.items():
            self._sides[name].replace(gathered)
        if ours is None and theirs is not None:
            self._extractor = as_extractor(self._features, _shape(merged), self._device)
        return self

    def merge_state(self, others: Metric | Iterable[Metric]) -> Self:
        """Take in the images of other metrics, one after the other; see :meth:`merge`."""
        for other in [others] if isinstance(others, Metric) else others:
            self.merge(other)
        return self

    def to(self, device: torch.device | str) -> Self:
        """Move what is kept, and compute further features on another device.

        Raises:
            UsageError: The features are an extractor that was made for one device.
        """
        moved = torch.device(device)
        made = self._features is self._extractor
        if made and moved != self._device:
            raise UsageError("features: an extractor that is given ready-made stays on its device", argument="features")
        known = {name: side.gathered(self._extractor).to(moved) for name, side in self._sides.items()}
        for name, gathered in known.items():
            self._sides[name].replace(gathered)
        if self._extractor is not None and not made:
            self._extractor = as_extractor(self._features, _shape(known), moved)
        self._device = moved
        return self

    def __repr__(self) -> str:
        seen = ", ".join(f"{side.count:,} {name}" for name, side in self._sides.items() if side.count)
        return f"{type(self).__name__}({self._measure.name!r}: {seen or 'no images yet'})"


def _find(name: str) -> Measure:
    try:
        (measure,) = choose([name]).values()
    except ValueError as error:
        raise UsageError(f"measure: {error}", argument="measure") from error
    if "latents" in measure.needs:
        raise UsageError(
            f"measure: {name!r} walks among a generator's latents, which images do not have: evaluate the run",
            argument="measure",
        )
    return measure


def _with_options(measure: Measure, options: Mapping[str, Any]) -> Measure:
    for name, value in options.items():
        if value is not None:
            try:
                measure = measure.having({**measure.given, **measure.read_options({name: value})})
            except ValueError as error:
                raise UsageError(f"{name}={value}: {error}", argument=name) from error
    return measure


def _shape(known: dict[str, Gathered]) -> tuple[int, ...]:
    return next(one.shape for one in known.values() if one.shape is not None)


def _count_classes(known: Iterable[Gathered]) -> tuple[str, ...]:
    """Numbers of the classes, as far as labels show them."""
    most = max((int(one.labels.max()) for one in known if one.labels is not None), default=-1)
    return tuple(map(str, range(most + 1)))
