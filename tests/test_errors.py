"""Errors for users: what they are besides messages, and the hint at what may have been meant."""

import pytest

from zerosum import errors
from zerosum.errors import (
    CheckpointError,
    DataError,
    NonFiniteLoss,
    UnknownData,
    UsageError,
    ZerosumError,
    nearest,
)

KNOWN = ["dcgan", "gan", "wgan", "wgan-gp"]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("dcgna", " Did you mean 'dcgan'?"),
        ("wgangp", " Did you mean 'wgan-gp'?"),
        ("gan", " Did you mean 'gan'?"),
        ("xyz", ""),
        ("", ""),
        ("it's", ""),
    ],
)
def test_the_nearest_word_is_named_where_one_is_near(word: str, hint: str) -> None:
    assert nearest(word, KNOWN) == hint
    assert nearest(word, iter(KNOWN)) == hint
    assert nearest(word, dict.fromkeys(KNOWN)) == hint


def test_how_near_is_near_enough_can_be_chosen() -> None:
    assert nearest("dcgna", KNOWN, cutoff=0.99) == ""
    assert nearest("gxx", KNOWN) == ""
    assert nearest("gxx", KNOWN, cutoff=0.3) == " Did you mean 'gan'?"
    assert nearest("gan", [], cutoff=0.0) == ""


def test_words_are_quoted_as_python_quotes_them() -> None:
    assert nearest("its", ["it's"]) == """ Did you mean "it's"?"""


@pytest.mark.parametrize(
    ("kind", "also"),
    [
        (UsageError, ValueError),
        (DataError, ValueError),
        (UnknownData, DataError),
        (UnknownData, UsageError),
        (CheckpointError, ValueError),
        (NonFiniteLoss, FloatingPointError),
    ],
)
def test_errors_are_told_from_others_and_can_be_caught_as_pythons_own(
    kind: type[ZerosumError], also: type[Exception]
) -> None:
    error = kind("ema=2: too much", argument="ema")
    assert isinstance(error, ZerosumError)
    assert isinstance(error, also)
    assert (str(error), error.argument) == ("ema=2: too much", "ema")
    assert kind("words").argument is None


def test_these_are_all_errors() -> None:
    found = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)}
    assert found == {ZerosumError, UsageError, DataError, UnknownData, CheckpointError, NonFiniteLoss}
