"""What a sampler can be asked for: classes, truncation, statistics; none of it changes the latents of a seed."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.core.random import generator
from zerosum.errors import UsageError
from zerosum.networks.layers import BatchNorm
from zerosum.runs.sampler import Sampler

CLASSES = 5


class Conditional(nn.Module):
    """A linear map of [z, class], with a normalised layer and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm, self.last = nn.Linear(4 + CLASSES, 6), BatchNorm(6), nn.Linear(6, 2)
        self.other = nn.BatchNorm1d(2)  # of torch: not zerosum's, so it stays as it is

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        out: Tensor = self.other(self.last(self.norm(self.first(torch.cat([z, F.one_hot(y, CLASSES).float()], 1)))))
        return out


def labelled(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(n, 4, generator=rng), torch.randint(CLASSES, (n,), generator=rng)


def normal(n: int, rng: torch.Generator) -> Tensor:
    return torch.randn(n, 4, generator=rng)


def uniform(n: int, rng: torch.Generator) -> Tensor:
    return torch.rand(n, 4, generator=rng) * 2 - 1


@pytest.fixture
def sampler() -> Sampler:
    return Sampler(Conditional(), labelled, seed=3)


@pytest.fixture
def plain() -> Sampler:
    torch.manual_seed(0)
    return Sampler(nn.Linear(4, 3), normal, seed=3)


def test_classes_come_in_turn_however_samples_are_asked_for(sampler: Sampler) -> None:
    asked = sampler.of_classes([4, 0, 2])
    _, y = asked.latents(0, 200)
    assert y.tolist() == ([4, 0, 2] * 67)[:200]
    assert y.dtype == torch.int64
    for start, n in ((0, 1), (1, 5), (63, 2), (130, 70)):
        assert asked.latents(start, n)[1].tolist() == y[start : start + n].tolist()
    whole = asked(0, 200)
    torch.testing.assert_close(torch.cat([asked(0, 77), asked(77, 123)]), whole)
    # The third sample, by hand: its latent is that of the seed, its class 2.
    z, _ = sampler.latents(2, 1)
    torch.testing.assert_close(whole[2:3], sampler.generate(z, torch.tensor([2])))


def test_latents_of_a_seed_do_not_depend_on_the_classes(sampler: Sampler) -> None:
    z, y = sampler.latents(10, 100)
    assert torch.equal(sampler.of_classes([1]).latents(10, 100)[0], z)
    assert torch.equal(sampler.latents(10, 100)[1], y)  # and the sampler itself stays as it was
    assert sorted(set(y.tolist())) == [0, 1, 2, 3, 4]
    assert torch.equal(sampler.of_classes([1, 2]).of_classes([3]).latents(0, 2)[1], torch.tensor([3, 3]))
    assert not torch.equal(sampler.with_seed(4).of_classes([1]).latents(10, 100)[0], z)


def test_classes_are_refused_where_they_mean_nothing(sampler: Sampler, plain: Sampler) -> None:
    assert sampler.labelled
    assert not plain.labelled
    with pytest.raises(ValueError, match=r"does not take a class"):
        plain.of_classes([0])
    for asked in ([], [2, -1]):
        with pytest.raises(ValueError, match=r"one or more numbers from 0"):
            sampler.of_classes(asked)


def test_truncation_bounds_latents_and_keeps_labels(sampler: Sampler) -> None:
    z, y = sampler.latents(0, 300)
    cut, kept = sampler.truncated(0.7).latents(0, 300)
    assert z.abs().max() > 2
    assert cut.abs().max() <= 0.7
    within = z.abs() <= 0.7
    assert torch.equal(cut[within], z[within])
    assert torch.equal(kept, y)
    assert torch.equal(sampler.truncated(0.7).latents(100, 9)[0], cut[100:109])
    assert torch.equal(sampler.latents(0, 300)[0], z)


def test_truncations_that_cannot_be_are_the_users_to_change(plain: Sampler) -> None:
    with pytest.raises(UsageError, match=r"truncation=0: must be above 0"):
        plain.truncated(0)
    never = Sampler(nn.Linear(1, 1), lambda n, rng: torch.ones(n, 1)).truncated(0.5)
    with pytest.raises(UsageError, match=r"truncation=0.5: after"):
        never.latents(0, 1)


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_standing_statistics_are_the_mean_over_batches(sampler: Sampler, threshold: float | None) -> None:
    cut = sampler if threshold is None else sampler.truncated(threshold)
    made = cut.standing(3, size=20)
    before, after = sampler.network.state_dict(), made.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"norm.running_mean", "norm.running_var"}
    weight, bias = before["first.weight"].double().numpy(), before["first.bias"].double().numpy()
    means, variances = [], []
    for batch in range(3):
        z, y = cut.prior(20, generator(3, "standing", batch))
        h = np.concatenate([z.numpy(), np.eye(CLASSES)[y.numpy()]], 1) @ weight.T + bias
        means.append(h.mean(0))
        variances.append(h.var(0, ddof=1))
    np.testing.assert_allclose(after["norm.running_mean"].numpy(), np.mean(means, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after["norm.running_var"].numpy(), np.mean(variances, 0), rtol=1e-5, atol=1e-6)
    assert not made.network.training
    assert not made.network.norm.training
    assert torch.equal(made.latents(0, 5)[0], cut.latents(0, 5)[0])


def test_standing_statistics_need_batch_normalisation(sampler: Sampler, plain: Sampler) -> None:
    assert sampler.batch_normalised
    assert not plain.batch_normalised
    with pytest.raises(ValueError, match=r"no batch normalisation"):
        plain.standing(2)


def test_a_uniform_prior_is_bounded_and_a_normal_one_is_not(plain: Sampler) -> None:
    assert Sampler(nn.Linear(4, 3), uniform).bound == 1.0
    assert Sampler(nn.Linear(4, 3), lambda n, rng: 1.01 * uniform(n, rng)).bound is None
    assert plain.bound is None


def test_samples_are_found_by_their_numbers(sampler: Sampler) -> None:
    z, y = sampler.latents(0, 200)
    numbers = [150, 3, 3, 64]
    found = sampler.latents_of(numbers)
    assert torch.equal(found[0], z[numbers])
    assert torch.equal(found[1], y[numbers])


def test_images_are_differentiable_in_the_latents(plain: Sampler) -> None:
    z = torch.randn(2, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(plain.images(z)[:, 1].sum(), z)
    assert torch.equal(slope, plain.network.weight[1].expand(2, 4))
    assert not plain.generate(z).requires_grad


def test_any_number_of_latents_is_generated_in_order(plain: Sampler) -> None:
    z = torch.randn(601, 4)
    expected = z.numpy() @ plain.network.weight.numpy().T + plain.network.bias.numpy()
    np.testing.assert_allclose(plain.generate(z).numpy(), expected, rtol=1e-5, atol=1e-6)
    sizes: list[int] = []
    plain.network.register_forward_hook(lambda module, given, made: sizes.append(len(made)))
    plain.generate(z)
    assert sizes == [250, 250, 101]
