"""What is looked at while a run goes: singular values of every weight, variety of samples, and alarms from both.

After Brock et al. 2019 (arXiv:1809.11096, Section 4), who watched the three largest singular values of every weight.
Nothing here changes what is learnt: weights are read, and random directions come from generators of their own.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zerosum.core.game import Game, State
from zerosum.core.random import generator
from zerosum.core.spectrum import AGAIN, FIRST, as_matrix, random_basis, spectra
from zerosum.runs import alarm
from zerosum.runs.alarm import Finding
from zerosum.runs.folder import RunFolder
from zerosum.runs.log import Display, rows_of
from zerosum.runs.setup import Setup

LOOKS = 100  # in a run, by default
APART = 100  # iterations from one to the next, at least: a look costs less than an iteration, so all less than 1%
NEAR = 0.1  # of the usual distance between neighbours among real samples: closer ones are near-duplicates
KEPT = 64  # newest rows in memory; more than any rule reads


def every(asked: int, total: int) -> int:
    """Iterations from one look to the next in a run of ``total``; 0 for never. See ``Settings.watch``."""
    return max(0, asked) if asked else max(APART, total // LOOKS)


def matrices(game: Game, state: State) -> dict[str, Tensor]:
    """Every weight of two dimensions or more as a matrix, by ``network/layer``, in the order of the layers.

    Weights are those that are trained: a layer with spectral normalisation has W here, not W / sigma. Embeddings count:
    their rows are the classes.
    """
    found = {}
    for name, net in game.nets.items():
        modules = net.named_modules()
        turned = {
            f"{path}.weight".lstrip(".") for path, m in modules if isinstance(m, nn.modules.conv._ConvTransposeNd)
        }
        for key, weight in state.weights[name].items():
            if weight.dim() > 1:
                label = f"{name}/{key.removesuffix('weight').rstrip('.') or key}"
                found[label] = as_matrix(weight.detach(), transposed=key in turned)
    return found


class Eyes:
    """Looks at the singular values of a game's weights, each time from where the look before ended.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._bases: dict[str, Tensor] = {}

    def look(self, game: Game, state: State) -> dict[str, Any]:
        """``sigma`` (three largest, the largest first) and ``orthogonality``, by ``network/layer``.

        What is not finite is ``None``.
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
            found, self._bases = spectra(weights, known | new, FIRST if new else AGAIN)
        return {
            "sigma": {name: [_plain(value) for value in one.sigma] for name, one in found.items()},
            "orthogonality": {name: _plain(one.orthogonality) for name, one in found.items()},
        }


def _plain(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


class Reference(NamedTuple):
    """What real samples are like: their standard deviation, and the usual distance from one to the next."""

    deviation: float
    gap: float

    @classmethod
    def of(cls, real: Tensor) -> Reference:
        """Measured on a batch (n, ...)."""
        return cls(deviation(real), float(gaps(real).median()))


def deviation(samples: Tensor) -> float:
    """Root of the mean over components of the variance across the batch (n, ...)."""
    return float(samples.float().var(0).double().mean().sqrt())


def gaps(samples: Tensor) -> Tensor:
    """Root mean square difference from each sample (n, ...) to the nearest other one, (n,)."""
    flat = samples.flatten(1).float()
    apart = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
    return apart.min(1).values / math.sqrt(flat.shape[1])


def variety(samples: Tensor, real: Reference) -> dict[str, Any]:
    """How much samples (n, ...) vary, beside as many real ones.

    Returns:
        ``samples``, n; ``spread``, their standard deviation over the real ones'; ``repeats``, the share with another
        one closer than a tenth of the usual distance between neighbours among real ones.
    """
    return {
        "samples": len(samples),
        "spread": round(deviation(samples) / real.deviation, 5),
        "repeats": round(float((gaps(samples) < NEAR * real.gap).double().mean()), 5),
    }


class Watch:
    """Watches one run: writes ``spectra.jsonl``, ``variety.jsonl`` and ``alarms.jsonl``, and says each alarm once.

    Args:
        setup: of the run.
        folder: where to write.
        display: where to say.
        on: whether this process watches; one of several does.
    """

    def __init__(self, setup: Setup, folder: RunFolder, display: Display, *, on: bool = True) -> None:
        self.setup, self.folder, self.display = setup, folder, display
        self.every = every(setup.settings.watch, setup.recipe.steps) if on else 0
        self._eyes = Eyes(setup.settings.seed)
        self._real: Reference | None = None
        self._looks: deque[alarm.Row] = deque(maxlen=KEPT)
        self._pictures: list[alarm.Row] = []
        self._first: list[alarm.Row] = []  # of the log
        self._rows: deque[alarm.Row] = deque(maxlen=KEPT)
        self._scores: list[alarm.Row] = []
        self._known: set[str] = set()  # alarms that were shown

    def recall(self) -> None:
        """Read what was written before this run was stopped and resumed."""
        if not self.every:
            return
        self._looks.extend(rows_of(self.folder.spectra))
        self._pictures.extend(rows_of(self.folder.variety))
        for row in rows_of(self.folder.metrics):
            self.log(int(row["step"]), row["losses"])
        self._scores += rows_of(self.folder.scores)
        self._known = {str(row["name"]) for row in rows_of(self.folder.alarms)}

    def due(self, step: int) -> bool:
        """Is it time for a look at the weights?"""
        return self.every > 0 and step % self.every == 0

    def look(self, step: int, game: Game, state: State) -> None:
        """Look at the weights, and judge what was seen up to now."""
        if not self.every or _last(self._looks) >= step:
            return
        row = {"step": step, **self._eyes.look(game, state)}
        self._looks.append(row)
        _append(self.folder.spectra, row)
        self._raise(step, alarm.spiking(list(self._looks)))
        self._raise(step, alarm.saturated([*self._first, *self._rows], self._critics(game)))

    def log(self, step: int, losses: Mapping[str, float]) -> None:
        """Take in a row of the log."""
        row = {"step": step, "losses": losses}
        if len(self._first) < alarm.INITIAL:
            self._first.append(row)
        else:
            self._rows.append(row)

    def picture(self, step: int, samples: Tensor) -> None:
        """Take in the samples of a picture, (n, ...), always from the same latents."""
        if not self.every or _last(self._pictures) >= step or len(samples) < 2:
            return
        if self._real is None:
            self._real = self._reference(len(samples))
        if not (self._real.deviation > 0 and bool(samples.isfinite().all())):
            return
        row = {"step": step, **variety(samples, self._real)}
        self._pictures.append(row)
        _append(self.folder.variety, row)
        self._raise(step, alarm.monotonous(self._pictures, self.setup.recipe.steps))

    def scored(self, step: int, scores: Sequence[Mapping[str, Any]]) -> None:
        """Take in scores as they are written to ``scores.jsonl``."""
        if self.every:
            self._scores += [{"step": step, "score": score} for score in scores]
            self._raise(step, alarm.unbalanced(self._scores, self.setup.recipe.steps))

    def _critics(self, game: Game) -> list[str]:
        """Players that do not move the generator, where there are others that do."""
        generator_ = self.setup.recipe.generator
        return [who for who, player in game.players.items() if generator_ not in player.owns]

    def _reference(self, n: int) -> Reference:
        data = self.setup.data
        size = n if data.count is None else min(n, data.count)
        return Reference.of(data.batch(0, size, seed=self.setup.settings.seed + 1)[0])

    def _raise(self, step: int, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if finding.name not in self._known:
                self._known.add(finding.name)
                _append(self.folder.alarms, {"step": step, **asdict(finding)})
                self.display.say(
                    f"alarm at step {step:,}: {finding.name} (since step {finding.since:,}): {finding.seen}. "
                    f"To try: {finding.advice}"
                )


def _last(rows: Sequence[alarm.Row]) -> int:
    return int(rows[-1]["step"]) if rows else -1


def _append(file: Path, row: Mapping[str, Any]) -> None:
    with file.open("a") as rows:
        rows.write(json.dumps(row) + "\n")
