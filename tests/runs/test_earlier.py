"""Runs of earlier versions: their arguments and weights are found under the names of today."""

import json
import shutil
import warnings
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zerosum
from zerosum import registry
from zerosum.core import checkpoint
from zerosum.core.checkpoint import flatten
from zerosum.core.ema import Average
from zerosum.core.game import Game, Player, start
from zerosum.core.optim import adam
from zerosum.core.train import train
from zerosum.errors import CheckpointError, UsageError
from zerosum.folder import RunFolder
from zerosum.runs.earlier import arguments_of, changes_of, renamer

MOVED = [name for name in registry.names() if registry.RECIPES.literal(name, "MOVED")]


# Arguments.


@pytest.mark.parametrize(
    ("recipe", "old", "now"),
    [
        ("gan", {"k": 3}, {"n_critic": 3}),
        ("custom", {"lr_g": 0.1, "lr_d": 0.2}, {"g_lr": 0.1, "d_lr": 0.2}),
        ("info-gan", {"lr_g": 0.1, "lr_d": 0.2}, {"g_lr": 0.1, "d_lr": 0.2}),
        ("unrolled", {"lr": 0.3, "g_lr": 0.4}, {"d_lr": 0.3, "g_lr": 0.4}),
        ("wgan-div", {"k": 2.5}, {"penalty_weight": 2.5}),  # which meant something else on this page
        ("dcgan", {"lr": 0.3}, {"lr": 0.3}),
        ("wgan-gp", {"n_critic": 4}, {"n_critic": 4}),
    ],
)
def test_arguments_have_their_names_of_today(recipe: str, old: dict[str, Any], now: dict[str, Any]) -> None:
    page = registry.page(recipe)
    defaults = {key: parameter.default for key, parameter in page.arguments.items()} | dict(page.added)
    assert all(defaults[key] != value for key, value in now.items()), "or the test could not fail"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what a run recorded is not its owner's to change
        assert arguments_of({"recipe": recipe, "arguments": old}, page) == defaults | now
    assert changes_of(page, {**old, "minutes": 3}) == {**now, "minutes": 3}


def test_an_argument_that_is_newer_than_the_run_has_what_the_run_had() -> None:
    page = replace(registry.page("dcgan"), added={"beta1": 0.25})
    assert page.defaults["beta1"] == 0.5
    assert arguments_of({"recipe": "dcgan", "arguments": {}}, page) == page.defaults | {"beta1": 0.25}
    assert arguments_of({"recipe": "dcgan", "arguments": {"beta1": 0.75}}, page) == page.defaults | {"beta1": 0.75}


def test_every_added_argument_exists_and_had_another_value() -> None:
    for name in registry.names():
        page = registry.page(name)
        assert all(page.defaults[key] != value for key, value in page.added.items()), name


def test_every_old_name_leads_to_an_argument_and_hides_none() -> None:
    found = {name: registry.page(name).earlier_names for name in registry.names()}
    assert {"gan", "custom", "unrolled", "wgan-div"} <= {name for name, old in found.items() if old}
    for name, old in found.items():
        known = registry.arguments(name)
        assert all(before not in known and now in known for before, now in old.items()), name


