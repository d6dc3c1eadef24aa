"""Arrays of any library as numpy arrays."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from zerosum.data.levels import AnyArray
from zerosum.errors import DataError

# Types that numpy does not have; every value of them is one of float32.
_NARROW = frozenset(
    getattr(torch, name)
    for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
    if hasattr(torch, name)
)


def as_array(values: Any, name: str) -> AnyArray | None:
    """A numpy array with the values of an array, a tensor, or what can turn itself into an array; else ``None``.

    The result may share its memory with ``values``.

    Raises:
        DataError: A tensor without plain values (sparse, nested, quantised, meta), or an array with masked ones.
    """
    if isinstance(values, Tensor):
        return _from_tensor(values, name)
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.getmaskarray(values).any():
            raise DataError(f"{name}: some values are masked; fill them first, as in {name}.filled(0)")
        return np.asarray(values.data)
    if isinstance(values, np.ndarray):
        return values.view(np.ndarray)
    if hasattr(values, "__array__") and hasattr(values, "__len__"):
        return np.asarray(values)
    return None


def _from_tensor(tensor: Tensor, name: str) -> AnyArray:
    why = None
    if tensor.is_nested:
        why = "nested; give a list of its images, as in list(x.unbind()), with a size if they differ"
    elif tensor.layout is not torch.strided:
        why = "sparse; give x.to_dense()"
    elif tensor.is_quantized:
        why = "quantised; give x.dequantize()"
    elif tensor.device.type == "meta":
        why = "on the device meta, which has no values; give a tensor with values"
    if why:
        raise DataError(f"{name}: the tensor is {why}")
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    array: AnyArray = (plain.float() if plain.dtype in _NARROW else plain).numpy()
    return array
