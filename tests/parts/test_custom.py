"""The custom recipe: every admitted combination plays, refused ones say why, and known ones equal their own pages."""

import math
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from zerosum import registry
from zerosum.core.game import Game, Nets, State, play, start
from zerosum.data import load as load_anew
from zerosum.discovery import Modules
from zerosum.objectives.objective import ENERGIES
from zerosum.parts import pick
from zerosum.parts.critics import CONDITIONINGS, CONSTRAINTS, LABELS, NETWORKS, NORMS
from zerosum.parts.objectives import GOALS
from zerosum.parts.penalties import PENALTIES
from zerosum.parts.play import DYNAMICS, OPTIMIZERS
from zerosum.penalties import gradient
from zerosum.systems import Recipe

SMALL: dict[str, Any] = {"width": 16, "latent": 4, "batch_size": 4, "steps": 4}


load = cache(load_anew)  # the same few images over and over


def custom(source: str = "fashion-mini", **arguments: Any) -> Recipe:
    torch.manual_seed(0)
    return registry.find("custom")(load(source), **{**SMALL, **arguments})


def batch(recipe: Recipe, source: str = "fashion-mini", k: int = 0) -> Any:
    x, y = load(source).batch(k, recipe.batch_size, seed=0)
    return recipe.draw(x, y, torch.Generator().manual_seed(k))


def check_plays(recipe: Recipe, source: str = "fashion-mini") -> None:
    """Both players move, only what they own, and say finite things; a second round works on what the first left."""
    game = recipe.phases[0].game
    state = start(game)
    for k in range(2):
        drawn = batch(recipe, source, k)
        for who in game.players:
            after, said = play(game, who, state, drawn)
            moved = {
                n for n, ws in state.weights.items() if any((w != after.weights[n][i]).any() for i, w in ws.items())
            }
            assert moved == {who}
            assert all(bool(term.isfinite()) for term in said[who].values()), said
            state = after


def refused(*reasons: str, **arguments: Any) -> None:
    with pytest.raises(ValueError) as error:
        custom(**arguments)
    for reason in reasons:
        assert reason in str(error.value)


OF_LOGITS = [name for name in GOALS if name != "energy-based"]


def admitted(objective: str, penalty: str, conditioning: str) -> None:
    """Play it, or see it refused."""
    dropout = 0.5 if penalty == "consistency" else 0.0
    choice = {"objective": objective, "penalty": penalty, "conditioning": conditioning, "dropout": dropout}
    if penalty == "pulling-away":
        refused("only an autoencoder", "feature-matching", network="mlp", **choice)
    elif penalty in ("feature-matching", "consistency") and conditioning != "none":
        refused("reads the features", "conditioning='none'", network="mlp", **choice)
    else:
        check_plays(custom(network="mlp", **choice))


@pytest.mark.parametrize("objective", OF_LOGITS)
def test_every_objective_plays_with_every_penalty_and_with_every_conditioning(objective: str) -> None:
    for penalty in PENALTIES:
        admitted(objective, penalty, "none")
    for conditioning in CONDITIONINGS:
        admitted(objective, "none", conditioning)


@pytest.mark.parametrize("conditioning", CONDITIONINGS)
def test_every_penalty_plays_under_every_conditioning(conditioning: str) -> None:
    for penalty in PENALTIES:
        admitted("relativistic", penalty, conditioning)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_energies_play_with_penalties_of_codes_alone(penalty: str) -> None:
    choice = {"objective": "energy-based", "network": "autoencoder", "penalty": penalty}
    if penalty in ("none", "pulling-away"):
        check_plays(custom(**choice))
    else:
        refused(penalty, "autoencoder", **choice) if penalty != "consistency" else refused(
            "dropout", dropout=0.5, **choice
        )


@pytest.mark.parametrize("network", [name for name in NETWORKS if name != "autoencoder"])
def test_every_network_plays_under_every_conditioning_and_constraint(network: str) -> None:
    for conditioning, constraint in product(CONDITIONINGS, CONSTRAINTS):
        choice = {"network": network, "conditioning": conditioning, "constraint": constraint}
        check_plays(custom(penalty="r1", **choice))


