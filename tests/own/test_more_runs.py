"""Runs of recipes of one's own: texts that are compared, what a resumed run records, columns, and who is believed."""

import importlib.metadata
import json
import shutil
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_texts import MINE

import zerosum as zs
from zerosum import own, registry
from zerosum.cli.main import run as run_verb
from zerosum.errors import CheckpointError, UsageError
from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.runs import evaluation, source
from zerosum.runs.loop import Training
from zerosum.runs.settings import Settings
from zerosum.runs.setup import build

FEW: dict[str, Any] = {"sample_every": 9, "watch": -1, "precision": "float32", "progress": False}
TINY = {"width": 4, "latent": 2, "batch_size": 4, "steps": 2}
GAN = "from zerosum.recipes.gan import recipe as gan\n"
BODY = (
    "def recipe(data, *, width=4, steps=2):\n    return gan(data, width=width, latent=2, batch_size=4, steps=steps)\n"
)


def kept(file: Path, folder: RunFolder) -> dict[str, Any]:
    """What a run's record says of the recipe in a file, whose texts are put into the run's folder."""
    page = registry.page(file)
    return {"recipe": page.name, **source.keep(folder, page)}


# Texts that are compared.


def test_a_long_difference_is_cut(tmp_path: Path) -> None:
    file, folder = tmp_path / "gan.py", RunFolder(tmp_path / "run")
    file.write_text(GAN + BODY)
    record = kept(file, folder)
    file.write_text(GAN + BODY + "".join(f"x{i} = {i}\n" for i in range(60)))
    with pytest.raises(UsageError, match=r"\n\.\.\. and \d+ more lines$") as caught:
        source.page_of(folder, record, goes_on=True)
    assert "x9 = 9" in str(caught.value)
    assert "x59 = 59" not in str(caught.value)


def test_a_short_difference_says_how_to_use_the_copy(mine: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    record = kept(mine, folder)
    mine.write_text(mine.read_text() + "x = 1\n")
    with pytest.raises(UsageError, match=r"or move it away, and the copy in .*source is used") as caught:
        source.page_of(folder, record, goes_on=True)
    assert "more lines" not in str(caught.value)
    assert source.page_of(folder, record).name == "mine"  # to be looked at only
    with pytest.raises(UsageError, match="recipe=") as caught:
        source.page_of(folder, record, str(mine))
    assert "move it away" not in str(caught.value)


def test_what_is_gone_from_beside_the_file_is_taken_from_the_copy(mine: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    record = kept(mine, folder)
    nets = mine.parent / "parts" / "nets.py"
    nets.unlink()
    assert source.page_of(folder, record, goes_on=True).name == "mine"
    nets.write_text("x = 1\n")
    with pytest.raises(UsageError, match=r"nets\.py \(now\)"):
        source.page_of(folder, record, goes_on=True)
    mine.unlink()  # what lies beside a file that is gone is another project's
    assert source.page_of(folder, record, goes_on=True).name == "mine"


def test_a_file_may_be_called_otherwise_when_it_is_given_again(mine: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    record = kept(mine, folder)
    moved = shutil.copytree(mine.parent, tmp_path / "moved") / "renamed.py"
    (tmp_path / "moved" / mine.name).rename(moved)
    assert source.page_of(folder, record, moved).name == "mine"
    moved.write_text(moved.read_text() + "x = 1\n")
    with pytest.raises(UsageError, match="recipe=mine is not what"):
        source.page_of(folder, record, moved)


@pytest.mark.parametrize("name", ["/etc/hostname", "parts/../../../x.py"])
def test_names_of_texts_stay_in_the_run_s_folder(mine: Path, tmp_path: Path, name: str) -> None:
    folder = RunFolder(tmp_path / "run")
    record = kept(mine, folder)
    record["source"]["files"][name] = "0" * 64
    with pytest.raises(UsageError, match="does not lie in the run's folder"):
        source.page_of(folder, record)


def test_a_finished_recipe_does_not_stand_for_a_file(mine: Path, tmp_path: Path) -> None:
    """It has no text that could be compared."""
    folder = RunFolder(tmp_path / "run")
    record = kept(mine, folder)
    value = registry.page(mine).function(zs.data.load("ring"))
    with pytest.raises(UsageError, match="recipe=recipe is not what"):
        source.page_of(folder, record, value)


# Recipes of packages.


def test_packages_that_register_one_name_are_both_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [EntryPoint("shared", f"{name}:recipe", own.GROUP) for name in ("onegans.a", "twogans.b")]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: points)
    with pytest.raises(UsageError, match=r"there are 2 recipes 'shared': .*onegans\.a:recipe.*twogans\.b:recipe"):
        registry.page("shared")
    with pytest.raises(UsageError, match=r"no recipe 'shareb'\. Did you mean 'shared'"):
        registry.page("shareb")
    assert run_verb(["recipes"]) == 0
    assert "shared: of unknown and of unknown" in capsys.readouterr().out
    assert run_verb(["recipes", "shared"]) == 2


def test_a_package_s_recipe_of_our_name_is_not_shown_as_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(own, "installed", lambda: {"gan": (EntryPoint("gan", "theirs:recipe", own.GROUP),)})
    assert run_verb(["recipes", "gan"]) == 2
    assert "there are 2 recipes 'gan'" in capsys.readouterr().err


def test_any_error_of_a_package_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "wronggans.py").write_text("1 / 0\n")
    with pytest.raises(UsageError, match=r"wronggans cannot be imported \(ZeroDivisionError"):
        registry.page("wronggans:recipe")


# What a run records, and when.


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> zs.Run:
    return zs.train("gan", data="ring", out=str(tmp_path_factory.mktemp("runs") / "run"), **TINY, **FEW)


@pytest.fixture
def run(trained: zs.Run, tmp_path: Path) -> zs.Run:
    """A copy to write in."""
    return zs.load(shutil.copytree(trained.path, tmp_path / "run"))


def test_what_is_changed_is_recorded_and_auto_is_not(run: zs.Run) -> None:
    settings = run.record["settings"]
    assert (settings["precision"], settings["compile"]) == ("float32", "off")
    again = zs.resume(run.path, steps=3, log_every=1, progress=False)
    assert again.record["arguments"]["steps"] == 3
    assert again.record["settings"]["log_every"] == 1
    assert {key: again.record[key] for key in ("data", "command", "versions")} == {
        key: run.record[key] for key in ("data", "command", "versions")
    }
    assert again.losses["step"][-1] == 3


def test_a_run_that_cannot_go_on_is_left_as_it_was(run: zs.Run) -> None:
    before = run.folder.record_file.read_bytes()
    tensors = run.folder.latest() / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:100])
    with pytest.raises(CheckpointError):
        zs.resume(run.path, steps=5, progress=False)
    assert run.folder.record_file.read_bytes() == before
    assert run.folder.latest().is_dir()


