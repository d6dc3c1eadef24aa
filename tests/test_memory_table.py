"""``tools/memory_table.py`` against a count by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="module")
def table(module_at):
    return module_at(Path(__file__).parent.parent / "tools" / "memory_table.py")


def test_dcgan_keeps_what_is_counted_by_hand(table):
    case = table.Case("dcgan", {"width": 32}, 64)
    # A critic without norm in its first layer: the image; then of each layer what its convolution, its norm and its
    # leaky ReLU give, which the next keeps as its input. 32, 64, 128 and 256 channels at 32, 16, 8 and 4 pixels.
    layers = [32 * 32**2, 64 * 16**2, 128 * 8**2, 256 * 4**2]
    image = 3 * 64**2
    critic = image + 2 * layers[0] + 3 * sum(layers[1:])
    # A generator: 256 channels at 4 pixels to 32 at 32; input and output of each norm (ReLU and convolution keep the
    # same), the latent; and the image, which tanh keeps and the critic too. The critic's linear layer does not keep
    # its input then, because nobody asks for its weights' derivative.
    generator = 2 * sum(layers) + 100 - layers[-1]
    few = 16  # logits and what the loss makes of them
    assert case.kept("D", None) / 4 == pytest.approx(2 * critic, abs=few)
    assert case.kept("G", None) / 4 == pytest.approx(critic + generator, abs=few)
    # Logits are computed in float32 from the features, which are kept twice as wide.
    assert case.kept("D", torch.bfloat16) / 2 == pytest.approx(2 * (critic + layers[-1]), abs=2 * few)


def test_parameters_and_state_are_the_published_ones(table):
    case = table.Case("dcgan", {}, 64)
    assert case.parameters == {"G": 18_855_040, "D": 17_232_768}  # with their weights, two moments of Adam each
    buffers = 2 * (1024 + 512 + 256 + 128) + 2 * (256 + 512 + 1024)
    assert case.held == pytest.approx(4 * (3 * (18_855_040 + 17_232_768) + 18_855_040 + buffers), abs=64)
