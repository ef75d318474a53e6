"""Inputs with memory: what a sample says about an input, and the last good value that is kept of it.

Retained messages and the initial values after a subscribe pass through here like any other sample: because they are
compared with the memory, which is stored with the records, they change nothing that is already known.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from math import isfinite
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from gateway.config.addresses import written_path
from gateway.config.message_schemas import MessageSchema
from gateway.config.schema_io import Counter
from gateway.config.schema_messages import PLAIN, Binary, Form, Split
from gateway.frozen import dataclass, replace
from gateway.mapping import counters
from gateway.mapping.counters import NOTHING_KNOWN, CounterMemory, Move
from gateway.mapping.expressions import Expression
from gateway.mapping.templates import Reference, Resolver
from gateway.mapping.times import epoch_seconds
from gateway.mapping.values import (
    ABSENT,
    NoNumber,
    Number,
    captured,
    excerpt,
    find,
    flaw,
    number,
    number_in,
    number_in_bytes,
    scalar,
    text,
    text_remedy,
)
from gateway.model import Learned, Notice, Quality, Sample, Scalar

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
SET_BACK = 1.0
"""What a tag says comes in its order: a time so much older than the one before is of a clock that was set back."""


@dataclass(frozen=True, slots=True)
class InputPlan:
    """An input as configured.

    `origin` is what the memory of the input belongs to: where that changes, the memory is of something else.

    What of a sample it takes: `field` and `time` are paths in a message; a time without a zone is of `zone`, and
    `clock_offset` says how many seconds the sender's clock is behind. `metric`: it is one of several values of a
    device, of which a sample has those that it is about, by name. `only` are fields of the messages that it takes, by
    path, with the texts that they can have. `plain`: an object makes no sense here.

    What that means: `message`: it comes by MQTT, so that each is an event, unless `edge` says which changes are.
    `counts_each`: each time it comes counts for itself, also where it says the same again. `ignores_uncertain`: only a
    value of good quality is one. `fresh` and `heartbeat` say
    after how many seconds it is quiet.

    `split` says what of a payload is one message; `binary`: the value is a number in bytes, which stand in a text.
    A message that does not fit `schema` feeds no input.

    `reads_text`: a number that is written as text is that number. `default` holds where the machine lacks the input.
    Of a text, what `capture` captures is the value.

    A derived input has no address, but an `expression`; or `words`, the inputs of `word_bits` each that hold a number
    together, the highest first; or `stale_of`, the input that is quiet while it is true; or it is a table that is
    `learned` from the messages of an input; or it is what is known of the run that is on (`of_run`). `relies_on` are
    the inputs that it follows from, and the heartbeats of its source.
    """

    name: str
    source: str
    address: str
    origin: str
    field: tuple[str, ...] = ()
    time: tuple[str, ...] | None = None
    zone: tzinfo | None = None
    clock_offset: float = 0.0
    counter: Counter | None = None
    plain: bool = False
    message: bool = False
    metric: str | None = None
    counts_each: bool = False
    only: tuple[tuple[tuple[str, ...], frozenset[str]], ...] = ()
    edge: Literal["rising", "falling", "any"] | None = None
    ignores_uncertain: bool = False
    fresh: float | None = None
    heartbeat: float | None = None
    reads_text: bool = False
    default: Scalar = None
    capture: re.Pattern[str] | None = None
    split: Split | None = None
    binary: Binary | None = None
    schema: MessageSchema | None = None
    expression: Expression | None = None
    words: tuple[str, ...] = ()
    word_bits: int = 16
    stale_of: str | None = None
    learned: Learned | None = None
    of_run: bool = False
    relies_on: tuple[str, ...] = ()

    def accepts(self, sample: Sample) -> bool:
        """Whether `sample`, which has this input's address, is about it."""
        if self.metric is not None:
            return isinstance(sample.value, dict) and self.metric in sample.value
        return not self.only or all(text(scalar(find(sample.value, path))) in texts for path, texts in self.only)

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
    went back before that changed; `counting`: what else is known of the counter. `torn_since`: since when the words of
    a count do not fit together. `learned`: when each row of a table was last learned, by its key. `source_time`: the
    time that the device gave with the value, where that is another.

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
    counting: Annotated[CounterMemory, Field(exclude_if=lambda counting: counting == NOTHING_KNOWN)] = NOTHING_KNOWN
    torn_since: Annotated[float | None, Field(exclude_if=lambda at: at is None)] = None
    learned: Annotated[Mapping[str, float] | None, Field(exclude_if=lambda rows: rows is None)] = None
    source_time: Annotated[float | None, Field(exclude_if=lambda at: at is None)] = None


