"""Constraints in a loop of one's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zerosum.core.game import Projection


def enforce(net: nn.Module, project: Projection) -> None:
    """Apply a projection to a network itself, as ``Game.project`` does to its state: after ``optimizer.step()``.

    ``enforce(critic, clip(0.01))`` after each update is WGAN's weight clipping. Layers with :func:`spectral_norm` need
    it only where their weights were not trained through them: loaded, averaged, or set by hand.

    Args:
        net: Network whose weights and buffers are overwritten in place.
        project: Function ``(weights, buffers) -> (weights, buffers)``.
    """
    weights: dict[str, Tensor] = dict(net.named_parameters())
    buffers = dict(net.named_buffers())
    with torch.no_grad():
        new_weights, new_buffers = project(weights, buffers)
        for old, new in ((weights, new_weights), (buffers, new_buffers)):
            for name, tensor in old.items():
                if new[name] is not tensor:
                    tensor.copy_(new[name])
