"""Random architectures: how often a pair of networks nobody has tuned learns, as a GAN and as WGAN-GP.

Gulrajani et al. 2017 (arXiv:1704.00028), Section 5.1, Tables 1 and 2: draw nonlinearity, depth, normalisation and
width of generator and discriminator at random, 200 times; train each pair with the standard objective and as WGAN-GP;
count, for a range of thresholds, which of the two reach it. In the paper's table only WGAN-GP succeeds with 147 pairs
where the threshold is 5, and only the GAN with none.

Here the same is done at small scale: with the clothes of 32 pixels that come with zerosum, narrower and shallower
networks, and fewer updates. Both methods of a pair start from the same weights and make the same number of generator
updates (so WGAN-GP makes five times as many critic updates). GAN: the non-saturating game, Adam, 2e-4, beta1 0.5;
WGAN-GP: Adam, 1e-4, betas 0.5 and 0.9, penalty 10, layer norm where the GAN's critic has batch norm. Leaky ReLUs have
slope 0.2.

The score is exp E KL(p(y|x) || p(y)), the formula of the Inception Score, with the shipped classifier of ten clothes:
1 if it says the same of all samples, 10 if it is sure of each and finds all classes equally often. It is not the
Inception Score, which has another network and other classes, and the thresholds do not mean what they mean in the
paper: by default they lie where the scores of so short a training do, while the paper's 1, 3, 5, 7 and 9 cover the
whole range. A training that becomes non-finite scores 1. A pair succeeds if its score is above the threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from zerosum.core.random import generator
from zerosum.data import Data, load
from zerosum.errors import UsageError
from zerosum.lab.base import Findings, Lab
from zerosum.lab.convolutional import (
    LEAKY,
    METHODS,
    RELU,
    SOFTPLUS,
    TANH,
    Critic,
    Generator,
    build_nets,
    train_nets,
)
from zerosum.lab.diary import Diary
from zerosum.lab.drawing import COLOURS, panels
from zerosum.metrics.features.shipped import Shipped
from zerosum.metrics.images import eight_bit
from zerosum.metrics.measures.inception_score import inception_score
from zerosum.networks.common import Norm, check_positive
from zerosum.networks.layers import BatchNorm
from zerosum.networks.pairs import Pair

FORMULAS = (  # mathtext, and what it is
    (r"\exp\,\mathbb{E}_x\,\mathrm{KL}(p(y|x)\,\|\,p(y))", "the score"),
)
QUICK = {"count": 4, "steps": 20, "batch": 16, "samples": 250, "depths": (4, 6), "widths": (4, 8)}
DATA = "fashion-mini"
PIECE = 250  # images classified at once
SHALLOWEST = 4  # layers that images of 32 pixels need
ACTIVATIONS = {"ReLU": RELU, "LeakyReLU": LEAKY, "softplus(2x + 2)/2 - 1": SOFTPLUS, "tanh": TANH}
PLAYED = {"GAN": METHODS["dcgan"], "WGAN-GP": METHODS["wgan-gp"]}
OUTCOMES = ("only GAN", "only WGAN-GP", "both", "neither")
# Table 2 of the paper, on other images and with the Inception Score: threshold -> outcomes of 200 pairs.
PAPER = {
    1.0: (0, 8, 192, 0),
    3.0: (1, 88, 110, 1),
    5.0: (0, 147, 42, 11),
    7.0: (1, 104, 5, 90),
    9.0: (0, 0, 0, 200),
}


@dataclass(frozen=True)
class NetworkChoice:
    """One network of a pair.

    Attributes:
        activation: Name of the nonlinearity, a key of ``ACTIVATIONS``.
        depth: Layers with weights.
        norm: Whether there is normalisation.
        width: Base filter count: channels next to the image, doubled at each halving.
    """

    activation: str
    depth: int
    norm: bool
    width: int


class PairChoice(NamedTuple):
    """The choices for generator and critic."""

    g: NetworkChoice
    d: NetworkChoice


def draw_pair(seed: int, number: int, depths: Sequence[int], widths: Sequence[int]) -> PairChoice:
    """Draw pair ``number``, with every choice uniform. It depends only on the arguments, however many are drawn."""
    rng = generator(seed, "random architectures", number)

    def pick(options: Sequence[Any]) -> Any:
        return options[int(torch.randint(len(options), (), generator=rng))]

    def side() -> NetworkChoice:
        return NetworkChoice(pick(list(ACTIVATIONS)), pick(depths), pick((True, False)), pick(widths))

    return PairChoice(side(), side())


def build_pair(sides: PairChoice, critic_norm: Norm) -> Pair:
    """Build the generator and critic of a pair; ``critic_norm`` is the critic's normalisation if it has one."""
    g, d = sides
    return (
        Generator(g.width, g.depth, norm=BatchNorm if g.norm else nn.Identity, act=ACTIVATIONS[g.activation]),
        Critic(d.width, d.depth, norm=critic_norm if d.norm else nn.Identity, act=ACTIVATIONS[d.activation]),
    )


