"""Networks, built from plain arguments.

The protocol that the rest of the library counts on:

* ``Generator(z)`` maps latents (B, latent) to samples: images (B, C, H, W) in [-1, 1] through tanh, points (B, 2)
  unbounded.
* ``Critic(x)`` maps samples to logits (B,): no sigmoid, the objective decides what a logit means.
* ``Critic.judge(x)`` is all that a critic says of samples (:class:`~zerosum.networks.critic.Judgement`): beside the
  logit the features (B, F) that it is a linear function of.
* A network is a function of its weights, its buffers and its input, apart from batch-norm statistics, which are
  updated in place while training.

Arguments that mean the same in all networks, and are not explained again in each:

* ``latent``: Dimension of z.
* ``width``: Unit of channels, of which all hidden layers have multiples.
* ``size``, ``channels``: Pixels a side, and channels, of the images.
* ``kernel``: Side of the convolutions' kernels, in pixels.
* ``norm``: Function from a number of channels to a normalisation layer
  (:class:`~zerosum.networks.layers.BatchNorm`, :class:`~zerosum.networks.layers.LayerNorm`, ``nn.Identity`` for none).
  A generator takes conditional ones (``zerosum.conditioning``) too, and is then called with a condition beside z.
* ``wrap``: Function from an initialised linear or convolution layer to what stands in its place (``spectral_norm``;
  ``keep`` for the layer itself).
* ``init``: Function that sets the weights of one layer in place.

All of them are plain modules: they train in a loop of one's own, under Lightning, ``torch.compile`` and
``DistributedDataParallel``, and are exported by ``torch.export``. What an engine would do beside them is then the
loop's:

* Spectral norm renews its vectors by itself (:func:`zerosum.constraints.spectral_norm`); weights are clipped by
  :func:`zerosum.constraints.enforce`.
* A running average is ``torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.999),
  use_buffers=True)``, which takes batch-norm statistics along; after it, spectral norm needs
  ``enforce(average.module, power_iteration(average.module))`` a few times.
* :func:`~zerosum.networks.layers.batch_norm.standing_statistics` is what ``swa_utils.update_bn`` is for torch's own
  layers; ``nn.SyncBatchNorm.convert_sync_batchnorm`` passes ours by, which join ranks by ``across_ranks=True``.
* Dropout draws from torch's global generator.
"""

from zerosum.networks import (
    autoencoder,
    biggan_deep,
    common,
    completion,
    critic,
    dcgan,
    heads,
    infogan,
    labels,
    layers,
    minibatch_critic,
    mlp,
    packing,
    pairs,
    plans,
    residual,
    resnet,
    semi_supervised,
)
from zerosum.networks.common import keep, parameter_count
from zerosum.networks.critic import BaseCritic, Judgement

__all__ = [
    "BaseCritic",
    "Judgement",
    "autoencoder",
    "biggan_deep",
    "common",
    "completion",
    "critic",
    "dcgan",
    "heads",
    "infogan",
    "keep",
    "labels",
    "layers",
    "minibatch_critic",
    "mlp",
    "packing",
    "pairs",
    "parameter_count",
    "plans",
    "residual",
    "resnet",
    "semi_supervised",
]


def __dir__() -> list[str]:
    return __all__
