"""What is watched during a run: singular values of every weight, variety of samples, and alarms from both.

This follows Brock et al. 2019 (arXiv:1809.11096, Section 4), who watched the three largest singular values of every
weight. Nothing here changes what is learnt: weights are only read, and random directions come from separate generators.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zerosum.core.game import Game, State
from zerosum.core.random import generator
from zerosum.files import Row, Rows
from zerosum.folder import RunFolder
from zerosum.runs import alarm
from zerosum.runs.alarm import Finding
from zerosum.runs.estimate import Thinning
from zerosum.runs.log import Display
from zerosum.runs.setup import Setup
from zerosum.runs.spectrum import AGAIN, FIRST, as_matrix, random_basis, spectra

LOOKS = 100  # default number of looks in a run
APART = 100  # least number of iterations between looks: a look costs less than an iteration, so all of them below 1%
NEAR = 0.1  # part of the usual distance between neighbouring real samples within which samples are near-duplicates
KEPT = 64  # newest rows that are kept in memory: more than any rule reads


def look_interval(setting: int, total: int) -> int:
    """Iterations from one look to the next in a run of ``total``. 0: no looks. See ``Settings.watch``."""
    return max(0, setting) if setting else max(APART, total // LOOKS)


def matrices(game: Game, state: State) -> dict[str, Tensor]:
    """Every weight of two dimensions or more as a matrix, by ``network/layer``, in the order of the layers.

    Weights are those that are trained: of a layer with spectral normalisation it is W, not W / sigma. Embeddings are
    included: their rows are the classes.
    """
    by_layer = {}
    for name, net in game.nets.items():
        modules = net.named_modules()
        transposed = {
            f"{path}.weight".lstrip(".") for path, m in modules if isinstance(m, nn.modules.conv._ConvTransposeNd)
        }
        for key, weight in state.weights[name].items():
            if weight.dim() > 1:
                label = f"{name}/{key.removesuffix('weight').rstrip('.') or key}"
                by_layer[label] = as_matrix(weight.detach(), transposed=key in transposed)
    return by_layer


class Eyes:
    """Looks at the singular values of a game's weights, each time starting from where the previous look ended.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._bases: dict[str, Tensor] = {}

    def look(self, game: Game, state: State) -> dict[str, Any]:
        """Return ``sigma`` (the three largest, in descending order) and ``orthogonality``, by ``network/layer``.

        Numbers that are not finite are ``None``.
        """
        weights = matrices(game, state)
        device = next((matrix.device.type for matrix in weights.values()), "cpu")
        with torch.no_grad(), torch.autocast(device, enabled=False):
            known = {name: v for name, v in self._bases.items() if name in weights and len(v) == weights[name].shape[1]}
            new = {
                name: random_basis(matrix, generator(self.seed, "watch", name))
                for name, matrix in weights.items()
                if name not in known
            }
            by_layer, self._bases = spectra(weights, known | new, FIRST if new else AGAIN)
        return {
            "sigma": {name: [_round(value) for value in one.sigma] for name, one in by_layer.items()},
            "orthogonality": {name: _round(one.orthogonality) for name, one in by_layer.items()},
        }


