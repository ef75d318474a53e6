"""The inputs of a line, and what is counted of them, as configured, as plans: what feeds inputs, in which order derived
ones follow from each other, and the output of runs and of batches."""

import re

from gateway.config.addresses import SUM, named_levels, path_of
from gateway.config.schema_io import CONTENT, Counter, Entry, Input, ScrapYield
from gateway.config.schema_messages import OwnTime
from gateway.errors import characters_of
from gateway.mapping.expressions import names_in
from gateway.mapping.inputs import InputPlan
from gateway.mapping.intervals import OwnerKind
from gateway.mapping.output import EntryPlan, OutputPlan
from gateway.mapping.scope import Loc, Scope
from gateway.mapping.templates import Pattern, Reference
from gateway.mapping.values import Number, capture_pattern, text
from gateway.model import NO_LOOKUPS, Learned, Lookup, Lookups, Scalar

AMOUNT = Reference("n")
"""The placeholder for the amount in `raw_data`."""

CODES = "codes"
"""The name of the code table in patterns, and of its only column `name`."""


def compile_inputs(scope: Scope, loc: Loc) -> dict[str, InputPlan]:
    """The plans of all inputs, which stand at `loc`: first those with a source, then the derived ones, each after those
    that it follows from. Says in `scope.kinds` what is known of their values."""
    heartbeats = {name: section.source for name, section in scope.inputs.items() if section.heartbeat is not None}
    plans: dict[str, InputPlan] = {}
    for name, section in scope.inputs.items():
        if section.expr is None and section.stale is None and not section.words:
            beats = tuple(other for other, source in heartbeats.items() if source == section.source and other != name)
            plans[name] = _sourced(scope, name, section, beats, (*loc, name))
    for table, learned in scope.learned.items():
        plans[table] = _learning(scope, table, learned, loc)
    waiting = [name for name in scope.inputs if name not in plans]
    while waiting:
        ready = [name for name in waiting if _names_of(scope.inputs[name]).isdisjoint(waiting)]
        for name in ready:
            plans[name] = _derived(scope, name, (*loc, name))
        waiting = [name for name in waiting if name not in ready]
        if waiting and not ready:
            need = "needs itself" if len(waiting) == 1 else "need each other"
            text = f"follows from itself: {' and '.join(waiting)} {need}"
            key = "words" if scope.inputs[waiting[0]].words else "expr"
            scope.fault((*loc, waiting[0], key), text)
            break
    return plans


def _learning(scope: Scope, table: str, learned: Learned, loc: Loc) -> InputPlan:
    """The plan of a table that learns, which is kept as an input is: its value has a row for each key."""
    section = scope.inputs[learned.input]
    if table in scope.inputs:
        scope.fault((*loc, table), f"there is a table '{table}' under 'tables', which learns: give one another name")
    if not section.has_fields or section.field is not None or section.counter is not None:
        text = f"'{learned.input}' is no whole message, and a table learns from those, each with its key"
        at = ("tables", table, "from")
        scope.fault(at, f"{text}: write an input with a 'topic' and no 'field'", rests_on=[at, (*loc, learned.input)])
    origin = f"learned from {learned.input} by {'.'.join(learned.key)}"
    return InputPlan(table, "", "", origin, learned=learned, relies_on=(learned.input,))


def _names_of(section: Input) -> frozenset[str]:
    """The names in a derived input of what it follows from."""
    return names_in(section.expr or "") | {*section.words}


def _check_counter(scope: Scope, section: Input, counter: Counter, loc: Loc) -> None:
    """Whether what is said of a counter fits together."""
    if section.edge is not None:
        text = "a counter is counted by its difference: leave out 'edge', or 'counter'"
        scope.fault((*loc, "edge"), text, rests_on=[(*loc, "counter")])
    if counter.restarts_with is not None:
        scope.input(counter.restarts_with, (*loc, "counter", "restarts_with"))
    if counter.signed is not None and counter.rollover not in (None, 1 << counter.signed):
        text = f"'signed: {counter.signed}' rolls over at {1 << counter.signed}: leave out 'rollover'"
        scope.fault((*loc, "counter", "rollover"), text, rests_on=[(*loc, "counter", "signed")])
    if counter.direction == "down" and counter.backwards != "reset":
        text = "'backwards' is for a counter that counts up: leave it out, or 'direction'"
        scope.fault((*loc, "counter", "backwards"), text, rests_on=[(*loc, "counter", "direction")])


