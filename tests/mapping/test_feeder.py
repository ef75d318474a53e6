"""Messages that come late: what becomes of those that cannot be put in their places, and what is remembered for
them.
"""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.again import at_once
from gateway.mapping.feeder import feed, settled
from gateway.mapping.line import LineState, Tick, due, dump, load
from gateway.mapping.trail import MOST_REMEMBERED, PART, Feed
from gateway.model import Sample
from tests.mapping.recording import PLC, T0, fed, message, order, plan, scrap, tag, tick

STATE = {"source": "mes", "topic": "state", "field": "code", "time": "at"}
LINE = plan(inputs={**PLC, "state": STATE})


def state(seconds: float, code: int, at: float) -> Sample:
    return message(seconds, "state", {"code": code, "at": T0 + at})


def test_p13_after_a_restart_older_is_not_the_present() -> None:
    """What was known of a topic before is newer than the message: it is left out and listed."""
    before = fed(LINE, state(10, 1, 10), state(100, 3, 100), tick(150)).state
    line, told = feed(LINE, Feed(load(LINE, dump(before))), state(200, 1, 50))
    assert not told.records
    assert [notice.kind for notice in told.notices] == ["reject"]
    assert line.state.inputs["state"].value == 3


def test_p13_what_was_told_and_never_was_is_withdrawn() -> None:
    """A jam was told; that its topic had spoken of it before comes late, so that the jam began then."""
    played = fed(LINE, state(10, 3, 10), state(100, 3, 100), tick(150), state(160, 3, 5), tick(200))
    assert played.texts == [
        "start STATE 1 at 10: Unplanned Downtime, Jam",
        "end STATE 1 at 11",
        "start STATE 2 at 5: Unplanned Downtime, Jam",
    ]
    assert [getattr(record, "withdraws", False) for record in played.records] == [False, True, False]
    assert [notice.text.split(":")[0] for notice in played.notices] == ["came 155 s late and corrects what was told"]


def test_p13_two_equal_bookings_of_scrap_are_two_also_where_they_are_late() -> None:
    """Both belong to the order of their time."""
    late = [scrap(seconds, 2, at=50) for seconds in (120, 121)]
    played = fed(LINE, order(10, "A"), order(100, "B"), tick(110), *late, order(200, None, at=200), tick(400))
    assert [text for text in played.texts if "output" in text] == ["output of 1 at 99: scrap 4, scrap_code Splice"]


def placed_at(*late: Sample, **sections: object) -> list[float]:
    """When messages were put in their places that come late, after order Z began at 200, by what is listed of it."""
    events = [order(0, "A"), order(200, "Z"), *late]
    played = fed(plan(states=None, **sections), *sorted(events, key=lambda sample: sample.received), tick(900))
    return sorted({notice.at - T0 for notice in played.notices if notice.kind == "time"})


def test_p13_messages_that_come_late_are_put_in_their_places_together() -> None:
    """Five seconds after the last of them, a minute after the first at the latest, and before a window ends."""
    few = [order(301 + number, f"B{number}", at=150 - 5 * number) for number in range(4)]
    many = [order(301 + 4 * number, f"B{number}", at=150 - number) for number in range(20)]
    assert placed_at(few[0], scrap_yield=None) == [306]
    assert placed_at(*few, scrap_yield=None) == [309]
    assert placed_at(*many, scrap_yield=None)[0] == 361
    assert placed_at(*many, *(tag(second, "Good", second) for second in range(0, 400, 20)))[0] == 360


def test_p13_what_is_told_otherwise_for_the_fourth_time_is_listed() -> None:
    """The end of a run that another late order moves each time."""
    late = [order(200 + 20 * number, f"B{number}", at=100 - 10 * number) for number in range(5)]
    played = fed(LINE, order(0, "A"), tag(150, "Good", 1), *late, tick(400))
    assert sum("for the 4th time" in notice.text for notice in played.notices) == 1


def test_p13_what_is_due_as_late_messages_are_put_in_their_places_is_told_as_ever() -> None:
    """A message that changes nothing of it comes again, and the run is over by idleness before that is put in its
    place."""
    inputs = {**PLC, "tank": {"source": "plc", "node": "Tank"}}
    run = {"start": {"when": "tank > 0"}, "product": "P", "end": {"idle": "10s"}}
    operator = {"event": "scrap", "reason": "{scrap.code}"}
    states = {"input": "state", "codes": {1: {"category": "Up"}}, "operator": operator}
    made = plan(inputs=inputs, run=run, batches={"key": "tank", "name": "{tank}"}, states=states)
    events = [tag(1, "State", 1), tag(1, "Good", 0), scrap(1.2, 1), scrap(1.3, 2), tag(2, "Tank", 7), tag(4, "Good", 5)]
    want = fed(made, *events, tick(100)).texts
    assert [text.split(":")[0] for text in want if "end" in text] == ["end BATCH 3 at 4", "end RUN 2 at 4"]
    again = message(11, "scrap", {"qty": 0, "code": "Splice", "at": T0 + 1.2})
    assert fed(made, *events, again, tick(100)).texts == want


def test_p12_the_trail_is_bounded() -> None:
    """However much a line hears, and however late messages are, no more is remembered than is said."""
    line = Feed(LineState())
    for number in range(2 * MOST_REMEMBERED):
        line, _ = feed(LINE, line, tag(number / 10, "Good", number))
        if number % 500 == 0:
            line, _ = feed(LINE, line, order(number / 10, f"A{number}", at=number / 10 - 0.5))
            line, _ = at_once(settled(LINE, line))
    assert sum(len(part) for part in line.parts) <= MOST_REMEMBERED
    assert len(line.newest) < 2 * PART
    kept = [entry for part in line.parts for entry in part[:-1]]
    assert not any(entry.after for entry in kept)


def test_p13_another_plan_begins_a_new_trail() -> None:
    """What was told by other tables is not told anew by these."""
    line, _ = feed(LINE, Feed(LineState()), order(10, "A"))
    other = plan(inputs={**PLC, "state": STATE})
    line, _ = feed(other, line, Tick(T0 + 20))
    assert not line.newest
    assert line.plan is other


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["order", "state", "scrap", "tag", "tick", "restart"]),
        st.sampled_from([0.0, 0.01, 0.5, 3.0, 30.0, 100.0]),
        st.sampled_from([0.0, 0.0, 0.2, 1.0, 5.0, 40.0, 200.0]),
        st.integers(0, 2),
        st.booleans(),
    ),
    max_size=25,
)


@given(EVENTS)
def test_p13_whatever_comes_late_and_whenever_a_line_begins_anew_breaks_nothing(
    events: list[tuple[str, float, float, int, bool]],
) -> None:
    """Late messages right after a start, with an empty trail, among others and after restarts: all are taken."""
    line, now = Feed(LineState()), 10.0
    for kind, pause, late, number, soon in events:
        now += pause
        said = now - late
        if kind == "restart":
            line = Feed(load(LINE, dump(at_once(settled(LINE, line))[0].state)))
            continue
        made: dict[str, Sample | Tick] = {
            "order": order(now, f"A{number}", at=said),
            "state": state(now, (1, 3, 1)[number], said),
            "scrap": scrap(now, number + 1, at=said),
            "tag": tag(now, "Good", 100 * number),
            "tick": tick(now),
        }
        line, _ = feed(LINE, line, made[kind])
        assert line.rests_until(LINE) in (None, due(LINE, line.state) or inf)
        if soon:
            line, _ = at_once(settled(LINE, line))
    line, _ = at_once(settled(LINE, line))
    assert line.late == ()
