"""Intake and messages that come again: what is known is not counted twice, across sessions, brokers and restarts."""

import asyncio
from functools import partial
from pathlib import Path

from gateway.config.schema_io import Input
from gateway.mapping.compile import compile_line
from gateway.model import RECORD, Moment, Sample
from gateway.outbox.store import Outbox
from gateway.receipts import Session
from gateway.sources.base import Arrival
from tests.intake_rig import LINE, PLAN, Rig, opened, until
from tests.peers import PATIENCE
from tests.receipts.digests import hashed


async def test_p2_a_redelivery_is_known_across_restarts(tmp_path: Path) -> None:
    """A scrap event that was committed but not acknowledged before a crash counts once when it comes again."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await until(lambda: rig.acked == [1, 2])
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("scrap", {"qty": 3}, 2, redelivered=True))
        await intake.take(rig.message("scrap", {"qty": 4}, 3, redelivered=True))
        await until(lambda: rig.acked == [2, 3])
        assert intake.health.redelivered == 1
        async with asyncio.timeout(PATIENCE):
            while (await rig.made()).get("output", 0) < 1:
                await asyncio.sleep(0.02)
        text = await rig.outbox(Outbox.row, f"record/{PLAN.key}/output/0")
        assert text is not None
        record = RECORD.validate_json(text)
        assert record.kind == "output"
        assert record.raw_data == {"scrap": 7}


async def test_p2_the_same_redelivery_twice_in_one_batch(tmp_path: Path) -> None:
    """The first copy still waits in the queue when the connection comes back with the second: one of them counts."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        for redelivered in (False, True):
            await intake.take(rig.message("scrap", {"qty": 3}, 2, redelivered=redelivered))
            await intake.take(rig.connected())
        await until(lambda: rig.acked == [1, 2, 2])
        assert intake.health.redelivered == 1


async def test_p2_what_is_in_a_batch_tells_what_the_first_of_it_is(tmp_path: Path) -> None:
    """At a broker that counts from 1 on each connection: an equal message that never came is new, because what follows
    it in the batch is none that has come."""
    rig = Rig(tmp_path)
    async with rig.running(connected=False) as intake:
        await intake.take(rig.connected(resumed=False))
        await intake.take(rig.message("scrap", {"qty": 3}, 1))
        await intake.take(rig.message("scrap", {"qty": 5}, 2))
        await until(lambda: rig.acked == [1, 2])
        coming = [rig.message("scrap", {"qty": qty}, at, redelivered=True) for at, qty in enumerate((3, 4), 1)]
        for arrival in (rig.connected(), *coming):
            await intake.take(arrival)  # which waits for nothing: all are in one batch
        await until(lambda: rig.acked == [1, 2, 1, 2])
        assert intake.health.redelivered == 0


async def test_p2_a_new_session_makes_old_receipts_void(tmp_path: Path) -> None:
    """After the broker has forgotten the session, an equal packet id and payload is another message."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await intake.take(rig.connected(resumed=False))
        await intake.take(rig.message("scrap", {"qty": 3}, 2, redelivered=True))
        await until(lambda: rig.acked == [2, 2])
        assert intake.health.redelivered == 0
        summary = await rig.outbox(Outbox.summary, 10)
    assert summary.totals.gaps == {"floor": 1}


async def test_p2_a_session_lost_while_the_gateway_was_down_is_a_gap(tmp_path: Path) -> None:
    """The very first session is none; one that the broker forgot between two lives of the gateway is listed, once."""
    for gaps in ({}, {"floor": 1}):
        rig = Rig(tmp_path)
        async with rig.running(connected=False) as intake:
            await intake.take(rig.connected(resumed=False))
            await intake.take(rig.message("scrap", {"qty": 3}, 2))
            async with asyncio.timeout(PATIENCE):
                while rig.acked != [2]:
                    await asyncio.sleep(0.01)
            assert (await rig.outbox(Outbox.summary, 10)).totals.gaps == gaps


async def test_p2_a_session_that_was_kept_while_the_gateway_was_down_is_no_gap(tmp_path: Path) -> None:
    """The broker holds for the gateway what came meanwhile: nothing is missing, and nothing is listed."""
    for packet_id in (2, 3):
        rig = Rig(tmp_path)
        async with rig.running(connected=False) as intake:
            await intake.take(rig.connected())
            await intake.take(rig.message("scrap", {"qty": packet_id}, packet_id))
            async with asyncio.timeout(PATIENCE):
                while rig.acked != [packet_id]:
                    await asyncio.sleep(0.01)
            assert (await rig.outbox(Outbox.summary, 10)).totals.gaps == {}


async def test_p2_receipts_are_kept_for_each_broker(tmp_path: Path) -> None:
    """Packet ids of another broker are those of other messages; back at the first one, its receipts are still known."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await intake.take(rig.connected(session="edge at another"))
        await intake.take(rig.message("scrap", {"qty": 3}, 2, redelivered=True))
        await intake.take(rig.connected())
        await intake.take(rig.message("scrap", {"qty": 3}, 2, redelivered=True))
        await until(lambda: rig.acked == [2, 2, 2])
        assert intake.health.redelivered == 1


