"""What an outbox promises over any rows: one suite for rows on disk and in memory."""

from dataclasses import replace

import pytest

from gateway.errors import OutboxError, OutboxFull
from gateway.model import Notice, Output, StartInterval, UpdateInterval
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.known_messages import StoredSession
from gateway.outbox.store import Outbox
from gateway.receipt_rows import Changes
from tests.outbox.conftest import Box, offered
from tests.outbox.floor import (
    LINE,
    OTHER,
    Floor,
    Oden,
    begun,
    commit,
    deliver,
    drain,
    next_commit,
    packable,
    work_in,
)


def test_what_is_committed_is_there_after_reopening(box: Box, floor: Floor) -> None:
    """Line state, records, notices and receipts of one commit survive a kill, and nothing that was not in it."""
    run, notice, receipt = floor.start(), Notice("gap", 1.0, "plc", "s=Good", "a gap"), Changes("{}", {0: "[]"})
    output = floor.output(run, 3)
    box.outbox.commit(
        next_commit(
            box.outbox,
            states={LINE: {"head": '{"seq":3}'}},
            records=(run, output),
            notices=(notice,),
            sessions={"mqtt/edge at broker": receipt},
        )
    )
    outbox = box.reopened()
    assert (outbox.line_state(LINE), outbox.line_state(OTHER)) == ({"head": '{"seq":3}'}, {})
    assert work_in(outbox, "runs").records == (run,)
    assert outbox.session("mqtt/edge at broker") == StoredSession("{}", {})
    assert (outbox.session("other/edge at broker"), outbox.old_ring("mqtt")) == (None, [])
    summary = outbox.summary(10)
    assert summary.notices == (notice,)
    assert (summary.counts.waiting, summary.totals.records) == (2, {"start": 1, "output": 1})
    assert summary.counts.oldest_at == run.at
    deliver(outbox, Oden(), work_in(outbox, "runs"))
    assert work_in(outbox, "output").records == (output,)


def test_an_interval_is_delivered_in_order_and_its_id_is_learned(box: Box, floor: Floor) -> None:
    """Start, then output and updates, then the end; what waits for the start is told the id that Oden gave it."""
    outbox = box.outbox
    run = floor.start()
    commit(outbox, run)
    start = begun(outbox, work_in(outbox, "runs"))
    commit(outbox, floor.output(run), floor.end(run))
    assert offered(outbox) == []
    outbox.settle(start, {start.positions[0]: "id-1"})
    assert offered(outbox) == ["output"]
    output = work_in(outbox, "output")
    assert output.oden_ids == ("id-1",)
    output = begun(outbox, output)
    assert offered(outbox) == []
    outbox.settle(output, {output.positions[0]: None})
    assert offered(outbox) == ["updates RUN"]
    assert work_in(outbox, "updates RUN").oden_ids == ("id-1",)
    outbox.settle(end := begun(outbox, work_in(outbox, "updates RUN")), {end.positions[0]: None})
    assert (outbox.work(), outbox.counts().waiting, outbox.totals.delivered) == ([], 0, 3)


def test_p4_an_attempt_survives_with_its_exact_body(box: Box, floor: Floor) -> None:
    """P4: the attempt is found after a kill, with body, tries and times, and with its record."""
    run = floor.start()
    commit(box.outbox, run, floor.start(type_="STATE"))
    work = begun(box.outbox, work_in(box.outbox, "runs"))
    assert work.attempt is not None
    stored = replace(
        work.attempt, body='{"é":"\\u2028"}', phase="in_doubt", not_before=99.5, tries=3, reason="cut", looks=2
    )
    assert box.outbox.begin(work, stored)
    outbox = box.reopened()
    (found,) = (work for work in outbox.work() if work.attempt)
    assert (found.attempt, found.records) == (stored, (run,))
    assert (outbox.counts().in_doubt, outbox.counts().waiting) == (1, 1)


def test_what_is_put_back_waits_again(box: Box, floor: Floor) -> None:
    """An attempt that ends with nothing delivered and nothing refused gives its record back to the lane, once."""
    commit(box.outbox, run := floor.start(), floor.end(run))
    outbox = box.outbox
    outbox.settle(begun(outbox, work_in(outbox, "runs")), {})
    assert [work.attempt for work in outbox.work()] == [None]
    oden = Oden()
    assert drain(box.reopened(), oden) == 1
    assert oden.made[run.key].end == floor.now


