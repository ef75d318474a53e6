"""Which sources are heard, and until when what an input said is known to be so. Pure.

Nobody knows what happens at a source that is not heard: a wait that it could have ended does not run out meanwhile. It
goes on once the source is heard again, which is when what it had to say of that time has come.
"""

from collections.abc import Iterable, Mapping
from math import inf

from gateway.frozen import dataclass
from gateway.mapping.inputs import InputMemory, InputPlan
from gateway.mapping.intervals import ByCondition, ByIdleness, EndPlan, IntervalPlan, IntervalsState, StartPlan
from gateway.mapping.shifts import ShiftCalendar
from gateway.model import Contact


@dataclass(frozen=True, slots=True)
class Loss:
    """A source that is not heard: `until` is when it last was.

    `since`: when it was lost; None where it is the gateway that was off, which says nothing of the source. `back`: when
    it could be reached again, although what it has to say of that time can still be on its way.
    """

    until: float
    since: float | None = None
    back: float | None = None


Losses = Mapping[str, Loss]
"""The sources that are not heard, by name."""


def with_contact(losses: Losses, contact: Contact) -> Losses:
    """The losses after a contact with a source."""
    known = losses.get(contact.source)
    others = {source: loss for source, loss in losses.items() if source != contact.source}
    if contact.state == "heard":
        return others
    if contact.state == "back":
        return losses if known is None else {**others, contact.source: Loss(known.until, known.since, contact.received)}
    if contact.state == "unheard":
        return {**others, **with_all_unheard(losses, (contact.source,), contact.since, None)}
    until, since = contact.since, contact.since
    if known is not None:
        until = min(known.until, until)
        since = known.since if known.since is not None and known.back is None else since
    return {**others, contact.source: Loss(until, since)}


def with_all_unheard(losses: Losses, sources: Iterable[str], at: float, back: float | None) -> Losses:
    """The losses where the gateway heard nothing from `at` on: none of the `sources` is heard until it is again, nor
    was what is lost. `back`: the others can be reached since.
    """

    def loss(known: Loss | None) -> Loss:
        lost = known is not None and known.back is None
        return known if known is not None and lost else Loss(min(at, known.until) if known else at, None, back)

    return {source: loss(losses.get(source)) for source in sources}


def _is_derived(plan: InputPlan) -> bool:
    return plan.expression is not None or bool(plan.words) or plan.of_run


def is_unavailable(
    plans: Mapping[str, InputPlan], memory: Mapping[str, InputMemory], losses: Losses, name: str
) -> bool:
    """Whether what is known of the input does not hold at the moment: its source is lost, or it or
    what it relies on is quiet."""
    known, plan = memory.get(name), plans.get(name)
    if known is not None and (known.quality == "bad" or known.stale):
        return True
    if plan is None or plan.stale_of is not None:  # that something is quiet is known
        return False
    if _is_derived(plan):
        return any(is_unavailable(plans, memory, losses, other) for other in plan.relies_on)
    loss = losses.get(plan.source)
    if loss is not None and loss.since is not None and (known is None or known.received <= loss.until):
        return True
    return any(heartbeat in memory and memory[heartbeat].stale for heartbeat in plan.relies_on)


def lost_since(
    plans: Mapping[str, InputPlan], memory: Mapping[str, InputMemory], losses: Losses, name: str
) -> float | None:
    """Since when the source of the input, or of what it follows from, is lost; None where it is not."""
    known, plan = memory.get(name), plans.get(name)
    times = [] if known is None or known.bad_since is None else [known.bad_since]
    if plan is not None:
        loss = losses.get(plan.source)
        if loss is not None and loss.since is not None:
            times.append(loss.since)
        if _is_derived(plan):
            times += filter(None, (lost_since(plans, memory, losses, other) for other in plan.relies_on))
    return min(times, default=None)


def known_until(
    plans: Mapping[str, InputPlan], memory: Mapping[str, InputMemory], losses: Losses, names: Iterable[str]
) -> float:
    """Until when it is known what the inputs say; for ever, where all their sources are heard."""
    until = inf
    for name in names:
        known, plan = memory.get(name), plans.get(name)
        if known is not None and known.bad_since is not None:
            until = min(until, known.bad_since)
        if known is not None and known.stale:
            until = min(until, known.received)
        if plan is None or plan.stale_of is not None:
            continue
        if _is_derived(plan):
            until = min(until, known_until(plans, memory, losses, plan.relies_on))
            continue
        if losses and plan.source in losses:
            until = min(until, losses[plan.source].until)
        beats = (memory[beat] for beat in plan.relies_on if beat in memory)
        until = min((until, *(beat.received for beat in beats if beat.stale)))
    return until


def unheard(
    plans: Mapping[str, InputPlan], memory: Mapping[str, InputMemory], names: Iterable[str]
) -> dict[str, tuple[float, str]]:
    """Of the inputs, and of what they follow from, those that are quiet or bad by themselves: until when each was known
    (epoch), and which of both it is, in words. That a source is lost makes none of these."""
    found: dict[str, tuple[float, str]] = {}
    for name in names:
        known, plan = memory.get(name), plans.get(name)
        if plan is None or plan.stale_of is not None:
            continue
        if beneath := unheard(plans, memory, plan.relies_on):
            found |= beneath
        elif known is not None and known.stale:
            found[name] = known.received, "says nothing"
        elif known is not None and known.bad_since is not None:
            found[name] = known.bad_since, "is bad"
    return found


def back_at(plans: Mapping[str, InputPlan], losses: Losses, names: Iterable[str]) -> float:
    """When the sources of the inputs that are not heard could all be reached again; never, where one cannot be yet."""
    at = -inf
    for name in names:
        plan = plans.get(name)
        loss = losses.get(plan.source) if plan is not None else None
        if loss is not None:
            at = max(at, loss.back if loss.back is not None else inf)
        if plan is not None and _is_derived(plan):
            at = max(at, back_at(plans, losses, plan.relies_on))
    return at if at > -inf else inf


def awaited(plan: IntervalPlan, state: IntervalsState, timer: str) -> tuple[str, ...]:
    """The inputs that could say something by which the timer of an interval would not fire. An end, and a correction,
    wait for a change that has yet to settle.
    """
    names = inputs_of(plan.end) if timer == "end" and plan.end is not None else ()
    return (*inputs_of(plan.start), *names) if state.pending_change is not None else names


def inputs_of(way: StartPlan | EndPlan) -> tuple[str, ...]:
    """The inputs that could say something by which an interval begins, or ends."""
    match way:
        case ByCondition():
            return way.condition.names
        case ByIdleness():
            return tuple(way.inputs)
        case ShiftCalendar():
            return ()
        case _:
            return (way.input,)
