"""What is built and promised: the wheel, the source distribution, extras, versions, the README and the workflow."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from zerosum.cli.doctor import EXTRAS
from zerosum.cli.main import verbs

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "zerosum"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
README = (ROOT / "README.md").read_text("utf-8")
HOME = "https://github.com/zerosum-gan/zerosum/"
RAW = "https://raw.githubusercontent.com/zerosum-gan/zerosum/main/"
IMPORTED = {
    "scikit-learn": "sklearn",
    "pillow": "PIL",
    "pyyaml": "yaml",
}  # packages that are imported under another name


def extras() -> dict[str, list[str]]:
    """The packages that each extra brings, apart from other extras."""
    known: dict[str, list[str]] = PROJECT["optional-dependencies"]
    bare = {name: [re.split(r"[<>=\[]", one)[0] for one in given] for name, given in known.items()}
    return {name: [one for one in given if one != "zerosum"] for name, given in bare.items()}


def _ignored(folder: str, names: list[str]) -> set[str]:
    at_the_top = r"|\.git|\.venv.*|\.hypothesis|runs|dist|build" if Path(folder) == ROOT else ""
    pattern = r"__pycache__|\..*_cache" + at_the_top
    return {name for name in names if re.fullmatch(pattern, name)}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution, built from a copy without what git ignores."""
    pytest.importorskip("hatchling")
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    shutil.copytree(ROOT, copy, ignore=_ignored, dirs_exist_ok=True)
    for target in ("wheel", "sdist"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return out


def test_the_wheel_has_all_data_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        said = file.read(next(name for name in names if name.endswith("METADATA"))).decode()
    wanted = {
        str(p.relative_to(ROOT / "src")) for p in SOURCE.rglob("*") if p.is_file() and "__pycache__" not in p.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == wanted
    assert {"zerosum/py.typed", "zerosum/data/shipped/fashion_mini.npz", "zerosum/recipes/measured.json"} <= wanted
    assert {Path(name).name for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}
    assert "Project-URL: Issues" in said
    assert said.count("README") == README.count("README")


def test_the_source_distribution_is_complete(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    for folder in ("src", "tests", "tools", "benchmarks", "docs", "results", ".ci", ".github"):
        files = {
            p.relative_to(ROOT) for p in (ROOT / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts
        }
        wanted = {str(p) for p in files if not re.match(r"results/lab/(index\.html|.*-parts/)", str(p))}
        assert wanted <= names, f"missing below {folder}: {sorted(wanted - names)[:5]}"
    assert {"Makefile", "constraints.txt", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "README.md"} <= names
    assert {name for name in names if "/" not in name} <= {
        *("Makefile", "constraints.txt", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "README.md"),
        *("pyproject.toml", "PKG-INFO", ".gitignore"),
    }


def test_the_wheel_tests_itself(built: Path, tmp_path: Path) -> None:
    """From another working directory, where nothing can be written beside the package, without HOME."""
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "site")
    (tmp_path / "elsewhere").mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "HOME"}
    environment |= {"PYTHONPATH": str(tmp_path / "site"), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(tmp_path)}
    before = sorted((tmp_path / "site").rglob("*"))
    command = [sys.executable, "-c", "import zerosum; print(zerosum.__file__)"]
    where = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path / "elsewhere")
    assert where.stdout.strip() == str(tmp_path / "site" / "zerosum" / "__init__.py")
    command = [sys.executable, "-m", "zerosum", "doctor", "--self-test"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("ok")][:7] == [
        *("data", "penalty", "train", "resume", "sample", "eval", "lab"),
    ]
    assert lines[-1].startswith("all is well")
    assert not list((tmp_path / "elsewhere").iterdir())
    assert not list(tmp_path.glob("zerosum-self-test-*"))
    assert sorted((tmp_path / "site").rglob("*")) == before


def test_each_extra_brings_what_something_uses() -> None:
    text = "\n".join(file.read_text("utf-8") for file in SOURCE.rglob("*.py") if file.parent.name != "cli")
    for name, packages in extras().items():
        if name not in ("dev", "all"):
            assert packages
            for package in packages:
                module = IMPORTED.get(package, package)
                used = rf"(?:import|from) {module}\b|import_module\(\"{module}\"\)|[\"']{module}[\"']|utils\.{module}\b"
                assert re.search(used, text), f"nothing uses {package} of the extra {name}"


def test_messages_name_extras_that_there_are() -> None:
    text = "\n".join(file.read_text("utf-8") for file in [*SOURCE.rglob("*.py"), *(ROOT / "docs").glob("*.md")])
    named = set(re.findall(r"zerosum\[([a-z,]+)\]", text + README))
    assert named <= {*extras(), "{extra}"}
    for package, (_, extra) in EXTRAS.items():
        assert package in [IMPORTED.get(one, one) for one in extras()[extra]], f"{extra} does not bring {package}"


def test_everything_that_is_imported_is_required() -> None:
    """A base install lacks nothing that is imported at the top of a file."""
    required = {re.split(r"[<>=\[]", one)[0] for one in PROJECT["dependencies"]}
    allowed = {IMPORTED.get(one, one) for one in required} | {"zerosum", *sys.stdlib_module_names}
    wrong = []
    for file in SOURCE.rglob("*.py"):
        for node in ast.parse(file.read_text("utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{file.name}: {name}" for name in names if name.split(".")[0] not in allowed]
    assert not wrong


def test_the_oldest_versions_are_the_low_ends() -> None:
    pins = dict(line.split("==") for line in (ROOT / ".ci/oldest.txt").read_text("utf-8").splitlines() if "==" in line)
    low = {one.split(">=")[0]: one.split(">=")[1].split(",")[0] for one in PROJECT["dependencies"]}
    assert pins.keys() == low.keys()
    for name, version in low.items():
        assert pins[name] == version or pins[name].startswith(f"{version}."), name


def test_pythons_agree() -> None:
    listed = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", one) for one in PROJECT["classifiers"]]
    classified = [match[1] for match in listed if match]
    assert PROJECT["requires-python"] == f">={classified[0]}"
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    jobs = workflow["jobs"]
    tried = jobs["test"]["strategy"]["matrix"]["include"]
    assert [one["python"] for one in tried] == classified
    assert (tried[0]["constraints"], tried[-1]["constraints"]) == (".ci/oldest.txt", ".ci/latest.txt")
    assert all((ROOT / one["constraints"]).is_file() for one in tried)
    assert all("timeout-minutes" in job for job in jobs.values())
    assert {"run": ".ci/run"} in jobs["test"]["steps"]
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_the_readme_is_short_and_its_links_are_absolute() -> None:
    assert README.count("\n") <= 150
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert targets
    for target in targets:
        assert target.startswith((HOME, RAW, "https://")), f"not absolute: {target}"
        path = re.sub(rf"^(?:{re.escape(HOME)}(?:blob|tree)/main/|{re.escape(RAW)})", "", target)
        if path != target:
            assert (ROOT / path).exists(), target


def test_links_of_the_documents_resolve() -> None:
    wrong = []
    pages = [
        page for page in (ROOT / "docs").glob("*.md") if page.name != "EQUATIONS.md"
    ]  # which has a test of its own
    for page in [*pages, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            wrong += [f"{page.name}: {target}"] if not (page.parent / target).exists() else []
    assert not wrong


def test_the_readme_speaks_of_verbs_that_there_are() -> None:
    for page in (README, (ROOT / "docs/install.md").read_text("utf-8")):
        for block in re.findall(r"^```\n(.*?)^```", page, re.M | re.S):
            for verb in re.findall(r"^zerosum ([a-z-]+)", block, re.M):
                assert verb in verbs(), verb


def test_the_program_and_the_version() -> None:
    (entry,) = [one for one in metadata.entry_points(group="console_scripts") if one.name == "zerosum"]
    assert entry.value == "zerosum.cli.main:main"


def test_messages_do_not_name_files_that_are_not_installed() -> None:
    wrong = []
    for file in SOURCE.rglob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        documents = [node.body[0] for node in ast.walk(tree) if isinstance(node, kinds) and ast.get_docstring(node)]
        internal = {id(one.value) for one in documents if isinstance(one, ast.Expr)}
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "address"]
        internal |= {id(one) for call in calls for one in call.args}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in internal:
                for match in re.finditer(
                    r"(\S*)\b(?:results|docs|tools|benchmarks)/\w+\.\w+\b(?! of the repository)", node.value
                ):
                    wrong += [] if "://" in match[1] else [f"{file.name}:{node.lineno}: {match[0]}"]
    assert not wrong
