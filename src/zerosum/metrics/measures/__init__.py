"""The measures: one module each, which ends in its entry, ``MEASURE``."""
