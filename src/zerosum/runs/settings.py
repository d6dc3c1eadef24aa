"""What a run is told, whatever its recipe; and how `auto` is decided on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from zerosum.core import parallel
from zerosum.recipe import UsageError


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    Attributes:
        data: the source of real samples; `zerosum data` lists them.
        size: pixels a side, for images; None: the source's own.
        out: the run's folder, which must not exist yet; None: a new one below runs/.
        seed: of everything random.
        ema: decay of a running average of the generator, kept for sampling (lower at first); 0: none.
        precision: auto is bf16 where the machine computes in it natively, else float32.
        compile: auto compiles on a GPU and not on a CPU.
        device: auto, cpu, cuda or cuda:N.
        accumulate: take each batch in this many parts, to save memory.
        minutes: stop after this long, evaluation aside; None: no limit.
        log_every: iterations between rows of metrics.jsonl; 0: a thousand rows in all.
        sample_every: iterations between pictures; 0: ten in all.
        save_every: iterations between checkpoints; 0: ten in all, and one every five minutes.
        eval_every: iterations between scores; 0: at the end only.
        eval_start: also score the untrained generator.
        metrics: further scores, names with commas between such as kid,pr; `zerosum eval --metrics help any` lists them.
        features: what these see images through: auto, inception, inception-clean, vgg16, shipped or FILE.onnx.
        eval_count: generated images for these; 0: as many as there are real ones, 50,000 at most.
        watch: iterations between looks at the singular values of every weight; 0: a hundred looks in all, 100
            iterations apart at least; -1: no looks and no alarms.
    """

    data: str = "fashion-mini"
    size: int | None = None
    out: str | None = None
    seed: int = 0
    ema: float = 0.0
    precision: Literal["auto", "float32", "bf16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    device: str = "auto"
    accumulate: int = 1
    minutes: float | None = None
    log_every: int = 0
    sample_every: int = 0
    save_every: int = 0
    eval_every: int = 0
    eval_start: bool = False
    metrics: str = ""
    features: str = "auto"
    eval_count: int = 0
    watch: int = 0

    def __post_init__(self) -> None:
        for name in ("log_every", "sample_every", "save_every", "eval_every", "eval_count"):
            if getattr(self, name) < 0:
                raise UsageError(f"--{name.replace('_', '-')} must be 0 or more, got {getattr(self, name)}")
        if self.watch < -1:
            raise UsageError(f"--watch must be -1 (never), 0 or more, got {self.watch}")
        if not 0 <= self.ema < 1:
            raise UsageError(f"--ema must be at least 0 and below 1, got {self.ema}")
        if self.accumulate < 1:
            raise UsageError(f"--accumulate must be at least 1, got {self.accumulate}")
        if self.minutes is not None and not self.minutes > 0:
            raise UsageError(f"--minutes must be above 0, got {self.minutes}")


# Settings that do not change what is learnt: a resumed run may have others.
SAFE = frozenset({"out", "minutes", "log_every", "sample_every", "save_every", "eval_every", "eval_start"})
SAFE |= frozenset({"metrics", "features", "eval_count", "watch"})


def device_for(settings: Settings) -> torch.device:
    """The device to train on."""
    if settings.device != "auto":
        try:
            device = torch.device(settings.device)
        except RuntimeError as error:
            raise UsageError(f"--device {settings.device}: not a device; use auto, cpu, cuda or cuda:0") from error
        if device.type == "cuda" and not torch.cuda.is_available():
            raise UsageError(f"--device {settings.device}: torch sees no CUDA device here; `zerosum doctor` says more")
        return device
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device() if parallel.world() > 1 else 0)


def native_bf16(device: torch.device) -> bool:
    """Does the device multiply bfloat16 matrices in hardware?"""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def autocast_for(settings: Settings, device: torch.device) -> torch.dtype | None:
    """The dtype that losses are computed in, ``None`` for float32."""
    bf16 = settings.precision == "bf16" or (settings.precision == "auto" and native_bf16(device))
    return torch.bfloat16 if bf16 else None


def backend_for(settings: Settings, device: torch.device) -> str | None:
    """The backend of ``torch.compile``, ``None`` for eager."""
    on = settings.compile == "on" or (settings.compile == "auto" and device.type == "cuda")
    return "inductor" if on else None
