"""A penalised critic orders points more as the true ratio does than a clipped one."""

import math

import pytest
import torch

from zerosum.core.game import Loss, Memory, Nets, Terms
from zerosum.data import load
from zerosum.data.points import Points
from zerosum.lab.base import Lab
from zerosum.lab.experiments import critic_landscape as lab
from zerosum.lab.experiments import gradient_norms
from zerosum.systems import Batch


def test_the_log_ratio_is_that_of_scipy(ring: Points) -> None:
    from scipy.stats import multivariate_normal

    x = torch.tensor([[2.01, 0.0], [0.3, -1.2]])
    for i, ratio in enumerate(lab.log_ratio(x, ring, 0.5).tolist()):
        point = x[i].double().numpy()
        p, q = (
            sum(multivariate_normal.pdf(point, m, v) for m in ring.modes.double().numpy())
            for v in (0.02**2, 0.02**2 + 0.5**2)
        )
        if p > 0:
            assert ratio == pytest.approx(math.log(p / q), rel=1e-5)


def test_what_clipping_cannot_see(ring: Points) -> None:
    found = {}
    for name in ("clipped at 0.01", "DRAGAN"):
        critic = lab.train_against_noise(lab.WAYS[name], ring, noise=0.5, width=64, steps=200, lab=Lab(), label="")
        found[name] = lab.agreement(critic, ring, 0.5, 0)
    assert found["DRAGAN"] > found["clipped at 0.01"] + 0.2


@pytest.mark.parametrize(
    ("loss", "weight"),
    [(lab.penalised_loss, 0.1), (lab.dragan_loss, 0.1), (gradient_norms.wgan_gp_loss, 10), (lab.hinge_loss, None)],
)
def test_penalties_have_their_weights(loss: Loss, weight: float | None, ring: Points) -> None:
    class Affine:
        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            return x @ torch.tensor([3.0, 4.0])

        frozen = __call__

    class Two(Nets):
        D = Affine()

    batch = next(lab.batches(ring, 0.5, 0))
    said = loss(Two.__new__(Two), batch, {})
    assert float(said.get("gp", torch.tensor(0.0))) == pytest.approx(16 * (weight or 0))  # (5 - 1)^2


def test_generated_samples_are_other_real_ones_plus_noise(ring: Points) -> None:
    still, moved = (next(lab.batches(ring, noise, 0)) for noise in (0.0, 0.5))
    assert torch.cdist(still.fake, ring.modes).min(1).values.max() < 0.2
    assert not torch.equal(still.fake, still.x)
    assert float((moved.fake - still.fake).std()) == pytest.approx(0.5, rel=0.1)


def test_a_critic_descends_the_loss_of_its_way(ring: Points) -> None:
    def to_seven(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"square": (n.D(b.x) - 7).square().mean()}

    way = lab.CriticTraining(to_seven)
    critic = lab.train_against_noise(way, ring, noise=0.5, width=16, steps=600, lab=Lab(), label="")
    with torch.no_grad():
        assert critic.D(ring.batch(0, 64, seed=9)[0]).numpy() == pytest.approx(7, abs=0.5)


@pytest.mark.parametrize("name", lab.WAYS)
def test_constraints_hold(name: str) -> None:
    data = load("grid")
    critic = lab.train_against_noise(lab.WAYS[name], data, noise=0.5, width=8, steps=3, lab=Lab(), label="")
    weights = critic.D.weights
    if name == "clipped at 0.01":
        assert max(float(w.abs().max()) for w in weights.values()) <= 0.01 + 1e-9
    x = torch.randn(200, 2)
    with torch.no_grad():
        quotient = (critic.D(x).flatten() - critic.D(x.flip(0)).flatten()).abs() / (x - x.flip(0)).norm(dim=1)
    if name == "spectral norm":
        assert float(quotient.nan_to_num().max()) < 1.6  # power iterations lag behind after three updates
