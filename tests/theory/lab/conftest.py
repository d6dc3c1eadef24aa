"""What tests of experiments that train many convolutional networks share."""

from typing import Any

import pytest
from torch import Tensor

from zerosum.theory.lab import convolutional


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[str]:
    """The labels of methods that the test file's ``lab`` has trained; with 7 steps each of them diverges."""
    calls: list[str] = []

    def trained(method: convolutional.Method, *args: Any, **kwargs: Any) -> Tensor | None:
        calls.append(method.label)
        return None if kwargs["steps"] == 7 else convolutional.trained(method, *args, **kwargs)

    monkeypatch.setattr(request.module.lab, "trained", trained)
    return calls
