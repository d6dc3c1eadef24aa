"""The semi-supervised recipe: which labels it sees, what its players minimise, and its critic."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recipe_data import load
from torch import Tensor

from zerosum import registry
from zerosum.core.game import Game, Nets, play, start
from zerosum.core.random import reseed
from zerosum.data import Data
from zerosum.data.images import Images
from zerosum.data.labelled import balanced, labelled_subset
from zerosum.networks.common import parameter_count
from zerosum.networks.semi_supervised import Classifier
from zerosum.systems import Recipe

SMALL: dict[str, Any] = {
    "labelled": 20, "g_width": 4, "d_width": 4, "kernel": 4, "latent": 8, "batch_size": 10, "steps": 4,
}  # fmt: skip


def build(**arguments: Any) -> tuple[Recipe, Game, Any]:
    torch.manual_seed(0)
    recipe = registry.find("semi-gan")(load("fashion-mini"), **{**SMALL, **arguments})
    return recipe, recipe.phases[0].game, batch_of(recipe)


def batch_of(recipe: Recipe, k: int = 0) -> Any:
    return recipe.draw(*load("fashion-mini").batch(k, 10, seed=0), torch.Generator().manual_seed(k))


def images() -> Images:
    data = load("fashion-mini")
    assert isinstance(data, Images)
    return data


def test_the_labelled_images_are_few_balanced_and_always_the_same() -> None:
    few, again, others = balanced(images(), 30), balanced(images(), 30), balanced(images(), 30, seed=1)
    assert few.labels is not None
    assert np.bincount(few.labels).tolist() == [3] * 10
    assert few.fingerprint == again.fingerprint != others.fingerprint
    assert len(np.unique(few.pixels.reshape(30, -1), axis=0)) == 30


def test_only_the_labelled_images_come_with_labels_and_the_labels_are_theirs() -> None:
    recipe, _, batch = build()
    data = images()
    assert data.labels is not None
    label = {pixels.tobytes(): int(y) for pixels, y in zip(data.pixels, data.labels, strict=True)}
    seen = set()
    for k in range(30):
        batch = batch_of(recipe, k)
        assert batch.y is None
        assert len(batch.x) == len(batch.labelled) == len(batch.labels) == len(batch.z) == 10
        pixels = ((batch.labelled + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
        for one, y in zip(pixels, batch.labels.tolist(), strict=True):
            assert label[one.tobytes()] == y
            seen.add(one.tobytes())
    few = balanced(data, 20)
    assert seen == {one.tobytes() for one in few.pixels}


def test_labels_are_drawn_only_from_the_given_generator() -> None:
    recipe, _, batch = build()
    torch.manual_seed(5)
    again = batch_of(recipe)
    for name in ("x", "z", "labelled", "labels"):
        assert torch.equal(getattr(batch, name), getattr(again, name))
    assert not torch.equal(batch.labels, batch_of(recipe, 1).labels)


def softmax_with_fake(logits: Tensor) -> Tensor:
    return torch.cat([logits.double(), torch.zeros(len(logits), 1).double()], 1).softmax(1)


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_losses_are_those_of_section_5(weight: float) -> None:
    _, game, batch = build(dropout=0.0, unlabelled_weight=weight)
    n = Nets(game, start(game), batch)
    real, fake, known = n.D.judge(batch.x), n.D.judge(n.G(batch.z)), n.D.judge(batch.labelled)
    assert real.classes.shape == (10, 10)
    p = softmax_with_fake(known.classes)
    labelled = -(p[torch.arange(10), batch.labels] / (1 - p[:, 10])).log().mean()
    seen, caught = softmax_with_fake(real.classes)[:, 10], softmax_with_fake(fake.classes)[:, 10]
    torch.testing.assert_close(torch.sigmoid(real.logits).double(), 1 - seen)  # D(x) = Z / (Z + 1)
    unlabelled = -(1 - seen).log().mean() - caught.log().mean()
    terms = game.players["D"].loss(n, batch, {})
    torch.testing.assert_close(terms["class"].double(), labelled, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(terms["adv"].double(), weight * unlabelled, rtol=1e-5, atol=1e-6)
    (match,) = game.players["G"].loss(n, batch, {}).values()
    gap = real.features.mean(0) - fake.features.mean(0)
    torch.testing.assert_close(match, gap.square().sum(), rtol=1e-4, atol=1e-6)


def test_dropout_draws_from_the_global_generator() -> None:
    _, game, batch = build(d_width=8)
    said = []
    for seed in (0, 0, 1):
        reseed(seed, "layers", device=torch.device("cpu"))
        said.append(play(game, "D", start(game), batch)[1]["D"]["class"])
    assert torch.equal(said[0], said[1])
    assert not torch.equal(said[1], said[2])


def test_in_bfloat16_and_with_batches_in_parts() -> None:
    _, game, batch = build(dropout=0.0)
    for who in game.players:
        _, exact = play(game, who, start(game), batch)
        for other in (replace(game, autocast=torch.bfloat16), replace(game, accumulate=2)):
            _, said = play(other, who, start(other), batch)
            assert float(said[who].get("class", 0)) == pytest.approx(float(exact[who].get("class", 0)), rel=0.05)


def test_the_classifier_is_the_authors_at_their_size() -> None:
    # 3x3 convolutions with biases; weight norm adds a gain for each channel.
    shapes = [(3, 96), (96, 96), (96, 96), (96, 192), (192, 192), (192, 192), (192, 192)]
    weights = sum(9 * i * o for i, o in shapes) + 2 * 192 * 192 + 192 * 10
    channels = 3 * 96 + 6 * 192 + 10
    critic = Classifier()
    assert parameter_count(critic) == weights + 2 * channels
    assert critic.features(torch.randn(2, 3, 32, 32)).shape == (2, 192)
    sizes = []
    for layer in critic.groups:
        layer.register_forward_hook(lambda m, x, y: sizes.append(tuple(y.shape[1:])))
    judged = critic.judge(torch.randn(2, 3, 32, 32))
    assert judged.classes is not None
    assert judged.classes.shape == (2, 10)
    assert judged.logits.shape == (2,)
    assert [s for k, s in enumerate(sizes) if s != sizes[k - 1]] == [
        (3, 32, 32), (96, 32, 32), (96, 16, 16), (192, 16, 16), (192, 8, 8), (192, 6, 6),
    ]  # fmt: skip


def test_the_classifier_drops_in_training_only_and_keeps_the_scale() -> None:
    torch.manual_seed(0)
    critic = Classifier(16, 16, 1)
    x = torch.randn(50, 1, 16, 16)
    assert not torch.equal(critic(x), critic(x))
    critic.eval()
    assert torch.equal(critic(x), critic(x))
    for layer in critic.groups:
        x = layer(x)
        assert 0.08 < float(x.detach().square().mean()) < 12  # of 1 at the input; without the gain 0.52 a layer is left
    with pytest.raises(ValueError, match="at least 9"):
        Classifier(16, 8, 1)


def test_refuses_what_does_not_fit() -> None:
    semi = registry.find("semi-gan")
    with pytest.raises(ValueError, match="needs labelled images"):
        semi(load("ring"))
    with pytest.raises(ValueError, match="needs labelled images"):
        semi(Images.of(images().pixels[:20], name="bare"))
    with pytest.raises(ValueError, match=r"ask for 20"):
        semi(load("fashion-mini"), **{**SMALL, "labelled": 25})
    with pytest.raises(ValueError, match=r"ask for 10"):
        semi(load("fashion-mini"), **{**SMALL, "labelled": 5})
    with pytest.raises(ValueError, match="1100 labelled images of each class are asked for; fashion-mini has 1000"):
        semi(load("fashion-mini"), **{**SMALL, "labelled": 11000})


def test_a_run_whose_images_are_gone_can_still_be_sampled(tmp_path: Path) -> None:
    import zerosum

    settings = {"data": "fashion-mini", "size": 16, "out": str(tmp_path / "run")}  # which no score fits
    run = zerosum.train("semi-gan", **settings, **SMALL)
    assert zerosum.load(run.folder.path).generator(0, 3).shape == (3, 1, 16, 16)
    shape_only = Data("gone", (1, 32, 32), images().classes, 10_000, "", ())
    recipe = registry.find("semi-gan")(shape_only, **SMALL)
    with pytest.raises(TypeError, match="gone has no images"):
        recipe.draw(torch.randn(2, 1, 32, 32), None, torch.Generator())
    with pytest.raises(TypeError, match="no images"):
        labelled_subset(shape_only, 10)(torch.device("cpu"))
