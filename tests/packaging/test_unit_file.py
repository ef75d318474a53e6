"""systemd/oden-gateway.service, judged by systemd itself and against what the program expects."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from gateway.config.schema_process import OutboxConfig
from tests.peers import PATIENCE

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd/oden-gateway.service"
SYSUSERS = ROOT / "systemd/oden-gateway.sysusers"


def settings(section: str) -> dict[str, list[str]]:
    """The settings of one section of the unit; one that is given several times has several values."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif current == section and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def verify(unit: str, root: Path) -> str:
    """What `systemd-analyze verify` says of `unit` on a machine that has systemd's own units and the program.

    The machine is the folder `root`. Its programs are empty files that may be executed: `verify` looks for that
    and never runs them. Everything else that it complains about on a real machine, it complains about here.
    """
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    for program in (root / "opt/oden-gateway/bin/oden-gateway", root / "bin/sh"):
        program.parent.mkdir(parents=True)
        program.touch(mode=0o755)
    place = root / "etc/systemd/system/oden-gateway.service"
    place.parent.mkdir(parents=True)
    place.write_text(unit)
    command = ["systemd-analyze", "verify", "--man=no", f"--root={root}", place.name]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
    return result.stdout + result.stderr + (f"exit code {result.returncode}" if result.returncode else "")


def test_systemd_has_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    """`systemd-analyze verify` prints nothing."""
    assert verify(UNIT.read_text(), tmp_path) == ""


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("WatchdogSec=15s", "WatchdogSec=often", "Failed to parse sec value"),
        ("PrivateTmp=", "PrivateTemp=", "Unknown key 'PrivateTemp'"),
        ("/opt/oden-gateway/bin/oden-gateway run", "/opt/oden-gateway/bin/gateway run", "is not executable"),
    ],
)
def test_systemd_would_have_said_something(right: str, wrong: str, complaint: str, tmp_path: Path) -> None:
    """The silence above means something: the same check finds a bad value, an unknown key and a wrong program."""
    assert right in UNIT.read_text()
    assert complaint in verify(UNIT.read_text().replace(right, wrong), tmp_path)


def test_the_sandbox_is_tight() -> None:
    """systemd rates the service's exposure at most 1.1 on its scale from 0 (locked away) to 10 (does as it likes)."""
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=11", "--no-pager", str(UNIT)]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 0, result.stdout[-200:] + result.stderr


def test_the_unit_starts_the_command_with_the_default_paths() -> None:
    """Program, configuration, state and runtime folders are the ones that the program and its docs name."""
    service = settings("Service")
    (command,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert service["ExecStart"] == [f"/opt/oden-gateway/bin/{command} run -c /etc/oden-gateway/gateway.yaml"]
    assert OutboxConfig().directory == Path("/var/lib") / service["StateDirectory"][0]
    assert (service["StateDirectoryMode"], service["RuntimeDirectory"]) == (["0700"], ["oden-gateway"])
    assert service["RuntimeDirectoryPreserve"] == ["yes"], "a crash leaves what ends the sessions before it"


def test_the_service_comes_back_whatever_happens_except_from_a_wrong_configuration() -> None:
    """It is restarted without limit, watched, and only exit code 2 (a wrong configuration) keeps it down."""
    service = settings("Service")
    assert (service["Type"], service["NotifyAccess"]) == (["notify"], ["main"])
    assert (service["Restart"], service["RestartPreventExitStatus"]) == (["always"], ["2"])
    assert service["WatchdogSec"] == ["15s"]
    assert settings("Unit")["StartLimitIntervalSec"] == ["0"]
    assert settings("Install")["WantedBy"] == ["multi-user.target"]


def test_p11_it_does_not_wait_for_a_clock_that_nobody_sets() -> None:
    """systemd-time-wait-sync holds time-sync.target up for ever where no time server answers."""
    unit = settings("Unit")
    ordered = [name for key in ("After", "Requires", "Wants", "BindsTo") for name in unit.get(key, [])]
    assert not [name for name in ordered if "time" in name]


def test_p8_the_token_reaches_the_service_as_a_credential_only() -> None:
    """The token is a credential under the name that the example configuration asks for, and not in the environment."""
    service = settings("Service")
    assert service["LoadCredential"] == ["secrets:/etc/oden-gateway/secrets"]
    assert "${secret:oden_token}" in (ROOT / "config/gateway.yaml").read_text()
    assert "PassEnvironment" not in service
    assert service["Environment"] == ["BOOT_ID=%b"]


def test_the_user_of_the_service_is_the_one_that_sysusers_makes(tmp_path: Path) -> None:
    """systemd-sysusers, given our file, makes the user and the group that the unit names, without a login shell."""
    (tmp_path / "etc").mkdir()
    command = ["systemd-sysusers", f"--root={tmp_path}", str(SYSUSERS)]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    (user,) = (line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines())
    (group,) = (line.split(":") for line in (tmp_path / "etc/group").read_text().splitlines())
    service = settings("Service")
    assert ([user[0]], [group[0]]) == (service["User"], service["Group"])
    assert user[6].endswith("/nologin")


def test_a_loop_that_hangs_leaves_time_for_the_start_within_30_seconds() -> None:
    """Until nothing more is heard, until what hangs is gone, and until the next start: at most 22 s together."""
    service = settings("Service")
    assert (
        sum(int(service[name][0].removesuffix("s")) for name in ("WatchdogSec", "TimeoutAbortSec", "RestartSec")) <= 22
    )
