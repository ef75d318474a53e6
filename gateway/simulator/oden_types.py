"""Oden's `interval_type/search|set|delete`, and the types that other requests name.

An answer has `id` and `name` only, as schema `IntervalType` does: what a type's `metadata_schema` and `tags` are set to is
checked and not kept. The document contradicts itself on a `name` in an update (refused, ignored): it is refused here.
A name that exists is refused too. Intervals of a type that is deleted are found no more.
"""

from gateway.simulator.oden_body import Fields, not_found, select
from gateway.simulator.oden_store import BUILT_IN, Store, type_id


def search_types(store: Store, body: Fields) -> object:
    """`interval_type/search`: by `id`, by `name`, or all with `match: all`; built-in ones first."""
    wanted_id, name = body.text("id"), body.text("name")
    found = [known for known in store.types if wanted_id in {None, type_id(known)} and name in {None, known}]
    return [_answer(known) for known in select(found, body.match(), "interval type")]


def set_type(store: Store, body: Fields) -> object:
    """`interval_type/set`: without `id` makes a custom type by its `name`; with `id` takes a new schema or tags."""
    wanted, name = body.text("id"), body.text("name")
    body.text("metadata_schema")
    tags = body.values.get("tags")
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise body.bad("tags", "must be a list of strings")
    if wanted is not None:
        if name is not None:
            raise body.bad("name", "a type cannot be renamed: leave the name out")
        known = next((known for known in store.types if type_id(known) == wanted), None)
        if known is None:
            raise not_found("interval type")
        if known in BUILT_IN:
            raise body.bad("id", f"{known} is built in and cannot be set")
        return _answer(known)
    if not name:
        raise body.missing("name")
    if name in store.types:
        raise body.bad("name", f"there is a type {name} already")
    store.types.append(name)
    return _answer(name)


def delete_type(store: Store, body: Fields) -> object:
    """`interval_type/delete`: the custom type with that `id`."""
    wanted = body.text("id")
    if wanted is None:
        raise body.missing("id")
    known = next((known for known in store.types if type_id(known) == wanted), None)
    if known is None:
        raise not_found("interval type")
    if known in BUILT_IN:
        raise body.bad("id", f"{known} is built in and cannot be deleted")
    store.types.remove(known)
    store.intervals = {key: found for key, found in store.intervals.items() if key[0] != known}
    return _answer(known)


def the_type(store: Store, fields: Fields) -> str:
    """The name of the interval type in the field `type`; 400 where there is no such type."""
    wanted = fields.required("type")
    wanted_id, name = wanted.text("id"), wanted.text("name")
    if wanted_id is None and name is None:
        raise wanted.missing("name")
    for known in store.types:
        if wanted_id in {None, type_id(known)} and name in {None, known}:
            return known
    raise wanted.bad("name", "there is no such interval type")


def _answer(name: str) -> dict[str, object]:
    return {"id": type_id(name), "name": name}
