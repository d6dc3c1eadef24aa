"""Virtual batch norm against torch's batch norm on reference and sample together, and by hand."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from zerosum.networks import dcgan
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.virtual_batch_norm import Referenced, VirtualBatchNorm

SHAPES = [(3,), (3, 4, 5)]


def layer_of(features: int, reference: int) -> VirtualBatchNorm:
    layer = VirtualBatchNorm(features, reference).double()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return layer


def joined(layer: VirtualBatchNorm, batch: Tensor) -> Tensor:
    """Plain batch norm with the statistics of this batch."""
    return F.batch_norm(batch, None, None, layer.weight, layer.bias, training=True, eps=layer.eps)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_sample_is_as_in_a_plain_batch_of_the_reference_and_itself(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = layer_of(3, 6)
    reference, x = 2 * torch.randn(6, *shape).double() + 1, 3 * torch.randn(4, *shape).double() - 2
    out = layer(torch.cat([reference, x]))
    torch.testing.assert_close(out[:6], joined(layer, reference))
    expected = torch.stack([joined(layer, torch.cat([reference, one[None]]))[-1] for one in x])
    torch.testing.assert_close(out[6:], expected)


def test_by_hand() -> None:
    # The reference 0, 2 has mean 1 and variance 1; with the sample 4 the mean is 2 and the variance (4 + 0 + 4) / 3.
    out = VirtualBatchNorm(1, 2, eps=1e-12).double()(torch.tensor([[0.0], [2.0], [4.0]]).double())
    torch.testing.assert_close(out, torch.tensor([[-1.0], [1.0], [2 / math.sqrt(8 / 3)]]).double())


@pytest.mark.parametrize("shape", SHAPES)
def test_a_sample_does_not_depend_on_the_others_unlike_in_batch_norm(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    reference, x = torch.randn(5, *shape), torch.randn(3, *shape)
    other = torch.cat([x[:1], 10 * torch.randn(2, *shape)])
    layer, plain = VirtualBatchNorm(3, 5), BatchNorm(3)
    assert torch.equal(layer(torch.cat([reference, x]))[5], layer(torch.cat([reference, other]))[5])
    assert not torch.allclose(plain(x)[0], plain(other)[0], atol=1e-2)
    moved = torch.cat([reference + torch.randn(5, *shape), x])
    assert not torch.allclose(layer(moved)[5], layer(torch.cat([reference, x]))[5], atol=1e-2)


def test_a_large_offset_does_not_cancel() -> None:
    reference, x = torch.randn(50, 2), torch.randn(3, 2)
    layer = VirtualBatchNorm(2, 50)
    plain, moved = layer(torch.cat([reference, x])), layer(torch.cat([reference, x]) + 1000)
    torch.testing.assert_close(moved, plain, atol=1e-3, rtol=1e-3)  # E[x^2] - E[x]^2 would be off by 0.1


@pytest.mark.parametrize("shape", [(2,), (2, 2, 1)])
def test_first_and_second_derivatives(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = VirtualBatchNorm(2, 3).double()

    def f(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        found: Tensor = functional_call(layer, {"weight": w, "bias": b}, (x,))
        return found

    x, w, b = (torch.randn(s).double().requires_grad_() for s in ((5, *shape), (2,), (2,)))
    assert torch.autograd.gradcheck(f, (x, w, b))
    assert torch.autograd.gradgradcheck(f, (x, w, b))


def test_bfloat16_and_channels_last_are_kept_and_statistics_are_in_float32() -> None:
    torch.manual_seed(0)
    layer = VirtualBatchNorm(4, 3)
    x = torch.randn(5, 4, 3, 3).to(memory_format=torch.channels_last)
    assert layer(x).is_contiguous(memory_format=torch.channels_last)
    half = x.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(half)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, layer(half.float()).bfloat16())


def generator_of(latents: Tensor) -> Referenced:
    norm = partial(VirtualBatchNorm, reference=len(latents))
    return Referenced(dcgan.Generator(6, 4, 16, 1, norm=norm), latents)


def test_a_generator_maps_each_latent_by_itself_and_remembers_its_reference() -> None:
    torch.manual_seed(0)
    latents = torch.randn(7, 6)
    g = generator_of(latents)
    z = torch.randn(4, 6)
    whole = g(z)
    assert whole.shape == (4, 1, 16, 16)
    torch.testing.assert_close(torch.cat([g(one[None]) for one in z]), whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(g.eval()(z), whole)
    assert torch.equal(g.state_dict()["latents"], latents)
    latents += 1  # the caller's tensor is not the buffer
    torch.testing.assert_close(g(z), whole)
    # What stands first is the reference, and what comes back is the rest.
    torch.testing.assert_close(whole, g.net(torch.cat([g.latents, z]))[7:])
    other = generator_of(torch.randn(7, 6))
    other.load_state_dict(g.state_dict())
    torch.testing.assert_close(other(z), whole)


def test_the_reference_learns_with_the_generator() -> None:
    torch.manual_seed(0)
    g = generator_of(torch.randn(5, 6))
    g(torch.randn(2, 6)).square().sum().backward()
    assert all(w.grad is not None and w.grad.abs().sum() > 0 for w in g.parameters())
    assert set(dict(g.named_buffers())) == {"latents"}


def test_compiles_to_one_graph() -> None:
    g, z = generator_of(torch.randn(3, 6)), torch.randn(2, 6)
    torch.testing.assert_close(torch.compile(g, backend="aot_eager", fullgraph=True)(z), g(z))


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="reference=1"):
        VirtualBatchNorm(3, 1)
    with pytest.raises(ValueError, match="first 4 are the reference"):
        VirtualBatchNorm(3, 4)(torch.randn(4, 3))
    with pytest.raises(ValueError, match="2 reference latents, but the network's virtual batch norms expect 3"):
        Referenced(nn.Sequential(VirtualBatchNorm(3, 3)), torch.randn(2, 6))
    with pytest.raises(ValueError, match="it has no such layer"):
        Referenced(nn.Linear(6, 2), torch.randn(2, 6))
