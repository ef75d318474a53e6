"""How a line's runs, batches and custom intervals begin and end and what is told of them, in sentences. Pure."""

from collections.abc import Iterator

from gateway.cli.phrases import listed, one_line, pairs, quoted, span
from gateway.cli.summary_inputs import event
from gateway.config.schema import Line
from gateway.config.schema_runs import Batches, Begin, Calendar, End, Interval, Run, Target


def runs(line: Line) -> Iterator[str]:
    """What a run is, when it begins and ends, and what is told of it."""
    run = line.run
    if run is None:
        return
    yield from _track(line, "A run", run)
    unknown = "until that is known the run is not told; then it is, with its true start"
    if run.unknown_product is not None:
        unknown = f"until that is known it is {quoted(run.unknown_product)}"
    product = run.product or run.product_id or ""
    which = "" if run.product else "the one with the id "
    yield f"Its product is {which}{quoted(product)}{f'; {unknown}' if '{' in product else ''}."
    yield from _told(run)
    if run.target is not None:
        yield f"Its target for {run.target.metric_group} is {_target(run.target)}."


def batches(line: Line) -> Iterator[str]:
    """What a batch is, when it begins and ends, and what is told of it."""
    if line.batches is not None:
        yield from _track(line, "A batch", line.batches, inside=line.run is not None and not line.batches.without_run)
        yield from _told(line.batches)


def intervals(line: Line) -> Iterator[str]:
    """The same of each type of custom interval."""
    for one in line.intervals:
        if one.calendar is not None:
            yield from _shifts(one.type, one.calendar)
        else:
            yield from _track(line, f"An interval of type {one.type}", one, inside=one.inside_run)
        yield from _told(one)


def _track(line: Line, word: str, one: Run | Batches | Interval, *, inside: bool = False) -> Iterator[str]:
    begins, next_ends = _begins(line, word, one)
    yield begins
    if one.key is not None and one.empty_for:
        yield f"While {one.key} is empty for less than {span(one.empty_for)} and then the same again, it goes on."
    if one.settle and (one.key is not None or one.start is not None):
        yield f"It is decided {span(one.settle)} later, so that the other inputs can follow."
    ends = [f"when {one.key} changes, also to empty, 0 or false"] if one.key is not None else []
    ends += ["when the next begins"] if next_ends else []
    ends += list(_ends(line, one.end)) if one.end is not None else []
    ends += ["when its run ends"] if inside else []
    yield f"It ends {', or '.join(ends)}."
    if inside:
        yield "There is none without a run."


def _begins(line: Line, word: str, one: Run | Batches | Interval) -> tuple[str, bool]:
    """The sentence, and whether the next one ends the one before."""
    if one.key is not None:
        return f"{word} begins when {one.key} changes; while that is empty, 0 or false there is none.", False
    if isinstance(one, Batches) and one.every is not None:
        counter = line.inputs[one.count].counter if one.count is not None else None
        unit = f" {counter.unit}" if counter is not None and counter.unit is not None else ""
        return f"{word} is {one.every}{unit} of {one.count}; the first begins with the run.", True
    start = one.start or Begin()
    if start.event is not None:
        return f"{word} begins with each {event(line, start.event)}{_for_which(start.when)}.", True
    more = "while one is on no other begins" if one.end is not None else "each time is the next"
    return f"{word} begins when {_holds(start.when, start.for_)}; {more}.", one.end is None


def _ends(line: Line, end: End) -> Iterator[str]:
    if end.event is not None:
        yield f"with each {event(line, end.event)}{_for_which(end.when)}"
    elif end.when is not None:
        yield f"when {_holds(end.when, end.for_)}"
    if end.idle is not None:
        names = end.count or [name for name, given in line.inputs.items() if given.counter is not None]
        yield f"when {listed(names)} did not count for {span(end.idle)}, with the time of the last count"


def _holds(when: str | None, hold: float) -> str:
    said = one_line(when or "")
    return f"{said} has held for {span(hold)}, with the time when that began" if hold else f"{said} becomes true"


def _for_which(when: str | None) -> str:
    return f" for which {one_line(when)}" if when is not None else ""


def _told(one: Run | Batches | Interval) -> Iterator[str]:
    if one.name is not None:
        yield f"Its name is {quoted(one.name)}."
    if one.metadata:
        yield f"Told with it: {pairs(one.metadata)}."
    if one.correct:
        yield f"What changes within {span(one.correct)} of its start corrects it; what was not known is filled in whenever it comes."


def _target(target: Target) -> str:
    parts = {"value": target.value, "lower limit": target.lsl, "upper limit": target.usl}
    return pairs({name: value for name, value in parts.items() if value is not None}) or "not given"


def _shifts(type_: str, calendar: Calendar) -> Iterator[str]:
    shifts = [f"{one.name} {one.days} from {one.from_} to {one.to}" for one in calendar.shifts]
    yield f"An interval of type {type_} follows the calendar, by the wall clock of {calendar.zone}: {'; '.join(shifts)}."
