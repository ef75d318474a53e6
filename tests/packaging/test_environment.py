"""What people see who wait for `make demo` in a fresh clone: the environment is made in steps that are counted."""

import base64
import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

from tests.peers import PATIENCE

ROOT = Path(__file__).parents[2]
LIBRARIES = 23
BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "gateway-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("gateway-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: gateway\\nVersion: 1.0\\n")
        wheel.writestr("gateway-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr("gateway-1.0.dist-info/RECORD", "")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def wheel(folder: Path, name: str) -> str:
    """A library without anything in it; its line of a lock file."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in files.items():
            archive.writestr(place, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{place},sha256={digest},{len(text)}")
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]))
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_who_waits_for_the_demo_sees_how_far_it_is(tmp_path: Path) -> None:
    """Three steps, the second with every tenth library of how many; what is made already is not made again."""
    clone, wheels = tmp_path / "clone", tmp_path / "wheels"
    (clone / ".ci").mkdir(parents=True)
    wheels.mkdir()
    for script in ("environment", "find-python"):
        shutil.copy(ROOT / ".ci" / script, clone / ".ci" / script)
    lock = [wheel(wheels, f"library{number:02}") for number in range(LIBRARIES)]
    (clone / "requirements-dev.lock").write_text("\n".join(lock) + "\n")
    (clone / "pyproject.toml").write_text(PROJECT)
    (clone / "backend.py").write_text(BACKEND)
    environment = {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}

    def made() -> list[str]:
        done = subprocess.run(
            [clone / ".ci/environment"], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    first, *rest = made()
    assert first.startswith("Step 1 of 3: making .venv with Python 3.")
    assert rest == [
        f"Step 2 of 3: {LIBRARIES} libraries of requirements-dev.lock",
        *(f"  {number} of {LIBRARIES}" for number in range(10, LIBRARIES, 10)),
        "  unpacking",
        "Step 3 of 3: the gateway itself",
    ]
    assert made() == []


def test_the_demo_begins_with_it() -> None:
    """In a fresh clone `make demo` makes the environment first, and lets its steps be seen."""
    command = ["make", "--no-print-directory", "--dry-run", "--always-make", "demo"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    assert said.splitlines()[0] == ".ci/environment"
    assert said.splitlines()[-1].rstrip().endswith("oden-gateway demo")
