"""Options: every one is explained in the help, and names of earlier versions are understood."""

import dataclasses
import re
from collections.abc import Iterator
from types import ModuleType

import pytest

from zerosum import registry
from zerosum.arguments import TEXTS, documented, texts_of
from zerosum.cli import arguments
from zerosum.cli.main import VERBS, option_of
from zerosum.folder import RunFolder
from zerosum.runs.settings import RESERVED, Settings

SETTINGS = {field.name for field in dataclasses.fields(Settings)}
FEW = ["--data", "ring", "--steps", "1", "--latent", "2", "--width", "4", "--sample-every", "9", "--watch=-1"]


def words_of(text: str) -> str:
    """A text on one line, without the box around it."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def check_texts(help_text: str, texts: dict[str, str], options: dict[str, str]) -> None:
    """Each option is followed by its whole text, which is a sentence."""
    shown = words_of(help_text)
    for name, option in options.items():
        text = texts[name]
        assert re.match(r"[A-Z]", text), f"{option}: {text}"
        assert text.endswith("."), f"{option}: {text}"
        assert re.search(rf"(?<!\S){re.escape(option)}(?![\w-]).{{0,300}}? {re.escape(words_of(text))}", shown), option


@pytest.mark.parametrize("name", registry.names())
def test_every_option_of_training_is_explained(zerosum, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")  # in more, the two groups stand side by side
    texts = texts_of(registry.find(name).__doc__ or "") | documented(Settings.__doc__ or "")
    options = {key: option_of(key) for key in (*registry.arguments(name), *SETTINGS)}
    said = zerosum("train", name, "--help")
    assert said.code == 0
    check_texts(said.out, texts, options)
    assert words_of(registry.describe(name)) in words_of(said.out)


@pytest.mark.parametrize("name", registry.names())
def test_every_argument_of_a_recipe_is_explained_on_its_page(zerosum, name: str) -> None:
    texts = texts_of(registry.find(name).__doc__ or "")
    check_texts(zerosum("recipes", name).out, texts, {key: option_of(key) for key in registry.arguments(name)})


def test_common_arguments_have_common_texts() -> None:
    """What a page does not say itself is said of all recipes with this argument."""
    own = {name: documented(registry.find(name).__doc__ or "") for name in registry.names()}
    common = [(name, key) for name in own for key in registry.arguments(name) if key not in own[name]]
    assert len(common) > 100
    assert {key for _, key in common} <= TEXTS.keys()
    said = [text for key, text in texts_of(registry.find("dcgan").__doc__ or "").items() if key == "batch_size"]
    assert said == [TEXTS["batch_size"]]


def option_classes(module: ModuleType) -> Iterator[type]:
    """Classes of options that a verb defines."""
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__ and dataclasses.is_dataclass(value):
            yield from [value] if value.__name__.endswith("Options") else []


@pytest.mark.parametrize("verb", [verb for verb in VERBS.names if verb not in ("train", "resume", "lab", "completion")])
def test_every_option_of_a_verb_is_explained(zerosum, verb: str) -> None:
    (options,) = option_classes(VERBS.load(verb))
    texts: dict[str, str] = {}
    for parent in reversed(options.__mro__):
        texts |= documented(parent.__doc__ or "")
    fields = {field.name for field in dataclasses.fields(options)}
    assert texts.keys() >= fields
    said = zerosum(verb, "--help").out
    positional = {name for name in fields if f"{option_of(name)} " not in words_of(said)}
    check_texts(said, texts, {name: option_of(name) for name in fields - positional})
    for name in positional:
        assert words_of(texts[name]) in words_of(said)


# Names of earlier versions.


@pytest.mark.parametrize("word", [["--k", "2"], ["--k=2"]])
def test_an_old_name_is_understood_with_a_note(zerosum, word: list[str]) -> None:
    said = zerosum("train", "gan", *FEW, *word, "--out", "run")
    assert said.code == 0
    assert said.err.count("note: the option --k is now called --n-critic\n") == 1
    assert RunFolder("run").record()["arguments"]["n_critic"] == 2
    assert zerosum("resume", "run", "--k", 2).code == 0
    refused = zerosum("resume", "run", "--k", 3)
    assert refused.code == 2
    assert "n_critic: recorded 2, now 3" in refused.err


@pytest.mark.parametrize(
    ("recipe", "argv", "expected"),
    [
        ("custom", ["--lr-g", "0.1", "--lr-d=0.2"], {"g_lr": 0.1, "d_lr": 0.2}),
        ("unrolled", ["--lr", "0.3"], {"d_lr": 0.3}),  # by the page's own rule
        ("wgan-div", ["--k", "2.5"], {"penalty_weight": 2.5}),  # which goes before the common one
    ],
)
def test_old_names_of_a_page_are_understood(
    recipe: str, argv: list[str], expected: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    options = arguments.parse(registry.page(recipe), argv, "zerosum train")
    assert {key: options[key] for key in expected} == expected
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == len(expected)
    assert all(f"is now called {option_of(key)}" in "\n".join(notes) for key in expected)


def test_names_of_today_are_not_noted(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--lr", "0.3", "--n-critic", "3", "--out", "k", "--data=k"]  # dcgan's learning rate is called lr
    options = arguments.parse(registry.page("rsgan"), argv, "zerosum train")
    assert (options["lr"], options["n_critic"], options["out"], options["data"]) == (0.3, 3, "k", "k")
    assert capsys.readouterr().err == ""


def test_an_option_that_never_was_is_refused(zerosum) -> None:
    said = zerosum("train", "dcgan", "--k", 2)
    assert said.code == 2
    assert "--k" in said.err


def test_options_are_those_of_the_recipe_and_of_every_run() -> None:
    options = arguments.parse(registry.page("gan"), ["--seed", "3", "--width", "7"], "zerosum train")
    assert options.keys() == {*registry.arguments("gan"), *SETTINGS}
    assert (options["width"], options["seed"]) == (7, 3)


def test_no_argument_of_a_recipe_is_called_as_a_setting_is() -> None:
    assert not {(name, key) for name in registry.names() for key in registry.arguments(name) if key in RESERVED}
    assert SETTINGS < RESERVED


def test_the_help_has_two_groups_of_options(zerosum, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    _, of_recipe, of_run, _ = re.split(r"(?:recipe|run|command) options", zerosum("train", "gan", "--help").out)
    assert "--latent" in of_recipe
    assert "--latent" not in of_run
    assert "--seed" in of_run
    assert "--seed" not in of_recipe


def test_other_defaults_can_be_given() -> None:
    options = arguments.parse(registry.page("gan"), ["--seed", "3"], "zerosum train", {"seed": 4, "width": 5})
    assert (options["seed"], options["width"]) == (3, 5)
