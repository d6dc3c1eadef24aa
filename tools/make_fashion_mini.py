"""Make src/zerosum/data/shipped/fashion_mini.npz from Fashion-MNIST.

The first 1,000 images of each class of the training set, in their original order: 10,000 of 28 x 28.
Needs the training files of Fashion-MNIST (Debian: apt install dataset-fashion-mnist). Run from the repository's root:

    python tools/make_fashion_mini.py
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from zerosum.data.fetch import DEBIAN
from zerosum.data.published import read_idx

PER_CLASS = 1000
TARGET = Path(__file__).parent.parent / "src/zerosum/data/shipped/fashion_mini.npz"


def select(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first ``PER_CLASS`` images of each class and their labels, in their original order."""
    kept = np.sort(np.concatenate([np.flatnonzero(labels == c)[:PER_CLASS] for c in range(10)]))
    return images[kept], labels[kept]


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz that depends on the arrays alone (fixed dates), packed as tightly as deflate can."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content.getvalue(), compresslevel=9)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEBIAN / "fashion-mnist"
    images, labels = (read_idx(folder / f"train-{part}-ubyte.gz") for part in ("images-idx3", "labels-idx1"))
    images, labels = select(images, labels)
    save(TARGET, {"images": images, "labels": labels})
    print(f"{TARGET}: {images.shape} images, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
