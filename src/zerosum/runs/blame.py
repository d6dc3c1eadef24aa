"""What goes wrong in a recipe of one's own, or in a compiler, told in one line that says where and what to do."""

from __future__ import annotations

import re
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from zerosum.errors import UsageError, ZerosumError
from zerosum.pages import Page

OURS = Path(__file__).parents[1]
STANDARD = Path(sysconfig.get_paths()["stdlib"])


@contextmanager
def blaming(page: Page, where: str) -> Iterator[None]:
    """Turn errors in this block into one line, if the recipe is one's own; those of zerosum's recipes are bugs.

    Args:
        page: The recipe.
        where: What was being done, as in ``"on ring"``.

    Raises:
        UsageError: Something went wrong in a recipe of one's own. Its cause has the whole traceback.
    """
    try:
        yield
    except (ZerosumError, MemoryError, torch.OutOfMemoryError):
        raise
    except (Exception, SystemExit) as error:
        if page.origin is None:
            raise
        words = f"{type(error).__name__}: {first_line(error)}".removesuffix(": ")
        if isinstance(error, ValueError) and not place(error):  # zerosum's own words on what the recipe did
            words = first_line(error)
        if type(error).__module__.startswith("torch._dynamo"):
            words += "; it cannot be compiled, but with compile=off it may run"
        raise UsageError(f"recipe {page.name!r} {where}: {place(error)}{words}") from error


@contextmanager
def compiling(wanted: str) -> Iterator[None]:
    """Turn the failure of a compiler (``g++``, Triton) in this block into one line. It says nothing about the recipe.

    Args:
        wanted: The setting ``compile`` of the run.

    Raises:
        ZerosumError: A compiler is missing, was killed, or could not write. Its cause has all that it said.
    """
    try:
        yield
    except RuntimeError as error:
        if type(error).__name__ not in ("InductorError", "BackendCompilerFailed"):  # importing them takes a second
            raise
        lines = [line.strip() for line in str(error).splitlines()]
        fault = next((line for line in lines if re.search(r"\berror: ", line)), first_line(error))
        raise ZerosumError(
            f"compile={wanted}: torch.compile could not make code of an update ({fault}): see that g++ works, with "
            "about 1 GiB of memory and room for temporary files, or train with compile=off",
            argument="compile",
        ) from error


def first_line(error: BaseException) -> str:
    """The first line of what an error says that is not empty."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")


def place(error: BaseException) -> str:
    """``"FILE, line N: "`` of the innermost line that is not of zerosum, Python or an installed package, or ``""``.

    It is looked for in the traceback, and in what the error says, as the compiler's do.
    """
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    for filename, line in reversed([*frames, *re.findall(r'File "([^"]+)", line (\d+)', str(error))]):
        file = Path(filename)
        of_package = "site-packages" in file.parts or file.is_relative_to(OURS)
        if not of_package and not file.is_relative_to(STANDARD) and not filename.startswith("<frozen"):
            return f"{'this cell' if 'ipykernel' in filename else file.name}, line {line}: "
    return ""
