"""Finding, downloading, checking and reading weights; nothing in a file is ever run."""

import hashlib
import io
import os
import pickle
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from zerosum.metrics.features.weights import PublishedWeights, WeightsError, fill, locate, read, weights_hash

TENSORS = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor([0.5, -1.0])}


def checkpoint(content: object = TENSORS, **how: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **how)
    return file.getvalue()


CONTENT = checkpoint()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty places to look in; none of this machine's own."""
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("ZEROSUM_WEIGHTS", raising=False)
    return tmp_path


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """Serves ``CONTENT`` under every name, half of it under names with ``cut``; lists what was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[: len(CONTENT) // 2] if "cut" in self.path else CONTENT)

        def log_message(self, format: str, *args: object) -> None: ...

    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=partial(http.serve_forever, poll_interval=0.01))
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}", asked
    http.shutdown()
    thread.join()
    http.server_close()


def published(base: str = "http://127.0.0.1:9", name: str = f"net-{SHA256[:8]}.pth") -> PublishedWeights:
    return PublishedWeights(f"{base}/{name}", SHA256[:8], aliases=(f"pt_net-{SHA256[:8]}.pth",))


def test_downloaded_once(server: tuple[str, list[str]], places: Path) -> None:
    base, asked = server
    path = locate(published(base))
    assert path == places / "cache" / "weights" / f"net-{SHA256[:8]}.pth"
    assert path.read_bytes() == CONTENT
    assert locate(published(base)) == path
    assert len(asked) == 1
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_cut_download_leaves_nothing(server: tuple[str, list[str]], places: Path) -> None:
    with pytest.raises(WeightsError, match=r"SHA-256 starts with .* Try again|could not be downloaded"):
        locate(published(server[0], "cut.pth"))
    assert list((places / "cache" / "weights").iterdir()) == []


def test_something_else_is_not_kept(server: tuple[str, list[str]], places: Path) -> None:
    other = PublishedWeights(f"{server[0]}/other.pth", "00000000")
    with pytest.raises(WeightsError, match=f"starts with {SHA256[:8]}, not 00000000"):
        locate(other)
    assert list((places / "cache" / "weights").iterdir()) == []


def test_offline_says_where_to_get_and_put_it(places: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        locate(published())
    message = str(caught.value)
    assert f"http://127.0.0.1:9/net-{SHA256[:8]}.pth" in message
    assert str(places / "cache" / "weights") in message
    assert "$ZEROSUM_WEIGHTS" in message


@pytest.mark.parametrize("place", ["mine", "cache/weights", "torch/hub/checkpoints"])
@pytest.mark.parametrize("prefix", ["", "pt_"])
def test_found_without_a_network(places: Path, monkeypatch: pytest.MonkeyPatch, place: str, prefix: str) -> None:
    monkeypatch.setenv("ZEROSUM_WEIGHTS", str(places / "mine"))
    path = places / place / f"{prefix}net-{SHA256[:8]}.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert locate(published()) == path
    path.write_bytes(CONTENT + b"x")
    with pytest.raises(WeightsError, match="not the published"):
        locate(published())


def test_a_given_path_wins(tmp_path: Path) -> None:
    own = tmp_path / "own.pth"
    own.write_bytes(CONTENT + b"x")  # any file of the layout may be given: only its name could promise a checksum
    assert locate(published(), own) == own
    (tmp_path / published().name).write_bytes(CONTENT)
    assert locate(published(), tmp_path) == tmp_path / published().name
    (tmp_path / published().name).write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match="not the published"):
        locate(published(), tmp_path)
    with pytest.raises(WeightsError, match=r"nowhere\.pth does not exist. Get net-"):
        locate(published(), tmp_path / "nowhere.pth")


@pytest.mark.parametrize("legacy", [False, True])
def test_checkpoints_old_and_new_are_read(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "a.pth"
    parameters = {"weight": nn.Parameter(TENSORS["weight"]), "bias": TENSORS["bias"]}
    path.write_bytes(checkpoint(parameters, _use_new_zipfile_serialization=not legacy))
    found = read(path)
    assert all(torch.equal(found[name], value) for name, value in TENSORS.items())
    assert not any(value.requires_grad for value in found.values())


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "a.safetensors")
    assert weights_hash(read(tmp_path / "a.safetensors")) == weights_hash(TENSORS)
    (tmp_path / "a.safetensors").write_bytes(b"\x10")
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        read(tmp_path / "a.safetensors")


class Bomb:
    """What an attacker would send."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.target,)

    def __init__(self, target: str) -> None:
        self.target = target


