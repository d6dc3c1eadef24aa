"""The improved GAN recipe: each technique changes what it says and nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from recipe_data import load
from torch import nn

import zerosum
from zerosum import registry
from zerosum.core.game import Game, Nets, gradient, play, start
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.minibatch import MinibatchDiscrimination
from zerosum.networks.layers.virtual_batch_norm import VirtualBatchNorm
from zerosum.systems import Recipe

SMALL: dict[str, Any] = {"width": 4, "kernel": 4, "latent": 8, "batch_size": 6, "steps": 4}


def build(source: str = "fashion-mini", size: int | None = None, **arguments: Any) -> tuple[Recipe, Game, Any]:
    torch.manual_seed(0)
    data = load(source, size=size)
    recipe = registry.find("improved-gan")(data, **{**SMALL, **arguments})
    batch = recipe.draw(*data.batch(0, 6, seed=0), torch.Generator().manual_seed(0))
    return recipe, recipe.phases[0].game, batch


def has(net: nn.Module, kind: type[nn.Module]) -> bool:
    return any(isinstance(m, kind) for m in net.modules())


@pytest.mark.parametrize("source", ["fashion-mini", "ring"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.25])
def test_the_critic_minimises_the_cross_entropy_with_smoothed_real_labels(source: str, smoothing: float) -> None:
    _, game, batch = build(source, smoothing=smoothing)
    n = Nets(game, start(game), batch)
    real, fake = n.D(batch.x), n.D(n.G(batch.z))
    assert real.shape == fake.shape == (6,)
    expected = F.binary_cross_entropy_with_logits(real, torch.full((6,), 1 - smoothing))
    expected += F.binary_cross_entropy_with_logits(fake, torch.zeros(6))
    terms = game.players["D"].loss(n, batch, {})
    torch.testing.assert_close(sum(terms.values()), expected)


def test_the_generator_fools_or_matches() -> None:
    for generator in ("non-saturating", "feature-matching"):
        _, game, batch = build(generator=generator)
        n = Nets(game, start(game), batch)
        (term,) = game.players["G"].loss(n, batch, {}).values()
        real, fake = n.D.judge(batch.x), n.D.judge(n.G(batch.z))
        gap = real.features.double().mean(0) - fake.features.double().mean(0)
        expected = {
            "non-saturating": -torch.sigmoid(fake.logits).log().mean(),
            "feature-matching": gap.square().sum().float(),
        }
        torch.testing.assert_close(term, expected[generator])


def test_the_critic_has_no_batch_norm_which_would_make_mean_features_agree() -> None:
    _, game, batch = build(generator="feature-matching", kernels=0)
    assert not has(game.nets["D"], BatchNorm)
    n = Nets(game, start(game), batch)
    loss = game.players["G"].loss
    plain = loss(n, batch, {})["match"]
    # A shift and a stretch of all real images, which batch norm would undo, is seen.
    assert abs(loss(n, batch._replace(x=0.5 * batch.x - 0.5), {})["match"] - plain) > 0.01 * plain


@pytest.mark.parametrize("source", ["fashion-mini", "ring"])
def test_with_kernels_the_critic_sees_the_batch_and_without_only_the_sample(source: str) -> None:
    for kernels in (0, 20):
        _, game, batch = build(source, kernels=kernels)
        assert has(game.nets["D"], MinibatchDiscrimination) == bool(kernels)
        n = Nets(game, start(game), batch)
        same = batch.x[:1].expand_as(batch.x)
        alone, among = n.D(batch.x[:1]), n.D(same)
        assert torch.allclose(alone.expand(6), among, atol=1e-5) == (not kernels)


def test_the_reference_batch_makes_generated_samples_independent() -> None:
    for reference in (0, 5):
        recipe, game, batch = build(reference=reference)
        assert has(game.nets["G"], VirtualBatchNorm) == bool(reference)
        assert has(game.nets["G"], BatchNorm) != bool(reference)
        n = Nets(game, start(game), batch)
        whole, part = n.G(batch.z), n.G(batch.z[:3])
        assert whole.shape == batch.x.shape
        assert torch.allclose(whole[:3], part, atol=1e-5) == bool(reference)
        assert game.nets["G"](recipe.prior(3, torch.Generator().manual_seed(0))).shape == (3, 1, 32, 32)


def test_the_reference_batch_follows_from_the_seed_and_stays() -> None:
    _, game, batch = build(reference=5)
    state = start(game)
    after, _ = play(game, "G", state, batch)
    assert torch.equal(after.buffers["G"]["latents"], state.buffers["G"]["latents"])
    for seed in (0, 1):
        torch.manual_seed(seed)
        again = registry.find("improved-gan")(load("fashion-mini"), reference=5, **SMALL).phases[0].game
        same = torch.equal(state.buffers["G"]["latents"], start(again).buffers["G"]["latents"])
        assert same == (seed == 0)


def first_loss(size: int, seed: int, **arguments: Any) -> float:
    """What the critic of width 16 loses on a batch before the first update."""
    torch.manual_seed(seed)
    data = load("fashion-mini")
    recipe = registry.find("improved-gan")(data, width=16, batch_size=size, **arguments)
    game = recipe.phases[0].game
    batch = recipe.draw(*data.batch(3, size, seed=seed), torch.Generator().manual_seed(seed))
    return float(game.players["D"].loss(Nets(game, start(game), batch), batch, {})["adv"].detach())


def test_the_critic_begins_undecided_whatever_the_size_of_the_batch() -> None:
    for size in (30, 120):
        assert 0.4 < first_loss(size, 0) < 3.4  # log 4 = 1.39 where it says 0 of all samples
    assert first_loss(120, 0, calibrated=False) > 6


@pytest.mark.parametrize("seed", [0, 1])
def test_the_kernels_are_set_by_data_that_follow_from_the_seed(seed: int) -> None:
    torch.manual_seed(seed)
    data = load("fashion-mini")
    critic: Any = registry.find("improved-gan")(data, **SMALL | {"batch_size": 40}).phases[0].game.nets["D"]
    features = critic.judge(data.batch(0, 40, seed=7)[0]).features
    added = features[:, -100:].mean(0)
    assert added.abs().max() < 3  # of 39 others
    assert added.abs().max() > 1e-3, "another batch than that which set them"
    torch.manual_seed(seed)
    again: Any = registry.find("improved-gan")(data, **SMALL | {"batch_size": 40}).phases[0].game.nets["D"]
    assert all(
        torch.equal(a, b) for a, b in zip(critic.state_dict().values(), again.state_dict().values(), strict=True)
    )


def direction(game: Game, who: str, batch: Any) -> torch.Tensor:
    pulls, _, _ = gradient(game, who, start(game), batch)
    return torch.cat([g.flatten() for g in pulls[who].values()])


@pytest.mark.parametrize("parts", [2, 8])
def test_on_parts_of_a_batch_the_critic_is_pulled_the_same_way(parts: int) -> None:
    torch.manual_seed(0)
    data = load("fashion-mini")
    recipe = registry.find("improved-gan")(data, **SMALL | {"batch_size": 64, "width": 8})
    game = recipe.phases[0].game
    batch = recipe.draw(*data.batch(0, 64, seed=0), torch.Generator().manual_seed(0))
    whole, shared = direction(game, "D", batch), direction(replace(game, accumulate=parts), "D", batch)
    assert float(torch.cosine_similarity(whole, shared, 0)) > 0.9
    assert 0.8 < float(shared.norm() / whole.norm()) < 1.6


def test_virtual_batch_norm_does_not_know_how_a_batch_is_shared_out() -> None:
    _, game, batch = build(reference=5, kernels=0)
    whole, shared = direction(game, "G", batch), direction(replace(game, accumulate=3), "G", batch)
    torch.testing.assert_close(shared, whole, rtol=1e-3, atol=1e-6)


def test_a_run_is_opened_and_goes_on_where_its_data_are_gone_or_back(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", images=images)
    settings: dict[str, Any] = {"data": f"npz:{tmp_path / 'x.npz'}", "size": 16, "watch": -1, "sample_every": 9}
    settings |= {"save_every": 1, "progress": False}
    small: dict[str, Any] = SMALL | {"kernels": 3, "dims": 2, "steps": 2}
    run = zerosum.train("improved-gan", out=str(tmp_path / "a"), **settings, **small)
    short = zerosum.train("improved-gan", out=str(tmp_path / "b"), **settings, **small | {"steps": 1})
    assert short.folder.record()["arguments"]["calibrated"] is True
    on = zerosum.resume(short, steps=2, progress=False)
    assert same_weights(run, on)
    (tmp_path / "x.npz").unlink()
    assert zerosum.load(tmp_path / "a").sample(2).shape == (2, 1, 16, 16)


def same_weights(one: Any, other: Any) -> bool:
    names = one.networks.keys()
    pairs = [(one.networks[n].state_dict(), other.networks[n].state_dict()) for n in names]
    return all(torch.equal(v, b[k]) for a, b in pairs for k, v in a.items())


def test_averaging_pulls_towards_the_mean_of_the_weights() -> None:
    ends = []
    for averaging in (0.0, 1e3):
        _, game, batch = build("ring", averaging=averaging)
        state = begin = start(game)
        for _ in range(6):
            state, _ = play(game, "D", state, batch)
        ends.append(max(float((w - begin.weights["D"][k]).abs().max()) for k, w in state.weights["D"].items()))
    assert ends[1] < 0.75 * ends[0]


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="virtual batch norm needs images"):
        build("ring", reference=4)
    with pytest.raises(ValueError, match="the first above the second"):
        build(smoothing=1.0)
    with pytest.raises(ValueError, match="kernels=-1"):
        build(kernels=-1)
    with pytest.raises(ValueError, match="strength=-1"):
        build(averaging=-1.0)
    with pytest.raises(ValueError, match="reference=1"):
        build(reference=1)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"reference": 3, "averaging": 0.1}, marks=pytest.mark.slow),
        pytest.param({"kernels": 0, "averaging": 0.1}, marks=pytest.mark.slow),
        {"reference": 3, "generator": "feature-matching"},
    ],
)
def test_every_technique_compiles_to_one_graph_and_runs_in_bfloat16(arguments: dict[str, Any]) -> None:
    _, game, batch = build(size=16, **arguments)
    for who in game.players:
        eager, said = play(game, who, start(game), batch)
        run = torch.compile(lambda state, b, who=who: play(game, who, state, b), backend="aot_eager", fullgraph=True)
        compiled, _ = run(start(game), batch)
        apart = [(w - compiled.weights[n][k]).abs().mean() for n, ws in eager.weights.items() for k, w in ws.items()]
        assert float(torch.stack(apart).max()) < 1e-5
        half = replace(game, autocast=torch.bfloat16)
        _, rough = play(half, who, start(half), batch)
        for term, value in said[who].items():
            assert float(rough[who][term]) == pytest.approx(float(value), rel=0.1, abs=0.05)


def test_what_departs_from_the_authors_code_does() -> None:
    """Each number of the page, as openai/improved-gan's ``mnist_svhn_cifar10`` has it, beside ours."""
    page = " ".join(registry.page("improved-gan").text.split())
    recipe, game, batch = build(batch_size=6, kernels=0)
    # train_cifar_*.py: learning_rate * min(3 - epoch / 400, 1), epochs 0 to 1,199 of 500 updates.
    falls = [epoch for epoch in range(1200) if min(3 - epoch / 400, 1) < 1]
    assert (falls[0] - 1, min(3 - 1200 / 400, 1), 1200 * 500) == (800, 0, 600_000)
    assert "falls to 0 over the last third of 600,000 updates" in page
    grads, weights = {"w": torch.full((1,), 1e-4)}, {"w": torch.zeros(1)}
    moved, _ = game.opts["G"].update(grads, game.opts["G"].init(weights), weights)
    theirs = 3e-4 * 1e-4 / (1e-4**2 + 1e-8) ** 0.5  # nn.py, adam_updates: m^ / sqrt(v^ + 1e-8); first m^ = g, v^ = g^2
    assert f"at gradients of 1e-4 its steps are {-moved['w'].item() / theirs:.2f} times theirs" in page
    norms = [m for m in game.nets["G"].modules() if isinstance(m, BatchNorm)]  # nn.py, BatchNormLayer; g=None
    assert {m.eps for m in norms} == {1e-5}
    assert all(m.weight is not None for m in norms)
    assert "gains in batch norm, eps 1e-5 and running statistics for samples (there none, 1e-6, the batch's)" in page
    assert not has(game.nets["D"], nn.Dropout)
    assert [game.players[who].updates(0) for who in ("D", "G")] == [1, 1]  # there `for rep in range(3)`
    n = Nets(game, start(game), batch)
    (loss,) = game.players["G"].loss(n, batch, {}).values()
    logits = n.D(n.G(batch.z))
    assert loss.item() == pytest.approx(F.softplus(-logits).mean().item())
    assert loss.item() != pytest.approx(-F.softplus(logits).mean().item())  # loss_gen, log(1 - D(G(z)))
    latents = recipe.prior(1000, torch.Generator().manual_seed(0))
    assert isinstance(latents, torch.Tensor)
    assert latents.min() < -0.9
