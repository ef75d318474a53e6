"""P13: local times of a zone on the nights when clocks go back or ahead: what is said twice is taken for the time that
it means, and no topic goes back by the hour."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.mapping.again import at_once
from gateway.mapping.compile import LinePlan
from gateway.mapping.feeder import Event, feed, prepared, time_of
from gateway.mapping.line import LineState, Tick, dump, load
from gateway.mapping.trail import Feed
from gateway.mapping.trail_log import addition, beginning, restored
from gateway.model import Contact, Notice, Sample, StartInterval
from tests.mapping.recording import fed, plan

BACK = {
    "Europe/Berlin": datetime(2026, 10, 25, 1, tzinfo=UTC),
    "America/Chicago": datetime(2026, 11, 1, 7, tzinfo=UTC),
    "Australia/Sydney": datetime(2026, 4, 4, 16, tzinfo=UTC),
    "America/Santiago": datetime(2026, 4, 5, 3, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2026, 4, 4, 15, tzinfo=UTC),
}
"""When clocks go back, by zone: by an hour, but half an hour on Lord Howe Island."""
ZONES = [*BACK]
WIDTH = {zone: 1800 if "Howe" in zone else 3600 for zone in ZONES}
"""How many seconds come twice: so many before that time, and again from it on."""
AHEAD = datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()
"""When clocks go ahead in Berlin: there is no 02:00 to 03:00."""


def line(zone: str, **changes: Any) -> LinePlan:
    inputs = {
        "order": {"source": "mes", "topic": "order", "field": "v", "time": {"field": "at", "zone": zone}},
        "other": {"source": "plc", "node": "other"},
    }
    run = {"key": "order", "product": "P", "name": "{order}", "settle": "0s"}
    return plan(inputs=inputs, run=run, states=None, scrap_yield=None, **changes)


def local(zone: str, at: float) -> str:
    """What a clock on the wall shows, without a zone."""
    return datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M:%S")


def order(zone: str, at: float, came: float | None = None, **more: Any) -> Sample:
    """An order that was so `at` a time, and is named after it; it came then, or at another."""
    value = {"v": f"{at:.0f}", "at": local(zone, at)}
    return Sample("mes", "order", value, at if came is None else came, **more)


def live(begin: float, end: float) -> list[Event]:
    """A tag that is heard all the time."""
    return [Sample("plc", "other", at, at, source_time=at) for at in range(int(begin) + 7, int(end), 20)]


def in_order(*events: Event) -> list[Event]:
    """As they came."""
    return sorted(events, key=time_of)


def begun(made: LinePlan, events: Iterable[Event], **more: Any) -> tuple[list[tuple[str, int]], list[Notice]]:
    """The names of the runs and when each began, and what was listed."""
    played = fed(made, *events, **more)
    starts = [record for record in played.records if isinstance(record, StartInterval)]
    return [(str(record.name), record.start) for record in starts], played.notices


def in_their_places(known: Sequence[tuple[str, int]]) -> bool:
    return all(name == str(at) for name, at in known)


@pytest.mark.parametrize("every", [60, 600, 1500])
@pytest.mark.parametrize("zone", ZONES)
def test_p13_in_the_hour_that_comes_twice_a_live_message_is_of_when_it_came(zone: str, every: int) -> None:
    """All through the night: no run begins an hour early, and nothing is listed."""
    turn = BACK[zone].timestamp()
    times = range(int(turn) - 7200, int(turn) + 7200, every)
    known, notices = begun(line(zone), [*(order(zone, at, at + 0.5) for at in times), Tick(turn + 7300)])
    assert [at for _, at in known] == [*times]
    assert in_their_places(known)
    assert not notices


@pytest.mark.parametrize("late", [30, 300, 840])
@pytest.mark.parametrize("zone", ZONES)
def test_p13_a_late_message_in_the_hour_that_comes_twice_is_of_its_hour(zone: str, late: int) -> None:
    """One that came late, in the first hour as in the second, among others that were live; and where it is the only one
    for hours."""
    turn, width = BACK[zone].timestamp(), WIDTH[zone]
    for which in (turn - width + 300, turn - 400, turn - 10, turn + 10, turn + 400, turn + width - 300):
        times = [turn - width - 3600 + 1200 * number for number in range(9)]
        among = [*(order(zone, at) for at in times), *live(turn - width - 4000, turn + 6000)]
        for others in (among, [order(zone, turn - 3 * 3600), *live(turn - width - 4000, turn + 6000)]):
            events = in_order(*others, order(zone, which, which + late))
            known, _ = begun(line(zone), [*events, Tick(turn + 6100)])
            assert in_their_places(known), which - turn
            assert str(int(which)) in dict(known)


@pytest.mark.parametrize("away", ["sender", "broker"])
@pytest.mark.parametrize("zone", ZONES)
def test_p13_a_backlog_over_both_hours_keeps_its_order(zone: str, away: str) -> None:
    """What was kept before clocks went back is of before, what came after it is of after."""
    turn, width = BACK[zone].timestamp(), WIDTH[zone]
    times = [turn - width - 600 + width / 4 * number for number in range(12)]
    first, kept = times[0], times[1:]
    heard = kept[-1] + 600
    gone: list[Event] = [Contact("mes", first + 60, "lost", first + 60), Contact("mes", heard, "back", heard)]
    events = in_order(order(zone, first), *live(first, heard), *(gone if away == "broker" else []))
    backlog = [order(zone, at, heard + number / 10) for number, at in enumerate(kept, 1)]
    known, _ = begun(line(zone, late="4h"), [*events, *backlog, Tick(heard + 200)])
    assert sorted(at for _, at in known) == [int(at) for at in times]
    assert in_their_places(known)


@pytest.mark.parametrize("ahead", [3, 60, 240, 900])
@pytest.mark.parametrize("zone", ZONES)
def test_p13_a_clock_that_is_ahead_goes_back_with_the_others(zone: str, ahead: int) -> None:
    """It does so before its time: what it says then is not an hour old."""
    turn = BACK[zone].timestamp()
    times = range(int(turn) - 7200, int(turn) + 7200, 100)
    events: list[Event] = [
        Sample("mes", "order", {"v": str(at), "at": local(zone, at + ahead)}, at + 0.5) for at in times
    ]
    known, _ = begun(line(zone), [*events, Tick(turn + 7300)])
    assert [int(name) for name, _ in known] == [*times]
    assert all(abs(at - int(name)) <= 5 for name, at in known)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("zone", ZONES)
def test_p13_an_order_that_the_broker_had_kept_is_known_again_in_both_hours(zone: str, first: bool) -> None:
    """It is no news, however late after the hour it comes again."""
    turn = BACK[zone].timestamp()
    at = turn - 600 if first else turn + 600
    for again in (at + 60, turn + 1700, turn + 5000):
        kept = order(zone, at, again, retained=True)
        known, _ = begun(line(zone), [order(zone, turn - 7200), order(zone, at), kept, Tick(again + 60)])
        assert [name for name, _ in known] == [str(int(turn - 7200)), str(int(at))]
        assert in_their_places(known)


@pytest.mark.parametrize("zone", ZONES)
def test_p13_one_text_of_both_hours_is_two_messages(zone: str) -> None:
    """A sender that says at the same minutes of each hour what is so repeats nothing, also where it is late."""
    turn, width = BACK[zone].timestamp(), WIDTH[zone]
    said = [(turn - width + 300, "A"), (turn - width + 600, "B"), (turn + 300, "A"), (turn + 600, "B")]
    orders = [Sample("mes", "order", {"v": number, "at": local(zone, at)}, at + 40) for at, number in said]
    events = in_order(*orders, *live(turn - width, turn + 900))
    known, _ = begun(line(zone), [*events, Tick(turn + 1000)])
    assert known == [(number, int(at)) for at, number in said]


@pytest.mark.parametrize("zone", ZONES)
def test_p13_the_same_messages_are_of_the_same_hours_over_restarts(zone: str) -> None:
    """Cut into batches and restarts: which hour a message is of is stored with it."""
    turn, chance = BACK[zone].timestamp(), Random(zone)
    made = line(zone)
    times = range(int(turn) - 5400, int(turn) + 5400, 300)
    orders = [order(zone, at, at + chance.choice([0, 0, 0.5, 200, 700])) for at in times]
    events = in_order(*orders, *live(turn - 5400, turn + 6600))
    whole, _ = begun(made, [*events, Tick(turn + 7000)])
    known, stored, starts = Feed(LineState()), list[dict[str, Any]](), list[tuple[str, int]]()
    begins: str | None = None
    for number, event in enumerate([*events, Tick(turn + 7000)]):
        before = known
        for _ in range(2):
            known, result = at_once(prepared(made, known, event))
            starts += [(str(one.name), one.start) for one in result.records if isinstance(one, StartInterval)]
        known, result = feed(made, known, event)
        starts += [(str(one.name), one.start) for one in result.records if isinstance(one, StartInterval)]
        begins = begins or beginning(known)
        stored.append(json.loads(json.dumps(addition(before if number else None, known))))
        if number % 50 == 49:
            known = at_once(restored(made, load(made, dump(known.state)), begins, stored))
    assert sorted(starts) == sorted(whole)
    assert in_their_places(whole)


@pytest.mark.parametrize("behind", [0, 3600])
def test_p13_a_time_that_does_not_exist_is_of_a_clock_that_has_not_changed_or_has_too_early(behind: int) -> None:
    """Half past two, said an hour before there would be none, or half an hour after."""
    at = AHEAD + 1800 - behind
    known, notices = begun(
        line("Europe/Berlin"),
        [
            order("Europe/Berlin", AHEAD - 7000),
            Sample("mes", "order", {"v": "A", "at": "2026-03-29T02:30:00"}, at + 0.5),
            Tick(at + 100),
        ],
    )
    assert known[1:] == [("A", int(at))]
    assert not notices
