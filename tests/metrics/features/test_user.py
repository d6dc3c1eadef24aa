"""Networks of the user's: modules and ONNX files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from random_weights import random_images
from torch import Tensor, nn

from zerosum.metrics.features.resize import tensorflow_bilinear
from zerosum.metrics.features.user import ModuleExtractor, OnnxExtractor, Preparation, onnx_preparation
from zerosum.metrics.features.weights import weights_hash


class Mean(nn.Module):
    """Mean of each channel, doubled; and, when asked, its sum as a logit."""

    def __init__(self, logits: bool = False) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.logits = logits

    def forward(self, x: Tensor) -> Any:
        vectors = x.mean((2, 3)) * self.scale
        return (vectors, vectors.sum(1, keepdim=True)) if self.logits else vectors


class Returns(nn.Module):
    """A fixed result."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result

    def forward(self, x: Tensor) -> Any:
        return self.result


PREPARATION = Preparation(16, low=-1, high=1, mean=(0.1, 0.2, 0.3), std=(0.5, 1, 2))


def prepared(images: Tensor) -> Tensor:
    x = tensorflow_bilinear(images.double(), (16, 16)) / 255 * 2 - 1
    return (x - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor([0.5, 1, 2]).view(3, 1, 1)


def test_preparation_by_hand() -> None:
    images = random_images("user", 2, 20, 11)
    result = PREPARATION(images)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, prepared(images).float())
    assert str(PREPARATION) == ("tensorflow bilinear to 16, pixels to [-1, 1], mean (0.1, 0.2, 0.3), std (0.5, 1, 2)")
    ends = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    assert Preparation(1, channels=1, low=-1)(ends).flatten().tolist() == [-1, 1]
    assert str(Preparation((8, 9), resize="clean")) == "clean bicubic to 8x9, pixels to [0, 1]"


def test_a_module_is_an_extractor() -> None:
    module = Mean(logits=True).train()
    extractor = ModuleExtractor(module, name="mean", preparation=PREPARATION)
    images = random_images("user", 3, 20, 11)
    vectors, logits = extractor(images)
    expected = prepared(images).mean((2, 3)).float() * 2
    torch.testing.assert_close(vectors, expected)
    torch.testing.assert_close(logits, expected.sum(1, keepdim=True))
    assert (extractor.name, extractor.dimensions, extractor.resize) == ("mean", 3, str(PREPARATION))
    assert extractor.hash == weights_hash({"scale": torch.tensor(2.0)})
    assert not module.training
    assert not vectors.requires_grad


def test_a_module_without_logits_and_grey_images() -> None:
    extractor = ModuleExtractor(Mean(), name="mean", preparation=Preparation(8, channels=1))
    vectors, logits = extractor(torch.full((2, 1, 8, 8), 51, dtype=torch.uint8))
    assert logits is None
    torch.testing.assert_close(vectors, torch.full((2, 1), 0.4))
    with pytest.raises(ValueError, match="takes grey images"):
        extractor(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (torch.zeros(1, 4, 2, 2), r"\(1, D\).*average over positions"),
        (torch.zeros(2, 4), r"\(1, D\)"),
        (torch.zeros(1, 4, dtype=torch.int64), "floating-point"),
        (torch.full((1, 4), torch.nan), "NaN or infinity"),
        ((torch.zeros(1, 4),) * 3, "not 3 results"),
        ("vectors", "not str"),
    ],
)
def test_modules_that_return_something_else_are_refused(result: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModuleExtractor(Returns(result), name="odd", preparation=Preparation(8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "cannot be resized"),
        ({"channels": 4}, "channels=4"),
        ({"low": 1.0}, "below high"),
        ({"mean": (0.5,)}, "each of the 3 channels"),
        ({"std": (1.0, 0.0, 1.0)}, "above 0"),
        ({"resize": "nearest"}, "'tensorflow', 'clean'"),
    ],
)
def test_preparations_without_sense_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Preparation(**{"size": 8, **arguments})


def onnx_mean(path: Path, shape: tuple[Any, ...] = ("n", 3, 16, 16), logits: bool = False) -> Path:
    """Mean over positions; as logits, when asked, the same times a stored 2."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    axes = onnx.numpy_helper.from_array(np.array([2, 3]), "axes")
    two = onnx.numpy_helper.from_array(np.array(2, np.float32), "two")
    nodes = [helper.make_node("ReduceMean", ["images", "axes"], ["vectors"], keepdims=0)]
    outputs = [helper.make_tensor_value_info("vectors", real, ["n", shape[1]])]
    if logits:
        nodes.append(helper.make_node("Mul", ["vectors", "two"], ["logits"]))
        outputs.append(helper.make_tensor_value_info("logits", real, ["n", shape[1]]))
    images = helper.make_tensor_value_info("images", real, shape)
    graph = helper.make_graph(nodes, "mean", [images], outputs, [axes, two])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)
    return path


def test_an_onnx_file_is_an_extractor(tmp_path: Path) -> None:
    path = onnx_mean(tmp_path / "mean.onnx", logits=True)
    extractor = OnnxExtractor(path, PREPARATION)
    images = random_images("onnx", 3, 20, 11)
    vectors, logits = extractor(images)
    expected = prepared(images).mean((2, 3)).float()
    torch.testing.assert_close(vectors, expected)
    torch.testing.assert_close(logits, expected * 2)
    assert (extractor.name, extractor.dimensions, extractor.resize) == ("mean", 3, str(PREPARATION))
    # One image gives what it gives in company.
    torch.testing.assert_close(extractor(images[:1]).vectors, vectors[:1])


def test_the_hash_of_an_onnx_file_covers_weights_beside_it(tmp_path: Path) -> None:
    path = onnx_mean(tmp_path / "mean.onnx")
    first = OnnxExtractor(path, PREPARATION, name="other")
    assert first.name == "other"
    assert first(random_images("onnx", 1, 8, 8)).logits is None
    (tmp_path / "mean.onnx.data").write_bytes(b"weights")
    assert OnnxExtractor(path, PREPARATION).hash != first.hash


def test_the_plain_preparation_of_an_onnx_file(tmp_path: Path) -> None:
    path = onnx_mean(tmp_path / "mean.onnx", ("n", 3, 16, 20))
    assert onnx_preparation(path) == Preparation((16, 20))
    free = onnx_mean(tmp_path / "free.onnx", ("n", 3, "h", "w"))
    with pytest.raises(ValueError, match=r"does not state the size.*\('n', 3, 'h', 'w'\)"):
        onnx_preparation(free)
    # A free size fits any preparation.
    assert OnnxExtractor(free, PREPARATION).dimensions == 3


def test_onnx_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = onnx_mean(tmp_path / "mean.onnx")
    with pytest.raises(ValueError, match=r"\('n', 3, 16, 16\), but .*\('any', 3, 8, 8\)"):
        OnnxExtractor(path, Preparation(8))
    with pytest.raises(ValueError, match="Change size or channels"):
        OnnxExtractor(path, Preparation(16, channels=1))
    fixed = onnx_mean(tmp_path / "fixed.onnx", (4, 3, 16, 16))
    with pytest.raises(ValueError, match="free first dimension"):
        OnnxExtractor(fixed, PREPARATION)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.onnx"):
        OnnxExtractor(tmp_path / "nowhere.onnx", PREPARATION)
    path.write_bytes(b"not a network")
    with pytest.raises(ValueError, match="not a network that onnxruntime can load"):
        OnnxExtractor(path, PREPARATION)
