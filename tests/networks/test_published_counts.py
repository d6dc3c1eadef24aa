"""Trainable parameters of class-conditional networks, at the published widths.

The numbers are those of the authors' or the usual public code, instantiated and counted (BigGAN-PyTorch, mimicry,
StudioGAN), or of compare_gan's docstrings where it says so. On the meta device nothing is allocated.
"""

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from itertools import pairwise

import pytest
import torch
from torch import nn

from zerosum.conditioning import projection
from zerosum.conditioning.batch_norm import ClassBatchNorm
from zerosum.conditioning.biggan import biggan_deep_pair, biggan_pair
from zerosum.networks import biggan_deep, resnet
from zerosum.networks.common import normal, parameter_count
from zerosum.networks.layers import BatchNorm
from zerosum.networks.pairs import Pair
from zerosum.networks.plans import STUDIO
from zerosum.recipes import sagan, sngan_projection

IMAGENET, CIFAR = 1000, 10
Built = Callable[[], Pair]


def by_table(
    size: int, classes: int, width: int | None = None, at: Sequence[int] = (), plans: object = resnet.BIGGAN
) -> Pair:
    """A class table in each block of the generator, projection in the critic; built from the parts."""
    shape = {"plans": plans, "attention": at, "init": normal(0.02)}
    generator = resnet.Generator(
        128, width, size, norm=partial(ClassBatchNorm, classes=classes), last_norm=BatchNorm, **shape
    )
    return generator, projection.Critic(resnet.Critic(width, size, **shape), classes)


def published(size: int, latent: int, classes: int = IMAGENET, **options: object) -> Built:
    return partial(biggan_pair, size, 3, classes, latent=latent, **options)


def deep(size: int) -> Built:
    return partial(biggan_deep_pair, size, 3, IMAGENET)


def sagan_of(size: int, classes: int, at: int) -> Built:
    return partial(sagan.networks, size, 3, classes, attention=(at,))


