"""What a run shows while it trains: a bar that fits the terminal, or lines where there is none; and means of losses."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch

from zerosum.core.game import Said
from zerosum.runs.estimate import rate_text, short_span, span

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

BETWEEN_LINES = 10.0  # seconds from one line to the next where there is no terminal
GAP = "  "
LEAST_BAR, LARGEST_BAR = 10, 40  # characters
LONGEST_NAME = 16  # characters of a loss's name


class Means:
    """Running means of what players report. They stay on the device until needed, so that no step waits for it."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, losses: Said) -> None:
        """Add what the players report in one iteration."""
        for who, terms in losses.items():
            for term, value in terms.items():
                if value.dim() == 0:
                    key = f"{who}/{term}"
                    self._sums[key] = self._sums[key] + value if key in self._sums else value
                    self._counts[key] = self._counts.get(key, 0) + 1

    def peek(self) -> dict[str, float]:
        """Return the means since the last :meth:`take`. This waits for the device once."""
        keys = list(self._sums)
        if not keys:
            return {}
        values = torch.stack([self._sums[k].double() / self._counts[k] for k in keys]).tolist()
        return dict(zip(keys, values, strict=True))

    def take(self) -> dict[str, float]:
        """Return the means since the last call, and begin anew. This waits for the device once."""
        means = self.peek()
        self._sums, self._counts = {}, {}
        return means

    def save(self) -> dict[str, tuple[float, int, str]]:
        """What :meth:`restore` takes, as JSON can hold it: sum, count and dtype of each. The sums are exact."""
        kinds = {key: str(value.dtype).removeprefix("torch.") for key, value in self._sums.items()}
        return {key: (float(value), self._counts[key], kinds[key]) for key, value in self._sums.items()}

    def restore(self, saved: Mapping[str, Any], device: torch.device) -> None:
        """Go on from what was saved, so that the next row of a resumed run is that of one that never stopped."""
        for key, (total, count, kind) in saved.items():
            self._sums[key] = torch.tensor(total, dtype=getattr(torch, kind), device=device)
            self._counts[key] = int(count)


class Standing(NamedTuple):
    """How far a run has come.

    Attributes:
        step: Iterations so far.
        rate: Real samples per second. 0: not known yet.
        left: Seconds until the end of training. ``None``: not known yet.
        losses: Losses, by player and term.
    """

    step: int
    rate: float = 0.0
    left: float | None = None
    losses: Mapping[str, float] = {}


class Display:
    """Shows people how far a run has come. This one shows nothing, as for tests and for ranks other than the first.

    Attributes:
        shown: Whether anybody sees it.
    """

    shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, standing: Standing) -> None:
        """Show how far the run has come."""

    def say(self, text: str) -> None:
        """Show a line that stays."""


class Lines(Display):
    """Prints a line every ten seconds, for output that is not a terminal.

    Args:
        total: Iterations in all.
        unit: What real samples are called.
    """

    shown = True

    def __init__(self, total: int, unit: str = "images") -> None:
        self.total, self.unit = total, unit
        self._last: float | None = None

    def update(self, standing: Standing) -> None:
        """Print a line if the last one was ten seconds ago."""
        now = time.monotonic()
        if self._last is not None and now - self._last < BETWEEN_LINES and standing.step < self.total:
            return
        self._last = now
        rate = f"{rate_text(standing.rate)} {self.unit}/s" if standing.rate else ""
        left = f"{span(standing.left)} left" if standing.left is not None and standing.step < self.total else ""
        losses = GAP.join(f"{name} {value:.3g}" for name, value in standing.losses.items())
        parts = (f"step {standing.step:,}/{self.total:,}", rate, left, losses)
        self.say(GAP.join(filter(None, parts)))

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, file=sys.stderr, flush=True)


class BarLayout(NamedTuple):
    """What a bar shows on one line, from left to right.

    Attributes:
        bar: Length of the bar itself, in characters.
        facts: Step, rate and time left.
        losses: As many losses as there is room for.
    """

    bar: int
    facts: str
    losses: str