def score_of(logits: Tensor) -> float:
    """exp E KL(p(y|x) || p(y)) over all images at once: the formula of Salimans et al. 2016 (arXiv:1606.03498).

    Args:
        logits: Logits of the classes, (N, K).

    Returns:
        The score, in [1, K].
    """
    return inception_score(logits, splits=1).mean


def classifier_score(images: Tensor) -> float:
    """The score of images (N, 1, 32, 32) in [-1, 1] by the shipped classifier, in [1, 10]."""
    classify = Shipped()
    seen = [classify(eight_bit(piece)).logits for piece in torch.split(images, PIECE)]
    return score_of(torch.cat([logits for logits in seen if logits is not None]))


PairRow = dict[str, Any]  # settings; for each method, its score and whether it diverged


def train_both(
    data: Data, number: int, sides: PairChoice, diary: Diary, *, seed: int, steps: int, batch: int, samples: int
) -> PairRow:
    """Train one pair with both methods, unless an earlier run has kept the result."""
    sizes = {"steps": steps, "batch": batch, "samples": samples, "seed": seed}
    settings = {"number": number, "g": asdict(sides.g), "d": asdict(sides.d), "data": data.fingerprint} | sizes
    if (row := diary.find(settings)) is not None:
        return row
    found = {}
    for name, method in PLAYED.items():
        # Weights depend only on the pair: both methods start from the same.
        nets = build_nets(seed, ("pair", number), partial(build_pair, sides, method.norm))
        images = train_nets(method, nets, data, seed=seed, steps=steps, batch=batch, count=samples)
        score = 1.0 if images is None else classifier_score(images)
        found[name] = {"score": score, "diverged": images is None}
    return diary.add(settings, **found)


def success_table(scores: Sequence[tuple[float, float]], thresholds: Sequence[float]) -> dict[float, tuple[int, ...]]:
    """Threshold -> number of pairs with each of the ``OUTCOMES``; a row sums to the number of pairs.

    Args:
        scores: Scores of the GAN and of WGAN-GP, for each pair.
        thresholds: Thresholds that a score must be above to succeed.
    """
    return {t: tuple(map(sum, zip(*(_outcome(a > t, b > t) for a, b in scores), strict=True))) for t in thresholds}


def _outcome(gan: bool, wgan_gp: bool) -> tuple[bool, bool, bool, bool]:
    return gan and not wgan_gp, wgan_gp and not gan, gan and wgan_gp, not gan and not wgan_gp


def check(depths: Sequence[int], widths: Sequence[int], thresholds: Sequence[float], **counts: int) -> None:
    """Refuse arguments with which nothing can be drawn or built.

    Raises:
        UsageError: An argument is out of range; the message names it.
    """
    try:
        check_positive(**counts)
    except ValueError as error:
        raise UsageError(f"random-architectures: {error}") from error
    if not depths or min(depths) < SHALLOWEST:
        raise UsageError(f"depths={tuple(depths)}: images of 32 pixels need networks of at least {SHALLOWEST} layers")
    if not widths or min(widths) < 1 or not thresholds:
        raise UsageError(
            f"widths={tuple(widths)}, thresholds={tuple(thresholds)}: give one or more of each, and widths from 1"
        )


