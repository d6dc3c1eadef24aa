"""The critic of Salimans et al. 2016 (arXiv:1606.03498) for semi-supervised learning on CIFAR-10, at any size.

Departures from the authors' code: weight normalisation starts from He's initial weights, with gains that are trained,
instead of from a batch of data, with gains that are fixed in all layers but the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from zerosum.networks.common import SLOPE, check_positive, he_normal
from zerosum.networks.critic import BaseCritic, Judgement
from zerosum.objectives.semi_supervised import real_logit
from zerosum.precision import in_float32

GAIN = (2 / (1 + SLOPE**2)) ** 0.5  # keeps the mean square through a leaky ReLU


@dataclass(frozen=True, kw_only=True)
class Conv:
    """A convolution's layout, in pixels a side."""

    kernel: int
    stride: int = 1
    padding: int = 0


SAME, HALVING = Conv(kernel=3, padding=1), Conv(kernel=3, stride=2, padding=1)
UNPADDED, POINTWISE = Conv(kernel=3), Conv(kernel=1)


class Classifier(BaseCritic):
    """x -> nine weight-normalised convolutions with dropout -> mean over positions -> K class logits.

    3x3 convolutions to ``width``, ``width``, ``width`` (stride 2), twice that three times (the last of stride 2) and
    once more without padding, then two 1x1; dropout before each of these three groups. With width 96 on 3x32x32 images
    it is the authors'.

    Args:
        width: Channels of the first layers.
        size: Pixels a side of the images, at least 9.
        channels: Channels of the images.
        classes: K.
        dropout: Share of the activations that are dropped before the second and the third group; of the pixels, 0.4
            times as many.
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
            *_group(channels, width, (SAME, SAME, HALVING)),
            nn.Dropout(dropout),
            *_group(width, wide, (SAME, SAME, HALVING)),
            nn.Dropout(dropout),
            *_group(wide, wide, (UNPADDED, POINTWISE, POINTWISE)),
        )
        last = nn.Linear(wide, classes)
        he_normal(last, 1.0)
        self.last = weight_norm(last)

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B, 2 width), the mean over positions of the last convolution."""
        found: Tensor = self.groups(x).mean((2, 3))
        return found

    def judge(self, x: Tensor, y: Tensor | None = None) -> Judgement:
        """(B, channels, size, size) -> logits of D(x) = Z / (Z + 1) (B,), features, class logits (B, K)."""
        features = self.features(x)
        classes = in_float32(self.last, features)
        return Judgement(logits=real_logit(classes), features=features, classes=classes)


def _group(inputs: int, width: int, convs: Sequence[Conv]) -> list[nn.Module]:
    """Convolutions, each with weight norm and leaky ReLU."""
    layers: list[nn.Module] = []
    for number, layout in enumerate(convs):
        conv = nn.Conv2d(width if number else inputs, width, layout.kernel, layout.stride, layout.padding)
        he_normal(conv, GAIN)
        layers += [weight_norm(conv), nn.LeakyReLU(SLOPE)]
    return layers