async def test_p2_one_acknowledgement_for_what_one_connection_brings_twice(tmp_path: Path) -> None:
    """The second PUBACK could be for the next message with that id."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await intake.take(rig.message("scrap", {"qty": 3}, 2, redelivered=True))
        await intake.take(rig.message("scrap", {"qty": 4}, 3))
        await until(lambda: rig.acked == [2, 3])
        assert intake.health.redelivered == 1


async def test_p2_what_is_confirmed_leaves_the_disk_with_the_next_commit(tmp_path: Path) -> None:
    """And not alone: an answer of the broker writes nothing by itself."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await intake.take(rig.message("scrap", {"qty": 4}, 3))
        await until(lambda: rig.acked == [2, 3])
        before = intake._committer._number
        await intake.take(Arrival("floor", confirmed=(range(1, 3),)))
        await until(lambda: not intake._repeats.sessions["floor/edge at broker"].receipts)
        assert intake._committer._number == before
        await intake.take(rig.message("scrap", {"qty": 5}, 4))
        await until(lambda: rig.acked == [2, 3, 4])
        stored = await rig.outbox(Outbox.session, "floor/edge at broker")
        assert stored is not None
        assert [left.packet_id for left in Session.stored(stored.head, stored.blocks).receipts] == [4]


async def test_p2_deliveries_that_an_earlier_version_has_kept_are_unconfirmed(tmp_path: Path) -> None:
    """Its ring of the last deliveries is taken over when its source connects, and is gone from then on."""
    outbox = opened(tmp_path)
    with outbox.transaction() as transaction:
        transaction.put |= {
            f"receipt/floor/{slot}": f'[{slot + 5}, "{hashed(f"scrap{slot}").hex()}"]' for slot in range(3)
        }
        transaction.totals.receipts["floor"] = 3
    outbox.close()
    for _ in range(2):
        rig = Rig(tmp_path)
        async with rig.running(connected=False) as intake:
            await intake.take(rig.connected())
            await intake.take(rig.message("scrap", 1, 6, redelivered=True))
            await until(lambda rig=rig: rig.acked == [6])  # type: ignore[misc]
            assert intake.health.redelivered == 1
            assert await rig.outbox(Outbox.row, "receipt/floor/1") is None


async def test_p2_a_message_whose_id_has_come_counts_once(tmp_path: Path) -> None:
    """Whatever packet id and flags it has, in one batch and over lives; one without the id counts each time."""
    section = LINE.inputs["scrap"].model_copy(update={"id": ("press", "job.number")})
    line = LINE.model_copy(update={"inputs": {**LINE.inputs, "scrap": section}})
    plan = compile_line(line, ("lines", 0))
    repeated: list[int] = []
    for numbers in [(1, 2, 2, 3, None), (3, 1, 4, None)]:
        rig = Rig(tmp_path, plan)
        async with rig.running() as intake:
            await intake.take(rig.message("order", {"number": "A1"}, 1))
            for packet_id, number in enumerate(numbers, 2):
                job = {"job": {"number": number}} if number is not None else {}
                await intake.take(rig.message("scrap", {"qty": 1, "press": 7, **job}, 100 * len(repeated) + packet_id))
            most = len(numbers)
            await until(lambda rig=rig, most=most: len(rig.acked) > most)  # type: ignore[misc]
            repeated.append(intake.health.repeated)
            async with asyncio.timeout(PATIENCE):
                while sum([await rig.scrap(place) for place in range(5)]) < (4, 6)[len(repeated) - 1]:
                    await asyncio.sleep(0.02)
    assert repeated == [1, 2]


async def test_p2_an_event_that_is_told_once_more_counts_once(tmp_path: Path) -> None:
    """By its id and time or, of a condition, by what it says, in one batch and over lives. What is new counts, also
    where a server gives one id to many events, or none."""
    scrap = {"source": "plc", "event": "ns=2;s=Press", "type": "ns=2;i=7", "fields": {"qty": "2:Rejects"}}
    inputs = {**LINE.inputs, "scrap": Input.model_validate(scrap)}
    plan = compile_line(LINE.model_copy(update={"inputs": inputs}), ("lines", 0))
    repeated: list[int] = []
    told = [
        [("e1", 1, None), ("e1", 1, None), ("e2", 2, "hot"), ("e3", 2, "hot"), (None, 3, None), (None, 3, None)],
        [("e1", 1, None), ("e4", 2, "hot"), ("e5", 4, "cold"), ("e1", 4, None), (None, 3, None)],
    ]
    for events in told:
        rig = Rig(tmp_path, plan)
        async with rig.running() as intake:
            await intake.take(rig.message("order", {"number": "A1"}, 1))
            for number, (event, second, content) in enumerate(events):
                time = f"2026-01-05T06:00:0{second}Z"
                value = {"EventId": event, "Time": time, "Content": content, "qty": 1}
                sample = Sample("plc", "ns=2;s=Press [ns=2;i=7]", value, rig.clock.now())
                done = partial(rig.acked.append, 100 + number)
                await intake.take(Arrival("plc", (Moment((sample,)),), done=done))
            await until(lambda rig=rig, events=events: len(rig.acked) > len(events))  # type: ignore[misc]
            repeated.append(intake.health.repeated)
            async with asyncio.timeout(PATIENCE):
                while sum([await rig.scrap(place) for place in range(7)]) < (4, 7)[len(repeated) - 1]:
                    await asyncio.sleep(0.02)
    assert repeated == [2, 2]
