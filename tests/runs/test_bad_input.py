"""Mistakes: one clear line, a non-zero exit, and nothing lost."""

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import zerosum
from zerosum.cli.main import run
from zerosum.core import checkpoint
from zerosum.errors import CheckpointError, NonFiniteLoss, UsageError
from zerosum.folder import RunFolder

TINY = ["--width", "4", "--kernel", "4", "--batch-size", "8", "--steps", "2"]
ENERGIES = ["--network", "autoencoder", "--objective", "energy-based"]


def nan_images(folder: Path) -> str:
    images = np.zeros((20, 16, 16), np.float32)
    images[7, 3, 3] = np.nan
    np.savez(folder / "nan.npz", images=images)
    return f"npz:{folder / 'nan.npz'}"


def few_images(folder: Path) -> str:
    np.savez(folder / "few.npz", images=np.zeros((5, 16, 16), np.uint8))
    return f"npz:{folder / 'few.npz'}"


def empty_folder(folder: Path) -> str:
    (folder / "empty").mkdir()
    return f"folder:{folder / 'empty'}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "dcgn"], "Did you mean 'dcgan'"),
        (["train", "dcgan", *TINY, "--data", "fashion-mnst"], "Did you mean 'fashion-mnist'"),
        (["train", "dcgan", *TINY, "--batch-size", "0"], "recipe 'dcgan': --batch-size 0: must be at least 1"),
        (["train", "wgan-gp", "--batch-size", "0"], "--batch-size 0: must be at least 1"),
        (["train", "dcgan", *TINY, "--steps", "0"], "recipe 'dcgan': --steps 0: must be at least 1"),
        (["train", "sngan", "--steps", "0"], "--steps 0: must be at least 1"),
        (["train", "custom", "--steps", "0"], "--steps 0: must be at least 1"),
        (["train", "sngan", "--n-critic", "0"], "--n-critic 0: must be at least 1"),
        (["train", "wgan-gp", "--n-critic", "0"], "--n-critic 0: must be at least 1"),
        (["train", "custom", "--n-critic", "0"], "--n-critic 0: must be at least 1"),
        (
            ["train", "cgan", "--decay-after", "5", "--steps", "2"],
            "--decay-after 5: must be at least 0 and below steps=2",
        ),
        (["train", "semi-gan", "--decay-after", "-1"], "--decay-after -1: must be at least 0"),
        (["train", "info-gan", "--g-lr", "-1"], "--g-lr -1.0: must be above 0, as a learning rate"),
        (["train", "custom", "--beta2", "1"], "--beta2 1.0: must be at least 0 and below 1"),
        (
            ["train", "noisy-gan", "--noise-steps", "0"],
            "--noise-steps 0: must be at least 1; without noise it is ns-gan",
        ),
        (["train", "noisy-gan", "--noise", "-1"], "--noise -1.0: must be at least 0"),
        (["train", "dcgan", *TINY, "--width", "0"], "width"),
        (["train", "dcgan", *TINY, "--size", "48"], "48"),
        (["train", "dcgan", *TINY, "--lr", "0"], "--lr 0.0: must be above 0, as a learning rate"),
        (["train", "dcgan", *TINY, "--ema", "1"], "--ema"),
        (["train", "dcgan", *TINY, "--accumulate", "3"], "cannot share it equally"),
        (["train", "dcgan", *TINY, "--device", "cuda"], "no CUDA device"),
        (["train", "dcgan", *TINY, "--widht", "8"], "--width"),
        (["train", "cgan", "--data", "ring"], "needs labelled images"),
        (["train", "ac-gan", "--data", "ring"], "info-gan, which looks for classes itself"),
        (["train", "semi-gan", "--labelled", "99990"], "99"),
        (["train", "custom", "--objective", "energy-based"], "use network='autoencoder'"),
        (
            ["train", "custom", "--network", "autoencoder", "--objective", "energy-based", "--penalty", "r1"],
            "pulling-away",
        ),
        (["train", "custom", "--conditioning", "projection", "--data", "ring"], "conditioning='none'"),
        (["train", "unrolled", "--unroll", "-1"], "fewer than 0 times"),
        (["train", "pac-gan", "--pack", "3", "--batch-size", "8"], "such as 6"),
        (["train", "f-gan", "--divergence", "alpha", "--alpha", "1"], "the limit at 1 is 'kl'"),
        (["resume", "nowhere"], "is not a run"),
        (["sample", "nowhere"], "is not a run"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_clear_message(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available() and "cuda" in words:
        pytest.skip("this machine has what the test misses")
    monkeypatch.chdir(tmp_path)
    assert run(words) in (1, 2)
    shown = capsys.readouterr()
    assert said in shown.err + shown.out
    assert "Traceback" not in shown.err
    assert not list(tmp_path.iterdir()), "nothing was made"


@pytest.mark.parametrize(
    ("make", "said"), [(nan_images, "7"), (few_images, "fewer than one batch of 8"), (empty_folder, "no image")]
)
def test_bad_data_are_refused_before_a_folder_is_made(
    make: Callable[[Path], str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = make(tmp_path)
    out = tmp_path / "run"
    assert run(["train", "dcgan", *TINY, "--size", "16", "--data", source, "--out", str(out)]) == 1
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_that_exists_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    assert run(["train", "dcgan", *TINY, "--out", str(tmp_path)]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


@pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick
def test_a_full_disk_keeps_what_was_saved(
    tmp_path: Path, small: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = checkpoint.save_file
    calls = []

    def full(*args: object) -> None:
        calls.append(args)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        saved(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "save_file", full)
    out = tmp_path / "run"
    with pytest.raises(CheckpointError, match="no space is left"):
        small(out)
    assert [p.name for p in (out / "state").iterdir()] == ["step-000000002"]
    monkeypatch.undo()
    assert zerosum.resume(out).outcome.step == 6


def test_a_diverging_run_stops_with_the_terms_name_and_can_be_looked_at(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(NonFiniteLoss, match=r"iteration \d+: the term 'w' of player '[DG]'"):
        zerosum.train("wgan-gp", out=str(out), data="ring", lr=1e30, width=8, steps=50)
    assert (out / "report.html").exists()


def test_import_is_lazy_and_help_needs_no_torch() -> None:
    look = "import sys, zerosum; zerosum.__version__; print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout == (
        "False False\n"
    )


def test_a_choice_that_does_not_exist_is_refused_from_python_too(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="critic must be one of concat, projection, not 'both'"):
        zerosum.train("cgan", out=str(tmp_path / "run"), critic="both")
    assert not (tmp_path / "run").exists()
