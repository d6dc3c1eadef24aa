"""Published weights: found on this machine or downloaded, checked, and read without running any code from the file."""

from __future__ import annotations

import hashlib
import http.client
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from zerosum.data import cache
from zerosum.data.fetch import download
from zerosum.metrics.features.frozen import FeatureNetwork

VARIABLE = "ZEROSUM_WEIGHTS"
"""Environment variable: a folder with weights."""


Translation = Callable[[Mapping[str, Tensor], str], dict[str, Tensor]]


class WeightsError(ValueError):
    """A file with weights is missing, damaged, refused or not the expected one; the message says what to do.

    ``ValueError`` is its base, so a caller that only knows of bad input needs no other clause.
    """


@dataclass(frozen=True)
class PublishedWeights:
    """A file of weights that somebody publishes.

    Attributes:
        url: Address of the file.
        sha256: First digits of its SHA-256, at least 8.
        aliases: Other names under which the same file is published.
        kept_as: Name under which it is kept here; ``""``: the last part of its address.
        conversions: Names of files that people convert from another format, which have no published checksum.
        convert: How to convert what is published in another format. Then pickles are not read at all.
    """

    url: str
    sha256: str
    aliases: tuple[str, ...] = ()
    kept_as: str = ""
    conversions: tuple[str, ...] = ()
    convert: str = ""

    @property
    def name(self) -> str:
        """The file name."""
        return self.kept_as or self.url.rpartition("/")[2]


def locate(file: PublishedWeights, path: str | Path | None = None, *, show_progress: bool = True) -> Path:
    """The path of a published file on this machine.

    A ``path`` that is given is taken, and may be any file of the same layout. Otherwise the file is looked for by its
    name, and must have its published checksum (but under the names of ``conversions``): in ``$ZEROSUM_WEIGHTS``, in the
    cache folder (``$ZEROSUM_CACHE/weights``), and where ``torch.hub`` keeps its downloads; then it is downloaded into
    the cache.

    Args:
        file: File that is wanted.
        path: A file, or a folder that holds one under its published name.
        show_progress: Whether to show a bar while downloading.

    Raises:
        WeightsError: The file is nowhere and cannot be downloaded, or what was found has another checksum.
    """
    if path is not None:
        return _check_given(file, Path(path).expanduser())
    own = cache.root() / "weights"
    found = find_local(file)
    if found is not None:
        if found.name not in file.conversions:
            _check(file, found, "Delete it, and it will be downloaded again.")
        return found
    try:
        own.mkdir(parents=True, exist_ok=True)
        complaint = f"{file.url} sent something else, or not all of it. Try again, or later."
        return download(file.url, own / file.name, lambda found: _check(file, found, complaint), shown=show_progress)
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        raise WeightsError(
            f"{file.name} is not on this machine and could not be downloaded ({error}). Get it from {file.url} on a "
            f"machine with a network{_told(file)} and put it into {own}, or into any folder named by ${VARIABLE}."
            f"{_join(file.convert)}"
        ) from error


