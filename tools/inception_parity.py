"""Our feature networks against the packages that others measure with, on the same random weights.

torch-fidelity, pytorch-fid, clean-fid and lpips need torchvision, whose wheels want a CUDA build of torch; so this runs
in an environment of its own, in which torchvision never loads its compiled part:

    python -m venv /tmp/peers/env
    /tmp/peers/env/bin/pip install torch==2.13.0 numpy scipy pillow safetensors tqdm requests rich
    /tmp/peers/env/bin/pip install --no-deps torchvision torch-fidelity pytorch-fid clean-fid lpips
    PYTHONPATH=src /tmp/peers/env/bin/python tools/inception_parity.py [--write]

It prints the largest differences. With ``--write`` it also saves what the peers computed, thinned out, as
``tests/metrics/features/peers.safetensors``: the tests compare with it where the peers are not installed.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from zerosum.metrics.features.inception import Inception, InceptionV3
from zerosum.metrics.features.resize import clean_bicubic, tensorflow_bilinear
from zerosum.metrics.features.vgg16 import Lpips, Vgg16, Vgg16Network, Vgg16Trunk
from zerosum.metrics.features.weights import fill, read

TESTS = Path(__file__).parents[1] / "tests" / "metrics" / "features"
sys.path.insert(0, str(TESTS))
from random_weights import (  # noqa: E402
    EVERY,
    LPIPS_SHAPES,
    SIZES,
    lpips_pair,
    random_images,
    random_lpips_weights,
    random_weights,
    shapes_of,
)

Expected = dict[str, Tensor]


def allow_torchvision() -> torch.library.Library:
    """Declare the operators that torchvision's Python expects of its compiled part."""
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def filled(kind: type[nn.Module]) -> nn.Module:
    """One of our networks with weights by the rule."""
    with torch.device("meta"):
        network = kind()
    fill(network, random_weights(shapes_of(network)), "rule", "rule")
    return network


@contextlib.contextmanager
def saved(weights: Mapping[str, Tensor]) -> Iterator[str]:
    """A checkpoint for peers that insist on a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        torch.save(dict(weights), path)
        yield str(path)


def report(what: str, theirs: Tensor, ours: Tensor) -> None:
    absolute = float((theirs - ours).abs().max())
    print(f"{what:58} max abs {absolute:.1e}   relative to largest {absolute / float(theirs.abs().max()):.1e}")


def inception(expected: Expected) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    weights = random_weights(shapes_of(InceptionV3()))
    with saved(weights) as path:
        peer = FeatureExtractorInceptionV3("x", ["2048", "logits_unbiased"], feature_extractor_weights_path=path)
    plain, network = filled(InceptionV3).eval(), filled(InceptionV3)
    extractor = Inception(network)
    for height, width in SIZES:
        images = random_images(f"{height}x{width}", 2, height, width)
        with torch.no_grad():
            vectors, logits = peer(images)
            pixels = (tensorflow_bilinear(images.float(), (299, 299)) - 128) / 128
            report(f"torch-fidelity 2048, {height}x{width}, ours unfolded", vectors, plain.features(pixels))
        ours = extractor(images)
        report(f"torch-fidelity 2048, {height}x{width}, ours folded", vectors, ours.vectors)
        report(f"torch-fidelity logits_unbiased, {height}x{width}, folded", logits, ours.logits)
        expected[f"inception.vectors.{height}x{width}"] = vectors[:1, ::EVERY].clone()
        expected[f"inception.logits.{height}x{width}"] = logits[:1, ::EVERY].clone()


def pytorch_fid() -> None:
    from pytorch_fid import inception as peer

    network = filled(InceptionV3)
    # Its own resize is another one (half-pixel grid), so the comparison starts at 299x299.
    images = random_images("pytorch-fid", 2, 299, 299).float() / 255
    with torch.no_grad():
        ours = network.features(2 * images - 1)
        zeros = {name: torch.tensor(0) for name in peer_counters()}
        weights = {**network.state_dict(), **zeros}
        with mock.patch.object(peer, "load_state_dict_from_url", return_value=weights):
            theirs = peer.InceptionV3().eval()(images)[0].flatten(1)
    report("pytorch-fid 2048, 299x299, ours unfolded", theirs, ours)


def peer_counters() -> list[str]:
    """Names of the counters of batches, which torchvision's network insists on."""
    return [
        name.replace("running_mean", "num_batches_tracked")
        for name in InceptionV3().state_dict()
        if name.endswith("running_mean")
    ]


def clean() -> None:
    from cleanfid.resize import build_resizer

    resize = build_resizer("clean")
    for height, width in (*SIZES, (900, 31)):
        images = random_images(f"clean {height}x{width}", 1, height, width)
        theirs = torch.from_numpy(resize(images[0].permute(1, 2, 0).numpy())).permute(2, 0, 1)[None]
        report(f"clean-fid resize, {height}x{width} (of 255)", theirs, clean_bicubic(images.float(), (299, 299)))


def vgg16(expected: Expected) -> None:
    from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16

    network = filled(Vgg16Network)
    with saved(network.state_dict()) as path:
        peer = FeatureExtractorVGG16("x", ["fc2_relu"], feature_extractor_weights_path=path)
    extractor = Vgg16(network)
    for height, width in SIZES[:2]:
        images = random_images(f"{height}x{width}", 2, height, width)
        with torch.no_grad():
            theirs = peer(images)[0]
        report(f"torchvision vgg16 by torch-fidelity fc2_relu, {height}x{width}", theirs, extractor(images).vectors)
        expected[f"vgg16.vectors.{height}x{width}"] = theirs[:1, ::EVERY].clone()


def perceptual(expected: Expected) -> None:
    import lpips

    trunk = filled(Vgg16Trunk)
    published = read(Path(lpips.__file__).parent / "weights" / "v0.1" / "vgg.pth")
    assert {name: tuple(value.shape) for name, value in published.items()} == LPIPS_SHAPES
    peer = lpips.LPIPS(net="vgg", pretrained=False, pnet_rand=True, verbose=False).eval()
    slices = [peer.net.slice1, peer.net.slice2, peer.net.slice3, peer.net.slice4, peer.net.slice5]
    for part in slices:
        for place, layer in part.named_children():
            names = {name: trunk.state_dict()[f"features.{place}.{name}"] for name in layer.state_dict()}
            layer.load_state_dict(names)
    for label, learned in (("published", published), ("random", random_lpips_weights())):
        peer.load_state_dict(learned, strict=False)
        ours = Lpips(trunk, learned)
        for height, width in ((64, 64), (33, 70)):
            a, b = lpips_pair(height, width)
            with torch.no_grad():
                theirs = peer(a, b).flatten()
            report(f"lpips vgg, {label} linear weights, {height}x{width}", theirs, ours(a, b))
            if label == "random":
                expected[f"lpips.{height}x{width}"] = theirs.clone()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="save what the peers computed for the tests")
    write = parser.parse_args().write
    library = allow_torchvision()
    peers = ("torch", "torchvision", "torch-fidelity", "pytorch-fid", "clean-fid", "lpips", "pillow")
    versions = {name: metadata.version(name) for name in peers}
    print(", ".join(f"{name} {version}" for name, version in versions.items()), f"numpy {np.__version__}")
    expected: Expected = {}
    inception(expected)
    pytorch_fid()
    clean()
    perceptual(expected)
    vgg16(expected)
    if write:
        file = TESTS / "peers.safetensors"
        save_file(expected, file, metadata={"command": "tools/inception_parity.py --write", **versions})
        print(f"{file}: {file.stat().st_size} bytes")
    del library


if __name__ == "__main__":
    main()
