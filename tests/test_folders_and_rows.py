"""Folders and rows against kills and full disks: the old one or the new one is whole, and no row harms another."""

import errno
import os
from pathlib import Path

import pytest

from killed_writers import fail_at, in_another_process, kill_in, names
from zerosum.files import (
    Rows,
    atomic_folder,
    restore_folder,
)

# Folders.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is to be replaced."""
    path = tmp_path / "step-1"
    path.mkdir()
    (path / "weights").write_text("before")
    (path / "extra").write_text("before")
    return path


def contents(path: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in path.iterdir()}


BEFORE = {"weights": "before", "extra": "before"}
WRITE = ["with atomic_folder(path) as partial:", "    (partial / 'weights').write_text('after')"]
RENAME = ["rename, calls = Path.rename, []", "def counted(self, to):", "    calls.append(to)"]


def test_a_folder_is_replaced_as_a_whole(folder: Path) -> None:
    with atomic_folder(folder) as partial:
        assert partial.parent == folder.parent
        assert contents(partial) == {}
        (partial / "weights").write_text("after")
        assert contents(folder) == BEFORE
    assert contents(folder) == {"weights": "after"}
    assert names(folder.parent) == ["step-1"]


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "a" / "b") as partial:
        (partial / "x").touch()
    assert contents(tmp_path / "a" / "b") == {"x": ""}
    assert names(tmp_path / "a") == ["b"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_stays_when_the_block_raises(folder: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), atomic_folder(folder) as partial:
        fail_at(partial / "weights", error)
    assert contents(folder) == BEFORE
    assert names(folder.parent) == ["step-1"]


@pytest.mark.usefixtures("full_disk")
def test_a_folder_stays_when_the_disk_is_full(folder: Path) -> None:
    with pytest.raises(OSError, match="No space left"), atomic_folder(folder) as partial:
        (partial / "weights").write_text("after")
    assert contents(folder) == BEFORE
    assert names(folder.parent) == ["step-1"]


def test_a_folder_stays_when_the_new_one_cannot_be_put_at_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def refuse(self: Path, to: Path) -> Path:
        if self.name.endswith(".partial"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="Input/output"), atomic_folder(folder) as partial:
        (partial / "weights").write_text("after")
    assert contents(folder) == BEFORE
    assert names(folder.parent) == ["step-1"]


def test_a_folder_stays_when_its_writer_is_killed(folder: Path) -> None:
    kill_in(folder, *WRITE, "    kill()")
    restore_folder(folder)
    assert contents(folder) == BEFORE
    with atomic_folder(folder) as partial:
        assert contents(partial) == {}, "of the killed one nothing is left"
        (partial / "weights").write_text("after")
    assert contents(folder) == {"weights": "after"}
    assert names(folder.parent) == ["step-1"]


@pytest.fixture
def torn(folder: Path) -> Path:
    """A folder whose writer was killed when the old one was moved aside, and before the new one took its place."""
    kill_in(folder, *RENAME, "    kill() if len(calls) == 2 else rename(self, to)", "Path.rename = counted", *WRITE)
    assert not folder.exists()
    return folder


def test_a_folder_that_was_moved_aside_is_put_back(torn: Path) -> None:
    restore_folder(torn)
    assert contents(torn) == BEFORE
    restore_folder(torn)  # nothing is left to do
    assert contents(torn) == BEFORE


def test_a_folder_that_was_moved_aside_survives_a_writer_that_fails(torn: Path) -> None:
    with pytest.raises(ValueError, match="no"), atomic_folder(torn):
        raise ValueError("no")
    assert contents(torn) == BEFORE
    assert names(torn.parent) == ["step-1"]


def test_a_folder_that_was_moved_aside_is_replaced(torn: Path) -> None:
    with atomic_folder(torn) as partial:
        assert contents(torn) == BEFORE
        (partial / "weights").write_text("after")
    assert contents(torn) == {"weights": "after"}
    assert names(torn.parent) == ["step-1"]


def test_a_new_folder_stays_when_its_writer_is_killed_before_the_old_one_is_gone(folder: Path) -> None:
    kill_in(folder, "import shutil", *WRITE, "    shutil.rmtree = kill")
    assert contents(folder) == {"weights": "after"}
    restore_folder(folder)
    assert contents(folder) == {"weights": "after"}
    with atomic_folder(folder) as partial:
        (partial / "weights").write_text("later")
    assert contents(folder) == {"weights": "later"}
    assert names(folder.parent) == ["step-1"]


def test_there_may_be_nothing_to_put_back(tmp_path: Path) -> None:
    restore_folder(tmp_path / "none")
    assert names(tmp_path) == []


# Rows.


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    rows = Rows(tmp_path / "rows.jsonl")
    rows.append({"step": 1}, {"step": 2, "text": "a\nb\u2028c"})
    rows.append({"step": 3})
    return rows


def steps(rows: Rows) -> list[int]:
    return [row["step"] for row in rows]


def test_rows_are_read_as_they_were_added(rows: Rows) -> None:
    assert list(rows) == [{"step": 1}, {"step": 2, "text": "a\nb\u2028c"}, {"step": 3}]
    assert rows.path.read_text().count("\n") == 3


def test_a_file_that_is_not_there_has_no_rows(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "none.jsonl")
    assert list(rows) == []
    rows.keep(lambda row: False)
    assert names(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        Rows(tmp_path / "none" / "rows.jsonl").append({})


def test_a_torn_last_row_harms_no_other_wherever_it_is_torn(rows: Rows) -> None:
    whole = rows.path.read_bytes()
    start = whole.index(b'{"step": 3}')
    for end in range(start, len(whole) + 1):
        rows.path.write_bytes(whole[:end])
        known = [1, 2, 3] if end >= len(whole) - 1 else [1, 2]  # only its line feed may be missing
        assert steps(rows) == known, end
        rows.append({"step": 4}, {"step": 5})
        assert steps(rows) == [*known, 4, 5], end
        rows.keep(lambda row: row["step"] != 4)
        assert steps(rows) == [*known, 5], end
        assert len(rows.path.read_bytes().splitlines()) == len(known) + 1, "torn rows are gone"


def test_a_row_that_the_disk_had_no_room_for_harms_no_other(rows: Rows) -> None:
    said = in_another_process(
        rows.path,
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        "size = path.stat().st_size + 20",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))",
        "try:",
        "    Rows(path).append({'step': 4, 'text': 'x' * 100})",
        "except OSError as error:",
        "    print(error.errno)",
    )
    assert said.split() == [str(errno.EFBIG)]
    assert rows.path.read_text().endswith('\n{"step": 4, "text": '), "cut short"
    assert steps(rows) == [1, 2, 3]
    rows.append({"step": 5})
    assert steps(rows) == [1, 2, 3, 5]


