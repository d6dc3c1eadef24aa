"""Random architectures: the table counts as by hand, the score is its formula, and no pair is done twice."""

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.core.game import gradient, play, start
from zerosum.core.optim import rmsprop
from zerosum.data.images import Images
from zerosum.errors import UsageError
from zerosum.lab import convolutional, results
from zerosum.lab.base import Lab
from zerosum.lab.experiments import random_architectures as lab
from zerosum.networks.layers import BatchNorm, LayerNorm
from zerosum.systems import Batch

TINY: dict[str, Any] = {"count": 2, "steps": 1, "batch": 4, "samples": 8, "depths": (4,), "widths": (2, 3)}


def test_the_table_counts_as_by_hand() -> None:
    scores = [(1.0, 1.0), (2.0, 6.0), (6.0, 2.0), (8.0, 8.0), (1.5, 4.0)]
    table = lab.success_table(scores, (1.0, 3.0, 5.0, 8.0))
    # Only GAN, only WGAN-GP, both, neither; a score at the threshold is no success.
    assert table == {1.0: (0, 0, 4, 1), 3.0: (1, 2, 1, 1), 5.0: (1, 1, 1, 2), 8.0: (0, 0, 0, 5)}
    assert all(sum(row) == len(scores) for row in table.values())


def test_the_papers_table_is_of_200_pairs() -> None:
    assert list(lab.PAPER) == [1.0, 3.0, 5.0, 7.0, 9.0]
    assert [sum(row) for row in lab.PAPER.values()] == [200] * 5
    assert lab.PAPER[5.0] == (0, 147, 42, 11)
    assert lab.PAPER[7.0] == (1, 104, 5, 90)


def test_the_score_is_1_for_indifference_and_10_for_certainty_about_all_classes() -> None:
    assert lab.score_of(torch.zeros(40, 10)) == pytest.approx(1.0, abs=1e-12)
    sure = 200.0 * torch.eye(10).repeat_interleave(4, 0)  # sorted by class: it must be of all samples at once
    assert lab.score_of(sure) == pytest.approx(10.0, rel=1e-9)
    assert lab.score_of(sure[:4]) == pytest.approx(1.0, abs=1e-9)


def test_the_score_is_that_of_scipy() -> None:
    from scipy.stats import entropy

    p = np.array([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]])
    by_hand = math.exp(np.mean([entropy(row, p.mean(0)) for row in p]))
    assert lab.score_of(torch.tensor(p).log()) == pytest.approx(by_hand, rel=1e-12)


def test_real_clothes_score_more_than_one_kind_of_them(clothes: Images) -> None:
    images, labels = clothes.batch(0, 300, seed=0)
    assert labels is not None
    trousers = images[labels == clothes.classes.index("Trouser")]
    assert lab.classifier_score(trousers) < 1.5 < 6 < lab.classifier_score(images) <= 10


def test_nonlinearities_are_those_of_the_paper() -> None:
    x = torch.tensor([[-1.0], [0.5], [30.0]], dtype=torch.float64)
    found = {name: layer(x).flatten().tolist() for name, layer in lab.ACTIVATIONS.items()}
    assert found["softplus(2x + 2)/2 - 1"] == pytest.approx([math.log(2) / 2 - 1, math.log1p(math.e**3) / 2 - 1, 30])
    assert found["ReLU"] == [0, 0.5, 30]
    assert found["LeakyReLU"] == [-0.2, 0.5, 30]
    assert found["tanh"] == pytest.approx([math.tanh(-1), math.tanh(0.5), 1])


def test_pairs_are_drawn_uniformly_and_one_by_one() -> None:
    pairs = [lab.draw_pair(3, i, (4, 6, 8), (8, 16)) for i in range(400)]
    for side in ("g", "d"):
        for key, options in {"activation": 4, "depth": 3, "norm": 2, "width": 2}.items():
            counts = Counter(getattr(getattr(pair, side), key) for pair in pairs)
            assert len(counts) == options
            spread = math.sqrt(400 / options * (1 - 1 / options))
            assert max(abs(n - 400 / options) for n in counts.values()) < 4 * spread
    same = sum(pair.g.activation == pair.d.activation for pair in pairs)  # the sides do not hang together
    assert abs(same - 100) < 4 * math.sqrt(400 * 0.25 * 0.75)
    assert lab.draw_pair(4, 0, (4, 6, 8), (8, 16)) != pairs[0] or lab.draw_pair(4, 1, (4, 6, 8), (8, 16)) != pairs[1]


