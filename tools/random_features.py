"""What ``fd_random`` says of spoiled images, as multiples of its floor; on grey clothes beside ``fd_fashion``.

It is the score that a training ends with where the shipped classifier does not fit the data. The images of the control,
which score the floor as they are, are spoiled and scored against the reference. Writes ``results/random_features.md``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tables import machine
from zerosum.data import load
from zerosum.data.images import Images
from zerosum.files import write_text
from zerosum.metrics.features.random_convolutions import DIMENSIONS
from zerosum.metrics.images import of_data
from zerosum.metrics.measures.halves import split
from zerosum.metrics.suite import evaluate

Spoil = Callable[[Tensor, Tensor, torch.Generator], Tensor]  # images in [-1, 1], labels, rng -> images
COUNTS, SEEDS = (300, 2_000), (0, 1, 2)
MARGIN = 4  # black pixels around coloured images: 40 a side, which the classifier of clothes does not take


def add_noise(strength: float) -> Spoil:
    return lambda x, _, rng: x + strength * torch.randn(x.shape, generator=rng)


def blur(size: int) -> Spoil:
    return lambda x, *_: F.avg_pool2d(x, size, 1, size // 2, count_include_pad=False)


def keep_classes(count: int) -> Spoil:
    return lambda x, labels, _: x[labels < count]


def shift(pixels: int) -> Spoil:
    return lambda x, *_: F.pad(x, (pixels, -pixels, 0, 0), value=-1.0)


SPOILS: dict[str, Spoil] = {
    "nothing": lambda x, *_: x,
    **{f"noise of {strength:g}": add_noise(strength) for strength in (0.05, 0.2, 0.8)},
    **{f"blur of {size}x{size} pixels": blur(size) for size in (3, 5)},
    "no colours": lambda x, *_: x.mean(1, keepdim=True).expand_as(x),
    "red and blue exchanged": lambda x, *_: x.flip(1),
    "five classes only": keep_classes(5),
    "three classes only": keep_classes(3),
    "shift by 3 pixels": shift(3),
}
GREY_AND_COLOURED = slice(0, 2 * len(COUNTS)), slice(2 * len(COUNTS), None)  # columns of the table
OF_COLOUR = ("no colours", "red and blue exchanged")


def coloured(clothes: Images, seed: int) -> Images:
    """Clothes in colours of their classes, with a black margin."""
    pixels = np.pad(clothes.pixels, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))
    tints = np.random.default_rng(seed).integers(60, 256, (10, 3))[clothes.labels]
    tinted = (pixels * (tints[:, None, None] / 255)).astype(np.uint8)
    return Images.of(tinted, clothes.labels, name=f"clothes in colours {seed}")


def multiples(data: Images, spoil: Spoil, metrics: tuple[str, ...], count: int, seed: int) -> list[float]:
    """Distance over floor by each of the metrics; fewer images than are scored are taken over and over."""
    real = of_data(data)
    chosen = split(real, count)[1]
    images = real.select(chosen).pixels().float().div(127.5).sub(1)
    labels = torch.from_numpy(np.asarray(data.labels))[chosen]
    spoiled = spoil(images, labels, torch.Generator().manual_seed(seed)).clamp(-1, 1)

    def sampler(start: int, n: int) -> Tensor:
        return spoiled[torch.arange(start, start + n) % len(spoiled)]

    scores = evaluate(sampler, data, seed=seed, metrics=metrics, count=count)
    return [score.value / score.details["floor"] for score in scores if score.name in metrics]


def measure(clothes: Images) -> dict[str, list[list[float]]]:
    """Values of all seeds for each way to spoil images and each column of the table; none where it has no meaning."""
    sets = {seed: coloured(clothes, seed) for seed in SEEDS}
    found: dict[str, list[list[float]]] = {}
    for name, spoil in SPOILS.items():
        columns: list[list[float]] = []
        for count in COUNTS:
            if name in OF_COLOUR:
                columns += [[], []]
            else:
                pairs = [multiples(clothes, spoil, ("fd_random", "fd_fashion"), count, seed) for seed in SEEDS]
                columns += map(list, zip(*pairs, strict=True))
        columns += [
            [multiples(sets[seed], spoil, ("fd_random",), count, seed)[0] for seed in SEEDS] for count in COUNTS
        ]
        found[name] = columns
        print(name, [f"{mean(values):.3g}" if values else "-" for values in columns], flush=True)
    return found


HEAD = """# What random features see

Fréchet distances as multiples of their floors, which perfect samples would score: N images of one half of
`fashion-mini`, spoiled, against N of the other half. `fd_random` has {dimensions} random convolutional features,
`fd_fashion` those of the shipped classifier, which takes only the grey images of 32x32; the coloured ones are
40x40, in colours of their classes. Means over {seeds} seeds of the noise and of the colours. Over the seeds of the
noise only, they spread by up to {grey:.0%} of the mean, over those of the colours by up to {colour:.0%}. Noise is given
as its standard deviation in pixels of [-1, 1]; images of fewer classes are taken over and over.
One thread, float32, {seconds:.0f} s. Machine: {machine}.
Made by `python tools/random_features.py`.

| | grey, N = 300 | | grey, N = 2,000 | | coloured, N = 300 | coloured, N = 2,000 |
|---|---|---|---|---|---|---|
| spoiled by | `fd_random` | `fd_fashion` | `fd_random` | `fd_fashion` | `fd_random` | `fd_random` |
"""


def spread(columns: list[list[float]]) -> float:
    """The largest difference between seeds, over their mean."""
    return max((max(values) - min(values)) / mean(values) for values in columns if values)


def main() -> None:
    torch.set_num_threads(1)
    begun = time.perf_counter()
    clothes = load("fashion-mini", progress=False)
    assert isinstance(clothes, Images)
    found = measure(clothes)
    grey, colour = ([values for columns in found.values() for values in columns[part]] for part in GREY_AND_COLOURED)
    text = HEAD.format(
        dimensions=DIMENSIONS,
        seeds=len(SEEDS),
        grey=spread(grey),
        colour=spread(colour),
        seconds=time.perf_counter() - begun,
        machine=machine(),
    )
    for name, columns in found.items():
        cells = [f"{mean(values):,.{1 if mean(values) < 100 else 0}f}" if values else "" for values in columns]
        text += f"| {name} | {' | '.join(cells)} |\n"
    write_text(Path("results/random_features.md"), text)


if __name__ == "__main__":
    main()
