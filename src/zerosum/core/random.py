"""Random numbers as pure functions of a path: (seed, purpose, rank, batch number)."""

import hashlib

import torch


def seed_for(*path: int | str) -> int:
    """A 63-bit seed from a path such as ``(seed, "latent", rank, k)``; unlike paths give unrelated seeds."""
    digest = hashlib.blake2b(repr(path).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*path: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A ``torch.Generator`` seeded by a path: one per batch, so that a run resumes at batch ``k`` from ``k`` alone."""
    return torch.Generator(device=device).manual_seed(seed_for(*path))


def reseed(*path: int | str, device: torch.device) -> None:
    """Seed torch's global generator, which dropout draws from, on the CPU and on ``device``, in microseconds."""
    torch.default_generator.manual_seed(seed_for(*path))
    if device.type == "cuda":
        torch.cuda.manual_seed(seed_for(*path))
