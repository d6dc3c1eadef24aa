"""Every family of networks in the hands of people: plain loops, copies, files, replicas, torch.export."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from zerosum.conditioning import adain, auxiliary, batch_norm, biggan, concat, embedding, projection
from zerosum.constraints import clip, enforce, spectral_norm
from zerosum.core.game import Game, Player, play, start
from zerosum.core.optim import adam
from zerosum.networks import autoencoder, biggan_deep, completion, dcgan, heads, infogan, mlp, resnet, semi_supervised
from zerosum.networks.layers import BatchNorm, LayerNorm, Maxout
from zerosum.networks.layers.batch_norm import standing_statistics
from zerosum.networks.layers.recompute import recomputed
from zerosum.networks.layers.virtual_batch_norm import Referenced, VirtualBatchNorm
from zerosum.networks.minibatch_critic import MinibatchCritic
from zerosum.networks.packing import Packed
from zerosum.penalties import r1

B, K = 4, 3
GREY, LARGE = (1, 16, 16), (1, 32, 32)


class Family(NamedTuple):
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]  # of one input
    labels: bool = False
    pack: int = 1
    plain: bool = True  # is a step of a game that of a plain loop? (spectral norm is renewed at another time)


def virtual() -> nn.Module:
    net = dcgan.Generator(5, 2, 16, 1, norm=partial(VirtualBatchNorm, reference=3))
    return Referenced(net, torch.randn(3, 5))


def completing() -> nn.Module:
    known = torch.zeros(16, 16, dtype=torch.bool)
    known[:, :8] = True
    return completion.Generator(known, 5, 2, 1)


class Completed(nn.Module):
    """The completion network as a function of one tensor, as the others are."""

    def __init__(self) -> None:
        super().__init__()
        self.net = completing()

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z, torch.tanh(z[:, :1, None, None].expand(-1, 1, 16, 16)))


def cifar(kind: Any, **other: Any) -> nn.Module:
    return resnet.Generator(6, 2, 32, 1, norm=kind, last_norm=BatchNorm, **other)


wrapped = {"wrap": spectral_norm}
FAMILIES = {
    # generators
    "mlp": Family(lambda: mlp.Generator(5, (6,)), (5,)),
    "dcgan": Family(lambda: dcgan.Generator(5, 2, 16, 1), (5,)),
    "infogan": Family(lambda: infogan.Generator(5, 2, 16, 1), (5,)),
    "resnet": Family(lambda: resnet.Generator(6, 2, 32, 1), (6,)),
    "resnet, recomputed": Family(lambda: resnet.Generator(6, 2, 32, 1, run=recomputed), (6,)),
    "resnet, attention": Family(lambda: resnet.Generator(6, 8, 32, 1, attention=(16,), **wrapped), (6,), plain=False),
    "biggan-deep": Family(lambda: biggan_deep.Generator(6, 4, 32, 1), (6,)),
    "virtual batch norm": Family(virtual, (5,)),
    "completion": Family(Completed, (5,)),
    "decoder": Family(lambda: autoencoder.EluDecoder(5, 2, 32, 1), (5,)),
    "bernoulli": Family(lambda: autoencoder.BernoulliDecoder(5, 2, 16, 1), (5,)),
    "concatenated": Family(lambda: concat.Generator(mlp.Generator(5 + K, (6,)), K), (5,), labels=True),
    "class batch norm": Family(lambda: cifar(partial(batch_norm.ClassBatchNorm, classes=K)), (6,), labels=True),
    "class adain": Family(lambda: cifar(partial(adain.ClassAdaIN, classes=K)), (6,), labels=True),
    "shared adain": Family(
        lambda: embedding.SharedGenerator(cifar(partial(adain.AdaIN, inputs=4)), K, 4), (6,), labels=True
    ),
    "biggan": Family(lambda: biggan.biggan_pair(32, 1, K, latent=8, width=8, shared=4)[0], (8,), True, plain=False),
    "biggan-deep, labels": Family(
        lambda: biggan.biggan_deep_pair(32, 1, K, latent=4, width=16, shared=4)[0], (4,), True, plain=False
    ),
    # critics
    "mlp critic": Family(lambda: mlp.Critic((2,), (6,)), (2,)),
    "maxout critic": Family(lambda: mlp.Critic((2,), (6,), layer=Maxout, activation=nn.Identity()), (2,)),
    "dcgan critic": Family(lambda: dcgan.Critic(2, 16, 1), GREY),
    "dcgan critic, layer norm": Family(lambda: dcgan.Critic(2, 16, 1, norm=LayerNorm), GREY),
    "dcgan critic, dropout": Family(lambda: dcgan.Critic(2, 16, 1, dropout=0.5), GREY),
    "sngan critic": Family(lambda: resnet.Critic(2, 32, 1, **wrapped), LARGE, plain=False),
    "sngan critic, recomputed": Family(lambda: resnet.Critic(2, 32, 1, **wrapped, run=recomputed), LARGE, plain=False),
    "resnet critic": Family(lambda: resnet.Critic(8, 32, 1, dropout=(0.2, 0.5, 0.5), attention=(16,)), LARGE),
    "infogan critic": Family(lambda: infogan.Critic(2, 16, 1), GREY),
    "biggan-deep critic": Family(lambda: biggan_deep.Critic(4, 32, 1), LARGE),
    "classifier": Family(lambda: semi_supervised.Classifier(2, 16, 1, K), GREY),
    "minibatch": Family(lambda: MinibatchCritic(mlp.Critic((2,), (6,)), 3, 2), (2,)),
    "packed": Family(lambda: Packed(mlp.Critic((4,), (6,)), 2), (2,), pack=2),
    "ebgan": Family(lambda: autoencoder.ebgan_pair(GREY, 5, 2, 4, 3)[1], GREY),
    "began": Family(lambda: autoencoder.began_pair(LARGE, 5, 2)[1], LARGE),
    "concatenated critic": Family(lambda: concat.Critic(dcgan.Critic(2, 16, 1 + K), K), GREY, labels=True),
    "projection": Family(
        lambda: projection.Critic(dcgan.Critic(2, 16, 1, **wrapped), K, **wrapped), GREY, True, plain=False
    ),
    "auxiliary": Family(lambda: auxiliary.Critic(dcgan.Critic(2, 16, 1), K), GREY),
    "head": Family(lambda: heads.Head(6, 4, 2), (6,)),
}
every_family = pytest.mark.parametrize("name", FAMILIES)


def made(name: str, batch: int = B) -> tuple[nn.Module, tuple[Tensor, ...]]:
    family = FAMILIES[name]
    torch.manual_seed(0)
    net = family.build()
    return net, inputs(name, batch)


def inputs(name: str, batch: int) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(batch)
    x = torch.randn(batch, *FAMILIES[name].shape, generator=rng)
    return (x, torch.arange(batch) % K) if FAMILIES[name].labels else (x,)


def loss_of(out: Tensor) -> Tensor:
    return F.softplus(out.float()).mean() + (out - 1).square().mean()


@every_family
def test_a_plain_loop_trains_it(name: str):
    net, args = made(name)
    before = {k: w.detach().clone() for k, w in net.named_parameters()}
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = loss_of(net(*args)) + loss_of(net(*args))  # twice, as a critic is called
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[1:]) < losses[0]
    still = [k for k, w in net.named_parameters() if torch.equal(w, before[k])]
    assert not [k for k in still if "attention" not in k and "auxiliary" not in name], still


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.plain])
def test_a_step_of_a_game_is_one_of_a_plain_loop(name: str):
    net, args = made(name)
    player = Player(("N",), lambda n, b, m: {"loss": loss_of(n.N(*b)) + loss_of(n.N(*b))})
    game = Game({"N": copy.deepcopy(net)}, {"N": adam(1e-2)}, {"p": player})
    torch.manual_seed(1)
    state, _ = play(game, "p", start(game, channels_last=False), args)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    torch.manual_seed(1)
    (loss_of(net(*args)) + loss_of(net(*args))).backward()
    for weight in net.parameters():
        weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
    optimizer.step()
    for key, value in (*net.named_parameters(), *net.named_buffers()):
        found = (state.weights["N"] | state.buffers["N"])[key]
        torch.testing.assert_close(found, value.detach(), rtol=1e-4, atol=1e-4, msg=key)


@every_family
def test_copies_states_and_files_are_the_same_network(name: str):
    net, args = made(name)
    net(*args)
    net.eval()
    expected = net(*args)
    fresh, _ = made(name)
    for weight in fresh.parameters():
        nn.init.normal_(weight)
    fresh.load_state_dict(net.state_dict())
    others = [copy.deepcopy(net), fresh.eval()]
    if not any(is_parametrized(module) for module in net.modules()):  # torch's weight_norm is refused by torch.save
        file = io.BytesIO()
        torch.save(net, file)
        file.seek(0)
        others.append(torch.load(file, weights_only=False))
    for other in others:
        assert torch.equal(other(*args), expected)
        assert {k for k, _ in other.named_parameters()} == {k for k, _ in net.named_parameters()}
        with torch.no_grad():
            for weight in other.parameters():
                weight.add_(1)
        assert not torch.equal(other(*args), expected)  # its weights are those it uses
        assert torch.equal(net(*args), expected)


@every_family
def test_a_replica_uses_its_own_weights(name: str):
    """What nn.DataParallel does on each device: shallow copies with other tensors in them."""
    net, args = made(name)
    net.eval()
    twin = copy.deepcopy(net)
    with torch.no_grad():
        for weight in twin.parameters():
            weight.mul_(1.5)
    modules = list(net.modules())
    replicas = {module: module._replicate_for_data_parallel() for module in modules}
    for module, other in zip(modules, twin.modules(), strict=True):
        replica = replicas[module]
        replica._modules = {k: None if m is None else replicas[m] for k, m in module._modules.items()}
        for key, weight in module._parameters.items():
            if weight is None:
                replica._parameters[key] = None
            else:
                setattr(replica, key, other._parameters[key] * 1)
        replica._buffers = dict(other._buffers)
    torch.testing.assert_close(replicas[net](*args), twin(*args))


SLOW = {  # to compile
    *("biggan", "biggan-deep, labels", "biggan-deep", "biggan-deep critic", "sngan critic, recomputed"),
    *("resnet, attention", "resnet, recomputed", "shared adain", "class adain", "began", "resnet critic"),
}


def all_but_slow(names: Iterable[str]) -> Any:
    marked = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in names]
    return pytest.mark.parametrize("name", marked)


@all_but_slow(FAMILIES)
def test_it_is_exported_for_any_batch(name: str):
    net, args = made(name, 2 * B)
    net(*args)
    net.eval()
    half = torch.export.Dim("half", min=2, max=512)
    batch = 2 * half if FAMILIES[name].pack == 2 else torch.export.Dim("batch", min=2, max=1024)
    program = torch.export.export(net, args, dynamic_shapes=[{0: batch} for _ in args])
    for size in (2 * FAMILIES[name].pack, 6, 2 * B):
        other = inputs(name, size)
        torch.testing.assert_close(program.module()(*other), net(*other), rtol=1e-4, atol=1e-5)


@all_but_slow(["mlp critic", "dcgan critic, layer norm", "sngan critic", "resnet, attention", "biggan"])
def test_it_is_exported_for_training(name: str):
    net, args = made(name)
    program = torch.export.export(net, args)
    plain = copy.deepcopy(net)
    module = program.module()
    torch.testing.assert_close(module(*args), plain(*args), rtol=1e-4, atol=1e-5)
    for key, value in plain.named_buffers():  # it writes what the network writes
        torch.testing.assert_close(module.get_buffer(key), value, rtol=1e-4, atol=1e-5)


@all_but_slow(["dcgan", "sngan critic", "sngan critic, recomputed", "biggan", "minibatch", "projection"])
def test_compiled_it_trains_as_uncompiled(name: str):
    torch._dynamo.reset()
    net, args = made(name)
    plain = copy.deepcopy(net)
    compiled = torch.compile(net, backend="aot_eager")
    for other in (compiled, plain):
        loss_of(other(*args)).backward()
        loss_of(other(*args)).backward()
    for (key, a), b in zip(net.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-5, msg=key)
    for (key, a), b in zip(net.named_buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=key)


@pytest.mark.parametrize("name", ["dcgan critic", "biggan", "sngan critic", "minibatch", "virtual batch norm"])
def test_under_autocast_a_plain_loop_goes_on(name: str):
    net, args = made(name)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        loss = loss_of(net(*args)) + loss_of(net(*args))
    loss.backward()
    optimizer.step()
    assert all(w.isfinite().all() and w.dtype == torch.float32 for w in net.parameters())


def test_a_submodule_that_is_replaced_is_the_one_that_is_used():
    for run in (None, recomputed):
        net = resnet.Critic(2, 32, 1, **({} if run is None else {"run": run}))
        x = torch.randn(2, *LARGE)
        expected = net(x)
        net.blocks[1] = copy.deepcopy(net.blocks[1])
        assert torch.equal(net(x), expected)
        with torch.no_grad():
            for weight in net.blocks[1].parameters():
                weight.mul_(2)
        assert not torch.equal(net(x), expected)


def test_weight_clipping_in_a_plain_loop():
    torch.manual_seed(0)
    net = dcgan.Critic(2, 16, 1)
    project = clip(0.01)
    mean = net.norms[1].running_mean.fill_(3.0).clone()
    enforce(net, project)
    assert max(w.abs().max().item() for w in net.parameters()) == pytest.approx(0.01)
    assert torch.equal(net.norms[1].running_mean, mean)  # weights alone are clipped
    assert all(w.requires_grad and w.is_leaf for w in net.parameters())


def test_an_average_of_torch_s_takes_statistics_along_and_is_sampled():
    torch.manual_seed(0)
    net = dcgan.Generator(5, 2, 16, 1)
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.5), use_buffers=True
    )
    average.update_parameters(net)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(1)
    net(torch.randn(8, 5))
    average.update_parameters(net)
    torch.testing.assert_close(average.module.first.weight, net.first.weight - 0.5)
    expected = net.norms[0].running_mean * 0.5
    torch.testing.assert_close(average.module.norms[0].running_mean, expected)
    standing_statistics(average.module, [(torch.randn(8, 5),) for _ in range(3)])
    assert not torch.equal(average.module.norms[0].running_mean, expected)


class Lightning(nn.Module):
    """The parts of Lightning's manual optimisation that a GAN uses, as its documentation shows them."""

    automatic_optimization = False

    def __init__(self, g: nn.Module, d: nn.Module) -> None:
        super().__init__()
        self.g, self.d = g, d

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(net.parameters(), 2e-3, betas=(0.0, 0.9)) for net in (self.g, self.d)]

    def toggle_optimizer(self, owned: nn.Module) -> None:
        """Only these weights are differentiated."""
        for weight in self.parameters():
            weight.requires_grad_(False)
        for weight in owned.parameters():
            weight.requires_grad_(True)

    def untoggle_optimizer(self) -> None:
        for weight in self.parameters():
            weight.requires_grad_(True)

    def training_step(self, batch: Tensor, optimizers: list[torch.optim.Optimizer], penalty: Any) -> Tensor:
        g_opt, d_opt = optimizers
        z = torch.randn(len(batch), 2)
        self.toggle_optimizer(self.d)
        d_loss = (
            F.relu(1 - self.d(batch)).mean() + F.relu(1 + self.d(self.g(z).detach())).mean() + penalty(self.d, batch)
        )
        d_opt.zero_grad()
        d_loss.backward()
        d_opt.step()
        self.untoggle_optimizer()
        self.toggle_optimizer(self.g)
        g_loss = -self.d(self.g(z)).mean()
        g_opt.zero_grad()
        g_loss.backward()
        g_opt.step()
        self.untoggle_optimizer()
        return d_loss.detach()


def test_the_protocol_of_lightning_s_manual_optimisation():
    torch.manual_seed(0)
    module = Lightning(mlp.Generator(2, (32,)), mlp.Critic((2,), (32, 32), wrap=spectral_norm))
    optimizers = module.configure_optimizers()
    data = torch.randn(64, 2) * 0.1 + 2
    for _ in range(300):
        module.training_step(data, optimizers, lambda d, x: 0.1 * r1(d, x))
    made_of = module.g(torch.randn(256, 2)).mean(0)
    assert (made_of - 2).norm() < 1
    for layer in (*module.d.layers, module.d.last):
        norm = torch.linalg.svdvals(layer.weight.detach())[0] / layer.sigma().detach()
        assert norm.item() == pytest.approx(1, abs=0.05)
