import gzip
import hashlib
import http.server
import importlib.util
import io
import shutil
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data import DataError, Images, load
from zerosum.data import fetch as fetching
from zerosum.data import published as publishing
from zerosum.data.fetch import Published
from zerosum.data.published import FASHION_MNIST, read_idx

Load = Callable[..., Images]
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
needs_debian = pytest.mark.skipif(not DEBIAN.is_dir(), reason="apt install dataset-fashion-mnist")


@needs_debian
def test_fashion_mnist_has_its_published_statistics(load_images: Load) -> None:
    data = load_images("fashion-mnist")
    assert data.shape == (1, 32, 32)
    assert np.bincount(data.labels).tolist() == [6000] * 10
    inner = data.pixels[:, 2:30, 2:30]
    assert inner.mean() / 255 == pytest.approx(0.2860, abs=5e-5)
    assert inner.std(dtype=np.float64) / 255 == pytest.approx(0.3530, abs=5e-5)
    assert int(data.pixels.sum(dtype=np.int64)) == int(inner.sum(dtype=np.int64))  # the padding is black
    # The first training image is the boot on the project's front page.
    assert data.classes[data.labels[0]] == "Ankle boot"


@needs_debian
def test_the_test_split_is_another_set(load_images: Load) -> None:
    data = load_images("fashion-mnist", split="test", size=28)
    assert data.shape == (1, 28, 28)
    assert np.bincount(data.labels).tolist() == [1000] * 10


@needs_debian
def test_debian_s_files_are_the_published_ones() -> None:
    # gzip's header holds the name and the time of the file; Debian packs without them. Put back, the MD5s must be those
    # that the authors publish.
    packed = {"train": 1504176606, "test": 1504176627}
    for split, files in FASHION_MNIST.items():
        for file in files:
            content = (DEBIAN / file.name).read_bytes()
            name = file.name.removesuffix(".gz").encode()
            header = b"\x1f\x8b\x08\x08" + struct.pack("<I", packed[split]) + b"\x00\x03" + name + b"\0"
            assert f"md5:{hashlib.md5(header + content[10:]).hexdigest()}" in file.digests


def make_fashion_mini():
    path = Path(__file__).parents[2] / "tools/make_fashion_mini.py"
    spec = importlib.util.spec_from_file_location("make_fashion_mini", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_debian
def test_the_shipped_file_is_what_the_tool_makes() -> None:
    tool = make_fashion_mini()
    kept, labels = tool.select(
        read_idx(DEBIAN / "train-images-idx3-ubyte.gz"), read_idx(DEBIAN / "train-labels-idx1-ubyte.gz")
    )
    with np.load(tool.TARGET, allow_pickle=False) as shipped:
        np.testing.assert_array_equal(shipped["images"], kept)
        np.testing.assert_array_equal(shipped["labels"], labels)
    assert tool.TARGET.stat().st_size < 4_600_000


def test_fashion_mini_is_a_thousand_of_each_class(load_images: Load) -> None:
    data = load_images("fashion-mini")
    assert data.count == 10_000
    assert np.bincount(data.labels).tolist() == [1000] * 10
    assert data.shape == (1, 32, 32)
    notice = (Path(publishing.__file__).parent / "shipped/NOTICE").read_text()
    assert "Copyright (c) 2017 Zalando SE" in notice
    assert "The MIT License" in notice


def test_other_sizes_are_resized_after_padding(load_images: Load) -> None:
    size = 16
    padded, resized = load_images("fashion-mini"), load_images("fashion-mini", size=size, channels=3)
    assert resized.shape == (3, size, size)
    for i in (0, 77, 9999):
        picture = Image.fromarray(padded.pixels[i, ..., 0]).resize((size, size), Image.Resampling.LANCZOS)
        for channel in range(3):
            np.testing.assert_array_equal(resized.pixels[i, ..., channel], np.asarray(picture))


def test_digits_are_scikit_learn_s(load_images: Load) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    theirs = datasets.load_digits()
    plain, default = load_images("digits", size=8), load_images("digits")
    np.testing.assert_array_equal(plain.labels, theirs.target)
    np.testing.assert_allclose(plain.pixels[..., 0] / 255, theirs.images / 16, atol=0.5 / 255 + 1e-9)
    assert default.shape == (1, 16, 16)
    assert "1797 of 1797 images are smaller than 16" in default.notes[0]


def idx(values: np.ndarray, head: bytes | None = None) -> bytes:
    shape = struct.pack(f">{values.ndim}I", *values.shape)
    return gzip.compress((bytes([0, 0, 8, values.ndim]) if head is None else head) + shape + values.tobytes())


def test_idx_files_are_read_as_their_format_says(tmp_path: Path) -> None:
    # By hand: 2 x 1 x 3 bytes.
    content = bytes.fromhex("00000803 00000002 00000001 00000003 0001fe ff0a0b")
    (tmp_path / "x.gz").write_bytes(gzip.compress(content))
    assert read_idx(tmp_path / "x.gz").tolist() == [[[0, 1, 254]], [[255, 10, 11]]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not gzip", "not a gzip file"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x05abc"), "holds 3"),
        (gzip.compress(b"\0\0\x0d\x01\0\0\0\x01abcd"), "not an IDX file"),  # floats
        (gzip.compress(b""), "not an IDX file"),
        (gzip.compress(b"\0\0\x08\x03\0\0"), "not an IDX file"),
        (idx(np.zeros(10, np.uint8))[:-12], "cut short"),
    ],
    # Compressed bytes hold the time, which would make other names in each worker.
    ids=["not gzip", "too few", "floats", "empty", "half a head", "truncated"],
)
def test_damaged_idx_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / "x.gz")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """An empty folder, and the address under which it is served on this machine."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, directory=str(folder), **kwargs)  # type: ignore[arg-type]

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{serving.server_port}/"
        serving.shutdown()
        thread.join()


@pytest.fixture
def mnist_files() -> dict[str, bytes]:
    """Twenty images and their labels, as MNIST's authors pack them."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (20, 28, 28), np.uint8), np.arange(20, dtype=np.uint8) % 10
    return {"train-images.gz": idx(pixels), "train-labels.gz": idx(labels)}


