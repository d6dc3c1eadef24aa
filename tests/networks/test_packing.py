"""Packing by hand, and what it changes of a critic."""

import pytest
import torch
from torch import nn

from zerosum.networks import dcgan, mlp
from zerosum.networks.common import parameter_count
from zerosum.networks.packing import Packed, pack, packed_shape


def test_images_are_joined_along_channels_and_points_along_features():
    x = torch.arange(24.0).reshape(4, 2, 1, 3)
    packs = pack(x, 2)
    assert packs.shape == (2, 4, 1, 3)
    assert torch.equal(packs[0], torch.cat([x[0], x[1]]))
    assert torch.equal(packs[1], torch.cat([x[2], x[3]]))
    points = torch.tensor([[1.0, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12]])
    assert pack(points, 3).tolist() == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]
    assert torch.equal(pack(x, 1), x)


def test_channels_last_images_are_packed_to_the_same_numbers():
    x = torch.randn(6, 3, 4, 4)
    assert torch.equal(pack(x.contiguous(memory_format=torch.channels_last), 3), pack(x, 3))


def test_a_packed_critic_judges_each_pack_by_itself():
    critic = Packed(mlp.Critic(packed_shape((2,), 2), (5,)), 2)
    x = torch.randn(6, 2)
    logits = critic(x)
    assert logits.shape == (3,)
    torch.testing.assert_close(logits[1], critic.critic(torch.cat([x[2], x[3]])[None])[0])
    moved = x.clone()
    moved[3] += 1
    assert ((critic(moved) != logits) == torch.tensor([False, True, False])).all()


@pytest.mark.parametrize("m", [1, 2, 4])
def test_only_the_first_layer_grows(m: int):
    assert packed_shape((3, 32, 32), m) == (3 * m, 32, 32)
    channels = packed_shape((3, 32, 32), m)[0]
    one, many = dcgan.Critic(8, 32, 3, 4), Packed(dcgan.Critic(8, 32, channels, 4), m)
    # The first convolution is 8 x 3 m x 4 x 4, without bias.
    assert parameter_count(many) - parameter_count(one) == 8 * 3 * (m - 1) * 16
    points = mlp.Critic(packed_shape((2,), m), (7, 7))
    assert parameter_count(points) == (2 * m * 7 + 7) + (7 * 7 + 7) + 8


def test_what_cannot_be_packed_is_refused():
    with pytest.raises(ValueError, match="divisible by 3"):
        pack(torch.zeros(8, 2), 3)
    with pytest.raises(ValueError, match="divisible"):
        pack(torch.zeros(8), 2)
    for function in (lambda: pack(torch.zeros(8, 2), 0), lambda: packed_shape((2,), 0), lambda: Packed(nn.ReLU(), 0)):
        with pytest.raises(ValueError, match="m=0"):
            function()
