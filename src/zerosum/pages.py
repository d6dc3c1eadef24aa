"""A recipe as it was found: the function, its arguments, what its page says, and where that page is from."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from zerosum import values
from zerosum.arguments import RENAMED, texts_of
from zerosum.errors import UsageError, nearest

if TYPE_CHECKING:
    from zerosum.systems import Recipe


@dataclass(frozen=True)
class Origin:
    """Where a recipe of one's own is from, and its text, so that a run can be opened later and elsewhere.

    Attributes:
        kind: ``file``: a file that can be imported by itself, with what lies beside it. ``module``: a module of an
            installed package. ``session``: a function that was typed into a notebook or defined inside another one.
            ``value``: a ``Recipe`` that was put together in Python.
        path: Path of the file, dotted name of the module, or ``""``.
        function: Name of the function, or ``""``.
        package: Name and version of the package that registered the recipe, or ``""``.
        files: Texts by path relative to the folder of the recipe's file, which comes first.
    """

    kind: Literal["file", "module", "session", "value"]
    path: str
    function: str
    package: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A recipe as it was found.

    Attributes:
        name: What runs are called after.
        function: ``(data, *, ...) -> Recipe``, whose keyword arguments are the recipe's configuration.
        text: What the page says of itself: the paper and the departures from it.
        renamed: Names that arguments had in earlier versions, with those of today.
        moved: Places that weights had in earlier versions; see :mod:`zerosum.runs.earlier`.
        added: Arguments that runs of earlier versions do not record, where the default is not what these runs had,
            with what they had.
        origin: Gives where a recipe of one's own is from; ``None`` for zerosum's. It is called once the recipe has run,
            when all that it imports is known.
    """

    name: str
    function: Callable[..., Recipe]
    text: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, Any] = field(default_factory=dict)
    origin: Callable[[], Origin] | None = None

    @cached_property
    def arguments(self) -> dict[str, inspect.Parameter]:
        """The arguments by name, each with a default and the type that its annotation, or else its default, states.

        Raises:
            UsageError: The function cannot be called as ``function(data, name=value, ...)``.
        """
        try:
            parameters = inspect.signature(self.function, eval_str=True).parameters
        except (NameError, SyntaxError, TypeError) as error:  # of an annotation
            raise UsageError(
                f"recipe {self.name!r}: an annotation of its arguments cannot be read ({error})"
            ) from error
        return {p.name: self._checked(p) for p in list(parameters.values())[1:]}

    def _checked(self, parameter: inspect.Parameter) -> inspect.Parameter:
        name, kind = parameter.name, parameter.kind
        if kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY):
            raise UsageError(
                f"recipe {self.name!r}: its argument {name!r} cannot be given by name; state each as name: type = value"
            )
        if parameter.default is inspect.Parameter.empty:
            raise UsageError(
                f"recipe {self.name!r}: its argument {name!r} has no default, but a recipe is complete without "
                "arguments; give it one"
            )
        if parameter.annotation is not inspect.Parameter.empty:
            return parameter
        return parameter.replace(annotation=str if parameter.default is None else type(parameter.default))

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The defaults of the arguments."""
        return {name: self._valued(name, parameter.default) for name, parameter in self.arguments.items()}

    def _valued(self, name: str, value: Any) -> Any:
        """A value for an argument, in the type that the argument states."""
        stated = inspect.signature(self.function).parameters[name].annotation is not inspect.Parameter.empty
        try:
            return values.argument(value, self.arguments[name], stated=stated)
        except TypeError as error:
            raise UsageError(f"recipe {self.name!r}: {name} {error}") from error

    @property
    def texts(self) -> dict[str, str]:
        """What each argument means."""
        return texts_of(self.function.__doc__ or "")

    @cached_property
    def earlier_names(self) -> dict[str, str]:
        """Names that the arguments had in earlier versions, with those of today."""
        return {
            before: now
            for before, now in (RENAMED | dict(self.renamed)).items()
            if now in self.arguments and before not in self.arguments
        }

    def current(self, given: Mapping[str, Any], *, note: bool = True) -> dict[str, Any]:
        """Arguments in the types that they state, those with names of earlier versions under their names of today.

        Args:
            given: Arguments by name.
            note: Whether to warn of a name that has changed.

        Raises:
            UsageError: There is no such argument, one is given under both of its names, or cannot have that value.
        """
        found: dict[str, Any] = {}
        for key, value in given.items():
            now = self.earlier_names.get(key, key)
            if now not in self.arguments:
                listed = ", ".join(self.arguments) or "none"
                raise UsageError(
                    f"recipe {self.name!r} has no argument {key!r}.{nearest(key, self.arguments)} It has: {listed}"
                )
            if now in found:
                raise UsageError(f"recipe {self.name!r}: {now!r} is given twice, once under its earlier name")
            if now != key and note:
                warnings.warn(f"recipe {self.name!r}: the argument {key!r} is now called {now!r}", stacklevel=4)
            found[now] = self._valued(now, value)
        return found
