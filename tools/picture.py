"""Draw the picture of the README, ``docs/clothes.png``: real clothes beside those that the run of ``make demo`` makes.

The generated ones are the first four rows of ``results/images/demo.png``, which that run drew after its last step; the
real ones are the first batch of seed 0. Nothing is selected.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zerosum.data import load

ROOT = Path(__file__).parents[1]
GENERATED = ROOT / "results" / "images" / "demo.png"
TARGET = ROOT / "docs" / "clothes.png"
ROWS, COLUMNS = 4, 8
CELL, GAP = 64, 4  # pixels, as in the generated sheet: each image at twice its size
BETWEEN, HEAD = 40, 40
CAPTIONS = "real", "generated, after 4 minutes of training on two cores"


def real() -> Image.Image:
    """A sheet of the first real images, in the layout of the generated sheet."""
    pixels = load("fashion-mini", progress=False).batch(0, ROWS * COLUMNS, seed=0)[0]
    sheet = Image.new("L", (COLUMNS * (CELL + GAP), ROWS * (CELL + GAP)), 255)
    for i, image in enumerate(((pixels[:, 0].numpy() + 1) * 127.5).round().astype(np.uint8)):
        cell = Image.fromarray(image).resize((CELL, CELL), Image.Resampling.NEAREST)
        sheet.paste(cell, ((i % COLUMNS) * (CELL + GAP) + GAP, (i // COLUMNS) * (CELL + GAP) + GAP))
    return sheet


def main() -> None:
    with Image.open(GENERATED) as opened:
        generated = opened.convert("L").crop((0, 0, COLUMNS * (CELL + GAP), ROWS * (CELL + GAP)))
    sheets = real(), generated
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
