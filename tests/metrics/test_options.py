"""Options of measures: the numbers they come to, what protocols say, who keeps them apart, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from metric_helpers import image_set, noise
from torch import Tensor

import zerosum as zs
from zerosum.cli.main import run
from zerosum.errors import UsageError
from zerosum.metrics import KID, PRD, DensityCoverage, InceptionScore, Metric, PrecisionRecall, differences
from zerosum.metrics.measure import Context, Option
from zerosum.metrics.measures.ms_ssim import diversity
from zerosum.metrics.measures.swd import sliced_wasserstein
from zerosum.metrics.options import describe, parse_options, with_options
from zerosum.metrics.registry import choose, measures
from zerosum.metrics.shared.ordering import ranks_of
from zerosum.metrics.sides import Side
from zerosum.report.scores import group
from zerosum.runs.evaluation import to_row

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an empty cache of features."""
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))


REAL, FAKE = noise(40, 0), noise(30, 1, 200)


def blocks(x: Tensor) -> tuple[Tensor, Tensor]:
    """Four numbers of an image, and verdicts on three classes."""
    seen = x[:, 0, ::8, ::8].flatten(1)
    return seen, 3 * seen[:, :3]


def by_hand(pixels: np.ndarray) -> np.ndarray:
    """The four numbers in float64."""
    return pixels[:, ::8, ::8, 0].reshape(len(pixels), -1) / 127.5 - 1


def evaluate(metrics: str, options: Any = None, **how: Any) -> zs.metrics.Scores:
    return zs.evaluate(FAKE, against=REAL, metrics=metrics, features=blocks, options=options, **how)


def radii(x: np.ndarray, k: int) -> np.ndarray:
    return np.sort(np.linalg.norm(x[:, None] - x[None], axis=2), axis=1)[:, k]  # the first one is the point itself


@pytest.mark.parametrize("k", [1, 3, 5, 7, 29])
def test_the_k_of_neighbours(k: int) -> None:
    x, y = by_hand(REAL), by_hand(FAKE)
    apart = np.linalg.norm(x[:, None] - y[None], axis=2)
    found = evaluate("pr,dc", f"pr.k={k},dc.k={k}")
    assert found["precision"].value == pytest.approx((apart <= radii(x, k)[:, None]).any(0).mean())
    assert found["recall"].value == pytest.approx((apart <= radii(y, k)[None]).any(1).mean())
    inside = apart < radii(x, k)[:, None]
    assert found["density"].value == pytest.approx(inside.sum() / k / 30)
    assert found["coverage"].value == pytest.approx(inside.any(1).mean())
    assert {name: score.protocol["k"] for name, score in found.items()} == dict.fromkeys(found, k)


def test_the_splits_of_the_inception_score() -> None:
    logits = 3 * by_hand(FAKE)[:, :3]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    (one,) = evaluate("is", "is.splits=1").values()
    assert one.value == pytest.approx(np.exp((p * np.log(p / p.mean(0))).sum(1).mean()), rel=1e-6)
    assert (one.details["deviation"], one.protocol["splits"]) == (0, 1)
    (alone,) = evaluate("is", {"is.splits": 30}).values()
    assert alone.value == pytest.approx(1)  # of an image by itself


