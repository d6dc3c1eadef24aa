"""Images as an array and a tensor, and how they are read or refused."""

from typing import Any

import numpy as np
import pytest
import torch

from zerosum.data import DataError, Images, check_data, load

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
PIXELS.flags.writeable = False
TENSOR = torch.from_numpy(PIXELS.copy()).permute(0, 3, 1, 2)
LABELS = [0, 1, 2, 0, 1, 2]


def images(source: Any, **options: Any) -> Images:
    data = load(source, **options)
    assert isinstance(data, Images)
    assert check_data(data) is data
    return data


def refused(source: Any, **options: Any) -> str:
    """The message of a refusal, which is one line and no sentence of ours with a period at its end."""
    with pytest.raises(DataError) as caught:
        load(source, **options)
    words = str(caught.value)
    assert "\n" not in words
    assert not words.endswith(".")
    return words
