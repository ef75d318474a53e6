"""Protected sessions with a real server: policies and users, whom we trust, and what is said when it does not fit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager

from gateway.__main__ import main
from gateway.clock import AnchoredClock
from gateway.health import KindName
from gateway.sources.opcua import channel as channel_module
from gateway.sources.opcua.certificates import PkiFolder, thumbprint
from gateway.sources.opcua.channel import SESSION_TIMEOUT, Channel
from gateway.sources.opcua.security import Protected, concerns
from gateway.sources.opcua.services import create_subscription
from gateway.sources.opcua.session_key import KeyFile, key_file
from gateway.sources.opcua.source import OpcuaSource
from tests.peers import PATIENCE, OpcuaServer, free_port, wait_until
from tests.sources.harness import HandClock, Intake, opcua_config, opcua_tags, running
from tests.sources.opcua.authority import Issued, key

pytestmark = pytest.mark.asyncio(loop_scope="module")

TAG = "ns=2;s=L01.State"
SERVER_URI = "urn:acme:secure-plc"
NOW = datetime.now(UTC)
CERTIFICATE = Issued.made(
    "secure-plc", uri=SERVER_URI, hosts=["127.0.0.1"], ends=NOW + timedelta(days=900), private=key(8)
)


class _Users(UserManager):
    certificates: ClassVar[list[bytes]] = []
    """Of users that had one."""

    def __init__(self, refused: bytes = b"") -> None:
        self._refused = refused

    def get_user(
        self, _server: Any, username: Any = None, password: Any = None, certificate: Any = None
    ) -> User | None:
        if certificate is not None:
            self.certificates.append(certificate)
        if certificate is not None and certificate == self._refused:
            return None
        if username is None or (username, password) == ("operator", "hunter2"):
            return User(role=UserRole.User)
        return None


@asynccontextmanager
async def secured(url: str = "", *, level: int = 255, refused: bytes = b"") -> AsyncIterator[str]:
    """The address of a server that talks to nobody without security, and trusts every client, but for the user with
    the certificate `refused`."""
    server = Server(user_manager=_Users(refused))
    await server.init()
    server.disable_clock()
    url = url or f"opc.tcp://127.0.0.1:{free_port()}"
    server.set_endpoint(url)
    await server.set_application_uri(SERVER_URI)
    policies = ua.SecurityPolicyType
    server.set_security_policy(
        [
            policies.Basic256Sha256_Sign,
            policies.Basic256Sha256_SignAndEncrypt,
            policies.Aes128Sha256RsaOaep_SignAndEncrypt,
            policies.Aes256Sha256RsaPss_Sign,
        ]
    )
    await server.load_certificate(CERTIFICATE.der)
    await server.load_private_key(CERTIFICATE.key_pem, format="pem")
    await server.register_namespace("urn:acme:line")
    await server.nodes.objects.add_variable(ua.NodeId(ua.String("L01.State"), ua.Int16(2)), "L01.State", 5)
    of_server = ua.DataValue(ua.Variant(ua.Byte(level), ua.VariantType.Byte))
    await server.write_attribute_value(ua.NodeId(ua.Int32(2267), ua.Int16(0)), of_server)
    await server.start()
    try:
        yield url
    finally:
        await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secure() -> AsyncIterator[str]:
    """One for all tests."""
    async with secured() as url:
        yield url


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    """A folder with a certificate of our own, made by the command."""
    folder = tmp_path / "pki"
    assert main(["pki", "create", "--pki", str(folder)]) == 0
    return folder


def source(url: str, pki: Path, **settings: Any) -> OpcuaSource:
    config = opcua_config(url, **{"security": "Basic256Sha256/SignAndEncrypt", "pki": pki, **settings})
    return OpcuaSource("plc", config, opcua_tags([TAG], config), AnchoredClock())


def trust(pki: Path, certificate: Issued = CERTIFICATE) -> None:
    folder = PkiFolder(pki)
    folder.reject(certificate.certificate)
    folder.move(thumbprint(certificate.certificate), "rejected", "trusted")


async def connects(one: OpcuaSource) -> dict[KindName, str]:
    """Wait for a value; what the source is concerned about meanwhile."""
    intake = Intake()
    async with running(one, intake):
        await wait_until(lambda: intake.values(TAG) == [5])
        return dict(one.health.concerns)


async def refusal(one: OpcuaSource) -> str:
    """Wait until it says why it does not connect."""
    intake = Intake()
    async with running(one, intake) as errors:
        await wait_until(lambda: errors)
        assert intake.values(TAG) == []
        return str(errors[0])


@pytest.mark.parametrize(
    "security",
    [
        "Basic256Sha256/Sign",
        "Basic256Sha256/SignAndEncrypt",
        "Aes128Sha256RsaOaep/SignAndEncrypt",
        "Aes256Sha256RsaPss/Sign",
    ],
)
@pytest.mark.parametrize("user", [{}, {"username": "operator", "password": "hunter2"}])
async def test_p8_every_policy_and_user(secure: str, pki: Path, security: str, user: dict[str, str]) -> None:
    trust(pki)
    assert await connects(source(secure, pki, security=security, **user)) == {}


async def test_p8_a_server_that_is_not_trusted_is_by_the_printed_command(secure: str, pki: Path) -> None:
    """Nothing but the sentence of the page is needed to get on."""
    said = await refusal(source(secure, pki, username="operator", password="hunter2"))
    command = said.partition("oden-gateway ")[2].split()
    assert main(command) == 0
    assert await connects(source(secure, pki)) == {}
    assert main(["pki", "reject", thumbprint(CERTIFICATE.certificate), "--pki", str(pki)]) == 0
    assert "is not trusted" in await refusal(source(secure, pki))


async def test_p8_without_security_what_the_server_offers_is_said(secure: str, pki: Path) -> None:
    said = await refusal(source(secure, pki, security="none"))
    assert "the server asks for security: it offers" in said
    assert "Basic256Sha256/SignAndEncrypt (" in said
    assert "user name" in said


async def test_p8_a_policy_that_the_server_does_not_have_is_answered_by_what_it_has(secure: str, pki: Path) -> None:
    said = await refusal(source(secure, pki, security="Aes256Sha256RsaPss/SignAndEncrypt"))
    assert "does not offer Aes256Sha256RsaPss/SignAndEncrypt: it offers" in said
    assert "Aes256Sha256RsaPss/Sign (" in said


async def test_p8_without_a_certificate_of_our_own_the_command_that_makes_one_is_said(
    secure: str, tmp_path: Path
) -> None:
    said = await refusal(source(secure, tmp_path / "none"))
    assert said.endswith(f"oden-gateway pki create --pki {tmp_path / 'none'}")


async def test_p8_a_wrong_password_is_refused_and_not_told(secure: str, pki: Path) -> None:
    trust(pki)
    said = await refusal(source(secure, pki, username="operator", password="hunter3"))
    assert "hunter3" not in said
    assert "User" in said or "Identity" in said


async def test_p8_no_password_goes_in_clear(pki: Path) -> None:
    """A server without security would take it as it is: it is not told."""
    plc = OpcuaServer()
    await plc.start(L01__State=1)
    try:
        said = await refusal(source(plc.url, pki, security="none", username="operator", password="hunter2"))
        assert "would have the password in clear" in said
    finally:
        await plc.stop()


@pytest.mark.parametrize("security", ["none", "Basic256Sha256/Sign"])
async def test_what_is_no_opcua_server_is_told_apart(pki: Path, security: str) -> None:
    """A web server answers, too, and a server that hangs, or another service that waits for its own first word, takes
    the connection and says nothing."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    for service, said in (
        (answer, "cannot connect: what answers there does not speak OPC UA"),
        (listen, "cannot connect: the connection is taken there, but no OPC UA server has answered within 0.5 s"),
    ):
        other = await asyncio.start_server(service, "127.0.0.1", 0)
        url = f"opc.tcp://127.0.0.1:{other.sockets[0].getsockname()[1]}"
        assert (await refusal(source(url, pki, security=security, timeout="1s"))).startswith(said)
        other.close()


