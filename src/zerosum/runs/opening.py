"""From a run's folder back to its setup, its weights and its generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zerosum.core import checkpoint
from zerosum.core.game import State
from zerosum.data import load as load_data
from zerosum.data.base import Data
from zerosum.errors import UsageError, nearest
from zerosum.folder import RunFolder
from zerosum.pages import Page
from zerosum.runs import earlier, label_laws
from zerosum.runs.phases import begin, game_at, sampler_at
from zerosum.runs.sampler import Sampler
from zerosum.runs.settings import SAFE
from zerosum.runs.setup import Setup, build
from zerosum.runs.source import page_of

SAFE_ARGUMENTS = frozenset({"steps"})  # recipe arguments that a resumed run may change


def reopen(
    record: Mapping[str, Any],
    page: Page,
    changes: Mapping[str, Any],
    *,
    progress: bool = False,
    data: Any = None,
    labels: Any = None,
    stand_in: bool = False,
) -> Setup:
    """The setup that a record describes, with changes that do not alter what was already learnt.

    Args:
        record: Contents of ``run.json``.
        page: The run's recipe.
        changes: Settings and arguments that are to differ from the recorded ones.
        progress: Whether to show a progress bar on stderr.
        data: The run's data, where they were given in Python; see :func:`zerosum.data.load`.
        labels: Their labels, where they are given beside them.
        stand_in: Whether ``data`` stand for the real ones, where only their shape matters.

    Raises:
        UsageError: A change alters what was learnt, or the data must be given again.
    """
    arguments, settings = earlier.arguments_of(record, page), earlier.settings_of(record, page)
    differing = changes_in(record, page, changes)
    if data is None and record["data"].get("given"):
        raise UsageError(
            f"the run was trained on data that were given in Python ({settings.data}): give them again, as data=..."
        )
    arguments |= {k: v for k, v in differing.items() if k in arguments}
    settings = replace(settings, **{k: v for k, v in differing.items() if k not in arguments})
    setup = build(page, arguments, settings, progress=progress, data=data, labels=labels, stand_in=stand_in)
    return replace(setup, recipe=label_laws.as_recorded(setup.recipe, record))


def changes_in(record: Mapping[str, Any], page: Page, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Those changes that differ from what is recorded, under today's names.

    Args:
        record: Contents of ``run.json``.
        page: The run's recipe.
        changes: Settings and arguments by name.

    Raises:
        UsageError: There is no such argument or setting, or the change would alter what was already learnt.
    """
    recorded = earlier.arguments_of(record, page) | asdict(earlier.settings_of(record, page))
    changes = earlier.changes_of(page, changes)
    for key in changes.keys() - recorded.keys():
        raise UsageError(f"{page.name!r} has no argument or setting {key!r}.{nearest(key, recorded)}")
    differing = {k: v for k, v in changes.items() if recorded[k] != v}
    refused = {k: v for k, v in differing.items() if k not in SAFE | SAFE_ARGUMENTS}
    if refused:
        listed = "; ".join(f"{k}: recorded {recorded[k]!r}, now {v!r}" for k, v in sorted(refused.items()))
        raise UsageError(f"the run was started with other arguments: {listed}; a run keeps these, so start a new one")
    return differing


@dataclass(frozen=True)
class Opened:
    """A run at one of its checkpoints.

    Attributes:
        folder: Folder of the run.
        setup: What is trained.
        state: Weights and all else that the checkpoint holds.
        step: Iterations after which it was saved.
    """

    folder: RunFolder
    setup: Setup
    state: State
    step: int

    @property
    def sampler(self) -> Sampler:
        """The generator."""
        return sampler_at(self.setup, self.state, self.step)


