"""What ``import zerosum`` offers."""

import subprocess
import sys
from pathlib import Path

import pytest

import zerosum as zs


def test_everything_public_is_there() -> None:
    assert dir(zs) == sorted(zs.__all__)
    assert all(getattr(zs, name) is not None for name in zs.__all__)
    wanted = (
        "train load resume evaluate compare data Game Player Recipe adam objectives penalties networks conditioning"
    )
    assert set(wanted.split()) <= set(dir(zs))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        zs.nothing  # noqa: B018
    from zerosum.systems import two_player

    assert zs.two_player is two_player


def test_no_name_is_that_of_a_module_as_well() -> None:
    """A module that is imported becomes an attribute of the package, and would take the place of the name."""
    folder = Path(zs.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    spaces = {
        "conditioning",
        "constraints",
        "data",
        "latent",
        "metrics",
        "networks",
        "objectives",
        "penalties",
        "theory",
    }
    assert modules & set(zs.__all__) == spaces


def test_importing_zerosum_imports_nothing_heavy() -> None:
    code = "import sys, zerosum; dir(zerosum); assert not {'torch', 'numpy', 'PIL', 'tyro'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
