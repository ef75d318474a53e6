"""Values in another form than the schema has: keys and values as a list of them, one item where a list is wanted, and a
table that is named without `file`, or under a key like it.

What is meant takes its place, and is told once, so that what it holds is looked at as well.
"""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from gateway.config.schema import PREPROCESSED_KEYS, Line, LineKeys, Template
from gateway.config.schema_walk import alternatives, section_collection, section_keys, section_models
from gateway.config.tree import Finding, Key, Node, Position, quoted

TABLE = "file"
"""The key of a mapping or list that is read from a table."""
_NAME_OF_TABLE = re.compile(r"[^\r\n]*[^./\\\s]\.(?:csv|ya?ml|xlsx?|ods|txt)", re.IGNORECASE)


def own_mapping(annotation: Any, key: Key) -> Any:
    """What the schema has at `key` of a line or a template, of what is gone once templates are worked in: mappings with
    names of one's own."""
    if Line in section_models(annotation):
        for model in (LineKeys, Template):
            if get_origin(part := section_keys(model)[key].annotation if key in section_keys(model) else None) is dict:
                return part
    return None


def put_in_form(node: Node, annotation: Any) -> Iterator[Finding]:
    """Give `node`, which stands where the schema has `annotation`, the form that this has, and yield what is said."""
    origins = {get_origin(part) for part in alternatives(annotation)}
    is_section = dict in origins or bool(section_models(annotation))
    is_list = list in origins
    are_templates = any(get_origin(part) is dict and get_args(part)[-1] is Line for part in alternatives(annotation))
    if isinstance(node.value, str) and not are_templates:  # which no table holds
        yield from _named_alone(node, annotation)
    elif isinstance(node.value, dict) and not are_templates:
        yield from _nearly_file(node, node.value, annotation)
        if is_list and not is_section:
            yield from _one_item(node, node.value, annotation)
    elif isinstance(node.value, list) and is_section and not is_list:
        yield from _listed(node, node.value)


def _named_alone(node: Node, annotation: Any) -> Iterator[Finding]:
    """`inputs: tags.csv`: the table is named in the place of what it holds."""
    of_lines = _is_of_lines(annotation)
    may_be = section_collection(annotation) is not None or _is_text_or_table(annotation)
    if may_be and str not in alternatives(annotation) and _NAME_OF_TABLE.fullmatch(str(node.value)):
        named = "{file: …}, in a list: '- {file: …}'" if of_lines else "{file: …}"
        yield Finding(node.position, f"a table is named under 'file': write {named} with the name of the file")
        at = node.position
        table = Node(at, {TABLE: Node(at, node.value, written=node.written)}, {TABLE: at}, incomplete=of_lines)
        node.value, node.keys = ([table], {}) if of_lines else (table.value, table.keys)


def _is_of_lines(annotation: Any) -> bool:
    """Whether it is the list of lines, of which each item may be a table, and not the list as a whole."""
    return any(get_origin(part) is list and get_args(part)[0] is Line for part in alternatives(annotation))


def _nearly_file(node: Node, entries: dict[Key, Node], annotation: Any) -> Iterator[Finding]:
    """`files: tags.csv`, where a table may be named and no text stands otherwise."""
    if TABLE in entries:
        return
    collection = section_collection(annotation)
    known: set[Key] = set()
    if Line in section_models(annotation):
        known = {*section_keys(Line), *section_keys(LineKeys)}
    elif collection is None or _is_text_or_table(get_args(collection)[-1]):
        return
    for key, item in entries.items():
        is_table = isinstance(item.value, str) and _NAME_OF_TABLE.fullmatch(item.value)
        if key not in known and is_table:
            yield Finding(node.keys[key], f"unknown key {quoted(key)}; did you mean {quoted(TABLE)}?")
            node.value = {TABLE if other == key else other: value for other, value in entries.items()}
            node.keys[TABLE] = node.keys.pop(key)
            return


def _is_text_or_table(annotation: Any) -> bool:
    """Whether a name of a table may stand in a collection of `annotation` by itself, or a key with one."""
    return str in alternatives(annotation) or any(TABLE in section_keys(model) for model in section_models(annotation))


def _one_item(node: Node, entries: dict[Key, Node], annotation: Any) -> Iterator[Finding]:
    """Keys and values where a list of such is wanted: one item of it. A list may be read from a table as a whole."""
    item = next(get_args(part)[0] for part in alternatives(annotation) if get_origin(part) is list)
    models = [*section_models(item)]
    models += [PREPROCESSED_KEYS[model] for model in models if model in PREPROCESSED_KEYS]
    known = {key for model in models for key in section_keys(model)}
    if entries and entries.keys() <= known and (TABLE not in entries or _is_of_lines(annotation)):
        yield Finding(node.position, "write a list: '- ' is missing before this, with which each item of it begins")
        node.value, node.keys = [Node(node.position, node.value, node.keys, incomplete=node.incomplete)], {}


def _listed(node: Node, items: list[Node]) -> Iterator[Finding]:
    """A list of keys and values where these are wanted themselves."""
    entries: dict[Key, Node] = {}
    keys: dict[Key, Position] = {}
    for item in items:
        if not isinstance(item.value, dict) or not entries.keys().isdisjoint(item.value):
            return
        entries |= item.value
        keys |= item.keys
    if entries:
        text = "keys and values stand here, and no list of them: write them without '- ', or in {} and not in []"
        yield Finding(node.position, text)
        node.value, node.keys = entries, keys
