"""The Makefile, and what its scripts say on a machine that lacks something."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers import PATIENCE

ROOT = Path(__file__).parents[2]
NAMED = [
    *("help", "demo", "test", "promises", "lint", "bench", "walk", "figures", "campaign", "manners", "laws", "search"),
    *("payloads", "bodies", "bursts", "contract"),
    *("peers", "page", "deb", "package", "next", "image", "offline", "lock", "clean"),
]


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `command` in the project's folder, with nothing in the environment but PATH and what is given."""
    path = {"PATH": os.environ["PATH"]} | environment
    return subprocess.run(command, cwd=ROOT, env=path, check=False, capture_output=True, text=True, timeout=PATIENCE)


def targets() -> set[str]:
    """The targets that `make help` offers."""
    return set(re.findall(r"^make (\w+)  +\w", run("make").stdout, flags=re.MULTILINE))


def test_make_alone_lists_all_targets() -> None:
    """`make` without a target does nothing but say what there is."""
    assert targets() == set(NAMED)


@pytest.mark.parametrize("target", NAMED)
def test_every_target_can_be_made(target: str) -> None:
    """make knows how to make each target and what it depends on, whether or not a file of that name exists."""
    result = run("make", "--dry-run", "--always-make", target)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout


def test_the_docs_name_only_targets_that_exist() -> None:
    """Every `make TARGET` in the README and the docs is one that `make help` lists, demo and test among them."""
    texts = [(ROOT / "README.md").read_text(), *(path.read_text() for path in (ROOT / "docs").glob("**/*.md"))]
    line, quoted = r"^ *(?:[A-Z_]+=\S+ )?make ([a-z]+)(?: *#.*)?$", r"`(?:[A-Z_]+=\S+ )?make ([a-z]+)[^\n`]*`"
    named = {name for text in texts for form in (line, quoted) for name in re.findall(form, text, re.MULTILINE)}
    assert {"demo", "test"} <= named <= targets()


def test_demo_seconds_reach_the_command() -> None:
    """DEMO_SECONDS=N becomes `--seconds N`; without it the demo runs until it is stopped."""
    assert run("make", "--dry-run", "demo", DEMO_SECONDS="7").stdout.endswith("oden-gateway demo --seconds 7\n")
    assert run("make", "--dry-run", "demo").stdout.rstrip().endswith("oden-gateway demo")


def test_contract_says_why_it_ran_nothing(tmp_path: Path) -> None:
    """Without Oden's API document at hand, `make contract` says so and succeeds: a clone need not have it."""
    made = "--assume-old=.venv/.ready"  # the environment that runs this test is not to be made anew by it
    result = run("make", "--silent", made, "contract", ODEN_REFERENCE=str(tmp_path / "absent"))
    assert result.returncode == 0, result.stderr
    assert re.search(r"no contract tests yet|absent does not exist", result.stdout)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH with the few programs that every machine has, and neither Python nor apt-get."""
    for program in ["bash", "env", "dirname", "id"]:
        found = shutil.which(program)
        assert found
        (tmp_path / program).symlink_to(found)
    return tmp_path


def test_a_machine_without_python_is_told_so(bare: Path) -> None:
    """Where there is no Python that is new enough, the one sentence that a person needs, and exit code 1."""
    old = bare / "python3"
    old.write_text("#!/bin/sh\ncase $2 in *print*) echo 3.9;; *) exit 1;; esac\n")
    old.chmod(0o755)
    result = run(".ci/find-python", PATH=str(bare))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("Python 3.11 or newer is needed and none was found")
    assert len(result.stderr.splitlines()) == 1


def test_a_machine_without_apt_is_told_what_is_missing(bare: Path) -> None:
    """Where nothing can be installed, the sentence says what for and which package, and nothing is changed."""
    result = run(".ci/apt-install", "The tests need a real MQTT broker", "mosquitto", PATH=str(bare))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "The tests need a real MQTT broker. Install what corresponds to the Debian package: mosquitto\n"
    )


def test_a_measurement_prints_its_figures_alone() -> None:
    """Though in it thousands of records are stored, each of which the gateway's code would log."""
    short = "import bench_horizon as bench; bench.LINES, bench.SECONDS = 2, 130; bench.main()"
    run = [sys.executable, "-c", f"import sys; sys.path[:0] = ['bench', '.']; {short}"]
    result = subprocess.run(run, cwd=ROOT, check=True, capture_output=True, text=True, timeout=PATIENCE)
    assert [line.split(",")[0] for line in result.stdout.splitlines()] == ["2 lines"]
    assert result.stderr == ""
