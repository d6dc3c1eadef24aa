"""Checkpoints: a folder with `tensors.safetensors` and `meta.json`, written atomically, read without pickle."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils import _pytree as pytree

SCHEMA = 1
TENSORS, META = "tensors.safetensors", "meta.json"


class CheckpointError(ValueError):
    """A checkpoint cannot be written or read. The message names it, and says what is wrong and what to do."""


def flatten(tree: Any) -> dict[str, Tensor]:
    """Every tensor of nested dicts and named tuples, by its path: ``{"weights/G/conv.weight": tensor}``."""
    named = {}
    for steps, tensor in pytree.tree_flatten_with_path(tree)[0]:
        names = [getattr(step, "key", getattr(step, "name", "")) for step in steps]  # of a dict, of a named tuple
        if any("/" in name for name in names):
            raise CheckpointError(f"a name in {names} contains '/', which separates names in files: rename it")
        named["/".join(names)] = tensor
    return named


def save(folder: Path, tree: Any, meta: Mapping[str, Any]) -> None:
    """Write ``tree`` and ``meta`` as ``folder``: all of it or nothing, whatever happens in between.

    Raises:
        CheckpointError: the disk is full or not writable; what was there before is untouched.
    """
    tensors = flatten(tree)
    strides = {k: found for k, t in tensors.items() if (found := _unusual_strides(t))}
    partial, old = folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.old")
    try:
        _restore(folder)
        for path in (partial, old):
            shutil.rmtree(path, ignore_errors=True)
        partial.mkdir(parents=True)
        # Copies, because safetensors refuses tensors that share memory.
        packed = {k: t.detach().cpu().clone(memory_format=torch.contiguous_format) for k, t in tensors.items()}
        save_file(packed, partial / TENSORS)
        (partial / META).write_text(json.dumps({**meta, "schema": SCHEMA, "strides": strides}, indent=1))
        for name in (TENSORS, META):
            _flush(partial / name)
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
        _flush(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        _restore(folder)
        shutil.rmtree(partial, ignore_errors=True)
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
        cause = "no space is left on the disk" if full else str(error)
        raise CheckpointError(f"cannot write the checkpoint {folder}: {cause}. Earlier ones are untouched") from error


def load_meta(folder: Path) -> dict[str, Any]:
    """What `meta.json` of a checkpoint says.

    Raises:
        CheckpointError: it is missing, damaged, or of a newer schema.
    """
    _restore(folder)
    try:
        meta: dict[str, Any] = json.loads((folder / META).read_text())
        schema = int(meta["schema"])
    except (FileNotFoundError, NotADirectoryError) as error:
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
    saved = _load_tensors(folder / TENSORS)
    wanted = flatten(like)
    if saved.keys() != wanted.keys():
        missing, extra = sorted(wanted.keys() - saved.keys()), sorted(saved.keys() - wanted.keys())
        raise CheckpointError(f"{folder} belongs to another model: it lacks {_some(missing)} and has {_some(extra)}")
    for key, tensor in wanted.items():
        found, expected = (f"{t.dtype} {tuple(t.shape)}" for t in (saved[key], tensor))
        if found != expected:
            raise CheckpointError(f"{folder} belongs to another model: {key} is {found}, expected {expected}")
    strides = meta.get("strides", {})
    placed = [_laid_out(saved[key], strides.get(key), tensor.device) for key, tensor in wanted.items()]
    return pytree.tree_unflatten(placed, pytree.tree_structure(like)), meta


def _load_tensors(file: Path) -> dict[str, Tensor]:
    try:
        with safe_open(file, framework="pt") as archive:
            return {key: archive.get_tensor(key) for key in archive.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise CheckpointError(f"{file} is missing") from error
    except SafetensorError as error:
        with file.open("rb") as stream:
            head = stream.read(4)
        # A zip by torch.save, or a pickle's own first byte and protocol, which no zero byte follows.
        if head == b"PK\x03\x04" or (head[:1] == b"\x80" and b"\0" not in head[1:3]):
            raise CheckpointError(f"{file} is a pickle, which can run any code: only safetensors is read") from error
        raise CheckpointError(f"{file} is truncated or damaged ({error}): use an earlier checkpoint") from error


def _restore(folder: Path) -> None:
    """Put back what `save` had moved aside when it was cut short."""
    if not folder.exists():
        with suppress(OSError):
            folder.with_name(f".{folder.name}.old").rename(folder)


def _unusual_strides(tensor: Tensor) -> list[int] | None:
    """Strides decide which kernel runs, so resuming exactly needs them back; gaps and overlaps it can do without."""
    strides = torch.empty_like(tensor, device="meta").stride()
    return None if strides == torch.empty(tensor.shape, device="meta").stride() else list(strides)


def _laid_out(t: Tensor, strides: list[int] | None, device: torch.device) -> Tensor:
    return torch.empty_strided(t.shape, strides or t.stride(), dtype=t.dtype, device=device).copy_(t)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "nothing"
