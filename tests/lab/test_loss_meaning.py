"""Fresh critics estimate what they should; only the Wasserstein one tells near from far."""

import math
from itertools import islice

import pytest
import torch

from zerosum.data.points import Points
from zerosum.lab import training
from zerosum.lab.base import Lab
from zerosum.lab.experiments import loss_meaning as lab


def test_the_jsd_is_log_2_for_near_and_far_and_the_distance_is_not(ring: Points) -> None:
    x, _ = ring.batch(7, 512, seed=3)
    near, far = (lab.judge(ring, scale * x, 200, 100, 0) for scale in (1.6, 2.5))
    for row, distance in ((near, 1.2), (far, 3.0)):  # radii of 2, 3.2 and 5: every unit of mass moves outwards
        assert row["jsd"] == pytest.approx(math.log(2), rel=0.05)
        assert row["exact"] == pytest.approx(distance, abs=0.35)  # 100 samples: shares of the modes differ
        # A penalty of weight 10 overshoots: W (1 + W / 20).
        assert row["slope_one"] == pytest.approx(distance * (1 + distance / 20), rel=0.1)


def test_the_exact_distance_is_that_of_pot() -> None:
    import ot

    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 40, 2, generator=rng)
    expected = ot.emd2([], [], torch.cdist(x.double(), y.double()).numpy())
    assert lab.distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_judging_follows_the_training(ring: Points) -> None:
    found = lab.experiment(Lab(), steps=12, shots=2, critic_steps=5, exact=30).numbers["rows"]
    assert [row["step"] for row in found] == [0, 10]
    assert math.isnan(found[0]["training"])
    setup = training.prepare("wgan-gp", data="ring", seed=0, steps=12, width=128)
    _, state, said = next(islice(training.play(setup), 10, None))
    real, _ = ring.batch(0, 30, seed=2)
    assert found[1]["exact"] == pytest.approx(lab.distance(real, training.samples(setup, state, 1024)[:30]))
    assert found[1]["training"] == -float(said["D"]["w"])  # E D(x) - E D(G(z)), which the critic maximises
