"""One thread per process: tests run side by side and must not fight for cores, and results must not depend on them."""

import errno
import gc
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start, too

import pytest
import torch
from filelock import FileLock

torch.set_num_threads(1)

TWO_RANKS = Path(__file__).with_name("two_ranks.py")


def pytest_collection_finish() -> None:
    """All that is there by now stays: the collector need not look at it again and again, nor as often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def on_two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, Path], None]:
    """``on_two_ranks(script, folder)`` puts into ``folder`` what the two processes that play ``script`` leave.

    The first to ask starts the two, which play all such scripts; pytest's workers share what is found.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # the session's, in which each worker has a folder
    found, failed = root / "two_ranks", root / "two_ranks.failed"

    def fetch(script: Path, folder: Path) -> None:
        with FileLock(root / "two_ranks.lock"):
            if not found.exists():
                failed.write_text(_launch(found))
        why = failed.read_text()
        assert not why, why
        shutil.copytree(found / script.parent.name, folder, dirs_exist_ok=True)

    return fetch


def _launch(out: Path) -> str:
    """Start both, which leave their results below ``out``; returns what went wrong, if anything did."""
    for part in TWO_RANKS.parent.glob("*/two_ranks.py"):
        (out / part.parent.name).mkdir(parents=True)
    command = [sys.executable, "-B", str(TWO_RANKS)]
    ranks = [subprocess.Popen([*command, str(rank), str(out)], stderr=subprocess.PIPE, text=True) for rank in range(2)]
    try:
        said = [rank.communicate(timeout=240)[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    return "\n".join(["a process failed:", *said]) if any(rank.returncode for rank in ranks) else ""


def load(script: Path) -> ModuleType:
    """Import a file by its path; two scripts may have one name."""
    spec = importlib.util.spec_from_file_location(f"{script.parent.name}_{script.stem}", script)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where the compiler looks for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def module_at() -> Callable[[Path], ModuleType]:
    """``module_at(script)`` imports a file by its path."""
    return load


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written cannot be brought to the disk."""

    def fsync(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
