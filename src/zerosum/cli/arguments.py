"""Command-line options in two groups: a recipe's, from its signature, and those of every run."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import tyro

from zerosum.arguments import documented
from zerosum.cli.config import words_of
from zerosum.cli.main import option_of
from zerosum.errors import UsageError
from zerosum.pages import Page

if TYPE_CHECKING:
    from zerosum.cli.config import Config


def parse(
    page: Page,
    argv: list[str],
    prog: str,
    defaults: Mapping[str, Any] | None = None,
    *,
    config: Config | None = None,
    more: type | None = None,
) -> dict[str, Any]:
    """Parse the options of a recipe, which are its arguments and the settings of a run, into one flat dict.

    Args:
        page: The recipe.
        argv: Words of the command line.
        prog: Name of the command in the help.
        defaults: Defaults to use instead of those of the recipe and the settings.
        config: File of options, which go before their defaults and after the words.
        more: Dataclass of further options.

    Raises:
        UsageError: An argument of the recipe is called as a setting of every run is, or cannot be an option; or the
            file has an option that does not exist.
    """
    from zerosum.runs.settings import Settings
    from zerosum.runs.setup import refuse_clashes

    refuse_clashes(page)
    given, hints = dict(defaults or {}), get_type_hints(Settings)
    own = {name: (p.annotation, given.get(name, p.default)) for name, p in page.arguments.items()}
    of_run = {f.name: (hints[f.name], given.get(f.name, f.default)) for f in dataclasses.fields(Settings)}
    groups = {
        "recipe": _group("RecipeOptions", own, page.texts),
        "run": _group("RunOptions", of_run, documented(Settings.__doc__ or "")),
    }
    groups |= {} if more is None else {"command": more}
    words = argv
    if config is not None:
        words = [*words_of(config, {*own, *of_run, *page.earlier_names}, page.name), *words]
    parser = dataclasses.make_dataclass(
        "Options", [(name, group, dataclasses.field(default_factory=group)) for name, group in groups.items()]
    )
    try:
        options: Any = tyro.cli(
            parser,
            args=_update_names(page, words),
            prog=prog,
            description=page.text,
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
        )
    except tyro.constructors.UnsupportedTypeAnnotationError as error:
        raise UsageError(
            f"recipe {page.name!r}: an argument cannot be an option of the command line: {error}"
        ) from error
    return {name: getattr(part, name) for part in vars(options).values() for name in vars(part)}


def _group(name: str, fields: Mapping[str, tuple[Any, Any]], texts: Mapping[str, str]) -> Any:
    """A dataclass of options from their types and defaults."""
    return dataclasses.make_dataclass(
        name,
        [
            (
                key,
                Annotated[kind, tyro.conf.arg(help=texts.get(key, ""))],
                dataclasses.field(default_factory=lambda value=default: value),  # type: ignore[misc]
            )
            for key, (kind, default) in fields.items()
        ],
    )


def _update_names(page: Page, argv: list[str]) -> list[str]:
    """Give options that have changed their names those of today, and print a note of each."""
    old = {option_of(before): option_of(now) for before, now in page.earlier_names.items()}
    words = []
    for word in argv:
        option, equals, value = word.partition("=")
        if option in old:
            print(f"note: the option {option} is now called {old[option]}", file=sys.stderr)
        words.append(old.get(option, option) + equals + value)
    return words
