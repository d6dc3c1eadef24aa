"""The VAE: its bound from torch.distributions, and exact where everything is linear and Gaussian."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from recipe_data import load
from torch import Tensor, nn
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from zerosum import registry
from zerosum.core.game import Game, Nets, gradient, play, start
from zerosum.core.train import train
from zerosum.data.base import Data
from zerosum.networks.autoencoder import GaussianDecoder
from zerosum.recipes.vae import divergence
from zerosum.systems import Recipe

SMALL: dict[str, Any] = {"width": 4, "latent": 3, "batch_size": 8, "steps": 4}


def build(data: Data, **arguments: Any) -> tuple[Recipe, Game]:
    torch.manual_seed(0)
    recipe = registry.find("vae")(data, **(SMALL | arguments))
    return recipe, recipe.phases[0].game


def batch(recipe: Recipe, source: str = "fashion-mini", k: int = 0) -> Any:
    x, y = load(source).batch(k, recipe.batch_size, seed=0)
    return recipe.draw(x, y, torch.Generator().manual_seed(k))


def colour() -> Data:
    return Data("colour", (3, 16, 16), (), None, "", ())


def test_the_divergence_is_that_of_torch_distributions() -> None:
    mu, sigma = torch.randn(5, 4).double(), torch.rand(5, 4).double() + 0.1
    p: Any = kl_divergence(Normal(mu, sigma), Normal(torch.zeros(4).double(), torch.ones(4).double()))
    torch.testing.assert_close(divergence(mu, sigma), p.sum(1))
    assert divergence(torch.zeros(1, 4), torch.ones(1, 4)).item() == 0
    assert torch.autograd.gradcheck(divergence, (mu.requires_grad_(), sigma.requires_grad_()))


def test_the_loss_on_colour_images_is_the_negative_bound_summed_over_pixels_and_channels() -> None:
    recipe, game = build(colour())
    b = recipe.draw(torch.rand(8, 3, 16, 16) * 2 - 1, None, torch.Generator().manual_seed(0))
    terms = game.players["VAE"].loss(Nets(game, start(game), b), b, {})
    n = Nets(game, start(game), b)
    mu, sigma = n.E(b.x)
    pixels = (n.G(mu + sigma * b.z) + 1) / 2  # the mean images, in [0, 1]
    p: Any = Bernoulli(pixels, validate_args=False)
    torch.testing.assert_close(terms["reconstruction"], -p.log_prob((b.x + 1) / 2).sum((1, 2, 3)).mean())
    kl: Any = kl_divergence(Normal(mu, sigma), Normal(0.0, 1.0))
    torch.testing.assert_close(terms["kl"], kl.sum(1).mean())
    assert set(terms) == {"reconstruction", "kl"}


@pytest.mark.parametrize("deviation", [None, 0.2])
def test_the_loss_on_points_has_a_gaussian_likelihood(deviation: float | None) -> None:
    recipe, game = build(load("ring"), deviation=deviation)
    b = batch(recipe, "ring")
    terms = game.players["VAE"].loss(Nets(game, start(game), b), b, {})
    n = Nets(game, start(game), b)
    mu, sigma = n.E(b.x)
    p: Any = Normal(n.G(mu + sigma * b.z), 1.0 if deviation is None else deviation)
    torch.testing.assert_close(terms["reconstruction"], -p.log_prob(b.x).sum(1).mean())


def linear_gaussian(shift: float, stretch: float) -> tuple[Tensor, Tensor, Tensor]:
    """(loss by the recipe, exact -log p(x), KL of q to the posterior), q being the posterior shifted and stretched.

    p(z) = N(0, I), p(x|z) = N(W z + c, s^2 I) with orthogonal columns in W, so that the posterior is diagonal.
    """
    w, c, s = torch.tensor([[1.0, 2.0], [-2.0, 1.0]]).double(), torch.tensor([0.3, -0.5]).double(), 0.7
    mean = nn.Linear(2, 2).double()
    mean.weight.data, mean.bias.data = w, c
    x = torch.tensor([[0.4, 1.3], [-2.0, 0.1], [0.0, 0.0]]).double()
    precision = torch.eye(2).double() + w.T @ w / s**2
    exact = (x - c) @ w @ torch.linalg.inv(precision) / s**2
    spread = precision.diagonal().rsqrt().expand(3, 2)
    q = exact + shift, stretch * spread
    # The bound is quadratic in the noise: the four corners of the square have its mean and covariance.
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0]).double()] * 2)
    nets: Any = SimpleNamespace(E=lambda x: tuple(t.repeat_interleave(4, 0) for t in q), G=GaussianDecoder(mean, s))
    b = SimpleNamespace(x=x.repeat_interleave(4, 0), z=corners.repeat(3, 1))
    terms = build(load("ring"))[1].players["VAE"].loss(nets, b, {})
    marginal: Any = MultivariateNormal(c, w @ w.T + s**2 * torch.eye(2).double())
    gap: Any = kl_divergence(Normal(*q), Normal(exact, spread))
    return terms["reconstruction"] + terms["kl"], -marginal.log_prob(x).mean(), gap.sum(1).mean()


def test_the_bound_is_tight_at_the_exact_posterior_of_a_linear_gaussian_model() -> None:
    loss, exact, gap = linear_gaussian(0.0, 1.0)
    assert gap.item() == pytest.approx(0, abs=1e-12)
    assert loss.item() == pytest.approx(exact.item(), abs=1e-6)  # log s is kept in float32


@pytest.mark.parametrize(("shift", "stretch"), [(0.5, 1.0), (0.0, 2.0), (-0.3, 0.4)])
def test_elsewhere_it_is_off_by_the_divergence_from_the_posterior(shift: float, stretch: float) -> None:
    loss, exact, gap = linear_gaussian(shift, stretch)
    assert gap.item() > 0.1
    assert (loss - exact).item() == pytest.approx(gap.item(), abs=1e-6)


def test_one_player_moves_both_networks_through_the_latent() -> None:
    recipe, game = build(load("fashion-mini"))
    assert {who: p.owns for who, p in game.players.items()} == {"VAE": ("E", "G")}
    b, state = batch(recipe), start(game)
    grads, _, _ = gradient(game, "VAE", state, b)
    assert all(bool(g.any()) for net in grads.values() for k, g in net.items() if not k.endswith("0.bias"))
    # The encoder hears of the reconstruction, not of the divergence alone.
    n = Nets(game, state, b)
    mu, sigma = (t.detach().requires_grad_() for t in n.E(b.x))
    to_mu, to_sigma = torch.autograd.grad(n.G(mu + sigma * b.z, b.x).mean(), (mu, sigma))
    assert to_mu.abs().max() > 0
    torch.testing.assert_close(to_sigma, to_mu * b.z)


def test_noise_and_prior_are_standard_normal() -> None:
    recipe, _ = build(load("ring"), batch_size=4096)
    eps = batch(recipe, "ring").z
    z: Any = recipe.prior(4096, torch.Generator().manual_seed(1))
    for draws in (eps, z):
        assert draws.shape == (4096, 3)
        assert draws.mean().abs() < 0.03
        assert draws.std().item() == pytest.approx(1, abs=0.03)
        assert draws.abs().max() > 3, "normal, not uniform"
    assert torch.equal(eps, batch(recipe, "ring").z)


def test_defaults_are_the_study_s() -> None:
    image, points = (registry.find("vae")(load(source), width=2) for source in ("fashion-mini", "ring"))
    priors: list[Any] = [recipe.prior(1, torch.Generator()) for recipe in (image, points)]
    assert [z.shape for z in priors] == [(1, 64), (1, 2)]
    assert (image.batch_size, image.generator) == (64, "G")


def test_on_the_ring_the_bound_rises() -> None:
    recipe, game = build(load("ring"), batch_size=32, lr=1e-3)
    batches = (batch(recipe, "ring", k) for k in itertools.count())
    bounds = [float(sum(said["VAE"].values())) for _, _, said in train(game, start(game), batches, 30)]
    assert sum(bounds[-3:]) < sum(bounds[:3]) - 1


def test_the_deviation_moves_to_that_of_the_errors_unless_it_is_fixed() -> None:
    for scale, direction in ((3.0, 1), (0.1, -1)):
        recipe, game = build(load("ring"), beta1=0.0, lr=1e-2)
        b = batch(recipe, "ring")._replace(x=torch.full((8, 2), scale))
        after, _ = play(game, "VAE", start(game), b)
        # Errors of about 3, or of less than 1, where the deviation is 1 at first; Adam's first step is lr.
        assert after.weights["G"]["log_deviation"].item() == pytest.approx(direction * 1e-2, rel=1e-3)
    recipe, game = build(load("ring"), deviation=0.5)
    after, _ = play(game, "VAE", start(game), batch(recipe, "ring"))
    assert "log_deviation" not in after.weights["G"]
    assert after.buffers["G"]["log_deviation"].exp().item() == pytest.approx(0.5)


def test_a_deviation_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="deviation=0"):
        build(load("ring"), deviation=0.0)
