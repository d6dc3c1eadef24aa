"""Where losses, scores and pictures of a run go: ``metrics.jsonl``, TensorBoard, and the service that was asked for.

All of them are a :class:`Logger`, and a run knows only their :class:`Journal`. What is written to ``metrics.jsonl`` is
the run's own and must succeed; any other one that fails is dropped with a note, and training goes on.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from zerosum.errors import UsageError
from zerosum.files import Rows, write_json
from zerosum.folder import RunFolder
from zerosum.runs.log import Display
from zerosum.runs.settings import Settings
from zerosum.runs.setup import Setup

PROJECT = "zerosum"  # name of the project in a service, unless its own environment variable says another
TRACKING_FILE = "tracking.json"  # in a run's folder: under which name or id each service knows the run


class Logger(Protocol):
    """What takes the numbers and pictures of a run."""

    name: str

    def add_row(self, step: int, facts: Mapping[str, Any], losses: Mapping[str, float]) -> None:
        """Take a row of the log.

        Args:
            step: Iterations so far.
            facts: Numbers of the run itself, such as its seconds of training.
            losses: Means of the losses since the last row.
        """

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Take one number, such as a score."""

    def add_picture(self, path: Path, step: int) -> None:
        """Take a picture of samples, a PNG file."""

    def close(self) -> None:
        """Write what is still in memory."""


class RowFile:
    """Appends rows to ``metrics.jsonl``. Scores and pictures have their own files.

    Args:
        file: Path of ``metrics.jsonl``.
    """

    name = "metrics.jsonl"

    def __init__(self, file: Path) -> None:
        self._rows = Rows(file)

    def add_row(self, step: int, facts: Mapping[str, Any], losses: Mapping[str, float]) -> None:
        """Append a row."""
        self._rows.append({"step": step, **facts, "losses": dict(losses)})

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Do nothing."""

    def add_picture(self, path: Path, step: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing: every row is written at once."""


class TensorBoard:
    """Writes an event file with losses, scores and pictures.

    Args:
        folder: Folder of the event files.
        step: Iterations so far: events of later ones, which a resumed run logs again, are hidden.
    """

    name = "tensorboard"

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._board: Any = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def add_row(self, step: int, facts: Mapping[str, Any], losses: Mapping[str, float]) -> None:
        """Write the losses."""
        for key, value in losses.items():
            self._board.add_scalar(key, value, step)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Write a number."""
        self._board.add_scalar(name, value, step)

    def add_picture(self, path: Path, step: int) -> None:
        """Write a picture, as the file has it."""
        from PIL import Image
        from tensorboard.compat.proto.summary_pb2 import Summary

        with Image.open(path) as picture:
            width, height, channels = *picture.size, len(picture.getbands())
        image = Summary.Image(width=width, height=height, colorspace=channels, encoded_image_string=path.read_bytes())
        summary = Summary(value=[Summary.Value(tag="samples", image=image)])
        self._board.file_writer.add_summary(summary, step)

    def close(self) -> None:
        """Write what is still in memory."""
        self._board.close()


class Service:
    """Sends losses, scores and pictures to a run of trackio or wandb, whose calls agree.

    Args:
        module: The service's module.
        run: What its ``init`` returned.
    """

    def __init__(self, module: Any, run: Any) -> None:
        self.name = str(module.__name__)
        self._module, self._run = module, run

    def add_row(self, step: int, facts: Mapping[str, Any], losses: Mapping[str, float]) -> None:
        """Send facts and losses."""
        self._run.log({**facts, **losses}, step=step)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Send a number."""
        self._run.log({name: value}, step=step)

    def add_picture(self, path: Path, step: int) -> None:
        """Send a picture."""
        self._run.log({"samples": self._module.Image(str(path))}, step=step)

    def close(self) -> None:
        """Wait until everything is sent."""
        with redirect_stdout(sys.stderr):  # what is printed on stdout is the run's
            self._run.finish()


