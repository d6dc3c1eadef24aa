"""Every measure of images by name: one entry of ``MEASURES`` each, a function of the two sides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from zerosum.metrics import inception_score as scores_of_logits
from zerosum.metrics.bootstrap import bootstrap_mean
from zerosum.metrics.classification import classification_accuracy_score
from zerosum.metrics.density_coverage import density_coverage
from zerosum.metrics.features.stacked_classifier import digit_classifier_hash
from zerosum.metrics.features.vgg16 import load_lpips
from zerosum.metrics.frechet import frechet_distance
from zerosum.metrics.frechet_infinity import frechet_infinity
from zerosum.metrics.intra_class import intra_class_distance
from zerosum.metrics.kernel import kernel_distance
from zerosum.metrics.label_accuracy import label_accuracy
from zerosum.metrics.memorisation import memorisation
from zerosum.metrics.ms_ssim import diversity
from zerosum.metrics.polygons import Inversion, measure_polygons
from zerosum.metrics.ppl import perceptual_path_length
from zerosum.metrics.prd import prd
from zerosum.metrics.precision_recall import precision_recall
from zerosum.metrics.score import Plain
from zerosum.metrics.side import Side
from zerosum.metrics.stacked import MODES as STACKED_MODES
from zerosum.metrics.stacked import SHAPE as STACKED
from zerosum.metrics.stacked import measure_stacked
from zerosum.metrics.swd import sliced_wasserstein
from zerosum.metrics.two_sample import classifier_test, kernel_test, neighbour_test

VECTORS, LOGITS = frozenset({"vectors"}), frozenset({"logits"})
LABELS, HELD_OUT = frozenset({"labels"}), frozenset({"held-out"})
RISING = ("modes", "is", "precision", "recall", "density", "coverage", "prd", "cas", "polygon", "label_accuracy")
POLYGONS = 1_024  # images that are fitted: as many as the study took
KERNEL_SAMPLES = 2_000  # a side: the permutation test of MMD holds the whole kernel matrix


@dataclass(frozen=True)
class Options:
    """What measures may depend on besides the two sides.

    Attributes:
        seed: of subsets, clusterings, permutations.
        memory_mib: cap on the tiles of pairwise distances.
        device: for measures that work on pixels.
        held_out: real images that no generator was trained on, for measures that need them.
    """

    seed: int = 0
    memory_mib: float = 512.0
    device: str = "cpu"
    held_out: Side | None = None


class Found(NamedTuple):
    """One number of a measure: its name, what explains it, and the constants it was computed with."""

    name: str
    value: float
    details: Mapping[str, float] = {}
    constants: Mapping[str, Plain] = {}


@dataclass(frozen=True)
class Measure:
    """A measure of generated against real images.

    Attributes:
        summary: one line for people.
        run: ``(real, fake, options)`` -> its numbers.
        reads: what of the features must be kept: ``"vectors"``, ``"logits"``.
        published_on: the features on which its numbers bear their plain names; ``None`` where it reads no features.
        one_sided: does it look at generated images alone?
        needs: ``"labels"`` on both sides, or ``"held-out"`` images.
    """

    summary: str
    run: Callable[[Side, Side, Options], list[Found]]
    reads: frozenset[str] = field(default=frozenset())
    published_on: str | None = "inception"
    one_sided: bool = False
    needs: frozenset[str] = frozenset()


def _fid(real: Side, fake: Side, o: Options) -> list[Found]:
    return [Found("fid", frechet_distance(fake.moments, real.moments))]


def _fid_infinity(real: Side, fake: Side, o: Options) -> list[Found]:
    found = frechet_infinity(fake.vectors, real.moments, seed=o.seed)
    details = {"standard_error": found.standard_error, "slope": found.slope}
    return [Found("fid_infinity", found.value, details, {"points": len(found.sizes), "smallest": min(found.sizes)})]


def _inception_score(real: Side, fake: Side, o: Options) -> list[Found]:
    found = scores_of_logits.inception_score(fake.logits)
    return [Found("is", found.mean, {"deviation": found.std}, {"splits": scores_of_logits.SPLITS})]


def _kid(real: Side, fake: Side, o: Options) -> list[Found]:
    size = min(1000, fake.images.count, real.images.count)
    found = kernel_distance(fake.vectors, real.vectors, subset_size=size, seed=o.seed)
    return [Found("kid", found.mean, {"deviation": found.std}, {"subsets": 100, "subset_size": size})]


def _share(name: str, value: float, n: int, constants: Mapping[str, Plain], o: Options) -> Found:
    """A share of n samples, with its bootstrap interval of 95%; the balls count as given."""
    interval = bootstrap_mean((torch.arange(n) < round(value * n)).double(), seed=o.seed)
    return Found(name, value, {"low": interval.low, "high": interval.high}, constants)


def _precision_recall(real: Side, fake: Side, o: Options) -> list[Found]:
    found = precision_recall(real.vectors, fake.vectors, k=3, memory_mib=o.memory_mib)
    return [
        _share("precision", found.precision, fake.images.count, {"k": 3}, o),
        _share("recall", found.recall, real.images.count, {"k": 3}, o),
    ]


def _density_coverage(real: Side, fake: Side, o: Options) -> list[Found]:
    found = density_coverage(real.vectors, fake.vectors, k=5, memory_mib=o.memory_mib)
    return [
        Found("density", found.density, {}, {"k": 5}),
        _share("coverage", found.coverage, real.images.count, {"k": 5}, o),
    ]


def _prd(real: Side, fake: Side, o: Options) -> list[Found]:
    found = prd(real.vectors, fake.vectors, seed=o.seed)
    constants: dict[str, Plain] = {"clusters": 20, "runs": 10, "angles": 1001}
    return [Found("prd_f8", found.f_8, {}, constants), Found("prd_f1/8", found.f_eighth, {}, constants)]


def _intra_class(real: Side, fake: Side, o: Options) -> list[Found]:
    found = intra_class_distance(real.vectors, real.labels, fake.vectors, fake.labels)
    names = real.images.classes
    details = {names[label] if names else str(label): value for label, value in found.by_class.items()}
    return [Found("intra_fid", found.mean, details, {"classes": len(details)})]


def _accuracy(real: Side, fake: Side, o: Options) -> list[Found]:
    test = _held_out(o, "cas").images
    found = classification_accuracy_score(
        (fake.images.pixels(), fake.labels),
        (real.images.pixels(), real.labels),
        (test.pixels(), test.labels),
        classes=len(real.images.classes),
        seed=o.seed,
        device=o.device,
    )
    details = {"real": found.real.overall, "gap": found.gap}
    constants: dict[str, Plain] = {
        "epochs": found.generated.epochs,
        "size": found.generated.size,
        "test": test.name,
        "test_fingerprint": test.fingerprint,
    }
    return [Found("cas", found.generated.overall, details, constants)]


def _label_accuracy(real: Side, fake: Side, o: Options) -> list[Found]:
    names, known = fake.images.classes, fake.logits.shape[1]
    if len(names) != known:
        raise ValueError(
            f"'labels' needs a classifier of the {len(names)} classes of {fake.images.name}; {fake.extractor.name!r} "
            f"knows {known}"
        )
    found, judge = label_accuracy(fake.logits, fake.labels), label_accuracy(real.logits, real.labels)
    details = {name: value for name, value in zip(names, found.by_class.tolist(), strict=True) if value == value}
    share = _share("label_accuracy", found.overall, fake.images.count, {}, o)
    return [share._replace(details={**share.details, "real": judge.overall, **details})]


def _swd(real: Side, fake: Side, o: Options) -> list[Found]:
    batch = fake.batch
    found = sliced_wasserstein(fake.images.batches(batch), real.images.batches(batch), seed=o.seed, device=o.device)
    details = {f"{side} pixels": value for side, value in found.levels}
    return [Found("swd", found.average, details, {"patches": found.patches, "directions": found.directions})]


def _diversity(real: Side, fake: Side, o: Options) -> list[Found]:
    yardstick = diversity(real.images.pixels(), seed=o.seed, labels=real.images.labels).mean
    found = diversity(fake.images.pixels(), seed=o.seed, labels=fake.images.labels)
    constants: dict[str, Plain] = {
        "pairs": found.pairs,
        "scales": found.scales,
        "within_classes": fake.images.labels is not None,
    }
    return [Found("ms_ssim", found.mean, {"real": yardstick}, constants)]


def _two_sample(real: Side, fake: Side, o: Options) -> list[Found]:
    x, y = real.vectors, fake.vectors
    told = classifier_test(x, y, seed=o.seed)
    near = neighbour_test(x, y, seed=o.seed, memory_mib=o.memory_mib)
    few = min(len(x), len(y), KERNEL_SAMPLES)
    apart = kernel_test(x[:few], y[:few], seed=o.seed)
    shares = {"p": near.p_value, "on_real": near.on_real, "on_fake": near.on_fake, "chance": near.chance}
    return [
        Found("c2st", told.accuracy, {"p": told.p_value}, {"tested": told.tested}),
        Found("1nn", near.accuracy, shares),
        Found("mmd2", apart.mmd2, {"p": apart.p_value}, {"mmd_samples": few}),
    ]


def _copying(real: Side, fake: Side, o: Options) -> list[Found]:
    held_out = _held_out(o, "copying")
    found = memorisation(real.vectors, held_out.vectors, fake.vectors, memory_mib=o.memory_mib)
    details = {
        "p": found.p_value,
        "near_train": found.near_train,
        "near_held_out": found.near_held_out,
        "duplicates": found.duplicates,
        "flagged": float(found.flagged),
    }
    constants: dict[str, Plain] = {
        "quantile": found.quantile,
        "held_out": held_out.images.name,
        "held_out_fingerprint": held_out.images.fingerprint,
    }
    return [Found("copying_z", found.z, details, constants)]


def _path_length(real: Side, fake: Side, o: Options) -> list[Found]:
    maker = fake.images.maker
    if maker is None:
        raise ValueError("the path length needs a run whose generator takes latents alone: images have no latents")
    distance = load_lpips(device=o.device)
    found = perceptual_path_length(
        maker.generate, maker.latents, distance, path=maker.path, seed=o.seed, pairs=fake.images.count, device=o.device
    )
    constants: dict[str, Plain] = {
        "distance": f"{distance.name} {distance.hash}",
        "epsilon": found.epsilon,
        "sampling": found.sampling,
        "path": maker.way,
        "side": found.size,
    }
    return [Found("ppl", found.mean, {"deviation": found.deviation, "kept": found.kept}, constants)]


def _polygons(real: Side, fake: Side, o: Options) -> list[Found]:
    maker, test = fake.images.maker, (o.held_out or real).images
    inversion = Inversion(maker.generate, maker.latents, bound=maker.bound) if maker else None
    targets = test.read(0, min(POLYGONS, test.count)) if maker else None
    images = fake.images.read(0, min(POLYGONS, fake.images.count))
    found = measure_polygons(images, seed=o.seed, inversion=inversion, targets=targets, device=o.device)
    constants: dict[str, Plain] = {
        "delta": found.delta,
        "settings": found.settings,
        "polygons": found.images,
        "targets": found.targets,
        "targets_fingerprint": test.fingerprint if targets is not None else None,
    }
    scores = [Found("polygon_precision", found.precision, {"distance": found.distance}, constants)]
    if found.recall is not None and found.f1 is not None:
        scores += [Found("polygon_recall", found.recall, {}, constants), Found("polygon_f1", found.f1, {}, constants)]
    return scores


def _modes(real: Side, fake: Side, o: Options) -> list[Found]:
    if tuple(fake.images.shape) != STACKED:
        raise ValueError(
            f"modes are counted on stacked-digits, 3x32x32, and {fake.images.name} has {fake.images.shape}"
        )
    constants: dict[str, Plain] = {"of": STACKED_MODES, "judge_hash": digit_classifier_hash()[:12]}
    found = measure_stacked(fake.images.batches(fake.batch), reference=real.labels, device=o.device)
    return [Found("modes", found.covered, {"reverse_kl": found.divergence}, constants)]


def _held_out(options: Options, measure: str) -> Side:
    if options.held_out is None:
        raise ValueError(f"{measure!r} compares with real images that were not trained on: name them with --held-out")
    return options.held_out


MEASURES: dict[str, Measure] = {
    "fid": Measure("Fréchet distance (Heusel 2017); fd_FEATURES on features other than Inception's", _fid),
    "fid-infinity": Measure("Fréchet distance less its finite-sample bias (Chong 2020)", _fid_infinity, VECTORS),
    "is": Measure("Inception Score (Salimans 2016)", _inception_score, LOGITS, one_sided=True),
    "kid": Measure("kernel distance, 100 subsets of 1,000 (Binkowski 2018)", _kid, VECTORS),
    "pr": Measure("improved precision and recall (Kynkäänniemi 2019)", _precision_recall, VECTORS, "vgg16"),
    "dc": Measure("density and coverage (Naeem 2020)", _density_coverage, VECTORS, "vgg16"),
    "prd": Measure("precision and recall for distributions, F_8 and F_1/8 (Sajjadi 2018)", _prd, VECTORS),
    "intra-fid": Measure("Fréchet distance within each class (Miyato 2018)", _intra_class, VECTORS, needs=LABELS),
    "labels": Measure("do images show the class asked for? (Odena 2017)", _label_accuracy, LOGITS, needs=LABELS),
    "cas": Measure(
        "accuracy on --held-out after learning from generated images (Ravuri 2019)",
        _accuracy,
        published_on=None,
        needs=LABELS | HELD_OUT,
    ),
    "swd": Measure("sliced Wasserstein distance on Laplacian pyramids (Karras 2018)", _swd, published_on=None),
    "ms-ssim": Measure("similarity of pairs of generated images (Odena 2017)", _diversity, published_on=None),
    "tests": Measure("two-sample tests: classifier, nearest neighbour, MMD", _two_sample, VECTORS),
    "copying": Measure("is the training set copied? with --held-out (Meehan 2020)", _copying, VECTORS, needs=HELD_OUT),
    "ppl": Measure("perceptual path length of a run, by LPIPS (Karras 2019)", _path_length, published_on=None),
    "polygons": Measure("distance to triangles, and back (Lucic 2018); on triangles", _polygons, published_on=None),
    "modes": Measure("modes of stacked digits and reverse KL (Metz 2017)", _modes, published_on=None),
}


def higher_is_better(score: str) -> bool:
    """Is a higher score of this name the better one?"""
    return any(score == name or score.startswith(f"{name}_") for name in RISING)
