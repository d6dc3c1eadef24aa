"""The unrolled recipe: the generator's gradient against an unrolling by hand, on autograd's tape."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from recipe_data import load
from torch import Tensor, nn

from zerosum import registry
from zerosum.core.game import Game, State, gradient, play, start
from zerosum.core.optim import Optimizer, adam, sgd
from zerosum.systems import Recipe, batch

Step = Callable[[list[Tensor], list[Tensor]], list[Tensor]]  # (weights, gradients) -> weights


def build(unroll: int, opt: Optimizer | None = None) -> tuple[Game, State, Any]:
    """The recipe on the ring with tiny networks, in float64, after one turn of the critic on another batch."""
    torch.manual_seed(0)
    data = load("ring")
    recipe: Recipe = registry.find("unrolled")(data, unroll=unroll, width=5, latent=3, batch_size=6)
    game = recipe.phases[0].game
    for net in game.nets.values():
        net.double()
    game = replace(game, opts={**game.opts, "D": opt}) if opt else game
    batches = [recipe.draw(*data.batch(k, 6, seed=0), torch.Generator().manual_seed(k)) for k in range(2)]
    one, other = (batch(x=b.x.double(), y=None, z=b.z.double()) for b in batches)
    state, _ = play(game, "D", start(game), other)
    return game, state, one


def mlp(weights: list[Tensor], x: Tensor) -> Tensor:
    for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = torch.tanh(x @ w.T + b)
    return x @ weights[-2].T + weights[-1]


def f(g: list[Tensor], d: list[Tensor], b: Any) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))), on weights alone."""
    return F.softplus(-mlp(d, b.x)).mean() + F.softplus(mlp(d, mlp(g, b.z))).mean()


def by_hand(state: State, b: Any, steps: int, step: Step, *, graph: bool = True) -> tuple[Tensor, Tensor]:
    """The generator's loss and gradient; without ``graph`` the response of the critic is taken as a constant."""
    g = [w.detach().clone().requires_grad_() for w in state.weights["G"].values()]
    d = [w.detach().clone().requires_grad_() for w in state.weights["D"].values()]
    for _ in range(steps):
        grads = torch.autograd.grad(f(g, d, b), d, create_graph=graph)
        d = step(d, [x if graph else x.detach() for x in grads])
    loss = -f(g, d, b)
    return loss.detach(), torch.cat([x.flatten() for x in torch.autograd.grad(loss, g)])


def descend(lr: float) -> Step:
    return lambda weights, grads: [w - lr * g for w, g in zip(weights, grads, strict=True)]


def adam_by_hand(state: State, lr: float, beta1: float, eps: float) -> Step:
    """Kingma and Ba's Algorithm 1 in numbers of float64, from the moments that the state holds."""
    t, beta2 = int(state.opt["D"]["t"]), 0.999
    m, v = list(state.opt["D"]["m"].values()), list(state.opt["D"]["v"].values())

    def step(weights: list[Tensor], grads: list[Tensor]) -> list[Tensor]:
        nonlocal t
        t += 1
        for i, g in enumerate(grads):
            m[i] = beta1 * m[i] + (1 - beta1) * g
            v[i] = beta2 * v[i] + (1 - beta2) * g * g
        return [
            w - lr * (m[i] / (1 - beta1**t)) / ((v[i] / (1 - beta2**t)).sqrt() + eps) for i, w in enumerate(weights)
        ]

    return step


def found(game: Game, state: State, b: Any) -> tuple[Tensor, Tensor]:
    grads, said, _ = gradient(game, "G", state, b)
    return said["adv"], torch.cat([g.flatten() for g in grads["G"].values()])


@pytest.mark.parametrize("steps", [1, 3])
def test_gradient_through_steps_of_sgd(steps: int):
    game, state, b = build(steps, sgd(0.5))
    loss, expected = by_hand(state, b, steps, descend(0.5))
    torch.testing.assert_close(found(game, state, b), (loss, expected), rtol=1e-9, atol=1e-12)
    _, truncated = by_hand(state, b, steps, descend(0.5), graph=False)
    assert (truncated - expected).norm() > 1e-2 * expected.norm()


