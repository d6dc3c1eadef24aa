"""Inception against torch-fidelity's outputs on weights by a rule; folding; what the quirks are; what is refused.

``tools/inception_parity.py --write`` wrote ``peers.safetensors``.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from random_weights import EVERY, SIZES, random_images, random_weights, shapes_of, uniform
from safetensors.torch import load_file
from torch import Tensor, nn

from zerosum.metrics.features.find import find_extractor
from zerosum.metrics.features.inception import (
    PUBLISHED,
    Convolution,
    FrozenNorm,
    Inception,
    InceptionV3,
    MaxPooledConvolution,
    PooledConvolution,
)
from zerosum.metrics.features.weights import PublishedWeights, WeightsError, fill, weights_hash

PEERS = Path(__file__).with_name("peers.safetensors")


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    with torch.device("meta"):
        return random_weights(shapes_of(InceptionV3()))


def network(weights: dict[str, Tensor]) -> InceptionV3:
    with torch.device("meta"):
        empty = InceptionV3()
    empty.load_state_dict(weights, assign=True)
    return empty.eval()


@pytest.fixture(scope="module")
def extractor(weights: dict[str, Tensor]) -> Inception:
    return Inception(network(weights))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_equals_torch_fidelity(extractor: Inception, height: int, width: int) -> None:
    expected = load_file(PEERS)
    vectors, logits = extractor(random_images(f"{height}x{width}", 2, height, width)[:1])
    assert vectors.shape == (1, 2048)
    assert logits is not None
    assert logits.shape == (1, 1008)
    for ours, name in ((vectors, "vectors"), (logits, "logits")):
        theirs = expected[f"inception.{name}.{height}x{width}"]
        assert theirs.std() > 0.1  # neither vanished nor exploded: the comparison means something
        torch.testing.assert_close(ours[:, ::EVERY], theirs, atol=1e-4, rtol=1e-5)


def test_folding_changes_nothing(weights: dict[str, Tensor], extractor: Inception) -> None:
    images = random_images("fold", 1, 299, 299)
    with torch.no_grad():
        plain = network(weights).features((images.float() - 128) / 128)
    assert not any(isinstance(layer, FrozenNorm) for layer in extractor._network.modules())
    folded = extractor(images).vectors
    assert float((plain - folded).norm() / plain.norm()) < 1e-5


def test_folding_is_exact_where_rounding_does_not_blur_it() -> None:
    layer = Convolution(3, 5, 3).requires_grad_(False)
    fill(layer, random_weights(shapes_of(layer)), "rule", "rule")
    x = torch.from_numpy(uniform("x", 2 * 3 * 8 * 8).reshape(2, 3, 8, 8))
    before = layer(x)
    layer.fold()
    torch.testing.assert_close(layer(x), before, atol=1e-6, rtol=1e-5)
    layer.fold()  # folding twice is folding once
    torch.testing.assert_close(layer(x), before, atol=1e-6, rtol=1e-5)
    assert set(layer.state_dict()) == {"conv.weight", "conv.bias"}


@pytest.mark.parametrize("kind", [PooledConvolution, MaxPooledConvolution])
def test_pooled_branches_by_definition(kind: type[Convolution]) -> None:
    branch = kind(4, 3, 1).requires_grad_(False)
    fill(branch, random_weights(shapes_of(branch)), "rule", "rule")
    x = torch.from_numpy(uniform("pool", 4 * 5 * 6, -1, 1).reshape(1, 4, 5, 6))
    pooled = torch.empty_like(x)
    for i in range(5):
        for j in range(6):  # windows are cut at the edges: nothing outside of the image counts
            window = x[..., max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            pooled[..., i, j] = window.mean((2, 3)) if kind is PooledConvolution else window.amax((2, 3))
    norm = branch.bn
    expected = F.relu(norm(F.conv2d(pooled, branch.conv.weight)))
    torch.testing.assert_close(branch(x), expected)


def test_logits_leave_out_the_bias(weights: dict[str, Tensor], extractor: Inception) -> None:
    vectors, logits = extractor(random_images("bias", 1, 40, 40))
    torch.testing.assert_close(logits, vectors @ weights["fc.weight"].T)
    assert float(weights["fc.bias"].abs().min()) < float(weights["fc.bias"].abs().max())


def test_company_grey_and_settings_do_not_matter(extractor: Inception) -> None:
    images = random_images("company", 2, 24, 31, channels=1)
    alone = extractor(images[1:2]).vectors
    with torch.autocast("cpu", dtype=torch.bfloat16):
        together = extractor(images.expand(-1, 3, -1, -1)).vectors
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-5)
    assert not together.requires_grad
    # A measure may go on working with them in place.
    assert not together.is_inference()


def test_what_a_protocol_needs(extractor: Inception, weights: dict[str, Tensor]) -> None:
    assert extractor.name == "inception"
    assert extractor.dimensions == 2048
    assert extractor.resize == "tensorflow bilinear to 299"
    assert extractor.hash == weights_hash(weights)
    changed = {**weights, "fc.bias": weights["fc.bias"] + 1e-3}
    assert weights_hash(changed) != extractor.hash


def test_clean_is_another_space(weights: dict[str, Tensor], extractor: Inception) -> None:
    clean = Inception(network(weights), resize="clean")
    assert clean.resize == "clean bicubic to 299"
    assert clean.hash == extractor.hash
    images = random_images("clean", 1, 32, 32)
    assert not torch.allclose(clean(images).vectors, extractor(images).vectors, rtol=1e-3)
    whole = random_images("clean", 1, 299, 299)
    torch.testing.assert_close(clean(whole).vectors, extractor(whole).vectors)


@pytest.mark.parametrize(
    ("name", "resize"), [("inception", "tensorflow"), ("inception-clean", "clean"), ("auto", "tensorflow")]
)
def test_all_names_are_loaded(name: str, resize: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Empty(nn.Module):
        def fold(self) -> nn.Module:
            return self

    asked: list[object] = []

    def published(make: Callable[[], InceptionV3], file: PublishedWeights, path: Path | None, _: object) -> nn.Module:
        asked.append((file, path))
        with torch.device("meta"):
            assert isinstance(make(), InceptionV3)
        return Empty()

    monkeypatch.setattr("zerosum.metrics.features.published.load_published", published)
    found = find_extractor(name, (3, 32, 32))
    assert asked == [(PUBLISHED, None)]
    assert found.resize.startswith(resize)


def test_names_are_those_of_the_published_file() -> None:
    with torch.device("meta"):
        shapes = shapes_of(InceptionV3())
    # 94 convolutions with a normalisation of four tensors each, and the last layer's two.
    assert len(shapes) == 94 * 5 + 2
    assert shapes["fc.weight"] == (1008, 2048)
    assert shapes["Conv2d_1a_3x3.conv.weight"] == (32, 3, 3, 3)
    assert shapes["Mixed_6c.branch7x7dbl_4.conv.weight"] == (160, 160, 7, 1)
    assert shapes["Mixed_7c.branch3x3dbl_3b.bn.running_var"] == (384,)


def test_a_checkpoint_is_loaded(tmp_path: Path, weights: dict[str, Tensor], extractor: Inception) -> None:
    path = tmp_path / "own.pth"
    counters = {
        f"{name}.num_batches_tracked": torch.tensor(0) for name in ("Conv2d_1a_3x3.bn", "Mixed_5b.branch1x1.bn")
    }
    torch.save({**weights, **counters}, path)
    loaded = Inception.load(path)
    assert loaded.hash == extractor.hash
    images = random_images("load", 1, 20, 20)
    torch.testing.assert_close(loaded(images).vectors, extractor(images).vectors)


def test_other_images_and_weights_are_refused(tmp_path: Path, extractor: Inception) -> None:
    with pytest.raises(ValueError, match="uint8"):
        extractor(torch.zeros(1, 3, 299, 299))
    path = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(WeightsError) as caught:
        Inception.load(path)
    message = str(caught.value)
    assert "missing: Conv2d_1a_3x3.conv.weight" in message
    assert "unknown: features.0.weight" in message
    assert "Give the file weights-inception-2015-12-05-6726825d.pth." in message
    assert len(message) < 500  # a few names, not all
