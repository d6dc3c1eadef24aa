"""What a device computes beside what the CPU does: recipes, measures, networks that look at images, resumed runs.

Each function takes an item and yields rows as they are found.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.backends import cudnn
from torch.utils._pytree import tree_map

import zerosum
from gpu_lanes import Said
from gpu_speed import compiled
from zerosum import registry
from zerosum.core.dynamics import alternating
from zerosum.core.game import Game, start
from zerosum.data import load
from zerosum.files import Rows
from zerosum.latent.interpolate import slerp
from zerosum.metrics.features.base import Extractor
from zerosum.metrics.features.find import extractor_names, find_extractor
from zerosum.metrics.features.vgg16 import Lpips, Vgg16Trunk, _ChannelWeights
from zerosum.metrics.features.vision_transformer import VisionTransformer
from zerosum.metrics.images import ImageSet, Maker, PointSet, of_data, points_of_data, points_of_generator
from zerosum.metrics.measure import Context, Measure
from zerosum.metrics.registry import measures
from zerosum.metrics.sides import Side
from zerosum.networks.dcgan import Generator
from zerosum.runs.loop import Stop

SMALL: dict[str, Any] = {"width": 8, "g_width": 8, "d_width": 8, "kernel": 4, "batch_size": 8, "steps": 4, "unroll": 1}
SMALL |= {"n_critic": 2}
OWN: dict[str, dict[str, Any]] = {"f-gan": {"n_critic": 1}}  # its players move at once
FLOAT32, BF16 = 2e-3, 0.1  # differences of losses, over 1 + what the CPU found
VALUE, FEATURE = 1e-3, 1e-3  # differences of scores and features, over what the CPU found
TRAINED = 0.1  # of accuracies of a classifier that each device trains for itself
# Scores that count images, which rounding may move over a border: so many of them may.
SHARES = frozenset({"classes", "coverage", "density", "label_accuracy", "high_quality", "modes", "mode_kl"})
SHARES |= {"polygon_precision", "polygon_recall", "polygon_f1", "precision", "recall", "c2st", "1nn"}
COUNTED = 2


class Where(NamedTuple):
    """What is compared with the CPU: a device, the backend of its compiler, and how many images measures see."""

    device: str
    backend: str
    images: int


def recipe(name: str, where: Where) -> Iterator[Said]:
    """Two iterations: in float32, in bf16, and compiled in bf16, against the CPU's in float32."""
    began = time.monotonic()
    truth = two_steps(name, "cpu", None, None)
    ways = (
        ("float32", None, None, FLOAT32),
        ("bf16", torch.bfloat16, None, BF16),
        ("bf16, compiled", torch.bfloat16, where.backend, BF16),
    )
    for way, autocast, backend, allowed in ways:
        try:
            torch._dynamo.reset()
            with cudnn.flags(enabled=True, allow_tf32=False):  # by default convolutions of float32 are TF32's
                found = two_steps(name, where.device, autocast, backend)
        except Exception as error:
            error.args = (f"{way}: {error}",)
            raise
        off, term = apart(truth, found)
        yield {
            "ok": off <= allowed,
            "what": way,
            "apart": f"{off:.1e}",
            "allowed": f"{allowed:g}",
            "says": "" if off <= allowed else f"{term} is the furthest",
            "s": f"{time.monotonic() - began:.0f}",
        }
        began = time.monotonic()


def two_steps(name: str, device: str, autocast: torch.dtype | None, backend: str | None) -> dict[str, float]:
    """Losses of two iterations of a recipe on small networks, from the same batches and weights on every device."""
    torch.manual_seed(0)
    data = load("fashion-mini")
    made = registry.find(name)(data, **small(name))
    game = replace(made.phases[0].game, autocast=autocast)
    _never_drop(game)
    moves = (made.dynamics or alternating)(game)
    runs = [compiled(move.run, backend) if backend else move.run for move in moves]
    state, said, k = start(game, device), {}, 0
    for t in range(2):
        heard: Any = {}
        for move, run in zip(moves, runs, strict=True):
            for _ in range(move.updates(t)):
                x, y = data.batch(k, made.batch_size, seed=0)
                batch = made.draw(x, y, torch.Generator().manual_seed(k))
                torch.manual_seed(k)
                k += 1
                state, terms = run(state, tree_map(lambda v: v.to(device) if isinstance(v, Tensor) else v, batch))
                heard |= terms
        state = state._replace(memory=game.remember(state.memory, heard))
        said |= {f"{who}.{term}, iteration {t + 1}": v for who, terms in heard.items() for term, v in terms.items()}
    return {name: float(value) for name, value in said.items() if value.dim() == 0}


