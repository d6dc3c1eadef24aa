"""Random numbers as pure functions of a path: (seed, purpose, rank, batch number)."""

import hashlib

import torch


def seed_for(*path: int | str) -> int:
    """A 63-bit seed from a path such as ``(seed, "latent", rank, k)``; unlike paths give unrelated seeds."""
    digest = hashlib.blake2b(repr(path).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*path: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A ``torch.Generator`` seeded by a path. Cheap enough (microseconds) to make one per batch.

    Nothing is carried from one batch to the next, so a run can be resumed at batch ``k`` from the number ``k`` alone.
    """
    return torch.Generator(device=device).manual_seed(seed_for(*path))
