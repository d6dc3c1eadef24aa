"""The front door: seven things that must run, in no more lines than stand here."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

import zerosum as zs

TINY = {"sample_every": 9, "watch": -1, "progress": False}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos, fakes, and a run."""
    rng = np.random.default_rng(0)
    for name in ("photos", "fakes"):
        (tmp_path / name).mkdir()
        for i in range(12):
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(tmp_path / name / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_1_by_name_on_a_folder(here: Path) -> None:
    tiny = {**TINY, "width": 4, "latent": 4, "batch_size": 4, "n_critic": 1}
    run = zs.train("wgan-gp", data="photos/", size=32, steps=2, **tiny)
    assert run.path == Path("runs/wgan-gp-folder-photos-1")


def test_2_own_arrays_with_labels(here: Path) -> None:
    images, y = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8), np.arange(40) % 2
    run = zs.train("cgan", data=images, labels=y, width=4, kernel=4, batch_size=4, steps=2, **TINY)
    assert run.generator.labelled


def test_3_what_a_run_is(here: Path) -> None:
    pandas = pytest.importorskip("pandas")
    images = zs.data.load("fashion-mini").pixels[::50]
    run = zs.train("dcgan", data=images, width=4, kernel=4, batch_size=8, steps=2, **TINY)
    x = run.generator.sample(64, seed=1)
    assert x.shape == (64, 1, 32, 32)
    assert x.abs().max() <= 1
    module = run.generator.module
    assert isinstance(module, nn.Module)
    assert len(run.losses["D/adv"]) == 2
    assert len(run.scores["fd_fashion"]) == 1
    assert "D/adv" in pandas.DataFrame(run.losses).columns
    assert "<img" in run._repr_html_()


class MyG(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(128, 3 * 64 * 64), nn.Tanh(), nn.Unflatten(1, (3, 64, 64)))

    def forward(self, z):
        return self.net(z)


class MyD(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16 * 16, 1))

    def forward(self, x):
        return self.net(x).squeeze(1)


# fmt: off
@zs.recipe
def mine(data, *, lr: float = 2e-4, steps: int = 10_000):
    """Mine. Departures: all."""
    G, D = MyG(), MyD()
    def d_loss(n, b, m): return {"adv": zs.objectives.hinge.d(n.D(b.x), n.D(n.G(b.z))), "r1": zs.penalties.r1(n.D, b.x)}
    def g_loss(n, b, m): return {"adv": zs.objectives.hinge.g(None, n.D(n.G(b.z)))}
    return zs.two_player(G, D, d_loss, g_loss, opt=zs.adam(lr, beta1=0., beta2=.99), latent=zs.normal(128), steps=steps)
# fmt: on


def test_4_own_networks_and_losses(here: Path) -> None:
    for i in range(64):  # the batch is of 64
        Image.fromarray(np.full((64, 64, 3), i, np.uint8)).save(here / "photos" / f"more-{i}.png")
    run = zs.train(mine, data="photos/", steps=2, **TINY)
    assert run.sample(2).shape == (2, 3, 64, 64)
    assert (run.path / "report.html").exists()
    assert zs.resume(run.path, steps=3, progress=False).outcome.step == 3


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_5_scores_of_anything(here: Path) -> None:
    scores = zs.evaluate("fakes/", against="photos/", metrics="fid,pr", features="random")
    assert scores["fid"].value > 0
    assert 0 <= scores["precision"].value <= 1


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_without_weights_two_folders_of_one_size_are_scored_all_the_same(here: Path) -> None:
    scores = zs.evaluate("fakes/", against="photos/")
    assert scores["fd_random"].protocol["samples"] == 6  # half of the real ones are the yardstick
    assert zs.evaluate("fakes/", against="photos/", count=4)["fd_random"].protocol["samples"] == 4


def test_6_and_back(here: Path) -> None:
    zs.train("gan", data="ring", out="runs/x", width=4, latent=2, steps=2, **TINY)
    assert zs.load("runs/x").sample(9).shape == (9, 2)
    assert zs.resume("runs/x", steps=3, progress=False).outcome.step == 3


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_7_a_metric_in_a_loop_of_ones_own() -> None:
    real, fake = (zs.data.load("fashion-mini").batch(k, 64, seed=0)[0] for k in (0, 1))
    fid = zs.metrics.FID(features="shipped")
    fid.update(real, real=True)
    fid.update(fake, real=False)
    assert 0 < fid.compute().value < 100
