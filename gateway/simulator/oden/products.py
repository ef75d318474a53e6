"""The products and what is set for them: `product*/…`, `metric_group/search`, `target/*`, and how others name them.

Where the document is silent, this stand-in has chosen.

A product that is set by a name that exists is that product. A deleted one is found no more and its name is free again,
while intervals keep what they say of it; deleting ends its mappings and attributes. Searches for products, mappings and
attributes list no 404, so nothing found is an empty list. Without `match` a search for attributes answers all matches,
as its own description has it; an attribute is known by its `name`, or by its `display_name` where that is all there is.

A limit that is left out of an update of a target stays. `lsl`, `target_value` and `usl` must not be out of order. A
run's target is for its product and line, and is kept as that of its metric group where it names one.
"""

from dataclasses import replace

from gateway.simulator.oden.bodies import Fields, not_found, select
from gateway.simulator.oden.master_data import identifiers, matches, resolve_line
from gateway.simulator.oden.store import Attribute, Line, MetricGroup, Store, TargetLimits, derived_id


def search_products(store: Store, body: Fields) -> object:
    """`product/search`: by `name` or `id`, or all with `match: all`."""
    match = body.match()
    products = _products(store, body)
    return [product_answer(*product) for product in (select(products, match, "product") if products else [])]


def set_product(store: Store, body: Fields) -> object:
    """`product/set`: without `id` makes a product by its `name`; with it gives that product another name."""
    wanted_id, name = body.text("id"), body.text("name")
    if not name:
        raise body.missing("name")
    if wanted_id is None:
        return find_or_create_product(store, Fields({"name": name}, body.where))
    if wanted_id not in store.products:
        raise body.invalid("id", "there is no such product")
    store.products[wanted_id] = name
    return product_answer(wanted_id, name)


def delete_product(store: Store, body: Fields) -> object:
    """`product/delete`: the one with that `id` or `name`."""
    if "id" not in body and "name" not in body:
        raise body.missing("id")
    deleted, name = select(_products(store, body), "unique", "product")[0]
    del store.products[deleted]
    store.mappings = {pair: None for pair in store.mappings if pair[0] != deleted}
    store.values = {pair: value for pair, value in store.values.items() if pair[1] != deleted}
    return [product_answer(deleted, name)]


def search_mappings(store: Store, body: Fields) -> object:
    """`product_mapping/search`: by `line`, by `product`, or by both."""
    match, given_product, given_line = body.match(), body.fields("product"), body.fields("line")
    if given_product is None and given_line is None and match != "all":
        raise body.invalid("line", "give a line, a product, or match: all")
    products = None if given_product is None else {product_id for product_id, _ in _products(store, given_product)}
    line = None if given_line is None else resolve_line(store, given_line)
    mappings = [
        (product_id, mapped_to)
        for product_id, mapped_to in store.mappings
        if (products is None or product_id in products) and line in {None, mapped_to}
    ]
    return [_mapping_answer(store, *pair) for pair in (select(mappings, match, "product mapping") if mappings else [])]


def set_mapping(store: Store, body: Fields) -> object:
    """`product_mapping/set`: the line can make the product, which is created where it does not exist."""
    line = resolve_line(store, body.required("line"))
    product = find_or_create_product(store, body.required("product"))
    return [_mapping_answer(store, map_product(store, str(product["id"]), line), line)]


def map_product(store: Store, product_id: str, line: Line) -> str:
    """Map the product to the line, where it is not yet; answers its id."""
    store.mappings.setdefault((product_id, line))
    return product_id


def search_attributes(store: Store, body: Fields) -> object:
    """`product_attribute/search`: by `id`, else by `product`, else by `display_name`."""
    wanted_id, given_product, display_name = body.text("id"), body.fields("product"), body.text("display_name")
    with_value: list[tuple[str, str | None]] = [*store.values]
    used = {attribute_id for attribute_id, _ in store.values}
    pairs = [*with_value, *((attribute_id, None) for attribute_id in store.attributes if attribute_id not in used)]
    if wanted_id is not None:
        matching = [pair for pair in pairs if pair[0] == wanted_id]
    elif given_product is not None:
        products = {product_id for product_id, _ in _products(store, given_product)}
        matching = [pair for pair in with_value if pair[1] in products]
    else:
        matching = [pair for pair in pairs if display_name in {None, store.attributes[pair[0]].display_name}]
    match = body.match() if "match" in body else "all"
    selected = select(matching, match, "product attribute") if matching else []
    return [_attribute_answer(store, *pair) for pair in selected]


def set_attribute(store: Store, body: Fields) -> object:
    """`product_attribute/set`: the value of an attribute, made where it does not exist, of a product that exists."""
    wanted_id, name, display_name = body.text("id"), body.text("name"), body.text("display_name")
    value = body.text("value")
    products = _products(store, body.required("product"))
    if not products:
        raise body.invalid("product", "there is no such product")
    product_id = select(products, "unique", "product")[0][0]
    if wanted_id is not None and wanted_id not in store.attributes:
        raise body.invalid("id", "there is no such attribute")
    if wanted_id is None and not (name or display_name):
        raise body.missing("name")
    if value is None:
        raise body.missing("value")
    known = [
        attribute
        for attribute in store.attributes.values()
        if (
            attribute.id == wanted_id
            if wanted_id
            else name in {attribute.name, None} and display_name in {attribute.display_name, None}
        )
    ]
    if known:
        attribute = known[0]
    else:
        new_id = derived_id("product_attribute", len(store.attributes) + 1)
        attribute = Attribute(new_id, name or display_name or "", display_name or name or "")
        store.attributes[new_id] = attribute
    store.values[attribute.id, product_id] = value
    return [_attribute_answer(store, attribute.id, product_id)]


