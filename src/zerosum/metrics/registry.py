"""All measures, found as the modules of ``measures/`` that define ``MEASURE``; and those that fit given data."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from zerosum.discovery import Modules
from zerosum.errors import nearest
from zerosum.metrics.features.shipped import CLASSES, IMAGE_SHAPE
from zerosum.metrics.images import SMALLEST as SMALLEST_SET
from zerosum.metrics.measure import Direction, Measure
from zerosum.metrics.measures.ms_ssim import WINDOW
from zerosum.metrics.score import Score

SMALLEST = 2 * SMALLEST_SET  # real images: one set each for reference and control
NARROWEST = WINDOW  # pixels a side: MS-SSIM needs its window


@cache
def measures() -> dict[str, Measure]:
    """All measures by name, in alphabetical order."""
    found = Modules("zerosum.metrics.measures", "MEASURE", "measure").all()
    return {measure.name: measure for measure in sorted(found, key=lambda measure: str(measure.name))}


def parse_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """Names of measures from a list, or from a text in which commas separate them; each once, in lower case.

    Args:
        names: The names, such as ``"fid, pr"`` or ``["fid", "pr"]``.
    """
    listed = names.split(",") if isinstance(names, str) else names
    words = (str(name).strip().lower() for name in listed)
    return tuple(dict.fromkeys(word for word in words if word))


def choose(names: Iterable[str]) -> dict[str, Measure]:
    """The measures of these names.

    Raises:
        ValueError: There is no measure of a name (the message names the nearest one), or no name is given.
    """
    known, chosen = measures(), {}
    for name in names:
        if name not in known:
            raise ValueError(f"there is no measure {name!r}.{nearest(name, known)} Measures: {', '.join(known)}")
        chosen[name] = known[name]
    if not chosen:
        raise ValueError(f"name at least one measure: {', '.join(known)}")
    return chosen


def defaults_for(data: Any) -> tuple[str, ...]:
    """Names of the measures that fit the data and need no download: what a training ends with. The first one ranks.

    * Mixtures in the plane: modes, and the share of good samples.
    * Grey images of 32 pixels a side: the Fréchet distance in the space of the shipped classifier of clothes, and, for
      data of ten classes, their shares.
    * Other images: the Fréchet distance in the space of random convolutions, and the similarity of pairs, which needs
      no features. Both know nothing of what a picture shows, but networks that do would have to be downloaded.

    Args:
        data: A source of ``zerosum.data``.

    Returns:
        Names of measures; none where :func:`why_not` says why.
    """
    if why_not(data) is not None:
        return ()
    if len(data.shape) == 1:
        return ("modes",)
    if tuple(data.shape) == IMAGE_SHAPE:
        return ("fd_fashion", "classes") if len(data.classes) == len(CLASSES) else ("fd_fashion",)
    return ("fd_random", "ms-ssim")


def why_not(data: Any) -> str | None:
    """Why no measure fits these data by default, in one sentence; ``None`` if one does.

    Args:
        data: A source of ``zerosum.data``.
    """
    if len(data.shape) == 1:
        modes = getattr(data, "modes", None)
        if tuple(data.shape) != (2,) or modes is None or len(modes) == 0 or getattr(data, "std", None) is None:
            return f"{data.name} is not a mixture of known modes, so there are no modes to count"
        return None
    pixels = getattr(data, "pixels", None)
    if pixels is None:
        return f"{data.name} does not hold its images as pixels, so there is no fixed reference"
    if len(pixels) < SMALLEST:
        return f"{data.name} has {len(pixels)} images; reference and control need {SMALLEST_SET} each"
    if min(data.shape[1:]) < NARROWEST:
        return f"{data.name} has images of {data.shape[1]}x{data.shape[2]}, and measures need {NARROWEST} pixels a side"
    return None


def plain_names(score: Score) -> list[str]:
    """Names of a score without the features that it was measured on, such as ``["fid"]`` for ``fd_shipped``."""
    features = str(score.protocol.get("features", ""))
    listed = ((measure, name) for measure in measures().values() for name in measure.directions)
    return [name for measure, name in listed if measure.score_name(name, features) == score.name]


def direction_of(score: str) -> Direction:
    """Which of two values of a score is the better one, by the name that the score bears on any features."""
    for measure in measures().values():
        for name, direction in measure.directions.items():
            plain = name.replace("fid", "fd")
            if score == name or (measure.published_on is not None and score.startswith(f"{plain}_")):
                return direction
    return "neither"
