"""What a critic says, in one form for all critics; and all that an objective or a penalty may look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor


class Seen(NamedTuple):
    """What a critic says of a batch.

    Attributes:
        value: logits or energies, (B,).
        features: what its last layer reads, or its codes, (B, F); ``None`` where labels enter.
        classes: logits of the classes, (B, K), of an auxiliary classifier.
    """

    value: Tensor
    features: Tensor | None = None
    classes: Tensor | None = None


Look = Callable[[Callable[..., Any], Tensor, Tensor | None], Seen]  # (the critic, samples, labels)


def look_inside(critic: Callable[..., Any], x: Tensor, y: Tensor | None) -> Seen:
    """Ask a critic that shows its features."""
    features, logits = critic(x)
    return Seen(logits, features)


def look_at_codes(critic: Callable[..., Any], x: Tensor, y: Tensor | None) -> Seen:
    """Ask an autoencoder."""
    return Seen(*critic(x, with_codes=True))


def look_with_labels(critic: Callable[..., Any], x: Tensor, y: Tensor | None) -> Seen:
    """Ask a critic that is told the label."""
    return Seen(critic(x, y))


def look_for_classes(critic: Callable[..., Any], x: Tensor, y: Tensor | None) -> Seen:
    """Ask a critic that tells the class."""
    logits, classes = critic(x)
    return Seen(logits, classes=classes)


class Held:
    """A critic as a function of samples alone, as gradient penalties want it: labels are held."""

    def __init__(self, look: Look, network: Any, labels: Tensor | None) -> None:
        self._look, self._network, self._labels = look, network, labels

    def __call__(self, x: Tensor) -> Tensor:
        """(B, ...) -> logits (B,)."""
        return self._look(self._network, x, self._labels).value

    def frozen(self, x: Tensor) -> Tensor:
        """The same, without side effects."""
        return self._look(self._network.frozen, x, self._labels).value


class Situation(NamedTuple):
    """All that a penalty may look at.

    Attributes:
        critic: samples -> logits, labels held.
        x: real samples.
        fake: generated samples.
        seen: what the critic said of ``x``; ``None`` where nobody asked.
        seen_fake: what it said of ``fake``.
        again: asks it of ``x`` once more.
        drawn: the penalty's random numbers.
    """

    critic: Held
    x: Tensor
    fake: Tensor
    seen: Seen | None
    seen_fake: Seen
    again: Callable[[], Seen]
    drawn: tuple[Tensor, ...]

    @property
    def real_value(self) -> Tensor:
        """Logits or energies of the real samples, (B,)."""
        assert self.seen is not None  # whoever reads it says so in `needs_real`
        return self.seen.value

    @property
    def fake_value(self) -> Tensor:
        """Logits or energies of the generated samples, (B,)."""
        return self.seen_fake.value
