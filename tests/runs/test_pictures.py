"""Sheets of images with words: every image exact and where it is said to be, every word readable and in its place."""

import io
import itertools
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from zerosum.data.base import Data
from zerosum.runs import lettering
from zerosum.runs.grid import WIDEST, Band, SheetLayout, lay_out, read_images, read_places
from zerosum.runs.lettering import ELLIPSIS, SMALLEST, class_names, distinctive, fit, measure, shorten, wrap
from zerosum.runs.pictures import draw_training, names_of, plain_title, scatter, sheet, to_pixels


def noise(n: int, channels: int, height: int, width: int | None = None, seed: int = 0) -> Tensor:
    return torch.rand(n, channels, height, width or height, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def texts(layout: SheetLayout) -> list[str]:
    return [words.text for words in layout.words]


def boxes(layout: SheetLayout) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of everything: of images and of words."""
    images = [(p.left, p.top, p.left + p.width * p.scale, p.top + p.height * p.scale) for p in layout.images]
    words = []
    for w in layout.words:
        left, top, right, bottom = lettering.load_font(w.size, w.bold).getbbox(w.text)
        words.append((w.left + left, w.top + top, w.left + right, w.top + bottom))
    return images + words


def check(layout: SheetLayout) -> None:
    """Everything is on the sheet, nothing covers anything else, and all words can be read."""
    found = boxes(layout)
    for left, top, right, bottom in found:
        assert 0 <= left < right <= layout.width
        assert 0 <= top < bottom <= layout.height
    for a, b in itertools.combinations(found, 2):
        apart = a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 1 or b[3] <= a[1] + 1
        assert apart, (a, b)
    assert all(words.size >= SMALLEST for words in layout.words)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("n", "side"), [(64, 2), (64, 28), (5, 32), (64, 64), (1, 32), (9, 129), (4, 1024), (130, 8)])
def test_images_are_exact_and_where_they_are_said_to_be(tmp_path: Path, channels: int, n: int, side: int) -> None:
    samples, real = noise(n, channels, side), noise(64, channels, side, seed=1)
    names = [f"a rather long name of a class {i % 7}" for i in range(n)]
    path = tmp_path / "sheet.png"
    layout = sheet(samples, path, title="a title", note="a note", classes=names, real=real, real_classes=["b"] * 64)
    check(layout)
    assert layout.images == read_places(path)
    columns = max(p.column for p in layout.images) + 1
    expected = np.concatenate([to_pixels(real[:columns]), to_pixels(samples)])
    assert np.array_equal(np.stack(read_images(path)), expected)
    page = np.asarray(Image.open(path)).reshape(layout.height, layout.width, channels)
    for place, image in zip(layout.images, expected, strict=True):  # every one of the equal pixels, not only one each
        height, width = place.height * place.scale, place.width * place.scale
        shown = page[place.top : place.top + height, place.left : place.left + width]
        assert np.array_equal(shown, image.repeat(place.scale, 0).repeat(place.scale, 1))


@pytest.mark.parametrize("side", [2, 8, 28, 32, 48, 64, 128])
def test_sheets_of_small_images_are_wide_enough_to_look_at(tmp_path: Path, side: int) -> None:
    layout = sheet(noise(64, 1, side), tmp_path / "sheet.png")  # the call of earlier versions, which gave 548 pixels
    assert 1_000 <= layout.width <= WIDEST
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.size == (layout.width, layout.height)


def test_enlargement_ends_at_a_few_megapixels(tmp_path: Path) -> None:
    layout = sheet(noise(1_000, 1, 8), tmp_path / "sheet.png", columns=8)
    assert layout.width * layout.height < 5e6
    large = sheet(noise(4, 1, 1024), tmp_path / "large.png")
    assert {place.scale for place in large.images} == {1}


def ink(path: Path, layout: SheetLayout) -> list[float]:
    """Share of dark pixels at each line of words."""
    page = np.asarray(Image.open(path).convert("L"))
    found = []
    for left, top, right, bottom in boxes(layout)[len(layout.images) :]:
        part = page[round(top) : round(bottom), round(left) : round(right)]
        found.append(float((part < 128).mean()))
    return found


def test_words_are_really_drawn(tmp_path: Path) -> None:
    samples, real = noise(8, 3, 16), noise(8, 3, 16)
    names = ["cat", "dog"] * 4
    layout = sheet(samples, tmp_path / "s.png", title="gan on x, step 7", classes=names, real=real)
    assert texts(layout)[0] == "gan on x, step 7"
    assert {"real", "generated", "cat", "dog"} <= set(texts(layout))
    assert all(0.1 < share < 0.9 for share in ink(tmp_path / "s.png", layout))
    bare = sheet(samples, tmp_path / "bare.png")
    assert bare.words == []
    blank = np.asarray(Image.open(tmp_path / "bare.png")).copy()
    for left, top, right, bottom in boxes(bare):
        blank[round(top) : round(bottom), round(left) : round(right)] = 255
    assert (blank == 255).all()


def test_the_file_says_what_it_shows(tmp_path: Path) -> None:
    sheet(noise(4, 1, 8), tmp_path / "s.png", title="gan on Zürich", note="seed 3")
    assert Image.open(tmp_path / "s.png").info["Title"] == "gan on Zürich. seed 3"
    scatter(torch.zeros(3, 2), torch.ones(5, 2), tmp_path / "p.png", "gan on ring\nseed 3")
    assert Image.open(tmp_path / "p.png").info["Title"] == "gan on ring. seed 3"


def test_pictures_of_other_programs_do_not_say_where_images_are(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "s.png")
    with pytest.raises(ValueError, match="does not say where its images are"):
        read_images(tmp_path / "s.png")


@pytest.mark.parametrize("channels", [2, 4, 6])
def test_other_channels_are_left_out_and_that_is_said(tmp_path: Path, channels: int) -> None:
    samples = noise(4, channels, 8)
    layout = sheet(samples, tmp_path / "s.png", title="t", note="n", real=samples)
    assert f"n; only the first of {channels} channels is shown" in texts(layout)
    shown = np.stack(read_images(tmp_path / "s.png"))
    assert np.array_equal(shown[2:], to_pixels(samples)[..., :1])


def at(layout: SheetLayout, text: str) -> tuple[float, float]:
    """Middle and top of a line of words."""
    (words,) = [words for words in layout.words if words.text == text]
    return words.left + measure(text, words.size, words.bold) / 2, words.top


def test_a_column_of_one_class_has_its_name_above(tmp_path: Path) -> None:
    layout = sheet(noise(9, 1, 16), tmp_path / "s.png", 3, classes=["ant", "bee", "cow"] * 3)
    assert texts(layout) == ["ant", "bee", "cow"]
    for place, name in zip(layout.images, ["ant", "bee", "cow"], strict=False):
        middle, top = at(layout, name)
        assert middle == pytest.approx(place.left + place.width * place.scale / 2, abs=2)
        assert top < place.top


def test_a_row_of_one_class_has_its_name_beside_it(tmp_path: Path) -> None:
    layout = sheet(noise(8, 1, 16), tmp_path / "s.png", 4, classes=["ant"] * 4 + ["bee"] * 4)
    assert texts(layout) == ["ant", "bee"]
    for place, name in zip(layout.images[::4], ["ant", "bee"], strict=True):
        middle, top = at(layout, name)
        assert middle < place.left
        assert place.top <= top <= place.top + place.height * place.scale


def test_other_classes_have_their_names_below_the_images(tmp_path: Path) -> None:
    names = ["ant", "bee", "cow", "dog", "eel"]
    layout = sheet(noise(5, 1, 16), tmp_path / "s.png", 2, classes=names)
    for place, name in zip(layout.images, names, strict=True):
        middle, top = at(layout, name)
        assert middle == pytest.approx(place.left + place.width * place.scale / 2, abs=2)
        assert place.top + place.height * place.scale <= top <= place.top + place.height * place.scale + 8


def test_one_class_for_all_is_said_once(tmp_path: Path) -> None:
    layout = sheet(noise(4, 1, 16), tmp_path / "s.png", classes=["ant"] * 4, real=noise(2, 1, 16))
    assert texts(layout) == ["real", "generated: ant"]


def test_real_images_are_one_row_at_the_top(tmp_path: Path) -> None:
    samples, real = noise(9, 3, 8), noise(20, 3, 8, seed=5)
    layout = sheet(samples, tmp_path / "s.png", real=real)
    above = [place for place in layout.images if place.band == 0]
    assert len(above) == 3
    assert max(place.top for place in above) < min(place.top for place in layout.images if place.band == 1)
    assert at(layout, "real")[1] < above[0].top < at(layout, "generated")[1]


def test_images_of_unlike_sizes_are_shown_alike(tmp_path: Path) -> None:
    layout = sheet(noise(4, 1, 8), tmp_path / "s.png", real=noise(2, 3, 32))
    sizes = {place.width * place.scale for place in layout.images}
    assert len(sizes) == 1  # 8 pixels are enlarged four times as much
    assert [image.shape for image in read_images(tmp_path / "s.png")] == [(32, 32, 3)] * 2 + [(8, 8, 3)] * 4


def test_hundreds_of_classes_stay_readable(tmp_path: Path) -> None:
    names = [f"species of beetle number {i}" for i in range(400)]
    layout = sheet(noise(400, 3, 32), tmp_path / "s.png", classes=names)
    check_sizes = [words for words in layout.words if words.text]
    assert len(check_sizes) == len(set(texts(layout))) == 400  # shortened, and still told apart
    check(lay_out([Band([[np.zeros((4, 4, 1), np.uint8)] * 30] * 9, captions=[names[:30]] * 9)], "t"))


def test_a_sheet_of_more_images_than_the_file_can_tell_is_still_a_picture(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("zerosum.runs.grid.TOLD", 8)
    sheet(noise(9, 1, 2), tmp_path / "s.png")
    with pytest.raises(ValueError, match="does not say"):
        read_places(tmp_path / "s.png")
    with pytest.raises(ValueError, match="at least one image"):
        lay_out([Band([[None]])])


def test_columns_without_an_image_are_narrow_and_keep_others_apart() -> None:
    image = np.zeros((8, 8, 1), np.uint8)
    layout = lay_out([Band([[image, None, image]], columns=[("left", 1), ("", 1), ("right", 1)])])
    first, second = layout.images
    gap = second.left - first.left - first.width * first.scale
    assert 8 < gap < first.width * first.scale / 2
    assert at(layout, "right")[0] == pytest.approx(second.left + second.width * second.scale / 2, abs=2)


def test_a_heading_stands_over_all_its_columns() -> None:
    image = np.zeros((8, 8, 1), np.uint8)
    layout = lay_out([Band([[image] * 5], columns=[("one", 1), ("four of them", 4)])])
    middle, _ = at(layout, "four of them")
    left, right = layout.images[1], layout.images[4]
    assert middle == pytest.approx((left.left + right.left + right.width * right.scale) / 2, abs=2)


def test_letters_grow_with_the_sheet(tmp_path: Path) -> None:
    small = sheet(noise(64, 1, 32), tmp_path / "a.png", title="t", note="n")
    large = sheet(noise(64, 1, 400), tmp_path / "b.png", title="t", note="n")
    for a, b in zip(small.words, large.words, strict=True):
        assert b.size / large.width == pytest.approx(a.size / small.width, rel=0.15)


@pytest.mark.parametrize("room", [5, 30, 90, 400])
@pytest.mark.parametrize("text", ["a", "T-shirt/top", "W" * 40, "Ångström", "one two three four five six"])
def test_lines_are_shortened_to_what_fits(text: str, room: int) -> None:
    short = shorten(text, room, 15)
    assert measure(short, 15) <= room
    if short != text:
        assert short == "" or (short.endswith(ELLIPSIS) and text.startswith(short[:-1]))
        longer = text[: len(short.removesuffix(ELLIPSIS)) + 2].rstrip() + ELLIPSIS
        assert not short or measure(longer, 15) > room
    shown, size = fit(text, room, 15)
    assert measure(shown, size) <= room
    assert SMALLEST <= size <= 15
    assert shown == text or size == SMALLEST


def test_names_that_begin_alike_keep_their_ends() -> None:
    assert distinctive(["sample 1", "sample 2"]) > 0
    assert distinctive(["cat", "dog", "cat", ""]) == 0
    short = [fit(f"species of beetle number {i}", 80, 15, tail=4)[0] for i in (12, 13)]
    assert short[0] != short[1]
    assert all(ELLIPSIS in text for text in short)


def test_long_titles_are_broken_into_lines() -> None:
    text = "a title that goes on and on " * 9
    lines = wrap(text, 300, 20, lines=3)
    assert len(lines) == 3
    assert lines[2].endswith(ELLIPSIS)
    assert all(measure(line, 20) <= 300 for line in lines)
    assert text.startswith(" ".join(lines[:2]))
    path = "/" + "x" * 200
    assert "".join(wrap(path, 300, 20, lines=99)) == path
    assert wrap("", 300, 20) == []
    assert wrap("short", 300, 20) == ["short"]


def test_what_the_font_does_not_have_is_numbered() -> None:
    assert class_names(("Bag", "鞄", "", "Straße", "été", "Ёлка", "  ", "a b")) == (
        "Bag", "class 1", "class 2", "Straße", "été", "Ёлка", "class 6", "a b",
    )  # fmt: skip
    assert lettering.drawable("a\nb 鞄\x1b[1m") == "a\\nb □\\x1b[1m"
    assert names_of(("Bag", "Coat"), torch.tensor([1, 0, 2])) == ["Coat", "Bag", "class 2"]


def test_without_the_font_of_matplotlib_pillow_s_is_taken(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(lettering, "_fonts", lambda: tmp_path)
    for cached in (lettering.load_font, lettering.has_glyph):
        cached.cache_clear()
    try:
        layout = sheet(noise(4, 1, 8), tmp_path / "s.png", title="a title", classes=["a", "b", "c", "d"])
        check(layout)
        assert min(ink(tmp_path / "s.png", layout)) > 0.05
    finally:
        for cached in (lettering.load_font, lettering.has_glyph):
            cached.cache_clear()


def test_drawing_needs_no_matplotlib_for_words() -> None:
    program = (
        "import sys; from zerosum.runs.lettering import measure, load_font; measure('x', 12); "
        "assert 'DejaVu' in load_font(12).getname()[0]; assert not {'matplotlib', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_points_have_a_title_a_legend_and_names_of_axes(tmp_path: Path, monkeypatch) -> None:
    from matplotlib.figure import Figure

    kept: list[Figure] = []
    original = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (kept.append(self), original(self, *a, **k))[1])
    scatter(torch.zeros(3, 2), torch.ones(5, 2), tmp_path / "p.png", "gan on $x$_y, step 1")
    (axes,) = kept[0].axes
    assert axes.get_title() == r"gan on \$x\$_y, step 1"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("first coordinate", "second coordinate")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["real (5)", "generated (3)"]


def test_titles_of_figures_are_broken_too() -> None:
    lines = plain_title("word " * 40 + "\nsecond").split("\n")
    assert len(lines) == 3
    assert max(map(len, lines)) <= 85
    assert lines[2] == "second"


class Toy(Data):
    """Eight images of a given size, with labels."""

    def batch(self, k, size, *, seed, rank=0, world=1, device="cpu"):
        assert size <= 8
        return torch.stack([torch.full(self.shape, i / 8) for i in range(size)]), torch.arange(size) % 2


def trained(tmp_path: Path, side: int, count: int = 8, labelled: bool = True) -> tuple[Path, Tensor]:
    data = Toy("toy", (3, side, side), ("cat", "dog"), count, "", ())
    setup = SimpleNamespace(name="cgan", data=data, settings=SimpleNamespace(seed=4))
    sampler = SimpleNamespace(labelled=labelled, latents=lambda start, n: (None, torch.arange(n) // 3 % 2))
    samples, path = noise(64, 3, side), tmp_path / "step.png"
    draw_training(setup, sampler, samples, 1_234, path)
    return path, samples


def test_pictures_of_training_show_real_images_first(tmp_path: Path) -> None:
    path, samples = trained(tmp_path, 16)
    images, places = read_images(path), read_places(path)
    assert [place.band for place in places] == [0] * 8 + [1] * 64
    assert np.array_equal(np.stack(images[8:]), to_pixels(samples))
    assert [int(image[0, 0, 0]) for image in images[:8]] == [round((i / 8 + 1) * 127.5) for i in range(8)]
    title = Image.open(path).info["Title"]
    assert title == "cgan on toy, step 1,234. samples of seed 4, from the same latents at every step"


@pytest.mark.parametrize("labelled", [True, False])
def test_they_name_the_classes(tmp_path: Path, monkeypatch, labelled: bool) -> None:
    seen: dict[str, object] = {}
    monkeypatch.setattr("zerosum.runs.pictures.sheet", lambda *a, **words: seen.update(words))
    trained(tmp_path, 16, labelled=labelled)
    assert seen["real_classes"] == ["cat", "dog"] * 4
    assert seen["classes"] == ([["cat", "dog"][i // 3 % 2] for i in range(64)] if labelled else [])


def test_large_images_are_fewer_on_pictures_of_training(tmp_path: Path) -> None:
    path, samples = trained(tmp_path, 512)
    images = read_images(path)
    assert 4 <= len(images) - 4 <= 25
    with Image.open(path) as picture:
        assert picture.width * picture.height < 10e6
    side = round((len(images) - 4) ** 0.5)
    assert np.array_equal(np.stack(images[-(side**2) :]), to_pixels(samples[: side**2]))


def test_few_real_images_are_enough(tmp_path: Path) -> None:
    path, _ = trained(tmp_path, 16, count=3)
    assert [place.band for place in read_places(path)].count(0) == 3


def test_grey_sheets_stay_grey_and_are_the_same_each_time(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        sheet(noise(4, 1, 8), tmp_path / f"{name}.png", title="t")
        files.append((tmp_path / f"{name}.png").read_bytes())
    assert files[0] == files[1]
    assert Image.open(io.BytesIO(files[0])).mode == "L"
