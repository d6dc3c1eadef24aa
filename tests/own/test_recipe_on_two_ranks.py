"""A recipe of one's own on two processes: both know where the run is, though nobody named a folder."""

from collections.abc import Callable
from pathlib import Path


def test_both_have_the_same_run(on_two_ranks: Callable[[Path, Path], None], tmp_path: Path) -> None:
    on_two_ranks(Path(__file__).with_name("two_ranks.py"), tmp_path)
    first, second = ((tmp_path / f"rank-{rank}.txt").read_text() for rank in (0, 1))
    assert first == second
    assert first.startswith("runs/my-gan-ring-1 3 ")
