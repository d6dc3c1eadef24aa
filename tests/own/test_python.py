"""From Python: functions, values, recipes of packages; what a run is, how it goes on, and what goes wrong."""

import importlib.metadata
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import zerosum as zs
from zerosum import own, registry
from zerosum.cli.main import run as run_verb
from zerosum.errors import UsageError
from zerosum.runs.loop import Stop

FEW: dict[str, Any] = {"sample_every": 9, "watch": -1, "precision": "float32", "progress": False}
TINY = {"width": 4, "latent": 2, "batch_size": 4, "steps": 2}


@zs.recipe
def plain(data: zs.data.Data, *, width: int = 4, steps: int = 2) -> zs.Recipe:
    """A plain one."""
    return two(width, steps)


def two(width: int, steps: int) -> zs.Recipe:
    generator = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 2))
    critic = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 1), nn.Flatten(0))

    def d_loss(n: zs.Nets, b: zs.Batch, m: zs.Memory) -> zs.Terms:
        return {"adv": zs.objectives.wasserstein.d(n.D(b.x), n.D(n.G(b.z)))}

    def g_loss(n: zs.Nets, b: zs.Batch, m: zs.Memory) -> zs.Terms:
        return {"adv": zs.objectives.wasserstein.g(None, n.D(n.G(b.z)))}

    return zs.two_player(generator, critic, d_loss, g_loss, opt=zs.adam(1e-3), latent=zs.normal(3), steps=steps)


# What a recipe can be.


