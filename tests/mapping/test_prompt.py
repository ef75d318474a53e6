"""What comes at most a second late, of several senders whose messages overtake each other: it is put in its place at
once, and nothing that was told is told otherwise."""

from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.mapping.compile import LinePlan
from gateway.mapping.line import Tick
from gateway.model import Output, Record, Sample, Setting, StartInterval, UpdateInterval
from gateway.outbox.entries import Commit
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from tests.mapping.laws import examples
from tests.mapping.recording import LINE, T0, fed, message, order, plan, scrap, tag, texts_of, tick
from tests.mapping.test_late_properties import PLANT, SECTIONS, Made, arrivals, effective, facts, made_plants

WAITING = plan(**SECTIONS, scrap_yield={**LINE["scrap_yield"], "wait": "1s"})
"""A window is told a second after its end."""


@st.composite
def overtaking(draw: st.DrawFn) -> list[Made]:
    """A made plant of which each message comes at most a second late; those of one topic in their order."""
    came: list[Made] = []
    newest: dict[str, float] = {}
    for each in sorted(draw(made_plants()), key=lambda made: made.at):
        at = max(each.at + draw(st.sampled_from((0.0, 0.0, 0.3, 0.99))), newest.get(each.topic, 0.0))
        newest[each.topic] = at
        came.append(each._replace(delay=at - each.at))
    return came


def records(line: LinePlan, events: Sequence[Sample | Tick]) -> list[Record]:
    return fed(line, *events, ticks=True).records


def entries(told: Sequence[Record]) -> int:
    """How many requests wait where Oden cannot be reached meanwhile: what merges is one."""
    outbox = Outbox(MemoryStore())
    for number, record in enumerate(told, 1):
        outbox.commit(Commit(number=number, records=(record,)))
    return outbox.counts().waiting


@given(overtaking())
@example(
    [
        Made(88.25, "order", {"number": "A0", "sku": "FILM"}, 0.0),
        Made(324.25, "order", {"number": "A1", "sku": "FILM"}, 0.99),
        Made(324.25, "tank", {"number": 4}, 0.0),
    ]
)
@examples(40)
def test_p13_senders_that_overtake_each_other_tell_what_those_in_order_tell(messages: list[Made]) -> None:
    """By a second: the same intervals, each told as it stays, and the same sums."""
    told, right = (records(PLANT, arrivals(messages, late=late)) for late in (True, False))
    assert facts(effective(told)) == facts(effective(right))
    # Which of two tracks tells first is no matter: an interval is known by its key, not by its number among the texts.
    of_intervals = [[_said(one) for one in each if not isinstance(one, Output)] for each in (told, right)]
    assert sorted(of_intervals[0]) == sorted(of_intervals[1])


def _said(record: Record) -> str:
    """What a record says of an interval."""
    assert isinstance(record, StartInterval | UpdateInterval)
    start = record.start if isinstance(record, StartInterval) else None
    return repr(
        (record.type, record.interval, start, record.end, record.name, sorted(record.metadata.items(), key=repr))
    )


@given(overtaking())
@examples(40)
def test_p13_where_windows_wait_a_second_nothing_is_corrected_and_no_request_more_is_made(messages: list[Made]) -> None:
    """What was told of a window is not told otherwise, and what is told later of a run that has ended is more of it."""
    told, right = (records(WAITING, arrivals(messages, late=late)) for late in (True, False))
    assert facts(effective(told)) == facts(effective(right))
    assert not [one for one in told if not isinstance(one, Setting) and one.corrects]
    assert entries(told) <= entries(right)


def test_p13_an_order_that_is_overtaken_by_counts_ends_the_run_before_with_the_entries_that_it_has_in_order() -> None:
    """One entry holds yield and scrap, and it is output as any, which merges with what waits."""

    def events(heard: float) -> list[Sample | Tick]:
        before = [order(1, "A"), tag(2, "Good", 5), tag(10, "Good", 25), scrap(11, 2)]
        after = [tag(20.2, "Good", 26), order(heard, "B", at=20.0), tag(20.9, "Good", 27)]
        return [*before, *sorted(after, key=lambda sample: sample.received), tick(59)]

    told, right = records(plan(), events(20.7)), records(plan(), events(20.0))
    assert sorted(texts_of(told)) == sorted(texts_of(right))
    assert [(one.raw_data, one.corrects) for one in told if isinstance(one, Output)] == [
        ({"yield": 20, "scrap": 2, "scrap_code": "Splice"}, False)
    ]


def test_p13_what_was_counted_within_a_second_before_an_end_that_was_told_is_more_of_that_run() -> None:
    """It is no correction: nothing is taken from anything, and it has the turn of any output."""
    late = message(20.9, "scrap", {"qty": 4, "code": "Gel", "at": T0 + 19.95})
    told = records(plan(), [order(1, "A"), order(20, "B"), late, tick(59)])
    assert [(one.raw_data, one.corrects) for one in told if isinstance(one, Output)] == [
        ({"scrap": 4, "scrap_code": "Gel"}, False)
    ]
