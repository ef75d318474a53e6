"""Amounts that come late, or beside a change of the run: whose they are, and that what waits is bounded."""

import pytest

from gateway.mapping.intervals import IntervalsState
from gateway.mapping.output import (
    EXACT_AMOUNTS,
    MOST_AMOUNTS,
    Amount,
    AmountKey,
    OutputPlan,
    OutputState,
    with_amounts,
)
from tests.mapping.output_rig import LINE_01
from tests.mapping.recording import LINE, T0, message, order, plan, play, scrap, tag, tick


def test_split_is_exact_within_the_second() -> None:
    """Starts are whole seconds, but what was made before the change belongs to the old run."""
    events = (
        order(10, "A"),
        tag(20, "Good", 100),
        tag(40.3, "Good", 101),
        order(40.5, "B"),
        tag(40.7, "Good", 103),
        tick(60),
    )
    assert [text for text in play(LINE_01, *events).texts if "output" in text] == [
        "output of 1 at 39: yield 1",
        "output of 2 at 60: yield 2",
    ]


def test_p13_late_order_still_splits_where_it_happened() -> None:
    """An order message that arrives after the counter's values takes what was made since its own time."""
    events = (
        order(10, "A"),
        tag(20, "Good", 100),
        tag(30, "Good", 104),
        tag(35, "Good", 109),
        order(40, "B", at=32),
        tick(60),
    )
    assert [text for text in play(LINE_01, *events).texts if "output" in text] == [
        "output of 1 at 31: yield 4",
        "output of 2 at 60: yield 5",
    ]


def test_amount_in_the_instant_of_a_change_waits_until_the_change_has_settled() -> None:
    """What is made in the very instant of an order change is the next order's, also where a window ends meanwhile."""
    line = plan(states=None, run={**LINE["run"], "end": None, "settle": "30s"})
    played = play(line, order(10, "A"), order(50, "B"), scrap(50, 2), tick(200))
    assert [text for text in played.texts if "output" in text] == ["output of 2 at 120: scrap 2, scrap_code Splice"]


def test_p13_late_amount_goes_to_the_run_that_has_ended() -> None:
    """A value from before the change belongs to the old run, also after its end, with the next window."""
    events = (
        order(10, "A"),
        tag(20, "Good", 100),
        order(40, "B"),
        tick(50),
        tag(51, "Good", 103, source=39),
        scrap(52, 2, at=30),
        tick(60),
    )
    assert play(LINE_01, *events).texts[3:] == ["output of 1 at 39: yield 3, scrap 2, scrap_code Splice"]


def test_p13_late_amount_of_the_run_before_the_last() -> None:
    """Of runs older than the last nothing is known any more: the last one takes it."""
    events = (order(10, "A"), order(20, "B"), order(30, "C"), tick(40), scrap(41, 2, at=15), tick(60))
    assert play(LINE_01, *events).texts[-1:] == ["output of 2 at 29: scrap 2, scrap_code Splice"]


def test_p13_late_amounts_are_reported_before_their_run_is_forgotten() -> None:
    """When yet another run ends before the window does, what is late for the oldest one is reported first."""
    events = (order(10, "A"), order(20, "B"), tick(25), scrap(26, 1, at=15), scrap(27, 2), order(30, "C"), tick(31))
    assert play(LINE_01, *events).texts[3:] == [
        "output of 1 at 19: scrap 1, scrap_code Splice",
        "output of 2 at 29: scrap 2, scrap_code Splice",
        "end RUN 2 at 30",
        "start RUN 3 at 30: C, FILM",
    ]


def test_amounts_without_a_run_go_to_the_next() -> None:
    """Nothing that was made is lost: the next run takes what no run can have."""
    events = (tag(1, "Good", 100), tag(5, "Good", 103), tick(500), order(600, "A"), tick(660))
    played = play(LINE_01, *events)
    assert played.texts == ["start RUN 1 at 600: A, FILM", "output of 1 at 660: yield 3"]
    more = (order(700, ""), tick(701), tag(710, "Good", 105), tick(900), order(1000, "B"), tick(1100))
    assert play(LINE_01, *more, state=played.state).texts[1:] == [
        "start RUN 2 at 1000: B, FILM",
        "output of 2 at 1020: yield 2",
    ]


def test_change_taken_back_gives_the_amounts_back() -> None:
    """While a change settles, what is made since waits; when it is taken back, the run that is on has it."""
    line = plan(states=None, run={**LINE["run"], "settle": "90s", "end": None})
    events = (
        order(1, "A"),
        tick(95),
        tag(96, "Good", 1),
        order(100, "B"),
        tag(110, "Good", 3),
        tick(121),
        order(130, "A"),
        tick(180),
    )
    assert play(line, *events).texts == ["start RUN 1 at 1: A, FILM", "output of 1 at 180: yield 2"]


def test_run_ended_by_a_condition_gives_later_amounts_to_the_next() -> None:
    """What was made after the line stopped, and not reported yet, belongs to the run that begins when it goes on."""
    line = plan(states=None, run={**LINE["run"], "end": {"when": "state == 0", "for": "10s"}})
    events = (
        order(10, "A"),
        tag(12, "State", 1),
        tag(13, "Good", 1),
        tag(14, "Good", 2),
        tag(20, "State", 0),
        tag(25, "Good", 5),
    )
    played = play(line, *events, tick(35), tag(40, "State", 1), tick(60))
    assert played.texts[1:] == [
        "output of 1 at 19: yield 1",
        "end RUN 1 at 20",
        "start RUN 2 at 40: A, FILM",
        "output of 2 at 60: yield 3",
    ]


