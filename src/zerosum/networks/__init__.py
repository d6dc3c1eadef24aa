"""Networks, built from plain arguments.

The protocol that the rest of the library counts on:

* ``Generator(z)`` maps latents (B, latent) to samples: images (B, C, H, W) in [-1, 1] through tanh, points (B, 2)
  unbounded.
* ``Critic(x)`` maps samples to logits (B,): no sigmoid, the objective decides what a logit means.
* ``Critic.features(x)`` are the penultimate features (B, F), of which the logit is a linear function.
* A network is a function of its weights, its buffers and its input, apart from batch-norm statistics, which are
  updated in place while training.
* ``norm`` is a function of the number of channels (:class:`~zerosum.networks.layers.BatchNorm`,
  :class:`~zerosum.networks.layers.LayerNorm`, ``nn.Identity`` for none); ``wrap`` is applied to each initialised
  linear or convolution layer (``spectral_norm``, or ``keep`` for none); ``init`` sets the weights of one layer.
"""

from zerosum.networks.common import keep, parameter_count

__all__ = ["keep", "parameter_count"]
