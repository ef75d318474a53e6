"""P13: what a source has kept of the time in which it was not heard leaves what there would be without the outage."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import Line
from gateway.mapping import recovery
from gateway.mapping.compile import compile_line
from gateway.mapping.feeder import Event, after_restart, feed, time_of
from gateway.mapping.line import LineState
from gateway.mapping.trail import MOST_AT_ALL, Feed
from gateway.model import Moment, Recovered, Sample
from tests.mapping.laws import examples
from tests.mapping.recording import T0, Played, back, fed, lost, message, tag, tick
from tests.mapping.test_outages import what_is_at_oden
from tests.mapping.test_trail_log import run

GIVEN: Mapping[str, Any] = {
    "factory": "Factory A",
    "line": "Line 01",
    "inputs": {
        "order": {"source": "mes", "topic": "order", "field": "v"},
        "scrap": {"source": "mes", "topic": "scrap"},
        "state": {"source": "plc", "node": "state"},
        "good": {"source": "plc", "node": "good", "counter": {}},
        "pulse": {"source": "plc", "node": "pulse", "edge": "any"},
    },
    "run": {"key": "order", "product": "P", "name": "{order}", "settle": "2s"},
    "states": {
        "input": "state",
        "codes": {1: {"category": "Uptime"}, 3: {"category": "Down"}},
        "hold": "30s",
        "offline": {"after": "60s", "category": "No Data"},
    },
    "scrap_yield": {
        "entries": [
            {"count": "good", "raw_data": {"yield": "{n}"}},
            {"count": "pulse", "raw_data": {"rework": "{n}"}},
            {"count": "scrap.qty", "raw_data": {"scrap": "{n}"}},
        ]
    },
}
KEEPING = compile_line(Line.model_validate(GIVEN), (), keepers=frozenset({"plc"}))
FORGETTING = compile_line(Line.model_validate(GIVEN), ())


def machine(until: float) -> list[Sample]:
    """A count every ten seconds, a state that changes, now and then too shortly, a bit that toggles with every third
    part."""
    said = [tag(0.2, "state", 1), tag(0.3, "pulse", False)]
    said += [tag(at, "good", at // 10) for at in range(10, int(until), 10)]
    said += [tag(at + 3.3, "pulse", at // 30 % 2 == 1) for at in range(30, int(until) - 4, 30)]
    for number, at in enumerate(range(700, int(until) - 120, 250)):
        said += [tag(at + 20.5, "state", 3), tag(at + (30.5 if number % 2 else 90.5), "state", 1)]
    return sorted(said, key=lambda sample: sample.received)


def office(until: float) -> list[Sample]:
    """Orders and scrap."""
    said = [message(0.0, "order", {"v": "A0"})]
    for number, at in enumerate(range(750, int(until), 370), 1):
        said += [message(at + 0.7, "order", {"v": f"A{number}"}), message(at + 104.6, "scrap", {"qty": number})]
    return said


def unknown(at: float) -> list[Sample]:
    """Nothing is known of the machine any more."""
    return [Sample("plc", node, None, T0 + at, quality="bad") for node in ("state", "good", "pulse")]


def kept(said: Iterable[Sample], since: float, at: float, missing: Iterable[str] = ()) -> Recovered:
    return Recovered("plc", T0 + at, T0 + since, tuple(Moment((one,)) for one in said), frozenset(missing))


def newest(said: Iterable[Sample], at: float) -> list[Sample]:
    """The first values of a new session: as they are `at` a time."""
    values = {sample.address: sample for sample in said if sample.received <= T0 + at}
    return [replace(sample, received=T0 + at, initial=True) for sample in values.values()]


def outage(until: float, begun: float, ended: float, missing: Iterable[str] = ()) -> list[Event]:
    """The machine is not heard, and then what it has kept, but for `missing`."""
    said, gone = machine(until), {*missing}
    away = [one for one in said if T0 + begun < one.received <= T0 + ended]
    events: list[Event] = [*(one for one in said if one not in away), *office(until)]
    events += [lost(begun + 20, "plc", since=begun), *unknown(begun + 20), back(ended, "plc")]
    events.append(kept((one for one in away if one.address not in gone), begun, ended, gone))
    events += newest(said, ended + 0.2)
    return sorted(events, key=lambda event: (time_of(event), isinstance(event, Sample), isinstance(event, Recovered)))


def undisturbed(until: float) -> Played:
    said = sorted([*machine(until), *office(until)], key=lambda sample: sample.received)
    return fed(FORGETTING, *said, tick(until + 200))


def at_rest(played: Played) -> tuple[list[tuple[object, ...]], dict[tuple[object, str], float]]:
    """Without the second that is left of what was told of an outage and never was."""
    intervals, sums = what_is_at_oden(played)
    return [one for one in intervals if one[3] is None or int(str(one[3])) - T0 - float(str(one[1])) > 1], sums


@pytest.fixture(params=[recovery.MOST_AT_ONCE, 37], ids=["at once", "in parts"])
def _many_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept is put back in one go, or as more than a line remembers is."""
    monkeypatch.setattr(recovery, "MOST_AT_ONCE", request.param)
    if request.param == 37:
        monkeypatch.setattr(recovery, "MOST_AT_ALL", 2 * request.param)


