"""Train, resume and load runs: what the command line and Python users call."""

from __future__ import annotations

import platform
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from zerosum import __version__, own, registry
from zerosum.core import parallel
from zerosum.data import is_given
from zerosum.errors import NonFiniteLoss, UsageError, nearest
from zerosum.folder import RunFolder
from zerosum.pages import Page
from zerosum.runs import label_laws, source
from zerosum.runs.interrupt import interruptible
from zerosum.runs.log import display_for
from zerosum.runs.loop import Outcome, Stop, Training
from zerosum.runs.opening import open_run, reopen
from zerosum.runs.rehearsal import rehearse
from zerosum.runs.run import Run
from zerosum.runs.scoring import check
from zerosum.runs.settings import Settings
from zerosum.runs.setup import Setup, build
from zerosum.runs.tracking import check_tracking
from zerosum.systems import Recipe

__all__ = ["load", "open_run", "resume", "train"]

SETTINGS = frozenset(field.name for field in fields(Settings))


def train(
    recipe: str | Path | Page | Callable[..., Recipe] | Recipe,
    *,
    data: Any = None,
    labels: Any = None,
    progress: bool = True,
    stop: Stop | None = None,
    **arguments: Any,
) -> Run:
    """Train a recipe on data, in a new folder that records everything.

    Args:
        recipe: Name of a recipe (``zerosum recipes`` lists all of them), path of a ``.py`` file, a function
            ``(data, *, ...) -> Recipe``, or a finished ``Recipe``.
        data: What to learn: a source such as ``"fashion-mini"``; the path of a folder, ``.zip`` or ``.npz``; an array
            or tensor of images (N, H, W, C) or (N, C, H, W) or of points (N, 2); a map-style Dataset; or a ``Data``.
            ``None``: the shipped clothes. See :func:`zerosum.data.load`.
        labels: Labels of an array or tensor, (N,).
        progress: Whether to show on stderr where the run is, and how far it has come.
        stop: What ends the run early, with everything saved, once it is set from elsewhere. ``None``: Ctrl-C does.
        arguments: Arguments of the recipe, such as ``width=32``, and settings of the run, such as ``seed=1``; see
            :class:`zerosum.Settings`.

    Raises:
        UsageError: Something that was asked for does not exist or cannot be done.
        DataError: The data cannot be loaded.
        NonFiniteLoss: A loss became NaN or infinite. Earlier checkpoints are kept.
        KeyboardInterrupt: Ctrl-C; what was learnt is saved.
    """
    own.refuse_while_importing()
    _refuse_foreign(stop)
    page = registry.page(recipe)
    shown = progress and parallel.rank() == 0
    setup = setup_of(page, arguments, data=data, labels=labels, progress=shown)
    check(setup)
    check_tracking(setup.settings)
    folder = RunFolder(setup.settings.out or RunFolder.free_path(page.name, setup.settings.data))
    parallel.wait()  # all have found the same free place before one of them takes it
    if parallel.rank() == 0:
        RunFolder.create(str(folder.path), page.name, setup.settings.data)
        folder.write_record(record_of(setup) | source.keep(folder, page))
    parallel.wait()
    return _play(setup, folder, progress=shown, stop=stop)


def setup_of(
    page: Page, arguments: Mapping[str, Any], *, data: Any = None, labels: Any = None, progress: bool = True
) -> Setup:
    """What :func:`train` trains, from the same arguments.

    Raises:
        UsageError: Something that was asked for does not exist or cannot be done.
        DataError: The data cannot be loaded.
    """
    settings = Settings(**{key: value for key, value in arguments.items() if key in SETTINGS})
    rest = {key: value for key, value in arguments.items() if key not in SETTINGS}
    _refuse_mistyped_settings(page, rest)
    wanted = arguments.get("data") if data is None else data
    setup = build(page, rest, settings, data=wanted, labels=labels, progress=progress)
    rehearse(setup)
    return setup


def _refuse_foreign(stop: Any) -> None:
    if stop is not None and not isinstance(stop, Stop):
        raise UsageError(f"stop={stop!r}: must be a zerosum.runs.loop.Stop, or None for Ctrl-C", argument="stop")


