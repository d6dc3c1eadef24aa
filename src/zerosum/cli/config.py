"""Options from a file: the ``run.json`` of a run, or YAML, TOML or JSON of one's own."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from zerosum.cli.main import option_of
from zerosum.errors import UsageError, nearest
from zerosum.folder import RunFolder
from zerosum.pages import Page

SECTIONS = ("arguments", "settings")


class Config(NamedTuple):
    """What a file of options says.

    Attributes:
        path: The file.
        recipe: The recipe, or the name of one; ``None`` where the file names none.
        options: Values by the name of their argument or setting.
    """

    path: Path
    recipe: Page | str | None
    options: dict[str, Any]


def read_config(path: Path) -> Config:
    """Read a file of options.

    ``run.json`` gives the recipe, arguments and settings of a run, but for its folder. Other files are mappings from
    the names of options, with ``_`` or ``-``, to values; ``recipe`` names the recipe.

    Raises:
        UsageError: There is no such file, or it cannot be understood; the message names it.
    """
    if path.is_dir():
        path = path / "run.json"
    if path.name == "run.json":
        return _of_run(path)
    content = _parsed(path)
    options: dict[str, Any] = {}
    for key, value in content.items():
        part = value if key in SECTIONS and isinstance(value, Mapping) else {key: value}
        options |= {str(name).replace("-", "_"): inner for name, inner in part.items()}
    return Config(path, options.pop("recipe", None), options)


def _of_run(path: Path) -> Config:
    from zerosum.runs import earlier
    from zerosum.runs.source import page_of

    folder = RunFolder(path.parent)
    record = folder.record()
    page = page_of(folder, record)
    settings = {name: value for name, value in vars(earlier.settings_of(record, page)).items() if name != "out"}
    if record["data"].get("given"):
        del settings["data"]  # the command line has to name others
    return Config(path, page, earlier.arguments_of(record, page) | settings)


def _parsed(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    try:
        content = _parser_for(path)(text)
    except UsageError:
        raise
    except Exception as error:  # each parser has errors of its own
        said = " ".join(str(error).split())
        raise UsageError(f"--config {path}: is damaged ({said})") from error
    if not isinstance(content, Mapping):
        raise UsageError(f"--config {path}: must be a mapping from options to values, such as width: 32")
    return content


def _parser_for(path: Path) -> Any:
    import yaml

    parsers = {".yaml": yaml.safe_load, ".yml": yaml.safe_load, ".toml": tomllib.loads, ".json": json.loads}
    if path.suffix.lower() not in parsers:
        raise UsageError(f"--config {path}: must be a run.json, or a .yaml, .toml or .json file of options")
    return parsers[path.suffix.lower()]


def words_of(config: Config, known: Collection[str], recipe: str) -> list[str]:
    """The options of a file as words of the command line.

    Args:
        config: The file.
        known: Names of the options that the command has.
        recipe: Name of the recipe, for messages.

    Raises:
        UsageError: The command has no such option, or a value cannot be that of an option.
    """
    words: list[str] = []
    for key, value in config.options.items():
        if key not in known:
            raise UsageError(
                f"--config {config.path}: {key!r} is not an option of {recipe}.{nearest(key, known)} There are: "
                f"{', '.join(sorted(known))}"
            )
        if isinstance(value, Mapping):
            raise UsageError(f"--config {config.path}: {key} must be one value, not a mapping")
        words += _words(option_of(key), value)
    return words


def _words(option: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [option if value else option.replace("--", "--no-", 1)]
    if isinstance(value, list | tuple):
        return [option, *map(str, value)]
    return [f"{option}={value}"]
