"""Times of a line's state that a wrong clock has stamped, and that are mended."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.line import LineState, Tick
from gateway.mending import TIMES, Stamped, moved_stamps, retimed, stamp_of
from gateway.model import Output, Record, Sample
from tests.mapping.recording import PLC, T0, message, plan, play, tag, tick

NO_TIMES = {
    "amount",
    "away",  # seconds
    "counted",
    "counted_undecided",
    "credit",
    "credited_ahead",  # times, but of what is at Oden: those stay as they are
    "credited_until",  # the same
    "entries",  # time stamps and amounts of what was told, for a sentence about what is at Oden: the same
    "foretold",
    "held_before",
    "holds",
    "key",
    "largest",
    "made",
    "moved",
    "number",
    "place",
    "raw_data",
    "said",  # what placeholders stood for
    "seconds",
    "seq",
    "short_stop_seconds",
    "short_stops",
    "source_time",  # by the clock of a device
    "stamps",  # of output: what Oden has stays as it is, and the others are moved by themselves
    "unit",
    "value",
}
"""Fields of a line's state that hold numbers and no times."""
UNTIMED = plan(inputs={name: {k: v for k, v in section.items() if k != "time"} for name, section in PLC.items()})
EVENTS = (
    tag(1, "State", 1),
    tag(2, "Good", 65500),
    message(10, "order", {"number": "A", "sku": "FILM"}),
    tag(20, "Good", 65530),
    message(30, "scrap", {"qty": 2, "code": "Splice"}),
    tag(70, "Good", 10),
    tag(80, "State", 3),
    tag(82, "State", None, quality="bad"),
    message(85, "scrap", {"qty": 1, "code": "Gel"}),
    message(100, "order", {"number": "B", "sku": "PIPE"}),
    tag(101, "State", 1),
    tag(110, "Good", 20),
    message(140, "order", {"number": "", "sku": ""}),
    tag(150, "State", 0),
    tick(4000),
)
"""A bit of everything, at the times of arrival."""


def holders(kind: Any) -> Iterator[type]:
    """The dataclasses and named tuples that a type holds."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        assert isinstance(kind, type)
        yield kind
    for part in get_args(kind):
        yield from holders(part)


def numbers(kind: Any) -> bool:
    """Whether a field of the type can hold a number by itself, not within another holder."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if kind in (int, float, object):
        return True
    return not (is_dataclass(kind) or hasattr(kind, "_fields")) and any(numbers(part) for part in get_args(kind))


def test_every_field_of_a_line_that_holds_numbers_is_known_to_hold_times_or_none() -> None:
    """A field that is added to the state has to be put into one of the two lists."""
    seen, waiting, unknown = set[type](), list[type]([LineState]), set[str]()
    while waiting:
        holder = waiting.pop()
        if holder in seen:
            continue
        seen.add(holder)
        hints = get_type_hints(holder, include_extras=True)
        names = [each.name for each in fields(holder)] if is_dataclass(holder) else list(hints)
        for name in names:
            waiting += holders(hints[name])
            if numbers(hints[name]) and name not in TIMES | NO_TIMES:
                unknown.add(f"{holder.__name__}.{name}")
    assert len(seen) > 10
    assert unknown == set()


def shifted(event: Sample | Tick, by: float) -> Sample | Tick:
    """The event as it comes where the gateway's clock is wrong, and no clock else says a time."""
    if isinstance(event, Tick):
        return Tick(event.at + by)
    return replace(event, received=event.received + by, source_time=None)


def untold(records: Sequence[Record]) -> Stamped:
    """The time stamps of the records where Oden has none of them."""
    return frozenset(stamp_of(record) for record in records if isinstance(record, Output))


@given(cut=st.integers(0, len(EVENTS)), off=st.sampled_from([-86_400, -3600, 120, 3600, 31_622_400]))
def test_p11_a_line_whose_times_are_mended_goes_on_as_if_the_clock_had_been_right(cut: int, off: int) -> None:
    """Whenever a wrong clock is put right: what follows is what follows for a clock that was right all along."""
    right = [shifted(event, 0.0) for event in EVENTS]
    before = play(UNTIMED, *right[:cut])
    wrong = play(UNTIMED, *(shifted(event, off) for event in EVENTS[:cut]))
    after = play(UNTIMED, *right[cut:], state=retimed(wrong.state, T0 + off, -off, untold(wrong.records)))
    expected = play(UNTIMED, *right[cut:], state=before.state)
    assert after.texts == expected.texts
    assert after.notices == expected.notices


@pytest.mark.parametrize("off", [3600, -3600])
def test_p11_what_was_stamped_before_the_clock_was_wrong_stays(off: int) -> None:
    """A run that had begun before keeps its start."""
    played = play(UNTIMED, *EVENTS[:4])
    state = played.state
    assert state.runs.current is not None
    mended = retimed(state, T0 + 15, off, untold(played.records))
    assert mended.runs == state.runs
    assert (state.inputs["good"].at, mended.inputs["good"].at) == (T0 + 20, T0 + 20 + off)
    assert mended.inputs["good"].value == 65530


def test_p4_the_time_stamps_of_what_oden_has_stay_taken() -> None:
    """Of what waits still they move with it; a test and an entry of output of one second are two things."""
    state, at = play(UNTIMED, *EVENTS[:10]).state, int(T0)
    ours, waits = {"A": (at + 5, at + 20)}, ("A", at + 20)
    state = replace(state, output=replace(state.output, stamps=ours), rules=replace(state.rules, stamps=ours))
    mended = retimed(state, at + 15, 3600, frozenset({(*waits, False)}))
    assert mended.output.stamps == {"A": (at + 5, at + 3620)}
    assert mended.rules.stamps == ours
    assert retimed(state, at + 15, 3600, frozenset({(*waits, True)})).output.stamps == ours


def test_p4_what_waits_shares_no_second_with_what_oden_has() -> None:
    """A clock that was ahead has told an entry of the second into which one that waits would be put back."""
    state, at = play(UNTIMED, *EVENTS[:10]).state, int(T0)
    state = replace(
        state, output=replace(state.output, stamps={"A": (at + 5, at + 6, at + 3600, at + 3605, at + 3606)})
    )
    untold_ = frozenset({("A", at + 3605, False), ("A", at + 3606, False)})
    moved = moved_stamps(state, at + 3600, -3600, untold_)
    assert moved == {("A", at + 3605, False): at + 7, ("A", at + 3606, False): at + 8}
    stamps = retimed(state, at + 3600, -3600, untold_).output.stamps["A"]
    assert stamps == (at + 5, at + 6, at + 7, at + 8, at + 3600)
