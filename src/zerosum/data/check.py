"""Whether ``Data`` of one's own keep their promises."""

from typing import Any

import torch
from torch import Tensor

from zerosum.data.base import Data
from zerosum.errors import DataError

_SLACK = 1e-3  # beyond [-1, 1]: an eighth of the step between two levels of 8 bits


def check_data(data: Any) -> Data:
    """Check what :class:`Data` promise, by their attributes and their first batch of two samples, read twice.

    Returns:
        The data.

    Raises:
        DataError: A promise is not kept; the message says which one.
    """
    if not isinstance(data, Data):
        raise DataError(
            f"data are of type {type(data).__name__}; derive it from zerosum.data.Data, or give what load reads"
        )
    _check_attributes(data)
    size = 2 if data.count is None else min(2, data.count)
    x = check_batch(data, size)
    again, _ = _read(data, size)
    if not torch.equal(x, again):
        raise _broken(data, "batch(0, ...) gives other samples each time; they must follow from its arguments alone")
    return data


def check_batch(data: Data, size: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Tensor:
    """Check the first batch of ``size`` samples. The arguments are those of ``Data.batch``.

    Returns:
        Its samples.

    Raises:
        DataError: A promise is not kept; the message says which one.
    """
    x, y = _read(data, size, seed=seed, rank=rank, world=world)
    samples = _check_samples(data, x, size)
    _check_labels(data, y, size)
    return samples


def _check_attributes(data: Data) -> None:
    kind = type(data).__name__
    values: dict[str, Any] = {}
    for name in ("name", "shape", "classes", "count", "fingerprint", "notes"):
        try:
            values[name] = getattr(data, name)
        except AttributeError as error:
            raise DataError(f"{kind} has no {name}; Data.__init__ takes all of them by keyword") from error
    for name in ("name", "fingerprint"):
        if not isinstance(values[name], str) or not values[name]:
            raise DataError(f"{kind}: {name} must be a text, not {values[name]!r}")
    for name in ("classes", "notes"):
        if not isinstance(values[name], tuple) or not all(isinstance(word, str) for word in values[name]):
            raise _broken(data, f"{name} must be a tuple of texts, not {values[name]!r}")
    shape, count = values["shape"], values["count"]
    if not isinstance(shape, tuple) or not all(type(n) is int and n > 0 for n in shape):
        raise _broken(data, f"shape must be a tuple of whole numbers, (C, H, W) or (2,), not {shape!r}")
    if shape != (2,) and (len(shape) != 3 or shape[0] not in (1, 3)):
        raise _broken(data, f"shape must be (C, H, W) with 1 or 3 channels, or (2,) for points, not {shape}")
    if count is not None and (type(count) is not int or count < 1):
        raise _broken(data, f"count must be the number of samples, or None where there is no end, not {count!r}")


def _read(data: Data, size: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> tuple[Any, Any]:
    try:
        batch = data.batch(0, size, seed=seed, rank=rank, world=world, device="cpu")
    except DataError:
        raise
    except Exception as error:  # whatever the user's own code raises
        words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        call = f"batch(0, {size}, seed={seed}, rank={rank}, world={world}, device='cpu')"
        raise _broken(data, f"{call} raised {words}") from error
    if not isinstance(batch, tuple) or len(batch) != 2:
        raise _broken(data, f"batch() must return (x, y), y None without labels, not {type(batch).__name__}")
    return batch


def _check_samples(data: Data, x: Any, size: int) -> Tensor:
    if not isinstance(x, Tensor):
        raise _broken(data, f"x of batch() must be a tensor, not {type(x).__name__}")
    if tuple(x.shape) != (size, *data.shape):
        raise _broken(data, f"x of batch(0, {size}) has shape {tuple(x.shape)}; {(size, *data.shape)} is expected")
    if x.dtype != torch.float32:
        raise _broken(data, f"x of batch() is {x.dtype}; torch.float32 is expected")
    if x.device.type != "cpu":
        raise _broken(data, f"x of batch(..., device='cpu') is on {x.device}")
    if not bool(x.isfinite().all()):
        raise _broken(data, "x of batch() holds NaN or infinity")
    low, high = float(x.min()), float(x.max())
    if not data.is_points and max(-low, high) > 1 + _SLACK:
        raise _broken(data, f"x of batch() has values from {low:.4g} to {high:.4g}; images lie in [-1, 1]")
    return x


def _check_labels(data: Data, y: Any, size: int) -> None:
    if y is None:
        if data.classes:
            raise _broken(data, f"batch() gives no labels, but there are {len(data.classes)} classes")
        return
    if not isinstance(y, Tensor):
        raise _broken(data, f"y of batch() must be a tensor or None, not {type(y).__name__}")
    if not data.classes:
        raise _broken(data, "batch() gives labels, but classes is empty; name each class, or give None for y")
    if tuple(y.shape) != (size,) or y.dtype != torch.int64:
        raise _broken(data, f"y of batch(0, {size}) is {y.dtype} {tuple(y.shape)}; torch.int64 ({size},) is expected")
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= len(data.classes):
        wrong = low if low < 0 else high
        raise _broken(data, f"y of batch() holds {wrong}; the {len(data.classes)} classes have numbers from 0")


def _broken(data: Data, words: str) -> DataError:
    return DataError(f"{data.name} ({type(data).__name__}): {words}")
