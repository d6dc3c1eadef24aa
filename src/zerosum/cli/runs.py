"""``zerosum runs [FOLDER ...]``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from zerosum.cli.layout import table
from zerosum.errors import UsageError, ZerosumError
from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.metrics.score import column_of

VERB = ("list runs with their scores", 55)  # what it does, and its place in the list

MOST_SCORES = 3  # scores in the table
HEAD = ("run", "recipe", "data", "seed", "steps", "state", "last change", "scores")
SPARE = ("last change", "seed", "data", "recipe")


@dataclass(frozen=True)
class RunsOptions:
    """List runs: recipe, data, seed, how far they have come, and their last scores.

    Attributes:
        folders: Folders in which to look for runs, at any depth. None: runs.
        json: Whether to print a JSON document, with all that run.json and outcome.json say, instead of a table.
    """

    folders: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[FOLDER ...]")] = ()
    json: bool = False


def run(argv: list[str]) -> int:
    """List runs. Torch is not imported."""
    options = tyro.cli(RunsOptions, args=argv, prog="zerosum runs")
    folders = options.folders or ("runs",)
    for folder in options.folders:
        if not Path(folder).is_dir():
            raise UsageError(f"{folder} is not a folder")
    found = [facts_of(path) for folder in folders for path in runs_in(Path(folder))]
    if options.json:
        print(json.dumps(found, indent=1))
    elif found:
        print("\n".join(table([HEAD, *map(row_of, found)], SPARE)))
    else:
        print(f"no runs in {', '.join(folders)}. To make one: zerosum train dcgan")
    return 0


def runs_in(folder: Path) -> Iterator[Path]:
    """Folders of runs below a folder, itself included, in alphabetical order."""
    if (folder / "run.json").is_file():
        yield folder
    elif folder.is_dir():
        for inner in sorted(folder.iterdir()):
            if inner.is_dir() and not inner.is_symlink():
                yield from runs_in(inner)


def facts_of(path: Path) -> dict[str, Any]:
    """What is known of a run; where ``run.json`` cannot be read, why."""
    folder = RunFolder(path)
    try:
        record = folder.record()
        steps = record["arguments"].get("steps")
        facts = {"run": str(path), "recipe": record["recipe"], "data": record["data"]["name"]}
        facts |= {"seed": record["settings"]["seed"], "steps": steps, "record": record}
    except (ZerosumError, KeyError, TypeError, AttributeError) as error:
        return {"run": str(path), "problem": str(error)}
    rows = list(Rows(folder.metrics))
    scores = {column_of(row["score"]): float(row["score"]["value"]) for row in Rows(folder.scores) if "score" in row}
    facts |= {"step": _step_of(folder, rows), "scores": scores}
    return facts | {"state": _state_of(folder), "changed": _changed(folder)}


def _step_of(folder: RunFolder, rows: Sequence[Mapping[str, Any]]) -> int:
    """How far a run has come: by its log or, where that has not said so yet, by its newest checkpoint."""
    logged = int(rows[-1].get("step", 0)) if rows else 0
    return max([logged, *(int(path.name.removeprefix("step-")) for path in folder.checkpoints())])


def _state_of(folder: RunFolder) -> str:
    """How a run stands: training, finished, stopped (it can be resumed), or not begun."""
    if folder.is_held():
        return "training"
    try:
        finished = json.loads(folder.outcome_file.read_text("utf-8"))["finished"]
    except (OSError, ValueError, KeyError, TypeError):
        finished = False
    return "finished" if finished else "stopped" if folder.checkpoints() else "not begun"


def _changed(folder: RunFolder) -> float:
    """When the run last left something in its folder, in seconds since 1970."""
    files = (folder.record_file, folder.metrics, folder.scores, folder.outcome_file)
    return max(file.stat().st_mtime for file in files if file.exists())


def row_of(facts: dict[str, Any]) -> tuple[str, ...]:
    """A run as a row of the table."""
    if "problem" in facts:
        return (facts["run"], facts["problem"], "", "", "", "", "", "")
    total = f"{facts['step']:,}" + (f" of {facts['steps']:,}" if isinstance(facts["steps"], int) else "")
    scores = ", ".join(f"{name} {value:.4g}" for name, value in list(facts["scores"].items())[:MOST_SCORES])
    ago = _ago(time.time() - facts["changed"])
    return (facts["run"], facts["recipe"], facts["data"], str(facts["seed"]), total, facts["state"], ago, scores)


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"