def test_p4_what_is_put_back_and_becomes_one_with_what_came_later_goes_under_its_own_key(
    box: Box, floor: Floor
) -> None:
    """A copy of when the older one waited knows its key alone, and finds it by that."""
    commit(box.outbox, run := floor.start(), older := floor.output(run, 3))
    outbox, oden = box.outbox, Oden()
    deliver(outbox, oden, work_in(outbox, "runs"))
    under_way = begun(outbox, work_in(outbox, "output"))
    commit(outbox, later := floor.output(run, 4))
    outbox.settle(under_way, {})
    (work,) = outbox.work()
    (both,) = work.records
    assert isinstance(both, Output)
    assert isinstance(later, Output)
    assert (both.key, both.timestamp, both.raw_data) == (older.key, later.timestamp, {"yield": 7})


def test_p6_a_full_store_takes_nothing_in_and_can_be_drained(floor: Floor) -> None:
    """P6: a commit is refused whole, with the reason, while attempts and settling go on; room makes it work again."""
    rows, oden = MemoryStore(limit=2000), Oden()
    outbox = Outbox(rows)
    while not outbox.summary(0).full:
        commit(outbox, floor.start(type_="STATE"))
    before = dict(rows.items())
    with pytest.raises(OutboxFull, match="2000 are allowed"):
        outbox.commit(next_commit(outbox, states={LINE: {"head": "new"}}, records=(floor.start(),)))
    assert dict(rows.items()) == before
    while outbox.summary(0).full:
        deliver(outbox, oden, outbox.work()[0])
    commit(outbox, run := floor.start())
    drain(outbox, oden)
    assert run.key in oden.made


def test_p7_another_format_is_said_and_left_alone(box: Box, floor: Floor) -> None:
    """KeyValueStore of a format that this version does not know are refused, and stay as they are."""
    commit(box.outbox, floor.start())
    box.rows.apply({"format": "99"})
    before = list(box.rows.items())
    with pytest.raises(OutboxError, match="format 99, this version reads format 3"):
        Outbox(box.rows)
    assert list(box.rows.items()) == before


def test_p5_a_dead_start_stops_only_what_needs_it(box: Box, floor: Floor) -> None:
    """Output and updates of a run that Oden refused are set aside; the next run and its output go on."""
    first = floor.start()
    commit(box.outbox, first)
    start = begun(box.outbox, work_in(box.outbox, "runs"))
    late = floor.output(first, 7), floor.end(first)
    second = floor.start()
    commit(box.outbox, *late, second, floor.output(second, 5))
    box.outbox.settle(start, {}, {start.positions[0]: "400: no"}, 7.0)
    oden, outbox = Oden(), box.reopened()
    drain(outbox, oden)
    counts = outbox.counts()
    assert (counts.waiting, counts.parked, counts.dead) == (0, 2, 1)
    assert list(oden.made) == [second.key]
    (letter,) = outbox.dead_letters(5)
    assert (letter.record, letter.error, letter.at, letter.tries) == (first, "400: no", 7.0, 1)
    assert letter.body == '{"exact": "body"}'


def test_what_needs_a_start_in_doubt_is_parked_until_that_is_found(box: Box, floor: Floor) -> None:
    """The other intervals of the lane go on meanwhile; once the start is found all comes back, updates as one, the
    later wins."""
    first, oden = floor.start(), Oden()
    commit(box.outbox, first)
    start = begun(box.outbox, work_in(box.outbox, "runs"), "in_doubt")
    oden.take(first)
    for product in "QRS":
        commit(box.outbox, floor.update(first, product=product), floor.output(first, 1))
        drain_stuck(box.outbox)
    assert box.outbox.counts().parked == 6
    commit(box.outbox, floor.update(first, product="T"))
    outbox = box.reopened()
    (start,) = (work for work in outbox.work() if work.attempt)
    outbox.settle(start, {start.positions[0]: "id"})
    assert (outbox.counts().parked, outbox.counts().waiting) == (0, 2)
    drain(outbox, oden)
    assert oden.made[first.key].details == {"product": "T"}
    assert oden.shown(first.key, 900.0)[-1] == {(0, ()): {"yield": 3}}


def drain_stuck(outbox: Outbox) -> None:
    while stuck := [work for work in outbox.work() if work.stuck]:
        outbox.park(stuck[0])


