"""One thread, so that tests beside each other do not fight for cores, and the same random numbers in every test."""

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
