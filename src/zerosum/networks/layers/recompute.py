"""Recomputing what a block computed, instead of keeping it: less memory, one more forward. Chen et al. 2016,
arXiv:1604.06174, Section 4.

``torch.utils.checkpoint`` does the same with hooks on saved tensors, which ``torch.func`` refuses, and it updates
running statistics twice. Here a block is a pure function of its inputs, weights and buffers, whose derivative computes
it again; so it works on the tape, under ``torch.func``, and in one graph with either, to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp
from torch.utils import _pytree as pytree

from zerosum.core.optim import Tensors
from zerosum.networks.layers.dropout import Dropout
from zerosum.renewal import Renewal, caller_renews

Caller = Callable[[nn.Module], Callable[..., Tensor]]  # a block -> how to call it


def directly(block: nn.Module) -> Callable[..., Tensor]:
    """The block as it is: what it computes is kept for the backward pass."""
    return block


def recomputed(block: nn.Module) -> Callable[..., Tensor]:
    """The block, of which only the inputs are kept; what it computes is computed again in the backward pass.

    Section 4, Chen et al. 2016 (arXiv:1604.06174). Same values, same derivatives of every order, and running
    statistics are updated once. The block must stay where it is as a module of its network: names of weights do not
    change.

    Where a gradient is itself differentiated (gradient penalties), and in all of ``torch.func`` outside of a compiled
    graph, autograd keeps what was computed again for the next derivative: the same numbers, but no memory is saved.

    Args:
        block: Module from tensors to one tensor. It must draw no random numbers, which would not be the same the second
            time. One without weights has nothing worth it, and is returned as it is.

    Raises:
        ValueError: The block has dropout.
    """
    for name, module in block.named_modules():
        if _drops(module):
            raise ValueError(
                f"{type(block).__name__} cannot be recomputed: {name or 'it'} ({module}) would drop other units the "
                "second time. Put dropout beside the block, or use the block directly"
            )
    return _Recomputed(block) if any(True for _ in block.parameters()) else block


class _Recomputed:
    """See :func:`recomputed`. It is not a module itself."""

    def __init__(self, block: nn.Module) -> None:
        self.block = block
        self._written = {renews: _written(block, renews) for renews in (True, False)}
        self._itself = _Constant(block)
        self._run = _traced_by_autograd()

    def __reduce__(self) -> Any:
        """Copies and pickles are made anew of the block that is copied."""
        return recomputed, (self.block,)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The block of ``inputs``."""
        weights, buffers = dict(self.block.named_parameters()), dict(self.block.named_buffers())
        if not torch.is_grad_enabled() or not any(t.requires_grad for t in (*inputs, *weights.values())):
            out: Tensor = self.block(*inputs)
            return out
        renews = caller_renews()
        names = self._written[renews]
        written = {name: buffers[name] for name in names}
        # Copies, because later calls write to the buffers what this one's derivative must not see.
        before = {name: buffer.clone() for name, buffer in written.items()}
        # (Its mode is an argument for the compiler to look at.)
        out, after = self._run(self._itself, self.block.training, renews, inputs, buffers | weights | before, names)
        with torch.no_grad():
            for name, buffer in written.items():
                buffer.copy_(after[name])
        return out


def _drops(module: nn.Module) -> bool:
    if isinstance(module, Dropout):
        return module.rate > 0
    return isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0


def _written(block: nn.Module, caller_renews: bool) -> tuple[str, ...]:
    """Names of the buffers that a forward may write to: those of spectral norm where no projection renews them."""
    return tuple(
        f"{prefix}.{name}" if prefix else name
        for prefix, module in block.named_modules()
        if not (caller_renews and getattr(module, "needs_projection", False))
        for name, _ in module.named_buffers(recurse=False)
    )


class _Constant:
    """A block as the compiler may take it: equal only to itself."""

    def __init__(self, block: nn.Module) -> None:
        self.block = block

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Constant) and other.block is self.block

    def __hash__(self) -> int:
        return id(self.block)


pytree.register_constant(_Constant)


def _run(
    constant: _Constant,
    training: bool,
    caller_renews: bool,
    inputs: tuple[Tensor, ...],
    state: Tensors,
    written: tuple[str, ...],
) -> tuple[Tensor, Tensors]:
    """The block's output, and thereafter the buffers that it writes to."""
    device = inputs[0].device.type
    autocast = (device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))
    call = _Call(constant.block, len(inputs), tuple(state), written, caller_renews, *autocast)
    out, *after = _Recompute.apply(call, *inputs, *state.values())  # type: ignore[no-untyped-call]
    return out, dict(zip(written, after, strict=True))


@cache
def _traced_by_autograd() -> Callable[..., tuple[Tensor, Tensors]]:
    """``_run``, which the compiler takes as one operation; only the stage after it, below ``torch.func``, looks inside.

    (It does not understand a derivative inside the backward of a function under ``torch.func``.)
    """
    from torch._dynamo import nonstrict_trace  # slow to import

    return nonstrict_trace(_run)


@dataclass(frozen=True)
class _Call:
    """One call of a block, but for the tensors."""

    block: nn.Module
    inputs: int
    state: tuple[str, ...]
    written: tuple[str, ...]
    caller_renews: bool
    device: str
    dtype: torch.dtype
    autocast: bool

    def __call__(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """(inputs, state) -> (output, buffers thereafter)."""
        state = dict(zip(self.state, tensors[self.inputs :], strict=True))
        after = {name: state[name].clone() for name in self.written}
        # The second time as the first: the same layers renew from the same vectors.
        with (
            Renewal(by_caller=self.caller_renews),
            torch.autocast(self.device, self.dtype, self.autocast, cache_enabled=False),
        ):
            out = functional_call(self.block, state | after, tuple(tensors[: self.inputs]))
        return out, *after.values()


class _Recompute(torch.autograd.Function):
    @staticmethod
    def forward(call: _Call, *tensors: Tensor) -> tuple[Tensor, ...]:
        return call(tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.call, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        tensors, needed = list(ctx.saved_tensors), ctx.needs_input_grad[1:]
        wanted = [i for i, need in enumerate(needed) if need]

        def again(*chosen: Tensor) -> Tensor:
            given = dict(enumerate(tensors)) | dict(zip(wanted, chosen, strict=True))
            return ctx.call(list(given.values()))[0]  # type: ignore[no-any-return]

        found = iter(_pull(again, [tensors[i] for i in wanted], grads[0]))
        return None, *(next(found) if need else None for need in needed)


def _pull(function: Callable[..., Tensor], at: Sequence[Tensor], grad: Tensor) -> Sequence[Tensor]:
    """``grad`` pulled back through ``function`` at a point."""
    if torch.is_grad_enabled():  # someone will differentiate it
        pull: Sequence[Tensor] = vjp(function, *at)[1](grad)
        return pull
    with torch.enable_grad():  # keeps nothing beyond the end of it
        leaves = [t.detach().requires_grad_() for t in at]
        out = function(*leaves)
    return torch.autograd.grad(out, leaves, grad, materialize_grads=True)
