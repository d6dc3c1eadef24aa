"""``zerosum train RECIPE [DATA]``."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerosum import own, registry
from zerosum.cli.layout import beside
from zerosum.errors import UsageError

if TYPE_CHECKING:
    from zerosum.cli.config import Config
    from zerosum.pages import Page
    from zerosum.runs.loop import Stop
    from zerosum.runs.run import Run

VERB = ("train a recipe on data", 10)  # what it does, and its place in the list

HELP = """usage: zerosum train RECIPE [DATA] [OPTIONS]
       zerosum train --config FILE [OPTIONS]

Train a recipe on data in a new folder below runs/ (or in --out). DATA is a source (`zerosum data` lists them) or the
path of a folder, .zip or .npz. RECIPE is one of these, the path of a Python file (FILE.py or FILE.py:FUNCTION), or
MODULE:FUNCTION:

{recipes}

`zerosum train RECIPE --help` shows the options of a recipe, with the values of its paper. To train on several GPUs:
`torchrun --nproc-per-node N -m zerosum train RECIPE ...`.
"""


@dataclass(frozen=True)
class CommandOptions:
    """What else the command takes.

    Attributes:
        config: File of options: the run.json of a run, or YAML, TOML or JSON. Options of the command
            line take precedence over it.
        dry_run: Whether only to say what would be trained, and to measure a few steps; nothing is written.
        seeds: Seeds to train with one after the other, such as 0-4 or 0,7,9, each in a folder of its own below --out.
            The same command again goes on where it was stopped.
    """

    config: str | None = None
    dry_run: bool = False
    seeds: str | None = None


def run(argv: list[str]) -> int:
    """Train a recipe."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP.format(recipes=listing()), end="")
        return 0 if argv else 2
    page, words, config = _understand(argv)
    from zerosum.cli import arguments
    from zerosum.core import parallel

    options = arguments.parse(page, words, f"zerosum train {page.name}", config=config, more=CommandOptions)
    command = CommandOptions(**{name: options.pop(name) for name in vars(CommandOptions())})
    if command.dry_run:
        return _describe(page, options)
    from zerosum.runs.interrupt import interruptible

    parallel.join()
    try:
        with interruptible(signal.SIGINT, signal.SIGTERM) as stop:
            if command.seeds is not None:
                from zerosum.cli.seeds import train_seeds

                return train_seeds(page, options, command.seeds, stop)
            from zerosum.runs import api

            return finish(api.train(page, stop=stop, **options), stop)
    finally:
        parallel.leave()


def _understand(argv: list[str]) -> tuple[Page, list[str], Config | None]:
    """The recipe that words ask for, the words that remain for its options, and the file of options."""
    from zerosum.cli.config import read_config

    path = None
    for i, word in enumerate(argv):
        if word == "--config" and i + 1 < len(argv):
            path = argv[i + 1]
        elif word.startswith("--config="):
            path = word.partition("=")[2]
    config = None if path is None else read_config(Path(path).expanduser())
    name, rest = (argv[0], argv[1:]) if not argv[0].startswith("-") else (None, argv)
    recipe = name if name is not None else config.recipe if config is not None else None
    if recipe is None:
        raise UsageError(f"the recipe comes first: zerosum train RECIPE {argv[0]} ... ({', '.join(registry.names())})")
    if rest and not rest[0].startswith("-"):
        rest = ["--data", *rest]
    return registry.page(recipe), rest, config


def listing() -> str:
    """Every recipe with the first line of its page."""
    lines = {name: registry.describe(name).split("\n\n")[0].replace("\n", " ") for name in registry.names()}
    lines |= {name: f"of {own.package_of(points[0])}" for name, points in own.installed().items()}
    return beside(lines, "  ")


def _describe(page: Page, options: Mapping[str, Any]) -> int:
    """Say what would be trained, and what it would take."""
    from zerosum.cli.layout import align
    from zerosum.folder import RunFolder
    from zerosum.runs import estimate
    from zerosum.runs.api import setup_of

    setup = setup_of(page, options)
    cost = estimate.measure(setup)
    kept = setup.settings.keep + 1 if setup.settings.keep else 10
    weights = ", ".join(f"{name} {count:,} weights" for name, count in estimate.parameters(setup).items())
    place = setup.settings.out or RunFolder.free_path(page.name, setup.settings.data)
    checkpoint = estimate.checkpoint_bytes(setup)
    rows = [
        ("recipe", page.text.split("\n\n")[0].replace("\n", " ")),
        ("data", f"{setup.data.name}: {_data_of(setup.data)}"),
        ("networks", weights),
        ("computes", f"on {setup.device}, in {'bf16' if setup.autocast else 'float32'}"),
        ("memory", f"{cost.memory_mib:,.0f} MiB beside that of the data, measured on a few steps"),
        ("time", estimate.forecast_for(setup, cost.seconds)),
        (
            "disk",
            f"{estimate.size(checkpoint)} a checkpoint, {estimate.size(kept * checkpoint)} for those that are kept",
        ),
        ("folder", f"{place} (not made: this is a dry run)"),
    ]
    print("\n".join(align(rows)))
    return 0


def _data_of(data: Any) -> str:
    count = "points without limit" if data.count is None else f"{data.count:,} samples"
    shape = " x ".join(map(str, data.shape))
    classes = f", {len(data.classes)} classes" if data.classes else ""
    return f"{count} of {shape}{classes}"


def finish(trained: Run, stop: Stop) -> int:
    """Say where everything is, and what can be done next."""
    from zerosum.core import parallel

    if parallel.rank() != 0:
        return 0
    where, outcome = shlex.quote(str(trained.path)), trained.outcome
    assert outcome is not None  # this process has trained it
    if stop.asked:
        steps = f"{outcome.step:,} step{'s' * (outcome.step != 1)}"
        print(f"stopped after {steps}, saved. To continue: zerosum resume {where}")
        return 130
    for score in outcome.scores:
        print(score.short())
    pictures = sorted(trained.folder.samples.glob("*.png"))
    print(f"\nrun      {where}\nsamples  {pictures[-1] if pictures else 'none'}\nreport   {trained.folder.report}")
    total = trained.setup.recipe.steps
    print(f"\nnext:\n  zerosum sample {where} --count 64\n  zerosum interpolate {where}")
    if outcome.finished:
        print(f"  zerosum resume {where} --steps {2 * total}")
    else:
        print(f"  zerosum resume {where}    # goes on to step {total:,}")
    return 0
