"""Inputs with memory: what a sample says about an input, and the last good value that is kept of it.

Retained messages and the initial values after a subscribe pass through here like any other sample: because they are
compared with the memory, which is stored with the records, they change nothing that is already known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from gateway.config.schema_io import Counter
from gateway.mapping import counters
from gateway.mapping.expressions import Expression
from gateway.mapping.templates import Reference, Resolver
from gateway.mapping.values import ABSENT, Number, epoch_seconds, excerpt, find, flaw, number, scalar, text
from gateway.model import Notice, Quality, Sample, Scalar

DAY = 86_400.0
AHEAD = 300.0
"""How far a time may lie in the future, in seconds: clocks differ."""
SOON = 5.0
"""A device's time that is later than its arrival by more than that, in seconds, is listed: its clock is ahead."""
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
    """An input as configured.

    `origin` is what the memory of the input belongs to: where that changes, the memory is of something else.

    What of a sample it takes: `field` and `time` are paths in a message. `metric`: it is one of several values of a
    device, of which a sample has those that it is about, by name. `only` are fields of the messages that it takes, by
    path, with the texts that they can have. `plain`: an object makes no sense here.

    What that means: `message`: it comes by MQTT, so that each is an event, unless `edge` says which changes are.
    `counts_each`: each time it comes counts for itself, also where it says the same again. `fresh` and `heartbeat` say
    after how many seconds it is quiet.

    A derived input has no address, but an `expression`, or `stale_of`, the input that is quiet while it is true.
    `relies_on` are the inputs that it follows from, and the heartbeats of its source.
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
    counts_each: bool = False
    only: tuple[tuple[tuple[str, ...], frozenset[str]], ...] = ()
    edge: Literal["rising", "falling", "any"] | None = None
    fresh: float | None = None
    heartbeat: float | None = None
    expression: Expression | None = None
    stale_of: str | None = None
    relies_on: tuple[str, ...] = ()

    def accepts(self, sample: Sample) -> bool:
        """Whether `sample`, which has this input's address, is about it."""
        if self.metric:
            return isinstance(sample.value, dict) and self.field[0] in sample.value
        return all(text(scalar(find(sample.value, path))) in texts for path, texts in self.only)

    @property
    def quiet_after(self) -> float | None:
        """After how many seconds it is quiet; None where nothing is expected of it."""
        return self.fresh if self.fresh is not None else self.heartbeat


@dataclass(frozen=True, slots=True)
class InputMemory:
    """The last good `value` of an input (JSON; None: none yet), since when it is so (`at`), and how far the newest
    sample can be trusted.

    `clock_trusted`: the newest time that the device or message gave was usable. `untimed`: whether the newest
    message had no field for its time; None where none has ever lacked it. `bad_since`: since when the quality is
    bad. `restart_basis`: what the input said at the time with which this counter restarts; `reset_at`: when it last
    went back before that changed.

    On the gateway's clock: `received` is when the value came; `quiet_at` when it will be quiet unless something comes;
    `stale`: it is.
    """

    origin: str
    value: object = None
    at: float = 0.0
    quality: Quality = "good"
    clock_trusted: Annotated[bool, Field(alias="clock")] = True
    bad_since: Annotated[float | None, Field(alias="lost")] = None
    quiet_at: float | None = None
    stale: bool = False
    restart_basis: Annotated[str | None, Field(alias="basis")] = None
    received: Annotated[float, Field(alias="seen")] = 0.0
    untimed: bool | None = None
    reset_at: Annotated[float | None, Field(exclude_if=lambda at: at is None)] = None


class Reading(NamedTuple):
    """What a `sample` said about an input: the memory before and after, and whether it brought a `usable` value.

    Of a counter, `counted` is how far it moved, in its unit; `gap_began` is when the gap began in which that was, if
    there was one; `begins`: it was counted from zero, where what it restarts with changed in the same moment.
    """

    sample: Sample
    before: InputMemory
    memory: InputMemory
    usable: bool
    notices: tuple[Notice, ...] = ()
    counted: Number = 0
    gap_began: float | None = None
    begins: bool = False

    @property
    def changed(self) -> bool:
        """Whether the value is another than before."""
        return self.memory.value != self.before.value


