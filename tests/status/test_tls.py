"""The page over TLS, on a real socket, with certificates made here."""

import asyncio
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from structlog.testing import capture_logs

from gateway.__main__ import main
from gateway.config.schema_process import PageTls
from gateway.errors import GatewayError
from gateway.status.actions import HEADER, Actions
from gateway.status.snapshot import Snapshot
from gateway.status.web import StatusServer
from tests.peers import PATIENCE, wait_until
from tests.status.test_actions import TOKEN, Asked


def write(
    files: PageTls, name: str, days: float = 90, password: bytes | None = None, begins: datetime | None = None
) -> None:
    """A new certificate and its key, in the place of those that are there."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now, number = begins or datetime.now(UTC), x509.random_serial_number()
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), number, now, now + timedelta(days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))


@pytest.fixture
def files(tmp_path: Path) -> PageTls:
    made = PageTls(certificate=tmp_path / "page.pem", key=tmp_path / "page.key")
    write(made, "first")
    return made


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked at often."""
    monkeypatch.setattr("gateway.status.web.TURN", 0.02)


def server_of(picture: Snapshot, files: PageTls) -> StatusServer:
    return StatusServer("127.0.0.1:0", lambda: picture, lambda: None, actions=Actions(TOKEN, Asked()), tls=files)


async def name_at(url: str) -> str:
    """Who answers there, by its certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]), ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return str(x509.load_der_x509_certificate(shown).subject.rfc4514_string())


async def test_the_page_is_served_over_tls_alone(picture: Snapshot, files: PageTls) -> None:
    """To who trusts the certificate; in clear nothing is answered, and it goes on."""
    trusting = ssl.create_default_context(cafile=files.certificate)
    async with server_of(picture, files) as server, aiohttp.ClientSession() as client:
        assert server.url.startswith("https://127.0.0.1:")
        for _ in range(2):
            async with client.get(server.url + "/api/status", ssl=trusting) as answer:
                assert answer.status == 200
            with pytest.raises(aiohttp.ClientError):
                await client.get(server.url.replace("https", "http") + "/")
            with pytest.raises(aiohttp.ClientError):
                await client.get(server.url)


async def test_over_tls_actions_come_from_anywhere(picture: Snapshot, files: PageTls) -> None:
    """What is asked by TLS nobody could have read."""
    trusting = ssl.create_default_context(cafile=files.certificate)
    async with server_of(picture, files) as server, aiohttp.ClientSession() as client:
        headers = {HEADER: TOKEN, "Origin": server.url, "X-Forwarded-Proto": "http"}
        async with client.post(server.url + "/api/actions/pause", json={}, headers=headers, ssl=trusting) as answer:
            assert answer.status == 200


async def test_renewed_files_are_taken_without_a_restart(picture: Snapshot, files: PageTls, tmp_path: Path) -> None:
    """Whoever connects then sees the new certificate; an open page stays. Files that do not fit together yet, or are
    none, change nothing and are said."""
    server = server_of(picture, files)
    serving = asyncio.create_task(server.run())
    await wait_until(lambda: server.url.rpartition(":")[2] != "0")
    trusting = ssl.create_default_context(cafile=files.certificate)
    now = datetime.now(UTC).timestamp()
    async with aiohttp.ClientSession() as client, client.get(server.url + "/api/changes", ssl=trusting) as page:
        assert await name_at(server.url) == "CN=first"
        assert list(server.conditions(now)) == []
        second = PageTls(certificate=tmp_path / "second.pem", key=tmp_path / "second.key")
        write(second, "second")
        files.key.write_bytes(second.key.read_bytes())  # its certificate is not there yet
        await wait_until(lambda: any("do not belong together" in said.text for said in server.conditions(now)))
        assert await name_at(server.url) == "CN=first"
        files.certificate.unlink()
        await wait_until(lambda: any("No such file" in said.text for said in server.conditions(now)))
        write(files, "third")
        await wait_until(lambda: not list(server.conditions(now)))
        assert await name_at(server.url) == "CN=third"
        assert await page.content.readany()
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


@pytest.mark.parametrize("what", ["absent", "no PEM", "encrypted", "another's"])
async def test_what_cannot_be_used_is_said(picture: Snapshot, files: PageTls, what: str) -> None:
    """At the start there is nothing to go on with."""
    if what == "absent":
        files.key.unlink()
    elif what == "no PEM":
        files.certificate.write_text("hello")
    elif what == "encrypted":
        write(files, "first", password=b"secret")
    else:
        before = files.key.read_bytes()
        write(files, "first")
        files.key.write_bytes(before)
    words = {"absent": "No such file", "no PEM": "PEM", "encrypted": "password", "another's": "belong together"}
    with pytest.raises(GatewayError, match=words[what]):
        async with server_of(picture, files):
            pass


async def test_a_certificate_that_ends_soon_is_said(picture: Snapshot, files: PageTls) -> None:
    """Two weeks before."""
    write(files, "first", days=10)
    async with server_of(picture, files) as server:
        [said] = server.conditions(datetime.now(UTC).timestamp())
        assert said.kind == "page_certificate"
        assert "renew it" in said.text


async def test_a_certificate_that_ends_while_the_page_is_served(picture: Snapshot, files: PageTls) -> None:
    """Who looks at the certificate is refused from then on, an open page goes on; that it has ended is a problem and in
    the log, also where the files in its place are none. With new ones the page is served again."""
    write(files, "first", days=20 / 86_400)
    server = server_of(picture, files)

    def said() -> str:
        return " ".join(each.text for each in server.conditions(time.time()))

    def told() -> list[tuple[str, bool]]:
        return [(log["log_level"], log["over"]) for log in logs if log["event"] == "page_certificate_ends"]

    with capture_logs() as logs:
        serving = asyncio.create_task(server.run())
        await wait_until(lambda: server.url.rpartition(":")[2] != "0")
        trusting = ssl.create_default_context(cafile=files.certificate)
        async with aiohttp.ClientSession() as client, client.get(server.url + "/api/changes", ssl=trusting) as page:
            assert "ends on" in said()
            await wait_until(lambda: "has ended on" in said())
            async with aiohttp.ClientSession() as other:
                with pytest.raises(aiohttp.ClientConnectorCertificateError, match="expired"):
                    await other.get(server.url, ssl=trusting)
            assert await page.content.readany()
            await wait_until(lambda: told() == [("warning", False), ("warning", True)])
            files.certificate.write_text("none")
            await wait_until(lambda: "from before" in said())
            assert "has ended on" in said()
            write(files, "second")
            await wait_until(lambda: not said())
            renewed = ssl.create_default_context(cafile=files.certificate)
            async with aiohttp.ClientSession() as other, other.get(server.url + "/healthz", ssl=renewed) as answer:
                assert answer.status == 200
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


async def test_a_certificate_that_does_not_count_yet_is_said(picture: Snapshot, files: PageTls) -> None:
    """Browsers refuse it, so it stands in the log; with files that count the page is served again."""
    begins = datetime.now(UTC) + timedelta(30)
    write(files, "first", begins=begins)
    server = server_of(picture, files)
    with capture_logs() as logs:
        serving = asyncio.create_task(server.run())
        await wait_until(lambda: [log["begins"] for log in logs if log["event"] == "page_certificate_begins"] != [])
        [condition] = server.conditions(time.time())
        assert f"counts only from {begins:%Y-%m-%d} on" in condition.text
        trusting = ssl.create_default_context(cafile=files.certificate)
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.ClientConnectorCertificateError, match="not yet valid"):
                await client.get(server.url, ssl=trusting)
        write(files, "second")
        await wait_until(lambda: not [*server.conditions(time.time())])
    assert len([log for log in logs if log["event"] == "page_certificate_begins"]) == 1
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


async def test_who_makes_no_handshake_is_let_go(
    picture: Snapshot, files: PageTls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And counts among the connections until then; who made one is answered, also when he asks at once."""
    monkeypatch.setattr("gateway.status.guard.HANDSHAKE", 0.5)
    monkeypatch.setattr("gateway.status.web.MOST_CONNECTIONS", 3)
    trusting = ssl.create_default_context(cafile=files.certificate)
    async with server_of(picture, files) as server, aiohttp.ClientSession() as client:
        port = int(server.url.rpartition(":")[2])
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for reader, writer in silent:
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
        monkeypatch.setattr("gateway.status.guard.HANDSHAKE", PATIENCE)
        async with client.get(server.url + "/healthz", ssl=trusting) as answer:
            assert answer.status == 200


