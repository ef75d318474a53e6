"""The intervals: `interval/search|set|update|delete` for one, `intervals/set|update|delete` for many in one request.

Where the document is silent, this stand-in has chosen, and says so here.

A range finds what overlaps it, ends included, and an interval without end overlaps everything after its start (or, by
manner, what starts in the range, or what starts and ends in it). Results are ordered by start.
A STATE cannot be made without a category. The previous
interval is not closed when the next one starts. Times are kept in whole seconds. A batch keeps its place where its run
is deleted, and the output and tests of an interval go with it. A RUN maps its product to the line, and its target
becomes that of product and line.

`intervals/set` creates all or nothing, also where an equal interval exists: whoever repeats it finds doubles. It
answers the ids in the order of the request. `intervals/update` refuses the request as a whole only where its shape is
wrong, such as an item without id; everything else is told item by item. It knows no 404 (none is listed for it): a line
that does not exist is 400. An item may repeat the type and the line; in both, another one than at the top is refused.
`intervals/delete` deletes what starts in the range, both ends included, and nothing where that is too much;
`hard_delete` is checked and makes no difference.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway.simulator.oden.bodies import ErrorAnswer, Fields, not_found, select
from gateway.simulator.oden.manners import allowed_name, check_over, check_overlap
from gateway.simulator.oden.master_data import find_lines, resolve_line, resolve_type
from gateway.simulator.oden.products import find_or_create_product, map_product, parse_run_target, store_target
from gateway.simulator.oden.store import BUILT_IN, Interval, Line, Store

LONGEST_PATTERN = 200
"""Characters of a regular expression."""
MOST = 2500
"""Intervals in one request."""
MOST_DELETED = 15_000
"""Intervals that one request may delete."""
LONGEST_RANGE = 30 * 86_400
"""Seconds of the range of a request that deletes."""


def set_interval(store: Store, body: Fields) -> object:
    """`interval/set`: a list with the interval as it is now.

    With `id`, or `match: last` without one, the fields that are given are updated; without, an interval is
    created, unless one with exactly these parameters exists. A second one at the same start with other
    parameters is created: whoever sends that finds two.
    """
    interval_type = resolve_type(store, body)
    line = resolve_line(store, body.required("line"))
    match = body.match()
    if match not in {"unique", "last"} or (match == "last" and "id" in body):
        raise body.invalid("match", "must be left out, unique, or, where there is no id, last")
    if "id" in body or match == "last":
        return [update(store, body, resolve_interval(store, body)).answer()]
    new = parse_interval(store, body, interval_type, line)
    return [(_equal(store, new) or create(store, new)).answer()]


def update_interval(store: Store, body: Fields) -> object:
    """`interval/update`: a list with the interval, changed in the fields that are given; 404 for an unknown `id`."""
    if "id" not in body:
        raise body.missing("id")
    return [update(store, body, resolve_interval(store, body)).answer()]


def delete_interval(store: Store, body: Fields) -> object:
    """`interval/delete`: a list with the interval that is gone."""
    if "id" not in body:
        raise body.missing("id")
    deleted = resolve_interval(store, body)
    remove(store, deleted)
    return [deleted.answer()]


def remove(store: Store, interval: Interval) -> None:
    """Take an interval out of the store, with its output and tests."""
    key = interval.type, interval.line, interval.id
    siblings = store.intervals[interval.type, interval.line]
    del siblings[interval.id]
    if not siblings:
        del store.intervals[interval.type, interval.line]
    store.output.pop(key, None)
    store.tests = {test_id: test for test_id, test in store.tests.items() if test.interval != key}


def search_intervals(store: Store, body: Fields) -> object:
    """`interval/search`: a list of intervals of one type on one line, or on all lines of a factory.

    By `id`; else by whatever is given of `name`, `start_time` and `end_time`; `match` says which of them are answered.
    """
    interval_type = resolve_type(store, body)
    lines = find_lines(store, body.required("line"))
    wanted_id, name = body.text("id"), body.text("name")
    after, before = body.time("start_time"), body.time("end_time")
    _check_order(body, after, before)
    matches = [
        interval
        for line in lines
        for interval in store.intervals_of(interval_type, line)
        if (
            interval.id == wanted_id
            if wanted_id is not None
            else name in {None, interval.name}
            and (before is None or _reaches(store, interval) <= before)
            and (after is None or (last := _last_in_range(store, interval)) is None or last >= after)
        )
    ]
    matches.sort(key=lambda interval: interval.start)
    return [interval.answer() for interval in select(matches, body.match(), "interval")]


def resolve_interval(store: Store, fields: Fields) -> Interval:
    """The one interval of a type and line that `fields` (schema `Interval`) names.

    It is named by its `id`, by its `name`, or by `match: first` or `last`. The address may say by `pattern` how the
    name is compared: `exact`, `contains` or `regex`.
    """
    kind, line = resolve_type(store, fields), resolve_line(store, fields.required("line"))
    wanted_id, name, match = fields.text("id"), fields.text("name"), fields.match()
    if wanted_id is None:
        if match in {"first", "last"}:
            return select(store.intervals_of(kind, line), match, "interval")[0]
        if name is None:
            raise fields.missing("id")
        fits = _name_matcher(fields, name)
        matches = [interval for interval in store.intervals_of(kind, line) if fits(interval.name or "")]
        return select(matches, "unique", "interval")[0]
    interval = store.intervals.get((kind, line), {}).get(wanted_id)
    if interval is None:
        raise not_found("interval")
    return interval


def _name_matcher(fields: Fields, name: str) -> Callable[[str], bool]:
    """What says whether the name of an interval is the one that is looked for."""
    match fields.query.get("pattern", "exact"):
        case "exact":
            return lambda text: text == name
        case "contains":
            return lambda text: name in text
        case "regex":
            if len(name) > LONGEST_PATTERN or any(sign in name for sign in "*+?{(["):
                raise fields.invalid(
                    "name", "this stand-in understands only simple expressions: no repetition, no groups, no sets"
                )
            try:
                return lambda text, pattern=re.compile(name): bool(pattern.search(text))  # type: ignore[misc]
            except re.error:
                raise fields.invalid("name", "is not a regular expression") from None
    raise fields.invalid("pattern", "must be exact, contains or regex")


def parse_interval(store: Store, body: Fields, interval_type: str, line: Line) -> Interval:
    """The interval that `body` describes, with everything checked, and without its id: `create` gives it one."""
    name, start, end = body.text("name"), body.time("start_time"), body.time("end_time")
    if start is None:
        raise body.missing("start_time")
    start -= start % max(1, store.manners.rounds)
    _check_order(body, start, end)
    check_overlap(store, interval_type, line, start)
    name = allowed_name(store, interval_type, line, name)
    given = body.fields("metadata") or Fields({}, "metadata.")
    metadata = _resolved_metadata(store, interval_type, line, given, {})
    return Interval("", interval_type, line, name, start, end, metadata)


def create(store: Store, new: Interval) -> Interval:
    """Put `new` into the store with the next free id, whatever else is there."""
    siblings = store.intervals.setdefault((new.type, new.line), {})
    number = new.start * 1000
    while format(number, "x") in siblings:
        number += 1
    created = replace(new, id=format(number, "x"))
    siblings[created.id] = created
    return created


def _equal(store: Store, new: Interval) -> Interval | None:
    """The interval with exactly these parameters, where there is one."""
    siblings = store.intervals.get((new.type, new.line), {}).values()
    return next((old for old in siblings if old.start == new.start and replace(old, id=new.id) == new), None)


def update(store: Store, body: Fields, old: Interval) -> Interval:
    """Change `old` in the fields that `body` gives."""
    name, start, end = body.text("name"), body.time("start_time"), body.time("end_time")
    new = replace(
        old,
        name=old.name if name in (None, old.name) else allowed_name(store, old.type, old.line, name),
        start=old.start if start is None else start,
        end=old.end if end is None else end,
    )
    _check_order(body, new.start, new.end)
    metadata = body.fields("metadata")
    if metadata is not None:
        known = {} if store.manners.metadata == "replace" else old.metadata
        needed = _NEEDED.get(old.type, "")
        if needed and needed not in metadata and needed in old.metadata:
            known = {**known, needed: old.metadata[needed]}
        new = replace(new, metadata=_resolved_metadata(store, old.type, old.line, metadata, known))
    store.intervals[old.type, old.line][old.id] = new
    return new


def _last_in_range(store: Store, interval: Interval) -> int | None:
    """The last second by which a range finds `interval`; None where there is none."""
    return interval.end if store.manners.range == "overlap" else interval.start


def _reaches(store: Store, interval: Interval) -> float:
    """The second until which a range has to last to find `interval`."""
    if store.manners.range != "within":
        return interval.start
    return math.inf if interval.end is None else interval.end


def _check_order(fields: Fields, start: int | None, end: int | None) -> None:
    if start is not None and end is not None and end < start:
        raise fields.invalid("end_time", "must not be before start_time")


def _resolved_metadata(
    store: Store, interval_type: str, line: Line, given: Fields, old: Mapping[str, object]
) -> dict[str, object]:
    """`old` with what is `given`: known fields checked and answered in full, others as they are.

    Whatever it creates in the store (a product, a reason), it creates after all checks.
    """
    kind = interval_type.lower() if interval_type in _RESOLVED else "custom"
    if given.text("metadata_type") not in {None, kind}:
        raise given.invalid("metadata_type", f"must be {kind} for this type")
    needed = _NEEDED.get(interval_type)
    if needed and needed not in given and needed not in old:
        raise given.missing(needed)
    resolved = _RESOLVED[interval_type](store, line, given, old) if interval_type in _RESOLVED else {}
    return {**old, **given.values, **resolved, "metadata_type": kind}


def _run(store: Store, line: Line, given: Fields, old: Mapping[str, object]) -> dict[str, object]:
    """A target without a product, in an update, is for the product that the run has."""
    target, named = given.fields("target"), given.fields("product")
    group, limits = (None, {}) if target is None else parse_run_target(store, target)
    product = old["product"] if named is None else find_or_create_product(store, named)
    product_id = str(product["id"]) if isinstance(product, dict) else ""
    if named is not None:
        map_product(store, product_id, line)
    if group is not None:
        store_target(store, group, product_id, line, limits)
    return {"product": product}


def _batch(store: Store, line: Line, given: Fields, _old: Mapping[str, object]) -> dict[str, object]:
    """A batch may name the run it is a part of: by id, on the same line."""
    named = given.fields("run")
    if named is None:
        return {}
    run = store.intervals.get(("RUN", line), {}).get(named.text("id") or "")
    if run is None:
        raise not_found("run")
    return {"run": {name: value for name, value in run.answer().items() if name in ("id", "type", "line", "name")}}


def _state(store: Store, _line: Line, given: Fields, _old: Mapping[str, object]) -> dict[str, object]:
    """Category and reason by id, which goes first, or name. Categories are the organization's; reasons are free."""
    result: dict[str, object] = {}
    given.text("comment")
    category, reason = given.fields("category"), given.fields("reason")
    if category is not None:
        result["category"] = _by_id_or_name(category, list(store.organization.categories), "state category")
    if reason is not None:
        name = reason.text("name")
        if "id" not in reason and name and name not in store.reasons:
            store.reasons.append(name)
        result["reason"] = _by_id_or_name(reason, store.reasons, "state reason")
    return result


