"""Training with several seeds, one after the other: what is done stays done."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerosum.errors import NonFiniteLoss, UsageError
from zerosum.folder import RunFolder

if TYPE_CHECKING:
    from zerosum.pages import Page
    from zerosum.runs.loop import Stop

MOST = 10_000  # seeds in one command


def read_seeds(text: str) -> tuple[int, ...]:
    """Seeds from a text such as ``0-4`` or ``0,7,9-11``.

    Raises:
        UsageError: The text is something else, or names a seed twice.
    """
    seeds: list[int] = []
    for word in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first or last - first >= MOST:
            raise UsageError(
                f"--seeds {text}: give numbers or ranges from 0, separated by commas, such as 0-4 or 0,7,9"
            )
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"--seeds {text}: names a seed twice")
    return tuple(seeds)


def train_seeds(page: Page, options: Mapping[str, Any], text: str, stop: Stop) -> int:
    """Train with each seed in a folder of its own. Finished runs are left alone, and stopped ones are resumed.

    Returns:
        The exit code: 1 if a run failed, 130 if it was interrupted, otherwise 0.
    """
    seeds = read_seeds(text)
    if options["seed"] != 0:
        raise UsageError(f"--seeds {text}: give --seed or --seeds, not both")
    parent = Path(options["out"] or RunFolder.free_path(f"{page.name}-seeds", str(options["data"])))
    if (parent / "run.json").exists():
        raise UsageError(f"--out {parent}: is a run; with --seeds it must be a folder for runs")
    failed: list[int] = []
    for i, seed in enumerate(seeds):
        path = parent / f"seed-{seed}"
        print(f"seed {seed} ({i + 1} of {len(seeds)})", file=sys.stderr, flush=True)
        try:
            _train_one(page, {**options, "seed": seed, "out": str(path)}, path, stop)
        except NonFiniteLoss as error:
            print(f"zerosum: seed {seed}: {error}", file=sys.stderr)
            failed.append(seed)
        if stop.asked:
            print(f"stopped at seed {seed}, saved. To continue, give the same command again, with --out {parent}")
            return 130
    print(f"\nruns     {parent}\n\nnext:\n  zerosum compare {shlex.quote(str(parent))}/*")
    if failed:
        print(f"zerosum: failed with {', '.join(map(str, failed))}", file=sys.stderr)
    return int(bool(failed))


def _train_one(page: Page, options: Mapping[str, Any], path: Path, stop: Stop) -> None:
    from zerosum.runs import api

    folder = RunFolder(path)
    if not folder.record_file.exists():
        api.train(page, stop=stop, **options)
        return
    record = folder.record()
    decided = {key: record["settings"][key] for key in ("precision", "compile") if options[key] == "auto"}
    changes = {**options, **decided}
    if _is_finished(folder):
        from zerosum.runs.opening import changes_in

        changes_in(record, page, changes)  # refuses another run than was asked for
        print(f"{path}: finished before", file=sys.stderr)
    elif folder.checkpoints():
        api.resume(path, stop=stop, **changes)
    else:
        raise UsageError(f"{path} was stopped before its first checkpoint: delete it, and give the command again")


def _is_finished(folder: RunFolder) -> bool:
    try:
        return bool(json.loads(folder.outcome_file.read_text("utf-8"))["finished"])
    except (OSError, ValueError, KeyError):
        return False
