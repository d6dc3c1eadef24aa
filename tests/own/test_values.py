"""Values of arguments and settings from Python: in the types that are stated, or refused with what they must be."""

import copy
import dataclasses
import enum
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import torch

import zerosum as zs
from zerosum.errors import UsageError
from zerosum.runs.settings import setting
from zerosum.values import as_stated

FEW: dict[str, Any] = {"sample_every": 9, "watch": -1, "precision": "float32", "progress": False}


class Mode(enum.StrEnum):
    FAST = "fast"


@zs.recipe
def careful(
    data: zs.data.Data, *, betas: tuple[float, float] = (0.0, 0.9), mode: Mode = Mode.FAST, steps: int = 2
) -> Any:
    """A recipe that needs what its annotations state."""
    from zerosum.recipes.gan import recipe as gan

    assert isinstance(betas, tuple)
    assert mode is Mode.FAST
    return gan(data, width=4, latent=2, batch_size=4, steps=steps)


@pytest.mark.parametrize(
    ("value", "annotation", "meant"),
    [
        (np.float32(0.5), float, 0.5),
        (np.int64(3), int, 3),
        (np.bool_(True), bool, True),
        (torch.tensor(3), int, 3),
        (np.array(2.0), int, 2),
        (2.0, int, 2),
        (1, float, 1.0),
        (1, int | float, 1),
        (Path("a/b"), str | None, "a/b"),
        (None, int | None, None),
        ([0, 0.9], tuple[float, float], (0.0, 0.9)),
        ([1, 2, 3], tuple[int, ...], (1, 2, 3)),
        ((1, 2), list[int], [1, 2]),
        ((1, 2), Sequence[int], (1, 2)),
        (np.str_("a"), Literal["a", "b"], "a"),
        (3, Annotated[int, "of something"], 3),
        ("fast", Mode, Mode.FAST),
        ({"any": 1}, dict[str, int], {"any": 1}),
    ],
)
def test_what_can_mean_one_thing_is_that(value: Any, annotation: Any, meant: Any) -> None:
    found = as_stated(value, annotation)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    ("value", "annotation", "said"),
    [
        (True, int, "must be a whole number, not True"),
        (1, bool, "must be True or False, not 1"),
        ("1e-3", float, "must be a number, not '1e-3'"),
        (4.5, int, "must be a whole number, not 4.5"),
        (None, int, "must be a whole number, not None"),
        ("1", float | None, "must be a number or None, not '1'"),
        ((0.0,), tuple[float, float], "must be a tuple of 2"),
        (True, Literal["auto", "on"], "must be one of auto, on, not True"),
        (1, Literal[True], "must be one of True, not 1"),
        ("slow", Mode, "must be one of fast, not 'slow'"),
    ],
)
def test_anything_else_is_refused(value: Any, annotation: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        as_stated(value, annotation)


def test_tuples_and_members_are_the_same_when_a_run_goes_on(tmp_path: Path) -> None:
    run = zs.train(careful, data="ring", out=tmp_path / "run", betas=(0.5, 0.9), steps=np.int64(2), **FEW)
    assert run.record["settings"]["out"] == str(tmp_path / "run")
    more = zs.resume(run, steps=3.0, betas=(0.5, 0.9), mode="fast", progress=False)
    assert more.losses["step"][-1] == 3
    with pytest.raises(UsageError, match="recipe 'careful': steps must be a whole number, not '4'"):
        zs.resume(run, steps="4", progress=False)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("seed", "1", "seed must be a whole number, not '1'"),
        ("log_every", None, "log_every must be a whole number, not None"),
        ("precision", "fp16", "precision must be one of auto, float32, bf16, not 'fp16'"),
        ("compile", True, "compile must be one of auto, on, off, not True"),
        ("minutes", float("inf"), "minutes must be above 0 and finite"),
        ("out", "", "out must name a folder"),
    ],
)
def test_settings_of_another_type_are_refused(name: str, value: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        zs.Settings(**{name: value})
    assert caught.value.argument == name


def test_settings_may_be_objects_that_mean_a_text() -> None:
    assert setting("device", torch.device("cpu")) == "cpu"
    assert setting("metrics", ["kid", "pr"]) == "kid,pr"


def test_a_run_is_copied_and_pickled(tmp_path: Path) -> None:
    run = zs.train(careful, data="ring", out=tmp_path / "run", **FEW)
    samples = run.sample(3, seed=1)
    for other in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
        torch.testing.assert_close(other.sample(3, seed=1), samples, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"batch_size": "4"}, "its batch_size must be a whole number, not '4'"),
        ({"generator": "Z"}, "its generator is called 'Z', but its networks are G, D"),
        ({"phases": ()}, "its generator is called 'G', but its networks are none"),
    ],
)
def test_what_a_recipe_returned_is_checked(wrong: dict[str, Any], said: str, tmp_path: Path) -> None:
    def mistaken(data: zs.data.Data) -> zs.Recipe:
        made: zs.Recipe = dataclasses.replace(careful(data), **wrong)
        return made

    with pytest.raises(UsageError, match=said):
        zs.train(mistaken, data="ring", out=tmp_path / "run", **FEW)
    assert not (tmp_path / "run").exists()
