"""What is sent next, asserted without a clock or a network."""

import itertools
from collections import Counter
from dataclasses import replace
from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.breaker import LONGEST, backoff
from gateway.delivery.schedule import PATIENCE, STARVED, Plan, Step, plan
from gateway.model import Output, StartInterval, UpdateInterval
from gateway.oden.pace import GUARD, Pace
from gateway.outbox.entries import Attempt, Interval, Phase, Work

NOW = 10_000.0
KNOWN = Interval("a", "RUN", 0, oden_id="id")


def start(line: str, at: float, kind: str = "STATE", *, live: bool = True) -> Work:
    record = StartInterval(f"{line}{kind}{at}", line, at, kind, int(at))
    return Work(f"{line}/{kind}", (record,), (0,), Interval(line, kind, int(at)), live=live)


def output(line: str, at: float, interval: Interval | None = KNOWN, *, live: bool = True) -> Work:
    record = Output(f"{line}out{at}", line, at, "RUN", "run", int(at), {"yield": 1}, ("yield",))
    return Work(f"{line}/output", (record,), (0,), interval, live=live)


def end(line: str, at: float, kind: str = "STATE", *, live: bool = True, ends: bool = True) -> Work:
    record = UpdateInterval(f"{line}end{at}", line, at, kind, "run", int(at) if ends else None, "a name")
    return Work(f"{line}/updates {kind}", (record,), (0,), replace(KNOWN, ended=ends), live=live)


def tried(work: Work, *, phase: Phase, not_before: float) -> Work:
    attempt = Attempt(work.lane, work.positions, "interval/set", "{}", 0.0, 1, phase, not_before)
    return replace(work, attempt=attempt)


def choose(*works: Work, busy: tuple[str, ...] = (), known: bool = True, ends_first: bool = False) -> Plan:
    held = {"held": NOW + 400.0}
    return plan(
        works, NOW, busy=frozenset(busy), held=held, has_line=lambda _: known, ends_first=ends_first, span=900.0
    )


def order(*works: Work, ends_first: bool = False) -> list[Work]:
    """The works in the order in which they are chosen, each lane being left out once it has had its turn."""
    left, chosen = [*works], []
    while choice := choose(*left, ends_first=ends_first).choice:
        chosen.append(choice.work)
        left.remove(choice.work)
    return chosen


def test_what_goes_first() -> None:
    """Stuck records are set aside; then live starts, output of a stretch that is over and updates that have waited, the
    backlog's intervals, its output, and what is fresh; within each the oldest."""
    wanted = [
        output("s", NOW - 1, replace(KNOWN, stalled=True)),
        start("a", NOW - 20),
        start("b", NOW - 10, "RUN"),
        output("c", NOW - 310),
        end("d", NOW - PATIENCE),
        start("e", NOW - 9000, live=False),
        start("f", NOW - 8000, live=False),
        output("g", NOW - 9500, live=False),
        end("h", NOW - 9000, live=False, ends=False),
        output("i", NOW - 50),
        end("j", NOW - 1),
    ]
    assert order(*reversed(wanted)) == wanted


def test_output_at_the_end_of_a_stretch_belongs_to_it() -> None:
    """Where a time stamp says that a stretch of 900 s has just ended, nothing more can be merged into it; a second
    later the next has begun, and its output waits for more while there is a backlog."""
    backlog = start("b", NOW - 9000, live=False)
    ended, begun = output("a", 9900.0), output("a", 9901.0)
    assert order(backlog, ended) == [ended, backlog]
    assert order(backlog, begun) == [backlog, begun]


def test_output_that_starves_is_as_urgent_as_a_start() -> None:
    """Where more starts come than one token carries, output of an hour ago takes its turn among them."""
    starving = output("a", NOW - STARVED)
    assert order(start("b", NOW - 10), starving, start("c", NOW - STARVED - 5)) == [
        start("c", NOW - STARVED - 5),
        starving,
        start("b", NOW - 10),
    ]


def test_p11_what_a_clock_made_that_ran_ahead_is_older_than_all_of_now() -> None:
    """It does not go last of its class until that time comes, and output of it is no newer than any other."""
    ahead = NOW + 366 * 86_400
    assert order(start("b", NOW - 10), start("a", ahead)) == [start("a", ahead), start("b", NOW - 10)]
    assert order(start("b", NOW - 10), output("a", ahead)) == [output("a", ahead), start("b", NOW - 10)]


