"""Feature matching by hand, and historical averaging against autograd and a recurrence in complex numbers."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zerosum.core.dynamics import simultaneous
from zerosum.core.game import Game, Player, start
from zerosum.core.optim import Optimizer, adam, sgd
from zerosum.core.train import train
from zerosum.penalties.matching import feature_matching, historical


def test_feature_matching_by_hand() -> None:
    real = torch.tensor([[1.0, 2.0], [3.0, 6.0]])  # mean (2, 4)
    fake = torch.tensor([[0.0, 1.0], [0.0, 0.0], [3.0, 2.0]])  # mean (1, 1)
    assert feature_matching(real, fake).item() == pytest.approx(1 + 9)


def test_equal_means_are_no_distance_however_the_samples_differ() -> None:
    real, fake = torch.tensor([[-1.0], [1.0]]), torch.tensor([[-5.0], [5.0]])
    assert feature_matching(real, fake).item() == 0


def test_descent_moves_generated_features_towards_the_mean_of_real_ones() -> None:
    real, fake = torch.randn(8, 3).double() + 1, torch.randn(5, 3).double()
    gap = fake.mean(0) - real.mean(0)
    found = torch.func.grad(lambda f: feature_matching(real, f))(fake)
    torch.testing.assert_close(found, (2 * gap / 5).expand(5, 3))


def test_derivatives_and_precision_and_shapes() -> None:
    real, fake = torch.randn(3, 2).double().requires_grad_(), torch.randn(4, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(feature_matching, (real, fake))
    assert torch.autograd.gradgradcheck(feature_matching, (real, fake))
    half = torch.randn(64, 5).bfloat16(), torch.randn(64, 5).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = feature_matching(*half)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(feature_matching(*(h.double() for h in half)).item(), rel=1e-5)
    with pytest.raises(ValueError, match="must agree in all but"):
        feature_matching(torch.randn(4, 3), torch.randn(4, 2))


STRENGTH = 0.3


@pytest.mark.parametrize("side", ["update", "fast"])
def test_historical_averaging_descends_the_loss_with_the_penalty_added(side: str) -> None:
    torch.manual_seed(0)
    w = {"a": torch.randn(4, 3).double(), "b": torch.randn(3).double()}
    plain, averaged = sgd(0.1, momentum=0.9), historical(sgd(0.1, momentum=0.9), STRENGTH)
    state, expected_state, expected, seen = averaged.init(w), plain.init(w), dict(w), []
    for _ in range(6):
        seen.append({k: v.clone() for k, v in expected.items()})
        mean = {k: sum(past[k] for past in seen) / len(seen) for k in w}
        leaves = {k: v.clone().requires_grad_() for k, v in expected.items()}
        penalty = torch.stack([(leaves[k] - mean[k]).square().sum() for k in w]).sum()
        loss = torch.stack([v.cos().sum() for v in leaves.values()]).sum() + STRENGTH * penalty
        grads = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
        expected, expected_state = plain.update(grads, expected_state, expected)
        w, state = getattr(averaged, side)({k: -v.sin() for k, v in w.items()}, state, w)
        for k in w:
            torch.testing.assert_close(w[k], expected[k])


def test_the_first_step_is_that_of_the_base() -> None:
    w, g = {"a": torch.randn(3)}, {"a": torch.randn(3)}
    for base in (sgd(0.1), adam(1e-2)):
        averaged = historical(base, 5.0)
        assert torch.equal(averaged.update(g, averaged.init(w), w)[0]["a"], base.update(g, base.init(w), w)[0]["a"])


def test_steps_are_made_as_those_of_the_base() -> None:
    base = Optimizer(lambda w: {}, lambda g, s, w: ({"a": w["a"] + 1}, s), lambda g, s, w: ({"a": w["a"] + 10}, s))
    averaged, w = historical(base, STRENGTH), {"a": torch.zeros(())}
    moved = [step({"a": w["a"]}, averaged.init(w), w)[0]["a"].item() for step in (averaged.update, averaged.fast)]
    assert moved == [1, 10]


def test_the_mean_is_of_the_weights_as_a_projection_left_them() -> None:
    opt = historical(sgd(1.0), 0.5)
    w = {"a": torch.tensor([0.0])}
    w, state = opt.update({"a": torch.tensor([-10.0])}, opt.init(w), w)
    assert w["a"].item() == 10
    clipped = {"a": torch.tensor([1.0])}
    # The mean of 0 and 1 is 0.5, so the step is -2 * 0.5 * (1 - 0.5).
    w, state = opt.update({"a": torch.tensor([0.0])}, state, clipped)
    assert w["a"].item() == pytest.approx(0.5)
    assert state["mean"]["a"].item() == pytest.approx(0.5)


def test_strength_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="strength=0"):
        historical(sgd(0.1), 0)


class Point(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(value, dtype=torch.float64))

    def forward(self) -> Tensor:
        return self.at


def path(opt: Optimizer, steps: int) -> np.ndarray:
    """Simultaneous descent on min over x, max over y of x y from (1, 0.5), as complex numbers x + iy."""
    players = {
        "x": Player(("X",), lambda n, b, m: {"l": n.X() * n.Y()}),
        "y": Player(("Y",), lambda n, b, m: {"l": -n.X() * n.Y()}),
    }
    game = Game({"X": Point(1.0), "Y": Point(0.5)}, {"X": opt, "Y": opt}, players)
    turns = train(game, start(game), iter([None] * steps), steps, dynamics=simultaneous, check_every=steps)
    return np.array([complex(s.weights["X"]["at"].item(), s.weights["Y"]["at"].item()) for _, s, _ in turns])


def test_on_x_y_historical_averaging_converges_where_plain_descent_spirals_out() -> None:
    eta, strength, steps = 0.2, 0.2, 700
    plain, averaged = path(sgd(eta), steps), path(historical(sgd(eta), strength), steps)
    np.testing.assert_allclose(abs(plain), abs(1 + 0.5j) * (1 + eta**2) ** (np.arange(1, steps + 1) / 2), rtol=1e-4)
    # The field at z is -iz, and the penalty's gradient 2 strength (z - mean).
    z, seen, expected = 1 + 0.5j, [], []
    for _ in range(steps):
        seen.append(z)
        z = z - eta * (-1j * z + 2 * strength * (z - complex(np.mean(seen))))
        expected.append(z)
    np.testing.assert_allclose(averaged, expected, rtol=1e-4, atol=1e-9)
    assert abs(averaged[-1]) < 0.01 < abs(1 + 0.5j) < abs(plain[-1])


def test_compiles_to_one_graph_and_is_differentiable() -> None:
    opt = historical(adam(1e-2), 0.1)
    w, g = {"a": torch.randn(3, 2)}, {"a": torch.randn(3, 2)}

    def step(w: dict[str, Tensor], g: dict[str, Tensor]) -> dict[str, Tensor]:
        state = opt.init(w)
        for _ in range(2):
            w, state = opt.update(g, state, w)
        return w

    compiled = torch.compile(step, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(w, g)["a"], step(w, g)["a"])
    slopes = torch.func.jacrev(lambda g: step(w, {"a": g})["a"])(g["a"])
    assert slopes.isfinite().all()
