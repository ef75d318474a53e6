"""P13: senders whose topics change, as where each order has one of its own, and whose clocks are behind or ahead."""

from collections.abc import Iterable
from typing import Any

import pytest

from gateway.mapping.compile import LinePlan
from gateway.mapping.streams import families_of
from gateway.model import Record, Sample, StartInterval
from tests.mapping.recording import T0, back, fed, lost, message, plan, seconds, tick

CODES = {str(number): {"category": f"C{number}"} for number in range(1, 9)}


def line(topic: str = "plant/+line/order/+order/state", **changes: Any) -> LinePlan:
    inputs = {"code": {"source": "mes", "topic": topic, "field": "code", "time": "at", **changes}}
    return plan(inputs=inputs, run=None, states={"input": "code", "codes": CODES, "hold": "0s"}, scrap_yield=None)


def said(at: float, late: float, code: int, order: str, of: str = "L1") -> Sample:
    """A state that comes `late`, by what its sender says."""
    value = {"code": str(code), "at": T0 + at - late, "line": of, "order": order}
    return message(at, "plant/+line/order/+order/state", value)


def starts(records: Iterable[Record]) -> list[int]:
    return [seconds(record.start) for record in records if isinstance(record, StartInterval)]


@pytest.mark.parametrize("late", [90, 300, 850, 3600])
@pytest.mark.parametrize("of_each", [1, 2, 8])
def test_p13_a_clock_that_is_behind_is_found_out_though_each_order_has_its_topic(late: int, of_each: int) -> None:
    """From the third order on, and the sixth message at the latest, the time of arrival counts."""
    came = [said(100 * n, late, 1 + n % 2, f"O{n // of_each}") for n in range(1, 30)]
    played = fed(line(), *came, tick(3100))
    assert starts(played.records)[-14:] == [100 * n for n in range(16, 30)]


def test_p13_a_delay_of_each_order_is_said_once() -> None:
    """Less than 75 seconds may be either: each message keeps its time, and nothing is said of a second order."""
    came = [said(100 * n, 50, 1 + n % 2, f"O{n // 6}") for n in range(1, 40)]
    played = fed(line(), *came, tick(4100))
    assert starts(played.records)[-20:] == [100 * n - 50 for n in range(20, 40)]
    assert sum("comes 50 s late" in notice.text for notice in played.notices) <= 2


@pytest.mark.parametrize("ahead", [60, 250])
def test_p13_a_clock_that_is_ahead_is_known_of_the_next_order(ahead: int) -> None:
    """Its late messages come to their places."""
    came = [said(100 * n, -ahead, 1 + n % 2, f"O{n // 3}") for n in range(1, 30)]
    late = said(3030, 30 - ahead, 5, "O10")
    played = fed(line(), *came, said(3010, -ahead, 3, "O10"), said(3040, -ahead, 4, "O10"), late, tick(3100))
    assert {3000, 3010, 3040} <= {*starts(played.records)}


def test_p13_a_line_whose_clock_is_right_is_not_ruled_by_others() -> None:
    """Two lines are behind by 90 seconds; what another says late keeps its time, also where it is late by as much."""
    behind = [said(20 * n, 90, 1 + n % 2, "O1", f"L{1 + n % 2}") for n in range(1, 30)]
    right = [said(7 + 50 * n, 0.1, 3 + n % 2, f"O{n // 4}", "L3") for n in range(12)]
    late = said(650, 90, 5, "O3", "L3")
    played = fed(line(), *sorted([*behind, *right, late], key=lambda one: one.received), tick(900))
    assert 560 in starts(played.records)


def test_p13_a_new_line_that_says_otherwise_has_a_clock_of_its_own() -> None:
    """The first message of a line that is not late is taken at its time, and so are all that come late after it."""
    behind = [said(20 * n, 90, 1 + n % 2, f"O{n}", f"L{1 + n % 2}") for n in range(1, 30)]
    fourth = [said(610, 0.1, 6, "O9", "L4"), said(700, 60, 7, "O9", "L4")]
    played = fed(line(), *behind, *fourth, tick(900))
    assert {609, 640} <= {*starts(played.records)}


def test_p13_one_order_alone_rules_no_other() -> None:
    """A first message that is late by as much as those of one other order is taken for late."""
    came = [said(100 * n, 90, 1 + n % 2, "O1") for n in range(1, 12)]
    played = fed(line(), *came, said(1200, 90, 5, "O2"), tick(1300))
    assert starts(played.records)[-1] == 1110


def test_p13_a_clock_that_was_put_right_is_gone_by_with_the_next_order() -> None:
    """What other orders have shown holds only where the first message of one shows it too."""
    came = [said(100 * n, 90, 1 + n % 2, f"O{n}") for n in range(1, 12)]
    right = [said(1200 + 100 * n, 0.1, 3 + n % 2, f"R{n}") for n in range(3)]
    played = fed(line(), *came, *right, said(1460, 30, 5, "R2"), tick(1600))
    assert {1199, 1299, 1399, 1430} <= {*starts(played.records)}


def test_p13_a_new_order_of_a_backlog_is_not_at_its_senders_time() -> None:
    """What is known of the orders before holds over an outage for the next, too."""
    came = [said(100 * n, 90, 1 + n % 2, f"O{n}") for n in range(1, 12)]
    backlog = said(1330, 110, 5, "O20")
    played = fed(line(), *came, lost(1150, "mes"), back(1320, "mes"), backlog, tick(1500))
    assert starts(played.records)[-1] == 1330


def test_what_topics_have_in_common() -> None:
    """Each level with a name can be what changes, or all; of many, not some."""
    of_two = families_of("a/+x/b/+y", ("s", "a/1/b/2"))
    assert [topic for _, topic in of_two] == ["a/+/b/2", "a/1/b/+", "a/+/b/+"]
    assert families_of("a/b", ("s", "a/b")) == ()
    assert len(families_of("+a/+b/+c/+d/+e", ("s", "1/2/3/4/5"))) == 6
    assert families_of("a/+x", ("s", "a/1/2")) == ()