def _refuse_mistyped_settings(page: Page, arguments: Mapping[str, Any]) -> None:
    """Refuse what the recipe does not have and a setting of every run is called nearly; the page refuses the rest."""
    for key in arguments.keys() - page.arguments.keys() - page.earlier_names.keys():
        hint = nearest(key, sorted({*page.arguments, *SETTINGS}), cutoff=0.7)
        if hint and hint != nearest(key, page.arguments, cutoff=0.7):
            raise UsageError(f"recipe {page.name!r} has no argument {key!r}, and no run has such a setting.{hint}")


def resume(
    run: Path | str | Run,
    *,
    data: Any = None,
    labels: Any = None,
    recipe: Any = None,
    progress: bool = True,
    stop: Stop | None = None,
    **changes: Any,
) -> Run:
    """Continue a run from its newest checkpoint: on the CPU, bit for bit as if it had never stopped.

    Args:
        run: Folder of the run, or the run.
        data: The data, where they were given in Python. They must be the same.
        labels: Their labels, where they were given beside them.
        recipe: The recipe, where it was defined in a notebook. It must be the same.
        progress: Whether to show on stderr how far the run has come.
        stop: What ends the run early, with everything saved, once it is set from elsewhere. ``None``: Ctrl-C does.
        changes: Settings and arguments that are to differ from the recorded ones: ``steps``, and settings that do not
            change what is learnt, such as ``minutes`` or ``eval_every``.

    Raises:
        UsageError: The folder is not that of a run, a change is not allowed, or recipe or data have changed.
        CheckpointError: The checkpoint cannot be read.
        KeyboardInterrupt: Ctrl-C; what was learnt is saved.
    """
    own.refuse_while_importing()
    _refuse_foreign(stop)
    if isinstance(run, Run):
        data, recipe = (run._data if data is None else data), recipe or run._recipe
    folder = RunFolder(run.path if isinstance(run, Run) else run)
    record = folder.record()
    _refuse_other_processes(folder, record)
    page = source.page_of(folder, record, recipe, goes_on=True)
    shown = progress and parallel.rank() == 0
    setup = reopen(record, page, changes, data=data, labels=labels, progress=shown)
    if setup.data.fingerprint != record["data"]["fingerprint"]:
        raise UsageError(
            f"{setup.settings.data} is not what {folder.path} was trained on: its content has changed since then "
            f"(fingerprint {setup.data.fingerprint[:12]}, recorded {record['data']['fingerprint'][:12]}); if they were "
            "given in Python, give the same again, as data=..."
        )
    check(setup)
    check_tracking(setup.settings)
    return _play(setup, folder, progress=shown, stop=stop, record={**record, **_choices(setup)} if changes else record)


def _refuse_other_processes(folder: RunFolder, record: Mapping[str, Any]) -> None:
    """Refuse to go on with another number of processes: each draws latents of its own for its part of a batch.

    Raises:
        UsageError: The run was trained by more or fewer; runs of which that is not recorded are not refused.
    """
    before, now = record.get("machine", {}).get("processes"), parallel.world()
    if before not in (None, now):
        raise UsageError(
            f"{folder.path} was trained by {_processes(before)}, and {_processes(now)} would go on with it: each draws "
            f"its part of a batch, so it would not be the same run; go on with {_processes(before)}, or train anew"
        )


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"


def load(
    path: Path | str,
    *,
    best: bool = False,
    step: int | None = None,
    device: str = "cpu",
    recipe: Any = None,
) -> Run:
    """Open a run: ``load("runs/x").sample(9)``.

    Args:
        path: Folder of the run.
        best: Whether its networks are those of the checkpoint with the best score instead of the newest one.
        step: Iterations after which the wanted checkpoint was saved. ``None``: the newest, or the best.
        device: Device to compute on: auto, cpu, cuda or cuda:N.
        recipe: The recipe, where it was defined in a notebook. It must be the same.

    Raises:
        UsageError: The folder is not that of a run. What is wrong with its checkpoints is said when they are needed.
    """
    own.refuse_while_importing()
    page = None if recipe is None else registry.page(recipe)
    return Run(path, best=best, step=step, device=device, recipe=page)


