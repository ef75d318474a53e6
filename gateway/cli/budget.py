"""How many requests an hour a line is expected to need, of those that its token has. Pure.

What happens on a line is not in its configuration: how often runs, states, batches and events come is assumed, and said so. `sent` is what
is sent while there is room, `least` what suffices when there is not: what waits is merged then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.cli.phrases import number
from gateway.config.schema import Line
from gateway.config.schema_output import Entry
from gateway.config.schema_runs import Calendar, weekdays
from gateway.model import CREATED_ONCE

HOUR = 3600.0
HOURS_A_WEEK = 168.0
RUNS, STATES, OTHERS = 1.0, 30.0, 1.0
"""An hour, as assumed: runs, changes of the state, and each of whatever else is not told by the configuration."""


@dataclass(frozen=True, slots=True)
class Need:
    """Requests an hour."""

    sent: float
    least: float

    def __add__(self, other: "Need") -> "Need":
        return Need(self.sent + other.sent, self.least + other.least)


def need(line: Line, merge_span: float) -> Need:
    """What one line needs; `merge_span` in seconds, as `outbox.merge_span`."""
    return sum(_parts(line, merge_span), Need(0.0, 0.0))


def _parts(line: Line, merge_span: float) -> Iterator[Need]:
    if line.run is not None:
        yield _intervals(RUNS)
    if line.states is not None:
        yield _intervals(STATES)
    if line.batches is not None:
        yield _intervals(_batches(line))
    for interval in line.intervals:
        yield _intervals(OTHERS if interval.calendar is None else _shifts(interval.calendar))
    if line.scrap_yield is not None:
        entries, every = line.scrap_yield.entries, line.scrap_yield.every
        for of in ("run", "batch"):
            kinds = _packed([entry for entry in entries if entry.of == of])
            yield Need(kinds * HOUR / every, kinds * min(HOUR / every, HOUR / merge_span))
    for rule in line.rules:
        often = 2 * OTHERS if rule.set in CREATED_ONCE else OTHERS  # it is looked for first
        yield Need(often, often)


def _intervals(often: float) -> Need:
    """Each has a request for its start and one for its end; where these have to wait, they become one."""
    return Need(2 * often, often)


def _batches(line: Line) -> float:
    if line.batches is None or line.batches.every is None or line.batches.count is None:
        return OTHERS
    counter = line.inputs[line.batches.count].counter
    if counter is None or counter.max_rate is None:
        return OTHERS
    return counter.max_rate * counter.scale * HOUR / line.batches.every


def _shifts(calendar: Calendar) -> float:
    return sum(len(weekdays(shift.days)) for shift in calendar.shifts) / HOURS_A_WEEK


def _packed(entries: Sequence[Entry]) -> int:
    """How many requests hold one of each entry: those that have no key in common share one, equal ones are one sum."""
    kinds: list[dict[str, object]] = []
    for entry in entries:
        data: dict[str, object] = dict(entry.raw_data)
        if data in kinds:
            continue
        kinds.append(data)
    packed: list[set[str]] = []
    for data in kinds:
        room = next((names for names in packed if not names & data.keys()), None)
        if room is None:
            packed.append({*data})
        else:
            room.update(data)
    return len(packed)


def said(needs: Sequence[Need], rate: float) -> Iterator[str]:
    """The needs of all lines against `rate`, the requests a second that the token may make."""
    total, have = sum(needs, Need(0.0, 0.0)), rate * HOUR
    share = f"{100 * total.sent / have:.0f} %" if total.sent < 10 * have else "many times"
    yield (
        f"Requests: about {number(total.sent)} an hour are expected, {share} of the {number(have)} that Oden may be sent, with {RUNS:g} run and "
        f"{STATES:g} changes of the state an hour on a line."
    )
    if total.least > have:
        yield (
            f"That is too many: also when all that waits is merged, {number(total.least)} an hour are left. Report output less often (`every`), use "
            "`hold` and `short_stops` for states, or give some lines a token of their own."
        )
    elif total.sent > have:
        yield f"What does not fit waits and is merged: {number(total.least)} an hour suffice then."
