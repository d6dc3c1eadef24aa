"""Residual networks of bottleneck blocks, held against the authors' code: igul222/improved_wgan_training.

``gan_64x64.py`` has the networks, ``tflib/ops/conv2d.py``, ``deconv2d.py`` and ``linear.py`` have the initial weights:
U(-a, a) with a = sqrt(3) std, and std^2 = 4 / (fan_in + fan_out) on paths, 2 / (fan_in + fan_out) elsewhere. A
convolution of stride s has fan_out = outputs k^2 / s^2, a transposed one fan_in = inputs k^2 / s^2.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.lab.bottleneck import Bottleneck, ResidualCritic, ResidualGenerator
from zerosum.networks.layers import BatchNorm

# Block -> std of its three layers and of its shortcut (None: the identity), from 48 channels to 24.
STDS: dict[str | None, tuple[float, ...]] = {
    None: (
        math.sqrt(4 / (48 + 24)),
        math.sqrt(4 / (9 * 24 + 9 * 12)),
        math.sqrt(4 / (12 + 24)),
        math.sqrt(2 / (48 + 24)),
    ),
    "down": (
        math.sqrt(4 / (48 + 24)),
        math.sqrt(4 / (9 * 24 + 9 * 12 / 4)),
        math.sqrt(4 / (12 + 24)),
        math.sqrt(2 / (48 + 24 / 4)),
    ),
    "up": (
        math.sqrt(4 / (48 + 24)),
        math.sqrt(4 / (9 * 24 / 4 + 9 * 12)),
        math.sqrt(4 / (12 + 24)),
        math.sqrt(2 / (48 + 4 * 24)),
    ),
}


Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear


def layers(net: nn.Module) -> list[tuple[str, Layer]]:
    return [(name, m) for name, m in net.named_modules() if isinstance(m, Layer)]


def check_uniform(weight: Tensor, std: float) -> None:
    """Of so many numbers the largest is near the edge, and none beyond it; their squares have the right mean."""
    edge = math.sqrt(3) * std
    largest = float(weight.detach().abs().max())
    assert largest <= edge * (1 + 1e-6)
    assert largest == pytest.approx(edge, rel=20 / weight.numel())
    assert float(weight.detach().square().mean()) == pytest.approx(std**2, rel=5 / math.sqrt(weight.numel()))


@pytest.mark.parametrize("resample", [None, "down", "up"])
def test_a_block_starts_from_the_published_weights(resample: None) -> None:
    torch.manual_seed(0)
    block = Bottleneck(48, 24, BatchNorm, resample)
    found = layers(block)
    assert [name.split(".")[0] for name, _ in found] == ["path", "path", "path", "shortcut"]
    for (_, layer), std in zip(found, STDS[resample], strict=True):
        check_uniform(layer.weight, std)
        assert layer.bias is None or not layer.bias.any()
    assert [layer.bias is not None for _, layer in found] == [True, True, False, True]


def test_ends_start_from_glorots_weights_without_gain() -> None:
    torch.manual_seed(0)
    g, d = ResidualGenerator(64, 11), ResidualCritic(64, 11)
    check_uniform(g.first.weight, math.sqrt(2 / (128 + 256 * 16)))
    check_uniform(g.last.weight, math.sqrt(2 / (32 + 1)))
    check_uniform(d.first.weight, math.sqrt(2 / (1 + 32)))
    check_uniform(d.last.weight, math.sqrt(2 / (256 * 16 + 1)))
    assert g.last.kernel_size == d.first.kernel_size == (1, 1)


@pytest.mark.parametrize("depth", [11, 14, 101])
def test_residual_networks_are_as_deep_as_asked(depth: int) -> None:
    for net in (ResidualGenerator(2, depth), ResidualCritic(2, depth)):
        assert len([name for name, _ in layers(net) if "shortcut" not in name]) == depth
    with pytest.raises(ValueError, match="3 for each"):
        ResidualGenerator(2, depth + 1)


def test_there_are_as_many_weights_as_in_the_authors_networks() -> None:
    # Of a block from i to o channels: i i/2 + i/2 and (9 i/2 + 1) o/2 and o/2 o on the path, 2 o in the norm, and on
    # the shortcut (i + 1) o, or four times that where the size doubles.
    def block(i: int, o: int, four: int = 1) -> int:
        path = (i + 1) * i // 2 + (9 * i // 2 + 1) * o // 2 + o // 2 * o + 2 * o
        return path + (0 if i == o else four * (i + 1) * o)

    g, d = ResidualGenerator(16, 14), ResidualCritic(16, 14)  # a further block at 4x4 pixels, and at 32x32
    ends = (128 + 1) * 64 * 16 + (8 + 1)
    changes = block(64, 32, 4) + block(32, 16, 4) + block(16, 8, 4)
    assert sum(w.numel() for w in g.parameters()) == ends + block(64, 64) + changes
    ends, changes = (1 + 1) * 8 + 64 * 16 + 1, block(8, 16) + block(16, 32) + block(32, 64)
    assert sum(w.numel() for w in d.parameters()) == ends + block(8, 8) + changes


def test_a_block_adds_three_tenths_of_its_path() -> None:
    block = Bottleneck(2, 2, nn.Identity)
    last = block.path[5]
    assert isinstance(last, nn.Conv2d)
    x = torch.randn(3, 2, 4, 4)
    whole = block(x)
    nn.init.zeros_(last.weight)
    assert torch.equal(block(x), x)
    path = whole - x
    with torch.no_grad():
        last.weight.copy_(torch.eye(2)[:, :1, None, None])  # the first channel alone, as it comes from conv3x3
    h = block.path[:4](x)
    assert torch.allclose(block(x) - x, 0.3 * torch.cat([F.relu(h), torch.zeros_like(h)], 1), atol=1e-6)
    assert path.shape == x.shape


def test_shortcuts_take_every_other_pixel_or_make_four_of_one() -> None:
    down, up = Bottleneck(1, 1, nn.Identity, "down"), Bottleneck(1, 1, nn.Identity, "up")
    for block in (down, up):
        nn.init.zeros_(layers(block.path)[-1][1].weight)
        nn.init.ones_(next(block.shortcut.parameters()))
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert down(x).flatten().tolist() == [0.0, 2.0, 8.0, 10.0]
    assert torch.equal(up(x), x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert Bottleneck(1, 1, nn.Identity, "up").path(x).shape == (1, 1, 8, 8)
    assert Bottleneck(1, 1, nn.Identity, "down").path(x).shape == (1, 1, 2, 2)


def test_a_fifth_of_the_last_layer() -> None:
    g, d = ResidualGenerator(2, 11), ResidualCritic(2, 11)
    with torch.no_grad():
        for net in (g, d):
            net.last.weight.zero_()
            assert net.last.bias is not None
            net.last.bias.fill_(2.0)
    assert g(torch.zeros(2, 128)).flatten()[0].item() == pytest.approx(math.tanh(0.4))
    assert d(torch.zeros(2, 1, 32, 32)).tolist() == pytest.approx([0.4, 0.4])
