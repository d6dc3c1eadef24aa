"""Runs, experiments and trainings that come to something else than in the version that recorded them, on purpose.

Each has a reason. ``make.py changed NAME ...`` records what they come to now, beside what was recorded, which stays as
it is: old runs must still load, sample and resume to the numbers of their own version.
"""

from __future__ import annotations

_TOY = "Both networks start from the weights of WGAN-GP's toy experiments, no longer from PyTorch's."

CHANGED: dict[str, str] = {
    "began": "Adam's beta1 is the 0.9 that carpedm20's code trains with, no longer 0.5, which it never uses.",
    "ct-gan": _TOY,
    "dragan": "The critic has layer norm, no longer batch norm, so that the penalised slope at a sample is its own.",
    "improved-gan": "Kernels of minibatch discrimination have scales and biases, set from data as the authors' are.",
    "loss-meaning": f"It trains wgan-gp on points. {_TOY}",
    "measures": "What is drawn by seed is drawn from images in the order of their hashes, not in that of the files.",
    "points": f"It trains wgan-gp on points. {_TOY}",
    "sagan": "3x3 convolutions start with gain 1, as the authors' do, no longer with sqrt(2).",
    "wgan-gp": _TOY,
}
