"""Runs side by side, on folders written by hand: seeds are summed up, unlike things never are."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from matplotlib.figure import Figure

from zerosum.errors import UsageError
from zerosum.metrics.score import Score
from zerosum.runs.comparison import compare

PROTOCOL = {"samples": 100, "ema": 0.0}
Make = Callable[..., Path]


class Row(NamedTuple):
    step: int
    value: float
    protocol: dict[str, Any] = PROTOCOL
    name: str = "fid"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(name: str, *rows: Row, seed: int = 0, width: int = 8, losses: bool = True, **changes: Any) -> Path:
        path = tmp_path / name
        path.mkdir(parents=True)
        settings = {
            "data": "ring",
            "seed": seed,
            "out": str(path),
            "precision": "float32",
            "ema": None,
            "minutes": None,
        }
        record = {
            "schema": 1,
            "recipe": "gan",
            "arguments": {"width": width, "steps": 20},
            "settings": settings | changes,
            "data": {"name": "ring", "fingerprint": "f" * 8},
        }
        (path / "run.json").write_text(json.dumps(record))
        scores = [
            {"step": r.step, "seconds": 1.0, "score": json.loads(Score(r.name, r.value, r.protocol).to_json())}
            for r in rows
        ]
        (path / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in scores))
        log = [
            {"step": t, "images": 32 * t, "seconds": t / 2, "losses": {"D/adv": 1.0 + seed, "G/adv": t}}
            for t in range(1, 21)
        ]
        (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log if losses))
        return path

    return write


def test_runs_that_differ_only_in_their_seed_are_one_row(make: Make) -> None:
    values = [1.0, 2.0, 6.0]
    a = [make(f"a{i}", Row(10, 9.0 + i), Row(20, v), seed=i) for i, v in enumerate(values)]
    b = make("b", Row(10, 4.0), Row(20, 5.0), width=16)
    found = compare(*a, b)
    first, second = found.rows
    assert first["fid"] == statistics.fmean(values)
    assert first["fid_std"] == pytest.approx(statistics.stdev(values))
    assert (first["fid_n"], first["seeds"], first["name"], first["step"]) == (3, [0, 1, 2], "gan (3 seeds)", 20)
    assert first["paths"] == [str(path) for path in a]
    assert (second["name"], second["fid"], second["fid_std"], second["fid_n"]) == ("b", 5.0, None, 1)
    assert str(found).splitlines() == ["               fid", "gan (3 seeds)  3 ± 2.6 (3)", "b              5"]
    assert found.columns["fid"] == [3.0, 5.0]
    assert {len(column) for column in found.columns.values()} == {2}
    assert found.curves["fid"]["gan (3 seeds)"] == [
        (320.0, 10.0, 1.0),
        (640.0, 3.0, pytest.approx(statistics.stdev(values))),
    ]
    assert found.curves["fid"]["b"] == [(320.0, 4.0, 0.0), (640.0, 5.0, 0.0)]


def test_each_run_has_its_row_where_that_is_asked_for(make: Make) -> None:
    paths = [make(f"a{i}", Row(20, i), seed=i) for i in range(2)]
    assert [row["name"] for row in compare(*paths, each=True).rows] == ["a0", "a1"]


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 16},
        {"precision": "bf16"},
        {"ema": 0.99},
        {"accumulate": 2},
        {"seed": 0},  # the same run again is no repetition
    ],
)
def test_what_differs_in_more_than_the_seed_stays_apart(make: Make, changes: dict[str, Any]) -> None:
    a, b = make("a", Row(20, 1.0)), make("b", Row(20, 3.0), **{"seed": 1, **changes})
    assert [row["name"] for row in compare(a, b).rows] == ["a", "b"]


@pytest.mark.parametrize("changes", [{"out": "elsewhere"}, {"device": "cuda"}, {"minutes": 3.0}, {"keep": 0}])
def test_settings_that_change_nothing_do_not_separate(make: Make, changes: dict[str, Any]) -> None:
    assert len(compare(make("a", Row(20, 1.0)), make("b", Row(20, 3.0), **{"seed": 1, **changes})).rows) == 1


def test_other_data_other_recipes_and_unfinished_runs_stay_apart(make: Make) -> None:
    a, b, c, d = (make(name, Row(20, 1.0), seed=i) for i, name in enumerate("abcd"))
    for path, key, value in ((b, "data", {"name": "grid", "fingerprint": "g"}), (c, "recipe", "ns-gan")):
        record = json.loads((path / "run.json").read_text())
        (path / "run.json").write_text(json.dumps(record | {key: value}))
    (d / "scores.jsonl").write_text((d / "scores.jsonl").read_text().replace('"step": 20', '"step": 10'))
    assert len(compare(a, b, c, d).rows) == 4


def test_groups_are_named_by_what_they_differ_in(make: Make) -> None:
    paths = [make(f"{w}-{s}", Row(20, w + s), seed=s, width=w) for w in (8, 16) for s in (0, 1)]
    assert [row["name"] for row in compare(*paths).rows] == ["gan width=8 (2 seeds)", "gan width=16 (2 seeds)"]


def test_unlike_protocols_are_never_one_point_of_a_curve(make: Make) -> None:
    """Formerly 1 (of 100 samples) and 9 (of 50) at one step were drawn as 5."""
    few = {**PROTOCOL, "samples": 50}
    a = make("a", Row(10, 2.0), Row(20, 1.0), Row(20, 9.0, few))
    b = make("b", Row(10, 3.0), Row(20, 4.0), Row(20, 8.0, few), width=16)
    found = compare(a, b)
    assert [row["fid"] for row in found.rows] == [9.0, 8.0]  # the newest
    assert found.curves["fid"] == {
        "a": [(320.0, 2.0, 0.0), (640.0, 1.0, 0.0)],
        "b": [(320.0, 3.0, 0.0), (640.0, 4.0, 0.0)],
    }


def test_lines_of_one_panel_were_measured_alike(make: Make) -> None:
    few = {**PROTOCOL, "samples": 50}
    a = make("a", Row(5, 7.0, few), Row(10, 2.0, few), Row(15, 2.0, few), Row(20, 1.0))
    b = make("b", Row(10, 3.0), Row(20, 4.0), width=16)
    assert compare(a, b).curves["fid"] == {"a": [(640.0, 1.0, 0.0)], "b": [(320.0, 3.0, 0.0), (640.0, 4.0, 0.0)]}


def test_unlike_protocols_are_refused_or_stay_apart(make: Make) -> None:
    a, b = make("a", Row(20, 1.0)), make("b", Row(20, 3.0, {**PROTOCOL, "ema": 0.9}), seed=1)
    with pytest.raises(UsageError, match=r"ema: 0.0 against 0.9.*allow this with across=ema"):
        compare(a, b)
    found = compare(a, b, across="ema")
    assert [row["fid"] for row in found.rows] == [1.0, 3.0], "seeds are summed up under one protocol only"
    assert "note: measured across ema: 0.0 and 0.9" in str(found)
    assert found.rows == compare(a, b, across=["ema"]).rows


def test_without_a_common_score_losses_and_times_are_compared(make: Make) -> None:
    a, b = make("a"), make("b", Row(20, 3.0), width=16, seed=2)
    found = compare(a, b)
    assert [row["D/adv"] for row in found.rows] == [1.0, 3.0]
    assert [row["G/adv"] for row in found.rows] == [19.5, 19.5]  # the last tenth: steps 19 and 20
    assert [row["seconds"] for row in found.rows] == [10.0, 10.0]
    assert [row["step"] for row in found.rows] == [20, 20]
    text = str(found)
    assert "(a: none; b: fid)" in text
    assert "zerosum eval RUN" in text
    assert text.splitlines()[0].split() == ["steps", "time", "D/adv", "G/adv"]
    assert len(found.curves["D/adv"]["a"]) == 20
    with pytest.raises(UsageError, match="there is no score 'fid' of a"):
        compare(a, b, metrics="fid")


def test_losses_of_seeds_are_summed_up_too(make: Make) -> None:
    (row,) = compare(make("a", seed=0), make("b", seed=2)).rows
    assert (row["D/adv"], row["D/adv_n"]) == (2.0, 2)


def test_runs_without_scores_and_losses_have_nothing_to_compare(make: Make) -> None:
    with pytest.raises(UsageError, match="no losses of b; measure one"):
        compare(make("a"), make("b", losses=False))


def test_losses_that_diverged_are_no_points(make: Make) -> None:
    a, b = make("a"), make("b", seed=1, width=16)
    log = [json.loads(line) for line in (a / "metrics.jsonl").read_text().splitlines()]
    log[-1]["losses"]["D/adv"] = math.inf
    (a / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
    found = compare(a, b)
    assert len(found.curves["D/adv"]["a"]) == 19
    assert found.rows[0]["D/adv"] == math.inf
    found.figure()


def test_anything_with_a_path_is_a_run(make: Make) -> None:
    class Holder:
        def __init__(self, path: Path) -> None:
            self.path = path

    a, b = make("a", Row(20, 1.0)), make("b", Row(20, 2.0), width=16)
    assert compare(Holder(a), str(b)).columns["fid"] == [1.0, 2.0]


def test_names_that_are_the_same_are_told_apart(make: Make) -> None:
    a, b = make("x/run", Row(20, 1.0)), make("y/run", Row(20, 2.0), width=16)
    assert [row["name"] for row in compare(a, b).rows] == [str(a), str(b)]


@pytest.mark.parametrize("steps", [(20,), (10, 20)])
def test_there_is_always_a_figure_and_a_page_for_notebooks(make: Make, steps: tuple[int, ...]) -> None:
    paths = [make(f"a{s}", *(Row(step, 1.0 + s) for step in steps), seed=s) for s in (0, 1)]
    found = compare(*paths, make("<b>", *(Row(step, 2.0) for step in steps), width=16))
    assert isinstance(found.figure(), Figure)
    bands = [len(axes.collections) for axes in found.figure().axes]
    assert bands[0] >= 1, "a band or error bars"
    page = found._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "data:image/png;base64," in page


def test_fewer_than_two_are_refused(make: Make) -> None:
    with pytest.raises(UsageError, match="at least two"):
        compare(make("a", Row(20, 1.0)))
