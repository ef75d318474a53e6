"""Why no answer came, in plain words: from real sockets and real TLS where there is a way to make them fail."""

import asyncio
import base64
import errno
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.oden.client import Answer, OdenClient
from gateway.oden.endpoints import INTERVAL_SET
from gateway.oden.http_answer import credentials, read_response, redacted, why_no_answer
from gateway.oden.pace import Pace
from tests.peers import PATIENCE, free_port

NOW = datetime.now(UTC)


async def post(url: str, timeout: float = PATIENCE) -> Answer:
    async with OdenClient(url, lambda: "token", timeout, Pace(asyncio.get_running_loop().time() - 9.0)) as client:
        return await client.post(INTERVAL_SET, "{}")


def certificate(folder: Path, host: str, begins: datetime, ends: datetime) -> Path:
    """A certificate for `host` that is its own authority, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Oden for tests")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@asynccontextmanager
async def tls_server(path: Path) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listener:
        yield f"https://localhost:{listener.sockets[0].getsockname()[1]}/v2"


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    """A self-signed certificate, as an inspecting firewall shows one: nothing is sent, and the reason is the
    certificate."""
    path = certificate(tmp_path, "localhost", NOW - timedelta(days=1), NOW + timedelta(days=1))
    async with tls_server(path) as url:
        answer = await post(url)
    assert (answer.sent, answer.error) == (
        False,
        "Oden cannot be reached (its certificate is not trusted: set `ca` to the one that signed it)",
    )


@pytest.mark.parametrize(
    ("host", "begins", "ends", "why"),
    [
        ("localhost", -9, -1, "its certificate has expired"),
        ("localhost", 1, 9, "its certificate is not valid yet: is the clock right?"),
        ("other.example", -1, 1, "its certificate is for another host: write a name that it has in `url`"),
    ],
)
async def test_a_certificate_that_is_wrong(tmp_path: Path, host: str, begins: int, ends: int, why: str) -> None:
    """Of a certificate whose authority is trusted, the reason says what else is wrong with it."""
    path = certificate(tmp_path, host, NOW + timedelta(days=begins), NOW + timedelta(days=ends))
    trusting = ssl.create_default_context(cafile=str(path))
    async with tls_server(path) as url, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError) as caught:
            await session.post(url, ssl=trusting)
    assert why_no_answer(caught.value, sent=False) == f"Oden cannot be reached ({why})"


async def test_the_other_side_does_not_speak_tls() -> None:
    """An address that answers https with plain text."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        answer = await post(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v2")
    assert "does not speak TLS" in answer.error


async def test_a_proxy_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is named as what does not answer, not Oden."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    answer = await post("http://oden.invalid/v2")
    assert answer.error == "Oden cannot be reached (the proxy does not answer: connection refused)"


