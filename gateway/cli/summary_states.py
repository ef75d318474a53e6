"""Which state a line is in, and what is told of it, in sentences. Pure."""

from collections.abc import Iterator

from gateway.cli.phrases import listed, one_line, pairs, quoted, span
from gateway.cli.summary_inputs import event
from gateway.config.schema import Line
from gateway.config.schema_states import Operator, StateCode, States
from gateway.mapping.compile_states import PACKML, PACKML_MODES


def states(line: Line) -> Iterator[str]:
    """What says which state is on, when it is told, and what can be said of it later."""
    given = line.states
    if given is None:
        return
    yield from _rule(given)
    if given.hold:
        yield f"A state that lasts less than {span(given.hold)} is not sent."
    if given.short_stops is not None:
        during = listed(given.short_stops.during, "or")
        yield f"A stop of less than {span(given.short_stops.under)} during {during} is not sent, but counted in that state."
    if given.offline is not None:
        yield (
            f"When the source has been gone for {span(given.offline.after)} the state is {state(given.offline)}, "
            "from when it was lost."
        )
    if given.operator is not None:
        yield from _operator(line, given.operator)


def state(code: StateCode) -> str:
    """`Unplanned Downtime / Jam`."""
    comment = f", with the comment {quoted(code.comment)}" if code.comment else ""
    return " / ".join(filter(None, [code.category, code.reason])) + comment


def _rule(given: States) -> Iterator[str]:
    other = state(given.other) if given.other is not None else None
    if given.ladder:
        rungs = "; ".join(f"{state(rung)} if {one_line(rung.when)}" for rung in given.ladder)
        yield f"The first of these that is true is the state: {rungs}."
        yield f"If none is, it is {other}."
    elif given.bits:
        bits = "; ".join(f"{state(bit)} if bit {bit.bit} is set" for bit in given.bits)
        yield f"The first of these that is true of {given.input} is the state: {bits}."
        yield f"If none of them is set, it is {other}."
    else:
        if given.preset is not None:
            yield from _packml(given)
        if given.codes:
            codes = "; ".join(f"{code} is {state(to)}" for code, to in given.codes.items())
            yield f"{'But' if given.preset else f'The state comes from {given.input}:'} {codes}."
        yield f"Any other code is {other}." if other else "Any other code is reported and changes nothing."


def _packml(given: States) -> Iterator[str]:
    kinds: dict[str, list[str]] = {}
    for _, name, kind in PACKML:
        kinds.setdefault(getattr(given.categories, kind), []).append(name)
    said = "; ".join(f"{listed(names)} {'is' if len(names) == 1 else 'are'} {kind}" for kind, names in kinds.items())
    yield f"The state comes from {given.input}, as PackML numbers and names it: {said}."
    if given.mode is not None:
        modes = listed((f"{name} ({number})" for number, name, _ in PACKML_MODES), "or")
        yield f"While {given.mode} is {modes}, that is the state: {given.categories.planned}."


def _operator(line: Line, said: Operator) -> Iterator[str]:
    when = f" for which {one_line(said.when)}" if said.when is not None else ""
    parts = {"category": said.category, "reason": said.reason, "comment": said.comment}
    changes = pairs({name: value for name, value in parts.items() if value is not None})
    of = f" of {listed(said.of, 'or')}" if said.of else ""
    within = f", unless it was over for more than {span(said.within)}" if said.within is not None else ""
    yield f"Each {event(line, said.event)}{when} changes the newest state{of} that had begun by then{within}: {changes}."
