"""A device that is not there: tensors compute on the CPU, but say that they lie elsewhere, and refuse to be mixed.

The device is called "meta", since a build of torch without CUDA can guard no other one. Rules are those of CUDA: an
operation takes tensors of one device; scalars (0-dimensional tensors) of the CPU are taken by pointwise operations, and
indices of the CPU by tensors of any device; only copies go from one device to the other, and ``numpy()`` is refused.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
aten = torch.ops.aten
COPIES = {aten._to_copy, aten.copy_, aten._copy_from}
INDEXED = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index}


class Pretended(Tensor):
    """A tensor that says it lies on :data:`DEVICE`; ``held`` has its values."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Pretended:
        made: Pretended = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.size(), strides=held.stride(), dtype=held.dtype, device=DEVICE
        )
        made.held = held
        return made

    def __repr__(self, *_: Any, **__: Any) -> str:
        return f"Pretended({self.held})"

    def tolist(self) -> Any:
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs or {})


class PretendedDevice(TorchDispatchMode):
    """While it is entered, tensors can be made on :data:`DEVICE` and moved to it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs or {})


def compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Compute on the CPU, after the rules of devices."""
    tensors = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, Pretended)]
    if any(tensor.device.type == DEVICE.type for tensor in tensors if not isinstance(tensor, Pretended)):
        raise AssertionError(f"{func} got a tensor without values, which torch made beside this mode (of a list?)")
    packet = func.overloadpacket
    asked = kwargs.get("device")
    if packet not in COPIES:
        refuse_mixtures(func, packet, args, tensors, there)
    if asked is not None and torch.device(asked).type == DEVICE.type:
        if isinstance(kwargs.get("generator"), torch.Generator) and kwargs["generator"].device.type == "cpu":
            raise RuntimeError(f"Expected a '{DEVICE}' device type for generator but found 'cpu'")
        goes_there = True
    elif packet is aten.copy_:
        goes_there = isinstance(args[0], Pretended)
    else:
        goes_there = bool(there) and asked is None
    plain_args, plain_kwargs = tree_map(unwrap, (args, kwargs))
    if asked is not None:
        plain_kwargs["device"] = torch.device("cpu")
    found = func(*plain_args, **plain_kwargs)
    if packet in (aten._local_scalar_dense, aten.equal):
        return found
    same = {id(unwrap(tensor)): tensor for tensor in tensors}

    def wrap(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        if id(leaf) in same:
            return same[id(leaf)]  # what was written in place, or handed through
        return Pretended(leaf) if goes_there else leaf

    return tree_map(wrap, found)


def refuse_mixtures(func: Any, packet: Any, args: Any, tensors: list[Tensor], there: list[Pretended]) -> None:
    """What a GPU refuses."""
    strangers = [tensor for tensor in tensors if not isinstance(tensor, Pretended)]
    if not there or not strangers:
        return
    if packet in INDEXED and isinstance(args[0], Pretended):
        others = tree_flatten(args[2:])[0]
        strangers = [tensor for tensor in others if isinstance(tensor, Tensor) and not isinstance(tensor, Pretended)]
    written = isinstance(args[0], Tensor) and not isinstance(args[0], Pretended) and func._schema.is_mutable
    if torch.Tag.pointwise in func.tags or packet in INDEXED or packet in (aten.fill_, aten.masked_fill_):
        strangers = [] if all(tensor.ndim == 0 for tensor in strangers) and not written else strangers
    if strangers:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {DEVICE} and cpu! ({func})"
        )


def unwrap(leaf: Any) -> Any:
    """The values of a tensor."""
    return leaf.held if isinstance(leaf, Pretended) else leaf
