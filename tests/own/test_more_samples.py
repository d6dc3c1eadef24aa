"""``run.sample(...)``: what its words do to the samples, and how it refuses."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.errors import UsageError
from zerosum.networks.layers import BatchNorm
from zerosum.runs.sampler import LISTED, Sampler


class Conditional(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.classes = classes
        self.first, self.norm = nn.Linear(3 + classes, 4), BatchNorm(4)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        out: Tensor = self.norm(self.first(torch.cat([z, F.one_hot(y, self.classes).float()], 1)))
        return out


def conditional(*names: str) -> Sampler:
    def prior(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.randn(n, 3, generator=rng), torch.randint(len(names), (n,), generator=rng)

    return Sampler(Conditional(len(names)), prior, names=names)


def plain() -> Sampler:
    return Sampler(nn.Linear(3, 2), lambda n, rng: torch.randn(n, 3, generator=rng))


def test_statistics_are_taken_afresh_where_that_is_asked_for() -> None:
    sampler = conditional("cat", "dog")
    fresh = sampler.sample(4, standing=2)
    assert fresh.equal(sampler.standing(2)(0, 4))
    assert not fresh.equal(sampler.sample(4))
    cut = sampler.sample(4, standing=2, truncation=0.5, classes="dog", seed=5)
    assert cut.equal(sampler.with_seed(5).of_classes([1]).truncated(0.5).standing(2)(0, 4))
    with pytest.raises(UsageError, match="batch normalisation"):
        plain().sample(4, standing=2)


def test_classes_are_numbered_from_0_to_the_last() -> None:
    sampler = conditional("cat", "dog", "cow")
    assert sampler.sample(3, classes=2).equal(sampler.sample(3, classes="cow"))
    assert sampler.sample(3, classes=(0, "cow")).equal(sampler.of_classes([0, 2])(0, 3))
    for wrong in (3, -1):
        with pytest.raises(UsageError, match=f"no class {wrong}: they are numbered from 0 to 2"):
            sampler.sample(3, classes=wrong)
    with pytest.raises(UsageError, match="one or more numbers from 0"):
        sampler.sample(3, classes=[])
    with pytest.raises(UsageError, match="does not take a class"):
        plain().sample(3, classes=0)


@pytest.mark.parametrize("count", [LISTED, LISTED + 1])
def test_so_many_classes_are_listed(count: int) -> None:
    sampler = conditional(*(f"c{i}" for i in range(count)))
    with pytest.raises(UsageError, match="there is no class 'bird'") as caught:
        sampler.sample(1, classes="bird")
    shown = str(caught.value).partition("Classes: ")[2]
    assert shown == ", ".join(f"c{i}" for i in range(LISTED)) + (", ... c20" if count > LISTED else "")


def test_one_sample_is_enough_and_none_is_not() -> None:
    assert plain().sample(1).shape == (1, 2)
    for n in (0, -1):
        with pytest.raises(UsageError, match=f"n={n}: must be at least 1"):
            plain().sample(n)


def test_a_module_that_is_taken_is_free_to_be_trained() -> None:
    sampler = plain()
    before = sampler.sample(2)
    module = sampler.module
    assert all(weight.requires_grad for weight in module.parameters())
    assert not any(weight.requires_grad for weight in sampler.network.parameters())
    torch.nn.init.zeros_(module.weight)  # type: ignore[arg-type]
    assert sampler.sample(2).equal(before)
