"""Stacked digits: three random digits in the colour channels of one image, so 1,000 modes that can be counted."""

from dataclasses import replace

import numpy as np
import torch

from zerosum.core.random import generator
from zerosum.data.ask import Ask
from zerosum.data.images import Images
from zerosum.data.packaged import load_digits
from zerosum.data.sources import Source
from zerosum.errors import DataError

SOURCES = (
    Source(
        "stacked-digits",
        "50,000 stacks of three of scikit-learn's digits in red, green and blue: 1,000 classes",
        place=60,
    ),
)
COUNT = 50_000  # images, always the same ones, of the 1,797^3 = 5.8 billion stacks that 1,797 digits allow
SIZE = 32
CLASSES = tuple(f"{label:03d}" for label in range(1_000))


def load_stacked_digits(ask: Ask) -> Images:
    """50,000 stacks of three of scikit-learn's digits, 32 x 32 unless asked otherwise, with labels 0..999.

    Each channel is drawn uniformly and independently from the 1,797 digits; the label is 100 red + 10 green + blue. The
    construction is that of Metz et al. 2017 (arXiv:1611.02163, section 3.3.1), who stack digits of MNIST.

    Raises:
        DataError: One channel is asked for, which would lay the three digits over each other, or scikit-learn is not
            installed.
    """
    if ask.channels == 1:
        raise DataError(f"{ask.source} keeps a digit in each colour channel, so it cannot be grey: leave channels out")
    digits = load_digits(replace(ask, size=ask.size or SIZE, channels=None))
    assert digits.labels is not None
    chosen = torch.randint(len(digits.pixels), (COUNT, 3), generator=generator("stacked-digits")).numpy()
    pixels = np.empty((COUNT, *digits.pixels.shape[1:3], 3), np.uint8)
    for channel in range(3):
        pixels[..., channel] = digits.pixels[chosen[:, channel], ..., 0]
    labels = digits.labels[chosen] @ np.array([100, 10, 1], np.int64)
    return Images.of(pixels, labels, name=ask.source, classes=CLASSES, notes=digits.notes)
