"""Factories, lines, interval types and maintenance work orders: `factory/search`, `line/search`, `interval_type/*`,
`maintenance_work_order/*`, and how others name them.

An interval type is answered with `id` and `name` only, as schema `IntervalType` has it: what its `metadata_schema` and
`tags` are set to is checked and not kept. The document contradicts itself on a `name` in an update (refused, ignored):
it is refused here. A name that exists is refused too. Intervals of a type that is deleted are found no more.

Of work orders the document is silent, and this stand-in has chosen: an `external_id` may stand alone, and is looked for
on all lines then; a search by time finds what overlaps the time, ends included, and an order without `completed_at`
overlaps everything after its start; an order that is set by an `external_id` that exists on the line is another one.
`set` answers one object, as its schema has it; `delete` a list.
"""

from dataclasses import replace

from gateway.simulator.oden.bodies import ErrorAnswer, Fields, not_found, select
from gateway.simulator.oden.store import BUILT_IN, Factory, Line, Store, WorkOrder, derived_id, factory_id, type_id


def search_factories(store: Store, body: Fields) -> object:
    """`factory/search`: by `id`, by `name`, by `secondary_name`, or all with `match: all`."""
    return [factory.answer() for factory in _factories(store, body)]


def search_lines(store: Store, body: Fields) -> object:
    """`line/search`: by `id`, by `name` and `factory`, or all of a factory with `match: all`."""
    secondary_names = _secondary_names(store)
    return [
        {**line.answer(), "secondary_name": secondary_names[line]} if line in secondary_names else line.answer()
        for line in find_lines(store, body)
    ]


def find_lines(store: Store, fields: Fields) -> list[Line]:
    """The lines that `fields` (schema `Line`) describes.

    400 where it holds neither `id` nor `factory`: the document identifies lines by one of the two.
    """
    if "id" not in fields and "factory" not in fields:
        raise fields.invalid("id", "a line is identified by its id, or by its name and its factory")
    factory = fields.fields("factory")
    factories = None if factory is None else {match.name for match in _factories(store, factory)}
    given = identifiers(fields)
    secondary_names = _secondary_names(store)
    lines = [
        line
        for line_id, line in store.lines.items()
        if (factories is None or line.factory in factories)
        and matches(given, id=line_id, name=line.name, secondary_name=secondary_names.get(line))
    ]
    return select(lines, fields.match(), "line")


def resolve_line(store: Store, fields: Fields) -> Line:
    """The one line that `fields` describes; 404 for none, 409 for several."""
    return select(find_lines(store, fields), "unique", "line")[0]


def resolve_factory(store: Store, fields: Fields) -> Factory:
    """The one factory that `fields` describes; 404 for none, 409 for several."""
    return select(_factories(store, fields), "unique", "factory")[0]


def _secondary_names(store: Store) -> dict[Line, str]:
    """The secondary names of the lines that have one."""
    return {
        Line(factory.name, name): secondary_name
        for factory in store.organization.factories
        for name, secondary_name in factory.secondary_names
    }


def _factories(store: Store, fields: Fields) -> list[Factory]:
    given = identifiers(fields)
    factories = [
        factory
        for factory in store.organization.factories
        if matches(given, id=factory_id(factory.name), name=factory.name, secondary_name=factory.secondary_name)
    ]
    return select(factories, fields.match(), "factory")


def identifiers(fields: Fields) -> dict[str, str]:
    """What `fields` gives of `id`, `name` and `secondary_name`, by which objects are found. A
    `secondary_name` of null is none."""
    names = ("id", "name", *(("secondary_name",) if fields.values.get("secondary_name") is not None else ()))
    given = {name: fields.text(name) for name in names}
    return {name: text for name, text in given.items() if text is not None}


def matches(given: dict[str, str], **known: str | None) -> bool:
    """Whether an object whose identifiers are `known` has all that are `given`."""
    return all(known.get(name) == text for name, text in given.items())


def search_types(store: Store, body: Fields) -> object:
    """`interval_type/search`: by `id`, by `name`, or all with `match: all`; built-in ones first."""
    wanted_id, name = body.text("id"), body.text("name")
    types = [known for known in store.types if wanted_id in {None, type_id(known)} and name in {None, known}]
    return [_type_answer(known) for known in select(types, body.match(), "interval type")]


def set_type(store: Store, body: Fields) -> object:
    """`interval_type/set`: without `id` makes a custom type by its `name`; with `id` takes a new schema or tags."""
    wanted_id, name = body.text("id"), body.text("name")
    body.text("metadata_schema")
    tags = body.values.get("tags")
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise body.invalid("tags", "must be a list of strings")
    if wanted_id is not None:
        if name is not None:
            raise body.invalid("name", "a type cannot be renamed: leave the name out")
        return _type_answer(_custom_type(store, body, wanted_id, "set"))
    if not name:
        raise body.missing("name")
    if name in store.types:
        raise body.invalid("name", f"there is a type {name} already")
    store.types.append(name)
    return _type_answer(name)


def delete_type(store: Store, body: Fields) -> object:
    """`interval_type/delete`: the custom type with that `id`."""
    wanted_id = body.text("id")
    if wanted_id is None:
        raise body.missing("id")
    deleted = _custom_type(store, body, wanted_id, "deleted")
    store.types.remove(deleted)
    store.intervals = {key: intervals for key, intervals in store.intervals.items() if key[0] != deleted}
    return _type_answer(deleted)


def resolve_type(store: Store, fields: Fields) -> str:
    """The name of the interval type in the field `type`; 400 where there is no such type."""
    given = fields.required("type")
    wanted_id, name = given.text("id"), given.text("name")
    if wanted_id is None and name is None:
        raise given.missing("name")
    for known in store.types:
        if wanted_id in {None, type_id(known)} and name in {None, known}:
            return known
    raise given.invalid("name", "there is no such interval type")


def _custom_type(store: Store, body: Fields, wanted_id: str, action: str) -> str:
    """The name of the custom type with that id; 404 for none, 400 for a built-in one."""
    known = next((known for known in store.types if type_id(known) == wanted_id), None)
    if known is None:
        raise not_found("interval type")
    if known in BUILT_IN:
        raise body.invalid("id", f"{known} is built in and cannot be {action}")
    return known


def _type_answer(name: str) -> dict[str, object]:
    return {"id": type_id(name), "name": name}


def search_orders(store: Store, body: Fields) -> object:
    """`maintenance_work_order/search`: by `id`, by `external_id`, or those of a `line` between two times."""
    match = body.match()
    if "id" not in body and "external_id" not in body:
        line = resolve_line(store, body.required("line"))
        begin, end = body.time_range()
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
