"""The critic with a class head: both of its answers against the formula written out."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from zerosum.conditioning import auxiliary
from zerosum.constraints import spectral_norm
from zerosum.networks import dcgan, mlp, resnet
from zerosum.networks.common import parameter_count


@pytest.mark.parametrize(
    "net",
    [dcgan.Critic(4, 32, 1), resnet.Critic(8, 32, 1), mlp.Critic((1, 32, 32), (16, 16))],
    ids=["dcgan", "resnet", "mlp"],
)
def test_both_answers_are_linear_in_the_same_features(net: Any) -> None:
    critic: Any = auxiliary.Critic(net, 7).eval()
    nn.init.normal_(critic.classify.bias)
    x = torch.randn(6, 1, 32, 32)
    source, seen, classes = critic.judge(x)
    features = net.features(x)
    torch.testing.assert_close(source, net(x))
    torch.testing.assert_close(critic(x), source)
    torch.testing.assert_close(seen, features)
    torch.testing.assert_close(
        classes, torch.einsum("kf,bf->bk", critic.classify.weight, features) + critic.classify.bias
    )
    assert source.shape == (6,)
    assert classes.shape == (6, 7)
    assert parameter_count(critic) == parameter_count(net) + 7 * (features.shape[1] + 1)


def test_initial_weights_leave_all_classes_nearly_alike() -> None:
    torch.manual_seed(0)
    critic: Any = auxiliary.Critic(dcgan.Critic(16, 32, 1), 10)
    assert critic.classify.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not critic.classify.bias.any()
    x, y = torch.randn(16, 1, 32, 32), torch.arange(16) % 10
    assert F.cross_entropy(critic.judge(x).classes, y).item() == pytest.approx(math.log(10), abs=0.5)


def test_the_class_layer_is_wrapped_as_the_others_are() -> None:
    critic = auxiliary.Critic(mlp.Critic((2,), (8,)), 4, wrap=spectral_norm)
    assert getattr(critic.classify, "needs_projection", False)
    assert not getattr(critic.net.last, "needs_projection", False)


def test_what_has_no_features_or_no_classes_is_refused() -> None:
    with pytest.raises(TypeError, match="Linear has no `features`"):
        auxiliary.Critic(nn.Linear(2, 1), 10)
    with pytest.raises(ValueError, match="classes=0: must be at least 1"):
        auxiliary.Critic(mlp.Critic(), 0)
