"""Each way a label enters a network, against the formula written out."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.conditioning import concat, projection
from zerosum.networks import dcgan, mlp, resnet
from zerosum.networks.common import parameter_count
from zerosum.networks.critic import BaseCritic, Judgement


def test_a_generator_gets_the_code_after_the_latent() -> None:
    code = concat.Generator(nn.Identity(), 3)(torch.tensor([[0.5, -1.0], [2.0, 3.0]]), torch.tensor([2, 0]))
    assert code.tolist() == [[0.5, -1.0, 0, 0, 1], [2.0, 3.0, 1, 0, 0]]


class Echo(BaseCritic):
    """Says what it sees."""

    def judge(self, x: Tensor, y: Tensor | None = None) -> Judgement:
        return Judgement(logits=x, features=x)


def test_a_critic_gets_a_plane_for_each_class() -> None:
    x, y = torch.randn(2, 1, 4, 4), torch.tensor([1, 0])
    planes = concat.Critic(Echo(), 2)(x, y)
    assert planes.shape == (2, 3, 4, 4)
    assert (planes[:, :1] == x).all()
    assert planes[:, 1:].mean((2, 3)).tolist() == [[0, 1], [1, 0]]
    assert set(planes[:, 1:].unique().tolist()) == {0, 1}


@pytest.mark.parametrize(
    "net",
    [dcgan.Critic(4, 32, 1), resnet.Critic(8, 32, 1), mlp.Critic((1, 32, 32), (16, 16))],
    ids=["dcgan", "resnet", "mlp"],
)
def test_projection_is_a_linear_layer_plus_a_product_with_the_class_vector(net: nn.Module) -> None:
    critic = projection.Critic(net, 10).eval()
    x, y = torch.randn(6, 1, 32, 32), torch.tensor([0, 9, 3, 3, 5, 1])
    phi = net.features(x)  # type: ignore[operator]
    # One-hot times the table, in place of a look-up: Eq. 3 as it is printed, y^T V phi(x) + psi(phi(x)).
    product = torch.einsum("bk,kf,bf->b", F.one_hot(y, 10).float(), critic.embedding.weight, phi)
    torch.testing.assert_close(critic(x, y), product + net(x), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(critic.judge(x, y).features, phi)
    assert parameter_count(critic) == parameter_count(net) + 10 * phi.shape[1]


@pytest.mark.parametrize("conditional", [concat.Critic, projection.Critic])
def test_a_critic_that_is_told_the_label_says_so_without_one(conditional: type[BaseCritic]) -> None:
    with pytest.raises(TypeError, match=r"is told the label: call it with \(x, y\)"):
        conditional(mlp.Critic((2,), (4,)), 3)(torch.randn(5, 2))


def test_projection_needs_features_to_project_on() -> None:
    with pytest.raises(TypeError, match="Linear has no `features`"):
        projection.Critic(nn.Linear(2, 1), 10)


def test_labels_are_drawn_evenly() -> None:
    from zerosum.latent.priors import labels

    drawn = labels(3)(30_000, torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn, minlength=3)
    assert drawn.dtype == torch.int64
    assert ((counts - 10_000).abs() < 4 * 82).all()  # standard deviation sqrt(30000 * 2/9) = 82
