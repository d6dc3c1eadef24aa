"""Normalisation whose gain and bias come from a label or a vector, against torch's with each sample's own by hand."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.conditioning.adain import AdaIN, ClassAdaIN
from zerosum.conditioning.batch_norm import ClassBatchNorm, VectorBatchNorm
from zerosum.conditioning.embedding import SharedGenerator
from zerosum.constraints import SpectralNorm, spectral_norm
from zerosum.networks import dcgan, infogan, resnet
from zerosum.networks.common import glorot_uniform, one_for_each, orthogonal
from zerosum.networks.labels import rows, weights
from zerosum.networks.layers import BatchNorm

SHAPES = [(6, 4), (6, 4, 3, 5)]
Y = torch.tensor([2, 0, 1, 2, 2, 0])


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def spread(layer: nn.Module) -> Any:
    """With gains and biases that differ everywhere."""
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 0.5, 1.0)
    return layer


def seen_by(layer: nn.Module) -> Tensor:
    """The labels Y as the layer takes them: as they are, or as vectors."""
    return Y if isinstance(layer, ClassBatchNorm | ClassAdaIN) else F.one_hot(Y, 3).float()


def sample_by_sample(x: Tensor, gains: list[Tensor], biases: list[Tensor], eps: float) -> Tensor:
    """torch's batch normalisation of all of ``x`` with each sample's affine map, of which that sample is kept."""
    return torch.stack(
        [F.batch_norm(x, None, None, gains[i], biases[i], training=True, eps=eps)[i] for i in range(len(x))]
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_each_sample_gets_gain_and_bias_of_its_class(shape: tuple[int, ...], eps: float) -> None:
    layer, x = spread(ClassBatchNorm(4, 3, eps)), torch.randn(shape) * 2 + 1
    expected = sample_by_sample(x, [layer.gain[y] for y in Y], [layer.bias[y] for y in Y], eps)
    torch.testing.assert_close(layer(x, Y), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_each_sample_gets_gain_and_bias_linear_in_its_vector(shape: tuple[int, ...], eps: float) -> None:
    layer, x, c = spread(VectorBatchNorm(4, 5, eps=eps)), torch.randn(shape) * 2 + 1, torch.randn(6, 5)
    gains = [1 + layer.gain.weight @ v for v in c]
    biases = [layer.bias.weight @ v for v in c]
    torch.testing.assert_close(layer(x, c), sample_by_sample(x, gains, biases, eps), rtol=1e-5, atol=1e-5)
    assert {name for name, _ in layer.named_parameters()} == {"gain.weight", "bias.weight"}  # and no biases


@pytest.mark.parametrize("kind", [ClassBatchNorm, VectorBatchNorm])
@pytest.mark.parametrize("shape", SHAPES)
def test_running_statistics_are_those_of_torch_and_serve_evaluation(
    kind: type[nn.Module], shape: tuple[int, ...]
) -> None:
    layer = spread(kind(4, 3, momentum=0.3))
    given = seen_by(layer)
    mean, var = torch.zeros(4), torch.ones(4)
    for _ in range(3):
        x = torch.randn(shape) * 2 + 1
        F.batch_norm(x, mean, var, training=True, momentum=0.3)
        layer(x, given)
    torch.testing.assert_close(layer.norm.running_mean, mean)
    torch.testing.assert_close(layer.norm.running_var, var)
    lone = layer.eval()(x[:1], given[:1])[0]
    k = Y[0]
    tables = kind is ClassBatchNorm  # of the vector's layers, a one-hot code takes a column
    gain = layer.gain[k] if tables else 1 + layer.gain.weight[:, k]
    bias = layer.bias[k] if tables else layer.bias.weight[:, k]
    torch.testing.assert_close(lone, F.batch_norm(x[:1], mean, var, gain, bias)[0])
    torch.testing.assert_close(layer.norm.running_mean, mean)


@pytest.mark.parametrize("kind", [ClassBatchNorm, ClassAdaIN])
def test_weights_of_classes_mix_their_gains_and_biases(kind: Callable[..., nn.Module]) -> None:
    layer, x = spread(kind(4, 3)), torch.randn(6, 4, 3, 5)
    torch.testing.assert_close(layer(x, F.one_hot(Y, 3).float()), layer(x, Y))
    halves = torch.tensor([[0.5, 0.5, 0.0]]).expand(6, 3)
    zero, one = (layer(x, torch.full((6,), k)) for k in (0, 1))
    torch.testing.assert_close(layer(x, halves), (zero + one) / 2)  # for the map is linear in gain and bias


def test_rows_and_weights_by_hand() -> None:
    table = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert rows(table, torch.tensor([2, 0])).tolist() == [[5, 6], [1, 2]]
    assert rows(table, torch.tensor([[0.0, 0.5, 0.5], [2.0, -1.0, 0.0]])).tolist() == [[4, 5], [-1, 0]]
    assert weights(torch.tensor([1, 0]), 3).tolist() == [[0, 1, 0], [1, 0, 0]]
    between = torch.tensor([[0.25, 0.75, 0.0]])
    assert weights(between, 3) is between


@pytest.mark.parametrize("kind", [ClassBatchNorm, VectorBatchNorm, AdaIN, ClassAdaIN])
def test_under_autocast_maps_stay_bfloat16(kind: type[nn.Module]) -> None:
    layer, x = spread(kind(4, 3)), torch.randn(6, 4, 8, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x, seen_by(layer))
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), layer(x.float(), seen_by(layer)), rtol=0.05, atol=0.1)


@pytest.mark.parametrize("kind", [ClassBatchNorm, VectorBatchNorm])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_maps_in_channels_last_stay_so(kind: type[nn.Module], dtype: torch.dtype) -> None:
    layer, x = spread(kind(4, 3)), torch.randn(6, 4, 5, 3).to(dtype).to(memory_format=torch.channels_last)
    y = layer(x, seen_by(layer))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert y.dtype == dtype


def by_hand(x: Tensor, gain: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Eq. 8, Huang and Belongie 2017, with loops: each map of each image by itself."""
    y = torch.empty_like(x)
    for b in range(x.shape[0]):
        for c in range(x.shape[1]):
            plane = x[b, c].double()
            y[b, c] = gain[b, c] * (plane - plane.mean()) / (plane.var(unbiased=False) + eps).sqrt() + bias[b, c]
    return y


