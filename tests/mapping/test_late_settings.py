"""P13: what the settings for late messages do: how far back these are put in their places, and output that waits for
them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.horizon import MOST_BYTES, Horizon
from gateway.mapping.again import at_once
from gateway.mapping.compile import LinePlan
from gateway.mapping.feeder import feed, needs_preparation, prepared
from gateway.mapping.line import LineState, Tick, dump, load
from gateway.mapping.trail import MOST_AT_ALL, MOST_REMEMBERED, Feed, most_remembered, needed_since
from gateway.mapping.trail_log import with_plan
from gateway.model import Contact, Output, Record, Sample, UpdateInterval
from tests.mapping.laws import examples
from tests.mapping.recording import LINE, PLC, T0, back, fed, lost, order, plan, scrap, tag, tick
from tests.mapping.test_feeder import STATE
from tests.mapping.test_feeder import state as stated
from tests.mapping.test_late_properties import INPUTS, Made, arrivals, effective, facts, made_plants

Event = Sample | Contact | Tick
KEYED = {"key": "order", "product": "{product}", "name": "{order}", "settle": "500ms"}


def line(wait: str | int = 0, **changes: Any) -> LinePlan:
    return plan(states=None, run=KEYED, scrap_yield={**LINE["scrap_yield"], "wait": wait}, **changes)


def counted(first: int, last: int) -> list[Sample]:
    """A part a second."""
    return [tag(second, "Good", second) for second in range(first, last)]


def late_order(made: LinePlan, heard: int) -> list[str]:
    """Order B began at 130 and is heard later, on a line that counts a part a second."""
    before, after = counted(0, heard), counted(heard, 300)
    return fed(made, order(0, "A"), *before, order(heard, "B", at=130), *after, tick(400)).texts


def sums(texts: Sequence[str]) -> dict[str, int]:
    made: dict[str, int] = {}
    for text in texts:
        if text.startswith("output"):
            run, amount = text.split()[2], text.split("yield ")[1]
            made[run] = made.get(run, 0) + int(amount)
    return made


# Output that waits


@pytest.mark.parametrize("heard", [140, 160, 190, 200])
def test_p13_an_order_that_comes_late_by_no_more_than_the_wait_needs_no_correction(heard: int) -> None:
    """No amount is taken back, and each run has what was made in it."""
    texts = late_order(line("70s"), heard)
    assert sums(texts) == {"1": 130, "2": 169}
    assert "yield -" not in " ".join(texts)


def test_p13_without_a_wait_it_is_corrected() -> None:
    """The window had ended at 180: what was told of it is moved."""
    texts = late_order(line(), heard=190)
    assert sums(texts) == {"1": 130, "2": 169}
    assert "yield -" in " ".join(texts)


def test_p13_a_wait_holds_back_no_start_and_no_end() -> None:
    """Nor the last output of what has ended. What waits has the time stamps that it would have without."""
    events: list[Event] = [order(0, "A"), *counted(0, 100), order(100, "B"), *counted(100, 200), tick(400)]
    waiting, at_once = fed(line("30s"), *events), fed(line(), *events)
    assert [text.split(": yield")[0] for text in waiting.texts] == [text.split(": yield")[0] for text in at_once.texts]
    assert sums(waiting.texts) == sums(at_once.texts)
    told = zip(waiting.records, at_once.records, strict=True)
    assert [later.at - sooner.at for later, sooner in told] == [0, 30, 0, 0, 0, 30, 30, 30]


def test_p13_a_window_that_waits_takes_what_is_of_its_time_alone() -> None:
    """What is made after its end belongs to the next, however long the wait."""
    texts = fed(line("200s"), order(0, "A"), *counted(0, 310), tick(900)).texts
    outputs = [text for text in texts if text.startswith("output")]
    assert [text.split(": ")[1] for text in outputs] == 5 * ["yield 60"] + ["yield 9"]


@given(made_plants(), st.sampled_from([1, 5, 30, 90]))
@examples(25)
def test_p13_a_wait_changes_nothing_at_rest(made: list[Made], wait: int) -> None:
    """Whatever comes late, the same is at Oden in the end as without."""
    without, waiting = (
        facts(effective(fed(each, *arrivals(made, late=True)).records))
        for each in (line(inputs=INPUTS), line(f"{wait}s", inputs=INPUTS))
    )
    assert waiting == without


@pytest.mark.parametrize(
    ("between", "made"), [("unassigned", {"Unassigned": 155, "A": 44}), ("report", {"A": 44}), ("next", {"A": 199})]
)
def test_p13_what_is_made_between_runs_waits_too(between: str, made: dict[str, int]) -> None:
    """An order that comes late, but within the wait, has what was made since it began, and nothing is taken back."""
    output = {**LINE["scrap_yield"], "between_runs": between, "wait": "30s"}
    events: list[Event] = [*counted(0, 170), order(170, "A", at=155), *counted(170, 200), tick(400)]
    texts = fed(plan(states=None, run=KEYED, scrap_yield=output), *events).texts
    names = {text.split()[2]: text.split(": ")[1].split(",")[0] for text in texts if text.startswith("start")}
    assert {names[run]: amount for run, amount in sums(texts).items()} == made
    assert "yield -" not in " ".join(texts)


# How far back


def test_p13_with_late_0_a_message_is_taken_by_itself_and_nothing_is_remembered() -> None:
    """The order begins when it says, as far as that is not told otherwise yet; what was told stays, which is listed."""
    made, known = line(late=0), Feed(LineState())
    records: list[Record] = []
    listed = list[str]()
    events: list[Event] = [order(0, "A"), *counted(0, 190), order(190, "B", at=130), *counted(190, 300), tick(400)]
    for event in events:
        known, result = feed(made, known, event)
        records += result.records
        listed += [notice.text for notice in result.notices if notice.kind == "gap"]
        assert (known.plan, known.base, known.newest, known.late) == (None, None, (), ())
    assert not any(record.corrects for record in records if isinstance(record, Output))
    assert sum(int(str(record.raw_data["yield"])) for record in records if isinstance(record, Output)) == 299
    (text,) = listed
    assert "output that was told until 06:03:00Z stays where it is (60 yield of A)" in text


def test_p13_with_late_0_older_is_not_the_present_either() -> None:
    """A message that is older than what was known of its topic is left out and listed; scrap counts."""
    played = fed(line(late=0), order(0, "A"), order(100, "B"), order(120, "A2", at=50), scrap(130, 3, at=90), tick(400))
    assert [text for text in played.texts if text.startswith("start")] == [
        "start RUN 1 at 0: A, FILM",
        "start RUN 2 at 100: B, FILM",
    ]
    assert "output of 1 at 99: scrap 3, scrap_code Splice" in played.texts
    assert [notice.kind for notice in played.notices] == ["reject"]


def test_p13_with_late_0_a_clock_that_lies_is_still_said() -> None:
    """It needs no trail."""
    orders = [order(100 * number, f"A{number}", at=100 * number - 300) for number in range(1, 8)]
    played = fed(line(late=0), *orders, tick(900))
    assert [text for text in played.texts if text.startswith("start RUN 7")] == ["start RUN 7 at 700: A7, FILM"]
    assert any("clock" in notice.text for notice in played.notices)


@pytest.mark.parametrize("first", ["B", "C"])
def test_p13_of_orders_of_before_what_is_remembered_and_after_the_last_is_on(first: str) -> None:
    """In whichever order they come: one is older than the trail, the other has its place in it."""
    orders = [order(1000, "B", at=200), order(1000.1, "C", at=800)]
    if first == "C":
        orders = [order(1000, "C", at=800), order(1000.1, "B", at=200)]
    events: list[Event] = [order(0, "A"), *counted(0, 100), lost(100, "mes"), *counted(100, 999), back(999, "mes")]
    texts = fed(line(late="5m", late_max="10m"), *events, *orders, *counted(1001, 1200), tick(1300)).texts
    starts = {text.split(": ")[1]: text.split()[2] for text in texts if text.startswith("start RUN")}
    assert {text.split()[4] for text in texts if text.startswith("start RUN")} == {"0:", "200:", "800:"}
    ends = {text.split()[2]: text.split()[-1] for text in texts if text.startswith("end RUN")}
    assert ends == {starts["A, FILM"]: "200", starts["B, FILM"]: "800"}
    made = sums(texts)
    assert made[starts["C, FILM"]] in range(380, 400)
    assert sum(made.values()) in range(1170, 1200)


@pytest.mark.parametrize("late", [1800, 6000])
def test_p13_what_is_older_than_what_its_topic_has_said_is_never_the_present(late: int) -> None:
    """However old it is: it is left out, and listed."""
    heard = 500 + late
    counts = [tag(at, "Good", at) for at in range(0, heard + 10, 2)]
    events = sorted([order(0, "A"), order(500, "B"), *counts, order(heard, "C", at=300)], key=lambda one: one.received)
    played = fed(line(), *events, tick(heard + 500))
    assert [text for text in played.texts if text.startswith(("start RUN", "end RUN"))] == [
        "start RUN 1 at 0: A, FILM",
        "end RUN 1 at 500",
        "start RUN 2 at 500: B, FILM",
    ]
    assert any('"C"' in notice.text and notice.kind == "reject" for notice in played.notices)


@pytest.mark.parametrize("late", ["1m", "15m", "30m"])
def test_p13_what_is_remembered_reaches_back_as_far_as_it_says(late: str) -> None:
    """And not much further."""
    made, known = line(late=late), Feed(LineState())
    for second in range(4000):
        known, _ = feed(made, known, tag(second, "Good", second))
    reach = known.state.now - next(known.trail()).at
    assert made.late <= reach <= made.late + 70


def test_p12_what_is_remembered_is_bounded_whatever_is_set() -> None:
    """By number of what is heard, and by time while a source is lost."""
    for late, most in (("1m", MOST_REMEMBERED), ("15m", MOST_REMEMBERED), ("30m", 2 * MOST_REMEMBERED)):
        assert most_remembered(Feed(LineState(), line(late=late))) == most
    assert most_remembered(Feed(LineState(), line(late="24h"))) == MOST_AT_ALL
    known = Feed(LineState())
    made = line(late="1m", late_max="10m")
    for event in (tag(0, "Good", 0), lost(10, "mes"), tick(5000)):
        known, _ = feed(made, known, event)
    assert needed_since(known, T0 + 300) == T0 + 10
    assert needed_since(known, T0 + 5000) == T0 + 4400


def test_p13_at_least_late_is_remembered_also_while_a_source_is_lost() -> None:
    """`late_max` is no less."""
    assert line(late="2h", late_max="1h").late_max == 7200


@pytest.mark.parametrize("changes", [{"late": "-1s"}, {"late": "2d"}, {"late_max": "30d"}, {"late": 5}])
def test_p10_settings_that_mean_nothing_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        line(**changes)


# Another setting


def waiting_for_its_place() -> Feed:
    """A line with an order that came late and has no place yet."""
    made, known = line(), Feed(LineState())
    for event in [order(0, "A"), *counted(0, 190), order(190, "B", at=130)]:
        known, _ = feed(made, known, event)
    assert known.late
    return known


@pytest.mark.parametrize("way", ["reloaded", "restarted", "as it is"])
def test_p13_a_line_that_is_to_remember_nothing_any_more_takes_what_waits(way: str) -> None:
    """At a reload, at a restart with another file, and where only the plan is another."""
    known, made = waiting_for_its_place(), line(late=0)
    if way == "reloaded":
        known = with_plan(made, known)
    elif way == "restarted":
        known = Feed(load(made, dump(known.state)), late=known.late)
    known, result = feed(made, known, tick(200))
    assert [record.name for record in result.records if hasattr(record, "name") and record.name] == ["B"]
    assert (known.plan, known.newest, known.late) == (None, (), ())


class Rows:
    """What an outbox has of the horizon."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.begun: dict[str, str] = {}
        self.heard: dict[int, str] = {}
        self.number = 0
        self.records: list[Record] = []
        self.largest = 0

    async def ask(self, call: Callable[..., Any], *args: Any, **_: Any) -> Any:
        return self.begun.get(args[0]) if call.__name__ == "trail" else sorted(self.heard.items())

    def run(self, made: LinePlan, state: LineState, events: Sequence[Event]) -> Feed:
        """A life of the gateway: each event is a commit."""
        horizon = Horizon(self.ask, self.most_bytes)
        asyncio.run(horizon.load())
        known = asyncio.run(horizon.line(made, state))
        for event in events:
            if needs_preparation(made, known, event):
                known, result = at_once(prepared(made, known, event))
                self.records += result.records
            known, result = feed(made, known, event)
            self.records += result.records
            self.number += 1
            heard = horizon.take({made.key: known}, self.number, known.state.now)
            self.begun |= heard.beginnings
            self.heard |= {self.number: heard.row} if heard.row else {}
            self.heard = {each: row for each, row in self.heard.items() if each >= heard.since}
            self.largest = max(self.largest, sum(map(len, self.heard.values())))
        return known


