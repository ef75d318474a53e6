"""Raw peers for the client: what they say is given byte by byte."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway.oden.client import Answer, OdenClient
from gateway.oden.endpoints import INTERVAL_SET
from gateway.oden.http_answer import Keeps
from gateway.oden.pace import Pace
from tests.peers import PATIENCE

SECRET = "s3cr3t-t0ken-of-the-plant"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v2"


async def request(reader: asyncio.StreamReader) -> bytes:
    """One whole request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


def reply(raw: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(raw)
        await writer.drain()

    return talk


async def post(
    url: str,
    body: str = "{}",
    timeout: float = PATIENCE,
    *,
    connect_timeout: float = PATIENCE,
    keeps: Keeps | None = None,
) -> Answer:
    pace = Pace(asyncio.get_running_loop().time() - 9.0)
    async with OdenClient(url, lambda: SECRET, timeout, pace, connect_timeout=connect_timeout) as client:
        return await client.post(INTERVAL_SET, body, keeps=keeps)


def http(status: str, body: bytes, *headers: str, kind: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request(reader)
    await reader.read()


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request(reader)
