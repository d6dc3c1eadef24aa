"""The features of sFID against torch-fidelity's network, and the score against singular values from numpy.

``tools/spatial_parity.py --write`` wrote ``spatial_peer.safetensors``.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from random_weights import EVERY, SIZES, random_images, random_weights, shapes_of
from safetensors.torch import load_file

import zerosum as zs
from zerosum.errors import UsageError
from zerosum.metrics.features.inception import Inception, InceptionV3, SpatialInception
from zerosum.metrics.features.resize import Resize
from zerosum.metrics.images import ImageSet
from zerosum.metrics.reference import read_reference, write_reference

PEER = Path(__file__).with_name("spatial_peer.safetensors")


@pytest.fixture(scope="module")
def inception() -> Inception:
    with torch.device("meta"):
        network = InceptionV3()
    network.load_state_dict(random_weights(shapes_of(network)), assign=True)
    return Inception(network.eval())


@pytest.fixture(scope="module")
def extractor(inception: Inception) -> SpatialInception:
    return inception.spatial()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_equal_torch_fidelitys_mixed_6d(extractor: SpatialInception, height: int, width: int) -> None:
    theirs = load_file(PEER)[f"{height}x{width}"]
    vectors, logits = extractor(random_images(f"{height}x{width}", 2, height, width)[:1])
    assert vectors.shape == (1, extractor.dimensions) == (1, 2023)
    assert logits is None
    assert theirs.std() > 0.05
    assert (theirs >= 0).all()
    assert (theirs == 0).any()  # after the ReLU, which in the graph bears the layer's name, mixed_6/conv
    torch.testing.assert_close(vectors[:, ::EVERY], theirs, atol=1e-4, rtol=1e-5)


def test_features_lie_by_row_column_and_channel(extractor: SpatialInception) -> None:
    # An image that is grey but for its lowest rows differs from grey in the last rows of places only.
    grey = torch.full((1, 3, 299, 299), 128, dtype=torch.uint8)
    other = grey.clone()
    other[:, :, 290:] = 255
    apart = (extractor(other).vectors - extractor(grey).vectors).abs().view(17, 17, 7).sum(dim=(1, 2))
    assert apart[16] > 10 * apart[0]


@pytest.mark.slow
def test_the_score_is_that_of_singular_values(
    extractor: SpatialInception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path))
    monkeypatch.setattr(SpatialInception, "load", classmethod(lambda cls, **how: extractor))
    fakes, reals = random_images("fakes", 4, 32, 32), random_images("reals", 6, 32, 32)
    with pytest.warns(UserWarning, match="from 4 samples in 2023 dimensions"):
        (score,) = zs.evaluate(fakes, against=reals, metrics="sfid").values()
    a, b = (extractor(images).vectors.double().numpy() for images in (fakes, reals))
    mean = ((a.mean(0) - b.mean(0)) ** 2).sum()
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, b))
    expected = mean + (a**2).sum() + (b**2).sum() - 2 * np.linalg.svd(a @ b.T, compute_uv=False).sum()
    assert score.name == "sfid"
    assert score.value == pytest.approx(expected, rel=1e-6)
    assert score.protocol["features"] == "inception-spatial"
    assert score.protocol["resize"] == "tensorflow bilinear to 299"


def test_saved_statistics_are_what_adms_evaluator_reads(
    inception: Inception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path))
    images = random_images("reals", 2, 32, 32)
    one = ImageSet("reals", "real", "abc", (3, 32, 32), 2, lambda start, n: images[start : start + n])
    write_reference(tmp_path / "ref.npz", one, inception)
    with np.load(tmp_path / "ref.npz", allow_pickle=False) as stored:
        for ending, which in (("", inception), ("_s", inception.spatial())):
            seen = which(images).vectors.double().numpy()
            np.testing.assert_allclose(stored[f"mu{ending}"], seen.mean(0), atol=1e-5)
            np.testing.assert_allclose(stored[f"sigma{ending}"], np.cov(seen, rowvar=False), atol=1e-4)
    reference = read_reference(tmp_path / "ref.npz")
    assert reference.moments(inception).dimensions == 2048
    assert reference.moments(inception.spatial()).n == 2
    other = copy.copy(inception)
    other.hash = "0" * 12
    with pytest.raises(UsageError, match=r"features hash '[0-9a-f]{12}', not '000000000000'"):
        reference.moments(other.spatial())
    other = copy.copy(inception)
    other._resize = Resize("clean", 299)
    with pytest.raises(UsageError, match="'tensorflow bilinear to 299', not 'clean bicubic to 299'"):
        reference.moments(other)
