from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zerosum as library
from zerosum.latent.interpolate import lerp, slerp
from zerosum.runs.pictures import MARGIN, to_pixels


def cells(path: Path, rows: int, columns: int) -> np.ndarray:
    """The images of a sheet of 32 x 32 images, which is drawn at twice its size: (rows, columns, 32, 32)."""
    with Image.open(path) as image:
        page = np.asarray(image)[::2, ::2]
    assert page.shape == (rows * (32 + MARGIN) + MARGIN, columns * (32 + MARGIN) + MARGIN)
    return page[MARGIN:, MARGIN:].reshape(rows, 34, columns, 34).swapaxes(1, 2)[..., :32, :32]


@pytest.mark.parametrize("kind", ["slerp", "lerp"])
def test_rows_go_from_one_sample_to_another(zerosum, image_run: Path, kind: str) -> None:
    said = zerosum("interpolate", image_run, "--rows", 3, "--steps", 5, "--kind", kind, "--seed", 2)
    path = image_run / f"interpolation-{kind}-seed2.png"
    assert (said.code, said.out) == (0, f"{path}\n")
    found = cells(path, 3, 5)
    sampler = library.load(image_run).with_seed(2)
    ends, (latents,) = to_pixels(sampler(0, 6))[..., 0], sampler.latents(0, 6)
    assert np.abs(found[:, 0].astype(int) - ends[0::2]).max() <= 1
    assert np.abs(found[:, 4].astype(int) - ends[1::2]).max() <= 1
    halfway = {"lerp": lerp, "slerp": slerp}[kind](latents[4], latents[5], 0.5)[None]
    assert np.abs(found[2, 2].astype(int) - to_pixels(sampler.generate(halfway))[0, ..., 0]).max() <= 1


def test_points_walk_on_lines(zerosum, point_run: Path) -> None:
    said = zerosum("interpolate", point_run, "--out", "new/walk.png")
    assert (said.code, said.out) == (0, "new/walk.png\n")
    with Image.open("new/walk.png") as image:
        assert image.size == (550, 550)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--rows", 0], "--rows must be at least 1"),
        (["--steps", 1], "--steps must be at least 2"),
        (["--out", "x.gif"], "call it x.png"),
    ],
)
def test_what_cannot_be_done_is_explained(zerosum, image_run: Path, words: list[object], part: str) -> None:
    said = zerosum("interpolate", image_run, *words)
    assert said.code == 1
    assert part in said.err
