"""What is owed: what is taken from one interval waits until another has it, also where that is yet to be told."""

import json
from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.frozen import replace
from gateway.mapping.compile import LinePlan
from gateway.mapping.context import Recorder
from gateway.mapping.facts import SumKey
from gateway.mapping.feeder import time_of
from gateway.mapping.line import LineState, LineSteps, Tick, dump, load
from gateway.mapping.output import Amount, AmountKey, Held, OutputState, Untold
from gateway.mapping.owed import Kind, Owed, settle, split, waiting
from gateway.model import Output, Record, Sample
from tests.mapping.laws import examples
from tests.mapping.recording import T0, fed, message, plan, tag, tick

KINDS: list[Kind] = [("RUN", (), ("yield",)), ("RUN", (("code", "Gel"),), ("scrap",)), ("BATCH", (), ("yield",))]
SUMS: list[SumKey] = [(interval, *kind) for interval in ("X", "A", "B") for kind in KINDS]


@given(
    st.dictionaries(st.sampled_from(SUMS), st.integers(-9, 9).filter(bool)),
    st.dictionaries(st.sampled_from(SUMS), st.integers(1, 9)),
    st.dictionaries(st.sampled_from(KINDS), st.integers(0, 30)),
    st.integers(0, 30),
)
def test_p13_nothing_is_taken_that_is_not_added(
    moves: dict[SumKey, int], owed: dict[SumKey, int], pending: dict[Kind, int], newer: int
) -> None:
    """What is told and what is owed are together what has moved; no more is owed than waits to be told; and so much as
    waits is never missing at Oden. What was made since is no part of it."""
    debts = [Owed(*key, amount, 5, T0) for key, amount in owed.items()]
    waits = {kind: [(T0, amount), (T0 + 9, newer)] for kind, amount in pending.items()}
    now, later = split([*moves.items()], debts, waits, (), T0)
    total = Counter(dict(now))
    total.subtract({debt.sum_key: int(debt.amount) for debt in later})
    before = Counter(moves)
    before.subtract(owed)
    assert {key: amount for key, amount in total.items() if amount} == {
        key: amount for key, amount in before.items() if amount
    }
    for kind in KINDS:
        held = sum(debt.amount for debt in later if debt.kind == kind)
        missing = -sum(amount for key, amount in before.items() if key[1:] == kind)
        assert held == max(0, min(missing, pending.get(kind, 0)))


def test_p13_what_is_owed_is_taken_once_the_other_has_it() -> None:
    """After the entries of its kind that were just recorded, and not while so much is still to be told."""
    kind, owed = KINDS[0], (Owed("X", *KINDS[0], 5, 7, T0), Owed("Y", *KINDS[0], 3, 8, T0))
    recorder = Recorder("line", 1)
    assert settle(owed, {kind: [(T0, 8)]}, recorder, T0) == owed
    assert settle(owed, {kind: [(T0, 6), (T0 + 1, 90)]}, recorder, T0) == owed
    assert not recorder.records
    recorder.output(T0, "RUN", "A", 9, [((), ("yield",), 5)])
    left = settle(owed, {kind: [(T0, 3), (T0 + 1, 90)]}, recorder, T0 + 2)
    added, taken = (record for record in recorder.records if isinstance(record, Output))
    assert (added.corrects, taken.corrects, taken.interval, taken.raw_data) == (True, True, "X", {"yield": -5})
    assert taken.after == (added.key,)
    assert left == (owed[1]._replace(after=(added.key,)),)
    recorder.begin_step()
    recorder.output(T0, "RUN", "A", 10, [((), ("yield",), 3)])
    assert settle(left, {kind: [(T0 + 1, 90)]}, recorder, T0 + 3) == ()
    assert [record.after for record in recorder.records if isinstance(record, Output)][-1] == (
        added.key,
        recorder.records[0].key,
    ), "what was told before the last of it can have been refused"


def test_p13_of_what_is_owed_since_before_nobody_remembered_that_it_is_known_from_now_on() -> None:
    """A state that an older version has stored: what is made from now on is no part of it."""
    stored = dump(replace(LineState(), owed=(Owed("X", *KINDS[0], 5, 7, T0),)))
    older = json.loads(stored)
    older["owed"] = [debt[:6] for debt in older["owed"]]
    (debt,) = load(orders(), dump(load(orders(), json.dumps(older)))).owed
    (known,) = settle((debt,), {KINDS[0]: [(T0, 5)]}, Recorder("line", 1), T0 + 2)
    assert known == Owed("X", *KINDS[0], 5, 7, T0 + 2)


def test_p13_what_is_held_until_it_is_known_what_was_told_waits_too() -> None:
    key = AmountKey(0, (), ("yield",))
    held = OutputState(pending=(Amount(T0, 1, key),), held=(Held(Amount(T0 + 1, 2, key)),))
    untold = (Untold(T0 + 900, int(T0) + 2, int(T0) + 9, (((), ("yield",), 4),)),)
    line = LineSteps(plan(), replace(LineState(), output=replace(held, untold=untold)))
    assert waiting(line.outputs) == {KINDS[0]: [(T0, 1), (T0 + 1, 2), (T0 + 2, 4)]}


