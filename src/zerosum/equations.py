"""Where each published equation is in the code, read from docstrings; imports nothing that it reads.

A public function or class belongs here when the first or second paragraph of its docstring cites: it names a year or an
arXiv number. So does a whole file, where only its own docstring does.
``docs/EQUATIONS.md`` is made of this by ``python -m zerosum.equations``; a test fails when it is stale.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parent
# What is listed, in this order: parts of the package and what they hold.
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
        section: part of the package, a key of ``SECTIONS``.
        name: of the function, class or recipe.
        said: in one line, what it is and whose: the first paragraph, and the sentence of the second that cites.
        text: all of its docstring.
        file: relative to the package.
        line: where it is defined.
    """

    section: str
    name: str
    said: str
    text: str
    file: str
    line: int


@cache
def equations() -> tuple[Equation, ...]:
    """All of them, in the order of sections, files and lines."""
    return tuple(
        found
        for section in SECTIONS
        for file in sorted((SOURCE / section).rglob("*.py"))
        if not file.stem.startswith("_") or file.stem == "__init__"
        for found in _of_file(section, file)
    )


def search(words: str) -> list[Equation]:
    """Those that hold all the words: first those in whose name they are, then in the first paragraph, then anywhere.

    Words are compared without case; ``-`` and ``_`` are spaces. A word may be the beginning of a longer one.
    """
    wanted = _plain(words).split()

    def holds(text: str) -> bool:
        return all(re.search(rf"\b{re.escape(word)}", _plain(text)) for word in wanted)

    found: list[Equation] = []
    for read in (lambda e: e.name, lambda e: f"{e.name} {e.file} {e.said}", lambda e: f"{e.name} {e.file} {e.text}"):
        found += [e for e in equations() if e not in found and holds(read(e))]
    return found


def page() -> str:
    """The text of ``docs/EQUATIONS.md``."""
    parts = [HEAD]
    for section, title in SECTIONS.items():
        rows = [e for e in equations() if e.section == section]
        if rows:
            parts.append(f"## {title}\n\n| code | what it is |\n|---|---|\n" + "\n".join(map(_row, rows)) + "\n")
    return "\n".join(parts)


def _row(e: Equation) -> str:
    said = e.said.replace("|", "\\|")
    return f"| [`{e.name}`](../src/zerosum/{e.file}) | {said} |"


def _of_file(section: str, file: Path) -> Iterator[Equation]:
    tree = ast.parse(file.read_text())
    where = str(file.relative_to(SOURCE))
    if section == "recipes":
        if any(isinstance(node, ast.FunctionDef) and node.name == "recipe" for node in tree.body):
            text = ast.get_docstring(tree) or ""
            yield Equation(section, file.stem.replace("_", "-"), _said(text), text, where, 1)
        return
    public = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    texts = [(node, ast.get_docstring(node) or "") for node in public]
    cited = [(node, text) for node, text in texts if CITES.search(_said(text))]
    for node, text in cited:
        yield Equation(section, f"{file.stem}.{node.name}", _said(text), text, where, node.lineno)
    whole = ast.get_docstring(tree) or ""
    if not cited and CITES.search(_said(whole)):
        yield Equation(section, file.stem, _said(whole), whole, where, 1)


def _said(text: str) -> str:
    first, second, *_ = [" ".join(part.split()) for part in [*text.split("\n\n"), "", ""]]
    if CITES.search(first) or second.startswith(("Args:", "Attributes:")):
        return first
    sentences = re.split(r"(?<=[a-z)\d]\.) (?=[A-Z])", second)
    return " ".join([first, *[x for x in sentences if CITES.search(x)][:1]])


def _plain(text: str) -> str:
    return re.sub(r"ies\b", "y", re.sub(r"[-_/.]", " ", text.lower()))


if __name__ == "__main__":
    target = SOURCE.parents[1] / "docs" / "EQUATIONS.md"
    target.write_text(page())
    print(f"{len(equations())} entries: {target}")
