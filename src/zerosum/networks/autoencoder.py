"""Autoencoders: critics that give energies (EBGAN, BEGAN), and the encoder and decoders of the VAE.

An :class:`Autoencoder` is any encoder, any decoder, and an energy that compares a sample with its reconstruction. Any
critic of the library becomes an encoder when its logit is replaced by a code (:class:`Encoder`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks import dcgan, infogan, mlp
from zerosum.networks.common import (
    Activation,
    Init,
    check_positive,
    dcgan_init,
    glorot_uniform,
    grey_as_channels_last,
    halvings,
)
from zerosum.networks.critic import BaseCritic, Judgement, feature_count
from zerosum.networks.layers import BatchNorm, UpConv
from zerosum.networks.pairs import Pair
from zerosum.precision import wide

Energy = Callable[[Tensor, Tensor], Tensor]  # (reconstructions, samples), both (B, ...) -> (B,)

POINTS = (128, 128, 128)  # hidden layers of all MLPs here
BOTTOM = 8  # pixels a side of the smallest feature map of BEGAN's networks
LEAST_DEVIATION = 1e-6  # of the VAE's posterior: a deviation of 0 has no logarithm


def squared_error(reconstruction: Tensor, x: Tensor) -> Tensor:
    """EBGAN's energy: the mean over a sample's numbers of (reconstruction - x)^2; (B, ...) -> (B,), in float32.

    A mean, so that one margin serves images of all sizes. In terms of the sum, a margin is m times C H W.
    """
    return _per_sample_mean(_difference(reconstruction, x).square())


def absolute_error(reconstruction: Tensor, x: Tensor) -> Tensor:
    """BEGAN's L(x): the mean over a sample's numbers of |x - reconstruction|; (B, ...) -> (B,), in float32."""
    return _per_sample_mean(_difference(reconstruction, x).abs())


class Autoencoder(BaseCritic):
    """A critic whose output is an energy, D(x) = energy(decoder(encoder(x)), x): low where x is reconstructed well.

    The energy is differentiated through both of its arguments: a generator is told to make samples that the decoder
    comes near, not only samples that are encoded well.

    Args:
        encoder: Network from samples (B, ...) to codes (B, N) or maps (B, ...).
        decoder: Network from what the encoder gives to reconstructions, shaped as the samples.
        energy: Function from (reconstructions, samples) to energies (B,), at least 0.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, energy: Energy = squared_error) -> None:
        super().__init__()
        self.encoder, self.decoder, self.energy = encoder, decoder, energy

    def features(self, x: Tensor) -> Tensor:
        """Samples (B, ...) -> codes (B, N)."""
        return torch.flatten(self.encoder(x), 1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Samples (B, ...) -> reconstructions (B, ...)."""
        return cast(Tensor, self.decoder(self.encoder(x)))

    def judge(self, x: Tensor, y: Tensor | None = None) -> Judgement:
        """Samples (B, ...) -> energies (B,) as ``logits``, codes (B, N) as ``features``."""
        codes = self.encoder(x)
        return Judgement(logits=self.energy(self.decoder(codes), x), features=torch.flatten(codes, 1))


class Encoder(nn.Module):
    """A critic with a linear layer to a code in place of the one to its logit.

    Args:
        critic: New critic of this library, such as ``dcgan.Critic`` or ``mlp.Critic``; it becomes part of this
            network, without its last layer.
        code: Numbers in a code.
        init: Function that sets the weights of the new layer.
    """

    def __init__(self, critic: nn.Module, code: int, *, init: Init = glorot_uniform) -> None:
        super().__init__()
        check_positive(code=code)
        features = feature_count(critic)
        self.trunk, self.code = critic, nn.Linear(features, code)
        self.trunk.last = nn.Identity()  # no weights that nothing reads
        init(self.code, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> codes (B, code)."""
        features = cast(Callable[[Tensor], Tensor], self.trunk.features)
        return cast(Tensor, self.code(features(x)))


class EluEncoder(nn.Module):
    """BEGAN's encoder: 3x3 convolutions with ELU, halving down to 8x8, then a linear layer to the code.

    Berthelot et al. 2017 (arXiv:1703.10717), Figure 1, as in carpedm20's code: a convolution to ``width`` channels; at
    scale k = 1, 2... two convolutions to k width channels, then (but for the last scale) one of stride 2.

    Arguments that are not explained here: :mod:`zerosum.networks`.

    Args:
        code: Numbers in a code, h.
        width: Unit of channels, n.
        size: Pixels a side: 16, 32, 64, 128 or 256.
    """

    def __init__(
        self, code: int = 64, width: int = 128, size: int = 64, channels: int = 3, *, init: Init = glorot_uniform
    ) -> None:
        super().__init__()
        check_positive(code=code, width=width, channels=channels)
        scales, before = halvings(size, smallest=16, largest=256), width
        convs = [nn.Conv2d(channels, width, 3, padding=1)]
        for now in (width * k for k in range(1, scales + 1)):
            convs += [nn.Conv2d(before, now, 3, padding=1), nn.Conv2d(now, now, 3, padding=1)]
            convs += [nn.Conv2d(now, now, 3, 2, 1)] if now < width * scales else []
            before = now
        self.convs, self.last = nn.ModuleList(convs), nn.Linear(before * BOTTOM**2, code)
        for layer in (*convs, self.last):
            init(layer, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> codes (B, code)."""
        h = grey_as_channels_last(x)
        for conv in self.convs:
            h = F.elu(conv(h))
        return cast(Tensor, self.last(torch.flatten(h, 1)))


class EluDecoder(nn.Module):
    """BEGAN's decoder, and its generator: a linear layer to 8x8, 3x3 convolutions with ELU, nearest-neighbour doubling.

    Berthelot et al. 2017 (arXiv:1703.10717), Figure 1, as in carpedm20's code: two convolutions at each scale, all of
    ``width`` channels, then one to the image, with nothing after it: pixels are not bounded.

    Arguments that are not explained here: :mod:`zerosum.networks`.

    Args:
        latent: Dimension of z, or of codes.
        width: Channels, n.
        size: Pixels a side: 16, 32, 64, 128 or 256.
    """

    def __init__(
        self, latent: int = 64, width: int = 128, size: int = 64, channels: int = 3, *, init: Init = glorot_uniform
    ) -> None:
        super().__init__()
        check_positive(latent=latent, width=width, channels=channels)
        self.first = nn.Linear(latent, width * BOTTOM**2)
        convs: list[nn.Module] = [nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)]
        for _ in range(1, halvings(size, smallest=16, largest=256)):
            convs += [UpConv(width, width), nn.Conv2d(width, width, 3, padding=1)]
        self.convs, self.last = nn.ModuleList(convs), nn.Conv2d(width, channels, 3, padding=1)
        for layer in (self.first, *convs, self.last):
            init(layer, 1.0)

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent) -> images (B, channels, size, size), not bounded."""
        h = self.first(z).reshape(z.shape[0], -1, BOTTOM, BOTTOM)
        for conv in self.convs:
            h = F.elu(conv(h))
        return cast(Tensor, self.last(h))


class GaussianEncoder(nn.Module):
    """The VAE's q(z|x) = N(mean, diag(deviation^2)): Eq. 9, Kingma and Welling 2014 (arXiv:1312.6114).

    Args:
        critic: Critic that reads the samples; see :class:`Encoder`.
        latent: Dimension of z.
        init: Function that sets the weights of the last layer.
    """

    def __init__(self, critic: nn.Module, latent: int, *, init: Init = glorot_uniform) -> None:
        super().__init__()
        check_positive(latent=latent)
        self.encoder = Encoder(critic, 2 * latent, init=init)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, ...) -> mean (B, latent), deviation (B, latent) above 0, in float32: softplus(.) + 1e-6."""
        mean, raw = wide(self.encoder(x)).chunk(2, dim=1)
        return mean, F.softplus(raw) + LEAST_DEVIATION


class BernoulliDecoder(infogan.Generator):
    """The VAE's p(x|z) for images, as in the study of Lucic et al. 2018 (arXiv:1711.10337): InfoGAN's layers, ReLU.

    Pixels in [0, 1] are taken as probabilities. Arguments and weights are those of ``infogan.Generator``.
    """

    _activation = staticmethod(F.relu)

    def forward(self, z: Tensor, x: Tensor | None = None) -> Tensor:  # type: ignore[override]  # x: not a condition
        """(B, latent) -> mean images in [-1, 1], (B, channels, size, size); given images x, log p(x|z), (B,)."""
        logits = self._before_tanh(z)
        return torch.tanh(logits / 2) if x is None else bernoulli_log_likelihood(logits, x)


class GaussianDecoder(nn.Module):
    """The VAE's p(x|z) = N(mean(z), deviation^2 I).

    Args:
        mean: Network that maps latents to means.
        deviation: Standard deviation, above 0. ``None``: one number, learned with the other weights, at first 1.
    """

    log_deviation: Tensor

    def __init__(self, mean: nn.Module, deviation: float | None = None) -> None:
        super().__init__()
        if deviation is not None and not 0 < deviation < math.inf:
            raise ValueError(f"deviation={deviation}: must be above 0 (None: learn it)")
        self.mean = mean
        if deviation is None:
            self.log_deviation = nn.Parameter(torch.zeros(()))
        else:
            self.register_buffer("log_deviation", torch.tensor(math.log(deviation)))

    def forward(self, z: Tensor, x: Tensor | None = None) -> Tensor:
        """(B, latent) -> means (B, ...); given samples x, log p(x|z), (B,)."""
        mean = self.mean(z)
        return mean if x is None else gaussian_log_likelihood(mean, self.log_deviation, x)


def bernoulli_log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """Eq. 11, Kingma and Welling 2014 (arXiv:1312.6114), Appendix C.1: sum of t log p + (1 - t) log(1 - p).

    Here p = sigmoid(logits), and t = (x + 1) / 2 is the image in [0, 1]. Taken from logits it is finite, and so is its
    derivative t - p, however sure the decoder is.

    Args:
        logits: Logits of the pixels, (B, C, H, W).
        x: Images in [-1, 1], (B, C, H, W).

    Returns:
        Log-likelihoods, (B,), in float32, at most 0.
    """
    _check_same(logits, x)
    logits, target = wide(logits), (wide(x) + 1) / 2
    return -torch.flatten(F.binary_cross_entropy_with_logits(logits, target, reduction="none"), 1).sum(1)


def gaussian_log_likelihood(mean: Tensor, log_deviation: Tensor, x: Tensor) -> Tensor:
    """Eq. 12, Kingma and Welling 2014 (arXiv:1312.6114), Appendix C.2, with one deviation: log N(x; mean, s^2 I).

    Args:
        mean: Means, (B, ...).
        log_deviation: Logarithm of the standard deviation s, a scalar.
        x: Samples, (B, ...).

    Returns:
        Log-likelihoods, (B,), in float32: the sum over a sample's numbers of -((x - mean) / s)^2 / 2 - log s -
        log(2 pi) / 2.
    """
    scaled = _difference(mean, x) * torch.exp(-log_deviation)
    return -torch.flatten(scaled.square() / 2 + log_deviation + math.log(2 * math.pi) / 2, 1).sum(1)


def ebgan_pair(shape: Sequence[int], latent: int, width: int, kernel: int, code: int) -> Pair:
    """EBGAN's players: a DCGAN generator, and DCGAN's networks back to back as critic. On points, MLPs."""
    if len(shape) == 1:
        return _points_pair(shape, latent, code, F.relu, squared_error)
    channels, size, _ = shape
    encoder = Encoder(dcgan.Critic(width, size, channels, kernel), code, init=dcgan_init)
    decoder = dcgan.Generator(code, width, size, channels, kernel)
    return dcgan.Generator(latent, width, size, channels, kernel), Autoencoder(encoder, decoder)


def began_pair(shape: Sequence[int], latent: int, width: int) -> Pair:
    """BEGAN's players: a decoder as generator, an encoder with another decoder as critic. On points, MLPs with ELU."""
    if len(shape) == 1:
        return _points_pair(shape, latent, latent, F.elu, absolute_error)
    channels, size, _ = shape
    generator, decoder = (EluDecoder(latent, width, size, channels) for _ in range(2))
    return generator, Autoencoder(EluEncoder(latent, width, size, channels), decoder, absolute_error)


def vae_pair(
    shape: Sequence[int], latent: int, width: int, deviation: float | None
) -> tuple[GaussianEncoder, nn.Module]:
    """The VAE's encoder and decoder, (E, G): InfoGAN's networks and Bernoulli pixels. On points, Gaussian MLPs."""
    if len(shape) == 1:
        mean = mlp.Generator(latent, POINTS, shape)
        return GaussianEncoder(mlp.Critic(shape, POINTS), latent), GaussianDecoder(mean, deviation)
    channels, size, _ = shape
    # The study's batch norm follows the data with decay 0.999, too slowly for runs of fewer than some thousand steps.
    encoder = GaussianEncoder(infogan.Critic(width, size, channels, norm=BatchNorm), latent, init=dcgan_init)
    return encoder, BernoulliDecoder(latent, width, size, channels, norm=BatchNorm)


def _points_pair(shape: Sequence[int], latent: int, code: int, activation: Activation, energy: Energy) -> Pair:
    encoder = Encoder(mlp.Critic(shape, POINTS, activation=activation), code)
    generator, decoder = (mlp.Generator(n, POINTS, shape, activation=activation) for n in (latent, code))
    return generator, Autoencoder(encoder, decoder, energy)


def _difference(reconstruction: Tensor, x: Tensor) -> Tensor:
    _check_same(reconstruction, x)
    return wide(reconstruction) - wide(x)


def _per_sample_mean(values: Tensor) -> Tensor:
    return torch.flatten(values, 1).mean(1)


def _check_same(reconstruction: Tensor, x: Tensor) -> None:
    if reconstruction.shape != x.shape:
        raise ValueError(
            f"samples of shape {tuple(x.shape)} were reconstructed as {tuple(reconstruction.shape)}: build the network "
            "for samples of this shape"
        )
