"""The law of late messages over made plants: whatever the order in which messages with times of their own arrive,
once no more are on their way the same is told, as if each had arrived at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Any, NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.mapping.compile import LinePlan
from gateway.mapping.line import Tick
from gateway.model import Output, Record, Sample, Setting, StartInterval, UpdateInterval
from tests.mapping.laws import examples
from tests.mapping.recording import T0, Played, fed, message, plan, tag, tick

INPUTS: Mapping[str, Mapping[str, Any]] = {
    "state": {"source": "mes", "topic": "state", "field": "code", "time": "at"},
    "good": {"source": "mes", "topic": "count", "field": "n", "time": "at", "counter": {}},
    "reject": {"source": "plc", "node": "Reject", "counter": {}},
    "order": {"source": "mes", "topic": "order", "field": "number", "time": "at"},
    "product": {"source": "mes", "topic": "order", "field": "sku"},
    "tank": {"source": "mes", "topic": "tank", "field": "number", "time": "at"},
    "operator": {"source": "mes", "topic": "operator", "field": "name", "time": "at"},
    "scrap": {"source": "mes", "topic": "scrap", "time": "at"},
}
SECTIONS: Mapping[str, Any] = {
    "inputs": INPUTS,
    "run": {"key": "order", "product": "{product}", "name": "{order}", "settle": "500ms"},
    "batches": {"key": "tank", "name": "Tank {tank}", "without_run": True, "settle": "500ms"},
    "intervals": [{"type": "Operator", "key": "operator", "name": "{operator}", "settle": "500ms"}],
}
PLANT = plan(**SECTIONS)
END = 4000.0
FILM_A: Mapping[str, object] = {"number": "A0", "sku": "FILM"}
FILM_B: Mapping[str, object] = {"number": "A1", "sku": "FILM"}
TOPICS = ("order", "state", "tank", "operator", "count", "scrap")


class Made(NamedTuple):
    """A message of a made plant: what is said `at` a time, and how much later it arrives."""

    at: float
    topic: str
    said: Mapping[str, object]
    delay: float


HASTY = plan(
    inputs=INPUTS,
    run={"key": "order", "product": "{product}", "name": "{order}", "settle": "3s"},
    batches={"key": "tank", "name": "Tank {tank}", "without_run": True, "settle": "500ms"},
    intervals=[{"type": "Operator", "key": "operator", "name": "{operator}", "settle": "2s"}],
)
"""What is on has to hold for longer than it sometimes does."""


def _times(most: int, gaps: tuple[int, int]) -> st.SearchStrategy[list[float]]:
    """Times that are so many seconds apart."""
    return st.lists(st.integers(*gaps), max_size=most).map(lambda each: [*accumulate(map(float, each))])


DELAYS = st.one_of(st.just(0.0), st.floats(0.0, 1.5), st.floats(1.5, 40.0), st.floats(0.0, 800.0))


@st.composite
def made_plants(draw: st.DrawFn, gaps: tuple[int, int] = (6, 120)) -> list[Made]:
    """A shift: orders, states, tanks and operators that change, counts and bookings of scrap. With the usual `gaps`,
    what is on is on for longer than anything has to hold."""
    made: list[Made] = []

    def add(topic: str, at: float, said: Mapping[str, object]) -> None:
        made.append(Made(at + 0.25 * len({*INPUTS} & {topic}), topic, said, draw(DELAYS)))

    for number, at in enumerate(draw(_times(8, gaps))):
        add("order", at, {"number": f"A{number}", "sku": draw(st.sampled_from(["FILM", "PIPE"]))})
    for number, at in enumerate(draw(_times(8, gaps))):
        add("state", at + 1, {"code": number % 3 + 1})
    for number, at in enumerate(draw(_times(4, gaps))):
        add("tank", at + 2, {"number": number + 1})
    for number, at in enumerate(draw(_times(4, gaps))):
        add("operator", at + 3, {"name": "ann" if number % 2 else "bob"})
    total = 0
    for at in draw(_times(8, gaps)):
        total += draw(st.integers(0, 20))
        add("count", at + 4, {"n": total})
    for at in draw(_times(4, gaps)):
        add("scrap", at + 5, {"qty": draw(st.integers(1, 9)), "code": draw(st.sampled_from(["Gel", "Splice"]))})
    return made


def arrivals(messages: Iterable[Made], *, late: bool) -> list[Sample | Tick]:
    """The messages as they arrive, between the counts of a tag that is live all the time."""
    samples: list[Sample | Tick] = [
        message(each.at + each.delay * late, each.topic, {**each.said, "at": T0 + each.at}) for each in messages
    ]
    live = (tag(30.0 * number + 0.5, "Reject", number) for number in range(40))
    ended = (
        message(END, "order", {"number": "", "sku": "", "at": T0 + END}),
        message(END, "tank", {"number": 0, "at": T0 + END}),
        message(END, "operator", {"name": "", "at": T0 + END}),
        message(END, "state", {"code": 9, "at": T0 + END}),
    )
    samples += [*live, *ended]
    return [*sorted(samples, key=lambda event: event.received if isinstance(event, Sample) else 0.0), tick(END + 200)]


def facts(records: Iterable[Record]) -> tuple[set[object], dict[object, float]]:
    """What Oden has in the end: intervals with all that is known of them, and sums by interval and raw data."""
    intervals: dict[str, dict[str, object]] = {}
    sums: dict[object, float] = {}
    for record in records:
        match record:
            case StartInterval():
                known = {"type": record.type, "start": record.start, "end": record.end, "name": record.name}
                intervals[record.key] = known | dict(record.metadata)
            case UpdateInterval():
                known = {"end": record.end, "name": record.name, **record.metadata}
                intervals[record.interval] |= {name: value for name, value in known.items() if value is not None}
            case Output():
                of = intervals[record.interval]
                code = record.raw_data.get("scrap_code")
                for name in record.amounts:
                    key = (of["type"], of["start"], name, code if name == "scrap" else None)
                    sums[key] = sums.get(key, 0) + float(str(record.raw_data[name]))
            case Setting():
                pass
    told = {tuple(sorted((key, str(value)) for key, value in known.items())) for known in intervals.values()}
    return {*told}, {key: amount for key, amount in sums.items() if amount}


def effective(records: Iterable[Record]) -> list[Record]:
    """The records without what was withdrawn, as they are where nothing was delivered before."""
    left: list[Record] = []
    gone: set[str] = set()
    for record in records:
        if isinstance(record, UpdateInterval) and record.withdraws:
            left = [other for other in left if other.interval != record.interval]
            gone.add(record.interval)
            continue
        if isinstance(record, StartInterval):
            gone.discard(record.key)
        if record.interval not in gone:
            left.append(record)
    return left


def told(line: LinePlan, events: Iterable[Sample | Tick]) -> tuple[set[object], dict[object, float]]:
    played = fed(line, *events)
    _stamps_are_unique(played)
    return facts(effective(played.records))


def _stamps_are_unique(played: Played) -> None:
    stamps = [(record.interval, record.timestamp) for record in played.records if isinstance(record, Output)]
    assert len(set(stamps)) == len(stamps)
    keys = [record.key for record in effective(played.records)]
    assert len(set(keys)) == len(keys)


@given(made_plants())
@examples(60)
def test_p13_late_messages_tell_what_those_in_order_tell(messages: list[Made]) -> None:
    """Late by up to 800 s, in any order: the same intervals with the same details, and the same sums of each."""
    assert told(PLANT, arrivals(messages, late=True)) == told(PLANT, arrivals(messages, late=False))


def test_p13_a_correction_has_no_time_stamp_that_was_told_before_its_time() -> None:
    """Of a run that neither is on nor was the last: its stamps are known from before the late message."""
    times = {6.25: "A0", 12.25: "A1", 18.25: "A2", 61.25: "A3", 181.25: "A4", 211.25: "A5", 241.25: "A6"}
    orders = [Made(at, "order", {"number": name, "sku": "FILM"}, 61.0 * (name == "A4")) for at, name in times.items()]
    assert told(PLANT, arrivals(orders, late=True)) == told(PLANT, arrivals(orders, late=False))


@given(made_plants((1, 9)))
@example([Made(1.25, "order", FILM_A, 0.0), Made(2.25, "order", FILM_B, 6.0)])
@example(
    [
        Made(7.25, "tank", {"number": 1}, 64.0),
        Made(7.25, "operator", {"name": "bob"}, 66.0),
        Made(11.25, "operator", {"name": "ann"}, 0.0),
        Made(7.25, "scrap", {"qty": 6, "code": "Splice"}, 0.0),
    ]
)
@example([Made(8.25, "state", {"code": 1}, 2.0), Made(11.25, "state", {"code": 2}, 343.0)])
@examples(30)
def test_p13_late_messages_that_follow_each_other_fast_tell_what_those_in_order_tell(messages: list[Made]) -> None:
    """The same where orders, states and operators change before they have held: what did not hold leaves nothing."""
    assert told(HASTY, arrivals(messages, late=True)) == told(HASTY, arrivals(messages, late=False))


@given(made_plants(), st.data())
@examples(30)
def test_p13_messages_that_come_again_change_nothing(messages: list[Made], data: st.DataObject) -> None:
    """Keys, states and counts that are sent again after newer ones, as often as you like."""
    values = [each for each in messages if each.topic != "scrap"]
    again = data.draw(st.lists(st.sampled_from(values), max_size=8)) if values else []
    later = [each._replace(delay=each.delay + data.draw(st.floats(0.01, 400.0))) for each in again]
    assert told(PLANT, arrivals([*messages, *later], late=True)) == told(PLANT, arrivals(messages, late=False))


@given(made_plants(), st.lists(st.floats(0.0, END), max_size=30))
@example(
    [
        Made(127.25, "order", FILM_B, 1.499),
        Made(132.25, "tank", {"number": 2}, 0.0),
        Made(128.25, "operator", {"name": "ann"}, 0.0),
    ],
    [136.0],
)
@examples(30)
def test_p13_ticks_change_nothing(messages: list[Made], times: list[float]) -> None:
    """The same arrivals tell the same, to the record, whenever anybody looks at the time."""
    events = arrivals(messages, late=True)
    ticked = sorted([*events[:-1], *map(tick, times)], key=_at)
    assert fed(PLANT, *ticked, events[-1]).records == fed(PLANT, *events, ticks=True).records


def _at(event: Sample | Tick) -> float:
    return event.received if isinstance(event, Sample) else event.at


LEADS = st.fixed_dictionaries({topic: st.sampled_from([0.0, 0.25, 1.5, 4.75]) for topic in TOPICS})
"""Seconds by which the clock of each sender is ahead, so that no time is rounded."""


@given(made_plants(), LEADS)
@examples(40)
def test_p13_clocks_that_are_ahead_tell_what_right_ones_tell(messages: list[Made], leads: Mapping[str, float]) -> None:
    """By some seconds each, all the time: also of messages that come late, once one has come at once."""
    first = {each.topic: each for each in reversed(messages)}
    prompt = [each._replace(delay=0.0) if first[each.topic] is each else each for each in messages]
    ahead = [event if isinstance(event, Tick) else _ahead(event, leads) for event in arrivals(prompt, late=True)]
    assert told(PLANT, ahead) == told(PLANT, arrivals(messages, late=False))


def _ahead(event: Sample, leads: Mapping[str, float]) -> Sample:
    """What a sender says whose clock is ahead by the lead of its topic."""
    if not isinstance(event.value, dict):
        return event
    return replace(event, value={**event.value, "at": event.value["at"] + leads[event.address]})
