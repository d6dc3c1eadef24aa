"""``zerosum invert RUN IMAGE ...``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from zerosum.cli import common
from zerosum.cli.common import OpenedRun, RunOptions
from zerosum.errors import UsageError
from zerosum.files import printable

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.latent.invert import Distance, Inversion

VERB = ("find the latents of real images", 100)  # what it does, and its place in the list

ABREAST = 8  # images that are drawn side by side, each above its reconstruction
TITLE = "images, and what the generator makes of the latents found for them"


@dataclass(frozen=True)
class InvertOptions(RunOptions):
    """Find the latents of real images: those from which the generator makes them best, by gradient descent.

    Draws each image next to its reconstruction, and prints the error as peak signal-to-noise ratio (PSNR, in dB; higher
    is better, and at 20 dB the error is a tenth of the range). After Creswell and Bharath 2016, arXiv:1611.05644.

    Attributes:
        images: Image files. They are cropped and resized like those of a folder to train on.
        classes: Classes to try, for a conditional run: names or numbers separated by commas. None: all classes.
        starts: Number of latents to start from, samples 0, 1, ... of the seed, of which the best result is kept. Each
            class that is tried has at least one.
        steps: Steps of Adam.
        lr: Initial learning rate of Adam. It falls to 0.
        feature_weight: Weight of the mean squared difference between features of the shipped classifier, which is added
            to that between pixels, for grey 32x32 images. 0: only pixels count.
        latents: File to which latents are written, FILE.npz, with labels if there are any, PSNR and names of the
            images. None: they are not written.
    """

    images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE ...")] = ()
    classes: Annotated[str | None, tyro.conf.arg(aliases=("--class",))] = None
    starts: int = 8
    steps: int = 500
    lr: float = 0.05
    feature_weight: float = 0.0
    latents: str | None = None


def run(argv: list[str]) -> int:
    """Invert images."""
    options = tyro.cli(InvertOptions, args=argv, prog="zerosum invert")
    check(options)
    out = common.png_path(options.out) if options.out else None
    opened = common.open_with_seed(options)
    distance = feature_distance(opened, options.feature_weight)
    real = load_images(opened, options.images)
    inversion, labels = search(opened, real, options, distance)
    from zerosum.latent.invert import psnr

    conditions = () if labels is None else (labels,)
    made = opened.sampler.generate(inversion.latents, *conditions)
    quality = psnr(made, real)
    note = common.origin_of(opened, options)
    with common.open_output(path := out or common.default_path(opened, options, "inversion")) as file:
        shown = [] if labels is None else common.names_of_classes(opened, labels)
        draw(real, made, [Path(name).name for name in options.images], _results(quality, shown), note, file)
    if options.latents:
        save(Path(options.latents), options.images, inversion.latents, labels, quality)
    names = [] if labels is None else [opened.setup.data.classes[int(label)] for label in labels]
    for name, result in zip(options.images, _results(quality, names), strict=True):
        print(printable(f"{name}: {result}"))
    common.tell(f"{TITLE}: {note}", path)
    return 0


def _results(quality: Tensor, names: Sequence[str]) -> list[str]:
    """What is said of each reconstruction, with the class that was found where the generator takes one."""
    found = [f"PSNR {value:.2f} dB" for value in quality.tolist()]
    return [f"{text}, class {name}" for text, name in zip(found, names, strict=True)] if names else found


def draw(real: Tensor, made: Tensor, names: Sequence[str], results: Sequence[str], note: str, path: Path) -> None:
    """Draw images and reconstructions: one above the other, or side by side if there are many.

    Args:
        real: Images, (N, C, H, W) in [-1, 1].
        made: Their reconstructions.
        names: What is written at each image.
        results: What is written at each reconstruction.
        note: Where the reconstructions come from.
        path: Path of the file.
    """
    if len(real) <= ABREAST:
        labels, captions = ["image", "reconstruction"], [names, results]
        common.draw_grid([[*real], [*made]], path, title=TITLE, note=note, labels=labels, captions=captions)
        return
    common.draw_grid(
        [list(pair) for pair in zip(real, made, strict=True)],
        path,
        title=TITLE,
        note=note,
        columns=[("image", 1), ("reconstruction", 1)],
        captions=[list(pair) for pair in zip(names, results, strict=True)],
    )


def check(options: InvertOptions) -> None:
    """Refuse what cannot be done with any run."""
    if not options.images:
        raise UsageError("no image to invert: name one or more files after the run")
    common.check_at_least("--starts", options.starts, 1)
    common.check_at_least("--steps", options.steps, 1)
    if not options.lr > 0:
        raise UsageError(f"--lr must be above 0, got {options.lr:g}")
    if not options.feature_weight >= 0:
        raise UsageError(f"--feature-weight must be 0 or more, got {options.feature_weight:g}")
    if options.latents and Path(options.latents).suffix.lower() != ".npz":
        raise UsageError(f"--latents {options.latents}: arrays are written to FILE.npz")


def load_images(opened: OpenedRun, files: tuple[str, ...]) -> Tensor:
    """Load image files in the form of the run's data: float32 (N, C, H, W) in [-1, 1].

    Raises:
        UsageError: The run was trained on points; or a file is missing, or is not an image.
    """
    import numpy as np
    import torch
    from PIL import UnidentifiedImageError

    from zerosum.data.decode import FAILURES, FORMATS, decode

    data = opened.setup.data
    if data.is_points:
        raise UsageError(
            f"{opened.folder.path} was trained on {data.name}, which are points: it makes no images to match"
        )
    channels, size, _ = data.shape
    pixels = []
    for name in files:
        try:
            pixels.append(decode(Path(name).expanduser().read_bytes(), size, channels).pixels)
        except UnidentifiedImageError as error:
            raise UsageError(f"{name}: is not an image; {', '.join(FORMATS)} can be read") from error
        except FAILURES as error:
            raise UsageError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() * (2 / 255) - 1


def search(
    opened: OpenedRun, real: Tensor, options: InvertOptions, distance: Distance | None
) -> tuple[Inversion, Tensor | None]:
    """Search the latents of each image, and their classes (N,) where the generator takes one.

    Raises:
        UsageError: The generator takes something else besides its latents.
    """
    import torch

    from zerosum.latent.invert import Descent, invert
    from zerosum.progress import progress

    sampler = opened.sampler
    classes = _classes_to_try(opened, options)
    starts, *others = sampler.latents(0, max(options.starts, len(classes)))
    if others and not classes:
        raise UsageError(
            f"{opened.folder.path} ({opened.setup.name}): the generator takes images besides its latents, and it is "
            "not known what it would take for a new one"
        )
    labels = torch.tensor(classes, device=starts.device)[torch.arange(len(starts)) % len(classes)] if classes else None
    how = Descent(options.steps, options.lr, sampler.bound, distance)
    with progress(len(real) * len(starts) * options.steps, "inverting", True) as advance:
        inversion = invert(sampler.images, real.to(starts.device), starts, labels, how=how, advance=advance)
    return inversion, None if labels is None else labels[inversion.chosen]


def _classes_to_try(opened: OpenedRun, options: InvertOptions) -> tuple[int, ...]:
    """Numbers of the classes to try; none if the generator does not take a class."""
    if options.classes is not None:
        return common.class_numbers("--class", options.classes, opened)
    return tuple(range(len(opened.setup.data.classes))) if opened.sampler.labelled else ()


def feature_distance(opened: OpenedRun, weight: float) -> Distance | None:
    """``weight`` times the mean squared difference between features of the shipped classifier.

    Raises:
        UsageError: The classifier does not take the run's images.
    """
    if not weight:
        return None
    from zerosum.metrics.features.shipped import IMAGE_SHAPE, load_classifier

    shape = tuple(opened.setup.data.shape)
    if shape != IMAGE_SHAPE:
        raise UsageError(
            f"--feature-weight: the shipped classifier takes grey images of 32 x 32, not {shape}; leave the option out"
        )
    features: Callable[[Tensor], Tensor] = load_classifier(str(opened.sampler.device)).features
    return lambda a, b: weight * (features(a) - features(b)).square().mean(1)


def save(path: Path, files: tuple[str, ...], z: Tensor, labels: Tensor | None, quality: Tensor) -> None:
    """Write latents as arrays."""
    import numpy as np

    arrays: dict[str, Any] = {"z": z.cpu().numpy(), "psnr": quality.numpy(), "files": np.array(files)}
    if labels is not None:
        arrays["labels"] = labels.cpu().numpy()
    with common.open_output(path, "--latents") as file:
        np.savez_compressed(file, **arrays)
