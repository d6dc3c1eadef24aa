"""How long commands wait before they start, as medians over fresh interpreters: ``python benchmarks/startup.py``."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 9
IMPORT = "import torch, time; t = time.perf_counter(); import zerosum; print(time.perf_counter() - t)"
COMMANDS = {
    "import torch": ["-c", "import torch"],
    "zerosum --help": ["-m", "zerosum", "--help"],
    "zerosum train dcgan --help": ["-m", "zerosum", "train", "dcgan", "--help"],
}


def run(words: list[str]) -> tuple[float, str]:
    """Seconds, and what was printed."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
    return time.perf_counter() - began, done.stdout


def main() -> None:
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    more = []
    for turn in range(ROUNDS + 1):  # the first fills the caches of files
        took = {name: run(words)[0] for name, words in COMMANDS.items()}
        after_torch = float(run(["-c", IMPORT])[1])
        if turn:
            more.append(after_torch)
            for name in COMMANDS:
                seconds[name].append(took[name])
    for name, found in seconds.items():
        print(f"{name:<28} {statistics.median(found):.3f} s")
    print(f"import zerosum, after torch  {statistics.median(more) * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