@pytest.mark.usefixtures("_many_at_once")
@pytest.mark.parametrize("ticks", [False, True])
@pytest.mark.parametrize("seconds", [600, 3 * 3600])
def test_p13_an_outage_of_which_all_was_kept_is_none(seconds: int, ticks: bool) -> None:
    """Orders and scrap come all the time; counts, states and edges of the machine come afterwards. At rest the runs,
    their parts, and the states are what they would have been."""
    until = 1000 + seconds + 700
    disturbed = fed(KEEPING, *outage(until, 1003, 1003 + seconds), tick(until + 200), ticks=ticks)
    assert at_rest(disturbed) == at_rest(undisturbed(until))
    assert [notice.text for notice in disturbed.notices if notice.kind == "gap"] == []


def test_without_history_the_same_outage_is_seen() -> None:
    """The test above can fail."""
    until = 2300
    events = [event for event in outage(until, 1003, 1603) if not isinstance(event, Recovered)]
    assert at_rest(fed(FORGETTING, *events, tick(until + 200))) != at_rest(undisturbed(until))


@examples(8)
@given(
    st.lists(st.tuples(st.integers(300, 4000), st.integers(30, 900)), min_size=1, max_size=3, unique_by=lambda o: o[0]),
    st.booleans(),
)
def test_p13_several_outages_of_any_length(outages: list[tuple[int, int]], ticks: bool) -> None:
    until, before = 5200, 0
    events: list[Event] = [*office(until)]
    said = machine(until)
    for begun, seconds in sorted(outages):
        if begun <= before + 30:
            continue
        ended = begun + seconds
        away = [one for one in said if T0 + begun + 0.9 < one.received <= T0 + ended + 0.9]
        said = [one for one in said if one not in away]
        told = min(begun + 20.9, ended)
        events += [lost(told, "plc", since=begun + 0.9), *unknown(told), back(ended + 0.9, "plc")]
        events += [kept(away, begun + 0.9, ended + 0.9), *newest([*machine(until)], ended + 1)]
        before = ended + 1
    events = sorted(
        [*events, *said], key=lambda event: (time_of(event), isinstance(event, Sample), isinstance(event, Recovered))
    )
    assert at_rest(fed(KEEPING, *events, tick(until + 200), ticks=ticks)) == at_rest(undisturbed(until))


def test_what_is_missing_leaves_the_source_lost() -> None:
    """Where the state was not kept nobody knows it; what was counted is put where it belongs."""
    until = 2300
    disturbed = fed(KEEPING, *outage(until, 1003, 1603, missing=["state"]), tick(until + 200))
    intervals, sums = what_is_at_oden(disturbed)
    wanted, wanted_sums = what_is_at_oden(undisturbed(until))
    assert [one for one in intervals if one[0] == "RUN"] == [one for one in wanted if one[0] == "RUN"]
    assert sums == wanted_sums
    assert any(one[0] == "STATE" and one[1] == 1003 for one in intervals), "No Data"


def kept_up_to(until: float, begun: float, known: float, ended: float) -> list[Event]:
    """The machine is not heard, and has kept what it did up to the time `known`, and nothing of what it did then."""
    events = [event for event in outage(until, begun, ended) if not isinstance(event, Recovered)]
    away = [one for one in machine(until) if T0 + begun < one.received <= T0 + known]
    of_tags = dict.fromkeys(("state", "good", "pulse"), T0 + known)
    recovered = replace(kept([*away, *unknown(known)], begun, ended, of_tags), until=of_tags)
    place = next(place for place, event in enumerate(events) if time_of(event) > T0 + ended)
    return [*events[:place], recovered, *events[place:]]


