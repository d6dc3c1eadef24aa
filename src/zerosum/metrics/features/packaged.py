"""Weights that come in the package: a small safetensors file beside its network's module."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import safe_open

from zerosum.metrics.features.frozen import FeatureNetwork


def digest(file: Path) -> str:
    """SHA-256 of a weights file, 64 hexadecimal digits; protocols print the first 12."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def record(file: Path) -> dict[str, str]:
    """What a weights file says of itself: the command that made it, held-out accuracy, seed, counts, versions."""
    with safe_open(file, framework="pt") as opened:
        return dict(opened.metadata() or {})


def load_packaged(network: FeatureNetwork, file: Path, device: str) -> FeatureNetwork:
    """Fill a network with its weights: float32 (they may be stored in float16), in evaluation mode, frozen.

    Args:
        network: Network whose weights they are.
        file: Weights file.
        device: Where the network goes.

    Raises:
        FileNotFoundError: The weights file is missing from the installation.
        RuntimeError: The weights do not fit the network.
    """
    # Straight from the file to named tensors: nothing is unpickled.
    with safe_open(file, framework="pt") as opened:
        weights = {name: opened.get_tensor(name).to(torch.float32) for name in opened.keys()}  # noqa: SIM118
    # Counters of batches are not stored, as evaluation never reads them: the network's own zeros stay.
    counters = {name: buffer for name, buffer in network.named_buffers() if name.endswith("num_batches_tracked")}
    network.load_state_dict(weights | counters)
    return network.requires_grad_(False).eval().to(device)
