"""What a run takes: seconds in words, the pace of its iterations, and the cost of a step, a checkpoint and the weights.

The functions that play a game (:func:`measure` and its likes) use a state of their own, which is thrown away, and write
nothing.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils import _pytree as pytree

from zerosum.core.game import State, start
from zerosum.runs.phases import begin, game_at, phases
from zerosum.runs.setup import Batches, Setup

MINUTE, HOUR, DAY, YEAR = 60.0, 3600.0, 86_400.0, 365.25 * 86_400
PATIENCE = {"cpu": DAY}  # seconds beyond which a run is called too long, by type of device
PATIENCE_ELSEWHERE = 14 * DAY
SHORTER: tuple[str, ...] = ("width", "batch_size")  # arguments that make an iteration shorter, if smaller
SETTLED = 3.0  # seconds of iterations after the first that give an estimate
SLOW = 10.0  # seconds of a first iteration that is an estimate itself, unless it was compiled
WINDOW = 30.0  # newest seconds of iterations that tell the pace


def span(seconds: float) -> str:
    """A time span in words: ``"0.36 s"``, ``"45 s"``, ``"12 min"``, ``"3 h 20 min"``, ``"2 days 5 h"``, ``"115 days"``.

    Args:
        seconds: Length of the span in seconds. Negative ones count as 0.
    """
    seconds = max(0.0, seconds)
    if seconds < 0.0995:
        return f"{1000 * seconds:.2g} ms" if seconds else "0 s"
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    if round(seconds) < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / MINUTE)
    if minutes < 90:
        return f"{minutes} min"
    if seconds < DAY:
        return f"{minutes // 60} h {minutes % 60} min".removesuffix(" 0 min")
    if seconds < 4 * DAY:
        days, hours = divmod(int(seconds / HOUR), 24)
        return f"{days} day{'s' * (days > 1)} {hours} h".removesuffix(" 0 h")
    return f"{int(seconds / DAY):,} days" if seconds < 3 * YEAR else f"{seconds / YEAR:,.1f} years"


def short_span(seconds: float) -> str:
    """A time span in at most six characters, for where there is little room: ``"45s"``, ``"12m"``, ``"3h20"``."""
    minutes = round(max(0.0, seconds) / MINUTE)
    if round(seconds) < 120:
        return f"{max(0.0, seconds):.0f}s"
    if minutes < 90:
        return f"{minutes}m"
    if seconds < 2 * DAY:
        return f"{minutes // 60}h{minutes % 60:02}"
    return f"{int(seconds / DAY)}d" if seconds < 3 * YEAR else f"{min(999, seconds / YEAR):.0f}y"


def rate_text(rate: float) -> str:
    """A rate in few characters: ``"1,235"``, ``"6.4"``, ``"0.64"``."""
    return f"{rate:,.0f}" if rate >= 9.95 else f"{rate:.2g}"


def size(count: float) -> str:
    """A number of bytes in words: ``"3.4 MiB"``."""
    units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while count >= 1000 and len(units) > 1:
        count /= 1024
        del units[0]
    return f"{count:.0f} {units[0]}" if units[0] == "bytes" or count >= 9.95 else f"{count:.1f} {units[0]}"


class Thinning:
    """Steps that are close together at first and ever farther apart, for runs of which nobody knows where they end.

    Up to step ``dense`` every step belongs to them, up to ``2 dense`` every second one, up to ``4 dense`` every fourth
    and so on. So they depend on nothing but the step, and a resumed run meets the same ones.

    Args:
        total: Last step that can be reached.
        count: Largest number of them up to there, at least 50.

    Attributes:
        dense: Number of steps before the first gap.
    """

    def __init__(self, total: int, count: int) -> None:
        self.dense = next((n for n in range(count, 1, -1) if _thinned(total, n) <= count), 1)

    def __contains__(self, step: int) -> bool:
        apart = 1
        while step > self.dense * apart:
            apart *= 2
        return step > 0 and step % apart == 0


def _thinned(total: int, dense: int) -> int:
    """How many steps up to ``total`` belong to a :class:`Thinning`."""
    count, apart = min(total, dense), 1
    while dense * apart < total:
        count += min(total, 2 * dense * apart) // (2 * apart) - dense * apart // (2 * apart)
        apart *= 2
    return count


def work_of(setup: Setup) -> Callable[[int], int]:
    """``setup.images`` as a table where that counts update by update, because a run asks for it all the time."""
    players = [player for player in setup.recipe.phases[0].game.players.values() if player.every == 1]
    if not any(callable(player.steps) for player in players):
        return setup.images
    each = np.array([[player.updates(t) for t in range(setup.recipe.steps)] for player in players])
    table = setup.recipe.batch_size * each.cumsum(1).max(0)
    return lambda steps: int(table[steps - 1]) if steps else 0


class Mark(NamedTuple):
    """A moment of a run.

    Attributes:
        step: Iterations so far.
        seconds: Seconds of training in this call so far.
        wall: Time of the clock on the wall, in seconds.
    """

    step: int
    seconds: float
    wall: float


class Pace:
    """How fast a run goes now, and so when it will end.

    The first iteration of a call is not counted, because libraries choose their kernels and compile in it.

    Args:
        work: Real samples that are seen in so many iterations: iterations are as long as they are many.
        first: Iterations before this call.
        total: Iterations in all.
        minutes: Minutes of training after which this call ends. ``None``: no limit.
        compiled: Whether updates are compiled.
    """

    def __init__(
        self, work: Callable[[int], int], first: int, total: int, *, minutes: float | None, compiled: bool
    ) -> None:
        self.work, self.first, self.total, self.compiled = work, first, total, compiled
        self.limit = math.inf if minutes is None else MINUTE * minutes
        self._marks: deque[Mark] = deque()
        self._now = self._settled = Mark(first, 0.0, 0.0)

    def tick(self, step: int, seconds: float, wall: float) -> None:
        """Note the end of an iteration. The arguments are those of :class:`Mark`."""
        self._now = Mark(step, seconds, wall)
        if not self._marks:
            self._settled = self._now
        if not self._marks or seconds - self._marks[-1].seconds >= 1:
            self._marks.append(self._now)
            while len(self._marks) > 2 and seconds - self._marks[1].seconds >= WINDOW:
                self._marks.popleft()

    @property
    def known(self) -> bool:
        """Whether enough iterations were seen for an estimate."""
        after = self._now.seconds - self._settled.seconds
        alone = not self.compiled and self._now.step == self._settled.step and self._now.seconds >= SLOW
        return alone or (self._now.step > self._settled.step and after >= SETTLED)

    @property
    def rate(self) -> float:
        """Real samples per second of training, of late. 0: not known yet."""
        begin = self._marks[0] if self._marks else self._now
        if self._now.step == begin.step:  # one iteration only
            begin = Mark(self.first, 0.0, 0.0)
        seconds = self._now.seconds - begin.seconds
        return (self.work(self._now.step) - self.work(begin.step)) / seconds if seconds > 0 else 0.0

    @property
    def per_step(self) -> float:
        """Seconds of training that an average iteration takes from now on. 0: not known yet."""
        steps = self.total - self._now.step
        return self._rest() / steps if steps > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds until training ends, with pauses for pictures and the like as so far. ``None``: not known yet."""
        if not self.known:
            return None
        trained = self._now.seconds - self._settled.seconds
        pauses = (self._now.wall - self._settled.wall) / trained if trained > 0 else 1.0
        return max(1.0, pauses) * max(0.0, min(self._rest(), self.limit - self._now.seconds))

    @property
    def end(self) -> int:
        """Step at which this call will probably end."""
        rest, allowed = self._rest(), max(0.0, self.limit - self._now.seconds)
        if not self.known or rest <= allowed:
            return self.total
        return min(self.total, self._now.step + math.ceil((self.total - self._now.step) * allowed / rest))

    @property
    def share(self) -> float:
        """Share of this call that is done, from 0 to 1: by steps, or by the time limit where that is more."""
        steps = (self._now.step - self.first) / max(1, self.total - self.first)
        return min(1.0, max(steps, self._now.seconds / self.limit))

    def _rest(self) -> float:
        """Seconds of training that all steps to come would take."""
        rate = self.rate
        return (self.work(self.total) - self.work(self._now.step)) / rate if rate > 0 else 0.0


