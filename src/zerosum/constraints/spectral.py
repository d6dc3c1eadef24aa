"""Spectral normalisation. Miyato et al. 2018, arXiv:1802.05957, Algorithm 1.

The layer divides its weight by an estimate of its largest singular value. In a game the estimate is renewed once per
update (``project={"D": power_iteration(critic)}``), and not by a forward, which so has no side effect: the same weights
always give the same function. In a loop of one's own the layer renews it by itself, once per forward in training mode,
as ``torch.nn.utils.parametrizations.spectral_norm`` does, and agrees with that step for step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.core.game import Projection
from zerosum.networks.labels import rows
from zerosum.renewal import caller_renews

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
        return _stretch(self.weight, self.u, self.v)

    def forward(self, x: Tensor) -> Tensor:
        """The layer with its weight divided by sigma; renews u and v first, in training mode where no game does."""
        return self._operation(x, self.weight / _stretch(self.weight, *self._vectors()), self.bias)

    def _vectors(self) -> tuple[Tensor, Tensor]:
        if caller_renews():
            return self.u, self.v
        if not self.training:  # copies: a later forward writes to what is kept, and a derivative may still want this
            return self.u.clone(), self.v.clone()
        if torch.compiler.is_compiling():  # the compiler takes writing as it is
            return _renew(self.weight.detach(), self.u, self.v)
        renewed: tuple[Tensor, Tensor] = _Renew.apply(self.weight.detach(), self.u, self.v)  # type: ignore[no-untyped-call]
        return renewed


def spectral_norm(layer: nn.Module) -> nn.Module:
    """Eq. 8, Miyato et al. 2018 (arXiv:1802.05957): W_SN = W / sigma(W), sigma = u^T W v.

    W is the weight as an (out, in * kh * kw) matrix; u and v are constants (buffers), so the gradient flows through W
    in sigma too.

    In a :class:`~zerosum.core.game.Game` its network needs :func:`power_iteration`, and training and evaluation are the
    same function. Anywhere else each forward in training mode makes one power iteration, and none is made in evaluation
    mode. Weights that were set by hand or averaged (``torch.optim.swa_utils``) have other singular vectors: apply
    ``enforce(net, power_iteration(net))`` a few times before evaluation.

    Args:
        layer: Layer ``nn.Linear``, ``nn.Conv2d`` or ``nn.Embedding`` with its initial weights.

    Returns:
        A module with parameters ``weight`` and ``bias`` as the layer's.

    Raises:
        TypeError: The layer is of another kind, or a convolution whose padding is not zeros.
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


def _stretch(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """u^T W v."""
    with torch.autocast(weight.device.type, enabled=False):
        return torch.dot(u, torch.mv(_matrix(weight), v))


def _renew(weight: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """One power iteration, in place: u <- W v / |W v|, v <- W^T u / |W^T u|.

    It begins with v, as torch's own does. What is returned are new tensors, which nobody writes to: two forwards may
    come before one backward.
    """
    (new_v,), (new_u,) = _iterate([_matrix(weight).t()], [v])
    u.copy_(new_u)
    v.copy_(new_v)
    return new_u, new_v


class _Renew(torch.autograd.Function):
    """:func:`_renew` for autograd, which shows it u and v themselves under every transform of ``torch.func``.

    (These refuse operations that write to a tensor which the transformed function has captured.)
    """

    @staticmethod
    def forward(weight: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        return _renew(weight, u, v)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None, None]:
        return None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> tuple[None, None]:
        return None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *tensors: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[int, int]]:
        """Of stacked networks, each with weights and vectors of its own."""
        if None in in_dims:
            raise ValueError("spectral norm: stack u and v with the weights (torch.func.stack_module_state does)")
        stacked = zip(*(t.unbind(dim or 0) for t, dim in zip(tensors, in_dims, strict=True)), strict=True)
        us, vs = zip(*(_Renew.apply(*one) for one in stacked), strict=True)  # type: ignore[no-untyped-call]
        return (torch.stack(us), torch.stack(vs)), (0, 0)


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
        return _look_up
    if isinstance(joined := getattr(layer, "operation", None), FunctionType):  # with the resampling beside it
        return joined
    return partial(F.conv2d, stride=layer.stride, padding=layer.padding, dilation=layer.dilation, groups=layer.groups)


def _look_up(y: Tensor, table: Tensor, bias: Tensor | None) -> Tensor:
    return rows(table, y)
