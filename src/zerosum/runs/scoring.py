"""A run's generator, or images from any program, against real samples: what ``train``, ``eval`` and others share."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from zerosum.data import load
from zerosum.data.base import Data
from zerosum.data.sources import has_splits
from zerosum.errors import UsageError
from zerosum.files import Row
from zerosum.latent.interpolate import lerp, slerp
from zerosum.metrics.images import (
    ImageSet,
    Maker,
    SampleSet,
    of_data,
    of_generator,
    points_of_data,
    points_of_generator,
)
from zerosum.metrics.measure import Context, Measure
from zerosum.metrics.registry import choose, defaults_for, why_not
from zerosum.metrics.sampling import Progress
from zerosum.metrics.score import Plain, Score
from zerosum.metrics.suite import Judge
from zerosum.runs.sampler import Sampler, call_for_user
from zerosum.runs.settings import Settings, device_for
from zerosum.runs.setup import Setup


@dataclass(frozen=True)
class Request:
    """What is to be measured, and how.

    Attributes:
        names: Names of the measures. ``()``: those that fit the data.
        features: Name of the extractor. ``"auto"``: the one that fits.
        held_out: Source of real images that were not trained on. ``None``: there is none.
        memory_mib: Cap on the memory for distances between pairs of images, in MiB.
        device: Device to compute on: auto, cpu, cuda or cuda:N.
    """

    names: tuple[str, ...] = ()
    features: str = "auto"
    held_out: str | None = None
    memory_mib: float = 512.0
    device: str = "auto"


def real_samples(data: Data) -> SampleSet:
    """All images of a source, or the distribution of points that it draws from.

    Raises:
        UsageError: The source has no images, or too few.
    """
    return points_of_data(data) if data.is_points else images_of(data)


def images_of(data: Data, count: int | None = None, *, kind: str = "real") -> ImageSet:
    """Images of a source.

    Args:
        data: The source.
        count: Number of images. ``None``: all of them.
        kind: What the images are, for the protocol of scores.

    Raises:
        UsageError: The source has no images, or too few.
    """
    return call_for_user(of_data, data, count, kind=kind)


def image_files(source: str, real: ImageSet, count: int | None) -> ImageSet:
    """Images from any program, brought to the size and channels of the real ones. Notes on that go to stderr."""
    data = load(source, size=real.shape[1], channels=real.shape[0])
    for note in data.notes:
        print(f"note: {note}", file=sys.stderr)
    return images_of(data, count, kind="files")


def generated_samples(
    sampler: Sampler, setup: Setup, step: int, count: int, facts: Mapping[str, Plain] | None = None
) -> SampleSet:
    """Samples of a run, with their classes where it is conditional.

    Args:
        sampler: Generator of the run.
        setup: What was trained.
        step: Iterations after which the generator was saved.
        count: Number of samples.
        facts: How the samples are drawn, as :func:`adapt_sampler` says.
    """
    name = f"{setup.name} at step {step:,}"
    identity = [
        setup.name,
        setup.arguments,
        setup.data.fingerprint,
        setup.settings.seed,
        step,
        sampler.seed,
        dict(facts or {}),
    ]
    fingerprint = hashlib.sha256(json.dumps(identity, default=str).encode()).hexdigest()
    if setup.data.is_points:
        return points_of_generator(sampler, count, name=name, fingerprint=fingerprint)
    one = sampler.latents(0, 1)
    return of_generator(
        sampler,
        tuple(setup.data.shape),
        count,
        name=name,
        fingerprint=fingerprint,
        labels=sampler.latents(0, count)[1].cpu() if sampler.labelled else None,
        classes=tuple(setup.data.classes),
        maker=_maker(sampler) if len(one) == 1 else None,
    )


def _has_labels(inputs: Tensor | tuple[Tensor, ...]) -> bool:
    """Whether a prior drew labels. Anything else besides latents, such as images to complete, has more axes."""
    return isinstance(inputs, tuple) and len(inputs) > 1 and inputs[1].dim() == 1


def _maker(sampler: Sampler) -> Maker:
    def draw(n: int, rng: torch.Generator) -> Tensor:
        z = sampler.prior(n, rng)
        assert isinstance(z, Tensor)  # otherwise the set would have labels
        return z

    # Walks are straight in a bounded prior, which is uniform.
    way = (lerp, "lerp", sampler.bound) if sampler.bound else (slerp, "slerp", None)
    return Maker(sampler.images, draw, *way)


def facts(setup: Setup) -> dict[str, Plain]:
    """What a generator's scores depend on besides its weights."""
    return {"ema": _decay(setup), "precision": "bf16" if setup.autocast else "float32"}


def _decay(setup: Setup) -> float:
    """Decay of the generator's running average, which is lower at first. 0: there is none."""
    average = setup.recipe.phases[-1].game.average.get(setup.recipe.generator)
    if average is None:
        return 0.0
    return average.decay(10**9) if callable(average.decay) else average.decay


