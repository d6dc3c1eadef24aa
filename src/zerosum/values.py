"""Values of arguments as their annotations state them: numpy's numbers as Python's, lists as tuples, others refused."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum
from inspect import Parameter
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", NoneType: "None"}


def as_stated(value: Any, annotation: Any) -> Any:
    """A value in the type that an annotation states, where it can mean nothing else.

    Numbers of numpy and of torch become Python's, whole ones floats and floats without a fraction whole ones, paths
    texts, lists tuples (a record in JSON has lists only) and the values of an ``Enum`` its members. Annotations of any
    other kind accept everything.

    Args:
        value: Value.
        annotation: A type, a union, ``Literal[...]``, ``tuple[...]``, ``list[...]``, ``Annotated[...]``; or anything.

    Raises:
        TypeError: The value is of another type. The message says what it must be, without naming it.
    """
    value = plain(value)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return as_stated(value, inner[0])
    if origin is Literal:
        return _one_of(value, inner)
    if origin in (Union, UnionType):
        return _as_member(value, annotation, inner)
    if annotation is tuple or origin is tuple:
        return _as_tuple(value, annotation, inner)
    if annotation is list or origin in (list, Sequence):
        return _as_list(value, annotation, inner)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _one_of(value, tuple(annotation))
    return _as_scalar(value, annotation)


def plain(value: Any) -> Any:
    """A number or text of Python out of what numpy or torch wrap it in; other values as they are."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value


def described(annotation: Any) -> str:
    """What a value must be, in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is None or annotation in _KINDS:
        return _KINDS[annotation or NoneType]
    if origin is Annotated:
        return described(inner[0])
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin in (Union, UnionType):
        return " or ".join(map(described, inner))
    if origin is tuple and Ellipsis not in inner:
        return f"a tuple of {len(inner)}"
    return {tuple: "a tuple", list: "a list", Sequence: "a list"}.get(origin or annotation, str(annotation))


def _refusal(annotation: Any, value: Any) -> TypeError:
    return TypeError(f"must be {described(annotation)}, not {value!r}")


def _as_scalar(value: Any, annotation: Any) -> Any:
    if annotation is str and isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if annotation is float and type(value) is int:
        return float(value)
    if annotation is int and type(value) is float and value.is_integer():
        return int(value)
    wanted = NoneType if annotation is None else annotation
    fits = wanted not in _KINDS or (isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool)))
    if not fits:
        raise _refusal(annotation, value)
    return value


def _one_of(value: Any, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if type(value) in (type(choice), type(getattr(choice, "value", choice))) and value == choice:
            return choice
    raise TypeError(f"must be one of {', '.join(map(str, choices))}, not {value!r}")


def _as_member(value: Any, annotation: Any, inner: tuple[Any, ...]) -> Any:
    fitting = []
    for member in inner:
        try:
            fitting.append(as_stated(value, member))
        except TypeError:
            continue
    if not fitting:
        raise _refusal(annotation, value)
    return next((found for found in fitting if type(found) is type(value)), fitting[0])


def _as_tuple(value: Any, annotation: Any, inner: tuple[Any, ...]) -> Any:
    if not isinstance(value, list | tuple):
        raise _refusal(annotation, value)
    if not inner:
        return tuple(value)
    each = (inner[0],) * len(value) if inner[-1] is Ellipsis else inner
    if len(each) != len(value):
        raise _refusal(annotation, value)
    return tuple(as_stated(part, kind) for part, kind in zip(value, each, strict=True))


def _as_list(value: Any, annotation: Any, inner: tuple[Any, ...]) -> Any:
    if not isinstance(value, list | tuple):
        raise _refusal(annotation, value)
    parts = [as_stated(part, inner[0]) for part in value] if inner else list(value)
    return tuple(parts) if get_origin(annotation) is Sequence and isinstance(value, tuple) else parts


def argument(value: Any, parameter: Parameter, *, stated: bool = True) -> Any:
    """A value for an argument of a recipe; its default is one whatever its annotation says.

    Args:
        value: Value.
        parameter: The argument.
        stated: Whether its type is stated, rather than told from its default.

    Raises:
        TypeError: The value is of another type than the argument's.
    """
    if not stated:
        return tuple(value) if isinstance(parameter.default, tuple) and isinstance(value, list) else plain(value)
    try:
        return as_stated(value, parameter.annotation)
    except TypeError:
        if type(value) is type(parameter.default) and repr(value) == repr(parameter.default):
            return value
        raise