@pytest.mark.parametrize("labels", [name for name, norm in LABELS.items() if norm])
@pytest.mark.parametrize("network", NETWORKS)
def test_labels_enter_the_generator_s_normalisation(network: str, labels: str) -> None:
    choice = {"network": network, "g_conditioning": labels, "conditioning": "projection"}
    if labels not in NETWORKS[network].label_norms:
        objective = "energy-based" if network == "autoencoder" else "hinge"
        refused("use", **{**choice, "objective": objective, "latent": 8})
        return
    recipe = custom(**choice, latent=8)
    check_plays(recipe)
    game, b = recipe.phases[0].game, batch(recipe)
    z, y = b.given
    assert z.shape == (len(b.x), 8)  # no label beside it
    still = replace(game, nets={name: net.eval() for name, net in game.nets.items()})
    n = Nets(still, start(still), b)
    torch.testing.assert_close(n.G(z, y), n.G(z, (y + 1) % 10))  # all classes begin with the same gain and bias
    for table in n.G.weights.values():
        if table.dim() == 2 and len(table) == 10:
            table.add_(torch.randn_like(table))
    assert (n.G(z, y) != n.G(z, (y + 1) % 10)).flatten(1).any(1).all()


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("penalty", ["none", "wgan-gp", "feature-matching"])
def test_every_dynamics_plays_and_moves_both(dynamics: str, penalty: str) -> None:
    from zerosum.core.dynamics import alternating

    recipe = custom("ring", dynamics=dynamics, penalty=penalty, strength=0.1)
    game = recipe.phases[0].game
    state = before = start(game)
    for k, move in enumerate((recipe.dynamics or alternating)(game)):
        state, said = move.run(state, batch(recipe, "ring", k))
        assert all(bool(v.isfinite()) for terms in said.values() for v in terms.values())
    for name, weights in before.weights.items():
        assert any((w != state.weights[name][k]).any() for k, w in weights.items())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_and_two_time_scales(optimizer: str) -> None:
    check_plays(custom("ring", optimizer=optimizer, d_lr=4e-4, g_lr=1e-4), "ring")


def test_the_learning_rates_go_to_their_players() -> None:
    recipe = custom("ring", optimizer="sgd", beta1=0.0, d_lr=0.5, g_lr=0.25)
    game = recipe.phases[0].game
    state = start(game)
    b = batch(recipe, "ring")
    from zerosum.core.game import gradient

    for who, rate in (("D", 0.5), ("G", 0.25)):
        grads, _, _ = gradient(game, who, state, b)
        after, _ = play(game, who, state, b)
        for key, weight in state.weights[who].items():
            torch.testing.assert_close(after.weights[who][key], weight - rate * grads[who][key])


# --- The same game as the page's: equal losses on equal weights and batches -------------------------------------------


def losses_of(game: Game, state: State, b: Any) -> dict[str, float]:
    memory = state.memory
    said = {}
    for who, player in game.players.items():
        terms = player.loss(Nets(game, state, b), b, memory)
        said[who] = float(torch.stack(list(terms.values())).sum())
    return said


def carry_over(weights: dict[str, torch.Tensor], to: State, net: str) -> None:
    """The page's weights into the custom game, in order: both list the same layers."""
    mine = list(to.weights[net].values())
    assert [w.shape for w in mine] == [w.shape for w in weights.values()]
    for have, want in zip(mine, weights.values(), strict=True):
        have.copy_(want)


@pytest.mark.parametrize(
    ("page", "own", "chosen"),
    [
        (
            "wgan-gp",
            {"width": 4, "latent": 4},
            {"objective": "wasserstein", "penalty": "wgan-gp", "penalty_weight": 0.1},
        ),
        ("ns-gan", {"width": 4, "latent": 4}, {"objective": "non-saturating"}),
        ("gan", {"width": 4, "latent": 4}, {"objective": "minimax"}),
        ("rsgan", {"latent": 4, "penalty_weight": 10.0}, {"objective": "relativistic", "penalty": "wgan-gp"}),
        ("ra-hinge", {"latent": 4}, {"objective": "average-hinge"}),
        ("loss-sensitive", {"latent": 4}, {"objective": "loss-sensitive"}),
        ("wgan-div", {"latent": 4}, {"objective": "wasserstein", "penalty": "wgan-div"}),
    ],
)
def test_a_choice_equals_its_page_on_points(page: str, own: dict[str, Any], chosen: dict[str, Any]) -> None:
    data = load("ring")
    published = registry.find(page)(data, **own, batch_size=6).phases[0].game
    theirs = start(published)
    width = next(iter(theirs.weights["D"].values())).shape[0]
    recipe = custom("ring", **chosen, width=width, batch_size=6)
    game = recipe.phases[0].game
    mine = start(game)
    for net in ("D", "G"):
        carry_over(theirs.weights[net], mine, net)
    if page == "loss-sensitive":  # its critic gives a loss, the opposite of a logit
        for name in ("last.weight", "last.bias"):
            mine.weights["D"][name].neg_()
    b = batch(recipe, "ring")
    for_page = registry.find(page)(data, **own, batch_size=6).draw(b.x, None, torch.Generator().manual_seed(3))
    for_page = for_page._replace(z=b.given[0], **({"eps": b.drawn[0]} if b.drawn else {}))
    assert losses_of(game, mine, b) == pytest.approx(losses_of(published, theirs, for_page), rel=1e-5)


