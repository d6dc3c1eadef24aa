"""Conditional GAN whose condition is an image. Mirza and Osindero 2014, arXiv:1411.1784, Eq. 2, with a part of x as y.

The generator completes an image of which one part is hidden, in as many ways as there are z; the pixels that are given
stay as they are. The critic sees the completed image beside the given part.

Departures from the paper, which names inpainting as a use and shows none: DCGAN's critic, a generator with skip
connections, Adam, and the non-saturating objective. A further L1 term (``--l1-weight``, 0 by default) is not in it.
Scores of completions are no scores of a model of whole images: half of each image is real.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import uniform
from zerosum.networks import completion, dcgan
from zerosum.objectives import non_saturating
from zerosum.recipe import Phase, Recipe


class Batch(NamedTuple):
    """Real images, the same with one part hidden (0 there), and latents."""

    x: Tensor
    y: Tensor
    z: Tensor


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
    """Build the recipe.

    Args:
        data: what to learn; it must be images.
        mask: the part that is hidden: a half, or the square in the middle with half the side.
        l1_weight: of the mean absolute difference between the hidden part and what is put there.
        latent: dimension of z ~ U[-1, 1].
        width: channels of the first layer of the generator's encoder and of the critic.
        kernel: of the convolutions, pixels a side.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        batch_size: real images per update.
        steps: generator updates in all.
    """
    if data.is_points:
        raise ValueError("needs images, of which a part can be hidden, such as fashion-mini; for points try ns-gan")
    channels, size, _ = data.shape
    known = given(mask, size)
    hidden_share = 1 - known.float().mean().item()

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        real, fake = (n.D(torch.cat([x, b.y], 1)) for x in (b.x, n.G(b.z, b.y)))
        return {"adv": non_saturating.d(real, fake)}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z, b.y)
        away = (fake - b.x).abs().mean() / hidden_share  # where pixels are given, the two are equal
        n.note(distance=away)
        return {"adv": non_saturating.g(None, n.D(torch.cat([fake, b.y], 1))), "l1": l1_weight * away}

    game = Game(
        {
            "G": completion.Generator(known, latent, width, channels, kernel),
            "D": dcgan.Critic(width, size, 2 * channels, kernel),
        },
        opts={"D": adam(lr, beta1=beta1), "G": adam(lr, beta1=beta1)},
        players={"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, torch.where(known.to(x.device), x, 0.0), uniform(len(x), latent, rng))

    def prior(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        which = torch.randint(data.count or n, (n,), generator=rng, device=rng.device)  # images to complete
        x = torch.cat([data.batch(k, 1, seed=0, device=rng.device)[0] for k in which.tolist()])
        batch = draw(x, None, rng)
        return batch.z, batch.y

    return Recipe((Phase(game, steps),), batch_size, draw, prior)


def given(mask: str, size: int) -> Tensor:
    """Which pixels are not hidden: bool (size, size)."""
    half, quarter = slice(size // 2, None), slice(size // 4, -size // 4)
    first, whole = slice(size // 2), slice(None)
    rows, columns = {
        "bottom": (half, whole), "top": (first, whole), "left": (whole, first), "right": (whole, half),
        "centre": (quarter, quarter),
    }[mask]  # fmt: skip
    known = torch.ones(size, size, dtype=torch.bool)
    known[rows, columns] = False
    return known