@pytest.mark.usefixtures("_many_at_once")
@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("known", [1010, 1403, 1570])
def test_p13_a_source_that_has_kept_all_up_to_a_time_was_lost_then(known: int, *, restarts: bool) -> None:
    """What the history was not read of is an outage that began so much later, and was told as any; what it was read of
    is none."""
    until = 2300
    later = fed(KEEPING, *(e for e in outage(until, known, 1603) if not isinstance(e, Recovered)), tick(until + 200))
    events = [*kept_up_to(until, 1003, known, 1603), tick(until + 200)]
    cuts = [7] * (len(events) // 7)
    store = run(events, cuts, [restarts] * len(cuts), KEEPING)
    assert at_rest(Played(store.line.state, store.records, store.notices)) == at_rest(later)


@pytest.mark.parametrize("parts", [1, 2, 7])
@pytest.mark.parametrize("restart", [False, True])
def test_p13_what_a_device_had_kept_comes_after_its_birth_in_parts(parts: int, *, restart: bool) -> None:
    """As of an edge node that could not send: its source is heard all the time, the present comes first. What was made,
    and the stops in that time, are those that there would be; also where the gateway was off just before. Where
    nothing was kept of a tag, nobody knows that it has not changed."""
    begun, ended, until = 1003, 1603, 2300
    said = machine(until)
    away = [one for one in said if T0 + begun < one.received <= T0 + ended]
    flushed = [kept(away[part::parts], begun, ended + 5 + part * 2) for part in range(parts)]
    events: list[Event] = [*(one for one in said if one not in away), *office(until), *unknown(begun + 0.5)]
    events += [*newest(said, ended + 0.2), *(replace(one, in_part=True) for one in flushed)]
    events = sorted(events, key=lambda event: (time_of(event), isinstance(event, Sample), isinstance(event, Recovered)))
    store = run([], [], [], KEEPING)
    for event in [*events, tick(until + 200)]:
        if restart and time_of(event) > T0 + 1607:
            restart = False
            store.commit(anew=True)
            store.restart()
            store.line = after_restart(KEEPING, store.line)
            for source in ("plc", "mes"):
                store.take(back(1607.5, source))
        store.take(event)
    played = Played(store.line.state, store.records, store.notices)
    intervals, sums = what_is_at_oden(played)
    wanted, wanted_sums = what_is_at_oden(undisturbed(until))
    assert [one for one in intervals if one[0] == "RUN"] == [one for one in wanted if one[0] == "RUN"]
    assert sums == wanted_sums
    stops = [one for one in wanted if one[0] == "STATE" and begun + 60 < float(str(one[1])) < ended]
    assert stops
    assert [one for one in intervals if one in stops] == stops


def test_p12_more_than_is_remembered_is_left_out_and_listed() -> None:
    """A plan that is new since knows nothing of what was heard before; a gap says how much that is."""
    until = 2300
    events = outage(until, 1003, 1603)
    place = next(index for index, event in enumerate(events) if time_of(event) > T0 + 1300)
    first = fed(FORGETTING, *events[:place])
    rest = fed(KEEPING, *events[place:], tick(until + 200), state=first.state)
    assert [notice.text for notice in rest.notices if "older than what is remembered" in notice.text]
    _, sums = what_is_at_oden(replace(rest, records=[*first.records, *rest.records]))
    _, wanted = what_is_at_oden(undisturbed(until))
    assert made(sums, "yield") == made(wanted, "yield"), "a count catches up"
    assert made(sums, "rework") < made(wanted, "rework"), "and what toggled does not"


def made(sums: Mapping[tuple[object, str], float], name: str) -> float:
    return sum(amount for (_, of), amount in sums.items() if of == name)


@pytest.mark.usefixtures("_many_at_once")
@pytest.mark.parametrize("size", [7, 40])
def test_p13_recovered_over_commits_and_restarts(size: int) -> None:
    """What was put in its places is stored with what follows from it: a restart after any commit changes nothing."""
    until = 2000
    events = [*outage(until, 1003, 1603), tick(until + 200)]
    cuts = [size] * (len(events) // size)
    store = run(events, cuts, [True] * len(cuts), KEEPING)
    played = Played(store.line.state, store.records, store.notices)
    assert at_rest(played) == at_rest(undisturbed(until))


def fast(times: int) -> list[Sample]:
    """Half a minute after it was lost the machine begins to count twice a second."""
    return [tag(20 + number * 0.5, "good", number) for number in range(times)]


def test_p13_more_than_a_line_remembers_is_put_back_in_parts() -> None:
    """Two values a second for almost three hours, with orders from elsewhere all the while: each part is at its order.
    What is remembered in the end is as bounded as ever."""
    away = fast(MOST_AT_ALL + 3_000)
    ended = 30 + len(away) * 0.5
    orders = [message(0.2 + at, "order", {"v": f"A{at}"}) for at in range(0, int(ended), 3_000)]
    events: list[Event] = [tag(0.1, "good", 0), *orders, lost(15, "plc", since=10), back(ended, "plc")]
    events = [*sorted(events, key=time_of), kept(away, 10, ended), *newest(away, ended + 1)]
    line, played = Feed(LineState()), Played(LineState())
    for event in [*events, tick(ended + 100)]:
        line, result = feed(KEEPING, line, event)
        played.records += result.records
        played.notices += result.notices
    live = fed(FORGETTING, *sorted([tag(0.1, "good", 0), *orders, *away], key=time_of), tick(ended + 100))
    assert what_is_at_oden(played)[1] == what_is_at_oden(live)[1]
    assert [notice.text for notice in played.notices if notice.kind == "gap"] == []
    assert sum(1 for _ in line.trail()) <= MOST_AT_ALL


def test_p6_a_bound_of_moments_keeps_the_newest_where_something_is_missing() -> None:
    """Of the state nothing was kept: then the machine was lost all the time, and what it counted is put back as far as
    the line remembers."""
    said = [tag(0.1, "good", 0), message(0.2, "order", {"v": "A"})]
    away = fast(MOST_AT_ALL + 100)
    ended = 30 + len(away) * 0.5
    events: list[Event] = [*said, lost(15, "plc", since=10), back(ended, "plc"), kept(away, 10, ended, ["state"])]
    played = fed(KEEPING, *events, *newest(away, ended + 1), tick(ended + 100))
    _, sums = what_is_at_oden(played)
    assert sum(sums.values()) == len(away) - 1
    assert ["100 moments" in notice.text for notice in played.notices if notice.kind == "gap"].count(True) == 1


def test_p6_a_line_that_remembers_nothing_says_what_it_leaves_out() -> None:
    """With `late: 0` there is nothing into which what was kept could be put."""
    line = compile_line(Line.model_validate({**GIVEN, "late": "0s", "late_max": "0s"}), (), keepers=frozenset({"plc"}))
    until = 2300
    disturbed = fed(line, *outage(until, 1003, 1603), tick(until + 200))
    assert any("moments that it had kept" in notice.text for notice in disturbed.notices if notice.kind == "gap")
    assert made(what_is_at_oden(disturbed)[1], "yield") == made(what_is_at_oden(undisturbed(until))[1], "yield")


@pytest.mark.usefixtures("_many_at_once")
@pytest.mark.parametrize("seconds", [60, 1800])
def test_p13_what_was_kept_while_the_gateway_was_off(seconds: int) -> None:
    """The gateway is off, and afterwards hears what the machine has kept, from a little before: nothing counts twice,
    and orders that came meanwhile are at the broker."""
    begun, until = 1003, 1003 + seconds + 700
    ended, said = begun + seconds, machine(until)
    before = sorted([*said, *office(until)], key=lambda one: one.received)
    store = run([one for one in before if one.received <= T0 + begun], [], [], KEEPING)
    store.commit(anew=True)
    store.restart()
    store.line = after_restart(KEEPING, store.line)
    away = [one for one in said if T0 + begun - 40 < one.received <= T0 + ended]
    events: list[Event] = [back(ended, "plc"), kept(away, begun - 40, ended), *newest(said, ended + 0.2)]
    events += [back(ended, "mes")]
    events += [one for one in said if one.received > T0 + ended + 0.2]
    waiting = [one for one in office(until) if T0 + begun < one.received <= T0 + ended]
    events += [replace(one, received=T0 + ended + 0.3) for one in waiting]
    events += [one for one in office(until) if one.received > T0 + ended]
    order = sorted(events, key=lambda one: (time_of(one), isinstance(one, Sample), isinstance(one, Recovered)))
    for event in [*order, tick(until + 200)]:
        store.take(event)
    played = Played(store.line.state, store.records, store.notices)
    sums = what_is_at_oden(played)[1]
    wanted = what_is_at_oden(undisturbed(until))[1]
    for name in ("yield", "rework", "scrap"):
        assert made(sums, name) == made(wanted, name)
    states = [one for one in at_rest(played)[0] if one[0] == "STATE"]
    assert states == [one for one in at_rest(undisturbed(until))[0] if one[0] == "STATE"]
