"""Arithmetic that no setting of the caller changes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch.backends import cudnn


@contextlib.contextmanager
def plain_float32(device: torch.device) -> Iterator[None]:
    """Products and convolutions in true float32: no gradients, no autocast, neither TF32 nor bfloat16, no races."""
    backends = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    before = [backend.fp32_precision for backend in backends]
    with contextlib.ExitStack() as stack:
        for backend, precision in zip(backends, before, strict=True):
            stack.callback(setattr, backend, "fp32_precision", precision)
            backend.fp32_precision = "ieee"
        stack.enter_context(torch.no_grad())
        if torch.amp.is_autocast_available(device.type):
            stack.enter_context(torch.autocast(device.type, enabled=False))
        if device.type == "cuda":
            stack.enter_context(cudnn.flags(enabled=True, deterministic=True, allow_tf32=False))
        yield
