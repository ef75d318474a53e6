"""`when_full: drop_oldest_output`: at the size limit the oldest waiting output goes, counted and told, and nothing else
does."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Concatenate

import pytest

from gateway.clock import LoopClock
from gateway.config.schema import Line
from gateway.errors import OutboxFull
from gateway.intake import Intake
from gateway.mapping.compile import compile_line
from gateway.model import Moment, Output, Record, Sample
from gateway.outbox import record_rules
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.overflow import DROPPED_AT_ONCE
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread, open_outbox
from gateway.receipts import Session
from gateway.sources.base import Arrival, Connected, Receipt
from tests.outbox.floor import OTHER, Floor, Oden, begun, commit, drain, work_in
from tests.peers import PATIENCE
from tests.receipts.digests import digest

LIMIT = 2_000_000


def opened(directory: Path, *, drop: bool = True) -> Outbox:
    return open_outbox(directory, limit=LIMIT, min_free=0.0, span=1.0, drop_oldest_output=drop)


def append(outbox: Outbox, *records: Record) -> None:
    """Put records in without a commit, beside an intake, which is the only one that commits."""
    with outbox.transaction() as transaction:
        record_rules.append(transaction, records)


def fill(
    outbox: Outbox, floor: Floor, records: int, take: Callable[Concatenate[Outbox, ...], None] = commit
) -> list[Output]:
    """Output of two runs that nothing is merged into, and now and then a state; 100 records a transaction."""
    runs = [floor.start(), floor.start(OTHER)]
    take(outbox, *runs)
    made: list[Output] = []
    for number in range(records // 100):
        some = [replace(floor.output(runs[one % 2], 1, "Splice " * 20), amounts=()) for one in range(99)]
        take(outbox, *some, floor.start(type_="STATE", lasts=number + 1))
        made += some
    return made


def test_p6_at_the_limit_the_oldest_output_goes_and_nothing_else(tmp_path: Path) -> None:
    """Twice as much as fits is taken in. The store stays within its limit; what is dropped is the oldest output, of all
    lines, and counted; runs and states, and output that a request carries, are there; a notice says it; an end waits
    for none of it."""
    outbox, floor, oden = opened(tmp_path), Floor(), Oden()
    run = floor.start()
    commit(outbox, run)
    drain(outbox, oden)
    commit(outbox, carried := floor.output(run, 5, "carried"))
    begun(outbox, work_in(outbox, "output"), "in_doubt")
    made = fill(outbox, floor, 12_000)
    summary = outbox.summary(500)
    assert summary.bytes < LIMIT
    assert summary.full is None
    given_up = summary.totals.given_up
    assert given_up > DROPPED_AT_ONCE
    kept = [text for key, text in outbox.rows() if key.startswith("record/") and '"kind":"output"' in text]
    assert len(kept) == len(made) - given_up + 1
    assert all(any(one.key in text for text in kept[-50:]) for one in made[-10:])
    assert any(carried.key in text for text in kept)
    assert not any(one.key in text for one in made[:100] for text in kept)
    assert (summary.totals.records["start"], outbox.counts().waiting) == (123, len(kept) + 122 - 1)
    assert summary.totals.lost == 0
    assert {notice.kind for notice in summary.notices} == {"loss"}
    assert "were dropped" in summary.notices[0].text
    outbox.close()
    outbox = opened(tmp_path)
    assert outbox.totals.given_up == given_up
    outbox.close()


def test_p6_without_that_choice_nothing_is_dropped(tmp_path: Path) -> None:
    """By default the commit that does not fit is refused, and everything before it is there."""
    outbox, floor = opened(tmp_path, drop=False), Floor()
    with pytest.raises(OutboxFull, match="are allowed"):
        fill(outbox, floor, 12_000)
    assert (outbox.totals.given_up, outbox.counts().waiting) == (0, sum(outbox.totals.records.values()))
    outbox.close()


def test_p6_where_there_is_no_output_it_stops(tmp_path: Path) -> None:
    """Starts and updates are never dropped: at the limit the commit is refused."""
    outbox, floor = opened(tmp_path), Floor()
    while outbox.summary(0).full is None:
        commit(outbox, *(floor.start(type_="STATE", lasts=1) for _ in range(100)))
    with pytest.raises(OutboxFull, match="are allowed"):
        commit(outbox, floor.start())
    assert outbox.totals.given_up == 0
    assert outbox.counts().waiting == outbox.totals.records["start"]
    outbox.close()


def test_p6_what_makes_no_room_is_dropped_only_once() -> None:
    """Where a first batch has freed nothing, no more is dropped, however often a commit is tried."""

    class Rigid(MemoryStore):
        def used(self) -> int:
            return LIMIT

    outbox, floor = Outbox(Rigid(), 1.0, LIMIT), Floor()
    for _ in range(20):
        fill(outbox, floor, 200)
    assert 0 < outbox.totals.given_up <= DROPPED_AT_ONCE


LINE = Line.model_validate(
    {
        "factory": "Factory A",
        "line": "Line 01",
        "inputs": {
            "order": {"source": "floor", "topic": "order", "field": "number"},
            "scrap": {"source": "floor", "topic": "scrap"},
        },
        "run": {"key": "order", "product": "{order}", "settle": "0s"},
        "scrap_yield": {"every": "1s", "entries": [{"count": "scrap.qty", "raw_data": {"scrap": "{n}"}}]},
    }
)


async def test_p6_intake_goes_on_where_the_user_chose_to_lose_output(tmp_path: Path) -> None:
    """The outbox is at its limit: messages are nevertheless committed and acknowledged, and intake is not blocked."""
    outbox = OutboxThread()
    await outbox.open(lambda: opened(tmp_path))
    await outbox(fill, Floor(), 8_000)
    before = (await outbox(Outbox.summary, 0)).totals.given_up
    intake = Intake(
        outbox, [compile_line(LINE, ("lines", 0))], LoopClock(1_800_000_000.0), lambda _: None, lambda _: None
    )
    await intake.load()
    task = asyncio.create_task(intake.run())
    acked: list[int] = []
    await intake.take(Arrival("floor", connected=Connected("edge at broker", False, 0.0)))
    for number in range(5):
        await outbox(fill, Floor(now=2_000_000 + 10_000 * number), 600, append)
        values = {"number": "4711"} if not number else {"qty": 3}
        sample = Sample("floor", "scrap" if number else "order", values, 1_800_000_000.0 + number)
        done = lambda number=number: acked.append(number)  # noqa: E731 - each its own
        receipt = Receipt(number + 1, digest("as any"), False, float(number))
        await intake.take(Arrival("floor", (Moment((sample,)),), receipt=receipt, done=done))
    async with asyncio.timeout(PATIENCE):
        while len(acked) < 5:
            await asyncio.sleep(0.01)
    intake.stop()
    await task
    summary = await outbox(Outbox.summary, 9)
    assert (intake.health.blocked, summary.full) == (None, None)
    assert summary.totals.given_up > before > 0
    stored = await outbox(Outbox.session, "floor/edge at broker")
    assert stored is not None
    assert [receipt.packet_id for receipt in Session.stored(stored.head, stored.blocks).receipts] == [1, 2, 3, 4, 5]
    await outbox.close()
