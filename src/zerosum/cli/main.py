"""``zerosum VERB ...``: finds the module of the verb, and turns users' mistakes into one clear line."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import warnings
from typing import Any

from zerosum._version import __version__
from zerosum.discovery import Modules
from zerosum.errors import UsageError, ZerosumError, nearest

VERBS = Modules("zerosum.cli", "VERB", "verb")
HELP = """zerosum {version}: train, evaluate, explain and compare generative adversarial networks

usage: zerosum VERB [OPTIONS]

{verbs}

`zerosum VERB --help` explains a verb. To start:

  zerosum train dcgan --width 32 --kernel 4 --ema 0.99 --steps 2000
"""


def main(argv: list[str] | None = None) -> None:
    """Run a command line, and exit with a code.

    0: done. 1: it cannot be done (data, files, memory, numbers that became NaN). 2: it was asked for wrongly (a verb,
    recipe, option, run or value that does not exist). 130: interrupted.
    """
    try:
        code = run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe (`| head`) has left, as it may
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def run(argv: list[str]) -> int:
    """Run a command line and return its exit code."""
    if argv[:1] == ["help"] and len(argv) > 1:
        argv = [*argv[1:], "--help"]
    if not argv or argv[0] in ("-h", "--help", "help"):
        listed = "\n".join(f"  {verb:<12} {what}" for verb, what in verbs().items())
        print(HELP.format(version=__version__, verbs=listed), end="")
        return 0
    if argv[0] in ("-V", "--version"):
        print(__version__)
        return 0
    verb, *rest = argv
    known = verbs()
    if verb not in known:
        return _fail(f"there is no verb {verb!r}.{nearest(verb, known, cutoff=0.6)} Verbs: {', '.join(known)}")
    _warn_once_each()
    try:
        if {"-h", "--help"} & set(rest):
            from zerosum.cli.layout import Wrapped

            sys.stdout.flush()
            with contextlib.redirect_stdout(Wrapped(sys.stdout)):
                return int(VERBS.load(verb).run(rest) or 0)
        return int(VERBS.load(verb).run(rest) or 0)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except SystemExit as ended:  # from the parser of options, after --help (0) or a mistake (2)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BrokenPipeError:
        raise  # to `main`
    except ZerosumError as error:  # other errors are bugs, and keep their tracebacks
        return _fail(as_option(str(error), error.argument), code_of(error))


def _warn_once_each() -> None:
    """Let warnings be lines like errors, each said once, wherever it arises."""
    said: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in said:
            said.add(str(message))
            print(f"zerosum: {message}", file=sys.stderr)

    warnings.showwarning = show


def code_of(error: ZerosumError) -> int:
    """The exit code of an error: 2 where the command has to be changed, 1 where anything else has to."""
    asked_wrongly = (FileNotFoundError, NotADirectoryError, IsADirectoryError, FileExistsError)
    cause = error.__cause__
    while cause is not None:
        of_network = isinstance(getattr(cause, "reason", None), OSError)  # urllib's, which has no errno of its own
        if isinstance(cause, OSError) and (cause.errno is not None or of_network):
            return 2 if isinstance(error, UsageError) and isinstance(cause, asked_wrongly) else 1
        cause = cause.__cause__
    return 2 if isinstance(error, UsageError) else 1


def verbs() -> dict[str, str]:
    """What each verb does, in the order in which verbs are listed. Nothing is imported."""
    texts = {name: VERBS.literal(name, "VERB") for name in VERBS.names}
    return {name: what for name, (what, _) in sorted(texts.items(), key=lambda item: item[1][1])}


def option_of(argument: str) -> str:
    """The option that stands for an argument."""
    return f"--{argument.replace('_', '-')}"


def as_option(message: str, argument: str | None) -> str:
    """Write a message about an argument for the command line: ``ema=2: ...`` becomes ``--ema 2: ...``."""
    if argument is None:
        return message
    with_value = re.search(rf"\b{argument}=(True\b|[^\s:]*)", message)
    mention = with_value or re.search(rf"\b{argument}\b", message)
    if mention is None:
        return message
    value = with_value[1] if with_value else ""
    words = [option_of(argument), *([value] if value not in ("", "True") else [])]
    return f"{message[: mention.start()]}{' '.join(words)}{message[mention.end() :]}"


def _fail(message: str, code: int = 2) -> int:
    print(f"zerosum: {message}", file=sys.stderr)
    return code
