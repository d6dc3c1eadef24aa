"""Any combination of parts trains two finite steps inside the constraint asked for, or is refused before the run."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from zerosum import registry
from zerosum.constraints import SpectralNorm
from zerosum.core.dynamics import alternating
from zerosum.core.game import Nets, State, play, start
from zerosum.core.train import train
from zerosum.data import load
from zerosum.data.base import Data
from zerosum.errors import UsageError
from zerosum.networks.layers import BatchNorm, LayerNorm
from zerosum.parts.critics import CONDITIONINGS, CONSTRAINTS, LABELS, NETWORKS, NORMS
from zerosum.parts.objectives import GOALS
from zerosum.parts.penalties import PENALTIES
from zerosum.parts.play import DYNAMICS, OPTIMIZERS
from zerosum.runs.settings import Settings
from zerosum.runs.setup import Batches, Setup, build

SLACK = 1.5  # of a largest singular value, whose estimate follows the weights by one iteration per update
SIZES = {"mlp": 8, "infogan": 8, "dcgan": 16, "autoencoder": 16, "resnet": 32}


@cache
def source(size: int | None, classes: int) -> Data:
    """Points, or coloured noise with or without labels."""
    if size is None:
        return load("ring")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, size, size, 1), dtype=np.uint8)
    return load(images, labels=np.arange(24) % classes if classes else None)


@st.composite
def combinations(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of the recipe, with ``data`` and ``accumulate``; most of them are not refused at first sight."""
    often = draw(st.integers(0, 9)) > 0  # whether what is refused for its kind alone is left out
    network = draw(st.sampled_from([*NETWORKS, None]))
    points = network in ("mlp", "autoencoder", None) and draw(st.booleans())
    labelled = not points and draw(st.booleans())
    energies = network == "autoencoder" if often else draw(st.booleans())
    objective = "energy-based" if energies else draw(st.sampled_from([g for g in GOALS if g != "energy-based"]))
    penalties = ["none", "pulling-away"] if energies and often else list(PENALTIES)
    penalty = draw(st.sampled_from(penalties))
    plain = often and (energies or not labelled or penalty in ("feature-matching", "consistency"))
    dynamics = draw(st.sampled_from(list(DYNAMICS)))
    dropped = draw(st.sampled_from([0.0, 0.0, 0.4])) if not energies and network != "infogan" else 0.0
    return {
        "data": source(None if points else SIZES[network or "dcgan"], 3 if labelled else 0),
        "accumulate": draw(st.sampled_from([1, 1, 1, 2, 4])),
        "objective": objective,
        "penalty": penalty,
        "network": network,
        "conditioning": "none" if plain else draw(st.sampled_from(list(CONDITIONINGS))),
        "g_conditioning": "concat" if plain else draw(st.sampled_from(list(LABELS))),
        "constraint": draw(st.sampled_from(["none", "clip"] if energies and often else list(CONSTRAINTS))),
        "c": draw(st.sampled_from([0.01, 0.3])),
        "norm": draw(st.sampled_from([None, None, None, *NORMS])),
        "dropout": 0.4 if penalty == "consistency" and often else dropped,
        "noise": draw(st.sampled_from([0.0, 0.1])),
        "dynamics": dynamics,
        "strength": draw(st.sampled_from([0.0, 0.1, 1.0])),
        "unroll": draw(st.sampled_from([0, 0, 0, 1, 2])),
        "optimizer": draw(st.sampled_from(list(OPTIMIZERS))),
        "n_critic": draw(st.integers(1, 2)) if dynamics == "alternating" or not often else 1,
        "batch_size": draw(st.sampled_from([1, 4, 4, 8])),
        "latent": draw(st.integers(1, 5)),
        "width": draw(st.integers(1, 3)),
    }


def check_refusal(message: str) -> None:
    """One line that says what, why, and what to do instead."""
    assert "\n" not in message
    assert re.search(r"\b(use|take|leave|set|needs|must be|There are|change|choose)\b", message), message


def check_inside(setup: Setup, state: State) -> None:
    """Every weight of the critic obeys the constraint."""
    critic, constraint = setup.recipe.phases[0].game.nets["D"], setup.arguments["constraint"]
    weights, buffers = state.weights["D"], state.buffers["D"]
    if constraint == "clip":
        assert all(w.abs().max() <= setup.arguments["c"] for w in weights.values())
    if constraint == "weight-norm":
        assert {k.split(".")[-1] for k, w in weights.items() if w.dim() > 1} <= {"original0", "original1"}
    if constraint == "spectral-norm":
        normed = {name for name, m in critic.named_modules() if isinstance(m, SpectralNorm)}
        assert {k.rpartition(".")[0] for k, w in weights.items() if w.dim() > 1} == normed
        assert not any(isinstance(m, BatchNorm | LayerNorm) for m in critic.modules())
        for name in normed:
            assert largest(weights[f"{name}.weight"], buffers[f"{name}.u"], buffers[f"{name}.v"]) < SLACK, name


def largest(weight: Tensor, u: Tensor, v: Tensor) -> float:
    """The largest singular value of W / u^T W v."""
    matrix = (weight.permute(0, 2, 3, 1) if weight.dim() == 4 else weight).flatten(1).double()
    return float(torch.linalg.matrix_norm(matrix, 2) / (u.double() @ matrix @ v.double()))


