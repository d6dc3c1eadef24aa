"""Lipschitz constants, theorem by theorem, and what constraints do to the singular values of a critic.

A linear map stretches by at most its largest singular value, and by exactly that along the top singular vector. A
search in random directions never finds more, and in many dimensions finds much less: lower bounds by search are weak.

Lip(g o f) <= Lip(g) Lip(f), with equality where f sends the direction that it stretches most to the one that g
stretches most. So the product over all layers of a critic is a bound, but not a tight one; the largest gradient seen
shows how loose it is. (The lecture notes print the product with an equals sign.) Under spectral normalisation the
product is 1, or a little more, since one power iteration per update lags behind the weights.

The same critic is then trained in the same game on the ring under weight clipping, under weight normalisation, under
spectral normalisation and without a constraint. Miyato et al. 2018 (arXiv:1802.05957) report that clipping and weight
normalisation concentrate a layer's singular values on few directions, and that spectral normalisation leaves them
broad. The measure here is the stable rank, the sum of their squares over the largest square: the number of directions
in which a layer works. It does not change when all weights are scaled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count, pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.func import functional_call

from zerosum.constraints import SpectralNorm, clip, power_iteration, spectral_norm
from zerosum.core.game import Game, Memory, Nets, Player, Projection, State, Terms, start
from zerosum.core.optim import adam
from zerosum.core.random import generator
from zerosum.core.train import train
from zerosum.data.points import ring
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.lab.training import seed_weights
from zerosum.networks.mlp import Generator
from zerosum.objectives.hinge_loss import hinge
from zerosum.systems import Batch, batch
from zerosum.theory import lipschitz

FORMULAS = (  # mathtext, and what it is
    (r"\mathrm{Lip}(g \circ f) \leq \mathrm{Lip}(g)\,\mathrm{Lip}(f)", "composition"),
    (r"W_{SN} = \frac{W}{\sigma(W)}, \qquad \sigma(W) = \max_{\|h\|=1} \|W h\|", "spectral normalisation"),
    (
        r"\mathrm{stable\ rank} = \frac{\sum_i \sigma_i^2}{\max_i \sigma_i^2}",
        "number of directions in which a layer works",
    ),
)
QUICK = {"steps": 300}
BATCH, WIDTH = 64, 64
DIRECTIONS = (10, 100, 1_000, 10_000)
DIMENSIONS = (2, 8, 32)


class WeightNorm(nn.Module):
    """A linear layer with rows g_i v_i / |v_i|. Salimans and Kingma 2016 (arXiv:1602.07868).

    Args:
        layer: Layer whose weights are those to begin with.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.v = nn.Parameter(layer.weight.detach().clone())
        self.g = nn.Parameter(layer.weight.detach().norm(dim=1))
        self.bias = nn.Parameter(layer.bias.detach().clone())

    @property
    def weight(self) -> Tensor:
        """The matrix that the layer applies."""
        return self.g[:, None] * F.normalize(self.v, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in) -> (B, out)."""
        return F.linear(x, self.weight, self.bias)


Wrapping = Callable[[Any], nn.Module]
WRAPS: dict[str, Wrapping] = {
    "nothing": lambda layer: layer,
    "clipping": lambda layer: layer,
    "weight norm": WeightNorm,
    "spectral norm": spectral_norm,
}


def build_critic(wrap: Wrapping, seed: int) -> nn.Sequential:
    """Build a critic 2 - 64 - 64 - 64 - 1 with ReLU, from the same weights whatever the wrapping."""
    sizes = (2, WIDTH, WIDTH, WIDTH, 1)
    with seed_weights(seed):
        plain = [nn.Linear(i, o) for i, o in pairwise(sizes)]
        wrapped = [wrap(layer) for layer in plain]
    inner = [part for layer in wrapped[:-1] for part in (layer, nn.ReLU())]
    return nn.Sequential(*inner, wrapped[-1], nn.Flatten(0))


def game(name: str, seed: int, c: float, lr: float = 1e-3) -> Game:
    """A small GAN on the ring with hinge losses, and one constraint on its critic.

    Args:
        name: Name of the constraint, a key of ``WRAPS``.
        seed: Seed of the weights.
        c: Bound of clipping.
        lr: Learning rate of both players.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"d": hinge.d(n.D(b.real), n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"g": hinge.g(b.real, n.D(n.G(b.z)))}

    d = build_critic(WRAPS[name], seed)
    with seed_weights(seed + 1):
        g = Generator(2, (WIDTH, WIDTH))
    project: dict[str, Projection] = {}
    if name == "clipping":
        project["D"] = clip(c)
    elif name == "spectral norm":
        project["D"] = power_iteration(d)
    opts = {n: adam(lr, beta1=0.5) for n in ("G", "D")}
    players = {"d": Player(("D",), d_loss), "g": Player(("G",), g_loss)}
    return Game({"G": g, "D": d}, opts, players, project=project)


