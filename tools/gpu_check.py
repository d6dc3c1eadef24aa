"""Does all this work on the GPU here, and how fast? Answers in nine minutes at most, in ``results/gpu.md``.

Most valuable first: every recipe against the CPU, every measure, resumed runs; then the speed of published systems
beside plain PyTorch; then the tests that need a GPU. Each part has its share of the time. What is not done by then is
named, and what fails is a row with its error. The report is written anew at each row, and full errors go to a log
beside it, so that whatever ends this script, nothing that was found is lost.

``--device cpu --tiny`` runs all of it on a CPU, to see that it runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "src")]

from gpu_lanes import Here, Job, Process, Run, Said, Worker, serve, work_off  # noqa: E402

ROOT = Path(__file__).parent.parent
CORES = os.cpu_count() or 1
PATHS = {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), os.environ.get("PYTHONPATH", "")))}  # of the tests
FEW_THREADS = {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "2"}


class Part(NamedTuple):
    """A part of the report.

    Attributes:
        name: Its name on the command line.
        title: Its heading.
        text: What is compared, and what counts as equal.
        columns: Columns beside the item, what, whether it is as it should be, and what is said.
        until: Share of the whole time at which it is cut; what one part leaves over, those after it have.
        lanes: Processes at a time.
        most: Share of the whole time that one item may take.
        environment: Of its processes.
    """

    name: str
    title: str
    text: str
    columns: tuple[str, ...]
    until: float
    lanes: int
    most: float
    environment: dict[str, str]


PARTS = {
    part.name: part
    for part in (
        Part(
            "recipes",
            "Every recipe against the CPU",
            "Losses of two iterations of small networks, from the same weights and batches, against float32 on the "
            "CPU: the largest difference over 1 + the CPU's value. Nothing is dropped out: no two devices drop the "
            "same units.",
            ("apart", "allowed", "s"),
            0.36,
            max(1, CORES - 4),
            0.25,
            FEW_THREADS,
        ),
        Part(
            "measures",
            "Every measure against the CPU",
            "The same samples, features computed on each device. Weights that would have to be downloaded are drawn "
            "at random; of `features`, the distance of the vectors over their length is compared. Counts of images may "
            "differ by two images, `cas` by what two trainings of a classifier do.",
            ("cpu", "device", "apart", "allowed", "s"),
            0.36,
            2,
            0.15,
            {"OMP_NUM_THREADS": "2"},
        ),
        Part(
            "resume",
            "Stopped and resumed on the device",
            "Six iterations in bf16; stopped after the first and resumed, against not stopped: weights, and losses "
            "over 1 + the loss. With deterministic kernels all bits have to be the same.",
            ("apart", "s"),
            0.36,
            3,
            0.3,
            {**FEW_THREADS, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"},
        ),
        Part(
            "speed",
            "Published systems: speed and memory",
            "Random images, published widths, bf16. A step is one turn of each player, with as many critic updates as "
            "the recipe has; images/s are real images that the critic sees. Plain PyTorch: the same modules and "
            "losses, `torch.optim.Adam`, `backward()`, nothing compiled, default memory layout. GFLOP/s count "
            "convolutions and matrix products as they are done; of peak: of the fastest of ten products of square "
            "matrices in bf16. Each time is the fastest of ten.",
            ("batch", "ms a step", "images/s", "GiB", "GFLOP/s", "of peak"),
            0.93,
            1,
            0.3,
            {},
        ),
        Part(
            "tests",
            "Tests that need a GPU",
            "`pytest -m gpu`, by file.",
            ("s",),
            1.0,
            4,
            0.3,
            {"OMP_NUM_THREADS": "1", **PATHS},
        ),
    )
}
TOGETHER = (("recipes", "measures", "resume"), ("speed",), ("tests",))  # speed is measured alone
VERDICTS = {True: "yes", False: "NO", None: "-"}


class Report:
    """The report, written anew at each row; errors in full go to a log beside it."""

    def __init__(self, path: Path, command: str) -> None:
        self.path, self.log = path, path.with_suffix(".log")
        self.command, self.facts, self.began = command, "", time.monotonic()
        self.rows: dict[str, list[tuple[str, Said]]] = {}
        self.lock = threading.Lock()
        self.ended = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text("")
        self.write()

    def hear(self, part: str, item: str, said: Said) -> None:
        """Add a row."""
        with self.lock:
            self.rows.setdefault(part, []).append((item, said))
            self.write()
            says = f"{part}: {item}, {said.get('what', '')}: {VERDICTS[said['ok']]} {said.get('says', '')}"
            with self.log.open("a") as log:
                log.write(f"{time.monotonic() - self.began:6.1f} s {says}\n{said.get('trace', '')}")
            print(says, flush=True)

    def finish(self) -> int:
        """Say that all is done. Returns how many rows are not as they should be."""
        with self.lock:
            self.ended = True
            self.write()
        return sum(said["ok"] is False for rows in self.rows.values() for _, said in rows)

    def write(self) -> None:
        """Replace the file at once: whoever is cut off leaves the last one whole."""
        spare = self.path.with_suffix(".part")
        spare.write_text(self.text())
        spare.replace(self.path)

    def text(self) -> str:
        """The whole report."""
        counts = [said["ok"] for rows in self.rows.values() for _, said in rows]
        yes, no, cut = (counts.count(value) for value in (True, False, None))
        took = f"after {time.monotonic() - self.began:.0f} s" + ("" if self.ended else ", not finished")
        lines = ["# On one GPU", "", f"Command: `{self.command}`. {self.facts}", ""]
        lines += [f"{yes} rows are as they should be, {no} are not, {cut} were not reached or cut, {took}.", ""]
        for name, part in PARTS.items():
            if name in self.rows:
                lines += [f"## {part.title}", "", part.text, "", *self._table(part), ""]
        return "\n".join(lines)

    def _table(self, part: Part) -> Iterator[str]:
        yield "| item | what | as it should be | " + " | ".join((*part.columns, "")) + " |"
        yield "|---" * (len(part.columns) + 4) + "|"
        for item, said in self.rows[part.name]:
            cells = [item, said.get("what", ""), VERDICTS[said["ok"]]]
            cells += [said.get(key, "") for key in (*part.columns, "says")]
            yield "| " + " | ".join(str(cell).replace("|", "/").replace("\n", " ") for cell in cells) + " |"


def run_of(part: str, device: str, tiny: bool) -> Run:
    """What does the items of a part, in the process that calls it."""
    backend = "eager" if tiny else "inductor"
    if part == "tests":
        return lambda item: test(item, device)
    import torch

    if part == "speed":
        import gpu_speed

        systems = gpu_speed.TINY if tiny else gpu_speed.SYSTEMS
        place = torch.device(device)
        return lambda item: gpu_speed.speed(item, place, systems, backend, 1 if tiny else 10)
    import gpu_agreement

    where = gpu_agreement.Where(device, backend, 40 if tiny else 300)
    return lambda item: gpu_agreement.agreement(part, item, where)


def items_of(part: str) -> list[str]:
    """All items of a part, most valuable first."""
    if part == "tests":
        marked = (path for path in sorted((ROOT / "tests").rglob("test_*.py")) if path.name != "test_gpu_check.py")
        return [str(path.relative_to(ROOT)) for path in marked if "pytest.mark.gpu" in path.read_text("utf-8")]
    if part == "speed":
        import gpu_speed

        return gpu_speed.items(gpu_speed.SYSTEMS)
    import gpu_agreement

    return gpu_agreement.ITEMS[part]()


def test(path: str, device: str) -> Iterator[Said]:
    """The tests of a file that need a GPU; on a CPU they are collected alone."""
    began = time.monotonic()
    words = ["-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", path]
    words += ["--collect-only"] if device == "cpu" else []
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    last = (done.stdout.strip().splitlines() or [done.stderr.strip()[-200:]])[-1]
    trace = done.stdout[-4000:] + done.stderr[-1000:] if done.returncode else ""
    took = f"{time.monotonic() - began:.0f}"
    yield {"ok": done.returncode == 0, "what": "", "says": re.sub(r"\s+", " ", last)[:200], "s": took, "trace": trace}


def facts_of(device: str) -> str:
    """The machine, in a line; a process of its own asks for it, so that this one stays free of CUDA."""
    ask = (
        "import torch; print(torch.__version__, torch.cuda.get_device_name(0) if torch.cuda.is_available() else 'CPU')"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
    said = done.stdout.strip() or f"(torch cannot be asked: {done.stderr.strip()[-100:]})"
    return f"Python {platform.python_version()}, torch {said}, device {device}, {CORES} cores."


def has_gpu() -> bool:
    """Whether torch sees a GPU."""
    import torch

    return torch.cuda.is_available()


def check(
    report: Report,
    parts: Sequence[str],
    workers: Callable[[str], Worker],
    minutes: float,
    only: Sequence[str] = (),
    began: float | None = None,
) -> int:
    """Do all parts; returns how many rows are not as they should be.

    Args:
        report: Where rows go.
        parts: Names of parts.
        workers: What makes a worker for a part.
        minutes: For all parts together.
        only: Items to do; none: all.
        began: When the time began, by ``time.monotonic``; ``None``: now.
    """
    began = time.monotonic() if began is None else began
    for together in TOGETHER:
        jobs = []
        for name in (name for name in together if name in parts):
            part = PARTS[name]
            try:
                items = [item for item in items_of(name) if not only or item in only]
            except Exception as error:  # one part that cannot begin is a row, and the others go on
                report.hear(name, "all", {"ok": False, "what": "failed", "says": f"{type(error).__name__}: {error}"})
                continue
            until, most = began + 60 * minutes * part.until, 60 * minutes * part.most
            jobs.append(Job(name, items, lambda name=name: workers(name), part.lanes, until, most))
        work_off(jobs, report.hear)
    return report.finish()


def main(words: Sequence[str] | None = None) -> int:
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=8.5, help="for everything together")
    parser.add_argument("--parts", default=",".join(PARTS), help="separated by commas")
    parser.add_argument("--only", default="", help="items, separated by commas; all by default")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small systems, nothing compiled for good: for tests")
    parser.add_argument("--here", action="store_true", help="in this process, where nothing is stopped: for tests")
    parser.add_argument("--out", default="results/gpu.md")
    parser.add_argument("--work", choices=PARTS, help="do the items of this part that come on standard input")
    asked = parser.parse_args(words)
    if asked.work:
        serve(run_of(asked.work, asked.device, asked.tiny))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)) if not asked.here else None

    def worker(part: str) -> Worker:
        if asked.here:
            return Here(run_of(part, asked.device, asked.tiny))
        command = [sys.executable, __file__, "--work", part, "--device", asked.device, *["--tiny"] * asked.tiny]
        return Process(command, PARTS[part].environment)

    parts = [name for name in PARTS if name in asked.parts.split(",")]
    only = [item for item in asked.only.split(",") if item]
    if asked.device.startswith("cuda") and not has_gpu():
        print("gpu-check: torch sees no GPU here, so nothing was checked.")
        return 0
    report = Report(Path(asked.out), "python tools/gpu_check.py " + " ".join(sys.argv[1:] if words is None else words))
    report.facts = facts_of(asked.device)
    try:
        bad = check(report, parts, worker, asked.minutes, only, began)
    finally:
        for left in list(Process.alive):  # of whoever was interrupted
            left.close()
    print(f"{bad} rows are not as they should be; see {report.path} and {report.log}", flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
