"""Self-attention against its equations written out, and where the networks put it."""

from collections.abc import Callable
from functools import partial
from importlib import import_module

import pytest
import torch
from torch import Tensor, nn

from zerosum import registry
from zerosum.data.base import Data
from zerosum.networks import biggan_deep, resnet
from zerosum.networks.layers.attention import SelfAttention, attend_at, attention


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def awake(channels: int, gamma: float = 0.7) -> SelfAttention:
    layer = SelfAttention(channels).double()
    nn.init.constant_(layer.gamma, gamma)
    return layer


def pooled(x: Tensor) -> Tensor:
    """The largest of each 2x2 square, by slices."""
    corners = [x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return torch.stack(corners).amax(0)


def by_equations(layer: SelfAttention, x: Tensor) -> Tensor:
    """Eq. 1-3, Zhang et al. 2019: beta_{j,i} = softmax_i(f_i . g_j), o_j = v(sum_i beta_{j,i} h_i), gamma o + x."""
    matrix = {name: getattr(layer, name).weight[:, :, 0, 0] for name in ("theta", "phi", "g", "o")}
    theta, phi, g = (torch.einsum("oc,bchw->bohw", matrix[name], x) for name in ("theta", "phi", "g"))
    scores = torch.einsum("bchw,bcij->bhwij", theta, pooled(phi))
    weights = scores.exp() / scores.exp().sum((3, 4), keepdim=True)
    mixed = torch.einsum("bhwij,bcij->bchw", weights, pooled(g))
    return x + layer.gamma * torch.einsum("oc,bchw->bohw", matrix["o"], mixed)


@pytest.mark.parametrize("shape", [(2, 8, 4, 4), (3, 16, 2, 6)])
def test_it_is_the_sum_over_positions_of_the_paper(shape: tuple[int, ...]) -> None:
    layer, x = awake(shape[1]), torch.randn(shape).double() * 3
    torch.testing.assert_close(layer(x), by_equations(layer, x), rtol=1e-10, atol=1e-10)
    assert (layer(x) - x).abs().mean() > 0.01


def test_scores_are_not_divided_by_the_root_of_their_dimension() -> None:
    queries, keys, values = torch.randn(2, 4, 5), torch.randn(2, 4, 3), torch.randn(2, 6, 3)
    weights = torch.einsum("bcn,bcm->bnm", queries, keys).softmax(2)
    expected = torch.einsum("bnm,bcm->bcn", weights, values)
    torch.testing.assert_close(attention(queries, keys, values), expected)


def test_widths_are_an_eighth_and_a_half_without_biases() -> None:
    layer = SelfAttention(32)
    shapes = {name: tuple(p.shape) for name, p in layer.named_parameters()}
    assert shapes == {
        "gamma": (),
        "theta.weight": (4, 32, 1, 1),
        "phi.weight": (4, 32, 1, 1),
        "g.weight": (16, 32, 1, 1),
        "o.weight": (32, 16, 1, 1),
    }


def test_it_begins_as_the_identity_and_can_leave_it() -> None:
    layer, x = SelfAttention(8), torch.randn(2, 8, 4, 4)
    y = layer(x)
    assert torch.equal(y, x)
    y.square().sum().backward()
    assert layer.gamma.grad is not None
    assert layer.gamma.grad.abs() > 1e-3
    assert layer.theta.weight.grad is not None
    assert not layer.theta.weight.grad.any()  # behind a factor of 0


def test_first_and_second_derivatives() -> None:
    layer = awake(8)
    x = torch.randn(1, 8, 2, 2).double().requires_grad_()
    gamma = torch.tensor(0.3).double().requires_grad_()

    def function(x: Tensor, gamma: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"gamma": gamma}, (x,))

    assert torch.autograd.gradcheck(function, (x, gamma))
    assert torch.autograd.gradgradcheck(function, (x, gamma))


def test_under_autocast_maps_stay_bfloat16_and_channels_last() -> None:
    layer = awake(16).float()
    x = torch.randn(2, 16, 4, 4).bfloat16().to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y.float(), by_equations(layer, x.float()), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("channels", [0, 4, 12, -8])
def test_channels_that_have_no_eighth_are_refused(channels: int) -> None:
    with pytest.raises(ValueError, match=f"channels={channels}: attention needs a multiple of 8"):
        SelfAttention(channels)


def test_wrap_and_init_reach_all_four_layers() -> None:
    wrapped: list[nn.Module] = []

    def wrap(layer: nn.Module) -> nn.Module:
        wrapped.append(layer)
        return nn.Sequential(layer)

    def init(layer: nn.Module, gain: float) -> None:
        nn.init.constant_(layer.weight, gain * 2)

    layer = SelfAttention(8, wrap, init)
    assert len(wrapped) == 4
    assert {id(part[0]) for part in (layer.theta, layer.phi, layer.g, layer.o)} == {id(part) for part in wrapped}
    assert all((part.weight == 2).all() for part in wrapped)


def test_it_follows_the_first_block_of_each_size_asked_for() -> None:
    outputs = [(8, 16), (16, 8), (16, 24), (32, 8)]
    layers = attend_at((32, 16), outputs, lambda channels: nn.Linear(channels, 1))
    kinds = [getattr(layer, "in_features", None) for layer in layers]
    assert kinds == [None, 8, None, 8]
    with pytest.raises(ValueError, match=r"attention at 64 pixels: the blocks' outputs have 8, 16, 32$"):
        attend_at((16, 64), outputs, lambda channels: nn.Linear(channels, 1))


