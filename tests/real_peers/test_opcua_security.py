"""Each policy, mode and kind of user with servers of other makers: let in and read, or refused with the reason."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.__main__ import main
from gateway.clock import AnchoredClock
from gateway.config.addresses import parse_node_id
from gateway.errors import SourceError
from gateway.listening import stop_listening
from gateway.sources.opcua.channel import Channel
from gateway.sources.opcua.services import Limits, namespaces, read_values, value_of
from gateway.sources.opcua.session_key import KeyFile
from gateway.sources.opcua.views import node_id
from tests.real_peers.opcua_servers import SERVERS, NodeOpcua, OpcuaPeer
from tests.real_peers.test_opcua_source import user_files
from tests.sources.harness import opcua_config
from tests.sources.opcua.authority import Issued

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICIES = ["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"]
MODES = ["Sign", "SignAndEncrypt"]
USERS = ["anonymous", "password", "certificate"]
NODE = "nsu=urn:acme:line;s=L01.State"
RIGHT, WRONG = "correct-horse", "battery-staple"


class Line:
    """The way to a server, which remembers what has gone there."""

    def __init__(self, port: int) -> None:
        self.sent = bytearray()
        self._to = port
        self._server: asyncio.Server | None = None
        self._relaying: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """On which port."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        if self._server is not None:
            await stop_listening(self._server)
        for task in self._relaying:
            task.cancel()
        await asyncio.gather(*self._relaying, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._relaying.add(task)
        task.add_done_callback(self._relaying.discard)
        back, forth = await asyncio.open_connection("127.0.0.1", self._to)
        await asyncio.gather(self._pass(reader, forth, self.sent), self._pass(back, writer, bytearray()))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray) -> None:
        try:
            while data := await reader.read(65_536):
                seen += data
                writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()


@dataclass(frozen=True)
class Site:
    """A server that offers everything, and the folders of a gateway that trusts it."""

    server: OpcuaPeer
    line: Line
    url: str
    pki: Path
    users: dict[str, dict[str, object]]

    def channel(self, security: str, user: str, **settings: object) -> Channel:
        config = opcua_config(self.url, **{"security": security, "pki": self.pki, **self.users[user], **settings})
        return Channel(config, KeyFile(None))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SERVERS)
