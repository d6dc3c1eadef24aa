"""What protocols state: the constants of published scores, and that they are those the code runs with."""

import ast
from pathlib import Path

import pytest
import torch
from metric_helpers import normal

import zerosum.metrics
from zerosum.latent.interpolate import lerp
from zerosum.metrics.measures.classification import Procedure
from zerosum.metrics.measures.density_coverage import density_coverage, manifold_report
from zerosum.metrics.measures.frechet_infinity import frechet_infinity
from zerosum.metrics.measures.inception_score import PredictionStatistics
from zerosum.metrics.measures.kernel import kernel_distance
from zerosum.metrics.measures.memorisation import memorisation
from zerosum.metrics.measures.ms_ssim import diversity
from zerosum.metrics.measures.polygons import measure_polygons
from zerosum.metrics.measures.ppl import perceptual_path_length
from zerosum.metrics.measures.prd import prd
from zerosum.metrics.measures.precision_recall import precision_recall
from zerosum.metrics.measures.swd import sliced_wasserstein
from zerosum.metrics.registry import measures
from zerosum.metrics.score import Plain
from zerosum.metrics.shared.statistics import FeatureStatistics

HALVES = {
    "split": "first of two disjoint halves of the real images, in the order of their hashes",
    "pixels": "clamped to [-1, 1], rounded to 8 bits",
}
CLOTHES = {**HALVES, "features": "fashion classifier, 64 averaged activations", "resize": "none"}

DRAWN = {"drawn": "by seed, from images in the order of their hashes"}


def constants(measure: str) -> dict[str, Plain]:
    return dict(measures()[measure].constants)


def test_constants_are_those_of_scores_that_were_written() -> None:
    # Whoever changes one makes old scores incomparable: this table must be changed with it, knowingly.
    assert {name: constants(name) for name in measures()} == {
        "cas": {"epochs": 8, **DRAWN},
        "classes": {**CLOTHES, "of": 10, "threshold": 0.03},
        "cmmd": {"sigma": 10.0, "scale": 1000.0, "estimate": "biased"},
        "copying": {"quantile": 0.05},
        "dc": {"k": 5},
        "fd_dinov2": {},
        "fd_fashion": CLOTHES,
        "fd_random": HALVES,
        "fid": {},
        "fid-infinity": {"points": 15, **DRAWN},
        "intra-fid": {},
        "is": {"splits": 10, **DRAWN},
        "kid": {"subsets": 100, **DRAWN},
        "labels": {},
        "modes": {},
        "ms-ssim": {"pairs": 100, **DRAWN},
        "polygons": {"delta": 0.75, **DRAWN},
        "ppl": {"epsilon": 1e-4, "sampling": "full"},
        "pr": {"k": 3},
        "prd": {"clusters": 20, "runs": 10, "angles": 1001, **DRAWN},
        "sfid": {},
        "swd": {"patches": 128, "directions": 512, **DRAWN},
        "tests": DRAWN,
    }


def noise(channels: int, size: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, channels, size, size), generator=rng, dtype=torch.uint8)


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_what_runs_by_default_is_what_protocols_state() -> None:
    images, few, many = noise(1, 16), normal(12, 2), normal(40, 2, seed=1)
    assert constants("cas") == {"epochs": Procedure(classes=2, seed=0).epochs, **DRAWN}
    assert constants("copying") == {"quantile": memorisation(many, many, few).quantile}
    assert len(frechet_infinity(few, FeatureStatistics.of(many)).sizes) == constants("fid-infinity")["points"]
    assert len(PredictionStatistics.of(many, first=0, total=40).n) == constants("is")["splits"]
    assert diversity(images, seed=0).pairs == constants("ms-ssim")["pairs"]
    assert len(prd(many, many).curve.recall) == constants("prd")["angles"]
    assert constants("polygons") == {"delta": measure_polygons(noise(1, 28)[:1], seed=0).delta, **DRAWN}
    swd = sliced_wasserstein([images], [images], seed=0)
    assert constants("swd") == {"patches": swd.patches, "directions": swd.directions, **DRAWN}


def test_repeats_are_as_many_as_protocols_state(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def cluster(points: torch.Tensor, clusters: int, **path: int) -> torch.Tensor:
        seen.append(clusters)
        return torch.arange(len(points)) % clusters

    monkeypatch.setattr("zerosum.metrics.measures.prd.kmeans", cluster)
    prd(normal(40, 2), normal(40, 2, seed=1))
    assert seen == [constants("prd")["clusters"]] * int(constants("prd")["runs"])
    drawn: list[tuple[torch.Tensor, ...]] = []
    monkeypatch.setattr(
        "zerosum.metrics.measures.kernel.unbiased_mmd2", lambda *k: float(len(drawn.append(k) or drawn))
    )
    kernel_distance(normal(9, 2), normal(9, 2), subset_size=4)
    assert len(drawn) == constants("kid")["subsets"]


def test_path_lengths_run_with_what_protocols_state() -> None:
    found = perceptual_path_length(
        lambda z: z.view(-1, 1, 2, 2),
        lambda n, rng: torch.rand(n, 4, generator=rng),
        lambda a, b: (a - b).square().sum((1, 2, 3)),
        path=lerp,
        seed=0,
        pairs=10,
    )
    assert constants("ppl") == {"epsilon": found.epsilon, "sampling": found.sampling}


def test_neighbours_are_those_that_protocols_state() -> None:
    real, fake = normal(60, 3), normal(50, 3, seed=1)
    by_k = [(precision_recall(real, fake, k=k), density_coverage(real, fake, k=k)) for k in range(1, 8)]
    pr, dc = int(constants("pr")["k"]), int(constants("dc")["k"])
    assert precision_recall(real, fake) == by_k[pr - 1][0]
    assert density_coverage(real, fake) == by_k[dc - 1][1]
    assert manifold_report(real, fake) == (*by_k[pr - 1][0], *by_k[dc - 1][1])
    # No other k gives these numbers.
    assert [pair[0] for pair in by_k].count(precision_recall(real, fake)) == 1
    assert [pair[1] for pair in by_k].count(density_coverage(real, fake)) == 1


def test_what_measures_share_imports_no_measure() -> None:
    shared = Path(zerosum.metrics.__file__).parent / "shared"
    wrong = [
        f"{file.name}: {node.module}"
        for file in sorted(shared.glob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zerosum.metrics.measure")
    ]
    assert not wrong
