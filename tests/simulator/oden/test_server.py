"""What the server adds to the model: token, methods, ledger, faults, and an answer in JSON whatever comes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from yarl import URL

from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.persistence import Ledger, LedgerEntry, LedgerError, read_ledger, replay
from gateway.simulator.oden.server import LARGEST_BODY, listening, make_app
from gateway.simulator.oden.store import Organization

TOKEN = {"Authorization": "Token secret-7f3a"}
HEAD = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Token secret-7f3a\r\n"
SLOWLY = "Content-Type: application/json\r\nExpect: 100-continue"
RUN = {
    "type": {"name": "RUN"},
    "line": {"name": "Line 01", "factory": {"name": "Factory A"}},
    "start_time": "2021-04-04T08:00:00Z",
    "metadata": {"product": {"name": "Pipe"}},
}


@asynccontextmanager
async def serving(model: OdenModel, ledger: Path, *faults: Middleware) -> AsyncIterator[URL]:
    """A stand-in with a ledger; gives its base address."""
    book = Ledger(ledger)
    try:
        async with listening(make_app(model, "secret-7f3a", book, faults), "127.0.0.1", 0) as address:
            yield URL(address)
    finally:
        book.close()


JSON = {"Content-Type": "application/json"}


async def post(at: URL, endpoint: str, body: object, headers: Mapping[str, str] = TOKEN) -> tuple[int, Any]:
    """POST `body` (bytes as they are, else as JSON); gives status and JSON answered."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(at / endpoint, data=data, headers={**JSON, **headers}) as answer,
    ):
        return answer.status, await answer.json()


async def connect(at: URL) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(at.host, at.port)


def text_of(path: Path) -> str:
    return path.read_text()


