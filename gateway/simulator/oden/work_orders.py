"""The maintenance work orders: `maintenance_work_order/search|set|delete`.

Where the document is silent, this stand-in has chosen: an `external_id` may stand alone, and is looked for on all lines
then; a search by time finds what overlaps the time, ends included, and an order without `completed_at` overlaps
everything after its start; an order that is set by an `external_id` that exists on the line is another one. `set`
answers one object, as its schema has it; `delete` a list.
"""

from dataclasses import replace

from gateway.simulator.oden.bodies import ErrorAnswer, Fields, not_found, select
from gateway.simulator.oden.master_data import resolve_line
from gateway.simulator.oden.store import Store, WorkOrder, derived_id


def search_orders(store: Store, body: Fields) -> object:
    """`maintenance_work_order/search`: by `id`, by `external_id`, or those of a `line` between two times."""
    match = body.match()
    begin, end = body.time("start_time"), body.time("end_time")
    if "id" not in body and "external_id" not in body:
        line = resolve_line(store, body.required("line"))
        if begin is None:
            raise body.missing("start_time")
        if end is None:
            raise body.missing("end_time")
        if end < begin:
            raise body.invalid("end_time", "must not be before start_time")
        orders = [
            order
            for order in store.orders.values()
            if order.line == line
            and order.started_at <= end
            and (order.completed_at is None or order.completed_at >= begin)
        ]
        orders.sort(key=lambda order: order.started_at)
    else:
        orders = _named(store, body)
    return [order.answer() for order in select(orders, match, "maintenance work order")]


def set_order(store: Store, body: Fields) -> object:
    """`maintenance_work_order/set`: without `id` makes an order; with it changes the fields that are given."""
    order_id = body.text("id")
    texts = {name: body.text(name) for name in ("name", "external_id", "description")}
    times = {name: body.time(name) for name in ("started_at", "completed_at")}
    metadata = body.json_object("metadata")
    if order_id is None:
        for name in ("name", "external_id"):
            if not texts[name]:
                raise body.missing(name)
        if times["started_at"] is None:
            raise body.missing("started_at")
        line = resolve_line(store, body.required("line"))
        order = WorkOrder("", "", "", line, 0, None, None, None)
    else:
        if order_id not in store.orders:
            raise not_found("maintenance work order")
        order = store.orders[order_id]
        if store.manners.orders >= 400 and order.completed_at is not None:
            raise ErrorAnswer(store.manners.orders, "this order is completed")
        given_line = body.fields("line")
        order = order if given_line is None else replace(order, line=resolve_line(store, given_line))
    changes = {name: value for name, value in (texts | times).items() if value is not None}
    order = replace(order, **changes)  # type: ignore[arg-type] # each by the name of its field
    order = order if metadata is None else replace(order, metadata=metadata)
    if order.completed_at is not None and order.completed_at < order.started_at:
        raise body.invalid("completed_at", "must not be before started_at")
    if order_id is None:
        store.orders_made += 1
        order = replace(order, id=derived_id("maintenance_work_order", store.orders_made))
    store.orders[order.id] = order
    return order.answer()


def delete_order(store: Store, body: Fields) -> object:
    """`maintenance_work_order/delete`: the one with that `id` or `external_id`."""
    if body.match() != "unique":
        raise body.invalid("match", "must be left out, or unique")
    order = select(_named(store, body), "unique", "maintenance work order")[0]
    del store.orders[order.id]
    return [order.answer()]


def _named(store: Store, body: Fields) -> list[WorkOrder]:
    order_id, external_id, given_line = body.text("id"), body.text("external_id"), body.fields("line")
    if order_id is None and external_id is None:
        raise body.invalid("id", "give the id or the external_id")
    line = None if given_line is None else resolve_line(store, given_line)
    return [
        order
        for order in store.orders.values()
        if order_id in {None, order.id} and external_id in {None, order.external_id} and line in {None, order.line}
    ]
