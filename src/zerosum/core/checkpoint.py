"""Checkpoints: a folder with `tensors.safetensors` and `meta.json`, written atomically, read without pickle."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils import _pytree as pytree

from zerosum.errors import CheckpointError
from zerosum.files import atomic_folder, read_record, restore_folder

SCHEMA = 1
Rename = Callable[[str, Collection[str]], str]
TENSORS, META = "tensors.safetensors", "meta.json"


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
        CheckpointError: The disk is full or not writable; what was there before is untouched.
    """
    tensors = flatten(tree)
    strides = {k: found for k, t in tensors.items() if (found := _unusual_strides(t))}
    try:
        with atomic_folder(folder) as partial:
            # Copies, because safetensors refuses tensors that share memory.
            packed = {k: t.detach().cpu().clone(memory_format=torch.contiguous_format) for k, t in tensors.items()}
            save_file(packed, partial / TENSORS)
            (partial / META).write_text(json.dumps({**meta, "schema": SCHEMA, "strides": strides}, indent=1))
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
        cause = "no space is left on the disk" if full else str(error)
        raise CheckpointError(f"cannot write the checkpoint {folder}: {cause}. Earlier ones are untouched") from error


def load_meta(folder: Path) -> dict[str, Any]:
    """What `meta.json` of a checkpoint says.

    Raises:
        CheckpointError: It is missing, damaged, or of a newer schema.
    """
    restore_folder(folder)
    try:
        return read_record(folder / META, SCHEMA)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(f"{folder} is not a checkpoint: it has no {META}") from error
    except ValueError as error:
        raise CheckpointError(f"{folder / META} {error}: use an earlier checkpoint") from error


def load(folder: Path, like: Any, rename: Rename | None = None) -> tuple[Any, dict[str, Any]]:
    """Read a checkpoint into the structure, devices and dtypes of ``like``.

    Args:
        folder: The checkpoint.
        like: What it is to be read into.
        rename: ``(saved name, wanted names) -> name``, for tensors that were saved under another name.

    Raises:
        CheckpointError: It is damaged, a pickle, of a newer schema, or holds other tensors than ``like``.
    """
    meta = load_meta(folder)
    saved, strides, wanted = _load_tensors(folder / TENSORS), meta.get("strides", {}), flatten(like)
    if rename is not None and saved.keys() != wanted.keys():
        saved, strides = ({rename(key, wanted): v for key, v in found.items()} for found in (saved, strides))
    if saved.keys() != wanted.keys():
        missing, extra = sorted(wanted.keys() - saved.keys()), sorted(saved.keys() - wanted.keys())
        raise CheckpointError(f"{folder} belongs to another model: it lacks {_some(missing)} and has {_some(extra)}")
    for key, tensor in wanted.items():
        found, expected = (f"{t.dtype} {tuple(t.shape)}" for t in (saved[key], tensor))
        if found != expected:
            raise CheckpointError(f"{folder} belongs to another model: {key} is {found}, expected {expected}")
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


def _unusual_strides(tensor: Tensor) -> list[int] | None:
    """Strides decide which kernel runs, so resuming exactly needs them back; gaps and overlaps it can do without."""
    strides = torch.empty_like(tensor, device="meta").stride()
    return None if strides == torch.empty(tensor.shape, device="meta").stride() else list(strides)


def _laid_out(t: Tensor, strides: list[int] | None, device: torch.device) -> Tensor:
    return torch.empty_strided(t.shape, strides or t.stride(), dtype=t.dtype, device=device).copy_(t)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "nothing"
