"""Images in, scores out: what ``zerosum eval --metrics`` and ``train --metrics`` share."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zerosum.data import load
from zerosum.data.base import Data
from zerosum.data.progress import progress
from zerosum.data.sources import SOURCES
from zerosum.latent.interpolate import lerp, slerp
from zerosum.metrics.features.base import Extractor
from zerosum.metrics.features.named import named
from zerosum.metrics.images import ImageSet, Maker, of_data, of_generator
from zerosum.metrics.measures import Options
from zerosum.metrics.sampling import Progress
from zerosum.metrics.score import Plain, Score
from zerosum.metrics.side import Side
from zerosum.metrics.suite import choose, measure, reads
from zerosum.recipe import UsageError
from zerosum.runs.sampler import Sampler
from zerosum.runs.settings import Settings, device_for
from zerosum.runs.setup import Setup

MOST = 50_000  # generated images where nobody says how many: what published scores take


@dataclass(frozen=True)
class Asked:
    """What is to be measured, and how.

    Attributes:
        names: of the measures.
        features: of the extractor, ``"auto"`` for the one that fits.
        held_out: source of real images that were not trained on, or ``None``.
        memory_mib: cap on tiles of distances.
        device: where to compute.
        shown: with progress bars?
    """

    names: tuple[str, ...]
    features: str = "auto"
    held_out: str | None = None
    memory_mib: float = 512.0
    device: str = "auto"
    shown: bool = False


def images_of(data: Data) -> ImageSet:
    """All images of a source.

    Raises:
        UsageError: it has none.
    """
    try:
        return of_data(data)
    except ValueError as error:
        raise UsageError(str(error)) from error


def real_images(source: str, size: int | None, *, split: str = "train") -> ImageSet:
    """The images that ``source`` names."""
    return images_of(load(source, size=size, split=split))


def image_files(source: str, real: ImageSet, count: int | None) -> ImageSet:
    """Images of any program, brought to the size and channels of the real ones; what was changed is said on stderr."""
    data = load(source, size=real.shape[1], channels=real.shape[0])
    for note in data.notes:
        print(f"note: {note}", file=sys.stderr)
    try:
        return of_data(data, count, kind="files")
    except ValueError as error:
        raise UsageError(str(error)) from error


def generated(
    sampler: Sampler, setup: Setup, step: int, count: int, told: Mapping[str, Plain] | None = None
) -> ImageSet:
    """Samples of a run after ``step`` iterations, with their classes where it is conditional; ``told``: how drawn."""
    identity = [
        setup.name,
        setup.arguments,
        setup.data.fingerprint,
        setup.settings.seed,
        step,
        sampler.seed,
        dict(told or {}),
    ]
    one = sampler.latents(0, 1)
    labels = sampler.latents(0, count)[1].cpu() if sampler.labelled else None
    return of_generator(
        sampler,
        tuple(setup.data.shape),
        count,
        name=f"{setup.name} at step {step:,}",
        fingerprint=hashlib.sha256(json.dumps(identity, default=str).encode()).hexdigest(),
        labels=labels,
        classes=tuple(setup.data.classes),
        maker=_maker(sampler) if len(one) == 1 else None,
    )


def _labelled(drawn: Tensor | tuple[Tensor, ...]) -> bool:
    """Does a prior draw labels? What else it may draw beside latents, such as images to complete, has more axes."""
    return isinstance(drawn, tuple) and len(drawn) > 1 and drawn[1].dim() == 1


def _maker(sampler: Sampler) -> Maker:
    def generate(z: Tensor) -> Tensor:
        images: Tensor = sampler.network(z)
        return images.float()

    def drawn(n: int, rng: torch.Generator) -> Tensor:
        z = sampler.prior(n, rng)
        assert isinstance(z, Tensor)  # or the set would have labels
        return z

    # Walks are straight in a bounded prior, which is uniform.
    return Maker(generate, drawn, *((lerp, "lerp", sampler.bound) if sampler.bound else (slerp, "slerp", None)))


def facts(setup: Setup) -> dict[str, Plain]:
    """What a generator's scores depend on besides its weights."""
    ema = setup.settings.ema or setup.arguments.get("ema") or 0.0
    return {"ema": ema, "precision": "bf16" if setup.autocast else "float32"}


