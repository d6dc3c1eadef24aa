"""The names under which people have DINOv2's and CLIP's weights, and those of our network for the same tensors.

DINOv2: Meta's own file, whose names timm kept, and transformers' (of both ways in which it has named attention). CLIP:
OpenAI's names, which open_clip kept, with the text network or without; transformers'; timm's. What a layout holds
beside the image network, such as the text network or the token of masked training, is left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from zerosum.metrics.features.vision_transformer import TransformerPlan
from zerosum.metrics.features.weights import WeightsError

DINOV2, CLIP = "DINOv2", "CLIP's image network"
_REGISTERS = re.compile(r"(^|\.)(reg_token|register_tokens)$")


@dataclass(frozen=True)
class TransformerLayout:
    """Names of a vision transformer's tensors somewhere.

    Attributes:
        owner: Who names them so.
        family: Which network they are of.
        marks: Names that only this layout has all of.
        rules: Pairs of a pattern for a whole name, and our name for it.
        beside: Pattern for the beginnings of names that are no part of the image network.
    """

    owner: str
    family: str
    marks: tuple[str, ...]
    rules: tuple[tuple[str, str], ...]
    beside: str = r"(?!)"

    def ours(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors by our names; those that no rule knows keep theirs."""
        found: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            if not re.match(self.beside, name):
                found[self._rename(name)] = tensor
        return _join_projections(found)

    def _rename(self, name: str) -> str:
        for pattern, ours in self.rules:
            if match := re.fullmatch(pattern, name):
                return match.expand(ours)
        return name


_PART = r"(weight|bias)"
_TIMM = (
    ("cls_token", "class_token"),
    ("pos_embed", "positions"),
    (rf"patch_embed\.proj\.{_PART}", r"patches.\1"),
    (rf"norm_pre\.{_PART}", r"first.\1"),
    (rf"blocks\.(\d+)\.norm([12])\.{_PART}", r"blocks.\1.norm\2.\3"),
    (rf"blocks\.(\d+)\.attn\.qkv\.{_PART}", r"blocks.\1.attention.qkv.\2"),
    (rf"blocks\.(\d+)\.attn\.proj\.{_PART}", r"blocks.\1.attention.out.\2"),
    (r"blocks\.(\d+)\.ls([12])\.gamma", r"blocks.\1.scale\2.weight"),
    (rf"blocks\.(\d+)\.mlp\.fc1\.{_PART}", r"blocks.\1.hidden.\2"),
    (rf"blocks\.(\d+)\.mlp\.fc2\.{_PART}", r"blocks.\1.out.\2"),
    (rf"norm\.{_PART}", r"last.\1"),
    (r"head\.weight", "projection.weight"),
)
_HUGGING_DINO = (
    (r"(?:dinov2\.)?embeddings\.cls_token", "class_token"),
    (r"(?:dinov2\.)?embeddings\.position_embeddings", "positions"),
    (rf"(?:dinov2\.)?embeddings\.patch_embeddings\.projection\.{_PART}", r"patches.\1"),
    (rf"(?:dinov2\.)?encoder\.layer\.(\d+)\.norm([12])\.{_PART}", r"blocks.\1.norm\2.\3"),
    (
        rf"(?:dinov2\.)?encoder\.layer\.(\d+)\.attention\.(?:attention\.(query|key|value)|([qkv])_proj)\.{_PART}",
        r"blocks.\1.attention.\2\3.\4",
    ),
    (
        rf"(?:dinov2\.)?encoder\.layer\.(\d+)\.attention\.(?:output\.dense|o_proj)\.{_PART}",
        r"blocks.\1.attention.out.\2",
    ),
    (r"(?:dinov2\.)?encoder\.layer\.(\d+)\.layer_scale([12])\.lambda1", r"blocks.\1.scale\2.weight"),
    (rf"(?:dinov2\.)?encoder\.layer\.(\d+)\.mlp\.fc1\.{_PART}", r"blocks.\1.hidden.\2"),
    (rf"(?:dinov2\.)?encoder\.layer\.(\d+)\.mlp\.fc2\.{_PART}", r"blocks.\1.out.\2"),
    (rf"(?:dinov2\.)?layernorm\.{_PART}", r"last.\1"),
)
_OPENAI = (
    (r"(?:visual\.)?class_embedding", "class_token"),
    (r"(?:visual\.)?positional_embedding", "positions"),
    (rf"(?:visual\.)?conv1\.{_PART}", r"patches.\1"),
    (rf"(?:visual\.)?ln_pre\.{_PART}", r"first.\1"),
    (rf"(?:visual\.)?transformer\.resblocks\.(\d+)\.ln_([12])\.{_PART}", r"blocks.\1.norm\2.\3"),
    (rf"(?:visual\.)?transformer\.resblocks\.(\d+)\.attn\.in_proj_{_PART}", r"blocks.\1.attention.qkv.\2"),
    (rf"(?:visual\.)?transformer\.resblocks\.(\d+)\.attn\.out_proj\.{_PART}", r"blocks.\1.attention.out.\2"),
    (rf"(?:visual\.)?transformer\.resblocks\.(\d+)\.mlp\.c_fc\.{_PART}", r"blocks.\1.hidden.\2"),
    (rf"(?:visual\.)?transformer\.resblocks\.(\d+)\.mlp\.c_proj\.{_PART}", r"blocks.\1.out.\2"),
    (rf"(?:visual\.)?ln_post\.{_PART}", r"last.\1"),
    (r"(?:visual\.)?proj", "projection.transposed"),
)
_HUGGING_CLIP = (
    (r"vision_model\.embeddings\.class_embedding", "class_token"),
    (r"vision_model\.embeddings\.position_embedding\.weight", "positions"),
    (rf"vision_model\.embeddings\.patch_embedding\.{_PART}", r"patches.\1"),
    (rf"vision_model\.pre_layrnorm\.{_PART}", r"first.\1"),  # it is misspelt there
    (rf"vision_model\.encoder\.layers\.(\d+)\.layer_norm([12])\.{_PART}", r"blocks.\1.norm\2.\3"),
    (rf"vision_model\.encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.{_PART}", r"blocks.\1.attention.\2.\3"),
    (rf"vision_model\.encoder\.layers\.(\d+)\.self_attn\.out_proj\.{_PART}", r"blocks.\1.attention.out.\2"),
    (rf"vision_model\.encoder\.layers\.(\d+)\.mlp\.fc1\.{_PART}", r"blocks.\1.hidden.\2"),
    (rf"vision_model\.encoder\.layers\.(\d+)\.mlp\.fc2\.{_PART}", r"blocks.\1.out.\2"),
    (rf"vision_model\.post_layernorm\.{_PART}", r"last.\1"),
    (r"visual_projection\.weight", "projection.weight"),
)
LAYOUTS = (
    TransformerLayout("timm", CLIP, ("patch_embed.proj.weight", "norm_pre.weight"), _TIMM),
    TransformerLayout("Meta", DINOV2, ("patch_embed.proj.weight", "cls_token"), _TIMM, r"mask_token$"),
    *(
        TransformerLayout(
            "transformers",
            DINOV2,
            (f"{start}embeddings.patch_embeddings.projection.weight",),
            _HUGGING_DINO,
            r"(dinov2\.)?embeddings\.mask_token$|classifier\.",
        )
        for start in ("", "dinov2.")
    ),
    # With the text network, whose names have no beginning of their own.
    TransformerLayout("OpenAI", CLIP, ("visual.conv1.weight", "visual.class_embedding"), _OPENAI, r"(?!visual\.)"),
    TransformerLayout("OpenAI", CLIP, ("conv1.weight", "class_embedding"), _OPENAI),
    TransformerLayout(
        "transformers",
        CLIP,
        ("vision_model.embeddings.patch_embedding.weight",),
        _HUGGING_CLIP,
        r"text_model\.|text_projection\.|logit_scale$|vision_model\.embeddings\.position_ids$",
    ),
)
"""In this order: the first one that a file has the marks of is its layout."""


