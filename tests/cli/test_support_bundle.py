"""`oden-gateway support-bundle` as a process: what is in the file, and that no secret is."""

import base64
import html
import json
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from gateway.cli.support_bundle import MASK, masked
from tests.peers import PATIENCE, free_port, wait_for
from tests.processes import status_json

PLANTED = {
    "ODEN_GATEWAY_SECRET_ODEN_TOKEN": "planted-oden-token",
    "ODEN_GATEWAY_SECRET_PROXY": "http://edge:planted-proxy-word@proxy.plant.example:3128",
}
INLINE = ("planted-broker-word", "planted-way-word", "planted-actions-word", "planted-plc-word", 'planted-"page"-token')
CONFIG = """
oden: {{url: "http://127.0.0.1:{nobody}/v2", token: "${{secret:oden_token}}", proxy: "${{secret:proxy}}"}}
sources:
  plc: {{type: opcua, url: "opc.tcp://127.0.0.1:{nobody}", security: none}}
  floor:
    type: mqtt
    url: "ws://127.0.0.1:{nobody}/mqtt?token=planted-way-word"
    client_id: edge-01
    username: edge
    password: planted-broker-word
lines:
  - factory: Factory A
    line: Line 01
    inputs: {{state: {{source: plc, node: "ns=2;s=State"}}}}
    states: {{input: state, codes: {{1: {{category: Uptime}}}}}}
outbox: {{directory: {folder}/outbox}}
status: {{listen: "127.0.0.1:{status}", actions_token: planted-actions-word}}
"""


class Site:
    """A configuration in a folder, and the gateway that may run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "gateway.yaml"
        self.config.write_text(CONFIG.format(nobody=free_port(), folder=folder, status=self.port))
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("NOTIFY_", "ODEN_"))} | PLANTED
        self.process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        command = [sys.executable, "-m", "gateway", "run", "-c", str(self.config)]
        self.process = subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL)
        wait_for(lambda: status_json(self.port) is not None)

    def bundle(self, target: Path) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "gateway", "support-bundle", "-c", str(self.config), "-o", str(target)]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    if site.process is not None:
        site.process.kill()
        site.process.wait()


def parts_of(target: Path) -> dict[str, str]:
    """The texts in the file, by name, with no secret in any of them."""
    with tarfile.open(target) as archive:
        texts = {}
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            texts[Path(member.name).name] = content.read().decode()
    for secret in (*PLANTED.values(), *INLINE, "planted"):
        assert [name for name, text in texts.items() if secret in text] == []
    return texts


def test_p8_it_has_what_a_helper_needs_and_no_secret(site: Site, tmp_path: Path) -> None:
    """Configuration, status and statistics of the gateway that runs, versions, files: readable for the owner alone."""
    site.run()
    target = tmp_path / "support.tar.gz"
    done = site.bundle(target)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    parts = parts_of(target)
    configuration = json.loads(parts["configuration.json"])
    assert configuration["oden"]["token"] == "${secret:oden_token}"
    assert configuration["lines"][0]["line"] == "Line 01"
    (status,) = json.loads(parts["status.json"])
    assert status["headline"].startswith("Source")
    assert "lanes" in parts["statistics.json"]
    assert "cache.db" in parts["files.txt"]
    assert "Python: 3." in parts["about.txt"]
    assert "aiohttp" in parts["about.txt"]
    assert "support.tar.gz is written" in done.stdout


def test_without_a_running_gateway_it_says_what_is_missing(site: Site, tmp_path: Path) -> None:
    """The outbox is left alone: to open it would repair it. What is missing is told, here and in the file."""
    target = tmp_path / "support.tar.gz"
    done = site.bundle(target)
    assert done.returncode == 0, done.stderr
    parts = parts_of(target)
    assert "status.json" not in parts
    assert "status.json: no gateway runs with this configuration" in parts["missing.txt"]
    assert "Not in it: status.json" in done.stdout
    assert not (tmp_path / "outbox").exists()


def test_p8_a_wrong_configuration_is_told_and_not_shown(site: Site, tmp_path: Path) -> None:
    """What cannot be understood cannot be masked: the file has the places of the mistakes, and no text of it."""
    site.config.write_text(site.config.read_text().replace("username:", "usrname:"))
    target = tmp_path / "support.tar.gz"
    assert site.bundle(target).returncode == 0
    parts = parts_of(target)
    assert "configuration.json" not in parts
    assert "gateway.yaml:9:5" in parts["check.txt"]


def test_a_file_that_is_there_stays(site: Site, tmp_path: Path) -> None:
    """Exit code 1 with a sentence; nothing is overwritten, nor written through a link."""
    target = tmp_path / "support.tar.gz"
    target.write_text("mine")
    (tmp_path / "link").symlink_to(target)
    for path in (target, tmp_path / "link", tmp_path / "nowhere" / "x"):
        done = site.bundle(path)
        assert done.returncode == 1
        assert done.stderr.startswith("oden-gateway: ")
    assert target.read_text() == "mine"


def test_p8_a_secret_is_masked_however_it_is_written(site: Site, tmp_path: Path) -> None:
    """Whoever has put it into what goes into the bundle: here, in the names of files beside the outbox."""
    secret = "p%ss w\"ör<d'&+word"
    site.environment["ODEN_GATEWAY_SECRET_PROXY"] = f"http://edge:{quote(secret, safe='')}@127.0.0.1:3128"
    outbox = tmp_path / "outbox"
    outbox.mkdir(exist_ok=True)
    escaped = [quote(secret, safe="").lower(), html.escape(secret), json.dumps(secret), html.escape(json.dumps(secret))]
    coded = [base64.urlsafe_b64encode(f"{before}{secret}".encode()).decode() for before in ("", "x", "edge:")]
    for number, written in enumerate((*escaped, *coded)):
        (outbox / f"{number} {written} end").touch()
    target = tmp_path / "support.tar.gz"
    assert site.bundle(target).returncode == 0
    named = [line.rpartition("/")[2] for line in parts_of(target)["files.txt"].splitlines() if line.endswith(" end")]
    assert len(named) == len(escaped) + len(coded)
    assert [name for name in named if MASK not in name or "word" in name or "p%" in name] == []
    assert named[:2] == [f"0 {MASK} end", f"1 {MASK} end"]
    assert masked("Line 01", ("token",)) == "Line 01"
