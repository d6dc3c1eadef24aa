"""The loss-sensitive recipe: its losses by hand, and where its parts act."""

from typing import Any

import pytest
import torch
from recipe_data import load

from zerosum import registry
from zerosum.core.game import Game, Nets, play, start

SMALL: dict[str, Any] = {"width": 4, "kernel": 4, "latent": 8, "batch_size": 10, "steps": 4}


def build(source: str, **arguments: Any) -> tuple[Game, Any]:
    torch.manual_seed(0)
    data = load(source)
    recipe = registry.find("loss-sensitive")(data, **SMALL, **arguments)
    return recipe.phases[0].game, recipe.draw(*data.batch(0, 10, seed=0), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("source", ["fashion-mini", "ring"])
@pytest.mark.parametrize("nu", [0.0, 1.0, -1.0])
def test_losses_by_hand(source: str, nu: float):
    game, batch = build(source, nu=nu, weight=2.0, real_weight=0.5)
    n = Nets(game, start(game), batch)
    fake = n.G(batch.z)
    real_loss, fake_loss = n.D(batch.x), n.D(fake)
    # 0.0002 |x - G(z)|_1 on 3x64x64 numbers is 2.4576 times the mean difference, whatever the shape.
    margin = 2.4576 * (batch.x - fake).abs().flatten(1).mean(1)
    a = margin + real_loss - fake_loss
    c = torch.where(a > 0, a, nu * a)
    d = game.players["D"].loss(n, batch, {})["adv"]
    torch.testing.assert_close(d, 0.5 * real_loss.mean() + 2 * c.mean())
    torch.testing.assert_close(game.players["G"].loss(n, batch, {})["adv"], fake_loss.mean())
    _, said = play(game, "D", start(game), batch)
    assert float(said["D"]["margin"]) == pytest.approx(float(margin.mean()), rel=1e-5)


def test_the_critic_learns_to_give_generated_samples_the_greater_loss_and_the_generator_less():
    game, batch = build("ring", lr=1e-3)
    state = start(game)

    def gap() -> float:
        n = Nets(game, state, batch)
        return float(n.D(n.G(batch.z)).mean() - n.D(batch.x).mean())

    before = gap()
    for _ in range(20):
        state, _ = play(game, "D", state, batch)
    separated = gap()
    assert separated > before
    for _ in range(20):
        state, _ = play(game, "G", state, batch)
    assert gap() < separated


def test_clipping_and_weight_decay_are_optional():
    game, batch = build("fashion-mini")
    state, _ = play(game, "D", start(game), batch)
    assert max(float(w.abs().max()) for w in state.weights["D"].values()) == pytest.approx(0.08)
    free, _ = build("fashion-mini", c=None)
    state, _ = play(free, "D", start(free), batch)
    assert max(float(w.abs().max()) for w in state.weights["D"].values()) > 0.5  # the gains of the batch norm
    decayed, _ = build("fashion-mini", c=None, weight_decay=0.5, lr=0.1)
    plain, _ = build("fashion-mini", c=None, lr=0.1)
    for who in ("D", "G"):
        ends = [play(g, who, start(g), batch)[0].weights[who] for g in (plain, decayed)]
        begin = start(plain).weights[who]
        for name, w in begin.items():  # AdamW: also w <- w - lr weight_decay w
            torch.testing.assert_close(ends[1][name], ends[0][name] - 0.05 * w, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("arguments", [{"nu": 1.5}, {"c": 0.0}, {"nu": float("-inf")}, {"tau": -1.0}])
def test_bad_settings_are_refused(arguments: dict[str, float]):
    with pytest.raises(ValueError):
        registry.find("loss-sensitive")(load("ring"), **arguments)
