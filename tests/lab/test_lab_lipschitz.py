"""Lipschitz experiments: the theorems hold, and constraints do to spectra what Miyato et al. report."""

import numpy as np
import pytest
import torch
from torch import nn

from zerosum.core.game import start
from zerosum.core.train import train
from zerosum.lab import Findings, Lab, find
from zerosum.lab.experiments.lipschitz import (
    WRAPS,
    WeightNorm,
    batches,
    build_critic,
    critic_at,
    game,
    singular_values,
    stable_rank,
)


@pytest.fixture(scope="module")
def found() -> Findings:
    return find("lipschitz").run(Lab(), steps=250)


def test_random_directions_never_exceed_the_singular_value_and_its_vector_reaches_it(found: Findings) -> None:
    for one in found.numbers["linear map"].values():
        assert one["search"] == sorted(one["search"])
        assert one["search"][-1] <= 1 + 1e-12
        assert one["top"] == pytest.approx(1, abs=1e-12)
    assert found.numbers["linear map"]["2"]["search"][-1] > 0.999
    assert found.numbers["linear map"]["32"]["search"][-1] < 0.9


def test_compositions_stretch_less_than_the_product_unless_directions_meet(found: Findings) -> None:
    composed = found.numbers["composition"]
    assert max(composed["ratios"]) < 1
    assert min(composed["ratios"]) > 1 / 8
    assert composed["aligned"] == pytest.approx(1, abs=1e-9)


def test_whole_critics_stay_below_their_bounds(found: Findings) -> None:
    critics = found.numbers["critics"]
    for one in critics.values():
        assert 0 < one["seen"] <= one["bound"]
    assert 1 - 1e-6 < critics["spectral norm"]["bound"] < 1.3
    assert critics["spectral norm"]["spectra"][0][0] == pytest.approx(1, abs=0.15)
    assert critics["nothing"]["bound"] > 10


def test_spectral_norm_keeps_the_spectrum_broad_and_clipping_and_weight_norm_do_not(found: Findings) -> None:
    critics = found.numbers["critics"]
    first = {name: one["rank"][0] for name, one in critics.items()}
    last = {name: one["rank"][-1] for name, one in critics.items()}
    assert last["spectral norm"] > 2 * max(last["clipping"], last["weight norm"])
    assert last["spectral norm"] > 0.8 * first["spectral norm"]
    assert last["clipping"] < 0.6 * first["nothing"]
    assert last["weight norm"] < 0.6 * first["weight norm"]
    # The same weights to begin with; a stable rank does not change with scale.
    assert first["nothing"] == pytest.approx(first["weight norm"]) == pytest.approx(first["spectral norm"])


def test_stable_rank_by_hand() -> None:
    assert stable_rank(np.array([2.0, 2, 2])) == 3
    assert stable_rank(np.array([2.0, 1, 0])) == 1.25


def test_weight_norm_is_torchs() -> None:
    torch.manual_seed(0)
    plain = nn.Linear(5, 3)
    mine = WeightNorm(plain)
    with torch.no_grad():
        mine.g.mul_(torch.tensor([1.0, 2, 3]))
    theirs = nn.utils.parametrizations.weight_norm(nn.Linear(5, 3))
    theirs.load_state_dict(
        {
            "parametrizations.weight.original0": mine.g.detach()[:, None],
            "parametrizations.weight.original1": mine.v.detach(),
            "bias": plain.bias.detach(),
        }
    )
    x = torch.randn(4, 5)
    torch.testing.assert_close(mine(x), theirs(x))
    np.testing.assert_allclose(
        singular_values(mine), np.linalg.svd(theirs.weight.detach().double().numpy(), compute_uv=False), rtol=1e-5
    )


def test_clipped_weights_stay_in_their_box_and_spectra_are_of_the_state() -> None:
    rules = game("clipping", 0, c=0.05)
    state = start(rules)
    for _, after, _ in train(rules, state, batches(0), 3):
        state = after
    assert max(float(w.abs().max()) for w in state.weights["D"].values()) == pytest.approx(0.05)
    net = critic_at(rules, state)
    np.testing.assert_allclose(
        singular_values(net[2]),
        np.linalg.svd(state.weights["D"]["2.weight"].double().numpy(), compute_uv=False),
        rtol=1e-6,
    )
    assert sum(isinstance(part, nn.Linear) for part in build_critic(lambda layer: layer, 0)) == 4


def test_singular_values_under_spectral_norm_are_of_the_normalised_weight() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(6, 6)
    layer.weight.data *= 5
    expected = np.linalg.svd(layer.weight.detach().double().numpy(), compute_uv=False)
    found = singular_values(WRAPS["spectral norm"](layer))
    assert found[0] == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(found / found[0], expected / expected[0], rtol=1e-6)
