"""Conditional GAN whose condition is an image. Mirza and Osindero 2014, arXiv:1411.1784, Eq. 2, with a part of x as y.

The generator completes an image of which one part is hidden, in as many ways as there are z; the pixels that are given
stay as they are. The critic sees the completed image beside the given part.

Departures from the paper, which names inpainting as a use and shows none: DCGAN's critic, a generator with skip
connections, Adam, and the non-saturating objective. A further L1 term (``--l1-weight``, 0 by default) is not in it.
Images to complete are those of the data, each as likely. Scores of completions are not scores of a model of whole
images: half of each image is real.
"""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import Conditional, Likewise, each, uniform
from zerosum.networks import completion, dcgan
from zerosum.objectives import non_saturating
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Mirza and Osindero", 2014, "1411.1784", objective="non-saturating")


def recipe(
    data: Data,
    *,
    mask: Literal["bottom", "top", "left", "right", "centre"] = "bottom",
    l1_weight: float = 0.0,
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    lr: float = 2e-4,
    beta1: float = 0.5,
    batch_size: int = 64,
    steps: int = 50_000,
) -> Recipe:
    """Play the non-saturating game for completions of an image, of which both players are given a part.

    Args:
        mask: Part that is hidden: a half, or the square in the middle with half the side.
        l1_weight: Weight of the mean absolute difference between the hidden part and what is put there.
        width: Unit of channels: of the first layers of the generator's encoder and of the critic.
    """
    if data.is_points:
        raise ValueError("needs images, of which a part can be hidden, such as fashion-mini; for points try ns-gan")
    channels, size, _ = data.shape
    known = known_pixels(mask, size)
    hidden_share = 1 - known.float().mean().item()

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        real, fake = (n.D(torch.cat([x, b.given], 1)) for x in (b.x, n.G(b.z, b.given)))
        return {"adv": non_saturating.d(real, fake)}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z, b.given)
        away = (fake - b.x).abs().mean() / hidden_share  # where pixels are given, the two are equal
        n.note(distance=away)
        return {"adv": non_saturating.g(None, n.D(torch.cat([fake, b.given], 1))), "l1": l1_weight * away}

    def given(x: Tensor, rng: torch.Generator) -> Tensor:
        return torch.where(known.to(x.device), x, 0.0)

    def to_complete(n: int, rng: torch.Generator) -> Tensor:
        which = torch.randint(data.count or n, (n,), generator=rng, device=rng.device)
        x = torch.cat([data.batch(k, 1, seed=0, device=rng.device)[0] for k in which.tolist()])
        return given(x, rng)

    played = two_player(
        completion.Generator(known, latent, width, channels, kernel),
        dcgan.Critic(width, size, 2 * channels, kernel),
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1),
        latent=uniform(latent),
        draws={"z": each(uniform(latent)), "given": given},
        batch_size=batch_size,
        steps=steps,
    )
    return replace(played, prior=Conditional(uniform(latent), Likewise("empirical", to_complete), first=True))


def known_pixels(mask: str, size: int) -> Tensor:
    """Pixels that are not hidden: bool (size, size)."""
    half, quarter = slice(size // 2, None), slice(size // 4, -size // 4)
    first, whole = slice(size // 2), slice(None)
    rows, columns = {
        "bottom": (half, whole), "top": (first, whole), "left": (whole, first), "right": (whole, half),
        "centre": (quarter, quarter),
    }[mask]  # fmt: skip
    known = torch.ones(size, size, dtype=torch.bool)
    known[rows, columns] = False
    return known
