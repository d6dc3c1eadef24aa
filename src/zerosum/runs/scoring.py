"""A run's generator, or images from any program, against real samples: what ``train``, ``eval`` and others share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from zerosum.data import load
from zerosum.data.base import Data
from zerosum.data.sources import SOURCES, has_splits, resolve
from zerosum.errors import UsageError
from zerosum.files import Row
from zerosum.metrics.features.find import AnyFeatures
from zerosum.metrics.images import (
    ImageSet,
    Maker,
    PointSet,
    SampleSet,
    of_data,
    of_generator,
    points_of_data,
    points_of_generator,
)
from zerosum.metrics.measure import Context, Measure
from zerosum.metrics.options import Given, with_options
from zerosum.metrics.registry import choose, defaults_for, parse_names, why_not
from zerosum.metrics.sampling import BATCH, Progress
from zerosum.metrics.score import Plain, Score
from zerosum.metrics.suite import Judge
from zerosum.runs.label_laws import condition_of
from zerosum.runs.sampler import Sampler, call_for_user
from zerosum.runs.settings import Settings, device_for
from zerosum.runs.setup import Setup


@dataclass(frozen=True)
class Request:
    """What is to be measured, and how.

    Attributes:
        names: Names of the measures. ``()``: those that fit the data.
        features: Extractor: its name, the path of an ONNX file, a function or a module; see :func:`.as_extractor`.
            ``"auto"``: the one that fits.
        held_out: Real images that were not trained on, as :func:`zerosum.data.load` takes them. ``None``: there are
            none.
        memory_mib: Cap on the memory for distances between pairs of images, in MiB.
        device: Device to compute on: auto, cpu, cuda or cuda:N.
        also: Names of measures besides those that fit the data, where none is named.
        count: Number of samples, where it is given.
        held: Number of samples that there are, where they are not generated.
        options: Values of options of the measures, as :func:`.parse_options` gives them.
        batch_size: Number of images that pass an extractor at a time.
    """

    names: tuple[str, ...] = ()
    features: AnyFeatures = "auto"
    held_out: Any = None
    memory_mib: float = 512.0
    device: str = "auto"
    also: tuple[str, ...] = ()
    count: int | None = None
    held: int | None = None
    options: Given = field(default_factory=dict)
    batch_size: int = BATCH


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
    law = condition_of(setup.recipe.prior)
    identity = [
        setup.name,
        setup.arguments,
        setup.data.fingerprint,
        setup.settings.seed,
        step,
        sampler.seed,
        dict(facts or {}),
        *([law] if law.get("labels", "uniform") != "uniform" else []),  # else as before there were other laws
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
        z = sampler.draw(n, rng)
        assert isinstance(z, Tensor)  # otherwise the set would have labels
        return z

    way = sampler.way
    return Maker(sampler.images, draw, way.between, way.name, sampler.bound)


def facts(setup: Setup) -> dict[str, Plain]:
    """What a generator's scores depend on besides its weights."""
    precision = "bf16" if setup.autocast else "float32"
    return {"ema": _decay(setup), "precision": precision, **condition_of(setup.recipe.prior)}


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


def judge_of(
    real: SampleSet,
    request: Request,
    data: Data | None = None,
    show: Progress | None = None,
    fake: SampleSet | None = None,
) -> Judge:
    """Make measures and real samples ready.

    Args:
        real: The real samples.
        request: What is to be measured. Without names, it is what fits ``data``.
        data: Source of the real samples.
        show: Function that is called with (done, total) generated images.
        fake: Some samples to be scored, of which no pixel is read. ``None``: what they lack shows when they are scored.

    Raises:
        UsageError: A measure does not exist or does not apply, none fits the data, or features are not available.
    """
    names = request.names or (*(defaults_for(data) if data is not None else ()), *request.also)
    if not names and data is not None:
        raise UsageError(f"no score fits these data: {why_not(data)}")
    measures = with_options(choose_measures(names).values(), request.options)
    _check_extras(measures, request)
    device = str(device_for(Settings(device=request.device)))
    judge = Judge(
        measures,
        real,
        request.features,
        Context(memory_mib=request.memory_mib, device=device),
        lenient=not request.names,
        batch_size=request.batch_size,
        progress=show,
    )
    unfit = [measure.name for measure in measures if isinstance(real, PointSet) and not measure.of_points]
    if unfit:
        raise UsageError(f"metrics={unfit[0]}: looks at images, and {real.name} has points", argument="metrics")
    held_out = None if request.held_out is None else _held_out_images(request.held_out, tuple(real.shape))
    if fake is not None:
        judge.check(fake, held_out, count=request.count, held=request.held)
    judge.prepare()
    return judge if held_out is None else judge.with_held_out(held_out)


