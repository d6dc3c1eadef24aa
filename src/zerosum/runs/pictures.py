"""Pictures of samples, with words: a contact sheet of images, or a scatter plot of points over the real ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from zerosum.metrics.images import eight_bit
from zerosum.runs.grid import Band, SheetLayout, draw
from zerosum.runs.lettering import class_names, drawable

if TYPE_CHECKING:
    from zerosum.runs.sampler import Sampler
    from zerosum.runs.setup import Setup

MOST_SHOWN = 6_000_000  # pixels of the samples on a picture of a run in training: beyond it, fewer of them are shown
INCHES, DOTS = 6.0, 120  # side of a picture of points, and dots per inch
LONGEST = 85  # characters of a line over a picture of points
REAL, GENERATED = "real", "generated"


def to_pixels(samples: Tensor) -> npt.NDArray[np.uint8]:
    """Images in [-1, 1], (N, C, H, W), as uint8 (N, H, W, C)."""
    pixels: npt.NDArray[np.uint8] = eight_bit(samples.detach()).cpu().permute(0, 2, 3, 1).numpy()
    return pixels


def to_shown(samples: Tensor) -> npt.NDArray[np.uint8]:
    """Images (N, C, H, W) in [-1, 1] as they are shown, uint8 (N, H, W, 1 or 3): of other channels, the first one."""
    pixels = to_pixels(samples)
    return pixels if pixels.shape[3] in (1, 3) else pixels[..., :1]


def note_on(channels: int) -> str:
    """What a sheet says about images with so many channels."""
    return "" if channels in (1, 3) else f"only the first of {channels} channels is shown"


def sheet(
    samples: Tensor,
    path: Path,
    columns: int | None = None,
    *,
    title: str = "",
    note: str = "",
    classes: Sequence[str] = (),
    real: Tensor | None = None,
    real_classes: Sequence[str] = (),
) -> SheetLayout:
    """Write images as one PNG, row by row, with words over, beside and below them.

    Args:
        samples: Generated images, (N, C, H, W) in [-1, 1].
        path: Path of the file.
        columns: Number of columns. ``None``: as many as make the sheet about square.
        title: What the sheet shows.
        note: More about it.
        classes: Name of the class of each sample, which stands where it says most with the least: over columns or
            beside rows that have one class each, or below each image.
        real: Real images for comparison, (M, C, H, W) in [-1, 1], of which one row is shown on top.
        real_classes: Name of the class of each of them.

    Returns:
        What stands where on the sheet.

    Raises:
        ValueError: There is no sample.
        OSError: The file cannot be written.
    """
    columns = columns or max(1, math.ceil(math.sqrt(len(samples))))
    bands = []
    if real is not None and len(real):
        bands.append(_band(real[:columns], columns, list(real_classes)[:columns], REAL))
    bands.append(_band(samples, columns, list(classes), GENERATED if bands else ""))
    return draw(bands, path, title, joined(note, note_on(samples.shape[1])))


def joined(*parts: str) -> str:
    """The parts that are not empty, separated by semicolons."""
    return "; ".join(part for part in parts if part)


def _band(samples: Tensor, columns: int, classes: Sequence[str], heading: str) -> Band:
    """Images row by row, with the names of their classes where these are given."""
    band = Band(rows(to_shown(samples), columns), heading)
    if not classes or len(classes) != len(samples):
        return band
    named = rows(classes, columns)
    by_column = [set(classes[column::columns]) for column in range(min(columns, len(classes)))]
    if len(set(classes)) == 1:
        return replace(band, heading=": ".join(part for part in (heading, classes[0]) if part))
    if len(named) > 1 and all(len(names) == 1 for names in by_column):
        return replace(band, columns=[(names.pop(), 1) for names in by_column])
    if columns > 1 and all(len(set(row)) == 1 for row in named):
        return replace(band, labels=[row[0] for row in named])
    return replace(band, captions=named)


def names_of(classes: Sequence[str], labels: Iterable[Any]) -> list[str]:
    """Names of classes, by their numbers, as they are written on pictures."""
    names = class_names(tuple(classes))
    return [names[y] if y < len(names) else f"class {y}" for y in map(int, labels)]


def rows(items: Sequence[Any] | npt.NDArray[Any], columns: int) -> list[list[Any]]:
    """Items in rows of so many."""
    return [list(items[start : start + columns]) for start in range(0, len(items), columns)]


def draw_training(setup: Setup, sampler: Sampler, samples: Tensor, step: int, path: Path) -> None:
    """Draw the first samples of a run in training next to real ones: images on a sheet, or points over points.

    Where images are large, fewer of them are shown.

    Args:
        setup: What is trained.
        sampler: Generator of the run.
        samples: Its samples from number 0 on, (N, C, H, W) or (N, 2).
        step: Iterations so far.
        path: Path of the PNG file.

    Raises:
        OSError: The file cannot be written.
    """
    title = f"{setup.name} on {setup.data.name}, step {step:,}"
    note = f"samples of seed {setup.settings.seed}, from the same latents at every step"
    if setup.data.is_points:
        real, _ = setup.data.batch(0, len(samples), seed=setup.settings.seed + 1)
        scatter(samples, real, path, f"{title}, seed {setup.settings.seed}")
        return
    side = max(1, math.isqrt(min(len(samples), MOST_SHOWN // samples[0, 0].numel())))
    real, labels = setup.data.batch(0, min(side, setup.data.count or side), seed=setup.settings.seed + 1)
    made = names_of(setup.data.classes, sampler.latents(0, side**2)[1]) if sampler.labelled else []
    theirs = names_of(setup.data.classes, labels) if labels is not None else []
    sheet(samples[: side**2], path, side, title=title, note=note, classes=made, real=real, real_classes=theirs)


def scatter(samples: Tensor, real: Tensor | None, path: Path, title: str = "") -> None:
    """Write generated points (N, 2) over real ones, if there are any, as one PNG."""
    with plane(real, path, title, label="" if real is None else f"{REAL} ({len(real):,})") as axes:
        axes.scatter(*samples.T.numpy(), s=4, c="#c2410c", alpha=0.6, label=f"{GENERATED} ({len(samples):,})", lw=0)


@contextmanager
def plane(real: Tensor | None, path: Path, title: str = "", *, label: str = REAL) -> Iterator[Any]:
    """Give axes to draw on, which show real points (N, 2) in grey. They are written to ``path`` when the block ends.

    A legend says what has a label.

    Args:
        real: Real points, which decide how far the axes reach. ``None``: what is drawn decides it.
        path: Path of the PNG file.
        title: Title of the picture, of one line or several.
        label: Label of the real points in the legend.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(INCHES, INCHES), dpi=DOTS)
    # Room for words of these sizes; to have it found (`layout="tight"`) takes as long as to draw.
    axes: Any = figure.subplots(gridspec_kw={"left": 0.12, "right": 0.97, "bottom": 0.09, "top": 0.92})
    if real is not None:
        axes.scatter(*real.T.numpy(), s=4, c="#bbbbbb", label=label, linewidths=0)
    yield axes
    reach = abs(axes.dataLim.get_points()).max() if real is None else real.abs().max()
    limit = 1.3 * float(reach)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axes.set_xlabel("first coordinate", fontsize=9)
    axes.set_ylabel("second coordinate", fontsize=9)
    axes.set_title(plain_title(title), fontsize=9)
    axes.tick_params(labelsize=8)
    for handle in axes.legend(loc="upper right", fontsize=8).legend_handles:
        if hasattr(handle, "set_sizes"):  # marks of all sizes are told apart by their colours and forms
            handle.set_sizes([30.0])
    figure.savefig(path, metadata={"Title": drawable(title.replace("\n", ". "))})


def plain_title(title: str, longest: int = LONGEST) -> str:
    """A title for matplotlib: its lines are broken where they are too long, and no sign means a formula.

    Args:
        title: The title, of one line or several.
        longest: Largest number of characters of a line.
    """
    lines = [part for line in map(drawable, title.split("\n")) for part in wrap(line, longest, max_lines=2)]
    return "\n".join(lines).replace("$", r"\$")
