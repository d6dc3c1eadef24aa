"""What the tests of recipes learn, loaded once: a data set does not change."""

from functools import cache

from zerosum import data

load = cache(data.load)
