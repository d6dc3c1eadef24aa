"""Options of measures: numbers that papers vary, such as the k of precision and recall, with published defaults.

They are named by measure and option, ``pr.k``, ``kid.subset_size``. Every measure states its own in its file
(:class:`.Option`); a value that departs from the default is in the protocol of the scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zerosum.errors import UsageError, nearest
from zerosum.metrics.measure import Measure, OptionValue
from zerosum.metrics.registry import measures

AnyOptions = str | Mapping[str, Any]  # "pr.k=5,kid.subsets=50", or {"pr.k": 5, "kid.subsets": 50}
Given = dict[str, dict[str, OptionValue]]  # values of options, by the name of their measure


def parse_options(options: AnyOptions | None) -> Given:
    """The values of options, by the name of their measure.

    Args:
        options: What was given: a text in which commas separate ``MEASURE.OPTION=VALUE``, or a mapping from
            ``"MEASURE.OPTION"`` to values.

    Raises:
        UsageError: There is no such measure or option, or it does not take the value.
    """
    if options is None:
        return {}
    found: Given = {}
    for key, value in _pairs(options):
        told = f"options={key}={value}"
        known, (name, _, option) = measures(), key.strip().partition(".")
        name, option = name.strip().lower(), option.strip().lower().replace("-", "_")
        if not option:
            raise _refusal(told, f"write MEASURE.OPTION=VALUE, such as {_example(name)}")
        if name not in known:
            whose = next((f" It is a score of {one.name}." for one in known.values() if name in one.directions), "")
            raise _refusal(told, f"there is no measure {name!r}.{whose or nearest(name, known)}")
        if option in found.get(name, {}):
            raise _refusal(told, f"{name}.{option} is given twice")
        try:
            found.setdefault(name, {}).update(known[name].read_options({option: value}))
        except ValueError as error:
            raise _refusal(told, str(error)) from error
    return found


def _pairs(options: AnyOptions) -> Iterable[tuple[str, Any]]:
    if isinstance(options, Mapping):
        return [(str(key), value) for key, value in options.items()]
    if not isinstance(options, str):
        raise UsageError(
            f"options={type(options).__name__}: give a text, such as 'pr.k=5,kid.subsets=50', or a dictionary, such as "
            "{'pr.k': 5}",
            argument="options",
        )
    words = [word.strip() for word in options.split(",") if word.strip()]
    if not words:
        raise UsageError("options: none is named; write MEASURE.OPTION=VALUE, such as pr.k=5", argument="options")
    for word in words:
        if "=" not in word:
            raise _refusal(f"options={word}", "has no value; write MEASURE.OPTION=VALUE, such as pr.k=5")
    pairs = (word.partition("=") for word in words)
    return [(key, value.strip()) for key, _, value in pairs]


def _example(option: str) -> str:
    """How an option is written of which only the second half was given."""
    written = option.replace("-", "_")
    having = [(f"{name}.{written}", one.options[written]) for name, one in measures().items() if written in one.options]
    return " or ".join(f"{name}={option.default}" for name, option in having) or "pr.k=5"


def with_options(chosen: Iterable[Measure], given: Mapping[str, Mapping[str, OptionValue]]) -> tuple[Measure, ...]:
    """Measures with the values of their options.

    Args:
        chosen: The measures.
        given: Values of options, as :func:`parse_options` gives them.

    Raises:
        UsageError: An option is of a measure that was not chosen.
    """
    found = tuple(chosen)
    names = [measure.name for measure in found]
    for name, values in given.items():
        if name not in names:
            option, value = next(iter(values.items()))
            raise _refusal(
                f"options={name}.{option}={value}",
                f"{name} is not among what is measured ({', '.join(names)}); leave the option out, or name {name} in "
                "metrics",
            )
    return tuple(measure.having(given[measure.name]) if measure.name in given else measure for measure in found)


def check_batch_size(size: int) -> None:
    """Refuse a number of images at a time that makes no sense.

    Raises:
        UsageError: It is not a whole number of at least 1.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise UsageError(f"batch_size={size}: must be a whole number of at least 1", argument="batch_size")


def _refusal(told: str, why: str) -> UsageError:
    return UsageError(f"{told}: {why}", argument="options")


def describe() -> list[str]:
    """All options, a line for each: how it is written, its default, what it is, and whose the default is."""
    return [
        f"{f'{name}.{key}={option.default}':<28} {option.text}; {option.source}"
        for name, measure in measures().items()
        for key, option in measure.options.items()
    ]
