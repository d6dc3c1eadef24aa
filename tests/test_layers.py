"""Rules of the architecture that can be checked by reading the source: a test for each, which tells all violations."""

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from zerosum import registry
from zerosum.arguments import TEXTS, documented

SOURCE = Path(registry.__file__).parent
ROOT = SOURCE.parents[1]
FILES = {str(file.relative_to(SOURCE)): ast.parse(file.read_text("utf-8")) for file in sorted(SOURCE.rglob("*.py"))}
GROUND = {"errors", "files", "discovery", "progress", "precision", "arguments", "renewal", "_version"}
BLOCKS = {"objectives", "networks", "constraints", "penalties", "conditioning", "latent", "data"}
# Room -> rooms that it may import, besides itself and the ground floor.
ALLOWED: dict[str, set[str]] = {
    **{name: set() for name in GROUND},
    "core": set(),
    "objectives": set(),
    "latent": {"core"},
    "networks": {"core", "objectives"},
    "constraints": {"core", "networks"},
    "penalties": {"core", "networks"},
    "conditioning": {"core", "networks", "constraints"},
    "data": {"core"},
    "metrics": {"core", "data"},
    "theory": {"core", "objectives", "networks", "constraints"},
    "systems": {"core", "data", "latent"},
    "values": set(),
    "siblings": set(),
    "pages": {"systems", "values"},
    "own": {"pages", "siblings", "systems"},
    "registry": {"systems", "pages", "own"},
    "catalogue": {"registry"},
    "equations": set(),
    "folder": {"core"},
    "report": {"folder"},
    "parts": {"core", "systems", *BLOCKS},
    "recipes": {"core", "systems", "registry", "parts", *BLOCKS},
    "runs": {"core", "systems", "registry", "pages", "own", "values", "data", "metrics", "latent", "networks"}
    | {"folder", "report"},
    "lab": {"core", "systems", "registry", "equations", "pages", "own", "metrics", "theory", "runs", "report", *BLOCKS},
    "cli": {
        "core",
        "registry",
        "pages",
        "own",
        "theory",
        "catalogue",
        "equations",
        "metrics",
        "runs",
        "lab",
        "folder",
        "report",
        *BLOCKS,
    },
}
GAN_WORDS = re.compile(r"\b(wgan|dcgan|hinge|critic\(|sngan|began_)", re.I)
# Arguments of a common name that mean another thing on a page, and why they keep the name.
OTHER_MEANINGS = {
    ("f-gan", "width"): "its networks of images have the paper's sizes",
    ("gan", "width"): "its networks of images have the paper's sizes",
    ("ns-gan", "width"): "its networks of images have the paper's sizes",
    ("lsgan", "c"): "a, b and c are the paper's symbols",
    ("vae", "lr"): "it has one player",
    ("vae", "steps"): "it has one player",
}
# What is one protocol with many implementations, always named through its module: `dcgan.Critic`.
PROTOCOLS = {"Critic", "Generator"}


def room_of(file: str) -> str:
    return file.split("/")[0].removesuffix(".py")


