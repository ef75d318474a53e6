"""What the schema has at the places of a file, and whether a tree is such that nothing in it can have been moved."""

from functools import cache
from typing import Any, NamedTuple, get_args, get_origin

from gateway.config.misplaced import child_of, known_keys
from gateway.config.near_words import meant_key
from gateway.config.other_form import TABLE
from gateway.config.schema import Config, Line
from gateway.config.schema_walk import alternatives, section_collection, section_keys, section_models, tag_key
from gateway.config.tree import Key, Node

OF_LINES = frozenset({"factory", "line"})
"""What a line has that uses no template and stands in no table."""

_LISTS = frozenset({list, tuple})
"""What the types of lists come from; a tuple is written as a single value as well."""

ANYTHING = object()
"""The annotation of what stands below a key that nobody knows."""


class Known(NamedTuple):
    """What the schema has at a place: `keys` of a section, if it is one; the forms that a value has there."""

    keys: frozenset[Key] | None
    mapping: bool
    items: bool
    single: bool
    needed: frozenset[Key]
    of_own: bool


@cache
def known(annotation: Any) -> Known:
    """What stands where the schema has `annotation`."""
    if annotation is ANYTHING:
        return Known(None, mapping=False, items=False, single=False, needed=frozenset(), of_own=False)
    parts = alternatives(annotation)
    if Any in parts:
        return Known(None, mapping=True, items=True, single=True, needed=frozenset(), of_own=True)
    origins = {get_origin(part) for part in parts}
    models = section_models(annotation)
    keys = known_keys(annotation)
    single = any(get_origin(part) not in {dict, list} and part not in models for part in parts)
    needed: frozenset[Key] = frozenset()
    if len(models) == 1 and len(parts) == 1 and models[0] is not Line:
        needed = frozenset(key for key, info in section_keys(models[0]).items() if info.is_required())
    tabled = section_collection(annotation) is not None
    return Known(
        frozenset(keys) if keys is not None else None,
        dict in origins or bool(models) or tabled,
        not _LISTS.isdisjoint(origins),
        single,
        needed,
        dict in origins,
    )


@cache
def below(annotation: Any, key: Key | None) -> Any:
    """What the schema has at a key, or in the items, of what stands at `annotation`; ANYTHING: nothing is known."""
    if annotation is ANYTHING or (key == TABLE and section_collection(annotation) is not None):
        return ANYTHING
    if Any in alternatives(annotation):
        return Any
    if key is None:
        return next((get_args(part)[0] for part in alternatives(annotation) if get_origin(part) in _LISTS), ANYTHING)
    found = _child(annotation, key)
    if found is None:
        meant = meant_key(str(key), sorted(map(str, known(annotation).keys or ())))
        found = _child(annotation, meant) if meant is not None else None
    return ANYTHING if found is None else found


def _child(annotation: Any, key: Key) -> Any:
    """The same; None: there is no such key. Of sections that one key tells apart, any that has it."""
    models = section_models(annotation)
    if len(models) > 1:
        return next((section_keys(model)[str(key)].annotation for model in models if key in section_keys(model)), None)
    return child_of(annotation, key)


def fits(node: Node, annotation: Any, *, whole: bool = True) -> bool:
    """Whether what stands in `node`, where the schema has `annotation`, is such that no line of it can have been moved:
    all keys are known there, all values have the form of their places, no section is empty, and none is without what
    every one of its kind has, if it is `whole`: not of a template, nor of a line that uses one. What the configuration
    has may stand in several files."""
    if annotation is ANYTHING or Any in alternatives(annotation):
        return True
    place = known(annotation)
    if isinstance(node.value, list):
        inner = below(annotation, None)
        is_of_lines = Line in section_models(inner)
        return place.items and all(
            fits(item, inner, whole=whole) and not (is_of_lines and _lacks(item.value, OF_LINES)) for item in node.value
        )
    if not isinstance(node.value, dict):
        return place.single or (node.value is None and not node.empty)
    is_root, of_line = annotation is Config, Line in section_models(annotation)
    whole = whole and not (of_line and "use" in node.value)
    if not place.mapping or (whole and not is_root and _lacks(node.value, place.needed)):
        return False
    tagged = node.value.get(tag_key(annotation))
    tag = tagged.value if tagged is not None else None
    for key, item in node.value.items():
        inner = child_of(annotation, key, tag)
        is_table = key == TABLE and not item.children()
        if inner is None and not is_table and key not in (place.keys or ()):
            return False
        in_whole = whole and not (is_root and key == "templates")
        if inner is not None and not is_table and not fits(item, inner, whole=in_whole):
            return False
    return True


def _lacks(value: Any, needed: frozenset[Key]) -> bool:
    """Whether a section has not what is `needed`, nor a template or table from which it may have it."""
    return isinstance(value, dict) and not needed <= value.keys() and not {"use", TABLE} & value.keys()
