"""BigGAN's and BigGAN-deep's blocks against plain convolutions, their layouts against the paper's tables."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.conditioning.batch_norm import VectorBatchNorm
from zerosum.constraints import SpectralNorm, spectral_norm
from zerosum.networks import biggan_deep, resnet
from zerosum.networks.common import glorot_uniform, keep, normal, orthogonal
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.attention import SelfAttention
from zerosum.networks.plans import STUDIO

NEAR = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def conv(layer: Any, x: Tensor) -> Tensor:
    return F.conv2d(x, layer.weight, layer.bias, padding=layer.weight.shape[-1] // 2)


def doubled(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def halved(x: Tensor) -> Tensor:
    return sum(x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4  # type: ignore[return-value]


def biased(net: nn.Module) -> Any:
    """With biases that are not 0."""
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter)
    return net


@pytest.mark.parametrize(("outputs", "up"), [(8, False), (4, True), (8, True)])
def test_an_upward_bottleneck(outputs: int, up: bool) -> None:
    """Figure 16, left: 1x1 to a quarter, two 3x3, 1x1; of the input the first channels are added."""
    block = biased(biggan_deep.UpBottleneck(8, outputs, partial(VectorBatchNorm, inputs=3), keep, orthogonal, up=up))
    x, c = torch.randn(5, 8, 4, 6), torch.randn(5, 3)
    resize: Callable[[Tensor], Tensor] = doubled if up else (lambda x: x)
    h = conv(block.convs[0], F.relu(block.norms[0](x, c)))
    assert h.shape == (5, 2, 4, 6)
    h = conv(block.convs[1], resize(F.relu(block.norms[1](h, c))))
    h = conv(block.convs[2], F.relu(block.norms[2](h, c)))
    h = conv(block.convs[3], F.relu(block.norms[3](h, c)))
    torch.testing.assert_close(block(x, c), h + resize(x[:, :outputs]), **NEAR)
    assert [tuple(layer.weight.shape) for layer in block.convs] == [
        (2, 8, 1, 1), (2, 2, 3, 3), (2, 2, 3, 3), (outputs, 2, 1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(("inputs", "down"), [(8, False), (8, True), (4, True), (6, False)])
def test_a_downward_bottleneck(inputs: int, down: bool) -> None:
    """Figure 16, right: pooled before the last 1x1; a 1x1 of the input provides the channels that it lacks."""
    block = biased(biggan_deep.DownBottleneck(inputs, 8, keep, orthogonal, down=down))
    x = torch.randn(5, inputs, 4, 6)
    resize: Callable[[Tensor], Tensor] = halved if down else (lambda x: x)
    h = conv(block.conv1, F.relu(x))
    h = conv(block.conv3, F.relu(conv(block.conv2, F.relu(h))))
    h = conv(block.conv4, resize(F.relu(h)))
    skip = resize(x)
    if inputs < 8:
        skip = torch.cat([skip, conv(block.further, skip)], 1)
    assert (block.further is None) == (inputs == 8)
    torch.testing.assert_close(block(x), h + skip, **NEAR)


@pytest.mark.parametrize(("inputs", "outputs", "down"), [(3, 6, True), (3, 6, False), (6, 6, False)])
def test_a_wide_block_has_its_outputs_between_the_convolutions(inputs: int, outputs: int, down: bool) -> None:
    block = biased(resnet.DownBlock(inputs, outputs, nn.Identity, keep, glorot_uniform, down=down, wide=True))
    assert block.conv1.weight.shape == (outputs, inputs, 3, 3)
    assert block.conv2.weight.shape == (outputs, outputs, 3, 3)
    x = torch.randn(5, inputs, 4, 6)
    h = conv(block.conv2, F.relu(conv(block.conv1, F.relu(x))))
    skip = x if inputs == outputs and not down else conv(block.shortcut, x)
    torch.testing.assert_close(block(x), halved(h + skip) if down else h + skip, **NEAR)


def outputs_of(net: nn.Module, kind: Any, given: Tensor) -> list[tuple[int, int]]:
    """Channels and pixels a side after each block of a kind, or of several."""
    seen: list[tuple[int, int]] = []
    for module in net.modules():
        if isinstance(module, kind):
            module.register_forward_hook(lambda _, i, out: seen.append((out.shape[1], out.shape[2])))
    net(given)
    return seen


# Tables 7-9 of the paper, in units of the width: channels and pixels after each of a pair of blocks.
DEEP = {
    128: (
        [(16, 4), (16, 8), (16, 8), (8, 16), (8, 16), (4, 32), (4, 32), (2, 64), (2, 64), (1, 128)],
        [(2, 64), (2, 64), (4, 32), (4, 32), (8, 16), (8, 16), (16, 8), (16, 8), (16, 4), (16, 4)],
    ),
    256: (
        [(16, 4), (16, 8), (16, 8), (8, 16), (8, 16), (8, 32), (8, 32), (4, 64), (4, 64), (2, 128), (2, 128), (1, 256)],
        [(2, 128), (2, 128), (4, 64), (4, 64), (8, 32), (8, 32), (8, 16), (8, 16), (16, 8), (16, 8), (16, 4), (16, 4)],
    ),
}


@pytest.mark.parametrize("size", DEEP)
def test_deep_networks_have_the_blocks_of_the_paper(size: int) -> None:
    unit = 4
    with torch.device("meta"):
        generator = biggan_deep.Generator(8, unit, size, init=normal(0.02))
        critic = biggan_deep.Critic(unit, size, init=normal(0.02))
        ups = outputs_of(generator, biggan_deep.UpBottleneck, torch.empty(2, 8))
        downs = outputs_of(critic, biggan_deep.DownBottleneck, torch.empty(2, 3, size, size))
    generated, judged = DEEP[size]
    assert ups == [(unit * k, pixels) for k, pixels in generated]
    assert downs == [(unit * k, pixels) for k, pixels in judged]


# Tables 4-6 of the paper with the channels of the authors' code; the critic's first block, then the others.
PLAIN = {
    128: ([16, 8, 4, 2, 1], [(1, 64), (2, 32), (4, 16), (8, 8), (16, 4), (16, 4)]),
    256: ([16, 8, 8, 4, 2, 1], [(1, 128), (2, 64), (4, 32), (8, 16), (8, 8), (16, 4), (16, 4)]),
    512: ([16, 8, 8, 4, 2, 1, 1], [(1, 256), (1, 128), (2, 64), (4, 32), (8, 16), (8, 8), (16, 4), (16, 4)]),
}


@pytest.mark.parametrize("size", PLAIN)
def test_networks_have_the_blocks_of_the_paper(size: int) -> None:
    shape: dict[str, Any] = {"plans": resnet.BIGGAN, "init": normal(0.02)}
    with torch.device("meta"):
        generator, critic = resnet.Generator(8, 2, size, **shape), resnet.Critic(2, size, **shape)
        ups = outputs_of(generator, resnet.UpBlock, torch.empty(2, 8))
        downs = outputs_of(critic, (resnet.FirstBlock, resnet.DownBlock), torch.empty(2, 3, size, size))
    generated, judged = PLAIN[size]
    assert ups == [(2 * k, 8 * 2**i) for i, k in enumerate(generated)]
    assert downs == [(2 * k, pixels) for k, pixels in judged]


def test_studiogan_s_critic_has_half_the_channels() -> None:
    assert replace(STUDIO, critic=(4, 4, 4, 4), generator_width=64, critic_width=64) == resnet.BIGGAN[32]
    assert STUDIO.critic == (2, 2, 2, 2)


@pytest.mark.parametrize("size", biggan_deep.PLANS)
def test_shapes_at_each_size(size: int) -> None:
    with torch.device("meta"):
        generator = biggan_deep.Generator(5, 4, size, 1, init=normal(0.02))
        critic = biggan_deep.Critic(4, size, 1, init=normal(0.02))
        images = generator(torch.empty(2, 5))
        assert images.shape == (2, 1, size, size)
        assert critic(images).shape == (2,)
        assert critic.features(images).shape == (2, 4 * biggan_deep.PLANS[size].critic[-1])


def test_ends_of_the_deep_networks_by_hand() -> None:
    generator: Any = biased(biggan_deep.Generator(5, 4, 32, 3))
    z = torch.randn(4, 5)
    h = F.linear(z, generator.first.weight, generator.first.bias).view(4, 16, 4, 4)
    for keeping, doubling in generator.pairs:
        h = doubling(keeping(h))
    h = F.relu(F.batch_norm(h, None, None, generator.norm.weight, generator.norm.bias, training=True))
    torch.testing.assert_close(generator(z), torch.tanh(conv(generator.last, h)), **NEAR)
    critic: Any = biased(biggan_deep.Critic(4, 32, 3))
    x = torch.randn(4, 3, 32, 32)
    h = conv(critic.first, x)
    for halving, keeping in critic.pairs:
        h = keeping(halving(h))
    phi = F.relu(h).sum((2, 3))
    torch.testing.assert_close(critic.features(x), phi, **NEAR)
    torch.testing.assert_close(critic(x), phi @ critic.last.weight[0] + critic.last.bias, **NEAR)


def test_all_conditional_layers_get_the_condition_of_their_pair_and_the_last_none() -> None:
    net = biggan_deep.Generator(5, 4, 32, norm=partial(VectorBatchNorm, inputs=1), last_norm=BatchNorm)
    seen: list[float] = []
    for module in net.modules():
        if isinstance(module, VectorBatchNorm):
            module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1][0, 0].item()))
    net(torch.randn(2, 5), [torch.full((2, 1), float(k)) for k in range(3)])
    assert seen == [k for k in (0, 1, 2) for _ in range(2 * 4)]
    with pytest.raises(ValueError, match="2 conditions for 3 layers"):
        net(torch.randn(2, 5), [torch.zeros(2, 1)] * 2)


def test_wrap_and_init_reach_all_convolutions_and_linear_layers() -> None:
    for net in (
        biggan_deep.Generator(5, 8, 32, wrap=spectral_norm, attention=(16,)),
        biggan_deep.Critic(8, 64, wrap=spectral_norm, attention=(32,)),
    ):
        assert not any(isinstance(m, nn.Conv2d | nn.Linear) for m in net.modules())
        assert any(isinstance(m, SelfAttention) for m in net.modules())
        for layer in (m for m in net.modules() if isinstance(m, SpectralNorm)):
            w = layer.weight.flatten(1)
            gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
            torch.testing.assert_close(gram, torch.eye(len(gram)), atol=1e-4, rtol=0)
            assert layer.bias is None or not layer.bias.any()
    other = biggan_deep.Critic(8, 32, init=normal(0.5))
    assert other.first.weight.std().item() == pytest.approx(0.5, rel=0.2)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: biggan_deep.Generator(size=48), "size=48: there are layouts for 32, 64, 128, 256, 512"),
        (lambda: biggan_deep.Critic(size=16), "size=16: there are layouts for 32"),
        (lambda: biggan_deep.Generator(width=6, size=32), "width=6: must be a multiple of 4"),
        (lambda: biggan_deep.Critic(width=0, size=32), "width=0: must be a multiple of 4"),
        (lambda: biggan_deep.Generator(0, 4, 32), "latent=0"),
        (lambda: biggan_deep.Critic(4, 32, 0), "channels=0"),
        (lambda: resnet.Generator(size=16, plans=resnet.BIGGAN), "size=16: there are layouts for 32, 64, 128, 256"),
        (lambda: resnet.Critic(size=256, plans=resnet.SAGAN), "size=256: there are layouts for 32, 48, 64, 128"),
    ],
)
def test_what_has_no_layout_is_refused(build: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
