"""Recipes of one's own: in a file, as a function, as a finished ``Recipe``, or registered by an installed package."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from functools import lru_cache, partial, wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from zerosum.errors import UsageError, nearest
from zerosum.pages import Origin, Page
from zerosum.siblings import PREFIX, TEXTS, drop_changed, first_on_path, read, texts_beside

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from zerosum.systems import Recipe

GROUP = "zerosum.recipes"  # the entry points by which packages register recipes
UNDESCRIBED = "A recipe of one's own."
F = TypeVar("F", bound=Callable[..., Any])

_loaded: dict[tuple[str, str], ModuleType] = {}  # (path, text) -> what was imported from it
_origins: WeakKeyDictionary[Callable[..., Any], Origin] = WeakKeyDictionary()  # of functions that files hold
_session: dict[str, Callable[..., Any]] = {}  # text of a function of this session -> the function
_importing: list[Path] = []  # files of recipes that are being imported


def recipe(function: F) -> F:
    """Mark a function as a recipe: ``zerosum train FILE.py`` finds it, and ``zerosum.train(function, ...)`` takes it.

    Args:
        function: ``(data, *, name: type = value, ...) -> Recipe``. Its keyword arguments are its configuration: options
            of the command line, with what ``Args:`` of its docstring says of them as help.

    Raises:
        UsageError: The function takes no data, or an argument that has no default or cannot be given by name.
    """
    _refuse_other_signatures(function)
    vars(function)["is_recipe"] = True
    return function


def from_file(path: Path, function: str = "") -> Page:
    """The recipe in a Python file: its function ``recipe``, or the one that is marked with :func:`recipe`.

    Args:
        path: Path of the file.
        function: Name of the function; ``""`` where there is only one that it could be.

    Raises:
        UsageError: There is no such file, it cannot be imported, or does not hold one recipe.
    """
    module = _import(path)
    found = _choose(module, str(path), function)
    name = found.__name__ if function or found.__name__ != "recipe" else path.stem
    where = partial(_origin_of_file, path.resolve(), module, found)

    @wraps(found)
    def among_its_own(data: Any, **arguments: Any) -> Any:
        with first_on_path(path.resolve().parent):  # what it imports when it is called lies there, too
            return found(data, **arguments)

    return _page(name, among_its_own, module, where)


def from_module(dotted: str, function: str = "", *, name: str = "", package: str = "") -> Page:
    """The recipe in a module that can be imported by its name.

    Args:
        dotted: Name of the module.
        function: Name of the function; ``""`` where there is only one that it could be.
        name: What runs are called after; ``""``: the function's own name.
        package: Name and version of the package that registered the recipe, or ``""``.

    Raises:
        UsageError: The module cannot be imported, or does not hold one recipe.
    """
    try:
        module = import_module(dotted)
    except Exception as error:
        of = f" of package {package}" if package else ""
        raise UsageError(
            f"recipe {name or dotted!r}{of}: {dotted} cannot be imported ({type(error).__name__}: {error})"
        ) from error
    found = _choose(module, dotted, function)
    where = partial(_origin_of_module, module, found.__name__, package)
    return _page(
        name or (found.__name__ if found.__name__ != "recipe" else dotted.split(".")[-1]), found, module, where
    )


def from_function(function: Callable[..., Recipe]) -> Page:
    """A function as a recipe.

    Raises:
        UsageError: It cannot be called as ``function(data, name=value, ...)``.
    """
    _refuse_other_signatures(function)
    name = str(getattr(function, "__name__", "recipe"))
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    file = getattr(module, "__file__", None)
    if module is None or file is None or getattr(module, name, None) is not function:
        return _page(name, function, None, partial(_origin_of_session, function, name))
    if "." in module.__name__:
        return _page(name, function, module, partial(_origin_of_module, module, name, ""))
    if module not in _loaded.values() and function not in _origins:
        TEXTS[module] = read(Path(file))  # anew for each function: the module may have been reloaded
    return _page(name, function, module, partial(_origin_of_file, Path(file).resolve(), module, function))


def from_value(value: Recipe) -> Page:
    """A finished ``Recipe``, which has no arguments."""
    return Page("recipe", lambda data: value, UNDESCRIBED, origin=lambda: Origin("value", "", ""))


def from_session(text: str) -> Callable[..., Any] | None:
    """The function of this session that has this text; ``None`` where there is none."""
    return _session.get(text)


def installed() -> dict[str, tuple[EntryPoint, ...]]:
    """The entry points of recipes that packages register, by name. None of them is imported."""
    return _installed(tuple((place, _changed(place)) for place in sys.path))


def _changed(place: str) -> int | None:
    """When something was put into a folder or taken out of it. ``None``: there is no such folder."""
    try:
        return os.stat(place or ".").st_mtime_ns
    except OSError:
        return None


@lru_cache(maxsize=1)
def _installed(places: tuple[tuple[str, int | None], ...]) -> dict[str, tuple[EntryPoint, ...]]:
    """The same for the folders that are looked through, and when they changed: all packages' files are read for it."""
    from importlib.metadata import entry_points  # not at the top: it takes as long as all the rest

    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=GROUP):
        found[point.name] = (*found.get(point.name, ()), point)
    return dict(sorted(found.items()))