def small(name: str) -> dict[str, Any]:
    """Arguments that make a recipe's networks and batches small."""
    known = registry.arguments(name)
    return {key: value for key, value in (SMALL | OWN.get(name, {})).items() if key in known}


def _never_drop(game: Game) -> None:
    """No two devices drop the same units."""
    for net in game.nets.values():
        for module in net.modules():
            if "Dropout" in type(module).__name__:
                for rate in {"rate", "p"} & vars(module).keys():
                    setattr(module, rate, 0.0)


def apart(truth: dict[str, float], found: dict[str, float]) -> tuple[float, str]:
    """The largest difference over 1 + what it should be, and whose it is; infinite for what is not finite."""
    if truth.keys() != found.keys():
        return float("inf"), f"{sorted(truth.keys() ^ found.keys())[0]}, which only one has,"
    off = {name: abs(found[name] - value) / (1 + abs(value)) for name, value in truth.items()}
    worst = max(off, key=lambda name: off[name] if off[name] == off[name] else float("inf"))
    return (off[worst], worst) if off[worst] == off[worst] else (float("inf"), worst)


def seeded(make: Any, *_: Any) -> nn.Module:
    """A network as a file of published weights would fill it, but with weights that keep what passes at its size."""
    torch.manual_seed(0)
    network: nn.Module = make()
    if isinstance(network, VisionTransformer):
        network.blocks = network.blocks[:2]  # of 24, which are alike: a CPU computes this, too
    for name, tensor in network.state_dict().items():
        if tensor.dim() > 1:
            nn.init.kaiming_normal_(tensor)
        elif tensor.is_floating_point():
            tensor.fill_(float(name.endswith(("weight", "running_var"))))
    return network


def seeded_lpips(*_: Any, device: str = "cpu") -> Lpips:
    """LPIPS with such weights; those of channels must not be negative."""
    channels = {name: tensor.abs() for name, tensor in seeded(_ChannelWeights).state_dict().items()}
    return Lpips(seeded(Vgg16Trunk), channels, device)


@cache
def looks(name: str, device: str) -> Extractor:
    """An extractor, with such weights in place of published ones."""
    with patch("zerosum.metrics.features.published.load_published", seeded):
        return find_extractor(name, (1, 32, 32), device)


def features(name: str, where: Where) -> Iterator[Said]:
    """What a network sees in a few images."""
    began = time.monotonic()
    images = sets("fashion-mini", 4)[0].pixels()
    ours, theirs = (looks(name, device)(images) for device in ("cpu", where.device))
    for what, truth, found in (("vectors", ours.vectors, theirs.vectors), ("logits", ours.logits, theirs.logits)):
        if truth is None or found is None:
            continue
        off = float((found.cpu() - truth).norm() / truth.norm())
        took = f"{time.monotonic() - began:.0f}"
        yield {"ok": off <= FEATURE, "what": what, "apart": f"{off:.1e}", "allowed": f"{FEATURE:g}", "s": took}


def measure(name: str, where: Where) -> Iterator[Said]:
    """The scores of a measure of the same samples, on the CPU and on the device."""
    began = time.monotonic()
    found = measures()[name]
    large = {"inception": 16, "inception-spatial": 16, "dinov2": 4, "clip": 4}  # networks on a CPU
    count = large.get(found.features or "", where.images)
    with patch("zerosum.metrics.measures.ppl.load_lpips", seeded_lpips):
        ours, theirs = (found.run(*sides(found, device, count)) for device in ("cpu", where.device))
    for truth, other in zip(ours, theirs, strict=True):
        off, allowed = abs(other.value - truth.value), VALUE * abs(truth.value) + 1e-7
        allowed = TRAINED if name == "cas" else max(allowed, COUNTED / count) if truth.name in SHARES else allowed
        yield {
            "ok": off <= allowed and truth.name == other.name,
            "what": truth.name,
            "cpu": f"{truth.value:.6g}",
            "device": f"{other.value:.6g}",
            "apart": f"{off:.1e}",
            "allowed": f"{allowed:.1g}",
            "s": f"{time.monotonic() - began:.0f}",
        }


def sides(found: Measure, device: str, count: int) -> tuple[Side, Side, Context]:
    """Real samples, others, and the context of a measure."""
    if found.of_points and not found.sees:
        real, fake = rings(count)
        return Side(real), Side(fake), Context(device=device)
    takes = found.features or ("shipped" if found.sees else None)
    seen = None if takes is None else looks(takes, device)
    one, other, third = sets("triangles" if found.name == "polygons" else "fashion-mini", count)
    one = one.first(count) if "equal" in found.needs else one
    if "latents" in found.needs:
        other = replace(other, maker=maker(device))
    held_out = Side(third, seen, found.reads)
    return (
        Side(one, seen, found.reads),
        Side(other, seen, found.reads),
        Context(device=device, held_out=held_out if found.takes_held_out else None),
    )


