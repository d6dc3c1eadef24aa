"""What a package holds, read from files that would fail if they were imported, and imported where they would not."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zerosum import discovery
from zerosum.discovery import Modules
from zerosum.errors import UsageError

FILES = {
    "red_fox": '"""A fox.\n\nIt is red."""\nANIMAL = "vulpes"\nLEGS = 4\n',
    "ant": "ANIMAL: str = 'formica'\nLEGS: int = 6\nWINGS: int\n",
    "bee": "def ANIMAL():\n    return 'apis'\n",
    "crow": "class ANIMAL:\n    name = 'corvus'\n",
    "stone": "def weigh():\n    ANIMAL = None\n",
    "_hidden": "ANIMAL = 'no one'\n",
    "__init__": "ANIMAL = 'none'\n",
}


@pytest.fixture
def animals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    """Modules of a package ``zoo.animals`` that define ``ANIMAL``."""
    folder = tmp_path / "zoo" / "animals"
    (folder / "inner").mkdir(parents=True)
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "inner" / "bat.py").write_text("ANIMAL = 1\n")
    (folder / "notes.txt").write_text("ANIMAL = 1\n")
    monkeypatch.setattr(discovery, "__file__", str(folder.parent / "discovery.py"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Modules("zoo.animals", "ANIMAL", "animal")
    for name in [name for name in sys.modules if name.split(".")[0] == "zoo"]:
        del sys.modules[name]


def write(animals: Modules, name: str, text: str) -> None:
    (animals.folder / f"{name}.py").write_text(text)


def read(animals: Modules, text: str) -> object:
    """The value of ``VALUE`` in a module with this text."""
    write(animals, "cat", f"ANIMAL = 1\n{text}\n")
    return animals.literal("cat", "VALUE")


def test_modules_that_define_the_marker_at_the_top_are_found_by_name(animals: Modules) -> None:
    assert animals.names == ("ant", "bee", "crow", "red-fox")


def test_a_declaration_without_a_value_defines_nothing(animals: Modules) -> None:
    write(animals, "dog", "ANIMAL: str\n")
    assert "dog" not in animals.names


def test_docstrings_are_read(animals: Modules) -> None:
    assert animals.doc("red-fox") == "A fox.\n\nIt is red."
    assert animals.doc("ant") == ""


def test_nothing_is_imported_to_read(animals: Modules) -> None:
    write(animals, "dodo", '"""Gone."""\nraise ImportError\nANIMAL = "raphus"\n')
    assert "dodo" in animals.names
    assert (animals.doc("dodo"), animals.literal("dodo", "ANIMAL")) == ("Gone.", "raphus")
    assert not [name for name in sys.modules if name.startswith("zoo")]
    with pytest.raises(ImportError):
        animals.load("dodo")


@pytest.mark.parametrize("what", ["doc", "tree", "load", "find"])
def test_an_unknown_name_is_answered_with_the_nearest_and_all(animals: Modules, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        getattr(animals, what)("red-fix")
    message = "there is no animal 'red-fix'. Did you mean 'red-fox'? There are: ant, bee, crow, red-fox"
    assert str(caught.value) == message
    with pytest.raises(UsageError, match=r"^there is no animal 'zzz'\. There are: ant"):
        getattr(animals, what)("zzz")
    with pytest.raises(UsageError, match="no animal 'stone'"):
        getattr(animals, what)("stone")


def test_values_are_read_with_or_without_a_type(animals: Modules) -> None:
    assert [animals.literal(name, "LEGS") for name in ("ant", "red-fox", "bee")] == [6, 4, None]
    assert animals.literal("ant", "WINGS") is None  # declared, not assigned
    with pytest.raises(UsageError, match="no animal 'zzz'"):
        animals.literal("zzz", "LEGS")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("VALUE = -1.5", -1.5),
        ("VALUE = OTHER = 'both'", "both"),
        ("VALUE = 1\nVALUE = 2", 2),
        ("VALUE = ('a' 'b', 2)", ("ab", 2)),
        ("VALUE = {'a': [1, (2, None)]}", {"a": [1, (2, None)]}),
        ("VALUE = ()", ()),
        ("VALUE = []", []),
        ("VALUE = About('Qi', 2017, arxiv='1701')", (("Qi", 2017), {"arxiv": "1701"})),
        ("VALUE = About()", ((), {})),
        ("VALUE = (Source('a', place=1), Source('b', 2))", ((("a",), {"place": 1}), (("b", 2), {}))),
        ("VALUE = [Source('a')]", [(("a",), {})]),
        ("VALUE = Pair((1, Inner(2)), of=[Inner(3)])", (((1, ((2,), {})),), {"of": [((3,), {})]})),
    ],
)
def test_literals_and_calls_of_literals_are_read(animals: Modules, text: str, value: object) -> None:
    assert read(animals, text) == value


@pytest.mark.parametrize(
    "text", ["VALUE = other", "VALUE = 1 + len('a')", "VALUE = (1, other)", "VALUE = About(other)", "VALUE = f'{1}'"]
)
def test_what_would_have_to_be_computed_is_refused(animals: Modules, text: str) -> None:
    with pytest.raises(ValueError, match="malformed node"):
        read(animals, text)


def test_modules_and_markers_are_imported_on_use(animals: Modules) -> None:
    assert animals.load("red-fox").__name__ == "zoo.animals.red_fox"
    assert animals.find("bee")() == "apis"
    assert "zoo.animals.crow" not in sys.modules
    found = list(animals.all())
    assert (found[0], found[1](), found[2].name, found[3]) == ("formica", "apis", "corvus", "vulpes")


def test_the_folder_is_that_of_the_package() -> None:
    assert Modules("zerosum.data", "SOURCES", "source").folder == Path(discovery.__file__).parent / "data"
