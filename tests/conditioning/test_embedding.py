"""Shared class embeddings, and where the chunks of a latent go."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.conditioning.biggan import biggan_deep_pair, biggan_pair
from zerosum.conditioning.embedding import HierarchicalGenerator, JoinedGenerator, SharedGenerator, chunk_of
from zerosum.networks import biggan_deep
from zerosum.networks.common import orthogonal
from zerosum.networks.residual import UpBlock


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


class Echo(nn.Module):
    """Says what it was called with."""

    def forward(self, z: Tensor, condition: Any) -> tuple[Tensor, Any]:
        return z, condition


Z = torch.arange(12.0).view(2, 6)
Y = torch.tensor([2, 0])
TABLE = torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])


def with_table(generator: Any) -> Any:
    generator.embedding.weight.data.copy_(TABLE)
    return generator


def test_each_way_by_hand() -> None:
    said = with_table(SharedGenerator(Echo(), 3, 2))(Z, Y)
    assert torch.equal(said[0], Z)
    assert torch.equal(said[1], TABLE[[2, 0]])
    joined = with_table(JoinedGenerator(Echo(), 3, 2))(Z, Y)
    for part in joined:
        assert torch.equal(part, torch.cat([Z, TABLE[[2, 0]]], 1))
    first, others = with_table(HierarchicalGenerator(Echo(), 3, 2, 3))(Z, Y)
    assert first.tolist() == [[0, 1], [6, 7]]
    expected = [[[2, 3, 0.5, 0.6], [8, 9, 0.1, 0.2]], [[4, 5, 0.5, 0.6], [10, 11, 0.1, 0.2]]]
    torch.testing.assert_close(torch.stack(others), torch.tensor(expected))


def test_labels_may_be_weights_of_classes() -> None:
    generator = with_table(SharedGenerator(Echo(), 3, 2))
    torch.testing.assert_close(generator(Z, F.one_hot(Y, 3).float())[1], TABLE[[2, 0]])
    half = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(generator(Z, half)[1], torch.tensor([[0.2, 0.3], [0.5, 0.6]]))


def test_initial_embeddings() -> None:
    rows = SharedGenerator(Echo(), 3, 8, orthogonal).embedding.weight
    torch.testing.assert_close(rows @ rows.T, torch.eye(3), atol=1e-5, rtol=0)
    plain = SharedGenerator(Echo(), 300, 50).embedding.weight  # torch's own: N(0, 1)
    assert plain.std().item() == pytest.approx(1, abs=0.03)
    for classes, dim in ((0, 2), (3, 0)):
        with pytest.raises(ValueError, match="must be at least 1"):
            JoinedGenerator(Echo(), classes, dim)


def conditions(generator: nn.Module, kind: type[nn.Module], z: Tensor, y: Tensor) -> list[Tensor]:
    """What the first layer and then each block of a generator is given, by hooks on them."""
    seen: list[Tensor] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
        for module in generator.modules()
        if isinstance(module, kind)
    ]
    first = generator.net.first.register_forward_pre_hook(lambda _, inputs: seen.insert(0, inputs[0]))  # type: ignore[union-attr,operator]
    with torch.no_grad():
        generator(z, y)
    for hook in (*hooks, first):
        hook.remove()
    return seen


@pytest.mark.parametrize("level", range(4))
def test_a_chunk_of_the_latent_reaches_only_its_block(level: int) -> None:
    generator = biggan_pair(32, 3, 5, latent=12, width=8, shared=4)[0].eval()  # three blocks: chunks of 3
    z, y = torch.randn(2, 12), torch.tensor([0, 3])
    moved = z.clone()
    moved[:, 3 * level : 3 * (level + 1)] += 1
    before, after = (conditions(generator, UpBlock, latent, y) for latent in (z, moved))
    assert [tuple(c.shape) for c in before] == [(2, 3), *3 * [(2, 7)]]
    changed = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert changed == [k == level for k in range(4)]
    with torch.no_grad():
        assert (generator(z, y) - generator(moved, y)).abs().max() > 1e-5


def test_the_label_reaches_every_block_but_not_the_first_layer() -> None:
    generator = biggan_pair(32, 3, 5, latent=12, width=8, shared=4)[0].eval()
    z, y = torch.randn(2, 12), torch.tensor([0, 3])
    before, after = (conditions(generator, UpBlock, z, labels) for labels in (y, y + 1))
    assert torch.equal(before[0], after[0])
    for a, b in zip(before[1:], after[1:], strict=True):
        assert torch.equal(a[:, :3], b[:, :3])
        assert (a[:, 3:] != b[:, 3:]).any()


def test_in_the_deep_generator_all_of_both_goes_everywhere() -> None:
    generator = biggan_deep_pair(32, 3, 5, latent=6, width=8, shared=4)[0].eval()
    z, y = torch.randn(2, 6), torch.tensor([0, 3])
    expected = torch.cat([z, generator.embedding.weight[y]], 1)  # type: ignore[union-attr,index]
    seen = conditions(generator, biggan_deep.UpBottleneck, z, y)
    assert len(seen) == 1 + 2 * 3
    assert all(torch.equal(c, expected) for c in seen)


def test_without_chunks_the_blocks_get_the_embedding_or_the_label() -> None:
    z, y = torch.randn(2, 10), torch.tensor([0, 3])
    shared = biggan_pair(32, 3, 5, latent=10, width=8, shared=4, hierarchical=False)[0].eval()
    first, *others = conditions(shared, UpBlock, z, y)
    assert torch.equal(first, z)
    assert all(torch.equal(c, shared.embedding.weight[y]) for c in others)  # type: ignore[union-attr,index]
    tables = biggan_pair(32, 3, 5, latent=10, width=8, shared=0, hierarchical=False)[0].eval()
    seen: list[Tensor] = []
    for block in tables.blocks:  # type: ignore[union-attr]
        block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    tables(z, y)
    assert all(torch.equal(c, y) for c in seen)
    assert len(seen) == len(others) == 3


def test_chunks_are_of_equal_length() -> None:
    # 120 = 6 x 20 at 128 pixels, 140 = 7 x 20 at 256, 160 = 8 x 20 and 128 = 8 x 16 at 512
    assert [chunk_of(*c) for c in ((120, 5), (140, 6), (160, 7), (128, 7), (80, 3))] == [20, 20, 20, 16, 20]
    for latent, near in ((128, 126), (130, 132), (1, 6), (0, 6), (-6, 6)):
        with pytest.raises(
            ValueError,
            match=rf"latent={latent}: 5 blocks and the first layer take 6 equal chunks of it; "
            rf"use a multiple of 6, such as {near}$",
        ):
            chunk_of(latent, 5)
