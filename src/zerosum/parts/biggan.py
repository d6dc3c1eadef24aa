"""The networks of BigGAN and BigGAN-deep with their labels. Brock et al. 2019, arXiv:1809.11096, Appendix B.

Trainable parameters for 1,000 classes are those of the paper's Table 1 and of the authors' code
(``docs/conditioning.md`` has them). Statistics of batch normalisation are taken over all ranks.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from zerosum.conditioning import projection
from zerosum.conditioning.batch_norm import ClassBatchNorm, VectorBatchNorm
from zerosum.conditioning.embedding import HierarchicalGenerator, JoinedGenerator, SharedGenerator, chunk_of
from zerosum.constraints import spectral_norm
from zerosum.networks import biggan_deep, resnet
from zerosum.networks.common import check_positive, orthogonal
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.recompute import Run, directly
from zerosum.networks.plans import BIGGAN, Plan, plan_for

EPS = 1e-4  # of batch normalisation, as in the released networks
LATENT = {32: 80, 64: 120, 128: 120, 256: 140, 512: 160}  # by size
# Pixels a side at which generator and critic attend, by size.
ATTENTION = {32: (16, 16), 64: (32, 32), 128: (64, 64), 256: (128, 64), 512: (64, 64)}


def networks(
    size: int,
    channels: int,
    classes: int,
    *,
    latent: int,
    width: int | None = None,
    shared: int = 128,
    hierarchical: bool = True,
    plan: Plan | None = None,
    run: Run = directly,
) -> dict[str, nn.Module]:
    """BigGAN's generator and critic.

    Args:
        size: pixels a side.
        channels: of the images.
        classes: K.
        latent: dimension of z.
        width: the unit of channels; ``None`` for the published one.
        shared: dimension of the shared class embedding; 0 for a table of classes in each block.
        hierarchical: does each block get a chunk of the latent?
        plan: another layout than the published one for this size.
        run: how blocks are called: ``recomputed`` keeps less for the backward pass.

    Raises:
        ValueError: no layout for this size, a latent that cannot be cut, chunks without a shared embedding.
    """
    plans = {size: plan or plan_for(BIGGAN, size)}
    blocks = len(plans[size].generator) - 1
    if hierarchical and not shared:
        raise ValueError(
            "hierarchical latents join the shared embedding: give it a dimension (shared=128), or do without both"
        )
    g_at, d_at = ATTENTION.get(size, (size // 2, size // 2))
    chunk = chunk_of(latent, blocks) if hierarchical else 0
    linear = partial(VectorBatchNorm, inputs=shared + chunk, wrap=spectral_norm, init=orthogonal)
    norm = partial(linear if shared else partial(ClassBatchNorm, classes=classes), eps=EPS, across_ranks=True)
    net = resnet.Generator(
        chunk or latent,
        width,
        size,
        channels,
        plans=plans,
        norm=norm,
        last_norm=partial(BatchNorm, eps=EPS, across_ranks=True),
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
    return {"G": generator, "D": projection.Critic(critic, classes, wrap=spectral_norm, init=orthogonal)}


def of_classes(generator: nn.Module) -> tuple[str, ...]:
    """Names of the weights with a row for each class: no matrices, so nothing should make their rows orthogonal."""
    tables = [name for name, module in generator.named_modules() if isinstance(module, ClassBatchNorm)]
    return ("embedding.weight", *(f"{name}.{part}" for name in tables for part in ("gain", "bias")))


def deep_networks(
    size: int,
    channels: int,
    classes: int,
    *,
    latent: int = 128,
    width: int | None = None,
    shared: int = 128,
    run: Run = directly,
) -> dict[str, nn.Module]:
    """BigGAN-deep's generator and critic; arguments as for :func:`networks`.

    Raises:
        ValueError: no layout for this size, a width that bottlenecks do not divide.
    """
    check_positive(latent=latent, shared=shared)
    attention = (min(size // 2, 64),)
    net = biggan_deep.Generator(
        latent + shared,
        width,
        size,
        channels,
        norm=partial(
            VectorBatchNorm, inputs=latent + shared, wrap=spectral_norm, init=orthogonal, eps=EPS, across_ranks=True
        ),
        last_norm=partial(BatchNorm, eps=EPS, across_ranks=True),
        wrap=spectral_norm,
        attention=attention,
        run=run,
    )
    critic = biggan_deep.Critic(width, size, channels, wrap=spectral_norm, attention=attention, run=run)
    return {
        "G": JoinedGenerator(net, classes, shared, orthogonal),
        "D": projection.Critic(critic, classes, wrap=spectral_norm, init=orthogonal),
    }
