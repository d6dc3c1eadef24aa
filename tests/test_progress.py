"""How steps are counted for a progress bar; that it shows is tested where images are decoded."""

import pytest

from zerosum.progress import counted


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
