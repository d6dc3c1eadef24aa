"""What a source holds, in numbers, in words and in a picture."""

from pathlib import Path
from typing import Any

import numpy as np

from zerosum.core.random import generator
from zerosum.data.base import Data
from zerosum.data.images import Images, Pixels
from zerosum.data.points import Points
from zerosum.files import printable

_SCATTER = 5000  # points of a scatter plot


def describe(data: Data) -> dict[str, Any]:
    """What ``data`` holds, as JSON values.

    Returns:
        The values name, count (``None``: unlimited), shape, fingerprint, notes; for images also classes (name -> count,
        empty when unlabelled), mean and std of all pixel values on the scale 0..1, and bytes (of all pixels, decoded,
        as they lie in the cache and in memory); for points modes (number) and mode_std (of a mode). Of images in a
        class of one's own, which are made when a batch is asked for, only the names of the classes are known.
    """
    facts: dict[str, Any] = {
        "name": data.name,
        "count": data.count,
        "shape": list(data.shape),
        "fingerprint": data.fingerprint,
        "notes": list(data.notes),
    }
    if isinstance(data, Images):
        mean, std = pixel_statistics(data)
        facts |= {"classes": _class_counts(data), "mean": mean, "std": std, "bytes": data.pixels.nbytes}
    elif not data.is_points:
        facts["classes"] = list(data.classes)
    if isinstance(data, Points):
        facts |= {"modes": len(data.modes), "mode_std": data.std}
    return facts


def pixel_statistics(data: Images) -> tuple[float, float]:
    """Mean and standard deviation of all pixel values on the scale 0..1, over the whole set."""
    counts = np.zeros(256, np.int64)
    for start in range(0, len(data.pixels), 4096):
        counts += np.bincount(data.pixels[start : start + 4096].ravel(), minlength=256)
    levels = np.arange(256) / 255
    mean = float((counts * levels).sum() / counts.sum())
    return mean, float(np.sqrt((counts * (levels - mean) ** 2).sum() / counts.sum()))


def summary(data: Data) -> str:
    """``describe`` in lines for people."""
    facts = describe(data)
    lines = [f"source       {facts['name']}"]
    lines.append(f"samples      {'unlimited' if facts['count'] is None else format(facts['count'], ',')}")
    if data.is_points:
        lines.append("shape        points in the plane")
        if facts.get("modes"):
            lines.append(f"modes        {facts['modes']}, standard deviation {facts['mode_std']:.4g}")
    else:
        channels, height, width = data.shape
        lines.append(f"shape        {height} x {width}, {'grey' if channels == 1 else 'colour'}")
        if "bytes" in facts:
            each = in_units(facts["bytes"] / facts["count"])
            lines.append(f"pixels       mean {facts['mean']:.4f}, standard deviation {facts['std']:.4f} (of 0..1)")
            lines.append(f"memory       {in_units(facts['bytes'])} decoded, {each} an image")
        lines.append(f"classes      {_in_words(facts['classes'])}")
    lines.append(f"fingerprint  {facts['fingerprint'][:16]}")
    lines += [f"note         {note}" for note in facts["notes"]]
    return "\n".join(map(printable, lines))


def save_picture(data: Data, path: str | Path, *, count: int = 64, seed: int = 0) -> Path:
    """Save a PNG of ``data``: ``count`` images chosen by ``seed`` on a square sheet, or a scatter plot of points."""
    path = Path(path)
    if data.is_points:
        _scatter(data, path, seed)
    else:
        _sheet(_choose(data, count if data.count is None else min(count, data.count), seed), path)
    return path


def _choose(data: Data, count: int, seed: int) -> Pixels:
    """``count`` different images, uint8 ``(count, H, W, C)``."""
    import torch

    if isinstance(data, Images):
        pixels: Pixels = data.pixels[
            torch.randperm(len(data.pixels), generator=generator(seed, "grid"))[:count].numpy()
        ]
        return pixels
    x, _ = data.batch(0, count, seed=seed)
    return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def _sheet(images: Pixels, path: Path) -> None:
    from PIL import Image

    count, height, width, channels = images.shape
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    sheet = np.full((rows * columns, height, width, channels), 255, np.uint8)
    sheet[:count] = images
    sheet = sheet.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    flat = sheet.reshape(rows * height, columns * width, channels)
    Image.fromarray(flat if channels == 3 else flat[..., 0]).save(path, format="PNG")


def _scatter(data: Data, path: Path, seed: int) -> None:
    from matplotlib.figure import Figure

    x, _ = data.batch(0, _SCATTER, seed=seed)
    figure = Figure(figsize=(5, 5))
    axes = figure.add_subplot()
    axes.scatter(x[:, 0].numpy(), x[:, 1].numpy(), s=2, alpha=0.5)
    axes.set_aspect("equal")
    axes.set_title(data.name)
    figure.savefig(path, format="png", dpi=100)


def _class_counts(data: Images) -> dict[str, int]:
    if data.labels is None:
        return {}
    counts = np.bincount(data.labels, minlength=len(data.classes))
    return {name: int(count) for name, count in zip(data.classes, counts, strict=True)}


def in_units(nbytes: float) -> str:
    """A number of bytes in words, in units of 1,024: ``1.5 KiB``."""
    for unit in ("B", "KiB", "MiB"):
        if nbytes < 1024:
            return f"{nbytes:.4g} {unit}"
        nbytes /= 1024
    return f"{nbytes:.1f} GiB"


def _in_words(classes: dict[str, int] | list[str]) -> str:
    if not classes:
        return "none (unlabelled)"
    if isinstance(classes, list):
        return f"{len(classes)}: {', '.join(classes)}"
    if len(set(classes.values())) == 1:
        return f"{len(classes)} of {next(iter(classes.values())):,} images each: {', '.join(classes)}"
    return f"{len(classes)}: " + ", ".join(f"{name} {count:,}" for name, count in classes.items())
