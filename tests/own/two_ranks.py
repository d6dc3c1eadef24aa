"""What each of two processes does in test_recipe_on_two_ranks: ``python two_ranks.py RANK MEETING_POINT OUT``."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist

import zerosum as zs

GAN = """from zerosum.recipes.gan import recipe as gan
def recipe(data, *, steps=2):
    return gan(data, width=4, latent=2, batch_size=4, steps=steps)
"""


def main(rank: int, meeting_point: str, out: Path) -> None:
    dist.init_process_group("gloo", meeting_point, timedelta(seconds=120), 2, rank)
    before = Path.cwd()
    os.chdir(out)  # where the run finds a folder by itself
    try:
        file = Path("my_gan.py")
        if rank == 0:
            file.write_text(GAN)
        dist.barrier()
        words = {"sample_every": 9, "watch": -1, "precision": "float32", "progress": False}
        run = zs.train(file, data="ring", **words)
        again = zs.resume(run.path, steps=3, progress=False)
        (out / f"rank-{rank}.txt").write_text(f"{run.path} {again.outcome.step} {float(again.sample(1)[0, 0]):.9f}")
    finally:
        os.chdir(before)
        dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
