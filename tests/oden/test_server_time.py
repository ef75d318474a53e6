"""What the `Date` of Oden's answers tells: only over TLS, only several over a minute that agree."""

import asyncio
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from gateway.clock_evidence import FEWEST, ServerTime
from gateway.oden.client import OdenClient
from gateway.oden.endpoints import LINE_SEARCH
from gateway.oden.pace import Pace
from tests.oden.test_transport import peer, site
from tests.oden.wire import Talk, request

NOW = 1_796_000_000.0


def seen(*dates: tuple[float, float]) -> ServerTime:
    """Answers at monotonic times, with how far the server was ahead of NOW then."""
    server = ServerTime()
    for at, ahead in dates:
        server.note(formatdate(NOW + at + ahead, usegmt=True), at, 0.2)
    return server


@pytest.mark.parametrize(
    ("dates", "ahead"),
    [
        ([(0, 0), (30, 0), (61, 0)], 0.0),
        ([(0, 7200), (30, 7201), (61, 7199)], 7200.0),
        ([(0, 0), (61, 0)], None),
        ([(0, 0), (1, 0), (2, 0), (40, 0)], None),
        ([(0, 0), (30, 3600), (61, 0), (62, 0)], None),
        ([(0, 0), (30, 0), (700, 0), (705, 0)], None),
        ([], None),
    ],
)
def test_p11_odens_clock_counts_where_several_answers_over_a_minute_agree(
    dates: list[tuple[float, float]], ahead: float | None
) -> None:
    """Too few, too close together, one that differs, or too old: nothing is known."""
    last = dates[-1][0] if dates else 0.0
    distance = seen(*dates).distance(last)
    assert (distance is None) == (ahead is None)
    if distance is not None and ahead is not None:
        assert abs(distance - NOW - ahead) < 1.5
    assert FEWEST >= 3


def test_an_answer_without_a_date_tells_nothing() -> None:
    """None, an empty one, and nonsense count as answers that did not tell."""
    server = ServerTime()
    for date in (None, "", "yesterday", "Mon, 99 Foo 2026 00:00:00 GMT"):
        server.note(date, 1.0, 0.1)
    assert (server.answers, server.latest(1.0), server.distance(1.0)) == (4, None, None)


def answering(date: str, status: str = "200 OK", body: bytes = b"[]") -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request(reader)
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nDate: {date}\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()

    return talk


async def clock_of(talk: Talk, tmp_path: Path, *, secure: bool) -> ServerTime:
    ca, context = site(tmp_path)
    async with peer(talk, context if secure else None) as port:
        url = f"http{'s' if secure else ''}://localhost:{port}/v2"
        loop = asyncio.get_running_loop()
        async with OdenClient(url, lambda: "a-token-for-tests", pace=Pace(loop.time(), 0.01), ca=ca) as client:
            await client.post(LINE_SEARCH, "{}")
            return client.server_time


async def test_p11_only_a_success_of_odens_over_verified_tls_tells_the_time(tmp_path: Path) -> None:
    """Not one over plain HTTP, where anybody could answer; not an error, nor a web page."""
    ahead = 7200.0
    date = formatdate(time.time() + ahead, usegmt=True)
    told = (await clock_of(answering(date), tmp_path, secure=True)).latest(asyncio.get_running_loop().time())
    assert told is not None
    assert abs(told + asyncio.get_running_loop().time() - time.time() - ahead) < 60.0
    refused = await clock_of(answering(date, "403 No", b'{"message": "no"}'), tmp_path, secure=True)
    assert (refused.answers, refused.latest(asyncio.get_running_loop().time())) == (1, None)
    assert (await clock_of(answering(date), tmp_path, secure=False)).answers == 0
    assert (await clock_of(answering(date, "503 Busy", b"busy"), tmp_path, secure=True)).answers == 0
    assert (await clock_of(answering(date, body=b"<html>portal"), tmp_path, secure=True)).answers == 0
