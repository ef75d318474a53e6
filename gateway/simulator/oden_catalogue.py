"""Oden's `factory/search` and `line/search`, and the factories and lines that other requests name."""

from gateway.simulator.oden_body import Fields, select
from gateway.simulator.oden_store import Factory, Line, Store, factory_id


def search_factories(store: Store, body: Fields) -> object:
    """`factory/search`: by `id`, by `name`, by `secondary_name`, or all with `match: all`."""
    return [factory.answer() for factory in _factories(store, body)]


def search_lines(store: Store, body: Fields) -> object:
    """`line/search`: by `id`, by `name` and `factory`, or all of a factory with `match: all`."""
    seconds = _seconds(store)
    return [
        {**line.answer(), "secondary_name": seconds[line]} if line in seconds else line.answer()
        for line in find_lines(store, body)
    ]


def find_lines(store: Store, fields: Fields) -> list[Line]:
    """The lines that `fields` (schema `Line`) describes.

    400 where it holds neither `id` nor `factory`: the document identifies lines by one of the two.
    """
    if "id" not in fields and "factory" not in fields:
        raise fields.bad("id", "a line is identified by its id, or by its name and its factory")
    factory = fields.fields("factory")
    factories = None if factory is None else {found.name for found in _factories(store, factory)}
    given = wanted(fields)
    seconds = _seconds(store)
    found = [
        line
        for line_id, line in store.lines.items()
        if (factories is None or line.factory in factories)
        and fits(given, id=line_id, name=line.name, secondary_name=seconds.get(line))
    ]
    return select(found, fields.match(), "line")


def the_line(store: Store, fields: Fields) -> Line:
    """The one line that `fields` describes; 404 for none, 409 for several."""
    return select(find_lines(store, fields), "unique", "line")[0]


def the_factory(store: Store, fields: Fields) -> Factory:
    """The one factory that `fields` describes; 404 for none, 409 for several."""
    return select(_factories(store, fields), "unique", "factory")[0]


def _seconds(store: Store) -> dict[Line, str]:
    """The secondary names of the lines that have one."""
    return {Line(each.name, name): second for each in store.plant.factories for name, second in each.secondary_names}


def _factories(store: Store, fields: Fields) -> list[Factory]:
    given = wanted(fields)
    found = [
        each
        for each in store.plant.factories
        if fits(given, id=factory_id(each.name), name=each.name, secondary_name=each.secondary_name)
    ]
    return select(found, fields.match(), "factory")


def wanted(fields: Fields) -> dict[str, str]:
    """What a search gives of the fields that things are found by."""
    given = {name: fields.text(name) for name in ("id", "name", "secondary_name")}
    return {name: text for name, text in given.items() if text is not None}


def fits(given: dict[str, str], **known: str | None) -> bool:
    """Whether everything that is given is so."""
    return all(known.get(name) == text for name, text in given.items())
