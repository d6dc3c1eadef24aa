"""The ring over time: what is drawn is what the generators make, and WGAN-GP covers it first."""

import pytest
import torch

from zerosum.data.points import Points
from zerosum.lab.base import Lab
from zerosum.lab.experiments import mode_collapse


def test_coverage_of_hand_made_samples(ring: Points) -> None:
    one = ring.modes[:1].repeat(50, 1)
    assert mode_collapse.coverage(one, ring) == {"modes": 1, "high_quality": 1.0, "kl": pytest.approx(2.0794, abs=1e-4)}
    half = torch.cat([ring.modes[:4].repeat(25, 1), torch.zeros(100, 2) + 0.01])
    found = mode_collapse.coverage(half, ring)
    assert (found["modes"], found["high_quality"]) == (4, 0.5)


def test_every_method_is_played_and_wgan_gp_covers_more_than_the_plain_game(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {name: mode_collapse.METHODS[name] for name in ("non-saturating", "WGAN-GP")}
    monkeypatch.setattr(mode_collapse, "METHODS", chosen)
    found = mode_collapse.experiment(Lab(), steps=200, shots=2, count=1_000)
    plain, wasserstein = (one["shots"] for one in found.numbers["methods"].values())
    assert [shot["step"] for shot in plain] == [100, 200]
    assert wasserstein[-1]["kl"] < 0.2 < 0.5 < plain[-1]["kl"]


@pytest.mark.parametrize("label", mode_collapse.METHODS)
def test_every_method_can_be_played(label: str, ring: Points) -> None:
    shots = mode_collapse.watch(Lab(), ring, label, steps=2, moments=[2], count=16)
    assert shots[0]["samples"].shape == (16, 2)