async def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder, now = tmp_path_factory.mktemp("site"), datetime.now(UTC)
    uri = "urn:acme:press"
    issued = Issued.made("press", uri=uri, hosts=["127.0.0.1"], begins=now - timedelta(days=9), ends=now + timedelta(9))
    settings: dict[str, Any] = {"users": {"operator": RIGHT}, "anonymous": True}
    settings |= {"certificate": files_of(issued, folder), "uri": uri}
    if request.param == "node-opcua":  # the others have all policies and modes
        settings["policies"] = ["None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]
        settings["modes"] = ["None", *MODES]
    server = SERVERS[request.param](folder / "server", **settings)
    pki = folder / "pki"
    assert main(["pki", "create", "--pki", str(pki)]) == 0
    users: dict[str, dict[str, object]] = {
        "anonymous": {},
        "password": {"username": "operator", "password": RIGHT},
        "wrong password": {"username": "operator", "password": WRONG},
        "certificate": user_files(folder),
    }
    line = Line(server.port)
    try:
        await server.start(L01__State=7)
        site = Site(server, line, f"opc.tcp://127.0.0.1:{await line.start()}", pki, users)
        with pytest.raises(SourceError, match="is not trusted") as refused:
            await site.channel("Basic256Sha256/Sign", "anonymous").open(AnchoredClock().now())
        assert main(str(refused.value).partition("oden-gateway ")[2].split()) == 0
        yield site
    finally:
        await line.stop()
        await server.kill()


def files_of(issued: Issued, folder: Path) -> list[str]:
    """Where a certificate and its key are."""
    files = [folder / "server.pem", folder / "server.key"]
    files[0].write_bytes(issued.certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(issued.key_pem)
    return [*map(str, files)]


async def read(channel: Channel) -> Any:
    """The value of NODE in a session that is begun for it."""
    await channel.open(AnchoredClock().now())
    try:
        known = await namespaces(channel)
        [told] = await read_values(channel, [value_of(node_id(parse_node_id(NODE), known))], Limits())
        return told if isinstance(told, str) else told.value
    finally:
        await channel.close()


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", POLICIES)
async def test_p8_each_policy_mode_and_user(site: Site, policy: str, mode: str, user: str) -> None:
    assert await read(site.channel(f"{policy}/{mode}", user)) == 7


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", POLICIES)
async def test_p8_a_wrong_password_is_refused_and_not_told(site: Site, policy: str, mode: str) -> None:
    with pytest.raises(SourceError, match=r"BadUserAccessDenied|BadIdentityToken") as refused:
        await read(site.channel(f"{policy}/{mode}", "wrong password"))
    assert WRONG not in str(refused.value)


async def test_without_security_nobody_needs_to_be_trusted(site: Site) -> None:
    assert await read(site.channel("none", "anonymous", pki=Path("nowhere"))) == 7


async def test_p8_without_security_a_password_goes_only_to_a_server_that_is_trusted(site: Site, tmp_path: Path) -> None:
    """These servers would have it encrypted, by a certificate that anybody could have put in the place of its own. It
    is refused until the printed command has been run. o6 would have it in clear: it is not told at all."""
    pki = tmp_path / "pki"
    if site.server.name == "o6":
        with pytest.raises(SourceError, match="the server would have the password in clear"):
            await read(site.channel("none", "password", pki=pki))
        return
    with pytest.raises(SourceError, match=r"the password is not sent: .* is not trusted") as refused:
        await read(site.channel("none", "password", pki=pki))
    assert main(str(refused.value).partition("oden-gateway ")[2].split()) == 0
    assert await read(site.channel("none", "password", pki=pki)) == 7


async def test_p8_no_password_was_ever_on_the_line(site: Site) -> None:
    """Of all that was sent by the tests above. The user's name is there, where nothing is encrypted."""
    assert b"operator" in site.line.sent
    for secret in (RIGHT, WRONG):
        assert secret.encode() not in site.line.sent


@pytest.mark.parametrize("wrong", ["expired", "another URI", "revoked", "another host"])
async def test_p8_a_server_whose_certificate_is_not_right_is_refused_with_what_mends_it(
    wrong: str, tmp_path: Path
) -> None:
    """Over the wire, although the certificate or its authority is trusted; no password has gone there."""
    now, ours = datetime.now(UTC), "urn:acme:press"
    begins, ends = now - timedelta(days=9), now + timedelta(days=9)
    authority = Issued.made("Plant CA", ca=True, begins=begins, ends=ends)
    made = partial(Issued.made, "press", uri=ours, begins=begins)
    certificate, states, said = {
        "expired": (made(hosts=["127.0.0.1"], ends=now - timedelta(days=1)), ours, "has expired on .*: renew it there"),
        "another URI": (made(hosts=["127.0.0.1"], ends=ends), "urn:acme:other", f"its certificate says {ours}: renew"),
        "revoked": (made(authority, hosts=["127.0.0.1"], ends=ends), ours, "was revoked by its authority: renew"),
        "another host": (
            made(authority, hosts=["plc.local"], ends=ends),
            ours,
            "another host than 127.0.0.1 .*plc.local",
        ),
    }[wrong]
    pki = tmp_path / "pki"
    assert main(["pki", "create", "--pki", str(pki)]) == 0
    (pki / "trusted").mkdir()
    (pki / "crl").mkdir()
    trusted = certificate if wrong in {"expired", "another URI"} else authority
    (pki / "trusted" / "one.der").write_bytes(trusted.der)
    if wrong == "revoked":
        (pki / "crl" / "plant.crl").write_bytes(authority.revoking(certificate, until=ends))
    security = {"policies": ["Basic256Sha256"], "modes": ["SignAndEncrypt"], "users": {"operator": RIGHT}}
    server = NodeOpcua(tmp_path / "server", **security, certificate=files_of(certificate, tmp_path), uri=states)
    settings = {"security": "Basic256Sha256/SignAndEncrypt", "pki": pki, "username": "operator", "password": RIGHT}
    channel = Channel(opcua_config(server.url, **settings), KeyFile(None))
    try:
        await server.start(L01__State=7)
        with pytest.raises(SourceError, match=said):
            await channel.open(AnchoredClock().now())
        if wrong == "another host":  # as the sentence says
            (pki / "trusted" / "two.der").write_bytes(certificate.der)
            assert await read(channel) == 7
    finally:
        await server.kill()
