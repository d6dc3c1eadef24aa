"""zerosum: train, evaluate, explain and compare generative adversarial networks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zerosum._version import __version__

if TYPE_CHECKING:
    from zerosum.runs.api import load, resume, train
    from zerosum.runs.settings import Settings

__all__ = ["Settings", "__version__", "load", "resume", "train"]

_HOME = {"train": "runs.api", "resume": "runs.api", "load": "runs.api", "Settings": "runs.settings"}


def __getattr__(name: str) -> Any:
    # Loaded on first use: importing zerosum must not cost more than importing torch, nor --help wait for it.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"zerosum.{_HOME[name]}"), name)
