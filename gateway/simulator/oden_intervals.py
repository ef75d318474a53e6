"""Oden's `interval/search|set|update|delete`.

Where the document is silent, this stand-in has chosen, and says so here: a range finds what overlaps it, ends
included, and an interval without end overlaps everything after its start (or, by mode, what starts in the range);
results are ordered by start; a STATE cannot be made without a category; the previous
interval is not closed when the next one starts; times are kept in whole seconds; a batch keeps its place where its run is deleted, and the
output and tests of an interval go with it. A RUN maps its product to the line, and its target becomes that of product and line.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway.simulator.oden_body import Fields, not_found, select
from gateway.simulator.oden_catalogue import find_lines, the_line
from gateway.simulator.oden_products import mapped, product
from gateway.simulator.oden_store import Interval, Line, Store
from gateway.simulator.oden_targets import keep, run_target
from gateway.simulator.oden_types import the_type

LONGEST_PATTERN = 200
"""Characters of a regular expression."""


def set_interval(store: Store, body: Fields) -> object:
    """`interval/set`: a list with the interval as it is now.

    With `id`, or `match: last` without one, the fields that are given are updated; without, an interval is
    created, unless one with exactly these parameters exists. A second one at the same start with other
    parameters is created: whoever sends that finds two.
    """
    interval_type = the_type(store, body)
    line = the_line(store, body.required("line"))
    match = body.match()
    if match not in {"unique", "last"} or (match == "last" and "id" in body):
        raise body.bad("match", "must be left out, unique, or, where there is no id, last")
    if "id" in body or match == "last":
        return [update(store, body, the_interval(store, body)).answer()]
    new = checked(store, body, interval_type, line)
    return [(_equal(store, new) or create(store, new)).answer()]


def update_interval(store: Store, body: Fields) -> object:
    """`interval/update`: a list with the interval, changed in the fields that are given; 404 where there is none with that `id`."""
    if "id" not in body:
        raise body.missing("id")
    return [update(store, body, the_interval(store, body)).answer()]


def delete_interval(store: Store, body: Fields) -> object:
    """`interval/delete`: a list with the interval that is gone."""
    if "id" not in body:
        raise body.missing("id")
    gone = the_interval(store, body)
    forget(store, gone)
    return [gone.answer()]


def forget(store: Store, gone: Interval) -> None:
    """Take an interval out of the store, with its output and tests."""
    key = gone.type, gone.line, gone.id
    siblings = store.intervals[gone.type, gone.line]
    del siblings[gone.id]
    if not siblings:
        del store.intervals[gone.type, gone.line]
    store.output.pop(key, None)
    store.tests = {one: test for one, test in store.tests.items() if test.interval != key}


def search_intervals(store: Store, body: Fields) -> object:
    """`interval/search`: a list of intervals of one type on one line, or on all lines of a factory.

    By `id`; else by whatever is given of `name`, `start_time` and `end_time`; `match` says which of those found.
    """
    interval_type = the_type(store, body)
    lines = find_lines(store, body.required("line"))
    wanted, name = body.text("id"), body.text("name")
    after, before = body.time("start_time"), body.time("end_time")
    _in_order(body, after, before)
    found = [
        interval
        for line in lines
        for interval in store.of(interval_type, line)
        if (
            interval.id == wanted
            if wanted is not None
            else name in {None, interval.name}
            and (before is None or interval.start <= before)
            and (after is None or (reached := _reached(store, interval)) is None or reached >= after)
        )
    ]
    found.sort(key=lambda interval: interval.start)
    return [interval.answer() for interval in select(found, body.match(), "interval")]


def the_interval(store: Store, fields: Fields) -> Interval:
    """The one interval that `fields` (schema `Interval`) names by type, line and `id`, by its `name`, or by `match: first` or `last`.

    The address may say by `pattern` how the name is compared: `exact`, `contains` or `regex`.
    """
    kind, line = the_type(store, fields), the_line(store, fields.required("line"))
    wanted, name, match = fields.text("id"), fields.text("name"), fields.match()
    if wanted is None:
        if match in {"first", "last"}:
            return select(store.of(kind, line), match, "interval")[0]
        if name is None:
            raise fields.missing("id")
        fits = _named(fields, name)
        return select([one for one in store.of(kind, line) if fits(one.name or "")], "unique", "interval")[0]
    found = store.intervals.get((kind, line), {}).get(wanted)
    if found is None:
        raise not_found("interval")
    return found


def _named(fields: Fields, name: str) -> Callable[[str], bool]:
    """How the name of an interval is compared."""
    match fields.query.get("pattern", "exact"):
        case "exact":
            return lambda text: text == name
        case "contains":
            return lambda text: name in text
        case "regex":
            if len(name) > LONGEST_PATTERN or any(sign in name for sign in "*+?{(["):
                raise fields.bad(
                    "name", "this stand-in understands only simple expressions: no repetition, no groups, no sets"
                )
            try:
                return lambda text, found=re.compile(name): bool(found.search(text))  # type: ignore[misc]
            except re.error:
                raise fields.bad("name", "is not a regular expression") from None
    raise fields.bad("pattern", "must be exact, contains or regex")


def checked(store: Store, body: Fields, interval_type: str, line: Line) -> Interval:
    """The interval that `body` describes, with everything checked, and without its id: `create` gives it one."""
    name, start, end = body.text("name"), body.time("start_time"), body.time("end_time")
    if start is None:
        raise body.missing("start_time")
    _in_order(body, start, end)
    metadata = _metadata(store, interval_type, line, body.fields("metadata") or Fields({}, "metadata."), {})
    return Interval("", interval_type, line, name, start, end, metadata)


def create(store: Store, new: Interval) -> Interval:
    """Keep `new` with the next free id, whatever else is there."""
    siblings = store.intervals.setdefault((new.type, new.line), {})
    number = new.start * 1000
    while format(number, "x") in siblings:
        number += 1
    made = replace(new, id=format(number, "x"))
    siblings[made.id] = made
    return made


def _equal(store: Store, new: Interval) -> Interval | None:
    """The interval with exactly these parameters, where there is one."""
    siblings = store.intervals.get((new.type, new.line), {}).values()
    return next((one for one in siblings if one.start == new.start and replace(one, id=new.id) == new), None)


def update(store: Store, body: Fields, old: Interval) -> Interval:
    """Change `old` in the fields that `body` gives."""
    name, start, end = body.text("name"), body.time("start_time"), body.time("end_time")
    new = replace(
        old,
        name=old.name if name is None else name,
        start=old.start if start is None else start,
        end=old.end if end is None else end,
    )
    _in_order(body, new.start, new.end)
    metadata = body.fields("metadata")
    if metadata is not None:
        new = replace(new, metadata=_metadata(store, old.type, old.line, metadata, old.metadata))
    store.intervals[old.type, old.line][old.id] = new
    return new


def _reached(store: Store, interval: Interval) -> int | None:
    """Up to when a range finds `interval`; None where that has no end."""
    return interval.start if store.modes.range == "start" else interval.end


def _in_order(fields: Fields, start: int | None, end: int | None) -> None:
    if start is not None and end is not None and end < start:
        raise fields.bad("end_time", "must not be before start_time")


def _metadata(
    store: Store, interval_type: str, line: Line, given: Fields, old: Mapping[str, object]
) -> dict[str, object]:
    """`old` with what is `given`: known fields checked and answered in full, others as they are.

    Whatever it creates in the store (a product, a reason), it creates after all checks.
    """
    kind = interval_type.lower() if interval_type in _RESOLVED else "custom"
    if given.text("metadata_type") not in {None, kind}:
        raise given.bad("metadata_type", f"must be {kind} for this type")
    needed = {"RUN": "product", "STATE": "category"}.get(interval_type)
    if needed and needed not in given and needed not in old:
        raise given.missing(needed)
    resolved = _RESOLVED[interval_type](store, line, given, old) if interval_type in _RESOLVED else {}
    return {**old, **given.values, **resolved, "metadata_type": kind}


def _run(store: Store, line: Line, given: Fields, old: Mapping[str, object]) -> dict[str, object]:
    """A target without a product, in an update, is for the product that the run has."""
    aimed, named = given.fields("target"), given.fields("product")
    group, limits = (None, {}) if aimed is None else run_target(store, aimed)
    made = old["product"] if named is None else product(store, named)
    product_id = str(made["id"]) if isinstance(made, dict) else ""
    if named is not None:
        mapped(store, product_id, line)
    if group is not None:
        keep(store, group, product_id, line, limits)
    return {"product": made}


def _batch(store: Store, line: Line, given: Fields, _old: Mapping[str, object]) -> dict[str, object]:
    """A batch may name the run it is a part of: by id, on the same line."""
    named = given.fields("run")
    if named is None:
        return {}
    run = store.intervals.get(("RUN", line), {}).get(named.text("id") or "")
    if run is None:
        raise not_found("run")
    return {"run": {"id": run.id}}


def _state(store: Store, _line: Line, given: Fields, _old: Mapping[str, object]) -> dict[str, object]:
    """Category and reason by id, which goes first, or name. Categories are the plant's; reasons are free."""
    result: dict[str, object] = {}
    given.text("comment")
    category, reason = given.fields("category"), given.fields("reason")
    if category is not None:
        result["category"] = _numbered(category, list(store.plant.categories), "state category")
    if reason is not None:
        name = reason.text("name")
        if "id" not in reason and name and name not in store.reasons:
            store.reasons.append(name)
        result["reason"] = _numbered(reason, store.reasons, "state reason")
    return result


def _numbered(fields: Fields, names: list[str], entity: str) -> dict[str, object]:
    """The one of `names` that `fields` names; ids are places, from 1."""
    number, name = fields.whole("id"), fields.text("name")
    if number is None and name is None:
        raise fields.missing("name")
    if number is None and name in names:
        number = names.index(name) + 1
    if number is None or not 1 <= number <= len(names):
        raise fields.bad("name" if number is None else "id", f"there is no such {entity}")
    return {"id": number, "name": names[number - 1]}


_RESOLVED: dict[str, Callable[[Store, Line, Fields, Mapping[str, object]], dict[str, object]]] = {
    "RUN": _run,
    "BATCH": _batch,
    "STATE": _state,
}
