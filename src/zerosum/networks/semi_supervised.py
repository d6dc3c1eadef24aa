"""The critic of Salimans et al. 2016 (arXiv:1606.03498) for semi-supervised learning on CIFAR-10, at any size.

Departures from the authors' code: weight normalisation starts from He's initial weights, with gains that are trained,
instead of from a batch of data, with gains that are fixed in all layers but the last.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from zerosum.networks.common import check_positive, he_normal

SLOPE = 0.2  # of the leaky ReLU after each convolution
GAIN = (2 / (1 + SLOPE**2)) ** 0.5  # keeps the mean square through it


class Classifier(nn.Module):
    """x -> nine weight-normalised convolutions with dropout -> mean over places -> K class logits.

    3x3 convolutions to ``width``, ``width``, ``width`` (stride 2), twice that three times (the last of stride 2) and
    once more without padding, then two 1x1; dropout before each of the first three groups. With width 96 on 3x32x32
    images it is the authors'.

    Args:
        width: channels of the first layers.
        size: pixels a side, at least 9.
        channels: of the image.
        classes: K.
        dropout: share of activations dropped after each group of three; of the pixels, 0.4 times this.
    """

    def __init__(
        self, width: int = 96, size: int = 32, channels: int = 3, classes: int = 10, dropout: float = 0.5
    ) -> None:
        super().__init__()
        check_positive(width=width, channels=channels)
        if size < 9 or classes < 2 or not 0 <= dropout < 1:
            raise ValueError(
                f"size={size}, classes={classes}, dropout={dropout}: size must be at least 9 (two halvings, then a 3x3 "
                "convolution without padding), classes at least 2 and dropout in [0, 1)"
            )
        wide = 2 * width
        self.groups = nn.Sequential(
            nn.Dropout(0.4 * dropout),
            *_group(channels, width, [(3, 1, 1), (3, 1, 1), (3, 2, 1)]),
            nn.Dropout(dropout),
            *_group(width, wide, [(3, 1, 1), (3, 1, 1), (3, 2, 1)]),
            nn.Dropout(dropout),
            *_group(wide, wide, [(3, 1, 0), (1, 1, 0), (1, 1, 0)]),
        )
        last = nn.Linear(wide, classes)
        he_normal(last, 1.0)
        self.last = weight_norm(last)

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B, 2 width), the mean over places of the last convolution."""
        found: Tensor = self.groups(x).mean((2, 3))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> class logits (B, K)."""
        logits: Tensor = self.last(self.features(x))
        return logits


def _group(inputs: int, width: int, convs: list[tuple[int, int, int]]) -> list[nn.Module]:
    """Convolutions of (kernel, stride, padding), each with weight norm and leaky ReLU."""
    layers: list[nn.Module] = []
    for number, (kernel, stride, padding) in enumerate(convs):
        conv = nn.Conv2d(width if number else inputs, width, kernel, stride, padding)
        he_normal(conv, GAIN)
        layers += [weight_norm(conv), nn.LeakyReLU(SLOPE)]
    return layers
