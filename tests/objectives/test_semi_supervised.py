"""The K + 1 class objective against an explicit softmax of K + 1 logits, the last of them zero."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from zerosum.objectives import minimax
from zerosum.objectives.semi_supervised import real_logit, supervised, unsupervised

K = 4


def log_probabilities(logits: Tensor) -> Tensor:
    """log p(1), ..., log p(K + 1) by torch's softmax of the logits and an appended zero."""
    return F.log_softmax(torch.cat([logits, torch.zeros(len(logits), 1).to(logits)], 1), 1)


def test_the_real_logit_is_that_of_not_being_the_last_class() -> None:
    logits = 3 * torch.randn(9, K).double()
    p = log_probabilities(logits).exp()
    torch.testing.assert_close(torch.sigmoid(real_logit(logits)), 1 - p[:, K])
    z = logits.exp().sum(1)
    torch.testing.assert_close(torch.sigmoid(real_logit(logits)), z / (z + 1))


def test_the_unlabelled_loss_is_that_of_real_against_the_last_class() -> None:
    real, fake = torch.randn(9, K).double(), 2 * torch.randn(6, K).double()
    expected = -(1 - log_probabilities(real)[:, K].exp()).log().mean() - log_probabilities(fake)[:, K].mean()
    torch.testing.assert_close(unsupervised(real, fake), expected)


def test_the_labelled_loss_is_conditional_on_being_real() -> None:
    logits, y = torch.randn(9, K).double(), torch.randint(K, (9,))
    p = log_probabilities(logits).exp()
    expected = -(p[torch.arange(9), y] / p[:, :K].sum(1)).log().mean()
    torch.testing.assert_close(supervised(logits, y), expected)


def test_both_losses_of_a_labelled_sample_are_the_cross_entropy_of_all_classes() -> None:
    # -log p(y | x, y < K + 1) - log p(y < K + 1 | x) = -log p(y | x)
    logits, y = torch.randn(9, K).double(), torch.randint(K, (9,))
    nowhere = torch.full((1, K), -1e3).double()  # a generated sample that is certainly seen through
    expected = F.nll_loss(log_probabilities(logits), y)
    torch.testing.assert_close(supervised(logits, y) + unsupervised(logits, nowhere), expected)


def test_by_hand() -> None:
    logits = torch.tensor([[math.log(2), math.log(1)]]).double()  # Z = 3, D = 3/4
    assert real_logit(logits).item() == pytest.approx(math.log(3))
    assert supervised(logits, torch.tensor([0])).item() == pytest.approx(math.log(3 / 2))
    assert supervised(logits, torch.tensor([1])).item() == pytest.approx(math.log(3))
    assert unsupervised(logits, logits).item() == pytest.approx(-math.log(3 / 4) - math.log(1 / 4))


def test_which_way_the_logits_are_pushed() -> None:
    real, fake = torch.randn(1, K).double(), torch.randn(1, K).double()
    up, down = torch.func.grad(unsupervised, argnums=(0, 1))(real, fake)
    # d/dl of softplus(-log Z) is -(1 - D) softmax(l), of softplus(log Z) it is D softmax(l).
    for found, logits, factor in (
        (up, real, -1 / (real.exp().sum() + 1)),
        (down, fake, torch.sigmoid(fake.logsumexp(1))),
    ):
        torch.testing.assert_close(found, factor * logits.softmax(1))
    assert (up < 0).all()
    assert (down > 0).all()
    found = torch.func.grad(supervised)(real, torch.tensor([2]))
    torch.testing.assert_close(found, real.softmax(1) - F.one_hot(torch.tensor([2]), K))


def test_the_unlabelled_game_is_the_minimax_critics() -> None:
    real, fake = torch.randn(5, K).double(), torch.randn(5, K).double()
    torch.testing.assert_close(unsupervised(real, fake), minimax.d(real_logit(real), real_logit(fake)))


def test_extreme_and_bfloat16_logits() -> None:
    big = torch.tensor([[1e4, 0.0], [-1e4, -1e4]])
    assert real_logit(big).tolist() == pytest.approx([1e4, math.log(2) - 1e4])
    assert unsupervised(big, big).item() == pytest.approx(1e4, rel=1e-3)
    assert supervised(big, torch.tensor([1, 0])).item() == pytest.approx((1e4 + math.log(2)) / 2)
    half = torch.randn(32, K).bfloat16(), torch.randn(32, K).bfloat16()
    y = torch.randint(K, (32,))
    for loss, wide in (
        (unsupervised(*half), unsupervised(half[0].double(), half[1].double())),
        (supervised(half[0], y), supervised(half[0].double(), y)),
    ):
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(wide.item(), abs=1e-5)


def test_derivatives() -> None:
    real, fake = torch.randn(2, K).double().requires_grad_(), torch.randn(3, K).double().requires_grad_()
    assert torch.autograd.gradcheck(unsupervised, (real, fake))
    assert torch.autograd.gradgradcheck(unsupervised, (real, fake))


def test_refuses_what_are_no_class_logits() -> None:
    with pytest.raises(ValueError, match="K >= 2"):
        real_logit(torch.randn(5))
    with pytest.raises(ValueError, match="K >= 2"):
        real_logit(torch.randn(5, 1))
