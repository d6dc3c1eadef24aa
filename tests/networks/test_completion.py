"""The completing generator: given pixels stay, hidden ones are never read, and all else is the layers written out."""

import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.common import parameter_count
from zerosum.networks.completion import Generator


def lower_hidden(size: int) -> Tensor:
    known = torch.ones(size, size, dtype=torch.bool)
    known[size // 2 :] = False
    return known


@pytest.mark.parametrize(("size", "kernel", "channels"), [(16, 4, 1), (32, 5, 3), (64, 3, 1)])
def test_given_pixels_are_kept_to_the_bit_and_hidden_ones_are_not_read(size: int, kernel: int, channels: int) -> None:
    torch.manual_seed(0)
    net = Generator(lower_hidden(size), 5, 4, channels, kernel)
    z, y = torch.randn(3, 5), 2 * torch.rand(3, channels, size, size) - 1
    made = net(z, y)
    assert made.shape == y.shape
    assert torch.equal(made[:, :, : size // 2], y[:, :, : size // 2])
    assert (made[:, :, size // 2 :] != y[:, :, size // 2 :]).all()
    assert made.abs().max() <= 1
    other = y.clone()
    other[:, :, size // 2 :] = torch.rand(3, channels, size // 2, size)
    assert torch.equal(net(z, other), made)


def test_the_hidden_part_depends_on_the_latent_and_on_the_given_part() -> None:
    torch.manual_seed(0)
    net = Generator(lower_hidden(16), 5, 4, 1).eval()
    z, y = torch.randn(2, 5), torch.rand(2, 1, 16, 16)
    made = net(z, y)[:, :, 8:]
    assert ((net(z.flip(0), y)[:, :, 8:] - made).abs().amax((1, 2, 3)) > 1e-6).all()
    assert ((net(z, y.flip(0))[:, :, 8:] - made).abs().amax((1, 2, 3)) > 1e-6).all()


def test_layers_written_out() -> None:
    torch.manual_seed(0)
    net: Any = Generator(lower_hidden(16), 5, 4, 1)
    for weight in net.parameters():
        nn.init.normal_(weight, 0, 0.3)
    z, y = torch.randn(6, 5), torch.rand(6, 1, 16, 16)

    def normal(h: Tensor, norm: Any) -> Tensor:
        return F.batch_norm(h, None, None, norm.weight, norm.bias, training=True)

    seen = torch.cat([y[:, :, :8], torch.zeros(6, 1, 8, 16)], 2)
    wide = F.leaky_relu(F.conv2d(seen, net.down[0].weight, stride=2, padding=1), 0.2)  # 4 x 8 x 8
    deep = F.leaky_relu(normal(F.conv2d(wide, net.down[1].weight, stride=2, padding=1), net.down_norms[1]), 0.2)
    h = normal((z @ net.first.weight.T).view(6, 8, 4, 4), net.up_norms[0])
    h = F.conv_transpose2d(F.relu(torch.cat([h, deep], 1)), net.up[0].weight, stride=2, padding=1)
    h = F.relu(torch.cat([normal(h, net.up_norms[1]), wide], 1))
    made = torch.tanh(F.conv_transpose2d(h, net.up[1].weight, stride=2, padding=1))
    torch.testing.assert_close(net(z, y)[:, :, 8:], made[:, :, 8:], rtol=1e-4, atol=1e-5)


def test_weights_are_counted_and_start_as_dcgan_s() -> None:
    net: Any = Generator(lower_hidden(32), 100, 64, 1)
    down = 16 * (1 * 64 + 64 * 128 + 128 * 256)
    up = 16 * (512 * 128 + 256 * 64 + 128 * 1)
    norms = 2 * (128 + 256 + 256 + 128 + 64)
    assert parameter_count(net) == down + up + norms + 100 * 256 * 16
    assert all(conv.weight.std().item() == pytest.approx(0.02, rel=0.1) for conv in (*net.down, *net.up))
    assert net.up_norms[0].weight.mean().item() == pytest.approx(1, abs=0.01)


def test_under_autocast_given_pixels_are_still_exact() -> None:
    net = Generator(lower_hidden(16), 5, 4, 1)
    y = torch.rand(2, 1, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        made = net(torch.randn(2, 5), y)
    assert made.dtype == torch.float32
    assert torch.equal(made[:, :, :8], y[:, :, :8])


@pytest.mark.parametrize(
    ("known", "kernel", "message"),
    [
        (torch.ones(16, 16, dtype=torch.bool), 4, "nothing to complete"),
        (torch.zeros(16, 16), 4, "must be bool (size, size)"),
        (torch.zeros(16, 32, dtype=torch.bool), 4, "must be bool (size, size)"),
        (torch.zeros(24, 24, dtype=torch.bool), 4, "size=24: must be one of 16, 32, 64, 128, 256"),
        (lower_hidden(16), 2, "kernel=2"),
    ],
)
def test_impossible_arguments_are_refused(known: Tensor, kernel: int, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Generator(known, kernel=kernel)
