"""Inputs with memory: what a sample says about an input, and the last good value that is kept of it.

Retained messages and the initial values after a subscribe pass through here like any other sample: because they
are compared with the memory, which is stored with the records, they change nothing that is already known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

from gateway.config.schema_inputs import Counter
from gateway.mapping import counters
from gateway.mapping.expressions import Expression
from gateway.mapping.patterns import Look, Reference
from gateway.mapping.values import ABSENT, Number, excerpt, find, flaw, number, scalar, text
from gateway.model import Notice, Quality, Sample, Scalar

DAY = 86_400.0
AHEAD = 300.0
"""How far a time may lie in the future, in seconds: clocks differ."""
DEVICE_AGE = DAY
"""How old a device's time may be: a tag that rests keeps the time of its last change."""
MESSAGE_AGE = 31 * DAY
"""How old a message's own time may be: brokers keep messages for a gateway that is away."""
CLOCK_LOST = 366 * DAY
"""A device's time older than this is no tag at rest but a clock that was never set."""
SET_BACK = 60.0
"""A tag that changes to a value with a time so much older than the value before: the device's clock was set back."""


@dataclass(frozen=True, slots=True)
class InputPlan:
    """An input as configured. `field` and `time` are paths in a message; `plain`: an object makes no sense here;
    `message`: it comes by MQTT, so that each is something that happened, unless `edge` says which changes are; `metric`: it is one of
    several values of a device, of which a sample has those that it is about, by name; `booked`: each time it comes counts for itself. `only` are fields of the messages that it takes, by path, with the texts that
    they can have.

    `origin` is what the memory of the input belongs to: where that changes, the memory is of something else. `fresh` and `heartbeat`
    say after how many seconds it is quiet. A derived input has no address, but an `expression`, or `stale_of`, the input that is quiet
    while it is true. `relies_on` are the inputs that it follows from, and the heartbeats of its source.
    """

    name: str
    source: str
    address: str
    origin: str
    field: tuple[str, ...] = ()
    time: tuple[str, ...] | None = None
    counter: Counter | None = None
    plain: bool = False
    message: bool = False
    metric: bool = False
    booked: bool = False
    only: tuple[tuple[tuple[str, ...], frozenset[str]], ...] = ()
    edge: Literal["rising", "falling", "any"] | None = None
    fresh: float | None = None
    heartbeat: float | None = None
    expression: Expression | None = None
    stale_of: str | None = None
    relies_on: tuple[str, ...] = ()

    def fed_by(self, sample: Sample) -> bool:
        """Whether `sample`, which has this input's address, is about it."""
        if self.metric:
            return isinstance(sample.value, dict) and self.field[0] in sample.value
        return all(text(scalar(find(sample.value, path))) in texts for path, texts in self.only)

    @property
    def patience(self) -> float | None:
        """After how many seconds it is quiet; None where nothing is expected of it."""
        return self.fresh if self.fresh is not None else self.heartbeat


@dataclass(frozen=True, slots=True)
class InputMemory:
    """The last good `value` (JSON; None: none yet), when it was so, and how far the newest sample can be trusted.

    `clock`: whether the newest time that the device or message gave was usable; `seen` is when it came, on the gateway's clock. `lost`: since when the quality is bad. `quiet_at`: when
    it will be quiet unless something comes; `stale`: it is. These two are on the gateway's clock. `basis`: what the input said at the time
    with which this counter restarts. `untimed`: whether the newest message had no field for its time; None where none has ever lacked it.
    """

    origin: str
    value: object = None
    at: float = 0.0
    quality: Quality = "good"
    clock: bool = True
    lost: float | None = None
    quiet_at: float | None = None
    stale: bool = False
    basis: str | None = None
    seen: float = 0.0
    untimed: bool | None = None


class Reading(NamedTuple):
    """What a sample said about an input: the memory before and after, and whether it brought a usable value.

    Of a counter, `made` is what was counted since, in its unit; `unwatched` is when the gap in which that was began, if there was one.
    """

    before: InputMemory
    memory: InputMemory
    fresh: bool
    notices: tuple[Notice, ...] = ()
    made: Number = 0
    unwatched: float | None = None

    @property
    def changed(self) -> bool:
        return self.memory.value != self.before.value


