"""What a counter has counted with a sample, by what is known of its input and of what it restarts with. Pure.

What the move from one value to another means is in `counters`; here it is found out from when to when it was, whether
it was watched, and whether it began anew.
"""

from gateway.config.schema_io import Counter
from gateway.frozen import replace
from gateway.mapping import counters
from gateway.mapping.counters import CounterMemory
from gateway.mapping.inputs import SET_BACK, InputMemory, InputPlan, Reading, plant_time
from gateway.mapping.output import SEAM
from gateway.mapping.values import find, number, scalar, text
from gateway.model import Notice, Sample


def is_plain(plan: InputPlan) -> bool:
    """Whether nothing is made of what an input says, nor of its silence."""
    return plan.capture is None and plan.binary is None and plan.quiet_after is None


def read_on(
    plan: InputPlan, counter: Counter, memory: InputMemory | None, sample: Sample, now: float
) -> Reading | None:
    """The reading of a counter that restarts with nothing, of a plain input, where it has counted on as usual; None
    where anything else can be meant. It is what `read` and `with_count` make of it, in a fourth of the time: nearly all
    that comes to a gateway is that."""
    if memory is None or memory.origin != plan.origin or memory.bad_since is not None or memory.stale:
        return None
    if sample.quality != "good" or sample.initial or sample.retained or memory.restart_basis is not None:
        return None
    value = number(find(sample.value, plan.field) if plan.field else sample.value)
    last = number(memory.value)
    if value is None or last is None or value < 0 or (counter.rollover is not None and value >= counter.rollover):
        return None
    at, distrust = plant_time(plan, sample, now)
    if distrust is not None or (not plan.message and at < memory.at - SET_BACK):
        return None
    elapsed = _elapsed(memory, at, now, is_trusted=True)
    counting = counters.counted_on(counter, last, value, elapsed, memory.counting)
    if counting is None:
        return None
    after = InputMemory(
        plan.origin,
        value,
        at,
        untimed=None if memory.untimed is None else False,
        received=now,
        reset_at=memory.reset_at,
        counting=counting,
        source_time=sample.source_time if sample.source_time != at else None,
    )
    return Reading(sample, memory, after, usable=True, counted=(value - last) * counter.scale)


def with_count(
    plan: InputPlan,
    counter: Counter,
    reading: Reading,
    now: float,
    last_heard: float,
    basis: InputMemory | None,
    changed: Reading | None,
) -> Reading:
    """The reading of a counter with what was counted since the one before.

    `last_heard` is when its source was last heard; `basis` what is known of the input with which the counter restarts,
    and `changed` the reading by which that has just changed. Where both are in one message, what the counter shows was
    counted since; where they are two tags of one moment, in one response or two, that is so if it shows less than
    before. One that counts down is set anew when that changes, unless it was just before.
    """
    sample = reading.sample
    before, memory = reading.before, reading.memory
    restart_basis = None
    if counter.restarts_with is not None and basis is not None:
        restart_basis = text(scalar(basis.value))
    if restart_basis != memory.restart_basis:
        history = replace(memory.counting, excursion=None)
        memory = replace(memory, restart_basis=restart_basis, counting=history)
        reading = reading._replace(memory=memory)
    last, value = number(before.value), number(memory.value)
    if last is None or value is None:
        if counter.restarts_with is not None and value and counter.direction == "up":
            stood = (
                f"{plan.name} stood at {value} when it was first seen: "
                "what of that is of the order that is on is not known"
            )
            return reading._replace(notices=(*reading.notices, _gap(sample, now, stood)))
        return reading
    away = sample.initial or sample.retained
    gap_began = before.bad_since if before.bad_since is not None else last_heard if away else None
    known_bases = None not in (restart_basis, before.restart_basis)
    is_less = counter.restarts_with is not None and counters.is_before(counter, value, last)
    is_other = known_bases and restart_basis != before.restart_basis
    is_one_moment = changed is not None or (is_other and basis is not None and basis.at == memory.at)
    begins = known_bases and is_one_moment and (is_less or (changed is not None and changed.sample is sample))
    was_set = basis is not None and memory.reset_at is not None and 0 <= basis.at - memory.reset_at <= SEAM
    restarted = begins or (is_other and (gap_began is not None or (counter.direction == "down" and not was_set)))
    delta = counters.delta(
        counter,
        last,
        value,
        _elapsed(before, memory.at, now, is_trusted=memory.clock_trusted),
        watched=not away,
        restarted=restarted,
        memory=memory.counting,
    )
    notices = reading.notices
    if delta.gap is not None:
        notices = (*notices, _gap(sample, now, f"{plan.name} {delta.gap}"))
    if delta.memory is not memory.counting:
        memory = with_counting(memory, delta.memory)
    if restart_basis != before.restart_basis and delta.memory.excursion is not None:
        memory = replace(memory, counting=replace(delta.memory, excursion=None))  # that was the restart
    if is_less and not restarted:
        memory = replace(memory, reset_at=memory.at)
    return Reading(
        sample,
        before,
        memory,
        reading.usable,
        notices,
        counted=delta.amount * counter.scale,
        gap_began=None if restarted else gap_began,
        begins=begins,
        move=delta.move,
    )


def with_counting(memory: InputMemory, counting: CounterMemory) -> InputMemory:
    """As `replace` has it, written out, because it is done for each change of a counter."""
    return InputMemory(
        memory.origin,
        memory.value,
        memory.at,
        memory.quality,
        memory.clock_trusted,
        memory.bad_since,
        memory.quiet_at,
        memory.stale,
        memory.restart_basis,
        memory.received,
        memory.untimed,
        memory.reset_at,
        counting,
        memory.torn_since,
        memory.learned,
        memory.source_time,
    )


def _gap(sample: Sample, now: float, text: str) -> Notice:
    return Notice("gap", now, sample.source, sample.address, text)


def _elapsed(before: InputMemory, at: float, now: float, *, is_trusted: bool) -> float:
    """How many seconds lie between the value before and one at the time `at`, which can be trusted or not."""
    elapsed = at - before.at
    if elapsed < 0 or not (before.clock_trusted and is_trusted):
        return now - before.received  # a clock was set, so its times cannot be subtracted
    return elapsed