def form_of(fed: Sequence[InputPlan]) -> Form:
    """How the messages of a topic are read that feed these inputs."""
    raw = any(plan.binary is not None and plan.binary.encoding == "raw" for plan in fed)
    return Form(fed[0].split, raw) if raw or fed[0].split is not None else PLAIN


class Reading(NamedTuple):
    """What a `sample` said about an input: the memory before and after, and whether it brought a `usable` value.

    Of a counter, `counted` is how far it moved, in its unit; `gap_began` is when the gap began in which that was, if
    there was one; `begins`: it was counted from zero, where what it restarts with changed in the same moment; `move`:
    whether it went on.
    """

    sample: Sample
    before: InputMemory
    memory: InputMemory
    usable: bool
    notices: tuple[Notice, ...] = ()
    counted: Number = 0
    gap_began: float | None = None
    begins: bool = False
    move: Move = "on"

    @property
    def changed(self) -> bool:
        """Whether the value is another than before."""
        return self.memory.value != self.before.value


def read(
    plan: InputPlan, memory: InputMemory | None, sample: Sample, now: float, lost_at: float | None = None
) -> Reading:
    """Take `sample`, which feeds this input, into its memory. `lost_at`: when its source was lost, where it is.

    A bad quality, an uncertain one where that is ignored, or an absent value leaves the last good value; so does one
    that cannot be used, with a notice. A message that says null says that there is nothing, which is empty text.
    """
    if memory is None:
        memory = InputMemory(plan.origin)
    elif memory.origin != plan.origin:
        moved = f"{plan.name} was read from {memory.origin} before: the gateway compares it with nothing it knows"
        reading = read(plan, None, sample, now)
        return reading._replace(notices=(notice_of("gap", plan, now, moved), *reading.notices))
    if sample.quality == "bad" or (sample.value is None and _says_nothing(plan, memory)):
        if plan.default is not None and not memory.received:
            return Reading(sample, memory, memory, usable=False)  # what it lacks cannot be lost
        since = memory.bad_since if memory.bad_since is not None else now if lost_at is None else lost_at
        bad_since = since if sample.quality == "bad" else None
        return Reading(sample, memory, replace(memory, quality=sample.quality, bad_since=bad_since), usable=False)
    if sample.quality == "uncertain" and plan.ignores_uncertain:
        quality: Quality = "bad" if memory.quality == "bad" else "uncertain"
        return Reading(sample, memory, replace(memory, quality=quality), usable=False)
    value = said_of(plan, sample)
    problem = _why_unusable(plan, value)
    if problem is not None:
        text = f"{plan.name} {problem}: {excerpt(sample.value)}"
        after = memory
        if not plan.message and _is_no_value(value):
            bad_since = memory.bad_since if memory.bad_since is not None else now
            after = replace(memory, quality="bad", bad_since=bad_since)
        return Reading(sample, memory, after, usable=False, notices=(notice_of("reject", plan, now, text),))
    if plan.counter is not None:
        value = number(value)
        before = number(memory.value) if sample.retained else None
        if before is not None and value is not None and counters.is_before(plan.counter, value, before):
            # A broker can keep an older count than the one that came live. The next live one tells what is true.
            text = f"{plan.name}: the broker kept {value}, but {before} was seen already: not counted"
            return Reading(sample, memory, memory, usable=False, notices=(notice_of("gap", plan, now, text),))
    at, distrust = plant_time(plan, sample, now)
    changed = value != memory.value
    if changed and not plan.message and memory.value is not None and at < memory.at - SET_BACK:
        back = memory.at - at
        at, distrust = now, f"the clock of the device was set back by {back:.0f} s, so the time of arrival counts"
    untimed = plan.time is not None and find(sample.value, plan.time) is ABSENT
    known_already = memory.untimed is not None if untimed else not (memory.clock_trusted or memory.untimed)
    quiet_after, quiet_at, stale = plan.quiet_after, None, memory.stale
    if quiet_after is not None:
        quiet_at = memory.quiet_at
        if changed or plan.fresh is not None or memory.value is None:
            quiet_at, stale = now + quiet_after, False
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
        counting=memory.counting,
        source_time=sample.source_time if distrust is None and sample.source_time != at else None,
    )
    notices = () if distrust is None or known_already else (notice_of("time", plan, now, distrust),)
    return Reading(sample, memory, after, usable=True, notices=notices)


def silence_notice(plan: InputPlan, now: float) -> Notice:
    """The notice that an input is quiet."""
    silence = "has not changed" if plan.heartbeat is not None else "has said nothing"
    return notice_of("gap", plan, now, f"{plan.name} {silence} for {plan.quiet_after:g} s")


