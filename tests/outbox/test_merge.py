"""Merging changes how many requests there are, and nothing that Oden shows."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Output, Record, Scalar, StartInterval, UpdateInterval
from gateway.outbox import merge
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from tests.outbox.floor import LINE, OTHER, Floor, Oden, begun, commit, deliver, drain, packable, total, work_in

SPANS = [1.0, 60.0, 900.0]
FIELDS = st.dictionaries(st.sampled_from(["product", "reason", "shift"]), st.text("abc", min_size=1, max_size=2))

STEP = st.one_of(
    st.tuples(st.just("start"), st.sampled_from([LINE, OTHER]), st.sampled_from(["RUN", "BATCH", "STATE", "WASH"])),
    st.tuples(st.just("output"), st.integers(0, 3), st.sampled_from([None, "Splice", "Hole"]), st.integers(0, 5)),
    st.tuples(st.just("output"), st.integers(0, 1), st.just(None), st.sampled_from([0.1, 2.5, 1e-9, -3, 10**12])),
    st.tuples(st.just("update"), st.integers(0, 3), FIELDS),
    st.tuples(st.just("end"), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.sampled_from([1, 50, 890, 2000])),
    st.tuples(st.just("deliver"), st.integers(0, 7), st.booleans()),
    st.tuples(st.just("resume")),
)


def carried_on(outbox: Outbox, oden: Oden, which: int, *, packed: bool) -> None:
    """Deliver one of the things that are offered, alone or with whatever may go with it."""
    works = outbox.work()
    if works:
        work = works[which % len(works)]
        if packed and packable(work.records[0]):
            work = outbox.gather(work, packable, 3)
        deliver(outbox, oden, work)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=60), st.sampled_from(SPANS))
def test_oden_shows_the_same_with_and_without_merging(steps: list[tuple[object, ...]], span: float) -> None:
    """Whatever is made in whatever order, and whenever slots come for it: intervals are equal one for one, sums are
    equal for each interval, stretch of `span` and labels; and `Oden` itself refuses equal time stamps and what comes
    too early."""
    floor, plain, oden = Floor(), Oden(), Oden()
    outbox = Outbox(MemoryStore(), span)
    starts: list[StartInterval] = []
    for name, *given_ in steps:
        records: list[Record] = []
        match name, given_:
            case "start", [str(line), str(kind)] if len(starts) < 8:
                starts.append(floor.start(line, kind))
                records = [starts[-1]]
            case "output", [int(back), code, int(amount) | float(amount)] if back < len(starts):
                records = [floor.output(starts[-1 - back], amount, None if code is None else str(code))]
            case "update", [int(back), dict(details)] if back < len(starts):
                records = [floor.update(starts[-1 - back], **details)]
            case "end", [int(back)] if back < len(starts):
                records = [floor.end(starts[-1 - back])]
            case "wait", [int(seconds)]:
                floor.tick(seconds)
            case "deliver", [int(which), bool(packed)]:
                carried_on(outbox, oden, which, packed=packed)
            case "resume", _:
                outbox.resume()
        for record in records:
            plain.take(record)
        commit(outbox, *records)
    drain(outbox, oden)
    assert oden.made.keys() == plain.made.keys()
    for key in plain.made:
        assert oden.shown(key, span) == plain.shown(key, span)
    assert outbox.totals.delivered + outbox.totals.merged == sum(outbox.totals.records.values())


def test_as_few_requests_as_can_be() -> None:
    """While nothing could be sent: one request for a closed interval with all that was learned of it, one for output
    with equal labels within `merge_span`."""
    floor, outbox, oden = Floor(), Outbox(MemoryStore(), 900.0), Oden()
    run = floor.start()
    entries: list[Output] = []
    for _ in range(600):
        entries += [floor.output(run, 2), floor.output(run, 1, "Splice")]
    commit(outbox, run, *entries, floor.update(run, product="Q"), floor.end(run))
    assert drain(outbox, oden) == 1 + 2 * 2
    made = oden.made[run.key]
    assert (made.end, made.details) == (floor.now, {"product": "Q"})
    assert total(made.output) == total(entries)


def test_an_update_carries_only_what_changed_and_the_later_wins() -> None:
    """What nobody said again is not said again, so that what a person has changed at Oden stays."""
    floor, outbox = Floor(), Outbox(MemoryStore())
    run = floor.start()
    commit(outbox, run)
    deliver(outbox, Oden(), work_in(outbox, "runs"))
    commit(outbox, floor.update(run, product="Q", shift="late"))
    commit(outbox, floor.update(run, product="R"))
    commit(outbox, end := floor.end(run))
    (update,) = work_in(outbox, "updates RUN").records
    assert isinstance(update, UpdateInterval)
    assert (update.name, update.metadata, update.end) == (None, {"product": "R", "shift": "late"}, end.end)


def test_nothing_is_merged_into_what_an_attempt_carries() -> None:
    """A body that may be on its way stays as it was stored, with its record: what comes later becomes a record of its
    own."""
    floor, outbox = Floor(), Outbox(MemoryStore())
    run = floor.start()
    commit(outbox, run)
    start = begun(outbox, work_in(outbox, "runs"))
    commit(outbox, floor.update(run, product="Q"), first := floor.output(run, 1))
    assert outbox.work()[0].records == (run,)
    outbox.settle(start, {start.positions[0]: "id"})
    works = work_in(outbox, "output"), work_in(outbox, "updates RUN")
    output, update = (begun(outbox, work) for work in works)
    commit(outbox, second := floor.output(run, 2), later := floor.update(run, product="R"))
    (carried,) = (work for work in outbox.work() if work.lane == output.lane and work.attempt)
    assert carried.records == (first,)
    assert work_in(outbox, "output").records == (second,)
    outbox.settle(update, dict.fromkeys(update.positions))
    assert work_in(outbox, "updates RUN").records == (later,)


def test_what_grew_since_it_was_read_is_not_sent() -> None:
    """An attempt whose body was made before more was merged into its record is refused, and nothing has changed."""
    floor, outbox = Floor(), Outbox(MemoryStore())
    run = floor.start()
    commit(outbox, run)
    work = work_in(outbox, "runs")
    commit(outbox, floor.end(run))
    with pytest.raises(AssertionError):
        begun(outbox, work)
    assert outbox.counts().sending == 0
    (now,) = work_in(outbox, "runs").records
    assert isinstance(now, StartInterval)
    assert now.end == floor.now


def test_nothing_is_held_back_in_order_to_be_merged() -> None:
    """The moment that output or an update is committed and its interval is known, it is offered."""
    floor, outbox, oden = Floor(), Outbox(MemoryStore(), 900.0), Oden()
    run = floor.start()
    commit(outbox, run)
    drain(outbox, oden)
    for _ in range(5):
        commit(outbox, output := floor.output(run), update := floor.update(run, shift="x"))
        assert [work.records for work in outbox.work()] == [(output,), (update,)]
        drain(outbox, oden)


def test_late_output_is_merged_and_never_waited_for() -> None:
    """Output from after the end is summed as any other; the end does not wait for it, nor does it wait for the end."""
    floor, outbox, oden = Floor(), Outbox(MemoryStore()), Oden()
    run = floor.start()
    commit(outbox, run)
    drain(outbox, oden)
    commit(outbox, end := floor.end(run))
    commit(outbox, floor.output(run, 3))
    commit(outbox, floor.output(run, 4))
    assert work_in(outbox, "updates RUN").records == (end,)
    assert [record.raw_data["yield"] for record in work_in(outbox, "output").records if isinstance(record, Output)] == [
        7
    ]
    drain(outbox, oden)
    assert (oden.made[run.key].end, total(oden.made[run.key].output)) == (end.end, 7)


VALUES = st.one_of(
    st.none(), st.booleans(), st.text("ab", max_size=2), st.integers(-5, 5), st.floats(-2, 2), st.just(1e308)
)


def raw(values: dict[str, Scalar], amounts: tuple[str, ...], at: int) -> Output:
    return Output("k", LINE, at, "RUN", "run", at, values, amounts)


@given(
    st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4),
    st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4),
    st.sampled_from([("a",), ("a", "b"), ()]),
    st.tuples(st.integers(1, 2000), st.integers(1, 2000)),
)
def test_one_kind_is_what_differs_by_amounts_only(
    one: dict[str, Scalar], other: dict[str, Scalar], amounts: tuple[str, ...], at: tuple[int, int]
) -> None:
    """Two entries are of one kind where both can be summed, lie in one stretch, and all else of them is equal, also its
    type: `true` is not 1, and 1 is not 1.0."""
    kinds = [
        merge.merge_key(raw(values, amounts, when), 0, 900.0) for values, when in zip((one, other), at, strict=True)
    ]
    labels = [{name: (type(v), v) for name, v in values.items() if name not in amounts} for values in (one, other)]
    summable = [
        bool(amounts) and all(type(v := values.get(name)) in (int, float) and abs(v) < 1e308 for name in amounts)  # type: ignore[arg-type]
        for values in (one, other)
    ]
    assert [kind is not None for kind in kinds] == summable
    stretches = [(when - 1) // 900 for when in at]
    if all(summable):
        assert (kinds[0] == kinds[1]) == (labels[0] == labels[1] and stretches[0] == stretches[1])


@given(st.lists(st.decimals(-1000, 1000, places=3), min_size=2, max_size=200))
def test_sums_of_decimals_stay_exact(amounts: list[object]) -> None:
    """Weights with three decimals add up to what a person would add up, however many there are."""
    entries = [raw({"kg": float(str(amount))}, ("kg",), 7 * at) for at, amount in enumerate(amounts, 1)]
    summed: Record = entries[0]
    for entry in entries[1:]:
        summed = merge.merged(summed, entry)
    assert isinstance(summed, Output)
    exact = sum(round(float(str(amount)) * 1000) for amount in amounts) / 1000
    assert summed.raw_data["kg"] == exact
    assert summed.timestamp == 7 * len(entries)


NAMES = st.none() | st.text("ab", min_size=1, max_size=2)
UPDATES = st.builds(
    UpdateInterval,
    st.just("u"),
    st.just(LINE),
    st.just(1.0),
    st.just("RUN"),
    st.just("run"),
    st.none() | st.integers(1, 9),
    NAMES,
    FIELDS,
)


@given(UPDATES, UPDATES, UPDATES, NAMES)
def test_it_does_not_matter_what_is_merged_first(
    one: UpdateInterval, two: UpdateInterval, three: UpdateInterval, name: str | None
) -> None:
    """Updates merged among themselves and then into the start say the same as one after the other."""
    start = StartInterval("run", LINE, 1.0, "RUN", 1, name, {"product": "P"})
    together = merge.merged(start, merge.merged(merge.merged(one, two), three))
    singly: Record = start
    for update in (one, two, three):
        singly = merge.merged(singly, update)
    assert together == singly
    assert merge.merged(one, merge.merged(two, three)) == merge.merged(merge.merged(one, two), three)


def test_another_span_after_a_restart_loses_nothing() -> None:
    """`merge_span` may be changed while output waits: sums stay exact and time stamps unique."""
    floor, oden, rows = Floor(), Oden(), MemoryStore()
    run = floor.start()
    entries: list[Output] = []
    commit(Outbox(rows, 900.0), run)
    for span in itertools.islice(itertools.cycle([900.0, 60.0, 1.0, 86_400.0]), 12):
        outbox = Outbox(rows, span)
        for _ in range(20):
            floor.tick(7)
            entries.append(floor.output(run, 1, "Splice"))
            commit(outbox, entries[-1])
    drain(Outbox(rows, 60.0), oden)
    assert total(oden.made[run.key].output) == total(entries)


def test_another_span_by_a_reload_is_as_one_after_a_restart() -> None:
    """What waits is summed by the one that counts now, in the same outbox as in one that was opened with it."""
    floor, reloaded, opened = Floor(), Outbox(MemoryStore(), 900.0), MemoryStore()
    run = floor.start()
    commit(reloaded, run)
    commit(Outbox(opened, 900.0), run)
    for span in itertools.islice(itertools.cycle([900.0, 60.0, 1.0, 86_400.0]), 12):
        reloaded.span, anew = span, Outbox(opened, span)
        for _ in range(20):
            floor.tick(7)
            entry = floor.output(run, 1, "Splice")
            commit(reloaded, entry)
            commit(anew, entry)
    drain(reloaded, one := Oden())
    drain(anew, other := Oden())
    assert one.made[run.key].output == other.made[run.key].output


def test_records_that_differ_only_in_the_line_stay_apart() -> None:
    """Equal output of equal runs on two lines is two entries."""
    floor, outbox, oden = Floor(), Outbox(MemoryStore()), Oden()
    runs = [floor.start(LINE), floor.start(OTHER)]
    commit(outbox, *runs, *(replace(floor.output(run, 5), timestamp=runs[1].start + 1) for run in runs))
    drain(outbox, oden)
    assert [total(oden.made[run.key].output) for run in runs] == [5, 5]


def test_a_window_ends_with_the_second_that_ends_it() -> None:
    """Windows are counted from the start of the interval: its first second is in the first one, and so is the one in
    which the span is over; the next second begins the next one, in and out of the outbox."""
    assert [merge.window(at, 1_000, 60.0) for at in (1_001, 1_060, 1_061, 1_120, 1_121)] == [0, 0, 1, 1, 2]
    floor, outbox = Floor(), Outbox(MemoryStore(), 60.0)
    run = floor.start()
    commit(outbox, run)
    for after in (1, 60, 61, 120):
        commit(outbox, replace(floor.output(run, after), timestamp=run.start + after))
    drain(outbox, oden := Oden())
    entries = oden.made[run.key].output
    assert [(entry.timestamp - run.start, entry.raw_data["yield"]) for entry in entries] == [(60, 61), (120, 181)]


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0, False), (0.0, False)])
def test_labels_of_another_type_are_another_entry(one: Scalar, other: Scalar) -> None:
    """Python takes these for equal; in JSON, and so at Oden, they are not."""
    assert one == other
    keys = {merge.merge_key(raw({"yield": 1, "station": label}, ("yield",), 5), 0, 60.0) for label in (one, other)}
    assert len(keys) == 2
    floor, outbox = Floor(), Outbox(MemoryStore(), 60.0)
    run = floor.start()
    entries = [replace(floor.output(run, 1), at=1.0, raw_data={"yield": 1, "station": label}) for label in (one, other)]
    commit(outbox, run, *entries)
    drain(outbox, oden := Oden())
    assert [repr(entry.raw_data["station"]) for entry in oden.made[run.key].output] == [repr(one), repr(other)]


def entry(key: str, at: int, amount: int, code: str = "Gel") -> Output:
    """An entry that waits in an older copy."""
    return Output(key, "A/1", 0.0, "RUN", "run", at, {"scrap": amount, "scrap_code": code}, ("scrap",))


def test_p4_what_another_life_had_merged_before_it_sent_it_is_known_again() -> None:
    """By the key of the entry that holds it, which is more than it is here; or by a time stamp that is its own."""
    waiting = [entry("a", 10, 5), entry("b", 20, 3), entry("c", 30, 4), entry("d", 40, 7), entry("e", 50, 2, "Edge")]
    raw = {"scrap_code": "Gel", "key": "a"}
    assert merge.taken_up(waiting, [(30, {**raw, "scrap": 12})], "key") == {"b": "a", "c": "a"}
    assert merge.taken_up(waiting, [(30, {**raw, "scrap": 5})], "key") == {}
    assert merge.taken_up(waiting, [(40, {**raw, "scrap": 9, "key": "of before"})], "key") == {"d": "of before"}
    assert merge.taken_up(waiting, [(50, {**raw, "scrap": 90})], "key") == {"b": "a", "c": "a", "d": "a"}


def test_p4_without_keys_what_another_life_had_merged_is_known_by_its_time() -> None:
    """What is not shown under its own time stamp and can be within a later entry of its window is; nothing else."""
    waiting = [entry("a", 10, 5), entry("b", 20, 3), entry("c", 30, 4), entry("d", 40, 7), entry("e", 50, 2, "Edge")]
    raw = {"scrap_code": "Gel"}
    assert merge.taken_up_by_time(waiting, [(30, {**raw, "scrap": 12})], 0, 60.0) == {"a": 0, "b": 0}
    assert merge.taken_up_by_time(waiting, [(30, {**raw, "scrap": 4})], 0, 60.0) == {}
    assert merge.taken_up_by_time(waiting, [(45, {**raw, "scrap": 9})], 0, 60.0) == {"a": 0, "b": 0}
    assert merge.taken_up_by_time(waiting, [(45, {**raw, "scrap": 9})], 0, 15.0) == {"d": 0}
    assert merge.taken_up_by_time(waiting, [(10, {**raw, "scrap": 5}), (45, {**raw, "scrap": 9})], 0, 60.0) == {
        "b": 1,
        "c": 1,
    }
