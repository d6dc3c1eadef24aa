"""EBGAN, EBGAN-PT and BEGAN: losses rebuilt from reconstructions, the generator's gradient, and what k does."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from recipe_data import load
from torch import Tensor, nn
from torch.func import functional_call

import zerosum
from zerosum import registry
from zerosum.core.game import Game, Said, State, gradient, play, start
from zerosum.core.train import train
from zerosum.recipes.began import halving
from zerosum.systems import Recipe

SMALL: dict[str, Any] = {"width": 4, "latent": 6, "batch_size": 6, "steps": 4}
NAMES = ("ebgan", "ebgan-pt", "began")


def build(name: str, source: str = "fashion-mini", **arguments: Any) -> tuple[Recipe, Game]:
    torch.manual_seed(0)
    recipe = registry.find(name)(load(source), **(SMALL | arguments))
    return recipe, recipe.phases[0].game


def batch(recipe: Recipe, k: int = 0, source: str = "fashion-mini") -> Any:
    x, y = load(source).batch(k, recipe.batch_size, seed=0)
    return recipe.draw(x, y, torch.Generator().manual_seed(k))


class Bound(nn.Module):
    """The networks with gradients of their own, for plain autograd."""

    def __init__(self, game: Game) -> None:
        super().__init__()
        self.nets = nn.ModuleDict(game.nets)

    def samples(self, z: Tensor) -> Tensor:
        x: Tensor = self.nets["G"](z)
        return x

    def errors(self, x: Tensor, power: int, target: Tensor | None = None) -> Tensor:
        """Mean over pixels of |reconstruction - target|^power."""
        critic: Any = self.nets["D"]
        made: Tensor = critic.decoder(critic.encoder(x))
        return (made - (x if target is None else target)).abs().pow(power).mean((1, 2, 3))


POWER = {"ebgan": 2, "ebgan-pt": 2, "began": 1}


@pytest.mark.parametrize("name", NAMES)
def test_the_generator_s_gradient_is_that_of_the_whole_energy(name: str) -> None:
    # Not of one whose target is cut off, as in some published ports of EBGAN.
    alone: dict[str, Any] = {"pt_weight": 0.0} if name == "ebgan-pt" else {}
    recipe, game = build(name, **alone)
    b, power, by_hand = batch(recipe), POWER[name], Bound(game)
    found, _, _ = gradient(game, "G", start(game), b)
    fake = by_hand.samples(b.z)
    whole, cut = by_hand.errors(fake, power).mean(), by_hand.errors(fake, power, fake.detach()).mean()
    weights = dict(game.nets["G"].named_parameters())
    ours = torch.cat([found["G"][k].flatten() for k in weights])
    theirs, wrong = (
        torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(weights.values()), retain_graph=True)])
        for loss in (whole, cut)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5 * float(theirs.abs().max()) + 1e-8)
    assert (theirs - wrong).norm() > 0.1 * theirs.norm()


@pytest.mark.parametrize("name", ["ebgan", "ebgan-pt"])
def test_ebgan_s_losses(name: str) -> None:
    recipe, game = build(name, margin=0.4)
    b, by_hand = batch(recipe), Bound(game)
    _, d = play(game, "D", start(game), b)
    _, g = play(game, "G", start(game), b)
    fake = by_hand.samples(b.z)
    real_energy, fake_energy = by_hand.errors(b.x, 2), by_hand.errors(fake, 2)
    assert (fake_energy < 0.4).all(), "the margin does something"
    torch.testing.assert_close(d["D"]["energy"], real_energy.mean() + (0.4 - fake_energy).clamp_min(0).mean())
    torch.testing.assert_close(d["D"]["real"], real_energy.mean())
    assert set(d["D"]) == {"energy", "real"}
    torch.testing.assert_close(g["G"]["energy"], fake_energy.mean())
    assert set(g["G"]) == {"ebgan": {"energy"}, "ebgan-pt": {"energy", "pt"}}[name]


def test_ebgan_pt_adds_a_tenth_of_the_pulling_away_term_to_the_generator_s_loss() -> None:
    recipe, game = build("ebgan-pt")
    b, by_hand = batch(recipe), Bound(game)
    _, said = play(game, "G", start(game), b)
    critic: Any = game.nets["D"]
    codes = critic.encoder(by_hand.samples(b.z))
    assert codes.shape == (6, 32)
    cosines = [torch.cosine_similarity(codes[i], codes[j], dim=0) for i, j in itertools.permutations(range(6), 2)]
    torch.testing.assert_close(said["G"]["pt"], 0.1 * torch.stack(cosines).square().mean())
    _, twice = play(build("ebgan-pt", pt_weight=0.2)[1], "G", start(game), b)
    torch.testing.assert_close(twice["G"]["pt"], 2 * said["G"]["pt"])
    # Of the generator alone, and it moves it.
    with_pt, without = (gradient(build("ebgan-pt", pt_weight=w)[1], "G", start(game), b)[0]["G"] for w in (0.1, 0.0))
    assert any((with_pt[k] - without[k]).abs().max() > 1e-7 for k in with_pt)


def test_ebgan_pt_without_weight_is_ebgan() -> None:
    (recipe, plain), (_, pt) = build("ebgan"), build("ebgan-pt", pt_weight=0.0)
    b = batch(recipe)
    for who in ("D", "G"):
        ours, theirs = (gradient(game, who, start(game), b)[0][who] for game in (plain, pt))
        assert all(torch.equal(ours[k], theirs[k]) for k in ours)


def turns(recipe: Recipe, game: Game, steps: int, k: float | None = None) -> Iterator[tuple[State, Said]]:
    batches = (batch(recipe, i) for i in itertools.count())
    state = start(game)
    if k is not None:
        state = state._replace(memory={"k": torch.tensor(k)})
    yield state, {}
    for _, after, said in train(game, state, batches, steps):
        yield after, said


@pytest.mark.parametrize(("rate", "first"), [(0.02, None), (0.02, 0.5), (500.0, 0.5)])
def test_k_follows_its_rule_from_what_both_players_saw(rate: float, first: float | None) -> None:
    recipe, game = build("began", gamma=0.7, k_rate=rate)
    states = list(turns(recipe, game, 5, first))
    k = 0.0 if first is None else first
    seen = []
    for t, ((before, _), (after, said)) in enumerate(itertools.pairwise(states)):
        # L(x) at the critic's turn, and L(G(z)) at the generator's, after the critic has moved.
        ours, theirs = batch(recipe, 2 * t), batch(recipe, 2 * t + 1)
        real = error(game, before, before, ours.x)
        fake = error(game, before, before, generated(game, before, ours.z))
        later = error(game, after, before, generated(game, before, theirs.z))
        assert said["D"]["k"].item() == pytest.approx(k, abs=1e-5)
        assert said["D"]["real"].item() == pytest.approx(real, abs=1e-5)
        assert said["D"]["adv"].item() == pytest.approx(real - k * fake, abs=1e-5)
        assert said["D"]["convergence"].item() == pytest.approx(real + abs(0.7 * real - fake), abs=1e-5)
        assert said["G"]["fake"].item() == pytest.approx(later, abs=1e-5)
        k = min(1.0, max(0.0, k + rate * (0.7 * real - later)))
        assert after.memory["k"].item() == pytest.approx(k, abs=1e-5)
        seen.append(k)
    if rate > 1:
        assert {0.0, 1.0} & set(seen), "no end was reached: clipping was not tried"
    else:
        assert len(set(seen)) == 5, "k stood still"


def generated(game: Game, state: State, z: Tensor) -> Tensor:
    x: Tensor = functional_call(game.nets["G"], state.weights["G"], (z,))
    return x


def error(game: Game, critic: State, generator: State, x: Tensor) -> float:
    net: Any = game.nets["D"]
    weights = critic.weights["D"]
    with torch.no_grad():
        parts = {
            p: {k.removeprefix(f"{p}."): w for k, w in weights.items() if k.startswith(p)}
            for p in ("encoder", "decoder")
        }
        made = functional_call(net.decoder, parts["decoder"], (functional_call(net.encoder, parts["encoder"], (x,)),))
        return float((made - x).abs().mean())


def test_k_weighs_generated_samples_in_the_critic_s_gradient() -> None:
    recipe, game = build("began")
    b = batch(recipe)
    state, by_hand = start(game), Bound(game)
    weights = dict(game.nets["D"].named_parameters())
    for k in (0.0, 0.6):
        found, _, _ = gradient(game, "D", state._replace(memory={"k": torch.tensor(k)}), b)
        loss = by_hand.errors(b.x, 1).mean() - k * by_hand.errors(by_hand.samples(b.z).detach(), 1).mean()
        theirs = torch.autograd.grad(loss, list(weights.values()))
        for name, expected in zip(weights, theirs, strict=True):
            torch.testing.assert_close(found["D"][name], expected, rtol=1e-3, atol=1e-6)


def test_k_starts_at_zero() -> None:
    assert start(build("began")[1]).memory["k"].item() == 0


def test_halving() -> None:
    rate = halving(8e-5, 3, 2e-5)
    rates = [float(rate(torch.tensor(float(t)))) for t in range(12)]
    assert rates == pytest.approx([8e-5] * 3 + [4e-5] * 3 + [2e-5] * 6)
    exact = halving(1.0, 100_000, 0.25)
    assert [float(exact(torch.tensor(float(t)))) for t in (0, 99_999, 100_000, 199_999, 200_000, 900_000)] == [
        1.0, 1.0, 0.5, 0.5, 0.25, 0.25,
    ]  # fmt: skip


@pytest.mark.parametrize("who", ["D", "G"])
def test_began_s_learning_rate_is_halved(who: str) -> None:
    recipe, game = build("began", lr=1e-6, lr_halved_every=2, lr_least=2.5e-7, beta1=0.0)
    state, b = start(game), batch(recipe)
    moves = []
    for _ in range(6):
        after, _ = play(game, who, state, b)
        # At so small a rate most gradients stay what they were, and Adam's step is the learning rate.
        steps = torch.cat([(w - after.weights[who][k]).abs().flatten() for k, w in state.weights[who].items()])
        moves.append(float(steps.median()))
        state = after
    assert moves == pytest.approx([1e-6, 1e-6, 5e-7, 5e-7, 2.5e-7, 2.5e-7], rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_on_the_ring_the_critic_learns_to_reconstruct_real_points(name: str) -> None:
    recipe, game = build(name, "ring", batch_size=32, lr=1e-3)
    batches = (batch(recipe, i, "ring") for i in itertools.count())
    errors = [float(said["D"]["real"]) for _, _, said in train(game, start(game), batches, 15)]
    assert sum(errors[-3:]) < 0.6 * sum(errors[:3])


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("ebgan", {"margin": 0.0}, "margin=0"),
        ("ebgan-pt", {"margin": -1.0}, "margin=-1"),
        ("ebgan-pt", {"batch_size": 1}, "at least 2"),
        ("ebgan", {"code": 0}, "code=0"),
        ("began", {"gamma": 1.5}, "gamma=1.5"),
        ("began", {"k_rate": 0.0}, "lambda_k"),
        ("began", {"lr_least": 1.0}, "lr_least"),
        ("began", {"lr_halved_every": 0}, "lr_halved_every"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, **arguments)


def test_k_and_the_measure_of_convergence_are_logged_and_drawn(tmp_path: Path) -> None:
    settings = {"data": "ring", "out": str(tmp_path / "run")}
    run = zerosum.train("began", **settings, **SMALL)
    rows = [json.loads(line) for line in run.folder.metrics.read_text().splitlines()]
    assert {"D/k", "D/convergence", "D/real", "D/adv", "G/fake"} == set(rows[-1]["losses"])
    assert "convergence" in run.folder.report.read_text()
