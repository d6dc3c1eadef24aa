"""The discriminator's slope vanishes where it is sure, the critic's is 1 between the two Gaussians."""

import math

import pytest

from zerosum.lab.base import Lab
from zerosum.lab.experiments import critic_gradients


def test_slopes_at_the_generated_samples() -> None:
    found = critic_gradients.experiment(Lab(), apart=6.0, steps=350).numbers
    told = found["slope_at_generated_samples"]
    # By hand at x = 3: the logit is -18, D* = 1.5e-8; d/dx log(1 - D*) = 6 D*, d/dx -log D* = 6 (1 - D*).
    assert told["log(1 - D*)"] == pytest.approx(6 / (1 + math.exp(18)), rel=1e-6)
    assert told["-log D*"] == pytest.approx(6, rel=1e-6)
    assert told["log(1 - D), trained"] < 0.02
    assert told["-log D, trained"] > 0.5
    # -s W + 10 (s - 1)^2 is least at s = 1 + W / 20, and W = 6.
    assert told["minus the critic, trained"] == pytest.approx(1.3, rel=0.05)
    assert found["critic_slope_between"] == pytest.approx([1.3, 1.3], rel=0.05)
    assert found["critic_slope_predicted"] == pytest.approx(1.3)
