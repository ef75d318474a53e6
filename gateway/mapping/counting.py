"""What a reading of a counter has counted: the difference to what was known, with what is doubtful about it."""

from gateway.config.schema_io import Counter
from gateway.frozen import replace
from gateway.mapping import counters
from gateway.mapping.inputs import InputMemory, InputPlan, Reading
from gateway.mapping.output import SEAM
from gateway.mapping.values import number, scalar, text
from gateway.model import Notice, Sample


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
    counted since; where they are two tags of one moment, that is so if it shows less than before. One that counts down
    is set anew when that changes, unless it was just before.
    """
    sample = reading.sample
    before, memory = reading.before, reading.memory
    restart_basis = None
    if counter.restarts_with is not None:
        restart_basis = text(scalar(basis.value if basis is not None else None))
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
    begins = changed is not None and known_bases and (changed.sample is sample or is_less)
    is_other = known_bases and restart_basis != before.restart_basis
    was_set = basis is not None and memory.reset_at is not None and 0 <= basis.at - memory.reset_at <= SEAM
    restarted = begins or (is_other and (gap_began is not None or (counter.direction == "down" and not was_set)))
    delta = counters.delta(
        counter,
        last,
        value,
        _elapsed(before, memory, now),
        watched=not away,
        restarted=restarted,
        memory=memory.counting,
    )
    notices = reading.notices
    if delta.gap is not None:
        notices = (*notices, _gap(sample, now, f"{plan.name} {delta.gap}"))
    if delta.memory is not memory.counting:
        memory = replace(memory, counting=delta.memory)
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


def _gap(sample: Sample, now: float, text: str) -> Notice:
    return Notice("gap", now, sample.source, sample.address, text)


def _elapsed(before: InputMemory, memory: InputMemory, now: float) -> float:
    """How many seconds lie between two values."""
    elapsed = memory.at - before.at
    if elapsed < 0 or not (before.clock_trusted and memory.clock_trusted):
        return now - before.received  # a clock was set, so its times cannot be subtracted
    return elapsed
