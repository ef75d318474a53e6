"""What a store holds as one JSON object, and back. Pure.

Lists in the order in which things were made; times as Oden writes them; what is not set is left out; ids are those
that the store knows (`oden_ids`). `made` counts what was ever made, since ids follow from it. The plant is not in it:
its types, reasons and products count for a fresh store only.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import TypeVar

from gateway.errors import GatewayError
from gateway.simulator.oden_body import Fields, OdenError, time_text
from gateway.simulator.oden_modes import Modes
from gateway.simulator.oden_store import (
    BUILT_IN,
    Attribute,
    Entry,
    Interval,
    Line,
    Plant,
    QualityTest,
    Store,
    Target,
    WorkOrder,
)

T = TypeVar("T")

_MADE = ("entries", "products_made", "tests_made", "orders_made")


class StateError(GatewayError):
    """A state is damaged, or is that of another plant."""


def saved(store: Store) -> dict[str, object]:
    """The JSON object of `store`."""
    return {
        "types": [name for name in store.types if name not in BUILT_IN],
        "reasons": list(store.reasons),
        "products": [{"id": one, "name": name} for one, name in store.products.items()],
        "mappings": [{"product": one} | _place(line) for one, line in store.mappings],
        "attributes": [asdict(one) for one in store.attributes.values()],
        "values": [{"attribute": one, "product": of, "value": text} for (one, of), text in store.values.items()],
        "targets": [
            {"metric_group": group, "product": product} | _place(line) | _set(asdict(target))
            for (group, product, line), target in store.targets.items()
        ],
        "intervals": [_interval(one) for siblings in store.intervals.values() for one in siblings.values()],
        "output": [_of(key) | _timed(entry) for key, entries in store.output.items() for entry in entries.values()],
        "tests": [_of(test.interval) | _timed(test) | _set({"schema": test.schema}) for test in store.tests.values()],
        "orders": [_order(order) for order in store.orders.values()],
        "made": {name: getattr(store, name) for name in _MADE},
    }


def loaded(plant: Plant, state: Mapping[str, object], modes: Modes) -> Store:
    """A store of `plant` that holds what `saved` gave; StateError where it cannot."""
    store = Store(plant, modes=modes)
    try:
        _load(store, Fields(state))
    except OdenError as error:
        raise StateError(str(error)) from None
    return store


def _load(store: Store, state: Fields) -> None:
    store.types = [*BUILT_IN, *state.texts("types")]
    store.reasons = state.texts("reasons")
    store.products = {_text(one, "id"): _text(one, "name") for one in _each(state, "products")}
    for one in _each(state, "mappings"):
        store.mappings[_known(one, "product", store.products), _line(store, one)] = None
    for one in _each(state, "attributes"):
        attribute = Attribute(_text(one, "id"), _text(one, "name"), _text(one, "display_name"))
        store.attributes[attribute.id] = attribute
    for one in _each(state, "values"):
        key = _known(one, "attribute", store.attributes), _known(one, "product", store.products)
        store.values[key] = _text(one, "value")
    groups = {group.id: group for group in store.plant.metric_groups}
    for one in _each(state, "targets"):
        limits = Target(*(one.number(name) for name in ("lsl", "target_value", "usl")))
        store.targets[_known(one, "metric_group", groups), _text(one, "product"), _line(store, one)] = limits
    for one in _each(state, "intervals"):
        interval = _read_interval(store, one)
        store.intervals.setdefault((interval.type, interval.line), {})[interval.id] = interval
    for one in _each(state, "output"):
        entry = Entry(_text(one, "id"), one.required("raw_data").values, one.time("timestamp"))
        store.output.setdefault(_key(store, one), {})[entry.id] = entry
    for one in _each(state, "tests"):
        raw_data = one.required("raw_data").values
        test = QualityTest(_text(one, "id"), _key(store, one), one.text("schema"), raw_data, one.time("timestamp"))
        store.tests[test.id] = test
    for one in _each(state, "orders"):
        order = _read_order(store, one)
        store.orders[order.id] = order
    made = state.required("made")
    for name in _MADE:
        setattr(store, name, _needed(made, name, made.whole))


def _place(line: Line) -> dict[str, object]:
    return {"factory": line.factory, "line": line.name}


def _of(key: tuple[str, Line, str]) -> dict[str, object]:
    return {"type": key[0], **_place(key[1]), "interval": key[2]}


def _set(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else time_text(seconds)


def _timed(one: Entry | QualityTest) -> dict[str, object]:
    return _set({"id": one.id, "raw_data": one.raw_data, "timestamp": _time(one.timestamp)})


def _interval(one: Interval) -> dict[str, object]:
    times = {"start_time": _time(one.start), "end_time": _time(one.end)}
    return {
        "type": one.type,
        **_place(one.line),
        **_set({"id": one.id, "name": one.name} | times),
        "metadata": one.metadata,
    }


def _read_interval(store: Store, one: Fields) -> Interval:
    kind, line = _known(one, "type", dict.fromkeys(store.types)), _line(store, one)
    start = _needed(one, "start_time", one.time)
    metadata = one.required("metadata").values
    return Interval(_text(one, "id"), kind, line, one.text("name"), start, one.time("end_time"), metadata)


def _order(one: WorkOrder) -> dict[str, object]:
    times = {"started_at": _time(one.started_at), "completed_at": _time(one.completed_at)}
    return _set(asdict(one) | _place(one.line) | times)


def _read_order(store: Store, one: Fields) -> WorkOrder:
    metadata = one.fields("metadata")
    return WorkOrder(
        _text(one, "id"),
        _text(one, "name"),
        _text(one, "external_id"),
        _line(store, one),
        _needed(one, "started_at", one.time),
        one.time("completed_at"),
        one.text("description"),
        None if metadata is None else metadata.values,
    )


def _each(state: Fields, name: str) -> Iterator[Fields]:
    given = state.values.get(name)
    if not isinstance(given, list):
        raise state.bad(name, "must be a list")
    for number, one in enumerate(given):
        if not isinstance(one, dict):
            raise state.bad(f"{name}.{number}", "must be an object")
        yield Fields(one, f"{name}.{number}.")


def _needed(one: Fields, name: str, read: Callable[[str], T | None]) -> T:
    found = read(name)
    if found is None:
        raise one.missing(name)
    return found


def _text(one: Fields, name: str) -> str:
    return _needed(one, name, one.text)


def _known(one: Fields, name: str, known: Mapping[str, object]) -> str:
    """The text in a field that names one of `known`."""
    text = _text(one, name)
    if text not in known:
        raise one.bad(name, f"there is no {text!r}")
    return text


def _line(store: Store, one: Fields) -> Line:
    line = Line(_text(one, "factory"), _text(one, "line"))
    if line.id not in store.lines:
        raise one.bad("line", f"the plant has no {line.name!r} in {line.factory!r}")
    return line


def _key(store: Store, one: Fields) -> tuple[str, Line, str]:
    """The interval that something belongs to."""
    kind, line = _text(one, "type"), _line(store, one)
    return kind, line, _known(one, "interval", store.intervals.get((kind, line), {}))
