"""BigGAN's ablation at small scale, on ``fashion-mini``; write ``results/biggan_ablation.md``.

    python tools/biggan_ablation.py

The rows are those of Table 1 of Brock et al. 2019: first the batch grows, then the width, then come the shared
embedding, the hierarchical latent and orthogonal regularisation. Runs that ended are not repeated, unfinished ones
are resumed.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tables import Finished, machine, train_all
from zerosum.conditioning.biggan import biggan_pair
from zerosum.networks.common import parameter_count

STEPS = 300  # generator updates of every row; two critic updates for each
RATE = "1e-3"  # of both players: class tables begin alike and move by about the rate an update
LATENT = 80
PUBLISHED = ("18.65 / 52.52", "15.30 / 58.77", "12.39 / 76.85", "9.54 / 92.98", "9.18 / 94.94", "8.73 / 98.76",
             "8.51 / 99.31", "10.48 / 86.90")  # fmt: skip


class Row(NamedTuple):
    """One configuration."""

    batch: int
    width: int
    shared: bool
    hierarchical: bool
    orthogonal: bool

    @property
    def name(self) -> str:
        """Of its run."""
        return f"ablation-{self.batch}-{self.width}-" + "".join("ny"[flag] for flag in self[2:])

    @property
    def words(self) -> list[str]:
        """Of its command."""
        return [
            *["biggan", "--data", "fashion-mini", "--batch-size", str(self.batch), "--width", str(self.width)],
            *["--latent", str(LATENT), "--shared", "128" if self.shared else "0"],
            *["--hierarchical" if self.hierarchical else "--no-hierarchical"],
            *["--orthogonal", "1e-4" if self.orthogonal else "0", "--g-lr", RATE, "--d-lr", RATE],
            *["--steps", str(STEPS), "--metrics", "pr,is,labels", "--eval-count", "5000"],
        ]

    @property
    def parameters(self) -> float:
        """Of both networks, in millions, without the shared embedding, as in the paper's table."""
        shared = 128 if self.shared else 0
        nets = biggan_pair(32, 1, 10, latent=LATENT, width=self.width, shared=shared, hierarchical=self.hierarchical)
        return (sum(map(parameter_count, nets)) - 10 * shared) / 1e6


ROWS = (
    Row(16, 8, False, False, False),
    Row(32, 8, False, False, False),
    Row(64, 8, False, False, False),
    Row(64, 12, False, False, False),
    Row(64, 12, True, False, False),
    Row(64, 12, True, True, False),
    Row(64, 12, True, True, True),
    Row(64, 8, True, True, True),
)
HEAD = """# BigGAN's ablation, at small scale

`python tools/biggan_ablation.py`. {machine}. `fashion-mini` (10,000 images, 10 classes, 32 pixels), seed 0, one run a
row; {steps} generator and {twice} critic updates in every row, so a larger batch also means more images seen, as in
the paper, whose rows end at different iterations. Both learning rates are {rate}: at the published ones
class tables hardly move in this many updates. Scores in the features of the shipped classifier, 5,000 generated images
(real ones for `fd_fashion`: 5,000; for precision and recall: 10,000); `fd_fashion` is not FID, `IS` is that of the
shipped classifier, and `labels` the share of images that it takes for the class asked for. The paper's own FID / IS on
ImageNet at 128 pixels stand at the end: batches of 256, 512 and 2,048 (not its 1,024), widths 64 and 96.

| batch | width | M params | shared | hier. | ortho. | fd_fashion | IS | precision | recall | labels | paper |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""


def line(row: Row, run: Finished, published: str) -> str:
    flags = ["yes" if flag else "no" for flag in row[2:]]
    value = {name: score.value for name, score in run.scores.items()}
    cells = [str(row.batch), str(row.width), f"{row.parameters:.2f}", *flags, f"{value['fd_fashion']:.2f}"]
    cells += [f"{value['is_shipped']:.2f}", f"{value['precision_shipped']:.2f}", f"{value['recall_shipped']:.2f}"]
    cells += [f"{value['label_accuracy_shipped']:.0%}", published]
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    runs = train_all({row.name: row.words for row in ROWS})
    lines = [line(row, runs[row.name], published) for row, published in zip(ROWS, PUBLISHED, strict=True)]
    head = HEAD.format(machine=machine(), rate=RATE, steps=STEPS, twice=2 * STEPS)
    text = head + "".join(lines) + "\n" + "\n".join(f"- `{runs[row.name].command}`" for row in ROWS) + "\n"
    Path("results/biggan_ablation.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