def _by_id_or_name(fields: Fields, names: list[str], entity: str) -> dict[str, object]:
    """The category or reason that `fields` names, of all `names`; ids are places in them, from 1."""
    number, name = fields.integer("id"), fields.text("name")
    if number is None and name is None:
        raise fields.missing("name")
    if number is None and name in names:
        number = names.index(name) + 1
    if number is None or not 1 <= number <= len(names):
        raise fields.invalid("name" if number is None else "id", f"there is no such {entity}")
    return {"id": number, "name": names[number - 1]}


_NEEDED: Mapping[str, str] = {"RUN": "product", "STATE": "category"}
"""What an interval of a type must say."""

_RESOLVED: dict[str, Callable[[Store, Line, Fields, Mapping[str, object]], dict[str, object]]] = {
    "RUN": _run,
    "BATCH": _batch,
    "STATE": _state,
}


def set_intervals(store: Store, body: Fields) -> object:
    """`intervals/set`: creates custom intervals; a list of their ids."""
    kind = resolve_type(store, body)
    if kind in BUILT_IN:
        raise body.invalid("type.name", f"{kind} cannot be set in bulk, only custom types can")
    line = resolve_line(store, body.required("line"))
    items = _items(body)
    parsed = []
    for item in items:
        if "id" in item:
            raise item.invalid("id", "must be left out: intervals are created here, not updated")
        _check_type_and_line(store, item, kind, line)
        parsed.append(parse_interval(store, item, kind, line))
    check_over(store, kind, line, parsed)
    return [create(store, interval).id for interval in parsed]


