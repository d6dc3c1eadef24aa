"""Feature matching, and historical averaging. Salimans et al. 2016, arXiv:1606.03498, Sections 3.1 and 3.3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zerosum.core.optim import Optimizer, Tensors, Update
from zerosum.precision import in_float32


def feature_matching(real: Tensor, fake: Tensor) -> Tensor:
    """Section 3.1, Salimans et al. 2016 (arXiv:1606.03498): |E f(x) - E f(G(z))|_2^2.

    A critic that normalises real and generated batches each by its own statistics makes their mean features agree
    whatever the samples are: it must not have batch normalisation. Layer normalisation hides the contrast of samples.

    It compares the samples of one call as a whole: on parts of a batch (of several processes, or where gradients are
    accumulated) the means of each part are matched, whose variances add more to the term the smaller the parts are.

    Args:
        real: Features f(x) of real samples, (B, ...).
        fake: Features f(G(z)) of generated samples; their batch may have another size.

    Returns:
        A scalar >= 0: a sum over features.
    """
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(
            f"features of shape {tuple(real.shape)} (real) and {tuple(fake.shape)} (fake): they must agree in all but "
            "the number of samples"
        )
    return in_float32(lambda x, y: (x.mean(0) - y.mean(0)).square().sum(), real, fake)


def historical(base: Optimizer, strength: float) -> Optimizer:
    """Section 3.3, Salimans et al. 2016 (arXiv:1606.03498): the loss gains strength |theta - (1/t) sum_i theta_i|^2.

    The sum is over the weights at each update so far, the present one included, and its mean is held fixed: ``base``
    descends ``g + 2 strength (theta - mean)``. The paper gives no strength. The penalty is not among a player's terms,
    so the log does not show it.

    Args:
        base: Optimizer that makes the step.
        strength: Strength of the pull towards the mean, above 0.

    Returns:
        An optimizer whose state holds that of ``base``, the mean and t.
    """
    if not strength > 0:
        raise ValueError(f"strength={strength}: must be above 0; without historical averaging use `base` itself")

    def init(weights: Tensors) -> Any:
        device = next((w.device for w in weights.values()), None)
        mean = {k: torch.zeros_like(w) for k, w in weights.items()}
        return {"base": base.init(weights), "mean": mean, "t": torch.zeros((), device=device)}

    def pulled(step: Update) -> Callable[[Tensors, Any, Tensors], tuple[Tensors, Any]]:
        def update(grads: Tensors, state: Any, weights: Tensors) -> tuple[Tensors, Any]:
            # The mean takes the weights in here and not after the step, so that it sees them as a projection left them.
            t = state["t"] + 1
            mean = {k: m + (weights[k] - m) / t for k, m in state["mean"].items()}
            both = {k: g + 2 * strength * (weights[k] - mean[k]) for k, g in grads.items()}
            moved, inner = step(both, state["base"], weights)
            return moved, {"base": inner, "mean": mean, "t": t}

        return update

    return Optimizer(init, pulled(base.update), pulled(base.fast))
