"""What the page says of a line, and of what Oden refused, from what the gateway knows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import Config, Line
from gateway.mapping.compile import compile_line
from gateway.mapping.hearing import unheard
from gateway.mapping.intervals import EndedInterval, IntervalsState, OpenInterval, PendingChange
from gateway.mapping.line import LineState, after_absence, step
from gateway.mapping.whose import owner
from gateway.model import Contact, Output, Record, Sample, Setting, StartInterval, UpdateInterval
from gateway.outbox.entries import Commit, Interval
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from gateway.outbox.words import began, in_words
from gateway.status.picture import shown_as, times_of_current, unknown_since

T = 1_800_000_000.0

LINE: dict[str, Any] = {
    "factory": "Factory A",
    "line": "Line 01",
    "inputs": {
        "state": {"source": "plc", "node": "ns=2;i=1"},
        "good": {"source": "plc2", "node": "ns=2;i=2", "counter": {}},
        "lot": {"source": "mes", "topic": "lot", "fresh": "60s"},
        "beat": {"source": "plc", "node": "ns=2;i=3", "heartbeat": "10s"},
    },
    "run": {"start": {"when": "state == 1"}, "end": {"when": "state == 0"}, "product": "Film"},
    "states": {"input": "state", "codes": {0: {"category": "Not Running"}, 1: {"category": "Läuft"}}},
    "scrap_yield": {"entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]},
}
PLAN = compile_line(Line.model_validate(LINE), ("lines", 0))


def said(state: LineState, at: float, source: str, address: str, value: object) -> LineState:
    return step(PLAN, state, Sample(source, address, value, at)).state


def contact(state: LineState, at: float, source: str, what: Any) -> LineState:
    return step(PLAN, state, Contact(source, at, what, at)).state


@pytest.fixture
def known() -> LineState:
    """A line of which everything was heard."""
    state = LineState()
    for at, source, address, value in (
        (T, "plc", "ns=2;i=1", 1),
        (T, "plc2", "ns=2;i=2", 5),
        (T, "mes", "lot", "L1"),
        (T, "plc", "ns=2;i=3", 1),
    ):
        state = said(state, at, source, address, value)
    return state


def test_a_line_is_known_while_all_is_heard(known: LineState) -> None:
    """Nothing is greyed then."""
    assert unknown_since(PLAN, known, {}) is None


@pytest.mark.parametrize("source", ["plc", "plc2"])
def test_a_line_is_unknown_once_a_source_is_lost(known: LineState, source: str) -> None:
    """Since it was last heard, and until it has said what it had to say."""
    lost = contact(known, T + 5, source, "lost")
    assert unknown_since(PLAN, lost, {}) == T + 5
    back = contact(lost, T + 8, source, "back")
    assert unknown_since(PLAN, back, {}) == T + 5
    assert unknown_since(PLAN, contact(back, T + 9, source, "heard"), {}) is None


def test_a_line_is_unknown_once_its_heartbeat_stops(known: LineState) -> None:
    """All that its controller says counts as gone, since the last beat."""
    quiet = said(known, T + 60, "plc2", "ns=2;i=2", 6)
    assert unknown_since(PLAN, quiet, {}) == T


def test_what_is_quiet_is_named_by_what_it_follows_from(known: LineState) -> None:
    """The heartbeat, and not all that counts as gone with it; of what is bad, since when."""
    assert unheard(PLAN.inputs, known.inputs, PLAN.rests_on) == {}
    quiet = said(known, T + 60, "plc2", "ns=2;i=2", 6)
    assert unheard(PLAN.inputs, quiet.inputs, PLAN.rests_on) == {"beat": (T, "says nothing")}
    bad = step(PLAN, known, Sample("plc2", "ns=2;i=2", None, T + 5, quality="bad")).state
    assert unheard(PLAN.inputs, bad.inputs, PLAN.rests_on) == {"good": (T + 5, "is bad")}
    assert unheard(PLAN.inputs, contact(known, T + 5, "plc", "lost").inputs, PLAN.rests_on) == {}


def test_what_a_line_does_not_rest_on_greys_nothing(known: LineState) -> None:
    """A source that only fills in a lot number may be away."""
    assert unknown_since(PLAN, contact(known, T + 5, "mes", "lost"), {"mes": T}) is None


def test_a_source_that_never_connected_greys_its_lines(known: LineState) -> None:
    """At a first start, when nothing was lost yet because nothing was ever heard."""
    assert unknown_since(PLAN, LineState(), {"plc": T + 3}) == T + 3


def test_after_the_gateway_was_off_a_line_is_unknown_until_it_is_heard(known: LineState) -> None:
    """Since when it was last known."""
    assert unknown_since(PLAN, after_absence(PLAN, known), {}) == T


def config(**status: Any) -> Config:
    lines = [LINE, {**LINE, "line": "Line 02", "states": {"preset": "packml", "input": "state"}}]
    lines[1]["states"]["categories"] = {"uptime": "Betrieb"}
    sources = {name: {"type": "mqtt", "url": "mqtt://b", "client_id": name} for name in ("plc", "plc2", "mes")}
    return Config.model_validate(
        {"oden": {"token": "t"}, "sources": sources, "lines": lines, "status": {"categories": status}}
    )


def test_no_word_makes_a_colour() -> None:
    """Without configuration every category is neutral, but for those that a preset makes under their names."""
    tones = shown_as(config())
    assert tones["Factory A/Line 01"] == {}
    assert tones["Factory A/Line 02"] == {
        "Betrieb": "running",
        "Planned Downtime": "planned",
        "Unplanned Downtime": "stopped",
    }


def test_the_configuration_makes_the_colours() -> None:
    """It is heard before a preset."""
    tones = shown_as(config(**{"Not Running": "stopped", "Betrieb": "planned"}))
    assert tones["Factory A/Line 01"]["Not Running"] == "stopped"
    assert tones["Factory A/Line 02"]["Betrieb"] == "planned"


START = StartInterval("k", "l", T, "RUN", 1_800_000_000, "WO-1007", {"product": "Film"})
RUN = Interval("l", "RUN", 1_799_999_000, told={"name": "WO-1006"})


@pytest.mark.parametrize(
    ("record", "interval", "words"),
    [
        (START, None, "start of run WO-1007"),
        (UpdateInterval("k", "l", T, "RUN", "r", end=1), RUN, "end of run WO-1006"),
        (UpdateInterval("k", "l", T, "RUN", "r", end=1), None, "end of a run"),
        (UpdateInterval("k", "l", T, "STATE", "r", metadata={"category": "Jam"}), None, "change of state Jam"),
        (StartInterval("k", "l", T, "Shift", 1, "Early"), None, "start of Shift Early"),
        (
            Output("k", "l", T, "RUN", "r", 1, {"scrap": 3, "scrap_code": "Gel"}),
            RUN,
            "output of a run: scrap 3, scrap_code Gel",
        ),
        (Output("k", "l", T, "RUN", "r", 1, {"force": 3}, quality_schema="65"), RUN, "quality test of a run: force 3"),
        (Output("k", "l", T, "RUN", "r", 1, dict.fromkeys("abcde", 1)), RUN, "output of a run: a 1, b 1, c 1, d 1 …"),
        (Setting("k", "l", T, "target", {"product": "Film", "metric_group": "Speed"}), None, "target Film Speed"),
    ],
)
def test_what_a_record_is_about(record: Record, interval: Interval | None, words: str) -> None:
    """In the words of the plant."""
    assert in_words(record, interval) == words


def test_when_its_interval_began() -> None:
    """Where that is known, and where there is one."""
    assert began(START, None) == 1_800_000_000
    assert began(UpdateInterval("k", "l", T, "RUN", "r", end=1), RUN) == 1_799_999_000
    assert began(UpdateInterval("k", "l", T, "RUN", "r", end=1), None) is None
    assert began(Setting("k", "l", T, "target", {}), RUN) is None


def test_the_summary_says_what_waits_for_a_dead_letter() -> None:
    """The interval that a refused start is about, with how many records are parked with it."""
    outbox = Outbox(MemoryStore())
    output = Output("o", "l", T, "RUN", "k", 1_800_000_001, {"yield": 3}, ("yield",))
    outbox.commit(Commit(number=1, records=(START, output)))
    start = next(work for work in outbox.work() if START in work.records)
    outbox.settle(start, {}, {start.positions[0]: "400: no such product"}, T)
    summary = outbox.summary(10)
    assert summary.intervals["k"].waiting_for_start == 1


@given(
    st.sampled_from([None, 10.0, 12.5]),
    st.sampled_from([None, 11.0, 14.0]),
    st.sampled_from([None, 13.0]),
    st.floats(9, 16),
)
def test_what_is_of_the_run_that_is_on_is_known_by_two_times(
    ended: float | None, change: float | None, left: float | None, at: float
) -> None:
    on = OpenInterval("B", 12)
    last = EndedInterval("A", 8, 12, ended) if ended is not None else None
    pending = PendingChange("C", change, change + 1, left) if change is not None else None
    intervals = IntervalsState(current=on, last=last, pending_change=pending)
    begun, before = times_of_current(intervals)
    assert (begun <= at < before) == (owner(intervals, at) is on)
