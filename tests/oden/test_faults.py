"""Every fault of the stand-in, over a real socket: which error it is, and whether the caller may take it that nothing
happened."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Literal

import pytest

from gateway.oden import errors
from gateway.oden.client import OdenClient
from gateway.oden.errors import OdenError
from gateway.oden.models import Factory, Interval, IntervalType, Line, StateCategory, StateMetadata
from gateway.oden.pace import Pace
from gateway.simulator.oden.fault_injection import FaultInjector, inject_faults
from gateway.simulator.oden.faults import KINDS, read_fault
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.server import listening, make_app
from gateway.simulator.oden.store import Organization
from tests.oden.wire import SECRET
from tests.peers import PATIENCE

PLACE = Line(name="Line 01", factory=Factory(name="Factory A"))
STATE = Interval(
    type=IntervalType(name="STATE"),
    line=PLACE,
    start_time=datetime(2026, 11, 2, 8, tzinfo=UTC),
    name="deletable",
    metadata=StateMetadata(category=StateCategory(name="Uptime")),
)

Effect = Literal["none", "done"]

LATE = {"hang", "hang commit=yes", "latency seconds=30"}


@asynccontextmanager
async def oden(*faults: str) -> AsyncIterator[tuple[OdenClient, OdenModel]]:
    """A client of the stand-in with `faults`, and what the stand-in holds. It soon gives up where no answer is to be
    expected.
    """
    timeout = 2.0 if LATE.intersection(faults) else PATIENCE
    plant = Organization()
    model = OdenModel(plant)
    injector = FaultInjector(plant, 0, [read_fault(fault) for fault in faults])
    app = make_app(model, SECRET, middlewares=[inject_faults(injector)])
    async with (
        listening(app, "127.0.0.1", 0) as url,
        OdenClient(url, lambda: SECRET, timeout, Pace(0.0, -0.01)) as client,
    ):
        yield client, model


FAULTS: Sequence[tuple[str, type[OdenError], bool, Effect]] = [
    # fault, error, whether trying again can help, what happened at Oden
    ("error status=400", errors.BadRequest, False, "none"),
    ("error status=401", errors.Unauthorized, False, "none"),
    ("error status=403", errors.Forbidden, False, "none"),
    ("error status=404", errors.NotFound, False, "none"),
    ("error status=409", errors.NotUnique, False, "none"),
    ("error status=409 retryable=yes", errors.NotUnique, True, "none"),
    ("error status=422", errors.Refused, False, "none"),
    ("error status=425 retryable=yes", errors.TooManyRequests, True, "none"),
    ("error status=429 retry_after=5 retryable=yes", errors.TooManyRequests, True, "none"),
    ("error status=501", errors.Unimplemented, False, "none"),
    ("error status=408 retryable=yes", errors.InDoubt, True, "none"),
    ("error status=408 retryable=yes commit=yes", errors.InDoubt, True, "done"),
    ("error status=500", errors.ServerFailed, False, "none"),
    ("error status=503 retryable=yes commit=yes", errors.ServerFailed, True, "done"),
    ("html status=200", errors.InDoubt, True, "none"),
    ("html status=404", errors.InDoubt, True, "none"),
    ("html status=407", errors.NotSent, True, "none"),
    ("html status=502 commit=yes", errors.InDoubt, True, "done"),
    ("foreign status=400", errors.InDoubt, True, "none"),
    ("foreign status=404 shape=text", errors.InDoubt, True, "none"),
    ("foreign status=422 shape=detail commit=yes", errors.InDoubt, True, "done"),
    ("swallow", errors.InDoubt, True, "none"),
    ("redirect", errors.InDoubt, True, "none"),
    ("hang", errors.InDoubt, True, "none"),
    ("hang commit=yes", errors.InDoubt, True, "done"),
    ("close", errors.InDoubt, True, "none"),
    ("close commit=yes", errors.InDoubt, True, "done"),
    ("truncated", errors.InDoubt, True, "done"),
    ("content_type type=text/html", errors.InDoubt, True, "done"),
    ("latency seconds=30", errors.InDoubt, True, "none"),
]
HARMLESS = {"latency seconds=0.1", "content_type type=text/plain", "no_id"}


@pytest.mark.parametrize(("fault", "kind", "retryable", "effect"), FAULTS, ids=[fault for fault, *_ in FAULTS])
async def test_p4_a_fault_and_what_may_have_happened(
    fault: str, kind: type[OdenError], retryable: bool, effect: Effect
) -> None:
    """The error is of the right class, and its certainty never denies what did happen at Oden."""
    async with oden(fault) as (client, model):
        with pytest.raises(OdenError) as caught:
            await client.interval.set(STATE)
        happened = len(model.intervals("STATE", "Factory A", "Line 01"))
    error = caught.value
    assert type(error) is kind
    assert (error.retryable, error.endpoint) == (retryable, "interval/set")
    assert happened == (1 if effect == "done" else 0)
    assert error.certainty == "in doubt" or not happened
    assert error.may_repeat == (error.certainty != "in doubt")
    assert SECRET not in f"{error!r} {error} {vars(error)}"


@pytest.mark.parametrize("fault", sorted(HARMLESS))
async def test_a_fault_that_leaves_the_answer_whole(fault: str) -> None:
    """A slow answer, another content type and a missing id are no failure: the interval is what was sent."""
    async with oden(fault) as (client, model):
        (made,) = await client.interval.set(STATE)
        assert (made.name, made.start_time) == (STATE.name, STATE.start_time)
        assert len(model.intervals("STATE", "Factory A", "Line 01")) == 1


def test_every_kind_of_fault_was_tried() -> None:
    """No kind that the stand-in knows is left out above."""
    assert {fault.split()[0] for fault in [*HARMLESS, *(fault for fault, *_ in FAULTS)]} == set(KINDS)


async def test_p4_nobody_listens() -> None:
    """Where nothing could leave, the error says so, and the same request may be sent again."""
    async with OdenClient("http://127.0.0.1:9/v2", lambda: SECRET, PATIENCE, Pace(0.0, -0.01)) as client:
        with pytest.raises(errors.NotSent) as caught:
            await client.interval.set(STATE)
    error = caught.value
    assert (error.certainty, error.retryable, error.may_repeat, error.status) == ("not sent", True, True, None)
    assert str(error) == "interval/set: Oden cannot be reached (connection refused)"


async def test_what_is_read_may_be_read_again() -> None:
    """The same cut in a search is in doubt, and of no harm."""
    async with oden("close") as (client, _):
        with pytest.raises(errors.InDoubt) as caught:
            await client.line.search(PLACE)
    assert caught.value.may_repeat


async def test_p8_the_token_is_in_no_error() -> None:
    """Not even where the server repeats it, in its text or in its id."""
    body = f'{{"error": "bad {SECRET}", "retryable": false, "id": "{SECRET}", "more": {{"deep": "{SECRET}"}}}}'

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 500 Broken\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v2"
        async with OdenClient(url, lambda: SECRET, PATIENCE, Pace(0.0, -0.01)) as client:
            with pytest.raises(errors.ServerFailed) as caught:
                await client.line.search(PLACE)
    error = caught.value
    assert SECRET not in f"{error!r} {error} {vars(error)} {error.said!r}"
    assert (error.id, error.text) == ("(the token)", "500: bad (the token)")