def to_our_names(
    tensors: Mapping[str, Tensor], family: str, plan: TransformerPlan, source: str, expected: str
) -> dict[str, Tensor]:
    """The tensors of a file by our names.

    Args:
        tensors: The tensors by the names of one of the layouts.
        family: The network that is wanted.
        plan: Its sizes.
        source: The file, for messages.
        expected: File that should have been given, for messages.

    Raises:
        WeightsError: They are of no known layout, or another network's; the message says what of it is another.
    """
    why = None
    layout = next((one for one in LAYOUTS if all(mark in tensors for mark in one.marks)), None)
    if layout is None:
        some = ", ".join(list(tensors)[:3])
        why = f"its names ({some}...) are not those of Meta, OpenAI, open_clip, timm or transformers for this network"
    elif layout.family != family:
        why = f"by its names it is {layout.family}, not {family}"
    elif any(_REGISTERS.search(name) for name in tensors):
        why = "it has register tokens, which is another network"
    if layout is None or why is not None:
        raise _refused(source, expected, str(why))
    found = layout.ours(tensors)
    try:
        _to_our_shapes(found)
        differences = _differences(found, plan)
    except (KeyError, RuntimeError) as error:
        raise _refused(source, expected, f"tensors are missing or of other shapes: {error}") from error
    if differences:
        raise _refused(source, expected, "; ".join(differences))
    return found


def _refused(source: str, expected: str, why: str) -> WeightsError:
    return WeightsError(f"{source} does not hold the weights of {expected}: {why}. Give the file {expected}.")


def _join_projections(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Queries, keys and values that are stored apart, as one matrix each block; others as they are."""
    joined = dict(found)
    for name in found:
        match = re.fullmatch(r"(blocks\.\d+\.attention)\.q(?:uery)?\.(weight|bias)", name)
        if match is None:
            continue
        parts = ("q", "k", "v") if ".q." in name else ("query", "key", "value")
        names = [f"{match[1]}.{part}.{match[2]}" for part in parts]
        if all(one in found for one in names):
            joined[f"{match[1]}.qkv.{match[2]}"] = torch.cat([joined.pop(one) for one in names])
    return joined


def _to_our_shapes(found: dict[str, Tensor]) -> None:
    """Bring what layouts store in other shapes to ours, in place."""
    found["class_token"] = found["class_token"].flatten()
    if found["positions"].dim() == 3:
        found["positions"] = found["positions"][0]
    if "projection.transposed" in found:
        found["projection.weight"] = found.pop("projection.transposed").T.contiguous()
    bias = found.get("head.bias")  # timm adds one to CLIP's projection, of zeros
    if bias is not None and not bool(bias.any()):
        del found["head.bias"]


def _differences(found: Mapping[str, Tensor], plan: TransformerPlan) -> list[str]:
    """How the network of a file differs from a plan, in words."""
    blocks = {name.split(".")[1] for name in found if name.startswith("blocks.")}
    patch = found["patches.weight"].shape
    places = len(found["positions"]) - 1
    sides = {side: f"{math.isqrt(side)}x{math.isqrt(side)}" for side in (places, plan.grid**2)}
    facts = (
        ("{} blocks", len(blocks), plan.depth),
        ("{} channels", len(found["class_token"]), plan.width),
        ("patches of {} pixels a side", patch[-1], plan.patch),
        ("positions for {} patches", sides[places], sides[plan.grid**2]),
    )
    return [f"it has {told.format(has)}, not {wanted}" for told, has, wanted in facts if has != wanted]
