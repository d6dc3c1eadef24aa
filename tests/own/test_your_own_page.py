"""``docs/your_own.md``: its examples run, one after another; its game of three players is killed, and goes on."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import zerosum
from zerosum.cli.main import run as run_verb
from zerosum.folder import RunFolder

PAGE = Path(__file__).parents[2] / "docs" / "your_own.md"
BLOCKS = re.findall(r"```(python|sh)\n(.*?)```", PAGE.read_text("utf-8"), re.S)
FILES = {match[1]: text for _, text in BLOCKS if (match := re.match(r"# (\w+\.py)\n", text))}


@pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick
def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    assert len(BLOCKS) == 9
    for kind, text in BLOCKS:
        first = re.match(r"# (\w+\.py)\n", text)
        if first:
            Path(first[1]).write_text(text)
        elif kind == "python":
            exec(text, names)
        else:
            for line in text.splitlines():
                assert run_verb(line.split()[1:]) == 0, line
    assert names["run"].sample(3).shape == (3, 2)  # type: ignore[attr-defined]
    assert zerosum.load("runs/mine-ring-1").step == 30


def test_three_players_and_a_penalty_from_outside_go_on_bit_for_bit_after_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "two_critics.py"
    file.write_text(FILES["two_critics.py"])
    words = {"width": 8, "latent": 4, "batch_size": 16, "steps": 30, "precision": "float32", "save_every": 1, "keep": 0}
    words |= {"sample_every": 99, "watch": -1, "log_every": 1}
    whole = zerosum.train(file, data="ring", out=str(tmp_path / "whole"), progress=False, **words)
    options = [word for key, value in words.items() for word in (f"--{key.replace('_', '-')}={value}",)]
    command = [sys.executable, "-m", "zerosum", "train", str(file), "ring", *options, "--out", str(tmp_path / "killed")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not any((tmp_path / "killed").glob("state/step-*")):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    stopped = int(RunFolder(tmp_path / "killed").latest().name.removeprefix("step-"))
    assert stopped < 30, "or the test could not fail"
    again = zerosum.resume(tmp_path / "killed", progress=False)
    one, two = (load_file(run.folder.latest() / "tensors.safetensors") for run in (whole, again))
    assert one.keys() == two.keys()
    assert {"memory/real_mean", "weights/D1/0.weight", "weights/D2/0.weight", "opt/D1/t"} <= one.keys()
    assert all(torch.equal(two[name], tensor) for name, tensor in one.items())
    assert whole.losses == again.losses
    assert whole.scores == again.scores
    assert whole.losses["first/lecam"][-1] > 0
    assert again.sample(5).equal(whole.sample(5))


def test_the_penalty_is_as_published() -> None:
    names: dict[str, object] = {}
    exec(FILES["two_critics.py"], names)
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 2.0])
    anchors = {"real_mean": torch.tensor(2.0), "fake_mean": torch.tensor(1.0)}
    # E (D(x) - fake mean)^2 = (0 + 4) / 2; E (D(G) - real mean)^2 = (4 + 0) / 2
    assert names["lecam"](real, fake, anchors).item() == 4.0  # type: ignore[operator]


def test_the_module_of_lightning_takes_a_step() -> None:
    """With what Lightning gives a module: its optimizers, and a backward pass by its name."""
    text = next(text for _, text in BLOCKS if "manual_backward" in text)
    loop = next(text for _, text in BLOCKS if "d_opt, g_opt = (torch" in text)
    names: dict[str, object] = {"zs": zerosum}
    exec(loop, names)
    exec(text, names)
    module = names["Gan"]()  # type: ignore[operator]
    optimizers = module.configure_optimizers()
    module.optimizers = lambda: optimizers
    module.manual_backward = lambda loss: loss.backward()
    before = [weight.clone() for net in (module.G, module.D) for weight in net.parameters()]
    module.training_step(zerosum.data.load("fashion-mini").batch(0, 8, seed=0), 0)
    after = [weight for net in (module.G, module.D) for weight in net.parameters()]
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
