"""The simulated line, as a function: what its shifts have in common, whatever the seed and the end."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.plant import EVENT, FIRST_SHOWN, ROLLOVER, SHORTEST, STILL, Count, Event, shift
from gateway.simulator.truth import plant_account

BEGIN = 1_795_334_400.125
WINDOW = 10.0

seeds = st.integers(0, 2**32)
seconds = st.floats(0, 600)


def work(seed: int, seconds: float) -> list[Event]:
    return list(shift(seed, BEGIN, lambda at: at >= BEGIN + seconds))


def counts(events: Sequence[Event], tag: str) -> list[Count]:
    return [event for event in events if event.kind == "count" and event.tag == tag]


@given(seeds, seconds)
def test_the_same_seed_gives_the_same_shift(seed: int, seconds: float) -> None:
    """A shift depends on its seed, beginning and end only, and another seed gives another."""
    assert work(seed, seconds) == work(seed, seconds)
    assert work(seed, seconds) != work(seed + 1, seconds)


@given(seeds, seconds)
def test_events_are_in_order_and_survive_a_file(seed: int, seconds: float) -> None:
    """Events come in order of time, to the millisecond, and are the same after a round trip through JSON."""
    events = work(seed, seconds)
    assert all(earlier.at <= later.at for earlier, later in pairwise(events))
    assert all(event.at == round(event.at, 3) for event in events)
    assert [EVENT.validate_json(EVENT.dump_json(event)) for event in events] == events


@given(seeds, seconds)
def test_every_state_lasts_long_enough_to_be_seen(seed: int, seconds: float) -> None:
    """A gateway that is away for less than SHORTEST misses no state, and no state follows itself."""
    states = [event for event in work(seed, seconds) if event.kind == "state"]
    assert all(later.at - earlier.at >= SHORTEST - 0.001 for earlier, later in pairwise(states))
    assert all(later.code != earlier.code for earlier, later in pairwise(states))
    assert states[-1].code == 0


@given(seeds, seconds)
def test_the_line_stands_still_around_an_order_change(seed: int, seconds: float) -> None:
    """Nothing is counted or scrapped within STILL before and after an order event, so each part has one order."""
    events = work(seed, seconds)
    orders = [event.at for event in events if event.kind == "order"]
    parts = [event.at for event in events if event.kind in ("count", "scrap")]
    assert all(abs(part - order) >= STILL - 0.001 for part in parts for order in orders)


@given(seeds, seconds)
def test_counters_tick_by_one_while_the_line_runs_and_roll_over(seed: int, seconds: float) -> None:
    """The tags show one more each time, modulo 65536, only while the state is 1, and Good rolls over in 20 s."""
    events = work(seed, seconds)
    code = 0
    for event in events:
        if event.kind == "state":
            code = event.code
        assert event.kind != "count" or code == 1
    for tag in ("Good", "Reject"):
        shown = [FIRST_SHOWN[tag], *(event.value for event in counts(events, tag))]
        assert all((earlier + 1) % ROLLOVER == later for earlier, later in pairwise(shown))
    assert any(event.value == 0 and event.at - BEGIN < 20 for event in counts(events, "Good"))


@given(seeds, seconds)
def test_totals_are_what_was_counted(seed: int, seconds: float) -> None:
    """The last event holds the sums of all others, and so does the account by runs."""
    *events, totals = work(seed, seconds)
    assert totals.kind == "totals"
    booked = sum(event.qty for event in events if event.kind == "scrap")
    assert (totals.good, totals.reject) == (len(counts(events, "Good")), len(counts(events, "Reject")))
    assert sum(totals.scrap.values()) == booked
    account = plant_account(events)
    assert account.good == totals.good
    assert sum(account.scrap().values()) == totals.reject + booked
    assert all(run.end is not None for run in account.runs)


@given(seeds, seconds)
def test_work_ends_when_it_is_told_to(seed: int, seconds: float) -> None:
    """The last part is made no later than the longest first run or the states that must be finished allow."""
    last = max(event.at for event in work(seed, seconds) if event.kind == "count")
    assert last - BEGIN <= max(seconds, 8 + SHORTEST) + 2 * SHORTEST + 2


@given(seeds, st.floats(60, 3600))
def test_a_shift_fits_the_request_budget(seed: int, seconds: float) -> None:
    """Two requests for each run and state and one for each scrap code in an output window: at most 0.6 a second."""
    events = work(seed, seconds)
    account = plant_account(events)
    requests = 1 + 2 * len(account.runs) + 2 * len(account.states)
    for run in account.runs:
        windows: dict[int, set[str]] = {}
        for event in events:
            if event.kind in ("count", "scrap") and run.start <= event.at < (run.end or 0):
                code = event.code if event.kind == "scrap" else event.tag if event.tag == "Reject" else ""
                windows.setdefault(int((event.at - run.start) / WINDOW), set()).add(code)
        requests += sum(max(1, len(codes - {""})) for codes in windows.values())
    assert requests / (events[-1].at - BEGIN) <= 0.6