def seen(net: nn.Module, run: Callable[[], Tensor]) -> list[tuple[int, ...]]:
    """Shapes of the maps that attention gets while ``run`` runs."""
    shapes: list[tuple[int, ...]] = []
    for module in net.modules():
        if isinstance(module, SelfAttention):
            module.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    run()
    return shapes


WIDTH = 8
# The network; its image; pixels a side and channels, in units of the width, of the map that attention gets.
PLACES = {
    "SAGAN's generator": (partial(resnet.Generator, plans=resnet.SAGAN), 128, 32, 4),
    "SAGAN's critic": (partial(resnet.Critic, plans=resnet.SAGAN), 128, 32, 2),
    "SNGAN's generator, 32": (resnet.Generator, 32, 16, 1),
    "SNGAN's critic, 32: after the first layer": (resnet.Critic, 32, 16, 1),
    "SNGAN's generator, 48": (resnet.Generator, 48, 24, 2),
    "SNGAN's critic, 48": (resnet.Critic, 48, 24, 1),
    "BigGAN's generator": (partial(resnet.Generator, plans=resnet.BIGGAN), 128, 64, 2),
    "BigGAN's critic": (partial(resnet.Critic, plans=resnet.BIGGAN), 128, 64, 1),
    "BigGAN-deep's generator": (biggan_deep.Generator, 64, 32, 4),
    "BigGAN-deep's critic": (biggan_deep.Critic, 64, 32, 2),
}


@pytest.mark.parametrize("name", PLACES)
def test_networks_attend_to_the_map_of_that_size(name: str) -> None:
    build, size, at, units = PLACES[name]
    net = build(width=WIDTH, size=size, attention=(at,))
    given = torch.randn(2, 3, size, size) if hasattr(net, "features") else torch.randn(2, 128)
    assert seen(net, lambda: net(given)) == [(2, units * WIDTH, at, at)]
    with pytest.raises(ValueError, match=r"attention at 7 pixels: the blocks' outputs have \d+, "):
        build(width=WIDTH, size=size, attention=(7,))


def test_what_attention_adds_reaches_the_output() -> None:
    """With gamma at 0 a network is the one without attention; with another gamma it is not."""
    for build, given in (
        (partial(resnet.Generator, 4, 8, 32), torch.randn(2, 4)),
        (partial(resnet.Critic, 8, 32), torch.randn(2, 3, 32, 32)),
        (partial(biggan_deep.Generator, 4, 8, 32), torch.randn(2, 4)),
        (partial(biggan_deep.Critic, 8, 32), torch.randn(2, 3, 32, 32)),
    ):
        plain, net = build(), build(attention=(16,))
        net.load_state_dict(plain.state_dict(), strict=False)
        torch.testing.assert_close(net(given), plain(given))
        for module in net.modules():
            if isinstance(module, SelfAttention):
                nn.init.constant_(module.gamma, 5.0)
        assert (net(given) - plain(given)).abs().max() > 1e-3


# Pixels a side in generator and critic: the authors' code, BigGAN-PyTorch, and of BigGAN at 256 the paper's Table 5;
# SAGAN below 128 pixels and BigGAN at 32 are not published, and attend at half the size.
PUBLISHED = [
    ("sagan", 32, 16, 16),
    ("sagan", 48, 24, 24),
    ("sagan", 64, 32, 32),
    ("sagan", 128, 32, 32),
    ("biggan", 32, 16, 16),
    ("biggan", 64, 32, 32),
    ("biggan", 128, 64, 64),
    ("biggan", 256, 128, 64),
    ("biggan", 512, 64, 64),
    ("biggan-deep", 32, 16, 16),
    ("biggan-deep", 64, 32, 32),
    ("biggan-deep", 128, 64, 64),
    ("biggan-deep", 256, 64, 64),
]


@pytest.mark.parametrize(("name", "size", "in_generator", "in_critic"), PUBLISHED)
def test_recipes_attend_where_it_was_published(
    name: str, size: int, in_generator: int, in_critic: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Meta tensors have no numbers to iterate on.
    spectral = import_module("zerosum.constraints.spectral")
    monkeypatch.setattr(spectral, "WARM_UP", 0)
    monkeypatch.setattr(spectral, "_renew", lambda weight, u, v: (u, v))
    monkeypatch.setattr(spectral, "_stretch", lambda weight, u, v: torch.ones(()))
    widths = {"g_width": 8, "d_width": 8} if name == "sagan" else {"width": 8}
    data = Data("made", (3, size, size), tuple("abc"), 100, "", ())
    with torch.device("meta"):
        recipe = registry.find(name)(data, **widths)
        nets = recipe.phases[0].game.nets
        y = torch.zeros(2, dtype=torch.long)
        latent = {"biggan": {32: 80, 64: 120, 128: 120, 256: 140, 512: 160}.get(size)}.get(name) or 128
        generated = seen(nets["G"], lambda: nets["G"](torch.empty(2, latent), y))
        judged = seen(nets["D"], lambda: nets["D"](torch.empty(2, 3, size, size), y))
    assert [shape[2] for shape in generated] == [in_generator]
    assert [shape[2] for shape in judged] == [in_critic]
