"""Scores: printed form by hand, JSON through the standard library, comparisons by hand."""

import dataclasses
import json
import math
import pickle

import pytest

from zerosum.metrics.score import Score, comparable, differences, extend_protocol, require_comparable

PROTOCOL = {
    "features_hash": "3fa2c4d5e6f7",
    "reference": "fashion-mini",
    "reference_fingerprint": "ab" * 32,
    "reference_count": 5000,
    "samples": 5000,
    "sample_kind": "generated",
    "seed": 0,
    "zerosum": "0.1.0",
}
SCORE = Score("fd_fashion", 5.3149, PROTOCOL, {"floor": 0.0412})


def test_short_form() -> None:
    line = "fd_fashion 5.31, floor 0.0412 (5,000 generated vs 5,000 of fashion-mini, features 3fa2c4d5e6f7, seed 0)"
    assert SCORE.short() == line
    points = {"reference": "ring", "reference_count": None, "samples": 2500, "seed": 3, "of": 8}
    assert Score("modes", 8, points).short() == "modes 8 of 8 (2,500 generated vs ring, seed 3)"
    assert Score("loss", 0.5, {}).short() == "loss 0.500"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (9.0, "9"),
        (5.3149, "5.31"),
        (0.98889, "0.989"),
        (123.4, "123"),
        (12345.6, "12,346"),
        (0.00123, "0.00123"),
        (1.5e-12, "1.5e-12"),
        (-2.5, "-2.50"),
        (math.inf, "inf"),
    ],
)
def test_numbers_for_people(value: float, text: str) -> None:
    assert Score("x", value, {}).short() == f"x {text}"


def test_json_round_trip() -> None:
    text = SCORE.to_json()
    assert json.loads(text) == {
        "name": "fd_fashion",
        "value": 5.3149,
        "protocol": PROTOCOL,
        "details": {"floor": 0.0412},
    }
    assert Score.from_json(text) == SCORE
    assert "\n" not in text


@pytest.mark.parametrize("text", ["[]", "{}", '{"name": "x", "value": 1}', '"text"'])
def test_json_that_is_no_score(text: str) -> None:
    with pytest.raises(ValueError, match="not a score"):
        Score.from_json(text)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_numbers_that_are_not_finite_are_stored_and_read(value: float) -> None:
    score = Score("modes", value, {"samples": 5}, {"reverse_kl": value, "covered": 3})
    text = score.to_json()
    strict = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    again = Score.from_json(text)
    assert float(strict["value"]) == pytest.approx(value, nan_ok=True)
    assert again.value == again.details["reverse_kl"] == pytest.approx(value, nan_ok=True) or math.isnan(value)
    assert math.isnan(again.value) == math.isnan(again.details["reverse_kl"]) == math.isnan(value)
    assert again.details["covered"] == 3
    assert again.to_json() == text


def test_a_protocol_is_finite() -> None:
    with pytest.raises(ValueError, match="JSON"):
        Score("x", 1.0, {"sigma": math.inf}).to_json()


def test_a_score_keeps_its_own_copy() -> None:
    given = dict(PROTOCOL)
    score = Score("x", 1.0, given)
    given["samples"] = 7
    assert score.protocol["samples"] == 5000
    with pytest.raises(dataclasses.FrozenInstanceError):
        score.value = 2.0  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(score)) == score
    assert len({score, Score("x", 1.0, PROTOCOL)}) == 1


def test_protocol_holds_plain_values_only() -> None:
    with pytest.raises(TypeError, match="'shape'"):
        Score("x", 1.0, {"shape": (1, 2)})  # type: ignore[dict-item]


def test_only_seed_and_version_may_differ() -> None:
    again = Score("fd_fashion", 6.0, {**PROTOCOL, "seed": 1, "zerosum": "0.2.0"})
    assert differences(SCORE, again) == {}
    assert comparable(SCORE, again)
    require_comparable(SCORE, again)


def test_differences_are_named() -> None:
    other = Score("fd_fashion", 5.0, {**PROTOCOL, "samples": 1000, "ema": True})
    assert differences(SCORE, other) == {"ema": (None, True), "samples": (5000, 1000)}
    assert not comparable(SCORE, other)
    with pytest.raises(ValueError, match="ema: None against True; samples: 5000 against 1000"):
        require_comparable(SCORE, other)
    renamed = dataclasses.replace(SCORE, name="modes")
    assert differences(SCORE, renamed) == {"name": ("fd_fashion", "modes")}


def test_extra_facts_cannot_replace_the_protocol() -> None:
    assert extend_protocol({"a": 1}, {"ema": True}) == {"a": 1, "ema": True}
    with pytest.raises(ValueError, match="already states seed"):
        extend_protocol(PROTOCOL, {"seed": 5})
