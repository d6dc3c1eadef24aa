"""Runs that the same command trains otherwise than the version that recorded them, on purpose, and why.

``make.py changed NAME ...`` records what they come to now, beside the old runs, which stay as they are: they must
still load, sample and resume to the numbers of their own version.
"""

from __future__ import annotations

CHANGED: dict[str, str] = {}
