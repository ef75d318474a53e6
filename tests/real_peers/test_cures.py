"""`check --live` at a server of another maker: each finding is followed to the letter, and is gone."""

import json
import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.config.command import TOKEN
from tests.live.site import Site
from tests.peers import free_port
from tests.real_peers.opcua_servers import NodeOpcua

CONFIG = """
oden: {{url: "http://127.0.0.1:{oden}/v2", token: "${{secret:oden_token}}", allow_faster_for_tests: true, rate: 20/s}}
outbox: {{directory: outbox, size_limit: 100 MB, min_free: 0%}}
status: {{listen: "127.0.0.1:{status}"}}
sources:
  plc: {{type: opcua, url: "{url}", pki: pki, {source}}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      state: {{source: plc, node: "nsu=urn:acme:line;s=L01.State"{state}}}
      order: {{source: plc, node: "i=2256"{order}}}
    run: {{key: order, product: Film}}
    states: {{input: state, codes: {{1: {{category: Uptime}}}}}}
"""
LINE = "Factory A/Line 01"


class Person:
    """Asks what is wrong, and does what is said."""

    def __init__(self, site: Site, url: str) -> None:
        self.site = site
        self.settings: dict[str, Any] = {"url": url, "oden": free_port(), "status": free_port()}
        self.settings |= {"source": "security: none", "state": "", "order": ""}

    async def asks(self, **changes: Any) -> dict[tuple[str, str], dict[str, str]]:
        """What is found after these changes to the configuration, by kind and what it is about."""
        self.settings |= changes
        folder = self.site.config.parent
        (folder / "secrets").mkdir(parents=True, exist_ok=True)
        (folder / "secrets" / "oden_token").write_text(f"{TOKEN}\n")
        self.site.config.write_text(CONFIG.format(**self.settings))
        answer = await self.site.run("check", "-c", "gateway.yaml", "--live", "--seconds", "4", "--json")
        assert answer.output, answer.problems
        found = {(each["kind"], each["about"]): each for each in json.loads(answer.output)["findings"]}
        assert answer.code == (1 if any(each["level"] == "wrong" for each in found.values()) else 0)
        return found

    async def runs(self, text: str) -> str:
        """The command of the gateway in a sentence; what it prints."""
        words = re.search(r"oden-gateway (pki [^;,)]+)", text)
        assert words is not None, text
        answer = await self.site.run(*shlex.split(words[1]))
        assert answer.code == 0, answer
        return answer.output


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NodeOpcua]:
    server = NodeOpcua(
        tmp_path / "server",
        policies=["Basic256Sha256"],
        modes=["SignAndEncrypt"],
        users={"operator": "right"},
        anonymous=False,
        trustAll=False,
    )
    try:
        yield server
    finally:
        await server.kill()


async def test_a_secure_server_is_reached_by_doing_what_is_said(server: NodeOpcua, tmp_path: Path) -> None:
    """From nothing to a session: what it offers, our certificate, its certificate, its trust in ours, the user; then
    Oden, and how tags are to be named."""
    await server.start(L01__State=1)
    site = Site(tmp_path)
    person = Person(site, server.url)
    try:
        found = await person.asks()
        assert {kind for kind, _ in found} == {"security_wanted", "oden_unreachable"}
        assert "Basic256Sha256/SignAndEncrypt" in found["security_wanted", "plc"]["text"]
        found = await person.asks(source="security: Basic256Sha256/Sign")
        assert ("no_certificate", "plc") in found
        await person.runs(found["no_certificate", "plc"]["cure"])
        found = await person.asks()
        assert "Basic256Sha256/SignAndEncrypt" in found["security_not_offered", "plc"]["text"]
        found = await person.asks(source="security: Basic256Sha256/SignAndEncrypt")
        await person.runs(found["server_not_trusted", "plc"]["text"])
        found = await person.asks()
        certificates = tmp_path / "server" / "pki"
        exported = await person.runs(found["gateway_not_trusted", "plc"]["text"])
        (certificates / "trusted" / "certs" / "gateway.pem").write_text(exported)
        for each in (certificates / "rejected").iterdir():  # what this server has rejected it rejects
            each.unlink()
        await server.kill()
        await server.start(L01__State=1)
        found = await person.asks()
        assert ("login_refused", "plc") in found, [each["text"] for each in found.values()]
        assert "set `username` and `password`" in found["login_refused", "plc"]["cure"]
        user = "security: Basic256Sha256/SignAndEncrypt, username: operator, password: "
        found = await person.asks(source=user + "wrong")
        assert "correct `username` and `password`" in found["login_refused", "plc"]["cure"]
        found = await person.asks(source=user + "right")
        assert "see that `oden.url` can be reached" in found["oden_unreachable", "Oden"]["cure"]
        oden = await site.start("simulate", "oden", "--port", "0", "--token", TOKEN)
        assert oden.stdout is not None
        port = (await oden.stdout.readline()).decode().split()[-1].rpartition(":")[2].partition("/")[0]
        found = await person.asks(oden=port, state=", sampling: 1ms")
        assert "write what the server does" in found["watched_otherwise", "plc"]["cure"]
        assert "`field: NAME`" in found["structure", f"{LINE} order"]["cure"]
        found = await person.asks(state=", sampling: 50ms", order=", field: BuildInfo.ProductName")
        assert {kind for kind, _ in found} <= {"states_unverified"}
    finally:
        await site.end()
