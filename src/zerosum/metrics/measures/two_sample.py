"""Two-sample tests: could these two sets of features be draws from one distribution?

Each gives a p-value: under that hypothesis it is at most p with a probability of at most about p, whatever the
distribution. A small one says that the sets differ; a large one says only that this test, with this many samples, did
not see it.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from zerosum.core.random import generator
from zerosum.metrics.measure import VECTORS, Context, Measure, Number, Option, smaller
from zerosum.metrics.shared.kernels import Kernel, gaussian_kernel, median_distance
from zerosum.metrics.shared.neighbours import MEMORY_MIB, check_features, nearest
from zerosum.metrics.shared.ordering import DRAWN, draw_rows
from zerosum.metrics.sides import Side

PERMUTATIONS = 1000
KERNEL_SAMPLES = 2_000  # a side: the permutation test of MMD holds the whole kernel matrix
_LBFGS = {"maxiter": 200, "ftol": 1e-10, "gtol": 1e-6}
_TILE = 1024  # rows and columns of a kernel matrix at a time


class ClassifierTest(NamedTuple):
    """How well a classifier tells the sets apart on samples that it was not trained on.

    Attributes:
        accuracy: Share of the test samples that it gets right, 0 to 1; 0.5 is chance.
        p_value: Probability of at least this accuracy by guessing.
        tested: Number of test samples, half of them from each set.
    """

    accuracy: float
    p_value: float
    tested: int


class NeighbourTest(NamedTuple):
    """How often a sample's nearest neighbour, the sample itself left out, is of its own set.

    Attributes:
        accuracy: Share of all samples, 0 to 1. Well below ``chance`` it says that generated samples sit on real ones:
            they are copies, and the p-value is large.
        on_real: The same share of the real samples.
        on_fake: The same share of the generated samples.
        chance: Expected accuracy if labels were handed out at random; just below 0.5 for sets of equal size.
        p_value: Share of the permutations of the labels with at least this accuracy.
    """

    accuracy: float
    on_real: float
    on_fake: float
    chance: float
    p_value: float


class KernelTest(NamedTuple):
    """Maximum mean discrepancy.

    Attributes:
        mmd2: Unbiased estimate of its square; it can be below 0.
        p_value: Share of the permutations of the labels with at least this estimate.
    """

    mmd2: float
    p_value: float


def classifier_test(
    real: Tensor, fake: Tensor, *, hidden: int = 20, decay: float = 0.01, seed: int = 0
) -> ClassifierTest:
    """Classifier two-sample test; Lopez-Paz and Oquab 2017, arXiv:1610.06545.

    As many samples of each set as the smaller has are drawn; one half of each trains a classifier on standardised
    features, full-batch with L-BFGS, the other half tests it. The p-value is the exact tail of the binomial null that
    the paper approximates by N(1/2, 1 / (4 tested)). As both labels are equally frequent in the test half, the true
    null has at most this variance, so the p-value errs on the safe side.

    Args:
        real: Features of real samples, (N, D).
        fake: Features of generated samples, (M, D).
        hidden: ReLU units in the one hidden layer; 0 for logistic regression, which sees only differences in means.
        decay: Weight of half the squared weights (not biases) beside the mean cross-entropy.
        seed: Seed of the choice of samples and of the first weights.

    Raises:
        ValueError: The features cannot be compared, a side has fewer than 4 samples, or a setting is below 0.
    """
    check_features(real, fake, least=4)
    if hidden < 0 or decay < 0:
        raise ValueError(f"hidden and decay must be at least 0, not {hidden} and {decay:g}")
    from scipy.special import bdtrc

    n = min(len(real), len(fake))
    rng = generator(seed, "classifier test")
    drawn = [x[torch.randperm(len(x), generator=rng)[:n].to(x.device)].to(torch.float64) for x in (real, fake)]
    half = n // 2
    train, test = (torch.cat([x[part] for x in drawn]) for part in (slice(half), slice(half, None)))
    mean, std = train.mean(0), train.std(0, correction=0)
    std = std.where(std > 0, 1.0)
    weights = _train((train - mean) / std, half, hidden, decay, rng)
    says_real = _logits(weights, (test - mean) / std) > 0
    right = int(says_real[: n - half].sum()) + int((~says_real[n - half :]).sum())
    return ClassifierTest(right / len(test), float(bdtrc(right - 1, len(test), 0.5)), len(test))


def _logits(weights: list[Tensor], x: Tensor) -> Tensor:
    """Logits (N,) of a network given as weight, bias, weight, bias... with ReLU in between."""
    for i in range(0, len(weights), 2):
        x = torch.addmm(weights[i + 1], x.relu() if i else x, weights[i].T)
    return x.squeeze(1)


def _train(x: Tensor, positive: int, hidden: int, decay: float, rng: torch.Generator) -> list[Tensor]:
    """Weights of a classifier of x (N, D), the first ``positive`` rows against the others."""
    from scipy.optimize import minimize

    widths = [x.shape[1], *([hidden] if hidden else []), 1]
    shapes = [shape for a, b in pairwise(widths) for shape in ((b, a), (b,))]
    first = [
        torch.randn(shape, dtype=x.dtype, generator=rng) * math.sqrt(2 / shape[-1])
        if len(shape) == 2
        else torch.zeros(shape)
        for shape in shapes
    ]
    labels = (torch.arange(len(x), device=x.device) < positive).to(x.dtype)

    def parts(flat: Tensor) -> list[Tensor]:
        pieces = torch.split(flat, [math.prod(shape) for shape in shapes])
        return [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        flat = torch.from_numpy(values).to(x.device).requires_grad_()
        weights = parts(flat)
        penalty = torch.stack([w.square().sum() for w in weights[::2]]).sum() / 2
        value = binary_cross_entropy_with_logits(_logits(weights, x), labels) + decay * penalty
        (slope,) = torch.autograd.grad(value, flat)
        return float(value.detach()), slope.cpu().numpy()

    start = torch.cat([w.to(torch.float64).flatten() for w in first]).numpy()
    with torch.inference_mode(False), torch.enable_grad():
        x, labels = x.clone(), labels.clone()  # what was made in inference mode has no gradients
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options=_LBFGS)
    return parts(torch.from_numpy(found.x).to(x.device))


def _draw_labelings(n: int, total: int, permutations: int, rng: torch.Generator, device: torch.device) -> Tensor:
    """Labelings (1 + permutations, total), bool, with n true in each row; in the first one the first n."""
    if permutations < 1:
        raise ValueError(f"a permutation test needs at least 1 permutation, not {permutations}")
    labels = torch.zeros(1 + permutations, total, dtype=torch.bool)
    labels[0, :n] = True
    for row in labels[1:]:
        row[torch.randperm(total, generator=rng)[:n]] = True
    return labels.to(device)


def _p_value(statistics: Tensor, slack: float = 0.0) -> float:
    """Share of statistics (1 + P,) at or above the first, itself counted; Phipson and Smyth 2010."""
    return int((statistics >= statistics[0] - slack).sum()) / len(statistics)


def neighbour_test(
    real: Tensor, fake: Tensor, *, permutations: int = PERMUTATIONS, seed: int = 0, memory_mib: float = MEMORY_MIB
) -> NeighbourTest:
    """Leave-one-out 1-nearest-neighbour test; Xu et al. 2018, arXiv:1806.07755, for GANs.

    The p-value is by permutation, not binomial: samples share neighbours and are each other's, so their successes are
    not independent and a binomial tail would be too small. Labels are permuted over the fixed graph of neighbours, so
    no distance is computed twice, and the p-value is exact. Of several nearest neighbours at one distance the first
    counts, in an order that is drawn from the seed and does not know the labels.

    Args:
        real: Features of real samples, (N, D).
        fake: Features of generated samples, (M, D); as many as real ones, for numbers that are easy to read.
        permutations: Number of permutations, P; the p-value is at least 1 / (1 + P).
        seed: Seed of the permutations and of the order among ties.
        memory_mib: Working memory in MiB, beside the features, a pooled copy of them and (N + M) P bytes of labels.

    Raises:
        ValueError: The features cannot be compared, a side has fewer than 2 samples, there is no permutation, or the
            cap is too small.
    """
    check_features(real, fake, least=2)
    n, m = len(real), len(fake)
    total = n + m
    rng = generator(seed, "neighbour test")
    order = torch.randperm(total, generator=rng).to(real.device)
    pooled = torch.cat([real.detach(), fake.detach()])[order]
    neighbour = nearest(pooled, k=1, memory_mib=memory_mib).indices[:, 0]
    # Back to the order of the sets: sample order[i] has the neighbour order[neighbour[i]].
    of = torch.empty_like(order)
    of[order] = order[neighbour]
    labels = _draw_labelings(n, total, permutations, rng, real.device)
    right = torch.stack([(row == row[of]).sum() for row in labels])
    own = labels[0] == labels[0, of]
    return NeighbourTest(
        accuracy=int(right[0]) / total,
        on_real=int(own[:n].sum()) / n,
        on_fake=int(own[n:].sum()) / m,
        chance=(n * (n - 1) + m * (m - 1)) / (total * (total - 1)),
        p_value=_p_value(right),
    )


def kernel_test(
    real: Tensor, fake: Tensor, *, kernel: Kernel | None = None, permutations: int = PERMUTATIONS, seed: int = 0
) -> KernelTest:
    """Maximum mean discrepancy, unbiased, with a permutation p-value; Gretton et al. 2012, JMLR 13, Eq. 3.

    The kernel matrix of both sets together is computed once, tile by tile; with 0/1 labels s each labeling's sums are
    s^T K s, s^T K 1 and 1^T K 1, so all permutations are one matrix product per tile.

    Args:
        real: Features of real samples, (N, D).
        fake: Features of generated samples, (M, D).
        kernel: Symmetric kernel (A, D), (B, D) -> (A, B), which is given float64 features: ``polynomial_kernel`` for
            that of KID; by default the Gaussian one with the median distance for its bandwidth.
        permutations: Number of permutations, P; the p-value is at least 1 / (1 + P).
        seed: Seed of the permutations and of the samples that give the bandwidth.

    Raises:
        ValueError: The features cannot be compared, a side has fewer than 2 samples, there is no permutation, or the
            features leave the Gaussian kernel without a bandwidth.
    """
    check_features(real, fake, least=2)
    n, m = len(real), len(fake)
    if kernel is None:
        kernel = gaussian_kernel(median_distance(real, fake, seed=seed))
    pooled = torch.cat([real.detach(), fake.detach()])
    labels = _draw_labelings(n, n + m, permutations, generator(seed, "kernel test"), real.device)
    inside, once, total = _quadratic(pooled, labels, kernel)
    within_real, within_fake = inside / (n * (n - 1)), (total - 2 * once + inside) / (m * (m - 1))
    mmd2 = within_real + within_fake - 2 * (once - inside) / (n * m)
    # Equal up to rounding counts as equal: on features with many ties the statistics have few different values.
    slack = 1e-12 * abs(total) / (n * m)
    return KernelTest(float(mmd2[0]), _p_value(mmd2, slack))


def _quadratic(x: Tensor, labels: Tensor, kernel: Kernel) -> tuple[Tensor, Tensor, float]:
    """For each row s of labels (P, T), s^T K s and s^T K 1, both (P,); and 1^T K 1. K is without its diagonal."""
    inside, once = torch.zeros(2, len(labels), dtype=torch.float64, device=x.device)
    total = 0.0

    def of(start: int) -> tuple[Tensor, Tensor]:
        part = slice(start, start + _TILE)
        return x[part].to(torch.float64), labels[:, part].to(torch.float64)

    for i in range(0, len(x), _TILE):
        left, left_labels = of(i)
        for j in range(i, len(x), _TILE):
            right, right_labels = of(j)
            values = kernel(left, right)
            if i == j:
                values.fill_diagonal_(0)
            else:
                once += right_labels @ values.sum(0)
            once += left_labels @ values.sum(1)
            twice = 1 if i == j else 2  # K is symmetric: tiles below the diagonal repeat those above
            inside += twice * ((left_labels @ values) * right_labels).sum(1)
            total += twice * float(values.sum())
    return inside, once, total


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    x, y = (side.ordered_vectors(context.device) for side in (real, fake))
    permutations = context.options.get("permutations", PERMUTATIONS)
    told = classifier_test(x, y, seed=context.seed)
    near = neighbour_test(x, y, permutations=permutations, seed=context.seed, memory_mib=context.memory_mib)
    few = context.options.get("mmd_samples") or min(len(x), len(y), KERNEL_SAMPLES)
    drawn = (z[draw_rows(few, len(z), context.seed, "kernel test", i).to(z.device)] for i, z in enumerate((x, y)))
    apart = kernel_test(*drawn, permutations=permutations, seed=context.seed)
    shares = {"p": near.p_value, "on_real": near.on_real, "on_fake": near.on_fake, "chance": near.chance}
    return [
        Number("c2st", told.accuracy, {"p": told.p_value}, {"tested": told.tested}),
        Number("1nn", near.accuracy, shares),
        Number("mmd2", apart.mmd2, {"p": apart.p_value}, {"mmd_samples": few}),
    ]


MEASURE = Measure(
    name="tests",
    summary="two-sample tests: classifier, nearest neighbour, MMD",
    run=_measure,
    directions={"c2st": "lower", "1nn": "neither", "mmd2": "lower"},
    constants=DRAWN,
    options={
        "permutations": Option(default=PERMUTATIONS, text="permutations behind a p-value", source="ours"),
        "mmd_samples": Option(
            default=KERNEL_SAMPLES,
            text="images of each set in the permuted MMD (by default fewer where a set has fewer)",
            source="ours",
            least=2,
            most=smaller,
            gives_way=True,
        ),
    },
    reads=VECTORS,
)
