"""Laws of initial weights, as formulas of fan-in and fan-out, and the tensors of a network that they are held against.

Sources, where a law is not the paper's own: github.com/igul222/improved_wgan_training (``tflib/ops``, which
github.com/biuyq/CT-GAN and github.com/musikisomorphie/wgan-div carry along), github.com/pfnet-research/
sngan_projection, github.com/brain-research/self-attention-gan, github.com/openai/InfoGAN, github.com/openai/
improved-gan, github.com/carpedm20/BEGAN-tensorflow, github.com/Newmu/dcgan_code, github.com/poolio/unrolled_gan,
github.com/martinarjovsky/WassersteinGAN.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zerosum.networks.layers import BatchNorm, LayerNorm
from zerosum.networks.minibatch_critic import MinibatchCritic

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