def adapt_sampler(sampler: Sampler, truncation: float | None, standing: int) -> tuple[Sampler, dict[str, Plain]]:
    """Give a sampler truncated latents and standing statistics, and say what the protocol of its scores says of that.

    Args:
        sampler: Generator of a run.
        truncation: Largest size of a latent's component. ``None``: as in training.
        standing: Batches from which batch-norm statistics are taken afresh. 0: those of training.

    Raises:
        UsageError: The threshold is not above 0, or there is no batch normalisation.
    """
    facts: dict[str, Plain] = {}
    if truncation is not None:
        sampler, facts["truncation"] = sampler.truncated(truncation), truncation
    if standing:
        sampler, facts["standing"] = call_for_user(sampler.standing, standing), standing
    return sampler, facts


def judge_of(real: SampleSet, request: Request, data: Data | None = None, show: Progress | None = None) -> Judge:
    """Make measures and real samples ready.

    Args:
        real: The real samples.
        request: What is to be measured. Without names, it is what fits ``data``.
        data: Source of the real samples.
        show: Function that is called with (done, total) generated images.

    Raises:
        UsageError: A measure does not exist, none fits the data, or features are not available.
    """
    names = request.names or (defaults_for(data) if data is not None else ())
    if not names and data is not None:
        raise UsageError(f"no score fits these data: {why_not(data)}")
    measures = tuple(_choose(names).values())
    device = str(device_for(Settings(device=request.device)))
    judge = Judge(
        measures,
        real,
        request.features,
        Context(memory_mib=request.memory_mib, device=device),
        lenient=not request.names,
        progress=show,
    )
    try:
        judge.prepare()
    except (ImportError, FileNotFoundError, ValueError) as error:
        raise UsageError(f"features={request.features}: {error}", argument="features") from error
    if request.held_out is None:
        return judge
    return judge.with_held_out(_held_out_images(request.held_out, judge))


def _choose(names: Iterable[str]) -> dict[str, Measure]:
    """Measures by name.

    Raises:
        UsageError: A name does not exist.
    """
    try:
        return choose(names)
    except ValueError as error:
        raise UsageError(f"metrics: {error}", argument="metrics") from error


def scores_of(
    judge: Judge,
    fakes: Callable[[int], SampleSet],
    seed: int,
    *,
    count: int | None = None,
    extra: Mapping[str, Plain] | None = None,
) -> Iterator[Score]:
    """The scores of samples, each as soon as it is known. For the arguments, see :meth:`Judge.scores`.

    Raises:
        UsageError: A measure does not apply to these samples, or the samples are not finite.
    """
    try:
        yield from judge.scores(fakes, seed, count=count, extra=extra)
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(f"these samples cannot be scored: {error}") from error


def score_in_training(sampler: Sampler, setup: Setup, step: int, seed: int) -> list[Score]:
    """The scores of a generator in training: those that fit the data, then those that the setting ``metrics`` names.

    Raises:
        UsageError: A measure does not apply to these samples, or the samples are not finite.
    """
    settings, data = setup.settings, setup.data
    scores: list[Score] = []

    def fakes(count: int) -> SampleSet:
        return generated_samples(sampler, setup, step, count)

    if defaults_for(data):
        judge = judge_of(real_samples(data), Request(device=str(setup.device)), data)
        scores += scores_of(judge, fakes, seed, extra=facts(setup))
    if settings.metrics:
        judge, count = judge_of(real_samples(data), _request(setup)), settings.eval_count or None
        scores += scores_of(judge, fakes, seed, count=count, extra=facts(setup))
    return scores


def _request(setup: Setup) -> Request:
    """What the setting ``metrics`` asks for."""
    settings = setup.settings
    return Request(tuple(settings.metrics.split(",")), settings.features, device=str(setup.device))


def row_of(score: Score, step: int, seconds: float) -> Row:
    """A score as a row of ``scores.jsonl``."""
    return {"step": step, "seconds": round(seconds, 3), "score": json.loads(score.to_json())}


def check(setup: Setup) -> None:
    """Refuse, before training starts, ``metrics`` that could not be computed at its end.

    Raises:
        UsageError: A measure does not exist or needs further images, data have no images or no labels, the recipe
            does not generate by label, or features are not available.
    """
    if not setup.settings.metrics:
        return
    request = _request(setup)
    conditional = _has_labels(setup.recipe.prior(1, torch.Generator(setup.device)))
    for name, measure in _choose(request.names).items():
        if "held-out" in measure.needs:
            raise UsageError(
                f"metrics={name}: needs held-out images; measure it later, with zerosum eval", argument="metrics"
            )
        if "labels" in measure.needs and not (setup.data.classes and conditional):
            raise UsageError(
                f"metrics={name}: needs labelled data and a recipe that generates by label, such as cgan",
                argument="metrics",
            )
    judge_of(real_samples(setup.data), request)


def _held_out_images(source: str, judge: Judge) -> ImageSet:
    shape = tuple(judge.real.shape)
    data = load(source, size=shape[1], split="test" if has_splits(source) else "train")
    return images_of(data)


generated = generated_samples  # the earlier name, for tests/recipes/test_inpaint_gan.py and tests/metrics/test_suite.py
