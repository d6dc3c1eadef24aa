"""Reference statistics: mean and covariance of features, in files that other programs read and write.

One ``.npz`` serves them all: ``mu`` and ``sigma`` as pytorch-fid and EDM have them, ``mu_s`` and ``sigma_s`` beside
them (the features of sFID) as ADM's evaluator has them. Ours also hold ``zerosum``, a JSON text that says which
extractor saw which images, and how those were read; other programs pass it over. Covariances are unbiased, as those of
``numpy.cov``, in all.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from zerosum.errors import DataError, UnknownData, UsageError
from zerosum.files import atomic, printable
from zerosum.metrics.features.base import Extractor
from zerosum.metrics.features.inception import Inception, InceptionWithPlaces, SpatialInception
from zerosum.metrics.features.published import PublishedExtractor
from zerosum.metrics.images import ImageSet
from zerosum.metrics.measure import Measure
from zerosum.metrics.sampling import BATCH
from zerosum.metrics.shared.statistics import FeatureStatistics, StatisticsStream
from zerosum.metrics.sides import see

PREFIX = "stats:"
ENOUGH = frozenset({"fid", "fid-infinity", "sfid", "fd_dinov2"})  # measures that read only moments of the real side
READING = {"image_size": "size", "crop": "crop", "background": "background"}
"""What is asked of how images are read, as in protocols, and what it is called among people."""
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
            name), ``fingerprint``, ``shape``, ``decoding``, and ``reading`` (what was asked of how they are read, in
            the words of :data:`READING`; empty for samples of a run). Empty where another program wrote it.
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
        if not spatial:
            self.check_name(extractor.name)
        for fact, own in {"features_hash": extractor.hash, "resize": extractor.resize}.items():
            self._check_fact(fact, own)
        return found

    def check_name(self, features: str) -> None:
        """Refuse features of another name than those of ``mu`` and ``sigma``.

        Args:
            features: Name of the extractor.

        Raises:
            UsageError: The file says that it has statistics of others.
        """
        self._check_fact("features", features)

    def _check_fact(self, fact: str, own: str) -> None:
        if self.facts.get(fact, own) != own:
            told = fact.replace("_", " ")
            raise self._refusal(
                f"has statistics of {told} {self.facts[fact]!r}, not {own!r}: take the same, or save them anew"
            )

    def check(self, shape: tuple[int, ...], reading: Mapping[str, str]) -> None:
        """Refuse to compare with images of another size, or read in another way.

        Args:
            shape: Shape of the images, (C, H, W).
            reading: What was asked of how they are read, in the words of :data:`READING`. Empty: they are not read.

        Raises:
            UsageError: They differ; the message says how both are.
        """
        known: Mapping[str, str] = self.facts.get("reading", {})
        unlike = [name for name in READING if name in known and name in reading and known[name] != reading[name]]
        if unlike:
            theirs, ours = (", ".join(f"{READING[name]} {one[name]}" for name in unlike) for one in (known, reading))
            raise self._refusal(
                f"its images were read with {theirs}, and those to score with {ours}: read both alike, or save the "
                "statistics anew"
            )
        size = tuple(self.facts.get("shape", shape))[1:]
        if size != tuple(shape[1:]):
            theirs, ours = ("x".join(map(str, one)) for one in (size, shape[1:]))
            raise self._refusal(
                f"its images are {theirs} pixels, and those to score {ours}: bring both to one size; nothing is "
                "resized silently"
            )

    @property
    def in_colour(self) -> bool:
        """Whether its images are known to be in colour."""
        return bool(self.facts.get("shape", (1,))[0] == 3)

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
            decoding=str(self.facts.get("decoding", "")),
            known=partial(self._moments_for, shape[0]),
        )

    def _moments_for(self, channels: int, extractor: Extractor) -> FeatureStatistics:
        """The same, for images of so many channels: networks that take grey images as RGB see both alike."""
        theirs = self.facts.get("shape", (channels,))[0]
        if theirs != channels and not isinstance(extractor, PublishedExtractor):
            raise self._refusal(
                f"its images have {theirs} channel(s), and those to score {channels}, which {extractor.name} does not "
                "see alike: save the statistics of images with as many"
            )
        return self.moments(extractor)

    @property
    def notes(self) -> list[str]:
        """What people should know who compare with these statistics."""
        name = printable(str(self.path))
        if not self.facts:
            return [
                f"{name}: does not say which extractor, resize and number of images its statistics are of; they are "
                "taken to be of the same extractor and resize, and of many images"
            ]
        if "reading" not in self.facts:  # of a version before 1.0
            return [f"{name}: does not say how its images were read (size, crop, background); save it anew to be sure"]
        return []

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
    """The path that ``stats:PATH`` names; ``None`` for everything else.

    Raises:
        UsageError: No path is named.
    """
    if not isinstance(source, str) or not source.startswith(PREFIX):
        return None
    path = source.removeprefix(PREFIX)
    if not path:
        raise UsageError(f"against={PREFIX}: name a file, {PREFIX}FILE.npz", argument="against")
    return Path(path).expanduser()


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
    except FileNotFoundError as error:
        raise UnknownData(f"{name}: cannot be read ({error.strerror or error})") from error
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
        if isinstance(facts["features"], str) and _make_sense(facts):
            return facts
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{name}: what it says of itself (zerosum) is damaged: save the statistics anew") from error
    raise DataError(f"{name}: what it says of itself (zerosum) makes no sense: save the statistics anew")


def _make_sense(facts: Mapping[str, Any]) -> bool:
    shape, reading = facts.get("shape", [1, 1, 1]), facts.get("reading", {})
    return (
        all(isinstance(number, int) and number > 0 for number in (facts["count"] - 1, *shape))
        and len(shape) == 3
        and isinstance(reading, dict)
        and all(isinstance(value, str) for value in reading.values())
    )


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


def write_reference(
    path: Path,
    images: ImageSet,
    extractor: Extractor,
    *,
    reading: Mapping[str, str] | None = None,
    batch_size: int = BATCH,
    progress: Any = None,
) -> None:
    """Write the statistics of images, for ``stats:PATH`` and for other programs.

    Those of sFID's features are added where the extractor is Inception with the published resize, which has them. The
    images are read once.

    Args:
        path: The file, FILE.npz.
        images: The images.
        extractor: What looks at them.
        reading: What was asked of how they are read, in the words of :data:`READING`. ``None``: they were not read.
        batch_size: Number of images that pass the extractor at a time.
        progress: Called with (done, total) images.

    Raises:
        UsageError: The file's name or folder does not fit, or it cannot be written.
        ValueError: The extractor does not take these images, or features are not finite.
    """
    name = printable(str(path))
    if path.suffix != ".npz":
        raise UsageError(f"save_stats={name}: is written as an .npz file: name it FILE.npz", argument="save_stats")
    if not path.parent.is_dir():
        raise UsageError(f"save_stats={name}: there is no folder {printable(str(path.parent))}", argument="save_stats")
    arrays: dict[str, Doubles] = {}
    for ending, moments in _moments_of(images, extractor, batch_size, progress).items():
        arrays |= {f"mu{ending}": moments.mean.cpu().numpy(), f"sigma{ending}": moments.covariance.cpu().numpy()}
    facts = {
        "features": extractor.name,
        "features_hash": extractor.hash,
        "resize": extractor.resize,
        "count": images.count,
        "images": images.name,
        "fingerprint": images.fingerprint,
        "shape": list(images.shape),
        "decoding": images.decoding,
        "reading": dict(reading or {}),
    }
    try:
        with atomic(path) as partial, partial.open("wb") as file:
            np.savez(file, zerosum=np.array(json.dumps(facts)), **cast(Any, arrays))
    except OSError as error:
        raise UsageError(
            f"save_stats={name}: cannot be written ({error.strerror or error})", argument="save_stats"
        ) from error


def _moments_of(images: ImageSet, extractor: Extractor, batch_size: int, progress: Any) -> dict[str, FeatureStatistics]:
    """Statistics by the ending of their arrays' names."""
    if not isinstance(extractor, Inception) or extractor.name != Inception.name:
        return {"": see(images, extractor, batch=batch_size, progress=progress).moments}
    places: StatisticsStream | None = None

    def add(vectors: torch.Tensor) -> None:
        nonlocal places
        places = places or StatisticsStream(vectors.shape[1], device=vectors.device)
        places.add(vectors)

    seen = see(images, InceptionWithPlaces(extractor, add), batch=batch_size, progress=progress).moments
    if places is None:  # the features were in the cache, and no image has been looked at
        return {"": seen, "_s": see(images, extractor.spatial(), batch=batch_size, progress=progress).moments}
    return {"": seen, "_s": places.statistics()}