def is_outdated(fed: Sequence[InputPlan], memory: Mapping[str, InputMemory], sample: Sample) -> bool | None:
    """Whether the message that feeds `fed` is older than what is known, by its own time; None where it has none.

    A broker keeps the last message that was published to be kept; others may have come since.
    """
    outdated = None
    for plan in fed:
        at = stated_time(plan, sample)
        if at is None:
            continue
        before = memory.get(plan.name)
        comparable = before is not None and before.origin == plan.origin and before.clock_trusted
        outdated = bool(outdated) or (comparable and before is not None and at < before.at)
    return outdated


def notice_of(kind: Literal["gap", "reject", "time"], plan: InputPlan, now: float, text: str) -> Notice:
    """A notice about an input."""
    return Notice(kind, now, plan.source, plan.address, text)


def said_of(plan: InputPlan, sample: Sample) -> object:
    """What the sample says of the input; ABSENT where it says nothing."""
    value = find(sample.value, plan.field) if plan.field else sample.value
    if value is None:
        return ""
    if value is ABSENT and plan.default is not None:
        return plan.default
    if plan.capture is not None and scalar(value) is not None:
        value = captured(plan.capture, text(scalar(value)))
    if plan.binary is not None:
        return number_in_bytes(value, plan.binary)
    if plan.reads_text and isinstance(value, str):
        as_number = number_in(value)
        return value if as_number is None else as_number
    return value


def _says_nothing(plan: InputPlan, memory: InputMemory) -> bool:
    """Whether a sample without a value has none, which is not the same as that there is nothing: a message that says
    null says so, and a tag that is null and was a text."""
    return not plan.message and not isinstance(memory.value, str)


def _is_no_value(value: object) -> bool:
    """Whether it is nothing that a tag can be read as: then the sample is bad, whatever its quality says."""
    return isinstance(value, dict | list) or (isinstance(value, float) and not isfinite(value))


def _why_unusable(plan: InputPlan, value: object) -> str | None:
    """Why `value` cannot be this input's, as the end of a sentence; None where it can."""
    if value is ABSENT:
        return f'is missing: the message has no field "{written_path(plan.field)}"'
    if isinstance(value, NoNumber):
        return value.text
    count = number(value) if plan.counter is not None else None
    if plan.counter is not None and count is not None:  # which has no flaw
        return counters.refusal(plan.counter, count)
    if (problem := flaw(value)) is not None:
        return problem
    if plan.counter is not None:
        return "is not a number, which a counter is" + text_remedy(value, has_key=plan.reads_text)
    if plan.reads_text and isinstance(value, str) and value.strip():
        return f"is text that is no number{text_remedy(value, has_key=True)}"
    many = (dict, list) if plan.plain else () if plan.message or plan.metric else (list,)
    if isinstance(value, many):
        remedy = "name one field of it" if plan.message else "write 'index' for one element of it"
        return f"is an object or list where a plain value is needed; {remedy}"
    return None


def refusal(fed: Sequence[InputPlan], sample: Sample) -> str | None:
    """Why none of the inputs that a message feeds can use it, whatever is known by then; None where one may."""
    if sample.quality != "good" or sample.retained:
        return None
    problems = []
    for plan in fed:
        misfit = plan.schema.misfit(sample.value) if plan.schema is not None else None
        if misfit is not None:
            return misfit
        problem = _why_unusable(plan, said_of(plan, sample)) if plan.message else None
        if problem is None:
            return None
        problems.append(f"{plan.name} {problem}")
    return problems[0] if problems else None


def stated_time(plan: InputPlan, sample: Sample) -> float | None:
    """The time that the message says itself, as its clock is known; None where it says none that can be used."""
    if plan.time is None or sample.distrust:
        return None
    at = epoch_seconds(find(sample.value, plan.time), plan.zone, fold=sample.fold)
    return None if at is None else at + plan.clock_offset - sample.ahead


def plant_time(plan: InputPlan, sample: Sample, now: float) -> tuple[float, str | None]:
    """When the sample was true in the plant, and what is wrong with the time it came with, if anything.

    The message's own time counts first, then the device's, then the time of arrival. One that is implausible gives way
    to the time of arrival.
    """
    if plan.time is not None:
        stated, field = find(sample.value, plan.time), f'field "{".".join(plan.time)}"'
        if stated is ABSENT:
            return now, f"the message has no {field}, so the time of arrival counts: {excerpt(sample.value)}"
        if sample.distrust:
            return now, sample.distrust
        at = stated_time(plan, sample)
        if at is None:
            hint = "" if epoch_seconds(stated, UTC) is None else " with a zone: write `time: {field: …, zone: …}`"
            return now, f"the {field} says {excerpt(stated)}, which is no time{hint}, so the time of arrival counts"
        if not now - MESSAGE_AGE <= at <= now + AHEAD:
            return now, f"the {field} says {excerpt(stated)}, which cannot be, so the time of arrival counts"
        return at, None
    at = sample.device_time
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
