"""What a critic says of samples, a Judgement, is one thing however it is asked: by itself, in a game, compiled."""

import copy
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import zerosum.conditioning
import zerosum.networks
from zerosum.conditioning import auxiliary, concat, projection
from zerosum.constraints import power_iteration, spectral_norm
from zerosum.core.game import Game, Nets, Player, State, gradient, play, start
from zerosum.core.optim import sgd
from zerosum.networks import biggan_deep, dcgan, infogan, mlp, resnet, semi_supervised
from zerosum.networks.autoencoder import Autoencoder, Encoder
from zerosum.networks.critic import BaseCritic, Judgement, feature_count
from zerosum.networks.layers.recompute import recomputed
from zerosum.networks.minibatch_critic import MinibatchCritic
from zerosum.networks.packing import Packed
from zerosum.objectives import relativistic
from zerosum.penalties import wgan_gp
from zerosum.renewal import Renewal

SAMPLES, CLASSES = 4, 3
POINTS, SMALL, LARGE = (2,), (1, 16, 16), (1, 32, 32)


@pytest.fixture(autouse=True)
def as_in_a_game() -> Iterator[None]:
    """Outside of one, spectral norm renews its vectors in each forward: the critic is another function each time."""
    with Renewal(by_caller=True):
        yield


def own_last(critic: Any) -> nn.Module:
    return critic.last  # type: ignore[no-any-return]


def packed_last(critic: Any) -> nn.Module:
    return critic.critic.last  # type: ignore[no-any-return]


def inner_last(critic: Any) -> nn.Module:
    return critic.net.last  # type: ignore[no-any-return]


class Case(NamedTuple):
    build: Callable[[], BaseCritic]
    shape: tuple[int, ...]
    features: int
    reader: Callable[[Any], nn.Module] = own_last  # what reads the features
    labels: bool = False  # is it told them?
    classes: int | None = None
    pack: int = 1


def autoencoder() -> Autoencoder:
    return Autoencoder(Encoder(mlp.Critic(POINTS, (6,)), 5), mlp.Generator(5, (6,), POINTS))


def projected() -> projection.Critic:
    return projection.Critic(dcgan.Critic(2, 16, 1, wrap=spectral_norm), CLASSES, wrap=spectral_norm)


CASES: dict[str, Case] = {
    "mlp": Case(lambda: mlp.Critic(POINTS, (6, 5)), POINTS, 5),
    "mlp of images": Case(lambda: mlp.Critic((1, 3, 3), (5,), wrap=weight_norm), (1, 3, 3), 5),
    "dcgan": Case(lambda: dcgan.Critic(2, 16, 1), SMALL, 4 * 16),
    "dcgan, spectral norm": Case(
        lambda: dcgan.Critic(2, 16, 1, norm=nn.Identity, wrap=spectral_norm, bias=True), SMALL, 4 * 16
    ),
    "dcgan, dropout": Case(lambda: dcgan.Critic(2, 16, 1, norm=nn.Identity, dropout=0.5), SMALL, 4 * 16),
    "infogan": Case(lambda: infogan.Critic(2, 16, 1), SMALL, 16 * 2),
    "resnet": Case(lambda: resnet.Critic(2, 32, 1), LARGE, 2),
    "resnet, recomputed": Case(lambda: resnet.Critic(2, 32, 1, pool=resnet.flatten, run=recomputed), LARGE, 2 * 64),
    "biggan-deep": Case(lambda: biggan_deep.Critic(4, 32, 1), LARGE, 4 * 4),
    "classifier": Case(lambda: semi_supervised.Classifier(2, 16, 1, CLASSES, dropout=0.5), SMALL, 4, classes=CLASSES),
    "minibatch": Case(lambda: MinibatchCritic(mlp.Critic(POINTS, (5,)), 3, 2), POINTS, 5 + 3),
    "minibatch twice": Case(
        lambda: MinibatchCritic(MinibatchCritic(mlp.Critic(POINTS, (5,)), 3, 2), 2, 2, wrap=weight_norm),
        POINTS,
        5 + 3 + 2,
    ),
    "packed": Case(lambda: Packed(mlp.Critic((4,), (5,)), 2), POINTS, 5, packed_last, pack=2),
    "packed minibatch": Case(
        lambda: Packed(MinibatchCritic(mlp.Critic((4,), (5,)), 3, 2), 2), POINTS, 5 + 3, packed_last, pack=2
    ),
    "autoencoder": Case(autoencoder, POINTS, 5, lambda c: c.decoder),
    "concat": Case(
        lambda: concat.Critic(dcgan.Critic(2, 16, 1 + CLASSES), CLASSES), SMALL, 4 * 16, inner_last, labels=True
    ),
    "projection": Case(projected, SMALL, 4 * 16, inner_last, labels=True),
    "projection, minibatch": Case(
        lambda: projection.Critic(MinibatchCritic(mlp.Critic(POINTS, (5,)), 3), CLASSES), POINTS, 8, inner_last, True
    ),
    "auxiliary": Case(
        lambda: auxiliary.Critic(dcgan.Critic(2, 16, 1), CLASSES), SMALL, 4 * 16, inner_last, classes=CLASSES
    ),
}
every_critic = pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])


