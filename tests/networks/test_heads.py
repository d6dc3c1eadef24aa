"""A critic taken apart is the critic, with every weight in one place only."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from zerosum.networks import dcgan, infogan, mlp, resnet
from zerosum.networks.common import parameter_count
from zerosum.networks.heads import Head, split

CRITICS: dict[str, Callable[[], nn.Module]] = {
    "infogan": lambda: infogan.Critic(4, 16, 1),
    "dcgan": lambda: dcgan.Critic(4, 16, 1),
    "resnet": lambda: resnet.Critic(4, 32, 1),
    "mlp": lambda: mlp.Critic((1, 16, 16), (8,)),
}


@pytest.mark.parametrize("name", CRITICS)
def test_trunk_and_logit_together_are_the_critic(name: str) -> None:
    torch.manual_seed(0)
    critic = CRITICS[name]()
    trunk, logit = split(critic)
    size = 32 if name == "resnet" else 16
    x = torch.randn(5, 1, size, size)
    assert torch.equal(logit(trunk(x)), critic(x))
    assert trunk(x).shape == (5, logit.inputs)
    assert parameter_count(trunk) + parameter_count(logit) == parameter_count(critic)
    weights = [p.data_ptr() for net in (critic, trunk, logit) for p in net.parameters()]
    assert len(set(weights)) == len(weights)  # the critic was copied: it still stands alone


def test_the_head_of_q_has_the_layers_of_the_paper() -> None:
    # 1024 -> 128 with batch norm -> 10 + 1 + 1, as Q in Chen et al. 2016 for MNIST
    head = Head(1024, 128, 12)
    layers: Any = head
    assert parameter_count(head) == 1024 * 128 + 128 + 2 * 128 + 128 * 12 + 12
    h = torch.randn(6, 1024)
    first, norm, _, last = layers
    g = first(h)
    g = (g - g.mean(0)) / (g.var(0, unbiased=False) + 1e-5).sqrt() * norm.weight + norm.bias
    expected = torch.where(g > 0, g, 0.2 * g) @ last.weight.T + last.bias
    torch.testing.assert_close(head(h), expected, rtol=1e-4, atol=1e-5)
    assert first.weight.std().item() == pytest.approx(0.02, rel=0.02)


def test_what_cannot_be_taken_apart_is_refused() -> None:
    with pytest.raises(TypeError, match="Linear has no `features`"):
        split(nn.Linear(2, 1))
    with pytest.raises(ValueError, match="outputs=0"):
        Head(4, 4, 0)
