"""Small layers against hand computation."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.constraints import spectral_norm
from zerosum.networks.common import grey_as_channels_last
from zerosum.networks.layers import DownConv, LayerNorm, Maxout, UpConv, halve, upsample


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 5, 3)])
def test_layer_norm_is_over_the_sample_with_gains_per_channel(shape: tuple[int, ...]):
    torch.manual_seed(0)
    layer = LayerNorm(6)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(shape) * 3 + 2
    for sample, found in zip(x, layer(x), strict=True):
        spread = (-1, *[1] * (len(shape) - 2))
        normal = (sample - sample.mean()) / (sample.var(correction=0) + 1e-5).sqrt()
        expected = normal * layer.weight.view(spread) + layer.bias.view(spread)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_layer_norm_second_derivatives_and_channels_last():
    layer = LayerNorm(2).double()
    x = torch.randn(2, 2, 2, 2).double().requires_grad_()

    def f(x: Tensor, w: Tensor) -> Tensor:
        return torch.tanh(torch.func.functional_call(layer, {"weight": w}, (x,)))

    w = torch.randn(2).double().requires_grad_()
    assert torch.autograd.gradcheck(f, (x, w))
    assert torch.autograd.gradgradcheck(f, (x, w))
    y = LayerNorm(4)(torch.randn(2, 4, 3, 3).to(memory_format=torch.channels_last))
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_upsample_repeats_and_halve_averages():
    x = torch.arange(4.0).reshape(1, 1, 2, 2)
    up = torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]])
    assert torch.equal(upsample(x)[0, 0], up)
    assert halve(x).item() == 1.5
    images = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    assert torch.equal(halve(upsample(images)), images)
    assert upsample(images).is_contiguous(memory_format=torch.channels_last)
    assert halve(images).is_contiguous(memory_format=torch.channels_last)


def test_grey_images_get_the_strides_of_channels_last():
    x = torch.randn(2, 1, 3, 4)
    grey = grey_as_channels_last(x)
    assert torch.equal(grey, x)
    assert (x.stride(), grey.stride()) == ((12, 12, 4, 1), (12, 1, 4, 1))
    conv = torch.nn.Conv2d(1, 2, 3)
    assert conv.to(memory_format=torch.channels_last)(grey).is_contiguous(memory_format=torch.channels_last)
    coloured = torch.randn(2, 3, 3, 4)
    assert grey_as_channels_last(coloured) is coloured


def test_maxout_by_hand():
    layer = Maxout(1, 2, pieces=2)
    layer.load_state_dict(
        {"linear.weight": torch.tensor([[1.0], [-1], [2], [0]]), "linear.bias": torch.tensor([0.0, 0, 0, 3])}
    )
    assert torch.equal(layer(torch.tensor([[2.0], [-3.0]])), torch.tensor([[2.0, 4], [3, 3]]))


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="features=0"):
        LayerNorm(0)
    with pytest.raises(ValueError, match="pieces=0"):
        Maxout(1, 1, 0)


def joined_and_separate() -> list[tuple[nn.Module, Callable[[Tensor, Tensor, Tensor], Tensor]]]:
    def up(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.conv2d(x.repeat_interleave(2, 2).repeat_interleave(2, 3), weight, bias, padding=1)

    def down(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        h = F.conv2d(x, weight, bias, padding=1)
        return (h[..., ::2, ::2] + h[..., 1::2, ::2] + h[..., ::2, 1::2] + h[..., 1::2, 1::2]) / 4

    return [(UpConv(3, 5), up), (DownConv(3, 5), down)]


@pytest.mark.parametrize("case", [0, 1], ids=["up", "down"])
@pytest.mark.parametrize("size", [(4, 4), (2, 6)])
def test_joined_convolution_equals_the_two_steps(case: int, size: tuple[int, int]) -> None:
    layer, separate = joined_and_separate()[case]
    layer = layer.double()
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    weight, bias = layer.weight, layer.bias
    found, expected = layer(x), separate(x, weight, bias)
    assert torch.allclose(found, expected, atol=1e-12)
    probe = torch.randn_like(found)
    for ours, theirs in zip(
        *(torch.autograd.grad((y * probe).sum(), [x, weight, bias]) for y in (found, expected)), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-12)
    assert torch.autograd.gradgradcheck(lambda v, w: layer.operation(v, w, bias.detach()).square(), (x, weight))


def test_joined_convolutions_take_spectral_norm() -> None:
    for layer, separate in joined_and_separate():
        x = torch.randn(2, 3, 4, 4)
        wrapped = spectral_norm(layer)
        weight = wrapped.weight / torch.linalg.matrix_norm(wrapped.weight.flatten(1), 2)
        assert torch.allclose(wrapped(x), separate(x, weight, wrapped.bias), atol=1e-3)
