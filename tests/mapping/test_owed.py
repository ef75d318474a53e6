"""What is owed: what is taken from one interval waits until another has it, also where that is yet to be told."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.compile import LinePlan
from gateway.mapping.context import Recorder
from gateway.mapping.facts import SumKey
from gateway.mapping.line import LineState, Tick, dump, load
from gateway.mapping.owed import Kind, Owed, settle, split
from gateway.model import Output, Record, Sample
from tests.mapping.recording import T0, fed, message, plan, tag, tick

KINDS: list[Kind] = [("RUN", (), ("yield",)), ("RUN", (("code", "Gel"),), ("scrap",)), ("BATCH", (), ("yield",))]
SUMS: list[SumKey] = [(interval, *kind) for interval in ("X", "A", "B") for kind in KINDS]


@given(
    st.dictionaries(st.sampled_from(SUMS), st.integers(-9, 9).filter(bool)),
    st.dictionaries(st.sampled_from(SUMS), st.integers(1, 9)),
    st.dictionaries(st.sampled_from(KINDS), st.integers(0, 30)),
)
def test_p13_nothing_is_taken_that_is_not_added(
    moves: dict[SumKey, int], owed: dict[SumKey, int], pending: dict[Kind, int]
) -> None:
    """What is told and what is owed are together what has moved; no more is owed than waits to be told; and so much as
    waits is never missing at Oden."""
    debts = [Owed(*key, amount, 5) for key, amount in owed.items()]
    now, later = split([*moves.items()], debts, pending, ())
    total = Counter(dict(now))
    total.subtract(dict(later))
    before = Counter(moves)
    before.subtract(owed)
    assert {key: amount for key, amount in total.items() if amount} == {
        key: amount for key, amount in before.items() if amount
    }
    for kind in KINDS:
        held = sum(amount for key, amount in later if key[1:] == kind)
        missing = -sum(amount for key, amount in before.items() if key[1:] == kind)
        assert held == max(0, min(missing, pending.get(kind, 0)))


def test_p13_what_is_owed_is_taken_once_the_other_has_it() -> None:
    """After the entries of its kind that were just recorded, and not while so much is still to be told."""
    kind, owed = KINDS[0], (Owed("X", *KINDS[0], 5, 7), Owed("Y", *KINDS[0], 3, 8))
    recorder = Recorder("line", 1)
    assert settle(owed, {kind: 8}, recorder, T0) == owed
    assert settle(owed, {kind: 6}, recorder, T0) == owed
    assert not recorder.records
    recorder.output(T0, "RUN", "A", 9, [((), ("yield",), 5)])
    assert settle(owed, {kind: 3}, recorder, T0) == owed[1:]
    added, taken = (record for record in recorder.records if isinstance(record, Output))
    assert (added.corrects, taken.corrects, taken.interval, taken.raw_data) == (True, True, "X", {"yield": -5})
    assert taken.after == (added.key,)
    assert settle(owed[1:], {}, recorder, T0) == ()


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


def test_p13_what_is_owed_goes_with_what_is_nobodys() -> None:
    """Where the parts turn out to be told to none, nothing is owed any more."""
    line = orders(between_runs="report")
    events: list[Sample | Tick] = [said(1, "X", of=1), tag(2, "Good", 0), tag(30, "Good", 20), tag(50, "Good", 60)]
    events += [tag(70, "Good", 60), said(71, "", of=40), tick(200)]
    assert [debt.amount for debt in fed(line, *events).state.owed] == [40]
    played = fed(line, *events, said(300, "B", of=300), tick(400))
    assert not played.state.owed
    assert amounts(played.records) == [60, -40]
    assert any("40 were made while no run was on" in notice.text for notice in played.notices)