def _check_extras(measures: Iterable[Measure], request: Request) -> None:
    """Refuse what would be ignored: features and held-out images that no measure reads."""
    names = ", ".join(measure.name for measure in measures)
    if request.features != "auto" and not any(measure.sees and measure.features is None for measure in measures):
        raise UsageError(
            f"features={_told(request.features)}: no measure reads them ({names}); name measures that do, such as "
            "metrics=fid,kid",
            argument="features",
        )
    if request.held_out is not None and not any(measure.takes_held_out for measure in measures):
        raise UsageError(
            f"held_out={_told(request.held_out)}: no measure reads held-out images ({names}); name one that does, such "
            "as metrics=copying",
            argument="held_out",
        )


def _told(given: Any) -> str:
    """What was given, in a word."""
    if isinstance(given, str | PathLike):
        return str(given)
    return given.name if isinstance(given, Data) else type(given).__name__


def choose_measures(names: Iterable[str]) -> dict[str, Measure]:
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
    held: int | None = None,
    extra: Mapping[str, Plain] | None = None,
    refused: Callable[[Measure, ValueError], None] | None = None,
) -> Iterator[Score]:
    """The scores of samples, each as soon as it is known. For the arguments, see :meth:`Judge.scores`.

    Raises:
        UsageError: A measure does not apply to these samples, or the samples are not finite.
    """
    try:
        yield from judge.scores(fakes, seed, count=count, held=held, extra=extra, refused=refused)
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(f"these samples cannot be scored: {error}") from error


def score_in_training(
    sampler: Sampler,
    setup: Setup,
    step: int,
    seed: int,
    refused: Callable[[Measure, ValueError], None] | None = None,
) -> list[Score]:
    """The scores of a generator in training: those that fit the data, then those that the setting ``metrics`` names.

    Args:
        sampler: Generator of the run.
        setup: What is trained.
        step: Iterations so far.
        seed: Seed of the samples.
        refused: Called with a measure that does not apply to these samples, and why; see :meth:`Judge.scores`.

    Raises:
        UsageError: A measure does not apply to these samples, or the samples are not finite.
    """
    settings, data = setup.settings, setup.data
    scores: list[Score] = []

    def fakes(count: int) -> SampleSet:
        return generated_samples(sampler, setup, step, count)

    if defaults_for(data):
        judge = judge_of(real_samples(data), Request(device=str(setup.device)), data)
        scores += scores_of(judge, fakes, seed, extra=facts(setup), refused=refused)
    if settings.metrics:
        judge, count = judge_of(real_samples(data), _request(setup)), settings.eval_count or None
        scores += scores_of(judge, fakes, seed, count=count, extra=facts(setup), refused=refused)
    return scores


def _request(setup: Setup) -> Request:
    """What the setting ``metrics`` asks for."""
    settings = setup.settings
    return Request(parse_names(settings.metrics), settings.features, device=str(setup.device))


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
    settings_count = setup.settings.eval_count or 0
    conditional = _has_labels(setup.recipe.prior(1, torch.Generator(setup.device)))
    for name, measure in choose_measures(request.names).items():
        if "held-out" in measure.needs:
            raise UsageError(
                f"metrics={name}: needs held-out images; measure it later, with zerosum eval", argument="metrics"
            )
        if "labels" in measure.needs and not (setup.data.classes and conditional):
            raise UsageError(
                f"metrics={name}: needs labelled data and a recipe that generates by label, such as cgan",
                argument="metrics",
            )
        if "equal" in measure.needs and settings_count not in (0, setup.data.count):
            raise UsageError(
                f"metrics={name}: takes as many generated as real images, which are {setup.data.count}: leave "
                f"eval_count={settings_count} out",
                argument="metrics",
            )
        if "latents" in measure.needs and not isinstance(setup.recipe.prior(1, torch.Generator(setup.device)), Tensor):
            raise UsageError(f"metrics={name}: needs a recipe whose generator takes only latents", argument="metrics")
    judge_of(real_samples(setup.data), request)


def load_like(source: Any, shape: tuple[int, ...], **how: Any) -> Data:
    """Load images by name or path in the size and channels of others; what is given in Python stays as it is.

    Args:
        source: What :func:`zerosum.data.load` takes.
        shape: Shape of the other images, (C, H, W); (2,) for points, which have no size.
        how: Further arguments of ``load``.

    Raises:
        DataError: The data cannot be loaded.
    """
    named = isinstance(source, str | PathLike)
    if named and len(shape) == 3 and shape[1] == shape[2] and has_images(source):
        how = {"size": shape[1], "channels": shape[0], **how}
    return load(source, **how)


def has_images(source: str | PathLike[str]) -> bool:
    """Whether a source has images, which have a size.

    Raises:
        DataError: There is neither such a source nor such a path.
    """
    head, colon, _ = resolve(source)[0].partition(":")
    return SOURCES[head + colon].images


def _held_out_images(source: Any, shape: tuple[int, ...]) -> ImageSet:
    splits = isinstance(source, str) and has_splits(source)
    return images_of(load_like(source, shape, **({"split": "test"} if splits else {})))
