"""Autoencoders: counts by formula, layouts and energies by hand, likelihoods by torch.distributions."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, MultivariateNormal, Normal
from torch.func import functional_call, grad

from zerosum.constraints.spectral import spectral_norm
from zerosum.networks import dcgan, infogan, mlp, parameter_count
from zerosum.networks.autoencoder import (
    Autoencoder,
    BernoulliDecoder,
    EluDecoder,
    EluEncoder,
    Encoder,
    GaussianDecoder,
    GaussianEncoder,
    absolute_error,
    began_pair,
    bernoulli_log_likelihood,
    ebgan_pair,
    gaussian_log_likelihood,
    squared_error,
    vae_pair,
)
from zerosum.networks.pairs import Pair


def conv(inputs: int, outputs: int) -> int:
    """Weights of a 3x3 convolution with bias."""
    return 9 * inputs * outputs + outputs


def decoder_count(n: int, h: int, scales: int, channels: int) -> int:
    return (h + 1) * 64 * n + 2 * scales * conv(n, n) + conv(n, channels)


def encoder_count(n: int, h: int, scales: int, channels: int) -> int:
    count = conv(channels, n)
    for k in range(1, scales + 1):
        count += conv(max(k - 1, 1) * n, k * n) + conv(k * n, k * n)
        count += conv(k * n, k * n) if k < scales else 0
    return count + (64 * scales * n + 1) * h


@pytest.mark.parametrize(("size", "scales"), [(16, 2), (32, 3), (64, 4), (128, 5)])
@pytest.mark.parametrize(("n", "h", "channels"), [(128, 64, 3), (4, 5, 1)])
def test_began_has_the_weights_of_its_layers(n: int, h: int, size: int, scales: int, channels: int) -> None:
    with torch.device("meta"):
        g, d = began_pair((channels, size, size), h, n)
    decoder = decoder_count(n, h, scales, channels)
    assert parameter_count(g) == decoder
    assert parameter_count(d) == decoder + encoder_count(n, h, scales, channels)


def test_began_at_64_pixels_counted_by_hand() -> None:
    # 65 x 8192, eight 128-128 convolutions of 147,584 weights, and 3,459 to three channels.
    with torch.device("meta"):
        assert parameter_count(EluDecoder()) == 532_480 + 8 * 147_584 + 3_459


def test_ebgan_and_vae_have_the_weights_of_their_layers() -> None:
    with torch.device("meta"):
        g, d = ebgan_pair((3, 64, 64), 100, 64, 4, 32)
        e, p = vae_pair((3, 32, 32), 64, 64, None)
    # The ports' DCGAN, its last layer (8192 weights, no bias) traded for a code; its generator has 8192 weights per z.
    assert parameter_count(g) == 3_576_704
    assert parameter_count(d) == 2_765_568 - 8192 + 8193 * 32 + 3_576_704 - 8192 * (100 - 32)
    # The study's networks at 32 pixels: the logit (1025 weights) traded for two vectors of 64 numbers.
    assert parameter_count(p) == 8_616_131
    assert parameter_count(e) == 8_527_297 - 1025 + 1025 * 128


Sizes = tuple[int, ...]


@pytest.mark.parametrize(
    "shape", [(2,), (3, 16, 16), (1, 32, 32), (3, 64, 64), (1, 128, 128)], ids=lambda s: "x".join(map(str, s))
)
@pytest.mark.parametrize(
    ("pair", "code"), [(lambda s: ebgan_pair(s, 6, 2, 4, 5), 5), (lambda s: began_pair(s, 6, 2), 6)]
)
def test_shapes(pair: Callable[[Sizes], Pair], code: int, shape: Sizes) -> None:
    generator, critic = pair(shape)
    x = torch.randn(3, *shape)
    assert isinstance(critic, Autoencoder)
    assert generator(torch.randn(3, 6)).shape == x.shape
    assert critic.features(x).shape == (3, code)
    assert critic.reconstruct(x).shape == x.shape
    assert critic(x).shape == (3,)
    assert (critic(x) > 0).all()


def test_the_energy_compares_the_sample_with_its_reconstruction_by_the_function_given() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    half = nn.Linear(2, 2, bias=False)
    nn.init.eye_(half.weight)
    half.weight.data /= 2
    # Reconstructions are x / 2, so differences are (.5, 1) and (1.5, -.5).
    assert Autoencoder(half, nn.Identity())(x).tolist() == pytest.approx([0.625, 1.25])
    assert Autoencoder(half, nn.Identity(), absolute_error)(x).tolist() == pytest.approx([0.75, 1.0])
    summed = Autoencoder(half, nn.Identity(), lambda r, t: (r - t).square().sum(1))
    assert summed(x).tolist() == pytest.approx([1.25, 2.5])
    judged = summed.judge(x)
    assert judged.logits.tolist() == pytest.approx([1.25, 2.5])
    assert torch.equal(judged.features, x / 2)
    assert judged.classes is None
    assert torch.equal(summed.features(x), x / 2)


def test_energies_are_means_over_all_of_a_sample_and_in_float32() -> None:
    r, x = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4)
    squares, absolutes = [], []
    for i in range(3):
        differences = [float(a - b) for a, b in zip(r[i].flatten(), x[i].flatten(), strict=True)]
        squares.append(sum(d * d for d in differences) / 32)
        absolutes.append(sum(abs(d) for d in differences) / 32)
    assert squared_error(r, x).tolist() == pytest.approx(squares, rel=1e-5)
    assert absolute_error(r, x).tolist() == pytest.approx(absolutes, rel=1e-5)
    for energy in (squared_error, absolute_error):
        low, high = energy(r.bfloat16(), x.bfloat16()), energy(r.bfloat16().float(), x.bfloat16().float())
        assert low.dtype == torch.float32
        assert torch.equal(low, high)


def test_the_gradient_flows_through_the_reconstruction_and_through_the_target() -> None:
    torch.manual_seed(0)
    w = torch.randn(3, 3).double()
    linear = nn.Linear(3, 3, bias=False).double()
    linear.weight.data = w
    critic, x = Autoencoder(linear, nn.Identity()), torch.randn(1, 3).double()
    found = grad(lambda t: critic(t).sum())(x)
    # D(x) = |W x - x|^2 / 3: the derivative is 2 (W - I)^T (W x - x) / 3; without the target's part, 2 W^T (...) / 3.
    residual = x @ w.T - x
    torch.testing.assert_close(found, 2 / 3 * residual @ (w - torch.eye(3).double()))
    assert (found - 2 / 3 * residual @ w).abs().max() > 0.1
    # With a decoder that ignores its input, the target is all there is.
    constant: Any = Autoencoder(nn.Linear(3, 3).double(), mlp.Generator(3, (), (3,)).double())
    nn.init.zeros_(constant.encoder.weight)
    torch.testing.assert_close(grad(lambda t: constant(t).sum())(x), -2 / 3 * (constant.reconstruct(x) - x))


def test_elu_networks_in_plain_functions() -> None:
    encoder: Any = EluEncoder(5, 4, 32, 3)
    decoder: Any = EluDecoder(5, 4, 32, 3)
    for p in (*encoder.parameters(), *decoder.parameters()):
        nn.init.normal_(p, std=0.2)
    x, z = torch.randn(2, 3, 32, 32), torch.randn(2, 5)
    ws = [(c.weight, c.bias) for c in encoder.convs]
    assert [w.shape[0] for w, _ in ws] == [4, 4, 4, 4, 8, 8, 8, 12, 12]
    h = x
    for i, (w, b) in enumerate(ws):
        h = F.elu(F.conv2d(h, w, b, stride=2 if i in (3, 6) else 1, padding=1))
    assert h.shape == (2, 12, 8, 8)
    expected = h.flatten(1) @ encoder.last.weight.T + encoder.last.bias
    torch.testing.assert_close(encoder(x), expected, rtol=1e-4, atol=1e-4)

    h = (z @ decoder.first.weight.T + decoder.first.bias).view(2, 4, 8, 8)
    for scale in range(3):
        if scale:
            h = h.repeat_interleave(2, 2).repeat_interleave(2, 3)
        for c in decoder.convs[2 * scale : 2 * scale + 2]:
            h = F.elu(F.conv2d(h, c.weight, c.bias, padding=1))
    expected = F.conv2d(h, decoder.last.weight, decoder.last.bias, padding=1)
    torch.testing.assert_close(decoder(z), expected, rtol=1e-4, atol=1e-4)
    assert decoder(50 * z).abs().max() > 1, "the image is not bounded"


def test_encoders_are_critics_with_a_code_for_a_logit() -> None:
    trunk = dcgan.Critic(2, 16, 1)
    encoder, x = Encoder(trunk, 7, init=lambda layer, gain: None), torch.randn(4, 1, 16, 16)
    features = trunk.features(x)
    torch.testing.assert_close(encoder(x), features @ encoder.code.weight.T + encoder.code.bias)
    assert all(p.grad is not None for p in with_gradients(encoder, x)), "a weight that nothing reads"
    with pytest.raises(TypeError, match="no `features`"):
        Encoder(nn.Linear(2, 3), 7)
    constrained = dcgan.Critic(2, 16, 1, wrap=spectral_norm)
    encoder = Encoder(constrained, 7)
    torch.testing.assert_close(encoder(x), constrained.features(x) @ encoder.code.weight.T + encoder.code.bias)
    assert all(p.grad is not None for p in with_gradients(encoder, x)), "a weight that nothing reads"


def with_gradients(net: nn.Module, x: Tensor) -> list[nn.Parameter]:
    net(x).square().sum().backward()
    return list(net.parameters())


def test_the_posterior_is_the_two_halves_of_the_code() -> None:
    encoder, x = GaussianEncoder(mlp.Critic((2,), (8,)), 3), torch.randn(5, 2)
    mean, deviation = encoder(x)
    code = encoder.encoder(x)
    assert torch.equal(mean, code[:, :3])
    torch.testing.assert_close(deviation, (1 + code[:, 3:].exp()).log() + 1e-6)
    encoder.encoder.code.bias.data[3:] = -1e4
    assert (encoder(x)[1] == 1e-6).all(), "never 0, whose logarithm is infinite"
    with torch.autocast("cpu", torch.bfloat16):
        assert [t.dtype for t in encoder(x)] == [torch.float32] * 2


def test_bernoulli_likelihood_is_that_of_torch_distributions() -> None:
    logits, x = torch.randn(4, 3, 2, 2).double(), torch.rand(4, 3, 2, 2).double() * 2 - 1
    p: Any = Independent(Bernoulli(logits=logits, validate_args=False), 3)
    torch.testing.assert_close(bernoulli_log_likelihood(logits, x), p.log_prob((x + 1) / 2))
    # All eight binary images of three pixels have probabilities that sum to 1.
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0]).double()] * 3).view(8, 1, 1, 3)
    several = torch.randn(1, 1, 1, 3).double().expand(8, 1, 1, 3)
    assert bernoulli_log_likelihood(several, corners).exp().sum().item() == pytest.approx(1)


def test_the_sure_decoder_has_finite_likelihood_and_the_right_derivative() -> None:
    logits, x = torch.tensor([[-200.0, 200.0, 0.0]]), torch.tensor([[1.0, -1.0, 0.0]])
    assert bernoulli_log_likelihood(logits, x).item() == pytest.approx(-400 - 0.6931472)
    found = grad(lambda a: bernoulli_log_likelihood(a, x).sum())(logits)
    assert found.tolist() == [[1.0, -1.0, 0.0]]  # t - p: a wrong pixel, however sure, is pulled back


def test_bernoulli_decoder_is_the_study_s() -> None:
    decoder: Any = BernoulliDecoder(5, 2, 12, 3)
    z, x = torch.randn(6, 5), torch.rand(6, 3, 12, 12) * 2 - 1
    h = z
    for linear, norm in zip(decoder.linears, decoder.linear_norms, strict=True):
        h = F.linear(h, linear.weight, linear.bias)
        h = F.relu(F.batch_norm(h, None, None, norm.weight, norm.bias, True, eps=1e-3))
    h = F.conv_transpose2d(h.view(6, 4, 3, 3), decoder.up.weight, decoder.up.bias, 2, 1)
    h = F.relu(F.batch_norm(h, None, None, decoder.up_norm.weight, decoder.up_norm.bias, True, eps=1e-3))
    p = torch.sigmoid(F.conv_transpose2d(h, decoder.last.weight, decoder.last.bias, 2, 1))
    torch.testing.assert_close(decoder(z), 2 * p - 1, rtol=1e-4, atol=1e-5)
    t = (x + 1) / 2
    expected = (t * p.log() + (1 - t) * (1 - p).log()).flatten(1).sum(1)
    torch.testing.assert_close(decoder(z, x), expected, rtol=1e-4, atol=1e-3)
    assert isinstance(decoder, infogan.Generator)


def test_gaussian_likelihood_is_that_of_torch_distributions() -> None:
    mean, x, log_s = torch.randn(4, 2).double(), torch.randn(4, 2).double(), torch.tensor(-0.7).double()
    p: Any = MultivariateNormal(mean, torch.eye(2).double() * log_s.exp() ** 2)
    torch.testing.assert_close(gaussian_log_likelihood(mean, log_s, x), p.log_prob(x))
    inputs = tuple(t.requires_grad_() for t in (mean, log_s, x))
    assert torch.autograd.gradcheck(gaussian_log_likelihood, inputs)


@pytest.mark.parametrize("deviation", [None, 0.3])
def test_gaussian_decoder_has_one_deviation_fixed_or_learned(deviation: float | None) -> None:
    decoder = GaussianDecoder(mlp.Generator(3, (4,)), deviation)
    z, x = torch.randn(5, 3), torch.randn(5, 2)
    p: Any = Independent(Normal(decoder(z), 1.0 if deviation is None else deviation), 1)
    torch.testing.assert_close(decoder(z, x), p.log_prob(x))
    learned = {k for k, _ in decoder.named_parameters()} - {f"mean.{k}" for k, _ in decoder.mean.named_parameters()}
    assert learned == ({"log_deviation"} if deviation is None else set())
    moved = functional_call(decoder, {"log_deviation": torch.tensor(0.5)}, (z, x))
    p = Independent(Normal(decoder(z), torch.tensor(0.5).exp()), 1)
    torch.testing.assert_close(moved, p.log_prob(x))


@pytest.mark.parametrize("pair", [lambda: ebgan_pair((1, 16, 16), 4, 2, 4, 5), lambda: began_pair((1, 16, 16), 4, 2)])
def test_under_autocast_energies_are_float32_and_near_those_of_float32(
    pair: Callable[[], Pair],
) -> None:
    torch.manual_seed(0)
    (_, critic), x = pair(), torch.rand(4, 1, 16, 16) * 2 - 1
    plain = critic(x)
    with torch.autocast("cpu", torch.bfloat16):
        low = critic(x)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, plain, rtol=0.05, atol=0.02)


def test_wrong_sizes_are_refused() -> None:
    for build in (partial(EluEncoder, 4, 2), partial(EluDecoder, 4, 2), lambda s: ebgan_pair((1, s, s), 4, 2, 4, 5)):
        for size in (8, 28, 512):
            with pytest.raises(ValueError, match=f"size={size}: must be one of 16, 32"):
                build(size)
    for refused in (partial(EluEncoder, 0), partial(EluDecoder, 0), partial(GaussianEncoder, mlp.Critic(), 0)):
        with pytest.raises(ValueError, match="must be at least 1"):
            refused()
    with pytest.raises(ValueError, match="code=0"):
        Encoder(mlp.Critic(), 0)
    for deviation in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="deviation="):
            GaussianDecoder(mlp.Generator(), deviation)
    x = torch.randn(2, 1, 32, 32)
    for likelihood in (bernoulli_log_likelihood, squared_error, absolute_error):
        with pytest.raises(ValueError, match="were reconstructed as"):
            likelihood(x[:1], x)  # would broadcast
    with pytest.raises(ValueError, match="were reconstructed as"):
        gaussian_log_likelihood(x[:1], torch.zeros(()), x)