def test_an_end_from_before_an_outage_goes_before_later_starts_of_its_lane() -> None:
    """Oden never shows a state as open that is long over; other lines' starts do not wait for it, nor does one of
    another type."""
    old, new = end("a", NOW - 9000, live=False), start("a", NOW - 5)
    assert order(new, old) == [old, new]
    assert choose(new, replace(old, lane="x"), busy=("x",)).choice is None
    run = start("a", NOW - 5, "RUN")
    assert choose(run, replace(old, lane="x"), busy=("x",)).choice is not None
    assert choose(start("b", NOW - 1), replace(old, lane="x"), busy=("x",)).choice is not None
    # A live one does not hold anything up, unless that is wanted.
    live = end("a", NOW - 4)
    assert order(new, live) == [new, live]
    assert order(new, live, ends_first=True) == [live, new]


def test_output_that_such_an_end_waits_for_is_urgent() -> None:
    """It goes among the starts, oldest first."""
    last = output("a", NOW - 50, replace(KNOWN, ended=True), live=False)
    assert order(start("b", NOW - 40), last, start("c", NOW - 60)) == [start("c", NOW - 60), last, start("b", NOW - 40)]
    closed = output("a", NOW - 50, replace(KNOWN, ended=True, closed=True), live=False)
    assert order(closed, start("b", NOW - 40)) == [start("b", NOW - 40), closed]


@pytest.mark.parametrize(
    ("work", "known", "step"),
    [
        (start("a", 1.0), True, "send"),
        (start("a", 1.0), False, "find_line"),
        (tried(start("a", 1.0), phase="retry", not_before=5.0), True, "resend"),
        (tried(start("a", 1.0), phase="in_doubt", not_before=5.0), True, "look_up"),
        (tried(start("a", 1.0), phase="in_doubt", not_before=5.0), False, "find_line"),
        (output("a", 1.0), True, "send"),
        (output("a", 1.0, replace(KNOWN, stalled=True)), False, "park"),
        (output("a", 1.0, None), True, "bury"),
    ],
)
def test_steps(work: Work, known: bool, step: Step) -> None:
    """What is done with each kind of work."""
    choice = choose(work, known=known).choice
    assert choice is not None
    assert (choice.step, choice.work) == (step, work)


def test_busy_lanes_and_attempts_under_way_give_nothing() -> None:
    """A lane does one thing at a time; then nothing is to be done by waiting."""
    assert choose(start("a", 1.0), busy=("a/STATE",)) == Plan(None, None)
    assert choose(tried(start("a", 1.0), phase="sending", not_before=0.0)) == Plan(None, None)


def test_a_line_is_looked_up_once() -> None:
    """A line without id is found before anything of it is sent, and not twice at the same time."""
    assert choose(start("a", 1.0), start("a", 1.0, "RUN"), busy=("a/STATE",), known=False).choice is None


def test_attempts_wait_for_their_time() -> None:
    """A repeat or a look-up is chosen from its time on, and tells when that is."""
    doubt, again = (
        tried(start("a", 1.0), phase="in_doubt", not_before=NOW + 50),
        tried(start("b", 2.0), phase="retry", not_before=NOW + 20),
    )
    assert choose(doubt, again) == Plan(None, NOW + 20)
    assert choose(doubt, start("a", 3.0)).choice is not None


def test_a_held_line_stops_nobody_else() -> None:
    """Lines that are held are passed over until their time."""
    held, free = start("held", 1.0), start("free", 2.0)
    assert order(held, free) == [free]
    assert choose(held) == Plan(None, NOW + 400.0)


WORKS = st.builds(
    lambda make, line, ago, live: make(line, NOW - ago, live=live),
    st.sampled_from([start, output, end]),
    st.sampled_from("abcd"),
    st.floats(0, 20_000),
    st.booleans(),
)


@given(st.lists(WORKS, max_size=12), st.sets(st.sampled_from("abcd")), st.booleans())
def test_nothing_is_held_back(works: list[Work], lines: set[str], ends_first: bool) -> None:
    """Whatever is offered in a lane that is free is sent in the end, in some order; never anything of a lane that is
    not."""
    busy = tuple(f"{line}/output" for line in lines)
    chosen = choose(*works, busy=busy, ends_first=ends_first).choice
    free = [work for work in works if work.lane not in busy]
    assert (chosen is not None) == bool(free)
    assert chosen is None or chosen.work in free
    assert len(order(*works, ends_first=ends_first)) == len(works)


