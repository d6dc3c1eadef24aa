"""Adam's eps: where it is added, and what docs/architecture.md says of libraries that add it elsewhere."""

import math
from pathlib import Path

import pytest
import torch

from zerosum.core.optim import adam

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "architecture.md").read_text("utf-8").split())
LR = 1e-3


def steps(gradient: float, updates: int, beta2: float, fast: bool) -> list[float]:
    """Sizes of our first steps along a gradient that stays the same, over the learning rate."""
    optimizer = adam(LR, beta1=0.5, beta2=beta2, eps=1e-8)
    weights, grads = ({"w": torch.full((1,), x, dtype=torch.float64)} for x in (0.0, gradient))
    state, found = optimizer.init(weights), []
    for _ in range(updates):
        new, state = (optimizer.fast if fast else optimizer.update)(grads, state, weights)
        found.append((weights["w"] - new["w"]).item() / LR)
        weights = new
    return found


def theirs(gradient: float, t: int, beta2: float) -> float:
    """Chainer's ``adam.py`` and TensorFlow's ``AdamOptimizer``: ``lr_t m / (sqrt(v) + eps)``, eps "epsilon hat"."""
    fix = 1 - beta2**t
    return math.sqrt(fix) * gradient / (math.sqrt(fix * gradient**2) + 1e-8)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("gradient", [1e-3, 1e-5, 1e-7, 1e-8])
def test_eps_is_added_after_the_correction(gradient: float, fast: bool) -> None:
    for found in steps(gradient, 3, 0.999, fast):  # m^ = g and v^ = g^2 at all times
        assert found == pytest.approx(gradient / (gradient + 1e-8), rel=1e-5)
    assert steps(1e-7, 1, 0.999, fast)[0] > 3 * theirs(1e-7, 1, 0.999)


def test_the_page_says_how_far_other_libraries_are_from_it() -> None:
    def apart(t: int, beta2: float) -> float:
        eps = 1e-8 / math.sqrt(1 - beta2**t)
        assert theirs(1e-5, t, beta2) == pytest.approx(1e-5 / (1e-5 + eps))  # the same eps, added as ours is
        return eps

    assert f"{apart(1, 0.999):.1e}".replace("e-0", "e-") == "3.2e-7"
    assert f"{apart(1000, 0.999):.1e}".replace("e-0", "e-") == "1.3e-8"
    assert f"{apart(1, 0.9):.1e}".replace("e-0", "e-") == "3.2e-8"
    assert apart(10**5, 0.999) == pytest.approx(1e-8)
    assert (
        "3.2e-7 in the first update, 1.3e-8 in the 1,000th, and 1e-8 in the end; with 0.9, 3.2e-8 in the first" in PAGE
    )
    shorter = [1 - theirs(g, 1, 0.999) / steps(g, 1, 0.999, False)[0] for g in (1e-5, 1e-3)]
    assert f"a gradient of 1e-5 is {shorter[0]:.1%} shorter there, of 1e-3 {shorter[1]:.2%}" in PAGE
