"""Questions about the outbox while it is in use: commits go on, what is large is read in pages, the rate is known."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.errors import OutboxError
from gateway.model import StartInterval, record_key
from gateway.outbox.control_handlers import MOST, QUESTION, ControlHandlers, Question
from gateway.outbox.entries import LineRef, Totals
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.listing import PAGE, Filter
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from tests.outbox.floor import commit

LINES = ("Factory A/Line 01", "Factory B/Line 01", "id-of-line-2")


def starts(number: int, line: str = LINES[0]) -> tuple[StartInterval, ...]:
    return tuple(StartInterval(record_key(line, n, n), line, n, "STATE", n) for n in range(number))


@pytest.fixture
async def outbox() -> AsyncIterator[OutboxThread]:
    outbox = OutboxThread()
    await outbox.open(lambda: Outbox(MemoryStore()))
    yield outbox
    await outbox.close()


async def ask(handlers: ControlHandlers, command: str, question: Question) -> list[dict[str, object]]:
    return [item async for item in handlers.answer(command, QUESTION.dump_python(question, mode="json"))]


MANY = starts(20 * PAGE)


@pytest.mark.parametrize(
    ("command", "question"),
    [
        ("list", Question(Filter(error="nothing has this"), limit=1)),
        ("show", Question(Filter(keys=frozenset({MANY[-1].key})))),
        ("export", Question()),
        ("verify", Question()),
    ],
)
async def test_commits_go_on_while_much_is_read(outbox: OutboxThread, command: str, question: Question) -> None:
    """While a question reads a large outbox, commits get their turn again and again, not only at its end."""
    await outbox(commit, *MANY)
    turns = 0
    asking = asyncio.create_task(ask(ControlHandlers(outbox, live=True), command, question))
    while not asking.done():
        await outbox(commit)
        turns += 1
    await asking
    assert turns >= len(MANY) / PAGE


async def test_a_line_is_named_as_a_person_does(outbox: OutboxThread) -> None:
    """By its key, its name or factory and name; where several have the name, the answer says so and nothing is done."""
    await outbox(
        Outbox.learn_lines, {LINES[0]: LineRef("Factory A", "Line 01"), LINES[1]: LineRef("Factory B", "Line 01")}
    )
    await outbox(Outbox.learn_lines, {LINES[2]: LineRef("Factory A", "Line 02", "id-of-line-2")})
    for line in LINES:
        await outbox(commit, *starts(1, line))
    handlers = ControlHandlers(outbox, live=True)
    for name, key in (
        (LINES[0], LINES[0]),
        ("Line 02", LINES[2]),
        ("Factory A/Line 02", LINES[2]),
        (LINES[2], LINES[2]),
    ):
        (item,) = await ask(handlers, "list", Question(line=name))
        assert key in str(item)
    with pytest.raises(OutboxError, match="2 lines are called 'Line 01'"):
        await ask(handlers, "retry", Question(line="Line 01"))


async def test_the_rate_is_that_of_the_last_hour(outbox: OutboxThread) -> None:
    """New records per hour, without those that became part of others; unknown at first, and forgotten after an hour."""
    handlers = ControlHandlers(outbox, live=True)

    async def rate() -> object:
        (item,) = await ask(handlers, "stats", Question())
        return item["records_per_hour"]

    handlers.observe(0.0, Totals(records={"start": 500}))
    assert await rate() is None
    for minute in range(1, 61):
        handlers.observe(60.0 * minute, Totals(records={"start": 500 + 3 * minute}, merged=minute))
        handlers.observe(60.0 * minute + 1, Totals(records={"start": 10**6}))
    assert await rate() == 120
    for minute in range(61, 122):
        handlers.observe(60.0 * minute, Totals(records={"start": 500 + 180}, merged=60))
    assert await rate() == 0


async def test_what_it_does_not_know_it_says(outbox: OutboxThread) -> None:
    """A command or an argument of another version is an error in words."""
    handlers = ControlHandlers(outbox, live=True)
    with pytest.raises(OutboxError, match="knows no command 'explode'"):
        await ask(handlers, "explode", Question())
    with pytest.raises(OutboxError, match="does not understand the question"):
        [item async for item in handlers.answer("list", {"limit": "many"})]


async def test_p12_a_file_with_too_many_records_is_refused_unread(outbox: OutboxThread) -> None:
    """More lines than one command takes are refused for their number before any is parsed; empty lines do not count."""
    handlers = ControlHandlers(outbox, live=True)
    with pytest.raises(OutboxError, match=f"{MOST + 1} records are more than the {MOST} that go at once"):
        await ask(handlers, "import", Question(lines=("no JSON at all", "") * (MOST + 1)))
    with pytest.raises(OutboxError, match="line 1: this is not JSON"):
        await ask(handlers, "import", Question(lines=("no JSON at all", "") * MOST))
