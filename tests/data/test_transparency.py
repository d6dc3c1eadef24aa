"""Pictures with transparent parts are laid on white, and that is said."""

from pathlib import Path

import numpy as np
from PIL import Image

from zerosum.data import load


def test_transparency_of_files_is_put_on_white_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "photos" / "palette.png", transparency=1)
    for name, colour in {"clear": (0, 0, 0, 0), "half": (0, 0, 0, 128), "opaque": (9, 9, 9, 255)}.items():
        Image.new("RGBA", (8, 8), colour).save(tmp_path / "photos" / f"{name}.png")
    Image.new("RGB", (8, 8), (200, 0, 0)).save(tmp_path / "photos" / "plain.png")
    for _ in range(2):  # the second time from the cache
        data = load(tmp_path / "photos", size=8, cache=tmp_path / "cache")
        assert data.notes == ("the transparency of 3 of 5 images was put on white",)
    clear, half, opaque, palette_, plain = np.asarray(data.pixels)[:, 0, 0]
    assert [value.tolist() for value in (clear, half, opaque, palette_, plain)] == [
        [255, 255, 255], [127, 127, 127], [9, 9, 9], [255, 255, 255], [200, 0, 0],
    ]  # fmt: skip


def test_pictures_without_transparent_parts_have_no_note(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (9, 9, 9, 255)).save(tmp_path / "opaque.png")
    assert load(tmp_path, size=8, cache=tmp_path / "cache").notes == ()
    with Image.open(tmp_path / "opaque.png") as picture:
        assert not any("white" in note for note in load([picture, picture], size=8).notes)
        clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
        assert any("transparency of 1 of 2" in note for note in load([picture, clear], size=8).notes)
