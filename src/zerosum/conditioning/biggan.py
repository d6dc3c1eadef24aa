"""The networks of BigGAN and BigGAN-deep with their labels. Brock et al. 2019, arXiv:1809.11096, Appendix B.

Trainable parameters for 1,000 classes are those of the paper's Table 1 and of the authors' code
(``docs/conditioning.md`` has them). Statistics of batch normalisation are taken over all ranks.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from zerosum.conditioning import projection
from zerosum.conditioning.batch_norm import ClassBatchNorm, VectorBatchNorm
from zerosum.conditioning.embedding import HierarchicalGenerator, JoinedGenerator, SharedGenerator, chunk_of
from zerosum.constraints import spectral_norm
from zerosum.networks import biggan_deep, resnet
from zerosum.networks.common import Norm, check_positive, orthogonal
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.recompute import Caller, directly
from zerosum.networks.pairs import Pair
from zerosum.networks.plans import BIGGAN, Plan, plan_for

BATCH_NORM: dict[str, Any] = {"eps": 1e-4, "across_ranks": True}  # eps as in the released networks
LATENT = {32: 80, 64: 120, 128: 120, 256: 140, 512: 160}  # by size
# Pixels a side at which generator and critic attend, by size.
ATTENTION = {32: (16, 16), 64: (32, 32), 128: (64, 64), 256: (128, 64), 512: (64, 64)}

_last_norm = partial(BatchNorm, **BATCH_NORM)
_project = partial(projection.Critic, wrap=spectral_norm, init=orthogonal)


def biggan_pair(
    size: int,
    channels: int,
    classes: int,
    *,
    latent: int,
    width: int | None = None,
    shared: int = 128,
    hierarchical: bool = True,
    plan: Plan | None = None,
    run: Caller = directly,
) -> Pair:
    """BigGAN's generator and critic.

    Args:
        size: Pixels a side of the images.
        channels: Channels of the images.
        classes: K.
        latent: Dimension of z.
        width: Unit of channels; ``None`` for the published one.
        shared: Dimension of the shared class embedding; 0 for a table of classes in each block.
        hierarchical: Whether each block gets a chunk of the latent.
        plan: Layout, where it is not the published one for this size.
        run: How blocks are called: ``recomputed`` keeps less for the backward pass.

    Raises:
        ValueError: There is no layout for this size, the latent cannot be cut, or there are chunks without a shared
            embedding.
    """
    plans = {size: plan or plan_for(BIGGAN, size)}
    blocks = len(plans[size].generator) - 1
    if hierarchical and not shared:
        raise ValueError(
            "hierarchical latents join the shared embedding: give it a dimension (shared=128), or do without both"
        )
    g_at, d_at = ATTENTION.get(size, (size // 2, size // 2))
    chunk = chunk_of(latent, blocks) if hierarchical else 0
    norm = _vector_norm(shared + chunk) if shared else partial(ClassBatchNorm, classes=classes, **BATCH_NORM)
    net = resnet.Generator(
        chunk or latent,
        width,
        size,
        channels,
        plans=plans,
        norm=norm,
        last_norm=_last_norm,
        wrap=spectral_norm,
        attention=(g_at,),
        init=orthogonal,
        run=run,
    )
    generator: nn.Module = net
    if hierarchical:
        generator = HierarchicalGenerator(net, classes, shared, blocks + 1, orthogonal)
    elif shared:
        generator = SharedGenerator(net, classes, shared, orthogonal)
    critic = resnet.Critic(
        width, size, channels, plans=plans, wrap=spectral_norm, attention=(d_at,), init=orthogonal, run=run
    )
    return generator, _project(critic, classes)


def biggan_deep_pair(
    size: int,
    channels: int,
    classes: int,
    *,
    latent: int = 128,
    width: int | None = None,
    shared: int = 128,
    run: Caller = directly,
) -> Pair:
    """BigGAN-deep's generator and critic; arguments as for :func:`biggan_pair`.

    Raises:
        ValueError: There is no layout for this size, or bottlenecks do not divide the width.
    """
    check_positive(latent=latent, shared=shared)
    attention = (min(size // 2, 64),)
    net = biggan_deep.Generator(
        latent + shared,
        width,
        size,
        channels,
        norm=_vector_norm(latent + shared),
        last_norm=_last_norm,
        wrap=spectral_norm,
        attention=attention,
        run=run,
    )
    critic = biggan_deep.Critic(width, size, channels, wrap=spectral_norm, attention=attention, run=run)
    return JoinedGenerator(net, classes, shared, orthogonal), _project(critic, classes)


def class_tables(generator: nn.Module) -> tuple[str, ...]:
    """Names of the weights with a row for each class: not matrices, so nothing should make their rows orthogonal."""
    tables = [name for name, module in generator.named_modules() if isinstance(module, ClassBatchNorm)]
    return ("embedding.weight", *(f"{name}.{part}" for name in tables for part in ("gain", "bias")))


def _vector_norm(inputs: int) -> Norm:
    return partial(VectorBatchNorm, inputs=inputs, wrap=spectral_norm, init=orthogonal, **BATCH_NORM)
