"""Penalties on the slope of the critic: the norm of its gradient with respect to its input.

A critic is a network of a game, or any ``nn.Module``, or a function of a batch; it returns one number for each sample,
(B,) or (B, 1) or (B, 1, 1, 1). A game's network and a module leave no trace when they are differentiated: batch-norm
statistics stay as they are. A critic with further arguments is passed as ``partial(critic, y=labels)``. A function
(``lambda x: critic(x, labels)``) does whatever it does. Penalties are computed in float32, also under autocast, and
without ``torch.compile``, ``nn.DataParallel`` or ``DistributedDataParallel`` around the critic, which have no second
derivatives; gradients of its weights arrive where they always do.

All random numbers are arguments. With batch normalisation in the critic, a sample's slope includes its effect on the
logits of the others.

How far a slope is from its target is judged by an ``excess``: :func:`two_sided` or :func:`one_sided`. A penalty is
zero-centred with ``target=0``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from zerosum.penalties.differentiated import CriticFunction, slopes
from zerosum.precision import in_float32

Excess = Callable[[Tensor], Tensor]  # (slope - target) per sample -> what it costs


def slope(critic: CriticFunction, x: Tensor) -> Tensor:
    """The gradient of each sample's logit with respect to the sample: (B, ...) -> (B, ...), in float32.

    Raises:
        TypeError: The critic returns something else than a tensor.
        ValueError: It does not return one number for each sample, or cannot be differentiated.
    """
    return in_float32(partial(slopes, critic), x)


def two_sided(off: Tensor) -> Tensor:
    """Eq. 3, Gulrajani et al. 2017 (arXiv:1704.00028): (|grad D| - target)^2."""
    return off.square()


def one_sided(off: Tensor) -> Tensor:
    """WGAN-LP, Petzka et al. 2018 (arXiv:1709.08894): max(0, |grad D| - target)^2, nothing where D is flatter."""
    return F.relu(off).square()


def wgan_gp(
    critic: CriticFunction, real: Tensor, fake: Tensor, eps: Tensor, target: float = 1.0, excess: Excess = two_sided
) -> Tensor:
    """Eq. 3, Gulrajani et al. 2017 (arXiv:1704.00028), second term without its weight: E (|grad D(x^)| - target)^2.

    x^ = eps x + (1 - eps) G(z), as in Algorithm 1.

    Args:
        critic: Function (B, ...) -> logits.
        real: Real samples x, (B, ...).
        fake: Generated samples G(z) of the same shape.
        eps: Random numbers U[0, 1] per sample, (B,) or (B, 1).
        target: Slope that is aimed at.
        excess: Cost of |grad D(x^)| - target.

    Returns:
        A scalar >= 0.
    """
    return excess(_norm(slope(critic, _between(real, fake, eps))) - target).mean()


def weighted_wgan_gp(
    weight: float, critic: CriticFunction, real: Tensor, fake: Tensor, eps: Tensor
) -> dict[str, Tensor]:
    """:func:`wgan_gp` as a term of a loss, {"gp": weight times it}; {}, and nothing computed, where the weight is 0."""
    return {"gp": weight * wgan_gp(critic, real, fake, eps)} if weight else {}


def wgan_div(critic: CriticFunction, real: Tensor, fake: Tensor, eps: Tensor, power: float = 6.0) -> Tensor:
    """The penalty of WGAN-div, Wu et al. 2018 (arXiv:1712.01026), without its weight k: E |grad D(x^)|^power.

    Its best critic needs no Lipschitz constraint. x^ = eps x + (1 - eps) G(z), one of several choices that the paper
    compares.

    Args:
        critic: Function (B, ...) -> logits.
        real: Real samples x, (B, ...).
        fake: Generated samples G(z) of the same shape.
        eps: Random numbers U[0, 1] per sample, (B,) or (B, 1).
        power: Exponent p, above 1.

    Returns:
        A scalar >= 0.
    """
    if not power > 1:
        raise ValueError(f"power={power}: must be above 1 for the Wasserstein divergence to be one (the paper: 6)")
    return _norm(slope(critic, _between(real, fake, eps))).pow(power).mean()


def dragan(
    critic: CriticFunction,
    real: Tensor,
    noise: Tensor,
    alpha: Tensor,
    target: float = 1.0,
    scale: float = 0.5,
    excess: Excess = two_sided,
) -> Tensor:
    """Section 2.3, Kodali et al. 2017 (arXiv:1705.07215), without its weight: E (|grad D(x + delta)| - target)^2.

    As in the authors' code, delta = alpha scale std(X) noise, std over the whole minibatch (biased). The noise is
    one-sided in that code.

    Args:
        critic: Function (B, ...) -> logits.
        real: Real samples X, (B, ...).
        noise: Random numbers U[0, 1) of X's shape.
        alpha: Random numbers U[0, 1] per sample, (B,) or (B, 1).
        target: Slope that is aimed at: k.
        scale: Scale of the noise, in standard deviations.
        excess: Cost of |grad D(x + delta)| - target.

    Returns:
        A scalar >= 0.
    """
    _check_same("noise", noise, real)

    def around(x: Tensor, u: Tensor, a: Tensor) -> Tensor:
        return x + _per_sample("alpha", a, x) * (scale * x.std(correction=0) * u)

    return excess(_norm(slope(critic, in_float32(around, real, noise, alpha))) - target).mean()


def r1(critic: CriticFunction, real: Tensor) -> Tensor:
    """Eq. 9, Mescheder et al. 2018 (arXiv:1801.04406), without its weight gamma / 2: E |grad D(x)|^2.

    Args:
        critic: Function (B, ...) -> logits.
        real: Real samples, (B, ...).

    Returns:
        A scalar >= 0.
    """
    return _squares(slope(critic, real)).mean()


def r2(critic: CriticFunction, fake: Tensor) -> Tensor:
    """Eq. 10, Mescheder et al. 2018 (arXiv:1801.04406), without its weight gamma / 2: E |grad D(G(z))|^2.

    Args:
        critic: Function (B, ...) -> logits.
        fake: Generated samples, (B, ...).

    Returns:
        A scalar >= 0.
    """
    return r1(critic, fake)


def _between(real: Tensor, fake: Tensor, eps: Tensor) -> Tensor:
    """eps x + (1 - eps) y, per sample."""
    _check_same("fake", fake, real)

    def mix(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        t = _per_sample("eps", t, x)
        return t * x + (1 - t) * y

    return in_float32(mix, real, fake, eps)


def _squares(slopes: Tensor) -> Tensor:
    return slopes.square().flatten(1).sum(1)


def _norm(slopes: Tensor) -> Tensor:
    """|slope| per sample. Where it is zero the norm has no derivative: zero is taken, to every order, not NaN."""
    squares = _squares(slopes)
    flat = squares == 0
    return torch.where(flat, 0.0, torch.where(flat, 1.0, squares).sqrt())


def _per_sample(name: str, values: Tensor, like: Tensor) -> Tensor:
    if values.numel() != like.shape[0]:
        raise ValueError(
            f"{name} has shape {tuple(values.shape)}, but one number per sample of {tuple(like.shape)} is needed"
        )
    return values.reshape(-1, *[1] * (like.dim() - 1))


def _check_same(name: str, given: Tensor, real: Tensor) -> None:
    if given.shape != real.shape:
        raise ValueError(f"{name} has shape {tuple(given.shape)}, but `real` has {tuple(real.shape)}: they must agree")
