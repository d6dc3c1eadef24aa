"""VGG16 and LPIPS against torchvision and the lpips package on weights by a rule; the formulas by hand."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from random_weights import (
    EVERY,
    LPIPS_SHAPES,
    SIZES,
    lpips_pair,
    random_images,
    random_lpips_weights,
    random_weights,
    shapes_of,
)
from safetensors.torch import load_file
from torch import Tensor

from zerosum.metrics.features.vgg16 import Lpips, Vgg16, Vgg16Network, Vgg16Trunk, load_lpips
from zerosum.metrics.features.weights import WeightsError, fill

PEERS = Path(__file__).with_name("peers.safetensors")


@pytest.fixture(scope="module")
def trunk_weights() -> dict[str, Tensor]:
    with torch.device("meta"):
        return random_weights(shapes_of(Vgg16Trunk()))


def trunk(weights: dict[str, Tensor]) -> Vgg16Trunk:
    with torch.device("meta"):
        empty = Vgg16Trunk()
    fill(empty, weights, "rule", "rule")
    return empty


@pytest.fixture(scope="module")
def lpips(trunk_weights: dict[str, Tensor]) -> Lpips:
    return Lpips(trunk(trunk_weights), random_lpips_weights())


def stages_by_hand(weights: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """Activations before each pooling, by the published numbers of the layers."""
    stages = []
    for stage in ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)):
        for layer in stage:
            x = F.conv2d(x, weights[f"features.{layer}.weight"], weights[f"features.{layer}.bias"], padding=1).relu()
        stages.append(x)
        x = F.max_pool2d(x, 2)
    return stages


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 70)])
def test_lpips_equals_the_lpips_package(lpips: Lpips, height: int, width: int) -> None:
    expected = load_file(PEERS)[f"lpips.{height}x{width}"]
    distance = lpips(*lpips_pair(height, width))
    assert distance.shape == (3,)
    assert float(expected[:2].min()) > 0.05
    torch.testing.assert_close(distance, expected, atol=1e-6, rtol=1e-5)
    assert distance[2] == 0  # equal images


def test_lpips_by_hand(lpips: Lpips, trunk_weights: dict[str, Tensor]) -> None:
    a, b = (x[:1] for x in lpips_pair(33, 70))
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    first, second = (stages_by_hand(trunk_weights, (x - shift.view(3, 1, 1)) / scale.view(3, 1, 1)) for x in (a, b))
    total = torch.tensor(0.0)
    for x, y, weight in zip(first, second, random_lpips_weights().values(), strict=True):
        difference = F.normalize(x, dim=1, eps=1e-10) - F.normalize(y, dim=1, eps=1e-10)
        total += F.conv2d(difference**2, weight).mean()
    torch.testing.assert_close(lpips(a, b)[0], total, atol=1e-6, rtol=1e-5)


def test_lpips_is_symmetric_and_pairwise(lpips: Lpips) -> None:
    a, b = lpips_pair(33, 70)
    torch.testing.assert_close(lpips(a, b), lpips(b, a))
    torch.testing.assert_close(lpips(a, b)[:1], lpips(a[:1], b[:1]), atol=1e-6, rtol=1e-5)
    grey = lpips(a[:, :1], b[:, :1])
    torch.testing.assert_close(grey, lpips(a[:, :1].expand(-1, 3, -1, -1), b[:, :1].expand(-1, 3, -1, -1)))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(1, 3, 32, 32), torch.zeros(2, 3, 32, 32), "compares two batches"),
        (torch.zeros(1, 2, 32, 32), torch.zeros(1, 2, 32, 32), "compares two batches"),
        (torch.zeros(0, 3, 32, 32), torch.zeros(0, 3, 32, 32), "compares two batches"),
        (torch.zeros(1, 3, 32, 8), torch.zeros(1, 3, 32, 8), "at least 16x16"),
        (torch.zeros(1, 3, 32, 32).byte(), torch.zeros(1, 3, 32, 32).byte(), r"in \[-1, 1\]"),
    ],
)
def test_lpips_refuses(lpips: Lpips, a: Tensor, b: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lpips(a, b)


def test_the_smallest_images_reach_the_last_stage(lpips: Lpips) -> None:
    a, b = lpips_pair(16, 16)
    assert float(lpips(a, b)[0]) > 0


def test_lpips_is_loaded_from_both_files(tmp_path: Path, trunk_weights: dict[str, Tensor], lpips: Lpips) -> None:
    # As torchvision's file has it: more than the convolutions.
    torch.save({**trunk_weights, "classifier.6.bias": torch.zeros(1000)}, tmp_path / "vgg16.pth")
    torch.save(random_lpips_weights(), tmp_path / "linear.pth")
    loaded = load_lpips(tmp_path / "vgg16.pth", tmp_path / "linear.pth")
    assert loaded.hash == lpips.hash
    a, b = lpips_pair(33, 70)
    torch.testing.assert_close(loaded(a, b), lpips(a, b))
    assert shapes_of_file(tmp_path / "linear.pth") == LPIPS_SHAPES


def shapes_of_file(path: Path) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in torch.load(path, weights_only=True).items()}


def test_wrong_files_are_named(tmp_path: Path, trunk_weights: dict[str, Tensor]) -> None:
    # One number in many places: the file stays small.
    torch.save({n: torch.zeros(1).expand(w.shape) for n, w in trunk_weights.items()}, tmp_path / "vgg16.pth")
    with pytest.raises(WeightsError, match=r"vgg16\.pth does not hold the weights of vgg\.pth"):
        load_lpips(tmp_path / "vgg16.pth", tmp_path / "vgg16.pth")
    with pytest.raises(WeightsError, match=r"missing: classifier\.0\.weight.*vgg16-397923af\.pth"):
        Vgg16.load(tmp_path / "vgg16.pth")


def probing_network(weights: dict[str, Tensor], places: list[int]) -> Vgg16Network:
    """First linear layer: unit i reads number ``places[i]`` of the flattened convolutions. Second: reversed, halved."""
    with torch.device("meta"):
        network = Vgg16Network()
    count = len(places)
    first, second = torch.zeros(4096, 25088), torch.zeros(4096, 4096)
    first[torch.arange(count), torch.tensor(places)] = 1
    second[torch.arange(count), torch.arange(count - 1, -1, -1)] = 0.5
    bias = torch.zeros(4096)
    bias[0] = -1e6  # the second ReLU makes this one 0
    classifier = {"0.weight": first, "0.bias": torch.zeros(4096), "3.weight": second, "3.bias": bias}
    classifier |= {"6.weight": torch.zeros(1000, 4096), "6.bias": torch.zeros(1000)}
    named = {f"classifier.{name}": tensor for name, tensor in classifier.items()}
    network.load_state_dict({**weights, **named}, assign=True)
    return network


def test_features_by_hand(trunk_weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerosum.metrics.features.published.weights_hash", lambda tensors: "0" * 12)  # of 500 MB
    places = [0, 1, 7, 48, 49, 5000, 25087]
    extractor = Vgg16(probing_network(trunk_weights, places))
    images = random_images("vgg", 1, 224, 224)
    vectors, logits = extractor(images)
    assert logits is None
    assert vectors.shape == (1, 4096) == (1, extractor.dimensions)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (images / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    # Channels, then rows, then columns: the order in which the published weights count the 512x7x7.
    flat = F.max_pool2d(stages_by_hand(trunk_weights, normalised)[-1], 2)[0].flatten()
    expected = flat[places].flip(0) / 2
    expected[0] = 0
    assert (expected > 0).sum() >= 3
    torch.testing.assert_close(vectors[0, : len(places)], expected, atol=1e-5, rtol=1e-4)
    assert not vectors[0, len(places) :].any()
    assert extractor.name == "vgg16"
    assert extractor.resize == "tensorflow bilinear to 224"


@pytest.mark.slow
def test_features_equal_torchvision() -> None:
    with torch.device("meta"):
        network = Vgg16Network()
    fill(network, random_weights(shapes_of(network)), "rule", "rule")
    extractor = Vgg16(network)
    for height, width in SIZES[:2]:
        expected = load_file(PEERS)[f"vgg16.vectors.{height}x{width}"]
        vectors = extractor(random_images(f"{height}x{width}", 2, height, width)[:1]).vectors
        torch.testing.assert_close(vectors[:, ::EVERY], expected, atol=1e-4, rtol=1e-4)
