"""Runs that earlier versions made: their arguments, settings and weights under today's names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

from zerosum.errors import UsageError
from zerosum.pages import Page
from zerosum.runs.settings import Settings, setting

MOVED_ARGUMENTS = frozenset({"ema"})  # arguments of recipes (BigGAN's) that are settings of every run today


def arguments_of(record: Mapping[str, Any], page: Page) -> dict[str, Any]:
    """A run's arguments under today's names.

    Arguments that are newer than the run have the values that the page states for earlier runs, or their defaults.

    Args:
        record: Contents of ``run.json``.
        page: The run's recipe.

    Raises:
        UsageError: The recipe no longer has one of the arguments.
    """
    known = page.arguments
    recorded = {key: value for key, value in record["arguments"].items() if key in known or key not in MOVED_ARGUMENTS}
    return page.defaults | dict(page.added) | page.current(recorded, note=False)


def settings_of(record: Mapping[str, Any], page: Page) -> Settings:
    """A run's settings. Those that are newer than the run have their defaults.

    Args:
        record: Contents of ``run.json``.
        page: The run's recipe.

    Raises:
        UsageError: The run has a setting that this version does not know.
    """
    settings = dict(record["settings"])
    for name in MOVED_ARGUMENTS & record["arguments"].keys() - page.arguments.keys():
        settings[name] = settings[name] or record["arguments"][name]
    unknown = settings.keys() - {field.name for field in dataclasses.fields(Settings)}
    if unknown:
        raise UsageError(f"the run has a setting {min(unknown)!r} that this version does not know; update zerosum")
    return Settings(**settings)


def changes_of(page: Page, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes to arguments and settings of a recipe, with arguments under today's names, in the types of both.

    Raises:
        UsageError: A value is of another type.
    """
    today = {page.earlier_names.get(key, key): value for key, value in changes.items()}
    arguments = page.current({key: value for key, value in today.items() if key in page.arguments}, note=False)
    return {key: arguments[key] if key in arguments else setting(key, value) for key, value in today.items()}


def renamer(page: Page) -> Callable[[str, Collection[str]], str]:
    """A function that gives tensors in a recipe's checkpoints today's names: ``(saved name, wanted names) -> name``.

    A page states ``MOVED = {"F/net.": "D/"}`` where the weights ``net.*`` of network F are now the weights ``*`` of
    network D. A name is changed only if nothing is wanted under it, so today's checkpoints are read as they are.
    """
    moved = {_parts(old): _parts(new) for old, new in page.moved.items()}

    def rename(saved: str, wanted: Collection[str]) -> str:
        part, _, rest = saved.partition("/")  # weights, buffers, opt, average
        network, _, rest = rest.partition("/")
        inner, slash, leaf = rest.rpartition("/")
        for (before, old), (now, new) in moved.items():
            if saved in wanted or network != before:
                continue
            # An optimizer's count of updates has no prefix, but moves with its network.
            today = f"{part}/{now}/{inner}{slash}{new if leaf.startswith(old) else ''}{leaf.removeprefix(old)}"
            if today in wanted:
                return today
        return saved

    return rename


def _parts(text: str) -> tuple[str, str]:
    """Network and prefix of ``MOVED``'s names."""
    network, _, prefix = text.partition("/")
    return network, prefix
