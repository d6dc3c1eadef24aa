"""Standing statistics: the mean of the batches' own, by hand."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from zerosum.conditioning.biggan import biggan_pair
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.batch_norm import standing_statistics
from zerosum.networks.layers.dropout import Dropout


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def batches(count: int = 5) -> list[tuple[Tensor]]:
    return [(torch.randn(6, 3, 2, 4) * (k + 1) + k,) for k in range(count)]


def by_hand(xs: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The mean over batches of each channel's mean and unbiased variance."""
    rows = [x.movedim(1, 0).flatten(1).double() for x in xs]
    means = torch.stack([r.mean(1) for r in rows]).mean(0)
    variances = torch.stack([(r - r.mean(1, keepdim=True)).square().sum(1) / (r.shape[1] - 1) for r in rows]).mean(0)
    return means.float(), variances.float()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_they_are_the_mean_of_the_batches_statistics(count: int) -> None:
    net = BatchNorm(3, momentum=0.25).eval()
    net.running_mean += 100  # forgotten
    net.running_var *= 100
    drawn = batches(count)
    standing_statistics(net, drawn)
    mean, var = by_hand([x for (x,) in drawn])
    torch.testing.assert_close(net.running_mean, mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(net.running_var, var, rtol=1e-5, atol=1e-5)
    x = drawn[0][0]
    form = (3, 1, 1)
    expected = (x - mean.view(form)) / (var.view(form) + 1e-5).sqrt()
    torch.testing.assert_close(net(x), expected, rtol=1e-4, atol=1e-4)


def test_of_two_in_a_row_the_second_sees_what_the_first_makes_of_its_batch() -> None:
    first, second = BatchNorm(3), BatchNorm(3)
    nn.init.normal_(first.weight)
    mix = nn.Conv2d(3, 3, 1)
    net = nn.Sequential(first, mix, second).eval()
    drawn = batches()
    standing_statistics(net, drawn)
    between = [
        mix(nn.functional.batch_norm(x, None, None, first.weight, first.bias, training=True)).detach() for (x,) in drawn
    ]
    mean, var = by_hand(between)
    torch.testing.assert_close(second.running_mean, mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(second.running_var, var, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_everything_else_stays_as_it_was(training: bool) -> None:
    net = nn.Sequential(BatchNorm(3, momentum=0.25), Dropout(0.5), BatchNorm(3, momentum=0.5))
    net.train(training)
    net[2].train(not training)  # each in a mode of its own
    modes: list[bool] = []
    net[1].register_forward_pre_hook(lambda module, _: modes.append(module.training))
    weights = [p.clone() for p in net.parameters()]
    standing_statistics(net, batches())
    assert modes == [training] * 5
    assert [m.training for m in net] == [training, training, not training]
    assert [net[0].momentum, net[2].momentum] == [0.25, 0.5]
    assert all(torch.equal(a, b) for a, b in zip(weights, net.parameters(), strict=True))
    assert all(p.grad is None for p in net.parameters())


def test_mode_and_momentum_survive_a_failure() -> None:
    net = BatchNorm(3, momentum=0.25).eval()

    def broken() -> Iterator[tuple[Tensor]]:
        yield batches(1)[0]
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="gone"):
        standing_statistics(net, broken())
    assert (net.training, net.momentum) == (False, 0.25)


def test_a_conditional_generator_then_samples_each_image_alone() -> None:
    generator = biggan_pair(32, 1, 3, latent=8, width=8, shared=4)[0].eval()
    z, y = torch.randn(24, 8), torch.arange(24) % 3
    with torch.no_grad():
        before = generator(z, y)
        standing_statistics(generator, [(z[:12], y[:12]), (z[12:], y[12:])])
        after = generator(z, y)
        torch.testing.assert_close(after[5:6], generator(z[5:6], y[5:6]), rtol=1e-4, atol=1e-5)
    assert (after - before).abs().mean() > 1e-3
    # The first block's first normalisation sees a linear map of z alone.
    maps = generator.net.first(z[:, :2]).view(2, 12, -1, 4, 4)  # type: ignore[union-attr,operator]
    mean, var = by_hand([*maps.detach()])
    norm = generator.net.blocks[0].norm1.norm  # type: ignore[union-attr,index]
    torch.testing.assert_close(norm.running_mean, mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, var, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(ValueError, match="Linear has no batch normalisation"):
        standing_statistics(nn.Linear(3, 3), [(torch.randn(4, 3),)])
    net = BatchNorm(3, momentum=0.25)
    with pytest.raises(ValueError, match="at least one batch"):
        standing_statistics(net, [])
    assert (net.training, net.momentum) == (True, 0.25)
    assert torch.equal(net.running_mean, torch.zeros(3))
