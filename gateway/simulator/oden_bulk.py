"""Oden's `intervals/set|update|delete`: many intervals of one type on one line in one request.

Where the document is silent, this stand-in has chosen. `intervals/set` creates all or nothing, also where an equal interval
exists: whoever repeats it finds doubles. It answers the ids in the order of the request. `intervals/update` refuses
the request as a whole only where its shape is wrong, among them an item without id; everything else is told item by item.
It knows no 404 (none is listed for it): a line that does not exist is 400. An item may repeat the type and the line; in
both, another one than at the top is refused. `intervals/delete` deletes what starts in the range, both ends included, and nothing where that
is too much; `hard_delete` is checked and makes no difference.
"""

from gateway.simulator.oden_body import Fields, OdenError
from gateway.simulator.oden_catalogue import the_line
from gateway.simulator.oden_intervals import checked, create, forget, update
from gateway.simulator.oden_store import BUILT_IN, Interval, Line, Store
from gateway.simulator.oden_types import the_type

MOST = 2500
"""Intervals in one request."""
MOST_DELETED = 15_000
"""Intervals that one request may delete."""
LONGEST_RANGE = 30 * 86_400
"""Seconds of the range of such a request."""


def set_intervals(store: Store, body: Fields) -> object:
    """`intervals/set`: creates custom intervals; a list of their ids."""
    kind = the_type(store, body)
    if kind in BUILT_IN:
        raise body.bad("type.name", f"{kind} cannot be set in bulk, only custom types can")
    line = the_line(store, body.required("line"))
    items = _items(body)
    new = []
    for item in items:
        if "id" in item:
            raise item.bad("id", "must be left out: intervals are created here, not updated")
        _same(store, item, kind, line)
        new.append(checked(store, item, kind, line))
    return [create(store, one).id for one in new]


def update_intervals(store: Store, body: Fields) -> object:
    """`intervals/update`: changes the fields that each item gives, of the interval with its `id`."""
    kind = the_type(store, body)
    try:
        line = the_line(store, body.required("line"))
    except OdenError as error:
        raise error if error.status != 404 else body.bad("line", "there is no such line") from None
    named = [(item, item.text("id")) for item in _items(body)]
    for item, wanted in named:
        if wanted is None:
            raise item.missing("id")
    updated: list[dict[str, object]] = []
    failed: list[dict[str, object]] = []
    for item, wanted in named:
        try:
            old = store.intervals.get((kind, line), {}).get(wanted or "")
            updated.append(_updated(store, item, old, kind, line).answer())
        except OdenError as error:
            failed.append({"id": wanted, "error": str(error)})
    return {
        "num_updated": len(updated),
        "updated_intervals": updated,
        "num_failed": len(failed),
        "failed_intervals": failed,
    }


def delete_intervals(store: Store, body: Fields) -> object:
    """`intervals/delete`: deletes the states or custom intervals that start in a range."""
    kind = the_type(store, body)
    if kind in {"RUN", "BATCH"}:
        raise body.bad("type.name", f"{kind} cannot be deleted in bulk")
    line = the_line(store, body.required("line"))
    begin, end = body.time("start_time"), body.time("end_time")
    if begin is None:
        raise body.missing("start_time")
    if end is None:
        raise body.missing("end_time")
    if not 0 <= end - begin <= LONGEST_RANGE:
        raise body.bad("end_time", "must not be before start_time, nor more than 30 days after it")
    if not isinstance(body.values.get("hard_delete", True), bool):
        raise body.bad("hard_delete", "must be true or false")
    found = [one for one in store.of(kind, line) if begin <= one.start <= end]
    if len(found) > MOST_DELETED:
        raise body.bad("end_time", f"{len(found)} intervals are more than the {MOST_DELETED} that go at once")
    for one in found:
        forget(store, one)
    return {"num_deleted": len(found), "failed_intervals": []}


def _updated(store: Store, item: Fields, old: Interval | None, kind: str, line: Line) -> Interval:
    if old is None:
        raise item.bad("id", "there is no such interval")
    _same(store, item, kind, line)
    return update(store, item, old)


def _items(body: Fields) -> list[Fields]:
    values = body.values.get("intervals")
    if "intervals" not in body:
        raise body.missing("intervals")
    if not isinstance(values, list):
        raise body.bad("intervals", "must be a list")
    if len(values) > MOST:
        raise body.bad("intervals", f"must not hold more than {MOST}, and holds {len(values)}")
    for place, value in enumerate(values):
        if not isinstance(value, dict):
            raise body.bad(f"intervals.{place}", "must be an object")
    return [Fields(value, f"{body.where}intervals.{place}.") for place, value in enumerate(values)]


def _same(store: Store, item: Fields, kind: str, line: Line) -> None:
    if "type" in item and the_type(store, item) != kind:
        raise item.bad("type", "must be left out, or that of the whole request")
    if "line" in item and the_line(store, item.required("line")) != line:
        raise item.bad("line", "must be left out, or that of the whole request")
