"""Modes of stacked digits: 1,000 of them, named by the shipped classifier from the three channels of an image."""

from collections.abc import Iterable

import torch
from torch import Tensor

from zerosum.metrics.features.stacked_classifier import DIGITS, IMAGE_SHAPE, load_digit_classifier
from zerosum.metrics.shared.mode_counting import ModeCount, count_modes

MODES = DIGITS**3
SHAPE = (3, *IMAGE_SHAPE[1:])


@torch.no_grad()
def stacked_labels(images: Tensor, *, device: torch.device | str = "cpu") -> Tensor:
    """Modes (B,) of images: 100 red + 10 green + blue, each digit the classifier's most likely one; int64, on the CPU.

    Args:
        images: Stacks of digits, uint8 (B, 3, 32, 32); B may be 0.
        device: Where the classifier runs.

    Raises:
        ValueError: The images have another type or shape.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or tuple(images.shape[1:]) != SHAPE:
        raise ValueError(
            f"stacked digits are uint8 images (B, 3, 32, 32), not {images.dtype} {tuple(images.shape)}; their modes "
            "are named by a classifier of 32x32 digits, one for each colour channel"
        )
    channels = images.to(device).flatten(0, 1).unsqueeze(1).float().div(127.5).sub(1)
    place = torch.tensor([DIGITS**2, DIGITS, 1]).to(channels.device)
    digits = load_digit_classifier(str(channels.device))(channels).argmax(dim=1)
    modes: Tensor = (digits.view(-1, 3) * place).sum(dim=1).cpu()
    return modes


def measure_stacked(
    batches: Iterable[Tensor], *, reference: Tensor | None = None, device: torch.device | str = "cpu"
) -> ModeCount:
    """Modes covered among 1,000 and reverse KL of generated stacks, by the classifier of single channels.

    Protocol of Metz et al. 2017 (arXiv:1611.02163, section 3.3.1) and Srivastava et al. 2017 (arXiv:1705.07761),
    with scikit-learn's digits in place of MNIST and therefore another classifier: the numbers compare generators
    with each other, not with those papers' tables.

    Args:
        batches: Images uint8 (B, 3, 32, 32). Srivastava et al. 2017 and Lin et al. 2018 (PacGAN) take 26,000 of them,
            Metz et al. 2017 take 25,600: figures of the two do not mix.
        reference: Labels of the data, 0 .. 999 (N,), whose histogram the KL is taken against; by default all modes have
            equal weights.
        device: Where the classifier runs.

    Raises:
        ValueError: There are no images, they have another shape, or labels are not modes.
    """
    labels = torch.cat([torch.empty(0, dtype=torch.int64), *(stacked_labels(x, device=device) for x in batches)])
    if len(labels) == 0:
        raise ValueError("no images: there are no modes to count")
    if reference is None:
        return count_modes(labels, MODES)
    # Counting the reference checks it: its labels must be modes, and there must be some.
    count_modes(reference, MODES)
    return count_modes(labels, MODES, torch.bincount(reference.long(), minlength=MODES))
