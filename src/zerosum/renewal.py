"""Who renews what a layer keeps of its weights, such as the singular vectors of spectral normalisation.

In a plain loop the layer does, once per forward while training. Where the caller does, once per update
(``Game.project``), a forward must leave it alone, and this is how the caller says so.
"""

from __future__ import annotations

import threading
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call


class _Caller(threading.local):
    """What the code that now calls layers, in this thread, has said."""

    def __init__(self) -> None:
        self.renews = False


_CALLER = _Caller()


def caller_renews() -> bool:
    """Whether layers are now called by someone who renews what they keep, so that they must not."""
    return _CALLER.renews


class Renewal:
    """In the body of the ``with`` statement, either the caller renews or the layers do.

    Args:
        by_caller: Whether the caller does.
    """

    def __init__(self, *, by_caller: bool) -> None:
        self._renews = by_caller

    def __enter__(self) -> None:
        """Say so, and remember what was said before."""
        self._before, _CALLER.renews = _CALLER.renews, self._renews

    def __exit__(self, *_: object) -> None:
        """Say again what was said before."""
        _CALLER.renews = self._before


def call_held(module: nn.Module, tensors: dict[str, Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``functional_call`` of a module whose layers renew nothing: a function of ``tensors`` and of its arguments.

    Args:
        module: Module that is called.
        tensors: Weights and buffers by name, in place of its own; batch-norm statistics are still written to.
        args: Positional arguments.
        kwargs: Arguments by name.
    """
    with Renewal(by_caller=True):
        return functional_call(module, tensors, args, kwargs)
