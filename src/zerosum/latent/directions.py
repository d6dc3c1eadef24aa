"""Directions in which a generator changes most. Shen and Zhou 2021, arXiv:2007.06600 (SeFa): read off its weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

PROBES = 4  # latents by which inputs of layers are recognised: no two components agree in all of them


class Reading(NamedTuple):
    """A linear layer that takes latents as they are, all of z or some of its components, with or without other inputs.

    Attributes:
        name: Name of the layer within the generator.
        matrix: What the layer makes of each component of z, ``(out, d)``; 0 for those that it does not take.
    """

    name: str
    matrix: Tensor


class Directions(NamedTuple):
    """Orthonormal directions of z, the strongest first.

    Attributes:
        vectors: Directions ``(k, d)``; of each the component that is largest in size is above 0, as the sign is free.
        strengths: Eigenvalues ``(k,)``: squared length of what the first layers make of a step of 1.
    """

    vectors: Tensor
    strengths: Tensor


def sefa(matrix: Tensor, count: int) -> Directions:
    """The eigenvectors of A^T A with the largest eigenvalues. Shen and Zhou 2021 (arXiv:2007.06600).

    Unit vectors n that lengthen A n most, where the first layer is A z + b. The authors' released code scales each row
    of A to length 1 before; this is the paper's formula, without.

    Args:
        matrix: Matrix A ``(out, d)``; those of several layers stand one above the other.
        count: Number of directions, 1 to d.

    Raises:
        ValueError: The count lies outside 1 .. d.
    """
    d = matrix.shape[1]
    if not 1 <= count <= d:
        raise ValueError(f"count={count}: latents of {d} components have 1 to {d} directions")
    wide = matrix.double()
    values, vectors = torch.linalg.eigh(wide.T @ wide)
    strongest = vectors.T.flip(0)[:count]
    peak = strongest.gather(1, strongest.abs().argmax(1, keepdim=True))
    # Rounding may leave an eigenvalue of 0 a little below it.
    return Directions((strongest * peak.sign()).to(matrix.dtype), values.flip(0)[:count].clamp_min(0).to(matrix.dtype))


def readings(network: nn.Module, *latents: Tensor) -> list[Reading]:
    """The linear layers of a generator that take its latents, in the order in which they are called.

    They are found by watching: the generator is called once with random latents, and an input of a layer that agrees
    with a component of z in every sample is that component. So chunks of z and z beside labels are recognised, and the
    layer itself says what it makes of them (spectral normalisation included).

    Args:
        network: Generator, which is called with ``latents``; in evaluation mode, or batch normalisation takes
            statistics.
        latents: Arguments for one or more samples: z ``(n, d)``, and labels or whatever else the generator takes.
    """
    one = [part[:1].expand(PROBES, *part.shape[1:]) for part in latents]
    rng = torch.Generator().manual_seed(0)
    half = torch.randn(one[0][: PROBES // 2].shape, generator=rng).to(one[0])
    z = torch.cat([half, -half])  # of both signs, or what a ReLU lets through would pass for z itself
    taken: dict[str, tuple[nn.Module, Tensor]] = {}
    hooks = [
        module.register_forward_pre_hook(_watch(name, taken))
        for name, module in network.named_modules()
        if _flat(module)
    ]
    try:
        with torch.no_grad():
            network(z, *one[1:])
            found = [(name, layer, (x.T[:, None] == z.T[None]).all(2)) for name, (layer, x) in taken.items()]
            return [Reading(name, _matrix(layer, same)) for name, layer, same in found if same.any()]
    finally:
        for hook in hooks:
            hook.remove()


def first_layers(network: nn.Module, *latents: Tensor) -> Tensor:
    """All of :func:`readings`, one above the other: ``(out, d)``.

    Raises:
        ValueError: No linear layer takes the latents as they are.
    """
    found = readings(network, *latents)
    if not found:
        raise ValueError(
            f"no linear layer of {type(network).__name__} takes its latents as they are, and directions are read off "
            "the weights of such a layer"
        )
    return torch.cat([reading.matrix for reading in found])


def _flat(module: nn.Module) -> bool:
    """Whether this is a linear layer, wrapped (it keeps ``in_features``) or not."""
    weight = getattr(module, "weight", None)
    return hasattr(module, "in_features") and isinstance(weight, Tensor) and weight.dim() == 2


def _watch(name: str, taken: dict[str, tuple[nn.Module, Tensor]]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def hook(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs and inputs[0].dim() == 2 and len(inputs[0]) == PROBES:
            taken.setdefault(name, (layer, inputs[0]))

    return hook


def _matrix(layer: nn.Module, same: Tensor) -> Tensor:
    """What a layer makes of each component of z: ``same`` ``(in, d)`` says which input is which component."""
    steps = same.to(torch.get_default_dtype())
    made: Tensor = layer(steps.T) - layer(torch.zeros_like(steps.T[:1]))
    return made.T
