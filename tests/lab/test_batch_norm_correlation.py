"""How much of a batch-normalised sample is its companions' doing."""

import pytest
import torch

from zerosum.lab.base import Lab
from zerosum.lab.experiments import batch_norm_correlation as lab


def test_one_layer_depends_on_its_companions_as_predicted() -> None:
    found = lab.dependence(lab.layer(), lab.FEATURES, 64, 300, 0, label="", lab=Lab())
    # (1 + x^2 / 2) / B holds to first order in 1 / B.
    assert found == pytest.approx(1.5 / 64, rel=0.07)


def test_virtual_batch_norm_does_not_and_batch_norm_does_less_in_larger_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lab, "SIZES", (8, 64))
    monkeypatch.setattr(lab, "SUBJECTS", 4)
    numbers = lab.experiment(Lab(), companies=8, width=4, reference=8).numbers
    assert numbers["predicted_one_layer"] == [1.5 / 8, 1.5 / 64]
    found = numbers["dependence"]
    # The same function of the same latent: what is left is the order in which sums of other sizes are taken.
    assert found["DCGAN, virtual batch norm"] == pytest.approx([0, 0], abs=1e-9)
    small, large = found["DCGAN, batch norm"]
    assert small > 4 * large > 0


def test_a_function_of_its_own_latent_alone_has_no_dependence_and_the_mean_of_the_batch_has_all() -> None:
    def own(z: torch.Tensor) -> torch.Tensor:
        return z.sin()

    def noisy(z: torch.Tensor) -> torch.Tensor:
        return z + z[1:].mean(0) * (len(z) - 1) ** 0.5  # of the companions a standard normal summand

    assert lab.dependence(own, 50, 16, 10, 0, label="", lab=Lab()) == 0
    assert lab.dependence(noisy, 200, 16, 200, 0, label="", lab=Lab()) == pytest.approx(1, rel=0.15)
    share = lab.dependence(noisy, 20, 16, 20, 0, label="", lab=Lab())
    tripled = lab.dependence(lambda z: 3 * noisy(z), 20, 16, 20, 0, label="", lab=Lab())
    assert tripled == pytest.approx(share)  # a share, whatever the scale
