"""Steps that are taken one after another are the same as each by itself; and what a trail keeps of those that are taken
again."""

from collections.abc import Iterable
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.again import at_once
from gateway.mapping.compile import LinePlan
from gateway.mapping.feeder import feed, settled
from gateway.mapping.line import LineState, LineSteps, Tick, due, step
from gateway.mapping.trail import MOST_NEWEST, PART, Feed
from gateway.model import Contact, Sample
from tests.mapping.laws import examples
from tests.mapping.recording import back, lost, order, plan, tag, tick
from tests.mapping.test_late_properties import HASTY, PLANT, Made, arrivals, made_plants

RUNS_READ = plan(
    inputs={
        "good": {"source": "plc", "node": "Good", "counter": {}},
        "order": {"source": "mes", "topic": "order", "field": "number", "time": "at"},
        "product": {"source": "mes", "topic": "order", "field": "sku"},
        "long": {"expr": "run.key == 'A'"},
    },
    run={"key": "order", "product": "{product}", "name": "{order}"},
    states={"ladder": [{"when": "long", "category": "Uptime"}], "other": {"category": "Down"}, "hold": "2s"},
    scrap_yield={"entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]},
)
"""A line on which a step tells what follows from the run that it begins."""


@given(made_plants((1, 60)), st.sampled_from([PLANT, HASTY]), st.booleans())
@examples(30)
def test_steps_in_a_row_are_those_taken_by_themselves(messages: list[Made], line: LinePlan, late: bool) -> None:
    """State, records, notices and what was refused, after each event."""
    _alike(line, [*arrivals(messages, late=late), lost(4300, "mes", 4250), tick(4400), back(4500, "mes"), tick(4600)])


def test_steps_in_a_row_look_anew_at_the_run_that_is_on() -> None:
    """However often it has changed before."""
    orders = [order(10.0 * number, "AB"[number % 2]) for number in range(40)]
    counts = [tag(10.0 * number + 5, "Good", number) for number in range(40)]
    _alike(RUNS_READ, [one for pair in zip(orders, counts, strict=True) for one in pair])


def _alike(line: LinePlan, events: Iterable[Sample | Contact | Tick]) -> None:
    steps, state = LineSteps(line, LineState()), LineState()
    for number, event in enumerate(events):
        steps.on(event)
        in_a_row = steps.result(known=number % 3 == 0)
        alone = step(line, state, event)
        state = alone.state
        assert (in_a_row.records, in_a_row.notices) == (alone.records, alone.notices)
        assert (in_a_row.rules, in_a_row.shares, in_a_row.refused) == (alone.rules, alone.shares, alone.refused)
        assert steps.rests_until == (due(line, state) or inf)
        assert in_a_row.state == state or number % 3


@given(st.integers(1, 400), st.integers(1, 390), st.integers(0, 3))
@examples(20)
def test_what_is_taken_again_has_its_states_where_they_are_needed(counts: int, late: int, again: int) -> None:
    """The newest entries have all of them, and each part that after its last: whatever comes late can go on from
    there, and the trail begin."""
    line, made = Feed(LineState()), plan(scrap_yield={"entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]})
    orders = [order(counts + 1.0 + number, f"L{number}", at=counts - late - number) for number in range(again + 1)]
    for event in [order(0, "A"), *(tag(float(second), "Good", second) for second in range(1, counts)), *orders]:
        line, _ = feed(made, line, event)
    line, _ = at_once(settled(made, line))
    assert len(line.newest) <= MOST_NEWEST + again + 1
    assert all(entry.after is not None for entry in line.newest)
    assert all(len(part) == PART and part[-1].after is not None for part in line.parts)
    assert line.newest[-1].after is not None
