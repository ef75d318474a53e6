"""Why another machine is not reached is said in one language, whatever it speaks: never in that of a library."""

import asyncio
import errno
import socket
import ssl

import pytest

from gateway.clock import AnchoredClock
from gateway.config.schema import OpcuaConfig
from gateway.errors import SourceError, obstacle
from gateway.sources.mqtt_stream import open_stream
from gateway.sources.opcua.channel import Channel
from gateway.sources.opcua.session_key import KeyFile
from tests.peers import free_port
from tests.sources.harness import mqtt_config


async def connect(url: str) -> None:
    if not url.startswith("opc.tcp"):
        await open_stream(url, mqtt_config(url), lambda _: None, lambda _: None)
        return
    config = OpcuaConfig.model_validate({"type": "opcua", "url": url, "security": "none"}, strict=False)
    channel = Channel(config, KeyFile(None))
    try:
        await channel.open(AnchoredClock().now())
    finally:
        await channel.close()


async def reach(url: str) -> str:
    """What is said of a peer that cannot be reached."""
    with pytest.raises(SourceError) as raised:
        await connect(url)
    return str(raised.value)


@pytest.mark.parametrize("scheme", ["opc.tcp", "mqtt", "mqtts", "ws", "wss"])
async def test_a_peer_that_is_not_there(scheme: str) -> None:
    """A port where nothing listens; a name with several addresses; a name that nobody has; what is no name."""
    refused = "cannot connect: connection refused"
    assert await reach(f"{scheme}://127.0.0.1:{free_port()}") == refused
    assert await reach(f"{scheme}://localhost:{free_port()}") == refused
    for name in ("nobody.invalid", "press..plant"):
        assert (await reach(f"{scheme}://{name}")).startswith("cannot connect: name not found"), name


@pytest.mark.parametrize("scheme", ["mqtts", "wss"])
async def test_a_peer_that_speaks_something_else(scheme: str) -> None:
    """It answers, but not in TLS; or it hangs up."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        said = await reach(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert said == "cannot connect: no secure connection: the other side does not speak TLS as it should"


def _certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] (_ssl.c:992)")
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('10.1.4.20', 4840)"), "connection refused"),
        (OSError("Multiple exceptions: [Errno 111] Connect …, [Errno 101] Connect …"), "connection refused, no route"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "connection cut"),
        (ConnectionResetError("Cannot write to closing transport"), "connection cut"),
        (ConnectionError("Connection is closed"), "connection cut"),
        (TimeoutError(), "no answer"),
        (TimeoutError(errno.ETIMEDOUT, "Connect call failed ('10.1.4.20', 4840)"), "no answer"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "name not found"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "name not found: no name server answers"),
        (UnicodeError("label empty or too long"), "name not found"),
        (_certificate(10), "the broker's certificate has expired"),
        (_certificate(18), "the broker's certificate is not trusted: set `ca` to the one that signed it"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), "no secure connection: the other side does not speak TLS "),
        (OSError(9, "Bad file descriptor"), "no connection"),
    ],
)
def test_what_the_libraries_raise(error: Exception, words: str) -> None:
    assert obstacle(error, "the broker's").startswith(words)
