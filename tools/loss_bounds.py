"""The bounds on optimal losses of samples on a line, and a trained critic beside them.

After Qi 2017 (arXiv:1701.06264), non-parametric analysis: real and generated samples of two Gaussians, the optimal
losses at the samples by linear program, the least and greatest Lipschitz function through them, and a network that
minimises the same objective, its slope held by a penalty. Writes ``results/loss_bounds.md`` and its figure.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tables import machine
from zerosum.core.game import Game, Memory, Nets, Player, Terms, play, start
from zerosum.core.optim import adam, cosine
from zerosum.networks import mlp
from zerosum.objectives.loss_sensitive import critic_loss, distance_margin
from zerosum.penalties.gradient import slope
from zerosum.theory.loss_sensitive import OptimalLoss, optimal_loss

SEED, COUNT, KAPPA, WEIGHT, STEPS = 0, 12, 1.0, 4.0, 3000


class Pairs(NamedTuple):
    """The samples, which stay the same: the critic is overtrained on purpose."""

    x: Tensor
    fake: Tensor
    line: Tensor  # where the slope is penalised


class Critic(nn.Module):
    """L >= 0: the absolute value of a perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = mlp.Critic((1,), (128, 128))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1) -> losses (B,)."""
        values: Tensor = self.mlp(x)
        return values.abs()


def trained(samples: Pairs) -> tuple[Nets, float]:
    """The critic after training on these samples, and its objective."""

    def loss(n: Nets, b: Pairs, m: Memory) -> Terms:
        margin = distance_margin(b.x, b.fake, 1.0)
        excess = (slope(n.D, b.line).abs() - KAPPA).clamp_min(0)
        return {"loss": critic_loss(n.D(b.x), n.D(b.fake), margin, weight=WEIGHT), "gp": 300 * excess.square().mean()}

    torch.manual_seed(SEED)
    net = Critic()
    opts = {"D": adam(cosine(3e-3, STEPS), beta1=0.5)}
    game = Game({"D": net}, opts, {"D": Player(("D",), loss)})
    state = start(game)
    for _ in range(STEPS):
        state, _ = play(game, "D", state, samples)
    nets = Nets(game, state, samples)
    return nets, float(loss(nets, samples, {})["loss"].detach())


def draw(path: Path, x: Any, found: OptimalLoss, critic: Any) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), dpi=110, layout="constrained")
    axes: Any = figure.subplots()
    low, high = found.lower(x), found.upper(x)
    axes.fill_between(x[:, 0], low, high, color="tab:blue", alpha=0.15, label="between the bounds")
    axes.plot(x, low, color="tab:blue", linewidth=1)
    axes.plot(x, high, color="tab:blue", linewidth=1)
    axes.plot(x, critic, color="black", label="trained critic")
    for name, part, colour in (("real", slice(0, COUNT), "tab:green"), ("generated", slice(COUNT, None), "tab:red")):
        axes.plot(found.samples[part], found.values[part], "o", color=colour, label=f"optimal, {name} samples")
    axes.set(xlabel="x", ylabel="loss L(x)")
    axes.legend()
    figure.savefig(path)


def main() -> None:
    torch.set_num_threads(1)
    begin, rng = time.monotonic(), np.random.default_rng(SEED)
    real, fake = rng.normal(0, 0.7, (COUNT, 1)), rng.normal(0.5, 2.0, (COUNT, 1))
    found = optimal_loss(real, fake, kappa=KAPPA, weight=WEIGHT)
    nets, objective = trained(
        Pairs(torch.tensor(real).float(), torch.tensor(fake).float(), torch.linspace(-5, 6, 256)[:, None])
    )
    x = np.linspace(-5, 6, 4401)[:, None]
    with torch.no_grad():
        critic = nets.D(torch.tensor(x).float()).double().numpy()
        errors = np.abs(nets.D(torch.tensor(found.samples).float()).double().numpy() - found.values)
    low, high = found.lower(x), found.upper(x)
    outside = np.maximum(np.maximum(low - critic, critic - high), 0)
    sloped = [f"{np.mean(np.abs(np.gradient(f, x[:, 0])) > 1e-6):.1%}" for f in (low, high)]
    draw(Path("results/images/loss_bounds.png"), x, found, critic)
    lines = [
        "# Optimal losses of samples, and a trained critic\n",
        f"{COUNT} real samples of N(0, 0.7^2) and {COUNT} generated ones of N(0.5, 2^2) on a line, seed {SEED};",
        f"kappa {KAPPA:g}, lambda {WEIGHT:g}, Delta = |x - y|. Non-parametric analysis of Qi 2017 (arXiv:1701.06264);",
        f"the critic is a 1-128-128-1 perceptron, {STEPS:,} steps of Adam on them, slopes over kappa penalised.",
        f"Machine: {machine()}; {time.monotonic() - begin:.0f} s. Made by `python tools/loss_bounds.py`.\n",
        "| | |",
        "|---|---|",
        f"| least objective, by linear program | {found.objective:.4f} |",
        f"| objective of the critic | {objective:.4f} |",
        f"| steepest slope of the critic on [-5, 6] | {np.abs(np.gradient(critic, x[:, 0])).max():.4f} |",
        f"| critic against the optimal values at the samples: mean, greatest difference | {errors.mean():.4f}, "
        f"{errors.max():.4f} |",
        f"| share of [-5, 6] where the critic leaves the bounds by more than 0.05 | {np.mean(outside > 0.05):.1%} |",
        f"| how far it leaves them at most | {outside.max():.4f} |",
        f"| share where the lower, the upper bound has a slope | {sloped[0]}, {sloped[1]} |",
        "\nThe notes on the paper say that both bounds are piecewise linear, with a gradient that vanishes almost "
        "nowhere.\nThat holds of the upper bound. The lower one is cut off at 0 and flat there: around real samples, "
        "and far from all.",
        "\nThe critic's objective can be below the least one where its slope exceeds kappa. Optimal values need not be "
        "unique:\na critic as good as the optimum may leave the bounds, which are those of one solution.",
        "\n![bounds and critic](images/loss_bounds.png)",
    ]
    Path("results/loss_bounds.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
