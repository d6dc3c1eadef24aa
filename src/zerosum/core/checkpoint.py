"""Checkpoints: a folder with `tensors.safetensors` and `meta.json`, written atomically, read without pickle."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

SCHEMA = 1
TENSORS, META = "tensors.safetensors", "meta.json"


class CheckpointError(ValueError):
    """A checkpoint cannot be written or read. The message names it, and says what is wrong and what to do."""


def flatten(tree: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor of nested dicts and named tuples, as ``("weights/G/conv.weight", tensor)``."""
    if isinstance(tree, Tensor):
        yield path, tree
        return
    branches = tree._asdict() if hasattr(tree, "_asdict") else tree
    for key, branch in branches.items():
        if "/" in key:
            raise CheckpointError(f"the name {key!r} contains '/', which separates names in checkpoints: rename it")
        yield from flatten(branch, f"{path}/{key}" if path else key)


def save(folder: Path, tree: Any, meta: Mapping[str, Any]) -> None:
    """Write ``tree`` and ``meta`` as ``folder``: all of it or nothing, whatever happens in between.

    Raises:
        CheckpointError: the disk is full or not writable; what was there before is untouched.
    """
    tensors = dict(flatten(tree))
    # Memory layout decides which kernel runs, so resuming exactly needs it back.
    strides = {k: list(t.stride()) for k, t in tensors.items() if not t.is_contiguous()}
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file({k: _packed(t) for k, t in tensors.items()}, partial / TENSORS)
        (partial / META).write_text(json.dumps({"schema": SCHEMA, "strides": strides, **meta}, indent=1))
        for name in (TENSORS, META):
            _flush(partial / name)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
        _flush(folder.parent)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
        cause = "no space is left on the disk" if full else str(error)
        raise CheckpointError(
            f"cannot write the checkpoint {folder}: {cause}. Earlier checkpoints are untouched"
        ) from error


def load_meta(folder: Path) -> dict[str, Any]:
    """What `meta.json` of a checkpoint says.

    Raises:
        CheckpointError: it is missing, damaged, or of a newer schema.
    """
    try:
        meta: dict[str, Any] = json.loads((folder / META).read_text())
        schema = int(meta["schema"])
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} is not a checkpoint: it has no {META}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / META} is damaged ({error}): use an earlier checkpoint") from error
    if schema > SCHEMA:
        raise CheckpointError(f"{folder} has schema {schema}, this zerosum reads up to {SCHEMA}: update zerosum")
    return meta


def load(folder: Path, like: Any) -> tuple[Any, dict[str, Any]]:
    """Read a checkpoint into the structure, devices and dtypes of ``like``.

    Raises:
        CheckpointError: it is damaged, a pickle, of a newer schema, or holds other tensors than ``like``.
    """
    meta = load_meta(folder)
    saved = load_tensors(folder / TENSORS)
    wanted = dict(flatten(like))
    if saved.keys() != wanted.keys():
        missing, extra = sorted(wanted.keys() - saved.keys()), sorted(saved.keys() - wanted.keys())
        raise CheckpointError(f"{folder} belongs to another model: it lacks {_some(missing)} and has {_some(extra)}")
    for key, tensor in wanted.items():
        if saved[key].shape != tensor.shape or saved[key].dtype != tensor.dtype:
            raise CheckpointError(
                f"{folder} belongs to another model: {key} is {saved[key].dtype} {tuple(saved[key].shape)}, "
                f"expected {tensor.dtype} {tuple(tensor.shape)}"
            )
    placed = {k: _strided(t, meta["strides"].get(k)).to(wanted[k].device) for k, t in saved.items()}
    return _unflatten(like, placed), meta


def load_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name.

    Raises:
        CheckpointError: it is missing, truncated, or no safetensors file.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(4)
        if head[:1] == b"\x80" or head == b"PK\x03\x04":
            raise CheckpointError(
                f"{file} is a pickle, which can run any code when opened: zerosum reads safetensors only"
            )
        with safe_open(file, framework="pt") as archive:
            return {key: archive.get_tensor(key).clone() for key in archive.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise CheckpointError(f"{file} is missing") from error
    except SafetensorError as error:
        raise CheckpointError(f"{file} is truncated or damaged ({error}): use an earlier checkpoint") from error


def _packed(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()


def _strided(tensor: Tensor, stride: list[int] | None) -> Tensor:
    return tensor if stride is None else torch.empty_strided(tensor.shape, stride, dtype=tensor.dtype).copy_(tensor)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "nothing"


def _unflatten(like: Any, tensors: Mapping[str, Tensor], path: str = "") -> Any:
    if isinstance(like, Tensor):
        return tensors[path]
    branches = like._asdict() if hasattr(like, "_asdict") else like
    built = {k: _unflatten(branch, tensors, f"{path}/{k}" if path else k) for k, branch in branches.items()}
    return type(like)(**built) if hasattr(like, "_asdict") else built
