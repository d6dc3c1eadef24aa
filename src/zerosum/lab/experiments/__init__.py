"""The experiments, one module each; see :mod:`zerosum.lab`."""