def update_intervals(store: Store, body: Fields) -> object:
    """`intervals/update`: changes the fields that each item gives, of the interval with its `id`."""
    kind = resolve_type(store, body)
    try:
        line = resolve_line(store, body.required("line"))
    except ErrorAnswer as error:
        raise error if error.status != 404 else body.invalid("line", "there is no such line") from None
    items = [(item, item.text("id")) for item in _items(body)]
    for item, interval_id in items:
        if interval_id is None:
            raise item.missing("id")
    updated: list[dict[str, object]] = []
    failed: list[dict[str, object]] = []
    for item, interval_id in items:
        try:
            old = store.intervals.get((kind, line), {}).get(interval_id or "")
            updated.append(_updated(store, item, old, kind, line).answer())
        except ErrorAnswer as error:
            failed.append({"id": interval_id, "error": str(error)})
    return {
        "num_updated": len(updated),
        "updated_intervals": updated,
        "num_failed": len(failed),
        "failed_intervals": failed,
    }


def delete_intervals(store: Store, body: Fields) -> object:
    """`intervals/delete`: deletes the states or custom intervals that start in a range."""
    kind = resolve_type(store, body)
    if kind in {"RUN", "BATCH"}:
        raise body.invalid("type.name", f"{kind} cannot be deleted in bulk")
    line = resolve_line(store, body.required("line"))
    begin, end = body.time("start_time"), body.time("end_time")
    if begin is None:
        raise body.missing("start_time")
    if end is None:
        raise body.missing("end_time")
    if not 0 <= end - begin <= LONGEST_RANGE:
        raise body.invalid("end_time", "must not be before start_time, nor more than 30 days after it")
    if not isinstance(body.values.get("hard_delete", True), bool):
        raise body.invalid("hard_delete", "must be true or false")
    deleted = [interval for interval in store.intervals_of(kind, line) if begin <= interval.start <= end]
    if len(deleted) > MOST_DELETED:
        raise body.invalid("end_time", f"{len(deleted)} intervals are more than the {MOST_DELETED} that go at once")
    for interval in deleted:
        remove(store, interval)
    return {"num_deleted": len(deleted), "failed_intervals": []}


def _updated(store: Store, item: Fields, old: Interval | None, kind: str, line: Line) -> Interval:
    if old is None:
        raise item.invalid("id", "there is no such interval")
    _check_type_and_line(store, item, kind, line)
    return update(store, item, old)


def _items(body: Fields) -> list[Fields]:
    values = body.values.get("intervals")
    if "intervals" not in body:
        raise body.missing("intervals")
    if not isinstance(values, list):
        raise body.invalid("intervals", "must be a list")
    if len(values) > MOST:
        raise body.invalid("intervals", f"must not hold more than {MOST}, and holds {len(values)}")
    for place, value in enumerate(values):
        if not isinstance(value, dict):
            raise body.invalid(f"intervals.{place}", "must be an object")
    return [Fields(value, f"{body.where}intervals.{place}.") for place, value in enumerate(values)]


def _check_type_and_line(store: Store, item: Fields, kind: str, line: Line) -> None:
    if "type" in item and resolve_type(store, item) != kind:
        raise item.invalid("type", "must be left out, or that of the whole request")
    if "line" in item and resolve_line(store, item.required("line")) != line:
        raise item.invalid("line", "must be left out, or that of the whole request")
