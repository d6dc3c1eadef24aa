"""Where each published equation is in the code, read from docstrings, and how it is found by what people call it."""

from __future__ import annotations

from zerosum.equations.lookup import Lookup, look_up, search
from zerosum.equations.reading import SECTIONS, SOURCE, Equation, equations, page
from zerosum.equations.website import address

__all__ = ["SECTIONS", "SOURCE", "Equation", "Lookup", "address", "equations", "look_up", "page", "search"]
