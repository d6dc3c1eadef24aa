"""What autograd keeps per image, by system, size and width, to make ``results/memory.md``; computes nothing.

All tensors are fake: shapes, types and what is saved are those of real ones, and there are no numbers in them. So the
widest network of 256 pixels takes seconds on any machine. Kernels are a CPU's.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree

from zerosum import registry
from zerosum.core.game import Nets, gradient, start
from zerosum.data.base import Data

MIB = 2**20
BATCH = 13  # a prime that is no factor of any layer's width
SCRATCH = Path("runs/results/memory")
SIZES = (32, 64, 128, 256)
SMALL_SIZES = (128,)  # at which the small widths are measured too
LABELLED = ("biggan", "biggan-deep", "sagan")  # recipes that need classes; these have two here
RECOMPUTES = "recompute"  # the argument of recipes that can
HEAD = """# Memory per image

What autograd keeps for the backward pass in one player's turn, when it is most, in MiB for each real image of the batch
(what does not grow with the batch is left out).
`a, b`: as usual, and with `--recompute`. The critic's turn runs the critic on real and on generated images; SNGAN's
generator turn has two latents for each real image. `state`, in MiB, whatever the batch: weights, moments of Adam,
averages, buffers, and the gradients of the greater turn. Two classes where there are labels.

A batch takes about `state + images x the greater of both turns`. On top comes what passes by while a layer computes
(gradients between layers, workspace), which is not counted. `--accumulate` cuts the batch in parts. Kernels are a
CPU's: attention keeps its matrix of positions, which some kernels of a GPU do not.

Command: `python tools/memory_table.py`. All tensors are fake (shapes alone); torch {torch}.

| system | pixels | width | parameters | state | critic, float32 | critic, bf16 | generator, float32 | generator, bf16 |
|---|---|---|---|---|---|---|---|---|
"""


class System(NamedTuple):
    """A recipe at its published width and at a small one."""

    recipe: str
    sizes: tuple[int, ...]
    small: Mapping[str, Any]


SYSTEMS = {
    "DCGAN": System("dcgan", (32, 64, 128, 256), {"width": 32}),
    "SNGAN": System("sngan", (32, 64, 128), {"g_width": 16, "d_width": 16}),
    "SAGAN": System("sagan", (32, 64, 128), {"g_width": 16, "d_width": 16}),
    "BigGAN": System("biggan", (32, 64, 128, 256), {"width": 16}),
    "BigGAN-deep": System("biggan-deep", (32, 64, 128, 256), {"width": 16}),
}


class Kept:
    """What autograd keeps while :meth:`watching`, in bytes, each storage once: ``now``, and the ``most`` so far."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.holders: dict[int, int] = {}  # how many hold each storage

    @contextmanager
    def watching(self) -> Iterator[Kept]:
        """Count what grows with the batch in this block: what divides by so odd a number of samples."""
        with torch.autograd.graph.saved_tensors_hooks(lambda t: _Holder(self, t), lambda holder: holder.tensor):
            yield self


class _Holder:
    """A tensor that autograd keeps; it tells when it is let go."""

    def __init__(self, kept: Kept, tensor: Tensor) -> None:
        self.kept, self.tensor = kept, tensor
        storage = tensor.untyped_storage()
        self.key, self.size = storage._cdata, storage.nbytes() if storage.nbytes() % BATCH == 0 else 0
        self._count(1)

    def __del__(self) -> None:
        self._count(-1)

    def _count(self, change: int) -> None:
        kept, before = self.kept, self.kept.holders.get(self.key, 0)
        kept.holders[self.key] = before + change
        kept.now += self.size * (bool(before + change) - bool(before))
        kept.most = max(kept.most, kept.now)


