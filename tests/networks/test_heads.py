"""The head that reads codes from a critic's features, layer by layer."""

from typing import Any

import pytest
import torch

from zerosum.networks.common import parameter_count
from zerosum.networks.heads import Head


def test_the_head_of_q_has_the_layers_of_the_paper() -> None:
    # 1024 -> 128 with batch norm -> 10 + 1 + 1, as Q in Chen et al. 2016 for MNIST
    head = Head(1024, 128, 12)
    layers: Any = head
    assert parameter_count(head) == 1024 * 128 + 128 + 2 * 128 + 128 * 12 + 12
    h = torch.randn(6, 1024)
    first, norm, _, last = layers
    g = first(h)
    g = (g - g.mean(0)) / (g.var(0, unbiased=False) + 1e-5).sqrt() * norm.weight + norm.bias
    expected = torch.where(g > 0, g, 0.2 * g) @ last.weight.T + last.bias
    torch.testing.assert_close(head(h), expected, rtol=1e-4, atol=1e-5)
    assert first.weight.std().item() == pytest.approx(0.02, rel=0.02)


def test_a_head_without_outputs_is_refused() -> None:
    with pytest.raises(ValueError, match="outputs=0"):
        Head(4, 4, 0)
