"""From Python: functions, values, recipes of packages, data of one's own; what a run is, and how it goes on."""

import importlib.metadata
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import zerosum as zs
from zerosum import own, registry
from zerosum.cli.main import run as run_verb
from zerosum.errors import DataError, UsageError
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


# Data of one's own.


def pictures(n: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3), np.uint8)


IMAGES: dict[str, Any] = {"width": 4, "kernel": 4, "latent": 4, "batch_size": 4, "steps": 2, "eval_every": 0}


@pytest.mark.parametrize(
    "give",
    [
        lambda x: x,
        lambda x: torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255,
        lambda x: TensorDataset(torch.from_numpy(x).permute(0, 3, 1, 2)),
        lambda x: zs.data.load(x),
    ],
)
def test_images_of_any_form_are_trained_on_and_the_run_goes_on_with_the_same(
    tmp_path: Path, give: Callable[[np.ndarray], Any]
) -> None:
    data = give(pictures())
    run = zs.train("dcgan", data=data, out=str(tmp_path / "run"), **IMAGES, **FEW)
    assert run.record["data"]["given"] is True
    assert run.generator.sample(5, seed=1).shape == (5, 3, 16, 16)
    assert zs.load(run.path).sample(5, seed=1).equal(run.sample(5, seed=1))  # needs no data
    with pytest.raises(UsageError, match=r"given in Python \(.*\): give them again, as data="):
        zs.resume(run.path, steps=3)
    with pytest.raises(UsageError, match="content has changed"):
        zs.resume(run.path, data=pictures()[::-1], steps=3, progress=False)
    assert zs.resume(run.path, data=give(pictures()), steps=3, progress=False).outcome.step == 3
    assert zs.resume(run, steps=4, progress=False).outcome.step == 4  # the run holds them


def test_a_resumed_run_on_arrays_is_the_run_that_never_stopped(tmp_path: Path) -> None:
    whole = zs.train("dcgan", data=pictures(), out=str(tmp_path / "a"), **{**IMAGES, "steps": 5}, **FEW)
    part = zs.train("dcgan", data=pictures(), out=str(tmp_path / "b"), **{**IMAGES, "steps": 5, "save_every": 2}, **FEW)
    (tmp_path / "b" / "state" / "step-000000005").rename(tmp_path / "gone")
    again = zs.resume(part.path, data=torch.from_numpy(pictures()).permute(0, 3, 1, 2), progress=False)
    assert again.outcome.step == 5
    for name, network in whole.networks.items():
        for key, tensor in network.state_dict().items():
            assert again.networks[name].state_dict()[key].equal(tensor), key


def test_labels_beside_arrays_are_classes(tmp_path: Path) -> None:
    labels = np.array(["cat", "dog", "cow"] * 4)
    run = zs.train("cgan", data=pictures(), labels=labels, out=str(tmp_path / "run"), **IMAGES, **FEW)
    assert run.generator.names == ("cat", "cow", "dog")
    assert run.generator.sample(4, classes=["dog", 0]).shape == (4, 3, 16, 16)
    assert run.sample(2, classes="cow").equal(run.sample(2, classes=1))
    assert zs.load(run.path).sample(2, classes="cow").equal(run.sample(2, classes=1))
    with pytest.raises(UsageError, match=r"no class 'caw'. Did you mean 'cow'\? Classes: cat, cow, dog"):
        run.sample(2, classes="caw")
    with pytest.raises(UsageError, match="no class 3: they are numbered from 0 to 2"):
        run.sample(2, classes=3)
    with pytest.raises(DataError, match="labels"):
        zs.train("cgan", data=pictures(), labels=labels[:-1])
    with pytest.raises(DataError, match="has its own"):
        zs.train("cgan", data="fashion-mini", labels=labels)


def test_points_of_ones_own_are_trained_on(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(50, 2))
    run = zs.train("gan", data=points, out=str(tmp_path / "run"), **TINY, **FEW)
    assert run.sample(3).shape == (3, 2)
    assert run_verb(["sample", str(run.path), "--out", str(tmp_path / "x.png")]) == 0


def test_a_name_is_a_source_and_a_path_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for i, image in enumerate(pictures()):
        Image.fromarray(image).save(tmp_path / "photos" / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    run = zs.train("dcgan", data="photos/", size=16, out="run", **IMAGES, **FEW)
    assert run.record["settings"]["data"].startswith("folder:photos")
    assert run.record["data"]["given"] is False
    assert zs.resume("run", steps=3, progress=False).outcome.step == 3


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


# The namespace.


def test_everything_public_is_there() -> None:
    assert dir(zs) == sorted(zs.__all__)
    assert all(getattr(zs, name) is not None for name in zs.__all__)
    wanted = (
        "train load resume evaluate compare data Game Player Recipe adam objectives penalties networks conditioning"
    )
    assert set(wanted.split()) <= set(dir(zs))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        zs.nothing  # noqa: B018
    from zerosum.systems import two_player

    assert zs.two_player is two_player


def test_no_name_is_that_of_a_module_as_well() -> None:
    """A module that is imported becomes an attribute of the package, and would take the place of the name."""
    folder = Path(zs.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    spaces = {
        "conditioning",
        "constraints",
        "data",
        "latent",
        "metrics",
        "networks",
        "objectives",
        "penalties",
        "theory",
    }
    assert modules & set(zs.__all__) == spaces


def test_importing_zerosum_imports_nothing_heavy() -> None:
    code = "import sys, zerosum; dir(zerosum); assert not {'torch', 'numpy', 'PIL', 'tyro'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