@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_adain_normalises_each_map_of_each_image(eps: float) -> None:
    x, c = torch.randn(6, 4, 3, 5) * 2 + 1, torch.randn(6, 7)
    layer = spread(AdaIN(4, 7, eps=eps))
    scale, shift = (c @ layer.style.weight.T + layer.style.bias).split(4, 1)
    torch.testing.assert_close(layer(x, c), by_hand(x, 1 + scale, shift, eps), rtol=1e-5, atol=1e-5)
    table = spread(ClassAdaIN(4, 3, eps))
    torch.testing.assert_close(table(x, Y), by_hand(x, table.gain[Y], table.bias[Y], eps), rtol=1e-5, atol=1e-5)


def test_with_no_style_adain_is_torch_s_instance_normalisation() -> None:
    x = torch.randn(6, 4, 3, 5) * 2 + 1
    expected = nn.InstanceNorm2d(4)(x)
    torch.testing.assert_close(AdaIN(4, 7)(x, torch.zeros(6, 7)), expected)  # biases begin at 0
    torch.testing.assert_close(ClassAdaIN(4, 3)(x, Y), expected)


def test_what_one_image_gets_does_not_depend_on_the_others() -> None:
    layer, x, c = AdaIN(4, 7), torch.randn(6, 4, 3, 5), torch.randn(6, 7)
    torch.testing.assert_close(layer(x, c)[2:3], layer(x[2:3], c[2:3]))
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        layer(torch.randn(6, 4, 1, 1), c)


def test_gains_begin_about_one_and_biases_about_zero() -> None:
    x = torch.randn(6, 16, 4, 4)
    torch.testing.assert_close(ClassBatchNorm(16, 3)(x, Y), nn.BatchNorm2d(16)(x))
    c = torch.randn(6, 8)
    normalised = F.batch_norm(x, None, None, training=True)
    for layer in (VectorBatchNorm(16, 8, init=partial(_scaled, 0.1)), AdaIN(16, 8, init=partial(_scaled, 0.1))):
        y = layer(x, c)
        one = F.instance_norm(x) if isinstance(layer, AdaIN) else normalised
        gain = (y * one).sum((2, 3)) / one.square().sum((2, 3))
        assert gain.mean().item() == pytest.approx(1, abs=0.15)
        assert (gain - 1).abs().max() < 2