def read(
    plan: InputPlan, memory: InputMemory | None, sample: Sample, now: float, lost_at: float | None = None
) -> Reading:
    """Take `sample`, which feeds this input, into its memory. `lost_at`: when its source was lost, where it is.

    A bad quality or an absent value leaves the last good value; so does one that cannot be used, with a notice.
    """
    if memory is None:
        memory = InputMemory(plan.origin)
    elif memory.origin != plan.origin:
        moved = f"{plan.name} was read from {memory.origin} before: the gateway compares it with nothing it knows"
        reading = read(plan, None, sample, now)
        return reading._replace(notices=(_notice("gap", plan, now, moved), *reading.notices))
    if sample.quality == "bad" or sample.value is None:
        since = memory.bad_since if memory.bad_since is not None else now if lost_at is None else lost_at
        bad_since = since if sample.quality == "bad" else None
        return Reading(sample, memory, replace(memory, quality=sample.quality, bad_since=bad_since), usable=False)
    value = find(sample.value, plan.field)
    problem = _why_unusable(plan, value)
    if problem is not None:
        text = f"{plan.name} {problem}: {excerpt(sample.value)}"
        return Reading(sample, memory, memory, usable=False, notices=(_notice("reject", plan, now, text),))
    if plan.counter is not None:
        value = number(value)
        before = number(memory.value)
        if sample.retained and before is not None and value is not None and value < before:
            # A broker can keep an older count than the one that came live. The next live one tells what is true.
            text = f"{plan.name}: the broker kept {value}, but {before} was seen already: not counted"
            return Reading(sample, memory, memory, usable=False, notices=(_notice("gap", plan, now, text),))
    at, distrust = plant_time(plan, sample, now)
    changed = value != memory.value
    if changed and not plan.message and memory.value is not None and at < memory.at - SET_BACK:
        back = memory.at - at
        at, distrust = now, f"the clock of the device was set back by {back:.0f} s, so the time of arrival counts"
    untimed = plan.time is not None and find(sample.value, plan.time) is ABSENT
    known_already = memory.untimed is not None if untimed else not (memory.clock_trusted or memory.untimed)
    quiet_at, stale = memory.quiet_at, memory.stale
    if plan.quiet_after is not None and (changed or plan.fresh is not None or memory.value is None):
        quiet_at, stale = now + plan.quiet_after, False
    after = InputMemory(
        plan.origin,
        value,
        at,
        sample.quality,
        clock_trusted=distrust is None,
        quiet_at=quiet_at,
        stale=stale,
        restart_basis=memory.restart_basis,
        received=now,
        untimed=untimed if untimed or memory.untimed is not None else None,
        reset_at=memory.reset_at,
    )
    notices = () if distrust is None or known_already else (_notice("time", plan, now, distrust),)
    return Reading(sample, memory, after, usable=True, notices=notices)


def with_count(
    plan: InputPlan,
    counter: Counter,
    reading: Reading,
    now: float,
    last_heard: float,
    basis: object,
    changed: Reading | None,
) -> Reading:
    """The reading of a counter with what was counted since the one before.

    `last_heard` is when its source was last heard; `basis` what the input says with which the counter restarts, and
    `changed` the reading by which that has just changed. Where both are in one message, what the counter shows was
    counted since; where they are two tags of one moment, that is so if it shows less than before.
    """
    sample = reading.sample
    before, memory = reading.before, reading.memory
    restart_basis = text(scalar(basis)) if counter.restarts_with is not None else None
    if restart_basis != memory.restart_basis:
        reading = reading._replace(memory=replace(memory, restart_basis=restart_basis))
    last, value = number(before.value), number(memory.value)
    if last is None or value is None:
        if counter.restarts_with is not None and value:
            stood = (
                f"{plan.name} stood at {value} when it was first seen: "
                "what of that is of the order that is on is not known"
            )
            return reading._replace(notices=(*reading.notices, _notice("gap", plan, now, stood)))
        return reading
    away = sample.initial or sample.retained
    gap_began = before.bad_since if before.bad_since is not None else last_heard if away else None
    known_bases = None not in (restart_basis, before.restart_basis)
    begins = changed is not None and known_bases and (changed.sample is sample or value < last)
    restarted = begins or (gap_began is not None and known_bases and restart_basis != before.restart_basis)
    elapsed = memory.at - before.at
    if elapsed < 0 or not (before.clock_trusted and memory.clock_trusted):
        elapsed = now - before.received  # a clock was set, so its times cannot be subtracted
    delta = counters.delta(counter, last, value, elapsed, watched=not away, restarted=restarted)
    notices = reading.notices
    if delta.gap is not None:
        notices = (*notices, _notice("gap", plan, now, f"{plan.name} {delta.gap}"))
    counted = delta.amount * counter.scale
    if counter.restarts_with is not None and value < last and not restarted:
        reading = reading._replace(memory=replace(reading.memory, reset_at=memory.at))
    gap_began = None if restarted else gap_began
    return reading._replace(notices=notices, counted=counted, gap_began=gap_began, begins=begins)