def open_checkpoint(
    path: Path | str,
    *,
    best: bool = False,
    step: int | None = None,
    device: str = "cpu",
    real: bool = False,
    data: Any = None,
    recipe: Any = None,
) -> Opened:
    """Open a run at one of its checkpoints.

    Args:
        path: Folder of the run.
        best: Whether to take the checkpoint with the best score instead of the newest one.
        step: Iterations after which the wanted checkpoint was saved. ``None``: the newest, or the best.
        device: Device to compute on: auto, cpu, cuda or cuda:N.
        real: Whether to load the real data too. Otherwise it does not matter whether they still exist.
        data: The real data, where they were given in Python.
        recipe: The recipe, where the run cannot find it by itself; see :func:`zerosum.registry.page`.

    Raises:
        UsageError: The folder is not that of a run, it has no such checkpoint, or its recipe is gone or has changed.
        CheckpointError: The run has no readable checkpoint.
    """
    folder = RunFolder(path)
    record = folder.record()
    record["settings"] = {**record["settings"], "device": device}
    chosen = _chosen(folder, best, step)
    page = page_of(folder, record, recipe)
    shaped = None if real or data is not None else _stand_in(record["data"], record["settings"]["size"])
    setup = reopen(record, page, {}, data=data if shaped is None else shaped, stand_in=shaped is not None)
    step = int(checkpoint.load_meta(chosen)["step"])
    state, _ = folder.load(begin(setup, game_at(setup, step)), chosen, earlier.renamer(page))
    return Opened(folder, setup, state, step)


def open_run(path: Path | str, **how: Any) -> tuple[Setup, Sampler, int]:
    """A run's setup, its generator, and the iterations after which that was saved; see :func:`open_checkpoint`."""
    opened = open_checkpoint(path, **how)
    return opened.setup, opened.sampler, opened.step


def _chosen(folder: RunFolder, best: bool, step: int | None) -> Path:
    """The checkpoint that is asked for."""
    if step is None:
        chosen = folder.best() if best else folder.latest()
        if chosen is None:
            raise UsageError(
                f"{folder.path}: no checkpoint was scored during training (eval_every), so none is the best"
            )
        return chosen
    if best:
        raise UsageError(f"step={step}: name a step or ask for the best checkpoint, not both", argument="step")
    chosen = folder.checkpoint_for(step)
    if not chosen.is_dir():
        kept = ", ".join(str(int(path.name.removeprefix("step-"))) for path in folder.checkpoints()) or "none"
        raise UsageError(
            f"step={step}: {folder.path} has no checkpoint of that step; it has {kept} (to keep all, train with "
            "`keep` 0)",
            argument="step",
        )
    return chosen


@dataclass(frozen=True)
class RecordedData(Data):
    """Data of a recorded shape. They are read only when a batch is needed, as by priors that draw images to complete.

    Attributes:
        size: Side of the images in pixels, as in the run's settings.
        given: Whether they were given in Python, and cannot be read.
    """

    size: int | None
    given: bool

    @property
    def at_hand(self) -> bool:
        """Whether samples can be had at once: they may be gone, and what was learnt from them is in the checkpoint."""
        return False

    @cached_property
    def content(self) -> Data:
        """The data themselves."""
        if self.given:
            raise UsageError(f"the run needs its data, which were given in Python ({self.name}): give them again")
        data = load_data(self.name, size=self.size, progress=False)
        if data.fingerprint != self.fingerprint:
            raise UsageError(f"{self.name} is not what the run was trained on: its content has changed since then")
        return data

    def class_counts(self) -> tuple[int, ...]:
        """Nothing: the law of a run's labels is in its record."""
        return ()

    def batch(
        self, k: int, size: int, *, seed: int, rank: int = 0, world: int = 1, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor | None]:
        """Batch ``k`` of the data themselves."""
        return self.content.batch(k, size, seed=seed, rank=rank, world=world, device=device)


def _stand_in(data: Mapping[str, Any], size: int | None) -> Data | None:
    """Data of the recorded shape, without their content. ``None``: points that are drawn rather than stored."""
    given = bool(data.get("given"))
    if len(data["shape"]) == 1 and not given:
        return None
    known = (data["name"], tuple(data["shape"]), tuple(data["classes"]), data["count"], data["fingerprint"], ())
    return RecordedData(*known, size=size, given=given)
