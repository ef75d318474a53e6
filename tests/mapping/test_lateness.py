"""How late messages come: figures that are true within a tenth and take the same room however many there are, and what
a wait would have saved, which is compared with what it saves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.feeder import feed
from gateway.mapping.lateness import LEAST, RATIO, LatenessLog, in_words
from gateway.mapping.line import LineState, Step
from gateway.mapping.trail import Feed
from gateway.model import Contact, Output, Sample
from gateway.trial.play import play
from tests.mapping.recording import T0, back, lost, order, scrap, tick
from tests.mapping.test_late_settings import Event, counted, line


def seen(*events: Event, wait: str | int = 0) -> tuple[LatenessLog, int]:
    """What is seen of a line's messages; and how many entries of output were told anew."""
    made, known, log, anew = line(wait), Feed(LineState()), LatenessLog(), 0
    for event in events:
        known, result = feed(made, known, event)
        log.add(made.key, result)
        anew += sum(isinstance(record, Output) and record.key in result.because for record in result.records)
    return log, anew


KEY = line().key


@given(st.lists(st.floats(0.0, 90_000.0), min_size=1, max_size=60))
def test_shares_are_right_within_a_tenth(delays: list[float]) -> None:
    """Half of the messages are no later than is said, and 95 of 100; the worst is exact."""
    log = LatenessLog()
    for delay in delays:
        log.add("line", Step(LineState(), delays=(("order", delay),)))
    known, ordered = log.of("line")["order"], sorted(delays)
    assert known.messages == len(delays)
    assert known.worst == ordered[-1]
    for said, share in ((known.p50, 0.5), (known.p95, 0.95)):
        true = next(delay for number, delay in enumerate(ordered, 1) if number >= share * len(ordered))
        assert true <= said + 1e-9
        assert said <= max(LEAST, true * RATIO) + 1e-9


def test_p12_what_is_kept_of_delays_is_bounded() -> None:
    """However many messages, and however much they differ."""
    log = LatenessLog()
    for number in range(5_000):
        log.add("line", Step(LineState(), delays=(("order", number * 17.3),)))
    (known,) = log._lines["line"].values()
    assert len(known.seen) < 200


def test_messages_are_counted_by_the_input_that_they_feed() -> None:
    """One message is one, also where it feeds several inputs; those without a delay count too."""
    log, _ = seen(order(0, "A"), order(100, "B", at=90), scrap(110, 3, at=50), order(200, "C"), tick(400))
    known = log.of(KEY)
    assert {name: each.messages for name, each in known.items()} == {"order": 3, "scrap": 1}
    assert known["order"].worst == 10
    assert known["scrap"].worst == 60


def test_what_comes_of_an_outage_is_no_measure() -> None:
    """It is late because of that."""
    events: list[Event] = [order(0, "A"), lost(10, "mes"), back(1000, "mes"), order(1001, "B", at=500), tick(1100)]
    log, _ = seen(*events, order(1200, "C", at=1198), tick(1300))
    assert log.of(KEY)["order"].messages == 2
    assert log.of(KEY)["order"].worst == 2


@pytest.mark.parametrize(("late", "wait"), [(9, 10), (25, 30), (50, 60)])
def test_what_a_wait_would_have_saved_is_what_it_saves(late: int, wait: int) -> None:
    """The same with the wait: nothing is told anew."""
    orders = [order(60 * number - 5 + late, f"B{number}", at=60 * number - 5) for number in range(1, 6)]
    events = sorted([order(0, "A"), *counted(0, 440), *orders], key=lambda sample: sample.received)
    log, anew = seen(*events, tick(600))
    known = log.of(KEY)["order"]
    assert known.requests == anew > 0
    assert known.saved[wait] == anew
    assert all(known.saved[less] == 0 for less in known.saved if less < late)
    assert seen(*events, tick(600), wait=f"{wait}s")[1] == 0


def test_a_correction_is_one_however_many_records_it_has() -> None:
    """Of two late orders that are put in their places together, too."""
    events: list[Event] = [order(0, "A"), *counted(0, 190), order(190, "B", at=70), order(191, "C", at=130), tick(300)]
    log, anew = seen(*events)
    assert log.corrections(KEY) == 1
    assert log.of(KEY)["order"].requests == anew
    assert log.corrections("another") == 0


def test_the_figures_in_words() -> None:
    """As `replay` says them."""
    made = line()
    recorded: list[Sample | Contact | float] = [order(0, "A"), *counted(0, 190), order(190, "B", at=130), T0 + 300]
    (said,) = play([made], recorded).lateness.sentences(made.key)
    assert said == (
        "order: half of 2 messages came at most 0.1 s late, 95 of 100 at most 60.0 s, all at most 60.0 s; corrected "
        "once, with 2 requests for output, of which a wait would have saved: 10 s 0, 30 s 0, 60 s 2"
    )
    assert in_words(seen(order(0, "A"))[0].of(KEY)["order"]).endswith("nothing had to be corrected")
    assert [*LatenessLog().sentences(KEY)] == []