def publish(monkeypatch: pytest.MonkeyPatch, url: str, files: dict[str, bytes]) -> None:
    """Let MNIST be these files."""
    md5 = {name: f"md5:{hashlib.md5(content).hexdigest()}" for name, content in files.items()}
    pair = tuple(Published(url + name, (md5[name],)) for name in ("train-images.gz", "train-labels.gz"))
    monkeypatch.setattr(publishing, "MNIST", {"train": pair})


@pytest.fixture
def site(server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, mnist_files: dict[str, bytes]) -> Path:
    """The folder, empty yet, from which MNIST is downloaded."""
    folder, url = server
    publish(monkeypatch, url, mnist_files)
    return folder


@pytest.fixture
def no_site(monkeypatch: pytest.MonkeyPatch, mnist_files: dict[str, bytes]) -> None:
    """MNIST lies where nobody answers: at the discard port."""
    publish(monkeypatch, "http://127.0.0.1:9/", mnist_files)


def test_downloads_are_verified_kept_and_not_repeated(
    site: Path, mnist_files: dict[str, bytes], cache_folder: Path, load_images: Load
) -> None:
    for name, content in mnist_files.items():
        (site / name).write_bytes(content)
    first = load_images("mnist")
    assert first.count == 20
    kept = sorted(path.name for path in (cache_folder / "mnist").iterdir())
    assert kept == sorted(mnist_files)  # and no temporary file
    shutil.rmtree(site)
    assert load_images("mnist").fingerprint == first.fingerprint


def test_a_wrong_download_is_refused_and_not_kept(site: Path, cache_folder: Path) -> None:
    (site / "train-images.gz").write_bytes(b"<html>log in to the hotel's network</html>")
    with pytest.raises(DataError, match="not the published"):
        load("mnist")
    assert not list((cache_folder / "mnist").iterdir())


@pytest.mark.usefixtures("no_site")
def test_without_a_network_the_error_says_where_to_put_the_files(cache_folder: Path) -> None:
    with pytest.raises(DataError, match=r"could not be downloaded .* Put the file into") as caught:
        load("mnist")
    assert str(cache_folder / "mnist") in str(caught.value)


@pytest.mark.usefixtures("no_site")
def test_a_damaged_file_in_the_cache_is_named(cache_folder: Path) -> None:
    (cache_folder / "mnist").mkdir()
    (cache_folder / "mnist/train-images.gz").write_bytes(b"half a downl")
    with pytest.raises(DataError, match=r"train-images\.gz.*checksum differs.*Delete it"):
        load("mnist")


@pytest.mark.usefixtures("no_site")
def test_another_version_from_the_system_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mnist_files: dict[str, bytes], cache_folder: Path
) -> None:
    monkeypatch.setattr(fetching, "DEBIAN", tmp_path / "system")
    old = dict.fromkeys(mnist_files, b"old")
    for place, contents in ((tmp_path / "system/mnist", old), (cache_folder / "mnist", mnist_files)):
        place.mkdir(parents=True)
        for name, content in contents.items():
            (place / name).write_bytes(content)
    assert load("mnist").count == 20


def test_cifar10_records_are_read_as_their_page_says(
    cache_folder: Path, monkeypatch: pytest.MonkeyPatch, load_images: Load
) -> None:
    # "the first byte is the label, the next 1024 the red, then green, then blue values, row by row"
    record = bytes([7]) + b"".join(bytes([(c * 50 + i // 32) % 256 for i in range(1024)]) for c in (1, 2, 3))
    content = record * 10_000
    path = cache_folder / "cifar10" / "cifar-10-binary.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        info = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    digest = f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"
    monkeypatch.setattr(publishing, "CIFAR10", Published("http://127.0.0.1:9/" + path.name, (digest,)))
    data = load_images("cifar10", split="test")
    assert (data.count, data.shape) == (10_000, (3, 32, 32))
    assert data.classes[data.labels[0]] == "horse"
    rows = np.arange(32)
    for c in range(3):
        np.testing.assert_array_equal(data.pixels[123, :, 5, c], (c + 1) * 50 + rows)
