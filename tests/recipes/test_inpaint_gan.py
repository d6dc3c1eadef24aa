"""The inpainting recipe: what is given stays, what is hidden is never seen, and runs complete real images."""

from pathlib import Path
from typing import Any

import pytest
import torch
from recipe_data import load

from zerosum import registry
from zerosum.core.game import Game, Nets, gradient, play, start
from zerosum.systems import Recipe

SMALL: dict[str, Any] = {"width": 4, "latent": 8, "batch_size": 10, "steps": 4}
# Rows and columns that are hidden, of 32.
HIDDEN = {
    "bottom": (range(16, 32), range(32)),
    "top": (range(16), range(32)),
    "left": (range(32), range(16)),
    "right": (range(32), range(16, 32)),
    "centre": (range(8, 24), range(8, 24)),
}


def build(**changes: Any) -> tuple[Recipe, Game, Any]:
    torch.manual_seed(0)
    data = load("fashion-mini")
    recipe = registry.find("inpaint-gan")(data, **{**SMALL, **changes})
    batch = recipe.draw(*data.batch(0, 10, seed=0), torch.Generator().manual_seed(0))
    return recipe, recipe.phases[0].game, batch


def hidden(mask: str) -> torch.Tensor:
    rows, columns = HIDDEN[mask]
    return torch.tensor([[i in rows and j in columns for j in range(32)] for i in range(32)])


@pytest.mark.parametrize("mask", HIDDEN)
def test_the_part_that_is_not_hidden_is_kept_exactly(mask: str) -> None:
    _, game, b = build(mask=mask)
    where = hidden(mask)
    assert torch.equal(b.x, load("fashion-mini").batch(0, 10, seed=0)[0])
    assert torch.equal(b.given[..., ~where], b.x[..., ~where])
    assert not b.given[..., where].any()
    made = Nets(game, start(game), b).G(b.z, b.given)
    assert torch.equal(made[..., ~where], b.x[..., ~where])
    assert (made[..., where] != 0).float().mean() > 0.9


@pytest.mark.parametrize("weight", [0.0, 10.0])
def test_losses_are_those_of_the_conditional_game(weight: float) -> None:
    _, game, b = build(l1_weight=weight)
    n = Nets(game, start(game), b)
    made = n.G(b.z, b.given)
    # E log D(x|y) + E log(1 - D(G(z|y)|y)), and -E log D(G(z|y)|y); the critic sees image and condition side by side.
    real, fake = (torch.sigmoid(n.D(torch.cat([x, b.given], 1))) for x in (b.x, made))
    d, g = game.players["D"].loss(n, b, {}), game.players["G"].loss(n, b, {})
    torch.testing.assert_close(d["adv"], -real.log().mean() - (1 - fake).log().mean(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(g["adv"], -fake.log().mean(), rtol=1e-5, atol=1e-6)
    away = (made - b.x)[..., hidden("bottom")].abs().mean()
    torch.testing.assert_close(g["l1"], weight * away, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(n._notes["distance"], away, rtol=1e-5, atol=1e-6)  # said whatever it weighs


def test_both_players_read_the_condition() -> None:
    _, game, b = build()
    n = Nets(game, start(game), b)
    other = b.given.flip(0)
    assert (n.D(torch.cat([b.x, b.given], 1)) != n.D(torch.cat([b.x, other], 1))).any()
    below = hidden("bottom")
    assert (n.G(b.z, b.given)[..., below] != n.G(b.z, other)[..., below]).any()
    assert (n.G(b.z, b.given)[..., below] != n.G(b.z.flip(0), b.given)[..., below]).any()


def test_the_further_term_pulls_towards_the_real_image() -> None:
    _, game, b = build(l1_weight=1e4, lr=1e-3)
    state = start(game)
    before = gradient(game, "G", state, b)[1]["l1"]
    for _ in range(5):
        state, _ = play(game, "G", state, b)
    assert gradient(game, "G", state, b)[1]["l1"] < 0.95 * before


def test_the_prior_gives_halves_of_real_images_each_as_likely() -> None:
    recipe, _, _ = build()
    z, y = recipe.prior(300, torch.Generator().manual_seed(1))
    again = recipe.prior(300, torch.Generator().manual_seed(1))
    assert torch.equal(z, again[0])
    assert torch.equal(y, again[1])
    assert z.shape == (300, 8)
    assert not y[:, :, 16:].any()
    data = load("fashion-mini")
    tops = {half.numpy().tobytes() for k in range(10) for half in data.batch(k, 1000, seed=0)[0][:, :, :16]}
    drawn = [half.numpy().tobytes() for half in y[:, :, :16]]
    assert set(drawn) <= tops
    assert len(set(drawn)) > 280  # of 10,000, drawn with replacement: 4.4 repeats are expected


def test_points_are_refused_with_what_would_do() -> None:
    with pytest.raises(ValueError, match=r"needs images.*ns-gan"):
        registry.find("inpaint-gan")(load("ring"))


def test_a_run_can_be_sampled_walked_and_scored_without_taking_images_for_labels(tmp_path: Path) -> None:
    import zerosum
    from zerosum.cli.common import open_run
    from zerosum.cli.interpolate import InterpolateOptions, walk
    from zerosum.runs.scoring import generated_samples

    settings = {"data": "fashion-mini", "out": str(tmp_path / "run")}
    run = zerosum.train("inpaint-gan", **settings, **{**SMALL, "steps": 2})
    sampler = zerosum.load(run.folder.path).generator
    z, y = sampler.latents(0, 70)
    samples = sampler(0, 70)
    assert torch.equal(samples[:, :, :16], y[:, :, :16])
    torch.testing.assert_close(sampler(60, 5), sampler.generate(z[60:65], y[60:65]))
    assert generated_samples(sampler, run.setup, 2, 10).labels is None
    found = open_run(str(run.folder.path), best=False, device="cpu")
    walks = walk(found, InterpolateOptions(str(run.folder.path), rows=2, steps=3), seed=0)
    assert walks.shape == (2, 3, 1, 32, 32)
    assert torch.equal(
        walks[:, :, :, :16], walks[:, :1, :, :16].expand(2, 3, 1, 16, 32)
    )  # one given half for each walk
