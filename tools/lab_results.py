"""Do every experiment of the lab at full size; write figures, numbers and ``README.md`` under ``results/lab``.

python tools/lab_results.py            # what is not there yet
python tools/lab_results.py --write    # the page alone
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tables import machine
from zerosum import lab
from zerosum.lab.results import paragraphs, records

OUT = Path("results/lab")
HEAD = """# The lab

`python tools/lab_results.py` makes this page and all that is beside it: every experiment of `zerosum lab`, at its full
size, seed 0, one thread. {machine}. `NAME.json` holds all numbers. The commands write the same figures elsewhere; on
another machine the last digits differ. Times are of a machine that did other work as well, and of the last part only
where an experiment was interrupted (`architectures` took 34 minutes in all, `random-architectures` about 70).
`zerosum lab all --quick` takes 3 min 30 s on both cores of this machine, with nothing else running.

Not reproduced at these budgets: that WGAN-GP trains networks which others do not. In `random-architectures`, after 300
generator updates, the medians of both methods are alike, and in `architectures`, after 400, WGAN-GP makes half of the
classes with five of the seven pairs (the MLP and tanh networks not among them), DCGAN and LSGAN with four.
The rows `mlp` and `resnet` of `architectures` were made before these networks had the layers and initial weights of
WGAN-GP's code, as they have now.
{missing}
"""


def section(record: dict[str, Any]) -> str:
    """An experiment: its first paragraph, its command, what was found, its figures."""
    figures = "\n".join(f"![{record['title']}]({name})" for name in record["figures"])
    says = "\n".join(f"- {sentence}" for sentence in record["says"])
    command = f"`{record['command']}`, {record['seconds']:,.0f} s"
    return f"## {record['title']}\n\n{paragraphs(record['text'])[0]}\n\n{command}:\n\n{says}\n\n{figures}\n"


def main(words: list[str]) -> None:
    if "--write" not in words:
        command = [sys.executable, "-m", "zerosum", "lab", "all", "--keep", "--out", str(OUT)]
        subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
    found = records(OUT)
    there = {record["experiment"] for record in found}
    left = ", ".join(f"`{name}`" for name in lab.titles() if name not in there)
    missing = f"\nNot done at full size yet: {left}.\n" if left else ""
    (OUT / "README.md").write_text(HEAD.format(machine=machine(), missing=missing) + "\n".join(map(section, found)))
    print(f"{OUT / 'README.md'}: {len(found)} experiments")


if __name__ == "__main__":
    main(sys.argv[1:])
