"""The store of messages that could not be used: durable with the commit, bounded, and rebuilt after damage."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.model import Reject
from gateway.outbox import rejects
from gateway.outbox.entries import Commit
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.recovery import open_store
from gateway.outbox.reindex import reindex
from gateway.outbox.reject_handlers import REJECTS, RejectHandlers
from gateway.outbox.rejects import MOST_BYTES, SLOTS
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from tests.outbox.floor import Floor, commit, next_commit

NOW = 1_800_000_000.0


def reject(payload: bytes = b'{"nr": 1}', topic: str = "l01/order", reason: str = "order is missing") -> Reject:
    return Reject("floor", topic, payload, NOW, reason, ("Factory A/Line 01",))


def keep(outbox: Outbox, /, *kept: Reject, **more: Any) -> Commit:
    commit = next_commit(outbox, rejects=kept, **more)
    outbox.commit(commit)
    return commit


def numbers(outbox: Outbox) -> list[int]:
    return [known.number for known in rejects.newest(outbox.row, outbox.totals.kept_rejects, SLOTS)]


PAYLOADS = [b"", b"1,2;3", '{"größe": 5}'.encode(), b"\xff\x00\x80", b"x" * 2**18, b'"\\ud83d"', "\u2028\x00".encode()]


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_p6_a_payload_is_kept_whole_over_a_restart(tmp_path: Path, payload: bytes) -> None:
    """Also one that is no text, and one of 256 KB."""
    outbox = Outbox(open_store(tmp_path)[0])
    keep(outbox, reject(payload))
    outbox.close()
    outbox = Outbox(open_store(tmp_path)[0])
    found = rejects.whole(outbox.row, 1)
    assert found is not None
    known, said = found
    assert said == payload
    assert (known.size, known.address, known.lines) == (len(payload), "l01/order", ("Factory A/Line 01",))
    assert outbox.totals.kept_rejects.bytes == len(payload)
    outbox.close()


def test_p12_the_oldest_make_room(tmp_path: Path) -> None:
    """By number, and by bytes; each that goes is counted."""
    outbox = Outbox(MemoryStore())
    for _ in range(SLOTS // 100):
        keep(outbox, *[reject()] * 100)
    assert numbers(outbox) == [*range(SLOTS, 0, -1)]
    keep(outbox, reject(), reject())
    totals = outbox.totals.kept_rejects
    assert (totals.number, totals.dropped, totals.first) == (SLOTS, 2, 3)
    assert numbers(outbox)[-1] == 3
    large = b"x" * 2**18
    for _ in range(MOST_BYTES // len(large) + 3):
        keep(outbox, reject(large))
        assert outbox.totals.kept_rejects.bytes <= MOST_BYTES
    totals = outbox.totals.kept_rejects
    assert totals.number == MOST_BYTES // len(large)
    assert totals.number + totals.dropped == totals.next - 1
    assert sum(key.startswith(("reject/", "payload/")) for key, _ in outbox.rows()) == 2 * totals.number


def test_p6_holes_cost_nothing() -> None:
    """What a person has taken out is no number of the oldest, and no bytes."""
    outbox = Outbox(MemoryStore())
    keep(outbox, *(reject(b"x" * size) for size in range(1, 11)))
    with outbox.transaction() as transaction:
        assert [rejects.remove(transaction, number) for number in (1, 5, 5, 99)] == [True, True, False, False]
    totals = outbox.totals.kept_rejects
    assert (totals.number, totals.bytes, totals.dropped) == (8, 55 - 6, 0)
    assert numbers(outbox) == [10, 9, 8, 7, 6, 4, 3, 2]
    for _ in range(SLOTS):
        keep(outbox, reject())
    totals = outbox.totals.kept_rejects
    assert (totals.number, totals.dropped) == (SLOTS, 8)


def test_p4_what_is_replayed_leaves_in_the_transaction_that_takes_it_in() -> None:
    """And what still cannot be used stays, with what is wrong with it now. The commit made again changes nothing."""
    outbox = Outbox(MemoryStore())
    keep(outbox, reject(), reject())
    commit = keep(outbox, replayed={1: None, 2: reject(reason="product is missing"), 7: None})
    outbox.commit(commit)
    [known] = rejects.newest(outbox.row, outbox.totals.kept_rejects, 10)
    assert (known.number, known.reason) == (2, "product is missing")


def test_p7_after_damage_what_is_whole_is_there(tmp_path: Path) -> None:
    """A message without its payload, and a payload without its message, are none; counts are made anew, and no number
    is used again."""
    rows = MemoryStore()
    outbox = Outbox(rows)
    keep(outbox, *(reject(b"x" * size) for size in range(1, 6)))
    rows.apply({"reject/9": "no JSON", "totals": "{}"}, ["payload/2", "reject/4"])
    assert reindex(rows) == ["reject/9"]
    outbox = Outbox(rows)
    assert numbers(outbox) == [5, 3, 1]
    totals = outbox.totals.kept_rejects
    assert (totals.bytes, totals.next, totals.first) == (9, 6, 1)
    assert {key for key, _ in rows.items() if key.startswith("payload")} == {"payload/1", "payload/3", "payload/5"}


async def test_p4_what_is_wanted_while_nothing_runs_is_replayed_at_the_start(tmp_path: Path) -> None:
    """The command on the closed outbox marks it, and the gateway replays it once."""
    thread, replayed = OutboxThread(), list[int]()
    await thread.open(lambda: Outbox(open_store(tmp_path)[0]))
    await thread(keep, reject(), reject(topic="l01/scrap"), reject())

    async def replay(number: int, _: Reject) -> None:
        replayed.append(number)
        await thread(keep, replayed={number: None})

    closed = RejectHandlers(thread)
    said = [item async for item in closed.answer(f"{REJECTS}replay", {"topic": "order"})]
    assert [(item["number"], item["taken"]) for item in said] == [(1, False), (3, False)]
    assert "when it starts" in str(said[0]["reason"])
    running = RejectHandlers(thread, replay)
    await running.replay_wanted()
    await running.replay_wanted()
    assert replayed == [1, 3]
    items = [item async for item in running.answer(f"{REJECTS}list", {})]
    assert [json.loads(json.dumps(item))["reject"]["number"] for item in items if "reject" in item] == [2]
    assert items[-1] == {"store": {"number": 1, "bytes": 9, "dropped": 0, "left_out": 0}}
    await thread.close()


async def test_p9_where_nothing_is_taken_in_a_replay_says_so() -> None:
    """Room may come in days. What was to be replayed at the start waits for it."""
    rows, replayed, taken_in = MemoryStore(limit=2_000), list[int](), asyncio.Event()
    outbox = Outbox(rows)
    keep(outbox, reject(b"x" * 2_000))
    commit(outbox, Floor().start())
    thread = OutboxThread()
    await thread.open(lambda: Outbox(rows))

    async def replay(number: int, _: Reject) -> None:
        await taken_in.wait()
        replayed.append(number)

    handlers = RejectHandlers(thread, replay)
    [said] = [item async for item in handlers.answer(f"{REJECTS}replay", {"numbers": [1]})]
    assert said["taken"] is False
    assert str(said["reason"]).startswith("nothing is taken in at present: the outbox holds")
    _ = [item async for item in RejectHandlers(thread).answer(f"{REJECTS}replay", {"numbers": [1]})]
    starting = asyncio.create_task(handlers.replay_wanted())
    taken_in.set()
    await starting
    assert replayed == [1]
    await thread.close()
