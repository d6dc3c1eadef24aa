"""What ``zerosum doctor --self-test`` tries: that this installation trains, resumes, samples and scores as it should.

Everything happens through the command line, in a temporary folder that is removed at the end.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from zerosum.cli import main
from zerosum.errors import ZerosumError

SMALL = ("--width", "8", "--latent", "8", "--batch-size", "16")
POINTS = (
    "train",
    "wgan-gp",
    "--data",
    "ring",
    "--width",
    "16",
    "--n-critic",
    "1",
    "--batch-size",
    "16",
    "--watch",
    "-1",
    "--sample-every",
    "10000",
)
TRIES = (120, 2_000)  # steps of the run that is killed: more where a run had ended before it could be
SAVED_EVERY = 10  # its steps between checkpoints
PATIENCE = 120.0  # seconds within which it must have saved
TOLERANCE = 1e-5  # of float32 against closed forms
CACHES = {"ZEROSUM_CACHE", "TORCHINDUCTOR_CACHE_DIR"}  # variables that name folders of things to keep
EVERY = 10  # one of so many shipped images is trained on


class SelfTestError(Exception):
    """A check failed; the message says why, in one line."""


class Check(NamedTuple):
    """Something that is tried.

    Attributes:
        name: Name, one word.
        act: Tries it in the folder that it is given, and gives what it saw, in a few words.
        needs: Name of the check without which it cannot be done, or ``""``.
    """

    name: str
    act: Callable[[Path], str]
    needs: str = ""


def run_checks() -> int:
    """Try everything, and print a line for each check.

    Returns:
        0, or 1 where something failed.

    Raises:
        ZerosumError: There is no place for temporary files.
    """
    began, failed = time.perf_counter(), list[str]()
    with _temporary_folder() as place:
        checks = [*CHECKS, *_devices(), *_extras()]
        for check in checks:
            started = time.perf_counter()
            try:
                if check.needs in failed:
                    raise SelfTestError(f"not tried, because {check.needs} failed")
                word, text = "ok", check.act(place)
            except Exception as error:  # whatever goes wrong in an installation, the other checks are tried, too
                word, text = "failed", reason_of(error)
                failed.append(check.name)
            print(f"{word:<8}{check.name:<14}{text} ({time.perf_counter() - started:.1f} s)", flush=True)
    verdict = f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}" if failed else "all is well"
    print(f"\n{verdict} ({time.perf_counter() - began:.0f} s)")
    return int(bool(failed))


def reason_of(error: Exception) -> str:
    """What went wrong, in one line; for an error that no one foresaw, with the place."""
    text = " ".join(str(error).split())
    if isinstance(error, SelfTestError):
        return text
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}: {text}{place}"


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder for all that is written, caches included."""
    before = dict(os.environ)
    try:
        folder = tempfile.TemporaryDirectory(prefix="zerosum-self-test-")
    except OSError as error:
        raise ZerosumError(f"no temporary folder can be made ({error.strerror or error}); set TMPDIR to one") from error
    with folder as name:
        os.environ |= {variable: str(Path(name, variable.lower())) for variable in CACHES}
        try:
            yield Path(name)
        finally:
            for variable in CACHES:
                os.environ.pop(variable)
            os.environ |= {variable: before[variable] for variable in CACHES & before.keys()}


def command(*words: str | Path) -> str:
    """Carry out a command line in this process, and give what it printed.

    Raises:
        SelfTestError: It did not end well; the message has its last line.
        KeyboardInterrupt: It was interrupted.
    """
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main.run([str(word) for word in words])
    if code == 130:
        raise KeyboardInterrupt
    if code:
        lines = said.getvalue().strip().splitlines() or ["nothing was said"]
        raise SelfTestError(f"zerosum {words[0]} ended with {code}: {lines[-1]}")
    return said.getvalue()


def _expect(fact: bool, otherwise: str) -> None:
    if not fact:
        raise SelfTestError(otherwise)


def check_data(place: Path) -> str:
    """The shipped images are whole; a tenth of them is put aside for the checks that follow."""
    import numpy as np

    from zerosum.data import Images, load

    data = load("fashion-mini", progress=False)
    if not isinstance(data, Images) or data.labels is None:
        raise SelfTestError("the shipped images have no labels")
    _expect((data.count, data.shape, len(data.classes)) == (10_000, (1, 32, 32), 10), f"{data.name} is not whole")
    images, labels = data.batch(0, 100, seed=0)
    _expect(images.shape == (100, 1, 32, 32) and labels is not None, "a batch has another shape")
    _expect(bool(images.min() >= -1) and bool(images.max() <= 1), "pixels are outside [-1, 1]")
    np.savez(place / "clothes.npz", images=data.pixels[::EVERY], labels=data.labels[::EVERY])
    return f"{data.count:,} images of clothes, {data.fingerprint[:12]}"


