"""Small vision transformers with weights by a rule, and the same weights under the names that others give them.

The names are written out here once more, from the others' code, so that a wrong rule of ours cannot hide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from random_weights import shapes_of, uniform
from torch import Tensor

from zerosum.metrics.features import clip, dinov2
from zerosum.metrics.features.transformer_extractor import TransformerExtractor
from zerosum.metrics.features.vision_transformer import TransformerPlan, VisionTransformer

SMALL_DINO = replace(dinov2.PLAN, depth=2, width=48, heads=4)
SMALL_CLIP = replace(clip.PLAN, depth=2, width=48, heads=4, projection=24)
SIZES = ((28, 28), (64, 64), (224, 224), (256, 256), (300, 513), (513, 300), (336, 336), (1, 7))
Tensors = dict[str, Tensor]


def transformer_weights(plan: TransformerPlan) -> Tensors:
    """Weights under our names: none is trivial, and attention is not even."""
    with torch.device("meta"):
        shapes = shapes_of(VisionTransformer(plan))
    return {
        name: torch.from_numpy(uniform(name, math.prod(shape), *_span(name, shape)).reshape(shape))
        for name, shape in shapes.items()
    }


def _span(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    if name in ("class_token", "positions"):
        return -1.0, 1.0
    if len(shape) == 1:
        if name.endswith("bias"):
            return -0.3, 0.3
        return (0.2, 1.0) if "scale" in name else (0.7, 1.3)
    bound = math.sqrt(3 / math.prod(shape[1:]))
    return (-1.5 * bound, 1.5 * bound) if "qkv" in name else (-bound, bound)


def transformer(plan: TransformerPlan) -> VisionTransformer:
    """A network with these weights."""
    with torch.device("meta"):
        network = VisionTransformer(plan)
    network.load_state_dict(transformer_weights(plan), assign=True)
    return network


def small_dinov2(**how: str) -> TransformerExtractor:
    """The extractor on a small network."""
    return dinov2.DinoV2(transformer(SMALL_DINO), **how)  # type: ignore[arg-type]


def small_clip(**how: str) -> TransformerExtractor:
    """The extractor on a small network."""
    return clip.ClipVision(transformer(SMALL_CLIP), **how)  # type: ignore[arg-type]


def meta(ours: Tensors) -> Tensors:
    """As in Meta's dinov2_vitl14_pretrain.pth."""
    found = {
        "cls_token": ours["class_token"].view(1, 1, -1),
        "pos_embed": ours["positions"][None],
        "mask_token": torch.ones(1, len(ours["class_token"])),
        **_ends("patch_embed.proj", "patches", ours),
        **_ends("norm", "last", ours),
    }
    return found | _timm_blocks(ours)


def _timm_blocks(ours: Tensors) -> Tensors:
    found: Tensors = {}
    for i in range(_depth(ours)):
        a, b = f"blocks.{i}.", f"blocks.{i}."
        found |= _ends(f"{a}norm1", f"{b}norm1", ours) | _ends(f"{a}norm2", f"{b}norm2", ours)
        found |= _ends(f"{a}attn.qkv", f"{b}attention.qkv", ours) | _ends(f"{a}attn.proj", f"{b}attention.out", ours)
        found |= _ends(f"{a}mlp.fc1", f"{b}hidden", ours) | _ends(f"{a}mlp.fc2", f"{b}out", ours)
        for k in (1, 2):
            if f"{b}scale{k}.weight" in ours:
                found[f"{a}ls{k}.gamma"] = ours[f"{b}scale{k}.weight"]
    return found


def timm_dino(ours: Tensors) -> Tensors:
    """As in timm's vit_large_patch14_dinov2.lvd142m."""
    return {name: value for name, value in meta(ours).items() if name != "mask_token"}


def timm_clip(ours: Tensors) -> Tensors:
    """As in timm's vit_large_patch14_clip_336.openai."""
    found = {
        "cls_token": ours["class_token"].view(1, 1, -1),
        "pos_embed": ours["positions"][None],
        "patch_embed.proj.weight": ours["patches.weight"],
        "head.weight": ours["projection.weight"],
        "head.bias": torch.zeros(len(ours["projection.weight"])),
        **_ends("norm_pre", "first", ours),
        **_ends("norm", "last", ours),
    }
    return found | _timm_blocks(ours)


def hugging_dino(ours: Tensors, *, start: str = "", newer: bool = False) -> Tensors:
    """As in facebook/dinov2-large, or as transformers 5 names attention in memory."""
    found = {
        "embeddings.cls_token": ours["class_token"].view(1, 1, -1),
        "embeddings.mask_token": torch.ones(1, len(ours["class_token"])),
        "embeddings.position_embeddings": ours["positions"][None],
        **_ends("embeddings.patch_embeddings.projection", "patches", ours),
        **_ends("layernorm", "last", ours),
    }
    for i in range(_depth(ours)):
        a, b = f"encoder.layer.{i}.", f"blocks.{i}."
        parts = ("q_proj", "k_proj", "v_proj") if newer else ("attention.query", "attention.key", "attention.value")
        for end in ("weight", "bias"):
            for part, value in zip(parts, ours[f"{b}attention.qkv.{end}"].chunk(3), strict=True):
                found[f"{a}attention.{part}.{end}"] = value.clone()
        found |= _ends(f"{a}attention.{'o_proj' if newer else 'output.dense'}", f"{b}attention.out", ours)
        found |= _ends(f"{a}norm1", f"{b}norm1", ours) | _ends(f"{a}norm2", f"{b}norm2", ours)
        found |= _ends(f"{a}mlp.fc1", f"{b}hidden", ours) | _ends(f"{a}mlp.fc2", f"{b}out", ours)
        for k in (1, 2):
            found[f"{a}layer_scale{k}.lambda1"] = ours[f"{b}scale{k}.weight"]
    return {start + name: value for name, value in found.items()}


