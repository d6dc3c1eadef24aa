"""``zerosum train RECIPE``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zerosum import registry
from zerosum.errors import UsageError

if TYPE_CHECKING:
    from zerosum.runs.api import TrainedRun
    from zerosum.runs.loop import Stop

VERB = ("train a recipe on data", 10)  # what it does, and its place in the list

HELP = """usage: zerosum train RECIPE [--data SOURCE] [--steps N] [OPTIONS]

Train a recipe in a new folder below runs/ (or in --out). Recipes:

{recipes}

`zerosum train RECIPE --help` shows the options of a recipe, with the values of its paper. To train on several GPUs:
`torchrun --nproc-per-node N -m zerosum train RECIPE ...`.
"""


def run(argv: list[str]) -> int:
    """Train a recipe."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP.format(recipes=listing()), end="")
        return 0 if argv else 2
    name, *rest = argv
    if name.startswith("-"):
        raise UsageError(f"the recipe comes first: zerosum train RECIPE {name} ... ({', '.join(registry.names())})")
    registry.find(name)
    from zerosum.cli import arguments
    from zerosum.core import parallel
    from zerosum.runs import api

    own, settings = arguments.split(name, arguments.parse(name, rest, f"zerosum train {name}"))
    parallel.join()
    try:
        with interruptible() as stop:
            trained = api.train(name, settings, progress=True, stop=stop, **own)
            return finish(trained, stop)
    finally:
        parallel.leave()


def listing() -> str:
    """Every recipe with the first line of its page."""
    lines = {name: registry.describe(name).split("\n\n")[0].replace("\n", " ") for name in registry.names()}
    return "\n".join(f"  {name:<14} {line}" for name, line in lines.items())


def finish(trained: TrainedRun, stop: Stop) -> int:
    """Say where everything is, and what can be done next."""
    from zerosum.core import parallel

    if parallel.rank() != 0:
        return 0
    where, outcome = trained.folder.path, trained.outcome
    if stop.asked:
        print(f"stopped after {outcome.step:,} steps, saved. To continue: zerosum resume {where}")
        return 130
    for score in outcome.scores:
        print(score.short())
    pictures = sorted(trained.folder.samples.glob("*.png"))
    print(f"\nrun      {where}\nsamples  {pictures[-1] if pictures else 'none'}\nreport   {trained.folder.report}")
    print(f"\nnext:\n  zerosum sample {where} --count 64\n  zerosum interpolate {where}")
    print(f"  zerosum resume {where} --steps {2 * trained.setup.recipe.steps} --override")
    return 0


@contextmanager
def interruptible() -> Iterator[Stop]:
    """Let the first Ctrl-C (or SIGTERM) end the run after its current iteration, and a second one end it at once."""
    from zerosum.runs.loop import Stop

    stop = Stop()

    def ask(number: int, frame: object) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        print("\nstopping after this step, and saving; press again to stop at once", file=sys.stderr, flush=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
