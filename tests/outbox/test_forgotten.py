"""An outbox that was thrown back by a damage: what Oden has is there once in the end, with the real delivery and a real
stand-in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.model import Record
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.reindex import reindex, unsure
from tests.delivery.harness import Fault, Oden, Rig

BEGIN = 1_800_000_000


@pytest.fixture
async def oden() -> AsyncIterator[Oden]:
    oden = Oden()
    async with oden.listening():
        yield oden


def thrown_back(rows: dict[str, str]) -> MemoryStore:
    """The outbox as it is opened after a damage has brought old rows back."""
    salvaged = MemoryStore()
    salvaged.apply(dict(unsure(iter(rows.items()))))
    reindex(salvaged, damaged=True)
    return salvaged


@pytest.mark.parametrize("delivered", ["nothing", "some", "all"])
async def test_p4_what_was_delivered_and_forgotten_is_not_made_twice(
    oden: Oden, tmp_path: Path, delivered: str
) -> None:
    """A power cut takes the log with everything since the records were committed. Whatever was delivered meanwhile: in
    the end each run and state is at Oden once, ended, and the yield is exact; every look-up waits for `settle`."""
    rig = Rig(tmp_path, oden)
    records, total = rig.production(3)
    async with rig.running() as drain:
        if delivered == "nothing":
            oden.faults.append(Fault("set", "before", 503, times=-1))
        elif delivered == "some":
            oden.faults.append(Fault("scrap_yield/set", "before", 503, times=-1))
        before: list[Record] = list(records)
        drain.stop()
        await rig.commit(drain, *before)
    old = dict(rig.rows.items())
    if delivered != "nothing":
        async with rig.running():
            while (
                len(oden.runs()) < 3 or len(oden.states()) < 6 or (delivered == "all" and oden.total("yield") < total)
            ):
                await rig.outbox(lambda outbox: outbox.counts())
    oden.faults.clear()
    rig.rows = thrown_back(old)
    asked = len(oden.seen)
    async with rig.running():
        await rig.drained()
        counts = await rig.counts()
    assert (counts.parked, counts.dead) == (0, 0)
    assert (len(oden.runs()), len(oden.states()), oden.total("yield")) == (3, 6, total)
    assert all(one.end is not None for one in (*oden.runs(), *oden.states()))
    looked = sum(path.endswith("search") for path in oden.seen[asked:])
    creates = sum(record.kind != "update" for record in records)
    assert looked <= creates + 1, "one look-up for each create, and one for the line"