def _scaled(std: float, layer: nn.Module, gain: float) -> None:
    nn.init.normal_(layer.weight, 0.0, std * gain)


def test_wrap_and_init_reach_the_linear_layers() -> None:
    for layer, count in (
        (VectorBatchNorm(8, 3, wrap=spectral_norm, init=orthogonal), 2),
        (AdaIN(4, 3, wrap=spectral_norm, init=orthogonal), 1),
    ):
        wrapped = [m for m in layer.modules() if isinstance(m, SpectralNorm)]
        assert len(wrapped) == count
        for linear in wrapped:  # 8 x 3, with orthonormal columns
            torch.testing.assert_close(linear.weight.T @ linear.weight, torch.eye(3), atol=1e-5, rtol=0)


def test_initial_weights_of_an_embedding_are_glorot_s() -> None:
    embedding = nn.Embedding(300, 100)
    glorot_uniform(embedding, 2.0)
    limit = 2 * (6 / 400) ** 0.5
    assert 0.99 * limit < embedding.weight.abs().max() <= limit
    assert embedding.weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.02)


GENERATORS: dict[str, tuple[Callable[..., nn.Module], int]] = {
    "dcgan": (partial(dcgan.Generator, 5, 4, 16, 3), 2),
    "infogan": (partial(infogan.Generator, 5, 4, 16, 3), 3),
    "resnet": (partial(resnet.Generator, 5, 4, 32, 3, last_norm=BatchNorm), 3),
}
NORMS: dict[str, Callable[..., nn.Module]] = {
    "classes": partial(ClassBatchNorm, classes=3),
    "vector": partial(VectorBatchNorm, inputs=7),
    "adain": partial(AdaIN, inputs=7),
    "adain of classes": partial(ClassAdaIN, classes=3),
}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", GENERATORS)
def test_any_generator_becomes_conditional_through_its_norm(name: str, norm: str) -> None:
    build, layers = GENERATORS[name]
    net: Any = spread(build(norm=NORMS[norm]))
    vectors = norm in ("vector", "adain")
    generator = SharedGenerator(net, 3, 7) if vectors else net
    z, y = torch.randn(2, 5), torch.tensor([0, 2])
    if name == "infogan" and "adain" in norm:  # it has linear layers, whose units have no pixels to normalise over
        with pytest.raises(ValueError, match="more than 1 spatial element"):
            generator(z, y)
        return
    images = generator(z, y)
    assert images.shape[:2] == (2, 3)
    assert (generator(z, (y + 1) % 3) - images).abs().amax((1, 2, 3)).min() > 1e-2
    given = [generator.embed(y) if vectors else y] * layers
    torch.testing.assert_close(net(z, given), images)  # one for all is the same for each
    for wrong in (layers - 1, layers + 1):
        with pytest.raises(ValueError, match=f"{wrong} conditions for {layers} layers: give one, or as many"):
            net(z, given[:1] * wrong)


@pytest.mark.parametrize("name", GENERATORS)
def test_each_layer_gets_its_own_condition(name: str) -> None:
    build, layers = GENERATORS[name]
    net: Any = build(norm=partial(ClassBatchNorm, classes=layers))
    seen: list[Tensor] = []
    for module in net.modules():
        if isinstance(module, ClassBatchNorm):
            module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    net(torch.randn(2, 5), [torch.tensor([k, k]) for k in range(layers)])
    twice = 2 if name == "resnet" else 1  # both norms of a block
    assert [y.tolist() for y in seen] == [[k, k] for k in range(layers) for _ in range(twice)]


def test_one_for_each_by_hand() -> None:
    a, b = torch.zeros(1), torch.ones(1)
    assert one_for_each(None, 2) == [(), ()]
    assert [len(given) for given in one_for_each(a, 3)] == [1, 1, 1]
    assert [given[0].item() for given in one_for_each((b, a), 2)] == [1, 0]


def test_impossible_counts_are_refused() -> None:
    for build, match in (
        (lambda: ClassBatchNorm(4, 0), "classes=0"),
        (lambda: ClassBatchNorm(0, 4), "features=0"),
        (lambda: VectorBatchNorm(4, 0), "inputs=0"),
        (lambda: AdaIN(4, -1), "inputs=-1"),
        (lambda: ClassAdaIN(4, 0), "classes=0"),
    ):
        with pytest.raises(ValueError, match=match):
            build()