def read(plan: InputPlan, known: InputMemory | None, sample: Sample, now: float) -> Reading:
    """Take `sample`, which feeds this input, into its memory.

    A bad quality or an absent value leaves the last good value; so does one that cannot be used, with a notice.
    """
    if known is None:
        known = InputMemory(plan.origin)
    elif known.origin != plan.origin:
        moved = f"{plan.name} was read from {known.origin} before: the gateway compares it with nothing it knows"
        reading = read(plan, None, sample, now)
        return reading._replace(notices=(Notice("gap", now, plan.source, plan.address, moved), *reading.notices))
    if sample.quality == "bad" or sample.value is None:
        lost = (known.lost if known.lost is not None else now) if sample.quality == "bad" else None
        return Reading(known, replace(known, quality=sample.quality, lost=lost), fresh=False)
    value = find(sample.value, plan.field)
    problem = _problem(plan, value)
    if problem is not None:
        text = f"{plan.name} {problem}: {excerpt(sample.value)}"
        return Reading(known, known, fresh=False, notices=(_reject(plan, now, text),))
    if plan.counter is not None:
        value = number(value)
        before = number(known.value)
        if sample.retained and before is not None and value is not None and value < before:
            # A broker can keep an older count than the one that came live. The next live one tells what is true.
            text = f"{plan.name}: the broker kept {value}, but {before} was seen already: not counted"
            return Reading(known, known, fresh=False, notices=(Notice("gap", now, plan.source, plan.address, text),))
    at, distrust = when(plan, sample, now)
    changed = value != known.value
    if changed and not plan.message and known.value is not None and at < known.at - SET_BACK:
        at, distrust = (
            now,
            f"the clock of the device was set back by {known.at - at:.0f} s, so the time of arrival counts",
        )
    missing = plan.time is not None and find(sample.value, plan.time) is ABSENT
    told = known.untimed is not None if missing else not (known.clock or known.untimed)
    notices = () if distrust is None or told else (Notice("time", now, plan.source, plan.address, distrust),)
    quiet_at, stale = known.quiet_at, known.stale
    if plan.patience is not None and (changed or plan.fresh is not None or known.value is None):
        quiet_at, stale = now + plan.patience, False
    memory = InputMemory(
        plan.origin,
        value,
        at,
        sample.quality,
        clock=distrust is None,
        quiet_at=quiet_at,
        stale=stale,
        basis=known.basis,
        seen=now,
        untimed=missing if missing or known.untimed is not None else None,
    )
    return Reading(known, memory, fresh=True, notices=notices)


def counted(
    plan: InputPlan, counter: Counter, reading: Reading, sample: Sample, now: float, heard: float, basis: object
) -> Reading:
    """The reading of a counter with what was made since the one before.

    `heard` is when its source was last heard of; `basis` what the input says with which the counter restarts.
    """
    before, memory = reading.before, reading.memory
    said = text(scalar(basis)) if counter.restarts_with is not None else None
    if said != memory.basis:
        reading = reading._replace(memory=replace(memory, basis=said))
    last, value = number(before.value), number(memory.value)
    if last is None or value is None:
        return reading
    away = sample.initial or sample.retained
    unwatched = before.lost if before.lost is not None else heard if away else None
    restarted = unwatched is not None and None not in (said, before.basis) and said != before.basis
    elapsed = memory.at - before.at
    if elapsed < 0 or not (before.clock and memory.clock):  # a clock was set, so its times cannot be subtracted
        elapsed = now - before.seen
    move = counters.moved(counter, last, value, elapsed, watched=not away, restarted=restarted)
    notices = reading.notices
    if move.gap is not None:
        notices = (*notices, Notice("gap", now, plan.source, plan.address, f"{plan.name} {move.gap}"))
    return reading._replace(
        notices=notices, made=move.amount * counter.scale, unwatched=None if restarted else unwatched
    )


def derived(
    plan: InputPlan,
    known: InputMemory | None,
    memory: Mapping[str, InputMemory],
    at: float,
    now: float,
    cause: InputPlan,
) -> Reading | None:
    """What follows from `memory` for a derived input, as `cause` changed at `at`; None where that cannot be told yet."""
    if known is None or known.origin != plan.origin:
        known = InputMemory(plan.origin)
    if plan.expression is None:
        other = memory.get(plan.stale_of or "")
        value: object = other is not None and other.stale
    else:
        names = plan.expression.names
        values = {name: memory[name].value if name in memory else None for name in names}
        if None in values.values():
            return None
        value = plan.expression.value(values)
        if value is None:
            what = ", ".join(f"{name} = {excerpt(one)}" for name, one in values.items())
            notice = _reject(cause, now, f'{plan.name}: "{plan.expression.source}" has no value for {what}')
            notices = (notice,) if known.quality != "bad" else ()
            return Reading(known, replace(known, quality="bad"), fresh=False, notices=notices)
    return Reading(known, InputMemory(plan.origin, value, at), fresh=True)


