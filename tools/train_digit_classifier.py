"""Train the classifier that names the modes of stacked digits, and print its accuracy on 360 held-out digits.

    python tools/train_digit_classifier.py [--epochs 60] [--seed 0] [--threads 1] [--out FILE]

Needs scikit-learn (the extra `data`). One fixed permutation of its 1,797 digits gives 1,437 to train on, 360 to test.
The test images choose nothing: no stopping, no tuning; they are read once, after training, through the weights as
stored (float16).
"""

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from train_classifier import accuracy, store
from zerosum.core.random import generator
from zerosum.data import load
from zerosum.metrics.features import stacked_classifier

BATCH = 64
PEAK_RATE = 3e-3
WEIGHT_DECAY = 1e-3
HELD_OUT = 360
TURN, SCALE, SHIFT = math.radians(8), 0.08, 0.1  # largest rotation, relative change of size, shift of half the side


def read_digits() -> tuple[Tensor, Tensor]:
    """All digits as the source of stacks draws them: images (N, 1, 32, 32) in [-1, 1] and labels (N,)."""
    digits = load("digits", size=stacked_classifier.IMAGE_SHAPE[-1])
    images = torch.from_numpy(digits.pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    return images, torch.from_numpy(digits.labels)


def augment(images: Tensor, rng: torch.Generator) -> Tensor:
    """Each image turned, scaled and shifted a little, filled with black."""
    change = 2 * torch.rand(4, len(images), generator=rng) - 1
    turn, size = TURN * change[0], 1 + SCALE * change[1]
    rows = [torch.stack([size * turn.cos(), -size * turn.sin(), SHIFT * change[2]], 1)]
    rows.append(torch.stack([size * turn.sin(), size * turn.cos(), SHIFT * change[3]], 1))
    places = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return functional.grid_sample(images + 1, places, align_corners=False) - 1


def fit(images: Tensor, labels: Tensor, *, epochs: int, seed: int) -> stacked_classifier.DigitClassifier:
    """AdamW on cross-entropy, one cycle of the learning rate, float32."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    model = stacked_classifier.DigitClassifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=WEIGHT_DECAY)
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=epochs * steps)
    for epoch in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(images), generator=rng)[: steps * BATCH].view(steps, BATCH):
            loss = functional.cross_entropy(model(augment(images[chosen], rng)), labels[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / steps:.4f}", flush=True)
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=stacked_classifier.WEIGHTS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    images, labels = read_digits()
    order = torch.randperm(len(images), generator=generator("digits held out"))
    train, test = order[HELD_OUT:], order[:HELD_OUT]
    model = fit(images[train], labels[train], epochs=given.epochs, seed=given.seed)

    # The stored, rounded weights are what users run, so they are what is measured.
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.to(torch.float16))
    measured = accuracy(model, images[test], labels[test])
    record = {
        "command": f"python tools/train_digit_classifier.py --epochs {given.epochs} --seed {given.seed}",
        "data": "scikit-learn's digits: the test set of UCI's Optical Recognition of Handwritten Digits, CC BY 4.0",
        "seed": str(given.seed),
        "train_images": str(len(train)),
        "test_images": str(len(test)),
        "test_accuracy": f"{measured:.4f}",
        "torch": torch.__version__,
    }
    store(model, given.out, record)
    given.out.chmod(0o644)  # safetensors leaves it readable by its owner alone
    print(f"held-out accuracy {measured:.2%} of {len(test)} digits; {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
