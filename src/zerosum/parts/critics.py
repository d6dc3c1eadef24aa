"""Networks, constraints on the critic, and conditioning, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from zerosum.conditioning import auxiliary, concat, projection
from zerosum.conditioning.adain import ClassAdaIN
from zerosum.conditioning.batch_norm import ClassBatchNorm
from zerosum.constraints import clip, power_iteration, spectral_norm
from zerosum.core.game import Projection
from zerosum.networks import dcgan, infogan, mlp, resnet
from zerosum.networks.autoencoder import ebgan_pair
from zerosum.networks.common import Norm, Wrap, keep
from zerosum.networks.layers import BatchNorm, LayerNorm
from zerosum.networks.layers.dropout import Dropout
from zerosum.networks.pairs import Pair
from zerosum.objectives.objective import ENERGIES, LOGITS

CODE = 32  # numbers in the code of an autoencoder


@dataclass(frozen=True)
class Constraint:
    """A constraint on the critic's weights.

    Attributes:
        wrap: Wrapper of each of the critic's layers.
        project: Projection of its weights after each update, made of (critic, c); ``None`` for none.
        bounds_slope: Whether it bounds the critic's slope by that of its layers, of which normalisation has none.
    """

    wrap: Wrap = keep
    project: Callable[[nn.Module, float], Projection] | None = None
    bounds_slope: bool = False


CONSTRAINTS = {
    "none": Constraint(),
    "clip": Constraint(project=lambda critic, c: clip(c)),
    "spectral-norm": Constraint(spectral_norm, lambda critic, c: power_iteration(critic), bounds_slope=True),
    "weight-norm": Constraint(weight_norm),
}


class Wanted(NamedTuple):
    """What a pair of networks is built from.

    Attributes:
        shape: Shape of the samples that the generator makes.
        seen: Shape of what the critic sees: with further channels where labels are concatenated.
        inputs: Numbers that the generator is given: the latent's, with the label's where that stands beside it.
        width: Unit of channels, or units of each hidden layer.
        kernel: Side of the kernels, in pixels, where convolutions have a choice.
        norm: Normalisation in the critic.
        wrap: Wrapper of each of the critic's layers.
        dropout: Share of the critic's units that are dropped.
        label_norm: Normalisation in the generator, where labels enter there; ``None`` for its own.
    """

    shape: tuple[int, ...]
    seen: tuple[int, ...]
    inputs: int
    width: int
    kernel: int
    norm: Norm
    wrap: Wrap
    dropout: float
    label_norm: Norm | None = None


@dataclass(frozen=True)
class Networks:
    """A family of networks.

    Attributes:
        pair: Generator and critic, as they are wanted.
        norm: Normalisation in its critic unless another is asked for; ``None`` where there is no place for one.
        points: Whether it takes points as well as images.
        dropout: Whether its critic has a place for dropout.
        wrapped: Whether its critic's layers can be wrapped.
        gives: Kind of number that its critic gives: ``LOGITS`` or ``ENERGIES``.
        label_norms: Normalisations by which labels can enter its generator.
    """

    pair: Callable[[Wanted], Pair]
    norm: str | None
    points: bool = False
    dropout: bool = True
    wrapped: bool = True
    gives: str = LOGITS
    label_norms: tuple[str, ...] = ()


def _mlp(p: Wanted) -> Pair:
    activation = nn.Sequential(nn.ReLU(), Dropout(p.dropout)) if p.dropout else F.relu
    hidden, output = (p.width,) * 3, torch.tanh if len(p.shape) == 3 else nn.Identity()
    generator = mlp.Generator(p.inputs, hidden, p.shape, output=output)
    return generator, mlp.Critic(p.seen, hidden, activation=activation, wrap=p.wrap)


def _dcgan(p: Wanted) -> Pair:
    size = p.shape[1]
    generator = dcgan.Generator(p.inputs, p.width, size, p.shape[0], p.kernel, norm=p.label_norm or BatchNorm)
    return generator, dcgan.Critic(
        p.width, size, p.seen[0], p.kernel, norm=p.norm, wrap=p.wrap, bias=True, dropout=p.dropout
    )


def _infogan(p: Wanted) -> Pair:
    size = p.shape[1]
    generator = infogan.Generator(p.inputs, p.width, size, p.shape[0], norm=p.label_norm or BatchNorm)
    return generator, infogan.Critic(p.width, size, p.seen[0], norm=p.norm, wrap=p.wrap)


def _resnet(p: Wanted) -> Pair:
    size = p.shape[1]
    norm = p.label_norm or BatchNorm
    generator = resnet.Generator(p.inputs, p.width, size, p.shape[0], norm=norm, last_norm=BatchNorm)
    dropout = (p.dropout,) * len(resnet.SNGAN[size].downs) if p.dropout else ()
    return generator, resnet.Critic(p.width, size, p.seen[0], norm=p.norm, wrap=p.wrap, dropout=dropout)


def _autoencoder(p: Wanted) -> Pair:
    return ebgan_pair(p.shape, p.inputs, p.width, p.kernel, CODE)


NORMS: dict[str, Norm] = {"none": nn.Identity, "batch": BatchNorm, "layer": LayerNorm}
NETWORKS = {
    "mlp": Networks(_mlp, norm=None, points=True),
    "dcgan": Networks(_dcgan, norm="batch", label_norms=("batch-norm", "adain")),
    "infogan": Networks(_infogan, norm="batch", dropout=False, label_norms=("batch-norm",)),
    "resnet": Networks(_resnet, norm="none", label_norms=("batch-norm", "adain")),
    "autoencoder": Networks(_autoencoder, None, points=True, dropout=False, wrapped=False, gives=ENERGIES),
}


@dataclass(frozen=True)
class Conditioning:
    """How labels enter the critic; into the generator they go by ``LABELS``.

    Attributes:
        critic: Conditional critic, made of (critic, classes, wrapper of the layers that read labels or name them).
        planes: Whether the critic sees labels as further channels.
        classifies: Whether it names the class, so that both players have a term for that.
    """

    critic: Callable[[nn.Module, int, Wrap], nn.Module]
    planes: bool = False
    classifies: bool = False


CONDITIONINGS: dict[str, Conditioning | None] = {
    "none": None,
    "concat": Conditioning(lambda critic, classes, wrap: concat.Critic(critic, classes), planes=True),
    "projection": Conditioning(lambda critic, classes, wrap: projection.Critic(critic, classes, wrap=wrap)),
    "auxiliary": Conditioning(
        lambda critic, classes, wrap: auxiliary.Critic(critic, classes, wrap=wrap), classifies=True
    ),
}


# How labels enter the generator: beside the latent, or by a normalisation for so many classes.
LABELS: dict[str, Callable[[int], Norm] | None] = {
    "concat": None,
    "batch-norm": lambda classes: partial(ClassBatchNorm, classes=classes),
    "adain": lambda classes: partial(ClassAdaIN, classes=classes),
}
