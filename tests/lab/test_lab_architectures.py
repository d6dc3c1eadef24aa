"""Seven architectures, four methods: each kind is what its name says, all can be trained, no cell is done twice."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from zerosum.core.game import gradient, play, start
from zerosum.data.images import Images
from zerosum.errors import UsageError
from zerosum.lab import convolutional, results
from zerosum.lab.base import Lab
from zerosum.lab.experiments import architectures as lab
from zerosum.metrics.images import of_data
from zerosum.metrics.measures.halves import split
from zerosum.networks.layers import BatchNorm, LayerNorm
from zerosum.systems import Batch

SIZES = lab.Sizes(width=2, mlp_units=6, resnet_depth=14)
TINY: dict[str, Any] = {"steps": 1, "width": 2, "batch": 4, "samples": 100, "mlp_units": 6, "resnet_depth": 11}


def build(kind: str, norm: Callable[[int], nn.Module] = BatchNorm) -> tuple[nn.Module, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return lab.KINDS[kind].build(SIZES, norm)


def channels(net: nn.Module) -> list[int]:
    return [m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)]


def functions(net: nn.Module) -> set[Any]:
    return {id(m) for m in net.modules() if isinstance(m, convolutional.ScaledActivation)}


@pytest.mark.parametrize("method", convolutional.METHODS)
@pytest.mark.parametrize("kind", lab.KINDS)
def test_every_architecture_can_make_an_update_of_every_method(kind: str, method: str, images: Batch) -> None:
    way = convolutional.METHODS[method]
    g, d = build(kind, way.norm)
    game = convolutional.game(way, {"G": g, "D": d})
    state = start(game)
    made = g(images.z).detach()
    assert made.shape == (4, 1, 32, 32)
    assert 0 < float(made.std())
    assert float(made.abs().max()) <= 1
    assert d(images.x).shape == (4,)
    for who in ("D", "G"):
        grads, said, _ = gradient(game, who, state, images)  # torch.func's
        assert all(bool(one.isfinite().all()) for one in grads[who].values())
        assert any(float(one.abs().max()) > 0 for one in grads[who].values())
        assert ("gp" in said) == (who == "D" and method == "wgan-gp")
        before = state.weights[who]
        state, _ = play(game, who, state, images)
        assert any(not torch.equal(before[k], w) for k, w in state.weights[who].items())
    largest = max(float(w.abs().max()) for w in state.weights["D"].values())
    assert (largest <= 0.01 + 1e-9) == (method == "wgan")


def test_the_constant_generator_has_as_many_filters_everywhere_and_no_norm(
    norms_of: Callable[[nn.Module], set[type]],
) -> None:
    g, d = build("constant")
    assert channels(g) == [2, 2, 1]  # the last makes the image
    assert [m.in_channels for m in g.modules() if isinstance(m, nn.Conv2d)] == [2, 2, 2]
    assert (norms_of(g), norms_of(d)) == (set(), {BatchNorm})
    base, _ = build("baseline")
    assert [m.in_channels for m in base.modules() if isinstance(m, nn.Conv2d)] == [8, 4, 2]
    assert norms_of(base) == {BatchNorm}
    assert channels(d) == channels(build("baseline")[1]) == [2, 4, 8]


def test_norms_are_where_they_should_be(norms_of: Callable[[nn.Module], set[type]]) -> None:
    for kind in lab.KINDS:
        g, d = build(kind, LayerNorm)
        assert norms_of(g) == (set() if kind in ("constant", "mlp", "no-norm") else {BatchNorm})
        assert norms_of(d) == (set() if kind == "no-norm" else {LayerNorm})


def test_the_mlp_has_four_hidden_relu_layers() -> None:
    g, d = build("mlp")
    shapes = [tuple(m.weight.shape) for m in g.modules() if isinstance(m, nn.Linear)]
    assert shapes == [(6, 128), (6, 6), (6, 6), (6, 6), (1024, 6)]
    # As in gan_64x64.py of igul222/improved_wgan_training: U(-a, a), a^2 = 6 / fan_in before a ReLU, and Glorot's last.
    first, *_, last = [m.weight.detach() for m in g.modules() if isinstance(m, nn.Linear)]
    for weight, edge in ((first, math.sqrt(6 / 128)), (last, math.sqrt(6 / (6 + 1024)))):
        assert edge * 0.98 < float(weight.abs().max()) <= edge * 1.000001
    assert channels(d) == [2, 4, 8]


def test_gates_and_tanh_are_everywhere() -> None:
    for net in build("tanh"):
        assert functions(net) == {id(convolutional.TANH)}
    for net, plain in zip(build("gated"), build("baseline"), strict=True):
        assert functions(net) == {id(convolutional.GATED)}
        gated = [c for c in channels(net) if c > 1]
        assert gated == [2 * c for c in channels(plain) if c > 1]
    x = torch.tensor([[0.3, -1.0, 2.0, 0.5]], dtype=torch.float64).reshape(1, 4, 1, 1)
    found = convolutional.GATED(x).flatten().tolist()
    assert found == pytest.approx([math.tanh(0.3) / (1 + math.exp(-2)), math.tanh(-1) / (1 + math.exp(-0.5))])


def test_the_reference_itself_is_at_distance_nought_and_has_all_classes(clothes: Images) -> None:
    reference, control = split(of_data(clothes), 200)
    real = [
        torch.from_numpy(clothes.pixels[half.numpy()]).permute(0, 3, 1, 2) / 127.5 - 1 for half in (reference, control)
    ]
    found, other = (lab.score(one, clothes, 0) for one in real)
    assert found["fd_fashion"] == pytest.approx(0, abs=1e-3)
    assert found["classes"] == 10
    assert other["fd_fashion"] == pytest.approx(found["fd_fashion_floor"], rel=1e-6)
    assert lab.score(torch.zeros(200, 1, 32, 32), clothes, 0)["fd_fashion"] > 5 * found["fd_fashion_floor"]


def test_the_mosaic_goes_row_by_row() -> None:
    pixels = np.arange(16, dtype=np.uint8).repeat(1024).reshape(16, 32, 32)
    pixels[6, 3, 7] = 200
    picture = lab.mosaic(pixels)
    assert picture.shape == (136, 136)
    assert picture[1::34, 1::34].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]
    assert picture[35 + 3, 69 + 7] == 200
    assert set(picture[[0, 33, 34, 135]].flatten().tolist()) == {255}


def test_finished_cells_are_not_done_again(tmp_path: Path, counted: list[str]) -> None:
    room, few = Lab(seed=1, folder=tmp_path / "parts"), TINY | {"kinds": "tanh"}
    one = lab.experiment(room, **few, methods="lsgan")
    assert counted == ["LSGAN"]
    two = lab.experiment(room, **few, methods="lsgan, wgan-gp")
    assert counted == ["LSGAN", "WGAN-GP"]
    assert two.numbers["cells"]["tanh"]["lsgan"] == one.numbers["cells"]["tanh"]["lsgan"]
    file = tmp_path / "parts" / "cells.jsonl"
    file.write_text(file.read_text()[:-30])  # torn by a crash
    assert lab.experiment(room, **few, methods="lsgan,wgan-gp").numbers == two.numbers
    assert len(counted) == 3
    kept = sorted((tmp_path / "parts" / "cells").iterdir())
    assert [path.suffix for path in kept] == [".npz", ".npz"]
    with np.load(kept[0], allow_pickle=False) as file_of_samples:
        before = file_of_samples["pixels"]
    assert (before.shape, before.dtype) == ((16, 32, 32), np.uint8)
    kept[0].write_bytes(kept[0].read_bytes()[:200])
    again = lab.experiment(room, **few, methods="lsgan,wgan-gp")
    assert again.numbers == two.numbers
    assert len(counted) == 4  # the one whose samples are no longer whole
    shown = again.figures["samples"].axes[0].get_images()[0].get_array()
    assert shown is not None
    assert np.array_equal(shown, lab.mosaic(before))
    lab.experiment(room, **few | {"width": 3}, methods="lsgan")
    assert len(counted) == 5
    again = lab.experiment(room, **few, methods="lsgan")  # other settings have not taken its place
    assert len(counted) == 5
    shown = again.figures["samples"].axes[0].get_images()[0].get_array()
    assert shown is not None
    assert np.array_equal(shown, lab.mosaic(before))
    assert lab.experiment(Lab(seed=1), **few, methods="lsgan").numbers == one.numbers
    assert len(counted) == 6


def test_what_diverged_is_said_and_not_tried_again(tmp_path: Path, counted: list[str]) -> None:
    room, few = Lab(folder=tmp_path), TINY | {"kinds": "gated", "methods": "wgan", "steps": 7}
    for _ in range(2):
        found = lab.experiment(room, **few)
        assert found.numbers["cells"] == {"gated": {"wgan": {"fd_fashion": None, "classes": None, "diverged": True}}}
        assert "diverged: gated" in found.says[0]
        json.dumps(results.to_plain(found.numbers), allow_nan=False)
        assert [text.get_text() for text in found.figures["samples"].axes[0].texts] == ["diverged"]
    assert counted == ["WGAN (clipping)"]


def test_one_image_at_a_time_is_enough_for_batch_norm_of_feature_maps(counted: list[str]) -> None:
    found = lab.experiment(Lab(), **TINY | {"kinds": "baseline, resnet", "methods": "dcgan", "batch": 1})
    assert len(counted) == 2
    assert not any(cell["dcgan"]["diverged"] for cell in found.numbers["cells"].values())


def test_pairs_that_make_half_of_the_classes_are_counted() -> None:
    scores = {"baseline": (39.9, 5), "mlp": (40.1, 4), "tanh": (12.0, 10)}
    cells = {k: {"diverged": False, "fd_fashion": fd, "classes": n} for k, (fd, n) in scores.items()}
    said = lab.describe("wgan", cells | {"gated": {"diverged": True, "fd_fashion": None, "classes": None}})
    assert said.startswith("WGAN (clipping): 2 of 4 make 5 classes or more; ")
    assert said.endswith("baseline 39.90 (5), mlp 40.10 (4), tanh 12.00 (10), diverged: gated")


def test_the_figure_has_a_panel_for_each_cell_in_the_order_of_rows_and_columns() -> None:
    cells = {
        (kind, method): {
            "diverged": False,
            "fd_fashion": 10.0 * i + j,
            "classes": j,
            "pixels": np.full((16, 32, 32), 10 * i + j, np.uint8),
        }
        for i, kind in enumerate(lab.KINDS)
        for j, method in enumerate(convolutional.METHODS)
    }
    figure = lab.draw(cells, list(lab.KINDS), list(convolutional.METHODS))
    assert len(figure.axes) == 28
    assert figure.axes[4 * 5 + 3].get_title() == "fd 53.0, classes 3"
    assert figure.axes[4 * 5].get_ylabel() == "tanh everywhere"
    assert figure.axes[2].get_title() == "WGAN (clipping)\nfd 2.0, classes 2"
    shown = figure.axes[4 * 5 + 3].get_images()[0].get_array()
    assert shown is not None
    assert shown[40, 40] == 53


def test_all_methods_start_from_the_same_generator(starts: list[tuple[list[float], int]]) -> None:
    lab.experiment(Lab(seed=5), **TINY | {"kinds": "gated"})
    assert len(starts) == 4
    assert all(one == starts[0] for one in starts)
    lab.experiment(Lab(seed=6), **TINY | {"kinds": "gated", "methods": "wgan"})
    assert starts[4] != starts[0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"methods": "wgan,vae"}, "'vae'.*dcgan, lsgan, wgan, wgan-gp"),
        ({"kinds": "unet"}, "'unet'.*baseline, constant, mlp, no-norm, gated, tanh, resnet"),
        ({"resnet_depth": 12}, "depth=12"),
        ({"samples": 99}, "samples=99"),
        ({"samples": 5_001}, "5,000"),
        ({"width": 0}, "width=0"),
        ({"steps": 0}, "steps=0"),
        ({"batch": 0}, "batch=0"),
    ],
)
def test_what_cannot_be_done_is_refused_before_training(
    wrong: dict[str, Any], message: str, counted: list[str]
) -> None:
    with pytest.raises(UsageError, match=message):
        lab.experiment(Lab(), **TINY | wrong)
    assert not counted
