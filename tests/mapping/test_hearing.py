"""P13: nobody knows, nothing runs out. Waits over a loss of the source on which they rest, for each kind of wait and of
source; what is lost begins when it was last heard.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.mapping.compile import LinePlan
from gateway.mapping.events import MOST_UNHEARD
from gateway.mapping.feeder import due, time_of
from gateway.mapping.feeder import feed as taken
from gateway.mapping.line import LineState, Tick, after_absence, dump, load
from gateway.mapping.trail import Feed
from gateway.model import Contact, Record, Sample
from tests.mapping.recording import T0, back, fed, lost, message, plan, tag, tick

MESSAGES: Mapping[str, Mapping[str, Any]] = {
    "state": {"source": "mes", "topic": "state", "field": "v", "time": "at"},
    "order": {"source": "mes", "topic": "order", "field": "v", "time": "at"},
    "good": {"source": "mes", "topic": "good", "field": "v", "time": "at", "counter": {}},
}
TAGS: Mapping[str, Mapping[str, Any]] = {
    "state": {"source": "plc", "node": "state"},
    "order": {"source": "plc", "node": "order"},
    "good": {"source": "plc", "node": "good", "counter": {}},
}
RUNS = {"run": {"key": "order", "product": "P", "name": "{order}"}}
CODES = {1: {"category": "Uptime"}, 3: {"category": "Down", "reason": "Jam"}}
NONE: Mapping[str, Any] = {"run": None, "states": None, "scrap_yield": None}

WAITS: Mapping[str, tuple[Mapping[str, Any], list[tuple[float, str, Any]], list[tuple[float, str, Any]], list[str]]] = {
    "hold": (
        {"states": {"input": "state", "codes": CODES, "hold": "60s"}},
        [(0, "state", 1), (100, "state", 3)],
        [(110, "state", 1)],
        ["start STATE 1 at 0: Uptime"],
    ),
    "short_stops": (
        {
            "states": {
                "input": "state",
                "codes": CODES,
                "hold": "2s",
                "short_stops": {"under": "2m", "during": ["Uptime"]},
            }
        },
        [(0, "state", 1), (100, "state", 3)],
        [(130, "state", 1)],
        ["start STATE 1 at 0: Uptime"],
    ),
    "end when for": (
        {"run": {"key": "order", "product": "P", "name": "{order}", "end": {"when": "state == 3", "for": "5m"}}},
        [(0, "order", "A"), (0, "state", 1), (100, "state", 3)],
        [(200, "state", 1)],
        ["start RUN 1 at 0: A, P"],
    ),
    "start when for": (
        {"run": {"start": {"when": "state == 1", "for": "5m"}, "end": {"when": "state == 3"}, "product": "P"}},
        [(0, "state", 3), (100, "state", 1)],
        [(200, "state", 3)],
        [],
    ),
    "idle": (
        {"run": {"key": "order", "product": "P", "name": "{order}", "end": {"idle": "5m"}}},
        [(0, "order", "A"), (0, "good", 1), (100, "good", 2)],
        [(300, "good", 3), (500, "good", 4), (700, "good", 5), (900, "good", 6), (999, "good", 7)],
        ["start RUN 1 at 0: A, P"],
    ),
    "empty_for": (
        {"run": {"key": "order", "product": "P", "name": "{order}", "empty_for": "2m"}},
        [(0, "order", "A"), (100, "order", "")],
        [(150, "order", "A")],
        ["start RUN 1 at 0: A, P"],
    ),
    "settle": (
        {"run": {"key": "order", "product": "P", "name": "{order}", "settle": "10s"}},
        [(0, "order", "A"), (100, "order", "B")],
        [(105, "order", "A")],
        ["start RUN 1 at 0: A, P"],
    ),
}


def said(inputs: Mapping[str, Mapping[str, Any]], name: str, at: float, value: Any, arrives: float) -> Sample:
    """What an input says of the time `at`, as it arrives."""
    if inputs is TAGS:
        return tag(arrives, name, value, source=at, initial=arrives > at)
    return message(arrives, name, {"v": value, "at": T0 + at})


@pytest.mark.parametrize("ticks", [False, True])
@pytest.mark.parametrize("kind", ["messages", "tags"])
@pytest.mark.parametrize("wait", WAITS)
def test_p13_nothing_runs_out_while_nobody_knows(wait: str, kind: str, ticks: bool) -> None:
    """What ended the wait in time was said while its source was lost, and is heard 900 s later: as if it had been heard
    at once. Time passes on the line, and other sources speak of it.
    """
    section, before, missed, expected = WAITS[wait]
    inputs = TAGS if kind == "tags" else MESSAGES
    if kind == "tags" and wait == "idle":
        missed = missed[-1:]  # of a tag, the last value only is heard
    used = {name: inputs[name] for name in {name for _, name, _ in (*before, *missed)}}
    line = plan(**{**NONE, "inputs": {**used, "other": {"source": "third", "node": "other"}}, **section})
    source = "plc" if kind == "tags" else "mes"
    events: list[Sample | Contact | Tick] = [said(inputs, name, at, value, at) for at, name, value in before]
    if kind == "tags":
        gone = [tag(102, name, None, quality="bad") for name in used]
        events += [lost(102, source), *gone]
    else:
        events += [lost(103, source, since=102)]
    events += [Sample("third", "other", at, T0 + at) for at in (150, 400)]
    events += [tick(at) for at in (200, 500, 900)]
    events.append(back(1000, source))
    events += [said(inputs, name, at, value, 1000.1 + number / 10) for number, (at, name, value) in enumerate(missed)]
    events.append(tick(1020))
    played = fed(line, *events, ticks=ticks)
    assert played.texts == expected
    undisturbed = fed(line, *(said(inputs, name, at, value, at) for at, name, value in (*before, *missed)), tick(1020))
    if wait != "idle":
        assert undisturbed.texts == expected


@pytest.mark.parametrize("kind", ["messages", "tags"])
@pytest.mark.parametrize("wait", [name for name in WAITS if name not in ("idle", "empty_for", "settle")])
def test_p13_what_was_so_all_the_time_is_told_once_it_is_known(wait: str, kind: str) -> None:
    """Nothing else was said while the source was lost: what waited is told then, with its true time."""
    section, before, _, _ = WAITS[wait]
    inputs = TAGS if kind == "tags" else MESSAGES
    source = "plc" if kind == "tags" else "mes"
    used = {name: inputs[name] for name in {name for _, name, _ in before}}
    line = plan(**{**NONE, "inputs": used, **section})
    events: list[Sample | Contact | Tick] = [said(inputs, name, at, value, at) for at, name, value in before]
    events.append(lost(102, source))
    if kind == "tags":
        events += [tag(102, name, None, quality="bad") for name in used]
    events += [tick(500), back(1000, source)]
    at_once = fed(line, *events)
    if kind == "tags":
        newest = {each[1]: each for each in before}.values()
        events += [said(inputs, name, at, value, 1000.1) for at, name, value in newest]
    told = fed(line, *events, tick(1003))
    undisturbed = fed(line, *(said(inputs, name, at, value, at) for at, name, value in before), tick(1003))
    assert at_once.texts == [text for text in undisturbed.texts if text in at_once.texts]
    assert at_once.texts != undisturbed.texts
    assert told.texts == undisturbed.texts


OFFLINE = {"states": {"input": "state", "codes": CODES, "offline": {"after": "60s", "category": "No Data"}}}


@pytest.mark.parametrize("kind", ["messages", "tags"])
def test_p13_offline_begins_when_the_source_was_last_heard(kind: str) -> None:
    """That is noticed 40 s later; and ends when it can be reached again, without a message that says the same again."""
    inputs = TAGS if kind == "tags" else MESSAGES
    source = "plc" if kind == "tags" else "mes"
    line = plan(**{**NONE, "inputs": {"state": inputs["state"]}, **OFFLINE})
    events: list[Sample | Contact | Tick] = [said(inputs, "state", 0, 1, 0), lost(140, source, since=100)]
    if kind == "tags":
        events.append(tag(140, "state", None, quality="bad"))
    events += [tick(200), back(1000, source)]
    if kind == "tags":
        events.append(tag(1000.2, "state", 1, source=0, initial=True))
    played = fed(line, *events, tick(1010))
    ended = 1000
    assert played.texts == [
        "start STATE 1 at 0: Uptime",
        "end STATE 1 at 100",
        "start STATE 2 at 100: No Data",
        f"end STATE 2 at {ended}",
        f"start STATE 3 at {ended}: Uptime",
    ]


def test_p13_offline_does_not_begin_where_the_source_was_back_in_time() -> None:
    """It is back after 59 s, and what it has to say is heard for two seconds more."""
    line = plan(**{**NONE, "inputs": {"state": MESSAGES["state"]}, **OFFLINE})
    played = fed(line, said(MESSAGES, "state", 0, 1, 0), lost(100, "mes"), tick(158), back(159, "mes"), tick(170))
    assert played.texts == ["start STATE 1 at 0: Uptime"]


def test_p13_a_backlog_is_heard_out_for_a_minute_at_most() -> None:
    """A sender that is behind for good does not hold back for ever what rests on it."""
    section, _, _, _ = WAITS["hold"]
    line = plan(**{**NONE, "inputs": {"state": MESSAGES["state"]}, **section})
    events: list[Sample | Contact | Tick] = [said(MESSAGES, "state", 0, 1, 0), lost(10, "mes"), back(1000, "mes")]
    events += [said(MESSAGES, "state", at - 100, 3 if at > 1010 else 1, at) for at in range(1001, 1100, 1)]
    state, told_at = Feed(LineState()), None
    for event in events:
        state, result = taken(line, state, event)
        if any("Jam" in str(record) for record in result.records):
            told_at = told_at or time_of(event) - T0
    assert told_at is not None
    assert told_at >= 1011
    assert not state.state.lost


def test_p13_a_gateway_that_was_off_lets_nothing_run_out() -> None:
    """A stop of ten seconds, of which the end was said while the gateway was off: no jam; the sources count as heard
    again once each has said what it had to.
    """
    section, _, _, _ = WAITS["hold"]
    line = plan(**{**NONE, "inputs": {"state": MESSAGES["state"]}, **section})
    before = fed(line, said(MESSAGES, "state", 0, 1, 0), said(MESSAGES, "state", 100, 3, 100), tick(101)).state
    started = Feed(after_absence(line, load(line, dump(before))))
    assert due(line, started) is None
    later: list[Sample | Contact | Tick] = [tick(1000), back(1001, "mes"), said(MESSAGES, "state", 110, 1, 1001.5)]
    later.append(tick(1100))
    texts: list[Record] = []
    for event in later:
        started, result = taken(line, started, event)
        texts += result.records
    assert texts == []
    assert not started.state.lost


def test_p13_no_data_is_not_told_of_the_time_that_the_gateway_was_off() -> None:
    """What is not known is our doing; the state from before goes on."""
    line = plan(**{**NONE, "inputs": {"state": TAGS["state"]}, **OFFLINE})
    before = fed(line, tag(0, "state", 1), tick(50)).state
    started = Feed(after_absence(line, load(line, dump(before))))
    told: list[Record] = []
    later = (tick(5000), back(5001, "plc"), tag(5001.2, "state", 1, source=0, initial=True), tick(5100))
    for event in later:
        started, result = taken(line, started, event)
        told += result.records
    assert told == []


@pytest.mark.parametrize("wait", ["fresh", "heartbeat"])
def test_p13_silence_is_not_noticed_while_the_source_is_lost(wait: str) -> None:
    """The broker is away for longer than `fresh`: it is the broker that is listed, not the sender."""
    line = plan(**{**NONE, "inputs": {"state": {**TAGS["state"], wait: "60s"}, "quiet": {"stale": "state"}}})
    events: list[Sample | Contact | Tick] = [tag(0, "state", 1), lost(30, "plc"), tick(500), back(600, "plc")]
    assert not fed(line, *events, tag(600, "state", 2), tick(610)).notices
    assert fed(line, tag(0, "state", 1), tick(500)).notices


def test_p13_what_rests_on_other_sources_goes_on() -> None:
    """An order that a message brings while the PLC is lost begins at once."""
    inputs = {"state": TAGS["state"], "order": MESSAGES["order"]}
    line = plan(**{**NONE, "inputs": inputs, "run": {"key": "order", "product": "P", "name": "{order}"}})
    played = fed(line, tag(0, "state", 1), lost(10, "plc"), said(MESSAGES, "order", 20, "A", 20), tick(25))
    assert played.texts == ["start RUN 1 at 20: A, P"]


def plan_of(section: Mapping[str, Any], inputs: Mapping[str, Any]) -> LinePlan:
    return plan(**{**NONE, "inputs": inputs, **section})


def test_p13_a_parts_gap_begins_when_the_source_was_last_heard() -> None:
    """The order changed after the PLC was last heard and before that was noticed: what was made goes to the run that
    was on when it was last heard.
    """
    inputs = {"good": TAGS["good"], "order": MESSAGES["order"]}
    section = {
        "run": {"key": "order", "product": "P", "name": "{order}"},
        "scrap_yield": {"entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]},
    }
    line = plan_of(section, inputs)
    events: list[Sample | Contact | Tick] = [said(MESSAGES, "order", 0, "A", 0), tag(1, "good", 10)]
    events.append(said(MESSAGES, "order", 120, "B", 120))
    events += [lost(130, "plc", since=100), tag(130, "good", None, quality="bad"), back(300, "plc")]
    played = fed(line, *events, tag(300.1, "good", 25, initial=True), tick(500))
    assert [text for text in played.texts if "output" in text] == ["output of 1 at 119: yield 15"]


def test_p12_what_is_remembered_of_an_outages_keys_is_bounded() -> None:
    """A broker that hands over hundreds of orders at once, none of which stayed: each is listed, in its order, and the
    memory of the line does not grow with them."""
    orders = plan(**{**NONE, "inputs": {"order": {"source": "mes", "topic": "order", "field": "v"}}, **RUNS})
    keys = [f"B{number:03}" for number in range(300)]
    events: list[Sample | Contact | Tick] = [message(0, "order", {"v": "A"}), tick(30)]
    events += [lost(101, "mes", since=100), back(400, "mes")]
    events += [message(400 + number / 1000, "order", {"v": key}) for number, key in enumerate(keys)]
    assert len(fed(orders, *events).state.runs.missed) == MOST_UNHEARD
    told = [notice.text for notice in fed(orders, *events, tick(700)).notices]
    assert [text.split()[1] for text in told if "came and went" in text] == keys[:-1]
