"""The client against real sockets: what left, what came back, and how it is told."""

import asyncio
import json
import tracemalloc
from pathlib import Path

import pytest

from gateway.oden.client import OdenClient
from gateway.oden.endpoints import INTERVAL_SET
from gateway.oden.errors import InvalidRequest, NotSent
from gateway.oden.models import Factory, Line
from gateway.oden.pace import Pace
from tests.oden.test_pace import Receiver
from tests.oden.wire import SECRET, Talk, cut, hang, http, post, reply, request, server
from tests.peers import PATIENCE


async def test_the_request_as_oden_gets_it() -> None:
    """POST to the endpoint, token in the header, exact body, JSON, our name and version."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request(reader))
        writer.write(http("200 OK", b'[{"id": "1"}]'))
        await writer.drain()

    async with server(talk) as url:
        answer = await post(url, '{"name":"Öl"}')
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v2/interval/set HTTP/1.1\r\n")
    assert f"Authorization: Token {SECRET}".encode() in head
    assert b"Content-Type: application/json" in head
    assert b"User-Agent: oden-gateway/" in head
    assert body == '{"name":"Öl"}'.encode()
    assert (answer.sent, answer.status, answer.body, answer.own) == (True, 200, [{"id": "1"}], True)


async def test_nobody_listens() -> None:
    """Certainly not sent."""
    answer = await post("http://127.0.0.1:9/v2")
    assert (answer.sent, answer.status) == (False, None)
    assert answer.error == "Oden cannot be reached (connection refused)"
    assert "ClientConnectorError" in answer.detail


async def test_an_unknown_host() -> None:
    """Certainly not sent."""
    assert (await post("http://no-such-host.invalid/v2")).sent is False


LOST = [
    pytest.param(hang, id="no answer"),
    pytest.param(cut, id="cut without answer"),
    pytest.param(reply(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n[{"), id="cut in the middle of the answer"),
    pytest.param(reply(b"nonsense\r\n\r\n"), id="not HTTP"),
]


@pytest.mark.parametrize("talk", LOST)
async def test_p4_what_may_have_arrived_is_told_as_sent(talk: Talk) -> None:
    """However the exchange ends after the request has left: sent, without a status."""
    async with server(talk) as url:
        answer = await post(url, timeout=0.5)
    assert (answer.sent, answer.status) == (True, None)
    assert answer.error


async def test_a_connection_that_is_closed_between_requests() -> None:
    """A kept-alive connection that the server closes does not turn into a repeated request."""
    requests = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await request(reader)
        requests += 1
        writer.write(http("200 OK", b"[]"))
        await writer.drain()

    async with server(talk) as url, OdenClient(url, lambda: SECRET, PATIENCE, Pace(0.0, -0.01)) as client:
        answers = [await client.post(INTERVAL_SET, "{}") for _ in range(20)]
    assert requests <= 20
    assert sum(answer.status == 200 for answer in answers) == requests
    assert all(answer.status == 200 or answer.error for answer in answers)


async def test_answers_that_are_not_odens() -> None:
    """A redirect is not followed; HTML is not Oden's, whatever its status; Oden's errors are."""
    for raw, own in [
        (http("302 Found", b"", "Location: http://127.0.0.1:9/login"), False),
        (http("200 OK", b"<html>", kind="text/html"), False),
        (http("404 Not Found", b"<html>", kind="text/html"), False),
        (http("404 Not Found", b'{"error": "no such line", "retryable": false}'), True),
        (http("404 Not Found", b'{"message": "no such route"}'), False),
        (http("200 OK", b""), True),
    ]:
        async with server(reply(raw)) as url:
            assert (await post(url)).own is own


async def test_retry_after_and_words_of_the_server() -> None:
    """Seconds are understood; the error text and the name of the parameter are told."""
    raw = http("429 Too Many", b'{"error": "slow down", "name": "rate", "retryable": true}', "Retry-After: 7")
    async with server(reply(raw)) as url:
        answer = await post(url)
    assert (answer.retry_after, answer.error) == (7.0, "429: slow down (rate)")


@pytest.mark.parametrize("pause", ["²", "-5", "1.5", "soon", "Thu, 03 Dec 2026 12:00:00 GMT"])
async def test_a_retry_after_that_is_no_number_of_seconds_is_none(pause: str) -> None:
    """A digit that is not ASCII is none: the request failed without a word."""
    raw = http("429 Too Many", b'{"error": "slow down", "retryable": true}', f"Retry-After: {pause}")
    async with server(reply(raw)) as url:
        answer = await post(url)
    assert (answer.status, answer.retry_after) == (429, None)


async def test_p12_an_endless_answer_is_cut_off() -> None:
    """More than the largest answer is not read into memory, and counts as unreadable."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
        try:
            while True:
                writer.write(b" " * 2**20)
                await writer.drain()
        except ConnectionError:
            pass

    async with server(talk) as url:
        answer = await post(url)
    assert (answer.sent, answer.readable) == (True, False)


