"""DINOv2 ViT-L/14: features for the Fréchet distance of Stein et al. 2023 (arXiv:2306.04675).

Oquab et al. 2023 (arXiv:2304.07193). The features are its class token after the last normalisation, 1,024 numbers. What
happens to an image is what the authors' code does (github.com/layer6ai-labs/dgm-eval): resized to 224 x 224 by Pillow's
bicubic filter, whatever its sides, in 8 bits; ImageNet's mean and standard deviation. The table of positions, learned
at 37 x 37 patches, is resampled to 16 x 16 as in github.com/facebookresearch/dinov2.
"""

from __future__ import annotations

from zerosum.metrics.features.transformer_extractor import TransformerExtractor
from zerosum.metrics.features.transformer_layouts import DINOV2
from zerosum.metrics.features.vgg16 import MEAN, STD
from zerosum.metrics.features.vision_transformer import TransformerPlan, VisionTransformer
from zerosum.metrics.features.weights import PublishedWeights

EXTRACTORS = ("dinov2",)

SIDE = 224
PLAN = TransformerPlan(depth=24, width=1024, heads=16, patch=14, grid=37, eps=1e-6, layer_scale=True, offset=0.1)
PUBLISHED = PublishedWeights(
    "https://huggingface.co/facebook/dinov2-large/resolve/47b73eefe95e8d44ec3623f8890bd894b6ea2d6c/model.safetensors",
    "399fba97a95f22c36834418bc69373364a99af3a1153da1c0fb31db567c92e23",
    kept_as="dinov2_vitl14-399fba97.safetensors",
    conversions=("dinov2_vitl14_pretrain.safetensors",),
    convert="Meta's dinov2_vitl14_pretrain.pth "
    "(SHA-256 d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428) is a pickle; this converts it: "
    "python -c \"import torch, safetensors.torch as s; s.save_file(torch.load('dinov2_vitl14_pretrain.pth', "
    "weights_only=True), 'dinov2_vitl14_pretrain.safetensors')\"",
)


class DinoV2(TransformerExtractor):
    """The extractor for ``fd_dinov2``; see ``base.Extractor``."""

    name = "dinov2"
    side = SIDE
    weights = PUBLISHED
    family = DINOV2
    plan = PLAN
    mean = MEAN
    std = STD

    @staticmethod
    def build() -> VisionTransformer:
        """The network without its weights."""
        return VisionTransformer(PLAN)


def load_extractor(name: str, device: str) -> DinoV2:
    """The extractor of one of the names in ``EXTRACTORS``; see :meth:`DinoV2.load`."""
    return DinoV2.load(device=device)