class Case:
    """A system to measure: its game and state, with fake tensors."""

    def __init__(self, recipe: str, arguments: Mapping[str, Any], size: int) -> None:
        known = registry.arguments(recipe)
        classes = ("a", "b") if recipe in LABELLED else ()
        data = Data("shapes", (3, size, size), classes, None, "", ())
        self.mode, self.recomputes = FakeTensorMode(), bool(arguments.get(RECOMPUTES))
        with self.mode:
            self.recipe = registry.find(recipe)(data, **{k: v for k, v in arguments.items() if k in known})
            self.game = self.recipe.phases[0].game
            self.state = start(self.game)
            self.batch = self._batch(BATCH, size, labelled=bool(classes))

    def _batch(self, count: int, size: int, *, labelled: bool) -> Any:
        x = torch.empty(count, 3, size, size).contiguous(memory_format=torch.channels_last)
        return self.recipe.draw(x, torch.zeros(count, dtype=torch.int64) if labelled else None, torch.Generator())

    def kept(self, who: str, dtype: torch.dtype | None) -> int:
        """Bytes that autograd keeps per image, at most, in the turn of player ``who``, under autocast to ``dtype``."""
        kept = Kept()
        with self.mode, kept.watching():
            (self._turn if self.recomputes else self._forward)(who, dtype, self.batch)
        return kept.most // BATCH

    def _turn(self, who: str, dtype: torch.dtype | None, batch: Any) -> None:
        gradient(replace(self.game, autocast=dtype), who, self.state, batch, differentiable=False)

    def _forward(self, who: str, dtype: torch.dtype | None, batch: Any) -> None:
        """The same up to the backward pass, in which less and less is kept unless something is recomputed."""
        player, weights = self.game.players[who], dict(self.state.weights)
        for name in player.owns:
            weights[name] = {k: w.detach().requires_grad_() for k, w in weights[name].items()}
        nets = Nets(self.game, self.state._replace(weights=weights), batch)
        with torch.autocast("cpu", dtype, enabled=dtype is not None, cache_enabled=False):
            player.loss(nets, batch, self.state.memory)

    @property
    def parameters(self) -> dict[str, int]:
        """Trainable parameters by network."""
        return {name: sum(w.numel() for w in weights.values()) for name, weights in self.state.weights.items()}

    @property
    def held(self) -> int:
        """Bytes of the training state, with the gradients of the greater turn."""
        state = sum(t.nbytes for t in pytree.tree_leaves(self.state) if isinstance(t, Tensor))
        return state + 4 * max(sum(self.parameters[n] for n in p.owns) for p in self.game.players.values())


def row(name: str, size: int, width: str, arguments: Mapping[str, Any]) -> str:
    """A line of the table."""
    recipe = SYSTEMS[name].recipe
    ways = [False, True] if RECOMPUTES in registry.arguments(recipe) else [False]
    cases = [Case(recipe, {**arguments, RECOMPUTES: way}, size) for way in ways]
    turns = [(who, dtype) for who in ("D", "G") for dtype in (None, torch.bfloat16)]
    cells = [", ".join(f"{case.kept(*turn) / MIB:.3g}" for case in cases) for turn in turns]
    first = [name, str(size), width, f"{sum(cases[0].parameters.values()):,}", f"{cases[0].held / MIB:,.0f}"]
    return "| " + " | ".join(first + cells) + " |"


def rows(names: Sequence[str], sizes: Sequence[int]) -> Iterator[str]:
    """The table's lines; those measured before are kept in a folder."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    for name in names:
        system = SYSTEMS[name]
        for size in sorted(set(system.sizes) & set(sizes)):
            for width, arguments in (("published", {}), (str(next(iter(system.small.values()))), system.small)):
                if width != "published" and size not in SMALL_SIZES:
                    continue
                file = SCRATCH / f"{name}-{size}-{width}.txt"
                if not file.exists():
                    file.write_text(row(name, size, width, arguments))
                yield file.read_text()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"of {', '.join(SYSTEMS)}; none: all, and write")
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    asked = parser.parse_args()
    lines = []
    for line in rows(asked.systems or list(SYSTEMS), asked.sizes):
        print(line, flush=True)
        lines.append(line)
    if not asked.systems:
        Path("results/memory.md").write_text(HEAD.format(torch=torch.__version__) + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
