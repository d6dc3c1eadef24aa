"""``zerosum invert RUN IMAGE ...``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from zerosum.cli.common import (
    OfRun,
    Opened,
    at_least,
    beside,
    class_numbers,
    opened_for,
    page,
    png_only,
    writing,
)
from zerosum.recipe import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.latent.invert import Distance, Inversion


@dataclass(frozen=True)
class Options(OfRun):
    """Find the latents of real images: those from which the generator makes them best, by gradient descent.

    Draws each image beside its reconstruction, and prints the error as peak signal-to-noise ratio (PSNR, in dB; more
    is better, 20 is a tenth of the range). The idea is Creswell and Bharath's, arXiv:1611.05644.

    Attributes:
        images: files; they are cropped and resized as those of a folder to train on.
        classes: for a conditional run: names or numbers of the classes to try, with commas between. None: all.
        starts: latents to begin from, of which the best result is kept: samples 0, 1, ... of the seed. Each class that
            is tried has one at least.
        steps: of Adam.
        lr: Adam's first learning rate; it falls to 0.
        feature_weight: weight of the mean squared difference of the shipped classifier's features beside that of
            pixels; for grey 32x32 images. 0: pixels alone.
        latents: FILE.npz to write too: z, labels where there are any, psnr and the names of the files.
    """

    images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE ...")] = ()
    classes: Annotated[str | None, tyro.conf.arg(aliases=("--class",))] = None
    starts: int = 8
    steps: int = 500
    lr: float = 0.05
    feature_weight: float = 0.0
    latents: str | None = None


def run(argv: list[str]) -> int:
    """Invert."""
    options = tyro.cli(Options, args=argv, prog="zerosum invert")
    check(options)
    out = png_only(options.out) if options.out else None
    found = opened_for(options)
    distance = feature_distance(found, options.feature_weight)
    real = load_images(found, options.images)
    inversion, labels = search(found, real, options, distance)
    from zerosum.latent.invert import psnr

    conditions = () if labels is None else (labels,)
    made = found.sampler.generate(inversion.latents, *conditions)
    quality = psnr(made, real)
    with writing(path := out or beside(found, options, "inversion")) as file:
        page([[*real], [*made]] if len(real) <= 8 else [list(pair) for pair in zip(real, made, strict=True)], file)
    if options.latents:
        save(Path(options.latents), options.images, inversion.latents, labels, quality)
    names = found.setup.data.classes
    for i, (name, value) in enumerate(zip(options.images, quality.tolist(), strict=True)):
        print(f"{name}: PSNR {value:.2f} dB" + (f", class {names[int(labels[i])]}" if labels is not None else ""))
    print(path)
    return 0


def check(options: Options) -> None:
    """Refuse what cannot be done whatever the run is."""
    if not options.images:
        raise UsageError("no image to invert: name one or more files after the run")
    at_least("--starts", options.starts, 1)
    at_least("--steps", options.steps, 1)
    if not options.lr > 0:
        raise UsageError(f"--lr must be above 0, got {options.lr:g}")
    if not options.feature_weight >= 0:
        raise UsageError(f"--feature-weight must be 0 or more, got {options.feature_weight:g}")
    if options.latents and Path(options.latents).suffix.lower() != ".npz":
        raise UsageError(f"--latents {options.latents}: arrays are written to FILE.npz")


def load_images(found: Opened, files: tuple[str, ...]) -> Tensor:
    """Image files as the run's data are: float32 (N, C, H, W) in [-1, 1].

    Raises:
        UsageError: the run is of points; or a file is missing, or no image.
    """
    import numpy as np
    import torch
    from PIL import UnidentifiedImageError

    from zerosum.data.decode import FAILURES, FORMATS, decode

    data = found.setup.data
    if data.is_points:
        raise UsageError(
            f"{found.folder.path} was trained on {data.name}, which are points: it makes no images to match"
        )
    channels, size, _ = data.shape
    pixels = []
    for name in files:
        try:
            pixels.append(decode(Path(name).expanduser().read_bytes(), size, channels).pixels)
        except UnidentifiedImageError as error:
            raise UsageError(f"{name}: is no image; {', '.join(FORMATS)} can be read") from error
        except FAILURES as error:
            raise UsageError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() * (2 / 255) - 1


def search(found: Opened, real: Tensor, options: Options, distance: Distance | None) -> tuple[Inversion, Tensor | None]:
    """The latents of each image, and their classes (N,) where the generator is told one.

    Raises:
        UsageError: the generator takes something else beside its latents.
    """
    import torch

    from zerosum.data.progress import progress
    from zerosum.latent.invert import Descent, invert

    sampler = found.sampler
    tried = _tried(found, options)
    starts, *others = sampler.latents(0, max(options.starts, len(tried)))
    if others and not tried:
        raise UsageError(
            f"{found.folder.path} ({found.setup.name}): its generator takes images beside its latents, and what it "
            "would be told of a new one is not known"
        )
    labels = torch.tensor(tried, device=starts.device)[torch.arange(len(starts)) % len(tried)] if tried else None
    how = Descent(options.steps, options.lr, sampler.bound, distance)
    with progress(len(real) * len(starts) * options.steps, "inverting", True) as advance:
        found_latents = invert(sampler.images, real.to(starts.device), starts, labels, how=how, advance=advance)
    return found_latents, None if labels is None else labels[found_latents.chosen]


def _tried(found: Opened, options: Options) -> tuple[int, ...]:
    """The classes to try; none where the generator is told none."""
    if options.classes is not None:
        return class_numbers("--class", options.classes, found)
    return tuple(range(len(found.setup.data.classes))) if found.sampler.labelled else ()


def feature_distance(found: Opened, weight: float) -> Distance | None:
    """``weight`` times the mean squared difference of the shipped classifier's features.

    Raises:
        UsageError: it does not take the run's images.
    """
    if not weight:
        return None
    from zerosum.metrics.features.shipped import IMAGE_SHAPE, load_classifier

    shape = tuple(found.setup.data.shape)
    if shape != IMAGE_SHAPE:
        raise UsageError(
            f"--feature-weight: the shipped classifier sees grey images of 32 x 32, not {shape}; leave it out"
        )
    features: Callable[[Tensor], Tensor] = load_classifier(str(found.sampler.device)).features
    return lambda a, b: weight * (features(a) - features(b)).square().mean(1)


def save(path: Path, files: tuple[str, ...], z: Tensor, labels: Tensor | None, quality: Tensor) -> None:
    """Write latents as arrays."""
    import numpy as np

    arrays: dict[str, Any] = {"z": z.cpu().numpy(), "psnr": quality.numpy(), "files": np.array(files)}
    if labels is not None:
        arrays["labels"] = labels.cpu().numpy()
    with writing(path) as file:
        np.savez_compressed(file, **arrays)