def _check_words(scope: Scope, section: Input, rollover: float, loc: Loc) -> None:
    """Whether a counter that stands in several words can show as much, and shows something in the highest of them."""
    one, whole = 1 << section.word_bits, 1 << section.word_bits * len(section.words)
    if not whole // one < rollover <= whole:
        scope.fault(
            loc, f"{len(section.words)} words of {section.word_bits} bits together roll over at {whole}: write that"
        )


def _sourced(scope: Scope, name: str, section: Input, beats: tuple[str, ...], loc: Loc) -> InputPlan:
    counter = section.counter
    reads_text = section.number is not None or (counter is not None and counter.number is not None)
    if counter is not None or (section.number is not None and (not section.has_fields or section.field is not None)):
        scope.kinds[name] = "number"
    if counter is not None:
        _check_counter(scope, section, counter, loc)
    if section.default is not None and (counter is not None or section.edge is not None):
        text = "an input that is not there counts nothing and changes nothing: leave out 'default'"
        scope.fault((*loc, "default"), text)
    if section.clock_offset and section.time is None:
        scope.fault((*loc, "clock_offset"), "'clock_offset' belongs to 'time': of whose times is the clock off?")
    if section.fresh is not None and section.heartbeat is not None:
        scope.fault((*loc, "heartbeat"), "write 'fresh' or 'heartbeat': a value that must change must also arrive")
    address = section.address
    path = _path(section.field) if section.field else ()
    if section.metric is not None:
        path = (SUM, section.metric, *path[1:]) if path[:1] == (SUM,) else (section.metric, *path)
    if section.binary is not None:
        scope.kinds[name] = "number"
        path = path or (("value",) if section.topic is not None and named_levels(section.topic) else ())
    return InputPlan(
        name=name,
        source=section.source or "",
        address=address,
        origin=" ".join(
            filter(None, (section.source, address, section.metric, section.field, accepted_messages(section)))
        ),
        field=path,
        time=_path(section.time_field) if section.time_field else None,
        zone=scope.zone(section.time.zone, (*loc, "time", "zone")) if isinstance(section.time, OwnTime) else None,
        clock_offset=section.clock_offset,
        counter=counter,
        message=section.is_message,
        metric=section.metric,
        only=tuple((_path(key), frozenset(texts)) for key, texts in _only(section).items()),
        edge=section.edge,
        ignores_uncertain=section.ignores_uncertain,
        fresh=section.fresh,
        heartbeat=section.heartbeat,
        reads_text=reads_text,
        default=section.default,
        capture=_capture(scope, section, loc),
        split=section.split,
        binary=section.binary,
        schema=scope.schemas.get(section.json_schema) if section.json_schema is not None else None,
        relies_on=beats,
    )


def _capture(scope: Scope, section: Input, loc: Loc) -> re.Pattern[str] | None:
    if section.capture is None:
        return None
    try:
        return capture_pattern(section.capture)
    except ValueError as error:
        scope.fault((*loc, "capture"), f"'{section.capture}' {error}", rests_on=[], at=characters_of(error))
        return None


def _path(text: str) -> tuple[str, ...]:
    """The path of a field; of one that is wrong, which is said elsewhere, none."""
    try:
        return path_of(text)
    except ValueError:
        return ()


def _only(section: Input) -> dict[str, list[str]]:
    """The texts that the fields of a message can have."""
    return {key: [text(value) for value in values] for key, values in section.only.items()}


Identity = tuple[tuple[str, ...], ...]
"""The fields, by path, that tell each message from all others together."""

EVENT_IDENTITIES: tuple[Identity, ...] = ((("EventId",), ("Time",)), ((CONTENT,),))
"""A server that tells once more of a condition, as it is asked to after a reconnect, may give that another EventId; and
there are servers that give one EventId to many events, such as all of one object."""


def compile_ids(scope: Scope, loc: Loc) -> dict[tuple[str, str], tuple[Identity, ...]]:
    """What tells the messages of each MQTT topic that has ids, and events, from all others, each alone; `loc` is where
    the inputs stand."""
    ids: dict[tuple[str, str], tuple[Identity, ...]] = {}
    for name, section in scope.inputs.items():
        if section.event is not None:
            ids[section.source or "", section.address] = EVENT_IDENTITIES
        if section.id and section.topic is not None:
            levels = ((name,) for name in named_levels(section.topic))  # each topic counts by itself
            paths = ((*levels, *(_path(str(path)) for path in section.id)),)
            if ids.setdefault((section.source or "", section.topic), paths) != paths:
                scope.fault((*loc, name, "id"), "another input of this topic has another 'id': write the same, or none")
    return ids


