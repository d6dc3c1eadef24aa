"""What an experiment leaves on disk: numbers as JSON, figures as PNG, and one page that holds them all."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zerosum import __version__
from zerosum.files import atomic, write_json, write_text
from zerosum.lab import Experiment, Lab
from zerosum.report.page import duration, image, page, said, section, table


def carry_out(experiment: Experiment, lab: Lab, arguments: Mapping[str, Any], command: str, out: Path) -> Path:
    """Carry out an experiment, and write its figures, ``NAME-FIGURE.png``, and in the end ``NAME.json``.

    Args:
        experiment: Experiment to carry out.
        lab: Seed, folder and progress bars.
        arguments: Arguments of the experiment.
        command: Command that does it again, for the record.
        out: Folder of results.

    Returns:
        The path of the JSON file.
    """
    began = time.perf_counter()
    found = experiment.run(lab, **arguments)
    out.mkdir(parents=True, exist_ok=True)
    figures = []
    for name, figure in found.figures.items():
        figures.append(f"{experiment.name}-{name}.png")
        with atomic(out / figures[-1]) as partial:
            figure.savefig(partial, metadata={"Software": None})  # the same bytes from the same numbers
    record = {
        "experiment": experiment.name,
        "title": experiment.title,
        "text": experiment.text,
        "command": command,
        "arguments": dict(arguments),
        "seed": lab.seed,
        "versions": {"zerosum": __version__, "torch": torch.__version__},
        "seconds": round(time.perf_counter() - began, 1),
        "says": list(found.says),
        "numbers": to_plain(found.numbers),
        "figures": figures,
    }
    path = out / f"{experiment.name}.json"
    write_json(path, record)
    return path


def to_plain(value: Any) -> Any:
    """The same value as JSON can hold it: arrays become lists, and numbers that are not finite become words.

    Raises:
        TypeError: It holds something else than numbers, texts, truth values, arrays, lists and mappings.
    """
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        return to_plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [to_plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    raise TypeError(f"the numbers of an experiment cannot hold {value!r} (of type {type(value).__name__})")


def records(out: Path) -> list[dict[str, Any]]:
    """All results in a folder, in alphabetical order of the experiments."""
    found = [json.loads(path.read_text()) for path in sorted(out.glob("*.json"))]
    return [record for record in found if "experiment" in record]


def write_page(out: Path) -> Path:
    """Write ``index.html``, one self-contained page with every result in the folder, and return its path."""
    found = records(out)
    links = "".join(f'<li><a href="#{r["experiment"]}">{escape(r["title"])}</a></li>' for r in found)
    head = f"<h1>zerosum lab</h1><p class='note'>{len(found)} experiments</p><ul>{links}</ul>"
    path = out / "index.html"
    write_text(path, page("zerosum lab", [head, *(_section(record, out) for record in found)]))
    return path


def _section(record: Mapping[str, Any], out: Path) -> str:
    figures = "".join(image((out / name).read_bytes(), record["title"]) for name in record["figures"])
    says = "".join(f"<li>{escape(sentence)}</li>" for sentence in record["says"])
    took = f"seed {record['seed']}, {duration(record['seconds'])}, torch {record['versions']['torch']}"
    numbers = escape(json.dumps(record["numbers"], indent=1))
    return f'<div id="{record["experiment"]}"></div>' + section(
        record["title"],
        *(f"<p>{_inline(part)}</p>" for part in paragraphs(record["text"])),
        figures,
        f"<ul>{says}</ul>",
        f"<pre>{escape(record['command'])}</pre><p class='note'>{escape(took)}</p>",
        table({k: said(v) for k, v in record["arguments"].items()}, "arguments"),
        f"<details><summary>all numbers</summary><pre>{numbers}</pre></details>",
    )


def paragraphs(text: str) -> Sequence[str]:
    """The paragraphs of a docstring, each on one line."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def _inline(text: str) -> str:
    return re.sub(r"``(.+?)``|`(.+?)`", lambda m: f"<code>{m.group(1) or m.group(2)}</code>", escape(text))
