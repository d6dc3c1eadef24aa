"""The classifier that names the modes of stacked digits: it reads one channel, a grey digit of 32x32, at a time.

``tools/train_digit_classifier.py`` trains it on scikit-learn's digits and writes ``stacked_classifier.safetensors``
beside this file; what was measured then (command, held-out accuracy, seed, counts) stands in that file's header:
:func:`digit_classifier_record`.
"""

from functools import cache
from pathlib import Path

from torch import Tensor, nn

from zerosum.metrics.features import packaged

WEIGHTS = Path(__file__).with_name("stacked_classifier.safetensors")
IMAGE_SHAPE = (1, 32, 32)
DIGITS = 10


def _block(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution of stride 2, batch normalisation, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class DigitClassifier(nn.Module):
    """Three convolutions of stride 2 and one linear layer on the 4x4 positions that are left.

    ``forward``: images (B, 1, 32, 32) in [-1, 1], black = -1 -> logits (B, 10).
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(_block(1, 16, 5), _block(16, 32, 3), _block(32, 64, 3), nn.Flatten())
        self.head = nn.Linear(64 * 4 * 4, DIGITS)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 10) of images (B, 1, 32, 32) in [-1, 1].

        Raises:
            ValueError: The images are not 1x32x32.
        """
        if images.ndim != 4 or tuple(images.shape[1:]) != IMAGE_SHAPE:
            raise ValueError(f"the digit classifier takes images (B, 1, 32, 32), not {tuple(images.shape)}")
        logits: Tensor = self.head(self.trunk(images))
        return logits


@cache
def digit_classifier_hash() -> str:
    """SHA-256 of the weights file, 64 hexadecimal digits; protocols print the first 12."""
    return packaged.digest(WEIGHTS)


def digit_classifier_record() -> dict[str, str]:
    """What the weights file says of itself: the command that made it, held-out accuracy, seed, counts, versions."""
    return packaged.record(WEIGHTS)


@cache
def load_digit_classifier(device: str = "cpu") -> DigitClassifier:
    """The shipped classifier in evaluation mode, float32, frozen; one copy per device, shared by all callers.

    Raises:
        FileNotFoundError: The weights file is missing from the installation.
        RuntimeError: The weights do not fit the network.
    """
    return packaged.load_packaged(DigitClassifier(), WEIGHTS, device)
