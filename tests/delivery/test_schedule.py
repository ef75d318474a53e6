"""What is sent next, asserted without a clock or a network."""

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.backoff import LONGEST, backoff
from gateway.delivery.schedule import Plan, plan
from gateway.model import EndInterval, Output, Record, StartInterval
from gateway.oden.pace import GUARD, Pace
from gateway.outbox.entries import Attempt, Interval, LaneView

KNOWN = Interval(oden_id="id")


def start(line: str, at: float, kind: str = "RUN") -> LaneView:
    record = StartInterval(f"{line}{kind}{at}", line, at, "STATE" if kind == "STATE" else "RUN", int(at))
    return LaneView(f"{line}/{'states' if kind == 'STATE' else 'runs'}", None, (record,), (0,), Interval())


def output(line: str, at: float, interval: Interval | None = KNOWN, run: str = "run") -> LaneView:
    record = Output(f"{line}out{at}", line, at, "RUN", run, int(at), {"yield": 1})
    return LaneView(f"{line}/output", None, (record,), (0,), interval)


def end(line: str, at: float, interval: Interval | None = KNOWN, run: str = "run") -> LaneView:
    record: Record = EndInterval(f"{line}end{at}", line, at, "RUN", run, int(at))
    return LaneView(f"{line}/runs", None, (record,), (0,), interval)


def tried(view: LaneView, phase: str, not_before: float) -> LaneView:
    attempt = Attempt(view.name, view.positions, "interval/set", "{}", 0.0, 1, "doubt", not_before)
    return replace(view, attempt=replace(attempt, phase="again" if phase == "again" else "doubt"))


def choose(*views: LaneView, now: float = 100.0, busy: tuple[str, ...] = (), known: bool = True) -> Plan:
    return plan(views, now, busy=frozenset(busy), held={"held": 500.0}, has_line=lambda _: known)


def test_starts_before_output_and_the_oldest_first() -> None:
    """Runs and states go before output however old that is; within a class the oldest goes first."""
    older, newer, out = start("a", 20.0), start("b", 30.0, "STATE"), output("c", 10.0)
    chosen = choose(newer, out, older).choice
    assert chosen is not None
    assert (chosen.step, chosen.view) == ("send", older)
    chosen = choose(out).choice
    assert chosen is not None
    assert chosen.view == out


def test_output_that_an_end_waits_for_is_urgent() -> None:
    """The end of a run waits for its output, so that output is not held up by other lines' states."""
    waiting, out = end("a", 20.0, replace(KNOWN, outputs=1)), output("a", 15.0)
    chosen = choose(waiting, out, start("b", 30.0)).choice
    assert chosen is not None
    assert chosen.view == out


def test_what_depends_waits() -> None:
    """Output and end wait for their interval's id; a busy lane gives nothing; then nothing is to be done by waiting."""
    assert choose(output("a", 1.0, Interval()), end("b", 1.0, Interval())) == Plan(None, None)
    assert choose(start("a", 1.0), busy=("a/runs",)) == Plan(None, None)


def test_dead_or_forgotten_intervals_park_their_records() -> None:
    """Before anything else, and without a slot being needed."""
    for interval in (None, Interval(dead=True)):
        chosen = choose(start("b", 0.0), output("a", 1.0, interval)).choice
        assert chosen is not None
        assert (chosen.step, chosen.view.line) == ("park", "a")


def test_a_line_is_looked_up_once_and_first() -> None:
    """A line without id is found before anything of it is sent, and not twice at the same time."""
    chosen = choose(start("a", 1.0), known=False).choice
    assert chosen is not None
    assert chosen.step == "find_line"
    assert choose(start("a", 1.0), start("a", 1.0, "STATE"), busy=("a/runs",), known=False).choice is None


def test_attempts_wait_for_their_time() -> None:
    """A repeat or a look-up is chosen from its time on, and tells when that is."""
    doubt, again = tried(start("a", 1.0), "doubt", 150.0), tried(start("b", 2.0), "again", 120.0)
    assert choose(doubt, again) == Plan(None, 120.0)
    chosen = choose(doubt, again, now=130.0)
    assert chosen.choice is not None
    assert (chosen.choice.step, chosen.choice.view) == ("resend", again)
    chosen = choose(doubt, again, now=151.0)
    assert chosen.choice is not None
    assert (chosen.choice.step, chosen.choice.view) == ("look_up", doubt)


def test_a_held_line_stops_nobody_else() -> None:
    """Lines that are held are passed over until their time."""
    held, free = start("held", 1.0), start("free", 2.0)
    chosen = choose(held, free).choice
    assert chosen is not None
    assert chosen.view == free
    assert choose(held) == Plan(None, 500.0)


@given(st.integers(1, 100), st.one_of(st.none(), st.floats(0, 1e6)))
def test_backoff_is_bounded_and_respects_the_server(failures: int, retry_after: float | None) -> None:
    """At least a second and what the server asks for, at most five minutes or an hour where the server asks for more."""
    pause = backoff(failures, retry_after)
    assert 1.0 <= pause <= max(LONGEST, min(retry_after or 0.0, 3600.0))
    assert pause >= min(retry_after or 0.0, 3600.0)


@given(st.lists(st.floats(0, 5), max_size=50), st.floats(-1e6, 1e6))
def test_p3_no_two_writes_within_a_second(pauses: list[float], begin: float) -> None:
    """However long the caller dawdles, waiting as told keeps writes a second and a guard apart; the first one too."""
    pace, now, writes = Pace(begin), begin, [begin]
    for pause in pauses:
        now += pause
        now += pace.wait(now)
        pace.written(now)
        writes.append(now)
    assert all(after - before >= 1.0 + GUARD / 2 for before, after in itertools.pairwise(writes))
