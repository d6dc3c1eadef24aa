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
from zerosum.networks.minibatch_critic import Open
from zerosum.parts.objectives import ENERGIES, LOGITS
from zerosum.parts.situation import Look, look_at_codes, look_for_classes, look_inside, look_with_labels

CODE = 32  # numbers in the code of an autoencoder


@dataclass(frozen=True)
class Constraint:
    """What the critic's layers are wrapped in, and what is done to it after each update: ``(critic, c) ->``."""

    wrap: Wrap = keep
    project: Callable[[nn.Module, float], Projection] | None = None


CONSTRAINTS = {
    "none": Constraint(),
    "clip": Constraint(project=lambda critic, c: clip(c)),
    "spectral-norm": Constraint(spectral_norm, lambda critic, c: power_iteration(critic)),
    "weight-norm": Constraint(weight_norm),
}


class Plan(NamedTuple):
    """What a pair of networks is built from.

    Attributes:
        shape: of the samples that the generator makes.
        seen: of what the critic sees: with further channels where labels are concatenated.
        inputs: of the generator: the latent's dimension, with the label's where that stands beside it.
        width: channels or units.
        kernel: of convolutions that may choose.
        norm: of the critic.
        wrap: of the critic's layers.
        dropout: of the critic.
        label_norm: of the generator, where labels enter there; else its own norm.
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


Pair = tuple[nn.Module, nn.Module]  # generator, critic


@dataclass(frozen=True)
class Networks:
    """A family of networks.

    Attributes:
        pair: generator and critic from a plan.
        norm: of its critic unless another is asked for; ``None``: it has no place for one.
        points: does it take points as well as images?
        dropout: has its critic a place for dropout?
        wrapped: can its critic's layers be wrapped?
        gives: what its critic says: ``"logits"`` or ``"energies"``.
        look: how to ask its critic.
        label_norms: by which normalisation labels can enter its generator.
    """

    pair: Callable[[Plan], Pair]
    norm: str | None
    points: bool = False
    dropout: bool = True
    wrapped: bool = True
    gives: str = LOGITS
    look: Look = look_inside
    label_norms: tuple[str, ...] = ()


def _mlp(p: Plan) -> Pair:
    activation = nn.Sequential(nn.ReLU(), Dropout(p.dropout)) if p.dropout else F.relu
    hidden, output = (p.width,) * 3, torch.tanh if len(p.shape) == 3 else nn.Identity()
    generator = mlp.Generator(p.inputs, hidden, p.shape, output=output)
    return generator, mlp.Critic(p.seen, hidden, activation=activation, wrap=p.wrap)


def _dcgan(p: Plan) -> Pair:
    size = p.shape[1]
    generator = dcgan.Generator(p.inputs, p.width, size, p.shape[0], p.kernel, norm=p.label_norm or BatchNorm)
    return generator, dcgan.Critic(
        p.width, size, p.seen[0], p.kernel, norm=p.norm, wrap=p.wrap, bias=True, dropout=p.dropout
    )


def _infogan(p: Plan) -> Pair:
    size = p.shape[1]
    generator = infogan.Generator(p.inputs, p.width, size, p.shape[0], norm=p.label_norm or BatchNorm)
    return generator, infogan.Critic(p.width, size, p.seen[0], norm=p.norm, wrap=p.wrap)


def _resnet(p: Plan) -> Pair:
    size = p.shape[1]
    norm = p.label_norm or BatchNorm
    generator = resnet.Generator(p.inputs, p.width, size, p.shape[0], norm=norm, last_norm=BatchNorm)
    dropout = (p.dropout,) * len(resnet.SNGAN[size].downs) if p.dropout else ()
    return generator, resnet.Critic(p.width, size, p.seen[0], norm=p.norm, wrap=p.wrap, dropout=dropout)


def _autoencoder(p: Plan) -> Pair:
    nets = ebgan_pair(p.shape, p.inputs, p.width, p.kernel, CODE)
    return nets["G"], nets["D"]


NORMS: dict[str, Norm] = {"none": nn.Identity, "batch": BatchNorm, "layer": LayerNorm}
NETWORKS = {
    "mlp": Networks(_mlp, norm=None, points=True),
    "dcgan": Networks(_dcgan, norm="batch", label_norms=("batch-norm", "adain")),
    "infogan": Networks(_infogan, norm="batch", dropout=False, label_norms=("batch-norm",)),
    "resnet": Networks(_resnet, norm="none", label_norms=("batch-norm", "adain")),
    "autoencoder": Networks(
        _autoencoder, None, points=True, dropout=False, wrapped=False, gives=ENERGIES, look=look_at_codes
    ),
}


@dataclass(frozen=True)
class Conditioning:
    """How labels enter the critic; into the generator they go by ``LABELS``.

    Attributes:
        critic: ``(critic, classes) ->`` the conditional one.
        look: how to ask that one; ``None``: as without labels.
        planes: does the critic see labels as further channels?
        classifies: does it name the class, so that both players have a term for that?
    """

    critic: Callable[[nn.Module, int], nn.Module]
    look: Look | None
    planes: bool = False
    classifies: bool = False


CONDITIONINGS: dict[str, Conditioning | None] = {
    "none": None,
    "concat": Conditioning(concat.Critic, look_with_labels, planes=True),
    "projection": Conditioning(projection.Critic, look_with_labels),
    "auxiliary": Conditioning(auxiliary.Critic, look_for_classes, classifies=True),
}


# How labels enter the generator: beside the latent, or by a normalisation for so many classes.
LABELS: dict[str, Callable[[int], Norm] | None] = {
    "concat": None,
    "batch-norm": lambda classes: partial(ClassBatchNorm, classes=classes),
    "adain": lambda classes: partial(ClassAdaIN, classes=classes),
}


def conditional(net: nn.Module, family: Networks, chosen: Conditioning | None, classes: int) -> tuple[nn.Module, Look]:
    """The critic as the game knows it, and how to ask it."""
    if chosen is not None:
        return chosen.critic(net, classes), chosen.look or family.look
    return (net if family.gives == ENERGIES else Open(net)), family.look