async def test_a_request_in_the_packet_of_the_handshake_is_answered(picture: Snapshot, files: PageTls) -> None:
    """As clients send it that wait for nothing."""
    context = ssl.create_default_context(cafile=files.certificate)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    async with server_of(picture, files) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(65536))
        tls.write(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        writer.write(outgoing.read())  # the end of the handshake and the request, in one
        while chunk := await reader.read(65536):
            incoming.write(chunk)
        assert b" 200 OK" in tls.read(65536)
        writer.close()


@pytest.mark.parametrize(
    ("spoil", "where", "words"),
    [
        ("", "", ""),
        ("absent", ":12:37:", "there is no file"),
        ("another's", ":12:8:", "do not belong together"),
        ("short token", ":13:18:", "at least 16"),
    ],
)
def test_p10_check_refuses_what_the_page_cannot_be_served_by(
    tmp_path: Path, files: PageTls, capsys: pytest.CaptureFixture[str], spoil: str, where: str, words: str
) -> None:
    """Before anything runs, with the place; a token that could be guessed as well."""
    token = "guess-me" if spoil == "short token" else TOKEN
    (tmp_path / "gateway.yaml").write_text(f"""\
oden: {{url: "http://127.0.0.1:1/v2", token: t0k3n}}
sources: {{floor: {{type: mqtt, url: "mqtt://127.0.0.1:1", client_id: a}}}}
lines:
  - factory: Factory A
    line: Line 01
    inputs: {{order: {{source: floor, topic: plant/order, field: number}}}}
    run: {{key: order, product: Film, settle: 0s}}
outbox: {{directory: {tmp_path}/outbox}}
status:
  hosts: [gateway.plant.example]
  listen: 127.0.0.1:8321
  tls: {{certificate: {files.certificate.name}, key: {files.key.name}}}
  actions_token: {token}
""")
    if spoil == "absent":
        files.key.unlink()
    elif spoil == "another's":
        before = files.key.read_bytes()
        write(files, "first")
        files.key.write_bytes(before)
    code = main(["check", "-c", str(tmp_path / "gateway.yaml")])
    said = capsys.readouterr()
    assert (code == 0) is not bool(spoil)
    assert (f"gateway.yaml{where}" if where else "") in said.out + said.err
    assert words in said.out + said.err
