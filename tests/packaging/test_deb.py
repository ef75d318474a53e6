"""The Debian package: what is in it, and what its scripts do. It is built from the locked libraries."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "packaging" / "debian"


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm"])
def test_a_script_is_plain_shell_and_leaves_the_outbox_alone(name: str) -> None:
    """It runs with any /bin/sh, ends at the first error, and removes nothing of the configuration or the outbox."""
    text = (SCRIPTS / name).read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -e\n" in text
    assert os.access(SCRIPTS / name, os.X_OK)
    subprocess.run(["/bin/sh", "-n", str(SCRIPTS / name)], check=True)
    removed = re.findall(r"\brm\b.*", text)
    assert all("/var/lib" not in line and "/etc/oden-gateway" not in line for line in removed)


def test_install_md_tells_what_the_package_has() -> None:
    """The paths in the unit, in the package and in the docs are the same."""
    build = (ROOT / "packaging" / "deb").read_text(encoding="utf-8")
    unit = (ROOT / "systemd" / "oden-gateway.service").read_text(encoding="utf-8")
    assert "ExecStart=/opt/oden-gateway/bin/oden-gateway run" in unit
    assert "\nhome=/opt/oden-gateway\n" in build
    tmpfiles = (ROOT / "systemd" / "oden-gateway.tmpfiles").read_text(encoding="utf-8")
    assert "d /etc/oden-gateway/secrets 0700 root root -" in tmpfiles
    for name in ("service", "sysusers", "tmpfiles"):
        assert f"systemd/oden-gateway.{name}" in build


def test_the_code_is_compiled_before_the_service_starts() -> None:
    """It may write nothing beside its code, and what was compiled of another version does not count."""
    text = (SCRIPTS / "postinst").read_text(encoding="utf-8")
    compiled = text.index("/opt/oden-gateway/bin/python3 -m compileall -qf /opt/oden-gateway/lib")
    assert compiled < text.index("systemctl restart")
    assert "--no-compile" in (ROOT / "packaging" / "deb").read_text(encoding="utf-8"), "then there is nothing to do"
