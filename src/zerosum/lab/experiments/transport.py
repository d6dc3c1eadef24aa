"""Transport: boxes that are moved, plans that tie, and the price of entropy.

The boxes of the lecture notes: six of them, at 1, 2 and 3, are to be moved to 7, 8, 9 and 10. The printed table shows
one whole plan (three rows) and one row of a second, under labels that fit neither. Read in this way both have the right
marginals. Every box moves to the right, so every plan costs the sum of the targets less the sum of the sources: 42
steps. All plans are optimal, and the example cannot show that some plans are better than others. With squared
distances they differ: there the plan that keeps the order of the boxes is the only best one.

The five-unit example (its figure is lost in the notes; Weng 2019, arXiv:1904.08994, has the same steps): heights
3, 2, 1, 4 become 1, 2, 4, 3 by moving 2, 2 and 1 boxes between neighbours. W1 = 5, and it is the sum of |F - G|.

In the plane a linear program finds the plan, and its dual, a 1-Lipschitz potential, proves it optimal. That potential
is what the critic of a Wasserstein GAN is trained to be. (The notes say that the dual makes |x - y| equal to
f(x) - f(y), but it does so only where mass is moved.) Sinkhorn's iteration rewards entropy at the price eps: its plan
is blurred and costs more, by at most eps log n, since the entropy of a plan between n and n equal masses lies between
log n and 2 log n. As eps falls it approaches the optimal plan, in more iterations.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import COLOURS, line, panels
from zerosum.theory.arrays import Array
from zerosum.theory.transport import (
    draw_matrix,
    draw_plan,
    euclidean,
    kantorovich_rubinstein,
    monotone_plan,
    optimal_plan,
    sinkhorn,
    wasserstein_grid,
)

FORMULAS = (  # mathtext, and what it is
    (
        r"W_1 = \min_\gamma \sum_{ij} \gamma_{ij}\,|x_i - y_j|, "
        r"\qquad \sum_j \gamma_{ij} = p_i, \quad \sum_i \gamma_{ij} = q_j",
        "the best plan",
    ),
    (r"W_1 = \max_{\mathrm{Lip}(f) \leq 1} \sum_i f(x_i)\,p_i - \sum_j f(y_j)\,q_j", "its dual"),
    (r"\min_\gamma \sum_{ij} \gamma_{ij}\,c_{ij} + \varepsilon \sum_{ij} \gamma_{ij} \log \gamma_{ij}", "Sinkhorn"),
)
QUICK = {"points": 8, "smallest": 0.01}
PRINTED = """
1 1 0 0 2 gamma_1
2 0 1 0 0
3 0 0 2 0 gamma_2
  0 1 1 0
