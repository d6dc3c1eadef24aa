"""The conditional recipe: the label reaches both players, and asked-for classes are what training pairs with it."""

from pathlib import Path

import pytest
import torch
from recipe_data import load

from zerosum import registry
from zerosum.core.game import Nets, start

SMALL = {"width": 4, "kernel": 4, "latent": 8, "batch_size": 10, "steps": 4}


@pytest.mark.parametrize("critic", ["concat", "projection"])
def test_both_players_read_the_label(critic: str) -> None:
    torch.manual_seed(0)
    recipe = registry.find("cgan")(load("fashion-mini"), critic=critic, **SMALL)
    game = recipe.phases[0].game
    x, y = load("fashion-mini").batch(0, 10, seed=0)
    batch = recipe.draw(x, y, torch.Generator().manual_seed(0))
    other = batch._replace(y=(batch.y + 1) % 10)
    assert (batch.y == y).all()
    n = Nets(game, start(game), batch)
    assert (n.G(batch.z, batch.y) != n.G(other.z, other.y)).any()
    assert (n.D(batch.x, batch.y) != n.D(other.x, other.y)).all()


@pytest.mark.parametrize("critic", ["concat", "projection"])
def test_losses_are_those_of_the_conditional_game(critic: str) -> None:
    torch.manual_seed(0)
    recipe = registry.find("cgan")(load("fashion-mini"), critic=critic, **SMALL)
    game = recipe.phases[0].game
    batch = recipe.draw(*load("fashion-mini").batch(0, 10, seed=0), torch.Generator().manual_seed(0))
    n = Nets(game, start(game), batch)
    # E log D(x|y) + E log(1 - D(G(z|y)|y)), and -E log D(G(z|y)|y).
    real, fake = (torch.sigmoid(n.D(x, batch.y)) for x in (batch.x, n.G(batch.z, batch.y)))
    d = game.players["D"].loss(n, batch, {})["adv"]
    g = game.players["G"].loss(n, batch, {})["adv"]
    torch.testing.assert_close(d, -real.log().mean() - (1 - fake).log().mean(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(g, -fake.log().mean(), rtol=1e-5, atol=1e-6)


def test_samples_of_a_run_keep_their_label_whatever_the_pieces(tmp_path: Path) -> None:
    import zerosum

    settings = {"data": "fashion-mini", "size": 16, "out": str(tmp_path / "run")}  # which no score fits
    run = zerosum.train("cgan", **settings, **{**SMALL, "steps": 2})
    sampler = zerosum.load(run.folder.path).generator
    z, y = sampler.latents(0, 100)
    assert z.shape == (100, 8)
    assert y.shape == (100,)
    assert set(y.tolist()) == set(range(10))
    part = sampler.latents(60, 20)
    assert (part[0] == z[60:80]).all()
    assert (part[1] == y[60:80]).all()
    torch.testing.assert_close(sampler(60, 20), sampler.generate(z[60:80], y[60:80]))