def spoil(path: Path) -> str:
    """Add half a line; gives what was there before."""
    whole = path.read_text()
    path.write_text(whole + whole[:40])
    return whole


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger" / "oden.jsonl"


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Token wrong"}, {"Authorization": "Bearer secret-7f3a"}, {"Authorization": ""}]
)
async def test_a_wrong_token_is_401(model: OdenModel, path: Path, headers: dict[str, str]) -> None:
    """Without the token nothing happens but an entry in the ledger, which does not hold what was given as a token."""
    async with serving(model, path) as at:
        status, answer = await post(at, "interval/set", RUN, headers)
    assert status == 401
    assert answer.keys() == {"error", "retryable"}
    assert answer["retryable"] is False
    assert model == OdenModel(Organization())
    (entry,) = read_ledger(path)
    assert (entry.path, entry.body, entry.status) == ("/v2/interval/set", RUN, 401)
    assert not any(word in text_of(path) for word in ("secret", "wrong", "Bearer"))


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/v2/interval/set", b"", 405),
        ("PUT", "/v2/interval/set", b"{}", 405),
        ("DELETE", "/", b"", 405),
        ("POST", "/", b"{}", 404),
        ("POST", "/v2/interval", b"{}", 404),
        ("POST", "/v2/interval/set/", b"{}", 404),
        ("POST", "/v2/interval/explode", b"{}", 404),
        ("POST", "/v1/interval/set", b"{}", 404),
        ("POST", "/v2/%ff/%00", b"{}", 404),
        ("OPTIONS", "*", b"", 404),
        ("POST", "/v2/interval/set", b"", 400),
        ("POST", "/v2/interval/set", b"{", 400),
        ("POST", "/v2/interval/set", b"null", 400),
        ("POST", "/v2/interval/set", b"\xff\xfe", 400),
        ("POST", "/v2/factory/search", b'{"match": "all", "more": NaN}', 400),
        ("POST", "/v2/factory/search", b'{"match": "all", "more": 1e999}', 400),
        ("POST", "/v2/factory/search", b'{"match": "all", "more": ' + b"9" * 5000 + b"}", 400),
        ("POST", "/v2/factory/search", b'{"match": "all", "more": ' + b"[" * 50 + b"]" * 50 + b"}", 400),
        ("POST", "/v2/interval/set", b"[" * 100_000, 400),
        ("POST", "/v2/interval/set", b" " * (LARGEST_BODY + 1), 413),
    ],
)
async def test_garbage_gets_a_json_error(
    model: OdenModel, path: Path, method: str, target: str, body: bytes, status: int
) -> None:
    """Other methods, unknown endpoints, bodies that are no JSON or too large: refused in JSON, and in the ledger."""
    async with serving(model, path) as at:
        reader, writer = await connect(at)
        writer.write(f"{method} {target} {HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    head, _, answered = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == str(status).encode()
    assert json.loads(answered)["error"]
    assert [entry.status for entry in read_ledger(path)] == [status]


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Encoding: gzip\r\nContent-Length: 16\r\n\r\n{'match': 'all'}",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Content-Length: no\r\n\r\n",
        b"\x00\xff\r\n\r\n",
    ],
)
async def test_broken_http_is_400_and_no_traceback(
    model: OdenModel, path: Path, rest: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What is not HTTP is refused with 400 and at most a line of log each."""
    async with serving(model, path) as at:
        reader, writer = await connect(at)
        writer.write(f"POST /v2/factory/search {HEAD}".encode() + rest)
        assert (await reader.readline()).split()[1] == b"400"
        writer.close()
        await writer.wait_closed()
    assert "Traceback" not in caplog.text


async def test_of_equal_keys_the_first_counts(model: OdenModel, path: Path) -> None:
    """Duplicate keys: the first is processed, the others are ignored, and the ledger shows what counted."""
    async with serving(model, path) as at:
        _, factories = await post(at, "factory/search", b'{"name": "Factory B", "name": "Factory A"}')
    assert [factory["name"] for factory in factories] == ["Factory B"]
    assert [entry.body for entry in read_ledger(path)] == [{"name": "Factory B"}]


async def test_the_ledger_holds_every_request(model: OdenModel, path: Path) -> None:
    """One JSON object a line: time of arrival, path, body (parsed, or as text) and status, in order."""
    before = time.time()
    async with serving(model, path) as at:
        for body in (json.dumps(RUN).encode(), b"{not json", b"\xff"):
            await post(at, "interval/set", body)
    after = time.time()
    lines = [json.loads(line) for line in text_of(path).splitlines()]
    assert all(line.keys() == {"received_at", "path", "body", "status"} for line in lines)
    assert [(line["path"], line["body"], line["status"]) for line in lines] == [
        ("/v2/interval/set", RUN, 200),
        ("/v2/interval/set", "{not json", 400),
        ("/v2/interval/set", "\\xff", 400),
    ]
    times = [line["received_at"] for line in lines]
    assert times == sorted(times)
    assert before - 0.1 <= times[0] <= times[-1] <= after + 0.1  # its clock does not follow the system's small steps


async def test_arrival_is_when_the_head_arrived(model: OdenModel, path: Path) -> None:
    """The time of arrival is taken before the body is there and before any fault."""
    passed: list[float] = []

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        passed.append(time.time())
        return await handler(request)

    async with serving(model, path, note) as at:
        reader, writer = await connect(at)
        writer.write(f"POST /v2/factory/search {HEAD}{SLOWLY}\r\nContent-Length: 16\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")  # 100 Continue: the head has been taken in
        await asyncio.sleep(0.5)
        writer.write(b'{"match": "all"}')
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()
        await writer.wait_closed()
    (entry,) = read_ledger(path)
    assert entry.received_at < passed[0] - 0.4


async def test_a_restarted_stand_in_knows_what_it_knew(model: OdenModel, path: Path) -> None:
    """A model made from the ledger equals the one that wrote it, and goes on in the same file."""
    async with serving(model, path) as at:
        _, (interval,) = await post(at, "interval/set", RUN)
        output = {"interval": interval, "data": {"raw_data": {"yield": 1}}}
        for endpoint, body in (("scrap_yield/set", output), ("interval/set", {"id": "x"}), ("scrap_yield/set", output)):
            await post(at, endpoint, body)
    again = replay(path, Organization())
    assert again == model
    assert again != OdenModel(Organization())
    async with serving(again, path) as at:
        _, entries = await post(at, "scrap_yield/search", {"interval": interval, "data": {"match": "ALL"}})
    assert [entry["raw_data"] for entry in entries] == [{"yield": 1}] * 2
    assert [entry.status for entry in read_ledger(path)] == [200, 200, 400, 200, 200]


async def test_half_a_last_line_is_cut_off(model: OdenModel, path: Path) -> None:
    """A line that a kill left incomplete is no entry; the next start removes it and goes on after the whole ones."""
    async with serving(model, path) as at:
        await post(at, "interval/set", RUN)
    whole = spoil(path)
    assert len(list(read_ledger(path))) == 1
    assert replay(path, Organization()) == model
    async with serving(model, path) as at:
        await post(at, "factory/search", {})
    assert text_of(path).startswith(whole)
    assert [entry.status for entry in read_ledger(path)] == [200, 409]


@pytest.mark.parametrize(
    "line", ["nonsense", "[]", '{"path": "/"}', '{"received_at": 1, "path": "/", "body": 1, "status": 1, "x": 1}']
)
def test_a_damaged_line_is_reported_with_its_number(path: Path, line: str) -> None:
    """A whole line that is no entry is not passed over: the ledger would tell a wrong story."""
    book = Ledger(path)
    book.append(LedgerEntry(1.0, "/v2/factory/search", {}, 409))
    book.close()
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(LedgerError, match=r"oden\.jsonl:2: "):
        list(read_ledger(path))


async def test_a_fault_before_the_model_is_in_the_ledger_as_answered(model: OdenModel, path: Path) -> None:
    """A middleware that answers itself leaves an entry with its own status, and nothing took effect."""

    @web.middleware
    async def busy(request: web.Request, handler: Handler) -> web.StreamResponse:
        return web.json_response({"error": "busy", "retryable": True}, status=503)

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        raise web.HTTPTooManyRequests(text='{"error": "slow down"}', content_type="application/json")

    async with serving(model, path, busy) as at:
        assert (await post(at, "interval/set", RUN))[0] == 503
    async with serving(model, path, limited) as at:
        assert (await post(at, "interval/set", RUN))[0] == 429
    assert [(entry.body, entry.status) for entry in read_ledger(path)] == [(RUN, 503), (RUN, 429)]
    assert model == replay(path, Organization()) == OdenModel(Organization())


async def test_a_fault_after_the_model_is_in_the_ledger_as_what_took_effect(model: OdenModel, path: Path) -> None:
    """Where a request took effect and its answer was lost or spoilt, the ledger says 200, once, and replays it."""

    @web.middleware
    async def oops(request: web.Request, handler: Handler) -> web.StreamResponse:
        await handler(request)
        return web.json_response({"error": "oops", "retryable": True, "id": "1"}, status=500)

    @web.middleware
    async def cut(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        assert request.transport
        request.transport.abort()
        return answer

    async with serving(model, path, oops) as at:
        assert (await post(at, "interval/set", RUN))[0] == 500
    async with serving(model, path, cut) as at:
        with pytest.raises(aiohttp.ClientConnectionError):
            await post(at, "interval/set", RUN | {"name": "4711"})
    assert [entry.status for entry in read_ledger(path)] == [200, 200]
    assert len(model.intervals("RUN", "Factory A", "Line 01")) == 2
    assert replay(path, Organization()) == model


async def test_a_request_takes_effect_after_its_client_gave_up(model: OdenModel, path: Path) -> None:
    """A slow stand-in goes on when the client has left: what timed out may still be committed."""
    arrived, go, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @web.middleware
    async def slow(request: web.Request, handler: Handler) -> web.StreamResponse:
        arrived.set()
        await go.wait()
        answer = await handler(request)
        done.set()
        return answer

    async with serving(model, path, slow) as at:
        asking = asyncio.create_task(post(at, "interval/set", RUN))
        await arrived.wait()
        asking.cancel()
        await asyncio.wait([asking])
        assert list(read_ledger(path)) == []
        go.set()
        await asyncio.wait_for(done.wait(), 60)
    assert [entry.status for entry in read_ledger(path)] == [200]
    assert len(model.intervals("RUN", "Factory A", "Line 01")) == 1


async def test_a_client_that_leaves_in_the_middle_of_its_body(model: OdenModel, path: Path) -> None:
    """Half a request changes nothing and is in the ledger as refused."""
    async with serving(model, path) as at:
        reader, writer = await connect(at)
        writer.write(f"POST /v2/interval/set {HEAD}{SLOWLY}\r\nContent-Length: 500\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"{")
        writer.close()
        await writer.wait_closed()
    (entry,) = read_ledger(path)
    assert (entry.body, entry.status) == ("", 400)
    assert model == OdenModel(Organization())


async def test_what_is_no_json_by_its_header_or_for_a_database_is_refused() -> None:
    """Another content type, NUL in a text, half of a surrogate pair: 400 in the documented shape, and no effect. A null
    where the document allows it is none."""
    model = OdenModel(Organization())
    async with listening(make_app(model, TOKEN["Authorization"].split()[1]), "127.0.0.1", 0) as address:
        at = URL(address)
        run: dict[str, object] = {
            "type": {"name": "RUN"},
            "line": {"name": "Line 01", "factory": {"name": "Factory A"}},
        }
        run |= {"start_time": "2027-01-15T08:00:00Z", "metadata": {"product": {"name": "Film"}}}
        assert (await post(at, "interval/set", run, {**TOKEN, "Content-Type": "text/plain"}))[0] == 400
        for name in ("a\\u0000b", "\\ud83d"):
            body = json.dumps(run | {"name": "X"}).replace('"X"', f'"{name}"').encode()
            status, answer = await post(at, "interval/set", body)
            assert (status, answer["name"], answer["retryable"]) == (400, "body", False)
        assert model.intervals("RUN", "Factory A", "Line 01") == []
        run["line"] = {"name": "Line 01", "factory": {"name": "Factory A", "secondary_name": None}}
        assert (await post(at, "interval/set", run))[0] == 200
