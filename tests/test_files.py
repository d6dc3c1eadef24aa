"""Files against kills, full disks and readers: what was there stays whole, and what is new is whole or not there."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zerosum import files
from zerosum.files import (
    ABANDONED,
    Rows,
    atomic,
    atomic_folder,
    commit,
    lock,
    printable,
    read_record,
    restore_folder,
    sweep,
    temporary,
    write_json,
    write_text,
)

KILL = "os.kill(os.getpid(), signal.SIGKILL)"
HEAD = f"""
import os, resource, signal, sys
from pathlib import Path
from zerosum.files import *

path = Path(sys.argv[1])

def kill(*_, **__):
    {KILL}
"""


def in_another_process(path: Path, *lines: str, expected: int = 0) -> str:
    """What a program printed that was given ``path`` and ended with the ``expected`` code."""
    program = "\n".join([HEAD, *lines])
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == expected, done.stderr
    return done.stdout


def kill_in(path: Path, *lines: str) -> None:
    in_another_process(path, *lines, expected=-signal.SIGKILL)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_at(path: Path, error: type[BaseException]) -> None:
    path.write_text("half of what")
    raise error


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A file that is to be replaced."""
    path = tmp_path / "file.json"
    path.write_text("before")
    return path


# Files.


def test_a_file_is_replaced_when_it_is_whole(before: Path) -> None:
    with atomic(before) as partial:
        assert (partial.parent, partial.suffix) == (before.parent, before.suffix)
        assert not partial.exists()
        partial.write_text("after")
        assert before.read_text() == "before"
    assert before.read_text() == "after"
    assert names(before.parent) == ["file.json"]


def test_a_file_is_on_the_disk_before_it_is_at_its_place(before: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []
    replace = Path.replace

    def check(self: Path, to: Path) -> Path:
        assert flushed == [len("after")]
        return replace(self, to)

    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_size))
    monkeypatch.setattr(Path, "replace", check)
    write_text(before, "after")
    assert before.read_text() == "after"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_was_there_stays_when_the_block_raises(before: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), atomic(before) as partial:
        fail_at(partial, error)
    assert before.read_text() == "before"
    assert names(before.parent) == ["file.json"]


def test_a_block_that_writes_nothing_is_an_error(before: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic(before):
        pass
    assert before.read_text() == "before"


@pytest.mark.parametrize(
    "lines",
    [
        ["with atomic(path) as partial:", "    partial.write_text('half of what')", "    kill()"],
        ["Path.replace = kill", "write_text(path, 'after')"],  # when it is whole, but not yet at its place
    ],
)
def test_what_was_there_stays_when_the_writer_is_killed(before: Path, lines: list[str]) -> None:
    kill_in(before, *lines)
    assert before.read_text() == "before"
    assert all(name.startswith(".") for name in set(names(before.parent)) - {"file.json"}), "not taken for files"
    write_text(before, "after")
    assert before.read_text() == "after"


def test_what_a_killed_process_of_the_same_number_left_is_not_added_to(before: Path) -> None:
    with atomic(before) as partial:
        leftover = partial
        partial.write_text("after")
    leftover.write_text("of a process that was killed\n")
    with atomic(before) as partial:
        assert partial == leftover
        Rows(partial).append({"step": 1})
    assert before.read_text() == '{"step": 1}\n'


@pytest.mark.usefixtures("full_disk")
def test_what_was_there_stays_when_the_disk_is_full(before: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        write_text(before, "after")
    assert before.read_text() == "before"
    assert names(before.parent) == ["file.json"]


def test_what_was_there_stays_when_a_write_is_cut_short(before: Path) -> None:
    """As by a full disk, but for real: no file may grow beyond a limit, so half of it is written."""
    said = in_another_process(
        before,
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))",
        "try:",
        "    with atomic(path) as partial:",
        "        with partial.open('wb', buffering=0) as file:",
        "            for _ in range(100):",
        "                file.write(b'x' * 1000)",
        "except OSError as error:",
        "    print(error.errno, partial.exists())",
    )
    assert said.split() == [str(errno.EFBIG), "False"]
    assert before.read_text() == "before"
    assert names(before.parent) == ["file.json"]


def test_text_is_utf_8_and_json_ends_with_a_line_feed(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "é\u2028\n")
    assert (tmp_path / "a").read_bytes() == "é\u2028\n".encode()
    write_json(tmp_path / "b", {"a": [1, None]})
    write_json(tmp_path / "c", {"a": 1}, indent=None)
    assert (tmp_path / "b").read_text() == '{\n "a": [\n  1,\n  null\n ]\n}\n'
    assert (tmp_path / "c").read_text() == '{"a": 1}\n'


@pytest.mark.parametrize("value", [float("nan"), [float("inf")]])
def test_json_that_others_could_not_read_is_refused(before: Path, value: object) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(before, value)
    assert before.read_text() == "before"


def test_a_record_states_its_schema(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"schema": 2, "recipe": "gan"})
    assert read_record(tmp_path / "a", 2) == {"schema": 2, "recipe": "gan"}
    with pytest.raises(ValueError, match=r"^has schema 2, and this zerosum reads up to 1 \(update zerosum\)$"):
        read_record(tmp_path / "a", 1)
    with pytest.raises(FileNotFoundError):
        read_record(tmp_path / "none", 1)
    with pytest.raises(NotADirectoryError):
        read_record(tmp_path / "a" / "b", 1)


