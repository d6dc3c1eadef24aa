"""Writers in other processes that are killed, or fail, in the middle."""

import signal
import subprocess
import sys
from pathlib import Path

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
