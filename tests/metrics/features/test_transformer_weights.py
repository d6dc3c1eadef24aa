"""Weights of DINOv2 and CLIP in all layouts; files of other networks, pickles and missing files are refused."""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from random_weights import random_images
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformer_layout_names import (
    CLIP_LAYOUTS,
    DINO_LAYOUTS,
    SMALL_CLIP,
    SMALL_DINO,
    meta,
    openai,
    small_clip,
    small_dinov2,
    transformer_weights,
)

import zerosum as zs
from zerosum.errors import UsageError
from zerosum.metrics.features import clip, dinov2
from zerosum.metrics.features.clip import ClipVision
from zerosum.metrics.features.dinov2 import DinoV2
from zerosum.metrics.features.find import extractor_names, find_extractor
from zerosum.metrics.features.transformer_extractor import TransformerExtractor
from zerosum.metrics.features.vision_transformer import TransformerPlan, VisionTransformer
from zerosum.metrics.features.weights import PublishedWeights, WeightsError, locate

CASES = [("dinov2", name) for name in DINO_LAYOUTS] + [("clip", name) for name in CLIP_LAYOUTS]
MODULES = {"dinov2": dinov2, "clip": clip}


@pytest.fixture(autouse=True)
def small_and_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks, and none of this machine's own weights or networks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("ZEROSUM_WEIGHTS", raising=False)
    for kind, module, plan in ((DinoV2, dinov2, SMALL_DINO), (ClipVision, clip, SMALL_CLIP)):
        monkeypatch.setattr(kind, "plan", plan)
        monkeypatch.setattr(module, "PLAN", plan)

    def offline(*_: object, **__: object) -> None:
        raise OSError("there is no network")

    monkeypatch.setattr("urllib.request.urlopen", offline)


def weights(family: str, layout: str = "", plan: TransformerPlan | None = None) -> dict[str, Tensor]:
    layouts, small = (DINO_LAYOUTS, SMALL_DINO) if family == "dinov2" else (CLIP_LAYOUTS, SMALL_CLIP)
    return layouts[layout or next(iter(layouts))](transformer_weights(plan or small))


def kind_of(family: str) -> type[TransformerExtractor]:
    return DinoV2 if family == "dinov2" else ClipVision


def save(tensors: dict[str, Tensor], name: str = "some.safetensors") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    return path


@pytest.mark.parametrize(("family", "layout"), CASES)
def test_every_layout_is_the_same_network(family: str, layout: str) -> None:
    found = kind_of(family).load(save(weights(family, layout)))
    wanted = small_dinov2() if family == "dinov2" else small_clip()
    assert found.hash == wanted.hash
    images = random_images("layouts", 1, 30, 30)
    torch.testing.assert_close(found(images).vectors, wanted(images).vectors)


@pytest.mark.parametrize("family", ["dinov2", "clip"])
def test_halves_are_read_as_float32(family: str) -> None:
    # OpenAI's file has float16; what was converted from it to float32 is the same network, and has the same hash.
    halves = {name: value.half() for name, value in weights(family).items()}
    plain = {name: value.float() for name, value in halves.items()}
    found = [kind_of(family).load(save(tensors)) for tensors in (halves, plain)]
    assert found[0].hash == found[1].hash != small_dinov2().hash
    assert found[0](random_images("halves", 1, 20, 20)).vectors.dtype == torch.float32


def changed(family: str, **fields: int) -> dict[str, Tensor]:
    return weights(family, plan=replace(SMALL_DINO if family == "dinov2" else SMALL_CLIP, **fields))


REGISTERS = {"register_tokens": torch.zeros(1, 4, 48)}
WRONG = {
    "text": ("dinov2", {"embedding.weight": torch.ones(3, 3)}, "its names [(]embedding.weight...[)] are not those of"),
    "clip for dinov2": ("dinov2", weights("clip"), "by its names it is CLIP's image network, not DINOv2"),
    "timm's clip for dinov2": ("dinov2", weights("clip", "timm"), "by its names it is CLIP's image network"),
    "dinov2 for clip": ("clip", weights("dinov2"), "by its names it is DINOv2, not CLIP's image network"),
    "registers": ("dinov2", weights("dinov2") | REGISTERS, "it has register tokens, which is another network"),
    "timm's registers": ("dinov2", weights("dinov2") | {"reg_token": REGISTERS["register_tokens"]}, "register tokens"),
    "a smaller one": (
        "dinov2",
        changed("dinov2", depth=1, width=24),
        "has 1 blocks, not 2; it has 24 channels, not 48",
    ),
    "one with other patches": ("clip", changed("clip", patch=16), "it has patches of 16 pixels a side, not 14"),
    "clip for 224": ("clip", changed("clip", grid=16), "it has positions for 16x16 patches, not 24x24"),
    "another projection": ("clip", changed("clip", projection=16), "of another shape: projection.weight"),
    "no projection": (
        "clip",
        {name: value for name, value in weights("clip", "transformers").items() if name != "visual_projection.weight"},
        "missing: projection.weight",
    ),
    "no positions": (
        "dinov2",
        {name: value for name, value in weights("dinov2").items() if name != "pos_embed"},
        "tensors are missing or of other shapes: 'positions'",
    ),
    "half of the attention": (
        "dinov2",
        {
            name: value
            for name, value in weights("dinov2", "transformers").items()
            if "0.attention.attention.key" not in name
        },
        "missing: blocks.0.attention.qkv",
    ),
    "more": ("dinov2", weights("dinov2") | {"blocks.0.mlp.w12.weight": torch.ones(2, 2)}, "unknown: blocks.0.mlp.w12"),
    "a head": ("clip", weights("clip", "timm") | {"head.bias": torch.ones(24)}, "unknown: head.bias"),
    "NaN": (
        "dinov2",
        weights("dinov2") | {"blocks.1.ls2.gamma": torch.full((48,), torch.nan)},
        "damaged: not finite numbers in blocks.1.scale2.weight",
    ),
}


