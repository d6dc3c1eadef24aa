"""Batches in parts, half precision, and what losses note, against one pass in float32."""

from typing import Any

import pytest
import torch
from small_gan import Batch, batch, by_hand, d_loss, differs, g_loss, gan, networks
from torch import Tensor, nn

from zerosum.constraints import clip
from zerosum.core.game import Nets, gradient, play, start
from zerosum.core.train import train
from zerosum.penalties import wgan_gp


def test_a_batch_in_parts_gives_the_gradient_of_the_whole():
    nets, b = networks(nn.LayerNorm), batch(12)
    game = gan(nets, accumulate=3)
    grads, said, _ = gradient(game, "D", start(game), b)
    loss = by_hand(nets, b, "D")
    for name, weight in nets["D"].named_parameters():
        torch.testing.assert_close(grads["D"][name], weight.grad, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(said["real"] + said["fake"], loss)


def test_what_is_noted_of_parts_is_joined():
    b = batch(12)

    def noting(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
        n.note(points=b.x, mean=b.x.mean(), count=torch.tensor(len(b.x)))
        return g_loss(n, b, m)

    game = gan(networks(), g=noting, accumulate=3)
    _, said, _ = gradient(game, "G", start(game), b)
    assert torch.equal(said["points"], b.x)
    torch.testing.assert_close(said["mean"], b.x.mean())
    assert said["count"].item() == 4


def test_batches_that_cannot_be_parted_are_refused():
    game = gan(networks(), accumulate=3)
    with pytest.raises(ValueError, match="a batch of 8 cannot be taken in 3 equal parts"):
        play(game, "D", start(game), batch(8))


def test_under_autocast_networks_are_in_bfloat16_and_penalties_in_float32():
    nets, b, eps = networks(nn.LayerNorm), batch(), torch.rand(8)

    def loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
        fake = n.G(b.z)
        n.note(made=fake, logits=n.D(fake))
        return {"w": n.D(fake).mean() - n.D(b.x).mean(), "gp": wgan_gp(n.D, b.x, fake, eps)}

    game = gan(nets, d=loss, autocast=torch.bfloat16)
    state = start(game)
    grads, said, _ = gradient(game, "D", state, b)
    assert said["logits"].dtype == said["made"].dtype == torch.bfloat16
    assert said["gp"].dtype == grads["D"]["0.weight"].dtype == torch.float32

    points = (eps[:, None] * b.x + (1 - eps[:, None]) * said["made"].float()).requires_grad_()
    (slopes,) = torch.autograd.grad(nets["D"](points).sum(), points)
    torch.testing.assert_close(said["gp"], (slopes.norm(dim=1) - 1).square().mean())
    exact = (nets["D"](said["made"].float()).mean() - nets["D"](b.x).mean()).item()
    assert said["w"].item() == pytest.approx(exact, abs=0.03)
    assert said["w"].item() != pytest.approx(exact, abs=1e-6), "this was not computed in bfloat16"


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
def test_in_either_precision_the_tape_gives_the_gradient_and_imagination_the_update(autocast: torch.dtype | None):
    nets, b, eps = networks(), batch(), torch.rand(8)

    def critic(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
        fake = n.G(b.z)
        return {"gp": wgan_gp(n.D, b.x, fake, eps), "w": n.D(fake).mean() - n.D(b.x).mean()}

    def generator(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
        ahead = n.after("D", 1).D
        n.note(**{k.replace(".", "_"): w for k, w in ahead.weights.items()})
        return {"w": -ahead(n.G(b.z)).mean()}

    game = gan(nets, critic, generator, autocast=autocast, project={"D": clip(0.3)})
    state = start(game)
    grads, _, _ = gradient(game, "D", state, b)
    taped, _, _ = gradient(game, "D", state, b, differentiable=False)
    torch.testing.assert_close(taped, grads, rtol=1e-5, atol=1e-6)
    _, said, _ = gradient(game, "G", state, b)
    after, _ = play(game, "D", state, b)
    for name, weight in after.weights["D"].items():
        torch.testing.assert_close(said[name.replace(".", "_")], weight, rtol=1e-5, atol=1e-6)


def test_notes_are_heard_but_not_minimised():
    nets, b = networks(), batch()

    def noting(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
        n.note(logit=100 * n.D(b.x).mean())
        return d_loss(n, b, m)

    def remember(memory: Any, said: Any) -> Any:
        return {"sum": memory["sum"] + said["D"]["logit"], "count": memory["count"] + len(said)}

    game = gan(nets, d=noting, memory={"sum": torch.tensor(5.0), "count": torch.tensor(0)}, remember=remember)
    plain = gan(nets)
    state, said = play(game, "D", start(game), b)
    assert not differs(state.weights["D"], play(plain, "D", start(plain), b)[0].weights["D"])
    assert state.memory["sum"].item() == 5, "`remember` is called after the iteration, not in a turn"
    logit = 100 * nets["D"](b.x).mean().item()
    assert said["D"]["logit"].item() == pytest.approx(logit, rel=1e-5)
    _, state, _ = next(train(game, start(game), iter([b, b]), 1))
    assert state.memory["sum"].item() == pytest.approx(5 + logit, rel=1e-5)
    assert state.memory["count"].item() == 2


def test_losses_see_memory():
    def scaled(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
        return {"adv": m["k"] * g_loss(n, b, m)["adv"]}

    nets, b = networks(), batch()
    game, plain = gan(nets, g=scaled, memory={"k": torch.tensor(3.0)}), gan(nets)
    tripled, _, _ = gradient(game, "G", start(game), b)
    once, _, _ = gradient(plain, "G", start(plain), b)
    torch.testing.assert_close(tripled["G"]["0.weight"], 3 * once["G"]["0.weight"])
