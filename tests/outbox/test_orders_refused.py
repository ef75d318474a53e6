"""Work orders that Oden refuses, and that are begun again since: each time that one was done is told whole."""

import json
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Setting
from gateway.oden.exchange import iso
from gateway.oden.orders import meant
from gateway.outbox.entries import Work
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.listing import Filter
from gateway.outbox.operator_actions import retry
from gateway.outbox.reindex import reindex
from gateway.outbox.store import Outbox
from tests.outbox import floor as things
from tests.outbox.actions_rig import all_of, problems
from tests.outbox.floor import LINE, commit

T = 1_800_000_000
MANY = 5
CHANCE: st.SearchStrategy[bool] = st.booleans()


def words(cycles: int) -> Iterator[Setting]:
    """The order is begun and completed so many times; what completes it says when it began."""
    for cycle in range(cycles):
        begun = {"external_id": "MWO-1", "name": f"Grease {cycle}", "started_at": iso(T + 100 * cycle)}
        for place, more in enumerate(({}, {"completed_at": iso(T + 100 * cycle + 50)})):
            at = T + 100.0 * cycle + 50 * place
            yield Setting(f"{cycle} {place}", LINE, at, "maintenance_work_order", begun | more)


class Orders:
    """The work orders at an Oden that is asked which one is meant before it is told."""

    def __init__(self) -> None:
        self.there: list[dict[str, object]] = []

    def take(self, record: Setting) -> None:
        one = meant(self.there, record)
        if one is None:
            self.there.append(dict(record.fields))
        else:
            self.there[self.there.index(dict(one))] |= record.fields


def send(outbox: Outbox, oden: Orders, work: Work, *, refused: bool) -> None:
    """The record of `work`, which has an attempt, is answered."""
    (record,) = work.records
    assert isinstance(record, Setting)
    if refused:
        outbox.settle(work, {}, {work.positions[0]: "no"}, 7.0)
    else:
        oden.take(record)
        outbox.settle(work, dict.fromkeys(work.positions), None, 7.0)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_p5_each_time_that_an_order_was_done_is_told_whatever_is_refused(data: st.DataObject) -> None:
    """Words come while others are under way, are refused in any pattern, and the dead letters are sent once more at
    last: each time is there with its own beginning, end and name, and none twice."""
    outbox, oden = Outbox(MemoryStore()), Orders()
    under_way: list[Work] = []
    said = [*words(data.draw(st.integers(1, MANY)))]
    for word in said:
        commit(outbox, word)
        for _ in range(data.draw(st.integers(0, 2))):
            if under_way and bool(data.draw(CHANCE)):
                send(outbox, oden, under_way.pop(), refused=bool(data.draw(CHANCE)))
            elif not under_way and (works := outbox.work()):
                under_way.append(things.begun(outbox, works[0]))
    for _ in range(3):
        while works := outbox.work():
            work = under_way.pop() if under_way else things.begun(outbox, works[0])
            send(outbox, oden, work, refused=bool(data.draw(CHANCE)))
        retry(outbox, all_of(outbox, Filter(where="dead")))
    while works := outbox.work():
        send(outbox, oden, things.begun(outbox, works[0]), refused=False)
    assert problems(outbox) == []
    assert outbox.counts().dead == 0
    assert sorted(oden.there, key=lambda one: str(one["started_at"])) == [word.fields for word in said[1::2]]


def things_of(rows: MemoryStore) -> dict[str, str]:
    return {key: text for key, text in rows.items() if key.startswith("thing/")}


def letters(rows: MemoryStore) -> list[object]:
    """What was refused, oldest first."""
    dead = sorted(item for item in rows.items() if item[0].startswith("record/dead/"))
    return [json.loads(text)["record"]["fields"] for _, text in dead]


def salvaged(rows: MemoryStore, *, lost: set[str]) -> MemoryStore:
    """What a salvage makes of the rows that are not `lost`."""
    copy = MemoryStore()
    copy.apply({key: text for key, text in rows.items() if key not in lost}, [])
    assert reindex(copy, damaged=True) == []
    return copy


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_p7_what_a_salvage_makes_of_orders_is_what_was_known(data: st.DataObject) -> None:
    """At any moment, whatever was refused; also where the row of the order itself is lost. And a letter of a time
    before stays whole when the order is completed once more."""
    rows = MemoryStore()
    outbox, oden = Outbox(rows), Orders()
    under_way: list[Work] = []
    for word in words(data.draw(st.integers(1, MANY))):
        commit(outbox, word)
        while bool(data.draw(CHANCE)):
            if under_way:
                send(outbox, oden, under_way.pop(), refused=bool(data.draw(CHANCE)))
            elif works := outbox.work():
                under_way.append(things.begun(outbox, works[0]))
            known = things_of(rows)
            for lost in (set[str](), {*known}):
                assert things_of(salvaged(rows, lost=lost)) == known
    said = {"external_id": "MWO-1", "started_at": iso(T + 8_000)}
    commit(outbox, Setting("anew", LINE, T + 8_000.0, "maintenance_work_order", said))
    while works := outbox.work():
        work = under_way.pop() if under_way else things.begun(outbox, works[0])
        send(outbox, oden, work, refused=False)
    before, after = letters(rows), salvaged(rows, lost=data.draw(st.sampled_from([set[str](), {*things_of(rows)}])))
    said = {"external_id": "MWO-1", "completed_at": iso(T + 9_000)}
    commit(Outbox(after), Setting("done", LINE, T + 9_000.0, "maintenance_work_order", said))
    assert letters(after) == before