def openai(ours: Tensors, *, start: str = "visual.") -> Tensors:
    """As in OpenAI's ViT-L-14-336px.pt and open_clip's files."""
    found = {
        "class_embedding": ours["class_token"],
        "positional_embedding": ours["positions"],
        "proj": ours["projection.weight"].T.contiguous(),
        "conv1.weight": ours["patches.weight"],
        **_ends("ln_pre", "first", ours),
        **_ends("ln_post", "last", ours),
    }
    for i in range(_depth(ours)):
        a, b = f"transformer.resblocks.{i}.", f"blocks.{i}."
        found |= _ends(f"{a}ln_1", f"{b}norm1", ours) | _ends(f"{a}ln_2", f"{b}norm2", ours)
        found |= {f"{a}attn.in_proj_{end}": ours[f"{b}attention.qkv.{end}"] for end in ("weight", "bias")}
        found |= _ends(f"{a}attn.out_proj", f"{b}attention.out", ours)
        found |= _ends(f"{a}mlp.c_fc", f"{b}hidden", ours) | _ends(f"{a}mlp.c_proj", f"{b}out", ours)
    return {start + name: value for name, value in found.items()}


def with_text(image: Tensors) -> Tensors:
    """OpenAI's layout with some of the text network, whose names look like those of the image network."""
    beside = {
        "positional_embedding": torch.ones(77, 6),
        "text_projection": torch.ones(6, 4),
        "logit_scale": torch.tensor(4.6),
        "input_resolution": torch.tensor(336),
        "token_embedding.weight": torch.ones(9, 6),
        "transformer.resblocks.0.ln_1.weight": torch.ones(6),
        "ln_final.weight": torch.ones(6),
    }
    return image | beside


def hugging_clip(ours: Tensors) -> Tensors:
    """As transformers' CLIPModel, with some of the text network."""
    v = "vision_model."
    found = {
        f"{v}embeddings.class_embedding": ours["class_token"],
        f"{v}embeddings.patch_embedding.weight": ours["patches.weight"],
        f"{v}embeddings.position_embedding.weight": ours["positions"],
        f"{v}embeddings.position_ids": torch.arange(577)[None],
        "visual_projection.weight": ours["projection.weight"],
        "text_projection.weight": torch.ones(4, 6),
        "text_model.encoder.layers.0.layer_norm1.weight": torch.ones(6),
        "logit_scale": torch.tensor(4.6),
        **_ends(f"{v}pre_layrnorm", "first", ours),
        **_ends(f"{v}post_layernorm", "last", ours),
    }
    for i in range(_depth(ours)):
        a, b = f"{v}encoder.layers.{i}.", f"blocks.{i}."
        for end in ("weight", "bias"):
            for part, value in zip("qkv", ours[f"{b}attention.qkv.{end}"].chunk(3), strict=True):
                found[f"{a}self_attn.{part}_proj.{end}"] = value.clone()
        found |= _ends(f"{a}self_attn.out_proj", f"{b}attention.out", ours)
        found |= _ends(f"{a}layer_norm1", f"{b}norm1", ours) | _ends(f"{a}layer_norm2", f"{b}norm2", ours)
        found |= _ends(f"{a}mlp.fc1", f"{b}hidden", ours) | _ends(f"{a}mlp.fc2", f"{b}out", ours)
    return found


DINO_LAYOUTS: dict[str, Callable[[Tensors], Tensors]] = {
    "meta": meta,
    "timm": timm_dino,
    "transformers": hugging_dino,
    "transformers, newer": lambda ours: hugging_dino(ours, newer=True),
    "transformers, with a head": lambda ours: (
        hugging_dino(ours, start="dinov2.") | {"classifier.weight": torch.ones(2, 2)}
    ),
}
CLIP_LAYOUTS: dict[str, Callable[[Tensors], Tensors]] = {
    "openai": openai,
    "openai, with text": lambda ours: with_text(openai(ours)),
    "openai, bare": lambda ours: openai(ours, start=""),
    "transformers": hugging_clip,
    "timm": timm_clip,
}


def _ends(theirs: str, ours: str, tensors: Tensors) -> Tensors:
    return {f"{theirs}.{end}": tensors[f"{ours}.{end}"] for end in ("weight", "bias")}


def _depth(ours: Tensors) -> int:
    return len({name.split(".")[1] for name in ours if name.startswith("blocks.")})
