"""Recipes of one's own: in files, beside their networks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from own_texts import MINE, NETWORKS


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROSUM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file with a recipe, whose networks are in a package beside it."""
    folder = tmp_path / "project"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "__init__.py").touch()
    (folder / "parts" / "nets.py").write_text(NETWORKS)
    (folder / "my_gan.py").write_text(MINE.format(networks="parts.nets"))
    return folder / "my_gan.py"