"""  # the table of the notes: a row of x, then masses at y = 7, 8, 9, 10
SOURCES, TARGETS = np.array([1.0, 2, 3]), np.array([7.0, 8, 9, 10])
PLACES = np.arange(1.0, 5)
FIVE = np.array([3.0, 2, 1, 4]), np.array([1.0, 2, 4, 3])


def printed_rows() -> Array:
    """The four rows of masses in the printed table, (4, 4)."""
    rows = [
        [float(cell) for cell in row.split() if not cell.startswith("gamma")] for row in PRINTED.strip().split("\n")
    ]
    return np.array([row[-4:] for row in rows])


def boxes() -> dict[str, Any]:
    """What the printed table says, and whether that is possible."""
    rows = printed_rows()
    first, last = rows[:3], rows[3]
    p, q = first.sum(1), first.sum(0)
    cost = np.abs(SOURCES[:, None] - TARGETS)
    seconds = completions(last, p, q)
    literal = [(rows[:2].sum(1), rows[:2].sum(0)), (rows[2:].sum(1), rows[2:].sum(0))]  # labels taken at their word
    squares = {float((plan * cost**2).sum()) for plan in [first, *seconds]}
    return {
        "p": p,
        "q": q,
        "first": first,
        "seconds": seconds,
        "costs": sorted({float((plan * cost).sum()) for plan in [first, *seconds]}),
        "least": optimal_plan(cost, p, q).value,
        "last row fits": bool(last.sum() == p[2] and (last <= q).all()),
        "labels fit": bool(np.array_equal(literal[0][1], literal[1][1])),
        "squared costs": sorted(squares),
        "least squared cost": optimal_plan(cost**2, p, q).value,
        "monotone": monotone_plan(SOURCES, TARGETS, p, q),
    }


def completions(last: Array, p: Array, q: Array) -> list[Array]:
    """All plans in whole boxes with this last row, where the row before it holds one box.

    Args:
        last: Last row of the plan.
        p: Boxes at each source, three of them.
        q: Boxes at each target.
    """
    assert p[1] == 1, "the row before the last is one box, which goes to one of the targets"
    found = []
    for j in range(len(q)):
        one = np.eye(len(q))[j]
        rest = q - last - one
        if (rest >= 0).all() and rest.sum() == p[0]:
            found.append(np.stack([rest, one, last]))
    return found


def five_units() -> dict[str, Any]:
    """The steps between neighbours, their sum, and the plan, in the five-unit example."""
    p, q = FIVE
    return {
        "steps": np.cumsum(p - q)[:-1],
        "sum": wasserstein_grid(PLACES, p, q),
        "plan": optimal_plan(np.abs(PLACES[:, None] - PLACES), p, q).gamma,
    }


def experiment(lab: Lab, *, points: int = 12, smallest: float = 0.005) -> Findings:
    """Move the boxes, the five units, and a cloud of points.

    Args:
        lab: Seed, folder and progress bars.
        points: Number of points in each of two clouds in the plane.
        smallest: Price eps of the last Sinkhorn iteration, in units of the mean cost.
    """
    table, five = boxes(), five_units()
    rng = np.random.default_rng(lab.seed)
    x, y = rng.normal(size=(points, 2)), rng.normal(size=(points, 2)) @ np.diag([0.6, 1.5]) + [3, 0]
    p = q = np.full(points, 1 / points)
    cost = euclidean(x, y)
    plan = optimal_plan(cost, p, q)
    _, dual = kantorovich_rubinstein(np.concatenate([x, y]), np.r_[p, 0 * q], np.r_[0 * p, q])
    eps = cost.mean() * np.geomspace(1, smallest, 7)
    blurred = [sinkhorn(cost, p, q, e, tolerance=1e-6) for e in lab.track(eps, "Sinkhorn")]
    excess = [one.value - plan.value for one in blurred]
    numbers = {
        "boxes": {k: np.asarray(v).tolist() for k, v in table.items()},
        "five units": {k: np.asarray(v).tolist() for k, v in five.items()},
        "points": {"primal": plan.value, "dual": dual},
        "sinkhorn": [
            {"eps": float(e), "excess": c, "iterations": b.iterations}
            for e, c, b in zip(eps, excess, blurred, strict=True)
        ],
    }
    says = (
        f"boxes: the {1 + len(table['seconds'])} plans that the table allows cost {table['costs']}, the least is "
        f"{table['least']:g}: all tie; their squared costs {table['squared costs']} do not, the least is "
        f"{table['least squared cost']:g}",
        f"five units: steps {five['steps'].tolist()}, W1 = {five['sum']:g}",
        f"points: primal {plan.value:.6f}, dual {dual:.6f}",
        f"Sinkhorn: {excess[0]:.3f} above the optimum at eps {eps[0]:.2f}, {excess[-1]:.1e} at {eps[-1]:.3f}, "
        f"in {blurred[0].iterations} and {blurred[-1].iterations} iterations",
    )
    drawn = {"boxes": _draw_boxes(table), "five-units": _draw_five(five)}
    drawn |= {
        "points": _draw_points(x, y, plan.gamma, blurred[4].gamma),
        "sinkhorn": _draw_sinkhorn(eps, excess, blurred, eps * np.log(points)),
    }
    return Findings(numbers, says, drawn)


def _names(places: Array) -> list[str]:
    return [f"{place:g}" for place in places]


def _draw_boxes(table: dict[str, Any]) -> Figure:
    figure, axes = panels(1, 4, width=3.0, height=2.6)
    axes[0, 0].bar(SOURCES, table["p"], color=COLOURS[1], width=0.8)
    axes[0, 0].bar(TARGETS, table["q"], color=COLOURS[2], width=0.8, hatch="//", edgecolor="white")
    axes[0, 0].set(xlabel="place", ylabel="boxes", title="from (plain) to (hatched)", xticks=[*SOURCES, *TARGETS])
    plans = {
        r"$\gamma_1$, as printed": table["first"],
        r"$\gamma_2$: row 3 printed, rest completed": table["seconds"][1],
        "the plan that keeps the order": table["monotone"],
    }
    cost = np.abs(SOURCES[:, None] - TARGETS)
    for one, (title, gamma) in zip(axes[0, 1:], plans.items(), strict=True):
        draw_matrix(one, gamma, _names(SOURCES), _names(TARGETS))
        price = f"cost {(gamma * cost).sum():g}; of squares {(gamma * cost**2).sum():g}"
        one.set(xlabel=f"to\n{price}", ylabel="from")
        one.set_title(title, fontsize=9)
    return figure


def _draw_five(five: dict[str, Any]) -> Figure:
    figure, axes = panels(1, 3, width=3.2, height=2.8)
    for shift, masses, i, name in ((-0.2, FIVE[0], 1, "P"), (0.2, FIVE[1], 2, "Q")):
        axes[0, 0].bar(
            PLACES + shift, masses, 0.38, color=COLOURS[i], hatch="" if i == 1 else "//", edgecolor="white", label=name
        )
    axes[0, 0].set(xlabel="place", ylabel="boxes", xticks=PLACES, ylim=(0, 5.4), title="P is to become Q")
    axes[0, 0].legend(fontsize=8, ncols=2, loc="upper left")
    axes[0, 1].bar(PLACES[:-1] + 0.5, five["steps"], 0.6, color=COLOURS[0])
    axes[0, 1].axhline(0, color="#777777", linewidth=0.8)
    axes[0, 1].set(xlabel="place", ylabel="F - G: carried right", xticks=PLACES, title="2 + 2 + |-1| = 5")
    draw_matrix(axes[0, 2], five["plan"], _names(PLACES), _names(PLACES))
    axes[0, 2].set(xlabel="to", ylabel="from", title="an optimal plan")
    return figure


def _draw_points(x: Array, y: Array, plan: Array, blurred: Array) -> Figure:
    figure, axes = panels(2, 2, width=4.0, height=3.2)
    for row, (title, gamma) in enumerate({"linear program": plan, "Sinkhorn": blurred}.items()):
        draw_plan(axes[row, 0], x, y, np.where(gamma > 0.02 * gamma.max(), gamma, 0))
        axes[row, 0].set(title=f"{title}: moves", xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
        draw_matrix(axes[row, 1], gamma)
        axes[row, 1].set(title=f"{title}: plan", xlabel="to point", ylabel="from point")
    axes[0, 0].legend(fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.18), ncols=2, frameon=False)
    return figure


def _draw_sinkhorn(eps: Array, excess: list[float], blurred: list[Any], most: Array) -> Figure:
    figure, axes = panels(1, 2)
    axes[0, 0].plot(eps, most, label="at most: eps log n", **line(0))
    axes[0, 0].plot(eps, excess, label="Sinkhorn", **line(1, marked=True))
    axes[0, 0].legend(fontsize=8)
    axes[0, 0].set(xscale="log", yscale="log", xlabel="eps (units of cost)", ylabel="cost above the linear program's")
    axes[0, 1].plot(eps, [one.iterations for one in blurred], **line(2, marked=True))
    axes[0, 1].set(xscale="log", yscale="log", xlabel="eps (units of cost)", ylabel="iterations")
    for one in axes.flat:
        one.set_title(("accuracy", "work")[int(one is axes[0, 1])])
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    boxes, points = numbers["boxes"], numbers["points"]
    return {
        "all plans of the notes cost the same, and squared distances tell them apart": (
            boxes["costs"] == [boxes["least"]] and min(boxes["squared costs"]) > boxes["least squared cost"]
        ),
        "the dual of the linear program has its value": abs(points["primal"] - points["dual"]) < 1e-6,
        "Sinkhorn comes nearer to it as eps falls": all(
            a["excess"] > b["excess"] for a, b in pairwise(numbers["sinkhorn"])
        ),
    }
