import pytest
import torch
from scipy import stats

from zerosum.latent.arithmetic import around, combine


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_means_are_added_and_subtracted_by_hand() -> None:
    plus = torch.tensor([[1.0, 2.0], [3.0, 6.0]])  # mean (2, 4)
    minus = torch.tensor([[1.0, 1.0], [0.0, 0.0], [2.0, 5.0]])  # mean (1, 2)
    to = torch.tensor([[10.0, -20.0]])
    assert combine(plus, minus, to).tolist() == [11.0, -18.0]


def test_three_normal_latents_for_each_give_the_usual_length() -> None:
    code = combine(*(torch.randn(3, 100_000, generator=rng(i)) for i in range(3)))
    assert code.square().mean() == pytest.approx(1.0, abs=0.02)
    single = combine(*(torch.randn(1, 100_000, generator=rng(i)) for i in range(3)))
    assert single.square().mean() == pytest.approx(3.0, abs=0.06)


@pytest.mark.parametrize(
    ("shapes", "name"),
    [([(0, 4), (1, 4), (1, 4)], "plus"), ([(1, 4), (1, 3), (1, 4)], "minus"), ([(1, 4), (1, 4), (4,)], "to")],
)
def test_codes_that_do_not_fit_are_refused(shapes: list[tuple[int, ...]], name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} has shape"):
        combine(*(torch.zeros(shape) for shape in shapes))


def test_noise_around_a_code_is_uniform() -> None:
    code = torch.tensor([3.0, -7.0])
    near = around(code, 10_000, rng()) - code
    assert near.shape == (10_000, 2)
    for component in near.T:
        assert stats.kstest(component.numpy(), stats.uniform(-0.25, 0.5).cdf).pvalue > 0.05
    wider = around(code, 10_000, rng(), scale=2.0) - code
    assert stats.kstest(wider.flatten().numpy(), stats.uniform(-2, 4).cdf).pvalue > 0.05
    assert abs(torch.corrcoef(near.T)[0, 1]) < 0.05


def test_without_noise_the_code_is_repeated() -> None:
    code = torch.tensor([0.1, 0.2, 0.3])
    assert torch.equal(around(code, 4, rng(), scale=0.0), code.expand(4, 3))


@pytest.mark.parametrize("scale", [-0.1, float("nan")])
def test_a_scale_below_0_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match=r"scale=.* 0 or more"):
        around(torch.zeros(2), 1, rng(), scale=scale)
