"""Runs that earlier versions made: their arguments and weights under today's names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from zerosum import registry
from zerosum.runs.settings import Settings

MOVED_ARGUMENTS = frozenset({"ema"})  # arguments of recipes (BigGAN's) that are settings of every run today


def arguments_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """A run's arguments under today's names. Arguments that are newer than the run have their defaults.

    Args:
        record: Contents of ``run.json``.

    Raises:
        UsageError: The recipe no longer exists, or no longer has one of the arguments.
    """
    name, known = str(record["recipe"]), registry.arguments(str(record["recipe"]))
    arguments = {key: value for key, value in record["arguments"].items() if key in known or key not in MOVED_ARGUMENTS}
    defaults = {key: parameter.default for key, parameter in known.items()}
    return defaults | registry.current(name, arguments, note=False)


def settings_of(record: Mapping[str, Any]) -> Settings:
    """A run's settings. Those that are newer than the run have their defaults.

    Args:
        record: Contents of ``run.json``.
    """
    settings = dict(record["settings"])
    for name in MOVED_ARGUMENTS & record["arguments"].keys() - registry.arguments(str(record["recipe"])).keys():
        settings[name] = settings[name] or record["arguments"][name]
    return Settings(**settings)


def changes_of(name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes to arguments and settings of the recipe ``name``, with arguments under today's names."""
    old = registry.renamed(name)
    return {old.get(key, key): value for key, value in changes.items()}


def renamer(name: str) -> Callable[[str, Collection[str]], str]:
    """A function that gives tensors in a recipe's checkpoints today's names: ``(saved name, wanted names) -> name``.

    A page states ``MOVED = {"F/net.": "D/"}`` where the weights ``net.*`` of network F are now the weights ``*`` of
    network D. A name is changed only if nothing is wanted under it, so today's checkpoints are read as they are.
    """
    moved = {_parts(old): _parts(new) for old, new in (registry.RECIPES.literal(name, "MOVED") or {}).items()}

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
