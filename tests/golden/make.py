"""Makes what the tests in this folder compare with: small runs, and figures of the whole library.

``PYTHONPATH=/path/to/old/src python tests/golden/make.py [runs] [figures]`` writes ``runs/`` (a small run of every
kind, and in ``expected.json`` what came of resuming it and of sampling from it) and ``figures.json``, from whatever
version of the library is found first. Both were made by version 0.1.0 before its sources were rearranged, and should be
made again only when a number is meant to change: runs that a new version makes say nothing about old ones.

``python tests/golden/make.py changed NAME ...`` records in ``recorded_since/`` what the commands of some runs,
experiments and trainings come to now, where that is meant to be something else (``changed.py`` lists them, with the
reasons); without names, all of these.

``golden_runs.py`` and ``golden_figures.py`` say what is made.

One thread, float32 and no compilation throughout, so that the same machine gives the same bits.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("COLUMNS", "200")

import torch
from changed import CHANGED
from golden_figures import EXPERIMENTS, TRAININGS, experiment, make_figures, measures, training
from golden_runs import RUNS, make_runs, trained
from golden_verb import CHANGED_FOLDER, CLOTHES_FILE, machine


def changed_file(name: str) -> Path:
    """Where it is recorded what a run, an experiment or a training has changed to."""
    return CHANGED_FOLDER / f"{name}.json"


def changed(name: str) -> dict[str, Any]:
    """What is recorded there: ``found``, and the ``machine`` that found it."""
    record: dict[str, Any] = json.loads(changed_file(name).read_text())
    return record


def find(name: str, room: Path) -> dict[str, Any]:
    """What a run, an experiment or a training comes to now."""
    shutil.copy(CLOTHES_FILE, room)
    if name == "measures":
        return {"scores": measures(room)}
    kinds = ((RUNS, trained), (EXPERIMENTS, experiment), (TRAININGS, training))
    (found,) = (make(name, room) for names, make in kinds if name in names)
    return found


def record_changed(names: list[str]) -> None:
    """Write into ``recorded_since/`` what these come to now.

    Raises:
        SystemExit: One is not in the list of those that are meant to change.
    """
    if unknown := sorted(set(names) - CHANGED.keys()):
        raise SystemExit(f"{', '.join(unknown)}: say first in tests/golden/changed.py why it changes")
    CHANGED_FOLDER.mkdir(exist_ok=True)
    for name in names or CHANGED:
        with tempfile.TemporaryDirectory() as room:
            found = {"machine": machine(), "found": find(name, Path(room))}
        changed_file(name).write_text(json.dumps(found, indent=1) + "\n")
        print(name, flush=True)


def main(words: list[str]) -> None:
    """Make what is named, or everything; after ``changed``, what those named have changed to."""
    import zerosum as library

    torch.set_num_threads(1)
    print(f"zerosum {library.__version__} from {library.__file__}")
    tasks: dict[str, Callable[[], None]] = {"runs": make_runs, "figures": make_figures}
    with tempfile.TemporaryDirectory() as cache, mock.patch.dict(os.environ, ZEROSUM_CACHE=cache):
        if words[:1] == ["changed"]:
            record_changed(words[1:])
            return
        for task in words or tasks:
            tasks[task]()


if __name__ == "__main__":
    main(sys.argv[1:])