def experiment(
    lab: Lab,
    *,
    count: int = 24,
    steps: int = 300,
    batch: int = 32,
    samples: int = 1_000,
    depths: tuple[int, ...] = (4, 6, 8),
    widths: tuple[int, ...] = (8, 16, 32),
    thresholds: tuple[float, ...] = (1.25, 1.5, 1.75, 2.0, 2.25),
) -> Findings:
    """Train random pairs both ways, and count. What is finished is kept, and not done again.

    Args:
        lab: Seed, folder and progress bars.
        count: Number of pairs (200 in the paper).
        steps: Generator updates of each training.
        batch: Real samples per update.
        samples: Number of samples of each generator that are scored.
        depths: Depths to draw from: layers with weights, from 4 (4, 8, 12 and 20 in the paper).
        widths: Widths to draw from: base filter counts (32, 64 and 128 in the paper).
        thresholds: Thresholds of the score, which lies between 1 and 10.
    """
    check(depths, widths, thresholds, count=count, steps=steps, batch=batch, samples=samples)
    data = load(DATA)
    diary = Diary(None if lab.folder is None else lab.folder / "pairs.jsonl")
    drawn = [draw_pair(lab.seed, i, depths, widths) for i in range(count)]
    sizes = {"seed": lab.seed, "steps": steps, "batch": batch, "samples": samples}
    turns = lab.track(enumerate(drawn), f"{count} random pairs, each as GAN and as WGAN-GP", count)
    rows = [train_both(data, i, sides, diary, **sizes) for i, sides in turns]
    scores = [(row["GAN"]["score"], row["WGAN-GP"]["score"]) for row in rows]
    table = success_table(scores, thresholds)
    numbers = {
        "outcomes": OUTCOMES,
        "table": [{"above": t, "pairs": counts} for t, counts in table.items()],
        "paper": {
            "pairs": 200,
            "score": "Inception Score, other images and networks",
            "table": [{"above": t, "pairs": counts} for t, counts in PAPER.items()],
        },
        "pairs": [
            {"g": asdict(sides.g), "d": asdict(sides.d), **{name: row[name] for name in PLAYED}}
            for sides, row in zip(drawn, rows, strict=True)
        ],
    }
    return Findings(numbers, describe(rows, table), {"success": draw(scores, table)})


def describe(rows: Sequence[PairRow], table: Mapping[float, tuple[int, ...]]) -> tuple[str, ...]:
    """Say in sentences what was found."""
    total = len(rows)
    lines = [
        f"{name}: classifier score {_median([row[name]['score'] for row in rows]):.2f} in the median of {total} pairs, "
        f"{sum(row[name]['diverged'] for row in rows)} diverged"
        for name in PLAYED
    ]
    for t, counts in table.items():
        ours = ", ".join(f"{what} {n}" for what, n in zip(OUTCOMES, counts, strict=True))
        beside = f" (the paper, of 200 by Inception Score: {', '.join(map(str, PAPER[t]))})" if t in PAPER else ""
        lines.append(f"score above {t:g}, of {total} pairs: {ours}{beside}")
    return tuple(lines)


def _median(values: Sequence[float]) -> float:
    return float(torch.tensor(values, dtype=torch.float64).quantile(0.5))


def draw(scores: Sequence[tuple[float, float]], table: Mapping[float, tuple[int, ...]]) -> Figure:
    """Draw the two scores of each pair, the success table, and that of the paper."""
    figure, axes = panels(1, 3)
    points, ours, paper = axes[0]
    best = max(map(max, scores))
    points.plot([1, best], [1, best], color="#999999", linewidth=1)
    points.scatter(*zip(*scores, strict=True), s=22, c=COLOURS[1], alpha=0.8, linewidths=0)
    points.set(xlim=(0.95, best + 0.1), ylim=(0.95, best + 0.1), aspect="equal", title="classifier score of each pair")
    points.set(xlabel="as GAN", ylabel="as WGAN-GP")
    _draw_bars(ours, table, f"here, N = {len(scores)}", "classifier score above")
    _draw_bars(paper, PAPER, "the paper, N = 200", "Inception Score above")
    handles, labels = ours.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(OUTCOMES), fontsize=8, frameon=False)
    return figure


# Colour and hatch, to be told apart by the colour-blind and in print.
LOOKS = ((COLOURS[6], "///"), (COLOURS[1], ""), (COLOURS[3], "..."), ("#dddddd", ""))


def _draw_bars(axes: Any, table: Mapping[float, tuple[int, ...]], title: str, label: str) -> None:
    places = range(len(table))
    bottom = [0.0] * len(table)
    for i, (what, (colour, hatch)) in enumerate(zip(OUTCOMES, LOOKS, strict=True)):
        heights = [100 * counts[i] / sum(counts) for counts in table.values()]
        axes.bar(places, heights, 0.75, bottom, color=colour, hatch=hatch, edgecolor="white", label=what)
        bottom = [a + b for a, b in zip(bottom, heights, strict=True)]
    axes.set_xticks(list(places), [f"{t:g}" for t in table])
    axes.set(ylim=(0, 100), xlabel=label, ylabel="% of pairs", title=title)


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    pairs = [row["pairs"] for row in numbers["table"]]
    gan, wgan_gp = (sum(counts[i] for counts in pairs) for i in (0, 1))
    return {
        "some pairs learn, and some do not": any(0 < counts[3] < sum(counts) for counts in pairs),
        "WGAN-GP learns with pairs that the GAN cannot do, and seldom the other way round (of ten pairs or more)": (
            len(numbers["pairs"]) >= 10 and wgan_gp > 3 * gan
        ),
    }
