"""Train, resume and load runs: what the command line calls, and what Python users call."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zerosum import __version__
from zerosum import recipe as recipes
from zerosum.core import checkpoint, parallel
from zerosum.data import load as load_data
from zerosum.data.base import Data
from zerosum.recipe import UsageError
from zerosum.runs.folder import RunFolder
from zerosum.runs.log import display_for
from zerosum.runs.loop import Outcome, Run, Stop, begin, phase_of, sampler_of
from zerosum.runs.sampler import Sampler
from zerosum.runs.scoring import check
from zerosum.runs.settings import SAFE, Settings
from zerosum.runs.setup import Setup, build

SAFE_ARGUMENTS = frozenset({"steps"})  # recipe arguments that a resumed run may change, on request


@dataclass(frozen=True)
class Trained:
    """A run that was trained: where it is, and how it ended."""

    folder: RunFolder
    setup: Setup
    outcome: Outcome


def train(
    recipe: str, settings: Settings | None = None, *, progress: bool = False, stop: Stop | None = None, **arguments: Any
) -> Trained:
    """Train a recipe in a new folder.

    Args:
        recipe: its name; ``zerosum recipes`` lists them.
        settings: data, folder, seed, precision and so on.
        progress: show a progress bar on stderr.
        stop: set it from elsewhere to end the run early, saved.
        arguments: the recipe's own, such as ``width=32``.

    Raises:
        UsageError: something asked for does not exist or cannot be done.
        DataError: the data cannot be had.
        NonFiniteLoss: a loss became nan; earlier checkpoints are kept.
    """
    setup = build(recipe, arguments, settings or Settings(), progress=progress and parallel.rank() == 0)
    check(setup)
    if parallel.rank() == 0:
        folder = RunFolder.create(setup.settings.out, recipe, setup.settings.data)
        folder.write_record(record_of(setup))
    parallel.wait()
    if parallel.rank() != 0:
        folder = RunFolder(setup.settings.out or "")
    return _play(setup, folder, progress=progress, stop=stop, resumed=False)


def resume(
    path: Path | str,
    changes: Mapping[str, Any] | None = None,
    *,
    override: bool = False,
    progress: bool = False,
    stop: Stop | None = None,
) -> Trained:
    """Go on with a run from its newest checkpoint: on the CPU, bit for bit as if it had never stopped.

    Args:
        path: the run's folder.
        changes: settings and arguments that should differ from the recorded ones.
        override: accept those changes that do not alter what was already learnt.
        progress: show a progress bar on stderr.
        stop: set it from elsewhere to end the run early, saved.

    Raises:
        UsageError: no run, or changes that are not allowed (the message shows them).
        CheckpointError: the checkpoint cannot be read.
    """
    folder = RunFolder(path)
    record = folder.record()
    setup = reopen(record, changes or {}, override=override, progress=progress)
    if setup.data.fingerprint != record["data"]["fingerprint"]:
        raise UsageError(
            f"{setup.settings.data} is not what {path} was trained on: its content has changed since "
            f"(fingerprint {setup.data.fingerprint[:12]}, recorded {record['data']['fingerprint'][:12]})"
        )
    check(setup)
    if changes and parallel.rank() == 0:
        folder.write_record({**record, **_choices(setup)})
    return _play(setup, folder, progress=progress, stop=stop, resumed=True)


def _play(setup: Setup, folder: RunFolder, *, progress: bool, stop: Stop | None, resumed: bool) -> Trained:
    from zerosum.runs.report import write_report

    display = display_for(setup.recipe.steps, shown=progress and parallel.rank() == 0)
    run = Run(setup, folder, display, stop or Stop())
    if resumed:
        run.restore()
    if parallel.rank() != 0:
        return Trained(folder, setup, run.play())
    with folder.locked():
        try:
            outcome = run.play()
        finally:
            write_report(folder)
    return Trained(folder, setup, outcome)


def reopen(
    record: Mapping[str, Any],
    changes: Mapping[str, Any],
    *,
    override: bool = False,
    progress: bool = False,
    stand_in: Data | None = None,
) -> Setup:
    """The setup that a record describes, with allowed changes; ``stand_in`` as in :func:`build`.

    Raises:
        UsageError: changes that are refused, with both values of each.
    """
    settings = Settings(**record["settings"])
    # Arguments that the recipe did not have yet when the run was started: their defaults are what it did.
    new = {k: p.default for k, p in recipes.arguments(str(record["recipe"])).items()}
    arguments = new | record["arguments"]
    known = asdict(settings)
    current = known | arguments
    differing = {k: v for k, v in changes.items() if current.get(k) != v}
    safe = {k for k in differing if k in SAFE or k in SAFE_ARGUMENTS}
    refused = differing if not override else {k: v for k, v in differing.items() if k not in safe}
    if refused:
        listed = "; ".join(f"{k}: recorded {current.get(k)!r}, now {v!r}" for k, v in sorted(refused.items()))
        hint = " Add --override to accept it." if set(refused) <= safe else " A run keeps these; start a new one."
        raise UsageError(f"the run was started with other arguments: {listed}.{hint}")
    arguments |= {k: v for k, v in differing.items() if k in arguments}
    settings = replace(settings, **{k: v for k, v in differing.items() if k in known})
    return build(str(record["recipe"]), arguments, settings, progress=progress, stand_in=stand_in)


def load(path: Path | str, *, best: bool = False, device: str = "cpu") -> Sampler:
    """The generator of a run, ready to sample from: ``load("runs/x").with_seed(1)(0, 64)``.

    Args:
        path: the run's folder.
        best: the checkpoint with the best score instead of the newest.
        device: where to compute.

    Raises:
        UsageError: this is no run.
        CheckpointError: it has no readable checkpoint.
    """
    return open_run(path, best=best, device=device)[1]


def open_run(
    path: Path | str, *, best: bool = False, device: str = "cpu", real: bool = False
) -> tuple[Setup, Sampler, int]:
    """A run's setup, its generator, and after how many iterations.

    Args:
        path: the run's folder.
        best: the checkpoint with the best score instead of the newest.
        device: where to compute.
        real: load the real data too; images that are gone matter only then.

    Raises:
        UsageError: this is no run, or no checkpoint was scored and ``best`` is asked for.
        CheckpointError: it has no readable checkpoint.
    """
    folder = RunFolder(path)
    record = folder.record()
    record["settings"] = {**record["settings"], "device": device}
    setup = reopen(record, {}, stand_in=None if real else _stand_in(record["data"], record["settings"]["size"]))
    chosen = folder.best() if best else folder.latest()
    if chosen is None:
        raise UsageError(f"{path}: no checkpoint was scored along the way (--eval-every), so none is the best")
    step = int(checkpoint.load_meta(chosen)["step"])
    index, _ = phase_of(setup, step)
    state, _ = folder.load(begin(setup, setup.recipe.phases[index].game), chosen)
    return setup, sampler_of(setup, state, index), step


def record_of(setup: Setup) -> dict[str, Any]:
    """What ``run.json`` says of a run."""
    data = setup.data
    return {
        **_choices(setup),
        "paper": recipes.describe(setup.name).split("\n\n")[0],
        "data": {
            "name": data.name,
            "shape": data.shape,
            "classes": data.classes,
            "count": data.count,
            "fingerprint": data.fingerprint,
        },
        "command": shlex.join(["zerosum", *sys.argv[1:]]),
        "machine": {
            "device": torch.cuda.get_device_name(setup.device) if setup.device.type == "cuda" else platform.machine(),
            "threads": torch.get_num_threads(),
            "processes": parallel.world(),
            "precision": "bf16" if setup.autocast else "float32",
            "compiled": setup.backend is not None,
        },
        "versions": {"zerosum": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }


def _choices(setup: Setup) -> dict[str, Any]:
    # What `auto` was decided to be is recorded: another machine must not decide otherwise in the middle of a run.
    decided = {"precision": "bf16" if setup.autocast else "float32", "compile": "on" if setup.backend else "off"}
    settings = asdict(setup.settings) | decided
    return {"recipe": setup.name, "arguments": setup.arguments, "settings": settings}


@dataclass(frozen=True)
class Recorded(Data):
    """Data of a recorded shape, read only when a batch is asked for: by priors that draw real images to complete.

    Attributes:
        size: pixels a side, as the run was told.
    """

    size: int | None

    @cached_property
    def content(self) -> Data:
        """The data themselves."""
        found = load_data(self.name, size=self.size, progress=False)
        if found.fingerprint != self.fingerprint:
            raise UsageError(f"{self.name} is not what the run was trained on: its content has changed since")
        return found

    def batch(
        self, k: int, size: int, *, seed: int, rank: int = 0, world: int = 1, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor | None]:
        """Batch ``k`` of the data themselves."""
        return self.content.batch(k, size, seed=seed, rank=rank, world=world, device=device)


def _stand_in(data: Mapping[str, Any], size: int | None) -> Data | None:
    """Data of the recorded shape, content aside; ``None`` for points, which are made rather than kept."""
    if len(data["shape"]) == 1:
        return None
    known = (data["name"], tuple(data["shape"]), tuple(data["classes"]), data["count"], data["fingerprint"], ())
    return Recorded(*known, size=size)
