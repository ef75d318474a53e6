"""What a correction says of itself to a person: what has moved, from where to where, and because of which message.
Pure.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from gateway.mapping.compile import LinePlan
from gateway.mapping.context import Because
from gateway.mapping.facts import Shape, SumKey
from gateway.mapping.values import Number, excerpt
from gateway.model import Moment, Notice, Record, Recovered, Sample

LISTED = 5.0
"""A message that corrects what was told is listed where it comes later than that, in seconds."""
MOST_MOVES = 4
"""Moves of amounts that are put into words."""
MOST_SWINGS = 3
"""An interval that is told otherwise more often than that is listed."""
MOST_SWINGING = 64
"""Intervals of which it is remembered how often they were told otherwise."""


def because_of(
    plan: LinePlan,
    late: Sequence[tuple[Sample | Moment, float]],
    moves: Iterable[tuple[SumKey, Number]],
    name: Callable[[str], str],
    requests: int,
    kept: Recovered | None = None,
    owed: Collection[SumKey] = (),
) -> Because:
    """Why what was told is told otherwise: the message that came latest, or what a source had kept, and what has moved,
    in words. What is `owed` waits until another has it."""
    parts = [*_moved(moves, name, owed)]
    shown = [*parts[:MOST_MOVES], *([f"{len(parts) - MOST_MOVES} more"] if len(parts) > MOST_MOVES else [])]
    what = f"moved {', '.join(shown)}, because" if parts else "corrected, because"
    sample, said = max(_samples(late), key=lambda one: one[0].received - one[1], default=(None, 0.0))
    if kept is not None or sample is None:
        source, since, at = (kept.source, kept.since, kept.received) if kept is not None else ("", 0.0, 0.0)
        heard = f"what {source} had kept since {_clock(since)} was read at {_clock(at)}"
        sample, input_, delay = sample or Sample(source, "", None, at), "", 0.0
    else:
        others = f" and {len(late) - 1} others" if len(late) > 1 else ""
        heard = f"{sample.address} ({_clock(said)}){others} was heard at {_clock(sample.received)}"
        input_, delay = plan.timed_by(sample), sample.received - said
    text = f"{what} {heard}; {requests} request{'' if requests == 1 else 's'}"
    return Because(sample, text, input_, delay)


def _samples(late: Iterable[tuple[Sample | Moment, float]]) -> Iterator[tuple[Sample, float]]:
    for each, said in late:
        yield from ((sample, said) for sample in (each.samples if isinstance(each, Moment) else (each,)))


def by_record(records: Iterable[Record], because: Because | None) -> Mapping[str, Because]:
    """The same for each of the records."""
    return {} if because is None else dict.fromkeys((record.key for record in records), because)


def _moved(
    moves: Iterable[tuple[SumKey, Number]], name: Callable[[str], str], owed: Collection[SumKey]
) -> Iterator[str]:
    """The moves as `100 yield A → B`, those of one kind together."""
    by_shape: dict[Shape, list[tuple[str, Number]]] = {}
    waits = {(interval, raw_data, names) for interval, _, raw_data, names in owed}
    for (interval, _, raw_data, names), amount in moves:
        by_shape.setdefault((raw_data, names), []).append((interval, amount))
    for (raw_data, names), amounts in by_shape.items():
        code = "".join(f" {value}" for _, value in raw_data)
        what = f"{'/'.join(names)}{code}"
        to = [(interval, amount) for interval, amount in amounts if amount > 0]
        for interval, amount in amounts:
            left = max(-amount, 0)
            while left > 0 and to:
                (other, room), *to = to
                moved = min(left, room)
                yield f"{moved:g} {what} {name(interval)} → {name(other)}"
                left -= moved
                to = [(other, room - moved), *to] if room > moved else to
            if left > 0:
                once = ", once another has it" if (interval, raw_data, names) in waits else ""
                yield f"{left:g} {what} off {name(interval)}{once}"
        for interval, amount in to:
            yield f"{amount:g} {what} to {name(interval)}"


def _clock(at: float) -> str:
    """The time of the day, in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%SZ}"


def listed(
    plan: LinePlan, late: Sequence[tuple[Sample | Moment, float]], because: Because, at: float
) -> Iterator[Notice]:
    """What is said of a correction: of each message that came late, and of the latest what has moved."""
    for sample, said in _samples(late):
        if sample.received - said <= LISTED or plan.counts_each(sample):
            continue
        text = f"came {sample.received - said:.0f} s late and corrects what was told: {excerpt(sample.value)}"
        words = f"; {because.text}" if sample is because.sample else ""
        yield Notice("time", at, sample.source, sample.address, text + words)


def swings(
    known: Mapping[str, int], changed: Iterable[str], name: Callable[[str], str], at: float
) -> tuple[Mapping[str, int], tuple[Notice, ...]]:
    """How often which interval was told otherwise, once `changed` are; and what is listed of those that never rest."""
    counts, notices = dict(known), []
    for key in changed:
        counts[key] = counts.pop(key, 0) + 1
        if counts[key] == MOST_SWINGS + 1:
            text = (
                f"{name(key)} is told otherwise for the {MOST_SWINGS + 1}th time: what is sent of it contradicts itself"
            )
            notices.append(Notice("gap", at, "", "", text))
    return {key: counts[key] for key in [*counts][-MOST_SWINGING:]}, tuple(notices)