def test_the_subsets_of_the_kernel_distance() -> None:
    # Subsets of all images: nothing is drawn but their order.
    x, y = by_hand(FAKE), by_hand(REAL[:30])
    k = [(a @ b.T / 4 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
    within = [(one.sum() - one.trace()) / (30 * 29) for one in k[:2]]
    how: dict[str, Any] = {"against": REAL[:30], "metrics": "kid", "features": blocks}
    (whole,) = zs.evaluate(FAKE, **how, options="kid.subset_size=30,kid.subsets=2").values()
    assert whole.value == pytest.approx(sum(within) - 2 * k[2].mean(), rel=1e-5)
    assert (whole.protocol["subsets"], whole.protocol["subset_size"]) == (2, 30)
    (usual,) = zs.evaluate(FAKE, **how).values()
    assert (usual.protocol["subsets"], usual.protocol["subset_size"]) == (100, 30)
    assert usual.value == pytest.approx(whole.value, rel=1e-9)
    (drawn,) = zs.evaluate(FAKE, **how, options="kid.subset-size=10").values()
    assert drawn.details["deviation"] > 0
    (one,) = zs.evaluate(FAKE, **how, options="kid.subset-size=10,kid.subsets=1").values()
    assert one.details["deviation"] == 0  # there is nothing that it could deviate from


def test_clusters_of_precision_and_recall_for_distributions() -> None:
    how: dict[str, Any] = {"reference_count": 30}
    assert evaluate("prd", "prd.clusters=1,prd.runs=1,prd.angles=3", **how)["prd_f8"].value == pytest.approx(1)
    assert evaluate("prd", "prd.clusters=60", **how)["prd_f8"].value == 0  # no two of these images share a cluster
    usual = evaluate("prd", **how)["prd_f1/8"]
    for options, changed in (("prd.runs=2", {"runs": 2}), ("prd.angles=3", {"angles": 3})):
        found = evaluate("prd", options, **how)["prd_f1/8"]
        assert found.value != usual.value
        assert {name: found.protocol[name] for name in ("clusters", "runs", "angles")} == {
            "clusters": 20,
            "runs": 10,
            "angles": 1001,
            **changed,
        }


def test_options_of_measures_of_pixels() -> None:
    fake, real = (torch.from_numpy(one).permute(0, 3, 1, 2) for one in (FAKE, REAL[:30]))
    options = "ms-ssim.pairs=7,swd.patches=5,swd.repeats=2,swd.directions=9"
    found = zs.evaluate(fake, against=real, metrics="ms-ssim,swd", options=options)
    sides = [Side(image_set(one)) for one in (real, fake)]
    alike = diversity(sides[1].ordered_pixels(), seed=0, pairs=7)
    assert found["ms_ssim"].value == alike.mean != zs.evaluate(fake, against=real, metrics="ms-ssim")["ms_ssim"].value
    assert found["ms_ssim"].protocol["pairs"] == 7
    places = ranks_of(sides[0].order), ranks_of(sides[1].order)
    apart = sliced_wasserstein([real], [fake], seed=0, places=places, patches=5, repeats=2, directions=9)
    assert found["swd"].value == apart.average
    told = found["swd"].protocol
    assert (told["patches"], told["repeats"], told["directions"]) == (5, 2, 18)
    assert "patches=5, repeats=2, directions=9, seed 0)" in found["swd"].short()


def test_permutations_and_points_of_the_extrapolation() -> None:
    found = evaluate("tests,fid-infinity", "tests.permutations=9,tests.mmd_samples=20,fid-infinity.points=3")
    for name in ("1nn", "mmd2"):
        assert found[name].details["p"] * 10 == pytest.approx(round(found[name].details["p"] * 10))
        assert found[name].protocol["permutations"] == 9
    assert found["mmd2"].protocol["mmd_samples"] == 20
    assert (found["fid_infinity"].protocol["points"], found["fid_infinity"].protocol["smallest"]) == (3, 15)
    usual = evaluate("fid-infinity")["fid_infinity"]
    other = evaluate("fid-infinity", "fid-infinity.smallest=10")["fid_infinity"]
    assert len({usual.value, other.value, found["fid_infinity"].value}) == 3
    assert (other.protocol["points"], other.protocol["smallest"]) == (15, 10)


def test_steps_of_the_path_length(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    class Stop(Exception):
        pass

    def measured(*_: Any, **how: Any) -> None:
        seen.append(how)
        raise Stop

    monkeypatch.setattr("zerosum.metrics.measures.ppl.perceptual_path_length", measured)
    monkeypatch.setattr("zerosum.metrics.measures.ppl.load_lpips", lambda device: None)
    maker = SimpleNamespace(generate=None, latents=None, path=None)
    side: Any = SimpleNamespace(images=SimpleNamespace(maker=maker, count=5))
    given = parse_options("ppl.epsilon=1e-2,ppl.sampling=end")["ppl"]
    with pytest.raises(Stop):
        measures()["ppl"].run(side, side, Context(options=given))
    assert (seen[0]["epsilon"], seen[0]["sampling"], seen[0]["pairs"]) == (0.01, "end", 5)


@pytest.mark.parametrize("name", [measure.name for measure in measures().values() if measure.options])
def test_published_values_are_the_defaults_to_the_last_bit(name: str) -> None:
    measure = measures()[name]
    values = {key: option.default for key, option in measure.options.items() if not option.gives_way}
    assert measure.having(values).departures == {}
    if "latents" in measure.needs:
        return
    features = blocks if measure.sees else "auto"
    plain, given = (
        zs.evaluate(FAKE, against=REAL[:30], metrics=name, features=features, options=options)
        for options in (None, {f"{name}.{key}": value for key, value in values.items()})
    )
    scores = [{key: (score.value, score.protocol) for key, score in some.items()} for some in (plain, given)]
    assert scores[0] == scores[1]
    assert all("options" not in score.protocol for score in plain.values())


def test_scores_with_other_options_are_not_put_side_by_side(tmp_path: Path) -> None:
    three, five = evaluate("pr")["precision"], evaluate("pr", "pr.k=5")["precision"]
    assert differences(three, five) == {"k": (3, 5)}
    assert "k=5" in five.short()
    assert "k=" not in three.short()
    files = []
    for name, score in (("three", three), ("five", five)):
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text(json.dumps(to_row(score)) + "\n")
    with pytest.raises(UsageError, match=r"measured under different protocols: k: 3 against 5\. .* across=k"):
        zs.compare(*files)
    rows = [{"step": 1, "score": to_row(score)} for score in (three, five)]
    assert len(group(rows)) == 2


def test_a_run_has_columns_of_their_own_for_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zs.train("gan", data="ring", out=str(tmp_path / "run"), latent=4, steps=1)
    made = zs.load(tmp_path / "run")
    rows = [
        {
            "step": step,
            "seconds": 0.0,
            "score": {"name": "precision", "value": value, "protocol": protocol, "details": {}},
        }
        for step, value, protocol in ((1, 0.5, {"k": 3}), (2, 0.7, {"k": 5, "options": "k=5"}))
    ]
    (tmp_path / "run" / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    np.testing.assert_equal(made.scores["precision"], [0.5, np.nan])
    np.testing.assert_equal(made.scores["precision (k=5)"], [np.nan, 0.7])
    assert run(["runs", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["scores"] == {"precision": 0.5, "precision (k=5)": 0.7}


def refuse(*_: Any) -> Tensor:
    raise AssertionError("images were looked at")


@pytest.mark.parametrize(
    ("metrics", "options", "message"),
    [
        ("pr", "pr.k=30", "options=pr.k=30: can be at most 29 with 40 real images and 30 to measure"),
        ("dc", {"dc.k": 40}, "options=dc.k=40: can be at most 39 with 40 real images and 30 to measure"),
        ("is", "is.splits=31", "options=is.splits=31: can be at most 30 with 30 images to measure"),
        ("kid", "kid.subset_size=31", "options=kid.subset_size=31: can be at most 30 with 40 real images and 30 to"),
        ("kid", "kid.subset_size=1000", "options=kid.subset_size=1000: can be at most 30"),
        ("fid-infinity", "fid-infinity.smallest=16", "options=fid-infinity.smallest=16: can be at most 15"),
        ("tests", "tests.mmd_samples=31", "options=tests.mmd_samples=31: can be at most 30"),
        ("pr", "pr.k=0", "options=pr.k=0: must be at least 1"),
        ("pr", "pr.k=-1", "options=pr.k=-1: must be at least 1"),
        ("pr", "pr.k=2.5", "options=pr.k=2.5: must be a whole number"),
        ("pr", {"pr.k": 2.5}, "options=pr.k=2.5: must be a whole number"),
        ("pr", {"pr.k": True}, "options=pr.k=True: must be a whole number"),
        ("pr", {"pr.k": None}, "options=pr.k=None: must be a whole number"),
        ("pr", {"pr.k": float("nan")}, "options=pr.k=nan: must be a whole number"),
        ("pr", "pr.k=five", "options=pr.k=five: must be a whole number"),
        ("pr", "pr.k=", "options=pr.k=: must be a whole number"),
        ("pr", "pr.k", "options=pr.k: has no value; write MEASURE.OPTION=VALUE, such as pr.k=5"),
        ("pr", "k=5", "options=k=5: write MEASURE.OPTION=VALUE, such as dc.k=5 or pr.k=3"),
        ("pr", "pr:k=5", "options=pr:k=5: write MEASURE.OPTION=VALUE, such as pr.k=5"),
        ("pr", "recall.k=5", "options=recall.k=5: there is no measure 'recall'. It is a score of pr."),
        ("pr", "", "options: none is named"),
        ("pr", 5, "options=int: give a text, such as"),
        ("pr", "pr.k=5,pr.k=7", "options=pr.k=7: pr.k is given twice"),
        ("pr", "pr.n=5", "options=pr.n=5: pr has no option 'n'. Options: k"),
        ("kid", "kid.subset=5", "kid has no option 'subset'. Did you mean 'subsets'? Options: subsets, subset_size"),
        ("fid", "fid.k=5", "options=fid.k=5: fid has no option 'k'. It has no options"),
        ("pr", "kib.k=5", "options=kib.k=5: there is no measure 'kib'. Did you mean 'kid'?"),
        ("pr", "kid.subsets=5", "options=kid.subsets=5: kid is not among what is measured (pr); leave the option out"),
        (None, "kid.subsets=5", "options=kid.subsets=5: kid is not among what is measured (fid)"),
        ("fid-infinity", "fid-infinity.points=2", "options=fid-infinity.points=2: must be at least 3"),
        ("kid", "kid.subset_size=1", "options=kid.subset_size=1: must be at least 2"),
        ("ppl", "ppl.epsilon=1", "options=ppl.epsilon=1: must be above 0 and below 1"),
        ("ppl", "ppl.epsilon=nan", "options=ppl.epsilon=nan: must be above 0 and below 1"),
        ("ppl", "ppl.sampling=half", "options=ppl.sampling=half: must be full or end"),
    ],
)
def test_values_that_make_no_sense_are_refused_before_anything_is_computed(
    metrics: str | None, options: Any, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        zs.evaluate(FAKE, against=REAL, metrics=metrics, features=refuse, options=options)
    assert str(caught.value).startswith(message) or message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.argument == "options"


def test_too_many_clusters_and_defaults_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match=r"options=prd.clusters=61: can be at most 60 with 30 real images and 30 to"):
        zs.evaluate(FAKE, against=REAL[:30], metrics="prd", features=refuse, options="prd.clusters=61")
    with pytest.raises(UsageError, match=r"^is: splits is 10 by default and can be at most 4 with .*is\.splits=4 sets"):
        zs.evaluate(FAKE[:4], against=REAL, metrics="is", features=refuse)
    with pytest.raises(UsageError, match=r"^pr: k is 3 by default and can be at most 2 with 3 real images and 30 to"):
        zs.evaluate(FAKE, against=REAL[:3], metrics="fid,pr", features=refuse)


def test_the_command_writes_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("fakes.npz", FAKE)
    np.savez("reals.npz", REAL)
    command = ["eval", "fakes.npz", "--against", "reals.npz", "--features", "random", "--metrics", "pr,kid"]
    assert run([*command, "--options", "pr.k=5, kid.subsets=3,kid.subset-size=20", "--json"]) == 0
    told = [score["protocol"] for score in json.loads(capsys.readouterr().out)["scores"]]
    assert [one.get("k") for one in told] == [5, 5, None]
    assert [one["options"] for one in told] == ["k=5", "k=5", "subsets=3, subset_size=20"]
    assert run([*command, "--options", "pr.k=50"]) == 2
    assert capsys.readouterr().err == (
        "zerosum: --options pr.k=50: can be at most 29 with 40 real images and 30 to measure\n"
    )
    assert run([*command, "--batch-size", "0"]) == 2
    assert "--batch-size 0: must be a whole number of at least 1" in capsys.readouterr().err
    assert run(["eval", "reals.npz", "--save-stats", "x.npz", "--options", "pr.k=5"]) == 2
    assert "--options: statistics are of one side" in capsys.readouterr().err


def filled(metric: Metric) -> Metric:
    for pixels, real in ((REAL, True), (FAKE, False)):
        metric.update(torch.from_numpy(pixels).permute(0, 3, 1, 2), real)
    return metric


@pytest.mark.parametrize(
    ("metric", "name", "options"),
    [
        (lambda: PrecisionRecall(blocks, k=5), "pr", "pr.k=5"),
        (lambda: DensityCoverage(blocks, k=2), "dc", "dc.k=2"),
        (lambda: InceptionScore(blocks, splits=3), "is", "is.splits=3"),
        (lambda: KID(blocks, subsets=4, subset_size=20), "kid", "kid.subsets=4,kid.subset_size=20"),
        (lambda: Metric("kid", features=blocks, options={"subsets": 4}), "kid", "kid.subsets=4"),
        (lambda: KID(blocks), "kid", None),
    ],
)
def test_objects_take_the_same_options(metric: Any, name: str, options: str | None) -> None:
    found, wanted = filled(metric()).scores(), evaluate(name, options)
    assert {name: score.value for name, score in found.items()} == {name: s.value for name, s in wanted.items()}
    for score, other in zip(found.values(), wanted.values(), strict=True):
        assert score.protocol.get("options") == other.protocol.get("options")


def test_options_of_objects_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match=r"^k=0: must be at least 1") as caught:
        PrecisionRecall(k=0)
    assert caught.value.argument == "k"
    with pytest.raises(UsageError, match=r"^subset=3: kid has no option 'subset'"):
        Metric("kid", options={"subset": 3})
    with pytest.raises(UsageError, match=r"^batch_size=0: must be a whole number"):
        PRD(batch_size=0)
    with pytest.raises(UsageError, match=r"pr\.k=35: can be at most 29 with 40 real images and 30 to measure"):
        filled(PrecisionRecall(blocks, k=35)).compute()
    with pytest.raises(
        UsageError, match=r"cannot merge 'pr' with options \{'k': 5\} into one with options as published"
    ):
        filled(PrecisionRecall(blocks)).merge(filled(PrecisionRecall(blocks, k=5)))
    assert len(filled(PrecisionRecall(blocks)).merge(Metric("pr", features=blocks, options={"k": 3})).scores()) == 2


def test_every_option_has_a_default_of_its_own_that_it_takes() -> None:
    for measure in measures().values():
        for name, option in measure.options.items():
            assert option.read(str(option.default)) == option.read(option.default) == option.default
            assert option.text
            assert option.source
            told = measure.constants.get(name, option.default)
            assert told == option.default or (measure.name, name) == ("swd", "directions")


def test_the_page_lists_all_options_with_their_defaults() -> None:
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text("utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `") and line.count(" | ") == 3]
    for measure in measures().values():
        for name, option in measure.options.items():
            (row,) = [row for row in rows if f"`{measure.name}.{name}`" in row[0]]
            written = f"{option.default:,}" if isinstance(option.default, int) else f"{option.default}"
            assert written.replace("0.0001", "1e-4") in row[1], (measure.name, name)
            assert row[3].rstrip(" |") == option.source
            assert f"{measure.name}.{name}={option.default}" in " ".join(describe())


def test_options_stay_with_their_measure() -> None:
    chosen = with_options(choose(["pr", "dc"]).values(), parse_options({"dc.k": "7"}))
    assert [dict(measure.given) for measure in chosen] == [{}, {"k": 7}]
    assert measures()["dc"].given == {}
    assert replace(Option(default=1, text="", source=""), least=0).read("0") == 0
