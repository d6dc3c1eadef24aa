"""Batches that cannot be shared out among processes and parts are refused before a folder is made, in one line.

Of parts of one sample with batch norm, those are refused that torch refuses: with one value per channel.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zerosum
from zerosum import registry
from zerosum.core import parallel
from zerosum.core.game import Memory, Nets, Terms, play, start
from zerosum.core.optim import adam
from zerosum.data import load as load_anew
from zerosum.data.base import Data
from zerosum.errors import UsageError
from zerosum.latent.priors import normal
from zerosum.networks import mlp
from zerosum.networks.layers import BatchNorm
from zerosum.objectives import hinge
from zerosum.runs.settings import Settings
from zerosum.runs.setup import Batches, Setup, build
from zerosum.runs.sharing import check_sharing
from zerosum.systems import Batch, Coupling, Recipe, two_player

load = cache(load_anew)
CASES: list[tuple[str, dict[str, Any], int, str, str, str]] = [
    ("pac-gan", {"pack": 4, "batch_size": 16}, 8, "packing needs a multiple of 4", "batch_size=32", "accumulate=4"),
    ("pac-gan", {"pack": 3, "batch_size": 12}, 2, "", "", ""),
    ("ebgan-pt", {"batch_size": 16}, 16, "the pulling-away term needs at least 2", "batch_size=32", "accumulate=8"),
    ("improved-gan", {"batch_size": 6}, 6, "minibatch discrimination needs", "batch_size=12", "accumulate=3"),
    ("improved-gan", {"batch_size": 6, "kernels": 0}, 6, "", "", ""),
    ("improved-gan", {"batch_size": 6, "kernels": 0, "reference": 4}, 6, "", "", ""),
    ("info-gan", {"batch_size": 4}, 4, "batch norm in network 'G' needs at least 2", "batch_size=8", "accumulate=2"),
    ("vae", {"batch_size": 1}, 1, "batch norm in network 'E' needs at least 2", "batch_size=2", ""),
    ("f-gan", {"batch_size": 4}, 4, "batch norm in network 'G' needs at least 2", "batch_size=8", "accumulate=2"),
    ("f-gan", {"batch_size": 4}, 5, "cannot share it equally", "batch_size=10", "accumulate=2"),
    ("dcgan", {"batch_size": 4}, 4, "", "", ""),
    ("dcgan", {"batch_size": 4}, 5, "cannot share it equally", "batch_size=5", "accumulate=4"),
    ("dcgan", {"batch_size": 12}, 5, "cannot share it equally", "batch_size=15", "accumulate=4"),
    ("pac-gan", {"pack": 4, "batch_size": 12}, 5, "cannot share it equally", "batch_size=20", "accumulate=3"),
    ("custom", {"network": "infogan", "batch_size": 4}, 4, "batch norm in network", "batch_size=8", "accumulate=2"),
    (
        "custom",
        {"network": "autoencoder", "objective": "energy-based", "penalty": "pulling-away", "batch_size": 4},
        4,
        "the pulling-away term",
        "batch_size=8",
        "accumulate=2",
    ),
]


def made(name: str, arguments: dict[str, Any], accumulate: int, source: str = "fashion-mini", side: int = 16) -> Any:
    page, size = registry.page(name), None if source == "ring" else side
    small = {key: 4 for key in ("width", "latent") if key in page.arguments}
    settings = Settings(accumulate=accumulate, size=size)
    return build(page, small | arguments | {"steps": 1}, settings, data=load(source, size=size))


def words(error: pytest.ExceptionInfo[UsageError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert error.value.argument == "batch_size"
    assert text.startswith("batch_size=")
    return text


@pytest.mark.parametrize(("name", "arguments", "parts", "why", "size", "fewer"), CASES)
def test_parts_that_are_too_small_are_refused_with_what_would_fit(
    name: str, arguments: dict[str, Any], parts: int, why: str, size: str, fewer: str
) -> None:
    if not why:
        assert made(name, arguments, parts)
        return
    with pytest.raises(UsageError) as error:
        made(name, arguments, parts)
    text = words(error)
    assert why in text
    assert re.search(rf"use {size}(, or {fewer})?$", text), text
    assert bool(fewer) == ("or accumulate" in text)
    # What is said to fit does.
    assert made(name, arguments | {"batch_size": int(size.split("=")[1])}, parts)
    if fewer:
        assert made(name, arguments, int(fewer.split("=")[1]))


@pytest.mark.parametrize("name", ["vae", "dcgan", "wgan-gp", "custom"])
def test_networks_without_batch_norm_take_single_samples(name: str) -> None:
    assert made(name, {"batch_size": 4}, 4, "ring")


def test_processes_share_a_batch_as_parts_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "world", lambda: 2)
    for arguments, parts, expected in (
        ({"pack": 4, "batch_size": 16}, 2, None),
        ({"pack": 4, "batch_size": 16}, 4, "4 part(s) on each of 2 processes of 2 sample(s)"),
        ({"pack": 1, "batch_size": 2}, 1, None),
        ({"pack": 1, "batch_size": 6}, 2, "use batch_size=8, or accumulate=1"),
    ):
        if expected is None:
            made("pac-gan", arguments, parts)
            continue
        with pytest.raises(UsageError) as error:
            made("pac-gan", arguments, parts)
        assert expected in words(error)


def update_all(setup: Setup) -> None:
    """One update by each player."""
    game = setup.recipe.phases[0].game
    for player, batch in zip(game.players, Batches(setup), strict=False):
        play(game, player, start(game), batch)


SINGLE: list[tuple[str, str, dict[str, Any]]] = [
    ("f-gan", "fashion-mini", {}),
    ("info-gan", "fashion-mini", {}),
    ("info-gan", "ring", {}),
    ("vae", "fashion-mini", {}),
    ("custom", "fashion-mini", {"network": "infogan"}),
    ("custom", "fashion-mini", {}),
    ("custom", "ring", {}),
    ("vae", "ring", {}),
    ("dcgan", "fashion-mini", {}),
    ("ac-gan", "fashion-mini", {}),
    ("ebgan", "fashion-mini", {}),
    ("improved-gan", "fashion-mini", {"kernels": 0}),
    ("inpaint-gan", "fashion-mini", {}),
    ("wgan-gp", "fashion-mini", {}),
    ("sngan-projection", "fashion-mini", {"g_width": 4, "d_width": 4}),
    ("biggan", "fashion-mini", {}),
]


@pytest.mark.parametrize(("name", "source", "arguments"), SINGLE)
def test_of_one_sample_is_refused_what_torch_refuses_and_nothing_else(
    name: str, source: str, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 32 if name in ("biggan", "sngan-projection") else 16
    case = (name, arguments | {"batch_size": 1}, 1, source, size)
    refused = name in ("f-gan", "info-gan") or (name, source) == ("vae", "fashion-mini") or "network" in arguments
    if not refused:
        update_all(made(*case))
        return
    with pytest.raises(UsageError, match=r"batch norm in network '[A-Z]' needs at least 2 in each: use batch_size=2$"):
        made(*case)
    monkeypatch.setattr("zerosum.runs.setup.check_sharing", lambda *_: None)
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        update_all(made(*case))


def test_the_check_takes_no_random_number_and_writes_to_no_buffer() -> None:
    setup = made("dcgan", {"batch_size": 2}, 1)
    nets = setup.recipe.phases[0].game.nets
    before = [b.clone() for net in nets.values() for b in net.buffers()]
    state = torch.random.get_rng_state()
    check_sharing("dcgan", setup.recipe, 2, setup.data)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(map(torch.equal, before, (b for net in nets.values() for b in net.buffers())))
    assert not any(layer._forward_pre_hooks for net in nets.values() for layer in net.modules())


def test_single_images_train(tmp_path: Path) -> None:
    quick: dict[str, Any] = {"width": 2, "latent": 2, "steps": 1, "watch": -1, "sample_every": 9, "progress": False}
    data = load("fashion-mini", size=16)
    run = zerosum.train("dcgan", data=data, batch_size=2, accumulate=2, out=str(tmp_path / "run"), **quick)
    assert run.sample(3).isfinite().all()


@pytest.mark.parametrize("world", [1, 2])
def test_batch_norm_over_all_processes_counts_their_samples(world: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "world", lambda: world)
    recipe = of_layer(BatchNorm(4, across_ranks=True), batch_size=world)
    if world == 2:
        check_sharing("mine", recipe, 1, POINTS)
    else:
        with pytest.raises(UsageError, match="batch norm in network 'G'"):
            check_sharing("mine", recipe, 1, POINTS)


@pytest.mark.parametrize(
    ("layer", "fits"),
    [
        (nn.BatchNorm1d(4), False),
        (nn.BatchNorm1d(4).eval(), True),
        (nn.BatchNorm1d(4, track_running_stats=False).eval(), False),
        (nn.LayerNorm(4), True),
        (nn.Sequential(nn.Unflatten(1, (1, 2, 2)), nn.BatchNorm2d(1), nn.Flatten()), True),
        (nn.Sequential(nn.Unflatten(1, (4, 1, 1)), nn.BatchNorm2d(4), nn.Flatten()), False),
        (nn.Sequential(nn.Unflatten(1, (2, 2)), nn.BatchNorm1d(2), nn.Flatten()), True),
        (BatchNorm(4), False),
        (BatchNorm(4).eval(), True),
    ],
)
def test_layers_of_torch_are_known_too(layer: nn.Module, fits: bool) -> None:
    recipe = of_layer(layer, batch_size=3)
    check_sharing("mine", recipe, 1, POINTS)
    if fits:
        check_sharing("mine", recipe, 3, POINTS)
        assert layer(torch.zeros(1, 4)).shape == (1, 4)
    else:
        with pytest.raises(UsageError, match="batch norm in network 'G' needs at least 2"):
            check_sharing("mine", recipe, 3, POINTS)
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            layer(torch.zeros(1, 4))


def test_a_layer_that_is_never_called_refuses_nothing() -> None:
    recipe = of_layer(nn.Identity(), batch_size=1)
    recipe.phases[0].game.nets["G"].unused = nn.BatchNorm1d(4)
    check_sharing("mine", recipe, 1, POINTS)


def test_losses_that_fail_of_themselves_are_left_to_the_training() -> None:
    check_sharing("mine", of_layer(nn.Sequential(BatchNorm(4), nn.Linear(5, 4)), batch_size=2), 1, POINTS)
    check_sharing("mine", of_layer(nn.Sequential(nn.Linear(5, 4), BatchNorm(4)), batch_size=1), 1, POINTS)


POINTS = Data("ring", (2,), (), None, "", ())


def of_layer(layer: nn.Module, batch_size: int) -> Recipe:
    """A game of points whose generator has this layer, of vectors of 4."""

    def loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": hinge.g(None, n.D(n.G(b.z)))}

    net = mlp.Generator(2, (4,), (2,), activation=layer)
    critic = mlp.Critic((2,), (4,))
    return two_player(net, critic, loss, loss, opt=adam(1e-3), latent=normal(2), batch_size=batch_size, steps=1)


def test_a_recipe_of_one_s_own_can_say_what_it_compares(tmp_path: Path) -> None:
    def recipe(data: Data, *, batch_size: int = 12) -> Recipe:
        def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
            return {"adv": hinge.d(n.D(b.x), n.D(n.G(b.z)))}

        def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
            return {"spread": -pairs(n.G(b.z))}

        def pairs(x: Tensor) -> Tensor:
            return (x[::2] - x[1::2]).square().mean()

        nets = mlp.Generator(2, (4,), data.shape), mlp.Critic(data.shape, (4,))
        coupled = (Coupling("what compares pairs", multiple=2),)
        return two_player(
            *nets, d_loss, g_loss, opt=adam(1e-3), latent=normal(2), batch_size=batch_size, steps=1, coupled=coupled
        )

    out = tmp_path / "run"
    with pytest.raises(UsageError, match="what compares pairs needs a multiple of 2 in each: use batch_size=16"):
        zerosum.train(recipe, data="ring", accumulate=4, out=str(out), progress=False)
    assert not out.exists()


def test_an_old_run_of_too_small_parts_can_still_be_opened(tmp_path: Path) -> None:
    quick: dict[str, Any] = {"width": 2, "latent": 2, "steps": 1, "size": 16, "watch": -1, "progress": False}
    out = tmp_path / "run"
    zerosum.train("vae", data="fashion-mini", batch_size=2, out=str(out), sample_every=9, **quick)
    record = json.loads((out / "run.json").read_text())
    record["arguments"]["batch_size"] = 1
    (out / "run.json").write_text(json.dumps(record))
    assert zerosum.load(out).sample(2).shape == (2, 1, 16, 16)


@pytest.mark.parametrize(
    "name",
    [
        "pac-gan",
        "ebgan-pt",
        "improved-gan",
        "custom",
        "semi-gan",
        "unrolled",
        "rasgan",
        "ra-lsgan",
        "ra-hinge",
        "info-gan",
        "vae",
    ],
)
def test_the_help_of_a_recipe_says_that_it_compares_the_samples_of_a_batch(name: str) -> None:
    page = registry.page(name)
    said = " ".join(f"{page.text} {page.function.__doc__}".split())
    assert "``--accumulate``" in said
    assert re.search(r"\bpart\b|\bparts\b", said)
