"""Images in, scores out: what ``zerosum eval --metrics`` and ``train --metrics`` share."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

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
from zerosum.metrics.suite import choose, evaluate_images, reads
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
        seed: of the samples, and of subsets and permutations.
        memory_mib: cap on tiles of distances.
        device: where to compute.
        shown: with progress bars?
    """

    names: tuple[str, ...]
    features: str = "auto"
    held_out: str | None = None
    seed: int = 0
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


def generated(sampler: Sampler, setup: Setup, step: int, count: int) -> ImageSet:
    """Samples of a run after ``step`` iterations, with their classes where it is conditional."""
    latents = sampler.latents(0, count)
    identity = [setup.name, setup.arguments, setup.data.fingerprint, setup.settings.seed, step, sampler.seed]
    labels = latents[1].cpu() if len(latents) > 1 else None
    return of_generator(
        sampler,
        tuple(setup.data.shape),
        count,
        name=f"{setup.name} at step {step:,}",
        fingerprint=hashlib.sha256(json.dumps(identity, default=str).encode()).hexdigest(),
        labels=labels,
        classes=tuple(setup.data.classes),
        maker=_maker(sampler) if len(latents) == 1 else None,
    )


def _maker(sampler: Sampler) -> Maker:
    def generate(z: Tensor) -> Tensor:
        images: Tensor = sampler.network(z)
        return images.float()

    def drawn(n: int, rng: torch.Generator) -> Tensor:
        z = sampler.prior(n, rng)
        assert isinstance(z, Tensor)  # or the set would have labels
        return z

    # A prior is bounded, and its walks are straight, if it is uniform; a normal one goes beyond 1 at once.
    bounded = float(drawn(1_000, torch.Generator().manual_seed(0)).abs().max()) <= 1
    return Maker(generate, drawn, *((lerp, "lerp", 1.0) if bounded else (slerp, "slerp", None)))


def facts(setup: Setup) -> dict[str, Plain]:
    """What a generator's scores depend on besides its weights."""
    return {"ema": setup.settings.ema, "precision": "bf16" if setup.autocast else "float32"}


def further(sampler: Sampler, setup: Setup, step: int, seed: int) -> list[Score]:
    """The scores of ``--metrics`` for a generator in training; none where that is empty.

    Raises:
        UsageError: as :func:`scores_of`.
    """
    settings = setup.settings
    if not settings.metrics:
        return []
    real = images_of(setup.data)
    count = settings.eval_count or min(real.count, MOST)
    asked = Asked(tuple(settings.metrics.split(",")), settings.features, seed=seed, device=str(setup.device))
    return list(scores_of(generated(sampler, setup, step, count), real, asked, facts(setup)))


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
    conditional = isinstance(setup.recipe.prior(1, torch.Generator(setup.device)), tuple)
    for name, measure in measures.items():
        if "held-out" in measure.needs:
            raise UsageError(f"--metrics {name} needs held-out images: measure it later, by zerosum eval --held-out")
        if "labels" in measure.needs and not (data.classes and conditional):
            raise UsageError(f"--metrics {name} needs labelled data and a recipe that generates by label, such as cgan")
    _extractor(settings.features, images_of(data).shape, setup.device)


def scores_of(
    fake: ImageSet, real: ImageSet, asked: Asked, extra: Mapping[str, Plain] | None = None
) -> Iterator[Score]:
    """The scores, each as soon as it is known.

    Raises:
        UsageError: a name that does not exist, or a measure that does not apply to these images.
    """
    device = device_for(Settings(device=asked.device))
    try:
        measures = choose(asked.names)
        extractor = _extractor(asked.features, real.shape, device)
        held_out = _held_out(asked, real, extractor, reads(measures.values()))
        options = Options(asked.seed, asked.memory_mib, str(device), held_out)
        with progress(real.count + fake.count, "features", asked.shown) as advance:
            show = _advancing(advance)
            yield from evaluate_images(asked.names, real, fake, extractor, options, extra=extra, progress=show)
    except ValueError as error:
        raise UsageError(f"{fake.name} cannot be scored: {error}") from error


def _extractor(features: str, shape: tuple[int, ...], device: torch.device) -> Extractor:
    try:
        return named(features, shape, device)
    except (ImportError, FileNotFoundError, ValueError) as error:
        raise UsageError(f"--features {features}: {error}") from error


def _advancing(advance: Callable[[int], None]) -> Progress:
    """Counts the images of pass after pass on one bar."""
    before = 0

    def show(done: int, total: int) -> None:
        nonlocal before
        advance(done - (before if done > before else 0))
        before = done

    return show


def _held_out(asked: Asked, real: ImageSet, extractor: Extractor, wanted: frozenset[str]) -> Side | None:
    if asked.held_out is None:
        return None
    key = asked.held_out.partition(":")[0]
    splits = key in SOURCES and SOURCES[key].splits
    data = load(asked.held_out, size=real.shape[1], split="test" if splits else "train")
    return Side(of_data(data), extractor, wanted)
