"""Seeds of paths, against hashes made by hand."""

import hashlib
import itertools

import torch

from zerosum.core.random import generator, seed_for


def by_hand(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") // 2


def test_seeds_are_hashes_of_the_path():
    # The numbers are written out too: were they to change, no run of an earlier version could be resumed.
    assert seed_for(0, "latent", 1, 2) == by_hand(b"(0, 'latent', 1, 2)") == 3891617214279531859
    assert seed_for(3) == by_hand(b"(3,)") == 363018757033614945


def test_unlike_paths_give_unlike_seeds():
    paths = list(itertools.product((0, 1, 2**63), ("data", "latent"), range(4), range(50)))
    paths += [(), (0,), ("0",), (0, 0), ("0, 0",), (1, "data", 0), ("1", "data", 0)]
    seeds = {seed_for(*path) for path in paths}
    assert len(seeds) == len(paths)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_generators_draw_what_their_seed_says():
    expected = torch.randn(5, generator=torch.Generator().manual_seed(by_hand(b"(7, 'draw', 0, 11)")))
    assert torch.equal(torch.randn(5, generator=generator(7, "draw", 0, 11)), expected)
    assert not torch.equal(torch.randn(5, generator=generator(7, "draw", 1, 11)), expected)
    before = torch.random.get_rng_state()
    generator(1)
    assert torch.equal(torch.random.get_rng_state(), before), "the global generator was touched"