def lay_out(standing: Standing, total: int, unit: str, width: int, waited: float = 0.0) -> BarLayout:
    """Fit a line to the width of a terminal: step, rate and time left first, then the bar, then the losses.

    Args:
        standing: How far the run has come.
        total: Iterations in all.
        unit: What real samples are called.
        width: Characters of the terminal.
        waited: Seconds since ``standing`` was reported.
    """
    facts = next((text for text in _facts(standing, total, unit, waited) if len(text) <= width), "")
    facts = facts or f"{standing.step:,}"[:width]
    room = width - len(facts) - len(GAP)
    losses = [f"{_shortened(name)} {value:.3g}" for name, value in standing.losses.items()]
    wanted = len(GAP.join(losses))
    bar = min(LARGEST_BAR, max(LEAST_BAR, room - wanted - len(GAP))) if room >= LEAST_BAR else 0
    room -= bar + len(GAP) if bar else 0
    if bar and losses and len(losses[0]) > room:  # no loss fits beside the bar
        bar, room = min(LARGEST_BAR, bar + max(0, room)), 0
    return BarLayout(bar, facts, _as_many_as_fit(losses, room))


def _facts(standing: Standing, total: int, unit: str, waited: float) -> tuple[str, ...]:
    """Step, rate and time left in ever fewer characters."""
    step, rate = f"{standing.step:,}", rate_text(standing.rate) if standing.rate else ""
    if standing.left is None or standing.step >= total:
        left = short = f"first step: {short_span(waited)}" if not standing.rate and waited >= 5 else ""
    else:
        left, short = (words(max(0.0, standing.left - waited)) for words in (span, short_span))
        left, short = f"{left} left", f"{short} left"
    share = f"{standing.step / max(1, total):.0%}"
    versions = (
        (f"{step}/{total:,}", rate and f"{rate} {unit}/s", left),
        (f"{step}/{total:,}", rate and f"{rate}/s", short),
        (step, share, rate and f"{rate}/s", short),
        (step, rate and f"{rate}/s", short.removesuffix(" left")),
        (step, short.removesuffix(" left")),
    )
    return tuple((" " if i else GAP).join(filter(None, parts)) for i, parts in enumerate(versions))


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _as_many_as_fit(losses: list[str], room: int) -> str:
    """The first losses that fit, and an ellipsis where there are more."""
    for count in range(len(losses), 0, -1):
        text = GAP.join(losses[:count]) + (" …" if count < len(losses) else "")
        if len(text) <= room:
            return text
    return ""


class Bar(Display):
    """A line at the bottom of the terminal, with a bar, step, rate, time left and losses, that fits its width.

    Args:
        total: Iterations in all.
        unit: What real samples are called.
        console: Where to draw. ``None``: stderr.
    """

    shown = True

    def __init__(self, total: int, unit: str = "images", console: Console | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self.total, self.unit = total, unit
        self._standing, self._since = Standing(0), time.monotonic()
        self._live = Live(self, console=console or Console(stderr=True), refresh_per_second=4)

    def __enter__(self) -> Self:
        self._since = time.monotonic()
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        width, waited = options.max_width, time.monotonic() - self._since
        layout = lay_out(self._standing, self.total, self.unit, width, waited)
        done = round(layout.bar * min(1.0, self._standing.step / max(1, self.total)))
        bar = Text.assemble(("━" * done, "bar.complete"), ("━" * (layout.bar - done), "bar.back"))
        parts = [part for part in (bar, Text(layout.facts), Text(layout.losses, style="dim")) if part.plain]
        yield Text(GAP, no_wrap=True, overflow="crop", end="").join(parts)

    def update(self, standing: Standing) -> None:
        """Move the bar."""
        self._standing, self._since = standing, time.monotonic()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._live.console.print(text, highlight=False, markup=False)


def display_for(total: int, *, shown: bool, unit: str = "images") -> Display:
    """The display for a run of ``total`` iterations: a bar on a terminal, lines elsewhere, nothing if not ``shown``.

    Args:
        total: Iterations in all.
        shown: Whether to show anything.
        unit: What real samples are called, such as ``samples`` for points.
    """
    if not shown:
        return Display()
    return Bar(total, unit) if sys.stderr.isatty() else Lines(total, unit)