async def test_p8_what_a_proxy_says_when_it_refuses_is_told_without_what_it_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As some say whom they do not know."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        given = asked.partition(b"Basic ")[2].partition(b"\r\n")[0]
        known = base64.b64decode(given).partition(b":")[2]
        writer.write(b"HTTP/1.1 407 Not " + known + b" of " + given + b"\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        monkeypatch.setenv("https_proxy", f"http://edge:proxyword@127.0.0.1:{listener.sockets[0].getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        answer = await post("https://oden.invalid/v2")
    assert answer.error == "Oden cannot be reached (the proxy refused: 407 Not (a secret) of (a secret))"


async def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that wants a password for the tunnel: nothing was sent to Oden, and the proxy is named."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        answer = await post("https://oden.invalid/v2")
    assert (answer.sent, answer.status) == (False, 407)
    assert answer.error == "Oden cannot be reached (the proxy refused: 407 Proxy Authentication Required)"


async def test_no_answer_and_half_an_answer() -> None:
    """What left may have arrived: the reasons say that no answer came, not that Oden is away."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"nonsense\r\n\r\n")
        await writer.drain()
        writer.close()

    said = []
    for serve in (hang, cut, babble):
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
            url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v2"
            said.append((await post(url, 0.5 if serve is hang else PATIENCE)).error)
    assert said == [
        "Oden did not answer in time",
        "the connection was cut before the whole answer had come",
        "what answered does not speak HTTP",
    ]


KEY = aiohttp.client_reqrep.ConnectionKey("api.example", 443, True, True, None, None, None, None)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_NONAME, "Name not known")),
            "name not found",
        ),
        (
            aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_AGAIN, "Temporary failure")),
            "name not found: no name server answers",
        ),
        (aiohttp.ClientConnectorError(KEY, OSError(errno.ENETUNREACH, "x")), "no route"),
        (aiohttp.ClientConnectorError(KEY, OSError(errno.EHOSTUNREACH, "x")), "no route"),
        (aiohttp.ClientConnectorError(KEY, OSError(errno.ETIMEDOUT, "x")), "no answer"),
        (aiohttp.ConnectionTimeoutError("Connection timeout to host https://api.example"), "no answer"),
        (TimeoutError(), "no answer"),
        (
            aiohttp.ClientConnectorError(
                KEY,
                OSError(
                    "Multiple exceptions: [Errno 101] Connect call failed ('::1'), [Errno 111] Connect call failed"
                ),
            ),
            "no route, connection refused",
        ),
        (aiohttp.ServerDisconnectedError(), "no connection"),
        (aiohttp.ClientConnectorError(KEY, OSError("something new")), "no connection"),
    ],
)
def test_what_a_test_cannot_make_happen(error: Exception, why: str) -> None:
    """Networks that are not there, as the library tells them; of several addresses, each reason; never its own text."""
    assert why_no_answer(error, sent=False) == f"Oden cannot be reached ({why})"


def answered(status: int, text: str, content_type: str = "application/json") -> Answer:
    response = SimpleNamespace(status=status, content_type=content_type, headers={})
    return read_response(cast("aiohttp.ClientResponse", response), text.encode(), 0.1)


@pytest.mark.parametrize(
    ("answer", "own", "foreign"),
    [
        (answered(400, '{"error": "no", "retryable": false}'), True, False),
        (answered(400, '{"error": "no"}'), False, True),
        (answered(404, '{"timestamp": 1, "status": 404, "error": "Not Found"}'), False, True),
        (answered(404, '{"message": "no Route matched with those values"}'), False, True),
        (answered(422, '{"detail": [{"loc": ["body"], "msg": "field required"}]}'), False, True),
        (answered(404, "404 page not found", "text/plain"), False, True),
        (answered(404, "", "application/octet-stream"), False, True),
        (answered(404, "<html>no</html>", "text/plain"), False, False),
        (answered(404, "<!DOCTYPE html>", "application/json"), False, False),
        (answered(407, '{"message": "no"}'), False, False),
        (answered(302, ""), False, False),
        (answered(502, '{"message": "Bad Gateway"}'), False, False),
        (answered(500, '{"error": "no"}'), True, False),
        (answered(200, "[]"), True, False),
        (answered(200, ""), True, False),
        (answered(200, '{"error": "no"}'), False, True),
        (answered(200, '[{"error": "no", "retryable": false}]'), False, True),
        (answered(200, '{"error": {"code": 17, "message": "no"}}'), False, True),
        (answered(200, '{"error": true}'), False, True),
        (answered(200, '{"errors": [{"message": "no"}]}'), False, True),
        (answered(200, '[{"error": "no", "code": 17}]'), False, True),
        (answered(200, '{"success": false}'), False, True),
        (answered(200, '{"error": ""}'), True, False),
        (answered(200, '{"error": null, "errors": [], "success": true}'), True, False),
        (answered(200, '{"id": "1", "success": false}'), True, False),
        (answered(200, '[{"error": "no", "rows": []}]'), True, False),
        (answered(200, "OK", "text/plain"), False, True),
        (answered(200, "<html>", "text/plain"), False, False),
    ],
)
def test_who_answered(answer: Answer, own: bool, foreign: bool) -> None:
    """Oden's own answers have its document's shape; a web page, a redirect and 407 come from in between; of all other
    shapes nobody can tell."""
    assert (answer.own, answer.foreign) == (own, foreign)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"message": "no Route"}', "no Route"),
        ('{"detail": [{"loc": ["body"], "msg": "field required"}, {"msg": "too long"}]}', "field required; too long"),
        ('{"error": {"code": 17, "message": "no such run"}}', "no such run"),
        ('{"errors": [{"message": "no such run"}, "nor line"]}', "no such run; nor line"),
        ('{"error": true, "message": "no such run"}', "no such run"),
        ("404 page\nnot found", "404 page not found"),
        ('{"headers": {"Authorization": "Token secret-token"}}', ""),
        ('{"message": "Bearer secret-token is not known"}', "(the token) is not known"),
        ('{"message": "' + "x" * 480 + 'secret-token"}', "x"),
    ],
)
def test_p8_what_is_told_of_an_answer_of_another_shape(text: str, says: str) -> None:
    """What it says in words, without the token or a part of it."""
    error = redacted(answered(404, text), "secret-token").error
    assert says in error
    assert "secret" not in error


@pytest.mark.parametrize("password", ["of-the-proxy", 'with: a "colon" %41\n', "ü" * 8, "q" * 17, ""])
def test_p8_what_a_proxy_was_given_is_not_told_either(password: str) -> None:
    """Neither as the header has it nor as it was meant, whatever an answer says of what it was asked with."""
    header = f"Basic {base64.b64encode(f'edge:{password}'.encode('latin-1')).decode()}"
    text = json.dumps({"error": f"Proxy-Authorization: {header}; that is edge and {password}"})
    error = redacted(answered(400, text), "another-token", *credentials(header)).error
    assert "Proxy-Authorization" in error
    assert header.removeprefix("Basic ") not in error
    assert not password or " ".join(password.split()) not in error
    assert {*credentials(None)} == {""}
