"""Scores that belong together: names, what they look like, JSON."""

import json
import math

import pytest

from zerosum.metrics.score import Score
from zerosum.metrics.scores import Scores

KNOWN = {"samples": 9, "sample_kind": "generated", "reference": "<b>a</b>", "reference_count": 7, "seed": 0}
FD = Score("fd_shipped", 1.5, {**KNOWN, "features": "shipped", "features_hash": "abc"})
RECALL = Score("recall_shipped", 0.25, {**KNOWN, "features": "shipped"}, {"low": 0.2, "high": 0.3})
FID = Score("fid", 2.0, {**KNOWN, "features": "inception"})
KL = Score("mode_kl", math.inf, {"seed": 1})


def test_they_are_found_by_their_names_and_by_their_plain_names() -> None:
    scores = Scores([FD, RECALL, KL])
    assert list(scores) == ["fd_shipped", "recall_shipped", "mode_kl"]
    assert len(scores) == 3
    assert scores["fid"] is scores["fd_shipped"] is FD
    assert scores["recall"] is RECALL
    assert "recall" in scores
    assert "precision" not in scores
    assert scores["mode_kl"].value == math.inf
    assert [score.value for score in scores.values()] == [1.5, 0.25, math.inf]


def test_a_name_that_is_there_goes_before_a_plain_one() -> None:
    assert Scores([FD, FID])["fid"] is FID
    assert Scores([FID, FD])["fid"] is FID


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(KeyError, match=r"no score 'recal'\. Did you mean 'recall_shipped'.*fd_shipped, recall_shipped"):
        Scores([FD, RECALL])["recal"]
    with pytest.raises(KeyError, match="Scores: none"):
        Scores()["fid"]


def test_people_can_read_them() -> None:
    assert repr(Scores([FD, RECALL])).splitlines() == [FD.short(), RECALL.short()]
    assert repr(Scores()) == "no scores"


def test_notebooks_show_a_table_without_markup_from_names() -> None:
    page = Scores([FD, RECALL])._repr_html_()
    assert page.count("<tr>") == 3
    assert "<b>" not in page
    assert "<td>1.50</td>" in page.replace('<td title="">', "<td>")
    assert "low: 0.2" in page
    assert "9 generated vs 7 of &lt;b&gt;a&lt;/b&gt;" in page


def test_json_and_back() -> None:
    scores = Scores([FD, RECALL, KL])
    document = json.loads(scores.to_json(), parse_constant=lambda word: pytest.fail(word))
    assert [entry["name"] for entry in document["scores"]] == list(scores)
    assert dict(Scores.from_json(scores.to_json())) == dict(scores)
    for text in ("[]", "{}", '{"scores": 1}'):
        with pytest.raises(ValueError, match="not scores"):
            Scores.from_json(text)
