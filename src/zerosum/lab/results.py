"""What an experiment leaves on disk: numbers as JSON, figures as PNG, and one page that holds them all."""

from __future__ import annotations

import json
import math
import re
import time
import zlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zerosum import __version__
from zerosum.equations import address
from zerosum.errors import DataError
from zerosum.files import atomic, write_json, write_text
from zerosum.lab import Experiment, Lab
from zerosum.lab.formulas import STYLE, formula, papers, typeset
from zerosum.report.page import duration, image, page, section, summarise, table

LONGEST = 100  # characters of the beginning of a file's name


def carry_out(experiment: Experiment, lab: Lab, arguments: Mapping[str, Any], command: str, out: Path) -> Path:
    """Carry out an experiment, and write its figures, ``STEM-FIGURE.png``, and in the end ``STEM.json``.

    Args:
        experiment: Experiment to carry out.
        lab: Seed, folder and progress bars.
        arguments: Arguments of the experiment.
        command: Command that does it again, for the record.
        out: Folder of results. What is there of other arguments or another seed stays; see :func:`stem_of`.

    Returns:
        The path of the JSON file.
    """
    began = time.perf_counter()
    found = experiment.run(lab, **arguments)
    out.mkdir(parents=True, exist_ok=True)
    stem = stem_of(experiment, arguments, lab.seed)
    figures = []
    for name, figure in found.figures.items():
        figures.append(f"{stem}-{name}.png")
        with atomic(out / figures[-1]) as partial:
            figure.savefig(partial, metadata={"Software": None})  # the same bytes from the same numbers
    record = {
        "experiment": experiment.name,
        "title": experiment.title,
        "text": experiment.text,
        "formulas": [list(one) for one in experiment.formulas],
        "code": [experiment.file, experiment.line],
        "command": command,
        "arguments": dict(arguments),
        "differs": to_plain(changes(experiment, arguments)),
        "quick": is_quick(experiment, arguments),
        "seed": lab.seed,
        "versions": {"zerosum": __version__, "torch": torch.__version__},
        "seconds": round(time.perf_counter() - began, 1),
        "claims": {},
        "says": list(found.says),
        "numbers": to_plain(found.numbers),
        "figures": figures,
    }
    path = out / f"{stem}.json"
    write_json(path, record)  # before anything else is made of it: it may be the work of hours
    write_json(
        path, record | {"claims": {claim: bool(shown) for claim, shown in experiment.claims(found.numbers).items()}}
    )
    return path


def changes(experiment: Experiment, arguments: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The arguments that differ from the defaults: (value, default) by name."""
    defaults = {key: one.default for key, one in experiment.arguments.items()}
    return {key: (value, defaults.get(key)) for key, value in arguments.items() if value != defaults.get(key)}


def is_quick(experiment: Experiment, arguments: Mapping[str, Any]) -> bool:
    """Whether the arguments are those of a first look, whatever else may differ."""
    return bool(experiment.quick) and all(arguments.get(key) == value for key, value in experiment.quick.items())


def stem_of(experiment: Experiment, arguments: Mapping[str, Any], seed: int) -> str:
    """Beginning of the names of a result's files: the experiment's name, and what differs from its defaults.

    So what was found with other arguments or another seed is kept: ``bilinear``, ``bilinear-quick``,
    ``bilinear-lr=0.2-seed=1``.
    """
    quick = is_quick(experiment, arguments)
    changed = {k: v for k, (v, _) in changes(experiment, arguments).items() if not (quick and k in experiment.quick)}
    words = [f"{key}={_mark(value)}" for key, value in (changed | ({"seed": seed} if seed else {})).items()]
    stem = "-".join([experiment.name, *(["quick"] if quick else []), *words])
    if len(stem) <= LONGEST:
        return stem
    return f"{stem[: LONGEST - 9].rstrip('-')}-{zlib.crc32(stem.encode()):08x}"


def _mark(value: Any) -> str:
    text = "+".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return re.sub(r"[^\w.+-]+", "_", text) or "none"


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
    """All results in a folder, in alphabetical order of the experiments, those of the default arguments first.

    Raises:
        DataError: A file of results is damaged.
    """
    found = []
    for path in sorted(out.glob("*.json")):
        try:
            record = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise DataError(f"{path} is damaged ({error}); delete it and do the experiment again") from error
        if isinstance(record, dict) and "experiment" in record:
            found.append(record | {"stem": path.stem})
    return sorted(found, key=lambda one: (one["experiment"], one["stem"] != one["experiment"], one["stem"]))


def verdict(record: Mapping[str, Any]) -> list[str]:
    """What a result shows of its page's claims, and what not, in sentences; with the way to a result that may."""
    claims = record.get("claims", {})
    missing = [claim for claim, shown in claims.items() if not shown]
    changed = record.get("differs", {})
    sizes = ", ".join(
        f"{key} {_shown(value)} instead of {_shown(default)}" for key, (value, default) in changed.items()
    )
    sentences = []
    if changed:
        sentences.append(f"{'quick sizes' if record['quick'] else 'not the default arguments'}: {sizes}")
    if claims and not missing:
        sentences.append("these numbers show what the page claims")
    sentences += [f"NOT shown by these numbers: {claim}" for claim in missing]
    command = f"zerosum lab {record['experiment']}"
    if missing and record.get("quick"):
        sentences.append(f"quick sizes are too small to say anything against a claim; at full size: `{command}`")
    elif missing and changed:
        sentences.append(f"with the default arguments: `{command}`")
    elif missing:
        sentences.append("these are the default arguments: what is not shown was not reproduced at this size")
    return sentences


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_shown, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value) or "none"


