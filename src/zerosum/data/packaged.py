"""Images that come with a package: zerosum's own and scikit-learn's."""

from importlib import resources

import numpy as np

from zerosum.data.arrays import from_arrays
from zerosum.data.ask import Ask
from zerosum.data.images import Images
from zerosum.data.published import DIGITS, FASHION_CLASSES, pad_images
from zerosum.data.sources import Source
from zerosum.errors import DataError

SOURCES = (
    Source("fashion-mini", "10,000 images of Fashion-MNIST, 1,000 a class, shipped with zerosum", place=10),
    Source("digits", "scikit-learn's 1,797 digits, 8 x 8 enlarged to 16", place=50),
)
DIGITS_SIZE = 16


def load_fashion_mini(ask: Ask) -> Images:
    """The first 1,000 images of each class of Fashion-MNIST's training set, 28 x 28 padded to 32."""
    shipped = resources.files("zerosum.data") / "shipped" / "fashion_mini.npz"
    with shipped.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return pad_images(arrays["images"][..., None], arrays["labels"], FASHION_CLASSES, ask)


def load_digits(ask: Ask) -> Images:
    """scikit-learn's digits: 1,797 grey images of 8 x 8, values 0..16 spread over 0..255, enlarged to 16 by default."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DataError(f"{ask.source} needs the package scikit-learn: pip install 'zerosum[data]'") from error
    digits = datasets.load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    size = ask.size or DIGITS_SIZE
    return from_arrays(pixels, digits.target.astype(np.int64), ask.sized(size), classes=DIGITS)
