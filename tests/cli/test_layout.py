"""Text that fits the terminal: helps, and tables of which a narrow one shows the columns that matter."""

import io
import os

import pytest

from zerosum.cli import layout
from zerosum.cli.layout import Wrapped, table

ROWS = [("run", "seed", "scores"), ("runs/gan", "0", "fid 3"), ("runs/wgan-gp", "12", "fid 2.5")]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown_at(width: int, monkeypatch: pytest.MonkeyPatch, **words: bool) -> list[str]:
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setattr(layout.shutil, "get_terminal_size", lambda: os.terminal_size((width, 24)))
    return table(ROWS, ("seed", "scores"), **words)


def test_a_table_leaves_out_what_a_terminal_has_no_room_for_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown_at(27, monkeypatch)[2] == "runs/wgan-gp  12    fid 2.5"  # 27 characters
    narrow = shown_at(26, monkeypatch)
    assert narrow[:3] == ["run           scores", "runs/gan      fid 3", "runs/wgan-gp  fid 2.5"]
    assert narrow[3] == "(no room here for: seed; a wider terminal or a file has them)"
    assert shown_at(10, monkeypatch)[2:] == [
        "runs/wgan-gp",  # all that is left, whether or not there is room
        "(no room here for: seed, scores; a wider terminal or a file has them)",
    ]
    assert shown_at(26, monkeypatch, rule=True)[1] == "-" * 21


def test_a_pipe_gets_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.setattr(layout.shutil, "get_terminal_size", lambda: os.terminal_size((10, 24)))
    assert len(table(ROWS, ("seed",))) == len(ROWS)
    assert len(table(ROWS, ("seed",), rule=True)) == len(ROWS) + 1


def test_paragraphs_are_wrapped_and_frames_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    wrapped = Wrapped(stream)
    frame, paragraph = "│ " + "x" * 60 + " │", "word " * 20
    assert wrapped.write(f"{frame}\n\n{paragraph}\nshort\n") == len(frame) + len(paragraph) + 9
    lines = stream.getvalue().splitlines()
    assert lines == [frame, "", *["word " * 7 + "word"] * 2, "word word word word", "short"]
    assert wrapped.isatty()


def test_the_help_of_every_verb_is_wrapped_at_words(zerosum, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    for words in (["train", "biggan"], ["lab", "dirac-gan"], ["sample"], ["compare"], ["runs"], ["data"]):
        said = zerosum(*words, "--help")
        assert said.code == 0
        assert max(map(len, said.out.splitlines())) <= 72, words
