"""Command-line options, made from a recipe's signature and the settings of a run."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import tyro

from zerosum import registry
from zerosum.arguments import documented, texts_of
from zerosum.cli.main import option_of

if TYPE_CHECKING:
    from zerosum.runs.settings import Settings


def parse(name: str, argv: list[str], prog: str, defaults: dict[str, Any] | None = None) -> dict[str, Any]:
    """Parse the options of a recipe, which are its arguments and the settings of a run, into one flat dict.

    Args:
        name: Name of the recipe.
        argv: Words of the command line.
        prog: Name of the command in the help.
        defaults: Defaults to use instead of those of the recipe and the settings.
    """
    from zerosum.runs.settings import Settings

    own = registry.arguments(name)
    texts = texts_of(registry.find(name).__doc__ or "") | documented(Settings.__doc__ or "")
    hints = get_type_hints(Settings)
    initial = {k: p.default for k, p in own.items()} | {f.name: f.default for f in dataclasses.fields(Settings)}
    initial |= defaults or {}
    types = {k: p.annotation for k, p in own.items()} | {f.name: hints[f.name] for f in dataclasses.fields(Settings)}
    fields = [
        (key, Annotated[kind, tyro.conf.arg(help=texts.get(key, ""))], dataclasses.field(default=initial[key]))
        for key, kind in types.items()
    ]
    parser = dataclasses.make_dataclass("Options", fields)
    words = _update_names(name, argv)
    options: Any = tyro.cli(parser, args=words, prog=prog, description=registry.describe(name))
    return {key: getattr(options, key) for key in types}


def _update_names(name: str, argv: list[str]) -> list[str]:
    """Give options that have changed their names those of today, and print a note of each."""
    old = {option_of(before): option_of(now) for before, now in registry.renamed(name).items()}
    words = []
    for word in argv:
        option, equals, value = word.partition("=")
        if option in old:
            print(f"note: the option {option} is now called {old[option]}", file=sys.stderr)
        words.append(old.get(option, option) + equals + value)
    return words


def split(name: str, options: dict[str, Any]) -> tuple[dict[str, Any], Settings]:
    """Divide the options of a recipe into its arguments and the settings of the run."""
    from zerosum.runs.settings import Settings

    own = registry.arguments(name)
    arguments = {k: v for k, v in options.items() if k in own}
    return arguments, Settings(**{k: v for k, v in options.items() if k not in own})
