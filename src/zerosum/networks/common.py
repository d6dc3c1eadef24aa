"""What the networks share: types of their arguments, checks of them, initial weights, small functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.layers import BatchNorm

Activation = Callable[[Tensor], Tensor]
Norm = Callable[[int], nn.Module]  # channels -> layer
Wrap = Callable[[nn.Module], nn.Module]  # an initialised linear or convolution layer -> what stands in its place
Init = Callable[[nn.Module, float], None]  # (layer, gain): sets the weights in place

SLOPE = 0.2  # of the leaky ReLU, in all networks that have one


def keep(layer: nn.Module) -> nn.Module:
    """The layer as it is: the ``wrap`` that does nothing."""
    return layer


def leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2."""
    return F.leaky_relu(x, SLOPE)


def grey_as_channels_last(x: Tensor) -> Tensor:
    """Grey images with strides that say channels_last; others as they are.

    With one channel the same memory is both layouts, and convolutions would take the slow one.
    """
    return x.reshape(x.shape[0], *x.shape[2:], 1).permute(0, 3, 1, 2) if x.shape[1] == 1 else x


def parameter_count(module: nn.Module) -> int:
    """How many trainable numbers a module has."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def check_positive(**counts: int) -> None:
    """Refuse counts below one, naming the argument."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name}={count}: must be at least 1")


def halvings(size: int, *, smallest: int, largest: int) -> int:
    """How often an image of ``size`` pixels a side is halved to reach 4: refuses all but powers of two in the range."""
    allowed = [2**k for k in range(smallest.bit_length() - 1, largest.bit_length())]
    if size not in allowed:
        raise ValueError(f"size={size}: must be one of {', '.join(map(str, allowed))} (resize the images)")
    return size.bit_length() - 3


def normal(std: float) -> Init:
    """Section 4, Radford et al. 2016 (arXiv:1511.06434): weights N(0, std^2), biases 0, norm gains N(1, std^2)."""
    if std <= 0:
        raise ValueError(f"std={std}: must be above 0")

    def init(layer: nn.Module, gain: float) -> None:
        if isinstance(layer, BatchNorm):
            if layer.weight is not None:
                nn.init.normal_(layer.weight, 1.0, std)
        elif isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
            nn.init.normal_(layer.weight, 0.0, gain * std)
            _zero_bias(layer)

    return init


dcgan_init = normal(0.02)  # DCGAN's, and that of most networks after it


def uniform(std: float) -> Init:
    """As WGAN-GP's code starts its DCGAN baseline (std 0.02): weights U(-a, a) with a = sqrt(3) std, biases 0.

    Norms are left as they are, with gains of 1.
    """
    if std <= 0:
        raise ValueError(f"std={std}: must be above 0")

    def init(layer: nn.Module, gain: float) -> None:
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
            _uniform(layer, gain * std)

    return init


def glorot_uniform(layer: nn.Module, gain: float) -> None:
    """Eq. 16, Glorot and Bengio 2010: weights U(-a, a) with a = gain sqrt(6 / (fan_in + fan_out)), biases 0.

    With gain sqrt(2) on the 3x3 convolutions of residual blocks this is the initialisation of both SNGAN's and
    WGAN-GP's published code; the latter calls it He initialisation.
    """
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
        nn.init.xavier_uniform_(layer.weight, gain)
        _zero_bias(layer)


def strided_glorot_uniform(layer: nn.Module, gain: float) -> None:
    """:func:`glorot_uniform` as WGAN-GP's code has it for convolutions: gain sqrt(2), and fans that know the stride.

    Of a convolution of stride s, an input reaches only 1 / s^2 of the kernel's positions, so that the fan-out is
    out kh kw / s^2; of a transposed one the fan-in is in kh kw / s^2. For linear layers nothing changes.
    """
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        area, steps = layer.kernel_size[0] * layer.kernel_size[1], layer.stride[0] * layer.stride[1]
        fans = [layer.in_channels * area, layer.out_channels * area]
        fans[0 if isinstance(layer, nn.ConvTranspose2d) else 1] //= steps
        _uniform(layer, gain * math.sqrt(2) * math.sqrt(2 / sum(fans)))
    else:
        glorot_uniform(layer, gain)


def he_uniform(layer: nn.Module, gain: float) -> None:
    """Eq. 10, He et al. 2015 (arXiv:1502.01852), with a uniform law: weights U(-a, a) with a = gain sqrt(3 / fan_in).

    Biases are 0; gain sqrt(2) for a ReLU. So WGAN-GP's code starts the hidden layers of its toy experiments.
    """
    if isinstance(layer, nn.Linear | nn.Conv2d):
        _uniform(layer, gain / math.sqrt(layer.weight[0].numel()))


def he_normal(layer: nn.Module, gain: float) -> None:
    """Eq. 10, He et al. 2015 (arXiv:1502.01852): weights N(0, gain^2 / fan_in), biases 0; gain sqrt(2) for a ReLU."""
    if isinstance(layer, nn.Linear | nn.Conv2d):
        nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
        _zero_bias(layer)


def orthogonal(layer: nn.Module, gain: float) -> None:
    """Section 3.1, Brock et al. 2019 (arXiv:1809.11096), after Saxe et al. 2014: orthogonal weights, biases 0.

    Of the (out, in * kh * kw) matrix ((in, out * kh * kw) of a transposed convolution), rows or columns are
    orthonormal, whichever are fewer. ``gain`` is not used: in the published code it is 1 everywhere.
    """
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
        nn.init.orthogonal_(layer.weight)
        _zero_bias(layer)


def _uniform(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding, std: float) -> None:
    nn.init.uniform_(layer.weight, -math.sqrt(3) * std, math.sqrt(3) * std)
    _zero_bias(layer)


def _zero_bias(layer: nn.Module) -> None:
    if isinstance(bias := getattr(layer, "bias", None), Tensor):
        nn.init.zeros_(bias)


Conditions = Tensor | Sequence[Tensor] | None  # what conditional layers see: nothing, one for all, one for each


def one_for_each(condition: Conditions, layers: int) -> Sequence[tuple[Tensor, ...]]:
    """What each of so many conditional layers gets as further arguments: () where there is no condition.

    Raises:
        ValueError: There are not as many conditions as layers.
    """
    if condition is None:
        return [()] * layers
    if isinstance(condition, Tensor):
        return [(condition,)] * layers
    if len(condition) != layers:
        raise ValueError(f"{len(condition)} conditions for {layers} layers: give one, or as many as there are layers")
    return [(c,) for c in condition]
