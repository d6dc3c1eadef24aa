"""The networks and training steps that a user of PyTorch would write by hand: what `step.py` compares with.

Plain ``nn.Module``s in float32 and the default memory layout, ``torch.optim``, ``loss.backward()``, ``autograd.grad``
for penalties, ``torch.nn.utils.parametrizations.spectral_norm``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Step = Callable[[Tensor, Tensor], None]


def dcgan_generator(latent: int, width: int, channels: int) -> nn.Module:
    """4x4 kernels, 4 -> 8 -> 16 -> 32 pixels."""
    w = width
    return nn.Sequential(
        nn.Unflatten(1, (latent, 1, 1)),
        *(nn.ConvTranspose2d(latent, 4 * w, 4, 1, 0, bias=False), nn.BatchNorm2d(4 * w), nn.ReLU(True)),
        *(nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * w), nn.ReLU(True)),
        *(nn.ConvTranspose2d(2 * w, w, 4, 2, 1, bias=False), nn.BatchNorm2d(w), nn.ReLU(True)),
        *(nn.ConvTranspose2d(w, channels, 4, 2, 1, bias=False), nn.Tanh()),
    )


def dcgan_critic(width: int, channels: int) -> nn.Module:
    """The mirror image."""
    w = width
    return nn.Sequential(
        *(nn.Conv2d(channels, w, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)),
        *(nn.Conv2d(w, 2 * w, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * w), nn.LeakyReLU(0.2, True)),
        *(nn.Conv2d(2 * w, 4 * w, 4, 2, 1, bias=False), nn.BatchNorm2d(4 * w), nn.LeakyReLU(0.2, True)),
        *(nn.Conv2d(4 * w, 1, 4, 1, 0, bias=False), nn.Flatten()),
    )


class GBlock(nn.Module):
    """A residual block that doubles the size."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.b1, self.b2 = nn.BatchNorm2d(i), nn.BatchNorm2d(o)
        self.c1, self.c2, self.c3 = nn.Conv2d(i, o, 3, 1, 1), nn.Conv2d(o, o, 3, 1, 1), nn.Conv2d(i, o, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.c1(F.interpolate(F.relu(self.b1(x)), scale_factor=2))
        return self.c2(F.relu(self.b2(h))) + self.c3(F.interpolate(x, scale_factor=2))


class ResGenerator(nn.Module):
    """SNGAN's and WGAN-GP's generator at 32 pixels."""

    def __init__(self, latent: int, width: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Linear(latent, 16 * width)
        self.blocks = nn.Sequential(GBlock(width, width), GBlock(width, width), GBlock(width, width))
        self.norm, self.last = nn.BatchNorm2d(width), nn.Conv2d(width, channels, 3, 1, 1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.blocks(self.first(z).view(len(z), -1, 4, 4))
        return torch.tanh(self.last(F.relu(self.norm(h))))


class DBlock(nn.Module):
    """A residual block that may halve the size."""

    def __init__(self, i: int, o: int, down: bool, first: bool, wrap: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__()
        self.down, self.first = down, first
        self.c1, self.c2 = wrap(nn.Conv2d(i, o, 3, 1, 1)), wrap(nn.Conv2d(o, o, 3, 1, 1))
        self.c3 = wrap(nn.Conv2d(i, o, 1)) if down else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.c2(F.relu(self.c1(x if self.first else F.relu(x))))
        s = x if self.c3 is None else self.c3(x)
        return F.avg_pool2d(h, 2) + F.avg_pool2d(s, 2) if self.down else h + s


class ResCritic(nn.Module):
    """SNGAN's (sum pooling) and WGAN-GP's (mean pooling) critic at 32 pixels."""

    def __init__(self, width: int, channels: int, wrap: Callable[[nn.Module], nn.Module], mean: bool) -> None:
        super().__init__()
        self.mean = mean
        self.blocks = nn.Sequential(
            DBlock(channels, width, True, True, wrap),
            DBlock(width, width, True, False, wrap),
            DBlock(width, width, False, False, wrap),
            DBlock(width, width, False, False, wrap),
        )
        self.last = wrap(nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.blocks(x))
        return self.last(h.mean((2, 3)) if self.mean else h.sum((2, 3)))


def hinge_step(g: nn.Module, d: nn.Module, lr: float = 2e-4) -> Step:
    """One update of each by the hinge loss."""
    od, og = (torch.optim.Adam(n.parameters(), lr, betas=(0.0, 0.9)) for n in (d, g))

    def step(x: Tensor, z: Tensor) -> None:
        od.zero_grad()
        (F.relu(1 - d(x)).mean() + F.relu(1 + d(g(z).detach())).mean()).backward()
        od.step()
        og.zero_grad()
        (-d(g(z)).mean()).backward()
        og.step()

    return step


def ns_step(g: nn.Module, d: nn.Module, lr: float = 2e-4) -> Step:
    """One update of each by the non-saturating loss."""
    od, og = (torch.optim.Adam(n.parameters(), lr, betas=(0.5, 0.999)) for n in (d, g))

    def step(x: Tensor, z: Tensor) -> None:
        od.zero_grad()
        (F.softplus(-d(x)).mean() + F.softplus(d(g(z).detach())).mean()).backward()
        od.step()
        og.zero_grad()
        F.softplus(-d(g(z))).mean().backward()
        og.step()

    return step


def wgan_gp_step(g: nn.Module, d: nn.Module, lr: float = 1e-4) -> Step:
    """One update of each by WGAN-GP."""
    od, og = (torch.optim.Adam(n.parameters(), lr, betas=(0.0, 0.9)) for n in (d, g))

    def step(x: Tensor, z: Tensor) -> None:
        od.zero_grad()
        fake = g(z).detach()
        eps = torch.rand(len(x), 1, 1, 1, device=x.device)
        between = eps * x.clone().requires_grad_() + (1 - eps) * fake
        slope = torch.autograd.grad(d(between).sum(), between, create_graph=True)[0]
        penalty = 10 * (slope.flatten(1).norm(dim=1) - 1).square().mean()
        (d(fake).mean() - d(x).mean() + penalty).backward()
        od.step()
        og.zero_grad()
        (-d(g(z)).mean()).backward()
        og.step()

    return step


def dcgan(channels: int, device: torch.device) -> Step:
    """DCGAN at 32 pixels, width 64."""
    return ns_step(dcgan_generator(100, 64, channels).to(device), dcgan_critic(64, channels).to(device))


def sngan(channels: int, device: torch.device) -> Step:
    """SNGAN at 32 pixels, width 128 on both sides."""
    critic = ResCritic(128, channels, spectral_norm, mean=False)
    return hinge_step(ResGenerator(128, 128, channels).to(device), critic.to(device))


def wgan_gp(channels: int, device: torch.device) -> Step:
    """WGAN-GP at 32 pixels, width 128 on both sides."""
    critic = ResCritic(128, channels, lambda layer: layer, mean=True)
    return wgan_gp_step(ResGenerator(128, 128, channels).to(device), critic.to(device))
