"""Short stops against what a person would make of the whole day afterwards: first without chatter, then without the
stops that were short."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.line import Tick, due
from gateway.model import Sample, StartInterval, UpdateInterval
from tests.mapping.laws import examples
from tests.mapping.recording import T0, Played, plan, play, seconds, tag

HOLD, UNDER = 5, 60
MEANS = {1: "Up", 2: "Slow", 3: "Down", 4: "Waiting", 5: "Cleaning"}
DURING = ("Up", "Slow")
EXAMPLE = plan(
    inputs={"state": {"source": "plc", "node": "State"}},
    run=None,
    scrap_yield=None,
    states={
        "input": "state",
        "codes": {code: {"category": category} for code, category in MEANS.items()},
        "hold": "5s",
        "short_stops": {"under": "60s", "during": [*DURING]},
    },
)
END = 100_000
"""When the day is over; the last state lasts until then."""


class Was(NamedTuple):
    """A state since `start`, with the short stops in it."""

    start: int
    category: str
    stops: int = 0
    stopped: int = 0


def without_chatter(changes: list[tuple[int, str]]) -> list[Was]:
    """The states that lasted for HOLD; what is shorter belongs to the state before."""
    settled: list[Was] = []
    candidate: Was | None = None
    for at, category in [*changes, (END, "")]:
        if candidate is not None and candidate.category != category:
            if at - candidate.start >= HOLD:
                settled.append(candidate)
            candidate = None
        if candidate is None and (not settled or settled[-1].category != category):
            candidate = Was(at, category)
    return settled


def without_short_stops(states: list[Was]) -> list[Was]:
    """The states without those that interrupt one of DURING for less than UNDER in all."""
    kept: list[Was] = []
    at = 0
    while at < len(states):
        following = next((n for n in range(at, len(states)) if states[n].category in DURING), len(states))
        if kept and kept[-1].category in DURING and at < following < len(states):
            lasted = states[following].start - states[at].start
            if lasted < UNDER:
                kept[-1] = kept[-1]._replace(stops=kept[-1].stops + 1, stopped=kept[-1].stopped + lasted)
                at = following
                continue
        if not kept or kept[-1].category != states[at].category:
            kept.append(states[at])
        at += 1
    return kept


def told_of(played: Played) -> list[Was]:
    """The states that were told, with what was said of them at their ends."""
    ends = {
        record.interval: record
        for record in played.records
        if isinstance(record, UpdateInterval) and record.end is not None
    }
    states = []
    for record in played.records:
        if isinstance(record, StartInterval):
            metadata = ends[record.key].metadata if record.key in ends else {}
            counts = int(str(metadata.get("short_stops", 0))), int(str(metadata.get("short_stop_seconds", 0)))
            states.append(Was(seconds(record.start), str(record.metadata["category"]), *counts))
    return states


def through_time(samples: list[Sample], *, restarts: bool) -> Played:
    """Each timer fires when it is due, as in the gateway."""
    played = Played(play(EXAMPLE).state)
    events: list[Sample | Tick] = [*samples, Tick(T0 + END)]
    for event in events:
        until = event.at if isinstance(event, Tick) else event.received
        while (at := due(EXAMPLE, played.state)) is not None and at < until:
            once = play(EXAMPLE, Tick(at), state=played.state, restarts=restarts)
            played.state, played.records = once.state, [*played.records, *once.records]
        once = play(EXAMPLE, event, state=played.state, restarts=restarts)
        played.state, played.records = once.state, [*played.records, *once.records]
    return played


days = st.lists(st.tuples(st.integers(1, 80), st.sampled_from([*MEANS])), min_size=1, max_size=25)


@examples(300)
@given(days, st.booleans())
def test_what_is_told_is_what_a_person_would_make_of_it(day: list[tuple[int, int]], restarts: bool) -> None:
    """Watched as it happens, or learnt all at once after an outage: the same states with the same starts and the same
    short stops in them."""
    at, values = 0, []
    for pause, code in day:
        at += pause
        values.append((at, code))
    expected = without_short_stops(without_chatter([(at, MEANS[code]) for at, code in values]))
    watched = told_of(through_time([tag(at, "State", code) for at, code in values], restarts=restarts))
    late = told_of(through_time([tag(5_000, "State", code, source=at) for at, code in values], restarts=restarts))
    for states in (watched, late):
        assert states[:-1] == expected[:-1]  # what is said of the last state is said with its end
        assert [(state.start, state.category) for state in states] == [
            (state.start, state.category) for state in expected
        ]
