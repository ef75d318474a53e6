"""Oden's `factory/search`, `line/search` and `product/search`, and the lines and products that other requests name."""

from gateway.simulator.oden_body import Fields, not_found, select
from gateway.simulator.oden_store import Factory, Line, Store, factory_id, made_id


def search_factories(store: Store, body: Fields) -> object:
    """`factory/search`: by `id`, by `name`, or all with `match: all`. The plant has no secondary names."""
    return [factory.answer() for factory in _factories(store, body)]


def search_lines(store: Store, body: Fields) -> object:
    """`line/search`: by `id`, by `name` and `factory`, or all of a factory with `match: all`."""
    return [line.answer() for line in find_lines(store, body)]


def search_products(store: Store, body: Fields) -> object:
    """`product/search`: by `name` or `id`. The document lists no 404 for it, so nothing found is an empty list."""
    match = body.match()
    found = _products(store, body)
    return [_product(*item) for item in (select(found, match, "product") if found else [])]


def find_lines(store: Store, fields: Fields) -> list[Line]:
    """The lines that `fields` (schema `Line`) describes.

    400 where it holds neither `id` nor `factory`: the document identifies lines by one of the two.
    """
    if "id" not in fields and "factory" not in fields:
        raise fields.bad("id", "a line is identified by its id, or by its name and its factory")
    factory = fields.fields("factory")
    factories = None if factory is None else {found.name for found in _factories(store, factory)}
    wanted = _wanted(fields)
    found = [
        line
        for line_id, line in store.lines.items()
        if (factories is None or line.factory in factories) and _fits(wanted, id=line_id, name=line.name)
    ]
    return select(found, fields.match(), "line")


def the_line(store: Store, fields: Fields) -> Line:
    """The one line that `fields` describes; 404 for none, 409 for several."""
    return select(find_lines(store, fields), "unique", "line")[0]


def product(store: Store, fields: Fields) -> dict[str, object]:
    """The product that a run names, as it is answered. One that is named and does not exist is created.

    404 for an unknown id, since there is no name to create it by. Creating is the last thing that happens here.
    """
    found = _products(store, fields)
    if found:
        return _product(*select(found, "unique", "product")[0])
    if "id" in fields:
        raise not_found("product")
    name = fields.text("name")
    if not name:
        raise fields.missing("name")
    made = made_id("product", len(store.products) + 1)
    store.products[made] = name
    return _product(made, name)


def _factories(store: Store, fields: Fields) -> list[Factory]:
    wanted = _wanted(fields)
    found = [each for each in store.plant.factories if _fits(wanted, id=factory_id(each.name), name=each.name)]
    return select(found, fields.match(), "factory")


def _products(store: Store, fields: Fields) -> list[tuple[str, str]]:
    wanted = _wanted(fields)
    return [(made, name) for made, name in store.products.items() if _fits(wanted, id=made, name=name)]


def _product(product_id: str, name: str) -> dict[str, object]:
    return {"id": product_id, "name": name}


def _wanted(fields: Fields) -> dict[str, str]:
    """What a search gives of the fields that things are found by."""
    given = {name: fields.text(name) for name in ("id", "name", "secondary_name")}
    return {name: text for name, text in given.items() if text is not None}


def _fits(wanted: dict[str, str], **known: str) -> bool:
    """Whether everything that is wanted is so; nothing has a secondary name."""
    return all(known.get(name) == text for name, text in wanted.items())
