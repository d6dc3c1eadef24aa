"""Reference statistics: mean and covariance of features, in files that other programs read and write.

One ``.npz`` serves them all: ``mu`` and ``sigma`` as pytorch-fid and EDM have them, ``mu_s`` and ``sigma_s`` beside
them (the features of sFID) as ADM's evaluator has them. Ours also hold ``zerosum``, a JSON text that says which
extractor saw which images; other programs pass it over. Covariances are unbiased, as those of ``numpy.cov``, in all.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from zerosum.errors import DataError, UsageError
from zerosum.files import atomic, printable
from zerosum.metrics.features.base import Extractor
from zerosum.metrics.features.inception import Inception, SpatialInception
from zerosum.metrics.images import ImageSet
from zerosum.metrics.measure import Measure
from zerosum.metrics.shared.statistics import FeatureStatistics
from zerosum.metrics.sides import see

PREFIX = "stats:"
ENOUGH = frozenset({"fid", "fid-infinity", "sfid"})  # measures that read no more than moments of the real side
_SPATIAL = SpatialInception.name
_UNKNOWN_COUNT = 2**20 + 1  # stands for many: the covariance comes back exactly
_ASYMMETRY = 1e-6  # of a covariance, of its largest entry

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReferenceStatistics:
    """What a file of statistics says.

    Attributes:
        path: The file.
        seen: Statistics of features: under ``""`` those of ``mu`` and ``sigma``, under ``"inception-spatial"`` those of
            ``mu_s`` and ``sigma_s``.
        facts: What the file says of itself: ``features``, ``features_hash``, ``resize``, ``count``, ``images`` (their
            name), ``fingerprint``, ``shape``. Empty where another program wrote it.
        fingerprint: Hash of the numbers.
    """

    path: Path
    seen: Mapping[str, FeatureStatistics]
    facts: Mapping[str, Any]
    fingerprint: str

    def moments(self, extractor: Extractor) -> FeatureStatistics:
        """The statistics of the features of an extractor.

        Raises:
            UsageError: The file has those of another extractor, of other weights or of another resize.
        """
        spatial = extractor.name == _SPATIAL
        found = self.seen.get(_SPATIAL if spatial else "")
        if found is None:
            raise self._refusal(f"has no mu_s and sigma_s, which {_SPATIAL} needs: take statistics that have them")
        if found.dimensions != extractor.dimensions:
            raise self._refusal(
                f"has statistics of {found.dimensions} features, and {extractor.name} has {extractor.dimensions}: take "
                "the extractor that they are of"
            )
        ours = {"features_hash": extractor.hash, "resize": extractor.resize}
        if not spatial:
            ours = {"features": extractor.name, **ours}
        for fact, own in ours.items():
            if self.facts.get(fact, own) != own:
                told = fact.replace("_", " ")
                raise self._refusal(
                    f"has statistics of {told} {self.facts[fact]!r}, not {own!r}: take the same, or save them anew"
                )
        return found

    def samples(self, shape: tuple[int, ...]) -> ImageSet:
        """The real side of a comparison with images of this shape, (C, H, W): nothing is known of it but statistics."""
        name = self.facts.get("images", f"{PREFIX}{self.path.name}")
        fingerprint = self.facts.get("fingerprint", f"statistics:{self.fingerprint}")
        return StatisticsSet(
            name=str(name),
            kind="real",
            fingerprint=str(fingerprint),
            shape=shape,
            count=cast(int, self.facts.get("count")),  # None where it is unknown, as in protocols
            read=_no_images,
            known=self.moments,
        )

    def notes(self, shape: tuple[int, ...]) -> list[str]:
        """What people should know who compare images of this shape, (C, H, W), with these statistics."""
        name = printable(str(self.path))
        if not self.facts:
            return [
                f"{name}: does not say which extractor, resize and number of images its statistics are of; they are "
                "taken to be of the same extractor and resize, and of many images"
            ]
        theirs = tuple(self.facts.get("shape", shape))
        if theirs == tuple(shape):
            return []
        sizes = ["x".join(map(str, one)) for one in (theirs, shape)]
        return [f"{name}: its images were {sizes[0]}, those to score are {sizes[1]}"]

    def _refusal(self, why: str) -> UsageError:
        return UsageError(f"against={PREFIX}{printable(str(self.path))}: {why}", argument="against")


@dataclass(frozen=True, eq=False)
class StatisticsSet(ImageSet):
    """Real images of which only statistics are known.

    Attributes:
        known: Function from an extractor to the statistics of its features.
    """

    known: Callable[[Extractor], FeatureStatistics] | None = None

    def __post_init__(self) -> None:
        """Their number may be unknown, and needs no check."""

    def moments(self, extractor: Extractor) -> FeatureStatistics | None:
        """The statistics of the features of an extractor; see :meth:`ReferenceStatistics.moments`."""
        return None if self.known is None else self.known(extractor)


def _no_images(start: int, n: int) -> torch.Tensor:
    raise ValueError("of these images only statistics are known")


def statistics_path(source: Any) -> Path | None:
    """The path that ``stats:PATH`` names; ``None`` for everything else."""
    if not isinstance(source, str) or not source.startswith(PREFIX):
        return None
    return Path(source.removeprefix(PREFIX)).expanduser()


def check_measures(measures: Iterable[Measure]) -> None:
    """Refuse measures that need more of the real side than statistics.

    Raises:
        UsageError: One does; the message names those that do not.
    """
    for measure in measures:
        if not measure.one_sided and measure.name not in ENOUGH:
            raise UsageError(
                f"metrics={measure.name}: needs the real images, and a file of statistics has only their moments: name "
                f"the images, or measures that need no more ({', '.join(sorted(ENOUGH))})",
                argument="metrics",
            )


def read_reference(path: Path) -> ReferenceStatistics:
    """Statistics from a file, of this program or another; nothing in it is ever run.

    Raises:
        DataError: There is no such file, it is a pickle or damaged, or it has no statistics that make sense.
    """
    arrays = _read_arrays(path)
    name = printable(str(path))
    facts = _facts_of(arrays, name)
    count = facts.get("count", _UNKNOWN_COUNT)
    seen = {"": _statistics(arrays["mu"], arrays["sigma"], count, f"{name}: mu and sigma")}
    if {"mu_s", "sigma_s"} <= arrays.keys():
        seen[_SPATIAL] = _statistics(arrays["mu_s"], arrays["sigma_s"], count, f"{name}: mu_s and sigma_s")
    digest = hashlib.sha256()
    for one in seen.values():
        digest.update(one.mean.numpy().tobytes() + one.scatter.numpy().tobytes())
    return ReferenceStatistics(path, seen, facts, digest.hexdigest())


def _read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    name = printable(str(path))
    wanted = ("mu", "sigma", "mu_s", "sigma_s", "zerosum")
    try:
        with path.open("rb") as file:
            start = file.read(2)
        if path.suffix in {".pkl", ".pickle"} or start[:1] == b"\x80":
            raise DataError(f"{name}: a pickle can run any code when it is read, so none is; take the .npz of it")
        if start != b"PK":
            raise DataError(f"{name}: is no .npz file: statistics are mu and sigma in one, as numpy.savez writes them")
        with np.load(path, allow_pickle=False) as stored:
            found = {key: stored[key] for key in wanted if key in stored.files}
            listed = ", ".join(stored.files) or "nothing"
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror or error})") from error
    except (ValueError, zipfile.BadZipFile, KeyError, EOFError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name}: is damaged, or holds Python objects, which are not loaded ({error})") from error
    if not {"mu", "sigma"} <= found.keys():
        raise DataError(f"{name}: has no mu and sigma, but {listed}; images are named without {PREFIX}")
    return found


def _facts_of(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> dict[str, Any]:
    if "zerosum" not in arrays:
        return {}
    try:
        facts: dict[str, Any] = json.loads(str(arrays["zerosum"]))
        if isinstance(facts["count"], int) and facts["count"] >= 2 and isinstance(facts["features"], str):
            return facts
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{name}: what it says of itself (zerosum) is damaged: save the statistics anew") from error
    raise DataError(f"{name}: what it says of itself (zerosum) makes no sense: save the statistics anew")


def _statistics(mu: npt.NDArray[Any], sigma: npt.NDArray[Any], count: int, told: str) -> FeatureStatistics:
    size = len(mu) if mu.ndim == 1 else 0
    if not size or sigma.shape != (size, size) or mu.dtype.kind != "f" or sigma.dtype.kind != "f":
        raise DataError(
            f"{told} must be D and D x D floating-point numbers, not {mu.dtype} {mu.shape} and {sigma.dtype} "
            f"{sigma.shape}"
        )
    mean, covariance = mu.astype(np.float64), sigma.astype(np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise DataError(f"{told} hold NaN or infinity: these statistics cannot be compared with")
    if (
        np.abs(covariance - covariance.T).max() > _ASYMMETRY * np.abs(covariance).max()
        or covariance.diagonal().min() < 0
    ):
        raise DataError(f"{told}: this is no covariance, which is symmetric, with variances of at least 0")
    return FeatureStatistics(count, torch.from_numpy(mean), torch.from_numpy(covariance) * (count - 1))


def write_reference(path: Path, images: ImageSet, extractor: Extractor, *, progress: Any = None) -> None:
    """Write the statistics of images, for ``stats:PATH`` and for other programs.

    Those of sFID's features are added where the extractor is Inception with the published resize, which has them.

    Args:
        path: The file, FILE.npz.
        images: The images.
        extractor: What looks at them.
        progress: Called with (done, total) images in each pass.

    Raises:
        UsageError: The file's name or folder does not fit, or it cannot be written.
        ValueError: The extractor does not take these images, or features are not finite.
    """
    name = printable(str(path))
    if path.suffix != ".npz":
        raise UsageError(f"save_stats={name}: is written as an .npz file: name it FILE.npz", argument="save_stats")
    if not path.parent.is_dir():
        raise UsageError(f"save_stats={name}: there is no folder {printable(str(path.parent))}", argument="save_stats")
    arrays = _arrays_of("", see(images, extractor, progress=progress).moments)
    if isinstance(extractor, Inception) and extractor.name == Inception.name:
        arrays |= _arrays_of("_s", see(images, extractor.spatial(), progress=progress).moments)
    facts = {
        "features": extractor.name,
        "features_hash": extractor.hash,
        "resize": extractor.resize,
        "count": images.count,
        "images": images.name,
        "fingerprint": images.fingerprint,
        "shape": list(images.shape),
    }
    try:
        with atomic(path) as partial, partial.open("wb") as file:
            np.savez(file, zerosum=np.array(json.dumps(facts)), **cast(Any, arrays))
    except OSError as error:
        raise UsageError(
            f"save_stats={name}: cannot be written ({error.strerror or error})", argument="save_stats"
        ) from error


def _arrays_of(ending: str, moments: FeatureStatistics) -> dict[str, Doubles]:
    return {f"mu{ending}": moments.mean.numpy(), f"sigma{ending}": moments.covariance.numpy()}
