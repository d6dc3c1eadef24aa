"""What a run watches: against the decomposition of its weights, by hand, and without a trace in what is learnt."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import zerosum
from zerosum.constraints import power_iteration, spectral_norm
from zerosum.core.game import Game, Player, State, start
from zerosum.core.optim import adam
from zerosum.errors import UsageError
from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.runs import alarm
from zerosum.runs.log import Display
from zerosum.runs.settings import SAFE, Settings
from zerosum.runs.setup import build
from zerosum.runs.watch import Eyes, Reference, Watch, deviation, gaps, look_interval, matrices, variety

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick

Train = Callable[..., RunFolder]


@pytest.fixture(scope="module")
def run(small: Train, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that was watched at each of its six steps."""
    return small(tmp_path_factory.mktemp("watch") / "run", watch=1, size=16)


def tensors(folder: RunFolder) -> bytes:
    return (folder.checkpoint_for(6) / "tensors.safetensors").read_bytes()


def weights(folder: RunFolder, step: int) -> dict[str, Tensor]:
    """Weights by the names of spectra.jsonl, rows first."""
    found = load_file(folder.checkpoint_for(step) / "tensors.safetensors")
    named = {key.removeprefix("weights/"): w for key, w in found.items() if key.startswith("weights/")}
    turned = {key: w.transpose(0, 1) if key.startswith("G/convs") else w for key, w in named.items() if w.dim() > 1}
    return {key.removesuffix(".weight"): w.flatten(1).double() for key, w in turned.items()}


def test_looks_are_those_of_the_weights_at_that_step(run: RunFolder) -> None:
    rows = list(Rows(run.spectra))
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    for step in (4, 6):
        row, expected = rows[step - 1], weights(run, step)
        assert set(row["sigma"]) == set(row["orthogonality"]) == set(expected)
        for name, w in expected.items():
            sigma = torch.linalg.svdvals(w)[:3].tolist()
            assert row["sigma"][name] == pytest.approx(sigma, rel=0.01), name
            gram = w @ w.t()
            ratio = float((gram - gram.diag().diag()).norm() / gram.norm())
            assert row["orthogonality"][name] == pytest.approx(ratio, abs=1e-4), name
    assert next(iter(rows[0]["sigma"])) == "G/first"


def test_watching_changes_nothing_that_is_learnt(run: RunFolder, small: Train, tmp_path: Path) -> None:
    blind = small(tmp_path / "blind", watch=-1, size=16)
    assert tensors(blind) == tensors(run)
    assert [row["losses"] for row in Rows(blind.metrics)] == [row["losses"] for row in Rows(run.metrics)]
    assert not any(file.exists() for file in (blind.spectra, blind.variety, blind.alarms))


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(run: RunFolder, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "resumed")
    shutil.copytree(run.path, folder.path)
    shutil.rmtree(folder.checkpoint_for(6))  # as if it had been killed after step 4 was saved
    ours = {"name": "mine", "since": 1, "seen": "", "advice": ""}
    folder.alarms.write_text("".join(json.dumps({"step": step, **ours}) + "\n" for step in (4, 5)))
    before = {file: file.read_text().splitlines() for file in (folder.spectra, folder.variety)}
    for file, rows in before.items():  # marked, to see that they are written anew
        marked = [row if json.loads(row)["step"] <= 4 else row.replace("{", '{"stale": 1, ', 1) for row in rows]
        file.write_text("".join(row + "\n" for row in marked))
    zerosum.resume(folder.path)
    assert tensors(folder) == tensors(run)
    zerosum.resume(folder.path)  # at its end already: nothing is looked at twice
    assert [row["step"] for row in Rows(folder.alarms)] == [4]
    for file, old in before.items():
        new = file.read_text().splitlines()
        assert [json.loads(row)["step"] for row in new] == [json.loads(row)["step"] for row in old]
        assert not any("stale" in row for row in new)
        kept = [row for row in old if json.loads(row)["step"] <= 4]
        assert new[: len(kept)] == kept
    last, whole = (list(Rows(one.spectra))[-1]["sigma"] for one in (folder, run))
    for name, sigma in whole.items():
        assert last[name] == pytest.approx(sigma, rel=0.01)


def test_pictures_are_compared_with_real_samples(run: RunFolder, clothes: str) -> None:
    rows = list(Rows(run.variety))
    assert [row["step"] for row in rows] == [0, 1, 2, 3, 4, 5, 6]
    samples = zerosum.load(run.path).generator(0, 64)
    real, _ = zerosum.data.load(clothes, size=16).batch(0, 64, seed=1)
    expected = math.sqrt(samples.var(0).double().mean() / real.var(0).double().mean())
    assert rows[-1]["spread"] == pytest.approx(expected, rel=0.02)  # rounded to five places
    assert rows[-1]["samples"] == 64