@pytest.fixture(autouse=True)
def on_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Power iterations need numbers, which meta tensors have not."""
    monkeypatch.setattr(import_module("zerosum.constraints.spectral"), "WARM_UP", 0)


WITHOUT_CHUNKS = {"hierarchical": False}
UNSHARED = {"hierarchical": False, "shared": 0}
COUNTS: dict[str, tuple[Built, int, int]] = {
    # BigGAN-PyTorch, StudioGAN and compare_gan's docstring agree.
    "BigGAN 128": (published(128, 120), 70_433_988, 87_982_370),
    "BigGAN 128, no chunks": (published(128, 128, **WITHOUT_CHUNKS), 72_792_516, 87_982_370),
    "BigGAN 128, unshared": (published(128, 128, **UNSHARED), 85_556_164, 87_982_370),
    "BigGAN 128, unshared, width 64": (published(128, 128, width=64, **UNSHARED), 42_017_412, 39_448_258),
    "BigGAN 128, width 64": (published(128, 120, width=64), 31_978_628, 39_448_258),
    # compare_gan's docstring has 98,635,298 for the critic: without the 1x1 shortcut from 8 to 8 units, 590,592.
    "BigGAN 256": (published(256, 140), 82_097_604, 99_225_890),
    # and 98,801,378 here: without those from 8 to 8 units and from 1 to 1, 590,592 and 9,312.
    "BigGAN 512": (published(512, 160), 82_468_068, 99_401_282),
    "BigGAN 512, released": (published(512, 128), 82_296_804, 99_401_282),
    "BigGAN 64": (published(64, 120), 31_969_540, 20_571_842),
    "BigGAN 32, BigGAN-PyTorch": (partial(by_table, 32, CIFAR, 64), 4_304_387, 4_207_361),
    "BigGAN 32, StudioGAN": (published(32, 80, CIFAR, plan=STUDIO), 9_416_196, 2_415_170),
    "BigGAN-deep 128": (deep(128), 50_244_484, 34_590_210),
    "BigGAN-deep 256": (deep(256), 55_736_708, 38_247_426),
    # mimicry's critics have a bias in the last layer; of the authors', and so of the recipe's, that for 32 has none.
    "SNGAN 32, projection": (partial(sngan_projection.networks, 32, 3, CIFAR), 4_304_387, 1_055_105 - 1),
    "SNGAN 64, projection": (partial(sngan_projection.networks, 64, 3, IMAGENET), 17_974_915, 11_165_441),
    "SNGAN 128, projection": (partial(sngan_projection.networks, 128, 3, IMAGENET), 41_996_931, 30_041_857),
    "SNGAN 32, projection, bias": (partial(by_table, 32, CIFAR, plans=resnet.SNGAN), 4_304_387, 1_055_105),
    "SNGAN 128, projection, bias": (partial(by_table, 128, IMAGENET, plans=resnet.SNGAN), 41_996_931, 30_041_857),
    "SAGAN 128": (sagan_of(128, IMAGENET, 32), 42_078_852, 39_463_618),
    "SAGAN 128, attention at 64": (sagan_of(128, IMAGENET, 64), 42_017_412, 39_448_258),
    "SAGAN 128, mimicry": (partial(by_table, 128, IMAGENET, None, (32,), resnet.SNGAN), 42_078_852, 30_062_338),
    "SAGAN 32": (sagan_of(32, CIFAR, 16), 4_386_308, 1_075_586),
    "SAGAN 32, mimicry": (partial(by_table, 32, CIFAR, None, (16,), resnet.SNGAN), 4_386_308, 1_075_586),
}


def counted(build: Built) -> tuple[int, int]:
    with torch.device("meta"):
        generator, critic = build()
    return parameter_count(generator), parameter_count(critic)


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_are_those_of_the_published_networks(name: str) -> None:
    build, generator, critic = COUNTS[name]
    assert counted(build) == (generator, critic)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("BigGAN 128, unshared, width 64", 81.5),
        ("BigGAN 128, unshared", 173.5),
        ("BigGAN 128, no chunks", 160.6),
        ("BigGAN 128", 158.3),
        ("BigGAN 128, width 64", 71.3),
    ],
)
def test_both_players_together_are_table_1_of_the_paper(name: str, millions: float) -> None:
    """Its numbers are those of both networks, without the shared embedding: 1,000 times 128."""
    generator, critic = counted(COUNTS[name][0])
    shared = 0 if "unshared" in name else IMAGENET * 128
    assert round((generator + critic - shared) / 1e6, 1) == millions


def test_critics_of_compare_gan_lack_the_shortcuts_that_keep_the_channels() -> None:
    """A 1x1 convolution with bias for each halving block with as many outputs as inputs: 768 to 768 and 96 to 96."""
    wide, narrow = 768 * 768 + 768, 96 * 96 + 96
    assert (wide, narrow) == (590_592, 9_312)
    assert counted(COUNTS["BigGAN 256"][0])[1] == 98_635_298 + wide
    assert counted(COUNTS["BigGAN 512"][0])[1] == 98_801_378 + wide + narrow
    with torch.device("meta"):
        critic = resnet.Critic(None, 512, plans=resnet.BIGGAN, init=normal(0.02))
    kept = [
        parameter_count(block.shortcut)
        for block in critic.blocks
        if isinstance(block.shortcut, nn.Conv2d) and block.shortcut.in_channels == block.shortcut.out_channels
    ]
    assert sorted(kept) == [narrow, wide]


@pytest.mark.parametrize(("size", "released"), [(128, 50_388_609), (256, 55_880_833)])
def test_released_deep_generators_end_in_as_many_channels_as_they_have(size: int, released: int) -> None:
    """The released ones convolve 128 channels to 128 and keep three; ours convolves them to three."""
    convolution = 9 * 128 + 1  # weights and bias for each output
    assert counted(deep(size))[0] + (128 - 3) * convolution == released


# SNGAN without labels, as mimicry has it; channels of the generator's normalisations; features of the critic.
UNCONDITIONAL = {
    32: (4_276_739, 1_053_825, 6 * [256], 128),
    48: (4_878_083, 10_141_441, [512, 256, 256, 128, 128, 64], 1024),
    64: (12_220_675, 10_141_441, [1024, 512, 512, 256, 256, 128, 128, 64], 1024),
    128: (32_150_787, 29_017_857, [1024, 1024, 1024, 512, 512, 256, 256, 128, 128, 64], 1024),
}


@pytest.mark.parametrize("size", UNCONDITIONAL)
@pytest.mark.parametrize("classes", [10, 1000])
def test_labels_add_gains_and_biases_to_the_generator_and_a_direction_to_the_critic(size: int, classes: int) -> None:
    generator, critic, normalised, features = UNCONDITIONAL[size]
    found = counted(partial(sngan_projection.networks, size, 3, classes))
    without_bias = 1 if size == 32 else 0
    assert found == (generator + 2 * (classes - 1) * sum(normalised), critic - without_bias + classes * features)


def test_deep_critics_continue_their_pattern_at_512() -> None:
    """From the blocks of Table 9: the arithmetic of a pair of bottlenecks, and two more of them than at 128."""

    def block(i: int, o: int) -> int:
        hidden = o // 4
        further = (i + 1) * (o - i)
        return (i + 1) * hidden + 2 * (9 * hidden + 1) * hidden + (hidden + 1) * o + further

    def count(units: Sequence[int], attended: int) -> int:
        widths = [128 * k for k in units]
        pairs = sum(block(i, o) + block(o, o) for i, o in pairwise(widths))
        attention = 2 * attended * attended // 8 + attended * attended + 1
        return (27 + 1) * widths[0] + pairs + attention + widths[-1] + 1 + IMAGENET * widths[-1]

    assert count((1, 2, 4, 8, 16, 16), 2 * 128) == COUNTS["BigGAN-deep 128"][2]
    assert counted(deep(512))[1] == count((1, 1, 2, 4, 8, 8, 16, 16), 4 * 128)
    assert biggan_deep.PLANS[512].downs == 7
