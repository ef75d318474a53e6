"""The way to Oden: certificates of one's own, proxies of the configuration, one connection kept, as the configuration
says."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway import __version__
from gateway.config.loader import load
from gateway.errors import ConfigError
from gateway.oden.client import Answer, OdenClient, configured_client
from gateway.oden.endpoints import LINE_SEARCH, OQL_QUERY
from gateway.oden.models import OQLQuery
from gateway.oden.pace import Pace
from tests.oden.wire import SECRET, Talk, cut, http, reply, request, server
from tests.peers import PATIENCE

NOW = datetime.now(UTC)
OK = http("200 OK", b'[{"id": "1"}]')


def authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certification authority, as a firewall that inspects what passes brings one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the plant")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made, key


def issued(
    root: x509.Certificate,
    root_key: ec.EllipticCurvePrivateKey,
    host: str = "localhost",
    valid: tuple[datetime, datetime] = (NOW - timedelta(days=1), NOW + timedelta(days=1)),
) -> bytes:
    """A certificate for `host` that an authority vouches for, with its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(host), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret + made.public_bytes(pem)


def site(folder: Path, host: str = "localhost") -> tuple[Path, ssl.SSLContext]:
    """The file with an authority's certificate, and a server's side of TLS with one for `host` that it vouches for."""
    root, root_key = authority()
    (folder / "ca.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(issued(root, root_key, host))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return folder / "ca.pem", context


@asynccontextmanager
async def peer(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a port of its own, which has ended with all its connections when the block has."""
    talking: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking[task] = writer
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await talk(reader, writer)
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as listener:
        yield listener.sockets[0].getsockname()[1]
        for writer in talking.values():
            writer.transport.abort()
        await asyncio.gather(*talking)


@asynccontextmanager
async def oden(context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers every request on as many connections as come: its port, and what came."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(b"connected")
        while True:
            seen.append(await request(reader))
            writer.write(OK)
            await writer.drain()

    async with peer(talk, context) as port:
        yield port, seen


@asynccontextmanager
async def tunnels(port: int) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A proxy that makes tunnels, all to `port`: its own port, and what it was asked."""
    asked: list[bytes] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))

    async with peer(talk) as way:
        yield way, asked


async def post(url: str, *, ca: Path | None = None, proxy: str | None = None, times: int = 1) -> Answer:
    async with OdenClient(url, lambda: SECRET, PATIENCE, Pace(0.0, -0.01), ca=ca, proxy=proxy) as client:
        for _ in range(times - 1):
            await client.post(LINE_SEARCH, "{}")
        return await client.post(LINE_SEARCH, "{}")


async def test_an_authority_of_ones_own(tmp_path: Path) -> None:
    """With its file the server is trusted, and the request is as always; without, or with another's, nothing is
    sent."""
    (tmp_path / "other").mkdir()
    ca, context = site(tmp_path)
    other, _ = site(tmp_path / "other")
    async with oden(context) as (port, seen):
        url = f"https://localhost:{port}/v2"
        assert (await post(url, ca=ca)).body == [{"id": "1"}]
        assert f"Authorization: Token {SECRET}\r\n".encode() in seen[-1]
        assert f"User-Agent: oden-gateway/{__version__}\r\n".encode() in seen[-1]
        number = len(seen)
        for trusted in (None, other):
            answer = await post(url, ca=trusted)
            assert (answer.sent, answer.error) == (
                False,
                "Oden cannot be reached (its certificate is not trusted: set `ca` to the one that signed it)",
            )
        assert len([one for one in seen[number:] if one != b"connected"]) == 0


async def test_a_certificate_for_another_host(tmp_path: Path) -> None:
    """An authority of one's own does not make a certificate good for hosts that it is not for."""
    ca, context = site(tmp_path, "oden.invalid")
    async with oden(context) as (port, _):
        answer = await post(f"https://localhost:{port}/v2", ca=ca)
    assert (answer.sent, answer.error) == (
        False,
        "Oden cannot be reached (its certificate is for another host: write a name that it has in `url`)",
    )


async def test_a_file_that_holds_no_certificates(tmp_path: Path) -> None:
    """Nothing is sent, and the reason names the file; once it is put right, the same client gets through."""
    ca, context = site(tmp_path)
    good = ca.read_bytes()
    async with (
        oden(context) as (port, _),
        OdenClient(f"https://localhost:{port}/v2", lambda: SECRET, PATIENCE, Pace(0.0, -0.01), ca=ca) as client,
    ):
        ca.write_text("nothing")
        answer = await client.post(LINE_SEARCH, "{}")
        assert (answer.sent, answer.error) == (
            False,
            f"Oden cannot be reached ({ca} holds no certificates in PEM form)",
        )
        ca.unlink()
        answer = await client.post(LINE_SEARCH, "{}")
        assert answer.error == f"Oden cannot be reached ({ca} cannot be read: No such file or directory)"
        ca.write_bytes(good)
        assert (await client.post(LINE_SEARCH, "{}")).status == 200


async def test_a_proxy_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes before the environment's and before NO_PROXY; the tunnel ends at Oden, and the token is not for the
    proxy."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "localhost")
    ca, context = site(tmp_path)
    async with oden(context) as (port, seen), tunnels(port) as (way, asked):
        answer = await post(f"https://localhost:{port}/v2", ca=ca, proxy=f"http://somebody:hidden@127.0.0.1:{way}")
    assert (answer.status, answer.error) == (200, "")
    assert asked[0].startswith(f"CONNECT localhost:{port} HTTP/1.1\r\n".encode())
    login = b"Proxy-Authorization: Basic " + base64.b64encode(b"somebody:hidden")
    assert login in asked[0]
    assert SECRET.encode() not in asked[0]
    assert b"hidden" not in seen[-1]
    assert login not in seen[-1]


