"""FID of folders against torch-fidelity on the same weights, and what reaches the network against Pillow itself.

``tools/folder_parity.py --write`` wrote ``folder_parity.json``.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from folder_images import COUNTS, KINDS, SIZES, case_name, write_folder
from PIL import Image
from random_weights import random_weights, shapes_of

import zerosum as zs
from zerosum.metrics.features.inception import Inception, InceptionV3
from zerosum.runs.native import FileReading
from zerosum.runs.reading import load_unchanged

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick

EXPECTED = json.loads(Path(__file__).with_name("folder_parity.json").read_text())
CASES = [(kind, *size) for kind in KINDS for size in SIZES]
QUICK = [("rgba", 300, 513)]  # five seconds each; of the others, every pixel is compared


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def extractor() -> Inception:
    with torch.device("meta"):
        network = InceptionV3()
    network.load_state_dict(random_weights(shapes_of(network)), assign=True)
    return Inception(network.eval())


def test_every_case_is_expected() -> None:
    assert sorted(EXPECTED) == sorted(case_name(*case) for case in CASES)
    assert set(QUICK) < set(CASES)


@pytest.mark.parametrize(
    ("kind", "height", "width"),
    [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow, id=case_name(*case)) for case in CASES],
)
def test_folders_score_as_in_torch_fidelity(extractor: Inception, kind: str, height: int, width: int) -> None:
    for side in COUNTS:
        write_folder(Path(side), kind, side, height, width)
    found = zs.evaluate("fakes", against="folder:photos", metrics="fid", features=extractor)
    assert found["fid"].name == "fid"
    assert found["fid"].value == pytest.approx(EXPECTED[case_name(kind, height, width)], rel=1e-5)
    protocol = found["fid"].protocol
    assert [protocol[name] for name in ("image_size", "crop", "background")] == ["native", "none", "none"]
    channels = 1 if kind.startswith("grey") else 3
    assert protocol["image_shape"] == f"{channels}x{height}x{width}"
    assert protocol["sample"] == "folder:fakes"
    assert protocol["sample_path"] == str(Path("fakes").resolve())
    assert len(str(protocol["sample_fingerprint"])) == 64
    assert protocol["sample_decoding"] == protocol["reference_decoding"] == "8 bits, native size, transparency left out"


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize(("kind", "height", "width"), CASES, ids=[case_name(*case) for case in CASES])
def test_every_pixel_is_pillows(kind: str, height: int, width: int, form: str) -> None:
    folder = write_folder(Path("photos"), kind, "photos", height, width)
    files = sorted(folder.iterdir())
    wanted = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])  # what torch-fidelity reads
    if form == "zip":
        with zipfile.ZipFile("photos.zip", "w") as archive:
            for file in files:
                archive.write(file)
    data = load_unchanged("photos" if form == "folder" else "photos.zip", FileReading())
    assert data.shape == (data.pixels.shape[3], height, width)
    np.testing.assert_array_equal(np.broadcast_to(data.pixels, wanted.shape), wanted)


def test_a_folder_of_all_kinds_scores_as_its_colours_do(extractor: Inception) -> None:
    """Grey beside colour, PNG beside JPEG: each image alone decides what it is."""
    made = [write_folder(Path("of", kind), kind, "photos", 32, 32) for kind in KINDS]
    Path("mixed").mkdir()
    for kind, folder in zip(KINDS, made, strict=True):
        for file in folder.iterdir():
            file.rename(Path("mixed", f"{kind}-{file.name}"))
    files = sorted(Path("mixed").iterdir())
    wanted = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    np.testing.assert_array_equal(load_unchanged("mixed", FileReading()).pixels, wanted)
