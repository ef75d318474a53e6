"""What becomes of an interval that is open at Oden and not known here: the decision by itself."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.adoption import Shown, ended_at, is_same, shown_in, verdict
from gateway.model import StartInterval, interval_key
from tests.delivery.harness import LINE

T = 1_800_000_000
RECORD = StartInterval("K", LINE, float(T), "RUN", T, "A", {"product": "Film"})
RUN = Shown("1", T - 1000, None, "A", {"product": "Film"}, None)
OURS = replace(RUN, reference=interval_key(LINE, "RUN", RUN.start))
THEIRS = replace(RUN, reference=interval_key(LINE, "RUN", RUN.start - 3600))


@pytest.mark.parametrize(
    ("shown", "kind", "latest", "referenced", "expected"),
    [
        (RUN, "RUN", 0, False, "adopt"),
        (RUN, "RUN", 0, True, "adopt"),
        (replace(RUN, name="A (2)"), "RUN", 0, False, "adopt"),
        (replace(RUN, name=" a "), "RUN", 0, False, "adopt"),
        (replace(RUN, name="AB"), "RUN", 0, False, "leave"),
        (replace(OURS, name="B"), "RUN", 0, True, "end"),
        (replace(THEIRS, name="B"), "RUN", 0, True, "leave"),
        (RUN, "RUN", T - 500, False, "leave"),
        (OURS, "RUN", T - 500, True, "end"),
        (replace(RUN, end=T - 10), "RUN", 0, False, "leave"),
        (replace(RUN, start=T, end=T + 9, name="B"), "RUN", 0, False, "adopt"),
        (replace(THEIRS, start=T), "RUN", 0, True, "adopt"),
        (RUN, "BATCH", 0, False, "leave"),
        (OURS, "BATCH", 0, True, "adopt"),
        (RUN, "STATE", 0, False, "end"),
        (RUN, "STATE", 0, True, "leave"),
        (OURS, "STATE", 0, True, "end"),
        (replace(RUN, start=T), "STATE", 0, False, "adopt"),
    ],
)
def test_what_becomes_of_it(shown: Shown, kind: str, latest: int, referenced: bool, expected: str) -> None:
    """A row for each that the document tells apart; a reference counts by the start that it is made from."""
    assert verdict(shown, replace(RECORD, type=kind), latest, referenced=referenced) == expected


def test_what_has_no_name_is_never_the_same() -> None:
    """Whatever else the two have in common."""
    assert is_same(RUN, RECORD)
    assert not is_same(replace(RUN, name=None), replace(RECORD, name=None))
    assert not is_same(replace(RUN, name=None), RECORD)
    assert not is_same(RUN, replace(RECORD, name=None))


times = st.integers(T - 10_000, T + 10_000)


@given(times, st.none() | times, times)
def test_an_end_is_after_its_start_and_never_after_what_follows(start: int, until: int | None, before: int) -> None:
    """And never later than it was last known to be on, but for the second that each interval has."""
    end = ended_at(replace(RUN, start=start), until, before)
    assert end > start
    assert end <= max(until or 0, start + 1)
    assert end <= before or before <= start


@pytest.mark.parametrize(
    "answer", [None, {}, "x", [{"id": "1"}], [{"id": "1", "start_time": "2027-01-15T08:00:00Z", "end_time": "soon"}]]
)
def test_an_answer_that_cannot_be_read_is_not_none(answer: object) -> None:
    assert shown_in(answer, None) is None


def test_intervals_are_read_by_their_starts() -> None:
    """One alone, or a list; metadata as they are told, the reference under its name."""
    one = {"id": 7, "start_time": "2027-01-15T08:00:10Z", "metadata": {"product": {"name": "Film"}, "key": "K"}}
    two = {"id": 8, "start_time": "2027-01-15T08:00:00Z", "end_time": "2027-01-15T08:00:05Z", "name": "A"}
    assert shown_in([], None) == []
    first, second = shown_in([one, two], "key") or []
    assert (first.id, first.end, first.name, second.reference) == ("8", T + 5, "A", "K")
    assert second.metadata == {"product": "Film", "key": "K"}
    assert shown_in(one, "key") == [second]
