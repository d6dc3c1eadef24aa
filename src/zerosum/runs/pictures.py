"""Pictures of samples: a contact sheet of images, or a scatter plot of points over the real ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from zerosum.metrics.images import eight_bit

MARGIN = 2  # pixels between images
SMALLEST = 64  # least side of an image on a sheet, in pixels


def to_pixels(samples: Tensor) -> npt.NDArray[np.uint8]:
    """Images in [-1, 1], (N, C, H, W), as uint8 (N, H, W, C)."""
    pixels: npt.NDArray[np.uint8] = eight_bit(samples.detach()).cpu().permute(0, 2, 3, 1).numpy()
    return pixels


def sheet(samples: Tensor, path: Path, columns: int | None = None) -> None:
    """Write images (N, C, H, W) in [-1, 1] as one PNG, row by row.

    Args:
        samples: Images.
        path: Path of the file.
        columns: Number of columns. ``None``: as many as make the sheet about square.
    """
    from PIL import Image

    pixels = to_pixels(samples)
    n, height, width, channels = pixels.shape
    if channels not in (1, 3):  # PNG cannot show these: the first channel stands for all
        pixels, channels = pixels[..., :1], 1
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    page = np.full((rows * (height + MARGIN) + MARGIN, columns * (width + MARGIN) + MARGIN, channels), 255, np.uint8)
    for i, image in enumerate(pixels):
        top, left = MARGIN + (i // columns) * (height + MARGIN), MARGIN + (i % columns) * (width + MARGIN)
        page[top : top + height, left : left + width] = image
    picture = Image.fromarray(page.squeeze(-1) if channels == 1 else page)
    scale = max(1, math.ceil(SMALLEST / height))
    picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST).save(path)


def scatter(samples: Tensor, real: Tensor, path: Path, title: str = "") -> None:
    """Write generated points (N, 2) over real ones as one PNG."""
    with plane(real, path, title, label="real") as axes:
        axes.scatter(*samples.T.tolist(), s=4, c="#c2410c", alpha=0.6, label="generated", linewidths=0)
        axes.legend(loc="upper right", fontsize=8, markerscale=3)


@contextmanager
def plane(real: Tensor, path: Path, title: str = "", *, label: str | None = None) -> Iterator[Any]:
    """Give axes to draw on, which show real points (N, 2) in grey. They are written to ``path`` when the block ends.

    Args:
        real: Real points, which decide how far the axes reach.
        path: Path of the PNG file.
        title: Title of the picture.
        label: Label of the real points in a legend. ``None``: they have none.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), dpi=110, layout="tight")
    axes: Any = figure.subplots()
    axes.scatter(*real.T.tolist(), s=4, c="#bbbbbb", label=label, linewidths=0)
    yield axes
    limit = 1.3 * float(real.abs().max())
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)
    figure.savefig(path)
