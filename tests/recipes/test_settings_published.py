"""Settings of the recipes against numbers that are not ours: the authors' code and the papers, by image size.

Learning rates and decays are measured from the optimizer itself, so that a setting that is read and never used shows.
"""

import math
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from recipe_data import load
from torch import nn

import zerosum
from zerosum import registry
from zerosum.constraints.spectral import SpectralNorm
from zerosum.core.game import Game
from zerosum.core.optim import Optimizer
from zerosum.data.base import Data
from zerosum.errors import UsageError
from zerosum.networks import dcgan
from zerosum.networks.common import parameter_count
from zerosum.networks.layers import BatchNorm
from zerosum.systems import Recipe

SNGAN = ("sngan", "sngan-projection")
SMALL: dict[str, Any] = {"width": 8, "g_width": 8, "d_width": 8, "latent": 8, "batch_size": 6}


def images(size: int, channels: int = 3) -> Data:
    return Data("made", (channels, size, size), tuple("0123456789"), 100, "", ())


def built(name: str, data: Data, **changes: Any) -> tuple[Recipe, Game]:
    torch.manual_seed(0)
    known = registry.arguments(name)
    recipe = registry.find(name)(data, **({k: v for k, v in SMALL.items() if k in known} | changes))
    return recipe, recipe.phases[0].game


def measured(optimizer: Optimizer, t: int = 0) -> tuple[float, float, float]:
    """Rate, beta1 and beta2 of Adam's update number ``t``, from what it does to a weight and to its moments."""
    weights, grads = ({"w": torch.tensor([value], dtype=torch.float64)} for value in (1.0, 3.0))
    state = optimizer.init(weights) | {"t": torch.tensor(float(t))}
    new, after = optimizer.update(grads, state, weights)
    m, v = (float(after[name]["w"]) for name in ("m", "v"))
    beta1, beta2 = 1 - m / 3, 1 - v / 9
    direction = (m / (1 - beta1 ** (t + 1))) / math.sqrt(v / (1 - beta2 ** (t + 1)))
    return float(weights["w"] - new["w"]) / direction, beta1, beta2


def root_mean_square_rate(optimizer: Optimizer) -> float:
    """Rate of RMSprop, whose mean of squares keeps 0.99 (torch's ``alpha``), from its first update."""
    weights, grads = ({"w": torch.tensor([value], dtype=torch.float64)} for value in (1.0, 3.0))
    new, _ = optimizer.update(grads, optimizer.init(weights), weights)
    return float(weights["w"] - new["w"]) * math.sqrt(0.01 * 9) / 3


def rate(game: Game, who: str, t: int) -> float:
    return measured(game.opts[who], t)[0]


# github.com/pfnet-research/sngan_projection, configs/sn_cifar10_*.yml, sn_projection_64.yml, sn_projection.yml:
# iteration, iteration_decay_start, n_gen_samples / batchsize; dis_models/snresnet*.py: `nobias` of the last layer.
AUTHORS_SNGAN = {
    32: (50_000, 0, 2, False),
    64: (250_000, 200_000, 1, True),
    128: (450_000, 400_000, 2, True),
}


