"""Reads from docstrings where each published equation is in the code. Nothing that is read is imported.

A public function or class is listed when the first or second paragraph of its docstring cites a publication, which
means that it names a year or an arXiv number. A whole file is listed where only its own docstring does.
``python -m zerosum.equations`` writes ``docs/EQUATIONS.md`` from this, and a test fails when that page is out of date.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parents[1]
# What is listed, in this order: parts of the package, and what they contain.
SECTIONS = {
    "recipes": "Systems",
    "objectives": "Objectives",
    "penalties": "Penalties",
    "constraints": "Constraints",
    "conditioning": "Conditioning",
    "networks": "Networks and layers",
    "core": "Dynamics and optimizers",
    "data": "Data and noise",
    "latent": "Latent space",
    "metrics": "Measures",
    "theory": "Theory",
    "lab": "Experiments",
    "runs": "What is watched",
}
CITES = re.compile(r"arXiv:\d{4}\.\d{4,5}|\b(?:19[3-9]|20[0-3])\d\b")
HEAD = """# Where is the equation?

Every published equation, algorithm, system and measure that is implemented here, with the code it became.
`zerosum where WORDS` finds them with their lines. Made from docstrings by `python -m zerosum.equations`; a test
fails when this page is stale.
"""


class Equation(NamedTuple):
    """A piece of code that comes from a publication.

    Attributes:
        section: Part of the package, a key of ``SECTIONS``.
        name: Name of the function, class or recipe.
        summary: What it is and who published it, on one line: the first paragraph, and the sentence of the second
            that cites.
        text: Whole docstring.
        file: Path of the file, relative to the package.
        line: Number of the line on which it is defined.
    """

    section: str
    name: str
    summary: str
    text: str
    file: str
    line: int


@cache
def equations() -> tuple[Equation, ...]:
    """All equations, in the order of sections, files and lines."""
    return tuple(
        equation
        for section in SECTIONS
        for file in sorted((SOURCE / section).rglob("*.py"))
        if not file.stem.startswith("_") or file.stem == "__init__"
        for equation in _equations_in(section, file)
    )


def page() -> str:
    """The text of ``docs/EQUATIONS.md``."""
    parts = [HEAD]
    for section, title in SECTIONS.items():
        rows = [e for e in equations() if e.section == section]
        if rows:
            parts.append(f"## {title}\n\n| code | what it is |\n|---|---|\n" + "\n".join(map(_row, rows)) + "\n")
    return "\n".join(parts)


def _row(e: Equation) -> str:
    summary = e.summary.replace("|", "\\|")
    return f"| [`{e.name}`](../src/zerosum/{e.file}) | {summary} |"


def _equations_in(section: str, file: Path) -> Iterator[Equation]:
    tree = ast.parse(file.read_text("utf-8"))
    where = str(file.relative_to(SOURCE))
    if section == "recipes":
        if any(isinstance(node, ast.FunctionDef) and node.name == "recipe" for node in tree.body):
            text = ast.get_docstring(tree) or ""
            yield Equation(section, file.stem.replace("_", "-"), _summary(text), text, where, 1)
        return
    public = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    texts = [(node, ast.get_docstring(node) or "") for node in public]
    citing = [(node, text) for node, text in texts if CITES.search(_summary(text))]
    for node, text in citing:
        yield Equation(section, f"{file.stem}.{node.name}", _summary(text), text, where, node.lineno)
    whole = ast.get_docstring(tree) or ""
    if not citing and CITES.search(_summary(whole)):
        yield Equation(section, file.stem, _summary(whole), whole, where, 1)


def _summary(text: str) -> str:
    first, second, *_ = [" ".join(part.split()) for part in [*text.split("\n\n"), "", ""]]
    if CITES.search(first) or second.startswith(("Args:", "Attributes:")):
        return first
    sentences = re.split(r"(?<=[a-z)\d]\.) (?=[A-Z])", second)
    return " ".join([first, *[x for x in sentences if CITES.search(x)][:1]])