def forecast(
    per_step: float, first: int, total: int, *, minutes: float | None, patience: float, smaller: Sequence[str] = ()
) -> str:
    """One sentence on what a run will take.

    Args:
        per_step: Seconds that an iteration takes.
        first: Iterations that were played before.
        total: Iterations in all.
        minutes: Minutes after which the run ends. ``None``: no limit.
        patience: Seconds beyond which the run is too long, so that the sentence says what to try.
        smaller: Names of arguments that make an iteration shorter if they are smaller.
    """
    rest, each = total - first, span(per_step)
    steps = f"the remaining {rest:,} of {total:,} steps" if first else f"{total:,} steps"
    seconds = per_step * rest
    if minutes is not None and seconds > MINUTE * minutes:
        reached = min(total, first + max(1, math.ceil(MINUTE * minutes / per_step)))
        ends = f"the time limit ({minutes:g} min) ends the run near step {reached:,} of {total:,}"
        return f"one step takes {each}: {ends}"
    if seconds <= patience:
        return f"about {span(seconds)} for {steps} ({each} each)"
    listed = " or ".join(filter(None, [", ".join(smaller[:-1]), *smaller[-1:]]))
    ways = [*([f"a smaller {listed}"] if listed else []), "fewer steps", "or a time limit"]
    return f"one step takes {each}: {steps} take {span(seconds)}; try {', '.join(ways)}"


