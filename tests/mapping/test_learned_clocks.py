"""P13: what is learned of senders' clocks holds over restarts, and as long as their times are read as they were."""

import pytest

from gateway.mapping.again import at_once
from gateway.mapping.feeder import Event, feed
from gateway.mapping.line import LineState, Tick
from gateway.mapping.trail import Feed
from gateway.mapping.trail_log import addition, beginning, restored
from gateway.model import StartInterval
from tests.mapping.recording import T0, back, lost, message, seconds, tag, tick
from tests.mapping.test_clocks import line, order
from tests.mapping.test_trail_log import Store


def later(store: Store, *events: Event, is_quiet: bool = True) -> list[int]:
    """What begins after a restart, in seconds; before it nothing comes for a while, where it `is_quiet`."""
    if is_quiet:
        store.take(Tick(store.line.state.now + 10))
    store.commit(anew=False)
    store.restart()
    known = len(store.records)
    for event in events:
        store.take(event)
    return [seconds(record.start) for record in store.records[known:] if isinstance(record, StartInterval)]


@pytest.mark.parametrize("late", ["15m", "0s"])
def test_p13_a_clock_stays_wrong_over_a_restart(late: str) -> None:
    """Also where nothing that is late is remembered."""
    store = Store(line(late=late))
    for number in range(1, 7):
        store.take(order(100 * number, f"A{number}", T0 + 100 * number - 3600))
        store.commit(anew=False)
    assert later(store, tick(699), order(700, "B", T0 + 700 - 3600), tick(710)) == [700]


@pytest.mark.parametrize("late", ["15m", "0s"])
def test_p13_what_shows_a_wrong_clock_is_not_forgotten_by_a_restart(late: str) -> None:
    """Four messages in a row before it, and the fifth after it."""
    store = Store(line(late=late))
    for number in range(1, 5):
        store.take(order(100 * number, f"A{number}", T0 + 100 * number - 300))
        store.commit(anew=False)
    assert later(store, tick(499), order(500, "A5", T0 + 200), tick(599), order(600, "B", T0 + 300), tick(610)) == [
        500,
        600,
    ]
    assert sum("300 s behind" in notice.text for notice in store.notices) == 1


def test_p13_an_order_that_is_heard_again_long_after_it_is_no_news_after_a_restart() -> None:
    """Nothing was heard of its topic for longer than the line remembers. Nor is it news to another version."""
    first = line()
    for then in (first, line(sampling="1s")):
        store = Store(first)
        for at in range(0, 5000, 20):
            store.take(tag(at, "other", at))
            store.take(message(at + 1, "beat", {"at": T0 + at + 1}))
            if at in (20, 300):
                store.take(order(at, f"A{at}", T0 + at))
            if at % 100 == 0:
                store.commit(anew=True)
        store.plan = then
        assert later(store, order(5100, "A20", T0 + 20), tick(5200)) == []
        assert "left out" in store.notices[-1].text


@pytest.mark.parametrize("is_quiet", [True, False])
def test_p13_another_setting_of_a_clock_is_not_added_to_what_was_learned_of_it(*, is_quiet: bool) -> None:
    """Who writes `clock_offset` for what the page said does not have it taken off twice, also off a message that waits
    for its place at the restart."""
    store = Store(line())
    for number in range(1, 7):
        store.take(order(100 * number, f"A{number}", T0 + 100 * number + 90))
        store.commit(anew=False)
    store.plan = line(clock_offset="-90s")
    events = lost(650, "mes"), back(690, "mes"), order(700, "B", T0 + 700 + 90), tick(800)
    assert later(store, *events, is_quiet=is_quiet) == ([700] if is_quiet else [600, 700])


def test_p13_what_an_earlier_version_stored_of_clocks_is_taken_over() -> None:
    """Beside what lines had heard: `k` of those that are wrong, `f` of those that are ahead."""
    made, known = line(), Feed(LineState())
    known, _ = feed(made, known, order(10, "A", T0 + 10))
    stored = {**addition(None, known), "k": [["mes", "order", *[3600.0] * 5]], "f": [["mes", "x", 90.0]]}
    again = at_once(restored(made, known.state, beginning(known), [stored]))
    assert again.clocks["mes", "order"].is_wrong
    assert again.clocks["mes", "x"].ahead == 90.0


@pytest.mark.parametrize("ahead", [4, 90])
@pytest.mark.parametrize("late", ["15m", "1m"])
def test_p13_a_clock_stays_ahead_over_a_restart(ahead: int, late: str) -> None:
    """And what it says late comes to its place, which is said once where it is much."""
    store = Store(line(late=late))
    for number in range(1, 7):
        store.take(order(100 * number, f"A{number}", T0 + 100 * number + ahead))
        store.commit(anew=False)
    assert later(store, tick(650), order(730, "B", T0 + 700 + ahead), tick(740)) == [700]
    assert [notice.text for notice in store.notices if "taken off" in notice.text] == [
        "the clock of the sender is 90 s ahead, which is taken off the times that it says; if it always is, write "
        "`clock_offset: -90s`"
    ] * (ahead > 5)
