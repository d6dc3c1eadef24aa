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
"""

from zerosum.networks.common import keep, parameter_count

__all__ = ["keep", "parameter_count"]
