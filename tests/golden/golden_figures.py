"""Figures of the whole library: experiments of the lab, scores of fixed images, and longer trainings."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from compare import Tolerance
from golden_runs import sampled, score_of
from golden_verb import CLOTHES_FILE, EXACT, FIGURES_FILE, machine, zerosum

EXACT_ELSEWHERE, TRAINED_ELSEWHERE = Tolerance(1e-4, 1e-7), Tolerance(1e-3, 1e-4)


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
    return [score_of(json.loads(line)) for line in out.read_text().splitlines()]


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
        "scores": [score_of(score) for score in scores],
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