class Journal:
    """All loggers of a run as one. Those that fail are dropped, except for the first.

    Args:
        own: Logger that must not fail: ``metrics.jsonl``.
        others: Further ones.
        say: Where it is said that one was dropped.
    """

    name = "journal"

    def __init__(self, own: Logger, others: list[Logger], say: Callable[[str], None]) -> None:
        self.own, self.others, self._say = own, others, say

    def add_row(self, step: int, facts: Mapping[str, Any], losses: Mapping[str, float]) -> None:
        """Give a row to all."""
        self.own.add_row(step, facts, losses)
        self._each(lambda logger: logger.add_row(step, facts, losses))

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Give a number to all."""
        self.own.add_scalar(name, value, step)
        self._each(lambda logger: logger.add_scalar(name, value, step))

    def add_picture(self, path: Path, step: int) -> None:
        """Give a picture to all."""
        self.own.add_picture(path, step)
        self._each(lambda logger: logger.add_picture(path, step))

    def close(self) -> None:
        """Close all."""
        self.own.close()
        self._each(lambda logger: logger.close())
        self.others = []

    def _each(self, call: Callable[[Logger], None]) -> None:
        for logger in list(self.others):
            try:
                call(logger)
            except Exception as error:  # whatever a foreign library raises is no reason to stop training
                self.others.remove(logger)
                self._say(_failure(logger.name, error))


def _failure(name: str, error: Exception) -> str:
    return f"note: {name} failed and gets nothing more of this run, which goes on ({_in_words(error)})"


def _in_words(error: Exception) -> str:
    """An exception on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")[:300]


def _is_installed(package: str) -> bool:
    """Whether there is such a package. A mere folder of that name, as wandb leaves behind, is not one."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None


def check_tracking(settings: Settings) -> None:
    """Refuse a service whose package is not installed. Nothing is imported for this.

    Raises:
        UsageError: It is missing. The message says what to install.
    """
    if settings.track != "none" and not _is_installed(settings.track):
        raise UsageError(
            f"track={settings.track}: the package is not installed; run: pip install {settings.track}", argument="track"
        )


def open_journal(setup: Setup, folder: RunFolder, display: Display, step: int) -> Journal:
    """Open everything that a run's numbers and pictures go to.

    Args:
        setup: What is trained.
        folder: Folder of the run.
        display: Where failures are shown.
        step: Iterations so far. A service that knows the run continues it.

    Raises:
        UsageError: The service that was asked for is not installed, or does not start.
    """
    others: list[Logger] = []
    if setup.settings.track != "none":
        others.append(_open_service(setup, folder))
    if _is_installed("tensorboard"):  # an extra: its absence is not an error
        try:
            others.append(TensorBoard(folder.path / "tensorboard", step))
        except Exception as error:  # a broken installation of what nobody asked for is no reason not to train
            display.say(_failure("tensorboard", error))
    return Journal(RowFile(folder.metrics), others, display.say)


def _open_service(setup: Setup, folder: RunFolder) -> Service:
    service = setup.settings.track
    check_tracking(setup.settings)
    file = folder.path / TRACKING_FILE
    ids: dict[str, str] = _known_ids(file)
    again = service in ids
    ids.setdefault(service, f"{folder.path.resolve().name[:60]}-{uuid.uuid4().hex[:8]}")
    config = {"recipe": setup.name, **setup.arguments, **asdict(setup.settings)}
    try:
        with redirect_stdout(sys.stderr):  # what is printed on stdout is the run's
            module = importlib.import_module(service)
            start = _start_wandb if service == "wandb" else _start_trackio
            run = start(module, ids[service], config, folder.path, again)
    except Exception as error:  # whatever a foreign library raises
        raise UsageError(
            f"track={service}: it does not start ({_in_words(error)}); mend that, or leave out track", argument="track"
        ) from error
    write_json(file, ids)
    return Service(module, run)


def _known_ids(file: Path) -> dict[str, str]:
    """Under which id each service knows the run. A damaged file counts as none: the service begins a new run."""
    try:
        ids = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(k): v for k, v in ids.items() if isinstance(v, str)} if isinstance(ids, dict) else {}


def _start_trackio(module: Any, name: str, config: dict[str, Any], folder: Path, again: bool) -> Any:
    project = os.environ.get("TRACKIO_PROJECT", PROJECT)
    return module.init(project=project, name=name, config=config, resume="allow" if again else "never", embed=False)


def _start_wandb(module: Any, name: str, config: dict[str, Any], folder: Path, again: bool) -> Any:
    return module.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        id=name,
        name=name,
        config=config,
        dir=os.environ.get("WANDB_DIR", str(folder)),
        resume="allow" if again else None,
        allow_val_change=True,
    )
