"""The relativistic recipes: their losses from logits, by formulas of their own, with and without the penalty."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from recipe_data import load
from torch import Tensor

from zerosum import registry
from zerosum.core.dynamics import alternating
from zerosum.core.game import Game, Nets, State, start
from zerosum.core.train import train
from zerosum.networks.layers import BatchNorm, LayerNorm

Formula = Callable[[Tensor, Tensor], Tensor]


def rsgan(c: Tensor, other: Tensor) -> Tensor:
    return -torch.sigmoid(c - other).log().mean()


def rasgan(c: Tensor, other: Tensor) -> Tensor:
    up, down = torch.sigmoid(c - other.mean()), torch.sigmoid(other - c.mean())
    return F.binary_cross_entropy(up, torch.ones_like(up)) / 2 + F.binary_cross_entropy(down, 0 * down) / 2


def ra_lsgan(c: Tensor, other: Tensor) -> Tensor:
    return F.mse_loss(c - other.mean(), torch.ones_like(c)) / 2 + F.mse_loss(other - c.mean(), -torch.ones_like(c)) / 2


def ra_hinge(c: Tensor, other: Tensor) -> Tensor:
    up, down = 1 - (c - other.mean()), 1 + (other - c.mean())
    return (up * (up > 0)).mean() / 2 + (down * (down > 0)).mean() / 2


FORMULAS: dict[str, Formula] = {"rsgan": rsgan, "rasgan": rasgan, "ra-lsgan": ra_lsgan, "ra-hinge": ra_hinge}


def setting(name: str, **arguments: Any) -> tuple[Game, State, Any]:
    torch.manual_seed(0)
    recipe = registry.find(name)(load("ring"), latent=4, batch_size=16, steps=4, **arguments)
    x, y = load("ring").batch(0, 16, seed=0)
    game = recipe.phases[0].game
    return game, start(game), recipe.draw(x, y, torch.Generator().manual_seed(0))


def said(game: Game, state: State, who: str, batch: Any) -> dict[str, Tensor]:
    return game.players[who].loss(Nets(game, state, batch), batch, state.memory)


@pytest.mark.parametrize("name", FORMULAS)
def test_losses_are_those_of_the_paper(name: str) -> None:
    game, state, b = setting(name)
    n = Nets(game, state, b)
    real, fake = n.D(b.x), n.D(n.G(b.z))
    assert (real - fake).abs().max() > 0.01
    d, g = said(game, state, "D", b), said(game, state, "G", b)
    assert d.keys() == g.keys() == {"adv"}
    torch.testing.assert_close(d["adv"], FORMULAS[name](real, fake))
    torch.testing.assert_close(g["adv"], FORMULAS[name](fake, real))


@pytest.mark.parametrize("name", FORMULAS)
def test_the_penalty_is_ten_times_wgan_gps(name: str) -> None:
    game, state, b = setting(name, penalty_weight=10.0)
    plain_game, plain_state, same = setting(name)
    assert all(torch.equal(getattr(b, k), getattr(same, k)) for k in ("x", "z", "eps")), "drawn alike with and without"
    d = said(game, state, "D", b)
    n = Nets(game, state, b)
    points = (b.eps[:, None] * b.x + (1 - b.eps[:, None]) * n.G(b.z)).detach().requires_grad_()
    (slopes,) = torch.autograd.grad(n.D(points).sum(), points)
    torch.testing.assert_close(d["gp"], 10 * (slopes.norm(dim=1) - 1).square().mean())
    assert torch.equal(d["adv"], said(plain_game, plain_state, "D", same)["adv"])


@pytest.mark.parametrize("name", FORMULAS)
def test_the_generator_reads_real_samples_which_are_fresh_in_its_turn(name: str) -> None:
    game, state, b = setting(name)
    other = b._replace(x=b.x + 1)
    assert said(game, state, "G", b)["adv"] != said(game, state, "G", other)["adv"]
    # Each move takes a batch of its own, n_critic of them for the critic.
    recipe = registry.find(name)(load("ring"), latent=4, batch_size=16, steps=2, n_critic=2)
    taken = []

    def batches() -> Any:
        for k in range(100):
            taken.append(k)
            yield recipe.draw(*load("ring").batch(k, 16, seed=0), torch.Generator().manual_seed(k))

    game = recipe.phases[0].game
    list(train(game, start(game), batches(), 2, dynamics=alternating))
    assert taken == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize(("weight", "kind"), [(0.0, BatchNorm), (10.0, LayerNorm)])
def test_a_penalised_critic_looks_at_each_sample_alone(name: str, weight: float, kind: type) -> None:
    recipe = registry.find(name)(load("fashion-mini"), width=4, penalty_weight=weight)
    kinds = {type(m) for m in recipe.phases[0].game.nets["D"].modules()}
    assert kinds & {BatchNorm, LayerNorm} == {kind}
