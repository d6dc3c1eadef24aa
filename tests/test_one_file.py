"""Adding a recipe, an experiment, a measure, a source, a verb, an extractor or an objective touches one file."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from zerosum import registry

SOURCE = Path(registry.__file__).parent
FILES = {
    "recipes/my_gan.py": '''"""My GAN."""
from zerosum.registry import About

ABOUT = About("Me", 2030, objective="hinge")


def recipe(data, *, lr: float = 1e-3, steps: int = 7):
    """Play."""
    from zerosum.core.optim import adam
    from zerosum.latent.priors import normal
    from zerosum.networks.pairs import points_pair
    from zerosum.objectives import hinge
    from zerosum.systems import two_player

    def d_loss(n, b, m):
        return {"adv": hinge.d(n.D(b.x), n.D(n.G(b.z)))}

    def g_loss(n, b, m):
        return {"adv": hinge.g(None, n.D(n.G(b.z)))}

    return two_player(
        *points_pair(data.shape, 2, 4), d_loss, g_loss, opt=adam(lr), latent=normal(2), batch_size=8, steps=steps
    )
''',
    "lab/experiments/my_claim.py": '''"""My claim.

It holds.
"""
QUICK = {}


def experiment(lab):
    """Do it."""
''',
    "metrics/measures/my_measure.py": '''"""My measure."""
from zerosum.metrics.measure import Measure, Number

MEASURE = Measure(
    name="mine",
    summary="a number of my own",
    run=lambda real, fake, context: [Number("mine", 4.0)],
    directions={"mine": "higher"},
    published_on=None,
)
''',
    "metrics/features/my_features.py": '''"""My features."""
EXTRACTORS = ("mine",)


def load_extractor(name, device):
    """Load."""
    return f"{name} on {device}"
''',
    "data/my_source.py": '''"""My source."""
from zerosum.data.sources import Source

SOURCES = (Source("mine", "points of my own", place=900, images=False),)


def load_mine(ask):
    """Load."""
    from zerosum.data.points import load_ring

    return load_ring(ask)
''',
    "cli/my_verb.py": '''"""My verb."""
VERB = ("do as I say", 999)


def run(argv):
    """Do it."""
    print("done", *argv)
    return 0
''',
    "objectives/my_loss.py": '''"""My loss."""
from zerosum.objectives.objective import Objective

OBJECTIVES = {"mine": Objective(lambda real, fake: fake.mean() - real.mean(), lambda real, fake: -fake.mean())}
''',
}
CHECK = """
from zerosum import catalogue, lab, registry
from zerosum.cli.main import run, verbs
from zerosum.data import SOURCES, load
from zerosum.metrics import evaluate
from zerosum.metrics.features.find import find_extractor
from zerosum.metrics.registry import direction_of
from zerosum.runs.settings import Settings
from zerosum.runs.setup import build

assert catalogue.facts("my-gan")[:5] == ("my-gan", "Me", "2030", "D, G", "hinge")
assert build("my-gan", {}, Settings(data="mine")).recipe.steps == 7
assert lab.titles()["my-claim"] == "My claim"
assert "mine" in SOURCES and load("mine").shape == (2,)
assert verbs()["my-verb"] == "do as I say" and run(["my-verb", "well"]) == 0
assert find_extractor("mine", (3, 8, 8)) == "mine on cpu"
assert direction_of("mine") == "higher"
ring = load("ring")
(score,) = evaluate(lambda start, n: ring.batch(0, n, seed=0)[0], ring, seed=0, metrics=["mine"], count=9)
assert (score.name, score.value, score.protocol["samples"]) == ("mine", 4.0, 9)
assert build("custom", {"objective": "mine"}, Settings(data="mine")).recipe.steps == 50_000
print("all found")
"""


def test_what_is_added_as_a_file_is_found(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "zerosum", ignore=shutil.ignore_patterns("__pycache__"))
    for file, text in FILES.items():
        assert not (tmp_path / "zerosum" / file).exists()
        (tmp_path / "zerosum" / file).write_text(text)
    done = subprocess.run(
        [sys.executable, "-B", "-c", CHECK],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        check=False,
    )
    assert done.stdout.splitlines() == ["done well", "all found"], done.stderr
