"""Networks: published parameter counts, ranges, the layouts against plain constructions, initial weights, refusals."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks import dcgan, infogan, mlp, parameter_count, resnet
from zerosum.networks.common import glorot_uniform, he_normal, keep
from zerosum.networks.layers import BatchNorm, LayerNorm, Maxout

WGAN_GP = resnet.WGAN_GP
PUBLISHED = {
    "toy of WGAN-GP": (mlp.Generator, mlp.Critic, 527_874, 527_361),
    "ring of unrolled GAN": (
        partial(mlp.Generator, 256, (128, 128)), partial(mlp.Critic, hidden=(128, 128)), 49_666, 17_025,
    ),
    "DCGAN, ports": (dcgan.Generator, dcgan.Critic, 3_576_704, 2_765_568),
    "DCGAN, ports, wide": (partial(dcgan.Generator, width=128), partial(dcgan.Critic, 128), 12_658_432, 11_036_160),
    "DCGAN, paper": (
        partial(dcgan.Generator, width=128, kernel=5), partial(dcgan.Critic, 128, kernel=5), 18_855_040, 17_232_768,
    ),
    "DCGAN, WGAN-GP's": (
        partial(dcgan.Generator, 128, 64, kernel=5, bias=True), partial(dcgan.Critic, kernel=5, bias=True),
        5_364_739, 4_316_545,
    ),
    "SNGAN 32": (resnet.Generator, resnet.Critic, 4_276_739, 1_053_825),
    "SNGAN 32, authors' head": (resnet.Generator, partial(resnet.Critic, head_bias=False), 4_276_739, 1_053_824),
    "SNGAN 48": (partial(resnet.Generator, size=48), partial(resnet.Critic, size=48), 4_878_083, 10_141_441),
    "SNGAN 64": (partial(resnet.Generator, size=64), partial(resnet.Critic, size=64), 12_220_675, 10_141_441),
    "SNGAN 128": (partial(resnet.Generator, size=128), partial(resnet.Critic, size=128), 32_150_787, 29_017_857),
    "WGAN-GP 32": (
        partial(resnet.Generator, plans=WGAN_GP), partial(resnet.Critic, plans=WGAN_GP), 1_204_483, 1_053_825,
    ),
    "WGAN-GP 64": (
        partial(resnet.Generator, size=64, plans=WGAN_GP),
        partial(resnet.Critic, size=64, plans=WGAN_GP, norm=LayerNorm),
        8_540_483, 7_491_841,
    ),
    "study 28": (
        partial(infogan.Generator, size=28, channels=1), partial(infogan.Critic, size=28, channels=1),
        6_642_241, 6_559_169,
    ),
    "study 32": (infogan.Generator, infogan.Critic, 8_616_131, 8_527_297),
    "study 64": (partial(infogan.Generator, size=64), partial(infogan.Critic, size=64), 33_855_683, 33_693_121),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_counts_are_the_published_ones(name: str):
    generator, critic, g, d = PUBLISHED[name]
    with torch.device("meta"):
        assert (parameter_count(generator()), parameter_count(critic())) == (g, d)


Pair = tuple[Callable[[], nn.Module], Callable[[], nn.Module], tuple[int, ...]]
SMALL: list[Pair] = [
    (partial(mlp.Generator, 5, (8,), (1, 6, 6), output=torch.tanh), partial(mlp.Critic, (1, 6, 6), (8,)), (1, 6, 6)),
    *[
        (partial(dcgan.Generator, 5, 2, s, 1), partial(dcgan.Critic, 2, s, 1), (1, s, s))
        for s in (16, 32, 64, 128, 256)
    ],
    (partial(dcgan.Generator, 5, 2, 32, 3, 5), partial(dcgan.Critic, 2, 32, 3, 5, norm=LayerNorm), (3, 32, 32)),
    *[(partial(infogan.Generator, 5, 2, s, 3), partial(infogan.Critic, 2, s, 3), (3, s, s)) for s in (28, 32)],
    *[(partial(resnet.Generator, 5, 1, s, 2), partial(resnet.Critic, 1, s, 2), (2, s, s)) for s in resnet.SNGAN],
    *[
        (partial(resnet.Generator, 5, 1, s, plans=WGAN_GP), partial(resnet.Critic, 1, s, plans=WGAN_GP), (3, s, s))
        for s in WGAN_GP
    ],
]


@pytest.mark.parametrize("pair", SMALL)
def test_images_in_range_and_one_logit_each(pair: Pair):
    generator, critic, shape = pair[0](), pair[1](), pair[2]
    x = generator(torch.randn(3, 5) * 10)
    assert x.shape == (3, *shape)
    assert x.abs().max() <= 1
    logits = critic(x)
    assert logits.shape == (3,)
    # The logit is a linear function of the features.
    head = critic.eval().last
    torch.testing.assert_close(critic(x), F.linear(critic.features(x), head.weight, head.bias).squeeze(1))


def convolve_by_hand(critic: nn.Module, x: Tensor) -> Tensor:
    """DCGAN's critic of PyTorch's examples: its head is a valid 4x4 convolution."""
    x = F.leaky_relu(F.conv2d(x, critic.convs[0].weight, stride=2, padding=1), 0.2)
    for conv, norm in zip(critic.convs[1:], critic.norms[1:], strict=True):
        h = F.conv2d(x, conv.weight, stride=2, padding=1)
        h = F.batch_norm(h, None, None, norm.weight, norm.bias, training=True)
        x = F.leaky_relu(h, 0.2)
    return F.conv2d(x, critic.last.weight.view(1, -1, 4, 4)).flatten()


def test_dcgan_s_head_is_a_convolution_and_its_first_layer_a_transposed_one():
    critic, x = dcgan.Critic(4, 32), torch.randn(5, 3, 32, 32)
    torch.testing.assert_close(critic(x), convolve_by_hand(critic, x), atol=1e-5, rtol=1e-4)
    generator, z = dcgan.Generator(6, 4, 32), torch.randn(5, 6)
    kernel = generator.first.weight.T.reshape(6, 16, 4, 4)
    h = F.conv_transpose2d(z.view(5, 6, 1, 1), kernel)
    for norm, conv in zip(generator.norms, generator.convs, strict=True):
        h = F.relu(F.batch_norm(h, None, None, norm.weight, norm.bias, training=True))
        h = F.conv_transpose2d(h, conv.weight, stride=2, padding=1)
    torch.testing.assert_close(generator(z), torch.tanh(h), atol=1e-5, rtol=1e-4)


def test_residual_blocks_equal_their_textbook_order():
    up = resnet.UpBlock(4, 6, BatchNorm, keep, glorot_uniform, inner_bias=True)
    for p in up.parameters():
        nn.init.normal_(p)
    x = torch.randn(3, 4, 5, 5)

    def double(h: Tensor) -> Tensor:
        return h.repeat_interleave(2, 2).repeat_interleave(2, 3)

    def same(conv: nn.Conv2d, h: Tensor) -> Tensor:  # the convolution alone, without the resampling joined to it
        return F.conv2d(h, conv.weight, conv.bias, padding=1)

    main = up.conv2(F.relu(up.norm2(same(up.conv1, double(F.relu(up.norm1(x)))))))
    torch.testing.assert_close(up(x), main + up.shortcut(double(x)), atol=1e-4, rtol=1e-5)

    def quarter(h: Tensor) -> Tensor:
        return (h[:, :, ::2, ::2] + h[:, :, 1::2, ::2] + h[:, :, ::2, 1::2] + h[:, :, 1::2, 1::2]) / 4

    down = resnet.DownBlock(4, 6, LayerNorm, keep, glorot_uniform, down=True, inner_bias=False)
    first = resnet.FirstBlock(4, 6, keep, glorot_uniform)
    for p in (*down.parameters(), *first.parameters()):
        nn.init.normal_(p)
    x = torch.randn(3, 4, 6, 6)
    main = same(down.conv2, F.relu(down.norm2(down.conv1(F.relu(down.norm1(x))))))
    torch.testing.assert_close(down(x), quarter(main) + quarter(down.shortcut(x)), atol=1e-4, rtol=1e-5)
    main = same(first.conv2, F.relu(first.conv1(x)))
    torch.testing.assert_close(first(x), quarter(main) + quarter(first.shortcut(x)), atol=1e-4, rtol=1e-5)
    flat = resnet.DownBlock(4, 4, nn.Identity, keep, glorot_uniform, down=False, inner_bias=True)
    torch.testing.assert_close(flat(x), flat.conv2(F.relu(flat.conv1(F.relu(x)))) + x)


def test_critic_heads():
    h = torch.arange(8.0).reshape(1, 2, 2, 2)
    assert resnet.sum_pool(h).tolist() == [[6, 22]]
    assert resnet.mean_pool(h).tolist() == [[1.5, 5.5]]
    assert resnet.flatten(h).tolist() == [list(range(8))]
    assert resnet.Critic(4, pool=resnet.flatten).last.weight.shape == (1, 4 * 8 * 8)


def test_initial_weights():
    torch.manual_seed(0)
    generator = dcgan.Generator(width=16)
    assert generator.convs[0].weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert generator.norms[0].weight.mean().item() == pytest.approx(1, abs=0.01)
    assert generator.norms[0].weight.std().item() == pytest.approx(0.02, rel=0.3)
    assert not generator.norms[0].bias.any()
    critic = resnet.Critic(32)
    bound = math.sqrt(6 / (2 * 32 * 9))
    assert critic.blocks[0].conv1.weight.abs().max().item() == pytest.approx(math.sqrt(2) * bound, rel=0.01)
    assert critic.blocks[0].shortcut.weight.abs().max().item() == pytest.approx(math.sqrt(6 / 64), rel=0.02)
    assert not critic.blocks[0].conv1.bias.any()
    other = resnet.Critic(32, init=he_normal)
    assert other.blocks[0].conv1.weight.std().item() == pytest.approx(math.sqrt(2 / (32 * 9)), rel=0.03)


def test_multilayer_perceptrons_by_hand():
    critic = mlp.Critic((2,), (3,), activation=torch.tanh)
    x, hidden = torch.randn(4, 2), critic.layers[0]
    expected = torch.tanh(x @ hidden.weight.T + hidden.bias) @ critic.last.weight[0] + critic.last.bias
    torch.testing.assert_close(critic(x), expected)
    maxout = mlp.Critic((1, 28, 28), (240, 240), layer=Maxout, activation=nn.Identity())
    # 784 x 240 x 5 + 240 x 240 x 5 + 240 weights, and their biases
    assert parameter_count(maxout) == 784 * 1200 + 240 * 1200 + 240 + 1200 + 1200 + 1


def test_under_autocast_convolutions_are_bfloat16_and_channels_last():
    seen: list[Tensor] = []

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append(output)

    nets = [resnet.Generator(4, 4), resnet.Critic(4, norm=LayerNorm), dcgan.Generator(4, 4), dcgan.Critic(4)]
    for net in nets:
        net.to(memory_format=torch.channels_last)
        for module in net.modules():
            if isinstance(
                module, nn.Conv2d | nn.ConvTranspose2d | BatchNorm | LayerNorm | resnet.UpBlock | resnet.DownBlock
            ):
                module.register_forward_hook(hook)
    with torch.autocast("cpu", torch.bfloat16):
        nets[1](nets[0](torch.randn(2, 4)))
        nets[3](nets[2](torch.randn(2, 4)))
    spread = [h for h in seen if h.shape[2] > 4]
    assert len(spread) > 30
    assert all(h.dtype == torch.bfloat16 for h in spread)
    assert all(h.is_contiguous(memory_format=torch.channels_last) for h in spread)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: dcgan.Generator(size=48), "size=48: must be one of 16, 32, 64, 128, 256"),
        (lambda: dcgan.Critic(size=8), "size=8"),
        (lambda: dcgan.Critic(width=0), "width=0: must be at least 1"),
        (lambda: dcgan.Generator(channels=0), "channels=0"),
        (lambda: dcgan.Generator(latent=-1), "latent=-1"),
        (lambda: dcgan.Generator(kernel=2), "kernel=2"),
        (lambda: resnet.Generator(size=256), "size=256: there are layouts for 32, 48, 64, 128"),
        (lambda: resnet.Critic(size=48, plans=WGAN_GP), "size=48: there are layouts for 32, 64"),
        (lambda: resnet.Critic(width=-4), "width=-4"),
        (lambda: infogan.Critic(size=30), "size=30: must be a multiple of 4"),
        (lambda: mlp.Generator(hidden=(8, 0)), "hidden=0"),
        (lambda: mlp.Critic(shape=()), "shape=()"),
    ],
)
def test_impossible_arguments_are_refused_by_name(build: Callable[[], nn.Module], message: str):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        build()
