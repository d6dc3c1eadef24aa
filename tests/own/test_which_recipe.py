"""Which recipe a run goes on with: its own, under its own name."""

import shutil
from pathlib import Path

import pytest

import zerosum as zs
from zerosum import registry
from zerosum.errors import UsageError
from zerosum.runs.loop import Stop

FEW = {"sample_every": 9, "watch": -1, "precision": "float32", "progress": False}
GAN = "from zerosum.recipes.gan import recipe as gan\n"
BODY = "def recipe(data, *, steps=3):\n    return gan(data, width=4, latent=2, batch_size=4, steps=steps)\n"


def stopped() -> Stop:
    stop = Stop()
    stop.asked = True
    return stop


def test_a_run_keeps_its_name_where_the_function_is_called_recipe(tmp_path: Path) -> None:
    file, out = tmp_path / "my_gan.py", tmp_path / "run"
    file.write_text(GAN + BODY)
    zs.train(file, data="ring", out=str(out), stop=stopped(), **FEW)
    again = zs.resume(out, progress=False)
    assert again.record["recipe"] == "my-gan"
    assert zs.load(out).setup.name == "my-gan"
    assert zs.load(out).sample(1).shape == (1, 2)


def test_a_run_keeps_its_name_where_its_recipe_is_given_under_another(tmp_path: Path) -> None:
    file, out = tmp_path / "my_gan.py", tmp_path / "run"
    file.write_text(GAN + BODY)
    zs.train(file, data="ring", out=str(out), stop=stopped(), **FEW)
    (tmp_path / "other").mkdir()
    zs.resume(out, recipe=shutil.copy(file, tmp_path / "other" / "renamed.py"), progress=False)
    assert zs.load(out).record["recipe"] == "my-gan"
    assert zs.load(out).sample(1).shape == (1, 2)


def test_recipes_in_one_folder_do_not_belong_to_one_another(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(GAN + BODY + f"# {name}\n")
        registry.page(tmp_path / f"{name}.py")
    origin = registry.page(tmp_path / "b.py").origin
    assert origin is not None
    assert list(origin().files) == ["b.py"]


def test_a_file_may_be_renamed_while_python_runs(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(GAN + BODY)
    registry.page(tmp_path / "a.py")
    assert registry.page((tmp_path / "a.py").rename(tmp_path / "b.py")).name == "b"


def test_a_run_of_zerosum_s_recipe_does_not_go_on_with_another(tmp_path: Path) -> None:
    words = {"width": 4, "latent": 2, "batch_size": 4, "steps": 3}
    zs.train("gan", data="ring", out=str(tmp_path / "run"), stop=stopped(), **words, **FEW)
    with pytest.raises(UsageError):
        zs.resume(tmp_path / "run", recipe="rsgan", progress=False)


def test_a_run_of_zerosum_s_recipe_does_not_go_on_with_a_function_that_changes_it(tmp_path: Path) -> None:
    from functools import wraps

    from zerosum.recipes.gan import recipe as gan

    @wraps(gan)
    def faster(data, **words):
        return gan(data, **{**words, "lr": 0.5})

    words = {"width": 4, "latent": 2, "batch_size": 4, "steps": 3}
    zs.train("gan", data="ring", out=str(tmp_path / "run"), stop=stopped(), **words, **FEW)
    with pytest.raises(UsageError, match="was trained with zerosum's 'gan'"):
        zs.resume(tmp_path / "run", recipe=faster, progress=False)
