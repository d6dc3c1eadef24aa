"""CT-GAN's consistency term: numbers by hand, derivatives, and what dropout does to two passes."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad

from zerosum.networks import resnet
from zerosum.networks.critic import Judgement
from zerosum.networks.layers.dropout import Dropout
from zerosum.penalties.consistency_term import consistency
from zerosum.penalties.gradient import wgan_gp


def judged(logits: Tensor, features: Tensor) -> Judgement:
    return Judgement(logits=logits, features=features)


def test_by_hand():
    one = judged(torch.tensor([1.0, 0.0]), torch.tensor([[1.0, 2.0], [0.0, 0.0]]))
    two = judged(torch.tensor([3.0, 0.5]), torch.tensor([[1.0, 6.0], [2.0, 0.0]]))
    # Logits 4 and 0.25 apart, features 16/2 = 8 and 4/2 = 2 on average over units.
    assert consistency(one, two).item() == pytest.approx((4 + 0.8 + 0.25 + 0.2) / 2)
    assert consistency(one, two, share=1.0).item() == pytest.approx((12 + 2.25) / 2)
    # The margin is taken off each sample, and no sample is paid for being within it.
    assert consistency(one, two, margin=0.4).item() == pytest.approx((4.4 + 0.05) / 2)
    assert consistency(one, two, margin=1.0).item() == pytest.approx(3.8 / 2)
    assert consistency(one, one).item() == 0
    assert consistency(two, one).item() == consistency(one, two).item()


def test_features_may_be_maps():
    flat = [judged(torch.randn(3), torch.randn(3, 8)) for _ in range(2)]
    maps = [judged(seen.logits, seen.features.reshape(3, 2, 2, 2)) for seen in flat]
    assert consistency(*maps).item() == pytest.approx(consistency(*flat).item())


def test_derivatives():
    tensors = [torch.randn(3).double(), torch.randn(3, 4).double(), torch.randn(3).double(), torch.randn(3, 4).double()]
    inputs = tuple(t.requires_grad_() for t in tensors)
    for margin in (0.0, 0.3):

        def term(a: Tensor, b: Tensor, c: Tensor, d: Tensor, margin: float = margin) -> Tensor:
            return consistency(judged(a, b), judged(c, d), margin)

        assert torch.autograd.gradcheck(term, inputs)
        assert torch.autograd.gradgradcheck(term, inputs)


def test_in_float32_under_autocast():
    a, b = judged(torch.randn(8).bfloat16(), torch.randn(8, 5).bfloat16()), judged(torch.randn(8), torch.randn(8, 5))
    with torch.autocast("cpu", torch.bfloat16):
        found = consistency(a, b)
    assert found.dtype == torch.float32
    assert found.item() == consistency(judged(a.logits.float(), a.features.float()), b).item()


def test_refuses_passes_of_different_samples():
    a, b = judged(torch.randn(4), torch.randn(4, 2)), judged(torch.randn(3), torch.randn(3, 2))
    with pytest.raises(ValueError, match=r"logits have shapes \(4,\) and \(3,\): pass the same samples twice"):
        consistency(a, b)
    with pytest.raises(ValueError, match="features have shapes"):
        consistency(a, judged(a.logits, torch.randn(4, 3)))


class Linear(nn.Module):
    """Dropout on the input, then D(x) = w x: E (D' - D'')^2 = 2 Var D is known."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.drop, self.w = Dropout(rate), nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))

    def forward(self, x: Tensor) -> Judgement:
        h = self.drop(x)
        return judged(h @ self.w, h)


def test_two_dropout_passes_differ_as_much_as_their_variance_says():
    torch.manual_seed(0)
    rate, x = 0.2, torch.tensor([2.0, 1.0, -1.0])
    many = x.expand(200_000, 3)
    critic = Linear(rate)
    # y_i = x_i m_i / (1 - rate) has variance x_i^2 rate / (1 - rate); two draws differ by twice that, squared.
    variance = x.square() * rate / (1 - rate)
    logits, features = 2 * (critic.w.square() * variance).sum(), 2 * variance.mean()
    found = consistency(critic(many), critic(many))
    assert found.item() == pytest.approx((logits + 0.1 * features).item(), rel=0.02)
    critic.eval()
    assert consistency(critic(many), critic(many)).item() == 0


def loss_of(critic: resnet.Critic, x: Tensor, y: Tensor, eps: Tensor, w: dict[str, Tensor]) -> Tensor:
    def look(t: Tensor) -> Tensor:
        logits: Tensor = functional_call(critic, w, (t,))
        return logits

    one, two = look(x), look(x)
    return consistency(judged(one, one[:, None]), judged(two, two[:, None])) + wgan_gp(look, x, y, eps)


def test_dropout_in_the_loss_and_inside_the_gradient_penalty_compiles_and_equals_eager():
    torch.manual_seed(0)
    critic = resnet.Critic(4, 32, 1, plans=resnet.WGAN_GP, dropout=(0.2, 0.5, 0.5))
    # As the engine keeps them, in channels_last memory.
    w = {k: v.detach() for k, v in critic.to(memory_format=torch.channels_last).named_parameters()}
    x, y, eps = torch.randn(3, 1, 32, 32), torch.randn(3, 1, 32, 32), torch.rand(3)

    def gradient(w: dict[str, Tensor]) -> dict[str, Tensor]:
        return grad(lambda w: loss_of(critic, x, y, eps, w))(w)

    ends = []
    for run in (gradient, gradient, torch.compile(gradient, backend="aot_eager", fullgraph=True)):
        torch.manual_seed(7)
        ends.append(run(w))
    for name in w:
        assert torch.equal(ends[0][name], ends[1][name])
        torch.testing.assert_close(ends[2][name], ends[0][name], rtol=1e-4, atol=1e-6)
    torch.manual_seed(8)
    assert any((ends[0][name] != v).any() for name, v in gradient(w).items())
    # Through double backward by hand, with the same masks.
    torch.manual_seed(7)
    leaves = {k: v.clone().requires_grad_() for k, v in w.items()}
    one, two = functional_call(critic, leaves, (x,)), functional_call(critic, leaves, (x,))
    e = eps[:, None, None, None]
    points = (e * x + (1 - e) * y).requires_grad_()
    (slopes,) = torch.autograd.grad(functional_call(critic, leaves, (points,)).sum(), points, create_graph=True)
    (1.1 * (one - two).square().mean() + (slopes.flatten(1).norm(dim=1) - 1).square().mean()).backward()
    for name, leaf in leaves.items():
        expected = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        torch.testing.assert_close(ends[0][name], expected, rtol=1e-4, atol=1e-6)
