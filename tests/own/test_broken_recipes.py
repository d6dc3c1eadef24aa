"""Recipes of one's own whose networks or losses are wrong: one line that says what, before anything is left behind."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zerosum as zs
from zerosum.data import Data
from zerosum.pages import Origin, Page
from zerosum.runs.blame import blaming, compiling

FEW = {"data": "ring", "watch": -1, "precision": "float32", "progress": False}


def generator(out: int = 2) -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, out))


def critic() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))


def d_hinge(n: Any, b: Any, m: Any) -> Any:
    return {"adv": zs.objectives.hinge.d(n.D(b.x), n.D(n.G(b.z)))}


def recipe_of(
    G: Callable[[], nn.Module] = generator, D: Callable[[], nn.Module] = critic, d: Any = d_hinge, **words: Any
) -> Callable[..., zs.Recipe]:
    def own(data: Data, *, steps: int = 3) -> zs.Recipe:
        """Mine. Departures: all."""

        def g_hinge(n: Any, b: Any, m: Any) -> Any:
            return {"adv": zs.objectives.hinge.g(None, n.D(n.G(b.z)))}

        return zs.two_player(
            G(), D(), d, g_hinge, opt=zs.adam(1e-3), latent=zs.normal(8), steps=steps, batch_size=16, **words
        )

    return own


def refusal(recipe: Callable[..., zs.Recipe], out: Path, **words: Any) -> str:
    with pytest.raises(zs.UsageError) as caught:
        zs.train(recipe, **{**FEW, **words}, out=str(out))
    assert not out.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Listing(nn.Module):
    """Returns a list, as networks of several scales do."""

    def __init__(self) -> None:
        super().__init__()
        self.net = generator()

    def forward(self, z: Tensor) -> list[Tensor]:
        return [self.net(z)]


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (
            lambda n, b, m: n.D(b.x).mean(),
            "the loss of player 'D' must be scalar tensors by name, .* not tensor \\(\\)",
        ),
        (lambda n, b, m: {"adv": n.D(b.x)}, r"not \{'adv': 'tensor \(16,\)'\}"),
        (lambda n, b, m: {"adv": 1.0}, r"not \{'adv': 'float'\}"),
        (lambda n, b, m: {}, r"not \{\}"),
        (lambda n, b, m: None, "not NoneType"),
        (lambda n, b, m: {"adv": b.x.mean()}, "the loss of the player that moves D does not depend on that"),
        (lambda n, b, m: {"adv": n.Q(b.x).mean()}, r"test_broken_recipes.py, line \d+: .* no network 'Q'; it has G, D"),
        (
            lambda n, b, m: {"adv": 1 / 0},
            r"after 0 iterations: test_broken_recipes.py, line \d+: ZeroDivisionError: div",
        ),
    ],
)
def test_losses_that_cannot_be_descended(loss: Any, said: str, tmp_path: Path) -> None:
    refused = refusal(recipe_of(d=loss), tmp_path / "run")
    assert refused.startswith("recipe 'own' in training, after 0 iterations: ")
    assert re.search(said, refused), refused


@pytest.mark.parametrize(
    ("G", "D", "said"),
    [
        (generator, nn.Flatten, "network 'D' has no weights that can be trained, but a player owns it"),
        (generator, lambda: critic().requires_grad_(False), "network 'D' has no weights that can be trained"),
        (lambda: generator().double(), critic, "network 'G' has weights in float64 (0.weight): leave them in float32"),
        (generator, lambda: critic().half(), "network 'D' has weights in float16 (0.weight)"),
        (generator, lambda: nn.LazyLinear(1), "network 'D' does not know the shape of weight yet"),
        (Listing, critic, "the generator returned list; it must return one tensor of samples"),
        (lambda: generator(3), critic, "its generator 'G' have shape (2, 3); two of ring have (2, 2)"),
        (lambda: nn.Linear(9, 2), critic, "in its generator 'G': RuntimeError: mat1 and mat2 shapes cannot be"),
    ],
)
def test_networks_that_cannot_be_trained(G: Any, D: Any, said: str, tmp_path: Path) -> None:
    assert said in refusal(recipe_of(G, D), tmp_path / "run")


def test_the_same_recipe_is_trained_where_nothing_is_wrong(tmp_path: Path) -> None:
    run = zs.train(recipe_of(), **FEW, out=str(tmp_path / "run"))
    assert run.outcome.step == 3
    with pytest.raises(zs.UsageError, match=r"stop=3: must be a zerosum.runs.loop.Stop"):
        zs.train(recipe_of(), **FEW, stop=3, out=str(tmp_path / "stopped"))


def test_a_loss_that_fails_later_loses_nothing(tmp_path: Path) -> None:
    seen: list[int] = []

    def d(n: Any, b: Any, m: Any) -> Any:
        seen.append(1)
        return d_hinge(n, b, m) if len(seen) < 3 else {"adv": n.D(b.x)}

    with pytest.raises(zs.UsageError, match="in training, after 2 iterations: the loss of player 'D'") as caught:
        zs.train(recipe_of(d=d), **FEW, out=str(tmp_path / "run"))
    assert isinstance(caught.value.__cause__, ValueError)
    assert (tmp_path / "run" / "run.json").exists()


def test_what_lies_beside_a_recipe_is_imported_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("y = 1\n")
    (tmp_path / "mine.py").write_text("from .beside import y\n")
    with pytest.raises(zs.UsageError, match=r"mine.py, line 1: ImportError: .*; write `from x import y` for what lies"):
        zs.train(tmp_path / "mine.py", **FEW)


PAGE = Page("own", recipe_of(), "Mine.", origin=lambda: Origin("session", "", "own"))


def told(act: Callable[[], object], page: Page = PAGE) -> str:
    with pytest.raises(zs.UsageError) as caught, blaming(page, "here"):
        act()
    return str(caught.value)


def test_what_the_compiler_refuses_is_told_with_the_line_of_one_s_own() -> None:
    def speaks(x: Tensor) -> Tensor:
        print(x)
        return x

    said = told(lambda: torch.compile(speaks, backend="eager", fullgraph=True)(torch.ones(2)))
    assert re.fullmatch(
        r"recipe 'own' here: test_broken_recipes.py, line \d+: Unsupported: .*; it cannot be compiled, but with "
        r"compile=off it may run",
        said,
    )
    line = int(re.findall(r"line (\d+)", said)[0])
    assert Path(__file__).read_text().splitlines()[line - 1].strip() == "print(x)"


KILLED = "g++: fatal error: Killed signal terminated program cc1plus"
WHAT_TO_DO = r"\): see that g\+\+ works, [^\n]* or train with (compile=|--compile )off"


def test_a_compiler_that_fails_is_told_in_one_line() -> None:
    from torch._inductor.exc import CppCompileError, InductorError, InvalidCxxCompiler  # takes seconds

    said = f"In file x.cpp:\n{KILLED}\ncompilation terminated.\n"
    for inner, fault in (
        (CppCompileError(["g++", "x.cpp"], said), re.escape(KILLED)),
        (InvalidCxxCompiler("g++"), r"InvalidCxxCompiler: Compiler: g\+\+ is not found\."),
        (OSError(28, "No space left on device"), r"OSError: \[Errno 28\] No space left on device"),
    ):
        error = InductorError(inner, None)
        for page in (PAGE, replace(PAGE, origin=None)):  # a recipe of one's own has no part in it
            with pytest.raises(zs.ZerosumError) as caught, blaming(page, "here"), compiling("on"):
                raise error
            assert re.fullmatch(rf"compile=on: torch.compile could not [^\n]* \({fault}{WHAT_TO_DO}", str(caught.value))
            assert (caught.value.argument, caught.value.__cause__) == ("compile", error)


def test_other_errors_of_a_compiled_update_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="sizes differ"), compiling("on"):
        raise RuntimeError("sizes differ")


@pytest.mark.slow
def test_a_training_without_a_working_compiler_ends_in_one_line(tmp_path: Path) -> None:
    compiler = tmp_path / "killed"
    compiler.write_text(f'#!/bin/sh\ncase "$*" in *--version*) exec g++ "$@";; esac\necho "{KILLED}" >&2\nexit 1\n')
    compiler.chmod(0o755)
    words = ["-m", "zerosum", "train", "gan", "--data", "ring", "--steps", "1", "--compile", "on", "--out", "run"]
    environment = os.environ | {"CXX": str(compiler), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    ended = subprocess.run([sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert re.fullmatch(rf"zerosum: --compile on: torch.compile [^\n]* \({re.escape(KILLED)}{WHAT_TO_DO}", last), last
    assert "Traceback" not in ended.stderr


def test_a_place_is_named_as_people_know_it() -> None:
    scope: dict[str, Any] = {}
    exec(compile("def fail(): raise KeyError('x')", "/tmp/ipykernel_7/123.py", "exec"), scope)
    assert told(scope["fail"]) == "recipe 'own' here: this cell, line 1: KeyError: 'x'"
    assert told(lambda: json.loads("{")).startswith("recipe 'own' here: test_broken_recipes.py, line ")


def test_errors_of_zerosum_s_recipes_and_of_the_machine_are_left_alone() -> None:
    for error in (zs.DataError("damaged"), MemoryError(), torch.OutOfMemoryError("full")):
        with pytest.raises(type(error)), blaming(PAGE, "here"):
            raise error
    with pytest.raises(KeyError), blaming(replace(PAGE, origin=None), "here"):
        raise KeyError("a bug")


class Late(Data):
    """Right for two samples, wrong for more."""

    def __init__(self, wrong: Callable[[Tensor], Any]) -> None:
        super().__init__(name="late", shape=(2,), classes=(), count=None, fingerprint="late-1", notes=())
        self.wrong = wrong

    def batch(self, k: int, size: int, *, seed: int, rank: int = 0, world: int = 1, device: Any = "cpu") -> Any:
        x = torch.zeros(size, 2)
        return (x if size == 2 else self.wrong(x)), None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda x: x[:-1], r"x of batch\(0, 16\) has shape \(15, 2\); \(16, 2\) is expected"),
        (lambda x: x.double(), "x of batch.. is torch.float64; torch.float32 is expected"),
        (lambda x: x / 0, "x of batch.. holds NaN or infinity"),
        (lambda x: x[99], r"batch\(0, 16, seed=4, rank=0, world=1, device='cpu'\) raised IndexError"),
    ],
)
def test_data_that_are_wrong_at_the_size_of_training(wrong: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(zs.DataError, match=f"late .Late.: {said}"):
        zs.train(recipe_of(), **{**FEW, "data": Late(wrong)}, seed=4, out=str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_weights_that_need_no_gradient_stay(tmp_path: Path) -> None:
    body = nn.Linear(8, 16)

    def backbone() -> nn.Module:
        return nn.Sequential(body.requires_grad_(False), nn.ReLU(), nn.Linear(16, 2))

    run = zs.train(recipe_of(backbone), **FEW, ema=0.9, out=str(tmp_path / "run"))
    trained = run.generator.module.state_dict()
    assert torch.equal(trained["0.weight"], body.weight)
    torch.manual_seed(zs.core.random.seed_for(0, "init"))
    assert not torch.equal(trained["2.weight"], backbone()[2].weight)
    later = zs.resume(run, steps=5, progress=False)
    assert torch.equal(later.generator.module.state_dict()["0.bias"], body.bias)
