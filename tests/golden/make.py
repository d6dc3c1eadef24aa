"""Makes what the tests in this folder compare with: small runs, and figures of the whole library.

``PYTHONPATH=/path/to/old/src python tests/golden/make.py [runs] [figures]`` writes ``runs/`` (a small run of every
kind, and in ``expected.json`` what came of resuming it and of sampling from it) and ``figures.json``, from whatever
version of the library is found first. Both were made by version 0.1.0 before its sources were rearranged, and should be
made again only when a number is meant to change: runs that a new version makes say nothing about old ones.

``python tests/golden/make.py changed NAME ...`` records in ``recorded_since/`` what the commands of some runs,
experiments and trainings come to now, where that is meant to be something else (``changed.py`` lists them, with the
reasons); without names, all of these.

An option that gets another name is changed in the words below, which tests give to the version that is tested, and not
in ``runs/``, whose records keep the names that they were made with. (What an earlier version had fixed is said there.)

One thread, float32 and no compilation throughout, so that the same machine gives the same bits.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("COLUMNS", "200")

import numpy as np
import torch
import torch.nn.functional as F
from changed import CHANGED
from compare import Tolerance
from torch import Tensor

HERE = Path(__file__).parent
RUNS_FOLDER, FIGURES_FILE, CLOTHES_FILE = HERE / "runs", HERE / "figures.json", HERE / "clothes.npz"
EXPECTED_FILE, CHANGED_FOLDER = RUNS_FOLDER / "expected.json", HERE / "recorded_since"

STEPS, RESUMED_STEPS = 4, 6  # of every run; and after it was resumed
SAMPLES, FIRST = 8, 5  # samples that are summed up; numbers of them that are kept
EXACT = "--precision float32 --compile off --log-every 1"
COMMON = f"--steps {STEPS} --save-every 4 {EXACT}"
RING, CLOTHES, SHRUNK = "--data ring", "--data fashion-mini", "--data fashion-mini --size 16"
FEW, SMALL = "--data npz:clothes.npz", "--data npz:clothes.npz --size 16"
DCGAN = "--latent 6 --width 2 --kernel 4 --batch-size 8"
WIDER = "--latent 6 --width 3 --kernel 4 --batch-size 8 --lr 5e-2"  # slower, all units may be dead after a few steps

# A running average forgets faster at first, so that only a small --ema counts in so few steps.
# Most are on few images, of 16 pixels a side, which no score fits: loading and scoring take longer than a few steps.
RUNS: dict[str, str] = {
    "ac-gan": f"ac-gan {SMALL} {DCGAN} --lr 1e-2 --class-weight 0.5 --class-weight-fake 0.5 --class-weight-g 2",
    "began": f"began {SMALL} --latent 4 --width 2 --batch-size 8 --k-rate 0.1 --gamma 0.7 --lr 1e-2"
    " --lr-halved-every 2 --lr-least 2e-3",
    "biggan": f"biggan {FEW} --latent 8 --width 2 --shared 4 --batch-size 6 --g-lr 1e-4 --d-lr 3e-4 --ema 0.25",
    "biggan-tables": f"biggan {FEW} --latent 4 --width 2 --shared 0 --no-hierarchical --orthogonal 0 --n-critic 1"
    " --batch-size 6 --g-lr 1e-4 --d-lr 3e-4 --ema 0",
    "biggan-deep": f"biggan-deep {FEW} --latent 1 --width 4 --shared 1 --batch-size 4 --g-lr 1e-4 --d-lr 3e-4"
    " --ema 0.99",
    "cgan-concat": f"cgan {SMALL} {DCGAN} --lr 1e-2 --critic concat",
    "cgan-projection": f"cgan {SHRUNK} {DCGAN} --lr 1e-2 --critic projection --decay-after 2 --ema 0.3 --seed 1",
    "ct-gan": f"ct-gan {RING} --latent 4 --width 8 --batch-size 16 --n-critic 2 --penalty-weight 5"
    " --consistency-weight 1 --margin 0.1",
    "custom-adain": f"custom {SMALL} {DCGAN} --objective wasserstein --conditioning projection --labels adain"
    " --penalty wgan-gp --penalty-weight 5 --n-critic 2 --lr-d 2e-2 --lr-g 1e-2 --no-strict",
    "custom-autoencoder": f"custom {SMALL} {DCGAN} --objective energy-based --network autoencoder"
    " --penalty pulling-away --lr-d 2e-2 --lr-g 1e-2",
    "custom-auxiliary": f"custom {SMALL} {DCGAN} --objective hinge --conditioning auxiliary --labels batch-norm"
    " --constraint spectral-norm --norm none --lr-d 2e-2 --lr-g 1e-2 --no-strict",
    "custom-classes": f"custom {SMALL} {DCGAN} --objective average-relativistic --conditioning concat --norm layer"
    " --optimizer rmsprop --lr-d 2e-2 --lr-g 1e-2",
    "custom-consistency": f"custom {SMALL} {DCGAN} --objective least-squares --penalty consistency --dropout 0.3"
    " --noise 0.1 --lr-d 2e-2 --lr-g 1e-2",
    "custom-dynamics": f"custom {RING} --latent 4 --width 8 --batch-size 16 --objective f-reverse-kl --constraint clip"
    " --c 0.2 --dynamics optimistic --optimizer sgd --beta1 0 --lr-d 4e-2 --lr-g 1e-2",
    "custom-matching": f"custom {SMALL} {DCGAN} --objective smoothed --penalty feature-matching --network infogan"
    " --constraint weight-norm --lr-d 2e-2 --lr-g 1e-2 --no-strict",
    "custom-projection": f"custom {SMALL} {DCGAN} --objective loss-sensitive --conditioning projection"
    " --labels batch-norm --penalty r1 --lr-d 2e-2 --lr-g 1e-2 --no-strict",
    "custom-unrolled": f"custom {RING} --latent 4 --width 8 --batch-size 16 --objective minimax --unroll 2"
    " --dynamics simultaneous --lr-d 2e-2 --lr-g 1e-2",
    "dcgan": f"dcgan {CLOTHES} {WIDER} --ema 0.99",
    "dcgan-eval": f"dcgan {FEW} {WIDER} --eval-every 2 --decay-after 3",
    "dcgan-metrics": f"dcgan {FEW} {WIDER} --metrics fid,pr --features shipped --eval-count 200",
    "dragan": f"dragan {SHRUNK} {DCGAN} --lr 1e-2 --penalty-weight 5 --slope 0.5",
    "ebgan": f"ebgan {SMALL} {DCGAN} --lr 1e-2 --margin 0.3 --code 6",
    "ebgan-pt": f"ebgan-pt {SMALL} {DCGAN} --lr 1e-2 --pt-weight 0.3 --code 6",
    "f-gan": f"f-gan {RING} --divergence alpha --alpha 0.5 --generator heuristic --method alternating --n-critic 2"
    " --latent 4 --width 8 --batch-size 16",
    "f-gan-single": f"f-gan {RING} --latent 4 --width 8 --batch-size 16 --watch 2",
    "gan": f"gan {RING} --k 2 --latent 4 --width 8 --batch-size 16",
    "gan-gp": f"gan-gp {SMALL} {DCGAN} --lr 1e-2 --around data --penalty-weight 5",
    "improved-gan": f"improved-gan {SMALL} {DCGAN} --lr 1e-2 --kernels 4 --dims 2 --reference 6 --averaging 0.1",
    "improved-gan-matching": f"improved-gan {SMALL} {DCGAN} --lr 1e-2 --generator feature-matching --kernels 0"
    " --smoothing 0.2",
    "info-gan": f"info-gan {SMALL} --noise 4 --categories 3 --continuous 2 --info-weight 0.5 --width 2"
    " --batch-size 8 --lr-g 4e-3 --lr-d 2e-3",
    "inpaint-gan": f"inpaint-gan {SHRUNK} {DCGAN} --lr 1e-2 --mask centre --l1-weight 0.5",
    "loss-sensitive": f"loss-sensitive {SMALL} {DCGAN} --lr 1e-2 --weight 0.5 --real-weight 0.1 --nu 0.2"
    " --weight-decay 0.01",
    "lsgan": f"lsgan {SMALL} {DCGAN} --lr 1e-2 --a -1 --b 1 --c 0 --accumulate 2",
    "noisy-gan": f"noisy-gan {SMALL} {DCGAN} --lr 1e-2 --noise 0.2 --noise-steps 6",
    "ns-gan": f"ns-gan {RING} --k 3 --latent 4 --width 8 --batch-size 16 --ema 0.2 --seed 2",
    "pac-gan": f"pac-gan {SMALL} {DCGAN} --lr 1e-2 --pack 4",
    "ra-hinge": f"ra-hinge {SMALL} {DCGAN} --lr 1e-2 --n-critic 2",
    "ra-lsgan": f"ra-lsgan {SMALL} {DCGAN} --lr 1e-2",
    "rasgan": f"rasgan {SMALL} {DCGAN} --lr 1e-2 --penalty-weight 10",
    "rsgan": f"rsgan {SMALL} {DCGAN} --lr 1e-2 --penalty-weight 5 --n-critic 2",
    "sagan": f"sagan {FEW} --latent 4 --g-width 8 --d-width 8 --batch-size 6 --g-lr 2e-4 --d-lr 3e-4",
    "semi-gan": f"semi-gan {SMALL} --latent 8 --g-width 4 --d-width 3 --kernel 4 --batch-size 8 --labelled 20 --lr 1e-2"
    " --labelled-seed 1 --unlabelled-weight 0.5 --dropout 0.2 --decay-after 2",
    "sngan": f"sngan {FEW} --latent 8 --g-width 4 --d-width 5 --batch-size 8 --n-critic 2 --norm-eps 1e-5",
    "sngan-points": f"sngan {RING} --latent 4 --g-width 8 --batch-size 16",
    "sngan-projection": f"sngan-projection {FEW} --latent 8 --g-width 4 --d-width 5 --batch-size 8 --n-critic 2"
    " --norm-eps 1e-5",
    "unrolled": f"unrolled {RING} --unroll 2 --latent 4 --width 8 --batch-size 16 --lr 2e-4 --g-lr 5e-4",
    "unrolled-images": f"unrolled {SMALL} {DCGAN} --unroll 1 --lr 1e-2 --g-lr 5e-3",
    "vae": f"vae {SMALL} --latent 4 --width 2 --batch-size 8 --lr 1e-3",
    "wgan": f"wgan {SMALL} {DCGAN} --lr 1e-2 --n-critic 2 --c 0.1",
    "wgan-div": f"wgan-div {RING} --k 3 --p 4 --latent 4 --width 8 --batch-size 16 --n-critic 2",
    "wgan-gp": f"wgan-gp {RING} --latent 2 --width 16 --batch-size 16 --n-critic 3 --penalty-weight 0.2 --watch 2",
}
# The old version's `resume` takes the running average of such a run for a change unless it is said again.
RESUME_WORDS: dict[str, str] = {"biggan": "--ema 0.25", "biggan-deep": "--ema 0.99"}
EXACT_ELSEWHERE, TRAINED_ELSEWHERE = Tolerance(1e-4, 1e-7), Tolerance(1e-3, 1e-4)
LOGS = ("metrics.jsonl", "scores.jsonl", "spectra.jsonl", "variety.jsonl")
LEFT_OUT = ("samples", "tensorboard", "report.html", ".lock")


def machine() -> dict[str, Any]:
    """What decides the last bits of a sum: the instructions in use, torch, and a few results themselves.

    Two processors with the same instructions may still add in another order, which the digest of some products,
    convolutions and functions tells.
    """

    def grid(*shape: int) -> Tensor:
        return ((torch.arange(math.prod(shape)) * 37 % 101 - 50).float() / 64).reshape(shape)

    image, kernel = grid(4, 3, 16, 16).requires_grad_(), grid(6, 3, 4, 4).requires_grad_()
    grown = F.conv_transpose2d(F.conv2d(image, kernel, stride=2, padding=1), grid(6, 3, 4, 4), stride=2, padding=1)
    results = [
        grid(64, 100) @ grid(100, 70),
        torch.addmm(grid(70), grid(16, 33), grid(33, 70)),
        grid(40, 40).double() @ grid(40, 40).double(),
        *torch.autograd.grad(torch.tanh(grown).square().mean(), [image, kernel]),
        grown.detach().std((0, 2, 3)),
        *(f(grid(999)) for f in (torch.tanh, torch.exp, torch.sigmoid, F.softplus)),
        grid(8, 300).softmax(1),
        grid(1000).square().sum(),
    ]
    digest = hashlib.sha256(b"".join(r.detach().numpy().tobytes() for r in results)).hexdigest()[:12]
    return {
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "avx512_bf16": bool(torch.cpu._is_avx512_bf16_supported()),
        "torch": torch.__version__,
        "arithmetic": digest,
    }


def zerosum(*words: object) -> str:
    """Run a command line in this process; returns what it printed.

    Raises:
        RuntimeError: it ended with another exit code than 0.
    """
    from zerosum.cli.main import main

    line = [str(word) for word in words]
    said, heard = io.StringIO(), io.StringIO()
    with mock.patch("sys.argv", ["zerosum", *line]), contextlib.redirect_stdout(said):
        try:
            with contextlib.redirect_stderr(heard):
                main(line)
            code: object = 0
        except SystemExit as ended:
            code = ended.code or 0
    if code:
        raise RuntimeError(f"zerosum {' '.join(line)} ended with {code}:\n{said.getvalue()}{heard.getvalue()}")
    return said.getvalue()


# ---------------------------------------------------------------------------------------------------- runs


def write_clothes(file: Path) -> None:
    """Labelled images, 26 of each class: of half of them, distances in 64 dimensions have full rank."""
    from zerosum.data import load

    data: Any = load("fashion-mini")
    chosen = np.sort(np.concatenate([np.flatnonzero(np.asarray(data.labels) == k)[:26] for k in range(10)]))
    names = np.array([name.lower() for name in data.classes])
    np.savez_compressed(file, images=np.asarray(data.pixels)[chosen], labels=names[np.asarray(data.labels)[chosen]])


def train(name: str, room: Path) -> Path:
    """Train run ``name`` below ``room``, where the file of clothes must be; returns its folder."""
    words = f"{RUNS[name]} {COMMON}"
    with contextlib.chdir(room):  # so that paths in its record are relative
        zerosum("train", *words.split(), *(() if "--watch" in words else ("--watch", -1)), "--out", f"runs/{name}")
    return room / "runs" / name


def trim(run: Path) -> None:
    """Leave out of a run what need not be kept."""
    for left_out in LEFT_OUT:
        path = run / left_out
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def copied(run: Path, to: Path) -> Path:
    """A copy of a kept run to work on, with the empty folder of samples that a repository does not keep."""
    copy = Path(shutil.copytree(run, to / run.name))
    (copy / "samples").mkdir(exist_ok=True)
    return copy


def resume(run: Path) -> None:
    """Go on with a run to the last step."""
    words = RESUME_WORDS.get(run.name, "").split()
    with contextlib.chdir(HERE):  # where some have their images
        zerosum("resume", run, "--steps", RESUMED_STEPS, *words)


def summed_up(samples: Tensor) -> dict[str, Any]:
    """Shape, mean, standard deviation and first numbers of samples, and as many numbers from all over them."""
    exact = samples.double()
    flat = exact.flatten()
    places = [(2 * k + 1) * len(flat) // (2 * FIRST) for k in range(FIRST)]
    return {
        "shape": list(samples.shape),
        "mean": float(exact.mean()),
        "std": float(exact.std()),
        "first": flat[:FIRST].tolist(),
        "others": flat[places].tolist(),
    }


def sampled(run: Path, *, best: bool = False) -> dict[str, Any]:
    """What the generator of a run makes."""
    import zerosum as library

    return summed_up(library.load(run, best=best).generator(0, SAMPLES))


def rows(file: Path, first: int = 0) -> list[dict[str, Any]]:
    """Rows of a log from step ``first`` on, without times and versions."""
    found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [_plain(row) for row in found if row["step"] >= first]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in row.items() if k not in ("seconds", "images_per_second")}
    return kept | {"score": _score(row["score"])} if "score" in row else kept


def logged(run: Path, first: int = 0) -> dict[str, Any]:
    """What a run logged from step ``first`` on: losses and all else, by file."""
    return {name: found for name in LOGS if (found := rows(run / name, first))}


def before(run: Path) -> dict[str, Any]:
    """Samples of a run as it was left, and of its best checkpoint where that may be another."""
    found = {"newest": sampled(run)}
    if len(list(run.glob("state/step-*"))) > 1:
        found["best"] = sampled(run, best=True)
    return found


def after(run: Path) -> dict[str, Any]:
    """What is held of a run once it was resumed: samples, and what it logged since."""
    return {"samples": sampled(run), "logs": logged(run, STEPS + 1)}


def make_runs() -> None:
    """Write ``runs/``."""
    shutil.rmtree(RUNS_FOLDER, ignore_errors=True)
    RUNS_FOLDER.mkdir()
    write_clothes(CLOTHES_FILE)
    expected: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as room, tempfile.TemporaryDirectory() as copies:
        shutil.copy(CLOTHES_FILE, room)
        for name in RUNS:
            run = train(name, Path(room))
            trim(run)
            shutil.copytree(run, RUNS_FOLDER / name)
            copy = copied(run, Path(copies))
            expected[name] = {"before": before(copy)}
            resume(copy)
            expected[name]["after"] = after(copy)
            size = sum(file.stat().st_size for file in run.rglob("*") if file.is_file())
            print(f"{name:<24} {size / 1024:6.1f} KiB", flush=True)
    EXPECTED_FILE.write_text(json.dumps({"machine": machine(), "runs": expected}, indent=1) + "\n")


def trained(name: str, room: Path) -> dict[str, Any]:
    """What is held of run ``name`` when it is trained below ``room``: what it logged, and samples."""
    run = train(name, room)
    return {"logs": logged(run), "samples": before(run)}


# ------------------------------------------------------------------------------------------------- figures


class Experiment(NamedTuple):
    """An experiment of the lab: its options besides ``--quick``, and how near other machines come.

    Attributes:
        options: that make it short.
        elsewhere: a tolerance, or why no other machine comes near.
    """

    options: str = ""
    elsewhere: Tolerance | str = EXACT_ELSEWHERE


EXPERIMENTS: dict[str, Experiment] = {
    "bilinear": Experiment("--steps 150"),
    "critic-gradients": Experiment("--steps 150", TRAINED_ELSEWHERE),
    "dirac-gan": Experiment("--steps 80"),
    "disjoint-supports": Experiment("--steps 30", TRAINED_ELSEWHERE),
    "divergences": Experiment(),
    "gradient-norms": Experiment("--steps 20", "twelve layers magnify the last bits, by a fifth after twenty steps"),
    "historical-averaging": Experiment("--steps 300"),
    "instance-noise": Experiment("--steps 80", TRAINED_ELSEWHERE),
    "label-smoothing": Experiment("--steps 150", TRAINED_ELSEWHERE),
    "likelihood": Experiment(),
    "lipschitz": Experiment("--steps 50", Tolerance(2e-2, 2e-2)),
    "loss-meaning": Experiment("--steps 10 --critic-steps 30 --exact 20", TRAINED_ELSEWHERE),
    "nash": Experiment("--steps 80 --alone 40", TRAINED_ELSEWHERE),
    "optimal-discriminator": Experiment("--steps 150", TRAINED_ELSEWHERE),
    "transport": Experiment(),
}


def experiment(name: str, room: Path) -> dict[str, Any]:
    """The numbers of an experiment of the lab."""
    zerosum("lab", name, *EXPERIMENTS[name].options.split(), "--quick", "--seed", 0, "--out", room)
    (file,) = room.glob(f"{name}*.json")
    found: dict[str, Any] = _without_sentences(json.loads(file.read_text())["numbers"])
    return found


def _without_sentences(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_sentences(v) for k, v in value.items() if k != "says"}
    return [_without_sentences(v) for v in value] if isinstance(value, list) else value


MEASURES = "fid,fid-infinity,is,kid,pr,dc,prd,swd,ms-ssim,tests"


def write_pictures(room: Path) -> tuple[Path, Path]:
    """Two sets of clothes: a folder of PNG files, and other clothes under a pattern of noise in an NPZ file.

    The real side is the NPZ file, which is read at its own size; a folder there would be read at another size.
    """
    from PIL import Image

    with np.load(CLOTHES_FILE) as arrays:
        clean, noisy = arrays["images"][::2], arrays["images"][1::2].astype(np.int64)
    noisy = np.clip(noisy + (np.arange(noisy.size) * 7919 % 61 - 30).reshape(noisy.shape), 0, 255)
    folder, file = room / "pictures", room / "noisy.npz"
    folder.mkdir()
    for number, image in enumerate(clean):
        Image.fromarray(image[..., 0]).save(folder / f"{number:04d}.png")
    np.savez(file, images=noisy.astype(np.uint8))
    return folder, file


def measures(room: Path) -> list[dict[str, Any]]:
    """Scores of fixed images against others."""
    folder, file = write_pictures(room)
    out = room / "scores.jsonl"
    options = ("--metrics", MEASURES, "--features", "shipped", "--out", out)
    zerosum("eval", folder, "--against", f"npz:{file}", *options)
    return [_score(json.loads(line)) for line in out.read_text().splitlines()]


def _score(score: Mapping[str, Any]) -> dict[str, Any]:
    return {key: score[key] for key in ("name", "value", "details")}


# Of the demo, the first steps; its rate decays from a third of them on, as there.
DEMO = (
    "cgan --critic projection --data fashion-mini --width 16 --latent 32 --batch-size 32 --lr 4e-3 --beta1 0"
    " --beta2 0.9 --steps 200 --decay-after 60 --ema 0.998 --seed 0 --log-every 20"
)
POINTS = (
    "wgan-gp --data ring --width 64 --batch-size 32 --n-critic 2 --lr 2e-3 --penalty-weight 1 --steps 200 --seed 0"
    " --log-every 20"
)
TRAININGS = {"demo": DEMO, "points": POINTS}


def training(name: str, room: Path) -> dict[str, Any]:
    """Losses along a longer run, and its scores at the end."""
    run = room / name
    zerosum("train", *TRAININGS[name].split(), *EXACT.split()[:4], "--out", run)
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    scores = [json.loads(line)["score"] for line in (run / "scores.jsonl").read_text().splitlines()]
    return {
        "losses": {str(row["step"]): row["losses"] for row in logged},
        "scores": [_score(score) for score in scores],
        "samples": sampled(run),
    }


def make_figures() -> None:
    """Write ``figures.json``."""
    with tempfile.TemporaryDirectory() as room:
        place = Path(room)
        found = {
            "machine": machine(),
            "lab": {name: experiment(name, place) for name in EXPERIMENTS},
            "measures": measures(place),
            "trainings": {name: training(name, place) for name in TRAININGS},
        }
    FIGURES_FILE.write_text(json.dumps(found, indent=1) + "\n")


# ------------------------------------------------------------------------------------------------- changed


def changed_file(name: str) -> Path:
    """Where it is recorded what a run, an experiment or a training has changed to."""
    return CHANGED_FOLDER / f"{name}.json"


def changed(name: str) -> dict[str, Any]:
    """What is recorded there: ``found``, and the ``machine`` that found it."""
    record: dict[str, Any] = json.loads(changed_file(name).read_text())
    return record


def find(name: str, room: Path) -> dict[str, Any]:
    """What a run, an experiment or a training comes to now."""
    shutil.copy(CLOTHES_FILE, room)
    if name == "measures":
        return {"scores": measures(room)}
    kinds = ((RUNS, trained), (EXPERIMENTS, experiment), (TRAININGS, training))
    (found,) = (make(name, room) for names, make in kinds if name in names)
    return found


def record_changed(names: list[str]) -> None:
    """Write into ``recorded_since/`` what these come to now.

    Raises:
        SystemExit: One is not in the list of those that are meant to change.
    """
    if unknown := sorted(set(names) - CHANGED.keys()):
        raise SystemExit(f"{', '.join(unknown)}: say first in tests/golden/changed.py why it changes")
    CHANGED_FOLDER.mkdir(exist_ok=True)
    for name in names or CHANGED:
        with tempfile.TemporaryDirectory() as room:
            found = {"machine": machine(), "found": find(name, Path(room))}
        changed_file(name).write_text(json.dumps(found, indent=1) + "\n")
        print(name, flush=True)


def main(words: list[str]) -> None:
    """Make what is named, or everything; after ``changed``, what those named have changed to."""
    import zerosum as library

    torch.set_num_threads(1)
    print(f"zerosum {library.__version__} from {library.__file__}")
    tasks: dict[str, Callable[[], None]] = {"runs": make_runs, "figures": make_figures}
    with tempfile.TemporaryDirectory() as cache, mock.patch.dict(os.environ, ZEROSUM_CACHE=cache):
        if words[:1] == ["changed"]:
            record_changed(words[1:])
            return
        for task in words or tasks:
            tasks[task]()


if __name__ == "__main__":
    main(sys.argv[1:])
