"""What the outbox knows beside its records is made anew from them."""

import tracemalloc
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from gateway.model import RECORD, Setting, StartInterval
from gateway.outbox.entries import ATTEMPT, DEAD_LETTER, INTERVAL, SETTING_ENTRY, TOTALS, Attempt, DeadLetter, Interval
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.lanes import LANE, Lane, StoredRecord, stored_record
from gateway.outbox.reindex import reindex, unsure
from gateway.outbox.store import Outbox
from tests.outbox.damage_rig import LINE, OTHER, output, problems, start, update
from tests.outbox.floor import commit


def stored(*given: Any) -> MemoryStore:
    """Raw rows: `(key, text)`, or `(lane, position, record)`, kept plainly or as it says, or `(key, entry)`."""
    rows = MemoryStore()
    adapters: dict[type, TypeAdapter[Any]] = {Lane: LANE, Interval: INTERVAL, Attempt: ATTEMPT}
    for one in given:
        match one:
            case (str(lane), int(position), record):
                text = (record if isinstance(record, StoredRecord) else StoredRecord(record)).text()
                rows.apply({f"record/{lane}/{position}": text})
            case (str(key), str(text)):
                rows.apply({key: text})
            case (str(key), entry):
                rows.apply({key: adapters[type(entry)].dump_json(entry).decode()})
    return rows


def lane(rows: MemoryStore, name: str) -> Lane:
    return LANE.validate_json(rows.get(f"lane/{name}") or "")


def interval(rows: MemoryStore, of: StartInterval) -> Interval | None:
    text = rows.get(f"interval/{of.key}")
    return INTERVAL.validate_json(text) if text else None


RUN = start(1)
RUNS, OUTPUT, UPDATES, PARKED = (f"{LINE}/{family}" for family in ("runs", "output", "updates RUN", "parked"))


def test_everything_is_made_anew_from_records_alone() -> None:
    """With no row left but records, lanes and their list, the intervals whose starts are there, and totals are made."""
    rows = stored(
        (RUNS, 7, RUN), (RUNS, 5, start(2)), (OUTPUT, 3, output(4, RUN)), (OUTPUT, 9, output(5, RUN)),
        (UPDATES, 0, update(6, RUN)),
        ("notice/3", "{}"), ("receipt/floor/41", "[]"),
    )  # fmt: skip
    assert reindex(rows) == []
    assert lane(rows, RUNS) == Lane(LINE, tail=8, head=5, waiting=2, open=[5, 7])
    assert lane(rows, OUTPUT) == Lane(LINE, tail=10, head=3, waiting=2)
    assert interval(rows, RUN) == Interval(LINE, "RUN", RUN.start, start_at=7, update_at=0, outputs=2, ended=True)
    totals = TOTALS.validate_json(rows.get("totals") or "")
    assert totals.records == {"start": 2, "output": 2, "update": 1}
    assert (totals.notices, totals.receipts) == (4, {"floor": 42})
    outbox = Outbox(rows)
    assert problems(outbox) == []
    assert sorted(outbox.lanes) == sorted([RUNS, OUTPUT, UPDATES])


def test_what_is_known_is_kept() -> None:
    """Bounds that fit the records stay as they are, with the parts of a backlog; so do ids at Oden and what is late."""
    bounds = Lane(LINE, tail=9, head=6, backlog=[(1, 3)], closed=["gone", RUN.key])
    known = Interval(LINE, "RUN", RUN.start, "id-1", ended=True, late=1, closed=True)
    rows = stored(
        ("lanes", f'["{OUTPUT}"]'), (f"lane/{OUTPUT}", bounds), (f"interval/{RUN.key}", known),
        (OUTPUT, 2, StoredRecord(output(2, RUN), late=True)), (OUTPUT, 7, StoredRecord(output(3, RUN), late=True)),
    )  # fmt: skip
    reindex(rows)
    assert lane(rows, OUTPUT) == replace(bounds, waiting=2, closed=[RUN.key])
    assert interval(rows, RUN) == replace(known, late=2)