def package_of(point: EntryPoint) -> str:
    """Name and version of the package that registers an entry point."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"


def from_package(point: EntryPoint) -> Page:
    """The recipe that a package registers.

    Raises:
        UsageError: It cannot be imported, or is not a recipe.
    """
    return from_module(point.module, point.attr, name=point.name, package=package_of(point))


def refuse_while_importing() -> None:
    """Refuse to train or open runs while a recipe's file is imported: that would go round in circles.

    Raises:
        UsageError: A recipe's file is being imported. The message says what to do.
    """
    if _importing:
        raise UsageError(
            f'{_importing[-1]} trains or opens runs while it is imported; put that under if __name__ == "__main__":'
        )


def _page(name: str, function: Callable[..., Any], module: ModuleType | None, origin: Callable[[], Origin]) -> Page:
    of_page = function.__doc__ if getattr(function, "__name__", "") != "recipe" else None
    text = inspect.cleandoc(of_page or (module and module.__doc__) or function.__doc__ or UNDESCRIBED)
    stated = vars(module) if module is not None else {}
    return Page(
        re.sub(r"[^\w.-]+|_", "-", name).strip("-"),
        function,
        re.split(r"\n\s*(?:Args|Returns|Raises):", text)[0].strip(),
        stated.get("RENAMED", {}),
        stated.get("MOVED", {}),
        stated.get("ADDED", {}),
        origin,
    )


def _refuse_other_signatures(function: Callable[..., Any]) -> None:
    if isinstance(function, type) or not callable(function):
        raise UsageError(f"a recipe is a function of the data that returns a Recipe, not {function!r}")
    name = getattr(function, "__name__", "recipe")
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind not in positional:
        raise UsageError(f"recipe {name!r} must take the data first, as in def {name}(data, *, lr: float = 1e-4)")
    without = [
        p.name for p in parameters[1:] if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    if without:
        raise UsageError(f"recipe {name!r}: its argument {without[0]!r} has no default; give it one")


def _import(path: Path) -> ModuleType:
    """Import a file under a name of its own, from the text that it has now."""
    text, place = read(path), path.resolve()
    if not drop_changed(place.parent) and (str(place), text) in _loaded:
        return _loaded[str(place), text]
    digest = hashlib.sha256(f"{place}\n{text}".encode()).hexdigest()
    module = ModuleType(f"{PREFIX}{re.sub(r'[^0-9A-Za-z]+', '_', path.stem)}_{digest[:12]}")
    module.__file__ = str(place)
    sys.modules[module.__name__] = module  # dataclasses and the compiler look for it there
    _importing.append(path)
    try:
        import_module("zerosum.systems")  # and torch: a file that is called as one of its modules must not hide that
        with first_on_path(place.parent):
            exec(compile(text, str(place), "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        if isinstance(error, UsageError):
            raise
        hint = "; write `from x import y` for what lies beside it" if "relative import" in str(error) else ""
        raise UsageError(f"{path}{_line(error, place)}: {type(error).__name__}: {error}{hint}") from error
    finally:
        _importing.pop()
    TEXTS[module] = text
    _loaded[str(place), text] = module
    return module


def _line(error: BaseException, path: Path) -> str:
    """``", line N"`` of the file at which an error arose."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}" if error.filename == str(path) else ""
    numbers, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            numbers.append(trace.tb_lineno)
        trace = trace.tb_next
    return f", line {numbers[-1]}" if numbers else ""


def _choose(module: ModuleType, where: str, function: str) -> Callable[..., Any]:
    """The recipe in a module."""
    if function:
        found = getattr(module, function, None)
        if not inspect.isfunction(found):
            known = [name for name, value in vars(module).items() if inspect.isfunction(value)]
            raise UsageError(f"{where} has no function {function!r}.{nearest(function, known)}")
        return _checked(found, where)
    own = {
        name: value
        for name, value in vars(module).items()
        if (name == "recipe" and value is not recipe)
        or (getattr(value, "is_recipe", False) is True and value.__module__ == module.__name__)
    }
    if not own:
        raise UsageError(
            f"{where} has no recipe: define a function recipe(data, *, ...) or mark one with @zerosum.recipe"
        )
    if len(own) > 1:
        raise UsageError(f"{where} has several recipes ({', '.join(own)}): name one, as in {where}:{next(iter(own))}")
    return _checked(next(iter(own.values())), where)


def _checked(found: Any, where: str) -> Callable[..., Any]:
    if not inspect.isfunction(found):
        raise UsageError(f"{where}: recipe is {found!r}, but must be a function of the data that returns a Recipe")
    _refuse_other_signatures(found)
    return found


def _origin_of_file(path: Path, module: ModuleType, function: Callable[..., Any]) -> Origin:
    if function not in _origins:
        files = {path.name: TEXTS[module], **texts_beside(path, TEXTS[module])}
        _origins[function] = Origin("file", str(path), function.__name__, files=files)
    return _origins[function]


def _origin_of_module(module: ModuleType, function: str, package: str) -> Origin:
    file = Path(str(module.__file__))
    return Origin("module", module.__name__, function, package, {file.name: TEXTS.setdefault(module, read(file))})


def _origin_of_session(function: Callable[..., Any], name: str) -> Origin:
    try:
        text = inspect.cleandoc("\n" + inspect.getsource(function))
    except (OSError, TypeError):  # typed into an interpreter that keeps no text, or not a plain function
        text = ""
    if text:
        _session[text] = function
    return Origin("session", "", name, files={f"{name}.py": text + "\n"} if text else {})


def from_text(text: str) -> Page | None:
    """The recipe that ``FILE.py``, ``FILE.py:FUNCTION`` or ``MODULE:FUNCTION`` names; ``None`` for any other text.

    Raises:
        UsageError: What it names is not there, or is not a recipe.
    """
    if match := re.fullmatch(r"(.+\.py)(?::(\w+))?", text):
        return from_file(Path(match[1]).expanduser(), match[2] or "")
    if os.sep in text or Path(text).is_dir():
        return from_file(Path(text).expanduser())
    module, _, function = text.partition(":")
    return from_module(module, function) if function else None
