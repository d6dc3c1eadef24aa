"""Memory that images take: refused where the machine has less, told where it is much."""

import os

from zerosum.data.describe import in_units
from zerosum.errors import DataError

_LARGE = 1 << 30  # bytes of images from which a note says how many there are


def check_memory(nbytes: int, source: str) -> None:
    """Refuse images that do not fit in this machine's memory.

    Raises:
        DataError: They take more bytes than the machine has.
    """
    whole = physical_memory()
    if whole is not None and nbytes > whole:
        raise DataError(
            f"{source}: the images would take {in_units(nbytes)}, more than this machine's {in_units(whole)} of "
            "memory; give a smaller size or fewer images, or save them as files, which are not kept in memory"
        )


def note_memory(nbytes: int) -> tuple[str, ...]:
    """A note on images that take much memory."""
    return (f"the images take {in_units(nbytes)} of memory",) if nbytes >= _LARGE else ()


def physical_memory() -> int | None:
    """Bytes of memory that the machine has; ``None`` where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