def test_points_are_watched_too_and_the_rules_hear_of_losses_and_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[Any, ...]] = []

    def saturated(rows: list[Any], critics: list[str]) -> list[alarm.Finding]:
        heard.append((*(row["step"] for row in rows), *rows[-1]["losses"], *critics))
        return []

    def unbalanced(scores: list[Any], total: int) -> list[alarm.Finding]:
        heard.append((*((row["step"], row["score"]["name"]) for row in scores), total))
        return [alarm.Finding("a name", 4, "what was seen", "what to try")]

    monkeypatch.setattr(alarm, "find_saturated_critics", saturated)
    monkeypatch.setattr(alarm, "find_missing_classes", unbalanced)
    chosen = {"data": "ring", "out": str(tmp_path / "run"), "watch": 2, "sample_every": 4}
    folder = zerosum.train("gan", **chosen, width=8, steps=4).folder
    assert [row["step"] for row in Rows(folder.spectra)] == [2, 4]
    assert list(Rows(folder.variety))[-1]["samples"] == 2000
    assert heard == [
        (1, 2, "D/adv", "G/adv", "D"),
        (1, 2, 3, 4, "D/adv", "G/adv", "D"),
        ((4, "modes"), (4, "high_quality"), (4, "mode_kl"), 4),
    ]
    assert [row["name"] for row in Rows(folder.alarms)] == ["a name"]
    assert "what was seen. <em>To try:</em> what to try." in folder.report.read_text()


def test_how_often() -> None:
    assert look_interval(0, 50_000) == 500
    assert look_interval(0, 5_000) == look_interval(0, 6) == 100
    assert look_interval(7, 50_000) == 7
    assert look_interval(-1, 50_000) == 0
    with pytest.raises(UsageError, match="watch must be -1"):
        Settings(watch=-2)
    assert "watch" in SAFE, "a resumed run may be watched in another way"


def game_of(**nets: nn.Module) -> tuple[Game, State]:
    project = {name: power_iteration(net) for name, net in nets.items() if name == "SN"}
    players = {name: Player((name,), lambda n, b, m: {}) for name in nets}
    game = Game(dict(nets), {name: adam(1e-3) for name in nets}, players, project=project)
    return game, start(game)


def test_every_matrix_counts_as_it_is_trained() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(7, 5), nn.BatchNorm1d(5), nn.Embedding(4, 6))
    game, state = game_of(A=plain, B=nn.ConvTranspose2d(2, 3, 2), SN=spectral_norm(nn.Linear(9, 4)))
    found = matrices(game, state)
    shapes = {name: tuple(matrix.shape) for name, matrix in found.items()}
    assert shapes == {"A/0": (5, 7), "A/2": (4, 6), "B/weight": (3, 8), "SN/weight": (4, 9)}
    seen = Eyes(0).look(game, state)
    raw = torch.linalg.svdvals(state.weights["SN"]["weight"].double())[:3].tolist()
    assert seen["sigma"]["SN/weight"] == pytest.approx(raw, rel=0.01)
    assert raw[0] != pytest.approx(1, rel=0.1)


def test_eyes_leave_randomness_alone_and_follow_a_net_that_is_exchanged() -> None:
    eyes, before = Eyes(0), torch.get_rng_state()
    for width in (5, 9):  # a later phase of a run may have other shapes
        torch.manual_seed(width)
        game, state = game_of(A=nn.Linear(width, 4))
        before = torch.get_rng_state()
        expected = torch.linalg.svdvals(state.weights["A"]["weight"])[:3].tolist()
        assert eyes.look(game, state)["sigma"]["A/weight"] == pytest.approx(expected, rel=0.01)
        assert torch.equal(torch.get_rng_state(), before)


def test_weights_that_are_not_finite_are_written_as_json() -> None:
    game, state = game_of(A=nn.Linear(3, 2), B=nn.Linear(3, 2))
    with torch.no_grad():
        state.weights["A"]["weight"][0, 0] = torch.inf
    seen = json.loads(json.dumps(Eyes(0).look(game, state), allow_nan=False))
    assert seen["sigma"]["A/weight"] == [None, None]
    assert seen["orthogonality"]["A/weight"] is None
    assert None not in seen["sigma"]["B/weight"]


