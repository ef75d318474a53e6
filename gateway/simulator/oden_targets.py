"""Oden's `metric_group/search`, `target/search` and `target/set`, and the targets that runs bring along.

Where the document is silent, this stand-in has chosen: a limit that is left out of an update stays; `lsl`, `target_value` and `usl` must not be out
of order; a run's target is for its product and line, and is kept as that of its metric group where it names one.
"""

from dataclasses import replace

from gateway.simulator.oden_body import Fields, select
from gateway.simulator.oden_catalogue import fits, the_line, wanted
from gateway.simulator.oden_products import known_product, mapped, product, product_answer
from gateway.simulator.oden_store import Line, MetricGroup, Store, Target

LIMITS = ("lsl", "target_value", "usl")


def search_metric_groups(store: Store, body: Fields) -> object:
    """`metric_group/search`: by `id`, by `name`, or all with `match: all`."""
    return [group.answer() for group in select(_groups(store, body), body.match(), "metric group")]


def search_targets(store: Store, body: Fields) -> object:
    """`target/search`: by whatever is given of `line`, `metric_group` and `product`."""
    match, place, named, measured = (
        body.match(),
        body.fields("line"),
        body.fields("product"),
        body.fields("metric_group"),
    )
    line = None if place is None else the_line(store, place)
    product_id = None if named is None else known_product(store, named)
    group = None if measured is None else _the_group(store, measured).id
    found = [
        key
        for key in store.targets
        if group in {None, key[0]} and product_id in {None, key[1]} and line in {None, key[2]}
    ]
    return [_answer(store, *key) for key in select(found, match, "target")]


def set_target(store: Store, body: Fields) -> object:
    """`target/set`: creates or changes the one target of a metric group, product and line."""
    line = the_line(store, body.required("line"))
    group = _the_group(store, body.required("metric_group"))
    limits = _limits(body)
    made = product(store, body.required("product"))
    return keep(store, group, mapped(store, str(made["id"]), line), line, limits)


def run_target(store: Store, given: Fields) -> tuple[MetricGroup | None, dict[str, float]]:
    """What a run's metadata says of its target, checked: the metric group, where it names one, and the limits."""
    named = given.fields("metric_group")
    return (None if named is None else _the_group(store, named)), _limits(given)


def keep(store: Store, group: MetricGroup, product_id: str, line: Line, limits: dict[str, float]) -> dict[str, object]:
    """Change the target in the limits that are given; answers it as it is now."""
    key = group.id, product_id, line
    store.targets[key] = replace(store.targets.get(key, Target()), **limits)
    return _answer(store, *key)


def _limits(fields: Fields) -> dict[str, float]:
    limits = {name: number for name in LIMITS if (number := fields.number(name)) is not None}
    if sorted(limits.values()) != list(limits.values()):
        raise fields.bad("lsl", "lsl, target_value and usl must not be out of order")
    return limits


def _groups(store: Store, fields: Fields) -> list[MetricGroup]:
    given = wanted(fields)
    return [group for group in store.plant.metric_groups if fits(given, id=group.id, name=group.name)]


def _the_group(store: Store, fields: Fields) -> MetricGroup:
    return select(_groups(store, fields), "unique", "metric group")[0]


def _answer(store: Store, group_id: str, product_id: str, line: Line) -> dict[str, object]:
    group = next(group for group in store.plant.metric_groups if group.id == group_id)
    target = store.targets[group_id, product_id, line]
    limits = {name: value for name in LIMITS if (value := getattr(target, name)) is not None}
    # A product that was deleted since is known by its id only.
    named = (
        product_answer(product_id, store.products[product_id]) if product_id in store.products else {"id": product_id}
    )
    return {"metric_group": group.answer(), "product": named, "line": line.answer(), **limits}