def test_conditional_choices_equal_their_pages() -> None:
    data = load("fashion-mini")
    for page, own, chosen in (
        ("cgan", {"critic": "projection"}, {"conditioning": "projection"}),
        ("cgan", {"critic": "concat"}, {"conditioning": "concat"}),
        ("ac-gan", {}, {"conditioning": "auxiliary"}),
    ):
        small = {"width": 4, "latent": 4, "kernel": 4, "batch_size": 6}
        made = registry.find(page)(data, **small, **own)
        published = made.phases[0].game
        theirs = start(published)
        recipe = custom(network="dcgan", **small, **chosen)
        game = recipe.phases[0].game
        mine = start(game)
        carry_over(theirs.weights["G"], mine, "G")
        # Ours has biases in the critic, at first zero: all else is the page's.
        bias = {k for k in mine.weights["D"] if k not in theirs.weights["D"]}
        assert all("conv" in k or "last" in k for k in bias)
        for key, weight in mine.weights["D"].items():
            weight.zero_() if key in bias else weight.copy_(theirs.weights["D"][key])
        b = batch(recipe)
        for_page = made.draw(b.x, b.y, torch.Generator().manual_seed(3))._replace(z=b.given[0])
        for_page = for_page._replace(c=b.y) if page == "ac-gan" else for_page
        assert losses_of(game, mine, b) == pytest.approx(losses_of(published, theirs, for_page), rel=1e-4), page


def test_looking_ahead_the_generator_maximises_the_critic_s_loss_after_its_updates() -> None:
    plain, ahead = custom("ring", objective="minimax"), custom("ring", objective="minimax", unroll=2)
    game = ahead.phases[0].game
    b, state = batch(plain, "ring"), start(game)
    told = losses_of(game, state, b)
    assert told["D"] == losses_of(plain.phases[0].game, state, b)["D"]
    later = Nets(game, state, b).after("D", 2)
    real, fake = later.D(b.x), later.D(later.G(*b.given))
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    expected = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
    assert told["G"] == pytest.approx(-float(expected), rel=1e-5)


def test_noise_is_on_all_that_the_critic_sees_and_fades_with_the_steps() -> None:
    recipe = custom("ring", objective="wasserstein", noise=0.5, steps=4)
    game = recipe.phases[0].game
    b, state = batch(recipe, "ring"), start(game)
    assert int(state.memory["t"]) == 0
    n = Nets(game, state, b)
    for t, std in ((0, 0.5), (1, 0.375), (4, 0.0)):
        real, fake = (n.D(x + std * e).mean() for x, e in zip((b.x, n.G(*b.given)), b.noise, strict=True))
        memory = {"t": torch.tensor(t)}
        assert float(game.players["D"].loss(n, b, memory)["adv"]) == pytest.approx(float(fake - real), abs=1e-6)
        assert float(game.players["G"].loss(n, b, memory)["adv"]) == pytest.approx(-float(fake), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "weight", "direct"),
    [
        ("wgan-gp", 10.0, lambda d, x, g, r: gradient.wgan_gp(d, x, g, r[0])),
        ("one-sided", 10.0, lambda d, x, g, r: gradient.wgan_gp(d, x, g, r[0], excess=gradient.one_sided)),
        ("zero-centred", 10.0, lambda d, x, g, r: gradient.wgan_gp(d, x, g, r[0], target=0.0)),
        ("wgan-div", 2.0, lambda d, x, g, r: gradient.wgan_div(d, x, g, r[0])),
        ("dragan", 10.0, lambda d, x, g, r: gradient.dragan(d, x, r[0], r[1])),
        ("r1", 5.0, lambda d, x, g, r: gradient.r1(d, x)),
        ("r2", 5.0, lambda d, x, g, r: gradient.r2(d, g)),
    ],
)
def test_penalties_are_those_of_their_names_with_published_weights(name: str, weight: float, direct: Any) -> None:
    recipe = custom("ring", penalty=name)
    game = recipe.phases[0].game
    b, state = batch(recipe, "ring"), start(game)
    state = state._replace(weights={k: {i: 3 * w for i, w in ws.items()} for k, ws in state.weights.items()})  # steeper
    n = Nets(game, state, b)
    said = game.players["D"].loss(n, b, {})["penalty"]
    expected = weight * direct(n.D, b.x, n.G(*b.given), b.drawn)
    assert float(expected) > 0
    torch.testing.assert_close(said, expected)