def find_local(file: PublishedWeights) -> Path | None:
    """Where a published file is on this machine, by its name; ``None`` where it would have to be downloaded."""
    names = (file.name, *file.aliases, *file.conversions)
    listed = (place / name for place in _places(cache.root() / "weights") for name in names)
    return next((path for path in listed if path.is_file()), None)


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file or of a PyTorch checkpoint, on the CPU.

    Raises:
        WeightsError: The file is damaged, or holds anything but tensors by name; code in it is never run.
    """
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _unpickle(path)
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a whole safetensors file ({error}). Get it again.") from error
    if not isinstance(content, dict) or not content:
        raise WeightsError(f"{path} holds {type(content).__name__}, not tensors by name: save a flat state_dict()")
    for name, value in content.items():
        plain = type(value) in (Tensor, nn.Parameter) and value.layout == torch.strided and not value.is_quantized
        if not isinstance(name, str) or not plain:
            raise WeightsError(
                f"{path} is refused: {name!r} is {type(value).__name__}, and only a flat dictionary of plain tensors "
                "is taken. Save only the network's state_dict()."
            )
    return {name: value.detach() for name, value in content.items()}


def load_published(
    make: Callable[[], FeatureNetwork],
    file: PublishedWeights,
    path: str | Path | None,
    translate: Translation | None = None,
) -> FeatureNetwork:
    """A network with its published weights, from ``path`` or as :func:`locate` finds or downloads them.

    Args:
        make: Function that builds the network.
        file: File of the weights.
        path: A file, or a folder that holds one under its published name.
        translate: Function from the tensors of a file, and its name, to those that the network has.

    Raises:
        WeightsError: The file is nowhere, damaged, not plain tensors, or another network's.
    """
    found = locate(file, path)
    if file.convert and found.suffix != ".safetensors":
        raise WeightsError(f"{found} is not read, as it is no safetensors file.{_join(file.convert)}")
    with torch.device("meta"):
        network = make()
    tensors = read(found)
    fill(network, tensors if translate is None else translate(tensors, str(found)), str(found), file.name)
    return network


def fill(network: nn.Module, tensors: Mapping[str, Tensor], source: str, expected: str) -> None:
    """Give a network (which may be on the meta device) its weights, as float32.

    Counters of batches (``num_batches_tracked``), which evaluation never reads, may be there or not.

    Args:
        network: Network whose state dictionary says which names and shapes are needed.
        tensors: The weights; tensors beyond those needed are refused.
        source: File that they came from, for messages.
        expected: File that should have been given, for messages.

    Raises:
        WeightsError: Names or shapes differ, or a weight is not a finite floating-point number.
    """
    needed = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}
    differences = {
        "missing": [name for name in needed if name not in found],
        "unknown": [name for name in found if name not in needed],
        "of another shape": [n for n in needed if n in found and tuple(found[n].shape) != needed[n]],
    }
    if any(differences.values()):
        what = "; ".join(f"{kind}: {_list_some(names)}" for kind, names in differences.items() if names)
        raise WeightsError(f"{source} does not hold the weights of {expected} ({what}). Give the file {expected}.")
    bad = [name for name, value in found.items() if not value.is_floating_point() or not value.isfinite().all()]
    if bad:
        raise WeightsError(f"{source} is damaged: not finite numbers in {_list_some(bad)}. Get {expected} again.")
    network.load_state_dict({name: value.to(torch.float32) for name, value in found.items()}, assign=True)


def weights_hash(tensors: Mapping[str, Tensor]) -> str:
    """The first 12 digits of the SHA-256 of names, types, shapes and values: the same whatever file held them."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:12]


def _check_given(file: PublishedWeights, path: Path) -> Path:
    if path.is_dir():
        path = path / file.name
    if not path.is_file():
        raise WeightsError(f"{path} does not exist. Get {file.name} from {file.url} and give its path.")
    if file.sha256[:8] in path.name:  # it says that it is the published one
        _check(file, path, f"Get it again from {file.url}.")
    return path


def _told(file: PublishedWeights) -> str:
    """What is to be known besides of a file whose address does not say it."""
    return f" (SHA-256 {file.sha256}), call it {file.name}" if file.kept_as else ""


def _join(sentence: str) -> str:
    return f" {sentence}" if sentence else ""


def _places(own: Path) -> Iterator[Path]:
    if folder := os.environ.get(VARIABLE):
        yield Path(folder).expanduser()
    yield own
    yield Path(torch.hub.get_dir()) / "checkpoints"


def _check(file: PublishedWeights, path: Path, advice: str) -> None:
    with path.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if not found.startswith(file.sha256):
        raise WeightsError(
            f"{path} is not the published {file.name}: its SHA-256 starts with {found[:8]}, not {file.sha256[:8]}. "
            f"{advice}"
        )


def _unpickle(path: Path) -> object:
    """The content of a PyTorch checkpoint, by the reader that builds nothing but tensors and plain containers."""
    try:
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is refused: it holds more than tensors ({_first_line(error)}), and reading it would run "
            "code from the file. Give a file with a plain state_dict(), or a .safetensors file."
        ) from error
    except (RuntimeError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path} cannot be read as a PyTorch file of tensors ({_first_line(error)}). TorchScript archives are not "
            "taken; otherwise the file is damaged: get it again."
        ) from error
    return content


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _list_some(names: list[str]) -> str:
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest
