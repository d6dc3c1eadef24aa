"""What a critic says of samples is the same in a game: values, gradients, buffers, one graph when it is compiled."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from every_critic import (
    CASES,
    POINTS,
    SAMPLES,
    Batch,
    Case,
    ask,
    check_same,
    every_critic,
    made,
)
from torch import Tensor, nn

from zerosum.constraints import power_iteration
from zerosum.core.game import Game, Nets, Player, State, gradient, play, start
from zerosum.core.optim import sgd
from zerosum.networks import mlp
from zerosum.networks.critic import BaseCritic, Judgement
from zerosum.penalties import wgan_gp
from zerosum.renewal import Renewal


@pytest.fixture(autouse=True)
def as_in_a_game() -> Iterator[None]:
    """Outside of one, spectral norm renews its vectors in each forward: the critic is another function each time."""
    with Renewal(by_caller=True):
        yield


def terms(critic: Any, b: Batch) -> dict[str, Tensor]:
    """A loss that reads every part of a judgement."""
    judged: Judgement = critic.judge(b.x, b.y)
    found = {"logits": F.softplus(-judged.logits).mean(), "features": judged.features.square().mean()}
    return found | ({} if judged.classes is None else {"classes": judged.classes.logsumexp(1).mean()})


def game_of(critic: BaseCritic, loss: Callable[..., dict[str, Tensor]] | None = None) -> Game:
    def d_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
        return terms(n.D, b)

    normed = any(getattr(module, "needs_projection", False) for module in critic.modules())
    project = {"D": power_iteration(critic)} if normed else {}
    return Game({"D": critic}, {"D": sgd(0.1)}, {"D": Player(("D",), loss or d_loss)}, project=project)


def moved(game: Game) -> tuple[State, BaseCritic]:
    """A state with other weights than the module has, and a module that has them."""
    state = start(game, channels_last=False)
    state = state._replace(weights={"D": {k: w + 0.1 * torch.randn_like(w) for k, w in state.weights["D"].items()}})
    critic: Any = copy.deepcopy(game.nets["D"])
    with torch.no_grad():
        for name, weight in critic.named_parameters():
            weight.copy_(state.weights["D"][name])
    return state, critic


def copied(state: State) -> State:
    return state._replace(buffers={n: {k: b.clone() for k, b in bs.items()} for n, bs in state.buffers.items()})


@every_critic
def test_in_a_game_it_is_the_judgement_of_the_module_with_the_weights_of_the_state(case: Case) -> None:
    critic, b = made(case)
    game = game_of(critic)
    state, other = moved(game)
    found = ask(Nets(game, copied(state), b).D, b)
    check_same(found, ask(other, b))
    assert not torch.equal(found.logits, ask(critic, b).logits)
    torch.manual_seed(1)
    n = Nets(game, copied(state), b)
    assert torch.equal(n.D(b.x, b.y) if case.labels else n.D(b.x), found.logits)


@every_critic
@pytest.mark.parametrize("differentiable", [True, False])
def test_its_gradient_is_that_of_autograd(case: Case, differentiable: bool) -> None:
    critic, b = made(case)
    game = game_of(critic)
    state, other = moved(game)
    torch.manual_seed(1)
    grads, said, _ = gradient(game, "D", state, b, differentiable=differentiable)
    torch.manual_seed(1)
    expected = terms(other, b)
    sum(expected.values(), torch.zeros(())).backward()
    torch.testing.assert_close(said, {k: v.detach() for k, v in expected.items()})
    reached = {name for name, weight in other.named_parameters() if weight.grad is not None}
    assert reached, "the loss depends on the weights"
    for name, weight in other.named_parameters():
        wanted = torch.zeros_like(weight) if weight.grad is None else weight.grad
        torch.testing.assert_close(grads["D"][name], wanted, rtol=1e-4, atol=1e-6, msg=name)


@every_critic
def test_it_writes_the_buffers_of_the_state_and_not_the_modules(case: Case) -> None:
    critic, b = made(case)
    game = game_of(critic)
    state, other = moved(game)
    own = {k: v.clone() for k, v in critic.named_buffers()}
    given = copied(state)
    torch.manual_seed(1)
    _, _, after = gradient(game, "D", state, b)
    torch.manual_seed(1)
    terms(other, b)
    expected = dict(other.named_buffers())
    assert after.buffers["D"].keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(after.buffers["D"][name], value, msg=name)
        assert torch.equal(dict(critic.named_buffers())[name], own[name]), "the module was changed"
        assert torch.equal(state.buffers["D"][name], given.buffers["D"][name]), "the state given was changed"
    wrote = any(not torch.equal(after.buffers["D"][k], v) for k, v in own.items())
    assert wrote == any("running" in name or "mean" in name for name in own)


# Seconds each; recipes with such critics are compiled, too.
AT_ONCE = ("autoencoder", "dcgan, spectral norm", "packed minibatch", "projection, minibatch")


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=n, marks=[pytest.mark.slow] * (n not in AT_ONCE)) for n, c in CASES.items()],
)
def test_an_update_is_one_graph(case: Case) -> None:
    critic, b = made(case)
    game = game_of(critic)
    ends = []
    for compiled in (False, True):
        torch._dynamo.reset()
        run = torch.compile(play, backend="eager", fullgraph=True) if compiled else play
        torch.manual_seed(1)
        ends.append(run(game, "D", start(game), b))
    torch.testing.assert_close(ends[1], ends[0], rtol=1e-4, atol=1e-6)


def test_a_generator_learns_through_a_judgement() -> None:
    torch.manual_seed(0)
    nets = {"G": nn.Linear(3, 2), "D": mlp.Critic(POINTS, (5,), activation=torch.tanh)}
    b = Batch(torch.randn(6, 2), None, torch.randn(6, 3))

    def g_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
        real, fake = n.D.judge(b.x).features, n.D.judge(n.G(b.z)).features
        return {"fm": (real.mean(0) - fake.mean(0)).square().sum()}

    game = Game(nets, {"G": sgd(0.1)}, {"G": Player(("G",), g_loss)})
    grads, said, _ = gradient(game, "G", start(game), b)
    module: Any = nets["D"]
    loss = (module.features(b.x).mean(0) - module.features(nets["G"](b.z)).mean(0)).square().sum()
    wanted = torch.autograd.grad(loss, list(nets["G"].parameters()))
    torch.testing.assert_close(said["fm"], loss.detach())
    torch.testing.assert_close(list(grads["G"].values()), list(wanted))


@pytest.mark.parametrize("name", ["mlp", "dcgan", "minibatch", "auxiliary"])
def test_gradient_penalties_through_a_judgement_are_those_through_the_critic(name: str) -> None:
    critic, b = made(CASES[name])
    fake, eps = torch.randn_like(b.x), torch.rand(SAMPLES)

    def through(look: Callable[[Nets], Callable[[Tensor], Tensor]]) -> tuple[dict[str, Tensor], Tensor]:
        game = game_of(critic, lambda n, b, m: {"gp": wgan_gp(look(n), b.x, fake, eps)})
        grads, said, _ = gradient(game, "D", start(game), b)
        return grads["D"], said["gp"]

    found = through(lambda n: lambda x: n.D.judge(x).logits)
    expected = through(lambda n: n.D)
    torch.testing.assert_close(found, expected)
    assert max(float(g.abs().max()) for g in found[0].values()) > 0


# Methods in a game.


def test_other_methods_are_those_of_the_module_too() -> None:
    critic, b = made(CASES["autoencoder"])
    game = game_of(critic)
    state, other = moved(game)
    n = Nets(game, state, b)
    assert torch.equal(n.D.reconstruct(b.x), other.reconstruct(b.x))
    assert torch.equal(n.D.features(x=b.x), other.features(b.x))
    assert n.D.weights is state.weights["D"]


@pytest.mark.parametrize("name", ["judgement", "state_dict", "eval", "last", "_calls", "energy"])
def test_methods_that_a_network_has_not_are_named_together_with_those_it_has(name: str) -> None:
    critic, b = made(CASES["autoencoder"])
    game = game_of(critic)
    message = f"no method '{name}'; it has features, judge, reconstruct$"
    with pytest.raises(AttributeError, match=message):
        getattr(Nets(game, start(game), b).D, name)
