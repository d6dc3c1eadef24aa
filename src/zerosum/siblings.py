"""What lies beside a recipe's file: imported from there, though another folder has namesakes, and kept with runs."""

from __future__ import annotations

import ast
import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from weakref import WeakKeyDictionary

from zerosum.errors import UsageError, nearest

PREFIX = "zerosum_recipe_"  # of the names under which files of recipes are imported
TEXTS: WeakKeyDictionary[ModuleType, str] = WeakKeyDictionary()  # the text that a module was imported from
_siblings: dict[Path, set[ModuleType]] = {}  # what recipes' files imported from their own folder


def read(path: Path) -> str:
    """The text of a Python file.

    Raises:
        UsageError: There is none, or it cannot be read.
    """
    try:
        return path.read_text("utf-8-sig")
    except IsADirectoryError as error:
        raise UsageError(f"{path} is a folder; name a Python file in it") from error
    except FileNotFoundError as error:
        beside = [str(file) for file in path.parent.glob("*.py")]
        raise UsageError(f"there is no file {path}.{nearest(str(path), beside)}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} cannot be read ({error}); save it as UTF-8") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error})") from error


@contextmanager
def first_on_path(folder: Path) -> Iterator[None]:
    """Let imports find what lies in a folder, as those of a script do, even where another folder had a namesake."""
    there = list(folder.iterdir()) if folder.is_dir() else []  # a run's folder may be gone
    names = {entry.stem for entry in there if entry.suffix == ".py" or entry.is_dir()}
    others = {name for name in names if name in sys.modules and _elsewhere(sys.modules[name], folder)}
    namesakes = {name: module for name, module in sys.modules.items() if name.split(".")[0] in others}
    for name in namesakes:
        del sys.modules[name]
    mine = {module.__name__: module for module in _siblings.get(folder, ())}
    sys.modules.update({name: module for name, module in mine.items() if name not in sys.modules})
    sys.path.insert(0, str(folder))
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = written
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))  # for what functions import when they are called
        for module in _modules_in(folder).values():
            if module not in TEXTS:
                TEXTS[module] = read(Path(str(module.__file__)))
            _siblings.setdefault(folder, set()).add(module)
        sys.modules.update(namesakes)


def _elsewhere(module: ModuleType, folder: Path) -> bool:
    """Whether a module was read from a file of other people's projects: not this folder, not Python, not a package."""
    file = getattr(module, "__file__", None)
    return file is not None and not _real(file).startswith((_within(folder), *_fixed()))


@cache
def _fixed() -> tuple[str, ...]:
    """What paths begin with in the folders of Python and of installed packages."""
    return tuple(_within(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib"))


def _within(folder: Path) -> str:
    """What paths in a folder begin with."""
    return f"{folder}{os.sep}"


@cache
def _real(file: str) -> str:
    """The path of a module's file without links. There are thousands of modules, and they stay where they are."""
    return os.path.realpath(file)


def drop_changed(folder: Path) -> bool:
    """Forget what was imported from a folder, so that it is imported again, if a file of it has changed since then."""
    modules = list(_modules_in(folder).values())
    changed = any(module in TEXTS and _now(module) != TEXTS[module] for module in modules)
    if changed:
        _siblings.pop(folder, None)
        for module in modules:
            if sys.modules.get(module.__name__) is module:
                del sys.modules[module.__name__]
    return changed


def _now(module: ModuleType) -> str | None:
    path = Path(str(module.__file__))
    return read(path) if path.is_file() else None


def texts_beside(path: Path, text: str) -> dict[str, str]:
    """Texts of the files that a recipe's file needs from its own folder, by path in it.

    They are those of the modules that are imported, and of those that functions will import when they are called.

    Args:
        path: Path of the file.
        text: Its text.
    """
    folder, found = path.parent, {}
    for name, module in _modules_in(folder).items():
        if module not in TEXTS:
            TEXTS[module] = read(folder / name)
        found[name] = TEXTS[module]
    waiting = [("", text), *found.items()]
    while waiting:
        name, text = waiting.pop()
        for further in _imported(folder, name, text):
            if further not in found:
                found[further] = read(folder / further)
                waiting.append((further, found[further]))
    found.pop(path.name, None)
    return dict(sorted(found.items()))


def _imported(folder: Path, name: str, text: str) -> Iterator[str]:
    """Paths in a folder of what the file ``name`` of it imports from it, at its top or in its functions."""
    package = Path(name).parent.parts
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            wanted = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            base = (*start, *(node.module.split(".") if node.module else ()))
            wanted = [base, *((*base, alias.name) for alias in node.names)]
        else:
            continue
        for parts in wanted:
            if parts and not _known_elsewhere(parts[0], folder):
                yield from _files_of(folder, parts)


def _files_of(folder: Path, parts: tuple[str, ...]) -> Iterator[str]:
    """Files of a module and of the packages that it lies in."""
    packages = ["/".join((*parts[:n], "__init__.py")) for n in range(1, len(parts) + 1)]
    yield from (name for name in (*packages, "/".join(parts) + ".py") if (folder / name).is_file())


def _known_elsewhere(name: str, folder: Path) -> bool:
    """Whether a name means something that does not lie in a folder, although a file of it may be called so."""
    module = sys.modules.get(name)
    if name == "zerosum" or module is None:
        return name == "zerosum" or name in sys.stdlib_module_names
    file = getattr(module, "__file__", None)
    installed = file is not None and not _elsewhere(module, folder) and not _inside(module, folder)
    return name in sys.stdlib_module_names or installed


def _inside(module: ModuleType, folder: Path) -> bool:
    return _real(str(module.__file__)).startswith(_within(folder))


def _modules_in(folder: Path) -> dict[str, ModuleType]:
    """The imported modules that lie in a folder, by their paths in it; installed packages are left out."""
    found, inside = {}, _within(folder)
    for name, module in [*((m.__name__, m) for m in _siblings.get(folder, ())), *sys.modules.items()]:
        file = getattr(module, "__file__", None)
        if not file or not os.path.isabs(file):  # torch has modules that state a file which does not exist
            continue
        if name == "__main__" or name.split(".")[0] == "zerosum" or name.startswith(PREFIX):
            continue  # another recipe's file in the same folder is no part of this one
        path = _real(file)
        if path.startswith(inside) and path.endswith(".py") and "site-packages" not in Path(path).parts:
            found[Path(path).relative_to(folder).as_posix()] = module
    return found
