"""A cache of their own for these tests, data that are read once, and no drawing: they look at numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from zerosum.data.ask import Ask
from zerosum.data.base import Data
from zerosum.data.sources import Source

read = Source.load
read_once = cache(read)


def load(source: Source, ask: Ask) -> Data:
    """What ``Source.load`` gives; of what has no path, which may be another file elsewhere, the same again."""
    return read(source, ask) if source.key.endswith(":") else read_once(source, ask)


@pytest.fixture(scope="module", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROSUM_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("COLUMNS", "200")
        patch.setattr(Source, "load", load)
        patch.setattr("matplotlib.figure.Figure.savefig", lambda figure, path, **options: Path(path).touch())
        yield