def test_a_checkpoint_is_read_when_nobody_else_can_write_one(run: zs.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    held, restore = [], Training.restore

    def watched(self: Training) -> Any:
        held.append(run.folder.is_held())
        return restore(self)

    monkeypatch.setattr(Training, "restore", watched)
    zs.resume(run.path, steps=3, progress=False)
    assert held == [True]


def test_a_change_that_there_is_not_is_refused_with_the_nearest(run: zs.Run) -> None:
    with pytest.raises(UsageError, match=r"'gan' has no argument or setting 'stepz'\. Did you mean 'steps'"):
        zs.resume(run.path, stepz=5)


def test_without_scores_no_checkpoint_is_the_best(run: zs.Run) -> None:
    (run.folder.best_file).unlink(missing_ok=True)
    with pytest.raises(UsageError, match="no checkpoint was scored during training"):
        zs.load(run.path, best=True).sample(1)


def test_scores_are_in_order_and_the_newest_counts(run: zs.Run) -> None:
    run.folder.scores.unlink(missing_ok=True)
    rows = [(4, "a", 1.0), (2, "a", 2.0), (4, "a", 3.0), (4, "b", 0.0)]
    Rows(run.folder.scores).append(*({"step": s, "score": {"name": n, "value": v}} for s, n, v in rows))
    scores = run.scores
    assert (scores["step"], scores["a"], scores["b"][1]) == ([2, 4], [2.0, 3.0], 0.0)
    assert scores["b"][0] != scores["b"][0]  # NaN: not measured


def test_a_run_is_scored_against_its_own_data_unless_others_are_named(
    run: zs.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "evaluate", lambda run, **how: how)
    assert run.evaluate() == {}
    held = zs.Run(run.path, data=zs.data.load("ring"))
    assert held.evaluate()["against"] is held._data
    assert held.evaluate(against="grid") == {"against": "grid"}


# What a recipe makes.


def averaged(data: zs.data.Data, *, width: int = 4) -> zs.Recipe:
    game = registry.find("gan")(data, **TINY).phases[0].game
    made = zs.Game(game.nets, game.opts, game.players, average={"G": lambda k: 0.5})
    return zs.system(made, latent=zs.normal(2), batch_size=4, steps=2)


@pytest.mark.parametrize(("ema", "names"), [(None, {"G"}), (0.0, set()), (0.9, {"G"})])
def test_a_setting_replaces_the_recipe_s_own_average(ema: float | None, names: set[str]) -> None:
    setup = build(registry.page(averaged), {}, Settings(data="ring", ema=ema))
    assert setup.recipe.phases[0].game.average.keys() == names


@pytest.mark.parametrize("words", [{"steps": 0}, {"batch_size": 0}])
def test_something_has_to_be_trained(words: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=r"(steps|batch_size)=0: must be at least 1"):
        build("gan", words, Settings(data="ring"))


@pytest.mark.parametrize(
    "wrong", ["nn.Linear(2, 2)(torch.zeros(3))", "zs.networks.mlp.Generator('a', (1,), (2,))", "torch.zeros(2).no()"]
)
def test_an_error_that_a_recipe_causes_elsewhere_is_at_its_own_line(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "gan.py").write_text(
        f"import torch, zerosum as zs\nfrom torch import nn\ndef recipe(data):\n    return {wrong}\n"
    )
    with pytest.raises(UsageError, match=r"on ring: gan\.py, line 4: \w+Error: "):
        build(registry.page(tmp_path / "gan.py"), {}, Settings(data="ring"))


def test_the_copy_in_a_run_is_opened_under_the_name_of_the_run(mine: Path, tmp_path: Path) -> None:
    both = mine.with_name("both.py")
    both.write_text(MINE.format(networks="parts.nets") + "\n\n@zs.recipe\ndef an_other(data): ...\n")
    folder = RunFolder(tmp_path / "run")
    page = registry.page(f"{both}:mine")
    record = {"recipe": page.name, **source.keep(folder, page)}
    assert json.loads(json.dumps(record)) == record
    assert source.page_of(folder, record).name == source.page_of(folder, record, goes_on=True).name == "mine"


# Generators that are called with real samples, as those that complete images are.


def completing(data: zs.data.Data, *, steps: int = 2) -> zs.Recipe:
    """Latents are parts of real samples."""
    G, D = zs.networks.mlp.Generator(2, (4,), data.shape), zs.networks.mlp.Critic(data.shape, (4,))
    return zs.two_player(
        G,
        D,
        lambda n, b, m: {"adv": zs.objectives.wasserstein.d(n.D(b.x), n.D(n.G(b.z)))},
        lambda n, b, m: {"adv": zs.objectives.wasserstein.g(None, n.D(n.G(b.z)))},
        opt=zs.adam(1e-3),
        latent=lambda n, rng: data.batch(0, n, seed=0)[0].flatten(1)[:, :2],
        batch_size=4,
        steps=steps,
    )


def test_data_that_only_python_holds_are_asked_for_when_samples_need_them(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(50, 2))
    run = zs.train(completing, data=points, out=str(tmp_path / "run"), **FEW)
    assert run.sample(3).shape == (3, 2)  # the run holds them
    with pytest.raises(UsageError, match=r"the run needs its data, which were given in Python \(.*\): give them again"):
        zs.load(run.path).sample(3)


def test_data_that_have_changed_are_not_sampled_from(tmp_path: Path) -> None:
    file, pixels = tmp_path / "x.npz", np.random.default_rng(0).integers(0, 256, (80, 16, 16, 3), np.uint8)
    np.savez(file, images=pixels)
    run = zs.train(completing, data=str(file), out=str(tmp_path / "run"), **FEW)
    assert zs.load(run.path).sample(3).equal(run.sample(3))
    np.savez(file, images=pixels[::-1])
    with pytest.raises(UsageError, match="is not what the run was trained on: its content has changed"):
        zs.load(run.path).sample(3)


def test_a_recipe_of_a_package_keeps_the_name_under_which_it_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "morethings.py").write_text(GAN + BODY)
    points = [EntryPoint("their-gan", "morethings:recipe", own.GROUP)]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: points)
    page, folder = registry.page("their-gan"), RunFolder(tmp_path / "run")
    record = {"recipe": page.name, **source.keep(folder, page)}
    assert source.page_of(folder, record).name == page.name == "their-gan"