# --- Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reasons", "arguments"),
    [
        (["'wasserstien'", "Did you mean 'wasserstein'?"], {"objective": "wasserstien"}),
        (["no penalty 'gp'"], {"penalty": "gp"}),
        (["needs labelled images", "conditioning='none'"], {"source": "ring", "conditioning": "concat"}),
        (["needs images", "network='mlp'"], {"source": "ring", "network": "dcgan"}),
        (["reads energies", "autoencoder"], {"objective": "energy-based"}),
        (["reads logits", "energy-based"], {"objective": "hinge", "network": "autoencoder"}),
        (["features and logit"], {"objective": "energy-based", "network": "autoencoder", "conditioning": "concat"}),
        (["needs a critic that knows", "projection"], {"g_conditioning": "batch-norm"}),
        (
            ["'infogan' has no layers", "'concat' or 'batch-norm'"],
            {"g_conditioning": "adain", "network": "infogan", "conditioning": "concat"},
        ),
        (["dropout", "the same"], {"penalty": "consistency"}),
        (["no place for dropout"], {"network": "infogan", "dropout": 0.5}),
        (["no place for batch norm"], {"network": "mlp", "norm": "batch"}),
        (["not wrapped"], {"objective": "energy-based", "network": "autoencoder", "constraint": "spectral-norm"}),
        (["unroll=-1"], {"unroll": -1}),
        (["penalty_weight=-1"], {"penalty": "r1", "penalty_weight": -1.0}),
        (["dropout=1.5"], {"dropout": 1.5}),
        (["noise=-1.0: must be at least 0"], {"noise": -1.0}),
        (["noise=nan", "finite"], {"noise": math.nan}),
        (["penalty_weight=inf", "finite"], {"penalty": "r1", "penalty_weight": math.inf}),
        (["d_lr=0.0: must be above 0"], {"d_lr": 0.0}),
        (["g_lr=-1.0: must be above 0"], {"g_lr": -1.0}),
        (["strength=nan"], {"dynamics": "consensus", "strength": math.nan}),
        (["width=0: must be at least 1"], {"width": 0}),
        (["latent=0: must be at least 1"], {"latent": 0}),
        (["n_critic=0: must be at least 1"], {"n_critic": 0}),
        (["n_critic=2", "at once", "dynamics='alternating'"], {"dynamics": "extragradient", "n_critic": 2}),
        (["c=0"], {"constraint": "clip", "c": 0.0}),
        (["norm='batch'", "at the sample alone", "norm='layer'"], {"penalty": "wgan-gp", "norm": "batch"}),
        (["norm='batch'", "means differ", "norm='none'"], {"penalty": "feature-matching", "norm": "batch"}),
        (["norm='layer'", "contrast", "norm='none'"], {"penalty": "feature-matching", "norm": "layer"}),
        (["norm='layer'", "spectral", "norm='none'"], {"constraint": "spectral-norm", "norm": "layer"}),
        (["norm='batch'", "spectral", "norm='none'"], {"constraint": "spectral-norm", "norm": "batch"}),
        (["norm='batch'", "foresee", "norm='layer'"], {"unroll": 1, "norm": "batch"}),
        (
            ["unroll=1", "autoencoder", "unroll=0"],
            {"unroll": 1, "network": "autoencoder", "objective": "energy-based"},
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(reasons: list[str], arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as error:
        custom(**arguments)
    for reason in reasons:
        assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_objectives_are_those_that_their_modules_offer() -> None:
    offered = [
        (name, one)
        for some in Modules("zerosum.objectives", "OBJECTIVES", "objective").all()
        for name, one in some.items()
    ]
    assert list(GOALS) == sorted(name for name, _ in offered), "each once"
    assert {name for name, goal in GOALS.items() if goal.reads == ENERGIES} == {"energy-based"}
    reads_real = {"relativistic", "average-relativistic", "average-least-squares", "average-hinge"}
    assert {name for name, goal in GOALS.items() if goal.needs_real} == reads_real


def test_an_objective_in_a_file_of_its_own_is_among_them(tmp_path: Path) -> None:
    source = Path(registry.__file__).parent
    copy = tmp_path / "zerosum"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "shipped"))
    (copy / "objectives" / "mine.py").write_text(
        "from zerosum.objectives.wasserstein_loss import wasserstein\nOBJECTIVES = {'mine': wasserstein}\n"
    )
    code = "from zerosum.parts.objectives import GOALS; print(*GOALS)"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == sorted([*GOALS, "mine"])


def test_parts_are_picked_by_name() -> None:
    assert pick({"a": 1}, "a", "letter") == 1
    with pytest.raises(ValueError, match=r"there is no letter 'q'\. There are: a"):
        pick({"a": 1}, "q", "letter")


@pytest.mark.parametrize(
    "parts", [GOALS, PENALTIES, NETWORKS, CONDITIONINGS, CONSTRAINTS, NORMS, LABELS, DYNAMICS, OPTIMIZERS]
)
def test_the_page_lists_every_part(parts: dict[str, Any]) -> None:
    listed = re.split(r"[\s,;:.()]+", registry.describe("custom"))
    assert set(parts) <= set(listed)
