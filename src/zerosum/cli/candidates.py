"""What the next word of a command line can be: verbs, recipes, options, their values, sources of data, runs and files.

Everything is read from source files and folders, and nothing heavy is imported: a shell asks at every press of Tab.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from zerosum.cli import signatures
from zerosum.cli.main import VERBS, verbs
from zerosum.cli.signatures import OptionFacts
from zerosum.discovery import Modules

DEVICES = ("auto", "cpu", "cuda", "cuda:0", "mps")
SHELLS = ("bash", "zsh", "fish")
SOURCES = Modules("zerosum.data", "SOURCES", "source")
MEASURES = Modules("zerosum.metrics.measures", "MEASURE", "measure")
EXTRACTORS = Modules("zerosum.metrics.features", "EXTRACTORS", "features")
EXPERIMENTS = Modules("zerosum.lab.experiments", "experiment", "experiment")
NAMES_SOURCE = ("data", "against", "held-out")  # options whose value is a source of data
NAMES_PATH = ("out", "config", "index")  # options whose value is a path
FILES = {  # files that verbs take beside folders, by what they call their words
    "RUN_OR_IMAGES": (".zip", ".npz"),
    "IMAGE ...": (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"),
}
STORED = {"folder:": (), "zip:": (".zip",), "npz:": (".npz",)}  # sources with a path, and the files that they can name


class Candidate(NamedTuple):
    """A word that can come next.

    Attributes:
        text: The word. One that ends in ``/``, ``:`` or ``,`` is to be continued.
        about: What it means, one line, or ``""``.
    """

    text: str
    about: str = ""


def candidates(words: list[str]) -> list[Candidate]:
    """What the last of the words can become.

    Args:
        words: Words after ``zerosum``; the last one is being typed, and may be empty.
    """
    *before, current = words or [""]
    if not before:
        known = {**verbs(), "--help": "what there is", "--version": "the version"}
        return _beginning(current, (Candidate(*pair) for pair in known.items()))
    verb, *given = before
    if verb not in VERBS.names:
        return []
    options = _options(verb, given)
    option, equals, value = current.partition("=")
    if option.startswith("--") and equals:
        found = _values(options.get(option), value)
        return [Candidate(f"{option}={one.text}", one.about) for one in found]
    asked = options.get(given[-1]) if given else None
    if asked is not None and asked.takes_value:
        return _values(asked, current)
    if current.startswith("-"):
        return _beginning(current, (Candidate(o.name, o.text) for o in options.values() if o.name not in given))
    return _positional(verb, _positionals(given, options), current)


def _beginning(current: str, found: Iterable[Candidate]) -> list[Candidate]:
    return [one for one in found if one.text.startswith(current)]


def _positionals(given: list[str], options: dict[str, OptionFacts]) -> list[str]:
    """The words that are neither options nor values of options."""
    own, skip = [], False
    for word in given:
        if not skip and not word.startswith("-"):
            own.append(word)
        skip = not skip and word in options and options[word].takes_value
    return own


def _options(verb: str, given: list[str]) -> dict[str, OptionFacts]:
    """The options of a verb, after the words that were given to it, by name."""
    help_ = OptionFacts("--help", "what the options mean", (), takes_value=False)
    known: dict[str, OptionFacts] = {}
    if verb == "completion":  # what its scripts call is not for people
        return {"--help": help_}
    if verb in ("train", "resume"):
        name = given[0] if given and verb == "train" else _recipe_of(given)
        known = signatures.of_recipe(name) | signatures.of_class("zerosum.runs.settings", "Settings")
    if verb == "lab" and given and given[0] in EXPERIMENTS.names:
        known = signatures.of_function(EXPERIMENTS.tree(given[0]), "experiment")
    return known | signatures.of_verb(verb) | {"--help": help_}


def _recipe_of(given: list[str]) -> str:
    """Name of the recipe of the run that is resumed; ``""`` where there is no such run."""
    try:
        record = json.loads(Path(given[0] if given else "", "run.json").read_text("utf-8"))
        return str(record["recipe"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _values(option: OptionFacts | None, current: str) -> list[Candidate]:
    """Values of an option."""
    if option is None:
        return []
    name = option.name.removeprefix("--")
    if option.values:
        return _beginning(current, map(Candidate, option.values))
    if name in NAMES_SOURCE:
        return _sources(current)
    if name == "device":
        return _beginning(current, map(Candidate, DEVICES))
    if name == "features":
        return _beginning(current, map(Candidate, ("auto", *_extractors()))) + _paths(current, (".onnx",))
    if name in ("metrics", "only"):
        return _listed(current, dict(_measures()) if name == "metrics" else dict.fromkeys(EXPERIMENTS.names, ""))
    if name == "options":
        return _listed(current, dict(_measure_options()))
    return _paths(current) if name in NAMES_PATH else []


def _positional(verb: str, own: list[str], current: str) -> list[Candidate]:
    """Words that are not options."""
    if verb == "completion":
        return _beginning(current, map(Candidate, SHELLS)) if not own else []
    if verb in ("train", "recipes") and not own:
        return _beginning(current, _recipes()) + _paths(current, (".py",))
    if verb == "train" or (verb == "data" and not own):
        return _sources(current)
    if verb == "lab" and not own:
        known = [Candidate(name, EXPERIMENTS.doc(name).split("\n")[0]) for name in EXPERIMENTS.names]
        return _beginning(current, [*known, Candidate("all", "all of them")])
    kinds = ["RUN"] if verb == "resume" else signatures.positionals_of(verb)
    kind = (kinds[len(own) :] or [kind for kind in kinds[-1:] if "..." in kind] or [""])[0]
    if kind in ("", "WORDS"):
        return []
    runs = [] if "IMAGE ..." in kind else _runs(current)
    shown = {run.text for run in runs}
    return runs + [one for one in _paths(current, FILES.get(kind, ())) if one.text.rstrip("/") not in shown]


def _recipes() -> Iterator[Candidate]:
    from zerosum import registry

    for name in registry.names():
        yield Candidate(name, signatures.title_of(name))


def _sources(current: str) -> list[Candidate]:
    """Sources of data: names, prefixes with what can follow them, and bare paths."""
    kind = next((kind for kind in STORED if current.startswith(kind)), None)
    if kind is not None:
        return [Candidate(kind + one.text) for one in _paths(current.removeprefix(kind), STORED[kind])]
    found: list[Candidate] = []
    for module in SOURCES.names:
        if module != "sources":  # that one, where they come together
            for positional, keywords in SOURCES.literal(module, "SOURCES"):
                usage, about = [*positional, *(keywords[key] for key in ("usage", "summary") if key in keywords)][:2]
                head, colon, _ = str(usage).partition(":")
                found.append(Candidate(head + colon, str(about)))
    return _beginning(current, found) + _paths(current, (".zip", ".npz"))


def _extractors() -> list[str]:
    return [str(name) for module in EXTRACTORS.names for name in EXTRACTORS.literal(module, "EXTRACTORS")]


def _measures() -> Iterator[tuple[str, str]]:
    """Names and summaries of the measures, as far as they are literal."""
    for known in map(_literals, _entries()):
        if "name" in known:
            yield known["name"], known.get("summary", "")


def _measure_options() -> Iterator[tuple[str, str]]:
    """Options of the measures as they are written, and what they are."""
    for entry in _entries():
        name = _literals(entry).get("name", "")
        for keyword in entry.keywords:
            if keyword.arg == "options" and isinstance(keyword.value, ast.Dict):
                for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(value, ast.Call):
                        yield f"{name}.{ast.literal_eval(key)}=", _literals(value).get("text", "")


def _entries() -> Iterator[ast.Call]:
    """The calls that make the measures."""
    for module in MEASURES.names:
        for node in MEASURES.tree(module).body:
            call = node.value if isinstance(node, ast.Assign) else None
            if (
                isinstance(node, ast.Assign)
                and isinstance(call, ast.Call)
                and ast.unparse(node.targets[0]) == "MEASURE"
            ):
                yield call


def _literals(call: ast.Call) -> dict[str, str]:
    """Arguments of a call that stand there as values."""
    return {str(k.arg): str(k.value.value) for k in call.keywords if isinstance(k.value, ast.Constant)}


def _listed(current: str, known: dict[str, str]) -> list[Candidate]:
    """Names with commas between them: what the last of them can become."""
    head, comma, last = current.rpartition(",")
    left = {name: about for name, about in known.items() if name not in head.split(",") and name.startswith(last)}
    return [Candidate(head + comma + name, about) for name, about in sorted(left.items())]


def _runs(current: str) -> list[Candidate]:
    """Folders of runs: below ``runs/``, and beside what is being typed."""
    typed = Path(current).parent if current else Path()
    found = {str(file.parent) for place in (typed, Path("runs")) for file in _below(place)}
    return _beginning(current, (Candidate(run) for run in sorted(found)))


def _below(place: Path) -> list[Path]:
    try:
        return list(place.glob("*/run.json"))
    except OSError:  # a folder that may not be read has nothing to offer
        return []


def _paths(current: str, suffixes: tuple[str, ...] | None = None) -> list[Candidate]:
    """Folders and files that begin as ``current`` does: those with one of the suffixes, or ``None``: all of them."""
    head, slash, last = current.rpartition("/")
    shown = head + slash
    try:
        with os.scandir(os.path.expanduser(shown) or ".") as entries:
            found = sorted((e.name, e.is_dir()) for e in entries if e.name.startswith(last))
    except OSError:  # nothing is there, or it may not be read
        return []
    return [
        Candidate(f"{shown}{name}{'/' if folder else ''}")
        for name, folder in found
        if folder or suffixes is None or name.lower().endswith(suffixes)
        if last.startswith(".") or not name.startswith(".")
        if name.isprintable()
    ]
