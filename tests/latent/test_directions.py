"""Directions against numpy's eigenvectors, and the layers they are read off against weights put together by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.constraints import spectral_norm
from zerosum.latent.directions import first_layers, readings, sefa

MATRIX = torch.randn(9, 5, generator=torch.Generator().manual_seed(0))


def eigenvectors(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of A^T A, by rows, the largest eigenvalue first, signs such that the largest component is positive."""
    values, vectors = np.linalg.eigh(matrix.astype(np.float64).T @ matrix.astype(np.float64))
    rows = vectors.T[::-1]
    return rows * np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(1)])[:, None], values[::-1]


def test_directions_are_numpys_eigenvectors() -> None:
    vectors, values = eigenvectors(MATRIX.numpy())
    found = sefa(MATRIX, 5)
    np.testing.assert_allclose(found.vectors.numpy(), vectors, atol=1e-5)
    np.testing.assert_allclose(found.strengths.numpy(), values, rtol=1e-5)
    two = sefa(MATRIX, 2)
    assert torch.equal(two.vectors, found.vectors[:2])
    np.testing.assert_allclose((two.vectors @ MATRIX.T).square().sum(1).numpy(), values[:2], rtol=1e-5)


def test_a_diagonal_matrix_by_hand() -> None:
    found = sefa(torch.diag(torch.tensor([1.0, -3.0, 2.0])), 3)
    assert found.vectors.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert found.strengths.tolist() == pytest.approx([9, 4, 1])


def test_components_that_nothing_reads_have_no_strength() -> None:
    found = sefa(torch.tensor([[0.0, 2.0, 0.0]]), 3)
    assert found.strengths.tolist() == [4, 0, 0]


@pytest.mark.parametrize("count", [0, 6])
def test_there_are_as_many_directions_as_components(count: int) -> None:
    with pytest.raises(ValueError, match=rf"count={count}: .* 1 to 5 directions"):
        sefa(MATRIX, count)


def test_the_first_layer_of_a_plain_generator_is_found() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 3))
    (only,) = readings(net, torch.randn(2, 5))
    assert only.name == "0"
    np.testing.assert_allclose(only.matrix.numpy(), net[0].weight.detach().numpy(), atol=1e-6)


def test_a_spectrally_normalised_layer_has_the_directions_of_its_weight() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(5, 7)
    weight = layer.weight.detach().clone()
    net = nn.Sequential(spectral_norm(layer), nn.ReLU())
    matrix = first_layers(net, torch.randn(1, 5))
    np.testing.assert_allclose(sefa(matrix, 5).vectors.numpy(), eigenvectors(weight.numpy())[0], atol=1e-4)
    largest = np.linalg.svd(weight.numpy(), compute_uv=False)[0]
    np.testing.assert_allclose(matrix.numpy(), weight.numpy() / largest, rtol=0.02, atol=1e-4)


class Chunks(nn.Module):
    """z in two parts, the second beside a one-hot label; the first is also read in reverse."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.back, self.joined = nn.Linear(3, 4), nn.Linear(3, 2), nn.Linear(4 + 3, 5)
        self.norm, self.after = nn.BatchNorm1d(4), nn.Linear(11, 2)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        a, b = z.chunk(2, 1)
        h = [self.norm(self.first(a)), self.back(a.flip(1)), self.joined(torch.cat([F.one_hot(y, 4).float(), b], 1))]
        out: Tensor = self.after(torch.cat(h, 1))
        return out


def test_parts_of_the_latent_are_recognised() -> None:
    torch.manual_seed(0)
    net = Chunks().eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    found = readings(net, torch.randn(1, 6), torch.tensor([2]))
    assert [reading.name for reading in found] == ["first", "back", "joined"]
    w = {name: tensor.numpy() for name, tensor in before.items()}
    expected = np.zeros((11, 6), np.float32)
    expected[:4, :3] = w["first.weight"]
    expected[4:6, :3] = w["back.weight"][:, ::-1]
    expected[6:, 3:] = w["joined.weight"][:, 4:]
    np.testing.assert_allclose(first_layers(net, torch.randn(1, 6), torch.tensor([2])).numpy(), expected, atol=1e-6)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert not any(module._forward_pre_hooks for module in net.modules())


class Curved(nn.Module):
    """Nothing linear takes z itself."""

    def __init__(self, first: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.layer = first, nn.Linear(64, 4)

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.layer(self.first(z))
        return out


@pytest.mark.parametrize("first", [F.normalize, F.leaky_relu, torch.abs, lambda z: 2 * z])
def test_a_generator_without_such_a_layer_is_refused_by_name(first: Callable[[Tensor], Tensor]) -> None:
    net = Curved(first)
    assert readings(net, torch.randn(3, 64)) == []
    with pytest.raises(ValueError, match=r"no linear layer of Curved takes its latents"):
        first_layers(net, torch.randn(3, 64))
    assert not net.layer._forward_pre_hooks
