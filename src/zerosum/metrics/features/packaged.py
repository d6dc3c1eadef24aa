"""Weights that come in the package: a small safetensors file beside its network's module."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import safe_open
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def digest(file: Path) -> str:
    """SHA-256 of a weights file, 64 hexadecimal digits; protocols print the first 12."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def record(file: Path) -> dict[str, str]:
    """What a weights file says of itself: the command that made it, held-out accuracy, seed, counts, versions."""
    with safe_open(file, framework="pt") as opened:
        return dict(opened.metadata() or {})


def filled(network: Network, file: Path, device: str) -> Network:
    """A network with its weights: float32 (they may be stored in float16), in evaluation mode, frozen.

    Raises:
        FileNotFoundError: if the weights file is missing from the installation.
        RuntimeError: if the weights do not fit the network.
    """
    # Straight from the file to named tensors: nothing is unpickled.
    with safe_open(file, framework="pt") as opened:
        weights = {name: opened.get_tensor(name).to(torch.float32) for name in opened.keys()}  # noqa: SIM118
    # Counters of batches are not stored, as evaluation never reads them: the network's own zeros stay.
    counters = {name: buffer for name, buffer in network.named_buffers() if name.endswith("num_batches_tracked")}
    network.load_state_dict(weights | counters)
    return network.requires_grad_(False).eval().to(device)
