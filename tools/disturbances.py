"""Six disturbances of real images at rising strength: does the Fréchet distance rise, the Inception Score fall?

After Heusel et al. 2017 (arXiv:1706.08500, Section 3.4 and Appendix A1), with their disturbances and strengths on other
images and in other features (the shipped classifier's, unless ``--features inception``). Writes
``results/disturbances.md`` and ``results/images/disturbances.png``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage, stats

from tables import machine
from zerosum.data import load
from zerosum.metrics.images import ImageSet, of_data
from zerosum.metrics.registry import choose
from zerosum.metrics.score import Score
from zerosum.metrics.suite import Judge

Array = npt.NDArray[np.float64]  # (N, H, W, C), 0 .. 255
Disturb = Callable[[Array, float, np.random.Generator], Array]
COUNT, SEED = 5_000, 0


def gaussian_noise(x: Array, alpha: float, rng: np.random.Generator) -> Array:
    """(1 - alpha) x + alpha n, n normal noise scaled to 0 .. 255."""
    noise = rng.standard_normal(x.shape)
    low, high = noise.min(), noise.max()
    return (1 - alpha) * x + alpha * 255 * (noise - low) / (high - low)


def gaussian_blur(x: Array, sigma: float, rng: np.random.Generator) -> Array:
    """A Gaussian kernel of ``sigma`` pixels."""
    return ndimage.gaussian_filter(x, (0, sigma, sigma, 0))


def black_squares(x: Array, alpha: float, rng: np.random.Generator) -> Array:
    """Five black squares of side ``alpha`` times the image's, at random places."""
    side, size = round(alpha * x.shape[1]), x.shape[1]
    x = x.copy()
    for image in x:
        for row, column in rng.integers(0, size - side + 1, (5, 2)):
            image[row : row + side, column : column + side] = 0
    return x


def swirl(x: Array, strength: float, rng: np.random.Generator) -> Array:
    """Each pixel turned about the middle by strength * exp(-r / rho): most at the middle."""
    size = x.shape[1]
    rho = np.log(2) * size / 5  # at the middle of the sides, r = size / 2, 1/37 of the turn is left
    y, z = np.mgrid[:size, :size] - (size - 1) / 2
    r, angle = np.hypot(y, z), np.arctan2(y, z)
    turned = angle + strength * np.exp(-r / rho)
    at = np.stack([r * np.sin(turned), r * np.cos(turned)]) + (size - 1) / 2
    planes = [ndimage.map_coordinates(image[..., c], at, order=1) for image in x for c in range(x.shape[3])]
    return np.stack(planes).reshape(len(x), x.shape[3], size, size).transpose(0, 2, 3, 1)


def salt_and_pepper(x: Array, share: float, rng: np.random.Generator) -> Array:
    """A share of the pixels black or white, half each."""
    drawn = rng.random((*x.shape[:3], 1))
    return np.where(drawn < share / 2, 0, np.where(drawn < share, 255, x))


def contamination(x: Array, share: float, rng: np.random.Generator) -> Array:
    """A share of the images replaced by handwritten digits."""
    digits: Any = load("digits", size=x.shape[1], channels=x.shape[3], progress=False)
    chosen = rng.permutation(len(x))[: round(share * len(x))]
    x = x.copy()
    x[chosen] = digits.pixels[rng.integers(0, len(digits.pixels), len(chosen))]
    return x


DISTURBANCES: dict[str, tuple[Disturb, tuple[float, ...]]] = {
    "Gaussian noise": (gaussian_noise, (0, 0.25, 0.5, 0.75)),
    "Gaussian blur": (gaussian_blur, (0, 1, 2, 4)),
    "black squares": (black_squares, (0, 0.25, 0.5, 0.75)),
    "swirl": (swirl, (0, 1, 2, 4)),
    "salt and pepper": (salt_and_pepper, (0, 0.1, 0.2, 0.3)),
    "contamination": (contamination, (0, 0.25, 0.5, 0.75)),
}


