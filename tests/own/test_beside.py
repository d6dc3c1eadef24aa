"""What lies beside a recipe's file: it is kept whole, and read anew when it has changed."""

import importlib
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from own_texts import NETWORKS

import zerosum as zs
from zerosum import registry
from zerosum.data import load
from zerosum.errors import UsageError

FEW: dict[str, Any] = {"sample_every": 9, "watch": -1, "precision": "float32", "progress": False}
GAN = "from zerosum.recipes.gan import recipe as gan\n"
CALL = "gan(data, width=width, latent=2, batch_size=4, steps=2)"


@pytest.mark.parametrize("inside", ["", "    from sizes import width\n"])
def test_a_changed_file_beside_an_unchanged_one_is_read_again(inside: str, tmp_path: Path) -> None:
    top = "" if inside else "from sizes import width\n"
    file, sizes = tmp_path / "a.py", []
    file.write_text(f"{GAN}{top}def recipe(data):\n{inside}    return {CALL}\n")
    for width in (4, 60):
        (tmp_path / "sizes.py").write_text(f"width = {width}\n")
        run = zs.train(file, data="ring", out=tmp_path / f"run-{width}", **FEW)
        assert (run.path / "source" / "sizes.py").read_text() == f"width = {width}\n"
        sizes.append(sum(weight.numel() for weight in run.generator.network.parameters()))
    assert sizes[0] < sizes[1]
    again = zs.load(tmp_path / "run-4").generator.network
    assert sum(weight.numel() for weight in again.parameters()) == sizes[0]


def test_what_functions_will_import_is_kept(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "pack").mkdir(parents=True)
    (project / "pack" / "late.py").write_text("from .later import x\n")
    (project / "pack" / "later.py").write_text("x = 1\n")
    (project / "unused.py").write_text("")
    late = "    def loss():\n        from pack.late import x\n        import json\n"
    (project / "json.py").write_text("")
    (project / "a.py").write_text(f"{GAN}def recipe(data, *, width=4):\n{late}    return {CALL}\n")
    page = registry.page(project / "a.py")
    assert page.origin is not None
    assert list(page.origin().files) == ["a.py", "pack/late.py", "pack/later.py"]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(b"\xef\xbb\xbf" + f"{GAN}def recipe(data, *, width=4, steps=2):\n    return {CALL}\n".encode())
    run = zs.train(file, data="ring", out=tmp_path / "run", **FEW)
    assert zs.resume(run.path, minutes=1.0, progress=False).losses["step"] == [1, 2]


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"# \xe9\n")
    with pytest.raises(UsageError, match="save it as UTF-8"):
        registry.page(tmp_path / "a.py")


def test_annotations_are_what_the_file_makes_them(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("class C:\n    x: int\ndef recipe(data):\n    return C.__annotations__['x']\n")
    made: Any = registry.page(tmp_path / "a.py").function(load("ring"))
    assert made is int


def test_a_reloaded_module_s_text_is_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    texts = [f"{GAN}def mine(data, *, width={width}):\n    return {CALL}\n" for width in (4, 60)]
    (tmp_path / "reloaded.py").write_text(texts[0])
    module: Any = importlib.import_module("reloaded")
    for text in texts:
        (tmp_path / "reloaded.py").write_text(text)
        page = registry.page(importlib.reload(module).mine)
        assert page.origin is not None
        assert page.origin().files["reloaded.py"] == text


def test_a_run_s_recipe_may_be_called_when_its_folder_is_gone(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "nets.py").write_text(NETWORKS)
    file = tmp_path / "project" / "a.py"
    file.write_text(f"{GAN}import nets\ndef recipe(data, *, width=4):\n    return {CALL}\n")
    page = registry.page(file)
    shutil.rmtree(file.parent)
    assert page.function(load("ring")).steps == 2


def test_a_recipe_that_exits_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def recipe(data):\n    raise SystemExit(3)\n")
    with pytest.raises(UsageError, match=r"a\.py, line 2: SystemExit: 3"):
        zs.train(tmp_path / "a.py", data="ring", out=tmp_path / "run", **FEW)
