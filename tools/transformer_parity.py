r"""Our DINOv2 and CLIP image networks, and what reaches them, against the code that others measure with.

Both with random weights. It needs the environment of ``inception_parity.py``, and in it:

    /tmp/peers/env/bin/pip install --no-deps timm transformers open_clip_torch huggingface_hub tokenizers regex ftfy \
        wcwidth
    git clone https://github.com/facebookresearch/dinov2 /tmp/peers/dinov2
    PYTHONPATH=src:/tmp/peers/dinov2 /tmp/peers/env/bin/python tools/transformer_parity.py [--write] [--whole]

Networks: Meta's own DINOv2 and, at 37 x 37 patches, where no table of positions is resampled, timm's and transformers';
for CLIP torch-fidelity's, which is OpenAI's code, open_clip's and transformers'. Pixels: torchvision's transforms as
dgm-eval composes them for FD-DINOv2; for CMMD, Pillow's calls as the authors' code makes them. ``--whole`` compares
networks of full size as well, in about two minutes. With ``--write`` what Meta's and OpenAI's code computed is saved as
``tests/metrics/features/transformer_peers.safetensors``: the tests compare with it.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import metadata
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from inception_parity import TESTS, allow_torchvision, report
from zerosum.metrics.features import clip, dinov2
from zerosum.metrics.features.transformer_extractor import TransformerExtractor
from zerosum.metrics.features.vision_transformer import TransformerPlan

os.environ["XFORMERS_DISABLED"] = "1"
sys.path.insert(0, str(TESTS))
from random_weights import EVERY, random_images
from transformer_layout_names import (
    SIZES,
    SMALL_CLIP,
    SMALL_DINO,
    hugging_clip,
    hugging_dino,
    meta,
    openai,
    timm_dino,
    transformer,
    transformer_weights,
)

Expected = dict[str, Tensor]


def as_pillow(image: Tensor) -> Image.Image:
    """An image (C, H, W) as one of Pillow's, in colour."""
    return Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy()).convert("RGB")


def for_dinov2(images: Tensor) -> Tensor:
    """What dgm-eval's DINOv2Encoder.transform makes of images."""
    import torchvision.transforms as tf

    steps = tf.Compose(
        [
            tf.Resize((224, 224), tf.InterpolationMode.BICUBIC),
            tf.ToTensor(),
            tf.Normalize(np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])),
        ]
    )
    return torch.stack([steps(as_pillow(image)).float() for image in images])


def for_cmmd(images: Tensor) -> Tensor:
    """What cmmd's io_util and embedding make of images."""
    found = []
    for image in images:
        picture = as_pillow(image)
        width, height = picture.size
        side = min(width, height)
        top, left = (height - side) // 2, (width - side) // 2
        square = picture.crop((left, top, left + side, top + side)).resize((336, 336), resample=Image.BICUBIC)
        values = np.asarray(square).astype(np.float32) / np.float32(255)
        mean, std = (np.array(value, np.float32) for value in (clip.ClipVision.mean, clip.ClipVision.std))
        found.append(torch.from_numpy((values - mean) / std).permute(2, 0, 1))
    return torch.stack(found)


def official_dinov2(plan: TransformerPlan) -> nn.Module:
    """Meta's network, as its hub makes it for ViT-L/14."""
    from dinov2.models.vision_transformer import DinoVisionTransformer

    peer = DinoVisionTransformer(
        img_size=518,
        patch_size=14,
        embed_dim=plan.width,
        depth=plan.depth,
        num_heads=plan.heads,
        init_values=1.0,
        block_chunks=0,
        interpolate_antialias=False,
        interpolate_offset=0.1,
    )
    peer.load_state_dict(meta(transformer_weights(plan)))
    return peer.eval()


def openai_clip(plan: TransformerPlan) -> nn.Module:
    """OpenAI's network, by torch-fidelity."""
    from torch_fidelity.feature_extractor_clip import VisionTransformer

    peer = VisionTransformer(336, 14, plan.width, plan.depth, plan.heads, plan.outputs)
    peer.load_state_dict(openai(transformer_weights(plan), start=""))
    return peer.eval()


