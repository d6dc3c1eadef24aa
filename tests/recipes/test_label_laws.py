"""The law of a generator's labels: what training tells it, and what its prior draws, are the same."""

from typing import Any

import numpy as np
import pytest
import torch
from recipe_data import load
from scipy import stats

from zerosum import registry
from zerosum.core.game import gradient, start
from zerosum.data.images import Images
from zerosum.latent.priors import Conditional, LabelLaw
from zerosum.systems import Recipe

SHARE = 0.14  # of class 1
TINY = {"steps": 2, "batch_size": 8}
DCGAN = {"latent": 8, "width": 4, "kernel": 4, **TINY}
# Miyato, Zhang and Brock draw the classes of generated samples evenly, in their code; Odena does so in his.
RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "cgan": ("empirical", DCGAN),
    "custom": ("empirical", {"conditioning": "projection", **DCGAN}),
    "ac-gan": ("uniform", DCGAN),
    "sngan-projection": ("uniform", {"latent": 8, "g_width": 8, "d_width": 8, **TINY}),
    "sagan": ("uniform", {"latent": 8, "g_width": 8, "d_width": 8, **TINY}),
    "biggan": ("uniform", {"latent": 8, "width": 4, "shared": 4, **TINY}),
    "biggan-deep": ("uniform", {"latent": 8, "width": 4, "shared": 4, **TINY}),
}


def uneven() -> Images:
    """Clothes of two classes, of which the second has 14 of 100."""
    data = load("fashion-mini")
    labels = np.arange(200) % 100 < 100 * SHARE
    return Images.of(data.pixels[:200], labels.astype(np.int64), name="uneven", classes=("many", "few"))


def build(name: str) -> Recipe:
    torch.manual_seed(0)
    return registry.find(name)(uneven(), **RECIPES[name][1])


@pytest.mark.parametrize("name", RECIPES)
def test_samples_have_the_classes_that_training_has(name: str) -> None:
    law, recipe = RECIPES[name][0], build(name)
    assert isinstance(recipe.prior, Conditional)
    assert isinstance(recipe.prior.condition, LabelLaw)
    assert recipe.prior.condition.name == law
    _, y = recipe.prior(4_000, torch.Generator().manual_seed(0))
    assert stats.binomtest(int(y.sum()), 4_000, SHARE if law == "empirical" else 0.5).pvalue > 1e-4


@pytest.mark.parametrize("name", RECIPES)
def test_training_tells_the_generator_labels_of_that_law(name: str) -> None:
    recipe = build(name)
    game = recipe.phases[0].game
    x, _ = uneven().batch(0, 8, seed=0)
    batch = recipe.draw(x, torch.zeros(8, dtype=torch.int64), torch.Generator().manual_seed(0))
    told = []
    game.nets["G"].register_forward_pre_hook(lambda net, inputs: told.append(inputs[1]))
    gradient(game, "G", start(game), batch, differentiable=False)
    followed = not torch.cat(told).any()  # the labels of the real samples, which are all 0
    assert followed == (RECIPES[name][0] == "empirical")


def test_every_page_that_needs_labels_is_listed_here() -> None:
    pages = {name: registry.page(name).function.__code__.co_names for name in registry.names()}
    needing = {name for name, used in pages.items() if "labelled_shape" in used}
    assert needing == RECIPES.keys() - {"custom"} | {"semi-gan"}  # whose generator is told no class
