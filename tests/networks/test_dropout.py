"""Dropout: what is dropped, how much is kept, and where the critics have it."""

import pytest
import torch
from torch import nn

from zerosum.networks import dcgan, parameter_count, resnet
from zerosum.networks.layers.dropout import Dropout


def test_units_are_dropped_at_their_rate_and_the_rest_scaled():
    torch.manual_seed(0)
    x = torch.rand(400, 500) + 1
    y = Dropout(0.2)(x)
    torch.testing.assert_close(y[y != 0], (x / 0.8)[y != 0])
    assert (y == 0).float().mean().item() == pytest.approx(0.2, abs=0.005)
    assert y.mean().item() == pytest.approx(x.mean().item(), rel=0.01)
    assert (Dropout(0.2)(x) != y).any(), "each pass draws its own"


def test_units_are_dropped_independently():
    torch.manual_seed(0)
    dropped = (Dropout(0.5)(torch.ones(20_000, 2, 2, 2)) == 0).flatten(1).double()
    assert (torch.cov(dropped.T) - torch.eye(8) / 4).abs().max() < 0.01


def test_nothing_is_dropped_in_evaluation_or_at_rate_zero():
    x = torch.randn(5, 3)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    state = torch.get_rng_state()
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_mask_depends_on_the_seed_and_not_on_the_memory_layout():
    x = torch.rand(4, 3, 5, 5) + 1
    ends = []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(3)
        ends.append(Dropout(0.5)(x.contiguous(memory_format=layout)))
    assert torch.equal(ends[0], ends[1])
    assert ends[1].is_contiguous(memory_format=torch.channels_last)


def test_bfloat16_stays():
    assert Dropout(0.5)(torch.randn(4, 4).bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2.0])
def test_refuses_rates_that_are_none(rate: float):
    with pytest.raises(ValueError, match="dropout rate"):
        Dropout(rate)


def rates(critic: nn.Module) -> list[float]:
    return [m.rate for m in critic.modules() if isinstance(m, Dropout)]


def test_without_dropout_critics_are_what_they_were():
    for critic in (dcgan.Critic(4, 32), resnet.Critic(4, plans=resnet.WGAN_GP)):
        assert not any(rates(critic))
        x = torch.randn(2, 3, 32, 32)
        assert torch.equal(critic(x), critic(x))
    full = resnet.Critic(plans=resnet.WGAN_GP, dropout=(0.2, 0.5, 0.5))
    assert parameter_count(full) == 1_053_825
    assert full.state_dict().keys() == resnet.Critic(plans=resnet.WGAN_GP).state_dict().keys()


def test_resnet_drops_after_each_block():
    torch.manual_seed(0)
    critic = resnet.Critic(8, plans=resnet.WGAN_GP, dropout=(0.2, 0.5, 0.5))
    assert rates(critic) == [0.2, 0.5, 0.5]
    x = torch.randn(2, 3, 32, 32)
    assert (critic(x) != critic(x)).all()
    # Step by step, with the same masks.
    torch.manual_seed(1)
    found = critic.features(x)
    torch.manual_seed(1)
    h = critic.first(x)
    for block, rate in zip(critic.blocks, (0.2, 0.5, 0.5), strict=True):
        h = block(h)
        h = h * (torch.rand(h.shape) >= rate) / (1 - rate)
    torch.testing.assert_close(found, torch.relu(h).mean((2, 3)))


def test_resnet_drops_nothing_where_the_rate_is_zero():
    critic = resnet.Critic(4, 64, plans=resnet.WGAN_GP, dropout=(0.0, 0.2, 0.5, 0.5))
    assert rates(critic) == [0.0, 0.2, 0.5, 0.5]


def test_dcgan_drops_after_each_activation():
    critic = dcgan.Critic(4, 32, norm=nn.Identity, bias=True, dropout=0.5)
    x = torch.randn(2, 3, 32, 32)
    torch.manual_seed(1)
    found = critic.features(x)
    torch.manual_seed(1)
    h = x
    for conv in critic.convs:
        h = torch.nn.functional.leaky_relu(conv(h), 0.2)
        h = h * (torch.rand(h.shape) >= 0.5) * 2
    torch.testing.assert_close(found, h.flatten(1))
    critic.eval()
    assert torch.equal(critic(x), critic(x))


def test_refuses_rates_that_do_not_fit():
    with pytest.raises(ValueError, match="one rate for each of 3 blocks"):
        resnet.Critic(4, plans=resnet.WGAN_GP, dropout=(0.5,))
    with pytest.raises(ValueError, match=r"dropout rate 1\.5"):
        dcgan.Critic(4, 32, dropout=1.5)
