"""What every recipe's networks start from: each tensor against the published law, a formula of fan-in and fan-out.

Sources, where a law is not the paper's own: github.com/igul222/improved_wgan_training (``tflib/ops``, which
github.com/biuyq/CT-GAN and github.com/musikisomorphie/wgan-div carry along), github.com/pfnet-research/
sngan_projection, github.com/brain-research/self-attention-gan, github.com/openai/InfoGAN, github.com/openai/
improved-gan, github.com/carpedm20/BEGAN-tensorflow, github.com/Newmu/dcgan_code, github.com/poolio/unrolled_gan.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from recipe_data import load
from torch import Tensor, nn

from zerosum import data, registry
from zerosum.data.base import Data
from zerosum.networks import mlp
from zerosum.networks.common import he_normal, he_uniform, strided_glorot_uniform, uniform
from zerosum.networks.layers import BatchNorm, LayerNorm
from zerosum.networks.minibatch_critic import MinibatchCritic
from zerosum.networks.pairs import toy_pair

SIGMAS = 5.0  # of sampling error that are allowed
SAMPLED = 100_000  # numbers of a tensor that are looked at


# ------------------------------------------------------------------------------------------------------- laws


@dataclass(frozen=True)
class Law:
    """How the numbers of a tensor are distributed: constant, normal, uniform, orthogonal, or set from data."""

    kind: str
    mean: float = 0.0
    std: float = 0.0

    def check(self, values: Tensor, path: str) -> None:
        """Refuse what cannot be a sample of it, with the numbers."""
        if self.kind != "data":
            {"constant": self._constant, "orthogonal": self._orthogonal}.get(self.kind, self._sampled)(values, path)

    def _constant(self, w: Tensor, path: str) -> None:
        assert bool((w == self.mean).all()), f"{path}: from {w.min():.4g} to {w.max():.4g}, not {self.mean}"

    def _orthogonal(self, w: Tensor, path: str) -> None:
        matrix = w.reshape(len(w), -1)
        wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        error = (wide @ wide.T - self.std**2 * torch.eye(len(wide))).abs().max()
        assert error < 1e-4, f"{path}: rows or columns are not orthonormal, by {error:.2g}"

    def _sampled(self, w: Tensor, path: str) -> None:
        w = w.flatten()[:: max(1, w.numel() // SAMPLED)].double() - self.mean
        n = len(w)
        std, flat = w.square().mean().sqrt(), {"normal": 3.0, "uniform": 1.8}[self.kind]
        said = f"{path}: {w.mean() + self.mean:.4g} +- {std:.4g}, not {self}"
        assert abs(w.mean()) < SIGMAS * self.std / math.sqrt(n), said
        assert abs(std / self.std - 1) < SIGMAS * math.sqrt((flat - 1) / (4 * n)), said
        if self.kind == "uniform":
            assert w.abs().max() <= math.sqrt(3) * self.std * (1 + 1e-6), said
        if n > 1000:
            assert abs(w.pow(4).mean() / std**4 - flat) < SIGMAS * math.sqrt(24 / n), f"{said}, by its 4th moment"


def constant(value: float) -> Law:
    return Law("constant", value)


def normal(std: float, mean: float = 0.0) -> Law:
    return Law("normal", mean, std)


def uniform_law(std: float) -> Law:
    return Law("uniform", 0.0, std)


FROM_DATA = Law("data")


# ---------------------------------------------------------------------------------------------------- tensors


@dataclass(frozen=True)
class Piece:
    """A tensor of a network.

    Attributes:
        path: Where it is, from the network's name on.
        owner: Layer that has it.
        values: Its numbers; of a transposed convolution with outputs first.
        inputs: Fan-in of its layer; 1 of what has none.
    """

    path: str
    owner: nn.Module
    values: Tensor
    inputs: int

    @property
    def name(self) -> str:
        return self.path.rsplit(".", 1)[1]

    @property
    def is_weight(self) -> bool:
        """Of a linear layer, a convolution or an embedding, and not a gain or a bias."""
        return self.name in ("weight", "original1") and self.values.dim() > 1

    @property
    def area(self) -> int:
        return math.prod(self.values.shape[2:])

    @property
    def fans(self) -> tuple[int, int]:
        """Fan-in and fan-out, without regard to the stride."""
        outputs, inputs = self.values.shape[:2]
        return inputs * self.area, outputs * self.area

    @property
    def strided_fans(self) -> tuple[int, int]:
        """Fans as in tflib: of the side that a stride makes sparse, divided by its square."""
        fan_in, fan_out = self.fans
        steps = math.prod(getattr(self.owner, "stride", (1,)))
        return (fan_in // steps, fan_out) if isinstance(self.owner, nn.ConvTranspose2d) else (fan_in, fan_out // steps)


def pieces(name: str, net: nn.Module) -> Iterator[Piece]:
    """All trained tensors of a network."""
    for place, owner in net.named_modules():
        for own, values in owner.named_parameters(recurse=False):
            path, w = ".".join(filter(None, (name, place, own))), values.detach()
            layer = net.get_submodule(place.split(".parametrizations")[0])
            inputs = getattr(layer, "weight", torch.zeros(1))[:1].numel()
            if isinstance(layer, nn.ConvTranspose2d) and w.dim() == 4:
                w = w.transpose(0, 1)
            if isinstance(net, MinibatchCritic) and layer is net.last:
                inputs = net.minibatch.weight.shape[0]  # those of the critic inside; the others are new
                if w.dim() > 1 and own == "original1":
                    yield Piece(path.replace("last", "kernels"), layer, w[:, inputs:], inputs)
                    w = w[:, :inputs]
            yield Piece(path, layer, w, inputs)


Start = Callable[[Piece], Law]  # what a network starts from


ZERO, ONE = constant(0.0), constant(1.0)


def start(weights: Start, *, gains: Law = ONE) -> Start:
    """Weights by a formula, gains of batch norm by a law; other gains are 1, and all that is added is 0."""

    def law(p: Piece) -> Law:
        if p.is_weight:
            return weights(p)
        if p.name == "weight":
            return ONE if isinstance(p.owner, LayerNorm) else gains
        return {"gain": ONE, "bias": ZERO, "gamma": ZERO, "log_deviation": ZERO}[p.name]

    return law


# -------------------------------------------------------------------------------------------------- published


def glorot(p: Piece, gain: float = 1.0) -> Law:
    """Glorot and Bengio 2010, Eq. 16."""
    return uniform_law(gain * math.sqrt(2 / sum(p.fans)))


def in_a_block(p: Piece) -> bool:
    """Whether it is one of the 3x3 convolutions of a residual block, which a ReLU precedes."""
    return bool(re.search(r"conv[12]\.weight$", p.path))


NORM = start(lambda p: FROM_DATA)
DCGAN = start(lambda p: normal(0.02), gains=normal(0.02, mean=1.0))  # Radford et al. 2016, Section 4
# sngan_projection: GlorotUniform(sqrt 2) in blocks, GlorotUniform() elsewhere, embeddings included.
SNGAN = start(lambda p: glorot(p, math.sqrt(2) if in_a_block(p) else 1.0))
# tflib: Conv2D's he_init=True is Glorot's law with gain sqrt 2; shortcuts and what follows have he_init=False.
RESIDUAL_32 = SNGAN
RESIDUAL_64 = start(lambda p: glorot(p, math.sqrt(2) if in_a_block(p) or p.path == "G.last.weight" else 1.0))
WGAN_GP_DCGAN = start(lambda p: uniform_law(0.02))  # set_weights_stdev(0.02) in gan_64x64.py
CT_GAN_DCGAN = start(  # CT_gan_cifar.py: he_init throughout, linear layers Glorot's
    lambda p: uniform_law(math.sqrt((4 if p.values.dim() == 4 else 2) / sum(p.strided_fans)))
)
# gan_toy.py: initialization='he' in ReLULayer, Glorot's in the last layers.
TOY = start(lambda p: glorot(p) if ".last." in p.path else uniform_law(math.sqrt(2 / p.fans[0])))
ORTHOGONAL = start(lambda p: Law("orthogonal", std=1.0))  # Brock et al. 2019, Section 3.1
DEMO = start(lambda p: Law("orthogonal", std=1.4))  # of unrolled GAN
SAGAN = start(glorot)  # tf.contrib.layers.xavier_initializer() in all layers
BEGAN = start(glorot)  # the default of slim's layers


def torchs_own(p: Piece) -> Law:
    """What ``nn.Linear`` starts from: weights and biases U(-a, a) with a = 1 / sqrt(fan_in); norms as ever."""
    if isinstance(p.owner, BatchNorm) or p.name == "log_deviation":
        return NORM(p)
    return uniform_law(1 / math.sqrt(3 * p.inputs))


def mlps_with_code(p: Piece) -> Law:
    """MLPs with torch's weights, a code's layer with Glorot's."""
    return start(glorot)(p) if ".code." in p.path else torchs_own(p)


def weight_normed(layers: Start) -> Start:
    """Directions by the law of the layer, and lengths that leave them as they are; kernels are set from data."""

    def law(p: Piece) -> Law:
        if p.name == "original0":
            return FROM_DATA  # the length of original1, which a test below compares
        if "minibatch." in p.path:
            return normal(0.05) if p.name == "weight" else FROM_DATA  # openai/improved-gan, MinibatchLayer
        return normal(0.02) if ".kernels." in p.path else layers(p)

    return law


def he(gain: float) -> Start:
    """He et al. 2015, Eq. 10; 1 / fan_in for the last layer."""
    return start(lambda p: normal((1.0 if ".last." in p.path else gain) / math.sqrt(p.fans[0])))


# Of improved-gan all layers have 1 / fan_in; of semi-gan hidden ones a leaky ReLU's gain.
HE, HE_LEAKY = he(1.0), he(math.sqrt(2 / (1 + 0.2**2)))

# ------------------------------------------------------------------------------------------------------ table


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
    "wgan-div": TOY_OR(alike(RESIDUAL_32)),
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
