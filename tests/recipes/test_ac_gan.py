"""AC-GAN: its losses by hand, and that the class reaches the generator only through the critic's opinion."""

import math
from typing import Any

import pytest
import torch
from recipe_data import load

from zerosum import registry
from zerosum.core.game import Game, Nets, gradient, start
from zerosum.systems import Recipe

SMALL: dict[str, Any] = {"width": 4, "kernel": 4, "latent": 8, "batch_size": 20, "steps": 4}


def build(**changes: Any) -> tuple[Recipe, Game, Any]:
    torch.manual_seed(0)
    data = load("fashion-mini")
    recipe = registry.find("ac-gan")(data, **{**SMALL, **changes})
    batch = recipe.draw(*data.batch(0, 20, seed=0), torch.Generator().manual_seed(0))
    return recipe, recipe.phases[0].game, batch


@pytest.mark.parametrize("objective", ["non-saturating", "minimax"])
@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.5, 0.0, 0.1)])
def test_losses_are_those_of_the_paper(objective: str, weights: tuple[float, float, float]) -> None:
    real_weight, fake_weight, g_weight = weights
    _, game, b = build(
        objective=objective, class_weight=real_weight, class_weight_fake=fake_weight, class_weight_g=g_weight
    )
    n = Nets(game, start(game), b)
    (real, _, real_class), (fake, _, fake_class) = n.D.judge(b.x), n.D.judge(n.G(b.z, b.c))
    # L_S = E log P(S = real | x) + E log P(S = fake | G), L_C = E log P(c | x) + E log P(c | G)
    real_right, fake_right = torch.sigmoid(real).log().mean(), torch.sigmoid(-fake).log().mean()
    named = [logits.softmax(1)[range(20), y].log().mean() for logits, y in ((real_class, b.y), (fake_class, b.c))]
    d, g = game.players["D"].loss(n, b, {}), game.players["G"].loss(n, b, {})
    torch.testing.assert_close(d["source"], -(real_right + fake_right), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(d["class"], -real_weight * named[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(d["class_fake"], -fake_weight * named[1], rtol=1e-5, atol=1e-6)
    moved = {"minimax": fake_right, "non-saturating": -torch.sigmoid(fake).log().mean()}[objective]
    torch.testing.assert_close(g["source"], moved, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(g["class"], -g_weight * named[1], rtol=1e-5, atol=1e-6)
    assert set(d) == {"source", "class", "class_fake"}
    assert set(g) == {"source", "class"}


def test_by_default_the_parts_weigh_as_in_the_paper_and_the_objective_is_non_saturating() -> None:
    given = {k: p.default for k, p in registry.arguments("ac-gan").items()}
    assert [given[k] for k in ("class_weight", "class_weight_fake", "class_weight_g")] == [1, 1, 1]
    assert given["objective"] == "non-saturating"


def test_real_images_keep_their_labels_and_generated_ones_get_their_own() -> None:
    recipe, _, b = build()
    x, y = load("fashion-mini").batch(0, 20, seed=0)
    assert torch.equal(b.x, x)
    assert y is not None
    assert torch.equal(b.y, y)
    assert (b.c != b.y).any()
    assert b.c.shape == (20,)
    z, c = recipe.prior(1_000, torch.Generator().manual_seed(0))
    assert z.shape == (1_000, 8)
    assert ((torch.bincount(c, minlength=10) - 100).abs() < 4 * 9.5).all()  # standard deviation sqrt(1000 * 0.1 * 0.9)


def test_the_critic_judges_without_being_told_the_class() -> None:
    _, game, b = build()
    n = Nets(game, start(game), b)
    assert (n.G(b.z, b.c) != n.G(b.z, (b.c + 1) % 10)).any()
    for told, untold in zip(n.D.judge(b.x, b.y), n.D.judge(b.x), strict=True):
        assert torch.equal(told, untold)


def test_each_player_s_gradient_has_the_class_in_it() -> None:
    """Without the weights on classes, the class head rests and the generator is pushed elsewhere."""
    _, game, b = build(class_weight=0.0, class_weight_fake=0.0, class_weight_g=0.0)
    _, full, _ = build()
    without, whole = (gradient(g, "D", start(g), b)[0]["D"] for g in (game, full))
    assert not without["classify.weight"].any()
    assert whole["classify.weight"].any()
    assert (whole["net.convs.0.weight"] - without["net.convs.0.weight"]).abs().max() > 1e-6
    without, whole = (gradient(g, "G", start(g), b)[0]["G"] for g in (game, full))
    assert max(float((whole[k] - g).abs().max()) for k, g in without.items()) > 1e-6


@pytest.mark.parametrize("player", ["D", "G"])
def test_a_step_lowers_the_class_loss(player: str) -> None:
    """Along the player's own direction, where the class is nearly all it cares for."""
    _, game, b = build(class_weight=1e3, class_weight_fake=1e3, class_weight_g=1e3)
    state = start(game)
    grads, said, _ = gradient(game, player, state, b)
    step = {k: w - 1e-6 * grads[player][k] for k, w in state.weights[player].items()}
    after = state._replace(weights=state.weights | {player: step})
    lower = game.players[player].loss(Nets(game, after, b), b, {})
    assert all(float(lower[term]) < float(value) for term, value in said.items() if term.startswith("class"))
    assert all(float(value) < 1.5e3 * math.log(10) for term, value in said.items())  # a fair guess to begin with


def test_data_without_labels_are_refused_with_what_would_do() -> None:
    with pytest.raises(ValueError, match=r"needs labelled images.*info-gan"):
        registry.find("ac-gan")(load("ring"))
