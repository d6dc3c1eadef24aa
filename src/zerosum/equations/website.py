"""Addresses of the project's files on the web, for people who have the package and not the repository."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata

FALLBACK = "https://github.com/zerosum-gan/zerosum"  # where the package is used without being installed


@cache
def _repository() -> str:
    """Address of the repository: the beginning of the project's addresses in the package's metadata."""
    try:
        urls = metadata("zerosum").get_all("Project-URL") or []
    except PackageNotFoundError:
        return FALLBACK
    pages = [url.partition(",")[2].strip() for url in urls]
    return next((page.partition("/tree/")[0] for page in pages if "/tree/" in page), FALLBACK)


def address(file: str, line: int | None = None) -> str:
    """Address of a file of the repository on the web.

    Args:
        file: Path of the file in the repository, such as ``"docs/notes.md"``.
        line: Number of the line to show. ``None``: the whole file.
    """
    return f"{_repository()}/blob/main/{file}" + ("" if line is None else f"#L{line}")
