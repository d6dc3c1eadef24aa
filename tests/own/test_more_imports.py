"""Importing a recipe's file: what it finds, what it leaves as it was, and which texts are kept as the recipe's."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from zerosum import own, registry
from zerosum.data import load
from zerosum.errors import UsageError

GAN = "from zerosum.recipes.gan import recipe as gan\n"
BODY = "def recipe(data, *, width=4):\n    return gan(data, width=width, latent=2, batch_size=4, steps=2)\n"


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path], None]:
    """``imported(name, file)`` is as if a module had been imported from a file."""

    def pretend(name: str, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x = 1\n")
        module = ModuleType(name)
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, name, module)

    return pretend


def texts(file: Path) -> list[str]:
    """Names of the texts that are kept of a recipe."""
    origin = registry.page(file).origin
    assert origin is not None
    return list(origin().files)


def test_a_file_may_define_data_classes(tmp_path: Path) -> None:
    file = tmp_path / "gan.py"
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    head += "@dataclass\nclass Sizes:\n    n: int = 3\n"
    file.write_text(head + "def recipe(data, *, n: int = Sizes().n): ...\n")
    assert registry.page(file).arguments["n"].default == 3
    assert registry.page(file).arguments["n"].annotation is int


def test_what_a_recipe_imports_when_it_is_called_is_found_and_kept(tmp_path: Path) -> None:
    (tmp_path / "called_late.py").write_text(GAN)
    file = tmp_path / "gan.py"
    file.write_text(BODY.replace("    return", "    from called_late import gan\n    return"))
    page = registry.page(file)
    assert page.function(load("ring")).steps == 2
    assert page.origin is not None
    assert page.origin().files == {"gan.py": file.read_text(), "called_late.py": GAN}


def test_no_compiled_files_are_left_beside_it(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would be taken for the text of a file that is edited within a second."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    registry.page(mine)
    assert not list(mine.parent.rglob("__pycache__"))
    assert sys.dont_write_bytecode is False


def test_a_namesake_of_another_project_is_put_back(tmp_path: Path, imported: Callable[[str, Path], None]) -> None:
    imported("their_nets", tmp_path / "theirs" / "their_nets.py")
    before = sys.modules["their_nets"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "their_nets.py").write_text(GAN)
    (tmp_path / "mine" / "gan.py").write_text("from their_nets import gan\n" + BODY)
    assert texts(tmp_path / "mine" / "gan.py") == ["gan.py", "their_nets.py"]
    assert sys.modules["their_nets"] is before


@pytest.mark.parametrize("name", ["json", "yaml"])  # of Python, and of an installed package
def test_files_called_as_libraries_do_not_take_their_place(tmp_path: Path, name: str) -> None:
    before = __import__(name)
    (tmp_path / f"{name}.py").write_text("raise RuntimeError\n")
    (tmp_path / "gan.py").write_text(f"import {name}\n" + GAN + BODY)
    registry.page(tmp_path / "gan.py")
    assert sys.modules[name] is before


def test_the_text_that_was_imported_is_kept_and_not_a_later_one(tmp_path: Path) -> None:
    (tmp_path / "edited_later.py").write_text(GAN)
    (tmp_path / "gan.py").write_text("from edited_later import gan\n" + BODY)
    page = registry.page(tmp_path / "gan.py")
    (tmp_path / "edited_later.py").write_text(GAN + "gan = None\n")
    assert page.origin is not None
    assert page.origin().files["edited_later.py"] == GAN


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("__main__", "script.py"),  # that trains the recipe
        ("zerosum.pretended", "src/zerosum/pretended.py"),
        ("fast", "fast.cpython-311.so"),
        ("installed", ".venv/lib/python3/site-packages/installed.py"),
    ],
)
def test_what_is_not_the_recipe_s_is_not_kept(
    tmp_path: Path, imported: Callable[[str, Path], None], name: str, file: str
) -> None:
    imported(name, tmp_path / file)
    imported("beside_it", tmp_path / "beside_it.py")
    (tmp_path / "gan.py").write_text(GAN + BODY)
    assert texts(tmp_path / "gan.py") == ["gan.py", "beside_it.py"]


def test_the_recipe_s_own_text_is_kept_first_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "another.py").write_text(GAN)
    (tmp_path / "zebra.py").write_text("from another import gan\n" + BODY)
    assert texts(tmp_path / "zebra.py") == ["zebra.py", "another.py"]


def test_a_recipe_that_is_imported_from_beside_is_not_one_of_the_file(tmp_path: Path) -> None:
    marked = "import zerosum as zs\n@zs.recipe\ndef {name}(data):\n    '''{name}.'''\n"
    (tmp_path / "with_base.py").write_text(marked.format(name="base"))
    (tmp_path / "gan.py").write_text("from with_base import base\n" + marked.format(name="better"))
    assert registry.page(tmp_path / "gan.py").name == "better"


def test_something_that_answers_to_every_name_is_not_a_recipe(tmp_path: Path) -> None:
    file = tmp_path / "gan.py"
    file.write_text("class Any:\n    def __getattr__(self, name):\n        return name\nx = Any()\n" + GAN + BODY)
    assert registry.page(file).name == "gan"


def test_a_file_states_earlier_names_of_arguments_and_weights(tmp_path: Path) -> None:
    file = tmp_path / "gan.py"
    file.write_text('RENAMED = {"size": "width"}\nMOVED = {"F/net.": "D/"}\n' + GAN + BODY)
    page = registry.page(file)
    assert page.earlier_names["size"] == "width"
    assert page.moved == {"F/net.": "D/"}


def test_an_edited_file_is_another_module(tmp_path: Path) -> None:
    file, functions = tmp_path / "gan.py", []
    for width in (4, 5):
        file.write_text(GAN + BODY.replace("width=4", f"width={width}"))
        functions.append(inspect.unwrap(registry.page(file).function))
    assert functions[0].__module__ != functions[1].__module__
    assert all(sys.modules[function.__module__].recipe is function for function in functions)
    assert inspect.unwrap(registry.page(file).function) is functions[1]  # the same text is the same module


def test_an_error_beside_it_is_at_the_line_that_imports_it(tmp_path: Path) -> None:
    (tmp_path / "wrong_beside.py").write_text("\n\n\nx = 1 / 0\n")
    (tmp_path / "unread_beside.py").write_text("\n\n\ndef x(:\n")
    file = tmp_path / "gan.py"
    file.write_text("\nimport wrong_beside\n")
    with pytest.raises(UsageError, match=r"gan\.py, line 2: ZeroDivisionError"):
        registry.page(file)
    file.write_text("import unread_beside\n")
    with pytest.raises(UsageError, match=r"gan\.py: SyntaxError: .*unread_beside\.py, line 4"):
        registry.page(file)


def test_an_error_is_at_the_innermost_line_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gan.py"
    file.write_text("def wrong():\n    return 1 / 0\n\nwrong()\n")
    with pytest.raises(UsageError, match=r"gan\.py, line 2: ZeroDivisionError"):
        registry.page(file)


def test_a_folder_is_searched_only_while_its_file_is_imported_first(mine: Path) -> None:
    before = list(sys.path)
    registry.page(mine)
    assert sys.path[: len(before)] == before  # what was found before is found still


def test_a_home_folder_may_be_written_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "gan.py").write_text(GAN + BODY)
    for given in ("~/gan.py", "~/gan.py:recipe", Path("~/gan.py")):
        page = registry.page(given)
        assert page.origin is not None
        assert page.origin().path == str(tmp_path / "gan.py")


def test_a_path_is_kept_whole_wherever_it_was_given_from(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine.parent)
    page = registry.page("my_gan.py")
    monkeypatch.chdir("/")
    assert page.origin is not None
    assert page.origin().path == str(mine)


def test_a_function_that_takes_no_data_is_refused_wherever_it_is_from() -> None:
    def inner(*, lr: float = 1e-3) -> None: ...

    with pytest.raises(UsageError, match="must take the data first"):
        own.from_function(inner)  # type: ignore[arg-type]


def test_an_argument_without_a_default_is_refused_where_it_is_marked() -> None:
    def recipe(data: object, *, lr: float) -> None: ...

    with pytest.raises(UsageError, match="its argument 'lr' has no default"):
        own.recipe(recipe)


@pytest.mark.parametrize("call", ["train(recipe)", "load('runs/x')", "resume('runs/x')"])
def test_a_file_that_opens_runs_while_it_is_imported_is_refused(tmp_path: Path, call: str) -> None:
    file = tmp_path / "gan.py"
    file.write_text(f"import zerosum as zs\n{GAN}{BODY}zs.{call}\n")
    with pytest.raises(UsageError, match=r"gan\.py trains or opens runs while it is imported"):
        registry.page(file)
