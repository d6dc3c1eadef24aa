"""The command line in this process, where recorded runs and figures lie, and the machine that recorded them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

HERE = Path(__file__).parent
RUNS_FOLDER, FIGURES_FILE, CLOTHES_FILE = HERE / "runs", HERE / "figures.json", HERE / "clothes.npz"
EXPECTED_FILE, CHANGED_FOLDER = RUNS_FOLDER / "expected.json", HERE / "recorded_since"

EXACT = "--precision float32 --compile off --log-every 1"


def machine() -> dict[str, Any]:
    """What decides the last bits of a sum: the instructions in use, torch, and a few results themselves.

    Two processors with the same instructions may still add in another order, which the digest of some products,
    convolutions and functions tells.
    """

    def grid(*shape: int) -> Tensor:
        return ((torch.arange(math.prod(shape)) * 37 % 101 - 50).float() / 64).reshape(shape)

    image, kernel = grid(4, 3, 16, 16).requires_grad_(), grid(6, 3, 4, 4).requires_grad_()
    grown = F.conv_transpose2d(F.conv2d(image, kernel, stride=2, padding=1), grid(6, 3, 4, 4), stride=2, padding=1)
    results = [
        grid(64, 100) @ grid(100, 70),
        torch.addmm(grid(70), grid(16, 33), grid(33, 70)),
        grid(40, 40).double() @ grid(40, 40).double(),
        *torch.autograd.grad(torch.tanh(grown).square().mean(), [image, kernel]),
        grown.detach().std((0, 2, 3)),
        *(f(grid(999)) for f in (torch.tanh, torch.exp, torch.sigmoid, F.softplus)),
        grid(8, 300).softmax(1),
        grid(1000).square().sum(),
    ]
    digest = hashlib.sha256(b"".join(r.detach().numpy().tobytes() for r in results)).hexdigest()[:12]
    return {
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "avx512_bf16": bool(torch.cpu._is_avx512_bf16_supported()),
        "torch": torch.__version__,
        "arithmetic": digest,
    }


def zerosum(*words: object) -> str:
    """Run a command line in this process; returns what it printed.

    Raises:
        RuntimeError: it ended with another exit code than 0.
    """
    from zerosum.cli.main import main

    line = [str(word) for word in words]
    said, heard = io.StringIO(), io.StringIO()
    with mock.patch("sys.argv", ["zerosum", *line]), contextlib.redirect_stdout(said):
        try:
            with contextlib.redirect_stderr(heard):
                main(line)
            code: object = 0
        except SystemExit as ended:
            code = ended.code or 0
    if code:
        raise RuntimeError(f"zerosum {' '.join(line)} ended with {code}:\n{said.getvalue()}{heard.getvalue()}")
    return said.getvalue()
