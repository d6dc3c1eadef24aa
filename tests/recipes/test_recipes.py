"""Every recipe is checked alike, by name: a new file in ``recipes/`` is tested without editing this one."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from recipe_data import load
from torch.utils._pytree import tree_map

from zerosum import registry
from zerosum.arguments import texts_of
from zerosum.core.dynamics import alternating
from zerosum.core.game import Game, State, play, start
from zerosum.errors import UsageError
from zerosum.systems import Recipe

SMALL: dict[str, Any] = {"width": 8, "g_width": 8, "d_width": 8, "kernel": 4, "batch_size": 8, "steps": 4, "unroll": 1}
SOURCES = ("fashion-mini", "ring")


def small(name: str, source: str) -> Recipe:
    known = registry.arguments(name)
    return registry.find(name)(load(source), **{k: v for k, v in SMALL.items() if k in known})


def build(name: str, source: str) -> tuple[Recipe, Game]:
    torch.manual_seed(0)
    try:
        recipe = small(name, source)
    except ValueError as error:
        if source == "ring" and re.search(r"needs (labelled )?images", str(error)):
            pytest.skip("a recipe for images, and it says so")
        raise
    return recipe, recipe.phases[0].game


def batch(recipe: Recipe, source: str, k: int = 0) -> Any:
    x, y = load(source).batch(k, recipe.batch_size, seed=0)
    return recipe.draw(x, y, torch.Generator().manual_seed(k))


def flat(state: State) -> torch.Tensor:
    return torch.cat([w.flatten() for ws in state.weights.values() for w in ws.values()])


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", registry.names())
def test_each_turn_moves_only_what_its_player_owns(name: str, source: str) -> None:
    recipe, game = build(name, source)
    state = start(game)
    for who, player in game.players.items():
        after, said = play(game, who, state, batch(recipe, source))
        moved = {n for n, ws in state.weights.items() if any((w != after.weights[n][k]).any() for k, w in ws.items())}
        assert moved == set(player.owns)
        assert all(bool(term.isfinite()) for term in said[who].values())


def check_compiled(name: str, source: str, backend: str) -> None:
    recipe, game = build(name, source)
    ends = []
    torch._dynamo.reset()
    for compiled in (False, True):
        torch.manual_seed(0)  # dropout draws from the global generator
        state = start(game)
        for number, move in enumerate(alternating(game)):
            run = torch.compile(move.run, backend=backend, fullgraph=True) if compiled else move.run
            state, _ = run(state, batch(recipe, source, number))
        ends.append(flat(state))
    # Adam divides by the root of squares: where a gradient is nearly 0, its sign, and so a whole step, is rounding.
    assert (ends[0] - ends[1]).abs().mean() < 1e-6


def takes_points(name: str) -> bool:
    try:
        small(name, "ring")
    except ValueError:
        return False
    return True


# Four seconds to a minute each. All kinds of parts, which have tests of their own, are among those that are not slow.
AT_ONCE = ("cgan", "info-gan", "rasgan", "sngan", "unrolled", "wgan-gp")
# Derivatives too are made graphs of these; of the others the trace is run as it is.
DERIVED = ("cgan", "ct-gan", "semi-gan", "sngan", "unrolled", "wgan-gp")


@pytest.mark.parametrize(
    "name", [n if n in AT_ONCE else pytest.param(n, marks=pytest.mark.slow) for n in registry.names()]
)
def test_every_turn_is_one_graph_that_does_the_same(name: str) -> None:
    """Traced whole; on points, whose networks are small, wherever there are any."""
    source = "ring" if takes_points(name) else "fashion-mini"
    check_compiled(name, source, "aot_eager" if name in DERIVED else "eager")


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names())
def test_compiled_on_images_equals_eager(name: str) -> None:
    check_compiled(name, "fashion-mini", "aot_eager")


@pytest.mark.parametrize("name", registry.names())
def test_the_prior_and_the_batch_fit_the_generator(name: str) -> None:
    recipe, game = build(name, "fashion-mini")
    drawn = recipe.prior(5, torch.Generator().manual_seed(0))
    latents = drawn if isinstance(drawn, tuple) else (drawn,)
    assert game.nets[recipe.generator](*latents).shape == (5, 1, 32, 32)
    assert batch(recipe, "fashion-mini").x.shape == (8, 1, 32, 32)


@pytest.mark.parametrize("name", registry.names())
def test_every_argument_is_explained(name: str) -> None:
    texts = texts_of(registry.find(name).__doc__ or "")
    assert set(registry.arguments(name)) <= set(texts)


def test_learning_rate_of_sngan_reaches_zero_with_the_last_step() -> None:
    recipe, game = build("sngan", "ring")
    state = start(game)
    rate = {"D": 0, "G": 0}
    for t in range(4):
        for who, player in game.players.items():
            for i in range(player.steps):
                before = flat(state)
                state, _ = play(game, who, state, batch(recipe, "ring", 10 * t + i))
                rate[who] += int((flat(state) != before).any())
    assert rate == {"D": 20, "G": 4}  # every update of the schedule moved something...
    state, _ = play(game, "G", state, batch(recipe, "ring"))
    ended = flat(state)
    state, _ = play(game, "G", state, batch(recipe, "ring", 1))
    assert torch.equal(flat(state), ended)  # ...and none after its end


def test_learning_rate_of_dcgan_decays_when_asked_to() -> None:
    points = load("ring")
    recipe = registry.find("dcgan")(points, batch_size=8, steps=3, lr=1e-2, beta1=0.0, beta2=0.0, decay_after=1)
    game = recipe.phases[0].game
    state, b = start(game), batch(recipe, "ring")
    moves = []
    for _ in range(4):
        after, _ = play(game, "D", state, b)
        # Without memory, Adam's step is the learning rate wherever the gradient is not tiny.
        moves.append(max(float((w - after.weights["D"][k]).abs().max()) for k, w in state.weights["D"].items()))
        state = after
    assert moves == pytest.approx([1e-2, 1e-2, 0.5e-2, 0.0], rel=1e-3)


def test_wgan_clips_every_weight_of_its_critic() -> None:
    recipe, game = build("wgan", "fashion-mini")
    state, _ = play(game, "D", start(game), batch(recipe, "fashion-mini"))
    assert max(float(w.abs().max()) for w in state.weights["D"].values()) <= 0.01


def test_wgan_gp_takes_the_toy_settings_on_points() -> None:
    image, points = (registry.find("wgan-gp")(load(source)) for source in SOURCES)
    assert (image.batch_size, points.batch_size) == (64, 256)


def test_minimax_and_non_saturating_differ_only_in_the_generators_loss() -> None:
    (mm, mm_game), (_, ns_game) = build("gan", "ring"), build("ns-gan", "ring")
    same = batch(mm, "ring")
    d = [play(game, "D", start(game), same)[1]["D"]["adv"] for game in (mm_game, ns_game)]
    g = [play(game, "G", start(game), same)[1]["G"]["adv"] for game in (mm_game, ns_game)]
    assert torch.equal(d[0], d[1])
    # softplus(-a) - (-softplus(a)) summed: -log s(a) - log(1 - s(a)) = the critic's loss with both kinds fake
    assert float(g[0]) < 0 < float(g[1])


def test_unknown_recipe_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'wgan-gp'"):
        registry.find("wgangp")


def test_recipes_are_found_by_themselves(tmp_path: Path) -> None:
    files = {p.stem.replace("_", "-") for p in (Path(registry.__file__).parent / "recipes").glob("[!_]*.py")}
    assert set(registry.names()) == files


@pytest.mark.gpu
@pytest.mark.parametrize("name", registry.names())
def test_on_a_gpu_in_bf16_losses_agree_with_the_cpu(name: str) -> None:
    recipe, game = build(name, "fashion-mini")
    cpu_batch = batch(recipe, "fashion-mini")
    if any("Dropout" in type(m).__name__ for net in game.nets.values() for m in net.modules()):
        pytest.skip("a GPU drops other units than a CPU")
    gpu_batch = tree_map(lambda t: t.cuda() if isinstance(t, torch.Tensor) else t, cpu_batch)
    for who in game.players:
        _, cpu = play(game, who, start(game), cpu_batch)
        fast = replace(game, autocast=torch.bfloat16)
        _, gpu = play(fast, who, start(fast, "cuda"), gpu_batch)
        for term, value in cpu[who].items():
            assert float(gpu[who][term]) == pytest.approx(float(value), rel=0.05, abs=0.05)
