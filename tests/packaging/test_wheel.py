"""The wheel: what is inside, and that it runs with nothing but what requirements.lock installs."""

import os
import re
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


def version_of(wheel: Path) -> str:
    """The version in its name. What is installed here in editable form has that of the day on which it was."""
    return wheel.name.split("-")[1]


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
    version = version_of(wheel)
    inside = set(zipfile.ZipFile(wheel).namelist())
    tree = [Path(directory) / file for directory, _, files in os.walk(ROOT / "gateway") for file in files]
    package = {str(path.relative_to(ROOT)) for path in tree if path.suffix != ".pyc"}
    assert any("/static/" in file for file in package)
    assert package <= inside
    data = f"oden_gateway-{version}.data/data/share/oden-gateway/examples"
    config = ROOT / "config"
    examples = {f"{data}/{path.relative_to(config)}" for path in config.rglob("*") if path.is_file()}
    assert f"{data}/gateway.yaml" in examples
    rest = inside - package - examples - {"gateway/COMMIT", "gateway/CODE"}
    assert [file for file in rest if not re.match(rf"oden_gateway-{re.escape(version)}\.dist-info/", file)] == []


def test_the_wheel_installs_the_command_and_says_what_it_is(wheel: Path) -> None:
    """The wheel makes the command `oden-gateway` and carries version, licence and the least Python."""
    with zipfile.ZipFile(wheel) as archive:
        info = f"oden_gateway-{version_of(wheel)}.dist-info"
        commands = archive.read(f"{info}/entry_points.txt").decode()
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        assert archive.read(f"{info}/licenses/LICENSE").decode().strip().startswith("Apache License")
    assert "oden-gateway = gateway.__main__:main" in commands
    assert (metadata["Version"], metadata["Requires-Python"]) == (version_of(wheel), ">=3.11")
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_wheel_says_of_which_commit_it_is(wheel: Path) -> None:
    """In a clone, where git knows it; the same that the clone says of itself."""
    assert described().startswith(__version__)
    if (ROOT / ".git").exists():
        commit = zipfile.ZipFile(wheel).read("gateway/COMMIT").decode().strip()
        assert commit
        said = described().removeprefix(__version__).strip(" ()")
        assert said in commit


def test_the_command_runs_without_the_packages_of_demo_and_tests(wheel: Path, runtime: Path) -> None:
    """With the packages of requirements.lock alone, the command starts and every module can be imported."""
    run = "import sys; sys.path.insert(0, sys.argv.pop(1)); from gateway.__main__ import main; sys.exit(main())"
    result = python(runtime, run, "version")
    version = version_of(wheel)
    commit = (runtime / "gateway/COMMIT").read_text() if (runtime / "gateway/COMMIT").exists() else ""
    said = version if commit in ("", f"v{version}") else f"{version} ({commit})"
    assert (result.returncode, result.stdout) == (0, f"oden-gateway {said}\n"), result.stderr
    result = python(runtime, IMPORT_EVERYTHING)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
