"""What each of two processes does in test_batch_norm, beside what it is compared with."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad

from zerosum.conditioning.batch_norm import ClassBatchNorm, VectorBatchNorm
from zerosum.networks.layers import BatchNorm

SHAPES = ((8, 3), (8, 3, 2, 2))
LABELS = torch.tensor([0, 3, 1, 1, 2, 0, 0, 3])  # the two ranks have different classes


def batch_of(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 2 + 5


def quantities(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Tensor]]:
    """Output, first derivatives of a loss, and the derivative of a squared slope (a second derivative)."""
    weights = {"weight": torch.tensor([0.5, -1.0, 2.0]), "bias": torch.tensor([0.1, 0.2, 0.3])}
    buffers = {k: b.clone() for k, b in layer.named_buffers()}

    def output(w: dict[str, Tensor], x: Tensor, b: dict[str, Tensor]) -> Tensor:
        return functional_call(layer, w | b, (x,))

    def loss(w: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.tanh(output(w, x, {k: b.clone() for k, b in buffers.items()})).square().sum()

    y = output(weights, x, buffers)
    dw, dx = grad(loss, argnums=(0, 1))(weights, x)
    second = grad(lambda w: grad(loss, argnums=1)(w, x).square().sum())(weights)
    return y, dx, dw["weight"], second["weight"], buffers


def conditional() -> dict[str, tuple[nn.Module, Tensor]]:
    """Each conditional layer, with what it is called with beside the joined batch."""
    layers = {
        "classes": (ClassBatchNorm(3, 4, across_ranks=True), LABELS),
        "vector": (VectorBatchNorm(3, 4, across_ranks=True), F.one_hot(LABELS, 4).float()),
    }
    for layer, _ in layers.values():
        for k, weight in enumerate(layer.parameters()):
            nn.init.normal_(weight, 0.5, 1.0, torch.Generator().manual_seed(k))
    return layers


def with_gradients(function: Callable[[Tensor], Tensor], x: Tensor, weights: list[Tensor]) -> dict[str, Tensor]:
    """Output, and first derivatives of a loss in input and weights."""
    x = x.clone().requires_grad_()
    y = function(x)
    dx, *dw = torch.autograd.grad(torch.tanh(y).square().sum(), [x, *weights])
    return {"y": y.detach(), "dx": dx} | {f"d{k}": d for k, d in enumerate(dw)}


def main(rank: int, meeting: str, out: Path) -> None:
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=timedelta(seconds=120))
    for shape in SHAPES:
        mine = batch_of(shape).chunk(2)[rank]
        torch.save(quantities(BatchNorm(3, across_ranks=True), mine), out / f"{len(shape)}-{rank}")
        for name, (layer, given) in conditional().items():
            found = with_gradients(partial(_call, layer, given.chunk(2)[rank]), mine, [*layer.parameters()])
            torch.save(found | dict(layer.named_buffers()), out / f"{name}-{len(shape)}-{rank}")
    dist.barrier()  # a rank that leaves early would break what the other waits for
    dist.destroy_process_group()


def _call(layer: nn.Module, given: Tensor, x: Tensor) -> Tensor:
    return layer(x, given)