@pytest.mark.parametrize("steps", [1, 4])
def test_gradient_through_steps_of_adam(steps: int):
    game, state, b = build(steps, adam(0.02, beta1=0.5, eps=1e-3))
    loss, expected = by_hand(state, b, steps, adam_by_hand(state, 0.02, 0.5, 1e-3))
    # The optimizer's counter of updates, and so its bias correction, is in float32.
    torch.testing.assert_close(found(game, state, b), (loss, expected), rtol=1e-5, atol=1e-8)
    _, truncated = by_hand(state, b, steps, adam_by_hand(state, 0.02, 0.5, 1e-3), graph=False)
    assert (truncated - expected).norm() > 1e-2 * expected.norm()


def test_the_recipes_own_adam_is_what_is_foreseen():
    game, state, b = build(5)
    loss, expected = by_hand(state, b, 5, adam_by_hand(state, 1e-4, 0.5, 1e-8))
    torch.testing.assert_close(found(game, state, b), (loss, expected), rtol=1e-4, atol=1e-7)


def test_without_unrolling_it_is_the_minimax_gan():
    game, state, b = build(0)
    loss, gradient_of_f = by_hand(state, b, 0, descend(1.0))
    torch.testing.assert_close(found(game, state, b), (loss, gradient_of_f))
    # The term of the real samples is a constant of G there.
    g = [w.detach().clone().requires_grad_() for w in state.weights["G"].values()]
    d = list(state.weights["D"].values())
    fake = torch.log(1 - torch.sigmoid(mlp(d, mlp(g, b.z)))).mean()
    plain = torch.cat([x.flatten() for x in torch.autograd.grad(fake, g)])
    torch.testing.assert_close(gradient_of_f, plain)


def test_the_critic_makes_one_ordinary_update_and_foreseeing_moves_nothing():
    game, state, b = build(5)
    g = list(state.weights["G"].values())
    d = [w.detach().clone().requires_grad_() for w in state.weights["D"].values()]
    grads = torch.autograd.grad(f(g, d, b), d)
    expected = adam_by_hand(state, 1e-4, 0.5, 1e-8)(d, list(grads))
    after, said = play(game, "D", state, b)
    for w, e in zip(after.weights["D"].values(), expected, strict=True):
        torch.testing.assert_close(w, e.detach(), rtol=1e-6, atol=1e-9)
    assert float(said["D"]["adv"]) == pytest.approx(float(f(g, d, b).detach()))
    later, _ = play(game, "G", state, b)
    assert all(torch.equal(w, later.weights["D"][k]) for k, w in state.weights["D"].items())
    assert int(later.opt["D"]["t"]) == 1


def test_on_images_the_running_statistics_are_those_of_one_forward():
    torch.manual_seed(0)
    data, buffers = load("fashion-mini"), []
    for unroll in (0, 3):
        torch.manual_seed(0)
        recipe = registry.find("unrolled")(data, unroll=unroll, width=4, latent=8, batch_size=6)
        game = recipe.phases[0].game
        b = recipe.draw(*data.batch(0, 6, seed=0), torch.Generator().manual_seed(0))
        buffers.append(play(game, "G", start(game), b)[0].buffers)
    assert buffers[0]["G"]
    assert all(torch.equal(v, buffers[1]["G"][k]) for k, v in buffers[0]["G"].items())
    assert not buffers[0]["D"], "no running statistics in the critic"


def test_initial_weights_are_those_of_the_demo():
    torch.manual_seed(0)
    nets = registry.find("unrolled")(load("ring")).phases[0].game.nets
    layers = {name: [m for m in net.modules() if isinstance(m, nn.Linear)] for name, net in nets.items()}
    assert [(m.in_features, m.out_features) for m in layers["G"]] == [(256, 128), (128, 128), (128, 2)]
    assert [(m.in_features, m.out_features) for m in layers["D"]] == [(2, 128), (128, 128), (128, 1)]
    for layer in (*layers["G"], *layers["D"]):
        singular = torch.linalg.svdvals(layer.weight.detach())
        torch.testing.assert_close(singular, torch.full_like(singular, 1.4), rtol=1e-4, atol=1e-4)
        assert not layer.bias.any()


def test_negative_numbers_of_steps_are_refused():
    with pytest.raises(ValueError, match="fewer than 0"):
        registry.find("unrolled")(load("ring"), unroll=-1)


def test_the_critic_s_learning_rate_is_still_known_by_its_earlier_name():
    assert registry.page("unrolled").current({"lr": 3e-4, "g_lr": 1e-4}, note=False) == {"d_lr": 3e-4, "g_lr": 1e-4}