@pytest.mark.parametrize(
    "text", ["", '{"schema": 1, "rec', "[]", "3", "null", "{}", '{"schema": "x"}', '{"schema": null}', "\udcff"]
)
def test_a_damaged_record_is_called_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"^is damaged \("):
        read_record(tmp_path / "a", 1)


# Temporary files.


def test_a_temporary_file_is_whole_at_its_place_once_it_is_committed(tmp_path: Path) -> None:
    (tmp_path / "final").write_bytes(b"before")
    with temporary(tmp_path) as (partial, file):
        file.write(b"after")
        assert (tmp_path / "final").read_bytes() == b"before"
        commit(file, partial, tmp_path / "final")
        assert file.closed
    assert names(tmp_path) == ["final"]
    assert (tmp_path / "final").read_bytes() == b"after"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_without_a_commit_nothing_is_left(tmp_path: Path, error: type[BaseException]) -> None:
    with temporary(tmp_path) as (_, file):
        file.write(b"x")
    assert not list(tmp_path.iterdir())
    with pytest.raises(error), temporary(tmp_path):
        raise error
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("full_disk")
def test_what_was_there_stays_when_the_disk_refuses(tmp_path: Path) -> None:
    (tmp_path / "final").write_bytes(b"before")
    with pytest.raises(OSError, match="No space left"), temporary(tmp_path) as (partial, file):
        commit(file, partial, tmp_path / "final")
    assert names(tmp_path) == ["final"]
    assert (tmp_path / "final").read_bytes() == b"before"


def test_two_at_once_have_names_of_their_own_and_are_not_swept(tmp_path: Path) -> None:
    with temporary(tmp_path) as (first, file), temporary(tmp_path) as (second, _):
        assert first != second
        file.write(b"kept")
        sweep(tmp_path)
        assert first.exists()
        assert second.exists()
        commit(file, first, tmp_path / "final")
    assert (tmp_path / "final").read_bytes() == b"kept"


def test_only_temporary_files_of_long_ago_are_swept(tmp_path: Path) -> None:
    kill_in(tmp_path, "with temporary(path) as (_, file):", "    file.write(b'x')", "    kill()")
    (leftover,) = tmp_path.iterdir()
    sweep(tmp_path)
    assert leftover.exists(), "it may be that of a process at work"
    os.utime(leftover, (0, 0))
    (tmp_path / "final").touch()
    os.utime(tmp_path / "final", (0, 0))
    sweep(tmp_path)
    assert names(tmp_path) == ["final"]
    assert ABANDONED >= 3600


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


# Locks.

HOLD = ["with lock(path) as free:", "    print(free, flush=True)", "    sys.stdin.read()"]


@pytest.fixture
def holder(tmp_path: Path) -> Callable[[], subprocess.Popen[str]]:
    """Starts a process that holds the lock ``.lock``."""

    def start() -> subprocess.Popen[str]:
        program = "\n".join([HEAD, *HOLD])
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / ".lock")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        return process

    return start


def test_one_holds_a_lock_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with lock(path) as first:
        with lock(path) as second:
            assert (first, second) == (True, False)
        with lock(path) as third:
            assert not third, "who was refused has not freed it"
        assert in_another_process(path, "with lock(path) as free:", "    print(free)") == "False\n"
    with lock(path) as fourth:
        assert fourth
    with pytest.raises(ValueError, match="no"), lock(path):
        raise ValueError("no")
    with lock(path) as fifth:
        assert fifth, "free after an exception"


@pytest.mark.parametrize("end", ["killed", "finished"])
def test_a_lock_is_free_when_its_process_has_ended(tmp_path: Path, holder, end: str) -> None:
    with holder() as process:
        with lock(tmp_path / ".lock") as free:
            assert not free
        if end == "killed":
            process.kill()
        else:
            process.stdin.close()
        process.wait(timeout=60)
        with lock(tmp_path / ".lock") as free:
            assert free


def test_a_lock_is_not_held_by_what_its_holder_started(tmp_path: Path) -> None:
    with lock(tmp_path / ".lock"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with lock(tmp_path / ".lock") as free:
            assert free
    finally:
        child.kill()
        child.wait()


def test_a_lock_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), lock(tmp_path / "none" / ".lock"):
        pass


# Names.


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain name.png", "plain name.png"),
        ("Ærø 日本 😀", "Ærø 日本 😀"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred\x00", "\\x1b[31mred\\x00"),
        ("\u202egnp.exe", "\\u202egnp.exe"),  # written from right to left
        ("a\u2028b\x85", "a\\u2028b\\x85"),
        (os.fsdecode(b"\xff\xfe.png"), "\\udcff\\udcfe.png"),
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
    ids=lambda name: ascii(name),
)
def test_names_are_one_visible_line(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert printable(name).encode().decode() == shown
    assert len(printable(name).splitlines()) <= 1


def test_nothing_heavy_is_imported() -> None:
    said = in_another_process(Path(files.__file__), "print(sorted({'torch', 'numpy', 'tyro'} & set(sys.modules)))")
    assert said == "[]\n"
