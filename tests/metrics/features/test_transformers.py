"""DINOv2's and CLIP's networks, and what reaches them, against Meta's, OpenAI's and Pillow's code.

``tools/transformer_parity.py --write --whole`` wrote ``transformer_peers.safetensors``.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from random_weights import EVERY, random_images
from safetensors.torch import load_file
from torch import Tensor
from transformer_layout_names import SIZES, small_clip, small_dinov2, transformer

from zerosum.metrics.features import clip, dinov2
from zerosum.metrics.features.resize import pillow_bicubic
from zerosum.metrics.features.transformer_extractor import AT_ONCE, TransformerExtractor
from zerosum.metrics.features.vision_transformer import (
    QuickGelu,
    TokenAttention,
    VisionTransformer,
    resample_positions,
)

PEERS = load_file(Path(__file__).with_name("transformer_peers.safetensors"))
MAKE = {"dinov2": small_dinov2, "clip": small_clip}
# The constants once more, as the authors' code has them.
MEAN = {"dinov2": (0.485, 0.456, 0.406), "clip": (0.48145466, 0.4578275, 0.40821073)}
STD = {"dinov2": (0.229, 0.224, 0.225), "clip": (0.26862954, 0.26130258, 0.27577711)}
SIDE = {"dinov2": 224, "clip": 336}
OLD_PILLOW = int(PIL.__version__.partition(".")[0]) < 13


@pytest.fixture(scope="module", params=["dinov2", "clip"])
def extractor(request: pytest.FixtureRequest) -> TransformerExtractor:
    return MAKE[request.param]()


def pillow_pixels(name: str, image: Tensor) -> np.ndarray:
    """What the authors' code makes of an image (C, H, W) by Pillow, in float64: (3, side, side)."""
    picture = Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy()).convert("RGB")
    if name == "clip":
        width, height = picture.size
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        picture = picture.crop((left, top, left + side, top + side))
    resized = picture.resize((SIDE[name], SIDE[name]), resample=Image.Resampling.BICUBIC)
    return ((np.asarray(resized) / 255 - MEAN[name]) / STD[name]).transpose(2, 0, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_pixels_are_pillows(extractor: TransformerExtractor, height: int, width: int, channels: int) -> None:
    if OLD_PILLOW and extractor.name == "dinov2" and height > width:
        pytest.skip("Pillow before 13 resizes tall images in the other order of passes")
    images = random_images(f"{height}x{width}", 2, height, width, channels)
    found = extractor.pixels(images)
    assert found.dtype == torch.float32
    wanted = np.stack([pillow_pixels(extractor.name, image) for image in images])
    np.testing.assert_allclose(found, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_features_are_metas_and_openais(
    extractor: TransformerExtractor, height: int, width: int, channels: int
) -> None:
    theirs = PEERS[f"{extractor.name}.{height}x{width}x{channels}"]
    images = random_images(f"{height}x{width}", 2, height, width, channels)[:1]
    vectors, logits = extractor(images)
    assert logits is None
    assert vectors.shape == theirs.shape == (1, extractor.dimensions)
    torch.testing.assert_close(vectors, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=0)


def test_the_peers_features_tell_images_apart() -> None:
    # Or the comparison above would not see what is done with them.
    for name in MAKE:
        all_of = torch.cat([value for key, value in PEERS.items() if key.startswith(f"{name}.")])
        assert all_of.std(dim=0).mean() > 0.02 * all_of.abs().max()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dinov2", "clip"])
def test_networks_of_full_size(name: str) -> None:
    module, kind = (dinov2, dinov2.DinoV2) if name == "dinov2" else (clip, clip.ClipVision)
    whole = kind(transformer(module.PLAN))
    assert whole.dimensions == {"dinov2": 1024, "clip": 768}[name]
    theirs = PEERS[f"{name}-whole.64x96x3"]
    vectors = whole(random_images("64x96", 2, 64, 96)[:1]).vectors
    torch.testing.assert_close(vectors[:, ::EVERY], theirs, atol=1e-4 * float(theirs.abs().max()), rtol=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_resize_is_pillows_to_the_last_bit(have_y: int, have_x: int, height: int, width: int) -> None:
    if OLD_PILLOW:
        have_y, height = have_x, width
    images = random_images("pillow", 1, have_y, have_x, channels=1)
    theirs = Image.fromarray(images[0, 0].numpy()).resize((width, height), resample=Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(pillow_bicubic(images.float(), (height, width))[0, 0], np.asarray(theirs))


def test_rows_come_first_but_in_tall_images() -> None:
    def pixels(height: int) -> tuple[Tensor, Tensor]:
        images = random_images("tall", 1, height, 40, channels=1).float()
        turned = images.transpose(2, 3)
        return pillow_bicubic(images, (30, 30)), pillow_bicubic(turned, (30, 30)).transpose(2, 3)

    # 50 is 20 more than 30, twice what the width shrinks by: rows come first in both, so their orders differ.
    upright, turned = pixels(50)
    assert not torch.equal(upright, turned)
    assert (upright - turned).abs().max() <= 2
    upright, turned = pixels(51)
    assert torch.equal(upright, turned)


def test_other_resizes_bear_other_names() -> None:
    assert small_dinov2().resize == "pillow bicubic in 8 bits to 224"
    assert small_clip().resize == "centre square, pillow bicubic in 8 bits to 336"
    # torch-fidelity resizes for DINOv2 as TensorFlow does, and dgm-eval's --clean_resize does not round.
    assert small_dinov2(resize="tensorflow").resize == "tensorflow bilinear to 224"
    assert small_dinov2(resize="clean").resize == "clean bicubic to 224"
    images = random_images("resizes", 1, 300, 300)
    found = [small_dinov2(resize=mode).pixels(images) for mode in ("pillow", "clean", "tensorflow")]
    apart = [float((other - found[0]).abs().mean()) for other in found[1:]]
    assert 0 < apart[0] < 0.02 < 0.1 < apart[1]


def test_embeddings_of_clip_have_unit_length_and_dinov2s_do_not() -> None:
    images = random_images("length", 3, 40, 40)
    lengths = {name: make()(images).vectors.norm(dim=1) for name, make in MAKE.items()}
    torch.testing.assert_close(lengths["clip"], torch.ones(3))
    assert (lengths["dinov2"] > 2).all()


def test_an_image_has_the_same_features_in_every_batch(extractor: TransformerExtractor) -> None:
    images = random_images("batches", AT_ONCE + 2, 20, 20)
    together = extractor(images).vectors
    alone = torch.cat([extractor(images[i : i + 1]).vectors for i in (0, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1)])
    torch.testing.assert_close(together[[0, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1]], alone, atol=1e-5, rtol=1e-5)
    grey = random_images("grey", 2, 30, 30, channels=1)
    torch.testing.assert_close(extractor(grey).vectors, extractor(grey.expand(-1, 3, -1, -1)).vectors)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(1, 3, 8, 8), "must be uint8"),
        (torch.zeros(1, 4, 8, 8, dtype=torch.uint8), r"must be \(B, 1, H, W\) grey or"),
        (torch.zeros(0, 3, 8, 8, dtype=torch.uint8), "no image in a batch"),
    ],
)
def test_what_is_no_image_is_refused(extractor: TransformerExtractor, images: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        extractor(images)


def test_hidden_layers_by_hand() -> None:
    x = torch.tensor([-2.0, 0.0, 0.5, 3.0])
    wanted = [v / (1 + math.exp(-1.702 * v)) for v in x.tolist()]
    torch.testing.assert_close(QuickGelu()(x), torch.tensor(wanted))
    attention = TokenAttention(4, 2).double()
    tokens = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight, bias = (parameter.detach().numpy() for parameter in (attention.qkv.weight, attention.qkv.bias))
    q, k, v = np.split(tokens[0].numpy() @ weight.T + bias, 3, axis=1)
    heads = []
    for part in (slice(0, 2), slice(2, 4)):
        scores = np.exp(q[:, part] @ k[:, part].T / math.sqrt(2))
        heads.append(scores / scores.sum(axis=1, keepdims=True) @ v[:, part])
    joined = np.hstack(heads) @ attention.out.weight.detach().numpy().T + attention.out.bias.detach().numpy()
    np.testing.assert_allclose(attention(tokens)[0].detach(), joined, rtol=1e-12)


def cubic(d: float) -> float:
    """Cubic convolution, a = -3/4; Keys 1981."""
    d, a = abs(d), -0.75
    if d < 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


@pytest.mark.parametrize(("have", "grid", "offset"), [(37, 16, 0.1), (37, 16, 0.0), (5, 8, 0.1)])
def test_positions_are_resampled_as_by_hand(have: int, grid: int, offset: float) -> None:
    table = random_images("table", 1, 1, 2 * (1 + have**2)).double()[0, 0].view(1 + have**2, 2) / 255
    matrix = np.zeros((grid, have))
    for i in range(grid):
        place = (i + 0.5) * have / (grid + offset) - 0.5
        for tap in range(math.floor(place) - 1, math.floor(place) + 3):
            matrix[i, min(max(tap, 0), have - 1)] += cubic(place - tap)
    square = table[1:].view(have, have, 2).numpy()
    wanted = np.einsum("ia,jb,abd->ijd", matrix, matrix, square).reshape(-1, 2)
    found = resample_positions(table, grid, offset)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found[:1], table[:1])
    np.testing.assert_allclose(found[1:], wanted, atol=1e-6)


def test_normalisations_have_the_published_epsilons() -> None:
    # Of features of size 1 they are worth a few millionths, which the comparisons above need not see.
    for plan, eps, norms in ((dinov2.PLAN, 1e-6, 2 * 24 + 1), (clip.PLAN, 1e-5, 2 * 24 + 2)):
        with torch.device("meta"):
            found = [m.eps for m in VisionTransformer(plan).modules() if isinstance(m, torch.nn.LayerNorm)]
        assert found == [eps] * norms
