"""What of a critic is differentiated with respect to its input, and how: in a game or in a loop of one's own.

A network of a game has ``frozen``, the same function without side effects. A module is called on copies of its
buffers, so that batch-norm statistics and singular vectors are not moved a second time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad

from zerosum.precision import wide

CriticFunction = Callable[[Tensor], Tensor]


def slopes(critic: CriticFunction, x: Tensor) -> Tensor:
    """The derivative of the sum of the critic's logits in x, of x's shape; itself differentiable.

    Args:
        critic: Critic, a function of x alone.
        x: Samples, (B, ...).

    Raises:
        TypeError: The critic returns something else than a tensor.
        ValueError: It does not return one number for each sample or pack of samples, cannot be differentiated, or
            writes to its buffers under a transform of ``torch.func``.
    """
    function = _without_side_effects(critic)

    def total(points: Tensor) -> Tensor:
        return _one_for_each(function(points), points.shape[0]).sum()

    if torch.compiler.is_compiling():
        found: Tensor = grad(total)(x)
        return found
    if torch._C._functorch.maybe_current_level() is not None:
        return _transformed(total, x)
    return _taped(total, x)


def _taped(total: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``grad(total)(x)`` on autograd's tape, bit for bit: less work, and any operation that autograd knows."""
    further = torch.is_grad_enabled()
    with torch.enable_grad(), _uncompiled():
        points = x.view_as(x) if x.requires_grad else x.detach().requires_grad_()
        value = total(points)
        if not value.requires_grad:
            raise ValueError(
                "the critic cannot be differentiated: its logits are detached from the samples (is it called under "
                "torch.no_grad?)"
            )
        found: Tensor = torch.autograd.grad(value, points, create_graph=further, materialize_grads=True)[0]
    return found


def _transformed(total: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Under ``torch.func``, which takes functions alone."""
    try:
        found: Tensor = grad(total)(x)
    except RuntimeError as error:
        if "mutate a captured Tensor" not in str(error):
            raise
        raise ValueError(
            "the critic writes to its buffers (batch norm in training mode), which torch.func refuses: pass the module "
            "itself, or functools.partial of it, and not a function around it"
        ) from error
    return found


def _uncompiled() -> AbstractContextManager[Any]:
    """Compiled modules as they were before: what ``torch.compile`` makes of them has no second derivatives."""
    if "torch._dynamo" not in sys.modules:  # nothing was compiled, and it is slow to import
        return nullcontext()
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance


def _without_side_effects(critic: Any) -> Callable[..., Any]:
    """The critic as a function that leaves no trace, as far as can be told from outside."""
    if isinstance(critic, partial):
        return partial(_without_side_effects(critic.func), *critic.args, **critic.keywords)
    if not isinstance(critic, nn.Module):
        function: Callable[..., Any] = getattr(critic, "frozen", critic)
        return function
    # What distributes a module only distributes the batch; the gradients of the weights are the module's own.
    while isinstance(critic, nn.DataParallel | nn.parallel.DistributedDataParallel) or hasattr(critic, "_orig_mod"):
        critic = critic._orig_mod if hasattr(critic, "_orig_mod") else critic.module
    module: nn.Module = critic

    def frozen(*args: Any, **kwargs: Any) -> Any:
        halves = {name: w.float() for name, w in module.named_parameters() if w.dtype != wide(w).dtype}
        copies = {name: wide(b) if b.is_floating_point() else b for name, b in module.named_buffers()}
        copies = {name: b.clone() for name, b in copies.items()}
        return functional_call(module, halves | copies, args, kwargs)

    return frozen


def _one_for_each(logits: Any, samples: int) -> Tensor:
    if not isinstance(logits, Tensor):
        raise TypeError(
            f"the critic returns {type(logits).__name__}, but a penalty needs its logits alone: pass a function that "
            "returns them, such as lambda x: critic(x)[0]"
        )
    rows = logits.shape[0] if logits.dim() else 0  # fewer than samples where several are judged together
    if not rows or logits.numel() != rows or samples % rows:
        raise ValueError(
            f"the critic returns logits of shape {tuple(logits.shape)} for {samples} samples, but a penalty needs one "
            "number for each of them: take the mean or the sum over the others"
        )
    return logits
