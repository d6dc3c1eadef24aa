"""What a typed program of somebody else says to zerosum. mypy checks it in ``make check``; nothing runs it.

Each ``ignore`` is a mistake that must be seen: mypy complains of one that it does not need.
"""

from pathlib import Path
from typing import assert_type

import numpy as np
import torch
from torch import Tensor, nn

import zerosum as zs

images = np.random.default_rng(0).integers(0, 256, (256, 32, 32, 3), dtype=np.uint8)
y = ["cat", "dog"] * 128


@zs.recipe
def mine(data: zs.data.Data, *, lr: float = 2e-4, width: int = 64, steps: int = 10_000) -> zs.Recipe:
    """Mine. Departures: all."""
    (dim,) = data.shape
    G = nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, dim))
    D = nn.Sequential(nn.Linear(dim, width), nn.LeakyReLU(0.2), nn.Linear(width, 1), nn.Flatten(0))

    def d_loss(n: zs.Nets, b: zs.Batch, m: zs.Memory) -> zs.Terms:
        return {"adv": zs.objectives.hinge.d(n.D(b.x), n.D(n.G(b.z))), "r1": zs.penalties.r1(n.D, b.x)}

    def g_loss(n: zs.Nets, b: zs.Batch, m: zs.Memory) -> zs.Terms:
        return {"adv": zs.objectives.hinge.g(None, n.D(n.G(b.z)))}

    return zs.two_player(G, D, d_loss, g_loss, opt=zs.adam(lr, beta1=0.0, beta2=0.99), latent=zs.normal(8), steps=steps)


def what_a_run_is() -> None:
    run = zs.train("cgan", data=images, labels=y, width=8, kernel=4, batch_size=16, steps=4)
    assert_type(run, zs.Run)
    assert_type(run.generator.sample(4, classes="dog", seed=1), Tensor)
    module: nn.Module = run.generator.module
    critic: nn.Module = run.networks["D"]
    print(module, critic, run.losses["D/adv"], run.scores.keys())
    run.report.read_text("utf-8")
    assert_type(run.path, Path)
    assert_type(zs.load(run.path, step=4), zs.Run)
    assert_type(zs.resume(run.path, data=images, labels=y, steps=10), zs.Run)
    zs.load(run.path, stepp=4)  # type: ignore[call-arg]
    run.generator.sample("4")  # type: ignore[arg-type]


def recipes_of_any_kind() -> None:
    zs.train(mine, data="ring", lr=1e-3)
    zs.train("my_gan.py", data=Path("photos"), out=Path("runs/x"))
    zs.train("wgan-gp", data=torch.zeros(4, 3, 8, 8), size=64, steps=20_000)
    assert_type(mine(zs.data.load("ring"), lr=1e-3), zs.Recipe)
    mine(zs.data.load("ring"), rate=1e-3)  # type: ignore[call-arg]
    zs.train(3, data="ring")  # type: ignore[arg-type]
    zs.nothing  # type: ignore[attr-defined]  # noqa: B018


def scores() -> None:
    found = zs.evaluate("fakes/", against="photos/", metrics="fid,pr")
    assert_type(found["fid"], zs.Score)
    assert_type(found["fid"].value, float)
    zs.compare("runs/a", "runs/b")
    fid = zs.metrics.FID(features="inception")
    fid.update(torch.zeros(4, 3, 8, 8), real=True)
    assert_type(fid.compute(), zs.Score)


def parts() -> None:
    G = zs.networks.dcgan.Generator(16, width=8, size=32, channels=1)
    D = zs.networks.dcgan.Critic(8, size=32, channels=1)
    x: Tensor = G(torch.randn(16, 16))
    assert_type(zs.penalties.r1(D, x), Tensor)
    assert_type(zs.objectives.non_saturating.d(D(x), D(x)), Tensor)
