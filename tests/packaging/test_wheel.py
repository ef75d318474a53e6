"""The wheel: what is inside, and that it runs with nothing but what requirements.lock installs."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from gateway import __version__
from gateway.build import described
from tests.peers import PATIENCE

ROOT = Path(__file__).parents[2]

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import gateway
for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        print(f"{module.name} needs {error.name}")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built without a network by the locked backend."""
    directory = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def runtime(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to import from: the wheel, unpacked, and links to the packages of requirements.lock, no others."""
    folder = tmp_path_factory.mktemp("runtime")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for name in re.findall(r"^([a-z0-9][\w.-]*)==", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE):
        try:
            files = distribution(name).files
        except PackageNotFoundError:  # not for this platform
            continue
        assert files, f"{name} does not say what it installed"
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            link = folder / top
            if not link.exists():
                link.symlink_to(Path(str(distribution(name).locate_file(top))))
    return folder


def python(runtime: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `program` with the packages in `runtime` and Python's own, isolated from those of the tests."""
    command = [sys.executable, "-I", "-S", "-W", "ignore", "-c", program, str(runtime), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE, cwd=runtime)


def test_the_wheel_holds_the_package_and_all_that_it_reads(wheel: Path) -> None:
    """Every file of the package is in the wheel, the example configurations beside it, and nothing else."""
    version = re.escape(__version__)
    inside = set(zipfile.ZipFile(wheel).namelist())
    tree = [Path(directory) / file for directory, _, files in os.walk(ROOT / "gateway") for file in files]
    package = {str(path.relative_to(ROOT)) for path in tree if path.suffix != ".pyc"}
    assert any("/static/" in file for file in package)
    assert package <= inside
    data = f"oden_gateway-{__version__}.data/data/share/oden-gateway/examples"
    config = ROOT / "config"
    examples = {f"{data}/{path.relative_to(config)}" for path in config.rglob("*") if path.is_file()}
    assert f"{data}/gateway.yaml" in examples
    rest = inside - package - examples - {"gateway/COMMIT"}
    assert [file for file in rest if not re.match(rf"oden_gateway-{version}\.dist-info/", file)] == []


def test_the_wheel_installs_the_command_and_says_what_it_is(wheel: Path) -> None:
    """The wheel makes the command `oden-gateway` and carries version, licence and the least Python."""
    with zipfile.ZipFile(wheel) as archive:
        info = f"oden_gateway-{__version__}.dist-info"
        commands = archive.read(f"{info}/entry_points.txt").decode()
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        assert archive.read(f"{info}/licenses/LICENSE").decode().strip().startswith("Apache License")
    assert "oden-gateway = gateway.__main__:main" in commands
    assert (metadata["Version"], metadata["Requires-Python"]) == (__version__, ">=3.11")
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_wheel_says_of_which_commit_it_is(wheel: Path) -> None:
    """In a clone, where git knows it; the same that the clone says of itself."""
    assert described().startswith(__version__)
    if (ROOT / ".git").exists():
        commit = zipfile.ZipFile(wheel).read("gateway/COMMIT").decode().strip()
        assert described() in (f"{__version__} ({commit})", __version__)
        assert commit


@pytest.mark.parametrize(("tag", "is_built"), [(f"v{__version__}", True), ("v99.0.0", False), ("monday", True)])
def test_what_is_tagged_as_a_version_is_built_as_that_or_not_at_all(tag: str, is_built: bool, tmp_path: Path) -> None:
    """A tag that is no version says nothing."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("config", "gateway"):
        (tmp_path / name).mkdir()
    (tmp_path / "gateway" / "__init__.py").touch()
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path))
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "all"), ("tag", tag)):
        subprocess.run([*git, *words], check=True, capture_output=True)
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "dist"]
    done = subprocess.run(build, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (done.returncode == 0) is is_built, done.stderr
    assert is_built or f"tagged {tag}, and pyproject.toml says {__version__}" in done.stdout + done.stderr


def test_the_command_runs_without_the_packages_of_demo_and_tests(runtime: Path) -> None:
    """With the packages of requirements.lock alone, the command starts and every module can be imported."""
    run = "import sys; sys.path.insert(0, sys.argv.pop(1)); from gateway.__main__ import main; sys.exit(main())"
    result = python(runtime, run, "version")
    assert (result.returncode, result.stdout) == (0, f"oden-gateway {described()}\n"), result.stderr
    result = python(runtime, IMPORT_EVERYTHING)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
