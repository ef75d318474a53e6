"""Keys whose values stand elsewhere: a section of which keys are indented too little, and codes that share a value.

What is meant is put in its place, and told once, so that nothing else is said that only follows from it.
"""

from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from gateway.config.near_words import meant_key
from gateway.config.other_form import TABLE, own_mapping, put_in_form
from gateway.config.schema import PREPROCESSED_KEYS, Config, Line, Template
from gateway.config.schema_walk import (
    alternatives,
    child_annotation,
    section_collection,
    section_keys,
    section_models,
    tag_key,
    takes_section,
)
from gateway.config.tree import Finding, Key, Node, quoted


def put_in_place(root: Node) -> Iterator[Finding]:
    """Put what is misplaced in `root`, the tree of a whole file, where it belongs, and yield what is said of it."""
    yield from _in_part(root, Config)


def child_of(annotation: Any, key: Key, tag: Any = None) -> Any:
    """What the schema has at `key`; of templates, what they are as parts of lines."""
    if (annotation, key) == (Config, "templates"):
        return dict[str, Line]
    return child_annotation(annotation, key, tag) or own_mapping(annotation, key)


def _in_part(node: Node, annotation: Any) -> Iterator[Finding]:
    """The same of `node`, which stands where the schema has `annotation`."""
    tag: Any = None
    yield from put_in_form(node, annotation)
    if isinstance(node.value, dict):
        if any(item.alone for item in node.value.values()):
            yield from _shared(node, node.value)
        yield from _too_far_in(node, node.value, annotation)
        if not _fits(node.value, annotation):
            yield from _Section(node, node.value, annotation).put_in_place()
        tagged = node.value.get(tag_key(annotation))
        tag = tagged.value if tagged is not None else None
    for key, item in node.value.items() if isinstance(node.value, dict) else enumerate(node.children()):
        inner = child_of(annotation, key, tag)
        if item.children() or (isinstance(item.value, str) and takes_section(inner)):
            yield from _in_part(item, inner)


def _shared(node: Node, entries: dict[Key, Node]) -> Iterator[Finding]:
    """`{1, 2, 3: …}`: to each of the numbers without a value that of the next one. What ends with its ':' has one: it
    leaves out what a template has."""
    waiting: list[Key] = []
    for key, item in entries.items():
        if not isinstance(key, int):
            waiting = []
        elif item.alone:
            waiting.append(key)
        elif waiting:
            for other in waiting:
                entries[other] = item
            text = "keys cannot share a value: write it for each of them, on a line of its own"
            yield Finding(node.keys[waiting[0]], text)
            waiting = []


def _too_far_in(node: Node, entries: dict[Key, Node], annotation: Any) -> Iterator[Finding]:
    """What stands among names of one's own and belongs beside the section of these, such as `run` among `inputs`."""
    known = known_keys(annotation) or set()
    for above, section in [*entries.items()]:
        names = section.value if isinstance(section.value, dict) else {}
        entry = known_keys(_entry(child_of(annotation, above))) or known
        for key in [key for key in names if key in known - entry and key not in entries and entry != known]:
            item, fitting = names[key], known_keys(child_of(annotation, key)) or set()
            behind = islice(names, [*names].index(key) + 1, None)
            below = [*takewhile(fitting.__contains__, behind)] if item.empty else []
            is_whole = isinstance(item.value, dict) and item.value.keys() <= fitting and not item.value.keys() <= entry
            if not below and not is_whole:
                continue
            entries[key], node.keys[key] = names.pop(key), section.keys.pop(key)
            if below:
                item.value = {other: names.pop(other) for other in below}
                item.keys, item.empty = {other: section.keys.pop(other) for other in below}, False
                item.position = item.keys[below[0]]
            off = node.keys[key].column - node.keys[above].column
            more = f", and all down to line {_last_line(item)}" if is_whole else ""
            text = f"this stands beside {quoted(above)} of line {node.keys[above].line}: indent it by {off} blanks less"
            yield Finding(node.keys[key], f"{text}{more}")


def known_keys(annotation: Any) -> set[Key] | None:
    """The keys of the section that may stand where the schema has `annotation`; None: names of its own, or no keys."""
    if any(get_origin(part) is dict for part in alternatives(annotation)):
        return None
    models: list[type[BaseModel]] = [*section_models(annotation)]
    models += [PREPROCESSED_KEYS[model] for model in models if model in PREPROCESSED_KEYS]
    models += [Template] if Line in models else []
    return {key for model in models for key in section_keys(model)} or None