def forecast_for(setup: Setup, per_step: float, first: int = 0) -> str:
    """:func:`forecast` of a run, with the arguments that it has.

    Args:
        setup: What is trained.
        per_step: Seconds that an iteration takes.
        first: Iterations that were played before.
    """
    smaller = [name for name in SHORTER if name in setup.arguments]
    smaller += [] if setup.data.is_points else ["size"]
    patience = PATIENCE.get(setup.device.type, PATIENCE_ELSEWHERE)
    return forecast(
        per_step, first, setup.recipe.steps, minutes=setup.settings.minutes, patience=patience, smaller=smaller
    )


class Cost(NamedTuple):
    """What iterations cost on this machine.

    Attributes:
        seconds: Seconds that an average iteration takes.
        memory_mib: MiB of memory that training adds to what the process held: on a GPU, of what torch allocates there.
    """

    seconds: float
    memory_mib: float


def measure(setup: Setup, seconds: float = 10.0) -> Cost:
    """Measure a few iterations on a state that is thrown away.

    The first iteration does not count for the time, unless it alone takes as long as asked and was not compiled.

    Args:
        setup: What would be trained.
        seconds: Seconds after which no further iteration begins.

    Raises:
        NonFiniteLoss: A loss became NaN or infinite.
    """
    before = _forget_peak(setup.device)
    work = work_of(setup)
    pace = Pace(work, 0, setup.recipe.steps, minutes=None, compiled=setup.backend is not None)
    begun = time.monotonic()
    for step, _, _ in phases(setup, Batches(setup), begin(setup, game_at(setup, 0)), 0):
        if setup.device.type == "cuda":
            torch.cuda.synchronize(setup.device)
        spent = time.monotonic() - begun
        pace.tick(step, spent, spent)
        if spent >= seconds and (step > 1 or setup.backend is None):
            break
    total = setup.recipe.steps
    return Cost(work(total) / pace.rate / total, max(0.0, peak_memory_mib(setup.device) - before))


def measure_step(setup: Setup, seconds: float = 10.0) -> float:
    """Seconds that an average iteration takes; see :func:`measure`."""
    return measure(setup, seconds).seconds


def memory_mib(setup: Setup) -> float:
    """MiB of memory that training adds, from one iteration; see :func:`measure`."""
    return measure(setup, 0.0).memory_mib


def peak_memory_mib(device: torch.device) -> float:
    """Largest amount of memory that was in use so far, in MiB: of torch on a GPU, of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    held = _held_mib("VmHWM")
    if held is not None:
        return held
    try:
        import resource
    except ImportError:  # Windows: not known
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _forget_peak(device: torch.device) -> float:
    """Let the peak of memory begin anew where that can be done. Returns the MiB that it begins with."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return peak_memory_mib(device)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: VmHWM begins anew
    except OSError:  # growth beyond the peak so far is seen all the same
        return peak_memory_mib(device)
    return peak_memory_mib(device)


def _held_mib(field: str) -> float | None:
    """A field of this process's status on Linux, in MiB. ``None``: there is none here."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith(f"{field}:")), None)


def checkpoint_bytes(setup: Setup) -> int:
    """Bytes of a checkpoint on disk, those of its largest phase. No memory is needed for this."""
    return max(state_bytes(start(phase.game, torch.device("meta"))) for phase in setup.recipe.phases)


def state_bytes(state: State) -> int:
    """Bytes of a state's tensors, which are those of its checkpoint."""
    return sum(tensor.nbytes for tensor in pytree.tree_leaves(state) if isinstance(tensor, torch.Tensor))


def parameters(setup: Setup) -> dict[str, int]:
    """Number of trained weights of each network, by its name, in the last phase."""
    nets = setup.recipe.phases[-1].game.nets
    return {name: sum(weight.numel() for weight in net.parameters()) for name, net in nets.items()}
