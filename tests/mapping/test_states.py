"""States: a code table, held against chatter."""

from typing import Any

import pytest

from gateway.mapping.line import LineState
from gateway.mapping.states import MOST_PARTS
from tests.mapping.recording import LINE, message, plan, play, scrap, tag, tick

STATES = plan(run=None, scrap_yield=None)


def states(**changes: Any) -> Any:
    return plan(run=None, scrap_yield=None, states={**LINE["states"], **changes})


def test_state_is_recorded_after_it_held_with_its_true_start() -> None:
    """The end of one is the start of the next, as records of their own, the end first."""
    played = play(STATES, tag(10.9, "State", 1), tag(60.5, "State", 3), tick(65.4))
    assert played.texts == ["start STATE 1 at 10: Uptime"]
    assert play(STATES, tick(65.5), state=played.state).texts == [
        "end STATE 1 at 60",
        "start STATE 2 at 60: Unplanned Downtime, Jam",
    ]


@pytest.mark.parametrize(
    ("keys", "value", "matches"),
    [
        ([1], 1, True),
        ([1], 1.0, True),
        ([1], "1", True),
        (["1"], 1, True),
        ([1], True, True),
        ([0], False, True),
        (["true"], True, True),
        (["RUN"], "RUN", True),
        ([1], 2, False),
        ([1], "one", False),
        ([1], 1.5, False),
    ],
)
def test_code_matches_as_text(keys: list[Any], value: object, matches: bool) -> None:
    """A code is the same as number, as text and as a boolean, however it was written."""
    line = states(codes={key: {"category": "Found"} for key in keys}, other=None, hold="0s")
    played = play(line, tag(10, "State", value))
    assert played.texts == (["start STATE 1 at 10: Found"] if matches else [])
    assert len(played.notices) == (0 if matches else 1)


def test_other_is_filled_in() -> None:
    """A code that the table does not have is told by the pattern; another such code is another state."""
    played = play(STATES, tag(10, "State", 17), tag(20, "State", 18.0), tick(30))
    assert played.texts == [
        "start STATE 1 at 10: Unplanned Downtime, PLC code 17",
        "end STATE 1 at 20",
        "start STATE 2 at 20: Unplanned Downtime, PLC code 18",
    ]


def test_without_other_the_last_state_stays() -> None:
    """An unlisted code is noticed once, and the state goes on."""
    played = play(
        states(other=None), tag(10, "State", 1), tag(20, "State", 9), tag(30, "State", 9), tag(40, "State", 1), tick(50)
    )
    assert played.texts == ["start STATE 1 at 10: Uptime"]
    assert len(played.notices) == 1
    assert "9" in played.notices[0].text


def test_two_codes_with_one_meaning_are_one_state() -> None:
    """What Oden would show alike is one interval."""
    line = states(codes={1: {"category": "Uptime"}, 2: {"category": "Uptime"}}, hold="0s")
    assert play(line, tag(10, "State", 1), tag(20, "State", 2), tag(30, "State", 1)).texts == [
        "start STATE 1 at 10: Uptime"
    ]


def test_chatter_leaves_nothing() -> None:
    """States shorter than `hold` are not recorded, and one that they interrupt goes on."""
    chatter = [tag(20 + step, "State", 3 if step % 2 else 2) for step in range(10)]
    played = play(STATES, tag(10, "State", 1), *chatter, tag(33, "State", 1), tick(60))
    assert played.texts == ["start STATE 1 at 10: Uptime"]


def test_p2_value_repeated_while_it_is_held_begins_nothing_anew() -> None:
    """The same code again, from a new subscription, neither moves the start nor the wait."""
    played = play(STATES, tag(10, "State", 1), tick(20), tag(30, "State", 3), tag(33, "State", 3), tick(35))
    assert played.texts[1:] == ["end STATE 1 at 30", "start STATE 2 at 30: Unplanned Downtime, Jam"]


def test_last_of_several_short_states_counts() -> None:
    """The short ones before it belong to the state before."""
    played = play(STATES, tag(10, "State", 1), tag(20, "State", 2), tag(22, "State", 3), tick(60))
    assert played.texts[1:] == [
        "end STATE 1 at 22",
        "start STATE 2 at 22: Unplanned Downtime, Jam",
    ]


