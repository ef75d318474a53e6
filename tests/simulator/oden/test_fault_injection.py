"""Each fault, over a real socket: what the client sees, what took effect, and when."""

import asyncio
import json
import socket
from pathlib import Path

import aiohttp
import pytest

from gateway.simulator.oden.faults import read_fault
from tests.peers import PATIENCE
from tests.simulator.oden.held_stand_in import LINE, RUN, SEARCH, HeldTime, StandIn


async def until_runs(stand_in: StandIn, wanted: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while stand_in.runs() != wanted:
            await asyncio.sleep(0.01)


async def test_latency_delays_and_changes_nothing(stand_in: StandIn) -> None:
    """The answer comes after the delay, and nothing takes effect before."""
    stand_in.time = HeldTime()
    async with stand_in.serving("latency seconds=0.3"):
        asked = asyncio.create_task(stand_in.set_run())
        await stand_in.until_struck()
        assert (stand_in.runs(), asked.done()) == (0, False)
        await stand_in.time.let_go_of(0.3)
        answer, _ = await asked
    assert (answer.status, stand_in.runs()) == (200, 1)


@pytest.mark.parametrize(
    ("words", "status", "keys"),
    [
        ("error status=429", 429, {"error", "retryable"}),
        ("error status=500", 500, {"error", "retryable", "id"}),
        ("error status=503 retryable=yes", 503, {"error", "retryable"}),
        ("error status=408", 408, {"error", "retryable"}),
        ("error status=401", 401, {"error", "retryable"}),
        ("error status=409", 409, {"error", "retryable", "entity_name", "num_matches"}),
        ("error status=400", 400, {"error", "retryable", "name"}),
    ],
)
@pytest.mark.parametrize("commit", ["no", "yes"])
async def test_an_error_before_or_after_the_commit(
    stand_in: StandIn, words: str, status: int, keys: set[str], commit: str
) -> None:
    """The documented error body, with the `retryable` that was asked for, whether or not the request took effect."""
    async with stand_in.serving(f"{words} commit={commit} times=1"):
        answer, body = await stand_in.set_run()
        error = json.loads(body)
        assert (answer.status, answer.content_type, error.keys()) == (status, "application/json", keys)
        assert error["retryable"] is ("retryable=yes" in words)
        assert "Retry-After" not in answer.headers
        assert stand_in.runs() == (1 if commit == "yes" else 0)
        assert (await stand_in.post("interval/search", SEARCH))[0].status == 200
    assert stand_in.statuses() == [200 if commit == "yes" else status, 200]


async def test_too_many_requests_with_retry_after(stand_in: StandIn) -> None:
    """`retry_after` is the header of that name, in seconds."""
    async with stand_in.serving("error status=429 retry_after=7"):
        answer, _ = await stand_in.set_run()
    assert (answer.status, answer.headers["Retry-After"], stand_in.runs()) == (429, "7", 0)


async def test_something_in_between_answers_in_html(stand_in: StandIn) -> None:
    """A page instead of JSON; with 407 as a proxy sends it; a page with 200 is no success for the ledger."""
    async with stand_in.serving("html times=1", "html status=407 times=1", "html status=200 times=1"):
        answers = [await stand_in.set_run() for _ in range(3)]
    assert [answer.status for answer, _ in answers] == [502, 407, 200]
    assert all(answer.content_type == "text/html" and body.startswith(b"<html>") for answer, body in answers)
    assert "Proxy-Authenticate" in answers[1][0].headers
    assert (stand_in.runs(), stand_in.statuses()) == (0, [502, 407, 0])


async def test_a_redirect(stand_in: StandIn) -> None:
    """302 to where it was told, and nothing took effect."""
    async with stand_in.serving("redirect to=http://portal.example/login"):
        answer, _ = await stand_in.set_run()
    assert (answer.status, answer.headers["Location"]) == (302, "http://portal.example/login")
    assert stand_in.runs() == 0


@pytest.mark.parametrize(("commit", "status"), [("no", 0), ("yes", 200)])
async def test_a_hang_before_or_after_the_commit(stand_in: StandIn, commit: str, status: int) -> None:
    """No answer comes until the client gives up; the stand-in answers others meanwhile and afterwards."""
    async with stand_in.serving(f"hang commit={commit} times=1"):
        asked = asyncio.create_task(stand_in.set_run())
        await stand_in.until_struck()
        assert (await stand_in.post("interval/search", SEARCH))[0].status == 200
        assert not asked.done()
        asked.cancel()
        await asyncio.wait({asked})
        assert (await stand_in.post("interval/search", SEARCH))[0].status == 200
    assert stand_in.runs() == (1 if commit == "yes" else 0)
    assert sorted(stand_in.statuses()) == sorted([status, 200, 200])


@pytest.mark.parametrize(("commit", "status"), [("no", 0), ("yes", 200)])
async def test_a_close_before_or_after_the_commit(stand_in: StandIn, commit: str, status: int) -> None:
    """The connection closes without one byte of an answer, and the ledger says whether the request took effect."""
    async with stand_in.serving(f"close commit={commit}"):
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await stand_in.set_run()
        assert stand_in.runs() == (1 if commit == "yes" else 0)
    assert stand_in.statuses() == [status]


@pytest.mark.parametrize(
    ("words", "status"), [("close", None), ("error status=503", 503), ("html status=504", 504), ("hang", None)]
)
async def test_a_commit_some_seconds_after_the_answer(stand_in: StandIn, words: str, status: int | None) -> None:
    """The client has seen its answer, or has been cut off, and only then the request takes effect, once."""
    stand_in.time = HeldTime()
    async with stand_in.serving(f"{words} commit=0.6 times=1"):
        if words == "hang":
            await stand_in.leave()
        elif status is None:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await stand_in.set_run()
        else:
            assert (await stand_in.set_run())[0].status == status
        assert json.loads((await stand_in.post("interval/search", SEARCH))[1]) == []
        await stand_in.time.let_go_of(0.6)
        await until_runs(stand_in, 1)
        assert len(json.loads((await stand_in.post("interval/search", SEARCH))[1])) == 1
    assert stand_in.statuses() == [200, 200, 200]


async def test_a_late_commit_comes_after_a_client_that_left_early(stand_in: StandIn) -> None:
    """Where the client gave up before its error was written, the request still takes effect late."""
    stand_in.time = HeldTime()
    async with stand_in.serving("latency seconds=0.3", "error status=504 commit=0.1"):
        await stand_in.leave()
        await stand_in.time.let_go_of(0.3)
        await until_runs(stand_in, 1)


async def test_what_was_to_commit_late_does_not_after_a_stop(stand_in: StandIn) -> None:
    """A stand-in that stops in between forgets the request, as a server that dies does."""
    async with stand_in.serving("close commit=60"):
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await stand_in.set_run()
    assert (stand_in.runs(), stand_in.statuses()) == (0, [0])


async def test_a_truncated_answer(stand_in: StandIn) -> None:
    """Content-Length promises the whole answer, half of it comes, and the request took effect."""
    async with stand_in.serving("truncated"):
        with pytest.raises(aiohttp.ClientPayloadError):
            await stand_in.set_run()
    assert stand_in.statuses() == [200]
    assert stand_in.runs() == 1


async def test_a_truncated_answer_byte_by_byte(stand_in: StandIn) -> None:
    """On the wire: the promised length is that of the genuine answer, and exactly half of it is there."""
    async with stand_in.serving("truncated times=1"):
        host, port = stand_in.address.removeprefix("http://").removesuffix("/v2").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        body = json.dumps(RUN).encode()
        head = (
            "POST /v2/interval/set HTTP/1.1\r\nHost: x\r\nAuthorization: Token secret\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}"
        )
        writer.write(head.encode() + b"\r\n\r\n" + body)
        answer_head, _, half = (await asyncio.wait_for(reader.read(), PATIENCE)).partition(b"\r\n\r\n")
        writer.close()
        _, genuine = await stand_in.set_run()
    assert f"content-length: {len(genuine)}".encode() in answer_head.lower()
    assert half == genuine[: len(genuine) // 2]


async def test_a_wrong_content_type(stand_in: StandIn) -> None:
    """The genuine answer under another content type, and the request took effect."""
    async with stand_in.serving("content_type times=1", "content_type type=text/html"):
        answers = [await stand_in.set_run() for _ in range(2)]
    assert [answer.content_type for answer, _ in answers] == ["text/plain", "text/html"]
    assert all("id" in json.loads(body)[0] for _, body in answers)
    assert stand_in.runs() == 1


async def test_an_answer_without_id(stand_in: StandIn) -> None:
    """All of the genuine answer but the id of what it is about."""
    async with stand_in.serving("no_id times=1"):
        _, without = await stand_in.set_run()
        _, whole = await stand_in.set_run()
    (interval,) = json.loads(whole)
    assert json.loads(without) == [{key: value for key, value in interval.items() if key != "id"}]
    assert stand_in.runs() == 1


@pytest.mark.parametrize("named", ["name", "id"])
async def test_one_line_is_forbidden(stand_in: StandIn, named: str) -> None:
    """403 for what is about that line, by its name or id, also through an interval; others go on."""
    async with stand_in.serving():
        (line,) = json.loads((await stand_in.post("line/search", LINE))[1])
        stand_in.injector.add(read_fault(f"error status=403 line='{line[named]}'"))
        forbidden = [
            RUN,
            RUN | {"line": {"id": line["id"]}},
            {"interval": RUN | {"id": "x"}, "data": {"raw_data": {}}},
        ]
        endpoints = ["interval/set", "interval/set", "scrap_yield/set"]
        statuses = [(await stand_in.post(at, body))[0].status for at, body in zip(endpoints, forbidden, strict=True)]
        other = await stand_in.post("interval/set", RUN | {"line": {**LINE, "name": "Line 02"}})
    assert statuses == [403, 403, 403]
    assert other[0].status == 200
    assert stand_in.runs() == 0


async def test_one_body_is_refused_for_good(stand_in: StandIn) -> None:
    """400 for every request that holds a text, however often it comes; others go on."""
    async with stand_in.serving("error status=400 holding=4711"):
        statuses = [(await stand_in.post("interval/set", RUN | {"name": name}))[0].status for name in ("4711", "4712")]
        again = await stand_in.post("interval/set", RUN | {"name": "order 4711"})
    assert ([*statuses, again[0].status], stand_in.runs()) == ([400, 200, 400], 1)


async def test_faults_leave_no_word_in_the_log(stand_in: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    """Cutting and spoiling is what was asked for: no error, no traceback."""
    async with stand_in.serving("close times=1", "truncated times=1", "hang times=1", "close commit=0.01 times=1"):
        for _ in range(2):
            with pytest.raises(aiohttp.ClientError):
                await stand_in.set_run()
        await stand_in.leave(3)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await stand_in.set_run()
        await until_runs(stand_in, 1)
    assert [record for record in caplog.records if record.levelname not in {"DEBUG", "INFO"}] == []


def test_the_client_side_of_a_close_is_a_clean_end(tmp_path: Path) -> None:
    """A socket client reads the end of the stream, not a byte of an answer."""
    stand_in = StandIn(tmp_path / "oden.jsonl")

    def read(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(b"POST /v2/interval/set HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            return client.recv(100)

    async def play() -> bytes:
        async with stand_in.serving("close"):
            port = int(stand_in.address.removesuffix("/v2").rsplit(":", 1)[1])
            return await asyncio.to_thread(read, port)

    assert asyncio.run(play()) == b""
