"""P13: a sender's clock that is set back by less than is remembered of the line. Its messages look late until five have
come; then those that were put where they said go to where they came, and sums are exact."""

import json
from typing import Any

import pytest

from gateway.mapping.again import at_once
from gateway.mapping.compile import LinePlan
from gateway.mapping.feeder import Event, feed, prepared, time_of
from gateway.mapping.line import LineState, dump, load
from gateway.mapping.trail import Feed
from gateway.mapping.trail_log import addition, beginning, restored
from gateway.model import Output, Record
from tests.mapping.recording import T0, fed, message, plan, texts_of, tick

SET = 3000
"""When the clock is set back."""


def line() -> LinePlan:
    def said(topic: str, **more: Any) -> dict[str, Any]:
        return {"source": "mes", "topic": topic, "field": "v", "time": "at", **more}

    return plan(
        inputs={"order": said("order"), "state": said("state"), "good": said("good", counter={})},
        run={"key": "order", "product": "P", "name": "{order}"},
        states={
            "input": "state",
            "codes": {1: {"category": "Uptime"}, 2: {"category": "Unplanned Downtime", "reason": "Jam"}},
        },
        scrap_yield={"every": "60s", "entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]},
    )


def said(topic: str, every: int, back_by: float, until: int, shift: float = 0.0) -> list[Event]:
    """Messages of a sender whose clock is set back by so many seconds."""
    times = [at + shift for at in range(0, until, every)]
    values: dict[str, Any] = {
        "order": [f"A{at:.0f}" for at in times],
        "state": [1 + number % 2 for number in range(len(times))],
        "good": [int(at) for at in times],
    }
    return [
        message(at, topic, {"v": value, "at": T0 + at - back_by * (at >= SET)})
        for at, value in zip(times, values[topic], strict=True)
    ]


def made(records: list[Record]) -> float:
    return sum(float(record.raw_data["yield"] or 0) for record in records if isinstance(record, Output))


@pytest.mark.parametrize("every", [1, 20, 60])
@pytest.mark.parametrize("back_by", [60, 300, 840, 3600])
def test_p13_a_counter_whose_senders_clock_is_set_back_counts_nothing_twice(back_by: int, every: int) -> None:
    """Its values stand among those of before for as long as nobody can know, which looks like a reset each time."""
    played = fed(line(), message(0, "order", {"v": "A", "at": T0}), *said("good", every, back_by, 4000), tick(4100))
    assert made(played.records) == len(range(0, 4000, every)) * every - every
    listed = [notice.text for notice in played.notices if "clock of the sender" in notice.text]
    assert listed == [
        f"the clock of the sender is {back_by} s behind, so the time of arrival counts; if it always is, write "
        "`time: {field: …, zone: …}` or `clock_offset`"
    ]


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize("off_by", [60, 290, 840, -300])
def test_p13_a_clock_that_is_set_and_put_right_again_counts_nothing_twice(off_by: int, every: int) -> None:
    """Forward and back, or back and forward."""
    events: list[Event] = [
        message(at, "good", {"v": at, "at": T0 + at + off_by * (1000 <= at < 2000)}) for at in range(0, 3000, every)
    ]
    played = fed(line(), message(0, "order", {"v": "A", "at": T0}), *events, tick(3100))
    assert made(played.records) == 3000 - every


@pytest.mark.parametrize("back_by", [300, 840])
@pytest.mark.parametrize("every", [30, 60])
def test_p13_orders_of_a_clock_that_is_set_back_begin_when_they_came(back_by: int, every: int) -> None:
    """Also those of before it was known: the last is what is on, and no run of before is changed at rest."""
    played = fed(line(), *said("order", every, back_by, 4000), tick(4100))
    begun: dict[str, int] = {}
    for text in texts_of(played.records):
        words = text.split()
        if words[:2] == ["start", "RUN"]:
            begun[words[5].strip(",")] = int(words[4].strip(":"))
    assert {name: at for name, at in begun.items() if abs(at - int(name[1:])) > 1} == {}
    assert len(begun) == len(range(0, 4000, every))


def test_p13_states_of_a_clock_that_is_set_back_are_on_when_they_came() -> None:
    """Up and down for a minute each, all the time."""
    played = fed(line(), *said("state", 70, 300, 4000), tick(4100))
    on = {text.partition(" at ")[2].partition(":")[0] for text in played.texts if text.startswith("start STATE")}
    assert {str(at) for at in range(0, 4000, 70)} <= on


def test_p13_what_was_taken_back_is_so_after_a_restart() -> None:
    """The trail as it is stored is the one that is remembered, and goes on the same."""
    known, stored, records = Feed(LineState()), list[dict[str, Any]](), list[Record]()
    plan_, begins = line(), ""
    events = sorted([*said("good", 20, 300, 4000), *said("order", 600, 300, 4000, 5.0), tick(4100)], key=time_of)
    whole = fed(plan_, *events)
    for number, event in enumerate(events):
        before = known if number else None
        known, placed = at_once(prepared(plan_, known, event))
        known, taken = feed(plan_, known, event)
        records += [*placed.records, *taken.records]
        begins = begins or beginning(known) or ""
        stored.append(json.loads(json.dumps(addition(before, known))))
        if time_of(event) > T0 + SET + 80 and number % 10 == 0:
            again = at_once(restored(plan_, load(plan_, dump(known.state)), begins, stored, known.clocks))
            trail = [(one.number, one.at, one.said) for one in known.trail()]
            assert [(one.number, one.at, one.said) for one in again.trail()][-len(trail) :] == trail
            assert {at: one.is_wrong for at, one in again.clocks.items() if one.is_wrong} == {
                at: one.is_wrong for at, one in known.clocks.items() if one.is_wrong
            }
    assert made(records) == made(whole.records)


@pytest.mark.parametrize("late", [40, 200])
def test_p13_two_senders_of_one_topic_are_no_clock_that_is_set_back(late: int) -> None:
    """One of which is late, all the time, while the other is not: each keeps its times."""
    one = [message(at, "good", {"v": at, "at": T0 + at}) for at in range(0, 2000, 20)]
    other = [message(at + late + 0.5, "state", {"v": 1 + at // 100 % 2, "at": T0 + at}) for at in range(0, 1000, 100)]
    also = [message(at, "state", {"v": 1 + at // 100 % 2, "at": T0 + at}) for at in range(0, 2000, 20)]
    events: list[Event] = [*one, *other, *also, tick(2100)]
    events.sort(key=time_of)
    played = fed(line(), *events)
    assert not [notice for notice in played.notices if "clock" in notice.text]
