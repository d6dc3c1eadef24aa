"""Fashion-MNIST, MNIST and CIFAR-10, from the files their authors publish."""

import gzip
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zerosum.data.arrays import from_arrays, pad_to_32
from zerosum.data.ask import Ask
from zerosum.data.fetch import Published, find_or_download
from zerosum.data.images import Images, Pixels
from zerosum.data.sources import Source
from zerosum.errors import DataError

SOURCES = (
    Source(
        "fashion-mnist",
        "Fashion-MNIST: 60,000 + 10,000 grey images of clothes, 28 x 28 padded to 32",
        place=20,
        splits=True,
    ),
    Source("mnist", "MNIST: 60,000 + 10,000 handwritten digits, 28 x 28 padded to 32", place=30, splits=True),
    Source("cifar10", "CIFAR-10: 50,000 + 10,000 colour images, 32 x 32", place=40, splits=True),
)
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DIGITS = tuple("0123456789")
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"

# The MD5s are those the authors publish. The SHA-256s are of Debian's copies, which are the same compressed streams
# without the file name in the gzip header: with name and time put back they have the published MD5s.
FASHION_MNIST = {
    "train": (
        Published(
            _FASHION + "train-images-idx3-ubyte.gz",
            (
                "sha256:b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
                "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            ),
        ),
        Published(
            _FASHION + "train-labels-idx1-ubyte.gz",
            (
                "sha256:0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
                "md5:25c81989df183df01b3e8a0aad5dffbe",
            ),
        ),
    ),
    "test": (
        Published(
            _FASHION + "t10k-images-idx3-ubyte.gz",
            (
                "sha256:cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
                "md5:bef4ecab320f06d8554ea6380940ec79",
            ),
        ),
        Published(
            _FASHION + "t10k-labels-idx1-ubyte.gz",
            (
                "sha256:8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
                "md5:bb300cfdad3c16e7a12a480ee83cd310",
            ),
        ),
    ),
}
MNIST = {
    "train": (
        Published(_MNIST + "train-images-idx3-ubyte.gz", ("md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",)),
        Published(_MNIST + "train-labels-idx1-ubyte.gz", ("md5:d53e105ee54ea40749a09fcbcd1e9432",)),
    ),
    "test": (
        Published(_MNIST + "t10k-images-idx3-ubyte.gz", ("md5:9fb629c4189551a2d022fa330f9573f3",)),
        Published(_MNIST + "t10k-labels-idx1-ubyte.gz", ("md5:ec29112dd5afa0611ce80d1b7f02629c",)),
    ),
}
CIFAR10 = Published(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", ("md5:c32a1d4ab5d03f1284b67883e8d87530",)
)
_CIFAR10_MEMBERS = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}
_CIFAR10_BYTES = 10_000 * (1 + 3 * 32 * 32)


def load_fashion_mnist(ask: Ask) -> Images:
    """Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747): 60,000 + 10,000 grey images of 28 x 28, padded to 32."""
    return _load_idx_pair("fashion-mnist", FASHION_MNIST, FASHION_CLASSES, ask)


def load_mnist(ask: Ask) -> Images:
    """MNIST (LeCun, Cortes, Burges): 60,000 + 10,000 grey images of 28 x 28, padded to 32."""
    return _load_idx_pair("mnist", MNIST, DIGITS, ask)


def load_cifar10(ask: Ask) -> Images:
    """CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour images of 32 x 32, from the binary version (no pickle)."""
    path = find_or_download("cifar10", CIFAR10, ask)
    with tarfile.open(path, "r:gz") as archive:
        records = np.concatenate([_cifar10_member(archive, name) for name in _CIFAR10_MEMBERS[ask.split]])
    pixels = np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return from_arrays(pixels, records[:, 0].astype(np.int64), ask, classes=CIFAR10_CLASSES)


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read a gzipped IDX file of unsigned bytes.

    The format: two zero bytes, 8 (unsigned byte), the number of axes, the length of each axis as a big-endian 32-bit
    number, then the values, last axis fastest.

    Raises:
        DataError: The file is not gzipped, not IDX, or not as long as its header says.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a gzip file, or is cut short ({error})") from error
    axes = content[3] if len(content) > 3 else 0
    if content[:3] != b"\0\0\x08" or not axes or len(content) < 4 + 4 * axes:
        raise DataError(f"{path} is not an IDX file of unsigned bytes: it starts with {content[:4].hex()}")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", axes, 4))
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    if len(values) != int(np.prod(shape, dtype=np.int64)):
        raise DataError(f"{path} says it holds {shape} values, but holds {len(values)}")
    return values.reshape(shape)


def _load_idx_pair(
    dataset: str, files: dict[str, tuple[Published, Published]], classes: tuple[str, ...], ask: Ask
) -> Images:
    pixels, labels = (read_idx(find_or_download(dataset, file, ask)) for file in files[ask.split])
    return pad_images(pixels[..., None], labels, classes, ask)


def pad_images(pixels: Pixels, labels: npt.NDArray[np.integer[Any]], classes: tuple[str, ...], ask: Ask) -> Images:
    """28 x 28 images padded to 32 (or left, or resized), with their labels."""
    return from_arrays(pad_to_32(pixels, ask), labels.astype(np.int64), ask, classes=classes)


def _cifar10_member(archive: tarfile.TarFile, name: str) -> npt.NDArray[np.uint8]:
    """One file of 10,000 records: a label, then 1,024 red, green and blue values each."""
    member = archive.extractfile(f"cifar-10-batches-bin/{name}")
    content = b"" if member is None else member.read(_CIFAR10_BYTES + 1)
    if len(content) != _CIFAR10_BYTES:
        raise DataError(f"CIFAR-10: {name} holds {len(content)} bytes instead of {_CIFAR10_BYTES}")
    return np.frombuffer(content, np.uint8).reshape(10_000, -1)
