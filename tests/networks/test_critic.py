"""What a critic says of samples, a Judgement, is one thing however it is asked."""

import pkgutil
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from every_critic import CASES, CLASSES, POINTS, SAMPLES, Case, ask, every_critic, made
from torch import Tensor, nn

import zerosum.conditioning
import zerosum.networks
from zerosum.conditioning import auxiliary, projection
from zerosum.networks import mlp
from zerosum.networks.autoencoder import Autoencoder, Encoder
from zerosum.networks.critic import BaseCritic, Judgement, feature_count
from zerosum.objectives import relativistic
from zerosum.renewal import Renewal


@pytest.fixture(autouse=True)
def as_in_a_game() -> Iterator[None]:
    """Outside of one, spectral norm renews its vectors in each forward: the critic is another function each time."""
    with Renewal(by_caller=True):
        yield


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
