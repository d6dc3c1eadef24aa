"""Train, resume and load runs: what the command line and Python users call."""

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

from zerosum import __version__, registry
from zerosum.core import checkpoint, parallel
from zerosum.data import load as load_data
from zerosum.data.base import Data
from zerosum.errors import UsageError
from zerosum.folder import RunFolder
from zerosum.runs import earlier
from zerosum.runs.log import display_for
from zerosum.runs.loop import Outcome, Stop, Training
from zerosum.runs.phases import begin, game_at, sampler_at
from zerosum.runs.sampler import Sampler
from zerosum.runs.scoring import check
from zerosum.runs.settings import SAFE, Settings
from zerosum.runs.setup import Setup, build

SAFE_ARGUMENTS = frozenset({"steps"})  # recipe arguments that a resumed run may change, on request


@dataclass(frozen=True)
class TrainedRun:
    """A run that was trained.

    Attributes:
        folder: Folder of the run.
        setup: What was trained.
        outcome: How the run ended.
    """

    folder: RunFolder
    setup: Setup
    outcome: Outcome


def train(
    recipe: str, settings: Settings | None = None, *, progress: bool = False, stop: Stop | None = None, **arguments: Any
) -> TrainedRun:
    """Train a recipe in a new folder.

    Args:
        recipe: Name of the recipe; ``zerosum recipes`` lists all of them.
        settings: Settings of the run: data, folder, seed, precision and so on. ``None``: the defaults.
        progress: Whether to show a progress bar on stderr.
        stop: What ends the run early, with everything saved, once it is set from elsewhere.
        arguments: Arguments of the recipe, such as ``width=32``.

    Raises:
        UsageError: Something that was asked for does not exist or cannot be done.
        DataError: The data cannot be loaded.
        NonFiniteLoss: A loss became NaN or infinite. Earlier checkpoints are kept.
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
) -> TrainedRun:
    """Continue a run from its newest checkpoint: on the CPU, bit for bit as if it had never stopped.

    Args:
        path: Folder of the run.
        changes: Settings and arguments that are to differ from the recorded ones.
        override: Whether to accept changes that do not alter what was already learnt.
        progress: Whether to show a progress bar on stderr.
        stop: What ends the run early, with everything saved, once it is set from elsewhere.

    Raises:
        UsageError: The folder is not that of a run, or changes are not allowed; the message lists them.
        CheckpointError: The checkpoint cannot be read.
    """
    folder = RunFolder(path)
    record = folder.record()
    setup = reopen(record, changes or {}, override=override, progress=progress)
    if setup.data.fingerprint != record["data"]["fingerprint"]:
        raise UsageError(
            f"{setup.settings.data} is not what {path} was trained on: its content has changed since then "
            f"(fingerprint {setup.data.fingerprint[:12]}, recorded {record['data']['fingerprint'][:12]})"
        )
    check(setup)
    if changes and parallel.rank() == 0:
        folder.write_record({**record, **_choices(setup)})
    return _play(setup, folder, progress=progress, stop=stop, resumed=True)


def _play(setup: Setup, folder: RunFolder, *, progress: bool, stop: Stop | None, resumed: bool) -> TrainedRun:
    from zerosum.report.write import write_report

    display = display_for(setup.recipe.steps, shown=progress and parallel.rank() == 0)
    training = Training(setup, folder, display, stop or Stop())
    if resumed:
        training.restore()
    if parallel.rank() != 0:
        return TrainedRun(folder, setup, training.play())
    with folder.locked():
        try:
            outcome = training.play()
        finally:
            write_report(folder)
    return TrainedRun(folder, setup, outcome)


def reopen(
    record: Mapping[str, Any],
    changes: Mapping[str, Any],
    *,
    override: bool = False,
    progress: bool = False,
    stand_in: Data | None = None,
) -> Setup:
    """The setup that a record describes, with the changes that are allowed.

    Args:
        record: Contents of ``run.json``.
        changes: Settings and arguments that are to differ from the recorded ones.
        override: Whether to accept changes that do not alter what was already learnt.
        progress: Whether to show a progress bar on stderr.
        stand_in: Data to use instead of the real ones, where only their shape matters.

    Raises:
        UsageError: Changes are not allowed. The message lists both values of each.
    """
    settings = earlier.settings_of(record)
    arguments = earlier.arguments_of(record)
    known = asdict(settings)
    changes = earlier.changes_of(str(record["recipe"]), changes)
    current = known | arguments
    differing = {k: v for k, v in changes.items() if current.get(k) != v}
    safe = {k for k in differing if k in SAFE or k in SAFE_ARGUMENTS}
    refused = differing if not override else {k: v for k, v in differing.items() if k not in safe}
    if refused:
        listed = "; ".join(f"{k}: recorded {current.get(k)!r}, now {v!r}" for k, v in sorted(refused.items()))
        hint = "accept this with override=True" if set(refused) <= safe else "a run keeps these, so start a new one"
        raise UsageError(f"the run was started with other arguments: {listed}; {hint}", argument="override")
    arguments |= {k: v for k, v in differing.items() if k in arguments}
    settings = replace(settings, **{k: v for k, v in differing.items() if k in known})
    return build(str(record["recipe"]), arguments, settings, progress=progress, stand_in=stand_in)


def load(path: Path | str, *, best: bool = False, device: str = "cpu") -> Sampler:
    """Load the generator of a run, ready to sample from: ``load("runs/x").with_seed(1)(0, 64)``.

    Args:
        path: Folder of the run.
        best: Whether to take the checkpoint with the best score instead of the newest one.
        device: Device to compute on: auto, cpu, cuda or cuda:N.

    Raises:
        UsageError: The folder is not that of a run.
        CheckpointError: The run has no readable checkpoint.
    """
    return open_run(path, best=best, device=device)[1]


def open_run(
    path: Path | str, *, best: bool = False, device: str = "cpu", real: bool = False
) -> tuple[Setup, Sampler, int]:
    """Open a run: its setup, its generator, and the number of iterations after which that was saved.

    Args:
        path: Folder of the run.
        best: Whether to take the checkpoint with the best score instead of the newest one.
        device: Device to compute on: auto, cpu, cuda or cuda:N.
        real: Whether to load the real data too. Otherwise it does not matter whether they still exist.

    Raises:
        UsageError: The folder is not that of a run, or ``best`` is asked for and no checkpoint was scored.
        CheckpointError: The run has no readable checkpoint.
    """
    folder = RunFolder(path)
    record = folder.record()
    record["settings"] = {**record["settings"], "device": device}
    setup = reopen(record, {}, stand_in=None if real else _stand_in(record["data"], record["settings"]["size"]))
    chosen = folder.best() if best else folder.latest()
    if chosen is None:
        raise UsageError(f"{path}: no checkpoint was scored during training (eval_every), so none is the best")
    step = int(checkpoint.load_meta(chosen)["step"])
    state, _ = folder.load(begin(setup, game_at(setup, step)), chosen, earlier.renamer(setup.name))
    return setup, sampler_at(setup, state, step), step


def record_of(setup: Setup) -> dict[str, Any]:
    """What ``run.json`` says about a run."""
    data = setup.data
    return {
        **_choices(setup),
        "paper": registry.describe(setup.name).split("\n\n")[0],
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
    # What `auto` meant is recorded: another machine must not decide differently in the middle of a run.
    decided = {"precision": "bf16" if setup.autocast else "float32", "compile": "on" if setup.backend else "off"}
    settings = asdict(setup.settings) | decided
    return {"recipe": setup.name, "arguments": setup.arguments, "settings": settings}


@dataclass(frozen=True)
class RecordedData(Data):
    """Data of a recorded shape. They are read only when a batch is needed, as by priors that draw images to complete.

    Attributes:
        size: Side of the images in pixels, as in the run's settings.
    """

    size: int | None

    @cached_property
    def content(self) -> Data:
        """The data themselves."""
        data = load_data(self.name, size=self.size, progress=False)
        if data.fingerprint != self.fingerprint:
            raise UsageError(f"{self.name} is not what the run was trained on: its content has changed since then")
        return data

    def batch(
        self, k: int, size: int, *, seed: int, rank: int = 0, world: int = 1, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor | None]:
        """Batch ``k`` of the data themselves."""
        return self.content.batch(k, size, seed=seed, rank=rank, world=world, device=device)


def _stand_in(data: Mapping[str, Any], size: int | None) -> Data | None:
    """Data of the recorded shape, without their content. ``None``: points, which are drawn rather than stored."""
    if len(data["shape"]) == 1:
        return None
    known = (data["name"], tuple(data["shape"]), tuple(data["classes"]), data["count"], data["fingerprint"], ())
    return RecordedData(*known, size=size)
