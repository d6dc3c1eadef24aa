"""The rules of the architecture that can be checked by reading the source."""

import ast
import re
from pathlib import Path

import pytest

from zerosum import recipe

SOURCE = Path(recipe.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
BUILDING_BLOCKS = ("objectives", "penalties", "constraints", "networks", "conditioning", "data", "metrics")
# Package -> what it may import of zerosum, besides itself. `runs`, `cli` stand on top.
ALLOWED = {
    "core": set(),
    **{name: {"core", "_version"} for name in BUILDING_BLOCKS},
    "conditioning": {"core", "networks"},
    "metrics": {"core", "data", "_version"},
    "latent": {"core"},
    "theory": {"core", "recipe", "runs", "_version", "", *BUILDING_BLOCKS},
    "recipe": {"core", "data"},
    "equations": set(),
    "catalogue": {"recipe"},
    "parts": {"core", "recipe", *BUILDING_BLOCKS},
    "recipes": {"core", "recipe", "parts", *BUILDING_BLOCKS},
    "runs": {"core", "recipe", "data", "metrics", "latent", "networks", "_version", ""},
    "cli": {"core", "recipe", "equations", "catalogue", "data", "metrics", "runs", "latent", "theory", "_version", ""},
}
GAN_WORDS = re.compile(r"\b(wgan|dcgan|hinge|critic\(|sngan|began_)", re.I)


def imported(file: Path) -> set[str]:
    """First names below ``zerosum`` that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "zerosum":
            found |= {a.name if is_module(a.name) else "" for a in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zerosum."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("zerosum.")}
    return found


def is_module(name: str) -> bool:
    return (SOURCE / name).exists() or (SOURCE / f"{name}.py").exists()


def layer_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).parts
    return parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_imports_go_one_way(file: Path) -> None:
    layer = layer_of(file)
    if layer not in ALLOWED:  # the package's own __init__ and __main__
        return
    beyond = imported(file) - ALLOWED[layer] - {layer}
    assert not beyond, f"{layer} must not import {beyond}"


@pytest.mark.parametrize("file", sorted((SOURCE / "recipes").glob("[!_]*.py")), ids=lambda f: f.stem)
def test_recipes_are_pages(file: Path) -> None:
    text = file.read_text()
    assert "recipes" not in imported(file), "a recipe imports no other recipe"
    assert len(text.splitlines()) <= 110
    doc = ast.get_docstring(ast.parse(text)) or ""
    assert re.search(r"arXiv:\d{4}\.\d{4,5}", doc), "the page states its source"
    assert "Departures" in doc, "the page states its departures from the paper"


def test_core_is_small_and_names_no_gan() -> None:
    files = sorted((SOURCE / "core").glob("*.py"))
    code = sum(len(code_lines(f)) for f in files)
    assert code < 700
    for file in files:
        body = "\n".join(code_lines(file))
        assert not GAN_WORDS.search(body), file


def code_lines(file: Path) -> list[str]:
    """Lines that are neither blank, nor comments, nor docstrings."""
    tree = ast.parse(file.read_text())
    text: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            text |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines = enumerate(file.read_text().splitlines(), 1)
    return [line for i, line in lines if i not in text and line.strip() and not line.strip().startswith("#")]


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_files_and_functions_are_short(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 70, node.name


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_no_pickle_is_ever_loaded(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in {"pickle.load", "pickle.loads"}, f"line {node.lineno}"
            if name == "torch.load":  # the published weights of feature networks: tensors alone, or refused
                assert file.name == "weights.py"
                assert "weights_only=True" in ast.unparse(node), f"line {node.lineno}"
            if name == "np.load":
                assert "allow_pickle=False" in ast.unparse(node), f"line {node.lineno}"