def test_p13_late_0_costs_nothing_of_what_is_stored() -> None:
    """No row in any commit, and no beginning."""
    rows = Rows()
    rows.run(line(late=0), LineState(), [order(0, "A"), *counted(0, 50), order(60, "B", at=40)])
    assert (rows.begun, rows.heard) == ({}, {})


def test_p13_what_was_stored_before_a_time_without_is_not_gone_by() -> None:
    """The line remembered, then it did not, and then it does again by the same configuration: what it heard meanwhile
    is not there, so it begins anew."""
    rows, made = Rows(), line()
    known = rows.run(made, LineState(), [order(0, "A"), *counted(0, 100)])
    assert rows.begun[made.key]
    known = rows.run(line(late=0), known.state, counted(100, 200))
    assert not rows.begun[made.key]
    known = rows.run(made, known.state, counted(200, 210))
    assert next(known.trail()).at == T0 + 200


def test_p12_what_lines_heard_takes_no_more_of_the_disk_than_is_set() -> None:
    """Beyond that less is remembered."""
    rows = Rows(20_000)
    rows.run(line(), LineState(), counted(0, 890))
    assert rows.largest < 1.2 * 20_000


@pytest.mark.parametrize("stop", [386, 388, 400])
@pytest.mark.parametrize("most_bytes", [3_000, 10_000, MOST_BYTES])
def test_p13_what_is_put_before_all_that_is_stored_is_not_forgotten_by_a_restart(most_bytes: int, stop: int) -> None:
    """An order comes so late that its place lies before the stored beginning, where little is stored; after a restart
    another does. The same is told as without the restart."""
    events: list[Event] = [order(0, "A"), *counted(0, 380), order(380, "B", at=100), *counted(380, stop)]
    later: list[Event] = [*counted(stop, 420), order(420, "C", at=381), *counted(420, 440), tick(500)]
    one, two, made = Rows(most_bytes), Rows(most_bytes), line()
    one.run(made, LineState(), [*events, *later])
    known = two.run(made, LineState(), events)
    two.run(made, load(made, dump(known.state)), later)
    assert facts(effective(two.records)) == facts(effective(one.records))
    assert facts(effective(one.records))[1] == {("RUN", T0 + at, "yield", None): made for at, made in RUNS.items()}


RUNS = {0: 100, 100: 281, 381: 58}


def test_p13_a_plan_of_the_example_remembers_15_minutes() -> None:
    """If nothing is said."""
    made = plan(inputs=PLC)
    assert (made.late, made.late_max, made.output is not None and made.output.wait) == (900, 28_800, 0)
    assert replace(made, timed=frozenset()).remembers is False


@pytest.mark.parametrize(("setting", "deletes"), [("keep", False), ("delete", True)])
def test_p13_what_never_was_is_to_be_deleted_where_that_was_chosen(setting: str, deletes: bool) -> None:
    """A jam was told that had begun before, as a message shows that comes late."""
    made = plan(inputs={**PLC, "state": STATE}, late_withdraw=setting)
    played = fed(made, stated(10, 3, 10), stated(100, 3, 100), tick(150), stated(160, 3, 5), tick(200))
    updates = [record for record in played.records if isinstance(record, UpdateInterval)]
    assert [(update.withdraws, update.deletes) for update in updates] == [(True, deletes)]
