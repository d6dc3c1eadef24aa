"""Map-style data sets: read once, in order, and refused at the first item that differs."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from given_images import LABELS, PIXELS, RNG, TENSOR, images, refused
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from zerosum.data import DataError, Images, check_data, is_given, load

PICTURES = [Image.fromarray(pixels) for pixels in PIXELS]
PLAIN = load(PIXELS).fingerprint
LABELLED = load(PIXELS, labels=LABELS).fingerprint


class Photos(Dataset[Any]):
    """A data set as people write them: torch's interface around a function of the number."""

    def __init__(self, read: Callable[[int], Any], length: int = 6) -> None:
        self.read, self.length, self.asked = read, length, Counter[int]()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        assert torch.utils.data.get_worker_info() is None
        self.asked[index] += 1
        return self.read(index)


class Duck:
    """Not derived from anything."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        return PIXELS[index], LABELS[index]


ITEMS = {
    "arrays": lambda i: PIXELS[i],
    "tensors": lambda i: TENSOR[i],
    "floats": lambda i: TENSOR[i] / 255,
    "signed floats": lambda i: TENSOR[i] / 127.5 - 1,
    "half precision": lambda i: (TENSOR[i] / 255).bfloat16(),
    "0..255 floats": lambda i: PIXELS[i].astype(np.float32),
    "pictures": lambda i: PICTURES[i],
    "alone in a tuple": lambda i: (PIXELS[i],),
    "without a label": lambda i: (PIXELS[i], None),
    "named": lambda i: {"image": PIXELS[i]},
    "of mixed whole numbers": lambda i: PIXELS[i].astype(np.int64 if i else np.uint8),
}
PAIRS = {
    "int": lambda i: (PIXELS[i], LABELS[i]),
    "list": lambda i: [PICTURES[i], LABELS[i]],
    "tensor": lambda i: (TENSOR[i], torch.tensor(LABELS[i])),
    "numpy": lambda i: (PIXELS[i], np.int32(LABELS[i])),
    "whole float": lambda i: (PIXELS[i], float(LABELS[i])),
    "named": lambda i: {"label": LABELS[i], "img": PICTURES[i]},
    "named otherwise": lambda i: {"target": LABELS[i], "photo": PICTURES[i]},
}


@pytest.mark.parametrize("read", ITEMS.values(), ids=ITEMS.keys())
def test_items_of_every_kind_are_the_same_images(read: Callable[[int], Any]) -> None:
    data = images(Photos(read))
    assert (data.fingerprint, data.labels, data.classes, data.name) == (PLAIN, None, (), "Photos")
    assert is_given(check_data(data))


@pytest.mark.parametrize("read", PAIRS.values(), ids=PAIRS.keys())
def test_labels_of_every_kind(read: Callable[[int], Any]) -> None:
    data = images(Photos(read))
    assert (data.fingerprint, data.classes) == (LABELLED, ("0", "1", "2"))
    check_data(data)


def test_texts_are_class_names() -> None:
    data = images(Photos(lambda i: (PIXELS[i], "cat" if i % 2 else "bat")))
    assert data.classes == ("bat", "cat")


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: TensorDataset(TENSOR, torch.tensor(LABELS)), "dataset"),
        (lambda: Subset(Photos(lambda i: (PIXELS[i - 2], LABELS[i - 2]), 9), range(2, 8)), "dataset"),
        (lambda: ConcatDataset([Photos(PAIRS["int"], 2), Photos(lambda i: PAIRS["int"](i + 2), 4)]), "dataset"),
        (lambda: list(zip(PIXELS, LABELS, strict=True)), "list"),
        (lambda: tuple(zip(PICTURES, LABELS, strict=True)), "tuple"),
        (Duck, "Duck"),
    ],
)
def test_data_sets_of_every_kind(make: Callable[[], Any], name: str) -> None:
    data = images(make())
    assert (data.fingerprint, data.name) == (LABELLED, name)


def test_labels_may_stand_beside_a_data_set() -> None:
    assert images(Photos(ITEMS["arrays"]), labels=LABELS).fingerprint == LABELLED
    assert images(list(PIXELS), labels=np.array(LABELS)).fingerprint == LABELLED
    assert "labels: the items of Photos have labels already" in refused(Photos(PAIRS["int"]), labels=LABELS)
    assert "labels: have shape (2,); 6 images" in refused(Photos(ITEMS["arrays"]), labels=[0, 1])


def test_hugging_face() -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["bat", "cat", "dog"]),
            "id": datasets.Value("int8"),
        }
    )
    table = datasets.Dataset.from_dict({"image": PICTURES, "label": LABELS, "id": LABELS}, features=features)
    named = load(PIXELS, labels=[("bat", "cat", "dog")[label] for label in LABELS])
    for found in (table, table.with_format("torch"), table.with_format("numpy")):
        data = images(found)
        assert (data.fingerprint, data.classes, data.name) == (named.fingerprint, ("bat", "cat", "dog"), "dataset")
        assert "'image' was taken as the image and 'label' as the label" in data.notes[0]
    assert images(table["image"]).fingerprint == PLAIN
    unknown = datasets.Dataset.from_dict({"image": PICTURES, "label": [-1] * 6, "id": LABELS}, features=features)
    assert images(unknown).labels is None
    assert "('train'); give one of them" in refused(datasets.DatasetDict(train=table))
    assert "type IterableDataset can only be gone through in order" in refused(table.to_iterable_dataset())


def test_class_names_of_a_data_set() -> None:
    photos = Photos(lambda i: (PIXELS[i], 2 * LABELS[i]))
    photos.classes = ["ant", "bee", "cat", "dog", "eel"]  # type: ignore[attr-defined]
    assert images(photos).classes == ("ant", "cat", "eel")
    assert images(Subset(Subset(photos, [0, 1, 3]), [0, 1])).classes == ("ant", "cat")
    for names in (["ant", "bee"], ["ant", "ant", "bee", "cow", "dog"]):
        photos.classes = names  # type: ignore[attr-defined]
        data = images(photos)
        assert data.classes == ("0", "2", "4")
        assert "classes are called by number" in data.notes[0]


def test_each_item_is_read_in_order_and_the_first_twice() -> None:
    photos = Photos(ITEMS["arrays"])
    images(photos)
    assert photos.asked == {0: 2, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1}
    assert list(photos.asked) == sorted(photos.asked)


def test_random_transforms_are_noted() -> None:
    rng = np.random.default_rng(0)
    assert "another image each time it is read" in images(Photos(lambda i: rng.random((8, 8)))).notes[0]
    assert images(Photos(ITEMS["floats"])).notes == ("values were taken to lie in [0, 1] and rounded to 8 bits",)


def test_only_the_last_item_tells_what_floats_mean() -> None:
    dark = [np.zeros((4, 4, 1), np.float32) for _ in range(4)]
    for last, level, words in ((1.0, 255, "[0, 1]"), (-1.0, 0, "[-1, 1]"), (200.0, 200, "[0, 255]")):
        data = images([*dark, np.full((4, 4, 1), last, np.float32)])
        assert words in data.notes[0]
        assert set(data.pixels[4].ravel().tolist()) == {level}
        assert set(data.pixels[:4].ravel().tolist()) == {128 if last < 0 else 0}
    rest = [np.full((2, 2), value) for value in RNG.uniform(0, 1, 30)]
    np.testing.assert_array_equal(
        images([*rest, np.full((2, 2), -0.5)]).pixels, images(np.stack([*rest, np.full((2, 2), -0.5)])).pixels
    )


def test_items_of_different_sizes_need_a_size(png: Callable[..., bytes], tmp_path: Path) -> None:
    shapes = [(8, 8), (8, 12), (20, 9), (4, 4)]
    contents = [png(height, width, seed=i) for i, (height, width) in enumerate(shapes)]
    for i, content in enumerate(contents):
        (tmp_path / f"{i}.png").write_bytes(content)
    pictures = [Image.open(tmp_path / f"{i}.png") for i in range(4)]
    words = refused(pictures)
    assert "list: item 1 has shape (8, 12, 3), and item 0 (8, 8, 3); give a size" in words
    files = load(tmp_path, size=8)
    for items in (pictures, [np.asarray(picture) for picture in pictures]):
        data = images(items, size=8)
        assert data.fingerprint == files.fingerprint
        assert data.notes == files.notes == ("1 of 4 images are smaller than 8 and were enlarged",)
    tensors = [torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255 for picture in pictures]
    assert "item 1 has shape (3, 8, 12), and item 0 (3, 8, 8)" in refused(tensors)
    assert images(tensors, size=8).fingerprint == files.fingerprint


def test_photographs_are_upright_and_transparency_is_noted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(PIXELS[0][:, :4]).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(images([Image.open(tmp_path / "a.png")]).pixels[0], np.rot90(PIXELS[0][:, :4], -1))
    clear = Image.fromarray(np.dstack([PIXELS[0], np.zeros((8, 8), np.uint8)]))
    data = images([PICTURES[1], clear])
    assert data.notes == ("the transparency of 1 of 2 images was put on white",)
    assert (data.pixels[1] == 255).all()


def test_pictures_of_every_mode() -> None:
    grey = Image.fromarray(PIXELS[0, ..., 0])
    deep = Image.fromarray(PIXELS[0, ..., 0].astype(np.uint16) * 257)
    exact = Image.fromarray(PIXELS[0, ..., 0].astype(np.float32) / 255)
    for picture in (grey, deep, exact):
        np.testing.assert_array_equal(images([picture]).pixels[0, ..., 0], PIXELS[0, ..., 0])
    assert set(images([grey.convert("1")]).pixels.ravel().tolist()) == {0, 255}
    words = refused([PICTURES[0], grey])
    assert "item 1 is grey, and item 0 in colour; give channels=3 for colour or channels=1 for grey" in words
    assert images([PICTURES[0], grey], channels=3).shape == (3, 8, 8)
    assert images([grey, PICTURES[0]], channels=1).shape == (1, 8, 8)


def raising(i: int) -> Any:
    if i == 3:
        raise OSError("disk on fire")
    return PIXELS[i]


BROKEN = [
    (Photos(raising), "Photos: item 3 could not be read: OSError: disk on fire"),
    (Photos(ITEMS["arrays"], 7), "item 6 could not be read: IndexError"),
    (Photos(lambda i: PIXELS[i] if i < 2 else PIXELS[i, :5]), "item 2 has shape (5, 8, 3), and item 0 (8, 8, 3)"),
    (Photos(lambda i: PIXELS[i] if i < 2 else PIXELS[i, :, :5]), "item 2 has shape (8, 5, 3), and item 0 (8, 8, 3)"),
    (Photos(lambda i: PIXELS[i] if i != 1 else PIXELS[i] / 255), "item 1 is float64 and item 0 uint8; give numbers of"),
    (Photos(lambda i: PIXELS[i] > 9 if i != 1 else PIXELS[i]), "item 1 is uint8 and item 0 bool"),
    (Photos(lambda i: (PIXELS[i], 1) if i != 4 else PIXELS[i]), "item 4 has no label, and item 0 has one"),
    (Photos(lambda i: PIXELS[i] if i != 4 else (PIXELS[i], 1)), "item 4 has a label, and item 0 has none"),
    (Photos(lambda i: (PIXELS[i], None if i == 2 else 1)), "item 2 has no label, and item 0 has one"),
    (
        Photos(lambda i: (PIXELS[i], np.eye(3)[i % 3])),
        "the label of item 0 is of type ndarray; give a whole number or a text",
    ),
    (Photos(lambda i: (PIXELS[i], {"boxes": []})), "the label of item 0 is of type dict"),
    (Photos(lambda i: (PIXELS[i], -1)), "labels: the label of image 0 is -1"),
    (Photos(lambda i: (PIXELS[i], 0.5)), "labels: the label of image 0 is 0.5"),
    (Photos(lambda i: (PIXELS[i], 1 if i else "a")), "labels: are texts and other things"),
    (Photos(lambda i: (PIXELS[i], 1, 2)), "item 0 is a tuple of 3 (ndarray, int, int); give images as"),
    (
        Photos(lambda i: PIXELS),
        "item 0 has shape (6, 8, 8, 3); (H, W), (H, W, C) or (C, H, W) is read; it looks like a",
    ),
    (Photos(lambda i: PIXELS[i] if i != 1 else PIXELS), "item 1 has shape (6, 8, 8, 3)"),
    (TensorDataset(torch.rand(5, 2)), "item 0 has shape (2,); (H, W), (H, W, C) or (C, H, W) is read; give points as"),
    (Photos(lambda i: torch.rand(4, 8, 8)), "item 0 has shape (4, 8, 8); the channels must be 1 or 3; to leave out"),
    (Photos(lambda i: np.ones((8, 8, 4))), "to leave out the transparency, give x[..., :3]"),
    (Photos(lambda i: PIXELS[i] if i != 1 else PIXELS[i, :0]), "item 1 has shape (0, 8, 3)"),
    (Photos(lambda i: np.full((8, 8), np.nan if i == 5 else 0.5)), "item 5 holds NaN or infinity"),
    (
        Photos(lambda i: PIXELS[i] / (255 if i < 2 else 100)),
        "items 0 to 2: floating-point values from 0 to 2.55; scale",
    ),
    ([np.full((2, 2), -1.0), np.full((2, 2), 200.0)], "items 0 to 1: floating-point values from -1 to 200; scale"),
    (Photos(lambda i: PIXELS[i].astype(int) - (i == 3)), "item 3: whole numbers from -1 to 2"),
    (Photos(lambda i: torch.rand(3, 8, 8) * 1j), "item 0: values are complex64"),
    (Photos(lambda i: TENSOR[i].to("meta")), "item 0: the tensor is on the device meta"),
    (Photos(lambda i: "a.png"), "item 0 is of type str; give images as arrays, tensors or pictures of Pillow"),
    (["a.png", "b.png"], "list: item 0 is of type str"),
    ([[0.0, 1.0], [2.0, 3.0]], "item 0 is a list of 2 (float, float)"),
    (Photos(lambda i: {"a": 1, "b": 2}), "item 0 has the parts 'a', 'b'; call the image 'image' and the label 'label'"),
    (Photos(lambda i: {"a": PIXELS[i], "b": PIXELS[i]}), "has the parts 'a', 'b'"),
    (Photos(lambda i: {"image" if i else "img": PIXELS[i]}), "item 1 has no 'img', which item 0 has"),
    (Photos(lambda i: {"image": PIXELS[i], **({} if i == 2 else {"label": 1})}), "item 2 has no label, and item 0"),
    ([], "list: it holds no items"),
    (Photos(ITEMS["arrays"], -1), "Photos: its length cannot be told (ValueError"),
]


@pytest.mark.parametrize(("source", "part"), BROKEN, ids=[part[:50] for _, part in BROKEN])
def test_items_that_differ_or_fail_are_named(source: Any, part: str) -> None:
    words = refused(source)
    assert part in words
    assert ("could not be read" in words) == ("could not be read" in part)


def test_what_an_item_raised_stays_in_the_traceback() -> None:
    with pytest.raises(DataError) as caught:
        load(Photos(raising))
    assert isinstance(caught.value.__cause__, OSError)


def test_interrupts_are_not_swallowed() -> None:
    def interrupted(i: int) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(Photos(interrupted))


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(PIXELS)

    def __len__(self) -> int:
        return 6


class Endless(Dataset[Any]):
    def __getitem__(self, index: int) -> Any:
        return PIXELS[index]


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: DataLoader(Photos(ITEMS["arrays"])), "type DataLoader come in batches"),
        (lambda: DataLoader(Stream()), "give what it reads: loader.dataset"),
        (Stream, "type Stream can only be gone through in order; collect the items first, as in list(data)"),
        (Endless, "type Endless have no length; give it a method __len__"),
    ],
)
def test_what_is_not_map_style_is_refused_with_advice(make: Callable[[], Any], part: str) -> None:
    assert part in refused(make())


def test_memory_is_told_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerosum.data.memory._LARGE", 1_000)
    assert images(Photos(ITEMS["arrays"])).notes == ("the images take 1.125 KiB of memory",)
    assert images(Photos(ITEMS["arrays"]), size=4).notes == ()
    monkeypatch.setattr("zerosum.data.memory.physical_memory", lambda: 1_000)
    photos = Photos(ITEMS["arrays"])
    assert "would take 1.125 KiB, more than this machine's 1000 B of memory; give a smaller size" in refused(photos)
    assert "would take 1.125 KiB" in refused(PIXELS)
    assert photos.asked.keys() == {0}
    monkeypatch.setattr("zerosum.data.memory.physical_memory", lambda: None)
    assert images(photos).fingerprint == PLAIN


def test_the_machine_s_memory_is_known() -> None:
    from zerosum.data.memory import physical_memory

    found = physical_memory()
    assert found is None or found > 1 << 28


def test_progress_is_counted_in_items(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[object, ...]] = []

    class Bar:
        def __init__(self, *words: object) -> None:
            seen.append(words)

        def __enter__(self) -> Callable[[int], None]:
            return lambda n: seen.append((n,))

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr("zerosum.data.dataset.progress", Bar)
    monkeypatch.setattr("zerosum.data.arrays.progress", Bar)
    images(Photos(ITEMS["arrays"]), size=4, progress=True)
    assert seen[0] == (6, "reading Photos", True)
    assert seen.count((1,)) >= 6


class Batches(Dataset[Any]):
    """Batches of our data, as another loop might read them in processes of its own."""

    def __init__(self, data: Images) -> None:
        self.data = data

    def __len__(self) -> int:
        return 3

    def __getitem__(self, k: int) -> Any:
        return self.data.batch(k, 2, seed=0)


def test_given_data_travel_to_the_workers_of_a_loader() -> None:
    data = images(Photos(PAIRS["tensor"]))
    here = [data.batch(k, 2, seed=0) for k in range(3)]
    loader = DataLoader(Batches(data), batch_size=None, num_workers=2, multiprocessing_context="spawn")
    for (x, y), (x_there, y_there) in zip(here, loader, strict=True):
        assert torch.equal(x, x_there)
        assert y is not None
        assert torch.equal(y, y_there)
