"""What documents and pages say of commands: that the words are understood, and that what they lead to is there."""

import re
import shlex
from pathlib import Path

import pytest

from zerosum.cli import signatures
from zerosum.cli.candidates import EXPERIMENTS
from zerosum.cli.main import verbs

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile")),
    *(page for name in ("docs", "results") for page in (ROOT / name).rglob("*.md")),
    *(page for name in ("tools", "benchmarks") for page in (ROOT / name).glob("*.py")),
]
SHOWN = [page for name in ("recipes", "lab/experiments") for page in (ROOT / "src/zerosum" / name).glob("*.py")]


def commands(text: str) -> list[list[str]]:
    """The words of each command, without what follows it; a line that ends with a backslash goes on."""
    found = re.findall(r"(?<![\w/.])zerosum ((?:[a-z]+)(?: [^`\"'#\n&|(){}]*)?)", re.sub(r"\\\n\s*", " ", text))
    return [words for command in found if (words := shlex.split(command)) and words[0] in verbs()]


def options_of(verb: str, words: list[str]) -> set[str]:
    """Every option that the verb takes after these words, those included that switch something on or off."""
    known = signatures.of_verb(verb).keys() | {"--help"}
    if verb in ("train", "resume"):
        recipes = [words[0]] if verb == "train" and words[0] in signatures.RECIPES.names else signatures.RECIPES.names
        known |= signatures.of_class("zerosum.runs.settings", "Settings").keys()
        known |= {option for recipe in recipes for option in signatures.of_recipe(recipe)}
    if verb == "lab":
        known |= {
            option
            for name in (EXPERIMENTS.names if words[0] == "all" else [words[0]])
            for option in signatures.of_function(EXPERIMENTS.tree(name), "experiment")
        }
    return known | {f"--no-{option[2:]}" for option in known} | {option.replace("--no-", "--", 1) for option in known}


def test_commands_have_options_that_there_are() -> None:
    wrong, seen = [], 0
    for page in PAGES:
        for verb, *words in commands(page.read_text("utf-8")):
            seen += 1
            given = {word.split("=")[0] for word in words if word.startswith("--")}
            if not words or not given:
                continue
            wrong += [f"{page.name}: {verb} {option}" for option in sorted(given - options_of(verb, words))]
    assert not wrong
    assert seen > 100


def test_a_command_that_no_longer_is_would_be_noticed() -> None:
    text = "zerosum train gan ring --d-lr 1 \\\n    --steps 2` and `zerosum resume RUN --overrode`, zerosum is a word"
    assert commands(text) == [["train", "gan", "ring", "--d-lr", "1", "--steps", "2"], ["resume", "RUN", "--overrode"]]
    assert "--d-lr" not in options_of("train", ["gan"])
    assert "--overrode" not in options_of("resume", ["RUN"])


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.stem)
def test_pages_that_people_are_shown_say_where_files_are(page: Path) -> None:
    """``zerosum recipes NAME`` and ``zerosum lab NAME`` print them, also where there is no clone."""
    unsaid = r"`(?:results|docs|tools|benchmarks)/\w+\.\w+`++(?!\sof\sthe\srepository)"
    found = re.search(unsaid, page.read_text("utf-8"))
    assert found is None, f"{found and found[0]} is not installed: say that it is of the repository"


def test_options_of_earlier_versions_are_mentioned_nowhere() -> None:
    pages = [page for page in PAGES if page.name != "EQUATIONS.md"]
    for page in pages:
        gone = re.search(r"--override\b|--params\b|custom [^`\n]*--labels\b", page.read_text("utf-8"))
        assert gone is None, f"{page.name}: {gone and gone[0]}"