def disturbed(images: ImageSet, disturb: Disturb, strength: float) -> ImageSet:
    """The set at this strength, rounded to 8 bits."""
    x = images.pixels().permute(0, 2, 3, 1).double().numpy()
    changed = disturb(x, strength, np.random.default_rng(SEED)).clip(0, 255).round().astype(np.uint8)
    pixels = torch.from_numpy(changed).permute(0, 3, 1, 2)
    name = f"{images.name}, {disturb.__name__} {strength}"
    return ImageSet(name, "generated", name, images.shape, len(pixels), lambda start, n: pixels[start : start + n])


def measure(features: str) -> dict[str, list[tuple[float, Score, Score]]]:
    """(strength, Fréchet distance, Inception Score) at each strength of each disturbance."""
    first, second = load("fashion-mini").split_halves()  # type: ignore[attr-defined]
    real, fake = of_data(first, COUNT), of_data(second, COUNT)
    judge = Judge(tuple(choose(["fid", "is"]).values()), real, features)
    found: dict[str, list[tuple[float, Score, Score]]] = {}
    for name, (disturb, strengths) in DISTURBANCES.items():
        for strength in strengths:
            changed = disturbed(fake, disturb, strength)
            distance, score = judge.scores(lambda _, changed=changed: changed, SEED, count=COUNT)
            found.setdefault(name, []).append((strength, distance, score))
            print(name, strength, distance.short(), score.short(), sep="; ", flush=True)
    return found


def draw(found: dict[str, list[tuple[float, Score, Score]]], path: Path) -> None:
    """Both scores over the strength, a panel for each disturbance."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), dpi=110, layout="tight")
    panels: Any = figure.subplots(2, 3)
    for axes, (name, rows) in zip(panels.flat, found.items(), strict=True):
        strengths = [row[0] for row in rows]
        axes.plot(strengths, [row[1].value for row in rows], "o-", color="tab:red")
        axes.set(title=name, xticks=strengths)
        axes.set_ylabel(rows[0][1].name, color="tab:red")
        other = axes.twinx()
        other.plot(strengths, [row[2].value for row in rows], "s--", color="tab:blue")
        other.set_ylabel(rows[0][2].name, color="tab:blue")
    figure.savefig(path)


def trend(strengths: list[float], values: list[float]) -> str:
    """Rank correlation with the strength."""
    return f"{stats.spearmanr(strengths, values).statistic:+.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", default="shipped")
    features = parser.parse_args().features
    found = measure(features)
    draw(found, Path("results/images/disturbances.png"))
    distance, score = next(iter(found.values()))[0][1:]
    lines = [
        "# Six disturbances of real images\n",
        f"{COUNT:,} images of one half of `fashion-mini`, disturbed, against {COUNT:,} of the other half; seed {SEED}.",
        f"`{distance.name}` should rise with the strength, `{score.name}` fall: after the study of Heusel et al. 2017,",
        "whose images (CelebA) and features (Inception's) these are not; its contamination is ImageNet's, here digits.",
        f"Features {distance.protocol['features_hash']}. Machine: {machine()}.",
        "Made by `python tools/disturbances.py`.\n",
        f"| disturbance | strengths | {distance.name} | rank correlation | {score.name} | rank correlation |",
        "|---|---|---|---|---|---|",
    ]
    for name, rows in found.items():
        strengths = [row[0] for row in rows]
        columns = [[row[i].value for row in rows] for i in (1, 2)]
        cells = [f"{', '.join(f'{v:.3g}' for v in column)} | {trend(strengths, column)}" for column in columns]
        lines.append(f"| {name} | {', '.join(map(str, strengths))} | {' | '.join(cells)} |")
    lines.append("\n![both scores over the strength](images/disturbances.png)")
    Path("results/disturbances.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