def imported(tree: ast.Module) -> Iterator[str]:
    """Dotted names below ``zerosum`` that a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "zerosum":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zerosum."):
            yield (node.module or "").removeprefix("zerosum.")
        elif isinstance(node, ast.Import):
            yield from (a.name.removeprefix("zerosum.") for a in node.names if a.name.startswith("zerosum."))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def documents(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Name and docstring of a file and all that it defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield getattr(node, "name", "the file"), ast.get_docstring(node) or ""


def words_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Strings that are not docstrings, with their lines."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def test_imports_go_one_way() -> None:
    wrong = [
        f"{file} imports {name}"
        for file, tree in FILES.items()
        for name in imported(tree)
        if room_of(file) in ALLOWED and name.split(".")[0] not in ALLOWED[room_of(file)] | GROUND | {room_of(file)}
        if (SOURCE / name.split(".")[0]).exists() or (SOURCE / f"{name.split('.')[0]}.py").exists()
    ]
    assert not wrong
    assert ALLOWED.keys() | {"__init__", "__main__"} == {room_of(file) for file in FILES}


def test_every_room_is_on_the_map(module_at) -> None:
    drawing = module_at(ROOT / "tools" / "draw_map.py")
    assert drawing.TARGET.read_text("utf-8") == drawing.draw(), "run: python tools/draw_map.py"


def test_core_is_small_and_names_no_gan() -> None:
    texts = {file: (SOURCE / file).read_text("utf-8") for file in FILES if room_of(file) == "core"}
    assert sum(text.count("\n") for text in texts.values()) <= 900
    assert not [file for file, text in texts.items() if GAN_WORDS.search(text)]


def test_files_and_functions_are_short() -> None:
    files = [f"{file}: {n} lines" for file in FILES if (n := (SOURCE / file).read_text("utf-8").count("\n")) > 400]
    long = [
        f"{file}: {node.name} has {n} lines"
        for file, tree in FILES.items()
        for node in functions(tree)
        if (n := (node.end_lineno or 0) - node.lineno + 1) > 60
    ]
    assert not files + long


def test_no_name_is_defined_twice() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for file, tree in FILES.items():
        for node in tree.body:
            named = [node.name] if isinstance(node, ast.ClassDef) else []
            if isinstance(node, ast.Assign):
                named += [t.id for t in node.targets if isinstance(t, ast.Name) and re.match("[A-Z][a-z]", t.id)]
            for name in named:
                places[name].append(file)
    assert not {name: where for name, where in places.items() if len(where) > 1 and name not in PROTOCOLS}


def test_a_module_is_what_its_dotted_name_says() -> None:
    """``import zerosum.objectives.x as m`` must not give a value of that name."""
    wrong = []
    for file in FILES:
        package, _, name = file.removesuffix(".py").replace("/", ".").rpartition(".")
        if package and not name.startswith("_"):
            parent = importlib.import_module(f"zerosum.{package}")
            module = importlib.import_module(f"zerosum.{package}.{name}")
            wrong += [file] if getattr(parent, name) is not module else []
    assert not wrong


def test_one_way_to_write_files_to_lock_and_to_guess_at_words() -> None:
    only = {"get_close_matches": "errors.py", "fcntl": "files.py", "os.fsync": "files.py", "os.replace": "files.py"}
    wrong = [
        f"{file}: {word}"
        for file in FILES
        for word, home in only.items()
        if file != home and re.search(rf"\b{re.escape(word)}\b", (SOURCE / file).read_text("utf-8"))
    ]
    assert not wrong


def test_no_pickle_is_ever_loaded() -> None:
    wrong = []
    for file, tree in FILES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name, text = ast.unparse(node.func), ast.unparse(node)
                bad = name in {"pickle.load", "pickle.loads"}
                # The published weights of feature networks: tensors only, or refused.
                bad |= name == "torch.load" and not (file.endswith("weights.py") and "weights_only=True" in text)
                bad |= name == "np.load" and "allow_pickle=False" not in text
                wrong += [f"{file}:{node.lineno}: {text}"] if bad else []
    assert not wrong


def test_recipes_are_pages() -> None:
    wrong = []
    for name in registry.names():
        file = f"recipes/{name.replace('-', '_')}.py"
        text, doc = (SOURCE / file).read_text("utf-8"), registry.describe(name)
        rooms = {other.split(".")[0] for other in imported(FILES[file])}
        wrong += [f"{name}: imports another recipe"] if "recipes" in rooms else []
        wrong += [f"{name}: more than 110 lines"] if text.count("\n") > 110 else []
        wrong += [f"{name}: does not state its source"] if not re.search(r"arXiv:\d{4}\.\d{4,5}", doc) else []
        wrong += [f"{name}: does not state its departures"] if "Departures" not in doc else []
    assert not wrong


def test_an_argument_means_the_same_on_every_page() -> None:
    """A page that adds to a common text begins as it does; where it means another thing, that is known here."""
    wrong = []
    for name in registry.names():
        own = documented(registry.find(name).__doc__ or "")
        known = registry.arguments(name)
        wrong += [f"{name}: {argument} has no text" for argument in known if argument not in own | TEXTS]
        wrong += [f"{name}: {argument} is not an argument" for argument in own if argument not in known]
        wrong += [
            f"{name}: {argument}: {text!r}"
            for argument, text in own.items()
            if argument in TEXTS and not text.startswith(re.split(r"[:.]", TEXTS[argument])[0])
            if (name, argument) not in OTHER_MEANINGS
        ]
    assert not wrong


def test_libraries_do_not_speak_of_options() -> None:
    """An error names the argument; the command line writes it as an option."""
    wrong = [
        f"{file}:{line}: {text[:60]!r}"
        for file, tree in FILES.items()
        if room_of(file) != "cli" and not file.startswith("report/")
        for line, text in words_of(tree)
        if re.search(r"(?<![\w-])--[a-z]{2,}", text)
    ]
    assert not wrong


PLAIN_ENGLISH = {
    r"(?i)(?<!there )\bis no (?!longer)[a-z]": "is not a",
    r"(?m)^\s+\w+: (of|in|for|by) the\b": "a noun phrase, such as 'Learning rate of the critic.'",
    r"(?m)^\s+\w+: (does|is|are|has|have|do|can|shall) .*\?": "Whether ...",
}


@pytest.mark.parametrize("pattern", PLAIN_ENGLISH)
def test_the_english_is_plain(pattern: str) -> None:
    found = [
        f"{file}: {name}: {match[0].strip()!r} ({PLAIN_ENGLISH[pattern]})"
        for file, tree in FILES.items()
        for name, text in documents(tree)
        for match in re.finditer(pattern, text)
    ]
    assert not found


def test_files_of_tests_have_names_of_their_own() -> None:
    """Of two with one name, only one is collected."""
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    assert not {name for name in names if names.count(name) > 1}
