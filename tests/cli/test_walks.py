from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sheets import cells, close, grey

import zerosum as library
from zerosum.latent import priors
from zerosum.latent.interpolate import lerp, slerp
from zerosum.runs.sampler import Sampler


@pytest.mark.parametrize("kind", ["slerp", "lerp"])
def test_rows_go_from_one_sample_to_another(zerosum, image_run: Path, kind: str) -> None:
    said = zerosum("interpolate", image_run, "--rows", 3, "--steps", 5, "--kind", kind, "--seed", 2)
    path = image_run / f"interpolation-{kind}-seed2.png"
    assert (said.code, said.out.splitlines()[-1]) == (0, str(path))
    found = cells(path, 3, 5)
    sampler = library.load(image_run).generator.with_seed(2)
    ends, (latents,) = grey(sampler(0, 6)), sampler.latents(0, 6)
    assert close(found[:, 0], ends[0::2])
    assert close(found[:, 4], ends[1::2])
    halfway = {"lerp": lerp, "slerp": slerp}[kind](latents[4], latents[5], 0.5)[None]
    assert close(found[2, 2], grey(sampler.generate(halfway))[0])


@pytest.mark.parametrize(("prior", "kind"), [("uniform", "lerp"), ("normal", "slerp")])
def test_a_walk_takes_the_way_of_the_prior(
    zerosum, image_run: Path, prior: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zerosum.recipes.dcgan.uniform", getattr(priors, prior))
    made: list[torch.Tensor] = []
    generate = Sampler.generate

    def watched(sampler: Sampler, *latents: torch.Tensor) -> torch.Tensor:
        made.append(latents[0])
        return generate(sampler, *latents)

    monkeypatch.setattr(Sampler, "generate", watched)
    said = zerosum("interpolate", image_run, "--rows", 3, "--steps", 3)
    assert said.out.splitlines()[-1] == str(image_run / f"interpolation-{kind}-seed0.png")
    (ends,) = library.load(image_run).generator.latents(0, 6)
    halfway = {"lerp": lerp, "slerp": slerp}[kind](ends[0::2], ends[1::2], 0.5)
    torch.testing.assert_close(made[0][1::3], halfway)


def test_points_walk_on_lines(zerosum, point_run: Path) -> None:
    said = zerosum("interpolate", point_run, "--out", "new/walk.png")
    assert (said.code, said.out.splitlines()[-1]) == (0, "new/walk.png")
    with Image.open("new/walk.png") as image:
        assert image.size == (720, 720)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--rows", 0], "--rows must be at least 1"),
        (["--steps", 1], "--steps must be at least 2"),
        (["--out", "x.gif"], "call it x.png"),
        (["--between", "classes"], "(dcgan) does not take a class, so there is no walk between classes"),
        (["--between", "both"], "use --between latents"),
        (["--classes", "3"], "does not take a class"),
        (["--truncation", "-1"], "--truncation must be above 0"),
    ],
)
def test_what_cannot_be_done_is_explained(zerosum, image_run: Path, words: list[object], part: str) -> None:
    said = zerosum("interpolate", image_run, *words)
    assert said.code == 2
    assert part in said.err


def expected_cells(run: Path, z: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    return grey(library.load(run).generator.generate(z, y))


def test_between_classes_each_row_keeps_its_latent(zerosum, class_run: Path) -> None:
    said = zerosum("interpolate", class_run, "--between", "classes", "--rows", 5, "--steps", 3, "--seed", 2)
    path = class_run / "interpolation-classes-seed2.png"
    assert (said.code, said.out.splitlines()[-1]) == (0, str(path))
    found = cells(path, 5, 3)
    z, _ = library.load(class_run).generator.with_seed(2).latents(0, 5)
    first, last = torch.tensor([0, 1, 0, 1, 0]), torch.tensor([1, 2, 1, 2, 1])  # three classes: two ways, in turn
    assert close(found[:, 0], expected_cells(class_run, z, first))
    assert close(found[:, 2], expected_cells(class_run, z, last))
    halfway = torch.tensor([[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0.5, 0]])
    assert close(found[:, 1], expected_cells(class_run, z, halfway))
    assert np.abs(found[:, 0] - found[:, 2]).max() > 3


def test_both_change_at_once_between_the_classes_that_are_named(zerosum, class_run: Path) -> None:
    words = ["--between", "both", "--classes", "dress,bag", "--rows", 2, "--steps", 5, "--kind", "lerp"]
    path = class_run / "interpolation-both-lerp-class-dress-bag-seed0.png"
    assert zerosum("interpolate", class_run, *words).out.splitlines()[-1] == str(path)
    found = cells(path, 2, 5)
    z, _ = library.load(class_run).generator.latents(0, 4)
    quarter = 0.75 * z[0::2] + 0.25 * z[1::2]
    weights = torch.tensor([[0.25, 0.0, 0.75]] * 2)
    assert close(found[:, 0], expected_cells(class_run, z[0::2], torch.tensor([2, 2])))
    assert close(found[:, 1], expected_cells(class_run, quarter, weights))
    assert close(found[:, 4], expected_cells(class_run, z[1::2], torch.tensor([0, 0])))


@pytest.mark.parametrize("words", [[], ["--classes", "coat,bag"]])
def test_between_latents_a_row_keeps_its_class(zerosum, class_run: Path, words: list[str]) -> None:
    assert zerosum("interpolate", class_run, "--rows", 3, "--steps", 2, *words, "--out", "w.png").code == 0
    found = cells(Path("w.png"), 3, 2)
    z, y = library.load(class_run).generator.latents(0, 6)
    kept = torch.tensor([1, 0, 1]) if words else y[0::2]
    for column in range(2):
        assert close(found[:, column], expected_cells(class_run, z[column::2], kept))


def test_a_way_needs_two_classes(zerosum, class_run: Path) -> None:
    said = zerosum("interpolate", class_run, "--between", "classes", "--classes", "coat")
    assert said.code == 2
    assert "needs at least two of them" in said.err


def test_truncation_bounds_the_ends(zerosum, point_run: Path, monkeypatch) -> None:
    drawn: list[torch.Tensor] = []

    def keep(found, walks: torch.Tensor, words, path: Path) -> None:
        drawn.append(walks)
        path.touch()

    monkeypatch.setattr("zerosum.cli.interpolate.draw", keep)
    assert zerosum("interpolate", point_run, "--truncation", 0.5, "--rows", 4, "--steps", 2).code == 0
    expected = library.load(point_run).generator.truncated(0.5)(0, 8)
    torch.testing.assert_close(drawn[0].flatten(0, 1), expected)