def pixels_and_features(
    name: str, extractor: TransformerExtractor, peer: nn.Module, pixels: Any, sizes: Any, expected: Expected
) -> None:
    for height, width in sizes:
        for channels in (1, 3) if len(sizes) > 1 else (3,):
            images = random_images(f"{height}x{width}", 2, height, width, channels)
            told = f"{name}, {height}x{width}, {channels} channels"
            theirs = pixels(images)
            report(f"{told}, pixels", theirs, extractor.pixels(images))
            with torch.no_grad():
                features = peer(theirs)
            features = (
                features / features.norm(dim=1, keepdim=True) if isinstance(extractor, clip.ClipVision) else features
            )
            report(f"{told}, features", features, extractor(images).vectors)
            step = EVERY if extractor.dimensions > 100 else 1
            expected[f"{name}.{height}x{width}x{channels}"] = features[:1, ::step].clone()


def others_for_dinov2() -> None:
    from timm.models import VisionTransformer as Timm
    from transformers import Dinov2Config, Dinov2Model

    plan, weights = SMALL_DINO, transformer_weights(SMALL_DINO)
    images = random_images("whole grid", 2, 518, 518).float() / 127.5 - 1
    ours = transformer(plan).eval()
    with torch.no_grad():
        mine = ours(images)
        peer = Timm(img_size=518, patch_size=14, embed_dim=48, depth=2, num_heads=4, init_values=1.0, num_classes=0)
        peer.load_state_dict(timm_dino(weights))
        report("timm, DINOv2 at 518x518", peer.eval().forward_features(images)[:, 0], mine)
        config = Dinov2Config(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=518, patch_size=14)
        other = Dinov2Model(config).eval()
        other.load_state_dict(hugging_dino(weights, newer=True))
        report("transformers, Dinov2Model at 518x518", other(images).pooler_output, mine)


def others_for_clip() -> None:
    from open_clip.transformer import VisionTransformer as OpenClip
    from torch_fidelity.feature_extractor_clip import QuickGELU
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    plan, weights = SMALL_CLIP, transformer_weights(SMALL_CLIP)
    images = random_images("clip", 2, 336, 336).float() / 127.5 - 1
    with torch.no_grad():
        mine = transformer(plan).eval()(images)
        peer = OpenClip(336, 14, 48, 2, 4, 4.0, output_dim=24, act_layer=QuickGELU)
        peer.load_state_dict(openai(weights, start=""))
        report("open_clip, CLIP", peer.eval()(images), mine)
        config = CLIPVisionConfig(
            hidden_size=48,
            intermediate_size=192,
            projection_dim=24,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=336,
            patch_size=14,
        )
        other = CLIPVisionModelWithProjection(config).eval()
        theirs = {n: v for n, v in hugging_clip(weights).items() if n.startswith("vis") and "position_ids" not in n}
        other.load_state_dict(theirs)
        report("transformers, CLIPVisionModelWithProjection", other(images).image_embeds, mine)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="save what the peers computed for the tests")
    parser.add_argument("--whole", action="store_true", help="compare networks of full size as well")
    options = parser.parse_args()
    library = allow_torchvision()  # it lives as long as this name
    packages = ("torch", "torchvision", "torch-fidelity", "timm", "transformers", "open_clip_torch", "pillow")
    versions = {name: metadata.version(name) for name in packages}
    print(", ".join(f"{name} {version}" for name, version in versions.items()), f"numpy {np.__version__}")
    expected: Expected = {}
    runs = [("dinov2", SMALL_DINO, "clip", SMALL_CLIP, SIZES)]
    runs += [("dinov2-whole", dinov2.PLAN, "clip-whole", clip.PLAN, ((64, 96),))] * options.whole
    for dino_name, dino_plan, clip_name, clip_plan, sizes in runs:
        ours = dinov2.DinoV2(transformer(dino_plan))
        pixels_and_features(dino_name, ours, official_dinov2(dino_plan), for_dinov2, sizes, expected)
        mine = clip.ClipVision(transformer(clip_plan))
        pixels_and_features(clip_name, mine, openai_clip(clip_plan), for_cmmd, sizes, expected)
    others_for_dinov2()
    others_for_clip()
    if options.write:
        file = TESTS / "transformer_peers.safetensors"
        save_file(expected, file, metadata={"command": "tools/transformer_parity.py --write --whole", **versions})
        print(f"{file}: {file.stat().st_size} bytes")
    del library


if __name__ == "__main__":
    main()
