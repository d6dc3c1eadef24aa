"""Spectral normalisation. Miyato et al. 2018, arXiv:1802.05957, Algorithm 1.

In two halves: the layer divides its weight by an estimate of its largest singular value, and the game renews that
estimate once per update (``project={"D": power_iteration(critic)}``), not once per forward. So a forward has no side
effect, and the same weights always give the same function.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.core.game import Projection
from zerosum.networks.labels import rows

EPS = 1e-12
WARM_UP = 15  # power iterations on the initial weights


class SpectralNorm(nn.Module):
    """A linear, convolution or embedding layer with weight W / sigma; see :func:`spectral_norm`."""

    needs_projection = True
    u: Tensor
    v: Tensor

    def __init__(self, layer: nn.Linear | nn.Conv2d | nn.Embedding) -> None:
        super().__init__()
        self._operation = _operation(layer)
        if isinstance(layer, nn.Linear):  # heads are built on these
            self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight = nn.Parameter(layer.weight.detach())
        bias = getattr(layer, "bias", None)  # an embedding has none
        self.bias = None if bias is None else nn.Parameter(bias.detach())
        matrix = _matrix(layer.weight.detach())
        us, vs = [F.normalize(torch.randn_like(matrix[:, 0]), dim=0, eps=EPS)], [matrix[0]]
        for _ in range(WARM_UP):
            us, vs = _iterate([matrix], us)
        self.register_buffer("u", us[0])
        self.register_buffer("v", vs[0])

    def sigma(self) -> Tensor:
        """The estimate u^T W v of W's largest singular value, a scalar; its derivative in W is u v^T."""
        with torch.autocast(self.weight.device.type, enabled=False):
            return torch.dot(self.u, torch.mv(_matrix(self.weight), self.v))

    def forward(self, x: Tensor) -> Tensor:
        """The layer with its weight divided by sigma."""
        return self._operation(x, self.weight / self.sigma(), self.bias)


def spectral_norm(layer: nn.Module) -> nn.Module:
    """Eq. 8, Miyato et al. 2018 (arXiv:1802.05957): W_SN = W / sigma(W), sigma = u^T W v.

    W is the weight as an (out, in * kh * kw) matrix; u and v are constants (buffers), so the gradient flows through W
    in sigma too. Training and evaluation are the same function.

    Args:
        layer: Layer ``nn.Linear``, ``nn.Conv2d`` or ``nn.Embedding`` with its initial weights.

    Returns:
        A module with parameters ``weight`` and ``bias`` as the layer's. Its network needs :func:`power_iteration`.
    """
    if isinstance(layer, nn.Linear | nn.Embedding):
        return SpectralNorm(layer)
    if isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros":
        return SpectralNorm(layer)
    raise TypeError(f"spectral_norm wraps nn.Linear, nn.Embedding and zero-padded nn.Conv2d layers, not {layer}")


def power_iteration(net: nn.Module) -> Projection:
    """Algorithm 1, Miyato et al. 2018 (arXiv:1802.05957): v <- W^T u / |W^T u|, u <- W v / |W v|, once per layer.

    Returns:
        ``(weights, buffers) -> (weights, buffers)`` with new u and v, for ``Game.project``.
    """
    names = [f"{name}." if name else "" for name, m in net.named_modules() if isinstance(m, SpectralNorm)]
    if not names:
        raise ValueError(
            "power_iteration: the network has no spectral-normalised layer (wrap=spectral_norm builds them)"
        )

    def project(weights: dict[str, Tensor], buffers: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        us, vs = _iterate(
            [_matrix(weights[f"{n}weight"].detach()) for n in names], [buffers[f"{n}u"].detach() for n in names]
        )
        new = {f"{n}u": u for n, u in zip(names, us, strict=True)} | {
            f"{n}v": v for n, v in zip(names, vs, strict=True)
        }
        return weights, buffers | new

    return project


def _matrix(weight: Tensor) -> Tensor:
    """W as (out, kh * kw * in). The order of columns does not matter to sigma; this one is a view in channels_last."""
    return weight.permute(0, 2, 3, 1).flatten(1) if weight.dim() == 4 else weight


def _iterate(matrices: list[Tensor], us: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    with torch.autocast(us[0].device.type, enabled=False):
        vs = _unit([torch.mv(w.t(), u) for w, u in zip(matrices, us, strict=True)])
        return _unit([torch.mv(w, v) for w, v in zip(matrices, vs, strict=True)]), vs


def _unit(vectors: list[Tensor]) -> list[Tensor]:
    lengths = torch._foreach_clamp_min(torch._foreach_norm(vectors), EPS)
    return list(torch._foreach_div(vectors, list(lengths)))


def _operation(layer: nn.Linear | nn.Conv2d | nn.Embedding) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    if isinstance(layer, nn.Linear):
        return F.linear
    if isinstance(layer, nn.Embedding):
        return lambda y, weight, bias: rows(weight, y)
    if isinstance(joined := getattr(layer, "operation", None), FunctionType):  # with the resampling beside it
        return joined
    return partial(F.conv2d, stride=layer.stride, padding=layer.padding, dilation=layer.dilation, groups=layer.groups)
