"""One update by one player, against the same step written by hand with modules, autograd and torch.optim."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_gan import Batch, batch, by_hand, d_loss, differs, g_loss, gan, networks
from torch import Tensor, nn

from zerosum.core.game import Game, Nets, Player, apply, field, gradient, play, start
from zerosum.core.optim import adam, sgd
from zerosum.penalties import wgan_gp

# What a game refuses.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"players": {"G": Player(("G", "E"), g_loss)}}, "player 'G' owns 'E'; known: 'G', 'D'"),
        ({"opts": {"G": sgd(0.1)}}, "player 'D' owns, without an optimizer .* 'D'"),
        ({"players": {"G": Player((), g_loss)}}, "'G' must own a network"),
        ({"players": {"G": Player(("G",), g_loss, steps=0)}}, "'G' .* `steps` and `every` must be at least 1"),
        ({"players": {"G": Player(("G",), g_loss, every=0)}}, "'G' .* `steps` and `every` must be at least 1"),
        ({"players": {}}, "at least one player"),
        ({"accumulate": 0}, "`accumulate` must be at least 1"),
        ({"project": {"E": None}}, "`project` names 'E'"),
        ({"average": {"E": None}}, "`average` names 'E'"),
        ({"opts": {"G": sgd(0.1), "D": sgd(0.1), "E": sgd(0.1)}}, "`opts` names 'E'"),
    ],
)
def test_rules_that_cannot_be_played_are_refused(options: dict[str, Any], message: str):
    nets = networks()
    rules = {"opts": {n: sgd(0.1) for n in nets}, "players": gan(nets).players} | options
    with pytest.raises(ValueError, match=message):
        Game(nets, **rules)


def test_weights_shared_between_networks_are_refused():
    nets = networks()
    nets["Q"] = nn.Sequential(nets["D"][0], nn.Linear(5, 2))
    with pytest.raises(ValueError, match=r"'D' and 'Q' hold the same weight \(0.weight\)"):
        gan(nets)
    tied = nn.Sequential(layer := nn.Linear(3, 3), layer)
    assert len(start(gan(networks() | {"E": tied})).weights["E"]) == 2


def test_layers_that_need_a_projection_are_refused_without_one():
    nets = networks()
    nets["D"][0].needs_projection = True
    with pytest.raises(ValueError, match=r"'D' has layers .* project="):
        gan(nets)
    gan(nets, project={"D": lambda weights, buffers: (weights, buffers)})


def test_unknown_networks_are_named_together_with_the_known_ones():
    game = gan(networks())
    with pytest.raises(AttributeError, match="no network 'E'; it has G, D"):
        Nets(game, start(game), None).E(torch.zeros(1))


@pytest.mark.parametrize(
    ("terms", "shown"),
    [
        ({}, "{}"),
        ({"adv": torch.ones(8), "gp": torch.ones(())}, r"'adv': 'tensor \(8,\)', 'gp': 'tensor \(\)'"),
        ({"adv": 0.5}, "'adv': 'float'"),
        (torch.ones(()), r"not tensor \(\)"),
        ([torch.ones(())], r"not \['tensor \(\)'\]"),
        (None, "not NoneType"),
    ],
)
def test_losses_that_return_no_scalars_are_refused(terms: Any, shown: str):
    game = gan(networks(), d=lambda n, b, m: terms)
    with pytest.raises(ValueError, match=f"player 'D' must be scalar tensors by name, .*{shown}"):
        play(game, "D", start(game), batch())


def test_a_loss_that_does_not_depend_on_what_is_moved_is_refused():
    game = gan(networks(), d=lambda n, b, m: {"adv": b.x.mean()})
    with pytest.raises(ValueError, match="the player that moves D does not depend on that"):
        play(game, "D", start(game), batch())


def test_weights_that_need_no_gradient_are_buffers_of_networks_that_move():
    nets = networks()
    nets["D"][0].weight.requires_grad_(False)
    game = gan(nets)
    game.nets["E"] = nn.Linear(2, 2).requires_grad_(False)  # nobody moves it: its weights are weights as ever
    state = start(game)
    assert "0.weight" in state.buffers["D"]
    assert "0.weight" not in state.weights["D"]
    assert set(state.weights["E"]) == {"weight", "bias"}
    after, _ = play(game, "D", state, batch())
    assert torch.equal(after.buffers["D"]["0.weight"], nets["D"][0].weight)
    assert not torch.equal(after.weights["D"]["0.bias"], nets["D"][0].bias)


# What an update does.


@pytest.mark.parametrize("who", ["D", "G"])
def test_gradients_are_those_of_autograd(who: str):
    nets, b = networks(), batch()
    game = gan(nets)
    grads, said, _ = gradient(game, who, start(game), b)
    expected = by_hand(nets, b, who)
    assert list(grads) == [who]
    for name, weight in nets[who].named_parameters():
        torch.testing.assert_close(grads[who][name], weight.grad)
    torch.testing.assert_close(torch.stack(list(said.values())).sum(), expected)


@pytest.mark.parametrize("who", ["D", "G"])
def test_a_turn_moves_only_what_its_player_owns(who: str):
    nets, b = networks(), batch()
    game = gan(nets)
    state = start(game)
    after, said = play(game, who, state, b)
    by_hand(nets, b, who)
    other = "G" if who == "D" else "D"
    assert after.weights[other] is state.weights[other]
    assert after.opt[other]["t"].item() == 0
    assert after.opt[who]["t"].item() == 1
    for name, weight in nets[who].named_parameters():
        torch.testing.assert_close(after.weights[who][name], weight.detach() - 0.1 * weight.grad)
        assert torch.equal(state.weights[who][name], weight.detach()), "the state given was changed"
    assert list(said) == [who]


def test_the_state_is_a_copy_of_the_modules():
    nets = networks(nn.BatchNorm1d)
    game = gan(nets, memory={"k": (k := torch.zeros(()))})
    state = start(game)
    for net in nets.values():
        for tensor in (*net.parameters(), *net.buffers()):
            tensor.data.fill_(9)
    k.fill_(9)
    held = [v for part in (state.weights, state.buffers) for net in part.values() for v in net.values()]
    assert not any((v == 9).any() for v in [*held, state.memory["k"]])


def test_images_are_laid_out_as_asked():
    game = gan(networks() | {"C": nn.Conv2d(3, 4, 3)})
    last, first = start(game), start(game, channels_last=False)
    assert last.weights["C"]["weight"].is_contiguous(memory_format=torch.channels_last)
    assert first.weights["C"]["weight"].is_contiguous()
    assert last.opt["C"].keys() == {"t"}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_play_goes_along_the_gradient_that_can_be_differentiated(accumulate: int):
    def penalised(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
        fake = n.G(b.z)
        n.note(fakes=fake)
        return d_loss(n, b, m) | {"gp": wgan_gp(n.D, b.x, fake, torch.linspace(0, 1, len(b.x)))}

    nets = networks(nn.BatchNorm1d)
    nets["D"].unused = nn.Parameter(torch.ones(2))  # belongs to D, and its loss does not depend on it
    game = gan(nets, penalised, accumulate=accumulate)
    state, b = start(game), batch()
    for who in game.players:
        grads, said, after = gradient(game, who, state, b)
        moved, heard = play(game, who, state, b)
        torch.testing.assert_close(moved, apply(game, after, grads))
        torch.testing.assert_close(heard, {who: said})
        tensors = [
            *heard[who].values(),
            *(v for net in (*moved.weights.values(), *moved.buffers.values()) for v in net.values()),
        ]
        assert not any(tensor.requires_grad for tensor in tensors)


def test_players_that_share_a_network_share_its_moments():
    nets = {"D": nn.Linear(3, 1)}
    players = {
        "D": Player(("D",), lambda n, b, m: {"real": F.softplus(-n.D(b.x)).mean()}),
        "D_reg": Player(("D",), lambda n, b, m: {"square": n.D(b.x).square().mean()}),
    }
    game = Game(nets, {"D": adam(0.1)}, players)
    state = start(game)
    module = copy.deepcopy(nets["D"])
    optimizer = torch.optim.Adam(module.parameters(), 0.1)
    for _ in range(3):
        b = batch()
        for who in players:
            state, _ = play(game, who, state, b)
            optimizer.zero_grad()
            (F.softplus(-module(b.x)) if who == "D" else module(b.x).square()).mean().backward()
            optimizer.step()
    assert state.opt["D"]["t"].item() == 6
    for name, weight in module.named_parameters():
        torch.testing.assert_close(state.weights["D"][name], weight.detach())
        torch.testing.assert_close(state.opt["D"]["v"][name], optimizer.state[weight]["exp_avg_sq"])


def test_the_field_is_everyones_gradient_at_one_point_and_sums_where_two_own_the_same():
    nets = {"X": nn.Linear(1, 1, bias=False), "Y": nn.Linear(1, 1, bias=False)}
    one = torch.ones(1, 1)
    players = {
        "a": Player(("X",), lambda n, b, m: {"l": (n.X(one) * n.Y(one)).sum()}),
        "b": Player(("X", "Y"), lambda n, b, m: {"l": 3 * (n.X(one) + n.Y(one).square()).sum()}),
    }
    game = Game(nets, {"X": sgd(0.1), "Y": sgd(0.1)}, players)
    state = start(game)
    v, said, _ = field(game, state, None)
    y = nets["Y"].weight.item()
    assert v["X"]["weight"].item() == pytest.approx(y + 3)
    assert v["Y"]["weight"].item() == pytest.approx(6 * y)
    assert said.keys() == {"a", "b"}
    moved = apply(game, state, v)
    assert moved.weights["Y"]["weight"].item() == pytest.approx(y - 0.6 * y)


def test_projections_follow_updates():
    nets, b = networks(), batch()
    game = gan(
        nets,
        project={"D": lambda w, u: ({k: v.clamp(-0.01, 0.01) for k, v in w.items()}, {"n": torch.ones(())})},
    )
    state, _ = play(game, "G", start(game), b)
    assert max(w.abs().max() for w in state.weights["D"].values()) > 0.01
    expected = apply(gan(nets), state, gradient(game, "D", state, b)[0]).weights["D"]
    state, _ = play(game, "D", state, b)
    assert all(torch.equal(w, expected[k].clamp(-0.01, 0.01)) for k, w in state.weights["D"].items())
    assert state.buffers["D"]["n"].item() == 1


# Buffers.


def test_buffers_follow_the_same_forwards_of_stateful_modules():
    nets = networks(nn.BatchNorm1d)
    game = gan(nets)
    state = start(game)
    modules = copy.deepcopy(nets)
    for b in (batch(), batch()):
        for who in ("D", "G"):
            by_hand(modules, b, who)
            with torch.no_grad():
                for weight in modules[who].parameters():
                    weight -= 0.1 * weight.grad
            state, _ = play(game, who, state, b)
    for name, module in modules.items():
        for key, expected in module.named_buffers():
            torch.testing.assert_close(state.buffers[name][key], expected, msg=f"{name}.{key}")
    assert state.buffers["D"]["1.num_batches_tracked"].item() == 6  # real, fake; fake; twice
    assert all((b == 0).all() for k, b in nets["D"].named_buffers() if k.endswith("mean")), "the module was changed"


def test_a_penalty_through_batch_normalisation_leaves_no_trace_in_its_buffers():
    nets, b, eps = networks(nn.BatchNorm1d), batch(), torch.rand(8)

    def penalised(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
        return d_loss(n, b, m) | {"gp": 10 * wgan_gp(n.D, b.x, n.G(b.z), eps)}

    plain, with_penalty = gan(nets), gan(nets, d=penalised)
    expected, _ = play(plain, "D", start(plain), b)
    found, said = play(with_penalty, "D", start(with_penalty), b)
    assert said["D"]["gp"].item() > 0
    assert differs(found.weights["D"], expected.weights["D"])
    assert not differs(found.buffers["D"], expected.buffers["D"])
    assert found.buffers["G"]["1.num_batches_tracked"].item() == 2  # the second n.G(b.z) is no derivative
