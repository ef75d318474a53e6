"""A snapshot: what a store holds, as one JSON object, and back. Pure.

Lists are in the order in which the objects were made; times are as Oden writes them; what is not set is left out; ids
are those that the store knows, not those of an organization file. `made` counts what was ever made, since ids follow
from it. The organization is not in it: its types, reasons and products count for a fresh store only.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import TypeVar

from gateway.errors import GatewayError
from gateway.simulator.oden.bodies import ErrorAnswer, Fields, format_time
from gateway.simulator.oden.manners import Manners
from gateway.simulator.oden.store import (
    BUILT_IN,
    Attribute,
    Interval,
    Line,
    Organization,
    QualityTest,
    ScrapYieldRecord,
    Store,
    TargetLimits,
    WorkOrder,
)

T = TypeVar("T")

_MADE = {
    "entries": "output_made",
    "products_made": "products_made",
    "tests_made": "tests_made",
    "orders_made": "orders_made",
}
"""Key in the snapshot -> the count of the store."""


class SnapshotError(GatewayError):
    """A snapshot, or the file that holds it, is damaged, or is that of another organization."""


def to_snapshot(store: Store) -> dict[str, object]:
    """What `store` holds, as a JSON object."""
    return {
        "types": [name for name in store.types if name not in BUILT_IN],
        "reasons": list(store.reasons),
        "products": [{"id": product_id, "name": name} for product_id, name in store.products.items()],
        "mappings": [{"product": product_id} | _line(line) for product_id, line in store.mappings],
        "attributes": [asdict(attribute) for attribute in store.attributes.values()],
        "values": [
            {"attribute": attribute_id, "product": product_id, "value": value}
            for (attribute_id, product_id), value in store.values.items()
        ],
        "targets": [
            {"metric_group": group, "product": product_id} | _line(line) | _without_none(asdict(limits))
            for (group, product_id, line), limits in store.targets.items()
        ],
        "intervals": [_interval(interval) for siblings in store.intervals.values() for interval in siblings.values()],
        "output": [
            _interval_key(key) | _record(record) for key, records in store.output.items() for record in records.values()
        ],
        "tests": [
            _interval_key(test.interval) | _record(test) | _without_none({"schema": test.schema})
            for test in store.tests.values()
        ],
        "orders": [_order(order) for order in store.orders.values()],
        "made": {count: getattr(store, name) for count, name in _MADE.items()},
    }


def from_snapshot(organization: Organization, snapshot: Mapping[str, object], manners: Manners) -> Store:
    """A store of `organization` that holds what `to_snapshot` gave; SnapshotError where it cannot."""
    store = Store(organization, manners=manners)
    try:
        _fill(store, Fields(snapshot))
    except ErrorAnswer as error:
        raise SnapshotError(str(error)) from None
    return store


def _fill(store: Store, snapshot: Fields) -> None:
    store.types = [*BUILT_IN, *snapshot.text_list("types")]
    store.reasons = snapshot.text_list("reasons")
    store.products = {_text(item, "id"): _text(item, "name") for item in _items(snapshot, "products")}
    for item in _items(snapshot, "mappings"):
        store.mappings[_known(item, "product", store.products), _read_line(store, item)] = None
    for item in _items(snapshot, "attributes"):
        attribute = Attribute(_text(item, "id"), _text(item, "name"), _text(item, "display_name"))
        store.attributes[attribute.id] = attribute
    for item in _items(snapshot, "values"):
        pair = _known(item, "attribute", store.attributes), _known(item, "product", store.products)
        store.values[pair] = _text(item, "value")
    groups = {group.id: group for group in store.organization.metric_groups}
    for item in _items(snapshot, "targets"):
        limits = TargetLimits(*(item.number(name) for name in ("lsl", "target_value", "usl")))
        group, product_id = _known(item, "metric_group", groups), _text(item, "product")
        store.targets[group, product_id, _read_line(store, item)] = limits
    for item in _items(snapshot, "intervals"):
        interval = _read_interval(store, item)
        store.intervals.setdefault((interval.type, interval.line), {})[interval.id] = interval
    for item in _items(snapshot, "output"):
        raw_data = item.required("raw_data").values
        record = ScrapYieldRecord(_text(item, "id"), raw_data, item.time("timestamp"))
        store.output.setdefault(_read_interval_key(store, item), {})[record.id] = record
    for item in _items(snapshot, "tests"):
        key, raw_data = _read_interval_key(store, item), item.required("raw_data").values
        test = QualityTest(_text(item, "id"), key, item.text("schema"), raw_data, item.time("timestamp"))
        store.tests[test.id] = test
    for item in _items(snapshot, "orders"):
        order = _read_order(store, item)
        store.orders[order.id] = order
    made = snapshot.required("made")
    for count, name in _MADE.items():
        setattr(store, name, _required(made, count, made.integer))


# --- one object, to JSON and back


def _line(line: Line) -> dict[str, object]:
    return {"factory": line.factory, "line": line.name}


def _read_line(store: Store, item: Fields) -> Line:
    line = Line(_text(item, "factory"), _text(item, "line"))
    if line.id not in store.lines:
        raise item.invalid("line", f"the plant has no {line.name!r} in {line.factory!r}")
    return line


def _interval_key(key: tuple[str, Line, str]) -> dict[str, object]:
    return {"type": key[0], **_line(key[1]), "interval": key[2]}


def _read_interval_key(store: Store, item: Fields) -> tuple[str, Line, str]:
    kind, line = _text(item, "type"), _read_line(store, item)
    return kind, line, _known(item, "interval", store.intervals.get((kind, line), {}))


def _interval(interval: Interval) -> dict[str, object]:
    times = {"start_time": _time(interval.start), "end_time": _time(interval.end)}
    return {
        "type": interval.type,
        **_line(interval.line),
        **_without_none({"id": interval.id, "name": interval.name} | times),
        "metadata": interval.metadata,
    }


def _read_interval(store: Store, item: Fields) -> Interval:
    kind, line = _known(item, "type", dict.fromkeys(store.types)), _read_line(store, item)
    start = _required(item, "start_time", item.time)
    metadata = item.required("metadata").values
    return Interval(_text(item, "id"), kind, line, item.text("name"), start, item.time("end_time"), metadata)


def _record(record: ScrapYieldRecord | QualityTest) -> dict[str, object]:
    return _without_none({"id": record.id, "raw_data": record.raw_data, "timestamp": _time(record.timestamp)})


def _order(order: WorkOrder) -> dict[str, object]:
    times = {"started_at": _time(order.started_at), "completed_at": _time(order.completed_at)}
    return _without_none(asdict(order) | _line(order.line) | times)


def _read_order(store: Store, item: Fields) -> WorkOrder:
    metadata = item.fields("metadata")
    return WorkOrder(
        _text(item, "id"),
        _text(item, "name"),
        _text(item, "external_id"),
        _read_line(store, item),
        _required(item, "started_at", item.time),
        item.time("completed_at"),
        item.text("description"),
        None if metadata is None else metadata.values,
    )


# --- one value


def _without_none(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else format_time(seconds)


def _items(snapshot: Fields, name: str) -> Iterator[Fields]:
    values = snapshot.values.get(name)
    if not isinstance(values, list):
        raise snapshot.invalid(name, "must be a list")
    for number, value in enumerate(values):
        if not isinstance(value, dict):
            raise snapshot.invalid(f"{name}.{number}", "must be an object")
        yield Fields(value, f"{name}.{number}.")


def _required(item: Fields, name: str, read: Callable[[str], T | None]) -> T:
    value = read(name)
    if value is None:
        raise item.missing(name)
    return value


def _text(item: Fields, name: str) -> str:
    return _required(item, name, item.text)


def _known(item: Fields, name: str, known: Mapping[str, object]) -> str:
    """The text in a field that names one of `known`."""
    text = _text(item, name)
    if text not in known:
        raise item.invalid(name, f"there is no {text!r}")
    return text
