"""Images per second of our Inception extractor and of torch-fidelity's, on the same weights and images, in one run.

It needs torch-fidelity, so it runs in the environment that ``tools/inception_parity.py`` describes:

    PYTHONPATH=src /tmp/peers/env/bin/python benchmarks/inception.py

The two take turns, and the ratio is the median over rounds; so what else the machine does hits both alike. Each is used
as its package uses it: torch-fidelity's module under ``torch.no_grad()``, ours by calling the extractor. Both resize
8-bit images and return features and logits. One thread by default: more of them wait for each other on a busy machine.
Target: 1.5 times torch-fidelity's images per second at outputs equal to 1e-3.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from zerosum.metrics.features.inception import Inception, InceptionV3
from zerosum.metrics.features.weights import fill

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "metrics" / "features")]
from random_weights import random_images, random_weights, shapes_of  # noqa: E402

from inception_parity import allow_torchvision, saved  # noqa: E402

Outputs = tuple[Tensor, Tensor]
Contestant = Callable[[Tensor], Outputs]
TARGET = 1.5
TOLERANCE = 1e-3


def contestants(device: str) -> dict[str, Contestant]:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = InceptionV3()
    weights = random_weights(shapes_of(network))
    fill(network, weights, "rule", "rule")
    ours = Inception(network, device=device)
    with saved(weights) as path:
        peer = FeatureExtractorInceptionV3("x", ["2048", "logits_unbiased"], feature_extractor_weights_path=path)
    peer.to(device)
    return {"torch-fidelity": torch.no_grad()(lambda images: peer(images.to(device))), "zerosum": ours}


def seconds(contestant: Contestant, images: Tensor) -> tuple[float, Outputs]:
    start = time.perf_counter()
    vectors, logits = contestant(images)
    # Fetching the results waits for a device to have them.
    fetched = vectors.cpu(), logits.cpu()
    return time.perf_counter() - start, fetched


def compare(who: dict[str, Contestant], images: Tensor, rounds: int) -> None:
    took: dict[str, list[float]] = {name: [] for name in who}
    outputs: dict[str, Outputs] = {}
    for turn in range(rounds + 1):
        for name, contestant in who.items():
            one, outputs[name] = seconds(contestant, images)
            if turn:  # the first turn warms up
                took[name].append(one)
    peer, ours = outputs.values()
    difference = max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(peer, ours, strict=True))
    ratio = statistics.median(a / b for a, b in zip(*took.values(), strict=True))
    verdict = "reached" if ratio >= TARGET and difference <= TOLERANCE else "MISSED"
    rates = ", ".join(f"{name} {len(images) / statistics.median(times):.2f} images/s" for name, times in took.items())
    print(
        f"{len(images)} x {images.shape[2]}x{images.shape[3]}: {rates}; ratio {ratio:.2f}, outputs differ by "
        f"{difference:.1e} of the largest; target {TARGET}: {verdict}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 256])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    library = allow_torchvision()
    who = contestants(arguments.device)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {arguments.device}")
    for side in arguments.sides:
        compare(who, random_images(f"{side}", arguments.batch, side, side), arguments.rounds)
    del library


if __name__ == "__main__":
    main()
