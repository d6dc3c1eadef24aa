"""GAN-GP, WGAN-div, CT-GAN and instance noise: losses by formulas of their own, and what each page promises."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from recipe_data import load
from torch import Tensor

from zerosum import registry
from zerosum.core.game import Game, Nets, State, play, start
from zerosum.core.train import train
from zerosum.networks.layers.dropout import Dropout
from zerosum.systems import Recipe


def setting(name: str, **arguments: Any) -> tuple[Recipe, Game, State, Any]:
    torch.manual_seed(0)
    recipe = registry.find(name)(load("ring"), latent=4, batch_size=16, **{"steps": 4, **arguments})
    game = recipe.phases[0].game
    return recipe, game, start(game), batch(recipe, 0)


def batch(recipe: Recipe, k: int) -> Any:
    return recipe.draw(*load("ring").batch(k, 16, seed=0), torch.Generator().manual_seed(k))


def said(game: Game, state: State, who: str, b: Any) -> dict[str, Tensor]:
    return game.players[who].loss(Nets(game, state, b), b, state.memory)


def norms(critic: Any, points: Tensor) -> Tensor:
    leaf = points.detach().requires_grad_()
    (slopes,) = torch.autograd.grad(critic(leaf).sum(), leaf)
    return slopes.norm(dim=1)


# GAN-GP


@pytest.mark.parametrize("around", ["between", "data"])
def test_gan_gp_is_the_non_saturating_game_with_a_penalty(around: str) -> None:
    _, game, state, b = setting("gan-gp", around=around)
    n = Nets(game, state, b)
    eps, fake = b.eps[:, None], n.G(b.z)
    ends = {"between": (b.x, fake), "data": (b.x + 0.5 * b.x.std(correction=0) * b.noise, b.x)}[around]
    d, g = said(game, state, "D", b), said(game, state, "G", b)
    torch.testing.assert_close(d["gp"], 10 * (norms(n.D, eps * ends[0] + (1 - eps) * ends[1]) - 1).square().mean())
    real, made = torch.sigmoid(n.D(b.x)), torch.sigmoid(n.D(fake))
    torch.testing.assert_close(d["adv"], -real.log().mean() - (1 - made).log().mean())
    torch.testing.assert_close(g["adv"], -made.log().mean())


# WGAN-div


@pytest.mark.parametrize(("given", "k", "p"), [({}, 2, 6), ({"penalty_weight": 10.0, "p": 3.0}, 10, 3)])
def test_wgan_div_by_its_formula(given: dict[str, float], k: int, p: int) -> None:
    _, game, state, b = setting("wgan-div", **given)
    n = Nets(game, state, b)
    eps, fake = b.eps[:, None], n.G(b.z)
    d, g = said(game, state, "D", b), said(game, state, "G", b)
    torch.testing.assert_close(d["gp"], k * norms(n.D, eps * b.x + (1 - eps) * fake).pow(p).mean())
    torch.testing.assert_close(d["w"], n.D(fake).mean() - n.D(b.x).mean())
    torch.testing.assert_close(g["w"], -n.D(fake).mean())
    assert game.players["D"].steps == 4


@pytest.mark.parametrize("wrong", [{"penalty_weight": 0.0}, {"p": 1.0}])
def test_wgan_div_refuses_what_is_no_divergence(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"needs k > 0 and p > 1"):
        setting("wgan-div", **wrong)


# CT-GAN


def test_ct_gan_by_its_formula_with_the_same_dropout() -> None:
    _, game, state, b = setting("ct-gan", width=32)
    assert len(b.z) == 2 * len(b.x) == 32
    torch.manual_seed(5)
    d = said(game, state, "D", b)
    n = Nets(game, state, b)
    torch.manual_seed(5)
    fake = n.G(b.z[:16])
    (one, h, _), (two, h2, _) = n.D.judge(b.x), n.D.judge(b.x)
    made = n.D(fake)
    assert (one != two).any(), "two passes are not the same"
    slope = norms(n.D, b.eps[:, None] * b.x + (1 - b.eps[:, None]) * fake)
    apart = (one - two).square() + 0.1 * (h - h2).square().mean(1)
    torch.testing.assert_close(d["w"], made.mean() - one.mean())
    torch.testing.assert_close(d["gp"], 10 * (slope - 1).square().mean())
    torch.testing.assert_close(d["ct"], 2 * apart.mean())
    torch.manual_seed(6)
    g = said(game, state, "G", b)
    torch.manual_seed(6)
    torch.testing.assert_close(g["w"], -n.D(n.G(b.z)).mean())


@pytest.mark.parametrize(
    ("shape", "rates"),
    [
        ((3, 32, 32), [0.2, 0.5, 0.5]),
        ((3, 64, 64), [0.0, 0.2, 0.5, 0.5]),
        ((1, 16, 16), [0.5]),
        ((2,), [0.5]),
    ],
)
def test_ct_gan_has_dropout_in_the_critic_alone(shape: tuple[int, ...], rates: list[float]) -> None:
    from zerosum.recipes.ct_gan import networks

    generator, critic = networks(shape, 8, 4)
    assert [m.rate for m in critic.modules() if isinstance(m, Dropout)] == rates
    assert not [m for m in generator.modules() if isinstance(m, Dropout | torch.nn.Dropout)]
    with torch.no_grad():
        x = generator(torch.randn(5, 8))
        assert x.shape == (5, *shape)
        assert (critic(x) != critic(x)).any()


def test_ct_gans_learning_rate_reaches_zero_with_the_last_step() -> None:
    recipe, game, state, b = setting("ct-gan", width=8, n_critic=2, steps=2)
    turns = [state for _, state, _ in train(game, state, (batch(recipe, k) for k in range(99)), 2)]
    for who in ("D", "G"):
        after, _ = play(game, who, turns[-1], b)
        assert all(torch.equal(w, after.weights[n][k]) for n, ws in turns[-1].weights.items() for k, w in ws.items())
    assert any((w != turns[0].weights["G"][k]).any() for k, w in turns[1].weights["G"].items())


# Instance noise


def seen(game: Game, who: str, t: int) -> list[Tensor]:
    """What the discriminator is shown in iteration t, where all samples are zero: the noise."""
    shown: list[Tensor] = []

    def look(x: Tensor) -> Tensor:
        shown.append(x)
        return x.sum(1)

    stub: Any = SimpleNamespace(D=look, G=lambda z: torch.zeros(len(z), 2), note=lambda **_: None)
    many = registry.find("noisy-gan")(load("ring"), batch_size=50_000)
    b = many.draw(torch.zeros(50_000, 2), None, torch.Generator().manual_seed(t))
    game.players[who].loss(stub, b, {"t": torch.tensor(t)})
    return shown


@pytest.mark.parametrize(("t", "std"), [(0, 0.4), (5, 0.2), (9, 0.04), (10, 0.0), (12, 0.0)])
def test_both_players_show_both_kinds_with_the_noise_of_the_schedule(t: int, std: float) -> None:
    _, game, _, _ = setting("noisy-gan", noise=0.4, noise_steps=10, steps=20)
    for who, kinds in (("D", 2), ("G", 1)):
        shown = seen(game, who, t)
        assert len(shown) == kinds
        for x in shown:
            assert x.std().item() == pytest.approx(std, rel=0.02)
    real, fake = seen(game, "D", 0)
    assert abs((real * fake).mean().item()) < 0.002, "of each kind its own"


def test_the_noise_goes_on_where_it_was_when_resumed() -> None:
    recipe, game, begin, _ = setting("noisy-gan", noise=0.4, noise_steps=4, steps=6)

    def run(state: State, first: int, last: int) -> list[tuple[int, State, Any]]:
        batches = (batch(recipe, k) for k in range(2 * first, 99))
        return list(train(game, state, batches, last, first=first))

    whole, half = run(begin, 0, 6), run(begin, 0, 3)
    rest = run(half[-1][1], 3, 6)
    heard = [float(terms["D"]["noise"]) for _, _, terms in whole]
    assert heard == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0, 0.0])
    assert [float(terms["D"]["noise"]) for _, _, terms in half + rest] == heard
    end, again = whole[-1][1], rest[-1][1]
    assert end.memory["t"].item() == again.memory["t"].item() == 6
    assert all(torch.equal(w, again.weights[n][k]) for n, ws in end.weights.items() for k, w in ws.items())


def test_noise_fades_over_the_whole_run_unless_told_otherwise() -> None:
    _, game, state, b = setting("noisy-gan", noise=0.4, steps=8)
    later = replace(game, memory={"t": torch.tensor(4)})
    _, heard = play(later, "D", start(later), b)
    assert float(heard["D"]["noise"]) == pytest.approx(0.2)
    _, heard = play(game, "D", state, b)
    assert float(heard["D"]["noise"]) == pytest.approx(0.4)
