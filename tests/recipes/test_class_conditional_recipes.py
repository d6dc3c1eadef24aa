"""SNGAN with projection, SAGAN, BigGAN and BigGAN-deep: their losses by hand, and that labels do what they should."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from recipe_data import load
from torch import Tensor, nn

from zerosum import registry
from zerosum.conditioning.adain import AdaIN
from zerosum.conditioning.batch_norm import ClassBatchNorm
from zerosum.conditioning.embedding import SharedGenerator
from zerosum.core.game import Game, Nets, State, gradient, play, start
from zerosum.core.train import train
from zerosum.data.base import Data
from zerosum.data.images import Images
from zerosum.networks import resnet
from zerosum.systems import Recipe

WIDTHS = {"g_width": 8, "d_width": 8}
SMALL: dict[str, dict[str, Any]] = {
    "sngan-projection": {"latent": 8, **WIDTHS},
    "sagan": {"latent": 8, **WIDTHS},
    "biggan": {"latent": 8, "width": 8, "shared": 4},
    "biggan-deep": {"latent": 8, "width": 8, "shared": 4},
}
SIZE = 4
each = pytest.mark.parametrize("name", SMALL)
big = pytest.mark.parametrize("name", ["biggan", "biggan-deep"])


def build(name: str, **changes: Any) -> tuple[Recipe, Game, Any]:
    torch.manual_seed(0)
    data = load("fashion-mini")
    recipe = registry.find(name)(data, **{**SMALL[name], "batch_size": SIZE, "steps": 3, **changes})
    batch = recipe.draw(*data.batch(0, SIZE, seed=0), torch.Generator().manual_seed(0))
    return recipe, recipe.phases[0].game, batch


def within_the_margin(game: Game) -> Game:
    """With logits so small that each sample counts in the hinge, as the critic's sums over pixels are not at first."""
    net: Any = game.nets["D"].net
    features = net.features
    net.features = lambda x: features(x) / 1000
    return game


def with_classes_apart(game: Game) -> State:
    """The initial state but for tables of classes, whose rows begin alike, so that labels do nothing."""
    state = start(game)
    for key, weight in state.weights["G"].items():
        if "gain" in key:
            weight += torch.randn_like(weight)
    return state