def weights(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


@pytest.mark.parametrize("depth", [4, 5, 8, 20])
def test_networks_have_the_depth_the_width_and_the_normalisation_that_were_drawn(
    depth: int, norms_of: Callable[[nn.Module], set[type]]
) -> None:
    pair = lab.PairChoice(lab.NetworkChoice("tanh", depth, True, 2), lab.NetworkChoice("ReLU", depth, False, 3))
    g, d = lab.build_pair(pair, LayerNorm)
    assert len(weights(g)) == len(weights(d)) == depth
    assert (norms_of(g), norms_of(d)) == ({BatchNorm}, set())
    g, d = lab.build_pair(lab.PairChoice(pair.d, pair.g), LayerNorm)
    assert (norms_of(g), norms_of(d)) == (set(), {LayerNorm})
    normalised = [
        sum(isinstance(m, BatchNorm | LayerNorm) for m in net.modules())
        for net in (lab.build_pair(pair, LayerNorm)[0], d)
    ]
    assert normalised == [depth - 1, depth - 2]  # all but the image; all but the image's reader and the last
    convs = [w for w in weights(d) if isinstance(w, nn.Conv2d)]
    assert sorted({c.out_channels for c in convs}) == [2, 4, 8]
    first, last = convs[0], [w for w in weights(g) if isinstance(w, nn.Conv2d)][-1]
    assert (first.in_channels, first.out_channels) == (1, 2)
    assert (last.in_channels, last.out_channels) == (3, 1)


@pytest.mark.parametrize("name", lab.PLAYED)
@pytest.mark.parametrize("activation", lab.ACTIVATIONS)
def test_every_nonlinearity_can_make_an_update_of_either_kind(activation: str, name: str, images: Batch) -> None:
    method, side = lab.PLAYED[name], lab.NetworkChoice(activation, 5, True, 2)
    nets = convolutional.build_nets(0, (), lambda: lab.build_pair(lab.PairChoice(side, side), method.norm))
    game = convolutional.game(method, nets)
    state = start(game)
    for who in ("D", "G"):
        grads, _, _ = gradient(game, who, state, images)  # torch.func's
        assert all(bool(g.isfinite().all()) for g in grads[who].values())
        assert any(bool(g.abs().max() > 0) for g in grads[who].values())
        state, _ = play(game, who, state, images)
    made = nets["G"](images.z).detach()
    assert made.shape == (4, 1, 32, 32)
    assert float(made.abs().max()) <= 1


def test_the_penalty_is_ten_times_the_squared_distance_of_the_slope_from_one(images: Batch) -> None:
    method = lab.PLAYED["WGAN-GP"]
    side = lab.NetworkChoice("softplus(2x + 2)/2 - 1", 4, True, 2)
    nets = convolutional.build_nets(0, (), lambda: lab.build_pair(lab.PairChoice(side, side), method.norm))
    game = convolutional.game(method, nets)
    _, said, _ = gradient(game, "D", start(game), images)
    fake, mix = nets["G"](images.z).detach(), images.eps.view(4, 1, 1, 1)
    between = (mix * images.x + (1 - mix) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(nets["D"](between).sum(), between)
    by_hand = 10 * sum((float(row.norm()) - 1) ** 2 for row in slope) / 4
    assert float(said["gp"]) == pytest.approx(by_hand, rel=1e-4)
    adversarial = float((nets["D"](fake).mean() - nets["D"](images.x).mean()).detach())
    assert float(said["adv"]) == pytest.approx(adversarial, abs=1e-5)


OPTIMIZERS = {
    "dcgan": lambda w: torch.optim.Adam(w, lr=2e-4, betas=(0.5, 0.999)),
    "lsgan": lambda w: torch.optim.RMSprop(w, lr=1e-4),
    "wgan": lambda w: torch.optim.RMSprop(w, lr=5e-5),
    "wgan-gp": lambda w: torch.optim.Adam(w, lr=1e-4, betas=(0.5, 0.9)),
}


@pytest.mark.parametrize("name", convolutional.METHODS)
def test_methods_step_as_published(name: str) -> None:
    method = convolutional.METHODS[name]
    weight = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    ours, theirs = {"w": weight.detach().clone()}, OPTIMIZERS[name]([weight])
    state = method.optimizer.init(ours)
    for grad in ([1.0, 3.0], [-2.0, 0.5], [0.3, 0.1]):
        ours, state = method.optimizer.update({"w": torch.tensor(grad, dtype=torch.float64)}, state, ours)
        weight.grad = torch.tensor(grad, dtype=torch.float64)
        theirs.step()
    assert ours["w"].tolist() == pytest.approx(weight.tolist(), rel=1e-9)
    assert method.norm is (LayerNorm if name == "wgan-gp" else BatchNorm)
    nets: dict[str, nn.Module] = {"G": nn.Linear(1, 1), "D": nn.Linear(1, 1)}
    players = convolutional.game(method, nets).players
    critic_steps = {"dcgan": 1, "lsgan": 1, "wgan": 5, "wgan-gp": 5}[name]
    assert (players["D"].updates(7), players["G"].updates(7)) == (critic_steps, 1)


def test_least_squares_targets() -> None:
    real, fake = torch.tensor([1.0, 0.0]), torch.tensor([0.5, -1.0])
    objective = convolutional.METHODS["lsgan"].objective
    assert float(objective.d(real, fake)) == pytest.approx((0.5 + 0.625) / 2)  # real towards 1, generated towards 0
    assert float(objective.g(None, fake)) == pytest.approx((0.25 + 4) / 2 / 2)
    assert float(convolutional.METHODS["dcgan"].objective.g(None, fake)) == pytest.approx(
        float(F.binary_cross_entropy_with_logits(fake, torch.ones(2)))
    )


def test_finished_pairs_are_not_done_again(tmp_path: Path, counted: list[str]) -> None:
    room = Lab(seed=1, folder=tmp_path / "parts")
    one = lab.experiment(room, **TINY | {"count": 1})
    assert counted == ["DCGAN", "WGAN-GP"]
    two = lab.experiment(room, **TINY)
    assert len(counted) == 4  # only the second pair
    assert two.numbers["pairs"][:1] == one.numbers["pairs"]
    assert lab.experiment(room, **TINY).numbers == two.numbers
    assert len(counted) == 4
    file = tmp_path / "parts" / "pairs.jsonl"
    whole = file.read_text()
    assert whole.count("\n") == 2
    file.write_text(whole[:-40])  # torn by a crash: the last pair is done again, with the same result
    assert lab.experiment(room, **TINY).numbers == two.numbers
    assert len(counted) == 6
    assert lab.experiment(room, **TINY).numbers == two.numbers
    assert len(counted) == 6  # what was added after the torn line is found
    lab.experiment(room, **TINY | {"count": 1, "steps": 2})
    assert len(counted) == 8  # other settings
    lab.experiment(replace(room, seed=2), **TINY | {"count": 1})
    assert len(counted) == 10  # another seed
    assert lab.experiment(Lab(seed=1), **TINY | {"count": 1}).numbers["pairs"] == one.numbers["pairs"]
    assert len(counted) == 12  # without a folder nothing is kept, and the same comes out


def test_both_methods_start_from_the_same_weights_and_make_as_many_updates(
    starts: list[tuple[list[float], int]],
) -> None:
    lab.experiment(Lab(), **TINY)
    assert (starts[0], starts[2]) == (starts[1], starts[3])
    assert [steps for _, steps in starts] == [1] * 4
    assert starts[0] != starts[2]


def test_numbers_hold_the_table_beside_the_papers() -> None:
    found = lab.experiment(Lab(), **TINY | {"count": 1, "thresholds": (1.0, 5.0)})
    json.dumps(results.to_plain(found.numbers), allow_nan=False)
    assert [sum(row["pairs"]) for row in found.numbers["table"]] == [1, 1]
    assert found.numbers["paper"]["table"][2] == {"above": 5.0, "pairs": (0, 147, 42, 11)}
    assert "0, 147, 42, 11" in found.says[-1]
    assert [panel.get_title() for panel in found.figures["success"].axes][1] == "here, N = 1"
    assert found.numbers["pairs"][0]["GAN"]["score"] >= 1


def test_what_diverges_scores_1(monkeypatch: pytest.MonkeyPatch) -> None:
    mad = replace(convolutional.METHODS["wgan-gp"], optimizer=rmsprop(1e30))
    monkeypatch.setattr(lab, "PLAYED", {"GAN": lab.PLAYED["GAN"], "WGAN-GP": mad})
    found = lab.experiment(Lab(), **TINY | {"count": 1, "steps": 3})
    assert found.numbers["pairs"][0]["WGAN-GP"] == {"score": 1.0, "diverged": True}
    assert found.numbers["pairs"][0]["GAN"]["diverged"] is False
    assert "1 diverged" in found.says[1]
    assert found.numbers["table"][0]["pairs"][1] == found.numbers["table"][0]["pairs"][2] == 0


class Broken(convolutional.Generator):
    """Its losses are finite, its samples are not."""

    def forward(self, z: Tensor) -> Tensor:
        images = super().forward(z)
        return images if self.training else images * math.nan


@pytest.mark.parametrize("kind", [convolutional.Generator, Broken])
def test_samples_that_are_not_finite_are_as_a_divergence(kind: type[convolutional.Generator], clothes: Images) -> None:
    method = convolutional.METHODS["dcgan"]
    nets = convolutional.build_nets(0, (), lambda: (kind(2), convolutional.Critic(2)))
    images = convolutional.train_nets(method, nets, clothes, seed=0, steps=1, batch=4, count=5)
    assert (images is None) == (kind is Broken)
    assert images is None or images.shape == (5, 1, 32, 32)


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"depths": (3, 4)}, {"depths": ()}, {"widths": (0,)}, {"batch": 0}, {"thresholds": ()}]
)
def test_what_cannot_be_drawn_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        lab.experiment(Lab(), **TINY | wrong)