@pytest.mark.parametrize(
    "write", [checkpoint, partial(checkpoint, _use_new_zipfile_serialization=False), partial(pickle.dumps, protocol=2)]
)
def test_code_in_a_file_is_not_run(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "bomb.pth"
    path.write_bytes(write({"weight": Bomb(str(tmp_path / "ran"))}))
    with pytest.raises(WeightsError, match=r"refused|cannot be read"):
        read(path)
    assert not (tmp_path / "ran").exists()


def test_code_gets_the_clear_message(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    path.write_bytes(checkpoint({"weight": Bomb("x")}))
    with pytest.raises(WeightsError, match=r"is refused: it holds more than tensors.*plain state_dict\(\)"):
        read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (nn.Linear(2, 3), "refused: it holds more than tensors"),
        ({"model": TENSORS}, "'model' is dict"),
        ({"weight": 1.5}, "'weight' is float"),
        ({1: torch.zeros(1)}, "1 is Tensor"),
        ({"weight": torch.eye(2).to_sparse()}, "'weight' is Tensor"),
        ([torch.zeros(1)], "holds list"),
        ({}, "holds dict"),
    ],
)
def test_anything_but_plain_tensors_by_name_is_refused(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(checkpoint(content))
    with pytest.raises(WeightsError, match=message):
        read(path)


@pytest.mark.filterwarnings("ignore:'torch.load' received a zip file that looks like a TorchScript archive")
def test_torchscript_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    for content in (b"", b"not weights", CONTENT[: len(CONTENT) // 2]):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"cannot be read|refused"):
            read(path)
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)
    with pytest.raises(WeightsError, match="TorchScript"):
        read(path)


def test_filling_a_network() -> None:
    with torch.device("meta"):
        layer = nn.Linear(3, 2)
    fill(layer, {name: value.double() for name, value in TENSORS.items()}, "given.pth", "wanted.pth")
    assert layer.weight.dtype == torch.float32
    assert torch.equal(layer(torch.ones(3)), torch.tensor([3.5, 11.0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": None}, r"given.pth does not hold the weights of wanted.pth \(missing: bias\)"),
        ({"more": torch.zeros(1)}, "unknown: more"),
        ({"weight": torch.zeros(3, 2)}, "of another shape: weight"),
        ({"weight": torch.full((2, 3), torch.nan)}, "damaged: not finite numbers in weight"),
        ({"bias": torch.tensor([1, 2])}, "damaged: not finite numbers in bias"),
    ],
)
def test_wrong_weights_are_refused(change: dict[str, Tensor | None], message: str) -> None:
    tensors = {name: value for name, value in {**TENSORS, **change}.items() if value is not None}
    with pytest.raises(WeightsError, match=message):
        fill(nn.Linear(3, 2), tensors, "given.pth", "wanted.pth")


def test_the_hash_sees_names_shapes_and_values_but_not_the_order() -> None:
    first = weights_hash(TENSORS)
    assert len(first) == 12
    assert weights_hash(dict(reversed(TENSORS.items()))) == first
    assert weights_hash({**TENSORS, "weight": TENSORS["weight"].reshape(3, 2)}) != first
    assert weights_hash({**TENSORS, "bias": TENSORS["bias"] + 1e-6}) != first
    assert weights_hash({"Weight": TENSORS["weight"], "bias": TENSORS["bias"]}) != first
    # Layout in memory is not a property of the weights.
    assert weights_hash({**TENSORS, "weight": TENSORS["weight"].T.contiguous().T}) == first