def test_a_start_that_was_not_there_takes_what_is_parked_into_itself(box: Box, floor: Floor) -> None:
    """An update that was parked while the start was in doubt is a part of that start when it is sent again, and older
    than what comes then."""
    wash = floor.start(type_="WASH", lasts=50)
    commit(box.outbox, wash)
    start = begun(box.outbox, work_in(box.outbox, "custom WASH"), "in_doubt")
    commit(box.outbox, floor.update(wash, product="Q", shift="late"))
    drain_stuck(box.outbox)
    box.outbox.settle(start, {})
    commit(box.outbox, floor.update(wash, product="R"))
    (again,) = work_in(box.reopened(), "custom WASH").records
    assert isinstance(again, StartInterval)
    assert again.metadata == {"product": "R", "shift": "late"}
    assert (box.outbox.counts().waiting, box.outbox.counts().parked) == (1, 0)


def test_updates_of_one_interval_never_overtake_each_other(box: Box, floor: Floor) -> None:
    """While an attempt carries one, also one that has to wait for its next try, a later one is not offered, nor packed
    with others."""
    run, state, oden = floor.start(), floor.start(), Oden()
    commit(box.outbox, run, state)
    drain(box.outbox, oden)
    commit(box.outbox, floor.update(run, product="Q"))
    first = begun(box.outbox, work_in(box.outbox, "updates RUN"), "retry")
    commit(box.outbox, floor.update(run, product="R"), other := floor.update(state, product="S"))
    outbox = box.reopened()
    work = outbox.gather(work_in(outbox, "updates RUN"), packable, 10)
    assert work.records == (other,)
    deliver(outbox, oden, work)
    assert offered(outbox) == []
    outbox.settle(first, {})
    (merged,) = work_in(outbox, "updates RUN").records
    assert isinstance(merged, UpdateInterval)
    assert merged.metadata == {"product": "R"}


def test_what_came_since_it_was_chosen_is_parked_too(box: Box, floor: Floor) -> None:
    """Parking and burying take a record as it is by then: an end that was merged into it in between is not lost."""
    run, oden = floor.start(), Oden()
    commit(box.outbox, run)
    start = begun(box.outbox, work_in(box.outbox, "runs"), "in_doubt")
    oden.take(run)
    commit(box.outbox, floor.update(run, product="Q"))
    (stuck,) = (work for work in box.outbox.work() if work.stuck)
    commit(box.outbox, end := floor.end(run))
    box.outbox.park(stuck)
    outbox = box.reopened()
    outbox.settle(start, {start.positions[0]: "id"})
    drain(outbox, oden)
    assert (oden.made[run.key].end, oden.made[run.key].details) == (end.end, {"product": "Q"})


def test_nothing_is_parked_with_an_interval_that_was_found_meanwhile(box: Box, floor: Floor) -> None:
    """Chosen to be parked while its start was in doubt, and no longer needing to be: it stays where it is, and goes
    out."""
    run, oden = floor.start(), Oden()
    commit(box.outbox, run)
    start = begun(box.outbox, work_in(box.outbox, "runs"), "in_doubt")
    commit(box.outbox, floor.output(run))
    (stuck,) = (work for work in box.outbox.work() if work.stuck)
    box.outbox.settle(start, {start.positions[0]: oden.take(run)})
    box.outbox.park(stuck)
    assert (box.outbox.counts().parked, offered(box.outbox)) == (0, ["output"])


def test_gathering_takes_what_fits_and_can_be_sent(box: Box, floor: Floor) -> None:
    """As many as are wanted at the most, each once, none that is not ready or that another attempt carries."""
    washes = [floor.start(type_="WASH", lasts=5) for _ in range(6)]
    open_one = floor.start(type_="WASH")
    outbox = box.outbox
    commit(outbox, *washes[:3], open_one, *washes[3:])
    carried = begun(outbox, work_in(outbox, "custom WASH"))
    work = work_in(outbox, "custom WASH")
    assert outbox.gather(work, packable, 10).records == tuple(washes[1:])
    pack = outbox.gather(work, packable, 3)
    assert (pack.records, len(pack.oden_ids)) == (tuple(washes[1:4]), 3)
    pack = begun(outbox, pack)
    assert work_in(outbox, "custom WASH").records == (open_one,)
    assert outbox.counts().sending == len(carried.records) + 3
    delivered = {at: f"id-{at}" for at in pack.positions[:2]}
    outbox.settle(pack, delivered, {pack.positions[2]: "400"}, 7.0)
    outbox = box.reopened()
    assert [interval.oden_id for one in washes[1:3] if (interval := outbox.interval(one.key))] == list(
        delivered.values()
    )
    assert [letter.record for letter in outbox.dead_letters(5)] == [washes[3]]
