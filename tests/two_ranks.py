"""What each of two processes does for all tests of two: ``python two_ranks.py RANK OUT``.

Each ``two_ranks.py`` in a folder beside this file is a part, played in a group of its own by its
``main(rank, meeting_point, out)``, one after the other; it leaves what it found in ``OUT/its folder's name``.
"""

import sys
from pathlib import Path

from conftest import load

PARTS = sorted(Path(__file__).parent.glob("*/two_ranks.py"))


def main(rank: int, out: Path) -> None:
    for script in PARTS:
        folder = out / script.parent.name
        load(script).main(rank, f"file://{folder / 'meeting'}", folder)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