def check_penalty(place: Path) -> str:
    """A gradient penalty and its derivative are those of a critic whose slopes are known: D(x) = sum a_i x_i^2 / 2."""
    import torch

    from zerosum.penalties import wgan_gp

    random = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(64, 5, generator=random) for _ in range(2))
    eps, a = torch.rand(64, generator=random), torch.rand(5, generator=random) + 0.5

    def penalty(a: torch.Tensor) -> torch.Tensor:
        return wgan_gp(lambda x: 0.5 * (a * x.square()).sum(1), real, fake, eps)

    points = eps[:, None] * real + (1 - eps[:, None]) * fake
    norms = (a * points).norm(dim=1)
    value = (norms - 1).square().mean()
    slope = (2 * (1 - 1 / norms)[:, None] * a * points.square()).mean(0)
    off = max(float((penalty(a).detach() - value).abs()), float((torch.func.grad(penalty)(a) - slope).abs().max()))
    _expect(off < TOLERANCE, f"WGAN-GP's penalty or its derivative is off by {off:.2g}")
    return f"WGAN-GP's penalty and its derivative are within {off:.0e} of the closed form"


def check_train(place: Path) -> str:
    """A tiny conditional GAN is trained, and leaves all that a run leaves."""
    run = place / "run"
    source = f"npz:{place / 'clothes.npz'}"
    command("train", "cgan", *SMALL, "--data", source, "--steps", "30", "--out", run, "--device", "cpu")
    missing = [
        name for name in ("run.json", "metrics.jsonl", "scores.jsonl", "report.html") if not (run / name).exists()
    ]
    _expect(not missing, f"the run has no {', '.join(missing)}")
    _expect(bool(list((run / "samples").glob("*.png"))), "the run has no pictures")
    last = json.loads((run / "metrics.jsonl").read_text("utf-8").splitlines()[-1])
    return f"30 steps of cgan; loss of G {sum(v for k, v in last['losses'].items() if k.startswith('G/')):.3f}"


def check_resume(place: Path) -> str:
    """A run that was killed and resumed has the weights of one that was not, to the last bit."""
    for steps in TRIES:
        words = [*POINTS, "--steps", str(steps), "--save-every", str(SAVED_EVERY), "--device", "cpu"]
        killed, whole = place / f"killed-{steps}", place / f"whole-{steps}"
        at = kill([*words, "--out", str(killed)], killed, place / f"killed-{steps}.txt")
        if at is None:  # it was through before it could be killed
            continue
        command("resume", killed)
        command(*words, "--out", whole)
        _expect(
            _weights(killed) == _weights(whole),
            "a run that was killed and resumed has other weights than one that was not",
        )
        return f"killed after {at} of {steps} steps and resumed: the same weights to the last bit"
    raise SelfTestError(f"a run of {TRIES[-1]:,} steps ended before it could be killed")


def kill(words: list[str], run: Path, output: Path) -> int | None:
    """Train in a process of its own, and kill it once it has saved.

    Returns:
        The step of its last checkpoint; ``None`` where the run ended before.

    Raises:
        SelfTestError: It failed, or did not save in time.
    """
    from zerosum.folder import RunFolder

    isolated = ["-I"] if sys.flags.isolated else []
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *isolated, "-m", "zerosum", *words], cwd=output.parent, stdout=file, stderr=file
        )
        try:
            deadline = time.monotonic() + PATIENCE
            while process.poll() is None and not RunFolder(run).checkpoints():
                _expect(time.monotonic() < deadline, f"no checkpoint was written within {PATIENCE:.0f} s")
                time.sleep(0.02)
        finally:
            process.kill()
            code = process.wait()
    if code > 0:
        lines = output.read_text("utf-8", errors="replace").strip().splitlines() or ["nothing was said"]
        raise SelfTestError(f"zerosum {words[0]} ended with {code}: {lines[-1]}")
    return None if code == 0 else int(RunFolder(run).latest().name.removeprefix("step-"))


