"""Spectral normalisation of embeddings, and of whole class-conditional networks: what is normalised, and what follows.

The last follows from the first. With W the (out, in * kh * kw) matrix of a layer and s its largest singular value:

* a linear layer, a 1x1 convolution: |W x - W x'| <= s |x - x'|, at each position alike;
* a 3x3 convolution applies W to the patch about each position, and no pixel is in more than 9 patches, so
  |y - y'|^2 <= sum over patches s^2 |patch - patch'|^2 <= 9 s^2 |x - x'|^2: it is 3 s-Lipschitz;
* the mean of 2x2 squares: (mean of four)^2 <= (sum of squares) / 4: 1/2; ReLU: 1;
* the sum over H x W positions: sqrt(H W), by Cauchy and Schwarz;
* a composition has at most the product, a sum of two paths at most the sum: a residual block is at most
  Lip(main path) + Lip(shortcut)-Lipschitz.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zerosum.conditioning import biggan
from zerosum.constraints import SpectralNorm, power_iteration, spectral_norm
from zerosum.networks import resnet
from zerosum.recipes import sagan, sngan_projection


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def matrix(layer: Any) -> np.ndarray:
    weight = layer.weight.detach().double().numpy()
    return weight.reshape(len(weight), -1)


def settle(net: nn.Module, rounds: int = 20) -> None:
    """Some rounds of power iteration, as so many updates make."""
    project = power_iteration(net)
    weights, buffers = {k: w.detach() for k, w in net.named_parameters()}, dict(net.named_buffers())
    for _ in range(rounds):
        weights, buffers = project(weights, buffers)
    net.load_state_dict(weights | buffers)


def normalised(net: nn.Module) -> dict[str, SpectralNorm]:
    return {name: module for name, module in net.named_modules() if isinstance(module, SpectralNorm)}


@pytest.mark.parametrize(("classes", "dim"), [(40, 12), (10, 64), (2, 3)])
def test_sigma_of_an_embedding_is_its_largest_singular_value(classes: int, dim: int) -> None:
    layer: Any = spectral_norm(nn.Embedding(classes, dim))
    # Updates moved it elsewhere: to singular values 7, 5.6, 4.48, ...
    u, s, v = np.linalg.svd(np.random.default_rng(0).standard_normal((classes, dim)), full_matrices=False)
    moved = u * (7 * 0.8 ** np.arange(len(s))) @ v
    layer.weight.data.copy_(torch.from_numpy(moved))
    assert layer.sigma().item() != pytest.approx(7, rel=0.1)
    settle(layer)
    assert layer.sigma().item() == pytest.approx(7, rel=0.01)
    np.testing.assert_allclose(layer(torch.arange(classes)).detach().numpy(), moved / 7, rtol=0.01, atol=1e-3)
    assert set(dict(layer.named_parameters())) == {"weight"}  # an embedding has no bias


def test_labels_of_an_embedding_may_be_weights_of_classes() -> None:
    layer = spectral_norm(nn.Embedding(3, 4))
    both = layer(torch.tensor([0, 1])).mean(0, keepdim=True)
    torch.testing.assert_close(layer(torch.tensor([[0.5, 0.5, 0.0]])), both)


def test_gradient_goes_through_sigma() -> None:
    """d/dW of (W / u^T W v)[y] . r = e_y r^T / s - (r . W_y) u v^T / s^2, with u and v constants."""
    layer: Any = spectral_norm(nn.Embedding(3, 4)).double()
    r = torch.randn(4).double()
    (layer(torch.tensor([1]))[0] * r).sum().backward()
    w, u, v, s = layer.weight.detach(), layer.u, layer.v, layer.sigma().item()
    expected = -(r @ w[1]) * torch.outer(u, v) / s**2
    expected[1] += r / s
    torch.testing.assert_close(layer.weight.grad, expected)


SMALL = {"latent": 8, "width": 8, "shared": 4}
NETWORKS = {
    "sngan-projection": lambda: sngan_projection.networks(32, 1, 3, latent=8, g_width=8, d_width=8),
    "sagan": lambda: sagan.networks(32, 1, 3, latent=8, g_width=8, d_width=8, attention=(16,)),
    "biggan": lambda: biggan.biggan_pair(32, 1, 3, **SMALL),  # type: ignore[arg-type]
    "biggan, unshared": lambda: biggan.biggan_pair(32, 1, 3, latent=8, width=8, shared=0, hierarchical=False),
    "biggan-deep": lambda: biggan.biggan_deep_pair(32, 1, 3, **SMALL),  # type: ignore[arg-type]
}
# Of the generators: 1 linear, 3 blocks of 3 (and 2 norms of 2 linear layers), attention's 4, the last.
# Of the critics: 3 of the first block, 3 + 2 + 2 of the others, attention's 4, the head and the embedding.
LAYERS = {
    "sngan-projection": (0, 3 + 7 + 2),
    "sagan": (1 + 3 * 3 + 4 + 1, 3 + 7 + 4 + 2),
    "biggan": (1 + 3 * (3 + 4) + 4 + 1, 3 + 7 + 4 + 2),
    "biggan, unshared": (1 + 3 * 3 + 4 + 1, 3 + 7 + 4 + 2),
    # bottlenecks: 6 of 4 convolutions, with 4 norms each in the generator; no channels are added at 32 pixels.
    "biggan-deep": (1 + 6 * (4 + 4 * 2) + 4 + 1, 1 + 6 * 4 + 4 + 2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_all_matrices_are_normalised_but_tables_of_the_generator(name: str) -> None:
    nets = dict(zip("GD", NETWORKS[name](), strict=True))
    assert tuple(len(normalised(nets[who])) for who in "GD") == LAYERS[name]
    for who, net in nets.items():
        if (name, who) == ("sngan-projection", "G"):
            continue  # SNGAN normalises its critic alone
        layers = normalised(net)
        left = {k for k, w in net.named_parameters() if w.dim() > 1 and k.rpartition(".")[0] not in layers}
        tables = {f"{k}.{part}" for k, m in net.named_modules() if hasattr(m, "gain") for part in ("gain", "bias")}
        allowed = {"embedding.weight"} | tables if who == "G" else set()
        assert left <= allowed
        assert ("embedding.weight" in left) == (who == "G" and "biggan" in name and "unshared" not in name)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_normalised_layer_is_1_lipschitz_as_the_map_of_its_matrix(name: str) -> None:
    for net in NETWORKS[name]():
        for weight in net.parameters():  # far from where they began
            if weight.dim() > 1:
                nn.init.normal_(weight, 0, 3)
        if not normalised(net):
            continue
        settle(net, 100)
        for layer in normalised(net).values():
            w = matrix(layer) / layer.sigma().item()
            x, other = np.random.default_rng(0).standard_normal((2, w.shape[1], 20))
            slopes = np.linalg.norm(w @ x - w @ other, axis=0) / np.linalg.norm(x - other, axis=0)
            assert slopes.max() <= 1.01
            assert 0.99 <= np.linalg.svd(w, compute_uv=False)[0] <= 1.01  # and no less than need be


def lipschitz(layer: Any) -> float:
    """Of a layer, by the docstring above, with the singular value that it has after division by its estimate."""
    if isinstance(layer, nn.Identity):
        return 1.0
    largest: float = np.linalg.svd(matrix(layer), compute_uv=False)[0] / layer.sigma().item()
    return largest * layer.weight[0, 0].numel() ** 0.5 if layer.weight.dim() == 4 else largest


def bound(critic: resnet.Critic, bottom: int) -> float:
    """Of the whole critic, by composition."""
    total = 1.0
    for block in (critic.first, *critic.blocks):
        down = 1.0 if isinstance(getattr(block, "pool", None), nn.Identity) else 0.5
        total *= (lipschitz(block.conv1) * lipschitz(block.conv2) + lipschitz(block.shortcut)) * down
    return total * bottom * lipschitz(critic.last)


@pytest.mark.parametrize(("plans", "size", "bottom"), [(resnet.SNGAN, 32, 8), (resnet.SAGAN, 64, 4)])
def test_a_residual_critic_keeps_the_bound_of_its_blocks(plans: Any, size: int, bottom: int) -> None:
    critic = resnet.Critic(4, size, 1, plans=plans, wrap=spectral_norm)
    for weight in critic.parameters():  # without division by sigma, slopes would be many orders beyond the bound
        nn.init.normal_(weight, 0, 10)
    settle(critic, 100)
    limit = bound(critic, bottom)
    blocks = {32: (5, 5, 10, 10), 64: (5, 5, 5, 5, 5)}[size]  # 9/2 + 1/2 where the size is halved, 9 + 1 elsewhere
    assert limit == pytest.approx(np.prod(blocks) * bottom, rel=0.05)
    pairs = torch.randn(2, 8, 1, size, size)
    assert slopes(critic, *pairs).max() <= limit
    # Uphill in |D(x) - D(x')| / |x - x'|, the worst pair that is easily found.
    x, other = (p[:2].clone().requires_grad_() for p in pairs)
    before = slopes(critic, x, other).mean().item()
    climber = torch.optim.Adam([x, other], lr=0.05, maximize=True)
    for _ in range(30):
        climber.zero_grad()
        slopes(critic, x, other).log().sum().backward()
        climber.step()
    after = slopes(critic, x, other)
    assert after.mean().item() > 2 * before
    assert after.max().item() <= limit
    plain = resnet.Critic(4, size, 1, plans=plans)
    plain.load_state_dict({k: v for k, v in critic.state_dict().items() if k.rpartition(".")[2] not in ("u", "v")})
    assert slopes(plain, *pairs).max() > limit


def slopes(critic: nn.Module, x: Tensor, other: Tensor) -> Tensor:
    return (critic(x) - critic(other)).abs() / (x - other).flatten(1).norm(dim=1)
