"""P13: a sender that was off by itself, while the gateway was connected and all others were live, says what it had kept
once it is back: each message keeps its time, and the newest is what is on."""

import json
from itertools import permutations
from typing import Any

import pytest

from gateway.mapping.again import at_once
from gateway.mapping.compile import LinePlan
from gateway.mapping.feeder import Event, feed, prepared, time_of
from gateway.mapping.line import LineState, dump, load
from gateway.mapping.trail import Feed
from gateway.mapping.trail_log import addition, beginning, restored
from gateway.model import Sample, StartInterval
from tests.mapping.recording import T0, fed, message, plan, tag, tick

ORDER = {"source": "mes", "topic": "order", "field": "v", "time": "at"}


def line(**changes: Any) -> LinePlan:
    inputs = {"order": ORDER, "good": {"source": "plc", "node": "Good", "counter": {}}}
    run = changes.pop("run", {"key": "order", "product": "P", "name": "{order}"})
    output = {"every": "60s", "entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]}
    return plan(inputs=inputs, run=run, states=None, scrap_yield=output, **changes)


def order(seconds: float, number: str, at: float) -> Sample:
    return message(seconds, "order", {"v": number, "at": T0 + at})


def live(until: int) -> list[Event]:
    """A counter that is heard all the time, until its sender is back, and a little longer."""
    return [tag(at, "Good", at // 10) for at in range(5, until, 10)]


def runs(made: LinePlan, *events: Event) -> dict[str, tuple[float, float | None]]:
    """By name, when each run began and ended at last."""
    played = fed(made, *events)
    begun = [text.split() for text in played.texts if text.startswith("start RUN")]
    ended = {text.split()[2]: float(text.split()[4]) for text in played.texts if text.startswith("end RUN")}
    return {words[5].strip(","): (float(words[4].strip(":")), ended.get(words[2])) for words in begun}


@pytest.mark.parametrize("late", ["15m", "10s", "0s"])
@pytest.mark.parametrize("said", [(1700, 2300), (1700, 2900), (1900, 1950), (600, 1200), (2200, 2250, 2300)])
def test_p13_what_a_sender_had_kept_for_long_is_no_present(said: tuple[int, ...], late: str) -> None:
    """The first of a few messages was taken for one of a clock that is behind, and was on although a later one said
    what is."""
    kept = [order(3000 + place / 10, f"B{at}", at) for place, at in enumerate(said)]
    known = runs(line(late=late), order(0, "A", 0), *live(3000), *kept, tick(3500))
    assert known == {
        "A": (0, said[0]),
        **{f"B{at}": (at, end) for at, end in zip(said, (*said[1:], None), strict=True)},
    }


@pytest.mark.parametrize("mixed", [*permutations(range(3))])
def test_p13_the_newest_that_a_sender_had_kept_is_on_however_mixed_up(mixed: tuple[int, ...]) -> None:
    """Whichever comes first."""
    said = (1700, 2300, 2900)
    kept = [order(3000 + place / 10, f"B{said[which]}", said[which]) for place, which in enumerate(mixed)]
    known = runs(line(), order(0, "A", 0), *live(3000), *kept, tick(3500))
    assert [name for name, (_, end) in known.items() if end is None] == ["B2900"]
    assert known["B2900"][0] == 2900


def test_p13_a_sender_that_goes_on_where_it_was_is_heard_out_first() -> None:
    """After what it had kept it says what is so now: nothing of it was so when it arrived."""
    kept = [order(3000 + place / 10, f"B{at}", at) for place, at in enumerate((1500, 1800, 2100))]
    known = runs(line(), order(0, "A", 0), *live(3000), *kept, order(3004, "C", 3003), tick(3500))
    assert known == {
        "A": (0, 1500),
        "B1500": (1500, 1800),
        "B1800": (1800, 2100),
        "B2100": (2100, 3003),
        "C": (3003, None),
    }


@pytest.mark.parametrize("settle", ["0s", "500ms"])
@pytest.mark.parametrize("apart", [0.1, 1.5])
def test_p13_a_window_that_ends_meanwhile_does_not_decide_for_a_sender(apart: float, settle: str) -> None:
    """Nor does a tick, or anything else that is due."""
    kept = [order(2999.8 + apart * place, f"B{at}", at) for place, at in enumerate((1700, 2000, 2900))]
    made = line(run={"key": "order", "product": "P", "name": "{order}", "settle": settle})
    ticks = [tick(at / 10) for at in range(29_980, 30_120)]
    events = sorted([order(0, "A", 0), *live(3000), *kept, *ticks, tick(3500)], key=time_of)
    assert runs(made, *events) == {"A": (0, 1700), "B1700": (1700, 2000), "B2000": (2000, 2900), "B2900": (2900, None)}


def test_p13_a_doubted_message_is_decided_as_if_there_had_been_no_restart() -> None:
    """It is stored with those that came late."""
    made = line()
    kept = [order(3000.1 + place / 10, f"B{at}", at) for place, at in enumerate((1700, 2300))]
    known, stored, texts = Feed(LineState()), list[dict[str, Any]](), list[str]()
    begins: str | None = None
    for event in (order(0, "A", 0), *live(3000), *kept, tick(3500)):
        before = None if begins is None else known
        known, placed = at_once(prepared(made, known, event))
        known, taken = feed(made, known, event)
        texts += [str(one.name) for one in (*placed.records, *taken.records) if isinstance(one, StartInterval)]
        begins = begins or beginning(known)
        stored.append(json.loads(json.dumps(addition(before, known))))
        if event in kept:
            known = at_once(restored(made, load(made, dump(known.state)), begins, stored))
    assert texts == ["A", "B1700", "B2300"]


@pytest.mark.parametrize("apart", [10, 20, 50])
def test_p13_of_a_clock_that_is_behind_the_time_of_arrival_counts_from_the_first_on(apart: int) -> None:
    """Two that come as far apart as they say: that is no sender who had kept them."""
    said = [order(7000 + apart * place, f"B{place}", 3400 + apart * place) for place in range(2)]
    events = sorted([order(0, "A", 0), *live(7200), *said, tick(7300)], key=time_of)
    known = runs(line(), *events)
    assert [name for name, (at, _) in known.items() if at >= 7000][-1] == "B1"
    assert all(at in (0, 7000, 7000 + apart) for at, _ in known.values())


@pytest.mark.parametrize(("number", "gaps"), [("B", 0), ("X", 1)])
def test_p13_what_comes_again_after_it_is_forgotten_is_no_gap(number: str, gaps: int) -> None:
    """It says what was told by then; an order that nobody had heard of does not."""
    said = [order(0, "A", 0), order(600, "B", 600), order(1200, "C", 1200)]
    played = fed(line(), *sorted([*said, *live(6000)], key=time_of), order(6000, number, 600), tick(6100))
    assert [notice.kind for notice in played.notices] == ["reject", *["gap"] * gaps]