def derive(
    plan: InputPlan,
    known: InputMemory | None,
    memory: Mapping[str, InputMemory],
    at: float,
    now: float,
    cause: InputPlan,
    sample: Sample,
) -> Reading | None:
    """What follows from `memory` for a derived input, as `cause` changed at `at` by `sample`; None where that cannot be
    told yet."""
    if known is None or known.origin != plan.origin:
        known = InputMemory(plan.origin)
    if plan.expression is None:
        watched = memory.get(plan.stale_of or "")
        value: object = watched is not None and watched.stale
    else:
        values = {name: memory[name].value if name in memory else None for name in plan.expression.names}
        if None in values.values():
            return None
        value = plan.expression.value(values)
        if value is None:
            operands = ", ".join(f"{name} = {excerpt(operand)}" for name, operand in values.items())
            text = f'{plan.name}: "{plan.expression.source}" has no value for {operands}'
            notices = (_notice("reject", cause, now, text),) if known.quality != "bad" else ()
            return Reading(sample, known, replace(known, quality="bad"), usable=False, notices=notices)
    return Reading(sample, known, InputMemory(plan.origin, value, at), usable=True)


def silence_notice(plan: InputPlan, now: float) -> Notice:
    """The notice that an input is quiet."""
    silence = "has not changed" if plan.heartbeat is not None else "has said nothing"
    return _notice("gap", plan, now, f"{plan.name} {silence} for {plan.quiet_after:g} s")


def is_outdated(fed: Sequence[InputPlan], memory: Mapping[str, InputMemory], sample: Sample) -> bool | None:
    """Whether the message that feeds `fed` is older than what is known, by its own time; None where it has none.

    A broker keeps the last message that was published to be kept; others may have come since.
    """
    outdated = None
    for plan in fed:
        at = None if plan.time is None else epoch_seconds(find(sample.value, plan.time))
        if at is None:
            continue
        before = memory.get(plan.name)
        comparable = before is not None and before.origin == plan.origin and before.clock_trusted
        outdated = bool(outdated) or (comparable and before is not None and at < before.at)
    return outdated


def _notice(kind: Literal["gap", "reject", "time"], plan: InputPlan, now: float, text: str) -> Notice:
    return Notice(kind, now, plan.source, plan.address, text)


def _why_unusable(plan: InputPlan, value: object) -> str | None:
    """Why `value` cannot be this input's, as the end of a sentence; None where it can."""
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


def plant_time(plan: InputPlan, sample: Sample, now: float) -> tuple[float, str | None]:
    """When the sample was true in the plant, and what is wrong with the time it came with, if anything.

    The message's own time counts first, then the device's, then the time of arrival. One that is implausible gives way
    to the time of arrival.
    """
    if plan.time is not None:
        stated, field = find(sample.value, plan.time), f'field "{".".join(plan.time)}"'
        if stated is ABSENT:
            return now, f"the message has no {field}, so the time of arrival counts: {excerpt(sample.value)}"
        at = epoch_seconds(stated)
        if at is None:
            return now, f"the {field} says {excerpt(stated)}, which is no time, so the time of arrival counts"
        if not now - MESSAGE_AGE <= at <= now + AHEAD:
            return now, f"the {field} says {excerpt(stated)}, which cannot be, so the time of arrival counts"
        return at, None
    at = sample.source_time
    if at is None:
        return now, None
    if now - DEVICE_AGE <= at <= now + SOON:
        return min(at, now), None  # what has arrived was so by then
    if now - CLOCK_LOST <= at <= now:
        return now, None
    return now, f"the clock of the device is off by {at - now:+.0f} s, so the time of arrival counts"


def resolver_of(memory: Mapping[str, InputMemory]) -> Resolver:
    """Finds the values of placeholders: the last good value, or the field of it, where that is a plain value."""

    def resolve(reference: Reference) -> Scalar:
        known = memory.get(reference.input)
        return None if known is None else scalar(find(known.value, reference.path))

    return resolve
