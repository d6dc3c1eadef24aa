"""How steps are counted for a progress bar; that it shows is tested where images are decoded."""

import io

import pytest
from rich.console import Console

from zerosum.progress import counted, fitted_bar, shorten


@pytest.mark.parametrize(
    ("done", "steps"),
    [
        ([2, 5, 9], [2, 3, 4]),
        ([4, 8, 3, 6], [4, 4, 3, 3]),  # a second set
        ([4, 4, 6], [4, 0, 2]),
        ([5, 5, 0, 5], [5, 0, 0, 5]),
    ],
)
def test_what_is_done_becomes_what_is_new(done: list[int], steps: list[int]) -> None:
    seen: list[int] = []
    show = counted(seen.append)
    for n in done:
        show(n, 9)
    assert seen == steps


def test_counters_do_not_share_their_count() -> None:
    seen: list[int] = []
    first, second = counted(seen.append), counted(seen.append)
    first(4, 9)
    second(6, 9)
    first(7, 9)
    assert seen == [4, 6, 3]


LONG = "decoding folder:/home/someone/pictures/of/cats/[red]/in/a/deep/folder/cats"


@pytest.mark.parametrize("width", [24, 40, 80, 200])
@pytest.mark.parametrize("label", ["features", LONG])
def test_share_and_time_left_fit_beside_any_label(width: int, label: str) -> None:
    console = Console(width=width, record=True, file=io.StringIO(), force_terminal=True)
    shown = fitted_bar(console, label)
    shown.update(shown.add_task("", total=1000), completed=300)
    console.print(shown.get_renderable())
    (text,) = console.export_text().splitlines()
    assert len(text) <= width
    assert text.endswith(" 30% -:--:--")
    assert label[:2] in text
    assert width < 200 or label in text, "nothing is markup"


@pytest.mark.parametrize(
    ("room", "text"), [(10, "abcdefghij"), (9, "abcd…ghij"), (4, "ab…j"), (2, "a…"), (1, "…"), (0, "")]
)
def test_texts_lose_their_middle(room: int, text: str) -> None:
    assert shorten("abcdefghij", room) == text
