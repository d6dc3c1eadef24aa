"""What every recipe's networks start from: each tensor against the published law (``initial_laws.py``)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from initial_laws import (
    BEGAN,
    CT_GAN_DCGAN,
    DCGAN,
    DEMO,
    HE,
    HE_LEAKY,
    ORTHOGONAL,
    RESIDUAL_32,
    RESIDUAL_64,
    SAGAN,
    SNGAN,
    TOY,
    WGAN_GP_DCGAN,
    Law,
    Start,
    constant,
    mlps_with_code,
    normal,
    pieces,
    torchs_own,
    uniform_law,
    weight_normed,
)
from recipe_data import load
from torch import Tensor, nn

from zerosum import data, registry
from zerosum.data.base import Data
from zerosum.networks import mlp
from zerosum.networks.common import he_normal, he_uniform, strided_glorot_uniform, uniform
from zerosum.networks.layers import LayerNorm
from zerosum.networks.pairs import toy_pair


@dataclass(frozen=True)
class Entry:
    """What a recipe starts from.

    Attributes:
        images: Law of each network on images of 32 pixels; of all others under "".
        points: Likewise on points, where there are any.
        departs: What its page has to say of initial weights, besides the words themselves, under "Departures"; ``None``
            where all is the authors' own.
    """

    images: Mapping[str, Start]
    points: Mapping[str, Start] | None = None
    departs: str | None = None


def alike(start: Start) -> Mapping[str, Start]:
    return {"": start}


TORCH = alike(torchs_own)
ON_DCGAN = Entry(alike(DCGAN), TORCH, "PyTorch's")  # of DCGAN's networks; on points MLPs
LABELLED = Entry(alike(DCGAN))
TOY_OR = partial(Entry, points=alike(TOY))

TABLE: dict[str, Entry] = {
    "ac-gan": LABELLED,
    "began": Entry(alike(BEGAN), alike(mlps_with_code), "PyTorch's"),
    "biggan": Entry(alike(ORTHOGONAL)),
    "biggan-deep": Entry(alike(ORTHOGONAL)),
    "cgan": LABELLED,
    "ct-gan": TOY_OR(alike(RESIDUAL_32)),
    "custom": Entry(alike(DCGAN), TORCH, "PyTorch's"),
    "dcgan": ON_DCGAN,
    "dragan": ON_DCGAN,
    "ebgan": Entry(alike(DCGAN), alike(mlps_with_code), "PyTorch's"),
    "ebgan-pt": Entry(alike(DCGAN), alike(mlps_with_code), "PyTorch's"),
    "f-gan": Entry(TORCH, TORCH, "PyTorch's"),
    "gan": Entry(TORCH, TORCH, "PyTorch's"),
    "gan-gp": ON_DCGAN,
    "improved-gan": Entry(
        {"G": DCGAN, "": weight_normed(HE)}, {"G": torchs_own, "": weight_normed(torchs_own)}, "He's"
    ),
    "info-gan": Entry(alike(DCGAN), {"Q": DCGAN, "": torchs_own}, "PyTorch's"),
    "inpaint-gan": LABELLED,
    "loss-sensitive": ON_DCGAN,
    "lsgan": ON_DCGAN,
    "noisy-gan": ON_DCGAN,
    "ns-gan": Entry(TORCH, TORCH, "PyTorch's"),
    "pac-gan": ON_DCGAN,
    "ra-hinge": ON_DCGAN,
    "ra-lsgan": ON_DCGAN,
    "rasgan": ON_DCGAN,
    "rsgan": ON_DCGAN,
    "sagan": Entry(alike(SAGAN)),
    "semi-gan": Entry({"G": DCGAN, "": weight_normed(HE_LEAKY)}, departs="He's"),
    "sngan": Entry(alike(SNGAN), TORCH, "PyTorch's"),
    "sngan-projection": Entry(alike(SNGAN)),
    "unrolled": Entry(alike(DCGAN), alike(DEMO)),
    "vae": Entry(alike(DCGAN), alike(mlps_with_code), "PyTorch's"),
    "wgan": ON_DCGAN,
    "wgan-div": Entry(alike(RESIDUAL_32), TORCH, "PyTorch's"),
    "wgan-gp": TOY_OR(alike(RESIDUAL_32)),
}


NARROWER = {"biggan": {"width": 16}, "biggan-deep": {"width": 32}}  # their laws are exact at any width


@cache
def images(size: int) -> Data:
    """Noise in ten classes."""
    pixels = np.random.default_rng(0).integers(0, 256, (320, size, size, 3), dtype=np.uint8)
    return data.load(pixels, labels=np.arange(320) % 10)


def networks(name: str, source: Data, **arguments: Any) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    nets: dict[str, nn.Module] = registry.find(name)(source, **arguments).phases[0].game.nets
    return nets


def check(nets: Mapping[str, nn.Module], laws: Mapping[str, Start]) -> None:
    for name, net in nets.items():
        law = laws[name] if name in laws else laws[""]
        for piece in pieces(name, net):
            law(piece).check(piece.values, piece.path)


def test_every_recipe_is_in_the_table() -> None:
    assert TABLE.keys() == set(registry.names())


@pytest.mark.parametrize("name", registry.names())
def test_networks_of_images_start_from_the_published_weights(name: str) -> None:
    check(networks(name, images(32), **NARROWER.get(name, {})), TABLE[name].images)


@pytest.mark.parametrize("name", registry.names())
def test_networks_of_points_start_from_the_published_weights(name: str) -> None:
    points = TABLE[name].points
    if points is None:
        with pytest.raises(ValueError, match="needs"):
            networks(name, load("ring"))
    else:
        check(networks(name, load("ring")), points)


@pytest.mark.parametrize("name", registry.names())
def test_a_recipe_that_starts_otherwise_says_so_under_departures(name: str) -> None:
    text = " ".join(registry.page(name).text.split())
    departures = text.partition("Departures")[2]
    said = TABLE[name].departs
    if said is not None:
        assert "initial weights" in departures, name
        assert said in departures, name


@pytest.mark.parametrize(
    ("name", "size", "start"),
    [
        ("wgan-gp", 64, RESIDUAL_64),
        ("wgan-gp", 16, WGAN_GP_DCGAN),
        ("wgan-div", 64, RESIDUAL_64),
        ("wgan-div", 16, WGAN_GP_DCGAN),
        ("ct-gan", 64, RESIDUAL_64),
        ("ct-gan", 16, CT_GAN_DCGAN),
    ],
)
def test_the_wgan_gp_family_at_other_sizes(name: str, size: int, start: Start) -> None:
    check(networks(name, images(size)), alike(start))


@pytest.mark.parametrize(
    ("name", "size", "arguments"),
    [
        ("sngan", 64, {"g_width": 8, "d_width": 8}),
        ("sngan-projection", 64, {"g_width": 8, "d_width": 8}),
        ("sagan", 64, {"g_width": 8, "d_width": 8}),
        ("biggan", 64, {"width": 8}),
        ("dcgan", 64, {"width": 8}),
        ("improved-gan", 16, {"width": 8}),
    ],
)
def test_laws_are_the_same_at_other_sizes(name: str, size: int, arguments: dict[str, int]) -> None:
    check(networks(name, images(size), **arguments), TABLE[name].images)


@pytest.mark.parametrize(
    ("network", "law"),
    [("mlp", torchs_own), ("dcgan", DCGAN), ("infogan", DCGAN), ("resnet", SNGAN), ("autoencoder", DCGAN)],
)
def test_networks_of_custom_start_as_its_page_says(network: str, law: Start) -> None:
    given = {"objective": "energy-based"} if network == "autoencoder" else {}
    check(networks("custom", images(32), network=network, width=16, **given), alike(law))


# What the code of the authors gives, layer by layer: sqrt(2 / (fan_in + fan_out)), times sqrt 2 where he_init is True.
WGAN_GP_STDS = {
    32: {
        "G.first": (2 / (128 + 2048)) ** 0.5,  # Generator.Input
        "G.blocks.0.conv1": (4 / (1152 + 1152)) ** 0.5,
        "G.blocks.0.shortcut": (2 / (128 + 128)) ** 0.5,
        "G.last": (2 / (1152 + 27)) ** 0.5,  # he_init=False
        "D.first.conv1": (4 / (27 + 1152)) ** 0.5,
        "D.first.shortcut": (2 / (3 + 128)) ** 0.5,
        "D.last": (2 / (128 + 1)) ** 0.5,
    },
    64: {
        "G.first": (2 / (128 + 8192)) ** 0.5,
        "G.blocks.1.conv1": (4 / (4608 + 2304)) ** 0.5,
        "G.last": (4 / (576 + 27)) ** 0.5,
        "D.first": (2 / (27 + 576)) ** 0.5,  # he_init=False
        "D.blocks.0.shortcut": (2 / (64 + 128)) ** 0.5,
        "D.last": (2 / (8192 + 1)) ** 0.5,
    },
}


@pytest.mark.parametrize("size", WGAN_GP_STDS)
def test_layers_of_wgan_gp_by_name(size: int) -> None:
    nets = networks("wgan-gp", images(size))
    for path, std in WGAN_GP_STDS[size].items():
        net, place = path.split(".", 1)
        weight = nets[net].get_submodule(place).weight
        assert isinstance(weight, Tensor)
        uniform_law(std).check(weight.detach(), path)


def test_toy_networks_by_name() -> None:
    torch.manual_seed(0)
    generator, critic = toy_pair((2,), 2)
    assert isinstance(generator, mlp.Generator)
    assert isinstance(critic, mlp.Critic)
    for net, outputs in ((generator, 2), (critic, 1)):
        stds = [1.0, *[(2 / 512) ** 0.5] * 2, (2 / (512 + outputs)) ** 0.5]
        for layer, std in zip((*net.layers, net.last), stds, strict=True):
            uniform_law(std).check(layer.weight.detach(), str(layer))
            assert not layer.bias.any()


def test_lengths_of_weight_norm_leave_the_weights_as_they_are() -> None:
    for name, width in (("improved-gan", "width"), ("semi-gan", "d_width")):
        found = {p.path: p.values for p in pieces("D", networks(name, images(32), **{width: 8})["D"])}
        lengths = [path for path in found if path.endswith("original0") and "minibatch" not in path]
        assert lengths
        for path in lengths:
            if "last" not in path or name == "semi-gan":
                rows = found[path.replace("original0", "original1")].flatten(1)
                torch.testing.assert_close(found[path].flatten(), rows.norm(dim=1))


# ------------------------------------------------------------------------------------------------- functions


@pytest.mark.parametrize(
    ("layer", "std"),
    [
        (nn.Conv2d(64, 128, 5, 2, 2), (4 / (64 * 25 + 128 * 25 / 4)) ** 0.5),
        (nn.Conv2d(64, 128, 3, 1, 1), (4 / (64 * 9 + 128 * 9)) ** 0.5),
        (nn.ConvTranspose2d(128, 64, 5, 2, 2, 1), (4 / (128 * 25 / 4 + 64 * 25)) ** 0.5),
        (nn.Linear(300, 200), (2 / 500) ** 0.5),
    ],
)
def test_strided_glorot_by_hand(layer: Any, std: float) -> None:
    torch.manual_seed(0)
    strided_glorot_uniform(layer, 1.0)
    uniform_law(std).check(layer.weight.detach(), "layer")
    assert not layer.bias.any()


def test_uniform_laws_by_hand() -> None:
    torch.manual_seed(0)
    layer, norm = nn.Conv2d(16, 64, 3), LayerNorm(5)
    he_uniform(layer, math.sqrt(2))
    uniform_law(math.sqrt(2 / (16 * 9))).check(layer.weight.detach(), "layer")
    uniform(0.02)(layer, 1.0)
    uniform(0.02)(norm, 1.0)
    uniform_law(0.02).check(layer.weight.detach(), "layer")
    assert not layer.bias.any()
    assert bool((norm.weight == 1).all())
    with pytest.raises(ValueError, match="std=0"):
        uniform(0)


def test_a_law_refuses_another_one() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 128, 3)
    he_normal(layer, math.sqrt(2))  # WGAN-GP's first layer started so: 4.7 times too wide
    wrong = [
        (layer.weight.detach(), uniform_law((4 / (27 + 1152)) ** 0.5)),
        (torch.randn(5000), uniform_law(1.0)),
        (torch.rand(5000) * 12**0.5 - 3**0.5, normal(1.0)),
        (torch.randn(5000) * 1.1, normal(1.0)),
        (torch.randn(5000) + 0.1, normal(1.0)),
        (torch.ones(3), constant(0.0)),
        (torch.randn(20, 20), Law("orthogonal", std=1.0)),
    ]
    for values, law in wrong:
        with pytest.raises(AssertionError):
            law.check(values, "wrong")
