"""The features of sFID against torch-fidelity's network, on the same random weights, where ADM's evaluator looks.

It needs the environment of ``inception_parity.py``:

    PYTHONPATH=src /tmp/peers/env/bin/python tools/spatial_parity.py [--write]

It prints the largest difference. With ``--write`` it saves what the peer computed, thinned out, as
``tests/metrics/features/spatial_peer.safetensors``: the test compares with it.
"""

import sys

import torch
from random_weights import EVERY, SIZES, random_images, random_weights, shapes_of
from safetensors.torch import save_file

from inception_parity import TESTS, allow_torchvision, filled, report, saved
from zerosum.metrics.features.inception import InceptionV3, SpatialInception


def main() -> None:
    library = allow_torchvision()  # it lives as long as this name
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with saved(random_weights(shapes_of(InceptionV3()))) as path:
        peer = FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=path)
    seen: list[torch.Tensor] = []
    # The seventh of the blocks that the graph calls mixed, mixed_1, ... mixed_10.
    peer.Mixed_6d.branch1x1.register_forward_hook(lambda module, inputs, output: seen.append(output))
    ours, expected = SpatialInception(filled(InceptionV3)), {}
    for height, width in SIZES:
        images = random_images(f"{height}x{width}", 2, height, width)
        with torch.no_grad():
            peer(images)
        # As evaluator.py: channels last, the first seven of them, one row for each image.
        theirs = seen.pop().permute(0, 2, 3, 1)[..., :7].reshape(len(images), -1)
        report(f"torch-fidelity Mixed_6d.branch1x1, {height}x{width}", theirs, ours(images).vectors)
        expected[f"{height}x{width}"] = theirs[:1, ::EVERY].clone()
    if "--write" in sys.argv[1:]:
        save_file(expected, TESTS / "spatial_peer.safetensors")
    del library


if __name__ == "__main__":
    main()