@pytest.mark.parametrize(
    "line",
    ["", "words", "3", "null", "[1]", '"text"', '{"step": 9', "{'step': 9}", "\0\0", "\udcff\udcfe", "[" * 100_000],
    ids=lambda line: ascii(line[:9]),
)
def test_lines_that_are_not_objects_are_passed_over(rows: Rows, line: str) -> None:
    with rows.path.open("ab") as file:
        file.write(f"{line}\n".encode("utf-8", "surrogateescape"))
    rows.append({"step": 4})
    assert steps(rows) == [1, 2, 3, 4]
    rows.keep(lambda row: True)
    assert steps(rows) == [1, 2, 3, 4]


@pytest.mark.parametrize("separator", ["\x85", "\u2028", "\u2029"])
def test_only_line_feeds_end_a_row(tmp_path: Path, separator: str) -> None:
    rows = Rows(tmp_path / "rows.jsonl")
    rows.path.write_bytes(f'{{"step": 1, "text": "a{separator}b"}}\r\n{{"step": 2}}'.encode())
    assert list(rows) == [{"step": 1, "text": f"a{separator}b"}, {"step": 2}]


def test_rows_are_dropped(rows: Rows) -> None:
    rows.keep(lambda row: row["step"] != 2)
    assert rows.path.read_text() == '{"step": 1}\n{"step": 3}\n'
    assert names(rows.path.parent) == ["rows.jsonl"]
    rows.keep(lambda row: False)
    assert rows.path.read_text() == ""


def test_a_file_is_untouched_when_no_row_is_dropped(rows: Rows) -> None:
    for end in (None, -1):  # a whole row may lack its line feed
        rows.path.write_bytes(rows.path.read_bytes()[:end])
        os.utime(rows.path, ns=(1, 1))
        before = rows.path.stat()
        content = rows.path.read_bytes()
        rows.keep(lambda row: row["step"] < 4)
        after = rows.path.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert rows.path.read_bytes() == content


def test_rows_are_never_dropped_in_place(rows: Rows) -> None:
    content = rows.path.read_bytes()
    with rows.path.open("rb") as reader:
        rows.keep(lambda row: row["step"] == 1)
        assert reader.read() == content, "who reads it meanwhile sees it whole"
    rows.path.write_bytes(content)
    kill_in(rows.path, "Path.replace = kill", "Rows(path).keep(lambda row: False)")
    assert rows.path.read_bytes() == content


@pytest.mark.usefixtures("full_disk")
def test_no_row_is_lost_when_the_disk_is_full(rows: Rows) -> None:
    with pytest.raises(OSError, match="No space left"):
        rows.keep(lambda row: False)
    assert steps(rows) == [1, 2, 3]
    with pytest.raises(OSError, match="No space left"):
        rows.append({"step": 4}, durable=True)
    assert steps(rows) == [1, 2, 3, 4]


def test_rows_that_must_not_be_lost_are_on_the_disk(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    monkeypatch.setattr(os, "fsync", lambda handle: sizes.append(os.fstat(handle).st_size))
    rows.append({"step": 4})
    assert sizes == []
    rows.append({"step": 5}, durable=True)
    assert sizes == [rows.path.stat().st_size]
