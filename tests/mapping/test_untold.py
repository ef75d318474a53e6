"""What is made in a run that is never told, because its product never came, or before it while none was on, is its own:
the next run never has it, however late it is counted."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.mapping.compile import LinePlan
from gateway.mapping.feeder import time_of
from gateway.mapping.line import Tick
from gateway.model import Contact, Output, Record, Sample, StartInterval
from tests.mapping.laws import examples
from tests.mapping.recording import PLC, T0, back, fed, lost, message, order, plan, scrap, tag, tick


def line(untold: str, *, late: str = "15m", **output: Any) -> LinePlan:
    run = {"key": "order", "product": "{product}", "name": "{order}", "settle": "0s", "untold": untold}
    entries = [{"count": "good", "raw_data": {"yield": "{n}"}}, {"count": "scrap.qty", "raw_data": {"scrap": "{n}"}}]
    return plan(run=run, states=None, late=late, scrap_yield={"entries": entries, **output})


def told(records: list[Record]) -> dict[str | None, float]:
    """How much was told of which run."""
    names = {record.key: record.name for record in records if isinstance(record, StartInterval)}
    sums: dict[str | None, float] = {}
    for record in records:
        if isinstance(record, Output):
            name = names[record.interval]
            sums[name] = sums.get(name, 0) + sum(float(str(record.raw_data[key])) for key in record.amounts)
    return sums


Event = Sample | Contact | Tick
EARLIER: list[Event] = [order(1, "A"), tag(2, "Good", 0), tag(30, "Good", 4), order(40, "")]
"""Order A, and none after it."""
UNTOLD: list[Event] = [
    tag(50, "Good", 9),
    order(55, "U", None),
    tag(60, "Good", 15),
    order(70, "B"),
    tag(90, "Good", 16),
]
"""Five parts while no order is on, six in one of which nobody says the product, and the next order."""


@pytest.mark.parametrize("between", ["next", "unassigned"])
def test_p13_what_is_made_before_an_order_that_is_never_told_is_not_the_next_ones(between: str) -> None:
    listed = fed(line("list", between_runs=between), *EARLIER, *UNTOLD, tick(1100))
    assert told(listed.records) == {"A": 4, "B": 1}
    assert "nor is what was made in it: 11 yield" in listed.notices[-1].text
    stood_in = fed(line("unassigned", between_runs=between), *EARLIER, *UNTOLD, tick(1100))
    assert told(stood_in.records) == {"A": 4, "Unassigned": 11, "B": 1}


def test_p13_what_is_reported_as_made_while_none_was_on_stays_that() -> None:
    played = fed(line("unassigned", between_runs="report"), *EARLIER, *UNTOLD, tick(1100))
    assert told(played.records) == {"A": 4, "Unassigned": 6, "B": 1}
    assert any("5 were made while no run was on" in notice.text for notice in played.notices)


@pytest.mark.parametrize("untold", ["list", "unassigned"])
def test_p13_what_is_counted_after_an_order_that_is_never_told_was_over_is_not_the_next_ones(untold: str) -> None:
    """The connection was lost in it, and is back in the next; and scrap of it is booked where no message is put in its
    place any more."""
    events: list[Event] = [order(1, "A"), tag(2, "Good", 0), tag(30, "Good", 4), order(40, "U", None)]
    events += [tag(45, "Good", 5), lost(50, "plc"), order(60, "B"), back(100, "plc"), tag(100, "Good", 9, initial=True)]
    events += [scrap(110, 3, at=48), tag(120, "Good", 10), tick(1500)]
    played = fed(line(untold, late="0s"), *events)
    stood_in = {"Unassigned": 1} if untold == "unassigned" else {}  # told at once, where nothing can come late
    assert told(played.records) == {"A": 4, "B": 1} | stood_in
    assert [notice.text for notice in played.notices if "made in one" in notice.text] == [
        "4 yield made in one that is not reported: nor is that",
        "3 scrap made in one that is not reported: nor is that",
    ]
    later = fed(line(untold), *events)
    assert told(later.records) == {"A": 4, "B": 1} | ({"Unassigned": 8} if untold == "unassigned" else {})


def test_p13_a_test_of_an_order_that_is_never_told_is_listed_with_its_name() -> None:
    """Of the time of the order, and of the time after it while none is on."""
    inputs = {**PLC, "lab": {"source": "mes", "topic": "lab", "time": "at"}}
    rule = {"set": "quality_test", "event": "lab", "quality_schema": 65, "raw_data": {"v": "{lab.v}"}}
    run = {"key": "order", "product": "{product}", "name": "{order}", "settle": "0s"}
    tested = plan(inputs=inputs, run=run, states=None, scrap_yield=None, rules=[rule])
    lab = [message(at, "lab", {"v": at, "at": T0 + at}) for at in (50, 80)]
    played = fed(tested, order(1, "A"), order(40, "U", None), lab[0], order(70, ""), lab[1], order(90, "B"), tick(1100))
    assert [record for record in played.records if isinstance(record, Output)] == []
    text = "a quality test is not told: it is of the run U, which is not reported"
    assert [notice.text for notice in played.notices if "test" in notice.text] == [text, text]


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(5, 90), st.booleans()), min_size=1, max_size=6)
"""Orders: for how long none was on before it, how long it was on, and whether its product is known."""


@given(SPANS, st.sampled_from(["list", "unassigned"]), st.sampled_from(["0s", "30s"]), st.sampled_from(["60s", "5m"]))
@example([(0, 20, False), (40, 30, False), (40, 30, True)], "list", "0s", "60s")
@examples(40)
def test_p13_each_order_that_is_told_has_what_was_made_since_the_one_before_it(
    spans: list[tuple[int, int, bool]], untold: str, wait: str, every: str
) -> None:
    """A part each second, at its middle: those between two orders are the later one's, told or not."""
    events, at, right = list[Event](), 10, dict[str | None, float]()
    others, last = 0, 1
    for number, (gap, length, known) in enumerate([*spans, (0, 10, True)]):
        begun, ended = at + gap, at + gap + length
        events.append(order(begun, f"O{number}", "FILM" if known else None))
        right[f"O{number}"], others = (ended - last, others) if known else (0, others + ended - last)
        events.append(order(ended, ""))
        at = last = ended
    if untold == "unassigned":
        right["Unassigned"] = others
    events += [tag(second + 0.5, "Good", second) for second in range(at)]
    played = fed(line(untold, wait=wait, every=every), *sorted(events, key=time_of), tick(at + 2000))
    assert told(played.records) == {name: amount for name, amount in right.items() if amount}