def test_p2_known_state_is_no_change() -> None:
    """The value after a new subscription, and bad quality in between, change nothing."""
    events = (
        tag(10, "State", 1),
        tick(20),
        tag(30, "State", None, quality="bad"),
        tag(40, "State", 1, source=10),
        tick(60),
    )
    assert play(STATES, *events, restarts=True).texts == ["start STATE 1 at 10: Uptime"]


def test_late_value_does_not_reach_behind_the_last_start() -> None:
    """A state with a source time before the last start follows it by a second; one of more than a second before what
    the tag said last is of a clock that was set back, and begins when it arrives."""
    played = play(STATES, tag(100, "State", 1), tick(110), tag(120, "State", 3, source=99.5), tick(130))
    assert played.texts[1:] == ["end STATE 1 at 101", "start STATE 2 at 101: Unplanned Downtime, Jam"]
    played = play(STATES, tag(100, "State", 1), tick(110), tag(120, "State", 3, source=50), tick(130))
    assert played.texts[1:] == ["end STATE 1 at 120", "start STATE 2 at 120: Unplanned Downtime, Jam"]


def test_three_states_in_one_second() -> None:
    """Each is a second after the one before: no two share a start."""
    events = [tag(10 + step / 10, "State", step) for step in (1, 2, 3)]
    texts = play(states(hold="0s"), *events).texts
    assert [text.split(":")[0] for text in texts] == [
        "start STATE 1 at 10",
        "end STATE 1 at 11",
        "start STATE 2 at 11",
        "end STATE 2 at 12",
        "start STATE 3 at 12",
    ]


def test_reason_that_another_input_gives() -> None:
    """A new reason for the same code is another state, from then on; without a reason there is none."""
    inputs = {"state": {"source": "plc", "node": "State"}, "why": {"source": "mes", "topic": "why"}}
    table = {"input": "state", "codes": {1: {"category": "Uptime"}, 3: {"category": "Down", "reason": "{why}"}}}
    line = plan(inputs=inputs, run=None, scrap_yield=None, states=table)
    events = (tag(10, "State", 3), message(20, "why", "Knife"), tag(30, "State", 1), message(40, "why", "Gel"))
    assert play(line, *events).texts == [
        "start STATE 1 at 10: Down",
        "end STATE 1 at 20",
        "start STATE 2 at 20: Down, Knife",
        "end STATE 2 at 30",
        "start STATE 3 at 30: Uptime",
    ]


def test_changed_table_counts_from_now_on() -> None:
    """A code that is configured to mean something else is another state from the moment that is known."""
    played = play(STATES, tag(10, "State", 3), tick(20))
    line = states(codes={3: {"category": "Blocked"}}, hold="0s")
    assert play(line, tag(500, "State", 3, source=10), state=played.state).texts == [
        "end STATE 1 at 500",
        "start STATE 2 at 500: Blocked",
    ]


def test_nothing_known_is_no_state() -> None:
    """Before the first good value there is nothing to record."""
    played = play(STATES, tag(10, "State", None, quality="bad"), tick(500))
    assert played.records == []
    assert played.state != LineState()


@pytest.mark.parametrize(("lasted", "recorded"), [(59.875, False), (60, True), (60.125, True)])
def test_stop_of_exactly_the_limit_is_no_short_one(lasted: float, recorded: bool) -> None:
    """A short stop lasts for less than `under`, also where its end is learnt only later, by the plant's own times."""
    line = states(short_stops={"under": "60s", "during": ["Uptime"]})
    changes = [(1, 10), (3, 100), (1, 100 + lasted)]
    played = play(line, *(tag(4000, "State", code, source=at) for code, at in changes), tick(4100))
    assert ("start STATE 2 at 100: Unplanned Downtime, Jam" in played.texts) is recorded


@pytest.mark.parametrize(("lasted", "recorded"), [(59.875, False), (60, True), (60.125, True)])
def test_stop_that_is_known_to_be_none_is_recorded_at_once(lasted: float, recorded: bool) -> None:
    """Where the plant's own times show that a stop is too long for a short one, nobody has to wait for its end."""
    line = states(short_stops={"under": "60s", "during": ["Uptime"]})
    changes = [(1, 10), (3, 100), (2, 100 + lasted)]
    played = play(line, *(tag(4000, "State", code, source=at) for code, at in changes), tick(4010))
    assert ("start STATE 2 at 100: Unplanned Downtime, Jam" in played.texts) is recorded


