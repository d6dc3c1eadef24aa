"""The settings of a run, whatever its recipe, and what `auto` means on this machine."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal, get_type_hints

import torch

from zerosum.core import parallel
from zerosum.errors import UsageError
from zerosum.values import as_stated


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    Attributes:
        data: Source of real samples; `zerosum data` lists all sources.
        size: Side of the images, in pixels. None: the source's own.
        out: Folder of the run, which must not exist yet. None: a new one below runs/.
        seed: Seed of everything random.
        ema: Decay of a running average of the generator, kept for sampling (lower at first). 0: none. None: the
            recipe's own, which few have.
        precision: Precision of the losses. auto: bf16 for images on a GPU that computes in it natively, else float32.
        compile: Whether to compile each update to one graph. auto: on for a GPU, off for a CPU.
        device: Device to train on: auto, cpu, cuda, cuda:N or mps. auto: cuda where there is one, otherwise cpu.
        accumulate: Number of parts into which each batch is divided to save memory; gradients are averaged over them.
            What compares the samples of a batch with one another sees those of one part only, and so changes with it:
            batch normalisation, minibatch discrimination, feature matching, unrolling, relativistic averages, the
            pulling-away term.
        minutes: Minutes of training after which this call of train or resume ends the run. None: no limit.
        log_every: Iterations between rows of metrics.jsonl. 0: a thousand rows in all.
        sample_every: Iterations between pictures. 0: ten pictures in all.
        save_every: Iterations between checkpoints, which are at most five minutes apart. 0: ten checkpoints in all.
        keep: Newest checkpoints that are kept, besides the best. 0: all of them.
        eval_every: Iterations between scores. 0: scores at the end only.
        eval_start: Whether to score the untrained generator as well.
        metrics: Names of further scores, separated by commas, such as kid,pr. `zerosum eval --metrics help any` lists
            all of them.
        features: Network that extracts features for these scores: auto, inception, inception-clean, vgg16, dinov2,
            clip, shipped, random or FILE.onnx.
        eval_count: Number of generated images for these scores. 0: as many as there are real ones, at most 50,000.
        watch: Iterations between looks at the singular values of every weight. 0: a hundred looks in all, at least
            100 iterations apart. -1: no looks and no alarms.
        track: Service that losses, scores and pictures go to as well: none, trackio or wandb.
    """

    data: str = "fashion-mini"
    size: int | None = None
    out: str | None = None
    seed: int = 0
    ema: float | None = None
    precision: Literal["auto", "float32", "bf16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    device: str = "auto"
    accumulate: int = 1
    minutes: float | None = None
    log_every: int = 0
    sample_every: int = 0
    save_every: int = 0
    keep: int = 2
    eval_every: int = 0
    eval_start: bool = False
    metrics: str = ""
    features: str = "auto"
    eval_count: int = 0
    watch: int = 0
    track: Literal["none", "trackio", "wandb"] = "none"

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, setting(field.name, getattr(self, field.name)))
        for name in ("log_every", "sample_every", "save_every", "keep", "eval_every", "eval_count"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} must be 0 or more, got {getattr(self, name)}", argument=name)
        if self.watch < -1:
            raise UsageError(f"watch must be -1 (never), 0 or more, got {self.watch}", argument="watch")
        if self.ema is not None and not 0 <= self.ema < 1:
            raise UsageError(f"ema must be at least 0 and below 1, got {self.ema}", argument="ema")
        if self.accumulate < 1:
            raise UsageError(f"accumulate must be at least 1, got {self.accumulate}", argument="accumulate")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise UsageError(f"minutes must be above 0 and finite, got {self.minutes}", argument="minutes")
        if self.out == "":
            raise UsageError("out must name a folder, got ''", argument="out")


@cache
def _types() -> dict[str, Any]:
    return get_type_hints(Settings)


def setting(name: str, value: Any) -> Any:
    """A value for a setting, in the setting's type; values for other names as they are.

    Raises:
        UsageError: The value is of another type.
    """
    if isinstance(value, torch.device):
        value = str(value)
    if name == "metrics" and isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    try:
        return as_stated(value, _types()[name]) if name in _types() else value
    except TypeError as error:
        raise UsageError(f"{name} {error}", argument=name) from error


# Words that mean the same for every recipe, and so cannot be the names of a recipe's own arguments.
RESERVED = frozenset(field.name for field in fields(Settings))
RESERVED |= frozenset({"recipe", "labels", "progress", "stop", "config", "seeds", "dry_run", "help"})

# Settings that do not change what is learnt: a resumed run may change them.
SAFE = frozenset({"minutes", "log_every", "sample_every", "save_every", "eval_every", "eval_start"})
SAFE |= frozenset({"metrics", "features", "eval_count", "watch", "keep", "track"})


def device_for(settings: Settings) -> torch.device:
    """The device to compute on.

    Raises:
        UsageError: There is no such device.
    """
    if settings.device != "auto":
        return _named_device(settings.device)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device() if parallel.world() > 1 else 0)


def _named_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"device={name}: is not a device; use auto, cpu, cuda or cuda:0", argument="device") from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(
            f"device={name}: zerosum computes on cpu, cuda and mps devices only; use auto, cpu or cuda:0",
            argument="device",
        )
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"device={name}: torch sees no CUDA device here; `zerosum doctor` says more", argument="device"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"device={name}: there are {torch.cuda.device_count()} CUDA devices, numbered from 0", argument="device"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError(f"device={name}: torch sees no Apple GPU here; use auto or cpu", argument="device")
    return torch.device("cpu") if device.type == "cpu" else device


def has_native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def autocast_for(settings: Settings, device: torch.device, *, points: bool = False) -> torch.dtype | None:
    """The dtype in which losses are computed. ``None``: float32.

    On a CPU it is float32 unless bf16 is asked for, whatever the CPU can do: published results are those of float32,
    and the same command is to learn the same from one CPU to the next. Networks for points are too small to gain by it.

    Args:
        settings: Settings of the run.
        device: Device to compute on.
        points: Whether the data are points.
    """
    by_default = device.type == "cuda" and not points and has_native_bf16(device)
    bf16 = settings.precision == "bf16" or (settings.precision == "auto" and by_default)
    return torch.bfloat16 if bf16 else None


def backend_for(settings: Settings, device: torch.device) -> str | None:
    """The backend of ``torch.compile``. ``None``: nothing is compiled."""
    on = settings.compile == "on" or (settings.compile == "auto" and device.type == "cuda")
    return "inductor" if on else None
