"""What Oden's document demands of a request beyond its schema, checked before anything is sent. Pure.

Each function takes the request and gives what is wrong with it, a sentence each. Not checked, because only Oden can
know it: that `intervals/delete` covers no more than 15,000 intervals.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from gateway.model import BUILT_IN
from gateway.oden.models import (
    BatchMetadata,
    DashboardExecuteRequest,
    Interval,
    IntervalBulkCreate,
    IntervalBulkDelete,
    IntervalBulkUpdate,
    IntervalType,
    IntervalTypeSet,
    MaintenanceWorkOrder,
    MaintenanceWorkOrderSearch,
    Model,
    QualityTest,
    QualityTestsDelete,
    ScrapYieldSearch,
    ScrapYieldSet,
)

Problems = Iterator[str]
Limit = Callable[[Any], Problems]

MOST_INTERVALS = 2_500
"""In one request of `intervals/set` or `intervals/update`."""
LONGEST_DELETE = timedelta(days=30)
"""That one request of `intervals/delete` covers."""


def given(*names: str) -> Limit:
    """The fields `names` must be given; `a|b` stands for at least one of them, and dots lead into what a field
    holds."""

    def check(request: Model) -> Problems:
        for name in names:
            if not any(_value(request, path) for path in name.split("|")):
                yield f"{' or '.join(f'`{path}`' for path in name.split('|'))} must be given"

    return check


def _value(request: object, path: str) -> bool:
    for name in path.split("."):
        request = getattr(request, name, None)
    return request is not None


def placed(request: Interval, path: str = "") -> Problems:
    """An interval says its type and its line, and so does the run that a batch names in its metadata."""
    for name in ("type", "line"):
        if getattr(request, name) is None:
            yield f"`{path}{name}` must be given"
    yield from _run(request, path)


def _run(interval: Interval, path: str) -> Problems:
    if isinstance(interval.metadata, BatchMetadata) and interval.metadata.run is not None:
        yield from placed(interval.metadata.run, f"{path}metadata.run.")


def interval_by_id(request: Interval) -> Problems:
    """`interval/update` and `interval/delete`."""
    yield from given("id")(request)
    yield from placed(request)


def interval_set(request: Interval) -> Problems:
    """`interval/set`: type and line; `match` only to take the one or the last."""
    yield from placed(request)
    if request.match not in (None, "unique", "last"):
        yield "`match` must be absent, `unique` or `last`"


def intervals_set(request: IntervalBulkCreate) -> Problems:
    """`intervals/set`: custom intervals only, and not too many."""
    yield from _bulk(request)
    yield from _not_built_in(request.type, BUILT_IN)


def intervals_update(request: IntervalBulkUpdate) -> Problems:
    """`intervals/update`: each with its id, and not too many."""
    yield from _bulk(request)
    missing = [number for number, interval in enumerate(request.intervals or (), 1) if interval.id is None]
    if missing:
        some = ", ".join(map(str, missing[:5])) + (", …" if len(missing) > 5 else "")
        yield f"each of `intervals` must have its `id`; missing in number {some}"


def intervals_delete(request: IntervalBulkDelete) -> Problems:
    """`intervals/delete`: one type and line, 30 days at the most, no runs or batches."""
    yield from given("type", "line", "start_time", "end_time")(request)
    yield from _not_built_in(request.type, BUILT_IN - {"STATE"})
    if request.start_time and request.end_time:
        if request.end_time < request.start_time:
            yield "`end_time` must not be before `start_time`"
        elif request.end_time - request.start_time > LONGEST_DELETE:
            yield f"`start_time` and `end_time` must not be more than {LONGEST_DELETE.days} days apart"


def interval_type_set(request: IntervalTypeSet) -> Problems:
    """`interval_type/set`: a name for a new type, none for one that is there; never a built-in one."""
    if request.name in BUILT_IN:
        yield f"the built-in type {request.name} cannot be set"
    elif (request.id is None) == (request.name is None):
        yield "give `name` to create a type, or `id` to change one; a type cannot be renamed"


def interval_type_delete(request: IntervalType) -> Problems:
    """`interval_type/delete`: by id, never a built-in one."""
    yield from given("id")(request)
    if request.name in BUILT_IN:
        yield f"the built-in type {request.name} cannot be deleted"


def scrap_yield(request: ScrapYieldSet | ScrapYieldSearch) -> Problems:
    """`scrap_yield/search` and `scrap_yield/set`: an interval with its type and line."""
    yield from placed(request.interval, "interval.")


def scrap_yield_delete(request: ScrapYieldSearch) -> Problems:
    """`scrap_yield/delete`: a record by its id, and the line; the document's own example leaves out the interval's
    type."""
    yield from given("data.id", "interval.line")(request)
    yield from _run(request.interval, "interval.")


def quality_test(request: QualityTest) -> Problems:
    """`quality_test/*`: where an interval is named, with its type and line; a test is of a run or a batch."""
    if request.interval is not None:
        yield from placed(request.interval, "interval.")
        if request.interval.type is not None and request.interval.type.name == "STATE":
            yield "a quality test is of a run or a batch, not of a state"


def quality_tests_delete(request: QualityTestsDelete) -> Problems:
    """`quality_tests/delete`: ids, or a line and a stretch of time."""
    if request.ids is None and not all((request.line, request.start_time, request.end_time)):
        yield "give `ids`, or `line`, `start_time` and `end_time`"


def work_order_search(request: MaintenanceWorkOrderSearch) -> Problems:
    """`maintenance_work_order/search`: an id of either kind, or a line and a stretch of time."""
    has_id = request.id is not None or request.external_id is not None
    if not has_id and not all((request.line, request.start_time, request.end_time)):
        yield "give `id`, or `external_id`, or `line`, `start_time` and `end_time`"


def work_order_set(request: MaintenanceWorkOrder) -> Problems:
    """`maintenance_work_order/set`: what a new one needs; one that is there is named by its id."""
    if request.id is None:
        yield from given("name", "line", "external_id", "started_at")(request)


def work_order_delete(request: MaintenanceWorkOrder) -> Problems:
    """`maintenance_work_order/delete`: one, by an id of either kind."""
    yield from given("id|external_id")(request)
    if request.match not in (None, "unique"):
        yield "`match` must be absent or `unique`"


def dashboard(request: DashboardExecuteRequest) -> Problems:
    """`dashboard/execute`: an absolute or a relative time, not both; lines by id or name."""
    time = request.range
    if time is not None:
        absolute, relative = (time.start, time.end), (time.anchor, time.offset)
        if any(absolute) == any(relative) or any(pair.count(None) == 1 for pair in (absolute, relative)):
            yield "`range` needs `start` and `end`, or `anchor` and `offset`, not both"
    for line in (request.filters and request.filters.lines) or ():
        if line.id is None and line.name is None:
            yield "each of `filters.lines` needs `id` or `name`"


def _bulk(request: IntervalBulkCreate | IntervalBulkUpdate) -> Problems:
    yield from given("type", "line", "intervals")(request)
    for number, interval in enumerate(request.intervals or ()):
        yield from _run(interval, f"intervals.{number}.")
    if len(request.intervals or ()) > MOST_INTERVALS:
        yield f"{len(request.intervals or ())} intervals are more than the {MOST_INTERVALS} that one request can hold"


def _not_built_in(interval_type: IntervalType | None, which: frozenset[str]) -> Problems:
    if interval_type is not None and interval_type.name in which:
        yield f"this is not for intervals of the type {interval_type.name}"