def _weights(run: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """The tensors of a run's last checkpoint."""
    from safetensors.numpy import load_file

    from zerosum.folder import RunFolder

    tensors = load_file(RunFolder(run).latest() / "tensors.safetensors")
    return {name: (str(array.dtype), array.shape, array.tobytes()) for name, array in tensors.items()}


def check_sample(place: Path) -> str:
    """Samples of a seed are the same every time, and those that the loaded generator gives."""
    import numpy as np

    from zerosum import load
    from zerosum.runs.pictures import to_pixels

    arrays = []
    for name in ("a.npz", "b.npz"):
        command("sample", place / "run", "--count", "8", "--seed", "1", "--out", place / name, "--device", "cpu")
        with np.load(place / name, allow_pickle=False) as file:
            arrays.append(file["images"])
    _expect(arrays[0].shape == (8, 32, 32, 1) and arrays[0].dtype == np.uint8, "samples have another shape")
    _expect(np.array_equal(*arrays), "the samples of one seed differ from one time to the next")
    loaded = load(place / "run").sample(8, seed=1)
    _expect(np.array_equal(arrays[0], to_pixels(loaded)), "the loaded generator gives other samples")
    return "8 samples, the same twice and from the loaded checkpoint"


def check_eval(place: Path) -> str:
    """The run is scored, and its scores say how they were got."""
    words = ("eval", place / "run", "--metrics", "fid,pr", "--features", "shipped", "--count", "200", "--device", "cpu")
    command(*words)
    rows = [json.loads(line) for line in (place / "run" / "scores.jsonl").read_text("utf-8").splitlines()]
    scores = {row["score"]["name"]: row["score"] for row in rows}
    missing = {"fd_shipped", "precision_shipped", "recall_shipped"} - scores.keys()
    _expect(not missing, f"there is no score {', '.join(sorted(missing))}")
    precision, recall = scores["precision_shipped"], scores["recall_shipped"]
    _expect(0 <= precision["value"] <= 1, f"precision is {precision['value']}")
    _expect("features" in precision["protocol"], "a score does not say on which features it was computed")
    return f"precision {precision['value']:.2f}, recall {recall['value']:.2f}, with their protocols"


def check_lab(place: Path) -> str:
    """An experiment comes out as theory predicts."""
    command("lab", "bilinear", "--steps", "100", "--out", place / "lab")
    found = list((place / "lab").glob("bilinear*.json"))
    _expect(len(found) == 1, "the experiment left no numbers")
    rates = json.loads(found[0].read_text("utf-8"))["numbers"]["rates"]
    off = max(abs(rates[name]["rate"] - rates[name]["predicted"]) for name in ("simultaneous", "extragradient"))
    _expect(off < TOLERANCE, f"the bilinear game leaves its prediction by {off:.2g} a step")
    return f"the bilinear game is within {off:.0e} a step of its prediction"


CHECKS = (
    Check("data", check_data),
    Check("penalty", check_penalty),
    Check("train", check_train, needs="data"),
    Check("resume", check_resume),
    Check("sample", check_sample, needs="train"),
    Check("eval", check_eval, needs="train"),
    Check("lab", check_lab),
)


def _devices() -> list[Check]:
    """A check for each GPU that torch sees."""
    import torch

    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    names += ["mps"] if torch.backends.mps.is_available() else []

    def trains(device: str) -> Callable[[Path], str]:
        def act(place: Path) -> str:
            out = place / device.replace(":", "-")
            words = ("--steps", "20", "--data", f"npz:{place / 'clothes.npz'}", "--device", device, "--compile", "off")
            command("train", "cgan", *SMALL, *words, "--out", out)
            return "20 steps of cgan"

        return act

    return [Check(name, trains(name), needs="data") for name in names]


def _extras() -> list[Check]:
    """A check for each optional package that is installed."""
    uses = {"tensorboard": _events, "sklearn": _digits, "onnxruntime": _import, "datasets": _import}
    there = [package for package in uses if importlib.util.find_spec(package) is not None]

    def tries(package: str) -> Callable[[Path], str]:
        return lambda place: uses[package](place, package)

    return [Check(name, tries(name), needs="train" if name == "tensorboard" else "") for name in there]


def _import(place: Path, package: str) -> str:
    importlib.import_module(package)
    return f"version {importlib.metadata.version(package)}"


def _events(place: Path, package: str) -> str:
    _expect(bool(list((place / "run" / "tensorboard").glob("events*"))), "the run has no event file")
    return "the run has its event file"


def _digits(place: Path, package: str) -> str:
    from zerosum.data import load

    count = load("digits", progress=False).count
    _expect(count == 1_797, f"there are {count} digits instead of 1,797")
    return "1,797 digits"
