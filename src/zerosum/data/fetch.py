"""Published files: looked for on this machine, else downloaded; always compared with their checksum."""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zerosum.data import cache
from zerosum.data.ask import Ask
from zerosum.errors import DataError
from zerosum.files import commit, temporary
from zerosum.progress import progress

DEBIAN = Path("/usr/share/datasets")  # where Debian's `dataset-*` packages put their files
TIMEOUT = 30.0  # seconds without an answer after which a download is given up


@dataclass(frozen=True)
class Published:
    """A file that somebody publishes.

    Attributes:
        url: Address.
        digests: Checksums of the accepted versions, each as ``"md5:..."`` or ``"sha256:..."``.
    """

    url: str
    digests: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file name."""
        return self.url.rpartition("/")[2]


def find_or_download(dataset: str, file: Published, ask: Ask) -> Path:
    """The path of a published file whose checksum is right.

    Raises:
        DataError: A file in one of the places has another checksum, or it is nowhere and cannot be downloaded.
    """
    folder = cache.root(ask.cache) / dataset
    system, own = DEBIAN / dataset / file.name, folder / file.name
    if system.is_file() and _is_published(system, file):  # a package may hold another version: then it is not used
        return system
    if own.is_file():
        _check(own, file, "Delete it, and it will be downloaded again")
        return own
    try:
        folder.mkdir(parents=True, exist_ok=True)
        complaint = f"What {file.url} sent is not the published file. Try again, or later"
        return download(file.url, own, lambda path: _check(path, file, complaint), shown=ask.progress)
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        debian = f" On Debian or Ubuntu: apt install dataset-{dataset}." if dataset == "fashion-mnist" else ""
        raise DataError(
            f"{ask.source}: {file.name} is not on this machine and could not be downloaded from {file.url} ({error}). "
            f"Put the file into {folder} yourself.{debian} Without a network, fashion-mini always works"
        ) from error


def download(url: str, final: Path, check: Callable[[Path], None], *, shown: bool) -> Path:
    """Download to ``final``, which appears only when it is whole and ``check`` has not raised.

    Raises:
        OSError: The network, the page or space on the disk is lacking.
        http.client.HTTPException: The answer was cut short or made no sense.
    """
    with temporary(final.parent) as (path, out):
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            length = response.headers.get("Content-Length")
            with progress(int(length) if length else None, f"downloading {final.name}", shown) as advance:
                while block := response.read(1 << 18):
                    out.write(block)
                    advance(len(block))
        out.flush()
        check(path)
        commit(out, path, final)
    return final


def _check(path: Path, file: Published, advice: str) -> None:
    if not _is_published(path, file):
        raise DataError(f"{path} is not the published {file.name}: its checksum differs. {advice}")


def _is_published(path: Path, file: Published) -> bool:
    return any(_digest(path, digest.partition(":")[0]) == digest for digest in file.digests)


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as content:
        found = hashlib.file_digest(content, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return f"{algorithm}:{found.hexdigest()}"