def test_a_function_of_a_file_can_be_opened_in_another_process(tmp_path: Path) -> None:
    run = zs.train(plain, data="ring", out=str(tmp_path / "run"), width=5, **FEW)
    assert run.record["recipe"] == "plain"
    assert run.record["source"]["kind"] == "file"
    assert run.record["command"] == (
        f"zerosum.train({__file__!r}, width=5, data='ring', out={str(tmp_path / 'run')!r}, precision='float32', "
        "sample_every=9, watch=-1)"
    )
    done = subprocess.run([sys.executable, "-m", "zerosum", "sample", run.path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_function_inside_another_is_one_of_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def inner(data: Any, *, width: int = 4) -> zs.Recipe:
        return two(width, 2)

    run = zs.train(inner, data="ring", out=str(tmp_path / "run"), **FEW)
    assert run.record["source"]["kind"] == "session"
    assert "def inner(data" in (run.path / "source" / "inner.py").read_text()
    assert run.sample(3).shape == (3, 2)
    assert zs.load(run.path).sample(3).equal(run.sample(3))  # the session knows it
    monkeypatch.setattr(own, "_session", {})  # another session
    with pytest.raises(UsageError, match=r"the function 'inner' of a Python session.*recipe=inner\)"):
        zs.load(run.path).sample(3)
    assert run_verb(["sample", str(run.path)]) == 2
    assert zs.load(run.path, recipe=inner).sample(3).equal(run.sample(3))

    def other(data: Any, *, width: int = 4) -> zs.Recipe:
        return two(width + 1, 2)

    with pytest.raises(UsageError, match=r"recipe=other is not what .* was trained with"):
        zs.resume(run.path, recipe=other, progress=False)


def test_a_finished_recipe_is_trained_as_it_is(tmp_path: Path) -> None:
    value = two(4, 2)
    run = zs.train(value, data="ring", out=str(tmp_path / "run"), **FEW)
    assert run.sample(3).shape == (3, 2)
    assert run.record["arguments"] == {}
    with pytest.raises(UsageError, match=r"a Recipe of a Python session.*give it again"):
        zs.load(run.path).sample(3)
    assert zs.load(run.path, recipe=value).sample(3).equal(run.sample(3))
    assert zs.resume(run, progress=False).outcome.finished
    with pytest.raises(UsageError, match="recipe 'recipe' has no argument 'width'"):
        zs.train(value, data="ring", width=3)


def test_recipes_of_zerosum_can_be_given_as_functions(tmp_path: Path) -> None:
    from zerosum.recipes import gan

    page = registry.page(gan.recipe)
    assert (page.name, page.origin) == ("gan", None)
    assert "source" not in zs.train(gan.recipe, data="ring", out=str(tmp_path / "run"), **TINY, **FEW).record


@pytest.mark.parametrize("wrong", [3, None, nn.Linear, ["gan"], {}])
def test_anything_else_is_no_recipe(wrong: Any) -> None:
    with pytest.raises(UsageError, match="recipe"):
        zs.train(wrong, data="ring")


def test_a_recipe_is_checked_where_it_is_marked() -> None:
    with pytest.raises(UsageError, match="must take the data first"):
        zs.recipe(lambda *, lr=1: None)
    with pytest.raises(UsageError, match="a recipe is a function of the data"):
        zs.recipe(nn.Linear)  # type: ignore[type-var]


class Package:
    """A package that registers recipes, on the path of Python."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.syspath_prepend(str(folder))

    def install(self, name: str, points: dict[str, str], module: str, text: str) -> None:
        meta = self.folder / f"{name}-1.2.dist-info"
        meta.mkdir()
        (meta / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = "\n".join(f"{point} = {target}" for point, target in points.items())
        (meta / "entry_points.txt").write_text(f"[zerosum.recipes]\n{lines}\n")
        (self.folder / module).parent.mkdir(exist_ok=True)
        (self.folder / module).write_text(text)
        importlib.invalidate_caches()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    return Package(tmp_path, monkeypatch)


PAGE = '"""Theirs."""\nfrom zerosum.recipes.gan import recipe as gan\ndef recipe(data, *, width=4, steps=2):\n'
PAGE += "    return gan(data, width=width, latent=2, batch_size=4, steps=steps)\n"


def test_packages_register_recipes(package: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package.install("theirgans", {"their-gan": "theirgans.gan:recipe"}, "theirgans/gan.py", PAGE)
    assert run_verb(["train", "--help"]) == 0
    assert "their-gan of theirgans 1.2" in " ".join(capsys.readouterr().out.split())
    assert run_verb(["recipes"]) == 0
    assert "their-gan" in capsys.readouterr().out
    assert run_verb(["recipes", "their-gan"]) == 0
    assert "Theirs." in capsys.readouterr().out
    run = zs.train("their-gan", data="ring", out=str(tmp_path / "run"), **FEW)
    assert run.record["source"]["package"] == "theirgans 1.2"
    assert zs.load(run.path).sample(2).shape == (2, 2)
    # Another version is another recipe.
    (tmp_path / "run" / "source" / "gan.py").read_text()
    file = tmp_path / "theirgans" / "gan.py"
    file.write_text(PAGE.replace("latent=2", "latent=3 "))
    for name in [name for name in sys.modules if name.startswith("theirgans")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    with pytest.raises(UsageError, match=r"theirgans 1\.2 is not what .* was trained with"):
        zs.load(run.path).sample(2)


def test_recipes_of_one_name_are_not_mixed_up(package: Package) -> None:
    package.install("mygans", {"gan": "mygans.one:recipe"}, "mygans/one.py", PAGE)
    with pytest.raises(UsageError, match=r"there are 2 recipes 'gan': of zerosum \(gan\) and of mygans 1\.2"):
        registry.page("gan")
    assert registry.page("mygans.one:recipe").text == "Theirs."
    assert registry.page("zerosum.recipes.gan:recipe").origin is None


def test_a_package_that_cannot_be_imported_is_named(package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    package.install("brokengans", {"broken": "brokengans.one:recipe"}, "brokengans/one.py", "import nothing_here\n")
    assert run_verb(["train", "broken", "ring"]) == 2
    assert "recipe 'broken' of package brokengans 1.2" in capsys.readouterr().err
    assert run_verb(["recipes"]) == 0  # the others are listed all the same


# What a run is.


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> zs.Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    words = {**TINY, "steps": 6, "eval_every": 3, "save_every": 2, "keep": 0, "log_every": 2}
    return zs.train("gan", data="ring", out=str(out), **words, **FEW)


def test_losses_and_scores_are_columns(run: zs.Run) -> None:
    assert run.losses["step"] == [2, 4, 6]
    assert len(run.losses["D/adv"]) == 3
    assert run.scores["step"] == [3, 6]
    assert {"modes", "high_quality"} < run.scores.keys()
    assert {len(column) for column in (*run.losses.values(), *run.scores.values())} == {2, 3}
    assert all(math.isfinite(value) for value in run.losses["G/adv"])
    assert run.report.read_text().startswith("<!doctype html>") or run.report.exists()


def test_columns_make_a_data_frame(run: zs.Run) -> None:
    pandas = pytest.importorskip("pandas")
    assert list(pandas.DataFrame(run.losses)["step"]) == [2, 4, 6]


def test_a_run_says_what_it_is(run: zs.Run) -> None:
    assert repr(run).startswith(f"<Run {run.path}: gan on ring, step 6, modes ")
    page = run._repr_html_()
    assert "data:image/png;base64," in page
    assert "<svg" in page
    assert "modes" in page


def test_the_generator_is_a_plain_module_too(run: zs.Run) -> None:
    module = run.generator.module
    assert type(module).__mro__[-2] is not object
    assert isinstance(module, nn.Module)
    assert not module.training
    (z,) = run.generator.latents(0, 5)
    assert module(z).equal(run.sample(5))
    module(z).sum().backward()  # it can be trained further
    with torch.no_grad():
        next(module.parameters()).zero_()
    assert not run.generator.module(z).equal(module(z))  # the run's own is untouched
    assert run.sample(5, seed=3).equal(run.generator.with_seed(3)(0, 5))
    assert not run.sample(5, seed=3).equal(run.sample(5))
    assert run.sample(5, truncation=0.1).equal(run.generator.truncated(0.1)(0, 5))
    with pytest.raises(UsageError, match="n=0: must be at least 1"):
        run.sample(0)
    with pytest.raises(UsageError, match="does not take a class"):
        run.sample(2, classes=1)


def test_networks_are_those_of_the_checkpoint(run: zs.Run) -> None:
    assert run.networks.keys() == {"G", "D"}
    z = run.generator.latents(0, 4)
    assert run.networks["G"](*z).equal(run.generator.module(*z))  # no running average here
    assert run.networks["D"](run.sample(4)).shape == (4,)


def test_a_checkpoint_can_be_chosen(run: zs.Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert zs.load(run.path, step=2).step == 2
    assert not zs.load(run.path, step=2).sample(3).equal(run.sample(3))
    assert zs.load(run.path, best=True).step in (3, 6)
    with pytest.raises(UsageError, match=r"step=5: .* has no checkpoint of that step; it has 2, 3, 4, 6"):
        zs.load(run.path, step=5).sample(1)
    with pytest.raises(UsageError, match="name a step or ask for the best checkpoint, not both"):
        zs.load(run.path, step=2, best=True).sample(1)
    assert run_verb(["sample", str(run.path), "--step", "2"]) == 0
    assert "samples-step2-seed0.png" in capsys.readouterr().out
    assert run_verb(["sample", str(run.path), "--step", "5"]) == 2
    assert "--step 5: " in capsys.readouterr().err


def test_a_run_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run"):
        zs.load(tmp_path / "nowhere")


def test_a_run_without_losses_is_shown_all_the_same(run: zs.Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run.path, tmp_path / "copy")
    for file in ("metrics.jsonl", "scores.jsonl"):
        (tmp_path / "copy" / file).unlink()
    shutil.rmtree(tmp_path / "copy" / "samples")
    bare = zs.load(tmp_path / "copy")
    assert (bare.losses, bare.scores) == ({"step": []}, {"step": []})
    assert "not trained yet" in repr(bare)
    assert "gan" in bare._repr_html_()


# What goes wrong.


def test_a_run_that_fails_before_it_learns_leaves_no_folder(tmp_path: Path) -> None:
    def bad(data: Any) -> zs.Recipe:
        made = two(4, 2)
        game = made.phases[0].game
        player = zs.Player(("D",), lambda n, b, m: {"x": n.D(b.x).no_such_thing()})
        return zs.system(zs.Game(game.nets, game.opts, {"D": player}), latent=zs.normal(3), steps=2)

    with pytest.raises(zs.UsageError, match="no_such_thing"):
        zs.train(bad, data="ring", out=str(tmp_path / "run"), **FEW)
    assert not (tmp_path / "run").exists()


def test_ctrl_c_saves_and_is_passed_on(tmp_path: Path) -> None:
    code = f"""
import os, signal, threading, time
import zerosum as zs
from pathlib import Path
out = Path({str(tmp_path / "run")!r})
def interrupt():
    while not list(out.glob("state/step-*")):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
try:
    zs.train("gan", data="ring", out=str(out), steps=10**6, width=4, latent=2, batch_size=4, save_every=20, watch=-1)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "interrupted\n", done.stderr
    assert "saved in" in done.stderr
    step = zs.load(tmp_path / "run").step
    assert f"stopped after {step:,} steps" in done.stderr


def test_a_stop_of_ones_own_ends_a_run_quietly(tmp_path: Path) -> None:
    stop = Stop()
    stop.asked = True
    run = zs.train("gan", data="ring", out=str(tmp_path / "run"), stop=stop, **{**TINY, "steps": 500}, **FEW)
    assert (run.outcome.step, run.outcome.finished) == (1, False)


def test_where_a_run_is_is_said_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zs.train("gan", data="ring", out=str(tmp_path / "run"), **TINY, **{**FEW, "progress": True})
    assert capsys.readouterr().err.splitlines()[0] == f"gan on ring: {tmp_path / 'run'}"
