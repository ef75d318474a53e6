"""Who on this machine may read what is secret, and change what decides where it is sent."""

from pathlib import Path

import pytest

from gateway.config import files
from gateway.config.loader import load
from tests.config.command import GOOD, TOKEN, written


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration that everybody could get to: the folder of tests is for one user alone."""
    lets_in = files._lets_all_in
    monkeypatch.setattr(files, "_lets_all_in", lambda folder: tmp_path not in folder.parents or lets_in(folder))
    path = written(tmp_path / "site", GOOD)
    path.chmod(0o640)
    (path.parent / "secrets" / "oden_token").chmod(0o600)
    return path


def warnings(path: Path) -> list[str]:
    return [f"{warning.where.removeprefix(str(path.parent))} {warning.text}" for warning in load(path, {}).warnings]


def test_p8_what_its_user_and_group_alone_may_read_is_right(found: Path) -> None:
    """The same where the folder of secrets lets nobody in, whatever the modes in it."""
    assert warnings(found) == []
    secrets = found.parent / "secrets"
    (secrets / "oden_token").chmod(0o644)
    secrets.chmod(0o700)
    assert warnings(found) == []


def test_p8_a_secret_that_everybody_may_read_is_a_warning_with_what_helps(found: Path) -> None:
    """In a file of its own."""
    secret = found.parent / "secrets" / "oden_token"
    secret.chmod(0o644)
    [said] = warnings(found)
    assert f"everybody on this machine may read {secret}: chmod 600 {secret}" in said
    assert TOKEN not in said


def test_p8_a_configuration_with_a_secret_that_everybody_may_read_is_a_warning(found: Path) -> None:
    """One without may be read by everybody. The value of a variable is in no file."""
    found.chmod(0o644)
    assert warnings(found) == []
    found.write_text(GOOD.replace("${secret:oden_token}", "s3cret-itself"))
    [said] = warnings(found)
    assert f"everybody on this machine may read this secret: chmod 640 {found}" in said
    assert "s3cret-itself" not in said
    assert load(found, {"ODEN_GATEWAY_ODEN__TOKEN": "s3cret-of-a-variable"}).warnings == ()


def test_p10_a_configuration_that_everybody_may_change_is_a_warning(found: Path) -> None:
    """Each of its files; where it is included too."""
    part = found.parent / "part.yaml"
    part.write_text("log: {level: debug}\n")
    found.write_text(f"include: [part.yaml]\n{GOOD}")
    part.chmod(0o666)
    assert [said.split(" ")[0] for said in warnings(found)] == ["/part.yaml:1:1"]
    found.chmod(0o642)
    assert len(warnings(found)) == 2
