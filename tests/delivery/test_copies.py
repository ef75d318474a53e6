"""An outbox that was copied back: what was delivered since is not delivered again, and what was not, is."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.model import RECORD, Output, StartInterval
from gateway.oden.requests import Wording
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.life import LifeMark, begin_life
from gateway.outbox.store import Outbox
from tests.delivery.harness import FACTORY, NAME, Oden, Rig


def copy_of(rows: MemoryStore) -> MemoryStore:
    copy = MemoryStore()
    copy.apply(dict(rows.items()))
    return copy


Entries = Counter[tuple[int | None, int]]


def entries(oden: Oden) -> Entries:
    """Each entry of output at Oden: by its time stamp and amount."""
    found = [entry for run in oden.runs() for entry in oden.model.output(run)]
    return Counter((entry.timestamp, int(str(entry.raw_data["yield"]))) for entry in found)


def waiting(rows: MemoryStore) -> Entries:
    """Each entry that waits."""
    texts = [text for key, text in rows.items() if key.startswith("record/")]
    outputs = [record for record in map(RECORD.validate_json, texts) if isinstance(record, Output)]
    return Counter((output.timestamp, int(str(output.raw_data["yield"]))) for output in outputs)


@pytest.mark.parametrize("delivered", [0, 1, 4, 9, 30])
async def test_p4_a_restored_copy_doubles_nothing_and_loses_nothing(
    rig: Rig, oden: Oden, delivered: int, tmp_path: Path
) -> None:
    """Whatever was delivered since: each run, state and entry is there once. It costs one search for the starts of a
    lane, one for the latest of its type, and one for the output of a run."""
    records, _ = rig.production(4)
    made = tuple(records)
    starts = [record for record in made if isinstance(record, StartInterval)]
    async with rig.running() as drain:
        await rig.commit(drain, *made[:1])
        await rig.drained()
    first = Outbox(rig.rows)
    first.commit(rig.next_commit(first, made[1:]))
    copy, due = copy_of(rig.rows), waiting(rig.rows)
    async with rig.running():
        await rig.seen(len(oden.seen) + delivered)
    before = len(oden.seen)
    rig.rows = copy
    begin_life(Outbox(copy), LifeMark(tmp_path / "outbox", tmp_path))
    async with rig.running():
        await rig.drained()
    assert (len(oden.runs()), len(oden.states())) == (4, len(starts) - 4)
    assert entries(oden) == due
    searches = Counter(path for path in oden.seen[before:] if path.endswith("/search"))
    assert searches["interval/search"] <= 4
    assert searches["scrap_yield/search"] <= 4
    assert all(run.end is not None for run in oden.runs())


async def test_p4_runs_and_batches_of_a_copy_are_looked_up_by_themselves(rig: Rig, oden: Oden, tmp_path: Path) -> None:
    """They share a lane, and no search shows both."""
    start = rig.start(1_800_000_000)
    batch = replace(start, key=rig.key(), type="BATCH", name="Tank 1", metadata={})
    first = Outbox(rig.rows)
    first.commit(rig.next_commit(first, (batch, start)))
    copy = copy_of(rig.rows)
    async with rig.running():
        await rig.drained()
    rig.rows = copy
    begin_life(Outbox(copy), LifeMark(tmp_path / "outbox", tmp_path))
    async with rig.running():
        await rig.drained()
    assert [len(oden.model.intervals(kind, FACTORY, NAME)) for kind in ("RUN", "BATCH")] == [1, 1]


@pytest.mark.parametrize("first", ["older", "later"])
async def test_p4_what_another_life_has_merged_is_told_once_wherever_it_waits(
    rig: Rig, oden: Oden, first: str, tmp_path: Path
) -> None:
    """Two entries wait in the copy, one before an outage and one after it, and are looked up by themselves. A later
    life has made them one, and added to that: what the one is in the copy shows that the other is within it."""
    rig.wording = Wording(reference="gateway_key")
    start = rig.start(1_800_000_000)
    async with rig.running() as drain:
        await rig.commit(drain, start)
        await rig.drained()
    later_life = copy_of(rig.rows)
    older, later = rig.output(start, start.start + 20, 5), rig.output(start, start.start + 40, 7)
    outbox = Outbox(rig.rows)
    # What was parked with its interval comes back after what was made later.
    backlog, live = (later, older) if first == "older" else (older, later)
    outbox.commit(rig.next_commit(outbox, (backlog,)))
    outbox.resume()
    outbox.commit(rig.next_commit(outbox, (live,)))
    copy, rig.rows = copy_of(rig.rows), later_life
    async with rig.running() as drain:
        await rig.commit(drain, replace(older, timestamp=start.start + 60, raw_data={"yield": 5 + 7 + 4}))
        await rig.drained()
    rig.rows = copy
    begin_life(Outbox(copy), LifeMark(tmp_path / "outbox", tmp_path))
    async with rig.running():
        await rig.drained()
    assert entries(oden) == {(start.start + 60, 16): 1}
