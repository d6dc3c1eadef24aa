"""CLIP ViT-L/14 at 336 pixels: features for CMMD, Jayasumana et al. 2024 (arXiv:2401.09603).

Radford et al. 2021 (arXiv:2103.00020). The features are the image embeddings, 768 numbers, of unit length. What happens
to an image is what the authors' code does (github.com/google-research/google-research, ``cmmd``): its centre square,
resized to 336 x 336 by Pillow's bicubic filter in 8 bits; CLIP's mean and standard deviation.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zerosum.metrics.features.transformer_extractor import TransformerExtractor
from zerosum.metrics.features.transformer_layouts import CLIP
from zerosum.metrics.features.vision_transformer import TransformerPlan, VisionTransformer
from zerosum.metrics.features.weights import PublishedWeights

EXTRACTORS = ("clip",)

SIDE = 336
PLAN = TransformerPlan(
    depth=24,
    width=1024,
    heads=16,
    patch=14,
    grid=24,
    eps=1e-5,
    quick_gelu=True,
    patch_bias=False,
    norm_first=True,
    projection=768,
)
PUBLISHED = PublishedWeights(
    "https://huggingface.co/timm/vit_large_patch14_clip_336.openai/resolve/81e38efc4637de5023b10e75a7f9bd1c6fa6b010/"
    "open_clip_model.safetensors",
    "fbc415c3d0d7b79faed8f5ccfb740c32b7c4f5ffe7283b851f89c6231c01a8e0",
    kept_as="clip_vitl14_336-fbc415c3.safetensors",
    conversions=("ViT-L-14-336px.safetensors",),
    convert="OpenAI's ViT-L-14-336px.pt (SHA-256 3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02) is "
    'a TorchScript archive; this converts it: python -c "import torch, safetensors.torch as s; s.save_file({k: v for '
    "k, v in torch.jit.load('ViT-L-14-336px.pt', 'cpu').state_dict().items() if k.startswith('visual.')}, "
    "'ViT-L-14-336px.safetensors')\"",
)


class ClipVision(TransformerExtractor):
    """The extractor for ``cmmd``; see ``base.Extractor``."""

    name = "clip"
    side = SIDE
    weights = PUBLISHED
    family = CLIP
    plan = PLAN
    mean = (0.48145466, 0.4578275, 0.40821073)
    std = (0.26862954, 0.26130258, 0.27577711)

    @staticmethod
    def build() -> VisionTransformer:
        """The network without its weights."""
        return VisionTransformer(PLAN)

    @property
    def resize(self) -> str:
        """How images reach the size that the network takes."""
        return f"centre square, {self._resize}"

    def cut(self, images: Tensor) -> Tensor:
        """The centre squares of images (B, C, H, W)."""
        height, width = images.shape[2:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return images[:, :, top : top + side, left : left + side]

    def finish(self, outputs: Tensor) -> Tensor:
        """Embeddings (B, 768) of unit length."""
        return F.normalize(outputs, dim=1, eps=0)


def load_extractor(name: str, device: str) -> ClipVision:
    """The extractor of one of the names in ``EXTRACTORS``; see :meth:`ClipVision.load`."""
    return ClipVision.load(device=device)
