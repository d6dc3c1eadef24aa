"""Lipschitz constants against explicitly built matrices, numpy's SVD and derivatives by hand."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zerosum.constraints import SpectralNorm, power_iteration, spectral_norm
from zerosum.networks.layers.batch_norm import BatchNorm
from zerosum.networks.layers.layer_norm import LayerNorm
from zerosum.networks.mlp import Critic
from zerosum.theory import lipschitz


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def matrix_of(layer: nn.Module, shape: tuple[int, ...]) -> np.ndarray:
    """The matrix of an affine layer, column by column."""
    layer = layer.double()
    basis = torch.eye(math.prod(shape), dtype=torch.float64).reshape(-1, *shape)
    with torch.no_grad():
        return (layer(basis) - layer(torch.zeros_like(basis))).flatten(1).T.numpy()


def test_linear_layer_is_numpys_largest_singular_value() -> None:
    layer = nn.Linear(7, 4)
    expected = np.linalg.svd(layer.weight.detach().numpy().astype(np.float64), compute_uv=False)[0]
    assert lipschitz.layer_constant(layer, (7,)) == pytest.approx(expected, rel=1e-12)
    assert lipschitz.matrix_constant(torch.tensor([[3.0, 0], [4, 0]])) == pytest.approx(5, rel=1e-14)


CONVOLUTIONS = {
    "plain": (partial(nn.Conv2d, 2, 3, 3), (2, 5, 4)),
    "stride and padding": (partial(nn.Conv2d, 2, 4, 3, stride=2, padding=1), (2, 6, 6)),
    "groups": (partial(nn.Conv2d, 4, 6, 3, padding=1, groups=2), (4, 4, 4)),
    "dilation": (partial(nn.Conv2d, 1, 2, 2, dilation=2), (1, 5, 5)),
    "transposed": (partial(nn.ConvTranspose2d, 3, 2, 4, stride=2, padding=1), (3, 3, 4)),
    "transposed groups": (partial(nn.ConvTranspose2d, 4, 2, 3, stride=2, output_padding=1, groups=2), (4, 3, 3)),
    "pooling": (partial(nn.AvgPool2d, 2), (2, 4, 6)),
    "overlapping pooling": (partial(nn.AvgPool2d, 3, stride=1, padding=1), (1, 5, 5)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution_is_that_of_its_matrix(name: str) -> None:
    make, shape = CONVOLUTIONS[name]
    layer = make()
    expected = np.linalg.svd(matrix_of(layer, shape), compute_uv=False)[0]
    assert lipschitz.layer_constant(layer, shape) == pytest.approx(expected, rel=1e-7)


def test_average_pooling_by_hand() -> None:
    # Four equal inputs give themselves: sqrt(4) a to a, a factor 1/2.
    assert lipschitz.layer_constant(nn.AvgPool2d(2), (1, 4, 4)) == pytest.approx(0.5, rel=1e-9)


def test_reshaped_weight_of_a_convolution_is_not_its_constant() -> None:
    # A 3x3 kernel of ones on a large image: 9 on a constant image, but only 3 as a 1x9 matrix.
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    nn.init.ones_(layer.weight)
    assert lipschitz.matrix_constant(layer.weight.flatten(1)) == pytest.approx(3)
    # Exactly (1 + 2 cos(pi / (n + 1)))^2 for n x n zero-padded pixels (eigenvalues of a tridiagonal matrix).
    assert lipschitz.layer_constant(layer, (1, 8, 8)) == pytest.approx((1 + 2 * math.cos(math.pi / 9)) ** 2, rel=1e-7)


def test_power_iteration_of_nothing_is_zero_and_of_a_diagonal_its_largest() -> None:
    assert lipschitz.operator_constant(lambda x: 0 * x + 3, (4,)) == 0
    scale = torch.tensor([0.5, -3.0, 1.0], dtype=torch.float64)
    assert lipschitz.operator_constant(lambda x: scale * x + 7, (3,)) == pytest.approx(3, rel=1e-9)


def test_power_iteration_says_that_it_has_not_converged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lipschitz, "MOST", 2)
    scale = torch.linspace(0.9, 1, 30, dtype=torch.float64)
    with pytest.raises(ArithmeticError, match="not converged"):
        lipschitz.operator_constant(lambda x: scale * x, (30,))


ACTIVATIONS = [
    (nn.ReLU(), 1.0),
    (nn.LeakyReLU(0.2), 1.0),
    (nn.LeakyReLU(-3.0), 3.0),
    (nn.Tanh(), 1.0),
    (nn.Sigmoid(), 0.25),
    (nn.Softplus(), 1.0),
    (nn.Softplus(beta=4), 1.0),
]


@pytest.mark.parametrize(("layer", "expected"), ACTIVATIONS, ids=str)
def test_activation_is_its_steepest_slope(layer: nn.Module, expected: float) -> None:
    x = torch.linspace(-60, 60, 100_001, dtype=torch.float64)
    slope = (layer(x[1:]) - layer(x[:-1])).diff().abs().max()  # not linear: the test has something to see
    steepest = float(((layer(x[1:]) - layer(x[:-1])) / (x[1:] - x[:-1])).abs().max())
    assert lipschitz.layer_constant(layer, (3,)) == expected
    assert steepest == pytest.approx(expected, rel=1e-5)
    assert slope > 0


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, BatchNorm])
def test_batch_norm_in_evaluation_by_hand(kind: type[nn.Module]) -> None:
    layer = kind(3).double()
    layer.running_var.copy_(torch.tensor([4.0, 0.25, 1.0]))
    layer.weight.data = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    layer.eval()
    assert lipschitz.layer_constant(layer, (3,)) == pytest.approx(2 / math.sqrt(0.25 + 1e-5), rel=1e-9)
    assert lipschitz.layer_constant(layer, (3,)) == pytest.approx(np.linalg.norm(matrix_of(layer, (3,)), 2), rel=1e-9)
    layer.train()
    with pytest.raises(ValueError, match="call eval"):
        lipschitz.layer_constant(layer, (3,))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.LayerNorm(6), (6,)), (LayerNorm(2), (2, 2, 2)), (nn.LayerNorm(5, elementwise_affine=False), (5,))],
)
def test_layer_norm_is_its_slope_at_equal_inputs_and_nowhere_more(layer: nn.Module, shape: tuple[int, ...]) -> None:
    layer.eps = 0.01
    for weight in layer.parameters():
        weight.data = torch.randn_like(weight)
    constant = lipschitz.layer_constant(layer, shape)
    layer = layer.double()
    equal = torch.full((1, *shape), 0.3, dtype=torch.float64)
    jacobian = torch.func.jacrev(layer)(equal).reshape(math.prod(shape), -1)
    assert constant == pytest.approx(float(torch.linalg.svdvals(jacobian.detach())[0]), rel=1e-6)
    points = torch.randn(200, *shape, dtype=torch.float64) * torch.logspace(-3, 1, 200).reshape(-1, *[1] * len(shape))
    assert lipschitz.largest_gradient(layer, points) <= constant * (1 + 1e-9)


def test_product_bound_multiplies_along_a_nested_chain() -> None:
    first, second = nn.Linear(4, 6), nn.Linear(6, 1)
    net = nn.Sequential(nn.Sequential(first, nn.Sigmoid()), second, nn.Tanh())
    bound = lipschitz.product_bound(net, (4,))
    sigma = [np.linalg.norm(layer.weight.detach().double().numpy(), 2) for layer in (first, second)]
    assert [name for name, _ in bound.layers] == ["0 Linear", "1 Sigmoid", "2 Linear", "3 Tanh"]
    assert [value for _, value in bound.layers] == pytest.approx([sigma[0], 0.25, sigma[1], 1])
    assert bound.total == pytest.approx(sigma[0] * sigma[1] / 4)


def test_product_bound_follows_sizes_through_convolutions() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 1)
    )
    bound = lipschitz.product_bound(net, (1, 8, 8))
    conv = np.linalg.norm(matrix_of(net[0], (1, 8, 8)), 2)
    linear = np.linalg.norm(net[4].weight.detach().double().numpy(), 2)
    assert bound.total == pytest.approx(conv * 0.5 * linear, rel=1e-6)
    points = torch.randn(40, 1, 8, 8, dtype=torch.float64)
    assert 0 < lipschitz.largest_gradient(net.double(), points) <= bound.total


def test_product_bound_gives_each_layer_the_size_that_reaches_it() -> None:
    first, second = nn.Conv2d(2, 2, 3, stride=2), nn.Conv2d(2, 2, 3, padding=1)
    bound = lipschitz.product_bound([first, second], (2, 7, 7))
    expected = [np.linalg.norm(matrix_of(first, (2, 7, 7)), 2), np.linalg.norm(matrix_of(second, (2, 3, 3)), 2)]
    assert [value for _, value in bound.layers] == pytest.approx(expected, rel=1e-6)


def test_unknown_layer_is_named_and_may_be_told() -> None:
    with pytest.raises(TypeError, match=r"Hardshrink.*known=\{Hardshrink: \.\.\.\}"):
        lipschitz.product_bound([nn.Hardshrink()], (2,))
    assert lipschitz.product_bound([nn.ELU()], (2,), known={nn.ELU: lambda layer, shape: 2.0}).total == 2


def test_composition_stretches_no_more_than_its_parts() -> None:
    rng = torch.Generator().manual_seed(1)
    tight = []
    for _ in range(50):
        f, g = torch.randn(5, 3, generator=rng).double(), torch.randn(4, 5, generator=rng).double()
        both = float(np.linalg.norm((g @ f).numpy(), 2))
        assert both <= lipschitz.matrix_constant(g) * lipschitz.matrix_constant(f) * (1 + 1e-12)
        tight.append(both / (lipschitz.matrix_constant(g) * lipschitz.matrix_constant(f)))
    assert 0.2 < min(tight) < max(tight) < 1


def test_largest_gradient_of_known_functions() -> None:
    points = torch.tensor([[3.0, 4.0], [1.0, 0.0]], dtype=torch.float64)
    assert lipschitz.largest_gradient(lambda x: x.square().sum(1), points) == pytest.approx(10)
    a = torch.tensor([[1.0, 2], [0, 3], [1, 1]], dtype=torch.float64)
    assert lipschitz.largest_gradient(lambda x: x @ a.T, points) == pytest.approx(np.linalg.norm(a.numpy(), 2))


def test_largest_quotient_by_hand_and_without_equal_pairs() -> None:
    x = torch.tensor([[0.0], [1.0], [2.0]])
    y = torch.tensor([[1.0], [3.0], [2.0]])
    assert lipschitz.largest_quotient(lambda t: t.square(), x, y) == pytest.approx(4)  # (9 - 1) / 2
    assert lipschitz.largest_quotient(lambda t: t.square().squeeze(1), x, y) == pytest.approx(4)
    with pytest.raises(ValueError, match="twice the same"):
        lipschitz.largest_quotient(torch.abs, x, x)


def test_spectrally_normalised_critic_has_bound_one_per_layer() -> None:
    critic = Critic(hidden=(16, 16), wrap=spectral_norm)
    project = power_iteration(critic)
    weights, buffers = dict(critic.named_parameters()), dict(critic.named_buffers())
    for _ in range(300):
        _, buffers = project(weights, buffers)
    critic.load_state_dict({**weights, **buffers})
    chain = [part for layer in critic.layers for part in (layer, nn.ReLU())] + [critic.last]
    bound = lipschitz.product_bound(chain, (2,))
    assert [value for _, value in bound.layers] == pytest.approx([1.0] * 5, abs=1e-4)
    x = torch.randn(300, 2)
    assert lipschitz.largest_gradient(critic, x) <= bound.total
    assert lipschitz.largest_quotient(critic, x[:150], x[150:]) <= lipschitz.largest_gradient(critic, x) * 1.01


def test_spectral_norm_is_not_the_constant_of_a_convolution() -> None:
    layer = spectral_norm(nn.Conv2d(2, 3, 3, padding=1)).eval()  # the same function each time
    assert isinstance(layer, SpectralNorm)
    expected = np.linalg.norm(matrix_of(layer, (2, 6, 6)), 2)
    assert lipschitz.layer_constant(layer.float(), (2, 6, 6)) == pytest.approx(expected, rel=1e-6)
    assert expected > 1.2


def test_weight_must_be_a_matrix() -> None:
    with pytest.raises(ValueError, match="must be a matrix"):
        lipschitz.matrix_constant(Tensor([1.0]))
