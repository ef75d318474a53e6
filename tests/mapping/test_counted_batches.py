"""Batches by count that were told full stay as they were told, whatever comes late."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from math import floor

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.mapping.again import at_once
from gateway.mapping.compile import LinePlan
from gateway.mapping.context import ToldBatch
from gateway.mapping.feeder import feed, settled
from gateway.mapping.line import LineState, Tick
from gateway.mapping.trail import Feed
from gateway.model import Output, Record, Sample, StartInterval, UpdateInterval
from tests.mapping.laws import examples
from tests.mapping.recording import T0, fed, message, order, plan, scrap, tick
from tests.mapping.test_late_properties import DELAYS, INPUTS, SECTIONS, Made, arrivals, effective, facts
from tests.mapping.test_trail_log import CUTS, run

NAMES = ("good", "order", "product", "reject")


def counted(settle: object) -> LinePlan:
    """A line whose orders count once they have held for so long."""
    return plan(
        inputs={name: INPUTS[name] for name in NAMES},
        run={**SECTIONS["run"], "settle": settle},
        states=None,
        batches={"every": 30, "count": "good", "name": "{order}-{batch}"},
        scrap_yield={
            "every": "60s",
            "entries": [
                {"count": "good", "raw_data": {"yield": "{n}"}},
                {"count": "good", "of": "batch", "raw_data": {"made": "{n}"}},
            ],
        },
    )


COUNTED = counted("500ms")
SETTLING = counted("60s")
"""It takes long until an order counts."""


@st.composite
def shifts(draw: st.DrawFn) -> list[Made]:
    """Counts, and orders of which some are over before the next begins."""
    made, total = list[Made](), 0
    for second in range(0, 600, draw(st.integers(7, 30))):
        total += draw(st.integers(0, 25))
        made.append(Made(second + 0.4, "count", {"n": total}, draw(st.sampled_from([0.0, 0.0, 0.0, 3.0, 45.0, 200.0]))))
    for number, at in enumerate(sorted(draw(st.sets(st.integers(0, 60), max_size=6)))):
        name = "" if draw(st.integers(0, 3)) == 0 else f"A{number}"
        made.append(Made(at * 10.0, "order", {"number": name, "sku": "FILM"}, draw(DELAYS)))
    return [*made, Made(700.0, "order", {"number": "LAST", "sku": "FILM"}, 0.0)]


def heard(messages: Sequence[Made], *, late: bool) -> list[Sample | Tick]:
    """The messages as they arrive at the line, which has fewer inputs than others."""
    events = arrivals(messages, late=late)
    return [one for one in events if isinstance(one, Tick) or (one.source, one.address) in COUNTED.subscriptions]


def told(events: Sequence[Sample | Tick], of: LinePlan = COUNTED) -> tuple[list[Record], dict[str, ToldBatch]]:
    """What is told, and the batches that were full as they were told first, of which nothing else is ever told."""
    line, records, full = Feed(LineState()), list[Record](), dict[str, ToldBatch]()
    for event in [*events, None]:
        line, result = at_once(settled(of, line)) if event is None else feed(of, line, event)
        records += result.records
        for record in result.records:
            if isinstance(record, UpdateInterval) and record.interval in full:
                assert record.name is None
                assert not record.withdraws
                assert record.end in (None, floor(full[record.interval].ended))
        for batch in result.full:
            full.setdefault(batch.interval, batch)
    return records, full


@given(shifts())
@example(
    [
        *(
            Made(at + 0.4, "count", {"n": 46 if at > 532 else 21 if at > 350 else 0}, 200.0 * (at in (351, 507)))
            for at in range(0, 600, 13)
        ),
        *(Made(at, "order", {"number": name, "sku": "FILM"}, 0.0) for name, at in {"": 350.0, "A1": 360.0}.items()),
        Made(700.0, "order", {"number": "LAST", "sku": "FILM"}, 0.0),
    ]
)
@examples(60)
def test_p13_a_batch_that_was_told_full_stays_as_it_was_told(messages: list[Made]) -> None:
    """Its name, beginning and end; no two batches are ever on at once, and the sums of runs are right."""
    stays(messages, COUNTED)


@given(shifts())
@example(
    [
        Made(40.0, "order", {"number": "A0", "sku": "FILM"}, 0.0),
        Made(72.4, "count", {"n": 119}, 0.0),
        Made(100.0, "order", {"number": "A1", "sku": "FILM"}, 20.8),
        Made(104.4, "count", {"n": 164}, 45.0),
        Made(112.4, "count", {"n": 171}, 0.0),
        Made(120.4, "count", {"n": 194}, 0.0),
        Made(176.4, "count", {"n": 244}, 45.0),
        Made(184.4, "count", {"n": 251}, 0.0),
        Made(256.4, "count", {"n": 347}, 0.0),
    ]
)
@examples(20)
def test_p13_a_batch_that_was_told_full_stays_as_it_was_told_where_orders_take_long_to_count(
    messages: list[Made],
) -> None:
    """The same: one that was told can outlast its run for long."""
    stays(messages, SETTLING)


def stays(messages: list[Made], of: LinePlan) -> None:
    records, full = told(heard(messages, late=True), of)
    ends: dict[str, int] = {}
    for record in records:
        if isinstance(record, StartInterval | UpdateInterval) and record.end is not None:
            ends[record.interval] = record.end
    assert all(ends[key] == floor(batch.ended) for key, batch in full.items())
    batches = [one for one in effective(records) if isinstance(one, StartInterval) and one.type == "BATCH"]
    batches.sort(key=lambda batch: batch.start)
    assert all(ends[one.key] <= other.start for one, other in pairwise(batches))
    right, _ = told(heard(messages, late=False), of)
    assert _of_runs(records) == _of_runs(right)


def test_p13_the_batch_after_one_that_lost_parts_is_called_by_its_own_order() -> None:
    """What fills the one before is 200 s late, and so is put in its place when the next order is about to be heard."""
    counts = {
        0: (3, 200), 19: (18, 3), 38: (34, 0), 57: (63, 0), 76: (63, 3), 95: (82, 3), 114: (84, 200), 133: (84, 0),
        152: (84, 200), 171: (123, 3), 247: (178, 0),
    }  # fmt: skip
    made = [Made(at + 0.4, "count", {"n": total}, float(delay)) for at, (total, delay) in counts.items()]
    made += [Made(at, "order", {"number": name, "sku": "FILM"}, 0.0) for at, name in ((120.0, "A0"), (330.0, "A1"))]
    records, _ = told(heard(made, late=True))
    assert [one.name for one in records if isinstance(one, StartInterval)] == [
        "A0",
        "A0-1",
        "A0-2",
        "A0-3",
        "A1",
        "A1-1",
    ]
    assert not [one for one in records if isinstance(one, UpdateInterval) and one.name is not None]


def _of_runs(records: Sequence[Record]) -> tuple[set[object], dict[object, float]]:
    intervals, sums = facts(effective(records))
    runs: set[object] = {each for each in intervals if isinstance(each, tuple) and ("type", "RUN") in each}
    return runs, {key: amount for key, amount in sums.items() if isinstance(key, tuple) and key[0] == "RUN"}


@given(shifts(), CUTS, st.lists(st.booleans(), min_size=40, max_size=40))
@examples(40)
def test_p13_batches_that_were_told_full_stay_so_after_a_restart(
    messages: list[Made], cuts: list[int], restarts: list[bool]
) -> None:
    """The same arrivals tell the same, wherever the gateway restarts."""
    events = heard(messages, late=True)
    once, often = run(events, (), (), COUNTED).records, run(events, cuts, restarts, COUNTED).records
    assert [*map(_said, often)] == [*map(_said, once)]


def _said(record: Record) -> Record:
    """What a record says, whatever its number on the line is."""
    if isinstance(record, Output):
        return replace(record, key="", timestamp=0, after=())
    return replace(record, key="") if isinstance(record, UpdateInterval) else record


BOOKED = plan(
    inputs={name: INPUTS[name] for name in (*NAMES, "scrap")},
    run=SECTIONS["run"],
    states=None,
    batches={"every": 30, "count": "good", "name": "{order}-{batch}"},
    scrap_yield={
        "every": "60s",
        "entries": [
            {"count": "good", "of": "batch", "raw_data": {"made": "{n}"}},
            {"count": "scrap.qty", "raw_data": {"scrap": "{n}"}},
        ],
    },
)


@given(
    st.lists(st.tuples(st.sampled_from([0, 0, 7, 30, 90]), st.integers(0, 70)), min_size=2, max_size=20),
    st.lists(st.tuples(st.integers(1, 300), st.sampled_from([20.0, 100.0, 300.0])), max_size=4),
)
@example([(10, 5), (10, 30), (0, 35), (20, 10), (10, 25), (90, 20), (7, 25)], [(15, 60.0)])
@example([(0, 0), (0, 30)], [(1, 20.0)])
@examples(60)
def test_p13_what_is_heard_late_and_of_no_batch_moves_none(
    counts: list[tuple[int, int]], bookings: list[tuple[int, float]]
) -> None:
    """Scrap of the run. Several counts can be of one time, each of which fills a batch."""
    times, totals = accumulate(gap for gap, _ in counts), accumulate(made for _, made in counts)
    events = [order(0, "A"), count_of(1.0, 0.0, 0)]
    for number, (at, total) in enumerate(zip(times, totals, strict=True)):
        events.append(count_of(2.0 + at, 0.01 * number, total))
    late = [scrap(at + delay, 1, at=at) for at, delay in bookings]
    assert _of_batches([*events, *late]) == _of_batches(events)


def count_of(at: float, delay: float, total: int) -> Sample:
    """A count of a time, and when it is heard."""
    return message(at + delay, "count", {"n": total, "at": T0 + at})


def _of_batches(events: Sequence[Sample]) -> tuple[set[object], dict[object, float]]:
    played = fed(BOOKED, *sorted(events, key=lambda event: event.received), tick(4000))
    intervals, sums = facts(effective(played.records))
    batches: set[object] = {each for each in intervals if isinstance(each, tuple) and ("type", "BATCH") in each}
    return batches, {key: amount for key, amount in sums.items() if isinstance(key, tuple) and key[0] == "BATCH"}


def test_p13_however_many_batches_were_told_full_they_stay_so_after_a_restart() -> None:
    """Boxes of ten, of which a second fills most of one: an order that is heard 200 s late counts anew from within
    one. Where the gateway restarts after that, the next late order finds all boxes as they were told."""
    boxes = plan(
        inputs={name: INPUTS[name] for name in NAMES},
        run={"key": "order", "product": "FILM", "name": "{order}", "settle": "0s"},
        states=None,
        batches={"every": 10, "count": "good", "name": "{order}-{batch}"},
        scrap_yield={"every": "60s", "entries": [{"count": "good", "of": "batch", "raw_data": {"made": "{n}"}}]},
    )
    before: list[Sample | Tick] = [
        order(0, "X"),
        *(count_of(float(second), 0.0, 7 * second) for second in range(300)),
        order(300, "A", at=103.5),
    ]
    after: list[Sample | Tick] = [
        *(count_of(float(second), 0.0, 7 * second) for second in range(311, 315)),
        order(320, "B", at=295.5),
    ]
    events = [*before, tick(310), *after, tick(340), order(350, ""), tick(1200)]
    once, often = (run(events, cuts, [True], boxes).records for cuts in ((), (len(before) + 1,)))
    assert sum(isinstance(one, StartInterval) and one.type == "BATCH" for one in once) > 200
    assert [*map(_said, often)] == [*map(_said, once)]