def test_a_record_outside_of_its_lane_is_within_it_again() -> None:
    """Where bounds do not cover a record, the lane begins with its first record."""
    rows = stored(
        (f"lane/{OUTPUT}", Lane(LINE, tail=4, head=4)), (OUTPUT, 2, output(2, RUN)), (OUTPUT, 11, output(3, RUN))
    )
    reindex(rows)
    assert lane(rows, OUTPUT) == Lane(LINE, tail=12, head=2, waiting=2)


def test_attempts_follow_their_records() -> None:
    """An attempt without a record left is dropped, one with some goes on with these under its new number."""
    gone = Attempt(RUNS, (3,), "interval/set", "{}", 1.0)
    some = Attempt(UPDATES, (1, 2, 5), "intervals/update", "{}", 1.0, phase="in_doubt")
    rows = stored(
        (f"lane/{RUNS}", Lane(LINE, tail=4, head=4, attempts=[3])), (f"attempt/{RUNS}/3", gone),
        (f"lane/{UPDATES}", Lane(LINE, tail=9, head=6, attempts=[1])), (f"attempt/{UPDATES}/1", some),
        (UPDATES, 2, update(2, RUN)), (UPDATES, 5, update(3, RUN)),
        (f"interval/{RUN.key}", Interval(LINE, "RUN", 1, "id-1")),
    )  # fmt: skip
    reindex(rows)
    assert lane(rows, RUNS) == Lane(LINE, tail=4, head=4)
    assert lane(rows, UPDATES) == Lane(LINE, tail=9, head=6, waiting=2, attempts=[2])
    assert [key for key, _ in rows.items() if key.startswith("attempt/")] == [f"attempt/{UPDATES}/2"]
    outbox = Outbox(rows)
    (work,) = outbox.work()
    assert work.attempt == replace(some, positions=(2, 5))
    assert problems(outbox) == []


def test_p4_after_a_damage_every_create_is_one_that_oden_may_have() -> None:
    """Starts and output, also what is parked, are marked while rows are taken over, and what an attempt to create says
    of itself is in doubt; updates say the same twice, and dead letters are a person's. Nothing is merged into a marked
    start, and what needs it is stuck."""
    other = start(20, OTHER)
    again = Attempt(f"{OTHER}/output", (7,), "scrap_yield/set", "{}", 1.0, phase="retry")
    letter = DEAD_LETTER.dump_json(DeadLetter(start(9), 1.0, "400", "interval/set", "{}", 1)).decode()
    given = stored(
        (RUNS, 3, RUN), (UPDATES, 0, update(2, RUN)), (OUTPUT, 0, output(5, RUN)), (PARKED, 4, output(6, RUN)),
        (f"{OTHER}/output", 7, output(21, other)), (f"attempt/{OTHER}/output/7", again), ("record/dead/0", letter),
        (f"interval/{other.key}", Interval(OTHER, "RUN", other.start, "id-2", outputs=1)),
    )  # fmt: skip
    rows = MemoryStore()
    rows.apply(dict(unsure(given.items())))
    reindex(rows, damaged=True)
    marked = {
        key
        for key, text in rows.items()
        if key.startswith("record/") and "dead" not in key and stored_record(text).unsure
    }
    assert marked == {f"record/{RUNS}/3", f"record/{OUTPUT}/0", f"record/{PARKED}/4", f"record/{OTHER}/output/7"}
    assert rows.get("record/dead/0") == letter
    found = interval(rows, RUN)
    assert found is not None
    assert (found.stalled, found.start_at, found.update_at) == (True, None, 0)
    outbox = Outbox(rows)
    assert problems(outbox) == []
    (carried,) = outbox.attempts(f"{OTHER}/output")
    assert carried == replace(again, phase="in_doubt")
    commit(outbox, update(30, RUN))
    works = {work.lane: work for work in outbox.work()}
    assert works[RUNS].records == (RUN,)
    assert (works[RUNS].attempt or again).phase == "in_doubt"
    assert [works[name].stuck for name in (UPDATES, OUTPUT)] == [True, True]


