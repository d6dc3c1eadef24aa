"""Draw the picture of the README, ``docs/clothes.png``: real clothes beside those that the run of ``make demo`` makes.

The generated ones are the first samples of the run in ``runs/demo``, the real ones the first batch of seed 0. Nothing
is selected. The sheet of that run's last step becomes ``results/images/demo.png``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

import zerosum
from zerosum.data import load
from zerosum.metrics.images import eight_bit

ROOT = Path(__file__).parents[1]
RUN, SHEET = ROOT / "runs" / "demo", ROOT / "results" / "images" / "demo.png"
TARGET = ROOT / "docs" / "clothes.png"
ROWS, COLUMNS = 4, 8
CELL, GAP = 64, 4  # pixels: each image at twice its size
BETWEEN, HEAD = 40, 40
CAPTIONS = "real", "generated, after 4 minutes of training on two cores"


def sheet_of(images: Tensor) -> Image.Image:
    """Images (32, 1, H, W) in [-1, 1], row by row."""
    sheet = Image.new("L", (COLUMNS * (CELL + GAP), ROWS * (CELL + GAP)), 255)
    for i, image in enumerate(eight_bit(images)[:, 0].numpy()):
        cell = Image.fromarray(image).resize((CELL, CELL), Image.Resampling.NEAREST)
        sheet.paste(cell, ((i % COLUMNS) * (CELL + GAP) + GAP, (i // COLUMNS) * (CELL + GAP) + GAP))
    return sheet


def main() -> None:
    images = load("fashion-mini", progress=False).batch(0, ROWS * COLUMNS, seed=0)[0]
    sheets = sheet_of(images), sheet_of(zerosum.load(str(RUN)).generator(0, ROWS * COLUMNS))
    shutil.copy(max((RUN / "samples").glob("step-*.png")), SHEET)
    width, height = sheets[0].size
    page = Image.new("L", (2 * width + BETWEEN, height + HEAD), 255)
    font = ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), 20)
    for i, (sheet, caption) in enumerate(zip(sheets, CAPTIONS, strict=True)):
        page.paste(sheet, (i * (width + BETWEEN), HEAD))
        ImageDraw.Draw(page).text((i * (width + BETWEEN) + GAP, 8), caption, fill=0, font=font)
    page.save(TARGET, optimize=True)
    print(TARGET)


if __name__ == "__main__":
    main()
