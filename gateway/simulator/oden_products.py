"""Oden's `product/*`, `product_mapping/*` and `product_attribute/*`, and the products that other requests name.

Where the document is silent, this stand-in has chosen: a product that is set by a name that exists is that product; a deleted one is
found no more and its name is free again, while intervals keep what they say of it; deleting ends its mappings and attributes. Searches for
products, mappings and attributes list no 404, so nothing found is an empty list. Without `match` a search for attributes answers all that
are found, as its own description has it; an attribute is known by its `name`, or by its `display_name` where that is all there is.
"""

from gateway.simulator.oden_body import Fields, not_found, select
from gateway.simulator.oden_catalogue import fits, the_line, wanted
from gateway.simulator.oden_store import Attribute, Line, Store, made_id


def search_products(store: Store, body: Fields) -> object:
    """`product/search`: by `name` or `id`, or all with `match: all`."""
    match = body.match()
    found = _products(store, body)
    return [product_answer(*item) for item in (select(found, match, "product") if found else [])]


def set_product(store: Store, body: Fields) -> object:
    """`product/set`: without `id` makes a product by its `name`; with it gives that product another name."""
    wanted_id, name = body.text("id"), body.text("name")
    if not name:
        raise body.missing("name")
    if wanted_id is None:
        return product(store, Fields({"name": name}, body.where))
    if wanted_id not in store.products:
        raise body.bad("id", "there is no such product")
    store.products[wanted_id] = name
    return product_answer(wanted_id, name)


def delete_product(store: Store, body: Fields) -> object:
    """`product/delete`: the one with that `id` or `name`."""
    if "id" not in body and "name" not in body:
        raise body.missing("id")
    gone, name = select(_products(store, body), "unique", "product")[0]
    del store.products[gone]
    store.mappings = {pair: None for pair in store.mappings if pair[0] != gone}
    store.values = {pair: value for pair, value in store.values.items() if pair[1] != gone}
    return [product_answer(gone, name)]


def search_mappings(store: Store, body: Fields) -> object:
    """`product_mapping/search`: by `line`, by `product`, or by both."""
    match, named, place = body.match(), body.fields("product"), body.fields("line")
    if named is None and place is None and match != "all":
        raise body.bad("line", "give a line, a product, or match: all")
    products = None if named is None else {found for found, _ in _products(store, named)}
    line = None if place is None else the_line(store, place)
    found = [
        (product_id, of)
        for product_id, of in store.mappings
        if (products is None or product_id in products) and line in {None, of}
    ]
    return [_mapping(store, *pair) for pair in (select(found, match, "product mapping") if found else [])]


def set_mapping(store: Store, body: Fields) -> object:
    """`product_mapping/set`: the line can make the product, which is created where it does not exist."""
    line = the_line(store, body.required("line"))
    made = product(store, body.required("product"))
    return [_mapping(store, mapped(store, str(made["id"]), line), line)]


def mapped(store: Store, product_id: str, line: Line) -> str:
    """Map the product to the line, where it is not yet; answers its id."""
    store.mappings.setdefault((product_id, line))
    return product_id


def search_attributes(store: Store, body: Fields) -> object:
    """`product_attribute/search`: by `id`, else by `product`, else by `display_name`."""
    wanted_id, named, shown = body.text("id"), body.fields("product"), body.text("display_name")
    pairs: list[tuple[str, str | None]] = [*store.values]
    bare = [(one, None) for one in store.attributes if all(one != attribute for attribute, _ in pairs)]
    if wanted_id is not None:
        found = [pair for pair in [*pairs, *bare] if pair[0] == wanted_id]
    elif named is not None:
        products = {product_id for product_id, _ in _products(store, named)}
        found = [pair for pair in pairs if pair[1] in products]
    else:
        found = [pair for pair in [*pairs, *bare] if shown in {None, store.attributes[pair[0]].display_name}]
    match = body.match() if "match" in body else "all"
    return [_attribute(store, *pair) for pair in (select(found, match, "product attribute") if found else [])]


def set_attribute(store: Store, body: Fields) -> object:
    """`product_attribute/set`: the value of an attribute, made where it does not exist, of a product that exists."""
    wanted_id, name, shown = body.text("id"), body.text("name"), body.text("display_name")
    value = body.text("value")
    products = _products(store, body.required("product"))
    if not products:
        raise body.bad("product", "there is no such product")
    product_id = select(products, "unique", "product")[0][0]
    if wanted_id is not None and wanted_id not in store.attributes:
        raise body.bad("id", "there is no such attribute")
    if wanted_id is None and not (name or shown):
        raise body.missing("name")
    if value is None:
        raise body.missing("value")
    known = [
        one
        for one in store.attributes.values()
        if one.id == wanted_id or (not wanted_id and name in {one.name, None} and shown in {one.display_name, None})
    ]
    if known:
        attribute = known[0]
    else:
        made = made_id("product_attribute", len(store.attributes) + 1)
        attribute = store.attributes[made] = Attribute(made, name or shown or "", shown or name or "")
    store.values[attribute.id, product_id] = value
    return [_attribute(store, attribute.id, product_id)]


def product(store: Store, fields: Fields) -> dict[str, object]:
    """The product that a request names, as it is answered. One that is named and does not exist is created.

    404 for an unknown id, since there is no name to create it by. Creating is the last thing that happens here.
    """
    found = _products(store, fields)
    if found:
        return product_answer(*select(found, "unique", "product")[0])
    if "id" in fields:
        raise not_found("product")
    name = fields.text("name")
    if not name:
        raise fields.missing("name")
    store.products_made += 1
    made = made_id("product", store.products_made)
    store.products[made] = name
    return product_answer(made, name)


def known_product(store: Store, fields: Fields) -> str:
    """The id of the one product that is named; 404 for none."""
    return select(_products(store, fields), "unique", "product")[0][0]


def product_answer(product_id: str, name: str) -> dict[str, object]:
    """A product as Oden answers it (schema `Product`)."""
    return {"id": product_id, "name": name}


def _products(store: Store, fields: Fields) -> list[tuple[str, str]]:
    given = wanted(fields)
    return [(made, name) for made, name in store.products.items() if fits(given, id=made, name=name)]


def _mapping(store: Store, product_id: str, line: Line) -> dict[str, object]:
    return {"product": product_answer(product_id, store.products[product_id]), "line": line.answer()}


def _attribute(store: Store, attribute_id: str, product_id: str | None) -> dict[str, object]:
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
