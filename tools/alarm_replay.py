"""What the alarms of ``docs/collapse.md`` would have said of finished runs; write ``results/alarms.md``.

    python tools/alarm_replay.py [FOLDER OF RUNS ...]     # runs/results where none is named

Losses and scores are replayed row by row; samples are cut out of the pictures, where those are of 32-pixel images.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tables import SCRATCH
from zerosum.data import load
from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.runs import alarm
from zerosum.runs.grid import read_images
from zerosum.runs.watch import Reference, variety

SIDE = 8  # images on a side of a contact sheet
GROUPS = ("all of them", "nine of ten", "fewer", "no score of classes")

HEAD = """# Alarms, replayed over finished runs

`python tools/alarm_replay.py`, on the runs that the other scripts of `tools/` left. Singular values were not logged in
most of them. Runs of fewer than 500 steps are not judged.

| data | classes or modes in the end | steps | alarmed |
|---|---|---|---|
"""


def samples(picture: Path) -> Tensor:
    """The 64 grey images on a contact sheet, (64, 1, 32, 32) in [-1, 1]."""
    images = read_images(picture)[-SIDE * SIDE :]  # those before are real
    return torch.from_numpy(np.stack(images)[..., 0])[:, None] / 127.5 - 1


@cache
def reference(data: str) -> Reference:
    return Reference.of(load(data).batch(0, SIDE * SIDE, seed=1)[0])


def findings(run: RunFolder, record: dict[str, Any]) -> Iterator[alarm.Finding]:
    """All that any rule would have said at any time."""
    steps, rows, scores = int(record["arguments"]["steps"]), list(Rows(run.metrics)), list(Rows(run.scores))
    critics = {key.split("/")[0] for key in rows[0]["losses"]} - {"G"}
    for end in range(1, len(rows) + 1):
        yield from alarm.saturated(rows[:end], critics)
    yield from alarm.unbalanced(scores, steps)
    if tuple(record["data"]["shape"]) == (1, 32, 32):
        seen: list[alarm.Row] = []
        for picture in sorted(run.samples.glob("step-*.png")):
            step = int(re.findall(r"\d+", picture.stem)[0])
            seen.append({"step": step, **variety(samples(picture), reference(record["settings"]["data"]))})
            yield from alarm.monotonous(seen, steps)


def group(run: RunFolder) -> str:
    """How complete the last score found the samples."""
    counted = [row["score"] for row in Rows(run.scores) if row["score"]["name"] in ("classes", "modes")]
    if not counted:
        return GROUPS[3]
    found, there = counted[-1]["value"], len(counted[-1]["details"])
    return GROUPS[0] if found == there else GROUPS[1] if (found, there) == (9, 10) else GROUPS[2]


def main(folders: list[Path]) -> None:
    runs, alarmed, lines = Counter[str](), Counter[str](), []
    for folder in folders:
        for file in sorted(folder.glob("*/run.json")):
            run, record = RunFolder(file.parent), json.loads(file.read_text())
            if not (run.metrics.exists() and (file.parent / "outcome.json").exists()):
                continue
            first = {found.name: found for found in reversed(list(findings(run, record)))}
            short = int(record["arguments"]["steps"]) < alarm.YOUNG
            which = (record["data"]["name"] if record["data"]["name"] in ("ring", "grid") else "images", group(run))
            key = " | ".join((*which, "below 500" if short else "500 or more"))
            runs[key] += 1
            alarmed[key] += bool(first)
            lines += [
                f"- `{file.parent.name}`: {found.name} since {found.since:,}: {found.seen}" for found in first.values()
            ]
    rows = [f"| {key} | {alarmed[key]} of {count} |" for key, count in sorted(runs.items())]
    text = HEAD + "\n".join(rows) + "\n\n" + "\n".join(lines) + "\n"
    Path("results/alarms.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]] or [SCRATCH])