@pytest.mark.parametrize("which", WRONG)
def test_another_networks_file_is_refused_with_the_reason(which: str) -> None:
    family, tensors, reason = WRONG[which]
    with pytest.raises(WeightsError, match=reason) as caught:
        kind_of(family).load(save(tensors))
    assert "some.safetensors" in str(caught.value)
    assert MODULES[family].PUBLISHED.name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", ["dinov2", "clip"])
@pytest.mark.parametrize("ending", ["pth", "pt", "bin"])
def test_pickles_are_not_read(family: str, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was read"))
    path = Path(f"some.{ending}")
    path.write_bytes(b"\x80")
    with pytest.raises(
        WeightsError, match=rf"^some.{ending} is not read, as it is no safetensors file. .*this converts"
    ):
        kind_of(family).load(path)


def convert(family: str) -> None:
    """Run the command that the message gives."""
    python, option, text = shlex.split(MODULES[family].PUBLISHED.convert.partition(": ")[2])
    assert (python, option) == ("python", "-c")
    exec(text)


def test_the_command_converts_metas_file() -> None:
    torch.save(weights("dinov2"), "dinov2_vitl14_pretrain.pth")
    convert("dinov2")
    assert DinoV2.load("dinov2_vitl14_pretrain.safetensors").hash == small_dinov2().hash


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_the_command_converts_openais_file() -> None:
    class Holder(nn.Module):
        """Tensors under dotted names."""

        def forward(self, x: Tensor) -> Tensor:
            return x

    root = Holder()
    for name, value in weights("clip", "openai, with text").items():
        place: nn.Module = root
        *path, last = name.split(".")
        for part in path:
            if part not in dict(place.named_children()):
                place.add_module(part, Holder())
            place = place.get_submodule(part)
        place.register_buffer(last, value)
    torch.jit.save(torch.jit.script(root), "ViT-L-14-336px.pt")
    convert("clip")
    assert all(name.startswith("visual.") for name in load_file("ViT-L-14-336px.safetensors"))
    assert ClipVision.load("ViT-L-14-336px.safetensors").hash == small_clip().hash


@pytest.mark.parametrize("family", ["dinov2", "clip"])
def test_a_conversion_is_found_by_its_name(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (name,) = MODULES[family].PUBLISHED.conversions
    monkeypatch.setenv("ZEROSUM_WEIGHTS", "mine")
    save(weights(family), f"mine/{name}")
    assert find_extractor(family, (3, 8, 8)).hash == (small_dinov2() if family == "dinov2" else small_clip()).hash


@pytest.mark.parametrize("family", ["dinov2", "clip"])
def test_the_published_file_is_held_to_its_checksum(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    published = MODULES[family].PUBLISHED
    monkeypatch.setenv("ZEROSUM_WEIGHTS", "mine")
    path = save(weights(family), f"mine/{published.name}")
    with pytest.raises(WeightsError, match=f"is not the published {published.name}: its SHA-256 starts with"):
        find_extractor(family, (3, 8, 8))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = replace(published, sha256=digest, kept_as=f"{family}-{digest[:8]}.safetensors")
    monkeypatch.setattr(kind_of(family), "weights", known)
    path.rename(path.with_name(known.name))
    assert find_extractor(family, (3, 8, 8)).name == family


@pytest.mark.parametrize(("metric", "family"), [("fd_dinov2", "dinov2"), ("cmmd", "clip")])
def test_without_weights_a_score_says_where_to_get_them(metric: str, family: str) -> None:
    published = MODULES[family].PUBLISHED
    images = random_images("few", 4, 8, 8)
    with pytest.raises(UsageError) as caught:
        zs.evaluate(images, against=images, metrics=metric)
    said = str(caught.value)
    assert said.startswith(f"metrics={metric}: {published.name} is not on this machine and could not be downloaded")
    for fact in (published.url, f"SHA-256 {published.sha256}", "$ZEROSUM_WEIGHTS", published.convert):
        assert fact in said
    assert "\n" not in said


def test_files_are_published_as_safetensors_under_names_with_their_checksum() -> None:
    for family, module in MODULES.items():
        published = module.PUBLISHED
        assert re.fullmatch(r"[0-9a-f]{64}", published.sha256)
        assert published.url.endswith(".safetensors")
        assert published.name.endswith(f"-{published.sha256[:8]}.safetensors")
        assert extractor_names()[family] == family
    assert locate(
        PublishedWeights("http://x/a.safetensors", "0" * 64), save(meta(transformer_weights(SMALL_DINO)))
    ).name


def test_plans_have_the_sizes_of_the_published_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    # As timm counts them; Meta's file has a token of 1,024 for masked training besides.
    monkeypatch.undo()
    for kind, module, numbers in ((DinoV2, dinov2, 304_368_640 - 1024), (ClipVision, clip, 304_293_888)):
        assert kind.plan is module.PLAN
        with torch.device("meta"):
            network = kind.build()
        assert isinstance(network, VisionTransformer)
        assert sum(p.numel() for p in network.parameters()) == numbers
    assert len(openai(transformer_weights(SMALL_CLIP))) == 8 + 12 * SMALL_CLIP.depth
