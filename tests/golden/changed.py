"""Runs, experiments and trainings that come to something else than in the version that recorded them, on purpose.

Each has a reason. ``make.py changed NAME ...`` records what they come to now, beside what was recorded, which stays as
it is: old runs must still load, sample and resume to the numbers of their own version.
"""

from __future__ import annotations

_TOY = "Both networks start from the weights of WGAN-GP's toy experiments, no longer from PyTorch's."

CHANGED: dict[str, str] = {
    "ct-gan": _TOY,
    "loss-meaning": f"It trains wgan-gp on points. {_TOY}",
    "points": f"It trains wgan-gp on points. {_TOY}",
    "wgan-div": _TOY,
    "wgan-gp": _TOY,
}
