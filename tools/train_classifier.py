"""Train the shipped feature network on Fashion-MNIST, and print its accuracy on the 10,000 held-out images.

    python tools/train_classifier.py [--epochs 6] [--seed 0] [--threads 1] [--data FOLDER] [--out FILE]

Needs Debian's package dataset-fashion-mnist (or its four .gz files in --data). The test images choose nothing: no
stopping, no tuning; they are read once, after training, through the weights as stored (float16).
"""

import argparse
import gzip
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from zerosum.metrics.features import shipped

BATCH = 128
PEAK_RATE = 5e-3
WEIGHT_DECAY = 5e-4
SHIFT = 1  # pixels, either way


def read_idx(path: Path) -> Tensor:
    """An IDX file of unsigned bytes: two zero bytes, type 8, number of axes, the axes' lengths (big-endian), data."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is not an IDX file of unsigned bytes")
    axes = raw[3]
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", count=axes, offset=4))
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape).copy())


def read_split(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 32, 32) in [-1, 1], padded from 28x28 with black, and labels (N,)."""
    pixels = read_idx(folder / f"{split}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{split}-labels-idx1-ubyte.gz").long()
    padded = functional.pad(pixels, (2, 2, 2, 2))
    return padded.unsqueeze(1).float().div_(127.5).sub_(1), labels


def augment(images: Tensor, rng: torch.Generator) -> Tensor:
    """Mirror half of the images; shift each by up to ``SHIFT`` pixels, filling with black."""
    count, _, height, width = images.shape
    mirrored = torch.rand(count, 1, 1, 1, generator=rng) < 0.5
    images = torch.where(mirrored, images.flip(3), images)
    wide = functional.pad(images, (SHIFT,) * 4, value=-1.0)
    top, left = torch.randint(0, 2 * SHIFT + 1, (2, count, 1, 1), generator=rng)
    rows, columns = top + torch.arange(height).view(1, -1, 1), left + torch.arange(width).view(1, 1, -1)
    return wide[torch.arange(count).view(-1, 1, 1), 0, rows, columns].unsqueeze(1)


def fit(images: Tensor, labels: Tensor, *, epochs: int, seed: int) -> shipped.FashionClassifier:
    """AdamW on cross-entropy, one cycle of the learning rate, float32."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    model = shipped.FashionClassifier()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # the stub leaves this form out
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=WEIGHT_DECAY)
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=epochs * steps)
    started = time.perf_counter()
    for epoch in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(images), generator=rng)[: steps * BATCH].view(steps, BATCH):
            batch = augment(images[chosen], rng).contiguous(memory_format=torch.channels_last)
            loss = functional.cross_entropy(model(batch), labels[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(
            f"epoch {epoch + 1}/{epochs}: loss {total / steps:.4f}, {time.perf_counter() - started:.0f} s", flush=True
        )
    model.eval()
    return model


def store(model: torch.nn.Module, path: Path, record: dict[str, str]) -> None:
    """Write the weights in float16 with their record; counters of batches are left out."""
    tensors = {
        name: tensor.to(torch.float16).contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    save_file(tensors, path, metadata=record)


@torch.inference_mode()
def accuracy(model: torch.nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of images whose largest logit is at their label, in float32."""
    verdicts = torch.cat([model(images[start : start + 500]).argmax(dim=1) for start in range(0, len(images), 500)])
    return float((verdicts == labels).double().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--out", type=Path, default=shipped.WEIGHTS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    images, labels = read_split(given.data, "train")
    model = fit(images, labels, epochs=given.epochs, seed=given.seed)

    # The stored, rounded weights are what users run, so they are what is measured.
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.to(torch.float16))
    test_images, test_labels = read_split(given.data, "t10k")
    measured = accuracy(model, test_images, test_labels)
    record = {
        "command": f"python tools/train_classifier.py --epochs {given.epochs} --seed {given.seed}",
        "data": "Fashion-MNIST, (c) 2017 Zalando SE, MIT licence",
        "seed": str(given.seed),
        "train_images": str(len(images)),
        "test_images": str(len(test_images)),
        "test_accuracy": f"{measured:.4f}",
        "torch": torch.__version__,
    }
    store(model, given.out, record)
    given.out.chmod(0o644)  # safetensors leaves it readable by its owner alone
    print(f"held-out accuracy {measured:.2%} of {len(test_images):,} images; {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
