"""``zerosum VERB ...``: finds the verb's module, and turns users' mistakes into one clear line."""

from __future__ import annotations

import difflib
import os
import sys
import warnings
from importlib import import_module

from zerosum._version import __version__

VERBS = {
    "train": "train a recipe on data",
    "resume": "go on with a run that was stopped",
    "sample": "draw samples from a run",
    "eval": "score a run, or images of any program",
    "compare": "put runs side by side",
    "interpolate": "walk between latents or classes of a run",
    "arithmetic": "add and subtract what samples of a run show",
    "directions": "move along the directions that change samples most",
    "neighbours": "set samples beside the training images nearest to them",
    "invert": "find the latents of real images",
    "truncation": "trade variety for quality: score a run at several truncations",
    "report": "write a run's report.html again",
    "recipes": "list the recipes, or show one",
    "where": "find the code of an equation",
    "data": "list the sources of data, or inspect one",
    "lab": "run the claims and figures of the field",
    "doctor": "show what this machine can do",
}

HELP = """zerosum {version}: train, evaluate, explain and compare generative adversarial networks

usage: zerosum VERB [OPTIONS]

{verbs}

`zerosum VERB --help` explains a verb. To start:

  zerosum train dcgan --width 32 --kernel 4 --ema 0.99 --steps 2000
"""


def main(argv: list[str] | None = None) -> None:
    """Run a command line; exits with 0, 1 (cannot be done), 2 (cannot be read) or 130 (interrupted)."""
    try:
        code = run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe (`| head`) left: that is its right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def run(argv: list[str]) -> int:
    """Run a command line and return its exit code."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        verbs = "\n".join(f"  {verb:<12} {what}" for verb, what in VERBS.items())
        print(HELP.format(version=__version__, verbs=verbs), end="")
        return 0
    if argv[0] in ("-V", "--version"):
        print(__version__)
        return 0
    verb, *rest = argv
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return _fail(f"there is no verb {verb!r}.{hint} Verbs: {', '.join(VERBS)}")
    warnings.formatwarning = lambda message, *_: f"zerosum: {message}\n"
    try:
        code = import_module(f"zerosum.cli.{verb}").run(rest)
        return int(code or 0)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except SystemExit as ended:  # of the parser of options, after --help (0) or a mistake (2)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BrokenPipeError:
        raise  # to `main`
    except (ValueError, FloatingPointError, OSError) as error:
        if not _is_message(error):
            raise
        return _fail(str(error), 1)


def _is_message(error: Exception) -> bool:
    """Is this an error that was written for users? All others keep their traceback: they are bugs."""
    from zerosum.data.errors import DataError
    from zerosum.recipe import UsageError

    if isinstance(error, (UsageError, DataError)):
        return True  # without waiting for torch
    from zerosum.core.checkpoint import CheckpointError
    from zerosum.core.train import NonFiniteLoss

    return isinstance(error, (CheckpointError, NonFiniteLoss))


def _fail(message: str, code: int = 2) -> int:
    print(f"zerosum: {message}", file=sys.stderr)
    return code