def test_event_without_an_amount_counts_nothing() -> None:
    """An amount that a message need not say is none: nothing is wrong with that."""
    played = play(LINE_01, order(10, "A"), message(20, "scrap", {"code": "Gel", "at": T0 + 20}), tick(60))
    assert len(played.texts) == 1
    assert not played.notices


@pytest.mark.parametrize("value", [{"qty": "3"}, {"qty": None}, {"qty": True}, {"qty": {"n": 1}}, 5, "text", []])
def test_event_without_an_amount_is_refused(value: object) -> None:
    """A message that does not say how many is a notice, and nothing is counted."""
    played = play(LINE_01, order(10, "A"), message(20, "scrap", value), tick(60))
    assert len(played.texts) == 1
    assert {notice.kind for notice in played.notices} == {"reject", "time"}  # it does not say when either
    assert any("nothing is counted" in notice.text for notice in played.notices)


def test_event_without_its_code_is_counted_without_it() -> None:
    """Parts are not lost because a field is missing: they are reported without it, and noticed."""
    played = play(LINE_01, order(10, "A"), message(20, "scrap", {"qty": 3, "code": {"id": 7}}), tick(60))
    assert played.texts[1:] == ["output of 1 at 60: scrap 3"]
    assert any("without scrap_code" in notice.text for notice in played.notices)


def test_p12_old_amounts_that_became_one_stay_with_the_old_run() -> None:
    """An order that comes to light late splits exactly as far back as amounts are kept one by one; before that, the
    old run has them."""
    line = plan(states=None, run={**LINE["run"], "end": None}, scrap_yield={**LINE["scrap_yield"], "every": "1h"})
    counts = [tag(number, "Good", number) for number in range(1, 102)]
    late = play(line, order(0, "A"), *counts, order(102, "B", at=50), tick(3600))
    assert [text for text in late.texts if "output" in text] == [
        "output of 1 at 49: yield 65",
        "output of 2 at 3600: yield 35",
    ]
    timely = play(line, order(0, "A"), *counts, order(102, "B", at=80), tick(3600))
    assert [text for text in timely.texts if "output" in text] == [
        "output of 1 at 79: yield 79",
        "output of 2 at 3600: yield 21",
    ]


def test_p12_amounts_of_two_runs_never_become_one() -> None:
    """While a change settles, what was made before it and since is kept apart, however much it is."""
    line = plan(
        states=None,
        run={**LINE["run"], "settle": "200s", "end": None},
        scrap_yield={**LINE["scrap_yield"], "every": "1h"},
    )
    counts = [tag(300 + number, "Good", number) for number in range(200)]
    events = sorted([order(0, "A"), *counts, order(350.5, "B")], key=lambda sample: sample.received)
    assert [text for text in play(line, *events, tick(3600)).texts if "output" in text] == [
        "output of 1 at 349: yield 50",
        "output of 2 at 3600: yield 149",
    ]


def test_p12_what_waits_is_bounded() -> None:
    """Equal amounts become one after a while; without a run, too many different ones are refused with a notice."""
    many = [tag(number, "Good", number) for number in range(1000)]
    played = play(LINE_01, *many)
    assert len(played.state.output.pending) <= 2 * EXACT_AMOUNTS
    kinds = [scrap(1000 + number, 1, f"Code {number}") for number in range(MOST_AMOUNTS + 10)]
    played = play(LINE_01, *kinds, tag(9000, "Good", 1001), state=played.state)
    assert len(played.state.output.pending) <= MOST_AMOUNTS
    assert 0 < len([notice for notice in played.notices if "is lost" in notice.text]) <= 11
    played = play(LINE_01, order(9001, "A"), tick(9060), state=played.state)
    entries = [record.raw_data for record in played.records if record.kind == "output"]
    assert [entry["yield"] for entry in entries if "yield" in entry] == [1001]


def test_p12_amounts_keep_their_own_times_while_there_is_room() -> None:
    """Of as many amounts as can wait, the newest equal ones are still two; one more makes them one. None is lost."""
    keys = [AmountKey(0, (("code", number),), ("scrap",)) for number in range(MOST_AMOUNTS - 1)]
    full = OutputState(tuple(Amount(number, 1, key) for number, key in enumerate(keys)))
    runs, plan_ = IntervalsState(), OutputPlan("RUN", 60.0, {})
    two = with_amounts(full, [Amount(MOST_AMOUNTS, 2, keys[-1])], runs, plan_)
    assert two is not None
    assert [amount.amount for amount in two.pending[-2:]] == [1, 2]
    one = with_amounts(two, [Amount(MOST_AMOUNTS + 1, 4, keys[-1])], runs, plan_)
    assert one is not None
    assert one.pending[-1] == Amount(MOST_AMOUNTS - 2, 7, keys[-1])


@pytest.mark.parametrize("many", [3, 100, 1_500])
def test_p13_amounts_of_one_moment_are_kept_as_one_after_the_other(many: int) -> None:
    runs, plan_ = IntervalsState(), OutputPlan("RUN", 60.0, {})
    amounts = [Amount(number, 1, AmountKey(0, (("code", number % 200),), ("scrap",))) for number in range(many)]
    single: OutputState | None = OutputState()
    for amount in amounts:
        assert single is not None
        single = with_amounts(single, [amount], runs, plan_)
    assert with_amounts(OutputState(), amounts, runs, plan_) == single


def test_p12_memory_is_bounded_over_many_runs() -> None:
    """However many runs there were, only the last two are remembered."""
    played = play(
        LINE_01,
        *(event for number in range(50) for event in (order(number * 10, f"A{number}"), scrap(number * 10 + 5, 1))),
    )
    assert len(played.state.output.stamps) <= 2
    assert len(played.state.output.pending) <= 2