def _play(
    setup: Setup,
    folder: RunFolder,
    *,
    progress: bool,
    stop: Stop | None,
    record: Mapping[str, Any] | None = None,
) -> Run:
    """Train a setup in its folder: from the beginning, or where there is a record from its newest checkpoint."""
    if progress:
        print(f"{setup.name} on {setup.data.name}: {folder.path}", file=sys.stderr, flush=True)
    with interruptible(signal.SIGINT) if stop is None else nullcontext(stop) as request:
        display = display_for(setup.recipe.steps, shown=progress, unit="samples" if setup.data.is_points else "images")
        outcome = _play_here(setup, folder, Training(setup, folder, display, request), record)
    parallel.wait()  # what the first rank has written is there for all
    if request.asked and stop is None:
        if progress:
            print(
                f"stopped after {outcome.step:,} step{'s' * (outcome.step != 1)}, saved in {folder.path}",
                file=sys.stderr,
                flush=True,
            )
        raise KeyboardInterrupt
    given = setup.data if is_given(setup.data) else None
    return Run(folder.path, device=str(setup.device), recipe=setup.page, data=given, outcome=outcome)


def _play_here(setup: Setup, folder: RunFolder, training: Training, record: Mapping[str, Any] | None) -> Outcome:
    from zerosum.report.write import write_report

    if parallel.rank() != 0:
        if record is not None:
            _go_back(training)
        return training.play()
    with folder.locked():
        if record is not None:
            _go_back(training)
            folder.write_record({key: value for key, value in record.items() if key != "schema"})
        try:
            return training.play()
        except Exception as error:
            if record is None and training.step == 0 and not isinstance(error, NonFiniteLoss):
                shutil.rmtree(folder.path)  # it failed before anything was learnt, or can be looked at
            raise
        finally:
            if folder.path.is_dir():
                write_report(folder, over=True)


def _go_back(training: Training) -> None:
    """Take up the newest checkpoint, unless the run has more steps already than it is to have."""
    training.restore()
    total = training.setup.recipe.steps
    if training.step > total:
        raise UsageError(
            f"steps={total}: {training.folder.path} has {training.step:,} steps already; ask for more, or sample an "
            "earlier checkpoint",
            argument="steps",
        )


def record_of(setup: Setup) -> dict[str, Any]:
    """What ``run.json`` says about a run."""
    data = setup.data
    return {
        **_choices(setup),
        "paper": setup.page.text.split("\n\n")[0],
        "data": {
            "name": data.name,
            "shape": data.shape,
            "classes": data.classes,
            "count": data.count,
            "fingerprint": data.fingerprint,
            "given": is_given(data),
        },
        **label_laws.record_of(setup.recipe),
        "command": _command(setup),
        "machine": {
            "device": torch.cuda.get_device_name(setup.device) if setup.device.type == "cuda" else platform.machine(),
            "threads": torch.get_num_threads(),
            "processes": parallel.world(),
            "precision": "bf16" if setup.autocast else "float32",
            "compiled": setup.backend is not None,
        },
        "versions": {"zerosum": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }


def _command(setup: Setup) -> str:
    """The command that started the run, of the shell or of Python."""
    if Path(sys.argv[0]).name == "zerosum" or Path(sys.argv[0]).parts[-2:] == ("zerosum", "__main__.py"):
        return shlex.join(["zerosum", *sys.argv[1:]])
    page, settings = setup.page, setup.settings
    words = {k: v for k, v in setup.arguments.items() if v != page.arguments[k].default}
    words |= {f.name: v for f in fields(Settings) if (v := getattr(settings, f.name)) != f.default}
    texts = {key: repr(value) for key, value in words.items()}
    if is_given(setup.data):
        texts["data"] = f"<{setup.data.name}>"
    origin = page.origin() if page.origin is not None else None
    named = repr(page.name) if origin is None else repr(origin.path) if origin.kind == "file" else page.name
    return f"zerosum.train({', '.join([named, *(f'{key}={text}' for key, text in texts.items())])})"


def _choices(setup: Setup) -> dict[str, Any]:
    # What `auto` meant is recorded: another machine must not decide differently in the middle of a run.
    decided = {"precision": "bf16" if setup.autocast else "float32", "compile": "on" if setup.backend else "off"}
    settings, arguments = asdict(setup.settings) | decided, dict(setup.arguments)
    if "steps" in arguments and arguments["steps"] is None:  # the recipe has decided by the data
        arguments["steps"] = setup.recipe.steps
    return {"recipe": setup.name, "arguments": arguments, "settings": settings}
