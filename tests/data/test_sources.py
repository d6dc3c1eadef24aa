import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from zerosum.data import SOURCES, DataError, load
from zerosum.data.ask import Ask
from zerosum.data.sources import MODULES, Source, has_splits


def test_every_source_is_listed_in_its_place() -> None:
    assert list(SOURCES) == [
        "fashion-mini",
        "fashion-mnist",
        "mnist",
        "cifar10",
        "digits",
        "stacked-digits",
        "triangles",
        "folder:",
        "zip:",
        "npz:",
        "hf:",
        "ring",
        "grid",
        "swiss-roll",
    ]
    assert all(found.summary and found.usage.startswith(key) for key, found in SOURCES.items())


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_every_source_has_a_loader_in_the_module_that_states_it(source: Source) -> None:
    loader = getattr(MODULES.load(source.module), "load_" + re.sub(r"\W", "_", source.key.removesuffix(":")))
    assert [parameter.annotation for parameter in inspect.signature(loader).parameters.values()] == [Ask]
    assert sum(other.place == source.place for other in SOURCES.values()) == 1


@pytest.mark.parametrize(
    ("source", "splits"),
    [
        ("mnist", True),
        ("triangles", True),
        ("hf:a/b#c", True),
        ("fashion-mini", False),
        ("folder:x", False),
        ("ring", False),
        ("hf", False),
        ("mnist:1", False),
        ("nothing", False),
        ("", False),
    ],
)
def test_which_sources_have_a_test_split(source: str, splits: bool) -> None:
    assert has_splits(source) is splits


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("fashion-mimi", r"no source 'fashion-mimi'\. Did you mean 'fashion-mini'\?.*folder:PATH"),
        ("foldr:x", r"Did you mean 'folder'\?"),
        ("", "there is no source ''"),
        ("folder", "lacks what it names: write folder:PATH"),
        ("folder:", "names no path"),
        ("hf:", "names no dataset|needs the package datasets"),
        ("ring:8", "ring takes nothing after it"),
        ("xyzzy", r"there is no source 'xyzzy'\. Sources: fashion-mini.*swiss-roll, or a path$"),
    ],
)
def test_a_wrong_source_is_answered_with_what_was_meant(source: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(source)


@pytest.mark.parametrize("size", [0, -1, 64.0, "64", True, 10**9])
def test_sizes_that_make_no_sense(size: object) -> None:
    with pytest.raises(DataError, match=r"^size=") as caught:
        load("fashion-mini", size=size)  # type: ignore[arg-type]
    assert caught.value.argument == "size"


@pytest.mark.parametrize("channels", [0, 2, 4, "3", True])
def test_channels_that_make_no_sense(channels: object) -> None:
    with pytest.raises(DataError, match="channels="):
        load("fashion-mini", channels=channels)  # type: ignore[arg-type]


def test_splits_that_are_not_there(folder: Path) -> None:
    with pytest.raises(DataError, match="split="):
        load("fashion-mnist", split="validation")
    for source in ("fashion-mini", "digits", f"folder:{folder}"):
        with pytest.raises(DataError, match="has no test split"):
            load(source, split="test")


@pytest.mark.parametrize(("package", "source"), [("sklearn", "digits"), ("datasets", "hf:somebody/something")])
def test_a_missing_package_is_told_with_its_extra(package: str, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError, match=r"pip install 'zerosum\[data\]'"):
        load(source)


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, zerosum.data; from zerosum.data.sources import SOURCES, has_splits; has_splits('mnist');"
        "early = [m for m in ('torch', 'numpy') if m in sys.modules]; zerosum.data.load('ring').batch(0, 4, seed=0);"
        "print(early, [m for m in ('PIL', 'scipy', 'matplotlib', 'sklearn', 'datasets', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


def test_the_command_line_lists_sources_without_torch() -> None:
    code = "import sys; from zerosum.cli.data import listing; listing(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
