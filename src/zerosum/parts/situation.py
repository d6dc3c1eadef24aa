"""All that a penalty of ``custom`` may look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from zerosum.networks.critic import Judgement


class Held:
    """A critic as a function of nothing but samples, as gradient penalties want it: labels are held."""

    def __init__(self, network: Any, labels: Tensor | None) -> None:
        self._network, self._labels = network, labels

    def __call__(self, x: Tensor) -> Tensor:
        """(B, ...) -> logits (B,)."""
        logits: Tensor = self._network(x, self._labels)
        return logits

    def frozen(self, x: Tensor) -> Tensor:
        """The same, without side effects."""
        logits: Tensor = self._network.frozen(x, self._labels)
        return logits


class Situation(NamedTuple):
    """All that a penalty may look at.

    Attributes:
        critic: Critic as a function of samples, labels held.
        x: Real samples.
        fake: Generated samples.
        judged: Judgement of the critic on ``x``; ``None`` where nobody asked.
        judged_fake: Judgement of the critic on ``fake``.
        again: Function that asks it about ``x`` once more.
        drawn: Random numbers of the penalty.
    """

    critic: Held
    x: Tensor
    fake: Tensor
    judged: Judgement | None
    judged_fake: Judgement
    again: Callable[[], Judgement]
    drawn: tuple[Tensor, ...]

    @property
    def real(self) -> Judgement:
        """Judgement on real samples, where somebody asked."""
        assert self.judged is not None  # whoever reads it says so in `needs_real`
        return self.judged
