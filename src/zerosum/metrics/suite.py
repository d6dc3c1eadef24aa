"""What ``zerosum eval --metrics fid,is,...`` computes: measures by name, each number with its protocol."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from zerosum._version import __version__
from zerosum.metrics.features.base import Extractor
from zerosum.metrics.images import ImageSet
from zerosum.metrics.measures import MEASURES, Measure, Options
from zerosum.metrics.sampling import Progress
from zerosum.metrics.score import PROTOCOL, Plain, Score, extended
from zerosum.metrics.side import Side


def choose(names: Iterable[str]) -> dict[str, Measure]:
    """The measures of these names.

    Raises:
        ValueError: for a name that does not exist, with the nearest one that does.
    """
    chosen: dict[str, Measure] = {}
    for name in names:
        if name not in MEASURES:
            near = difflib.get_close_matches(name, MEASURES, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"there is no measure {name!r}.{hint} Measures: {', '.join(MEASURES)}")
        chosen[name] = MEASURES[name]
    if not chosen:
        raise ValueError(f"name at least one measure: {', '.join(MEASURES)}")
    return chosen


def reads(measures: Iterable[Measure]) -> frozenset[str]:
    """What must be kept of the features for all of them."""
    return frozenset().union(*(measure.reads for measure in measures))


def measure(
    name: str, real: Side, fake: Side, options: Options, extra: Mapping[str, Plain] | None = None
) -> list[Score]:
    """The scores of one measure, each with its protocol.

    Args:
        name: of the measure.
        real: the reference; its ``reads`` must cover the measure's.
        fake: what is measured.
        options: seed and so on.
        extra: further facts for the protocol, e.g. ``{"ema": 0.999, "truncation": 1.0}``.

    Raises:
        ValueError: the measure does not apply to these images, or there are too few.
    """
    if fake.images.shape != real.images.shape:
        ours, theirs = ("x".join(map(str, side.images.shape)) for side in (fake, real))
        raise ValueError(
            f"{fake.images.name} has images of {ours}, {real.images.name} of {theirs}: bring both to one size "
            "(--size) and number of channels; nothing is resized silently"
        )
    chosen = MEASURES[name]
    protocol = _protocol(chosen, real, fake, options)
    scores = []
    for found in chosen.run(real, fake, options):
        told = extended(extended(protocol, found.constants), extra or {})
        scores.append(Score(_named(found.name, chosen, fake), found.value, told, found.details))
    return scores


def _named(name: str, measure: Measure, side: Side) -> str:
    """Numbers bear their published names on the features they were published on alone."""
    features = side.extractor.name
    if measure.published_on in (None, features):
        return name
    return f"{name.replace('fid', 'fd')}_{features}"


def _protocol(measure: Measure, real: Side, fake: Side, options: Options) -> dict[str, Plain]:
    protocol: dict[str, Plain] = {
        "protocol": PROTOCOL,
        "samples": fake.images.count,
        "sample_kind": fake.images.kind,
        "pixels": "8 bits",
        "seed": options.seed,
        "zerosum": __version__,
    }
    if measure.published_on is not None:
        seen = fake.extractor
        protocol |= {"features": seen.name, "features_hash": seen.hash, "resize": seen.resize}
    if not measure.one_sided:
        images = real.images
        protocol |= {
            "reference": images.name,
            "reference_fingerprint": images.fingerprint,
            "reference_count": images.count,
        }
    return protocol


def evaluate_images(
    names: Sequence[str],
    real: ImageSet,
    fake: ImageSet,
    extractor: Extractor,
    options: Options,
    *,
    extra: Mapping[str, Plain] | None = None,
    progress: Progress | None = None,
) -> Iterator[Score]:
    """Scores of several measures, each as soon as it is known; images pass the extractor once.

    Args:
        names: of the measures.
        real: the reference.
        fake: what is measured.
        extractor: of the features.
        options: seed and so on.
        extra: further facts for the protocol.
        progress: called with (done, total) images of each set.

    Raises:
        ValueError: as :func:`measure` and :func:`choose`.
    """
    wanted = reads(choose(names).values())
    there, here = (Side(images, extractor, wanted, progress=progress) for images in (real, fake))
    for name in names:
        yield from measure(name, there, here, options, extra)
