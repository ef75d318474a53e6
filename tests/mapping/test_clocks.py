"""P13: times that lie are said. Whether the clock of a message's sender is one to go by, and the settings for it."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from gateway.errors import InvalidConfig
from gateway.mapping.again import at_once
from gateway.mapping.clocks import SenderClock, moved, with_message
from gateway.mapping.feeder import Event, feed, prepared
from gateway.mapping.line import LineState, Tick
from gateway.mapping.trail import Feed
from gateway.mapping.trail_log import addition, beginning, restored
from gateway.model import Contact, Sample
from tests.mapping.recording import T0, back, fed, lost, message, plan, tag, tick

ORDER = {"source": "mes", "topic": "order", "field": "v", "time": "at"}
RUN = {"key": "order", "product": "P", "name": "{order}"}


def line(late: str = "15m", sampling: str = "50ms", **changes: Any) -> Any:
    other = {"source": "plc", "node": "other", "sampling": sampling}
    inputs = {"order": {**ORDER, **changes}, "other": other, "beat": {"source": "mes", "topic": "beat", "time": "at"}}
    return plan(inputs=inputs, run=RUN, states=None, scrap_yield=None, late=late)


def order(seconds: float, number: str, at: object) -> Sample:
    return message(seconds, "order", {"v": number, "at": at})


def starts(texts: Iterable[str]) -> list[str]:
    return [text for text in texts if text.startswith("start")]


@pytest.mark.parametrize("behind", [90, 300, 3600, 6 * 3600, 86_400])
def test_p13_a_clock_that_is_behind_all_the_time_is_not_gone_by(behind: int) -> None:
    """From the fifth message on the time of arrival counts, and the problem names the settings; it is listed once."""
    orders = [order(100 * number, f"A{number}", T0 + 100 * number - behind) for number in range(1, 9)]
    played = fed(line(), *orders, tick(900))
    assert starts(played.texts)[4:] == [f"start RUN {n} at {100 * n}: A{n}, P" for n in range(5, 9)]
    told = [notice.text for notice in played.notices if "clock" in notice.text]
    assert len(told) == 1
    assert f"{behind} s behind" in told[0]
    assert "zone" in told[0]
    assert "clock_offset" in told[0]


@pytest.mark.parametrize("lates", [[0, 0, 200, 0, 0, 0, 0], [100, 200, 300, 400, 500, 600, 700], [20] * 7])
def test_p13_messages_that_are_late_by_chance_keep_their_times(lates: list[int]) -> None:
    """One late message is late; so are several that differ, and what is only slow."""
    said = [1000 * number for number in range(1, 8)]
    orders = [order(at + late, f"A{at}", T0 + at) for at, late in zip(said, lates, strict=True)]
    played = fed(line(), *orders, tick(9000))
    assert starts(played.texts) == [f"start RUN {n} at {at}: A{at}, P" for n, at in enumerate(said, 1)]
    assert not [notice for notice in played.notices if "clock" in notice.text]


@pytest.mark.parametrize("late", [31, 45, 60, 75])
def test_p13_messages_that_are_all_late_by_a_minute_keep_their_times(late: int) -> None:
    """A sender that gathers for a minute, or whose clock is behind by that: it is taken for late, because then all can
    be put right, and both settings are named, once."""
    said = range(100, 2000, 100)
    played = fed(line(), *(order(at + late, f"A{at}", T0 + at) for at in said), tick(2900))
    assert starts(played.texts) == [f"start RUN {n} at {at}: A{at}, P" for n, at in enumerate(said, 1)]
    told = [notice.text for notice in played.notices if "clock" in notice.text]
    assert len(told) == 1
    assert f"comes {late} s late" in told[0]
    assert "wait" in told[0]
    assert "clock_offset" in told[0]


@pytest.mark.parametrize("late", [60, 300])
def test_p13_a_delay_that_changes_is_none_of_a_clock(late: int) -> None:
    """By more than half a minute, in five messages."""
    said = range(1000, 9000, 1000)
    lates = [late - 31 * (number % 2) for number in range(len(said))]
    orders = [order(at + each, f"A{at}", T0 + at) for at, each in zip(said, lates, strict=True)]
    played = fed(line(), *orders, tick(9900))
    assert starts(played.texts) == [f"start RUN {n} at {at}: A{at}, P" for n, at in enumerate(said, 1)]
    assert not [notice for notice in played.notices if "clock" in notice.text]


def test_p13_a_clock_stays_wrong_over_an_outage_until_a_message_says_otherwise() -> None:
    """Of the backlog too the time of arrival counts; once the clock is right, that of the messages does."""
    behind = [order(100 * n, f"A{n}", T0 + 100 * n - 3600) for n in range(1, 7)]
    backlog = [order(1200.5, "B", T0 + 700 - 3600), order(1201, "C", T0 + 900 - 3600)]
    right = [order(1300.5, "D", T0 + 1300)]
    played = fed(line(), *behind, lost(650, "mes"), back(1200, "mes"), *backlog, *right, tick(1400))
    assert starts(played.texts)[4:] == [
        "start RUN 5 at 500: A5, P",
        "start RUN 6 at 600: A6, P",
        "start RUN 7 at 1200: B, P",
        "start RUN 8 at 1201: C, P",
        "start RUN 9 at 1300: D, P",
    ]


def test_p13_a_clock_that_was_put_right_while_away_is_gone_by() -> None:
    """The first message of the backlog is less late than the clock was wrong."""
    behind = [order(100 * n, f"A{n}", T0 + 100 * n - 3600) for n in range(1, 7)]
    backlog = [order(1200.5, "B", T0 + 700), order(1201, "C", T0 + 900)]
    played = fed(line(), *behind, lost(650, "mes"), back(1200, "mes"), *backlog, tick(1400))
    assert starts(played.texts)[6:] == ["start RUN 7 at 700: B, P", "start RUN 8 at 900: C, P"]


@pytest.mark.parametrize("away", ["source", "nothing heard"])
def test_p13_a_backlog_is_no_wrong_clock(away: str) -> None:
    """After an outage messages come at once, older than all that is remembered: each keeps its time."""
    events: list[Sample | Contact | Tick] = [order(0, "A", T0)]
    if away == "source":
        events.append(lost(60, "mes"))
        events += [tag(at, "other", at) for at in range(100, 5000, 100)]
        events.append(back(5000, "mes"))
    events += [order(5001 + number / 10, f"B{number}", T0 + 1000 + 300 * number) for number in range(6)]
    events.append(tick(5100))
    played = fed(line(), *events)
    assert [int(text.split(" at ")[1].split(":")[0]) for text in starts(played.texts)][1:] == [
        1000 + 300 * number for number in range(6)
    ]
    assert not [notice for notice in played.notices if "clock" in notice.text]


@pytest.mark.parametrize("hours", [1, 6, 12])
def test_p13_news_older_than_all_that_is_remembered_begins_when_it_arrives(hours: int) -> None:
    """The clock went back, while the PLC was live all the time."""
    events: list[Sample | Contact | Tick] = [order(0, "A", T0)]
    live = 3600 * hours + 1000
    events += [tag(at, "other", at) for at in range(100, live, 100)]
    events += [order(live, "B", T0 + live - 3600 * hours), tick(live + 10)]
    played = fed(line(), *events)
    assert starts(played.texts)[1] == f"start RUN 2 at {live}: B, P"
    assert [notice.kind for notice in played.notices] == ["time"]


@pytest.mark.parametrize("ahead", [20, 250, 3600, 6 * 3600])
def test_p13_what_is_said_of_a_time_to_come_was_so_when_it_arrived(ahead: int) -> None:
    """A time after its receipt proves a clock that is ahead; never is there no run because of it."""
    played = fed(line(), *(order(100 * n, f"A{n}", T0 + 100 * n + ahead) for n in range(1, 4)), tick(500))
    assert starts(played.texts) == [f"start RUN {n} at {100 * n}: A{n}, P" for n in range(1, 4)]


@pytest.mark.parametrize(
    ("zone", "stated"),
    [
        ("America/Chicago", "2026-01-05T00:01:40"),
        ("Europe/Berlin", "2026-01-05T07:01:40"),
        ("UTC", "2026-01-05 06:01:40"),
        ("Europe/Berlin", "2026-01-05T06:01:40Z"),
    ],
)
def test_p13_a_zone_is_for_times_that_say_none(zone: str, stated: str) -> None:
    """A time that says its zone keeps that."""
    played = fed(line(time={"field": "at", "zone": zone}), order(101, "A", stated), tick(200))
    assert starts(played.texts) == ["start RUN 1 at 100: A, P"]
    assert not played.notices


def test_p13_a_time_without_a_zone_names_the_setting() -> None:
    """The run begins when its message arrives."""
    played = fed(line(), order(101, "A", "2026-01-05T00:01:40"), tick(200))
    assert starts(played.texts) == ["start RUN 1 at 101: A, P"]
    assert "`time: {field: …, zone: …}`" in played.notices[0].text


@pytest.mark.parametrize(("offset", "said"), [("90s", 10), ("-90s", 190), ("1h", 100 - 3600), ("-1h", 3700)])
def test_p13_a_clock_that_is_known_to_be_off_is_put_right(offset: str, said: int) -> None:
    """`clock_offset` is what it is behind."""
    played = fed(line(clock_offset=offset), order(101, "A", T0 + said), tick(200))
    assert starts(played.texts) == ["start RUN 1 at 100: A, P"]
    assert not played.notices


@pytest.mark.parametrize(
    "changes", [{"time": {"field": "at", "zone": "Europe/Nowhere"}}, {"time": None, "clock_offset": "90s"}]
)
def test_p10_settings_of_clocks_that_mean_nothing_are_named(changes: dict[str, Any]) -> None:
    """A zone that is not known, and an offset of no time."""
    with pytest.raises(InvalidConfig):
        line(**changes)


def test_an_older_message_tells_nothing_of_a_clock() -> None:
    """What comes late after newer ones is late."""
    known = SenderClock(100.0, (40.0,))
    after = with_message(known, 90.0, 500.0, is_live=True)
    assert (after.said, after.lags, after.is_wrong) == (100.0, (40.0,), False)
    assert with_message(known, 110.0, 41.0, is_live=False) == SenderClock(110.0)


STOP = {
    "start": {"event": "event", "when": 'event.type == "start"'},
    "end": {"event": "event", "when": 'event.type == "stop"', "key": "{event.order}"},
    "product": "P",
    "name": "{event.order}",
    "settle": "0s",
}


def event(at: float, kind: str, number: str | None, late: float = 0.0) -> Sample:
    said = {"type": kind, "at": T0 + at} | ({"order": number} if number is not None else {})
    return message(at + late, "event", said)


@pytest.mark.parametrize("key", ["{event.order}", "event.order"])
@pytest.mark.parametrize(
    ("events", "ends"),
    [
        ([("start", "A", 0), ("stop", "A", 50)], [50]),
        ([("start", "A", 0), ("stop", "B", 50)], []),
        ([("start", "A", 0), ("start", "B", 100), ("stop", "A", 100)], [100]),
        ([("start", "A", 0), ("stop", "A", 100), ("start", "B", 100)], [100]),
        ([("start", "A", 0), ("start", "B", 100), ("stop", "A", 130), ("stop", "B", 150)], [100, 150]),
        ([("start", "A", 0), ("stop", None, 50)], [50]),
    ],
)
def test_p13_a_stop_that_names_another_order_ends_nothing(
    events: list[tuple[str, str | None, float]], ends: list[float], key: str
) -> None:
    """One that names none ends what is on."""
    run = {**STOP, "end": {**STOP["end"], "key": key}}  # type: ignore[dict-item]
    inputs = {"event": {"source": "mes", "topic": "event", "time": "at"}}
    made = plan(inputs=inputs, run=run, states=None, scrap_yield=None)
    played = fed(made, *(event(at, kind, number) for kind, number, at in events), tick(500))
    assert [int(text.split(" at ")[1]) for text in played.texts if text.startswith("end")] == ends
    assert not [text for text in played.texts if text.startswith("update")]


@pytest.mark.parametrize(("named", "ends"), [("A", ["end RUN 1 at 50"]), ("B", [])])
def test_p13_a_stop_names_the_key_of_the_run(named: str, ends: list[str]) -> None:
    """Where the run begins by a key, that is what the stop has to name."""
    inputs = {"order": ORDER, "event": {"source": "mes", "topic": "event", "time": "at"}}
    run = {**RUN, "end": {"event": "event", "key": "{event.order}"}}
    made = plan(inputs=inputs, run=run, states=None, scrap_yield=None)
    played = fed(made, order(0, "A", T0), event(50, "stop", named), tick(100))
    assert [text for text in played.texts if text.startswith("end")] == ends


def test_p10_what_an_end_names_belongs_to_an_event() -> None:
    """A condition names nothing."""
    with pytest.raises(InvalidConfig):
        plan(inputs={"order": ORDER}, run={**RUN, "end": {"when": 'order == "A"', "key": "{order}"}}, states=None)


def leads(*said: float) -> SenderClock:
    """What is known after messages every 100 s that were ahead by so many seconds each."""
    known: SenderClock | None = None
    for number, ahead in enumerate(said):
        known = with_message(known, 100.0 * number, -ahead, is_live=True)
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("said", "ahead"),
    [
        ([3], 3),
        ([0.05], 0),
        ([1, 3, 2.95, 3.05, -40], 3),
        ([90], 0),
        ([3, 90, 3], 3),
        ([90, 91, 90, 92, 91], 92),
        ([90, 90, 90, 90, 60], 0),
        ([90] * 5 + [30], 90),
        ([90] * 5 + [94], 94),
        ([90] * 5 + [0.5], 0.5),
        ([90] * 5 + [30] * 5, 30),
        ([3] + [1] * 9, 3),
        ([3] + [1] * 10, 1),
        ([3] + [0] * 9 + [3] + [0] * 9, 3),
        ([3] + [-40] * 20, 3),
    ],
)
def test_p13_how_much_a_clock_is_ahead_is_learned(said: list[float], ahead: float) -> None:
    """A few seconds from one message, more from five in a row that show the same; until it has been put right."""
    assert leads(*said).ahead == ahead


@pytest.mark.parametrize(("said", "by", "ahead"), [(3, 40, 0), (90, 40, 50), (90, -40, 130), (0, -40, 0)])
def test_p13_what_was_learned_moves_with_our_own_clock(said: float, by: float, ahead: float) -> None:
    """Once it is set, the sender's is ahead of it by less, and its messages were later by it; what is not known of a
    clock stays so."""
    known = leads(*[said] * 5)
    after = moved(known, by)
    assert (after.ahead, after.lags) == (ahead, tuple(lag + by for lag in known.lags))


def test_p13_a_late_message_of_a_clock_that_is_ahead_comes_to_its_place() -> None:
    """It was sent ten seconds before the order of the other sender, whose clock is right."""
    inputs = {"order": ORDER, "scrap": {"source": "mes", "topic": "scrap", "time": "at"}}
    entries = [{"count": "scrap.qty", "raw_data": {"scrap": "{n}"}}]
    made = plan(inputs=inputs, run=RUN, states=None, scrap_yield={"every": "60s", "entries": entries})

    def scrap(seconds: float, qty: int, at: float) -> Sample:
        return message(seconds, "scrap", {"qty": qty, "at": T0 + at})

    events: list[Event] = [
        order(10, "A", T0 + 10),
        scrap(20, 1, 24),
        order(100, "B", T0 + 100),
        scrap(130, 5, 102),
        tick(300),
    ]
    assert [text for text in fed(made, *events).texts if text.startswith("output")] == [
        "output of 1 at 60: scrap 1",
        "output of 1 at 99: scrap 5",
    ]


def _heard(made: Any, known: Feed, orders: range) -> tuple[Feed, list[dict[str, Any]]]:
    """The line after some orders, and what is stored of that."""
    stored, before = list[dict[str, Any]](), None if known.plan is None else known
    for number in orders:
        known, _ = at_once(prepared(made, known, tick(100 * number - 1)))
        known, _ = feed(made, known, order(100 * number, f"A{number}", T0 + 100 * number))
        stored.append(json.loads(json.dumps(addition(before, known))))
        before = known
    return known, stored


def test_p7_a_trail_that_begins_anew_has_numbers_of_its_own() -> None:
    """What was added to the one before can still be there: it is never taken for a part of the later one, and where it
    has numbers twice, as one of an earlier version, that is no trail."""
    made = line()
    first, stored = _heard(made, Feed(LineState()), range(1, 5))
    again = at_once(restored(made, first.state, None, stored))
    assert (again.numbered, [*again.trail()]) == (first.numbered, [])
    second, later = _heard(made, again, range(5, 8))
    begun = beginning(second)
    whole = at_once(restored(made, second.state, begun, [*stored, *later]))
    assert [entry.number for entry in whole.trail()] == [entry.number for entry in second.trail()]
    twice, more = _heard(made, Feed(first.state), range(5, 7))
    with pytest.raises((ValueError, LookupError)):
        at_once(restored(made, twice.state, beginning(twice), [*stored, *more, *stored, *more]))
