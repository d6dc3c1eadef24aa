"""A small run of every kind: the words of each, and what is held of it when it is trained, resumed and sampled from.

An option that gets another name is changed in the words below, which tests give to the version that is tested, and not
in ``runs/``, whose records keep the names that they were made with. (What an earlier version had fixed is said there.)
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from golden_verb import CLOTHES_FILE, EXACT, EXPECTED_FILE, HERE, RUNS_FOLDER, machine, zerosum
from torch import Tensor

STEPS, RESUMED_STEPS = 4, 6  # of every run; and after it was resumed
SAMPLES, FIRST = 8, 5  # samples that are summed up; numbers of them that are kept
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
LOGS = ("metrics.jsonl", "scores.jsonl", "spectra.jsonl", "variety.jsonl")
LEFT_OUT = ("samples", "tensorboard", "report.html", ".lock")


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
    return kept | {"score": score_of(row["score"])} if "score" in row else kept


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


def score_of(score: Mapping[str, Any]) -> dict[str, Any]:
    """What is held of a score."""
    return {key: score[key] for key in ("name", "value", "details")}
