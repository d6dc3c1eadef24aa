"""The f-GAN recipe: which losses and dynamics its words choose, and what it refuses."""

import math
from typing import Any

import pytest
import torch
from recipe_data import load

from zerosum import registry
from zerosum.core.dynamics import alternating, simultaneous
from zerosum.core.game import Nets, State, start
from zerosum.objectives import minimax, non_saturating
from zerosum.objectives.f_divergence import DIVERGENCES
from zerosum.systems import Recipe

SMALL: dict[str, Any] = {"width": 8, "latent": 4, "batch_size": 6, "steps": 4}
ALL = [*({"divergence": name} for name in DIVERGENCES), {"divergence": "alpha", "alpha": 0.5},
       {"divergence": "alpha", "alpha": 1.5}, {"divergence": "weighted-jensen-shannon", "pi": 0.3}]  # fmt: skip


def build(source: str = "ring", **words: Any) -> Recipe:
    torch.manual_seed(0)
    return registry.find("f-gan")(load(source), **{**SMALL, **words})


def batch(recipe: Recipe, source: str = "ring") -> Any:
    return recipe.draw(*load(source).batch(0, 6, seed=0), torch.Generator().manual_seed(0))


def losses(recipe: Recipe) -> tuple[float, float, torch.Tensor, torch.Tensor]:
    """What both players say, and the logits of both kinds of sample."""
    game, b = recipe.phases[0].game, batch(recipe)
    n = Nets(game, start(game), b)
    said = [float(game.players[who].loss(n, b, {})["adv"]) for who in ("D", "G")]
    return said[0], said[1], n.D(b.x).detach(), n.D(n.G(b.z)).detach()


@pytest.mark.parametrize(("generator", "objective"), [("variational", minimax), ("heuristic", non_saturating)])
def test_gan_and_the_generators_loss_are_as_asked(generator: str, objective: Any) -> None:
    d, g, real, fake = losses(build(divergence="gan", generator=generator))
    assert d == pytest.approx(objective.d(real, fake).item(), abs=1e-6)
    assert g == pytest.approx(objective.g(None, fake).item(), abs=1e-6)


def test_the_default_is_pearson_and_variational() -> None:
    d, g, real, fake = losses(build())
    conjugate = (fake**2 / 4 + fake).mean().item()
    assert d == pytest.approx(conjugate - real.mean().item(), abs=1e-6)
    assert g == pytest.approx(-conjugate, abs=1e-6)


def test_parameters_reach_their_divergence() -> None:
    _, g, _, fake = losses(build(divergence="alpha", alpha=-1))
    assert g == pytest.approx(-(1 - (2 * torch.nn.functional.softplus(-fake)).sqrt()).mean().item(), abs=1e-6)
    _, g, _, fake = losses(build(divergence="weighted-jensen-shannon", pi=0.2))
    known = 0.8 * (math.log(0.8) - (1 - fake.sigmoid() ** 5).log()).mean().item()
    assert g == pytest.approx(-known, abs=1e-6)


def flat(state: State) -> torch.Tensor:
    return torch.cat([w.flatten() for ws in state.weights.values() for w in ws.values()])


def test_single_step_moves_both_from_one_point_and_alternating_does_not() -> None:
    single, turns = build(), build(method="alternating", n_critic=3)
    assert single.dynamics is simultaneous
    assert turns.dynamics is None
    assert [move.updates(0) for move in alternating(turns.phases[0].game)] == [3, 1]
    game = single.phases[0].game
    (move,) = simultaneous(game)
    before = start(game)
    after, said = move.run(before, batch(single))
    assert set(said) == {"D", "G"}
    for name in ("D", "G"):
        assert any((w != after.weights[name][k]).any() for k, w in before.weights[name].items())


@pytest.mark.parametrize("words", ALL, ids=lambda words: " ".join(map(str, words.values())))
@pytest.mark.parametrize("generator", ["variational", "heuristic"])
def test_every_divergence_takes_steps(words: dict[str, Any], generator: str) -> None:
    recipe = build(generator=generator, **words)
    game = recipe.phases[0].game
    state, (move,) = start(game), simultaneous(game)
    for _ in range(3):
        state, said = move.run(state, batch(recipe))
    assert flat(state).isfinite().all()
    assert all(bool(term.isfinite()) for terms in said.values() for term in terms.values())


def test_single_step_compiles_on_images() -> None:
    recipe = build("fashion-mini", divergence="jeffrey")
    game, b = recipe.phases[0].game, batch(recipe, "fashion-mini")
    (move,) = simultaneous(game)
    torch._dynamo.reset()
    ends = [
        flat(run(start(game), b)[0]) for run in (move.run, torch.compile(move.run, backend="aot_eager", fullgraph=True))
    ]
    assert (ends[0] - ends[1]).abs().mean() < 1e-6
    n = Nets(game, start(game), b)
    images = n.G(b.z)
    assert images.shape == (6, 1, 32, 32)
    assert images.abs().max() <= 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"divergence": "kullback"}, "there is no divergence 'kullback': choose one of total-variation, kl"),
        ({"divergence": "alpha"}, "needs its alpha"),
        ({"divergence": "weighted-jensen-shannon"}, "needs its pi"),
        ({"divergence": "kl", "alpha": 0.5}, "'kl' has none: leave it out, or use 'alpha'"),
        ({"divergence": "gan", "pi": 0.5}, "'gan' has none: leave it out, or use 'weighted-jensen-shannon'"),
        ({"divergence": "alpha", "alpha": 0.5, "pi": 0.5}, "'alpha' has none: leave it out"),
        ({"divergence": "alpha", "alpha": 1.0}, "the limit at 1 is 'kl'"),
        ({"divergence": "alpha", "alpha": 0.0}, "the limit at 0 is 'reverse-kl'"),
        ({"divergence": "weighted-jensen-shannon", "pi": 1.0}, "pi=1.0: must be above 0 and below 1"),
        ({"generator": "tricky"}, "There are: variational, heuristic"),
        ({"method": "both"}, "There are: single-step, alternating"),
        ({"n_critic": 5}, "use alternating"),
    ],
)
def test_words_that_do_not_go_together_are_refused(words: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**words)