def test_variety_by_hand() -> None:
    square = torch.tensor([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]])  # variance 4/3 in each direction
    assert deviation(square) == pytest.approx(math.sqrt(4 / 3))
    assert gaps(square).tolist() == pytest.approx([math.sqrt(2)] * 4)  # 2 away in one of two directions
    real = Reference.of(square)
    assert real == pytest.approx((math.sqrt(4 / 3), math.sqrt(2)))
    # Two of four are 0.1 apart, less than a tenth of what is usual; the others are 1 and more apart.
    points = torch.tensor([[0.0, 0.0], [0.1, 0.0], [1.1, 0.0], [1.1, 1.0]])
    seen = variety(points, real)
    variance = (points[:, 0].var() + points[:, 1].var()) / 2
    assert seen["spread"] == pytest.approx(math.sqrt(variance / (4 / 3)), rel=1e-4)
    assert (seen["samples"], seen["repeats"]) == (4, 0.5)


class Heard(Display):
    """Remembers what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def watch_at(path: Path, **settings: Any) -> tuple[Watch, Heard]:
    setup = build("gan", {"steps": 1000, "width": 8}, Settings(data="ring", **settings))
    path.mkdir(exist_ok=True)
    heard = Heard()
    return Watch(setup, RunFolder(path), heard), heard


MISSING = {"name": "modes", "value": 1.0, "protocol": {}, "details": {"a": 500.0, "b": 0.0}}


def test_an_alarm_is_said_once_and_remembered(tmp_path: Path) -> None:
    watch, heard = watch_at(tmp_path / "run")
    for step in (800, 900):
        watch.add_scores(step, [MISSING])
    assert len(heard.said) == 1
    assert heard.said[0].startswith("alarm at step 800: missing modes (since step 800): 1 of 2 modes")
    assert "To try: " in heard.said[0]
    (row,) = list(Rows(watch.folder.alarms))
    assert (row["step"], row["name"], row["since"]) == (800, "missing modes", 800)
    again, heard = watch_at(tmp_path / "run")
    again.recall()
    again.add_scores(1000, [MISSING])
    assert heard.said == []
    off, heard = watch_at(tmp_path / "off", watch=-1)
    off.add_scores(1000, [MISSING])
    assert heard.said == []


def test_the_log_is_judged_at_looks_from_its_beginning_even_after_a_resume(tmp_path: Path) -> None:
    watch, _ = watch_at(tmp_path / "run")
    losses = [{"D/adv": 2.0, "G/adv": 0.001}] * 5 + [{"D/adv": 0.001, "G/adv": 0.001}] * 100
    rows = [{"step": i, "losses": row} for i, row in enumerate(losses, 1)]
    watch.folder.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows[:60]))
    again, heard = watch_at(tmp_path / "run")
    again.recall()
    for row in rows[60:]:
        again.log(row["step"], row["losses"])
    game = again.setup.recipe.phases[0].game
    again.look(200, game, start(game))
    assert len(heard.said) == 1
    assert "D is saturated (since step 56)" in heard.said[0]


def test_spikes_and_lost_variety_reach_the_alarm(tmp_path: Path) -> None:
    watch, heard = watch_at(tmp_path / "run")
    game = watch.setup.recipe.phases[0].game
    state = start(game)
    larger = state._replace(weights={n: {k: 5 * w for k, w in ws.items()} for n, ws in state.weights.items()})
    for i in range(alarm.RECENT + alarm.CONFIRMED):
        watch.look(100 * i, game, state if i < alarm.RECENT else larger)
    assert "singular values spike (since step 1,000)" in heard.said[0]
    circle = torch.linspace(0, 6, 500)
    for step in range(500, 1000, 100):
        watch.picture(step, torch.stack([circle.cos(), circle.sin()], 1) if step < 700 else torch.zeros(500, 2))
    assert ["variety" in line or "repeated" in line for line in heard.said] == [False, True, True]
    watch.picture(1000, torch.full((500, 2), math.nan))
    assert list(Rows(watch.folder.variety))[-1]["step"] == 900


def test_a_step_is_looked_at_once(tmp_path: Path) -> None:
    watch, _ = watch_at(tmp_path / "run")
    game = watch.setup.recipe.phases[0].game
    state = start(game)
    for _ in range(2):
        watch.look(100, game, state)
        watch.picture(100, torch.randn(50, 2))
    assert len(list(Rows(watch.folder.spectra))) == len(list(Rows(watch.folder.variety))) == 1
    assert [watch.due(step) for step in (99, 100, 200)] == [False, True, True]
    recipe = replace(watch.setup.recipe, generator="D")
    assert Watch(replace(watch.setup, recipe=recipe), watch.folder, Display())._critics(game) == ["G"]