async def test_p8_a_file_of_today_keeps_running_and_says_what_it_lacks() -> None:
    """As long as `security` is absent; `none` is a decision."""
    now = HandClock().now()
    assert "source_unprotected" in concerns(opcua_config("opc.tcp://plc", security=None), None, now)
    assert concerns(opcua_config("opc.tcp://plc", security="none"), None, now) == {}


async def test_p8_certificates_that_end_soon_are_told_sixty_days_ahead() -> None:
    config = opcua_config("opc.tcp://plc", security="Basic256Sha256/Sign")
    protected = Protected(CERTIFICATE.certificate, CERTIFICATE.certificate)
    end = CERTIFICATE.certificate.not_valid_after_utc.timestamp()
    assert concerns(config, protected, end - 61 * 86400) == {}
    assert "ends on" in concerns(config, protected, end - 59 * 86400)["certificate_expires"]


async def test_a_user_can_be_a_certificate(secure: str, pki: Path, tmp_path: Path) -> None:
    """Its files are read at each connection; what is wrong with them is said without what is in them."""
    trust(pki)
    user = Issued.made("operator", uri="urn:operator", hosts=[], ends=NOW + timedelta(days=9), private=key(7))
    certificate, secret = tmp_path / "user.der", tmp_path / "user.pem"
    settings = {"user_certificate": certificate, "user_key": secret}
    assert "No such file" in await refusal(source(secure, pki, **settings))
    certificate.write_bytes(user.der)
    secret.write_bytes(b"-----BEGIN PRIVATE KEY-----hunter2")
    refused = await refusal(source(secure, pki, **settings))
    assert "not a certificate and a key" in refused
    assert "hunter2" not in refused
    secret.write_bytes(user.key_pem)
    _Users.certificates.clear()
    await connects(source(secure, pki, **settings))
    assert user.der in _Users.certificates


