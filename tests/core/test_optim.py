"""Optimizers against torch.optim, finite differences and closed forms."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from zerosum.core.optim import Optimizer, adam, adamw, cosine, linear_decay, rmsprop, sgd

Rate = Any
STEPS = 50
RATE = 2e-3

PAIRS: dict[str, tuple[Callable[[Rate], Optimizer], Callable[[list[Tensor]], torch.optim.Optimizer]]] = {
    "sgd": (sgd, lambda p: torch.optim.SGD(p, RATE)),
    "sgd with decay": (
        lambda lr: sgd(lr, weight_decay=0.3),
        lambda p: torch.optim.SGD(p, RATE, weight_decay=0.3),
    ),
    "momentum": (
        lambda lr: sgd(lr, momentum=0.9, weight_decay=0.3),
        lambda p: torch.optim.SGD(p, RATE, momentum=0.9, weight_decay=0.3),
    ),
    "adam": (adam, lambda p: torch.optim.Adam(p, RATE)),
    "adam of GANs": (
        lambda lr: adam(lr, beta1=0.0, beta2=0.9, eps=1e-6),
        lambda p: torch.optim.Adam(p, RATE, betas=(0.0, 0.9), eps=1e-6),
    ),
    "adamw": (
        lambda lr: adamw(lr, beta1=0.5, weight_decay=0.3),
        lambda p: torch.optim.AdamW(p, RATE, betas=(0.5, 0.999), weight_decay=0.3),
    ),
    "rmsprop": (rmsprop, lambda p: torch.optim.RMSprop(p, RATE)),
    "rmsprop with memory": (
        lambda lr: rmsprop(lr, alpha=0.9, eps=1e-5),
        lambda p: torch.optim.RMSprop(p, RATE, alpha=0.9, eps=1e-5),
    ),
}


def initial() -> dict[str, Tensor]:
    return {
        "matrix": torch.randn(3, 5),
        "tiny": torch.randn(7),  # its gradients are of the size of eps
        "scalar": torch.randn(()),
        "image": torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last),
    }


def gradients(step: int) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(step)
    shapes = {"matrix": (3, 5), "tiny": (7,), "scalar": (), "image": (4, 3, 3, 3)}
    found = {k: torch.randn(shape, generator=rng) for k, shape in shapes.items()}
    found["tiny"] *= 1e-8
    found["matrix"] *= float(step % 5 > 0)  # now and then nothing is asked
    assert found["image"].is_contiguous()
    return found


def by_torch(optimizer: torch.optim.Optimizer, params: dict[str, Tensor], schedule: Any = None) -> None:
    for step in range(STEPS):
        for k, g in gradients(step).items():
            params[k].grad = g
        optimizer.step()
        if schedule is not None:
            schedule.step()


def by_us(update: Any, optimizer: Optimizer, weights: dict[str, Tensor]) -> tuple[dict[str, Tensor], Any]:
    state = optimizer.init(weights)
    for step in range(STEPS):
        weights, state = update(gradients(step), state, weights)
    return weights, state


def close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for k, w in found.items():
        torch.testing.assert_close(w, expected[k].detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("how", ["update", "fast"])
@pytest.mark.parametrize("name", PAIRS)
def test_equals_torch(name: str, how: str):
    ours, theirs = PAIRS[name]
    weights = initial()
    params = {k: w.clone().requires_grad_() for k, w in weights.items()}
    untouched = {k: w.clone() for k, w in weights.items()}
    by_torch(theirs(list(params.values())), params)
    optimizer = ours(RATE)
    moved, state = by_us(getattr(optimizer, how), optimizer, weights)
    close(moved, params)
    assert all(torch.equal(w, untouched[k]) for k, w in weights.items())
    assert moved["image"].is_contiguous(memory_format=torch.channels_last)
    assert state["t"].item() == STEPS


@pytest.mark.parametrize("how", ["update", "fast"])
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "adamw", "rmsprop"])
def test_schedules_equal_those_of_torch(name: str, how: str):
    ours, theirs = PAIRS[name]
    for schedule, reference in (
        (linear_decay(RATE, 10, 40), lambda o: torch.optim.lr_scheduler.LambdaLR(o, line)),
        (cosine(RATE, STEPS, RATE / 10), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS, RATE / 10)),
    ):
        weights = initial()
        params = {k: w.clone().requires_grad_() for k, w in weights.items()}
        optimizer = theirs(list(params.values()))
        by_torch(optimizer, params, reference(optimizer))
        ours_scheduled = ours(schedule)
        moved, _ = by_us(getattr(ours_scheduled, how), ours_scheduled, weights)
        close(moved, params)


def line(t: int) -> float:
    return 1.0 if t < 10 else max(0.0, (40 - t) / 30)


def test_schedules_end_where_they_say():
    t = torch.tensor([0.0, 10.0, 25.0, 40.0, 90.0])
    assert linear_decay(3.0, 10, 40)(t).tolist() == [3.0, 3.0, 1.5, 0.0, 0.0]
    assert cosine(3.0, 40, 1.0)(t).tolist() == pytest.approx(
        [3.0, 2 + math.cos(math.pi / 4), 2 + math.cos(5 * math.pi / 8), 1.0, 1.0]
    )


@pytest.mark.parametrize(
    ("optimizer", "slope"),
    [
        (sgd(0.1, momentum=0.9), -0.1),
        (adam(1e-3, eps=1e-4), -1e-3 / 1e-4),
        (adamw(1e-3, eps=1e-4), -1e-3 / 1e-4),
        (rmsprop(1e-3, eps=1e-4), -1e-3 / 1e-4),
    ],
)
def test_derivatives_are_finite_where_gradients_are_zero(optimizer: Optimizer, slope: float):
    # At g = 0 the first step is -lr g / (c |g| + eps): slope -lr / eps, and odd, so no curvature.
    weights = {"w": torch.ones(())}

    def stepped(g: Tensor) -> Tensor:
        return optimizer.update({"w": g}, optimizer.init(weights), weights)[0]["w"]

    zero = torch.zeros(())
    assert torch.func.grad(stepped)(zero).item() == pytest.approx(slope)
    assert torch.func.grad(torch.func.grad(stepped))(zero).item() == 0


@pytest.mark.parametrize("name", PAIRS)
def test_derivatives_through_update(name: str):
    optimizer = PAIRS[name][0](0.1)
    w, g = torch.randn(4).double(), torch.randn(4).double()
    later = optimizer.update({"w": torch.randn(4).double()}, optimizer.init({"w": w}), {"w": w})[1]

    def slope(g: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        def energy(g: Tensor, w: Tensor) -> Tensor:
            return torch.cos(optimizer.update({"w": g}, later, {"w": w})[0]["w"]).sum()

        return torch.func.grad(energy, argnums=(0, 1))(g, w)

    assert torch.autograd.gradcheck(
        lambda g, w: optimizer.update({"w": g}, later, {"w": w})[0]["w"], (g.requires_grad_(), w.requires_grad_())
    )
    assert torch.autograd.gradcheck(slope, (g, w))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: sgd(0.0), "learning rate"),
        (lambda: adam(-1e-3), "learning rate"),
        (lambda: rmsprop(float("nan")), "learning rate"),
        (lambda: sgd(0.1, momentum=1.0), "momentum"),
        (lambda: adam(0.1, beta1=1.0), "beta1"),
        (lambda: adamw(0.1, beta2=-0.1), "beta2"),
        (lambda: rmsprop(0.1, alpha=1.5), "alpha"),
        (lambda: linear_decay(0.1, 5, 5), "start=5, stop=5"),
        (lambda: linear_decay(0.1, -1, 5), "start=-1"),
        (lambda: cosine(0.1, 0), "stop"),
    ],
)
def test_arguments_out_of_range_are_refused(make: Callable[[], Any], what: str):
    with pytest.raises(ValueError, match=what):
        make()
