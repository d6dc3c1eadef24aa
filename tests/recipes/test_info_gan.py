"""InfoGAN: its losses by hand, who moves for the information, and that codes can be told from what is learnt."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from recipe_data import load
from torch import Tensor
from torch.func import functional_call, grad

from zerosum import registry
from zerosum.core.game import Game, Nets, gradient, start
from zerosum.core.random import generator
from zerosum.core.train import train
from zerosum.runs.sampler import Sampler
from zerosum.systems import Recipe

SMALL: dict[str, Any] = {"width": 4, "noise": 6, "batch_size": 12, "steps": 4}


def build(source: str = "fashion-mini", **changes: Any) -> tuple[Recipe, Game, Any]:
    torch.manual_seed(0)
    data = load(source)
    recipe = registry.find("info-gan")(data, **{**SMALL, **changes})
    batch = recipe.draw(*data.batch(0, recipe.batch_size, seed=0), torch.Generator().manual_seed(0))
    return recipe, recipe.phases[0].game, batch


def codes(b: Any, noise: int = 6, categories: int = 10) -> tuple[Tensor, Tensor]:
    """The categorical code, one-hot, and the continuous codes among the latents of a batch."""
    return b.z[:, noise : noise + categories], b.z[:, noise + categories :]


def test_codes_are_what_the_paper_has_for_mnist() -> None:
    recipe = registry.find("info-gan")(load("fashion-mini"))
    batch = recipe.draw(torch.empty(4000), None, torch.Generator().manual_seed(0))
    c, u = codes(batch, noise=62)
    z = batch.z[:, :62]
    assert [tuple(t.shape) for t in (z, c, u)] == [(4000, 62), (4000, 10), (4000, 2)]
    assert set(c.unique().tolist()) == {0, 1}
    assert (c.sum(1) == 1).all()
    assert ((c.sum(0) - 400).abs() < 4 * 19).all()  # standard deviation sqrt(4000 * 0.1 * 0.9) = 19
    for part in (z, u):
        assert -1 <= part.min() < -0.99 < 0.99 < part.max() <= 1
    assert (recipe.batch_size, recipe.steps) == (128, 5_000)
    drawn: Any = recipe.prior(5, torch.Generator().manual_seed(0))
    again = recipe.draw(torch.empty(5), None, torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again.z)
    assert drawn.shape == (5, 74)


@pytest.mark.parametrize(("weight", "categories", "continuous"), [(1.0, 10, 2), (0.3, 4, 3), (1.0, 2, 0)])
def test_losses_by_hand(weight: float, categories: int, continuous: int) -> None:
    _, game, b = build(info_weight=weight, categories=categories, continuous=continuous)
    n = Nets(game, start(game), b)
    fake = n.D.judge(n.G(b.z))
    d_real, d_fake, q = torch.sigmoid(n.D(b.x)), torch.sigmoid(fake.logits), n.Q(fake.features)
    c, u = codes(b, categories=categories)
    assert q.shape == (12, categories + continuous)
    assert u.shape == (12, continuous)
    discrete = (q[:, :categories].log_softmax(1) * c).sum() / 12 + math.log(categories)
    normal: Any = torch.distributions.Normal(q[:, categories:], 1.0)
    smooth = normal.log_prob(u).sum() / 12 + continuous * math.log(2)
    info = -weight * (discrete + smooth)
    d, g = game.players["D"].loss(n, b, {}), game.players["G"].loss(n, b, {})
    for found, expected in (
        (d["adv"], -d_real.log().mean() - (1 - d_fake).log().mean()),
        (g["adv"], -d_fake.log().mean()),
        (d["info"], info),
        (g["info"], info),
        (n._notes["information"], discrete),
        (n._notes["information_continuous"], smooth),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_the_critic_s_player_moves_q_too_and_the_generator_s_only_itself() -> None:
    _, game, _ = build()
    assert {who: set(p.owns) for who, p in game.players.items()} == {"D": {"D", "Q"}, "G": {"G"}}


@pytest.mark.parametrize(("who", "moved"), [("D", ("D", "Q")), ("G", ("G",))])
def test_the_gradient_of_the_information_reaches_all_that_carry_it(who: str, moved: tuple[str, ...]) -> None:
    """Two weights of the information leave gradients that differ only by it."""
    found = []
    for weight in (0.0, 1.0):
        _, game, b = build(info_weight=weight)
        found.append(gradient(game, who, start(game), b)[0])
    without, with_information = found
    apart = {
        (net, k): float((g - without[net][k]).abs().max())
        for net, grads in with_information.items()
        for k, g in grads.items()
    }
    assert {net for (net, _), size in apart.items() if size > 1e-6} == set(moved)
    if who == "D":
        # The last layer of the critic, which the information does not pass.
        assert max(size for (net, k), size in apart.items() if net == "D" and k.startswith("last.")) < 1e-6
        assert not any(g.any() for g in without["Q"].values())


def test_a_step_against_the_gradient_raises_the_information() -> None:
    _, game, b = build(info_weight=100.0)
    state = start(game)

    def information(weights: dict[str, Tensor]) -> Tensor:
        images = functional_call(game.nets["G"], weights, (b.z,))
        n = Nets(game, state, b)
        found: Tensor = (n.Q(n.D.judge(images).features)[:, :10].log_softmax(1) * codes(b)[0]).sum() / 12
        return found

    grads, _, _ = gradient(game, "G", state, b)
    direction = {k: -g for k, g in grads["G"].items()}
    slope = sum(float((g * direction[k]).sum()) for k, g in grad(information)(state.weights["G"]).items())
    assert slope > 0


def test_on_the_ring_the_code_can_be_told_and_each_value_has_its_place() -> None:
    recipe, game, _ = build("ring", categories=8, continuous=0, noise=4, batch_size=32, d_lr=1e-3)
    data = load("ring")
    batches = (recipe.draw(*data.batch(k, 32, seed=0), generator(0, "draw", k)) for k in range(300))
    *_, (_, state, said) = train(game, start(game), batches, 150)
    assert 0.3 < float(said["G"]["information"]) < math.log(8)  # it began at 0
    b = recipe.draw(torch.empty(800), None, torch.Generator().manual_seed(1))
    c, _ = codes(b, noise=4, categories=8)
    points = Nets(game, state, b).G(b.z)
    centres = torch.stack([points[c[:, k] == 1].mean(0) for k in range(8)])
    nearest = torch.cdist(points, centres).argmin(1)
    assert (nearest == c.argmax(1)).float().mean() > 0.8  # told by places, without asking Q; 0.4 untrained


@pytest.mark.parametrize(
    ("change", "message"),
    [({"categories": 1}, "categories=1"), ({"continuous": -1}, "continuous=-1"), ({"noise": -2}, "noise=-2")],
)
def test_impossible_codes_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        registry.find("info-gan")(load("ring"), **change)


def test_a_run_can_be_sampled_and_logs_the_information(tmp_path: Path) -> None:
    import json

    import zerosum

    settings = {"data": "fashion-mini", "size": 16, "out": str(tmp_path / "run")}  # which no score fits
    run = zerosum.train("info-gan", **settings, **{**SMALL, "steps": 2})
    rows = [json.loads(line) for line in run.folder.metrics.read_text().splitlines()]
    assert {"G/information", "D/information", "G/info", "D/adv"} <= set(rows[-1]["losses"])
    sampler = zerosum.load(run.folder.path).generator
    (v,) = sampler.latents(0, 70)
    assert v.shape == (70, 6 + 10 + 2)
    assert set(v[:, 6:16].sum(1).tolist()) == {1}
    assert sampler(0, 3).shape == (3, 1, 16, 16)


def test_truncation_leaves_the_codes() -> None:
    recipe, game, _ = build()
    sampler = Sampler(game.nets["G"], recipe.prior, seed=3)
    (plain,), (cut,) = sampler.latents(0, 500), sampler.truncated(0.3).latents(0, 500)
    assert torch.equal(cut[:, 6:], plain[:, 6:])  # of which each has a 1
    assert cut[:, :6].abs().max() <= 0.3 < plain[:, :6].abs().max()