async def test_a_session_of_a_user_that_is_a_certificate_is_taken_up_and_closed_by_its_key(
    secure: str, pki: Path, tmp_path: Path
) -> None:
    """Over another connection, with another signature over what the server said last: after a cut, after a crash, and
    by the next start, which ends it."""
    trust(pki)
    user = Issued.made("operator", uri="urn:operator", hosts=[], ends=NOW + timedelta(days=9), private=key(7))
    certificate, secret = tmp_path / "user.der", tmp_path / "user.pem"
    certificate.write_bytes(user.der)
    secret.write_bytes(user.key_pem)
    settings = {"security": "Basic256Sha256/SignAndEncrypt", "pki": pki}
    config = opcua_config(secure, **settings, user_certificate=certificate, user_key=secret)
    keys, now = key_file(tmp_path, "plc"), NOW.timestamp()
    first = Channel(config, keys)
    await first.open(now)
    await create_subscription(first, 1.0)  # without one, this server ends a session with its connection
    first.drop()
    assert await first.resume(now)
    first.drop()
    crashed = Channel(config, keys)
    assert await crashed.resume(now)
    crashed.drop()
    left = keys.load()
    assert left is not None
    started = Channel(config, keys)
    await started.open(now)
    await started.close()
    keys.save(left)
    late = Channel(config, keys)
    assert not await late.resume(now)
    await late.close()


async def test_that_a_session_of_such_a_user_can_be_taken_up_is_tried_at_once(
    secure: str, pki: Path, tmp_path: Path
) -> None:
    """A server that takes it up is asked for a session that lasts a minute, once it has shown that; one that lasts no
    longer than the connection is asked for that at once. None is left."""
    trust(pki)
    user = Issued.made("operator", uri="urn:operator", hosts=[], ends=NOW + timedelta(days=9), private=key(7))
    certificate, secret = tmp_path / "user.der", tmp_path / "user.pem"
    certificate.write_bytes(user.der)
    secret.write_bytes(user.key_pem)
    settings = {"security": "Basic256Sha256/SignAndEncrypt", "pki": pki}
    config = opcua_config(secure, **settings, user_certificate=certificate, user_key=secret)
    for lasts in (True, False):
        _Users.certificates.clear()
        channel = Channel(config, key_file(tmp_path, "plc"), lasts=lasts)
        await channel.open(NOW.timestamp())
        assert channel.session_timeout == SESSION_TIMEOUT
        assert len(_Users.certificates) == (3 if lasts else 1), "activated so often"
        await channel.close()


