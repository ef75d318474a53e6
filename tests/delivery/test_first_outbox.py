"""The outbox of the first version that ran, in which 18 records wait, is delivered whole by this one."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from gateway.oden.client import OdenClient
from gateway.oden.models import Interval, IntervalType, Line, RunMetadata
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.recovery import open_store
from gateway.outbox.store import Outbox
from tests.delivery.harness import FACTORY, TOKEN, Oden, Rig

KEPT = Path(__file__).parents[1] / "outbox" / "kept" / "format_1_first.sql"
T = 1_795_000_000


def opened(box: Path, run: str, line: str) -> MemoryStore:
    """The rows of the kept store as this version opens it; `run` and `line` are what Oden calls the run that it has,
    and the line of the request that was under way."""
    store = box / "outbox"
    store.mkdir(parents=True)
    with closing(sqlite3.connect(store / "cache.db")) as connection:
        connection.executescript(KEPT.read_text().replace("run-4711", run).replace("line-b", line))
        connection.execute("PRAGMA journal_mode = WAL")
    rows, reports = open_store(box)
    assert reports == []
    memory = MemoryStore()
    memory.apply(dict(rows.items()))
    rows.close()
    return memory


async def test_p4_all_records_of_the_first_outbox_that_ran_reach_oden(rig: Rig, oden: Oden, tmp_path: Path) -> None:
    """Each run, state and entry is there once, with its end; none is a dead letter. What was under way is looked up."""
    async with OdenClient(oden.url, lambda: TOKEN) as client:
        place = Line.model_validate({"name": "Line 01", "factory": {"name": FACTORY}})
        run = Interval(
            type=IntervalType(name="RUN"),
            line=place,
            start_time=datetime.fromtimestamp(T, UTC),
            name="4711",
            metadata=RunMetadata.model_validate({"product": {"name": "Film 20"}}),
        )
        [made] = await client.interval.set(run)
        other = Line.model_validate({"name": "Line 02", "factory": {"name": FACTORY}, "match": "unique"})
        [line] = await client.line.search(other)
    assert made.id is not None
    assert line.id is not None
    rig.rows = opened(tmp_path / "kept", made.id, line.id)
    counts = Outbox(rig.rows).counts()
    # 18 records, of which the start of the run on line 02 was being sent, so that an attempt carries it.
    kept = [key for key in dict(rig.rows.items()) if key.startswith("record/")]
    assert (len(kept), counts.waiting, counts.sending) == (18, 17, 1)
    async with rig.running():
        await rig.drained()
        counts = await rig.counts()
    assert (counts.dead, counts.parked, counts.unsettled) == (0, 0, 0)
    runs = [*oden.runs(), *oden.model.intervals("RUN", FACTORY, "Line 02")]
    assert [(found.name, found.start - T, found.end and found.end - T) for found in runs] == [
        ("4711", 0, 600),
        ("4712", 600, 1200),
        ("4713", 1200, None),
        ("B-1", 5, 905),
    ]
    amounts = {str(found.name): [entry.raw_data["yield"] for entry in oden.model.output(found)] for found in runs}
    assert amounts == {"4711": [5, 6], "4712": [7], "4713": [8, 9], "B-1": [1, 2]}
    states = [*oden.states(), *oden.model.intervals("STATE", FACTORY, "Line 02")]
    assert [(found.start - T, found.end and found.end - T) for found in states] == [(0, 300), (300, None), (5, 400)]
    assert oden.seen.count("interval/search") == 1
