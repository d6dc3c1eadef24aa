"""Walks between two latents: straight (``lerp``) and along the sphere (``slerp``)."""

import torch
from torch import Tensor

PARALLEL = 1e-6  # sine of the angle below which two directions span no plane to turn in


def lerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """Linear interpolation, ``(1 - t) a + t b``.

    Halfway between two independent normal latents the length is about 0.7 of theirs: rarer than any the generator was
    trained on, where ``slerp`` keeps it.

    Args:
        a: Beginning of the walk, ``(..., d)``.
        b: End of the walk, ``(..., d)``.
        t: Share of the way, 0 to 1; a tensor broadcasts against ``a`` and ``b``, so ``(n, 1)`` makes n points between
            two of ``(d,)``.
    """
    return (1 - t) * a + t * b


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """Spherical linear interpolation, ``sin((1 - t) W) / sin W a + sin(t W) / sin W b``, W the angle between them.

    Source: Shoemake 1985, "Animating rotation with quaternion curves", Section 3.3, for unit vectors; proposed for
    latents by White 2016, arXiv:1609.04468. Here the formula turns the direction, and the length goes linearly from
    ``|a|`` to ``|b|``: vectors of equal length keep it, parallel ones give ``lerp``. (With the vectors themselves in
    the formula, unequal lengths would blow up as W approaches pi.) Opposite vectors turn in a fixed plane, where the
    formula leaves it open; a zero vector takes the direction of the other one.

    Args:
        a: Beginning of the walk, ``(..., d)``.
        b: End of the walk, ``(..., d)``.
        t: Share of the way, 0 to 1; a tensor broadcasts against ``a`` and ``b``, so ``(n, 1)`` makes n points between
            two of ``(d,)``.
    """
    if a.shape[-1] < 2 or b.shape[-1] < 2:
        return lerp(a, b, t)  # on a line there is nowhere to turn
    length_a, length_b = (torch.linalg.vector_norm(v, dim=-1, keepdim=True) for v in (a, b))
    u = _direction(torch.where(length_a > 0, a, b))
    v = _direction(torch.where(length_b > 0, b, a))
    # sin((1 - t) W) / sin W u + sin(t W) / sin W v = cos(t W) u + sin(t W) w, with w the direction of v across u:
    # the same points, without a division by sin W.
    cosine = (u * v).sum(-1, keepdim=True)
    across = v - cosine * u
    sine = torch.linalg.vector_norm(across, dim=-1, keepdim=True)
    w = torch.where(sine > PARALLEL, _orthogonal(_direction(across), u), _orthogonal(_furthest_axis(u), u))
    angle = t * torch.atan2(sine, cosine)
    return lerp(length_a, length_b, t) * (angle.cos() * u + angle.sin() * w)


def _direction(v: Tensor) -> Tensor:
    """``v`` with length 1, or 0 where it is 0."""
    length = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    return v / torch.where(length > 0, length, 1)


def _orthogonal(v: Tensor, u: Tensor) -> Tensor:
    """The direction of ``v`` across the direction ``u``; a second time, it removes what rounding left along ``u``."""
    return _direction(v - (v * u).sum(-1, keepdim=True) * u)


def _furthest_axis(u: Tensor) -> Tensor:
    """The unit vector of the coordinate in which ``u`` is smallest."""
    return torch.zeros_like(u).scatter_(-1, u.abs().argmin(-1, keepdim=True), 1.0)
