"""Which interval in the answer to a search a start has made, where Oden rounds starts to the minute."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.adoption import Shown, is_of
from gateway.model import StartInterval, interval_key
from gateway.oden.answers import interval_id, shows_start
from gateway.oden.exchange import iso
from gateway.oden.shown_starts import may_be_rounded, rounds_starts, telling, with_own_starts

LINE, KEY = "Factory A/Line 01", "gateway_key"
MINUTE = 1_800_000_120
"""A full one."""


def check(second: int) -> StartInterval:
    """A check that began so many seconds after the full minute."""
    start = MINUTE + second
    key = interval_key(LINE, "CHECK", start)
    return StartInterval(key, LINE, start, "CHECK", start, f"Check {second}", {"result": "pass"})


def entry(record: StartInterval, *, keyed: bool = True, **more: object) -> dict[str, object]:
    """How an Oden shows it that rounds starts; `keyed`: the key that it was told is still there."""
    metadata = {**record.metadata, **({KEY: record.key} if keyed else {})}
    shown = {"id": f"id of {record.start}", "start_time": iso(record.start - record.start % 60), "name": record.name}
    return {**shown, "metadata": metadata, **more}


def found(answer: object, records: list[StartInterval], step: int = 60, **known: int) -> list[object]:
    """Of each record, the id under which the answer shows it."""
    own = with_own_starts(answer, records, step, known, KEY)
    return [interval_id(own, one, KEY) if shows_start(own, one, KEY) else None for one in records]


def test_p4_a_start_at_the_full_minute_is_not_another_of_that_minute() -> None:
    """Whose key somebody has taken away: what is called otherwise is another, whatever start Oden shows."""
    assert found([entry(check(35), keyed=False)], [check(0)]) == [None]
    assert found([entry(check(35), keyed=False), entry(check(0), keyed=False)], [check(0)]) == [f"id of {MINUTE}"]


def test_p4_what_carries_the_key_of_a_start_is_that_whatever_else_it_shows() -> None:
    """Another name, another category, another start: people change names, and how Oden rounds need not be known."""
    changed = entry(check(35), name="By hand")
    assert found([changed], [check(35)], step=0) == [f"id of {MINUTE + 35}"]
    assert found([entry(check(0)), changed], [check(35)]) == [f"id of {MINUTE + 35}"]


def test_p4_an_entry_that_cannot_be_read_leaves_the_doubt() -> None:
    """It may be the one."""
    own = with_own_starts([entry(check(1), keyed=False), {"id": "7"}], [check(0)], 60, (), KEY)
    assert shows_start(own, check(0), KEY) is None


@given(st.data())
def test_p4_of_the_starts_of_one_minute_those_are_found_that_are_there(data: st.DataObject) -> None:
    """However many of them are at Oden, with keys or without, in whichever order."""
    records = [check(second) for second in data.draw(st.lists(st.integers(0, 119), unique=True, min_size=1))]
    there = data.draw(st.sets(st.sampled_from(records).map(lambda one: one.start)))
    shown = [entry(one, keyed=data.draw(st.booleans())) for one in records if one.start in there]
    wanted = [f"id of {one.start}" if one.start in there else None for one in records]
    assert found(data.draw(st.permutations(shown)), records) == wanted


@pytest.mark.parametrize(
    ("answer", "known", "rounds"),
    [
        ([entry(check(35))], {}, True),
        ([entry(check(35), keyed=False)], {f"id of {MINUTE + 35}": MINUTE + 35}, True),
        ([entry(check(35), keyed=False)], {}, False),
        ([entry(check(0))], {}, False),
        ([entry(check(35), start_time=iso(MINUTE + 30))], {}, False),
        ([entry(check(35), start_time=iso(MINUTE + 60))], {}, False),
        ([{"id": "7"}], {}, False),
    ],
)
def test_what_shows_that_starts_are_rounded(answer: object, known: dict[str, int], *, rounds: bool) -> None:
    """An interval of ours, by its id or its key, at the full minute before; nobody moves one just there."""
    assert rounds_starts(answer, [check(35), check(0)], known, KEY) == rounds


@pytest.mark.parametrize(
    ("answer", "known", "may"),
    [
        ([entry(check(35), keyed=False)], {}, True),
        ([entry(check(35), keyed=False)], {f"id of {MINUTE + 35}": MINUTE + 35}, False),
        ([entry(check(35), keyed=False, start_time=iso(MINUTE + 35))], {}, False),
        ([entry(check(35), keyed=False, name="By hand")], {}, False),
        ([entry(check(0), keyed=False)], {}, False),
        ([{"id": "7"}], {}, False),
        ([], {}, False),
    ],
)
def test_what_leaves_open_whether_starts_are_rounded(answer: object, known: dict[str, int], *, may: bool) -> None:
    """What says the same as a start that is not there, at the full minute before it, and is not known as another."""
    assert may_be_rounded(answer, [check(35)], known) == may
    assert not may_be_rounded(answer, [check(0)], known)


def test_one_that_began_at_a_full_minute_does_not_tell_whether_starts_are_rounded() -> None:
    """Nor does what is not known; of others the latest is asked for, which Oden surely still has."""
    assert telling({}) is None
    assert telling({"1": MINUTE}) is None
    assert telling({"1": MINUTE, "2": MINUTE - 30, "3": MINUTE - 5}) == "3"


def test_p4_what_another_life_left_open_is_not_another_of_its_minute() -> None:
    """By its key, else by what it is called; where starts are kept as they are, by these."""
    shown = Shown("7", MINUTE, None, "Check 35", {"result": "pass", KEY: check(35).key}, check(35).key)
    assert is_of(shown, check(35), 60)
    assert not is_of(shown, check(0), 60)
    bare = replace(shown, reference=None, metadata={"result": "pass"})
    assert is_of(bare, check(35), 60)
    assert not is_of(bare, check(0), 60)
    assert is_of(bare, check(0), 1)