def _entry(annotation: Any) -> Any:
    """What the values are of a mapping with names of its own; None where none may stand."""
    return next((get_args(part)[-1] for part in alternatives(annotation) if get_origin(part) is dict), None)


def _fits(entries: dict[Key, Node], annotation: Any) -> bool:
    """Whether all keys are those of a section, or all values sections, as the schema has it: as nearly always."""
    known = known_keys(annotation)
    if known is not None:
        return entries.keys() <= known and not (TABLE in entries and any(item.empty for item in entries.values()))
    return not section_models(_entry(annotation)) or all(isinstance(item.value, dict) for item in entries.values())


class _Section:
    """A section in which stand keys that belong into the one above them."""

    def __init__(self, node: Node, entries: dict[Key, Node], annotation: Any) -> None:
        self._node, self._entries, self._annotation = node, entries, annotation
        self._known = known_keys(annotation)
        self._moved: dict[Key, list[Key]] = {}

    def put_in_place(self) -> Iterator[Finding]:
        above: Key | None = None
        for key, item in [*self._entries.items()]:
            if above is not None and self._belongs(key, item, above):
                self._take_over(key, self._entries[above])
                self._moved.setdefault(above, []).append(key)
            else:
                above = key
        for section, keys in self._moved.items():
            part = self._entries[section]
            first, last = part.keys[keys[0]], max(_last_line(item) for item in part.children())
            more = f", and all down to line {last}" if last > first.line else ""
            name = quoted(section) if self._known is not None and section in self._known else "the key"
            line = self._node.keys[section].line
            yield Finding(first, f"this belongs to {name} of line {line}: indent it by two blanks more{more}")

    def _belongs(self, key: Key, item: Node, above: Key) -> bool:
        """Whether `key`, with its value `item`, stands below the section of `above` and belongs into that."""
        section = self._entries[above]
        at, begin = self._node.keys[key], self._node.keys[above]
        goes_on = section.empty or above in self._moved or all(at.line > begin.line for at in section.keys.values())
        if (
            at.column != begin.column
            or at.line <= begin.line
            or not goes_on
            or not self._is_none_here(key, item, above)
        ):
            return False
        inner = child_of(self._annotation, above)
        known = known_keys(inner)
        if known is not None:
            return key in known and not (isinstance(section.value, dict) and key in section.value)
        if key == TABLE and section.empty and section_collection(inner) is not None:
            return True
        if self._known is None or not (section.empty or above in self._moved or self._is_whole(item, inner, key)):
            return False
        entry = _entry(inner)
        return entry is not None and (isinstance(item.value, dict) or not section_models(entry))

    def _is_none_here(self, key: Key, item: Node, above: Key) -> bool:
        """Whether `key` can be none of this section itself."""
        if self._known is not None:
            is_table = key == TABLE and self._entries[above].empty  # which stands in every list, and in lines
            return is_table or (key not in self._known and not self._is_slip(key, item, above))
        if not isinstance(item.value, dict):
            return item.value is not None  # which leaves out what a template has
        inner = child_of(child_of(self._annotation, above), key)
        return (
            above in self._moved and bool(section_models(inner)) and item.value.keys() <= (known_keys(inner) or set())
        )

    def _is_slip(self, key: Key, item: Node, above: Key) -> bool:
        """Whether `key` is most likely one of this section, misspelt, and no name of one's own in that of `above`."""
        inner, meant = child_of(self._annotation, above), meant_key(str(key), [*map(str, self._known or ())])
        if known_keys(inner) is not None or meant is None:
            return False
        return self._is_whole(item, self._annotation, meant) or not self._is_whole(item, inner, key)

    def _is_whole(self, item: Node, inner: Any, key: Key) -> bool:
        """Whether `item` has only keys of what stands at `key` in a mapping of the kind `inner`."""
        fitting = known_keys(child_of(inner, key)) or set()
        return isinstance(item.value, dict) and bool(item.value) and item.value.keys() <= fitting

    def _take_over(self, key: Key, section: Node) -> None:
        """Move `key` into `section`."""
        at, item = self._node.keys.pop(key), self._entries.pop(key)
        if not isinstance(section.value, dict):
            section.value, section.position, section.empty = {}, at, False
        section.value[key], section.keys[key] = item, at


def _last_line(node: Node) -> int:
    """The last line in which something of `node` begins."""
    return max([node.position.line, *map(_last_line, node.children())])
