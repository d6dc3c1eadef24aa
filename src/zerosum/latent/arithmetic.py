"""Vector arithmetic with mean codes. Radford et al. 2016, arXiv:1511.06434, Section 6.3.2 and Figure 7."""

from __future__ import annotations

import torch
from torch import Tensor

NOISE = 0.25  # largest noise in the samples around a result, as in Figure 7


def combine(plus: Tensor, minus: Tensor, to: Tensor) -> Tensor:
    """Section 6.3.2, Radford et al. 2016 (arXiv:1511.06434): mean(plus) - mean(minus) + mean(to), a code (d,).

    The paper takes the mean of three codes for each concept, as results of single ones were unstable. Of independent
    normal latents, three for each give a result of a single latent's usual length: 1/3 + 1/3 + 1/3 = 1.

    Args:
        plus: Codes of samples that show what is wanted, ``(n, d)``.
        minus: Codes of samples like them that lack it, ``(m, d)``.
        to: Codes of the samples that it is to be added to, ``(k, d)``.

    Raises:
        ValueError: A set of codes is empty, or they differ in length.
    """
    for name, codes in (("plus", plus), ("minus", minus), ("to", to)):
        if codes.dim() != 2 or not len(codes) or codes.shape[1] != plus.shape[1]:
            raise ValueError(
                f"{name} has shape {tuple(codes.shape)}: must be codes (n, d), one at least, of plus's length"
            )
    return plus.mean(0) - minus.mean(0) + to.mean(0)


def around(code: Tensor, n: int, rng: torch.Generator, scale: float = NOISE) -> Tensor:
    """``n`` codes near one, ``(n, d)``: uniform noise in [-scale, scale] is added to each component.

    Args:
        code: Code ``(d,)``, on the device of ``rng``.
        n: Number of codes.
        rng: Generator of the noise.
        scale: Largest size of the noise, 0 or more.

    Raises:
        ValueError: The scale is below 0.
    """
    if not scale >= 0:
        raise ValueError(f"scale={scale:g}: must be 0 or more")
    noise = torch.rand(n, len(code), generator=rng, device=rng.device, dtype=code.dtype)
    return code + scale * (2 * noise - 1)