class Batch(NamedTuple):
    x: Tensor
    y: Tensor | None
    z: Tensor


def made(case: Case) -> tuple[Any, Batch]:
    """A critic with random biases and gains too, in the middle of training; samples and labels."""
    torch.manual_seed(0)
    critic = case.build()
    with torch.no_grad():
        for weight in critic.parameters():
            weight += 0.1 * torch.randn_like(weight)
    x = torch.randn(SAMPLES, *case.shape)
    return critic, Batch(x, torch.arange(SAMPLES) % CLASSES if case.labels else None, torch.randn(SAMPLES, 3))


def ask(critic: Any, b: Batch) -> Judgement:
    torch.manual_seed(1)  # dropout draws from the global generator
    judged: Judgement = critic.judge(b.x, b.y)
    return judged


def check_same(found: Judgement, expected: Judgement) -> None:
    assert isinstance(found, Judgement)
    assert (found.classes is None) == (expected.classes is None)
    for name, one, other in zip(Judgement._fields, found, expected, strict=True):
        assert one is None or torch.equal(one, other), name


# A critic by itself.


def subclasses(kind: type[BaseCritic]) -> Iterator[type[BaseCritic]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from subclasses(sub)


def test_every_critic_of_the_library_is_tested_here() -> None:
    for package in (zerosum.networks, zerosum.conditioning):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    critics = {kind for kind in subclasses(BaseCritic) if kind.__module__.startswith("zerosum.")}
    assert critics == {type(case.build()) for case in CASES.values()}


@every_critic
def test_forward_is_the_logits_of_the_judgement(case: Case) -> None:
    critic, b = made(case)
    judged = ask(critic, b)
    torch.manual_seed(1)
    assert torch.equal(critic(b.x, b.y) if case.labels else critic(b.x), judged.logits)
    assert judged.logits.shape == (SAMPLES // case.pack,)
    assert judged.features.shape == (SAMPLES // case.pack, case.features)
    assert (judged.classes is None) == (case.classes is None)
    if judged.classes is not None:
        assert judged.classes.shape == (SAMPLES, case.classes)


@every_critic
def test_logits_are_not_rounded_under_autocast(case: Case) -> None:
    critic, b = made(case)
    read: list[Tensor] = []
    if not isinstance(critic, Autoencoder):  # whose energies are means of squares
        case.reader(critic).register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    with torch.autocast("cpu", torch.bfloat16):
        judged = ask(critic, b)
    assert judged.logits.dtype == torch.float32
    assert judged.classes is None or judged.classes.dtype == torch.float32
    (features,) = read or [torch.zeros(())]
    if features.dim() and case.classes is None and not isinstance(critic, projection.Critic):
        last = case.reader(critic).eval()
        torch.testing.assert_close(judged.logits, last(features).squeeze(1), rtol=1e-6, atol=1e-6)
        assert not torch.equal(judged.logits, judged.logits.bfloat16().float())


def test_a_relativistic_loss_in_bf16_is_that_of_exact_logits_of_its_features() -> None:
    torch.manual_seed(0)
    critic = mlp.Critic(POINTS, (8,))
    with torch.no_grad():
        critic.last.bias += 40.0  # which a relativistic loss does not see; in bf16 logits near 40 are 0.25 apart
    x, fake = torch.randn(2, 64, 2)
    with torch.autocast("cpu", torch.bfloat16):
        real, made_up = critic.judge(x), critic.judge(fake)
        found = relativistic.d(real.logits, made_up.logits)
    (w,), c = critic.last.weight.detach().double().numpy(), 40.0
    one, other = (judged.features.detach().double().numpy() @ w + c for judged in (real, made_up))
    assert found.item() == pytest.approx(np.log1p(np.exp(other - one)).mean(), rel=1e-5)


@every_critic
def test_features_are_what_the_last_layer_reads_and_every_layer_runs_once(case: Case) -> None:
    critic, b = made(case)
    read: list[Tensor] = []
    case.reader(critic).register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    runs = Counter[nn.Module]()
    for layer in critic.modules():
        if any(True for _ in layer.parameters(recurse=False)):
            layer.register_forward_pre_hook(lambda module, inputs: runs.update([module]))
    judged = ask(critic, b)
    assert len(read) == 1
    assert torch.equal(read[0], judged.features)
    assert set(runs.values()) == {1}


@every_critic
def test_every_part_of_a_judgement_is_differentiated(case: Case) -> None:
    critic, b = made(case)
    critic.double()
    x, step, to = b.x.double().requires_grad_(), 1e-6, torch.randn_like(b.x.double())
    for name, part in zip(Judgement._fields, ask(critic, b._replace(x=x)), strict=True):
        if part is None:
            continue
        weights = torch.randn_like(part)
        (slope,) = torch.autograd.grad((weights * part).sum(), x, retain_graph=True)
        ends = [getattr(ask(critic, b._replace(x=x + sign * step * to)), name) for sign in (1, -1)]
        difference = (weights * (ends[0] - ends[1])).sum().item() / (2 * step)
        assert (slope * to).sum().item() == pytest.approx(difference, rel=1e-4, abs=1e-7), name


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if hasattr(case.build(), "last")])
def test_features_and_the_last_layer_together_are_the_critic(name: str) -> None:
    case = CASES[name]
    critic, b = made(case)
    torch.manual_seed(1)
    said = critic.last(features := critic.features(b.x))
    judged = ask(critic, b)
    assert torch.equal(features, judged.features)
    if name == "classifier":  # Z(x) / (Z(x) + 1) with Z the sum of exponentials: its logit is log Z
        assert judged.classes is not None
        assert torch.equal(said, judged.classes)
        torch.testing.assert_close(judged.logits, said.exp().sum(1).log())
    else:
        assert torch.equal(said.squeeze(1), judged.logits)


def test_labels_move_only_critics_that_are_told_them() -> None:
    for name, case in CASES.items():
        critic, b = made(case)
        others = [b._replace(y=(torch.arange(SAMPLES) + 1) % CLASSES), b._replace(y=torch.eye(CLASSES)[[0, 2, 1, 0]])]
        told = [not torch.equal(ask(critic, other).logits, ask(critic, b).logits) for other in others]
        assert told == [case.labels] * 2, name


@pytest.mark.parametrize("name", ["concat", "projection"])
def test_critics_that_are_told_labels_ask_for_them(name: str) -> None:
    critic, b = made(CASES[name])
    for question in (critic, critic.judge):
        with pytest.raises(TypeError, match=r"is told the label: call it with \(x, y\)"):
            question(b.x)


def test_the_class_logits_of_the_auxiliary_classifier_are_linear_in_the_features() -> None:
    critic, b = made(CASES["auxiliary"])
    judged = ask(critic, b)
    assert judged.classes is not None
    layer = critic.classify
    torch.testing.assert_close(judged.classes, F.linear(judged.features, layer.weight, layer.bias))


def test_an_autoencoders_judgement_is_its_energy_and_its_codes() -> None:
    critic, b = made(CASES["autoencoder"])
    judged = ask(critic, b)
    assert torch.equal(judged.features, critic.encoder(b.x))
    torch.testing.assert_close(judged.logits, (critic.reconstruct(b.x) - b.x).square().mean(1))


def test_a_critic_needs_features() -> None:
    with pytest.raises(NotImplementedError, match="BaseCritic must define features"):
        BaseCritic()(torch.zeros(1, 2))


# How many features there are.


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if hasattr(case.build(), "last")])
def test_feature_count_is_the_width_of_the_features(name: str) -> None:
    assert feature_count(CASES[name].build()) == CASES[name].features


class Featureless(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(3, 1)


class Headless(mlp.Critic):
    def __init__(self) -> None:
        super().__init__(POINTS, (5,))
        self.last = nn.Identity()


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Linear(3, 1),
        Featureless,
        Headless,
        *[case.build for case in CASES.values() if not hasattr(case.build(), "last")],
    ],
)
def test_feature_count_refuses_what_has_nothing_to_build_on(build: Callable[[], nn.Module]) -> None:
    net = build()
    with pytest.raises(TypeError, match=f"^{type(net).__name__} has no `features` with a linear layer `last`"):
        feature_count(net)


@pytest.mark.parametrize(
    "wrap", [lambda net: auxiliary.Critic(net, 3), lambda net: projection.Critic(net, 3), lambda net: Encoder(net, 2)]
)
def test_what_is_built_on_features_refuses_networks_without_any(wrap: Callable[[nn.Module], nn.Module]) -> None:
    with pytest.raises(TypeError, match=r"^Linear has no `features` with a linear layer `last`"):
        wrap(nn.Linear(3, 1))


# In a game.


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