def batches(seed: int) -> Iterator[Batch]:
    """Endless batches of points ``real`` of the ring, and latents z."""
    data = ring()
    for k in count():
        z = torch.randn(BATCH, 2, generator=generator(seed, "lipschitz", k))
        yield batch(real=data.batch(k, BATCH, seed=seed)[0], z=z)


def critic_at(rules: Game, state: State) -> nn.Sequential:
    """The critic with the weights and buffers of a state, to look at."""
    fresh = rules.nets["D"]
    assert isinstance(fresh, nn.Sequential)
    fresh.load_state_dict({**state.weights["D"], **state.buffers["D"]})
    return fresh.eval()  # or looking would renew singular vectors


def singular_values(layer: nn.Module) -> np.ndarray:
    """Singular values of the matrix that a layer applies, the largest first."""
    weight = layer.get_parameter("weight") if isinstance(layer, nn.Linear) else layer.weight
    assert isinstance(weight, Tensor)
    if isinstance(layer, SpectralNorm):
        weight = weight / layer.sigma()
    return np.asarray(torch.linalg.svdvals(weight.detach().double()).numpy())


def stable_rank(values: np.ndarray) -> float:
    """The sum of squares over the largest square: n where all n are equal, 1 where one dominates."""
    return float((values**2).sum() / values[0] ** 2)


def linear_map(seed: int) -> dict[str, Any]:
    """|A x| / |x| over the largest singular value, for random directions and for the top singular vector."""
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for n in DIMENSIONS:
        a = rng.normal(size=(n, n))
        sigma = lipschitz.matrix_constant(torch.tensor(a))
        x = rng.normal(size=(DIRECTIONS[-1], n))
        stretch = np.linalg.norm(x @ a.T, axis=1) / np.linalg.norm(x, axis=1) / sigma
        top = np.linalg.svd(a)[2][0]
        found[str(n)] = {
            "search": [float(stretch[:k].max()) for k in DIRECTIONS],
            "top": float(np.linalg.norm(a @ top) / sigma),
        }
    return found


def composition(seed: int, pairs: int = 300) -> dict[str, Any]:
    """Lip(g o f) / (Lip(g) Lip(f)) of random linear maps, and of maps whose directions meet (g = f^T)."""
    rng = torch.Generator().manual_seed(seed)
    ratios = []
    for _ in range(pairs):
        f, g = torch.randn(8, 8, generator=rng).double(), torch.randn(8, 8, generator=rng).double()
        ratios.append(lipschitz.matrix_constant(g @ f) / (lipschitz.matrix_constant(g) * lipschitz.matrix_constant(f)))
    aligned = lipschitz.matrix_constant(f.T @ f) / lipschitz.matrix_constant(f) ** 2
    return {"ratios": ratios, "aligned": aligned}


def _weight_norm(layer: nn.Module, shape: lipschitz.Shape) -> float:
    assert isinstance(layer, WeightNorm)
    return lipschitz.matrix_constant(layer.weight)


def bounds(net: nn.Sequential, seed: int) -> dict[str, float]:
    """The product bound of a critic, and its largest gradient on a square around the ring."""
    known: dict[type[nn.Module], lipschitz.Constant] = {WeightNorm: _weight_norm}
    above = lipschitz.product_bound(list(net)[:-1], (2,), known=known).total
    rng = torch.Generator().manual_seed(seed)
    x = 6 * torch.rand(2_000, 2, generator=rng) - 3
    weights = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    return {"bound": above, "seen": lipschitz.largest_gradient(lambda t: functional_call(net, weights, (t,)), x)}


def experiment(lab: Lab, *, steps: int = 4_000, c: float = 0.1) -> Findings:
    """Try the theorems, then train the same critic under each constraint.

    Args:
        lab: Seed, folder and progress bars.
        steps: Generator updates of each training.
        c: Bound to which weights are clipped: [-c, c].
    """
    linear, composed = linear_map(lab.seed), composition(lab.seed)
    trained = {name: measure_critic(name, lab.seed, c, steps) for name in lab.track(WRAPS, "singular values")}
    numbers = {"linear map": linear, "composition": composed, "critics": trained}
    figures = {"theorems": _draw_theorems(linear, composed, trained), "spectra": _draw_spectra(trained)}
    return Findings(numbers, _sentences(linear, composed, trained), figures)


