"""What ``precision="auto"`` means: the same on every CPU, whatever it computes in natively."""

import pytest
import torch

from zerosum.runs.settings import Settings, autocast_for
from zerosum.runs.setup import build

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU and a GPU that compute in bf16 natively."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)


def test_a_cpu_computes_in_float32_unless_bf16_is_asked_for() -> None:
    assert autocast_for(Settings(), CPU) is None
    assert autocast_for(Settings(precision="bf16"), CPU) is torch.bfloat16
    for data in ("ring", "fashion-mini"):
        small = {"width": 4, "steps": 2}
        assert build("dcgan", small, Settings(data=data)).autocast is None
        assert build("dcgan", small, Settings(data=data, precision="bf16")).autocast is torch.bfloat16


def test_a_gpu_computes_images_in_bf16_and_points_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    assert autocast_for(Settings(), GPU) is torch.bfloat16
    assert autocast_for(Settings(), GPU, points=True) is None
    assert autocast_for(Settings(precision="float32"), GPU) is None
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert autocast_for(Settings(), GPU) is None
