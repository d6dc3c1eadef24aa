"""What tests of experiments share: data, a batch of images, and a look into networks."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zerosum.data import load
from zerosum.data.images import Images
from zerosum.data.points import Points
from zerosum.lab import convolutional
from zerosum.networks.layers import BatchNorm, LayerNorm
from zerosum.systems import Batch, batch


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[str]:
    """The labels of methods that the test file's ``lab`` has trained; with 7 steps each of them diverges."""
    calls: list[str] = []

    def train_nets(method: convolutional.TrainingMethod, *args: Any, **kwargs: Any) -> Tensor | None:
        calls.append(method.label)
        return None if kwargs["steps"] == 7 else convolutional.train_nets(method, *args, **kwargs)

    monkeypatch.setattr(request.module.lab, "train_nets", train_nets)
    return calls


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[tuple[list[float], int]]:
    """The generator's first weights and the number of updates of each training that the test file's ``lab`` begins.

    None is carried out.
    """
    seen: list[tuple[list[float], int]] = []

    def train_nets(method: convolutional.TrainingMethod, nets: dict[str, nn.Module], *args: Any, **kwargs: Any) -> None:
        seen.append((nn.utils.parameters_to_vector(nets["G"].parameters()).tolist(), kwargs["steps"]))

    monkeypatch.setattr(request.module.lab, "train_nets", train_nets)
    return seen


@pytest.fixture(scope="session")
def ring() -> Points:
    data = load("ring")
    assert isinstance(data, Points)
    return data


@pytest.fixture(scope="session")
def clothes() -> Images:
    data = load("fashion-mini")
    assert isinstance(data, Images)
    return data


@pytest.fixture
def images() -> Batch:
    """A batch for networks of :mod:`zerosum.lab.convolutional`: four images of noise."""
    rng = torch.Generator().manual_seed(0)
    drawn: Batch = batch(
        z=torch.randn(4, convolutional.LATENT, generator=rng),
        x=torch.rand(4, 1, 32, 32, generator=rng) * 2 - 1,
        eps=torch.rand(4, generator=rng),
    )
    return drawn


@pytest.fixture(scope="session")
def norms_of() -> Callable[[nn.Module], set[type]]:
    """``norms_of(net)``: the kinds of its normalisation layers."""
    return lambda net: {type(m) for m in net.modules() if isinstance(m, BatchNorm | LayerNorm)}
