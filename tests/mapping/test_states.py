"""States: a code table, held against chatter."""

from typing import Any

import pytest

from gateway.mapping.line import LineState
from tests.mapping.recording import LINE, message, plan, play, tag, tick

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
    ("keys", "value", "found"),
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
def test_code_matches_as_text(keys: list[Any], value: object, found: bool) -> None:
    """A code is the same as number, as text and as a boolean, however it was written."""
    line = states(codes={key: {"category": "Found"} for key in keys}, other=None, hold="0s")
    played = play(line, tag(10, "State", value))
    assert played.texts == (["start STATE 1 at 10: Found"] if found else [])
    assert len(played.notices) == (0 if found else 1)


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
    """A state with a source time before the last start follows it by a second."""
    played = play(STATES, tag(100, "State", 1), tick(110), tag(120, "State", 3, source=50), tick(130))
    assert played.texts[1:] == ["end STATE 1 at 101", "start STATE 2 at 101: Unplanned Downtime, Jam"]


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