@pytest.mark.parametrize("size", AUTHORS_SNGAN)
@pytest.mark.parametrize("name", SNGAN)
def test_sngan_is_trained_as_by_its_authors_at_each_size(name: str, size: int) -> None:
    steps, falls, times, bias = AUTHORS_SNGAN[size]
    recipe, game = built(name, images(size))
    assert recipe.steps == steps
    assert game.players["D"].steps == 5
    for who, updates in (("G", 1), ("D", 5)):
        assert measured(game.opts[who])[1:] == pytest.approx((0, 0.9))
        for t, share in ((falls, 1), ((falls + steps) // 2, 0.5), (steps, 0), (falls // 2, 1)):
            assert rate(game, who, t * updates) == pytest.approx(2e-4 * share, rel=1e-5, abs=1e-12), (who, t)
    drawn = recipe.draw(torch.zeros(6, 3, size, size), torch.zeros(6).long(), torch.Generator())
    assert {len(latents) for latents in (drawn.z, *([drawn.c] if "c" in drawn._fields else []))} == {6 * times}
    critic: Any = game.nets["D"]
    assert (getattr(critic, "net", critic).last.bias is not None) == bias


@pytest.mark.parametrize("name", SNGAN)
def test_a_shorter_run_of_sngan_falls_over_the_same_share(name: str) -> None:
    for size, falls in ((32, 0), (48, 0), (64, 8), (128, 8)):
        _, game = built(name, images(size), steps=10)
        found = [rate(game, "G", t) for t in range(11)]
        assert found == pytest.approx([2e-4 * min(1, (10 - t) / (10 - falls)) for t in range(11)], abs=1e-9)
    _, game = built(name, images(64), steps=10, decay_after=5, g_batches=3, head_bias=False)
    assert rate(game, "G", 5) == pytest.approx(2e-4)
    assert rate(game, "D", 40) == pytest.approx(0.8e-4)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"n_critic": 0}, {"g_batches": 0}])
@pytest.mark.parametrize("name", SNGAN)
def test_counts_below_one_are_refused_by_name(name: str, wrong: dict[str, int]) -> None:
    ((argument, _),) = wrong.items()
    with pytest.raises(ValueError, match=f"^{argument}=0: must be at least 1$"):
        built(name, images(32), **wrong)


@pytest.mark.parametrize("name", SNGAN)
def test_a_rate_that_would_fall_after_the_last_update_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^decay_after=5: must be at least 0 and below .*, steps=5$"):
        built(name, images(32), steps=5, decay_after=5)


@pytest.mark.parametrize("decay_after", [-1, 50_000])
def test_where_the_recipe_knows_the_number_of_updates_it_is_not_asked_for(decay_after: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"decay_after={decay_after}: must be at least 0"):
        zerosum.train("sngan", data="ring", out=str(tmp_path / "run"), decay_after=decay_after)
    assert not (tmp_path / "run").exists()


def test_sngan_on_points_is_trained_as_at_32_pixels() -> None:
    recipe, game = built("sngan", load("ring"))
    assert recipe.steps == 50_000
    assert rate(game, "G", 25_000) == pytest.approx(1e-4)


# arXiv:1809.11096, Appendix C: "We use Adam optimizer with beta1 = 0 and beta2 = 0.999 and a constant learning rate.
# For BigGAN models at all resolutions, we use 2e-4 in D and 5e-5 in G. For BigGAN-deep, we use the learning rate of
# 2e-4 in D and 5e-5 in G for 128x128 models, and 2.5e-5 in both D and G for 256x256 and 512x512 models."
BIGGAN_RATES = {"biggan": dict.fromkeys((32, 64, 128, 256, 512), (5e-5, 2e-4))}
BIGGAN_RATES["biggan-deep"] = BIGGAN_RATES["biggan"] | dict.fromkeys((256, 512), (2.5e-5, 2.5e-5))


@pytest.mark.parametrize("size", [32, 64, 128, 256, 512])
@pytest.mark.parametrize("name", BIGGAN_RATES)
def test_rates_of_biggan_are_the_papers_for_the_size(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("zerosum.constraints.spectral"), "WARM_UP", 0)
    given = {k: p.default for k, p in registry.arguments(name).items() if k == "latent"}
    _, game = built(name, images(size), **given)
    for who, published in zip(("G", "D"), BIGGAN_RATES[name][size], strict=True):
        assert measured(game.opts[who], 1000) == pytest.approx((published, 0, 0.999), rel=1e-6, abs=1e-12)


def test_rates_of_biggan_deep_can_be_given() -> None:
    _, game = built("biggan-deep", images(32), g_lr=1e-3, d_lr=2e-3)
    assert (rate(game, "G", 0), rate(game, "D", 0)) == pytest.approx((1e-3, 2e-3))


class Published(NamedTuple):
    """Rates of generator and critic and Adam's decays, real samples per update, and other defaults."""

    g: float
    d: float
    betas: tuple[float, float] | None
    batch: int
    source: str
    others: Mapping[str, Any] = {}


