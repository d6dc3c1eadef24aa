"""Files against kills, full disks and readers: what was there stays whole, and what is new is whole or not there."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from killed_writers import HEAD, fail_at, in_another_process, kill_in, names
from zerosum import files
from zerosum.files import (
    ABANDONED,
    Rows,
    atomic,
    commit,
    lock,
    printable,
    read_record,
    sweep,
    temporary,
    write_json,
    write_text,
)


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