def find_or_create_product(store: Store, fields: Fields) -> dict[str, object]:
    """The product that a request names, as it is answered. One that is named and does not exist is created.

    404 for an unknown id, since there is no name to create it by. Creating is the last thing that happens here.
    """
    products = _products(store, fields)
    if products:
        return product_answer(*select(products, "unique", "product")[0])
    if "id" in fields:
        raise not_found("product")
    name = fields.text("name")
    if not name:
        raise fields.missing("name")
    store.products_made += 1
    product_id = derived_id("product", store.products_made)
    store.products[product_id] = name
    return product_answer(product_id, name)


def resolve_product_id(store: Store, fields: Fields) -> str:
    """The id of the one product that is named; 404 for none."""
    return select(_products(store, fields), "unique", "product")[0][0]


def product_answer(product_id: str, name: str) -> dict[str, object]:
    """A product as Oden answers it (schema `Product`)."""
    return {"id": product_id, "name": name}


def _products(store: Store, fields: Fields) -> list[tuple[str, str]]:
    given = identifiers(fields)
    return [
        (product_id, name) for product_id, name in store.products.items() if matches(given, id=product_id, name=name)
    ]


def _mapping_answer(store: Store, product_id: str, line: Line) -> dict[str, object]:
    return {"product": product_answer(product_id, store.products[product_id]), "line": line.answer()}


def _attribute_answer(store: Store, attribute_id: str, product_id: str | None) -> dict[str, object]:
    attribute = store.attributes[attribute_id]
    answer: dict[str, object] = {
        "id": attribute.id,
        "name": attribute.name,
        "display_name": attribute.display_name,
        "rule_based": False,
    }
    if product_id is not None:
        answer |= {
            "value": store.values[attribute_id, product_id],
            "product": product_answer(product_id, store.products[product_id]),
        }
    return answer


LIMITS = ("lsl", "target_value", "usl")


def search_metric_groups(store: Store, body: Fields) -> object:
    """`metric_group/search`: by `id`, by `name`, or all with `match: all`."""
    return [group.answer() for group in select(_groups(store, body), body.match(), "metric group")]


def search_targets(store: Store, body: Fields) -> object:
    """`target/search`: by whatever is given of `line`, `metric_group` and `product`."""
    match = body.match()
    given_line, given_product, given_group = (body.fields(name) for name in ("line", "product", "metric_group"))
    line = None if given_line is None else resolve_line(store, given_line)
    product_id = None if given_product is None else resolve_product_id(store, given_product)
    group_id = None if given_group is None else _resolve_group(store, given_group).id
    keys = [
        key
        for key in store.targets
        if group_id in {None, key[0]} and product_id in {None, key[1]} and line in {None, key[2]}
    ]
    return [_target_answer(store, *key) for key in select(keys, match, "target")]


def set_target(store: Store, body: Fields) -> object:
    """`target/set`: creates or changes the one target of a metric group, product and line."""
    line = resolve_line(store, body.required("line"))
    group = _resolve_group(store, body.required("metric_group"))
    limits = _limits(body)
    product = find_or_create_product(store, body.required("product"))
    return store_target(store, group, map_product(store, str(product["id"]), line), line, limits)


def parse_run_target(store: Store, given: Fields) -> tuple[MetricGroup | None, dict[str, float]]:
    """What a run's metadata says of its target, checked: the metric group, where it names one, and the limits."""
    named = given.fields("metric_group")
    return (None if named is None else _resolve_group(store, named)), _limits(given)


def store_target(
    store: Store, group: MetricGroup, product_id: str, line: Line, limits: dict[str, float]
) -> dict[str, object]:
    """Change the target in the limits that are given; answers it as it is now."""
    key = group.id, product_id, line
    store.targets[key] = replace(store.targets.get(key, TargetLimits()), **limits)
    return _target_answer(store, *key)


def _limits(fields: Fields) -> dict[str, float]:
    limits = {name: number for name in LIMITS if (number := fields.number(name)) is not None}
    if sorted(limits.values()) != list(limits.values()):
        raise fields.invalid("lsl", "lsl, target_value and usl must not be out of order")
    return limits


def _groups(store: Store, fields: Fields) -> list[MetricGroup]:
    given = identifiers(fields)
    return [group for group in store.organization.metric_groups if matches(given, id=group.id, name=group.name)]


def _resolve_group(store: Store, fields: Fields) -> MetricGroup:
    return select(_groups(store, fields), "unique", "metric group")[0]


def _target_answer(store: Store, group_id: str, product_id: str, line: Line) -> dict[str, object]:
    group = next(group for group in store.organization.metric_groups if group.id == group_id)
    target = store.targets[group_id, product_id, line]
    limits = {name: value for name in LIMITS if (value := getattr(target, name)) is not None}
    # A product that was deleted since is known by its id only.
    product = (
        product_answer(product_id, store.products[product_id]) if product_id in store.products else {"id": product_id}
    )
    return {"metric_group": group.answer(), "product": product, "line": line.answer(), **limits}