def trains_or_is_refused(combination: dict[str, Any]) -> str:
    """What came of it: "" where it trains, or why it was refused."""
    arguments = dict(combination)
    data, parts = arguments.pop("data"), arguments.pop("accumulate")
    try:
        setup = build("custom", {**arguments, "steps": 2}, Settings(accumulate=parts, precision="float32"), data=data)
    except UsageError as error:
        check_refusal(str(error))
        return str(error)
    game = setup.recipe.phases[0].game
    dynamics = setup.recipe.dynamics or alternating
    steps = list(train(game, start(game), Batches(setup), 2, dynamics=dynamics))  # raises where a loss is not finite
    _, state, _ = steps[-1]
    assert all(bool(w.isfinite().all()) for ws in state.weights.values() for w in ws.values())
    check_inside(setup, state)
    return ""


CHECKS: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}


@given(combinations())
@settings(max_examples=12, derandomize=True, **CHECKS)
def test_any_combination_trains_inside_its_constraint_or_is_refused(combination: dict[str, Any]) -> None:
    trains_or_is_refused(combination)


@pytest.mark.slow
@given(combinations())
@settings(max_examples=400, **CHECKS)
def test_very_many_combinations_train_inside_their_constraint_or_are_refused(combination: dict[str, Any]) -> None:
    trains_or_is_refused(combination)


# What each part is there for.


def images(**arguments: Any) -> tuple[Any, State, Any]:
    """The game of small parts on images of 16 pixels with three classes, its first state, and a batch."""
    torch.manual_seed(0)
    data = source(16, 3)
    small = {"latent": 4, "width": 4, "batch_size": 6, "steps": 2, **arguments}
    recipe = registry.find("custom")(data, **small)
    batch = recipe.draw(*data.batch(0, 6, seed=0), torch.Generator().manual_seed(0))
    game = recipe.phases[0].game
    return game, start(game), batch


def norms(critic: nn.Module) -> set[str]:
    return {name for name, kind in NORMS.items() for m in critic.modules() if name != "none" and type(m) is kind}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, {"batch"}),
        ({"penalty": "consistency", "dropout": 0.5}, {"batch"}),
        ({"constraint": "clip"}, {"batch"}),
        *(({"penalty": name}, {"layer"}) for name, one in PENALTIES.items() if one is not None and one.on_slope),
        ({"penalty": "r1", "network": "infogan"}, {"layer"}),
        ({"penalty": "r1", "constraint": "clip"}, {"layer"}),
        ({"penalty": "r1", "constraint": "spectral-norm"}, set()),
        ({"penalty": "r1", "unroll": 1}, set()),
        ({"penalty": "feature-matching"}, set()),
        ({"constraint": "spectral-norm"}, set()),
        ({"constraint": "spectral-norm", "network": "infogan"}, set()),
        ({"unroll": 1}, set()),
        ({"unroll": 1, "norm": "layer"}, {"layer"}),
        ({"penalty": "r1", "norm": "none"}, set()),
        ({"penalty": "r1", "network": "mlp"}, set()),
        ({"penalty": "r1", "strict": False}, {"batch"}),
        ({"penalty": "feature-matching", "norm": "batch", "strict": False}, {"batch"}),
    ],
)
def test_the_norm_suits_the_penalty_or_constraint_that_is_chosen(arguments: dict[str, Any], expected: set[str]) -> None:
    game, _, _ = images(**arguments)
    assert norms(game.nets["D"]) == expected
    assert "batch" in norms(game.nets["G"]) or arguments.get("network") == "mlp"


def contrast(**arguments: Any) -> float:
    """How far apart features of images and of the same at 0.3 of their contrast are on average, in terms of theirs."""
    game, state, batch = images(penalty="feature-matching", width=16, **arguments)
    for weight in state.weights["D"].values():
        weight.mul_(10 if weight.dim() > 1 else 1)  # signals that are large beside the eps of norms
    n = Nets(game, state, batch)
    full, faint = (n.D.judge(x).features.detach().mean(0) for x in (batch.x, 0.3 * batch.x))
    return float((full - faint).square().sum() / full.square().sum())


def test_matched_features_see_contrast() -> None:
    for network in ("mlp", "dcgan", "infogan"):
        assert contrast(network=network) > 0.3
    for network in ("dcgan", "infogan"):
        for norm in ("batch", "layer"):
            assert contrast(network=network, norm=norm, strict=False) < 3e-3


@pytest.mark.parametrize("constraint", ["spectral-norm", "weight-norm"])
@pytest.mark.parametrize(("conditioning", "layer"), [("projection", "embedding"), ("auxiliary", "classify")])
def test_a_constraint_holds_for_the_layers_of_labels(constraint: str, conditioning: str, layer: str) -> None:
    held, _, _ = images(constraint=constraint, conditioning=conditioning)
    free, _, _ = images(constraint=constraint, conditioning=conditioning, strict=False)
    for game, expected in ((held, True), (free, False)):
        kinds = {type(getattr(game.nets["D"], layer)).__name__}
        assert (kinds <= {"SpectralNorm", "ParametrizedClassEmbedding", "ParametrizedLinear"}) == expected


def test_statistics_of_the_generator_s_own_turn_are_kept_when_it_looks_ahead() -> None:
    found = []
    for unroll in (0, 2):
        game, state, batch = images(unroll=unroll, norm="none")
        after, _ = play(game, "G", state, batch)
        assert any((b != state.buffers["G"][k]).any() for k, b in after.buffers["G"].items())
        found.append(after.buffers["G"])
    for name, buffer in found[0].items():
        torch.testing.assert_close(found[1][name], buffer, rtol=0, atol=0)
