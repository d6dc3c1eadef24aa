"""Labels beside arrays: every kind that is read, and every refusal with its advice."""

from typing import Any

import numpy as np
import pandas
import pytest
import torch
from given_images import LABELS, PIXELS, TENSOR, images, refused

from zerosum.data import DataError, load

GOOD_LABELS = {
    "list": LABELS,
    "tuple": tuple(LABELS),
    "numpy": np.array(LABELS, np.uint8),
    "tensor": torch.tensor(LABELS),
    "whole floats": np.array(LABELS, np.float32),
    "bfloat16": torch.tensor(LABELS).bfloat16(),
    "tensors": [torch.tensor(label) for label in LABELS],
    "numpy scalars": [np.int16(label) for label in LABELS],
    "objects": np.array(LABELS, object),
    "series": pandas.Series(LABELS),
    "range": [i % 3 for i in range(6)],
}


@pytest.mark.parametrize("labels", GOOD_LABELS.values(), ids=GOOD_LABELS.keys())
def test_labels_of_any_kind(labels: Any) -> None:
    data = images(PIXELS, labels=labels)
    assert data.labels is not None
    assert (data.labels.tolist(), data.classes) == (LABELS, ("0", "1", "2"))
    assert data.fingerprint == images(TENSOR, labels=LABELS).fingerprint
    _, y = data.batch(0, 6, seed=0)
    assert y is not None
    assert y.dtype == torch.int64


@pytest.mark.parametrize(
    ("labels", "indices", "classes"),
    [
        (list("dcdebd"), [2, 1, 2, 3, 0, 2], ("b", "c", "d", "e")),
        (np.array(list("ababab"), object), [0, 1] * 3, ("a", "b")),
        (pandas.Series(list("ababab"), dtype="category"), [0, 1] * 3, ("a", "b")),
        (np.array(list("ababab"), np.dtypes.StringDType()), [0, 1] * 3, ("a", "b")),
        ([0, 5, 9] * 2, [0, 1, 2] * 2, ("0", "5", "9")),
        ([True, False] * 3, [1, 0] * 3, ("False", "True")),
    ],
)
def test_class_names_are_the_sorted_labels(labels: Any, indices: list[int], classes: tuple[str, ...]) -> None:
    data = images(PIXELS, labels=labels)
    assert data.labels is not None
    assert (data.labels.tolist(), data.classes) == (indices, classes)


def test_a_single_class_is_noted() -> None:
    assert images(PIXELS, labels=["a"] * 6).notes == ("there is a single class, 'a'",)


BAD_LABELS = [
    ([0, 1], "labels: have shape (2,); 6 images need shape (6,)"),
    ([], "labels: have shape (0,); 6 images need shape (6,)"),
    (np.eye(6), "of one-hot rows give labels.argmax(1)"),
    (np.zeros((6, 1), int), "of a column labels[:, 0]"),
    (np.zeros((2, 3), int), "have shape (2, 3); 6 images need shape (6,)"),
    ([[1], [1, 2], 3, 4, 5, 6], "have different shapes"),
    ([0, 1, np.nan, 0, 1, 2], "the label of image 2 is nan; give whole numbers from 0, or texts"),
    ([0, 1, 2, 0.5, 1, 2], "the label of image 3 is 0.5; give whole numbers"),
    ([0, 1, 2, np.inf, 1, 2], "the label of image 3 is inf"),
    ([0, -1, 2, 0, 1, 2], "the label of image 1 is -1; give whole numbers from 0"),
    ([0.0, -1.0, 2, 0, 1, 2], "the label of image 1 is -1"),
    ([0, None, 2, 0, 1, 2], "the label of image 1 is None"),
    (["a", None, "b", "a", "b", "b"], "labels: are texts and other things: 'a' for image 0, None for image 1"),
    ([0, "a", 2, 0, 1, 2], "texts and other things: 0 for image 0, 'a' for image 1"),
    ([0, 1, 2, 2**80, 1, 2], "the label of image 3 is 1208925819614629174706176, too large a number"),
    ([b"a"] * 6, "labels: are |S1; give whole numbers"),
    (np.zeros(6, complex), "labels: are complex128"),
    (np.zeros(6, "M8[s]"), "labels: are datetime64[s]"),
    ("abcabc", "labels: are of type str; give an array or a list"),
    (3, "labels: are of type int"),
    ({0, 1, 2, 3, 4, 5}, "labels: are of type set"),
    (dict.fromkeys(range(6)), "labels: are of type dict"),
    (iter(LABELS), "labels: are of type list_iterator"),
    (torch.zeros(6).to("meta"), "labels: the tensor is on the device meta"),
]


@pytest.mark.parametrize(("labels", "part"), BAD_LABELS, ids=[part[:40] for _, part in BAD_LABELS])
def test_labels_that_make_no_sense_are_refused_with_advice(labels: Any, part: str) -> None:
    assert part in refused(PIXELS, labels=labels)


def test_the_command_line_can_tell_which_argument_was_at_fault() -> None:
    for options, name in (({"labels": [1]}, "labels"), ({"size": "64"}, "size")):
        with pytest.raises(DataError, match=f"^{name}") as caught:
            load(PIXELS, **options)
        assert caught.value.argument == name
