"""``docs/notes.md`` and ``docs/errata.md``: every entry leads somewhere."""

import importlib
import re
from pathlib import Path

import pytest

from zerosum import lab, registry
from zerosum.cli.main import verbs
from zerosum.metrics.registry import measures

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ["notes.md", "errata.md"]
WORDS = {page: (DOCS / page).read_text() for page in PAGES}
CODE = {page: sorted(set(re.findall(r"`([^`]+)`", text))) for page, text in WORDS.items()}
ENTRIES = [(page, entry) for page in PAGES for entry in CODE[page]]


@pytest.mark.parametrize(("page", "entry"), [e for e in ENTRIES if e[1].startswith("zerosum ")])
def test_commands_name_what_there_is(page: str, entry: str) -> None:
    _, verb, *rest = entry.split()
    assert verb in verbs()
    if verb == "lab" and rest and rest[0] != "NAME":
        assert rest[0] in lab.titles()
    if verb in ("train", "recipes") and rest and rest[0] != "NAME":
        assert rest[0] in registry.names()
    if verb == "train":
        known = {"--" + name.replace("_", "-") for name in registry.arguments(rest[0])} if rest[0] != "NAME" else set()
        assert {word for word in rest if word.startswith("--")} <= known | {"--data"}
    if verb == "eval":
        assert rest[rest.index("--metrics") + 1] in measures()


@pytest.mark.parametrize(("page", "entry"), [e for e in ENTRIES if e[1].startswith("zerosum.")])
def test_names_of_code_can_be_imported(page: str, entry: str) -> None:
    try:
        importlib.import_module(entry)
    except ModuleNotFoundError:
        module, _, name = entry.rpartition(".")
        assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("page", PAGES)
def test_files_are_there(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", WORDS[page])
    files = [entry for entry in CODE[page] if entry.startswith("tests/")]
    assert links or files
    for link in links:
        assert (DOCS / link).exists(), link
    for file in files:
        assert (DOCS.parent / file).exists(), file


def test_every_section_leads_somewhere_or_says_that_it_does_not() -> None:
    rows = [line for line in WORDS["notes.md"].splitlines() if line.startswith("|") and "---" not in line]
    for row in rows:
        section, run, code = (cell.strip() for cell in row.strip("|").split("|"))
        if section == "section":
            continue
        assert "not implemented yet" in run or (("`" in run or "](" in run) and ("`" in code or "](" in code)), row
    assert len(rows) > 90


@pytest.mark.parametrize("name", lab.titles())
def test_every_experiment_has_its_place(name: str) -> None:
    assert f"`zerosum lab {name}`" in WORDS["notes.md"]