def measure_critic(name: str, seed: int, c: float, steps: int) -> dict[str, Any]:
    """Train the critic under one constraint, and measure its spectra, stable ranks and bounds.

    Args:
        name: Name of the constraint, a key of ``WRAPS``.
        seed: Seed of everything random.
        c: Bound of clipping.
        steps: Generator updates.
    """
    rules = game(name, seed, c)
    state = start(rules)
    every = max(1, steps // 40)
    times, ranks = [0], [stable_rank(singular_values(critic_at(rules, state)[2]))]
    for t, after, _ in train(rules, state, batches(seed), steps, check_every=every):
        state = after
        if (t + 1) % every == 0:
            times.append(t + 1)
            ranks.append(stable_rank(singular_values(critic_at(rules, state)[2])))
    net = critic_at(rules, state)
    spectra = [singular_values(net[i]).tolist() for i in (2, 4)]
    return {"steps": times, "rank": ranks, "spectra": spectra, **bounds(net, seed)}


def _sentences(linear: dict[str, Any], composed: dict[str, Any], trained: dict[str, Any]) -> tuple[str, ...]:
    most = DIRECTIONS[-1]
    says = [f"{n} dimensions: {most} directions find {one['search'][-1]:.3f} of it" for n, one in linear.items()]
    says = [f"linear map: along the top singular vector {linear['2']['top']:.6f} of the largest singular value", *says]
    ratios = composed["ratios"]
    says.append(
        f"composition: Lip(g o f) is {min(ratios):.2f} to {max(ratios):.2f} of the product; {composed['aligned']:.6f} "
        "where directions meet"
    )
    says += [
        f"{name}: stable rank {one['rank'][-1]:.1f} of {WIDTH} (from {one['rank'][0]:.1f}); largest gradient seen "
        f"{one['seen']:.3g}, product bound {one['bound']:.3g}"
        for name, one in trained.items()
    ]
    return tuple(says)


def _draw_theorems(linear: dict[str, Any], composed: dict[str, Any], trained: dict[str, Any]) -> Figure:
    figure, axes = panels(1, 3)
    for i, (n, one) in enumerate(linear.items()):
        axes[0, 0].plot(DIRECTIONS, one["search"], label=f"{n} dimensions", **line(i + 1, marked=True))
    axes[0, 0].axhline(1, **line(0))
    axes[0, 0].set(xscale="log", ylim=(0, 1.1), xlabel="random directions tried", title="a linear map")
    axes[0, 0].set_ylabel("largest |Ax|/|x| found,\nover the largest singular value")
    axes[0, 0].legend(fontsize=8, loc="lower right")
    axes[0, 1].hist(composed["ratios"], np.linspace(0, 1.05, 43), color="#0072B2")
    axes[0, 1].axvline(1, **line(0))
    axes[0, 1].set(
        xlabel="Lip(g o f) / (Lip(g) Lip(f))", ylabel="pairs of random maps", title="composition", xlim=(0, 1.1)
    )
    places = np.arange(len(trained))
    for shift, key, i, label in ((-0.2, "seen", 1, "largest gradient seen"), (0.2, "bound", 2, "product bound")):
        style = {"color": line(i)["color"], "hatch": "" if i == 1 else "//", "edgecolor": "white"}
        axes[0, 2].bar(places + shift, [one[key] for one in trained.values()], 0.38, label=label, **style)
    axes[0, 2].set_xticks(places, [name.replace(" ", "\n") for name in trained])
    top = max(one["bound"] for one in trained.values())
    axes[0, 2].set(yscale="log", ylabel="Lipschitz constant", title="whole critics", ylim=(None, 30 * top))
    axes[0, 2].legend(fontsize=8, loc="upper right")
    return figure


def _draw_spectra(trained: dict[str, Any]) -> Figure:
    figure, axes = panels(1, 3)
    for i, (name, one) in enumerate(trained.items()):
        for k in range(2):
            values = np.array(one["spectra"][k])
            axes[0, k].plot(np.arange(1, len(values) + 1), values / values[0], label=name, **line(i))
        axes[0, 2].plot(one["steps"], one["rank"], label=name, **line(i))
    for k in range(2):
        axes[0, k].set(xlabel="index of singular value", ylabel="singular value / the largest", ylim=(0, 1.05))
        axes[0, k].set_title(f"hidden layer {k + 2}, after training")
    axes[0, 0].legend(fontsize=8)
    axes[0, 2].set(xlabel="step", ylabel="stable rank", title="hidden layer 2, during training", ylim=(0, None))
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    ranks = {name: one["rank"][-1] for name, one in numbers["critics"].items()}
    search = {int(n): one["search"][-1] for n, one in numbers["linear map"].items()}
    return {
        "random directions find less of the largest singular value in more dimensions": (
            search[min(search)] > search[max(search)] + 0.1
        ),
        "under spectral norm a critic works in more directions than under clipping and weight norm": (
            ranks["spectral norm"] > 1.5 * max(ranks["clipping"], ranks["weight norm"])
        ),
    }