ANY = st.builds(
    lambda work, phase, wait, stalled: replace(
        tried(work, phase=phase, not_before=NOW + wait) if phase else work,
        interval=replace(work.interval, stalled=stalled and work.records[0].kind != "start"),
    ),
    st.builds(
        lambda make, line, ago, live: make(line, NOW - ago, live=live),
        st.sampled_from([start, output, end]),
        st.sampled_from(["a", "b", "held"]),
        st.floats(0, 20_000),
        st.booleans(),
    ),
    st.sampled_from([None, None, *get_args(Phase)]),
    st.floats(-100, 900),
    st.booleans(),
)


@given(st.lists(ANY, max_size=8), st.sets(st.sampled_from(["a/output", "b/STATE", "b/updates STATE"])), st.booleans())
def test_a_choice_can_be_done_now_and_wake_is_when_one_can(works: list[Work], busy: set[str], ends_first: bool) -> None:
    """What is chosen is of a free lane and due, and of no line that is held, unless it needs no request. Without a
    choice, nothing changes before `wake`, at which there is one; without that either, there never is by waiting."""

    def at(now: float) -> Plan:
        held = {"held": NOW + 400.0}
        return plan(
            works, now, busy=frozenset(busy), held=held, has_line=lambda _: True, ends_first=ends_first, span=900.0
        )

    chosen = at(NOW)
    if chosen.choice is not None:
        work = chosen.choice.work
        assert work in works
        assert work.lane not in busy
        assert work.attempt is None or (work.attempt.phase != "sending" and work.attempt.not_before <= NOW)
        assert work.line != "held" or chosen.choice.step in ("park", "bury")
    elif chosen.wake is not None:
        assert chosen.wake > NOW
        assert at((NOW + chosen.wake) / 2).choice is None
        assert at(chosen.wake).choice is not None
    else:
        assert at(NOW + 1e6).choice is None


APART = st.lists(ANY, min_size=1, max_size=8, unique_by=lambda work: (work.lane, work.records[0].at, work.positions))
"""As they are in an outbox, where no two records of a lane have the same position."""


@given(APART, st.booleans(), st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_what_is_offered(
    works: list[Work], ends_first: bool, random: Random
) -> None:
    """Lanes come in any order: what is best is best."""
    shuffled = [*works]
    random.shuffle(shuffled)
    one, other = (choose(*some, ends_first=ends_first) for some in (works, shuffled))
    assert one.wake == other.wake
    assert (one.choice and (one.choice.step, one.choice.work.lane)) == (
        other.choice and (other.choice.step, other.choice.work.lane)
    )


@given(st.integers(1, 100), st.one_of(st.none(), st.floats(0, 1e6)))
def test_backoff_is_bounded_and_respects_the_server(failures: int, retry_after: float | None) -> None:
    """At least a second and what the server asks for, at most five minutes where it asks for less."""
    pause = backoff(failures, retry_after)
    assert 1.0 <= pause <= max(LONGEST, retry_after or 0.0)
    assert pause >= (retry_after or 0.0)


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


def correction(line: str, at: float) -> Work:
    work = output(line, at)
    record = work.records[0]
    assert isinstance(record, Output)
    return replace(work, lane=f"{line}/corrections", records=(replace(record, corrects=True),))


def test_corrections_go_last_and_are_at_most_a_quarter_while_others_wait() -> None:
    """What is told anew lets what is new go first; where that never ends, each fourth request may be one."""
    told, new = correction("a", NOW - 60.0), output("b", NOW - 1.0)
    assert order(told, new) == [new, told]
    due = plan((told, new), NOW, busy=frozenset(), held={}, has_line=lambda _: True, span=900.0, correction_due=True)
    assert due.choice is not None
    assert due.choice.work is told


def test_p5_probes_go_round_the_lines_and_their_lanes() -> None:
    """While all is held there is one request at a time: it is of the line, and of its lane, that had the fewest so far,
    whatever would go first otherwise. What is set aside takes no request and no turn."""
    works = [start("a", NOW - 50), output("a", NOW - 40), start("b", NOW - 5), end("c", NOW - 1)]
    probes: Counter[str] = Counter()
    lanes = []
    for _ in range(6):
        choice = plan(works, NOW, busy=frozenset(), held={}, has_line=lambda _: True, span=900.0, probes=probes).choice
        assert choice is not None
        lanes.append(choice.work.lane)
        probes.update((choice.work.line, choice.work.lane))
    assert lanes == ["a/STATE", "b/STATE", "c/updates STATE", "a/output", "b/STATE", "c/updates STATE"]
    stuck = output("a", NOW, replace(KNOWN, stalled=True))
    aside = plan([*works, stuck], NOW, busy=frozenset(), held={}, has_line=lambda _: True, span=900.0, probes=probes)
    assert aside.choice is not None
    assert aside.choice.work == stuck