def _round(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


class Reference(NamedTuple):
    """What real samples are like.

    Attributes:
        deviation: Standard deviation; see :func:`deviation`.
        gap: Usual distance from a sample to the nearest other one.
    """

    deviation: float
    gap: float

    @classmethod
    def of(cls, real: Tensor) -> Reference:
        """Measure a batch of real samples, (n, ...)."""
        return cls(deviation(real), float(gaps(real).median()))


def deviation(samples: Tensor) -> float:
    """Square root of the variance across a batch (n, ...), averaged over the components."""
    return float(samples.float().var(0).double().mean().sqrt())


def gaps(samples: Tensor) -> Tensor:
    """Root mean square difference from each sample (n, ...) to the nearest other one, (n,)."""
    flat = samples.flatten(1).float()
    apart = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
    return apart.min(1).values / math.sqrt(flat.shape[1])


def variety(samples: Tensor, real: Reference) -> dict[str, Any]:
    """How much samples vary compared with real ones.

    Args:
        samples: Generated samples, (n, ...).
        real: As many real samples, measured.

    Returns:
        ``samples``: n. ``spread``: their standard deviation, divided by that of the real ones. ``repeats``: the share
        of samples that have another one closer than a tenth of the usual distance between neighbouring real ones.
    """
    return {
        "samples": len(samples),
        "spread": round(deviation(samples) / real.deviation, 5),
        "repeats": round(float((gaps(samples) < NEAR * real.gap).double().mean()), 5),
    }


class Watch:
    """Watches one run: writes ``spectra.jsonl``, ``variety.jsonl`` and ``alarms.jsonl``, and shows each alarm once.

    Args:
        setup: What is trained.
        folder: Folder of the run.
        display: Where alarms are shown.

    Attributes:
        end: Step at which the run will probably end, for rules that wait for its second half.
    """

    def __init__(self, setup: Setup, folder: RunFolder, display: Display) -> None:
        self.setup, self.folder, self.display = setup, folder, display
        self.end = setup.recipe.steps
        self.every = look_interval(setup.settings.watch, self.end)
        # Where a time limit ends the run, nobody knows how many steps a hundredth of it has.
        thinned = setup.settings.minutes is not None and not setup.settings.watch
        self._thinning = Thinning(self.end // APART, LOOKS) if thinned else None
        self._eyes = Eyes(setup.settings.seed)
        self._real: Reference | None = None
        self._looks: deque[Row] = deque(maxlen=KEPT)
        self._pictures: list[Row] = []
        self._first: list[Row] = []  # first rows of the log
        self._rows: deque[Row] = deque(maxlen=KEPT)  # newest rows of the log
        self._scores: list[Row] = []
        self._known: set[str] = set()  # names of alarms that were shown

    def recall(self) -> None:
        """Read what was written before this run was stopped and resumed."""
        if not self.every:
            return
        self._looks.extend(Rows(self.folder.spectra))
        self._pictures.extend(Rows(self.folder.variety))
        for row in Rows(self.folder.metrics):
            self.log(int(row["step"]), row["losses"])
        self._scores += Rows(self.folder.scores)
        self._known = {str(row["name"]) for row in Rows(self.folder.alarms)}

    def due(self, step: int) -> bool:
        """Whether it is time for a look at the weights."""
        if self._thinning is not None:
            return step % APART == 0 and step // APART in self._thinning
        return self.every > 0 and step % self.every == 0

    def look(self, step: int, game: Game, state: State) -> None:
        """Look at the weights, and judge what has been seen so far."""
        if not self.every or _last_step(self._looks) >= step:
            return
        row = {"step": step, **self._eyes.look(game, state)}
        self._looks.append(row)
        Rows(self.folder.spectra).append(row)
        self._report(step, alarm.find_spikes(list(self._looks)))
        self._report(step, alarm.find_saturated_critics([*self._first, *self._rows], self._critics(game)))

    def log(self, step: int, losses: Mapping[str, float]) -> None:
        """Add a row of the log."""
        row = {"step": step, "losses": losses}
        if len(self._first) < alarm.INITIAL:
            self._first.append(row)
        else:
            self._rows.append(row)

    def picture(self, step: int, samples: Tensor) -> None:
        """Add the samples of a picture, (n, ...), which come from the same latents every time."""
        if not self.every or _last_step(self._pictures) >= step or len(samples) < 2:
            return
        if self._real is None:
            self._real = self._measure_real(len(samples))
        if not (self._real.deviation > 0 and bool(samples.isfinite().all())):
            return
        row = {"step": step, **variety(samples, self._real)}
        self._pictures.append(row)
        Rows(self.folder.variety).append(row)
        self._report(step, alarm.find_lack_of_variety(self._pictures, self.end))

    def add_scores(self, step: int, scores: Sequence[Mapping[str, Any]]) -> None:
        """Add scores, as they are written to ``scores.jsonl``."""
        if self.every:
            self._scores += [{"step": step, "score": score} for score in scores]
            self._report(step, alarm.find_missing_classes(self._scores, self.end))

    def _critics(self, game: Game) -> list[str]:
        """Names of the players that do not move the generator."""
        generator_ = self.setup.recipe.generator
        return [who for who, player in game.players.items() if generator_ not in player.owns]

    def _measure_real(self, n: int) -> Reference:
        data = self.setup.data
        size = n if data.count is None else min(n, data.count)
        return Reference.of(data.batch(0, size, seed=self.setup.settings.seed + 1)[0])

    def _report(self, step: int, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if finding.name not in self._known:
                self._known.add(finding.name)
                Rows(self.folder.alarms).append({"step": step, **asdict(finding)})
                self.display.say(
                    f"alarm at step {step:,}: {finding.name} (since step {finding.since:,}): {finding.seen}. "
                    f"To try: {finding.advice}"
                )


def _last_step(rows: Sequence[Row]) -> int:
    return int(rows[-1]["step"]) if rows else -1
