from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zerosum.data import DataError, Images

datasets: Any = pytest.importorskip("datasets")
Png = Callable[..., bytes]
Load = Callable[..., Images]


def table(png: Png, count: int = 6, **columns: Any) -> Any:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {
        "image": [{"bytes": png(seed=i), "path": None} for i in range(count)],
        "label": [i % 2 for i in range(count)],
    }
    made = datasets.Dataset.from_dict(rows, features=features)
    for name, values in columns.items():
        made = made.add_column(name, values)
    return made


@pytest.fixture
def load(load_images: Load) -> Load:
    """``load(where, **options)``: the images of a dataset or its folder, 8 x 8."""
    return lambda where, **options: load_images(f"hf:{where}", size=8, **options)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_a_saved_dataset_is_read_with_its_classes(
    tmp_path: Path, png: Png, monkeypatch: pytest.MonkeyPatch, load: Load
) -> None:
    made = table(png, extra=list(range(6)))
    made.save_to_disk(str(tmp_path / "saved"))
    data = load(tmp_path / "saved")
    assert (data.count, data.classes, data.labels.tolist()) == (6, ("cat", "dog"), [0, 1] * 3)
    np.testing.assert_array_equal(data.pixels, [np.asarray(row["image"]) for row in made])
    monkeypatch.setattr("zerosum.data.files.decode", lambda *_: pytest.fail("decoded again"))
    assert load(tmp_path / "saved").fingerprint == data.fingerprint


def test_splits_of_a_saved_dataset(tmp_path: Path, png: Png, load: Load) -> None:
    whole = table(png)
    parts = datasets.DatasetDict(train=whole.select(range(4)), test=whole.select(range(4, 6)))
    parts.save_to_disk(str(tmp_path / "saved"))
    assert load(tmp_path / "saved").count == 4
    assert load(tmp_path / "saved", split="test").count == 2
    datasets.DatasetDict(train=whole).save_to_disk(str(tmp_path / "one"))
    with pytest.raises(DataError, match="has the splits train, not 'test'"):
        load(tmp_path / "one", split="test")


def test_a_folder_of_parquet_files_is_read(tmp_path: Path, png: Png, load: Load) -> None:
    (tmp_path / "repo").mkdir()
    table(png).to_parquet(str(tmp_path / "repo/train-00000-of-00001.parquet"))
    assert load(tmp_path / "repo").labels.tolist() == [0, 1] * 3


def test_columns_are_found_and_choices_are_noted(tmp_path: Path, png: Png, load: Load) -> None:
    made = table(png)
    cells = [{"bytes": png(seed=i), "path": None} for i in range(3)]
    features = datasets.Features({"photo": datasets.Image(), "image": datasets.Image()})
    both = datasets.Dataset.from_dict({"photo": cells[::-1], "image": cells}, features=features)
    both.save_to_disk(str(tmp_path / "two"))
    chosen = load(tmp_path / "two")
    assert chosen.notes == ("of the columns photo, image with images, 'image' was taken",)
    np.testing.assert_array_equal(chosen.pixels, [np.asarray(row["image"]) for row in both])
    made.remove_columns("label").save_to_disk(str(tmp_path / "none"))
    unlabelled = load(tmp_path / "none")
    assert unlabelled.labels is None
    made.remove_columns("image").save_to_disk(str(tmp_path / "no-images"))
    with pytest.raises(DataError, match=r"none of its columns \(label\) holds images"):
        load(tmp_path / "no-images")


def test_rows_without_image_are_skipped_and_named(tmp_path: Path, png: Png, load: Load) -> None:
    features = datasets.Features({"image": datasets.Image()})
    rows = {"image": [{"bytes": png(), "path": None}, None, {"bytes": b"x", "path": None}]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "saved"))
    data = load(tmp_path / "saved")
    assert data.count == 1
    assert "2 damaged images were skipped: row 1: the row holds no image; row 2: " in data.notes[0]


def test_a_name_that_is_nowhere_is_told(tmp_path: Path, load: Load) -> None:
    with pytest.raises(DataError, match="could not be opened"):
        load("nobody/nothing")