def write_page(out: Path) -> Path:
    """Write ``index.html``, one self-contained page with every result in the folder, and return its path.

    Raises:
        DataError: A file of results is damaged.
    """
    found = records(out)
    groups = {name: [one for one in found if one["experiment"] == name] for name in {r["experiment"]: 0 for r in found}}
    links = "".join(_entry(name, group) for name, group in groups.items())
    counts = f"{_count(len(groups), 'experiment')}, {_count(len(found), 'result')}"
    head = f"{STYLE}<h1>zerosum lab</h1><p class='note'>{counts}</p><ul>{links}</ul>"
    path = out / "index.html"
    write_text(path, page("zerosum lab", [head, *(_section(group, out) for group in groups.values())]))
    return path


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _entry(name: str, group: Sequence[Mapping[str, Any]]) -> str:
    """An experiment in the list at the top, with links to its results where they are not of the default arguments."""
    results = [f'<a href="#{escape(one["stem"], quote=True)}">{escape(_name_of(one))}</a>' for one in group]
    listed = f": {', '.join(results)}" if [one["stem"] for one in group] != [name] else ""
    return f'<li><a href="#about-{name}">{typeset(group[0]["title"])}</a>{listed}</li>'


def _name_of(record: Mapping[str, Any]) -> str:
    rest = record["stem"].removeprefix(record["experiment"]).lstrip("-")
    return rest or "full size"


def _section(group: Sequence[Mapping[str, Any]], out: Path) -> str:
    """An experiment: what it is about, once, and each of its results."""
    first = group[0]
    formulas = "".join(formula(tex, what) for tex, what in first.get("formulas", []))
    file, line = first.get("code", ("", 1))
    place = f"{file.removeprefix('src/')}:{line}"
    code = (
        f'<p class="note">code: <a href="{escape(address(file, line))}">{escape(place)}</a>{_papers(first["text"])}</p>'
    )
    return f'<div id="about-{first["experiment"]}"></div>' + section(
        first["title"],
        *(f"<p>{typeset(part)}</p>" for part in paragraphs(first["text"])),
        formulas,
        code if file else "",
        *(_result(record, out, alone=len(group) == 1) for record in group),
    )


def _papers(text: str) -> str:
    links = [f'<a href="{url}">{url.removeprefix("https://")}</a>' for url in papers(text)]
    return f"; papers: {', '.join(links)}" if links else ""


def _result(record: Mapping[str, Any], out: Path, *, alone: bool) -> str:
    name = _name_of(record)
    head = "" if alone and name == "full size" else f"<h3>{escape(name)}</h3>"
    figures = "".join(image((out / name).read_bytes(), record["title"]) for name in record["figures"])
    says = "".join(f"<li>{typeset(sentence)}</li>" for sentence in record["says"])
    shown = all(record.get("claims", {}).values())
    lines = verdict(record)
    marks = ["shown" if shown else "open"] * len(lines)
    if record.get("differs"):
        marks[0] = ""  # the first line says what differs, which is neither good nor bad
    verdicts = "".join(f'<li class="{mark}">{typeset(line)}</li>' for mark, line in zip(marks, lines, strict=True))
    took = f"seed {record['seed']}, {duration(record['seconds'])}, torch {record['versions']['torch']}"
    numbers = escape(json.dumps(record["numbers"], indent=1))
    return "\n".join(
        (
            f'<div id="{escape(record["stem"], quote=True)}"></div>{head}',
            f'<ul class="claims">{verdicts}</ul>' if verdicts else "",
            figures,
            f"<ul>{says}</ul>",
            f"<pre>{escape(record['command'])}</pre><p class='note'>{escape(took)}</p>",
            table({key: summarise(value) for key, value in record["arguments"].items()}, "arguments"),
            f"<details><summary>all numbers</summary><pre>{numbers}</pre></details>",
        )
    )


def paragraphs(text: str) -> Sequence[str]:
    """The paragraphs of a docstring, each on one line."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]