def drawn_as(sampler: Sampler, truncation: float | None, standing: int) -> tuple[Sampler, dict[str, Plain]]:
    """A sampler with truncated latents and standing statistics, and what the protocol of its scores says of that.

    Args:
        sampler: of a run.
        truncation: the largest size of a latent's component; ``None``: as in training.
        standing: batches over which batch-norm statistics are taken anew; 0: those of training.

    Raises:
        UsageError: there is nothing to truncate, or no batch normalisation.
    """
    told: dict[str, Plain] = {}
    try:
        if truncation is not None:
            sampler, told = sampler.truncated(truncation), told | {"truncation": truncation}
        if standing:
            sampler, told = sampler.standing(standing), told | {"standing": standing}
    except ValueError as error:
        raise UsageError(str(error)) from error
    return sampler, told


def further(sampler: Sampler, setup: Setup, step: int, seed: int) -> list[Score]:
    """The scores of ``--metrics`` for a generator in training; none where that is empty.

    Raises:
        UsageError: as :class:`Judge`.
    """
    settings = setup.settings
    if not settings.metrics:
        return []
    real = images_of(setup.data)
    count = settings.eval_count or min(real.count, MOST)
    judge = Judge(real, Asked(tuple(settings.metrics.split(",")), settings.features, device=str(setup.device)))
    return list(judge.scores(generated(sampler, setup, step, count), seed, facts(setup)))


def check(setup: Setup) -> None:
    """Refuse, before training starts, ``--metrics`` that could not be computed at its end.

    Raises:
        UsageError: a name that does not exist, data without images, features that cannot be had, labels that are
            missing, or a measure that needs further images.
    """
    settings, data = setup.settings, setup.data
    if not settings.metrics:
        return
    try:
        measures = choose(settings.metrics.split(","))
    except ValueError as error:
        raise UsageError(f"--metrics: {error}") from error
    conditional = _labelled(setup.recipe.prior(1, torch.Generator(setup.device)))
    for name, chosen in measures.items():
        if "held-out" in chosen.needs:
            raise UsageError(f"--metrics {name} needs held-out images: measure it later, by zerosum eval --held-out")
        if "labels" in chosen.needs and not (data.classes and conditional):
            raise UsageError(f"--metrics {name} needs labelled data and a recipe that generates by label, such as cgan")
    _extractor(settings.features, images_of(data).shape, setup.device)


class Judge:
    """Measures, features and real images made ready once, for one set of generated images after the other.

    Raises:
        UsageError: a name that does not exist, or features that cannot be had.
    """

    def __init__(self, real: ImageSet, asked: Asked) -> None:
        device = device_for(Settings(device=asked.device))
        try:
            wanted = reads(choose(asked.names).values())
        except ValueError as error:
            raise UsageError(f"--metrics: {error}") from error
        self.asked = asked
        self.extractor = _extractor(asked.features, real.shape, device)
        self.real = Side(real, self.extractor, wanted)
        self.options = Options(0, asked.memory_mib, str(device), _held_out(asked, self.real))

    def scores(self, fake: ImageSet, seed: int, extra: Mapping[str, Plain] | None = None) -> Iterator[Score]:
        """The scores of a set, each as soon as it is known; ``seed`` is also that of subsets and permutations.

        Raises:
            UsageError: a measure does not apply to these images.
        """
        options = replace(self.options, seed=seed)
        try:
            with progress(fake.count, "features", self.asked.shown) as advance:
                side = Side(fake, self.extractor, self.real.reads, progress=_advancing(advance))
                for name in self.asked.names:
                    yield from measure(name, self.real, side, options, extra)
        except ValueError as error:
            raise UsageError(f"{fake.name} cannot be scored: {error}") from error


def _extractor(features: str, shape: tuple[int, ...], device: torch.device) -> Extractor:
    try:
        return named(features, shape, device)
    except (ImportError, FileNotFoundError, ValueError) as error:
        raise UsageError(f"--features {features}: {error}") from error


def _advancing(advance: Callable[[int], None]) -> Progress:
    """Images so far -> images since the last call."""
    before = 0

    def show(done: int, total: int) -> None:
        nonlocal before
        advance(done - before)
        before = done

    return show


def _held_out(asked: Asked, real: Side) -> Side | None:
    if asked.held_out is None:
        return None
    key = asked.held_out.partition(":")[0]
    splits = key in SOURCES and SOURCES[key].splits
    data = load(asked.held_out, size=real.images.shape[1], split="test" if splits else "train")
    return Side(images_of(data), real.extractor, real.reads)