@pytest.mark.parametrize(("parts", "recorded"), [(MOST_PARTS, False), (MOST_PARTS + 1, True)])
def test_p12_short_stop_has_no_more_states_than_are_kept(parts: int, recorded: bool) -> None:
    """A stop in which the state changes again and again is recorded once it has more states than are kept of one."""
    line = states(short_stops={"under": "1h", "during": ["Uptime"]})
    changes = [tag(100 + 6 * number, "State", 2 + number % 2) for number in range(parts)]
    played = play(line, tag(10, "State", 1), *changes, tag(100 + 6 * parts, "State", 1), tick(2000))
    assert ("start STATE 2 at 100: Planned Downtime, Changeover" in played.texts) is recorded


@pytest.mark.parametrize(("changed", "start"), [(99.5, 500), (100, 101), (130, 130)])
def test_state_that_changed_in_the_instant_of_the_loss_is_new(changed: float, start: int) -> None:
    """What changed before the source was lost was known then, and counts from now on when the source is back."""
    line = states(offline={"after": "30s", "category": "No Data"})
    lost, back = tag(100, "State", None, quality="bad"), tag(500, "State", 3, source=changed)
    played = play(line, tag(10, "State", 1), lost, back, tick(600))
    assert played.texts[-1] == f"start STATE 3 at {start}: Unplanned Downtime, Jam"


@pytest.mark.parametrize(
    ("arrival", "changes", "texts"),
    [
        (102, {}, ["start STATE 2 at 100: Unplanned Downtime, Blade"]),
        (150, {}, ["start STATE 2 at 100: Unplanned Downtime, Jam", "update STATE 2: Blade"]),
        (
            110,
            {"short_stops": {"under": "60s", "during": ["Uptime"]}},
            ["start STATE 2 at 100: Unplanned Downtime, Jam", "update STATE 2: Blade"],
        ),
    ],
    ids=["has yet to hold", "is recorded", "can be a short stop"],
)
def test_description_in_the_instant_in_which_a_state_begins_is_of_that_state(
    arrival: float, changes: dict[str, Any], texts: list[str]
) -> None:
    """Of two states that meet the later one is meant."""
    line = states(operator={"event": "scrap", "reason": "{scrap.code}"}, **changes)
    played = play(line, tag(10, "State", 1), tag(100, "State", 3), scrap(arrival, 1, "Blade", at=100), tick(155))
    assert played.texts[2:] == texts


@pytest.mark.parametrize(("lasted", "recorded"), [(4.875, False), (5, True), (5.125, True)])
def test_state_that_lasted_for_exactly_the_hold_time_has_held(lasted: float, recorded: bool) -> None:
    """What the plant's own times show to have held for `hold` is recorded, though all came at once."""
    played = play(
        STATES, *(tag(4000, "State", code, source=at) for code, at in [(1, 10), (3, 10 + lasted)]), tick(4100)
    )
    assert ("start STATE 1 at 10: Uptime" in played.texts) is recorded


@pytest.mark.parametrize(("at", "meant"), [(399.5, True), (400, True), (400.5, False)])
def test_description_of_a_state_that_has_been_over_for_exactly_the_limit(at: float, meant: bool) -> None:
    """A state can be described until it has been over for `within`; later than that it is not what was meant."""
    operator = {"event": "scrap", "reason": "{scrap.code}", "of": ["Unplanned Downtime"], "within": "5m"}
    line = states(operator=operator)
    changes = [tag(50, "State", 3), tag(100, "State", 1)]
    played = play(line, *changes, scrap(401, 1, "Blade", at=at))
    assert ("update STATE 1: Blade" in played.texts) is meant
    assert len(played.notices) == (0 if meant else 1)


@pytest.mark.parametrize(("since", "recorded"), [(95.125, False), (95, True), (94.875, True)])
def test_state_that_held_until_the_source_was_lost_is_recorded(since: float, recorded: bool) -> None:
    """What had held for exactly `hold` when the source was lost was so, although its time had not come yet."""
    line = states(offline={"after": "1s", "category": "No Data"})
    late, lost = tag(98, "State", 3, source=since), tag(100, "State", None, quality="bad")
    played = play(line, tag(10, "State", 1), late, lost, tick(200))
    assert (f"start STATE 2 at {int(since)}: Unplanned Downtime, Jam" in played.texts) is recorded
    assert "No Data" in played.texts[-1]
