"""zerosum: train, evaluate, explain and compare generative adversarial networks.

What is done to runs: :func:`train`, :func:`resume`, :func:`load`, :func:`evaluate`, :func:`compare`. What a recipe of
one's own is built from: :func:`recipe`, :func:`two_player`, :func:`system`, :class:`Game`, :class:`Player`,
:func:`adam`, :func:`normal`, and the namespaces ``objectives``, ``penalties``, ``constraints``, ``networks``,
``conditioning``, ``latent``, ``data``, ``metrics``, ``theory``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zerosum._version import __version__

if TYPE_CHECKING:
    from zerosum import conditioning, constraints, data, latent, metrics, networks, objectives, penalties, theory
    from zerosum.core.dynamics import alternating, consensus, extragradient, optimistic, simultaneous
    from zerosum.core.ema import Average, warmed_up
    from zerosum.core.game import Game, Memory, Nets, Player, Terms
    from zerosum.core.optim import Optimizer, adam, adamw, cosine, linear_decay, rmsprop, sgd
    from zerosum.errors import (
        CheckpointError,
        DataError,
        NonFiniteLoss,
        UnknownData,
        UsageError,
        ZerosumError,
    )
    from zerosum.latent.priors import each, labels, normal, per_sample, uniform
    from zerosum.metrics.score import Score
    from zerosum.own import recipe
    from zerosum.registry import names as recipe_names
    from zerosum.runs.api import load, resume, train
    from zerosum.runs.comparison import compare
    from zerosum.runs.evaluation import PartlyScored, evaluate
    from zerosum.runs.run import Run
    from zerosum.runs.settings import Settings
    from zerosum.systems import Batch, Phase, Recipe, batch, labelled_shape, system, two_player

# Name -> module that it is loaded from on first use: importing zerosum must not cost more than importing torch, nor
# `zerosum --help` wait for torch.
_HOMES = {
    "runs.api": ("load", "resume", "train"),
    "runs.evaluation": ("PartlyScored", "evaluate"),
    "runs.comparison": ("compare",),
    "runs.run": ("Run",),
    "runs.settings": ("Settings",),
    "own": ("recipe",),
    "registry": ("recipe_names",),
    "systems": ("Batch", "Phase", "Recipe", "batch", "labelled_shape", "system", "two_player"),
    "core.game": ("Game", "Memory", "Nets", "Player", "Terms"),
    "core.ema": ("Average", "warmed_up"),
    "core.optim": ("Optimizer", "adam", "adamw", "cosine", "linear_decay", "rmsprop", "sgd"),
    "core.dynamics": ("alternating", "consensus", "extragradient", "optimistic", "simultaneous"),
    "latent.priors": ("each", "labels", "normal", "per_sample", "uniform"),
    "metrics.score": ("Score",),
    "errors": ("CheckpointError", "DataError", "NonFiniteLoss", "UnknownData", "UsageError", "ZerosumError"),
}
_SPACES = (
    "conditioning", "constraints", "data", "latent", "metrics", "networks", "objectives", "penalties", "theory",
)  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_RENAMED = {"recipe_names": "names"}

__all__ = [
    "Average", "Batch", "CheckpointError", "DataError", "Game", "Memory", "Nets", "NonFiniteLoss", "Optimizer",
    "PartlyScored", "Phase", "Player", "Recipe", "Run", "Score", "Settings", "Terms", "UnknownData", "UsageError",
    "ZerosumError",
    "__version__", "adam", "adamw", "alternating", "batch", "compare", "conditioning", "consensus", "constraints",
    "cosine", "data", "each", "evaluate", "extragradient", "labelled_shape", "labels", "latent", "linear_decay",
    "load", "metrics", "networks", "normal", "objectives", "optimistic", "penalties", "per_sample", "recipe",
    "recipe_names", "resume", "rmsprop", "sgd", "simultaneous", "system", "theory", "train", "two_player", "uniform",
    "warmed_up",
]  # fmt: skip


if not TYPE_CHECKING:  # for checkers of types the names above are all that there are

    def __getattr__(name: str) -> Any:
        if name in _SPACES:
            return import_module(f"zerosum.{name}")
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"zerosum.{_HOME[name]}"), _RENAMED.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