def accepted_messages(section: Input) -> str:
    """Which messages an input takes, such as `whose type is start or stop`; empty where it takes all."""
    conditions = " and ".join(f"{key} is {' or '.join(texts)}" for key, texts in _only(section).items())
    return conditions and f"whose {conditions}"


def _derived(scope: Scope, name: str, loc: Loc) -> InputPlan:
    section = scope.inputs[name]
    if section.stale is not None:
        other = scope.input(section.stale, (*loc, "stale"))
        if other is not None and other.fresh is None and other.heartbeat is None:
            text = f"'{section.stale}' is never quiet: give it 'fresh' or 'heartbeat'"
            scope.fault((*loc, "stale"), text)
        scope.kinds[name] = "truth"
        return InputPlan(
            name,
            "",
            "",
            f"stale {section.stale}",
            edge=section.edge,
            stale_of=section.stale,
            relies_on=(section.stale,),
        )
    if section.counter is not None:
        _check_counter(scope, section, section.counter, loc)
    if section.words:
        for place, word in enumerate(section.words):
            scope.input(word, (*loc, "words", place))
            if word in section.words[:place]:
                scope.fault((*loc, "words", place), "this word is there already: each holds a part of the number")
        if section.counter is not None and section.counter.rollover is not None:
            _check_words(scope, section, section.counter.rollover, (*loc, "counter", "rollover"))
        scope.kinds[name] = "number"
        words = tuple(section.words)
        return InputPlan(
            name,
            "",
            "",
            f"= {section.word_bits} bits each of {' '.join(words)}",
            edge=section.edge,
            counter=section.counter,
            words=words,
            word_bits=section.word_bits,
            relies_on=words,
        )
    parsed = scope.expression(section.expr or "", (*loc, "expr"))
    expression, kind = parsed if parsed is not None else (None, None)
    if kind is not None:
        scope.kinds[name] = kind
    if section.counter is not None and kind in ("text", "truth"):
        is_never = f"is always {'text' if kind == 'text' else 'true or false'}, and a counter is a number"
        scope.fault((*loc, "counter"), f'"{section.expr}" {is_never}')
    return InputPlan(
        name,
        "",
        "",
        f"= {section.expr}",
        edge=section.edge,
        counter=section.counter,
        expression=expression,
        relies_on=expression.names if expression is not None else (),
    )


def codes_of(output: ScrapYield) -> Lookups:
    """The table of the codes that stand with output itself, where there are some."""
    rows = {text(code): {"name": name} for code, name in output.codes.items()}
    return {CODES: Lookup(frozenset({"name"}), rows)} if rows else NO_LOOKUPS


def compile_output(scope: Scope, output: ScrapYield, loc: Loc, *, of: OwnerKind, possible: bool) -> OutputPlan | None:
    """The plan of what belongs to runs, or to batches; None where nothing does. `possible`: there
    are such intervals."""
    codes = codes_of(output)
    if codes and scope.has_table(CODES) and of == "run":
        scope.fault((*loc, CODES), f"there is a table of the name '{CODES}' under 'tables': rename that")
    entries: dict[str, tuple[EntryPlan, ...]] = {}
    minimums = {}
    for place, entry in enumerate(output.entries):
        if entry.of != of:
            continue
        plan = _entry(scope, place, entry, (*loc, "entries", place), codes)
        entries[plan.input] = (*entries.get(plan.input, ()), plan)
        if entry.min:
            minimums[place] = entry.min
    if not entries:
        return None
    if not possible:
        section = "run" if of == "run" else "batches"
        reason = f"output belongs to a {of}: say under '{section}' how they are recognised"
        scope.fault(loc, reason, rests_on=[(*loc[:2], section)])
    return OutputPlan(
        "RUN" if of == "run" else "BATCH",
        output.every,
        entries,
        output.align == "run",
        output.between_runs if of == "run" or output.between_runs == "report" else "next",
        output.gaps == "start",
        minimums,
        output.wait,
    )