ENTRY = b'{"timestamp": "2026-01-05T06:00:00Z", "raw_data": {"note": "' + b"x" * 3_000 + b'"}}'
MINE = b'{"timestamp": "2026-01-05T07:00:00Z", "raw_data": {"yield": 1}}'


def of_seven(entry: object) -> bool:
    return "T07:" in str(entry)


async def test_a_long_answer_of_which_little_matters() -> None:
    """The output of a run that goes on for weeks: 12 MB, of which the one entry is there that was asked about. Without
    such a question it counts as unreadable, and is told as that."""
    raw = http("200 OK", b"[" + b",".join([ENTRY] * 2_000 + [MINE] + [ENTRY] * 2_000) + b"]")
    async with server(reply(raw)) as url:
        asked = await post(url, keeps=of_seven)
        unasked = await post(url)
    assert asked.own
    assert asked.body == [json.loads(MINE)]
    assert (unasked.readable, unasked.error) == (False, "200 with an answer of more than 8 MB that cannot be read")


@pytest.mark.parametrize("rubbish", [b"x" * 2**16, ENTRY + b"," + ENTRY + b";", b'"' + b"x" * 2**16, b"<html>" * 1_000])
async def test_p12_fifty_megabytes_of_rubbish(rubbish: bytes) -> None:
    """Where the answer to a search is nothing of Oden's, however long: it is not read to its end, nothing of it is
    held, and it is never taken for "none"."""
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n\r\n[")
        try:
            while sent < 50_000_000:
                writer.write(rubbish)
                sent += len(rubbish)
                await writer.drain()
        except ConnectionError:
            pass

    async with server(talk) as url:
        tracemalloc.start()
        answer = await post(url, keeps=lambda _: True)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (answer.sent, answer.readable, answer.own) == (True, False, False)
    assert sent < 30_000_000
    assert peak < 100 * 2**20


async def test_an_answer_that_comes_slowly_is_read_to_its_end() -> None:
    """12 MB over a line that takes longer for them than one answer may take: as long as it goes on, it is waited
    for."""
    whole = b"[" + b",".join([ENTRY] * 20 + [MINE]) + b"]"
    read = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % (len(whole) + 11 * 2**16))
        for _ in range(11):
            writer.write(b" " * 2**16)
            await asyncio.sleep(0.5)
        writer.write(whole)
        await writer.drain()
        await read.wait()

    async with server(talk) as url:
        answer = await post(url, timeout=2.5, connect_timeout=2.5, keeps=of_seven)
        read.set()
    assert answer.body == [json.loads(MINE)]


async def test_p8_the_token_is_in_no_answer(tmp_path: Path) -> None:
    """Neither failures nor a token that no header can hold show it."""

    def unreadable() -> str:
        return (tmp_path / "gone").read_text()

    async with server(reply(http("401 Unauthorized", b'{"error": "bad token"}'))) as url:
        answers = [await post(url), await post("http://127.0.0.1:9/v2")]
        for token in (lambda: SECRET + "\nX: y", unreadable):
            async with OdenClient(url, token, PATIENCE, Pace(0.0)) as client:
                answers.append(await client.post(INTERVAL_SET, "{}"))
    assert [answer.sent for answer in answers] == [True, False, True, False]
    assert SECRET not in repr(answers)


async def test_p3_a_slow_connection_does_not_shift_the_next_write() -> None:
    """The second is counted from the write, not from the call: a request that took long to connect counts late."""
    receiver = Receiver(lambda _: http("200 OK", b"[]"), 0.0)
    with receiver.listening() as url:
        pace = Pace(asyncio.get_running_loop().time() - 9.0, 0.3)
        async with OdenClient(url, lambda: SECRET, PATIENCE, pace) as client:
            await asyncio.gather(*(client.post(INTERVAL_SET, "{}") for _ in range(6)))
    assert len(receiver.gaps) == 5
    assert min(receiver.gaps) >= 0.3


async def test_p4_a_client_that_is_not_open_sends_nothing_and_says_so() -> None:
    """Before it is entered, and after it was left: an OdenError, by which nothing was sent."""
    client = OdenClient("http://127.0.0.1:9/v2", lambda: "token", pace=Pace(0.0, -0.01))
    request = Line(name="Line 01", factory=Factory(name="Factory A"))
    with pytest.raises(NotSent, match="not open"):
        await client.line.search(request)
    async with client:
        pass
    with pytest.raises(NotSent, match="not open"):
        await client.line.search(request)


async def test_a_dict_in_the_place_of_a_model_is_refused_in_words() -> None:
    """Nothing is sent, and the error names the model."""
    async with OdenClient("http://127.0.0.1:9/v2", lambda: "token", pace=Pace(0.0, -0.01)) as client:
        with pytest.raises(InvalidRequest, match=r"must be a Line, not a dict: Line\.model_validate"):
            await client.line.search({"name": "Line 01"})  # type: ignore[arg-type] # as programs do it