async def test_p8_a_proxy_that_is_away_is_named_without_its_password() -> None:
    """Nothing is sent; the reason says that it is the proxy, and holds no password."""
    answer = await post("http://oden.invalid/v2", proxy="http://somebody:hidden@127.0.0.1:9")
    assert (answer.sent, answer.error) == (
        False,
        "Oden cannot be reached (the proxy does not answer: connection refused)",
    )
    assert "hidden" not in repr(answer)


async def test_one_connection_is_kept() -> None:
    """Several requests, one connection."""
    async with oden() as (port, seen):
        assert (await post(f"http://127.0.0.1:{port}/v2", times=4)).status == 200
    assert [one == b"connected" for one in seen] == [True, False, False, False, False]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # it has to be more than all buffers hold
async def test_p4_a_peer_that_never_reads_is_given_up() -> None:
    """A request that the other side does not take in ends after the time for one, and counts as sent."""
    over = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined] # a stream's transport can always
        await over.wait()
        writer.transport.abort()

    async with server(deaf) as url:
        client = OdenClient(url, lambda: SECRET, 1.0, Pace(0.0, -0.01), connect_timeout=3.0)
        async with client:
            answer = await client.post(LINE_SEARCH, '"' + "x" * 2**24 + '"')
        over.set()
    assert (answer.sent, answer.status, answer.error) == (True, None, "Oden did not answer in time")


@pytest.mark.parametrize("form", ["json", "jsonextended", "csv"])
async def test_the_format_of_a_query(form: str) -> None:
    """It stands in the address; JSON comes as JSON, CSV as the text that it is."""
    seen: list[bytes] = []
    content = b"line,n\r\nLine 01,3\r\n" if form == "csv" else b'[{"n": 3}]'

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request(reader))
        writer.write(http("200 OK", content, kind="text/csv" if form == "csv" else "application/json"))
        await writer.drain()

    async with server(talk) as url, OdenClient(url, lambda: SECRET, PATIENCE, Pace(0.0, -0.01)) as client:
        got = await client.call(OQL_QUERY, OQLQuery(query="SELECT 1"), form)
    assert seen[0].startswith(f"POST /v2/oql/query?format={form} HTTP/1.1\r\n".encode())
    assert got == (content.decode() if form == "csv" else [{"n": 3}])


async def test_half_a_csv_is_in_doubt() -> None:
    """A text that breaks off, and a portal's page instead of it, are not taken for the answer."""
    half = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 90\r\n\r\nline,n\r\n"
    page = http("200 OK", b"<html>", kind="text/html")
    for talk in (reply(half), reply(page), cut):
        async with server(talk) as url, OdenClient(url, lambda: SECRET, PATIENCE, Pace(0.0, -0.01)) as client:
            answer = await client.post(OQL_QUERY, "{}", query="csv")
        assert (answer.sent, answer.own) == (True, False)


CONFIG = """
oden: {{url: "{url}", token: "${{secret:oden_token}}", ca: pki/ca.pem, proxy: "{proxy}",
  allow_faster_for_tests: true, rate: 50/s}}
sources: {{plc: {{type: opcua, url: "opc.tcp://127.0.0.1:1"}}}}
lines: [{{factory: F, line: L, inputs: {{a: {{source: plc, node: "i=1"}}}}}}]
"""


async def test_the_client_of_a_configuration(tmp_path: Path) -> None:
    """`oden.ca` is taken from the file's folder, `oden.proxy` can stand in a secret, and both are used."""
    (tmp_path / "pki").mkdir()
    (tmp_path / "secrets").mkdir()
    _, context = site(tmp_path / "pki")
    (tmp_path / "secrets" / "oden_token").write_text(SECRET)
    file = tmp_path / "gateway.yaml"
    async with oden(context) as (port, seen), tunnels(port) as (way, asked):
        (tmp_path / "secrets" / "way_out").write_text(f"http://somebody:hidden@127.0.0.1:{way}\n")
        file.write_text(CONFIG.format(url=f"https://localhost:{port}/v2", proxy="${secret:way_out}"))
        loaded = load(file, {})
        async with configured_client(loaded, 0.0) as client:
            assert (await client.post(LINE_SEARCH, "{}")).status == 200
    assert len(asked) == 1
    assert f"Authorization: Token {SECRET}\r\n".encode() in seen[-1]
    assert "hidden" not in repr(loaded)


@pytest.mark.parametrize(
    "proxy", ["proxy.plant:3128", "https://proxy.plant:3128", "socks5://p:1", "http://p:1/path", "http://name:hidden"]
)
def test_p10_a_wrong_proxy_is_refused(tmp_path: Path, proxy: str) -> None:
    """With its place and what would be right, and without repeating what could hold a password."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "oden_token").write_text(SECRET)
    file = tmp_path / "gateway.yaml"
    file.write_text(CONFIG.format(url="https://localhost/v2", proxy=proxy))
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert f"{file}:2:" in str(caught.value)
    assert "write http://host:port" in str(caught.value)
    assert proxy not in str(caught.value)