def _entry(scope: Scope, place: int, entry: Entry, loc: Loc, codes: Lookups) -> EntryPlan:
    name, path = entry.amount
    section = scope.input(name, (*loc, "count"))
    if section is not None:
        _check_countable(scope, name, path, section, entry, loc)
        if path:
            scope.field(name, section, path, (*loc, "count"))
    fixed: list[tuple[str, Scalar]] = []
    filled: list[tuple[str, Pattern]] = []
    amount_names: list[str] = []
    meant = _meant_amount(entry)
    for key, value in entry.raw_data.items():
        at = (*loc, "raw_data", key)
        if key == meant:
            scope.fault(at, 'the amount is missing: one value must be "{n}"', rests_on=[])
            continue
        pattern = scope.pattern(value, at, AMOUNT, lookups=codes) if isinstance(value, str) else None
        if pattern is None:
            fixed.append((key, value))
        elif pattern.parts == (AMOUNT,):
            amount_names.append(key)
        elif pattern.references:
            filled.append((key, pattern))
            if AMOUNT in pattern.references:
                scope.fault(at, 'the amount stands alone: write "{n}" without anything around it')
        else:
            fixed.append((key, pattern.render(lambda _: None)))
    if not amount_names and meant is None and not any(AMOUNT in pattern.references for _, pattern in filled):
        at = (*loc, "raw_data")
        scope.fault(at, 'the amount is missing: one value must be "{n}"', rests_on=[at])
    is_tag_event = section is not None and (section.edge is not None or section.trigger == "timestamp")
    each = 1 if is_tag_event else entry.each
    names = tuple(amount_names)
    factor = entry.factor if not isinstance(entry.factor, str) else _factor(scope, entry.factor, (*loc, "factor"))
    return EntryPlan(place, name, path, tuple(fixed), tuple(filled), names, each, factor, entry.max)


def _meant_amount(entry: Entry) -> str | None:
    """The key of what is most likely meant to be the amount, where none is; None: nothing is."""
    nearly = {"n", entry.count.casefold()}
    texts = [(key, value) for key, value in entry.raw_data.items() if isinstance(value, str)]
    if any(value == "{n}" for _, value in texts):
        return None
    return next((key for key, value in texts if value.strip("{}[]()<>$%# ").casefold() in nearly), None)


def _factor(scope: Scope, factor: str, loc: Loc) -> Number | Reference:
    """The input, or the field of a message, by which an amount is multiplied."""
    pattern = scope.pattern(factor, loc)
    if pattern is not None and len(pattern.parts) == 1 and isinstance(pattern.parts[0], Reference):
        return pattern.parts[0]
    if pattern is not None:
        scope.fault(loc, 'write a number, or one input or field that holds it: "{shot.cavities}"')
    return 1


def _check_countable(scope: Scope, name: str, path: tuple[str, ...], section: Input, entry: Entry, loc: Loc) -> None:
    """Whether there is anything to count in this input."""
    at = (*loc, "count")
    if section.counter is not None or section.edge is not None or section.trigger == "timestamp":
        kind = "a counter" if section.counter is not None else "counted by its events"
        if path:
            scope.fault(at, f'"{name}" is {kind} and has no fields: write "{name}"')
        if isinstance(entry.factor, str) and section.counter is not None and "{" in entry.factor:
            text = "a counter is compared with what Oden has, so its factor is a number: write one, or count messages"
            scope.fault((*loc, "factor"), text)
        if entry.each is not None:
            scope.fault(
                (*loc, "each"), f"\"{name}\" is {kind}, which says how many: write 'factor' for what one stands for"
            )
        if entry.max is not None:
            remedy = "write 'max_rate' under 'counter'" if section.counter is not None else "leave it out"
            scope.fault(
                (*loc, "max"), f"'max' is for an amount that a message says, and \"{name}\" is {kind}: {remedy}"
            )
    elif not section.has_fields:
        remedy = f'"{name}" is a tag without `counter`: add `counter: {{}}` to it if it is a running count'
        if section.source is None:
            remedy = f'"{name}" is derived: add `counter: {{}}` to it if it is a running count'
        text = f"{remedy}, or `edge: rising` if each change is one"
        scope.fault(at, text, rests_on=[(*loc[:2], "inputs", name)])
    elif path and entry.each is not None:
        scope.fault((*loc, "each"), "the message says how many: leave out 'each', or the field in 'count'")
    elif entry.each is not None and entry.max is not None:
        scope.fault((*loc, "max"), "'max' is for an amount that a message says, and 'each' says it: leave out one")
