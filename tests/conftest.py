"""One thread per process: tests run side by side and must not fight for cores, and results must not depend on them."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start, too

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def on_two_ranks() -> Callable[[Path, Path], None]:
    """``on_two_ranks(script, folder)`` runs ``script RANK MEETING_POINT folder`` in two processes at once."""

    def launch(script: Path, folder: Path) -> None:
        command = [sys.executable, "-B", str(script)]
        meeting = f"file://{folder / 'meeting'}"
        ranks = [
            subprocess.Popen([*command, str(rank), meeting, str(folder)], stderr=subprocess.PIPE, text=True)
            for rank in range(2)
        ]
        try:
            said = [rank.communicate(timeout=240)[1] for rank in ranks]
        finally:
            for rank in ranks:
                rank.kill()
        assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(said)

    return launch


@pytest.fixture(scope="session")
def module_at() -> Callable[[Path], ModuleType]:
    """``module_at(script)`` imports a file by its path; two scripts may have one name."""

    def load(script: Path) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"{script.parent.name}_{script.stem}", script)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