PUBLISHED = {
    # carpedm20/BEGAN-tensorflow, config.py and trainer.py:125: optimizer(self.g_lr), whose beta1 is TensorFlow's 0.9.
    "began": Published(8e-5, 8e-5, (0.9, 0.999), 16, "images", {"gamma": 0.5, "k_rate": 1e-3, "steps": 500_000}),
    # Newmu/dcgan_code, faces/train_uncond_dcgan.py.
    "dcgan": Published(2e-4, 2e-4, (0.5, 0.999), 128, "images", {"latent": 100, "width": 128, "kernel": 5}),
    # biuyq/CT-GAN, tensorflow_generative_model/CT_gan_cifar_resnet.py:37-50, 333.
    "ct-gan": Published(
        2e-4,
        2e-4,
        (0, 0.9),
        64,
        "images",
        {"n_critic": 5, "penalty_weight": 10, "consistency_weight": 2, "margin": 0, "steps": 100_000},
    ),
    # kodalinaveen3/DRAGAN, DRAGAN.ipynb.
    "dragan": Published(
        1e-4, 1e-4, (0.5, 0.9), 128, "images", {"latent": 100, "penalty_weight": 10, "slope": 1, "steps": 200_000}
    ),
    # The same, as its page says of Adam.
    "gan-gp": Published(1e-4, 1e-4, (0.5, 0.9), 64, "images", {"penalty_weight": 10}),
    # musikisomorphie/wgan-div, wgan_div.py: LR, CRITIC_ITERS, BATCH_SIZE, ITERS and its AdamOptimizers; no decay.
    "wgan-div": Published(2e-4, 2e-4, (0, 0.9), 64, "images", {"latent": 128, "n_critic": 4, "steps": 200_000}),
    # openai/improved-gan, mnist_svhn_cifar10/train_cifar_minibatch_discrimination.py and nn.py (MinibatchLayer).
    "improved-gan": Published(3e-4, 3e-4, (0.5, 0.999), 100, "clothes", {"latent": 100, "kernels": 100, "dims": 5}),
    # openai/InfoGAN, launchers/run_mnist_exp.py: 50 epochs of 100 updates.
    "info-gan": Published(
        1e-3, 2e-4, (0.5, 0.999), 128, "images", {"noise": 62, "categories": 10, "continuous": 2, "steps": 5_000}
    ),
    # guojunq/glsgan, glsgan.lua: lambda is tau, slope nu, gamma the weight of E L(x), b_weight the bound.
    "loss-sensitive": Published(
        2e-4,
        2e-4,
        (0.5, 0.999),
        64,
        "images",
        {"latent": 100, "width": 64, "kernel": 4, "tau": 2e-4, "nu": 0, "real_weight": 0, "c": 0.08, "weight_decay": 0},
    ),
    # fjxmlzn/PacGAN, stacked_MNIST_experiments/VEEGAN_experiment/config.py.
    "pac-gan": Published(2e-4, 2e-4, (0.5, 0.999), 64, "images", {"latent": 100}),
    # AlexiaJM/RelativisticGAN, GAN_losses_iter.py and the "DCGAN setup" of stable.sh.
    **{
        name: Published(
            2e-4, 2e-4, (0.5, 0.999), 32, "images", {"latent": 128, "width": 128, "kernel": 4, "steps": 100_000}
        )
        for name in ("rsgan", "rasgan", "ra-lsgan", "ra-hinge")
    },
    # brain-research/self-attention-gan, model.py, train_imagenet.py (4 towers of 64) and README, but for beta2.
    "sagan": Published(1e-4, 4e-4, (0, 0.9), 256, "images", {"latent": 128, "n_critic": 1, "steps": 1_000_000}),
    # openai/improved-gan, mnist_svhn_cifar10/train_cifar_feature_matching.py.
    "semi-gan": Published(3e-4, 3e-4, (0.5, 0.999), 100, "clothes", {"unlabelled_weight": 1, "g_width": 128}),
    # poolio/unrolled_gan, the notebook.
    "unrolled": Published(1e-3, 1e-4, (0.5, 0.999), 512, "ring", {"latent": 256, "unroll": 5, "steps": 25_000}),
    # martinarjovsky/WassersteinGAN, main.py:26-48, whose RMSprop has no decays of Adam's.
    "wgan": Published(
        5e-5, 5e-5, None, 64, "images", {"latent": 100, "width": 64, "kernel": 4, "c": 0.01, "n_critic": 5}
    ),
    # igul222/improved_wgan_training, gan_toy.py:20-102.
    "wgan-gp": Published(1e-4, 1e-4, (0.5, 0.9), 256, "ring", {"n_critic": 5, "steps": 100_000}),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_settings_are_those_of_the_authors_code(name: str) -> None:
    published = PUBLISHED[name]
    data = {"images": images(32), "clothes": load("fashion-mini"), "ring": load("ring")}[published.source]
    small = {k: SMALL[k] for k in ("width", "g_width", "d_width") if k in registry.arguments(name)}
    recipe, game = built(name, data, **small, **without_small(name))
    for who, lr in (("G", published.g), ("D", published.d)):
        if published.betas is None:
            assert root_mean_square_rate(game.opts[who]) == pytest.approx(lr, rel=1e-6), who
        else:
            assert measured(game.opts[who]) == pytest.approx((lr, *published.betas), rel=1e-6, abs=1e-12), who
    assert recipe.batch_size == published.batch
    defaults = {k: p.default for k, p in registry.arguments(name).items()}
    assert defaults | published.others == defaults


def without_small(name: str) -> dict[str, Any]:
    """The defaults of what ``built`` would make smaller, but for widths."""
    return {k: p.default for k, p in registry.arguments(name).items() if k in ("latent", "batch_size")}


@pytest.mark.parametrize("name", ["gan", "ns-gan"])
def test_the_first_gans_layers_are_those_of_its_code_for_digits(name: str) -> None:
    """goodfeli/adversarial, mnist.yaml: two layers of 1200, of 240 units with 5 pieces; batches and z of 100."""
    recipe, game = built(name, images(28, 1), **without_small(name))
    linears = {who: [m for m in net.modules() if isinstance(m, nn.Linear)] for who, net in game.nets.items()}
    assert [(m.in_features, m.out_features) for m in linears["G"]] == [(100, 1200), (1200, 1200), (1200, 784)]
    assert [(m.in_features, m.out_features) for m in linears["D"]] == [(784, 240 * 5), (240, 240 * 5), (240, 1)]
    assert recipe.batch_size == 100


def test_began_s_rate_is_halved_as_by_its_code() -> None:
    """trainer.py:114: after each 100,000 updates, never below 2e-5."""
    _, game = built("began", images(32))
    for t, lr in ((99_999, 8e-5), (100_000, 4e-5), (199_999, 4e-5), (200_000, 2e-5), (400_000, 2e-5)):
        assert [rate(game, who, t) for who in ("G", "D")] == pytest.approx([lr, lr], rel=1e-6)


def test_numbers_on_pages_are_right() -> None:
    for name, numbers in {
        "sagan": (f"{0.999**1000:.0%} and {0.9999**1000:.0%}", "keep 0.999 in blocks and 0.9999 after them"),
        "dcgan": ("a sixth", f"{8 * 128 * 4 * 4:,} units"),
        "semi-gan": (f"--steps {1200 * 500} --decay-after {800 * 500}",),  # epochs of 50,000 images in batches of 100
    }.items():
        for number in numbers:
            assert number in " ".join(registry.page(name).text.split()), (name, number)
    ports, published = 3_576_704 + 2_765_568, 18_855_040 + 17_232_768
    assert round(published / ports) == 6


# Pages that say "as in the authors' code", and the tests that hold it to a number; initial weights, which all pages
# have, are held by test_initial_weights.py.
HELD = {
    "began": ("recipes/test_settings_published.py::test_began_s_rate_is_halved_as_by_its_code",),
    "biggan": ("networks/test_published_counts.py::test_both_players_together_are_table_1_of_the_paper",),
    "biggan-deep": ("networks/test_published_counts.py::test_deep_critics_continue_their_pattern_at_512",),
    "ct-gan": (
        "recipes/test_wgan_family.py::test_ct_gan_has_dropout_in_the_critic_alone",
        "recipes/test_wgan_family.py::test_ct_gan_by_its_formula_with_the_same_dropout",
        "recipes/test_wgan_family.py::test_ct_gans_learning_rate_reaches_zero_with_the_last_step",
    ),
    "dcgan": (
        "recipes/test_settings_published.py::"
        "test_the_first_layer_of_dcgan_is_normalised_by_channels_where_the_authors_do_it_by_units",
    ),
    "dragan": ("recipes/test_settings_published.py::test_the_slope_of_dragans_critic_at_a_sample_is_its_own",),
    "gan": ("recipes/test_settings_published.py::test_the_first_gans_layers_are_those_of_its_code_for_digits",),
    "gan-gp": ("recipes/test_settings_published.py::test_settings_are_those_of_the_authors_code",),
    "improved-gan": (
        "recipes/test_settings_published.py::test_settings_are_those_of_the_authors_code",
        "recipes/test_improved_gan.py::test_what_departs_from_the_authors_code_does",
    ),
    "info-gan": ("recipes/test_info_gan.py::test_the_critic_s_player_moves_q_too_and_the_generator_s_only_itself",),
    "loss-sensitive": ("recipes/test_settings_published.py::test_settings_are_those_of_the_authors_code",),
    "ns-gan": ("recipes/test_settings_published.py::test_the_first_gans_layers_are_those_of_its_code_for_digits",),
    "pac-gan": (
        "recipes/test_pac_gan.py::test_real_and_generated_samples_are_packed_and_the_objective_does_not_saturate",
    ),
    "ra-hinge": ("recipes/test_relativistic_recipes.py::test_losses_are_those_of_the_paper",),
    "ra-lsgan": ("recipes/test_relativistic_recipes.py::test_losses_are_those_of_the_paper",),
    "rasgan": ("recipes/test_relativistic_recipes.py::test_losses_are_those_of_the_paper",),
    "rsgan": (
        "recipes/test_relativistic_recipes.py::test_the_generator_reads_real_samples_which_are_fresh_in_its_turn",
    ),
    "sagan": (
        "networks/test_attention.py::test_widths_are_an_eighth_and_a_half_without_biases",
        "recipes/test_settings_published.py::test_sagans_weights_begin_without_the_gain_of_other_residual_networks",
    ),
    "semi-gan": ("recipes/test_semi_gan.py::test_the_classifier_is_the_authors_at_their_size",),
    "sngan": ("recipes/test_settings_published.py::test_sngan_is_trained_as_by_its_authors_at_each_size",),
    "sngan-projection": ("recipes/test_settings_published.py::test_sngan_is_trained_as_by_its_authors_at_each_size",),
    "unrolled": ("recipes/test_unrolled_recipe.py::test_initial_weights_are_those_of_the_demo",),
    "vae": ("recipes/test_vae.py::test_defaults_are_the_study_s",),
    "wgan": ("recipes/test_wgan_schedule.py::test_critic_updates_before_each_generator_update",),
    "wgan-div": (
        "recipes/test_settings_published.py::test_settings_are_those_of_the_authors_code",
        "recipes/test_wgan_family.py::test_wgan_div_by_its_formula",
    ),
    "wgan-gp": ("recipes/test_settings_published.py::test_settings_are_those_of_the_authors_code",),
}
CLAIMS = re.compile(r"\b(authors?'s?|study's|carpedm20's) (PyTorch )?(code|demo|layout)|\bDRAGAN's code")


def test_every_page_that_speaks_of_published_code_is_held_to_it() -> None:
    speaking = {name for name in registry.names() if CLAIMS.search(" ".join(registry.page(name).text.split()))}
    assert speaking == HELD.keys()
    tests = Path(__file__).parents[1]
    for name, held in HELD.items():
        for one in held:
            file, _, test = one.partition("::")
            assert f"def {test}(" in (tests / file).read_text("utf-8"), (name, one)


# Number added to variances, and step of the running statistics. SNGAN: Chainer's default and the authors' conditional
# layer, eps=2e-5 and decay=0.9. BigGAN: the released networks. SAGAN: ops.py, eps 1e-5, with a decay of 0.999 that its
# page departs from. DCGAN's 1e-8 and the semi-supervised GAN's 1e-6 are departures on their pages as well.
NORMS = {
    "sngan": (2e-5, 0.1),
    "sngan-projection": (2e-5, 0.1),
    "sagan": (1e-5, 0.1),
    "biggan": (1e-4, 0.1),
    "biggan-deep": (1e-4, 0.1),
    "dcgan": (1e-5, 0.1),
    "semi-gan": (1e-5, 0.1),
    "info-gan": (1e-5, 0.1),
}


@pytest.mark.parametrize("name", NORMS)
def test_batch_norm_has_the_published_eps(name: str) -> None:
    _, game = built(name, load("fashion-mini"))
    found = {(m.eps, m.momentum) for m in game.nets["G"].modules() if isinstance(m, BatchNorm)}
    assert found == {NORMS[name]}


def test_sagans_weights_begin_without_the_gain_of_other_residual_networks() -> None:
    """ops.py has ``xavier_initializer()`` everywhere: U(-a, a) with a = sqrt(6 / (fan_in + fan_out))."""
    _, game = built("sagan", images(32), g_width=16, d_width=16)
    layers = {f"{who}.{k}": m for who, net in game.nets.items() for k, m in net.named_modules() if is_layer(m)}
    assert len(layers) > 25
    for name, layer in layers.items():
        weight: Any = layer.weight
        rows, columns, *kernel = weight.shape
        bound = math.sqrt(6 / ((rows + columns) * math.prod(kernel)))
        assert 0.8 * bound < weight.abs().max() <= bound * (1 + 1e-6), name


def is_layer(module: nn.Module) -> bool:
    return isinstance(module, SpectralNorm) and module.weight.numel() > 16


def test_the_slope_of_dragans_critic_at_a_sample_is_its_own() -> None:
    """The authors' critic has no normalisation, and the penalty is a sum over samples of functions of each alone."""
    for batch_norm in (False, True):
        _, game = built("dragan", images(16), batch_norm=batch_norm)
        critic = game.nets["D"].train()
        x = torch.randn(4, 3, 16, 16, requires_grad=True)
        (slope,) = torch.autograd.grad(critic(x)[0], x)
        assert bool((slope[1:].abs().amax() > 1e-6).item()) == batch_norm
    assert not any(isinstance(m, BatchNorm) for m in built("dragan", images(16))[1].nets["D"].modules())


def test_the_first_layer_of_dcgan_is_normalised_by_channels_where_the_authors_do_it_by_units() -> None:
    """train_uncond_dcgan.py: gg and gb have ngf * 8 * 4 * 4 numbers each; all else is as here."""

    def authors(n: int, normalised: int) -> tuple[int, int]:
        kernels = 25 * (8 * n * 4 * n + 4 * n * 2 * n + 2 * n * n + n * 3)
        generator = 100 * 8 * n * 16 + 2 * normalised + 2 * (4 * n + 2 * n + n) + kernels
        return generator, kernels + 2 * (2 * n + 4 * n + 8 * n) + 8 * n * 16

    assert authors(128, 8 * 128 * 16) == (18_885_760, 17_232_768)
    assert authors(128, 8 * 128) == (18_855_040, 17_232_768)
    n = 2
    generator, critic = dcgan.Generator(100, n, 64, 3, 5), dcgan.Critic(n, 64, 3, 5)
    assert (parameter_count(generator), parameter_count(critic)) == authors(n, 8 * n)
    assert "16,384 units" in registry.page("dcgan").text
