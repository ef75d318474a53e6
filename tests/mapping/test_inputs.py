"""Inputs: what a sample does to the memory of an input."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.config.schema_io import Counter
from gateway.mapping.inputs import (
    AHEAD,
    CLOCK_LOST,
    DEVICE_AGE,
    MESSAGE_AGE,
    SET_BACK,
    SOON,
    InputMemory,
    InputPlan,
    Reading,
    read,
)
from gateway.mapping.times import epoch_seconds
from gateway.model import Sample
from tests.mapping.recording import T0, message, order, plan, tag

INPUTS = plan().inputs
NOW = T0 + 100


def reading(name: str, value: object, known: InputMemory | None = None, **more: Any) -> Reading:
    given = INPUTS[name]
    return read(given, known, Sample(given.source, given.address, value, NOW, **more), NOW)


def memory(name: str, value: object, at: float = T0) -> InputMemory:
    return InputMemory(INPUTS[name].origin, value, at)


def test_good_value_is_kept_with_its_time() -> None:
    """The memory holds the newest good value and when it was so in the plant."""
    result = reading("state", 3, memory("state", 1), source_time=NOW - 2)
    assert (result.memory.value, result.memory.at) == (3, NOW - 2)
    assert result.usable
    assert result.changed
    assert not result.notices


@pytest.mark.parametrize(("value", "quality"), [(None, "bad"), (3, "bad"), (None, "good"), (None, "uncertain")])
def test_p2_bad_or_absent_value_leaves_the_last_good_one(value: object, quality: Any) -> None:
    """The value and its time stay, only the quality is marked."""
    result = reading("state", value, memory("state", 1), quality=quality)
    lost = NOW if quality == "bad" else None
    assert result.memory == InputMemory(INPUTS["state"].origin, 1, T0, quality, bad_since=lost)
    assert not result.usable
    assert not result.changed
    assert not result.notices


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("order", {"sku": "X"}, 'no field "number"'),
        ("order", "hello", 'no field "number"'),
        ("order", {"number": {"id": 5}}, "plain value"),
        ("good", "12", "not a number"),
        ("good", True, "not a number"),
        ("good", -1, "negative"),
        ("good", 65536, "rollover"),
        ("scrap", {"qty": float("inf")}, "finite"),
    ],
)
def test_unusable_value_is_a_notice_and_changes_nothing(name: str, value: object, problem: str) -> None:
    """The notice says where it came from, what is wrong and shows the beginning of it; the memory stays."""
    known = memory(name, 5)
    result = reading(name, value, known)
    (notice,) = result.notices
    assert (notice.kind, notice.source, notice.address) == ("reject", INPUTS[name].source, INPUTS[name].address)
    assert problem in notice.text
    assert result.memory == known
    assert not result.usable


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [("state", [1, 2], "'index'"), ("good", {"n": 1}, "not a number"), ("good", float("nan"), "finite")],
)
def test_a_tag_that_holds_no_value_is_bad(name: str, value: object, problem: str) -> None:
    """An array or NaN where a number was: the last value stays, as of a tag that cannot be read, and it is said."""
    known = memory(name, 5)
    result = reading(name, value, known)
    assert problem in result.notices[0].text
    assert result.memory == replace(known, quality="bad", bad_since=NOW)
    assert not result.usable


@pytest.mark.parametrize(("known", "expected"), [("A", ""), ("", ""), (5, 5), (None, None)])
def test_null_of_a_tag_that_was_text_is_empty(known: object, expected: object) -> None:
    """Null is what text is where there is none; a number that is null has not been read."""
    result = reading("state", None, memory("state", known))
    assert result.memory.value == expected
    assert result.usable == (expected == "")


def test_field_that_says_null_is_empty() -> None:
    """A message that says there is no order is heard; one that does not speak of orders is refused."""
    result = reading("order", {"number": None, "at": NOW}, memory("order", "A"))
    assert result.usable
    assert result.changed
    assert result.memory.value == ""


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-01-05T06:00:00Z", T0),
        ("2026-01-05T07:00:00.250+01:00", T0 + 0.25),
        (T0, T0),
        (int(T0 * 1000) + 250, T0 + 0.25),
        ("2026-01-05T06:00:00", None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+23:59", -62135683140.0),
        (None, None),
        (True, None),
        ([], None),
        (10**400, None),
        (float("nan"), None),
    ],
)
def test_moment(value: object, at: float | None) -> None:
    """ISO 8601 with a zone, seconds and milliseconds are times; anything else is not."""
    assert epoch_seconds(value) == at


@pytest.mark.parametrize(
    ("source_time", "at", "noticed"),
    [
        (None, NOW, False),
        (NOW - 3600, NOW - 3600, False),
        (NOW + SOON, NOW, False),
        (NOW + SOON + 1, NOW, True),
        (NOW + AHEAD, NOW, True),
        (NOW - DEVICE_AGE, NOW - DEVICE_AGE, False),
        (NOW - DEVICE_AGE - 1, NOW, False),
        (NOW - CLOCK_LOST, NOW, False),
        (NOW - CLOCK_LOST - 1, NOW, True),
        (946_684_800.0, NOW, True),
        (float("nan"), NOW, True),
        (float("inf"), NOW, True),
    ],
)
def test_p11_source_time_counts_where_it_is_plausible(source_time: float | None, at: float, noticed: bool) -> None:
    """A tag at rest may be a day old; a clock in the future or at 2000-01-01 is noticed and not believed."""
    result = reading("state", 3, memory("state", 1, NOW - 172_800), source_time=source_time)
    assert result.memory.at == at
    assert bool(result.notices) == noticed


@pytest.mark.parametrize(
    ("stated", "at", "noticed"),
    [
        ("2026-01-05T06:00:00Z", T0, False),
        (NOW - MESSAGE_AGE, NOW - MESSAGE_AGE, False),
        (NOW - MESSAGE_AGE - 1, NOW, True),
        (NOW + AHEAD, NOW + AHEAD, False),
        (NOW + AHEAD + 1, NOW, True),
        ("soon", NOW, True),
        (None, NOW, True),
    ],
)
def test_p11_message_time_counts_before_the_time_of_arrival(stated: object, at: float, noticed: bool) -> None:
    """A broker may have kept a message for weeks; a time that no clock shows is noticed and not believed."""
    result = reading("order", {"number": "A", "at": stated})
    assert result.memory.at == at
    assert [notice.kind for notice in result.notices] == ["time"] * noticed


def test_p11_wrong_clock_is_noticed_once() -> None:
    """A device whose clock is off is reported when that begins, not with each value."""
    first = reading("state", 1, source_time=0.0)
    second = reading("state", 2, first.memory, source_time=1.0)
    mended = reading("state", 3, second.memory, source_time=NOW)
    again = reading("state", 4, mended.memory, source_time=2.0)
    assert [len(result.notices) for result in (first, second, mended, again)] == [1, 0, 0, 1]
    assert first.notices[0].kind == "time"


def test_p11_a_missing_time_hides_no_wrong_one() -> None:
    """That messages come without their time is said once, however often others have theirs; a wrong clock is said
    beside that, when it begins."""
    wrong, right, none = {"number": "A", "at": 0.0}, {"number": "A", "at": NOW}, {"number": "A"}
    known, texts = None, []
    for value in (none, none, wrong, wrong, none, right, none, wrong, right, wrong):
        result = reading("order", value, known)
        known = result.memory
        texts.append([notice.text.split(",")[0] for notice in result.notices])
    missing, off = ['the message has no field "at"'], ['the field "at" says 0.0']
    assert texts == [missing, [], off, [], [], [], [], off, [], off]


def test_memory_of_another_tag_is_not_compared() -> None:
    """An input that was pointed at another tag starts anew, and that is listed as a gap."""
    result = reading("good", 7, InputMemory("plc OldTag", 60000, T0))
    assert result.before.value is None
    assert result.memory.value == 7
    assert [notice.kind for notice in result.notices] == ["gap"]


def test_plan_knows_what_a_message_feeds() -> None:
    """One message feeds all inputs of its topic; the subscriptions are exactly what the inputs name."""
    fed = plan().subscriptions
    assert [given.name for given in fed["mes", "order"]] == ["order", "product"]
    assert set(fed) == {("plc", "State"), ("plc", "Good"), ("plc", "Reject"), ("mes", "order"), ("mes", "scrap")}
    assert isinstance(fed["plc", "Good"][0], InputPlan)
    assert {
        (sample.source, sample.address) for sample in (tag(0, "Good", 1), order(0, "A"), message(0, "scrap", 1))
    } <= set(fed)


def test_p2_a_stale_retained_count_is_not_a_reset() -> None:
    """A broker that kept an older count than was seen live changes nothing; the next live one
    counts from what is known."""
    given = InputPlan("good", "mes", "l01/good", "mes l01/good", counter=Counter())
    seen = read(given, None, Sample("mes", "l01/good", 1500, 10.0), 10.0).memory
    stale = read(given, seen, Sample("mes", "l01/good", 1400, 20.0, retained=True), 20.0)
    assert not stale.usable
    assert stale.memory == seen
    assert [notice.kind for notice in stale.notices] == ["gap"]
    equal = read(given, seen, Sample("mes", "l01/good", 1500, 25.0, retained=True), 25.0)
    assert (equal.usable, equal.notices) == (True, ())
    newer = read(given, seen, Sample("mes", "l01/good", 1501, 30.0, retained=True), 30.0)
    assert (newer.usable, newer.memory.value) == (True, 1501)


def test_p11_a_clock_that_was_set_back_is_not_believed() -> None:
    """A tag that changes to a value an hour older than the one before has the time of arrival, said
    once; seconds are nothing."""
    result = reading("state", 3, memory("state", 1, NOW - 10), source_time=NOW - 3600)
    assert result.memory.at == NOW
    assert "was set back by 3590 s" in result.notices[0].text
    again = reading("state", 4, result.memory, source_time=NOW - 3590)
    assert (again.memory.at, again.notices) == (NOW, ())
    assert reading("state", 3, memory("state", 1, NOW), source_time=NOW - SET_BACK).memory.at == NOW - SET_BACK
    assert reading("state", 3, memory("state", 1, NOW), source_time=NOW - SET_BACK - 1).memory.at == NOW
    assert reading("state", 1, memory("state", 1, NOW - 10), source_time=NOW - 3600).notices == ()