def gone(plans: Mapping[str, InputPlan], memory: Mapping[str, InputMemory], name: str) -> bool:
    """Whether what is known of the input does not hold at the moment: its source is gone, or it or what it relies on is quiet."""
    known, plan = memory.get(name), plans.get(name)
    if known is not None and (known.quality == "bad" or known.stale):
        return True
    if plan is None or plan.stale_of is not None:  # that something is quiet is known
        return False
    if plan.expression is not None:
        return any(gone(plans, memory, other) for other in plan.relies_on)
    return any(beat in memory and memory[beat].stale for beat in plan.relies_on)


def silence(plan: InputPlan, now: float) -> Notice:
    """What is said of an input that is quiet."""
    what = "has not changed" if plan.heartbeat is not None else "has said nothing"
    return Notice("gap", now, plan.source, plan.address, f"{plan.name} {what} for {plan.patience:g} s")


def outdated(fed: Sequence[InputPlan], known: Mapping[str, InputMemory], sample: Sample) -> bool | None:
    """Whether the message that feeds `fed` is older than what is known, by its own time; None where it has none.

    A broker keeps the last message that was published to be kept; others may have come since.
    """
    older = None
    for plan in fed:
        at = None if plan.time is None else moment(find(sample.value, plan.time))
        if at is None:
            continue
        before = known.get(plan.name)
        comparable = before is not None and before.origin == plan.origin and before.clock
        older = bool(older) or (comparable and before is not None and at < before.at)
    return older


def _reject(plan: InputPlan, now: float, text: str) -> Notice:
    return Notice("reject", now, plan.source, plan.address, text)


def _problem(plan: InputPlan, value: object) -> str | None:
    """Why `value` cannot be this input's, as the end of a sentence."""
    if value is ABSENT:
        return f'is missing: the message has no field "{".".join(plan.field)}"'
    problem = flaw(value)
    if problem is not None:
        return problem
    if plan.counter is not None:
        count = number(value)
        return "is not a number, which a counter is" if count is None else counters.refusal(plan.counter, count)
    if plan.plain and isinstance(value, dict | list):
        return "is an object or list where a plain value is needed; name one field of it"
    return None


def when(plan: InputPlan, sample: Sample, now: float) -> tuple[float, str | None]:
    """When the sample was true in the plant, and what is wrong with the time it came with, if anything.

    The message's own time counts first, then the device's, then the time of arrival. One that is implausible
    gives way to the time of arrival.
    """
    if plan.time is not None:
        stated, field = find(sample.value, plan.time), f'field "{".".join(plan.time)}"'
        if stated is ABSENT:
            return now, f"the message has no {field}, so the time of arrival counts: {excerpt(sample.value)}"
        at = moment(stated)
        if at is None:
            return now, f"the {field} says {excerpt(stated)}, which is no time, so the time of arrival counts"
        if not now - MESSAGE_AGE <= at <= now + AHEAD:
            return now, f"the {field} says {excerpt(stated)}, which cannot be, so the time of arrival counts"
        return at, None
    at = sample.source_time
    if at is None:
        return now, None
    if now - DEVICE_AGE <= at <= now + AHEAD:
        return at, None
    if now - CLOCK_LOST <= at <= now:
        return now, None
    return now, f"the clock of the device is off by {at - now:+.0f} s, so the time of arrival counts"


def moment(value: object) -> float | None:
    """A time in a message: ISO 8601 with a zone, or seconds or milliseconds since 1970. None where it is neither."""
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
            return time.timestamp() if time.tzinfo is not None else None
        except (ValueError, OverflowError):
            return None
    seconds = number(value)
    if seconds is None:
        return None
    return seconds / 1000 if seconds > 1e11 else float(seconds)


def looking(memory: Mapping[str, InputMemory]) -> Look:
    """How patterns see the inputs: the last good value, or the field of it, where that is a plain value."""

    def look(reference: Reference) -> Scalar:
        known = memory.get(reference.input)
        return None if known is None else scalar(find(known.value, reference.path))

    return look
