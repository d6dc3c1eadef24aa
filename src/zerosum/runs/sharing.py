"""How a batch is shared out among processes and parts, and whether each part is large enough for what compares samples.

Packing, the pulling-away term, minibatch discrimination and batch normalisation of vectors see the samples of one part,
and no others: they need several. (Batch normalisation of feature maps can do with one sample, by its pixels.) Of a part
that is too small a run would end in the middle, with its folder already made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from zerosum.core import parallel
from zerosum.core.game import Game, Nets, start
from zerosum.data.base import Data
from zerosum.errors import UsageError
from zerosum.networks.layers import BatchNorm
from zerosum.systems import Coupling, Recipe


def check_sharing(name: str, recipe: Recipe, accumulate: int, data: Data) -> None:
    """Refuse a batch that cannot be shared out equally, or whose parts are too small.

    Args:
        name: Name of the recipe.
        recipe: What it returned.
        accumulate: Number of parts into which the batch of each process is divided.
        data: The data that it was called with: of the shape and classes of their samples.

    Raises:
        UsageError: The batch does not fit; the message names sizes and numbers of parts that do.
    """
    world = parallel.world()
    batch, shares = recipe.batch_size, world * accumulate
    needs = (*recipe.coupled, *(_norms(recipe, data) if batch <= shares else ()))
    where = f"{accumulate} part(s)" if world == 1 else f"{accumulate} part(s) on each of {world} processes"
    if batch % shares:
        raise UsageError(
            f"batch_size={batch}: recipe {name!r} cannot share it equally among {where}: "
            + _instead(batch, world, accumulate, needs),
            argument="batch_size",
        )
    part = batch // shares
    for need in needs:
        if not _fits(part, [need]):
            wants = f"a multiple of {need.multiple}" if need.multiple > 1 else f"at least {need.least}"
            raise UsageError(
                f"batch_size={batch}: recipe {name!r} shares it out among {where} of {part} sample(s), and {need.what} "
                f"needs {wants} in each: {_instead(batch, world, accumulate, needs)}",
                argument="batch_size",
            )


def _norms(recipe: Recipe, data: Data) -> list[Coupling]:
    """Batch normalisation that has one value per channel of one sample, and so no variance; in training alone."""
    found = []
    for game in (phase.game for phase in recipe.phases):
        if any(map(_norms_batches, _layers(game))):
            with torch.random.fork_rng(devices=[]):
                found += [_lone(game, recipe, data)]
    return [Coupling(f"batch norm in network {net!r}", least=2) for net in dict.fromkeys(filter(None, found))]


def _layers(game: Game) -> Iterator[nn.Module]:
    return (layer for net in game.nets.values() for layer in net.modules())


def _norms_batches(layer: nn.Module) -> bool:
    """Whether a layer takes mean and variance of the batch that it is called with."""
    if isinstance(layer, BatchNorm):
        return layer.training
    return isinstance(layer, _BatchNorm) and (layer.training or layer.running_mean is None)


def _lone(game: Game, recipe: Recipe, data: Data) -> str | None:
    """The network whose batch norm cannot take one sample, found by computing every loss of one; or ``None``."""
    x, y = torch.zeros(1, *data.shape), torch.zeros(1, dtype=torch.int64) if data.classes else None
    state = start(game)
    for player in game.players.values():
        try:
            with _watched(game):
                batch = recipe.draw(x, y, torch.Generator().manual_seed(0))
                player.loss(Nets(game, state, batch), batch, state.memory)
        except _LoneValueError as lone:
            return lone.net
        except Exception:
            continue  # the training will say it, with whose fault it is
    return None


class _LoneValueError(Exception):
    def __init__(self, net: str) -> None:
        self.net = net


@contextmanager
def _watched(game: Game) -> Iterator[None]:
    """Meanwhile batch norm that sees one value per channel raises :class:`_LoneValueError`."""
    with ExitStack() as stack:
        for name, net in game.nets.items():
            for layer in filter(_norms_batches, net.modules()):
                hook = layer.register_forward_pre_hook(lambda layer, args, name=name: _look(layer, args[0], name))
                stack.callback(hook.remove)
        yield


def _look(layer: nn.Module, x: torch.Tensor, net: str) -> None:
    ranks = parallel.world() if getattr(layer, "across_ranks", isinstance(layer, nn.SyncBatchNorm)) else 1
    if x.numel() // x.shape[1] * ranks < 2:
        raise _LoneValueError(net)


def _fits(part: int, needs: Sequence[Coupling]) -> bool:
    return part >= 1 and all(part >= need.least and part % need.multiple == 0 for need in needs)


def _instead(batch: int, world: int, accumulate: int, needs: Sequence[Coupling]) -> str:
    """What would fit: the next larger batch, or fewer parts of this one."""
    unit = math.lcm(*(need.multiple for need in needs))
    least = max((need.least for need in needs), default=1)
    each = math.ceil(max(least, batch / (world * accumulate)) / unit) * unit
    fewer = [a for a in range(accumulate - 1, 0, -1) if batch % (world * a) == 0 and _fits(batch // world // a, needs)]
    return f"use batch_size={each * world * accumulate}" + (f", or accumulate={fewer[0]}" if fewer else "")