def logits(n: Nets, b: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of real images with their labels, and of so many generated ones with the classes asked for."""
    real, fake = n.D(b.x, b.y), n.D(n.G(b.z[:count], b.c[:count]), b.c[:count])
    return real.detach().double().numpy(), fake.detach().double().numpy()


@each
def test_both_players_read_the_label(name: str) -> None:
    _, game, b = build(name)
    n = Nets(game, start(game), b)
    assert ((n.D(b.x, b.y) - n.D(b.x, (b.y + 1) % 10)).abs() > 1e-4).all()
    n = Nets(game, with_classes_apart(game), b)
    assert ((n.G(b.z, b.c) - n.G(b.z, (b.c + 1) % 10)).abs().amax((1, 2, 3)) > 1e-3).all()


@pytest.mark.parametrize("small", [False, True], ids=["beyond the margin", "within the margin"])
@each
def test_losses_are_the_hinges_of_labelled_samples(name: str, small: bool) -> None:
    _, game, b = build(name)
    n = Nets(within_the_margin(game) if small else game, with_classes_apart(game), b)
    real, fake = logits(n, b, SIZE)
    d = game.players["D"].loss(n, b, {})
    by_hand = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
    assert set(d) == {"hinge"}
    assert d["hinge"].item() == pytest.approx(by_hand, rel=1e-6)
    _, all_fake = logits(n, b, len(b.z))
    g = game.players["G"].loss(n, b, {})
    assert g["hinge"].item() == pytest.approx(-all_fake.mean(), rel=1e-5)
    if small:  # where other labels show
        for other in (b._replace(y=(b.y + 1) % 10), b._replace(c=(b.c + 1) % 10)):
            assert abs(game.players["D"].loss(n, other, {})["hinge"].item() - by_hand) > 1e-5 * by_hand


@big
@pytest.mark.parametrize("who", ["G", "D"])
def test_all_matrices_begin_orthogonal(name: str, who: str) -> None:
    _, game, _ = build(name)
    for key, weight in game.nets[who].named_parameters():
        if weight.dim() > 1:
            w = weight.detach().double().flatten(1)
            gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
            torch.testing.assert_close(gram, torch.eye(len(gram)).double(), rtol=0, atol=1e-5, msg=key)


@each
def test_classes_asked_for_do_not_depend_on_those_of_the_data(name: str) -> None:
    recipe, _, _ = build(name)
    data = load("fashion-mini")
    x, y = data.batch(0, 500, seed=0)
    assert y is not None
    one, other = (recipe.draw(x, labels, torch.Generator().manual_seed(1)) for labels in (y, 0 * y))
    assert torch.equal(one.x, x)
    assert torch.equal(one.y, y)
    assert torch.equal(one.c, other.c)
    count = len(one.c)
    assert count == (1000 if name == "sngan-projection" else 500)  # whose generator's batch is twice the critic's
    assert len(one.z) == count
    assert one.z.shape[1] == 8
    # Each of ten classes, n / 10 +- sqrt(0.09 n); and as often the real label as chance has it.
    spread = (0.09 * count) ** 0.5
    assert ((torch.bincount(one.c, minlength=10) - count / 10).abs() < 4 * spread).all()
    assert abs((one.c[:500] == y).sum().item() - 50) < 4 * 45**0.5
    z, c = recipe.prior(7, torch.Generator().manual_seed(0))
    assert (z.shape, c.shape, c.dtype) == ((7, 8), (7,), torch.int64)


def penalty_by_hand(weights: dict[str, Tensor], skip: Callable[[str], bool]) -> float:
    total = 0.0
    for name, weight in weights.items():
        if weight.dim() > 1 and not skip(name):
            w = weight.detach().double().numpy().reshape(len(weight), -1)
            gram = w @ w.T
            total += float((gram**2).sum() - (np.diag(gram) ** 2).sum())
    return total


@big
def test_the_generator_s_matrices_are_made_orthogonal_but_not_the_embedding(name: str) -> None:
    beta = 0.01
    _, game, b = build(name, orthogonal=beta)
    _, without, _ = build(name, orthogonal=0.0)
    state = start(game)
    for key, weight in state.weights["G"].items():  # away from where rows are orthogonal, for all players alike
        if weight.dim() > 1:
            weight += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(len(key)))
    n = Nets(game, state, b)
    terms, bare = (g.players["G"].loss(n, b, {}) for g in (game, without))
    assert set(terms) == {"hinge", "ortho"}
    assert set(bare) == {"hinge"}
    expected = beta * penalty_by_hand(state.weights["G"], lambda key: key == "embedding.weight")
    assert terms["ortho"].item() == pytest.approx(expected, rel=1e-4)
    grads, plain = (gradient(g, "G", state, b)[0]["G"] for g in (game, without))
    for key, grad in grads.items():
        added = grad - plain[key]
        if key == "embedding.weight" or added.dim() < 2:
            torch.testing.assert_close(grad, plain[key], rtol=1e-5, atol=1e-7)
            continue
        w = state.weights["G"][key].double().flatten(1)
        gram = w @ w.T
        slope = 4 * beta * (gram - gram.diag().diag()) @ w
        torch.testing.assert_close(added.double().flatten(1), slope, rtol=1e-3, atol=1e-4)
    assert set(game.players["D"].loss(n, b, {})) == {"hinge"}


def test_tables_of_classes_are_not_made_orthogonal() -> None:
    """A row of such a table is the gains of one class, which begin at 1 for all: classes need not be orthogonal."""
    unshared = {"shared": 0, "hierarchical": False}
    _, game, b = build("biggan", orthogonal=0.01, **unshared)
    _, without, _ = build("biggan", orthogonal=0.0, **unshared)
    state = start(game)
    tables = {
        f"{k}.{part}"
        for k, m in game.nets["G"].named_modules()
        if isinstance(m, ClassBatchNorm)
        for part in ("gain", "bias")
    }
    assert len(tables) == 2 * 6
    said = game.players["G"].loss(Nets(game, state, b), b, {})
    expected = 0.01 * penalty_by_hand(state.weights["G"], lambda key: key in tables)
    assert said["ortho"].item() == pytest.approx(expected, rel=1e-4, abs=1e-4)
    grads, plain = (gradient(g, "G", state, b)[0]["G"] for g in (game, without))
    for key in tables:
        torch.testing.assert_close(grads[key], plain[key], rtol=1e-5, atol=1e-7)


@each
def test_singular_values_are_estimated_anew_after_each_update(name: str) -> None:
    _, game, b = build(name)
    assert set(game.project) == ({"D"} if name == "sngan-projection" else {"G", "D"})
    for who in game.project:
        state = start(game)
        after, _ = play(game, who, state, b)
        vectors = [k for k in state.buffers[who] if k.endswith(".u")]
        assert vectors
        for key in vectors:
            base = key.removesuffix("u")
            w = after.weights[who][f"{base}weight"]
            w = w.permute(0, 2, 3, 1).flatten(1) if w.dim() == 4 else w
            v = torch.nn.functional.normalize(w.T @ state.buffers[who][key], dim=0)
            torch.testing.assert_close(after.buffers[who][f"{base}v"], v, rtol=1e-4, atol=1e-5)


@big
def test_an_average_of_the_generator_is_kept(name: str) -> None:
    recipe, game, _ = build(name, n_critic=1)
    data = load("fashion-mini")
    batches = (recipe.draw(*data.batch(k, SIZE, seed=0), torch.Generator().manual_seed(k)) for k in range(2))
    first = start(game)
    before = {k: w.clone() for k, w in (first.weights["G"] | first.buffers["G"]).items()}
    *_, (_, state, _) = train(game, first, batches, 1)
    assert set(state.average) == {"G"}
    new = state.weights["G"] | state.buffers["G"]
    assert set(state.average["G"]) == set(new)
    for key, average in state.average["G"].items():  # min(0.9999, (1 + t) / (10 + t)) at t = 0
        if key.endswith((".u", ".v")):
            continue  # singular vectors, which are found anew for the averaged weights
        torch.testing.assert_close(average, 0.1 * before[key] + 0.9 * new[key], rtol=1e-4, atol=1e-6)
    assert game.average["G"].decay(10**7) == 0.9999  # type: ignore[operator]


def normalised_apart(game: Game) -> Game:
    """With a generator that normalises each image by itself."""
    torch.manual_seed(0)
    net = resnet.Generator(8, 8, 32, 1, norm=partial(AdaIN, inputs=4), last_norm=nn.InstanceNorm2d)
    return replace(game, nets={**game.nets, "G": SharedGenerator(net, 10, 4)}, project={"D": game.project["D"]})


def difference(game: Game, who: str, b: Any) -> float:
    """Between the gradient of a batch and that of the same in two parts, relative to its length."""
    whole, parts = (
        torch.cat([g.flatten() for g in gradient(replace(game, accumulate=k), who, start(game), b)[0][who].values()])
        for k in (1, 2)
    )
    return ((whole - parts).norm() / whole.norm()).item()


@pytest.mark.parametrize("who", ["D", "G"])
@pytest.mark.parametrize("name", ["sagan", "biggan", "biggan-deep"])
def test_gradients_of_a_batch_in_parts_are_the_batch_s_unless_its_statistics_are_used(name: str, who: str) -> None:
    _, game, b = build(name)
    game = within_the_margin(game)
    # In training the generator normalises each part by itself, and so moves the critic's samples too.
    assert difference(game, who, b) > 1e-3
    game.nets["G"].eval()
    assert difference(game, who, b) < 1e-5


@pytest.mark.parametrize("who", ["D", "G"])
def test_gradients_in_parts_are_exact_where_each_image_is_normalised_by_itself(who: str) -> None:
    _, game, b = build("biggan", orthogonal=0.0)
    assert difference(normalised_apart(within_the_margin(game)), who, b) < 1e-5


@pytest.mark.parametrize("who", ["D", "G"])
def test_rates_of_sngan_with_projection_reach_zero_with_the_last_step(who: str) -> None:
    _, game, b = build("sngan-projection", steps=1, n_critic=2)
    state = start(game)
    moved = []
    for _ in range(3):
        after, _ = play(game, who, state, b)
        moved.append(any((w != state.weights[who][k]).any().item() for k, w in after.weights[who].items()))
        state = after
    assert moved == [True, who == "D", False]


DEFAULTS: dict[str, dict[str, Any]] = {
    # The authors' code; arXiv:1805.08318, Section 4; arXiv:1809.11096, Appendix C.
    "sngan-projection": {"lr": 2e-4, "beta1": 0, "beta2": 0.9, "n_critic": 5, "batch_size": 64},
    "sagan": {"g_lr": 1e-4, "d_lr": 4e-4, "beta1": 0, "beta2": 0.9, "n_critic": 1, "batch_size": 256},
    "biggan": {"g_lr": 5e-5, "d_lr": 2e-4, "beta1": 0, "beta2": 0.999, "n_critic": 2, "batch_size": 2048},
    "biggan-deep": {"beta1": 0, "beta2": 0.999, "n_critic": 2, "batch_size": 2048},  # rates: test_settings_published
}


@each
def test_numbers_of_the_paper_are_the_defaults(name: str) -> None:
    given = {k: p.default for k, p in registry.arguments(name).items()}
    assert given | DEFAULTS[name] == given
    if name in ("biggan", "biggan-deep"):
        assert (given["orthogonal"], given["shared"]) == (1e-4, 128)
    _, game, _ = build(name)
    assert game.players["D"].steps == DEFAULTS[name]["n_critic"]
    assert tuple(game.players) == ("D", "G")


def of_shape(*shape: int, classes: int = 10) -> Data:
    return Data("made", shape, tuple(map(str, range(classes))), 100, "", ())


@each
def test_data_without_labels_are_refused_with_what_would_do(name: str) -> None:
    bare = Images.of(np.zeros((20, 32, 32, 1), np.uint8), name="bare")
    for data in (load("ring"), bare, of_shape(1, 32, 32, classes=1)):
        with pytest.raises(ValueError, match=r"needs labelled images, such as a folder with a subfolder.*try sngan$"):
            registry.find(name)(data, **SMALL[name])


SIZES = {
    "sngan-projection": "32, 48, 64, 128",
    "sagan": "32, 48, 64, 128",
    "biggan": "32, 64, 128, 256, 512",
    "biggan-deep": "32, 64, 128, 256, 512",
}


@each
def test_sizes_without_a_layout_are_refused_with_those_there_are(name: str) -> None:
    for size in (28, 96, 1024):
        with pytest.raises(ValueError, match=rf"size={size}: there are layouts for {SIZES[name]} \(resize"):
            registry.find(name)(of_shape(3, size, size))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("biggan", {"latent": 10}, "latent=10: 3 blocks and the first layer take 4 equal chunks of it; use a multiple"),
        ("biggan", {"shared": 0}, "hierarchical latents join the shared embedding: give it a dimension"),
        ("biggan", {"width": 3}, r"channels=12: attention needs a multiple of 8 \(widen the network\)"),
        ("biggan", {"hierarchical": False, "latent": 0}, "latent=0: must be at least 1"),
        ("sagan", {"attention": 7}, "attention at 7 pixels: the blocks' outputs have 16, 8"),
        ("sagan", {"attention": 32}, "attention at 32 pixels: the blocks' outputs have 16, 8"),  # the critic's
        ("sagan", {"attention": 4}, "attention at 4 pixels: the blocks' outputs have"),
        ("sagan", {"g_width": 12}, "channels=12: attention needs a multiple of 8"),
        ("sagan", {"d_width": 0}, "width=0: must be at least 1"),
        ("sngan-projection", {"latent": -1}, "latent=-1: must be at least 1"),
        ("biggan-deep", {"width": 6}, "width=6: must be a multiple of 4"),
        ("biggan-deep", {"shared": 0}, "must be at least 1"),
    ],
)
def test_impossible_networks_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        registry.find(name)(of_shape(3, 32, 32), **{**SMALL[name], **options})


def test_labels_of_each_row_of_the_paper_s_table_reach_the_image() -> None:
    for options in ({}, {"hierarchical": False}, {"hierarchical": False, "shared": 0}):
        _, game, b = build("biggan", **options)
        images = Nets(game, start(game), b).G(b.z, b.c)
        assert images.shape == (SIZE, 1, 32, 32)
        assert images.abs().max() <= 1