def rings(count: int) -> tuple[PointSet, PointSet]:
    """Points around the modes of a ring, and others that are spread a little wider."""
    real = points_of_data(load("ring"))
    points, _ = load("ring").batch(0, count, seed=0)
    return real, points_of_generator(lambda s, n: 1.01 * points[s : s + n], count, name="wider", fingerprint="wider")


@cache
def sets(source: str, count: int) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Twice as many real images, as some measures need; others, a little darker, as if by a generator; held-out ones.

    Classes take turns, so that each set has as many of each.
    """
    whole = of_data(load(source))
    labels = torch.zeros(whole.count, dtype=torch.int64) if whole.labels is None else whole.labels
    turn = torch.zeros(whole.count, dtype=torch.int64)
    for label in labels.unique():
        turn[labels == label] = torch.arange(int((labels == label).sum()))
    order = (turn * (int(labels.max()) + 1) + labels).argsort()
    one, other, third = (whole.select(order[a * count : b * count]) for a, b in ((0, 2), (2, 3), (3, 4)))
    darker = other.pixels().float().mul(0.9).to(torch.uint8)
    made = replace(other, kind="generated", read=lambda s, n: darker[s : s + n], pick=lambda which: darker[which])
    return one, made, third


def maker(device: str) -> Maker:
    """An untrained generator, and the ways between its latents."""
    torch.manual_seed(0)
    network = Generator(16, 8, 32, 1, 4).to(device).eval().requires_grad_(False)
    return Maker(network, lambda n, rng: torch.randn(n, 16, generator=rng), slerp, "slerp", None)


def resumed(name: str, where: Where) -> Iterator[Said]:
    """A run that was stopped after its first iteration and resumed, against one that was not: weights and losses."""
    began = time.monotonic()
    for way, graph in (("deterministic kernels", "off"), ("compiled", "on")):
        torch.use_deterministic_algorithms(graph == "off", warn_only=True)
        try:
            exact, off = stop_and_go(name, where, graph)
        finally:
            torch.use_deterministic_algorithms(False)
        good = exact or (graph == "on" and off <= FLOAT32)
        says = "the same to the last bit" if exact else "not the same to the last bit"
        took = f"{time.monotonic() - began:.0f}"
        yield {"ok": good, "what": way, "apart": f"{off:.1e}", "says": says, "s": took}
        began = time.monotonic()


def stop_and_go(name: str, where: Where, graph: str) -> tuple[bool, float]:
    """Whether both end with the same tensors, and the largest difference of their losses over 1 + the loss."""
    clothes = sets("fashion-mini", 32)[0]
    data = {"data": clothes.pixels(), "labels": clothes.labels}
    given: dict[str, Any] = {**data, "compile": graph, "device": where.device, "precision": "bf16"}
    given |= small(name) | {"steps": 6, "log_every": 1, "watch": -1, "progress": False}
    stop = Stop()
    stop.asked = True
    backend = where.backend if graph == "on" else None
    with tempfile.TemporaryDirectory() as folder, patch("zerosum.runs.setup.backend_for", lambda *_: backend):
        whole = zerosum.train(name, **given, out=f"{folder}/whole")
        first = zerosum.train(name, **given, out=f"{folder}/parts", stop=stop)
        if first.outcome.step != 1:
            raise RuntimeError(f"the run was to stop after 1 iteration, and made {first.outcome.step}")
        parts = zerosum.resume(Path(folder) / "parts", **data, progress=False)
        ends = [(run.folder.checkpoint_for(6) / "tensors.safetensors").read_bytes() for run in (whole, parts)]
        losses = [
            {f"{key}, {row['step']}": float(v) for row in Rows(run.folder.metrics) for key, v in row["losses"].items()}
            for run in (whole, parts)
        ]
    return ends[0] == ends[1], apart(*losses)[0]


FIRST = ("biggan", "dcgan", "sagan", "sngan", "wgan-gp")
ITEMS = {
    "recipes": lambda: sorted(registry.names(), key=lambda name: name not in FIRST),
    "measures": lambda: [*measures(), *(f"features {name}" for name in extractor_names())],
    "resume": lambda: ["dcgan", "sngan", "wgan-gp"],
}


def agreement(part: str, item: str, where: Where) -> Iterator[Said]:
    """What is found of an item of one of these parts."""
    if item.startswith("features "):
        return features(item.removeprefix("features "), where)
    return {"recipes": recipe, "measures": measure, "resume": resumed}[part](item, where)
