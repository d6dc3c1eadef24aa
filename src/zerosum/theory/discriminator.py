"""The best discriminator between known distributions, what it is worth, and where it sends the generator."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from zerosum.objectives.objective import Objective
from zerosum.theory.arrays import Array
from zerosum.theory.divergences import check_pair, jensen_shannon


def optimal_discriminator(p: npt.ArrayLike, q: npt.ArrayLike, *, a: float = 0.0, b: float = 0.0) -> Array:
    """D* = ((1 - a) p + b q) / (p + q): Goodfellow et al. 2014 (arXiv:1406.2661), Proposition 1, for a = b = 0.

    With label smoothing the targets are 1 - a for real and b for fake samples (Salimans et al. 2016, arXiv:1606.03498,
    Section 3.4); one-sided smoothing has b = 0, and only scales D*. Either way D* is b + (1 - a - b) p / (p + q).

    Args:
        p: Real density or masses, of any shape, at least 0.
        q: Generated density or masses, of the same shape.
        a: Distance of the target of real samples below 1.
        b: Distance of the target of generated samples above 0, less than 1 - a.

    Returns:
        D*, of the shape of p. Where p = q = 0 any value is best; it is (1 - a + b) / 2 there.

    Raises:
        ValueError: The shapes differ, a value is negative or not finite, or the targets are out of order.
    """
    real, fake = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    if real.shape != fake.shape:
        raise ValueError(f"p has shape {real.shape} and q {fake.shape}: give both at the same points")
    if not (np.isfinite(real).all() and np.isfinite(fake).all() and (real >= 0).all() and (fake >= 0).all()):
        raise ValueError("p and q must be finite and at least 0")
    if not (a >= 0 and b >= 0 and b < 1 - a):
        raise ValueError(f"a={a}, b={b}: the targets 1 - a and b must be in [0, 1], the first above the second")
    largest = np.maximum(real, fake)  # only the ratio counts, and p + q may underflow or overflow
    scale = np.where(largest > 0, largest, 1.0)
    real, fake = np.where(largest > 0, real / scale, 1.0), np.where(largest > 0, fake / scale, 1.0)
    return np.asarray(((1 - a) * real + b * fake) / (real + fake))


def value(d: npt.ArrayLike, p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """V(D, G) = E_p log D + E_q log(1 - D). Goodfellow et al. 2014 (arXiv:1406.2661), Eq. 1.

    Args:
        d: Probabilities that the discriminator gives to "real", (n,), from 0 to 1.
        p: Real masses, (n,).
        q: Generated masses, (n,).

    Returns:
        V in nats, at most 0; minus infinity where D is certain and wrong.

    Raises:
        ValueError: p or q is not a distribution, or d does not fit them.
    """
    p, q = check_pair(p, q)
    prob = np.asarray(d, dtype=np.float64)
    if prob.shape != p.shape or not ((prob >= 0) & (prob <= 1)).all():
        raise ValueError(f"d must hold one probability for each of the {len(p)} outcomes; its shape is {prob.shape}")
    with np.errstate(divide="ignore"):
        return float((p[p > 0] * np.log(prob[p > 0])).sum() + (q[q > 0] * np.log1p(-prob[q > 0])).sum())


def best_value(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """V(D*, G) = 2 JSD(p||q) - log 4. Goodfellow et al. 2014 (arXiv:1406.2661), proof of Theorem 1.

    The first set of the lecture notes gives it as D_JS - log 4, without the 2; the last has the 2. With the divergence
    as both define it, the mean of two KL divergences, the 2 belongs there: disjoint supports give V = 0.

    Args:
        p: Real masses, (n,).
        q: Generated masses, (n,).

    Returns:
        V in nats, from -log 4 (p = q) to 0 (disjoint supports).

    Raises:
        ValueError: p or q is not a distribution.
    """
    return 2 * jensen_shannon(p, q) - math.log(4)


def best_logits(objective: Objective, p: npt.ArrayLike, q: npt.ArrayLike) -> Array:
    """The logits that minimise the critic's loss when it sees p and q whole: for minimax, log p - log q.

    Found by bisection on the slope of p l_real(a) + q l_fake(a) at each outcome, which must change its sign once. So
    it serves any objective whose losses are means over logits: least squares, hinge, every f-GAN. Where the loss keeps
    falling towards an infinite logit, the answer is one beyond which it no longer falls in float64.

    Args:
        objective: Objective of the game; its ``d`` is a mean over real logits and a mean over generated ones.
        p: Real masses, (n,).
        q: Generated masses, (n,).

    Returns:
        Logits, (n,); 0 where p = q = 0.

    Raises:
        ValueError: p or q is not a distribution, the objective compares samples with each other, or it has no best
            critic (as the Wasserstein objective, unless something holds its slope).
    """
    _refuse_comparisons(objective)
    p, q = check_pair(p, q)
    at = _slope(objective, p, q)
    low, high = -torch.ones(len(p), dtype=torch.float64), torch.ones(len(p), dtype=torch.float64)
    for _ in range(60):
        low = torch.where(at(low) > 0, 2 * low, low)
        high = torch.where(at(high) < 0, 2 * high, high)
    if bool((at(low) > 0).any() or (at(high) < 0).any()):
        raise ValueError("the objective has no best critic here, since its loss falls without end at some outcome")
    for _ in range(130):
        middle = (low + high) / 2
        slope = at(middle)
        low, high = torch.where(slope <= 0, middle, low), torch.where(slope >= 0, middle, high)
    return np.asarray(((low + high) / 2).numpy())


def softmax(theta: npt.ArrayLike) -> Array:
    """q = exp(theta) / sum exp(theta), the generator that can be any distribution over n outcomes.

    Args:
        theta: Parameters, (n,), finite.
    """
    logits = np.asarray(theta, dtype=np.float64)
    if logits.ndim != 1 or not logits.size or not np.isfinite(logits).all():
        raise ValueError(f"theta must be finite numbers of shape (n,), not of shape {logits.shape}")
    raised = np.exp(logits - logits.max())
    return np.asarray(raised / raised.sum())


def softmax_jacobian(theta: npt.ArrayLike) -> Array:
    """dq/dtheta = diag(q) - q q^T, for q = softmax(theta).

    Args:
        theta: Parameters, (n,), finite.

    Returns:
        The Jacobian, (n, n).
    """
    q = softmax(theta)
    return np.diag(q) - np.outer(q, q)


def outcome_losses(objective: Objective, logits: npt.ArrayLike) -> Array:
    """What the generator pays for each outcome while the critic is held fixed: d E_q[loss] / dq.

    Args:
        objective: Objective of the game; its ``g`` is a mean over generated logits.
        logits: Logits of the critic at the outcomes, (n,).

    Returns:
        Losses, (n,).

    Raises:
        ValueError: The objective compares samples with each other.
    """
    _refuse_comparisons(objective)
    a = torch.from_numpy(np.array(logits, dtype=np.float64))
    return np.array([float(objective.g(None, a[i : i + 1])) for i in range(len(a))])


def generator_gradient_through(
    objective: Objective, p: npt.ArrayLike, q: npt.ArrayLike, jacobian: Array, *, logits: npt.ArrayLike | None = None
) -> Array:
    """The generator's gradient, with the best critic of p and q held fixed, however q depends on the parameters.

    It is J^T l, with l the loss at each outcome. At D* it is the gradient of 2 JSD(p||q) for minimax (Goodfellow et
    al. 2014, arXiv:1406.2661, Theorem 1), of KL(q||p) - 2 JSD(p||q) for the non-saturating objective (Arjovsky and
    Bottou 2017, arXiv:1701.04862, Theorem 2.5), and of D_f(p||q) for f-GAN with its own best logits.

    Args:
        objective: Objective of the game; its ``g`` is a mean over generated logits.
        p: Real masses, (n,).
        q: Generated masses, (n,).
        jacobian: dq/dtheta, (n, k); each column sums to 0, since q always sums to 1.
        logits: Logits of the critic, (n,); ``None`` for log p - log q, the best for the minimax and the non-saturating
            objective. For any other objective give ``best_logits(objective, p, q)``.

    Returns:
        The gradient, (k,).

    Raises:
        ValueError: Something does not fit, or the generator's loss is infinite at an outcome that it can make.
    """
    p, q = check_pair(p, q)
    jac = np.asarray(jacobian, dtype=np.float64)
    if jac.ndim != 2 or len(jac) != len(q) or np.abs(jac.sum(0)).max() > 1e-8 * np.abs(jac).max():
        raise ValueError(f"jacobian must be dq/dtheta, ({len(q)}, k), its columns of sum 0; its shape is {jac.shape}")
    if logits is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            logits = np.where((p == 0) & (q == 0), 0.0, np.log(p) - np.log(q))
    if np.shape(logits) != p.shape:
        raise ValueError(f"logits must be one for each of the {len(p)} outcomes, not of shape {np.shape(logits)}")
    losses = outcome_losses(objective, logits)
    moved = np.abs(jac).max(1) > 0
    if not np.isfinite(losses[moved]).all():
        raise ValueError("the generator's loss is infinite at an outcome: p must be above 0 wherever q can have mass")
    return np.asarray(jac[moved].T @ losses[moved])


def generator_gradient(
    objective: Objective, p: npt.ArrayLike, theta: npt.ArrayLike, *, logits: npt.ArrayLike | None = None
) -> Array:
    """The generator's gradient for q = softmax(theta); see :func:`generator_gradient_through`.

    Args:
        objective: Objective of the game; its ``g`` is a mean over generated logits.
        p: Real masses, (n,).
        theta: Parameters, (n,), finite.
        logits: Logits of the critic, (n,), held fixed; ``None`` for log p - log q.

    Returns:
        The gradient, (n,), of sum 0.

    Raises:
        ValueError: Something does not fit, or the generator's loss is infinite at some outcome.
    """
    return generator_gradient_through(objective, p, softmax(theta), softmax_jacobian(theta), logits=logits)


def _slope(objective: Objective, p: Array, q: Array) -> Callable[[Tensor], Tensor]:
    """The derivative of p l_real(a) + q l_fake(a) in each logit a, up to the factor 1/n of the means."""
    weights = torch.from_numpy(p), torch.from_numpy(q)

    def at(logits: Tensor) -> Tensor:
        both = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        slopes = torch.autograd.grad(objective.d(*both), both, materialize_grads=True)
        # A slope may be infinite where its weight is 0.
        parts = [torch.where(w > 0, w * s, 0.0) for w, s in zip(weights, slopes, strict=True)]
        return parts[0] + parts[1]

    return at


def _refuse_comparisons(objective: Objective) -> None:
    if objective.needs_real:
        raise ValueError("the objective compares real with generated logits, so the loss of one outcome is not defined")