def orders(**output: str) -> LinePlan:
    inputs = {
        "good": {"source": "plc", "node": "Good", "counter": {}},
        "order": {"source": "mes", "topic": "order", "field": "number", "time": "at"},
    }
    run = {"key": "order", "product": "P", "name": "{order}", "settle": "0s"}
    entries = [{"count": "good", "raw_data": {"yield": "{n}"}}]
    return plan(inputs=inputs, run=run, states=None, scrap_yield={"entries": entries, **output})


def said(at: float, number: str, *, of: float) -> Sample:
    return message(at, "order", {"number": number, "at": T0 + of})


def amounts(records: list[Record]) -> list[object]:
    return [record.raw_data["yield"] for record in records if isinstance(record, Output)]


def test_p13_parts_of_the_order_that_is_on_are_taken_when_its_window_ends() -> None:
    """The run before has been told 60 parts, of which 40 are made in the order that began earlier than was known: it
    keeps them until the window of that order ends, also over a restart."""
    line = orders(every="10m")
    events: list[Sample | Tick] = [said(1, "X", of=1), tag(2, "Good", 0), tag(30, "Good", 20), tag(47, "Good", 60)]
    events += [said(50, "B", of=50), said(55, "B", of=40), tick(80)]
    before = fed(line, *events)
    assert amounts(before.records) == [60]
    assert [(debt.amount, debt.stamp - T0) for debt in before.state.owed] == [(40, 39)]
    assert load(line, dump(before.state)).owed == before.state.owed
    assert "owed" not in dump(LineState())
    after = fed(line, *events, tag(90, "Good", 61), tick(700)).records
    assert amounts(after) == [60, 41, -40]
    assert [record.after for record in after if isinstance(record, Output)][-1] == (after[-2].key,)


@given(
    st.sampled_from(["60s", "5m", "10m"]),
    st.sampled_from(["0s", "30s", "45s"]),
    st.sampled_from(["clock", "run"]),
    st.integers(10, 800),
    st.integers(6, 700),
    st.lists(st.integers(0, 1700).map(float), max_size=40),
)
@example("10m", "30s", "run", 700, 550, [])
@example("10m", "0s", "run", 700, 550, [])
@examples(25)
def test_p13_what_is_owed_is_taken_while_production_never_stops(
    every: str, wait: str, align: str, begun: int, late: int, looks: list[float]
) -> None:
    """A part every five seconds, and an order that is heard late: once its windows have ended that were open then, each
    order has what it has made, and never less before; and the same is told, to the record, whenever anybody looks at
    the time."""
    line, heard = orders(every=every, wait=wait, align=align), begun + late
    parts = [tag(second + 0.3, "Good", number) for number, second in enumerate(range(2, heard + 1300, 5))]
    in_time = fed(line, said(1, "X", of=1), *in_order(parts, said(begun, "B", of=begun)))
    events: list[Sample | Tick] = [said(1, "X", of=1), *in_order(parts, said(heard, "B", of=begun))]
    played = fed(line, *events)
    assert not played.state.owed
    assert of_first(played.records) == of_first(in_time.records)
    for record in played.records:
        if record.at > T0 + heard + 5:
            assert made_by(record.at, played.records) >= made_by(record.at, in_time.records), (
                "Oden never shows too little"
            )
    ticks = [tick(min(look, heard + 1290.0)) for look in looks]
    ticked: list[Sample | Tick] = sorted([*events, *ticks], key=time_of)
    assert fed(line, *ticked).records == played.records
    assert fed(line, *events, ticks=True).records == played.records


def in_order(parts: list[Sample], late: Sample) -> list[Sample]:
    return sorted([*parts, late], key=lambda sample: sample.received)


def made_by(at: float, records: list[Record]) -> float:
    """The parts that were told by a time."""
    return sum(float(str(one.raw_data["yield"])) for one in records if isinstance(one, Output) and one.at <= at)


def of_first(records: list[Record]) -> float:
    """The parts of the order that began first."""
    outputs = [record for record in records if isinstance(record, Output)]
    return sum(float(str(one.raw_data["yield"])) for one in outputs if one.interval == outputs[0].interval)


def test_p13_what_is_nobodys_and_only_listed_is_taken_at_once() -> None:
    """Where the parts are told to none, nothing waits for the next order: there may be none for long."""
    line = orders(between_runs="report")
    events: list[Sample | Tick] = [said(1, "X", of=1), tag(2, "Good", 0), tag(30, "Good", 20), tag(50, "Good", 60)]
    events += [tag(70, "Good", 60), said(71, "", of=40), tick(200)]
    assert amounts(fed(line, *events).records) == [60, -40]
    played = fed(line, *events, said(300, "B", of=300), tick(400))
    assert not played.state.owed
    assert amounts(played.records) == [60, -40]
    assert any("40 were made while no run was on" in notice.text for notice in played.notices)
