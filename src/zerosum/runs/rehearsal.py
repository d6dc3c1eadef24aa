"""What is looked at before a recipe of one's own is trained: its networks, and two samples of its generator."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from zerosum.errors import UsageError
from zerosum.runs.blame import blaming
from zerosum.runs.sampler import Sampler
from zerosum.runs.setup import Setup


def rehearse(setup: Setup) -> None:
    """Refuse a recipe of one's own whose networks cannot be trained, or whose samples do not fit the data.

    Args:
        setup: What is to be trained. Where the recipe is one of zerosum's, nothing is done.

    Raises:
        UsageError: There is something wrong with a network; the message names it.
    """
    page, recipe = setup.page, setup.recipe
    if page.origin is None:
        return
    for phase in recipe.phases:
        for name in phase.game.opts:
            wrong = _wrong_with(phase.game.nets[name])
            if wrong:
                raise UsageError(f"recipe {page.name!r}: network {name!r} {wrong}")
    network = recipe.phases[-1].game.nets[recipe.generator]
    sampler = Sampler(network, recipe.prior, device=setup.device, autocast=setup.autocast, seed=setup.settings.seed)
    with blaming(page, f"in its generator {recipe.generator!r}"):
        found = tuple(sampler(0, 2).shape)
    if found != (2, *setup.data.shape):
        raise UsageError(
            f"recipe {page.name!r}: two samples of its generator {recipe.generator!r} have shape {found}; two of "
            f"{setup.data.name} have {(2, *setup.data.shape)}"
        )


def _wrong_with(network: nn.Module) -> str:
    """Why a network cannot be trained. ``""``: it can."""
    for name, weight in network.named_parameters():
        if isinstance(weight, UninitializedParameter):
            return f"does not know the shape of {name} yet: call it once on samples before you return it"
        if weight.requires_grad and weight.dtype != torch.float32:
            kind = str(weight.dtype).removeprefix("torch.")
            return (
                f"has weights in {kind} ({name}): leave them in float32; the setting precision='bf16' computes in bf16"
            )
    if not any(weight.requires_grad for weight in network.parameters()):
        return "has no weights that can be trained, but a player owns it"
    return ""
