"""Optimizers as pairs of pure functions, and schedules of their learning rate.

``update`` is the equation, differentiable, so that a game can look through it (unrolled GAN). ``fast`` is the same step
by torch's fused kernel, for where nobody does. Each equals its counterpart in ``torch.optim``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

Tensors = dict[str, Tensor]
Update = Callable[[Tensors, Any, Tensors], tuple[Tensors, Any]]
Schedule = Callable[[Tensor], Tensor]  # number of updates made so far, a float32 scalar -> learning rate
Rate = float | Schedule

_TINY = 1e-30  # inside square roots: their derivative at 0 is infinite, and second derivatives would be nan


class Optimizer(NamedTuple):
    """A pair of pure functions.

    Attributes:
        init: ``weights -> state``.
        update: ``(grads, state, weights) -> (weights, state)``, differentiable in all three.
        fast: The same numbers, sooner, not differentiable.
    """

    init: Callable[[Tensors], Any]
    update: Update
    fast: Update


def linear_decay(rate: float, start: int, stop: int) -> Schedule:
    """``rate`` until update ``start``, then in a straight line to 0 at update ``stop``, and 0 from there on."""
    if not 0 <= start < stop:
        raise ValueError(f"linear_decay needs 0 <= start < stop, got start={start}, stop={stop}")
    return lambda t: rate * ((stop - t) / (stop - start)).clamp(0, 1)


def cosine(rate: float, stop: int, final: float = 0.0) -> Schedule:
    """From ``rate`` at update 0 along half a cosine to ``final`` at update ``stop``, and ``final`` from there on."""
    if stop < 1:
        raise ValueError(f"cosine needs stop >= 1, got {stop}")
    return lambda t: final + (rate - final) * 0.5 * (1 + torch.cos(math.pi * (t / stop).clamp(0, 1)))


def sgd(lr: Rate, *, momentum: float = 0.0, weight_decay: float = 0.0) -> Optimizer:
    """Gradient descent with (heavy-ball) momentum: ``m <- momentum m + g``, ``w <- w - lr m``."""
    _check(lr, momentum=momentum)

    def update(grads: Tensors, state: Any, weights: Tensors) -> tuple[Tensors, Any]:
        rate = _rate(lr, state["t"])
        grads = {k: grads[k] + weight_decay * w for k, w in weights.items()} if weight_decay else grads
        new = {"t": state["t"] + 1}
        if momentum:
            new["m"] = grads = {k: momentum * m + grads[k] for k, m in state["m"].items()}
        return {k: w - rate * grads[k] for k, w in weights.items()}, new

    return Optimizer(_zeros(*["m"] if momentum else []), update, update)


def rmsprop(lr: Rate, *, alpha: float = 0.99, eps: float = 1e-8) -> Optimizer:
    """RMSprop (Tieleman and Hinton 2012): ``v <- alpha v + (1 - alpha) g^2``, ``w <- w - lr g / (sqrt(v) + eps)``."""
    _check(lr, alpha=alpha)

    def update(grads: Tensors, state: Any, weights: Tensors) -> tuple[Tensors, Any]:
        rate = _rate(lr, state["t"])
        v = {k: alpha * v + (1 - alpha) * grads[k].square() for k, v in state["v"].items()}
        new = {k: w - rate * grads[k] / ((v[k] + _TINY).sqrt() + eps) for k, w in weights.items()}
        return new, {"t": state["t"] + 1, "v": v}

    return Optimizer(_zeros("v"), update, update)


def adam(lr: Rate, *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Optimizer:
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, Algorithm 1), with bias correction.

    ``m <- beta1 m + (1 - beta1) g``, ``v <- beta2 v + (1 - beta2) g^2``, ``w <- w - lr m^ / (sqrt(v^) + eps)``.
    """
    return adamw(lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=0.0)


def adamw(
    lr: Rate, *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 0.01
) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): also ``w <- w - lr weight_decay w``."""
    _check(lr, beta1=beta1, beta2=beta2)

    def update(grads: Tensors, state: Any, weights: Tensors) -> tuple[Tensors, Any]:
        rate, t = _rate(lr, state["t"]), state["t"] + 1
        m = {k: beta1 * m + (1 - beta1) * grads[k] for k, m in state["m"].items()}
        v = {k: beta2 * v + (1 - beta2) * grads[k].square() for k, v in state["v"].items()}
        # 1 - beta^t, without losing half the digits while it is small.
        one, two = [-torch.expm1(t * math.log(max(beta, 1e-300))) for beta in (beta1, beta2)]
        step, root, new = rate / one, two.sqrt(), {}
        for k, w in weights.items():
            decayed = w * (1 - rate * weight_decay) if weight_decay else w
            new[k] = decayed - step * m[k] / ((v[k] + _TINY).sqrt() / root + eps)
        return new, {"t": t, "m": m, "v": v}

    def fast(grads: Tensors, state: Any, weights: Tensors) -> tuple[Tensors, Any]:
        if torch.compiler.is_compiling():  # the compiler fuses the equation by itself
            return update(grads, state, weights)
        rate, t = _rate(lr, state["t"]), state["t"] + 1
        new, m, v = ({k: x.clone() for k, x in tree.items()} for tree in (weights, state["m"], state["v"]))
        # The kernel walks raw memory: gradients must lie in it as their weights do.
        laid = [torch.empty_like(w).copy_(g) if (g := grads[k]).stride() != w.stride() else g for k, w in new.items()]
        torch._fused_adamw_(
            list(new.values()), laid, list(m.values()), list(v.values()), [], [t] * len(new),
            lr=rate, beta1=beta1, beta2=beta2, weight_decay=weight_decay, eps=eps, amsgrad=False, maximize=False,
        )  # fmt: skip
        return new, {"t": t, "m": m, "v": v}

    return Optimizer(_zeros("m", "v"), update, fast)


def _rate(lr: Rate, t: Tensor) -> Any:
    return lr(t) if callable(lr) else lr


def _zeros(*moments: str) -> Callable[[Tensors], Any]:
    """The initial state: the number of updates made, and moments of every weight."""

    def init(weights: Tensors) -> Any:
        count = torch.zeros((), device=next((w.device for w in weights.values()), None))
        return {"t": count} | {name: {k: torch.zeros_like(w) for k, w in weights.items()} for name in moments}

    return init


def _check(lr: Rate, **decays: float) -> None:
    if not callable(lr) and not lr > 0:
        raise ValueError(f"the learning rate must be above 0, got {lr}")
    for name, value in decays.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, got {value}")