def test_p5_records_of_a_lost_start_do_not_block() -> None:
    """Where a start is lost before Oden had it, its interval is not known any more: what needs it is stuck, other runs
    flow."""
    good = start(30)
    rows = stored(
        (f"interval/{RUN.key}", Interval(LINE, "RUN", RUN.start, start_at=0, outputs=1)), (OUTPUT, 0, output(2, RUN)),
        (f"interval/{good.key}", Interval(LINE, "RUN", good.start, "id-2", outputs=1)), (OUTPUT, 1, output(31, good)),
    )  # fmt: skip
    reindex(rows)
    assert interval(rows, RUN) is None
    outbox = Outbox(rows)
    (work,) = outbox.work()
    assert work.stuck
    assert work.interval is None
    assert interval(rows, good) == Interval(LINE, "RUN", good.start, "id-2", outputs=1)


def test_parked_and_dead_records_are_counted() -> None:
    """The start is a dead letter, what it was is parked with it, and that is counted again."""
    letter = DEAD_LETTER.dump_json(DeadLetter(RUN, 1.0, "400", "interval/set", "{}", 1)).decode()
    rows = stored(("record/dead/4", letter), (PARKED, 2, output(2, RUN)), (PARKED, 3, update(3, RUN)))
    reindex(rows)
    assert interval(rows, RUN) == Interval(
        LINE, "RUN", RUN.start, stalled=True, parked=2, outputs=1, ended=True, dead=1
    )
    assert lane(rows, "dead") == Lane("", tail=5, head=4, waiting=1)
    outbox = Outbox(rows)
    assert (outbox.counts().parked, outbox.counts().dead, problems(outbox)) == (2, 1, [])


def test_rows_that_make_no_sense_are_named_and_dropped() -> None:
    """What is whole but no record, lane or attempt is not kept; what it is of no one's business stays."""
    rows = stored(
        ("record/L/x", "{}"), ("record/L/1", "[]"), ("attempt/L/1", "{}"), ("lane/L", "7"), ("line/L", "anything")
    )
    assert sorted(reindex(rows)) == ["attempt/L/1", "lane/L", "record/L/1", "record/L/x"]
    assert {key for key, _ in rows.items()} == {"line/L", "lanes", "totals"}


class Endless(MemoryStore):
    """KeyValueStore with `number` output records that are made when they are asked for."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def items(self) -> Iterator[tuple[str, str]]:
        for number in range(self.number):
            yield f"record/{OUTPUT}/{number}", RECORD.dump_json(output(number, RUN)).decode()

    def apply(self, put: Mapping[str, str], drop: Iterable[str] = ()) -> None:
        self.changed = dict(put)


def test_p12_rebuilding_takes_no_memory_for_records() -> None:
    """Ten times the records take no more memory."""
    peaks: list[int] = []
    for number in (5000, 500, 5000):  # the first for what parsing texts leaves in caches
        rows = Endless(number)
        tracemalloc.start()
        reindex(rows)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert LANE.validate_json(rows.changed[f"lane/{OUTPUT}"]).waiting == number
    assert peaks[2] < peaks[1] + 50_000


FIRST, BOTH, NEXT = {"started_at": "1"}, {"started_at": "1", "completed_at": "2"}, {"started_at": "3"}


@pytest.mark.parametrize(
    ("said", "last"),
    [
        ((FIRST, NEXT), NEXT),
        ((BOTH, NEXT), NEXT),
        ((NEXT, BOTH), NEXT),
        ((NEXT, BOTH, {"completed_at": "4"}), {**NEXT, "completed_at": "4"}),
        ((BOTH, NEXT, {**BOTH, "name": "Oil"}), NEXT),
    ],
)
def test_p4_the_order_that_begins_last_is_the_one_of_which_more_is_said(
    said: tuple[dict[str, str], ...], last: dict[str, str]
) -> None:
    """In whatever order it was heard, and made anew from the records."""
    rows = MemoryStore()
    outbox = Outbox(rows)
    for number, one in enumerate(said):
        commit(outbox, Setting(f"K{number}", LINE, 0.0, "maintenance_work_order", {"external_id": "17", **one}))
    known = rows.get_under("thing/")
    (entry,) = (SETTING_ENTRY.validate_json(text) for text in known.values())
    settings = {key: stored_record(text).record for key, text in rows.get_under("record/").items()}
    (waiting,) = (record for key, record in settings.items() if key.endswith(f"/{entry.waiting_at}"))
    assert isinstance(waiting, Setting)
    assert waiting.fields == {"external_id": "17", **last}
    rows.apply({}, [*known])
    reindex(rows)
    assert rows.get_under("thing/") == known
