"""Every critic of the library, small, and what is asked of it in the tests of critics."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from zerosum.conditioning import auxiliary, concat, projection
from zerosum.constraints import spectral_norm
from zerosum.networks import biggan_deep, dcgan, infogan, mlp, resnet, semi_supervised
from zerosum.networks.autoencoder import Autoencoder, Encoder
from zerosum.networks.critic import BaseCritic, Judgement
from zerosum.networks.layers.recompute import recomputed
from zerosum.networks.minibatch_critic import MinibatchCritic
from zerosum.networks.packing import Packed

SAMPLES, CLASSES = 4, 3
POINTS, SMALL, LARGE = (2,), (1, 16, 16), (1, 32, 32)


def own_last(critic: Any) -> nn.Module:
    return critic.last  # type: ignore[no-any-return]


def packed_last(critic: Any) -> nn.Module:
    return critic.critic.last  # type: ignore[no-any-return]


def inner_last(critic: Any) -> nn.Module:
    return critic.net.last  # type: ignore[no-any-return]


class Case(NamedTuple):
    build: Callable[[], BaseCritic]
    shape: tuple[int, ...]
    features: int
    reader: Callable[[Any], nn.Module] = own_last  # what reads the features
    labels: bool = False  # is it told them?
    classes: int | None = None
    pack: int = 1


def autoencoder() -> Autoencoder:
    return Autoencoder(Encoder(mlp.Critic(POINTS, (6,)), 5), mlp.Generator(5, (6,), POINTS))


def projected() -> projection.Critic:
    return projection.Critic(dcgan.Critic(2, 16, 1, wrap=spectral_norm), CLASSES, wrap=spectral_norm)


CASES: dict[str, Case] = {
    "mlp": Case(lambda: mlp.Critic(POINTS, (6, 5)), POINTS, 5),
    "mlp of images": Case(lambda: mlp.Critic((1, 3, 3), (5,), wrap=weight_norm), (1, 3, 3), 5),
    "dcgan": Case(lambda: dcgan.Critic(2, 16, 1), SMALL, 4 * 16),
    "dcgan, spectral norm": Case(
        lambda: dcgan.Critic(2, 16, 1, norm=nn.Identity, wrap=spectral_norm, bias=True), SMALL, 4 * 16
    ),
    "dcgan, dropout": Case(lambda: dcgan.Critic(2, 16, 1, norm=nn.Identity, dropout=0.5), SMALL, 4 * 16),
    "infogan": Case(lambda: infogan.Critic(2, 16, 1), SMALL, 16 * 2),
    "resnet": Case(lambda: resnet.Critic(2, 32, 1), LARGE, 2),
    "resnet, recomputed": Case(lambda: resnet.Critic(2, 32, 1, pool=resnet.flatten, run=recomputed), LARGE, 2 * 64),
    "biggan-deep": Case(lambda: biggan_deep.Critic(4, 32, 1), LARGE, 4 * 4),
    "classifier": Case(lambda: semi_supervised.Classifier(2, 16, 1, CLASSES, dropout=0.5), SMALL, 4, classes=CLASSES),
    "minibatch": Case(lambda: MinibatchCritic(mlp.Critic(POINTS, (5,)), 3, 2), POINTS, 5 + 3),
    "minibatch twice": Case(
        lambda: MinibatchCritic(MinibatchCritic(mlp.Critic(POINTS, (5,)), 3, 2), 2, 2, wrap=weight_norm),
        POINTS,
        5 + 3 + 2,
    ),
    "packed": Case(lambda: Packed(mlp.Critic((4,), (5,)), 2), POINTS, 5, packed_last, pack=2),
    "packed minibatch": Case(
        lambda: Packed(MinibatchCritic(mlp.Critic((4,), (5,)), 3, 2), 2), POINTS, 5 + 3, packed_last, pack=2
    ),
    "autoencoder": Case(autoencoder, POINTS, 5, lambda c: c.decoder),
    "concat": Case(
        lambda: concat.Critic(dcgan.Critic(2, 16, 1 + CLASSES), CLASSES), SMALL, 4 * 16, inner_last, labels=True
    ),
    "projection": Case(projected, SMALL, 4 * 16, inner_last, labels=True),
    "projection, minibatch": Case(
        lambda: projection.Critic(MinibatchCritic(mlp.Critic(POINTS, (5,)), 3), CLASSES), POINTS, 8, inner_last, True
    ),
    "auxiliary": Case(
        lambda: auxiliary.Critic(dcgan.Critic(2, 16, 1), CLASSES), SMALL, 4 * 16, inner_last, classes=CLASSES
    ),
}
every_critic = pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])


class Batch(NamedTuple):
    x: Tensor
    y: Tensor | None
    z: Tensor


def made(case: Case) -> tuple[Any, Batch]:
    """A critic with random biases and gains too, in the middle of training; samples and labels."""
    torch.manual_seed(0)
    critic = case.build()
    with torch.no_grad():
        for weight in critic.parameters():
            weight += 0.1 * torch.randn_like(weight)
    x = torch.randn(SAMPLES, *case.shape)
    return critic, Batch(x, torch.arange(SAMPLES) % CLASSES if case.labels else None, torch.randn(SAMPLES, 3))


def ask(critic: Any, b: Batch) -> Judgement:
    torch.manual_seed(1)  # dropout draws from the global generator
    judged: Judgement = critic.judge(b.x, b.y)
    return judged


def check_same(found: Judgement, expected: Judgement) -> None:
    assert isinstance(found, Judgement)
    assert (found.classes is None) == (expected.classes is None)
    for name, one, other in zip(Judgement._fields, found, expected, strict=True):
        assert one is None or torch.equal(one, other), name