@pytest.mark.parametrize(
    ("recipe", "arguments", "message"),
    [
        ("gan", {"n_critick": 3}, "has no argument 'n_critick'. Did you mean 'n_critic'?"),
        ("gan", {"k": 3, "n_critic": 3}, "'n_critic' is given twice, once under its earlier name"),
        ("gone", {}, "there is no recipe 'gone'"),
    ],
)
def test_what_is_not_known_any_more_is_said(recipe: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        arguments_of({"recipe": recipe, "arguments": arguments}, registry.page(recipe))
    assert message in str(caught.value)


def test_an_old_name_in_a_call_is_understood_with_a_warning(tmp_path: Path) -> None:
    settings = {"data": "ring", "out": str(tmp_path / "run"), "sample_every": 9, "watch": -1}
    with pytest.warns(UserWarning, match=r"recipe 'gan': the argument 'k' is now called 'n_critic'"):
        run = zerosum.train("gan", **settings, k=2, steps=1, width=4, latent=2)
    assert run.folder.record()["arguments"]["n_critic"] == 2
    assert zerosum.resume(run.folder.path, k=2).outcome.step == 1  # as it was recorded: no change
    with pytest.raises(UsageError, match="n_critic: recorded 2, now 3"):
        zerosum.resume(run.folder.path, k=3)


# Weights.


class Rule:
    """The name of today for a saved name."""

    def __init__(self, moved: dict[str, str]) -> None:
        page = replace(registry.page("gan"), moved=moved)
        self.rename: Callable[[str, Collection[str]], str] = renamer(page)

    def __call__(self, saved: str, *wanted: str) -> str:
        return self.rename(saved, set(wanted))


@pytest.mark.parametrize(
    ("saved", "now"),
    [
        ("weights/F/net.layers.0.weight", "weights/D/layers.0.weight"),
        ("buffers/F/net.norm.running_mean", "buffers/D/norm.running_mean"),
        ("average/F/net.layers.0.weight", "average/D/layers.0.weight"),
        ("opt/F/m/net.layers.0.weight", "opt/D/m/layers.0.weight"),
        ("opt/F/base/v/net.last.bias", "opt/D/base/v/last.bias"),
        ("opt/F/t", "opt/D/t"),  # an optimizer counts for a whole network
        ("opt/F/base/t", "opt/D/base/t"),
        ("weights/F/net.net.x", "weights/D/net.x"),  # only the prefix goes
    ],
)
def test_all_that_belongs_to_a_weight_moves_with_it(saved: str, now: str) -> None:
    rule = Rule({"F/net.": "D/"})
    assert rule(saved, now) == now
    assert rule(saved, now, "weights/D/other") == now
    assert rule(saved, "weights/D/other") == saved, "nothing is wanted under the new name"
    assert rule(saved, saved, now) == saved, "it is wanted under its own"


@pytest.mark.parametrize("saved", ["weights/G/net.x", "weights/E/net.x", "memory/t", "weights/FF/net.x"])
def test_other_networks_stay(saved: str) -> None:
    rule = Rule({"F/net.": "D/"})
    assert rule(saved, "weights/D/x", "opt/D/t") == saved


def test_a_prefix_may_become_another_and_several_may_move() -> None:
    rule = Rule({"A/old.": "B/new.", "C/": "B/head."})
    assert rule("weights/A/old.x", "weights/B/new.x") == "weights/B/new.x"
    assert rule("opt/A/t", "opt/B/t") == "opt/B/t"
    assert rule("opt/C/m/x", "opt/B/m/head.x") == "opt/B/m/head.x"
    assert Rule({})("weights/A/old.x", "weights/B/new.x") == "weights/A/old.x"


@pytest.mark.parametrize("name", MOVED)
def test_weights_of_every_page_that_moved_some_are_found(name: str) -> None:
    rename = renamer(registry.page(name))
    ((old, new),) = registry.RECIPES.literal(name, "MOVED").items()
    before, now = old.partition("/"), new.partition("/")
    for part in ("weights/{}/{}a.weight", "opt/{}/m/{}a.weight", "opt/{}/t", "average/{}/{}a"):
        today = part.format(now[0], now[2])
        assert rename(part.format(before[0], before[2]), {today}) == today
        assert rename(today, {today}) == today


def game(network: str, prefix: str) -> Game:
    """A convolutional critic under a name of its own, or inside a wrapper; averaged, and with buffers."""
    torch.manual_seed(0)
    critic = nn.Sequential()
    critic.add_module("conv", nn.Conv2d(2, 3, 3))
    critic.add_module("norm", nn.BatchNorm2d(3))
    if prefix:
        wrapper = nn.Sequential()
        wrapper.add_module(prefix, critic)
        critic = wrapper
    player = Player((network,), lambda n, b, m: {"l": getattr(n, network)(b).square().mean()})
    return Game({network: critic}, {network: adam(0.1)}, {network: player}, average={network: Average(0.9)})


def test_a_state_in_training_is_found_with_its_optimizer_averages_and_memory_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = game("F", "net"), game("D", "")
    *_, (_, trained, _) = train(old, start(old), iter(torch.randn(2, 4, 2, 5, 5)), 2)
    weight = trained.weights["F"]["net.conv.weight"]
    trained.weights["F"]["net.conv.weight"] = weight.contiguous(memory_format=torch.channels_last)
    checkpoint.save(tmp_path / "old", trained, {})
    rule = Rule({"F/net.": "D/"})
    found, _ = checkpoint.load(tmp_path / "old", start(new), rule.rename)
    saved = flatten(trained)
    assert len(flatten(found)) == len(saved) > 15
    for name, tensor in flatten(found).items():
        before = saved[rename_back(name)]
        assert torch.equal(tensor, before), name
        assert tensor.stride() == before.stride(), name
    assert found.opt["D"]["t"].item() == 2
    assert found.weights["D"]["conv.weight"].is_contiguous(memory_format=torch.channels_last)
    with pytest.raises(CheckpointError, match="belongs to another model"):
        checkpoint.load(tmp_path / "old", start(new))
    # Of today: read as it is, whatever has moved.
    checkpoint.save(tmp_path / "new", found, {})
    again, _ = checkpoint.load(tmp_path / "new", start(new), rule.rename)
    for name, tensor in flatten(again).items():
        assert torch.equal(tensor, flatten(found)[name]), name
        assert tensor.stride() == flatten(found)[name].stride(), name


def rename_back(name: str) -> str:
    part, _, *moments, leaf = name.split("/")
    return "/".join([part, "F", *moments, leaf if leaf == "t" else f"net.{leaf}"])


RUNS = {
    "semi-gan": {"latent": 4, "g_width": 4, "d_width": 2, "kernel": 4, "batch_size": 4, "labelled": 10},
    "ct-gan": {"latent": 4, "width": 8, "batch_size": 8},
}


@pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick
@pytest.mark.parametrize("recipe", RUNS)
def test_a_run_goes_on_as_if_its_names_had_never_changed(tmp_path: Path, clothes: str, recipe: str) -> None:
    every = {"sample_every": 9, "save_every": 2, "watch": -1, "precision": "float32"}
    data = clothes if recipe == "semi-gan" else "ring"
    settings = dict(data=data, out=str(tmp_path / "run"), **every)
    folder = zerosum.train(recipe, **settings, steps=4, **RUNS[recipe]).folder
    uninterrupted = tensors(folder.latest())
    shutil.rmtree(folder.latest())  # as if it had been killed after step 2 was saved
    backdate(folder, recipe)
    assert zerosum.load(folder.path).step
    assert zerosum.resume(folder.path).outcome.step == 4
    resumed = tensors(folder.latest())
    assert resumed.keys() == uninterrupted.keys()
    for name, tensor in uninterrupted.items():
        assert torch.equal(resumed[name], tensor), name


def tensors(path: Path) -> dict[str, Tensor]:
    return checkpoint._load_tensors(path / checkpoint.TENSORS)


def backdate(folder: RunFolder, recipe: str) -> None:
    """Give the newest checkpoint the names that weights had in version 0.1.0."""
    from safetensors.torch import save_file

    ((old, new),) = registry.RECIPES.literal(recipe, "MOVED").items()
    network, _, prefix = old.partition("/")

    def before(name: str) -> str:
        parts = name.split("/")
        if len(parts) < 3 or parts[1] != new.partition("/")[0]:
            return name
        leaf = parts[-1] if parts[-1] == "t" else f"{prefix}{parts[-1]}"
        return "/".join([parts[0], network, *parts[2:-1], leaf])

    path = folder.latest()
    renamed = {before(name): tensor for name, tensor in tensors(path).items()}
    assert renamed.keys() != tensors(path).keys()
    save_file(renamed, path / checkpoint.TENSORS)
    meta = json.loads((path / checkpoint.META).read_text())
    meta["strides"] = {before(name): strides for name, strides in meta["strides"].items()}
    (path / checkpoint.META).write_text(json.dumps(meta))