async def test_a_twin_is_looked_for_although_renewed_certificates_are_of_no_use(
    pki: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server that is used is not well, and does not take the user's new certificate; its twin, which comes later,
    does. Both are tried once in a while, and neither keeps the other from its turn."""
    monkeypatch.setattr(channel_module, "LOOK_AROUND", 1.0)
    before, after = (
        Issued.made("operator", uri="urn:operator", hosts=[], ends=NOW + timedelta(days=days), private=key(7))
        for days in (9, 99)
    )
    certificate, secret = tmp_path / "user.der", tmp_path / "user.pem"
    certificate.write_bytes(before.der)
    secret.write_bytes(before.key_pem)
    trust(pki)
    twin, now = f"opc.tcp://127.0.0.1:{free_port()}", NOW.timestamp()
    settings = {"security": "Basic256Sha256/Sign", "pki": pki, "redundant": [twin]}
    async with secured(level=100, refused=after.der) as ill:
        config = opcua_config(ill, **settings, user_certificate=certificate, user_key=secret)
        channel = Channel(config, KeyFile(None))
        await channel.open(now)
        certificate.write_bytes(after.der)
        await channel.heed_files(now)
        assert "not used yet" in channel.concerns(now)["certificate_expires"]
        assert not await channel.is_ill(now), "there is no other yet"
        async with secured(twin), asyncio.timeout(PATIENCE):
            await channel.heed_files(now)
            while not await channel.is_ill(now):
                await channel.heed_files(now)
                await asyncio.sleep(0.2)
        await channel.close()


def own_certificate(pki: Path, issued: Issued) -> None:
    """Write it as that of the gateway."""
    (pki / "own" / "key.pem").write_bytes(issued.key_pem)
    (pki / "own" / "cert.der").write_bytes(issued.der)


async def test_a_certificate_that_was_renewed_is_taken_while_the_session_stands(secure: str, pki: Path) -> None:
    """Ours: problem and metric follow, and no value is missed. What cannot be used is said, and costs nothing."""
    trust(pki)
    ours = partial(Issued.made, "oden-gateway", uri="urn:edge", hosts=["edge"], private=key(9))
    own_certificate(pki, ours(ends=NOW + timedelta(days=30)))
    one, intake = source(secure, pki), Intake()
    async with running(one, intake) as errors:
        await wait_until(lambda: "ends on" in one.health.concerns.get("certificate_expires", ""))
        (pki / "own" / "cert.der").write_bytes(b"half of a certifi")
        await wait_until(lambda: "not used yet" in one.health.concerns.get("certificate_expires", ""))
        assert "cert.der is no certificate" in one.health.concerns["certificate_expires"]
        assert one.health.connected
        assert one.health.certificate_ends == pytest.approx((NOW + timedelta(days=30)).timestamp(), abs=1)
        own_certificate(pki, ours(ends=NOW + timedelta(days=800)))
        await wait_until(lambda: one.health.connected and one.health.concerns == {})
        assert one.health.certificate_ends == pytest.approx((NOW + timedelta(days=800)).timestamp(), abs=1)
        assert errors == []
    assert intake.values(TAG) == [5]
    assert intake.notices == []


async def test_p8_a_server_that_is_trusted_no_more_is_left_at_once(secure: str, pki: Path) -> None:
    """By the command, while the session stands; trusted again, it is connected to again."""
    trust(pki)
    one, intake = source(secure, pki), Intake()
    print_ = thumbprint(CERTIFICATE.certificate)
    async with running(one, intake) as errors:
        await wait_until(lambda: one.health.connected)
        assert main(["pki", "reject", print_, "--pki", str(pki)]) == 0
        await wait_until(lambda: not one.health.connected and errors)
        assert "is not trusted" in str(errors[0])
        assert main(["pki", "trust", print_, "--pki", str(pki)]) == 0
        await wait_until(lambda: one.health.connected)
