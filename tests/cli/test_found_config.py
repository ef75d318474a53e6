"""Which configuration a command takes that is given none, and that it says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.startup import CONFIG_VARIABLE, DEFAULT_CONFIG, found_config
from tests.config.command import GOOD, environment, written


@pytest.mark.parametrize(
    ("installed", "here", "named", "found"),
    [
        (True, True, False, "etc/gateway.yaml"),
        (True, False, False, "etc/gateway.yaml"),
        (False, True, False, "gateway.yaml"),
        (False, False, False, "etc/gateway.yaml"),
        (True, True, True, "other.yaml"),
        (False, False, True, "other.yaml"),
    ],
)
def test_the_installed_one_comes_before_the_one_in_the_folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    installed: bool,
    here: bool,
    named: bool,
    found: str,
) -> None:
    """A variable is meant, and counts before both; any but the installed one is named on standard error."""
    monkeypatch.chdir(tmp_path)
    usual = tmp_path / "etc" / "gateway.yaml"
    usual.parent.mkdir()
    for path, is_there in ((usual, installed), (tmp_path / "gateway.yaml", here)):
        if is_there:
            path.touch()
    environ = {CONFIG_VARIABLE: str(tmp_path / "other.yaml")} if named else {}
    assert found_config(environ, usual).absolute() == tmp_path / found
    said = capsys.readouterr().err
    assert said.count(str(tmp_path / found)) == (found != "etc/gateway.yaml"), said


def test_a_command_without_an_option_finds_its_file(tmp_path: Path) -> None:
    """In a process, by the variable and, on a machine without an installed gateway, in its folder; `-c` comes first."""
    site = written(tmp_path / "site", GOOD)
    other = tmp_path / "other.yaml"
    other.write_text("oden: {}\n")

    def checked(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway", "check", *words]
        return subprocess.run(
            command, cwd=site.parent, env=environment(**variables), capture_output=True, text=True, check=False
        )

    by_name = checked(**{CONFIG_VARIABLE: str(site)})
    assert (by_name.returncode, str(site) in by_name.stderr) == (0, True), by_name
    assert f"{site} is right." in by_name.stdout
    given = checked("-c", str(other), **{CONFIG_VARIABLE: str(site)})
    assert (given.returncode, str(site) in given.stderr) == (2, False), given
    if not os.path.lexists(DEFAULT_CONFIG):
        here = checked()
        assert (here.returncode, str(site) in here.stderr) == (0, True), here
