"""Fills in parameters and reads tables, wherever they stand.

`${name}` is filled in with a parameter; a value that is one placeholder becomes the parameter as it is, of whatever type. Where
a table or list of sections may stand, so may `{file: NAME}`; entries beside `file` come over those of the file.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args, get_origin

from pydantic import SecretStr

from gateway.config import tables
from gateway.config.document import DEEPEST, TOO_DEEP, BrokenFileError, Key, Node, Place
from gateway.config.files import Files, beside
from gateway.config.shape import alternatives, below, collection, tag_of
from gateway.model import Scalar

MOST_VALUES = 500_000
"""In a whole configuration, written out."""

_PLACEHOLDER = re.compile(r"(?P<escaped>\$?)\$\{(?!secret:)(?P<name>[^{}]*)\}")
_ESCAPE = "; for the characters '${' write '$${'"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def escaped(text: str) -> str:
    """How `text` is written in a line so that nothing is filled in."""
    return _PLACEHOLDER.sub(lambda match: f"${match[0]}", text)


@dataclass(slots=True)
class Parameters:
    """What `${name}` stands for in one template or line; `used` gathers the names that occur.

    `values` is None where there are none: outside of lines, and in the value of a parameter. `place` is where what is filled in is used: the line
    that uses a template; None in the line itself.
    """

    values: Mapping[Key, Node] | None
    place: Place | None = None
    used: set[str] = field(default_factory=set)

    def placed(self, place: Place) -> Place:
        """`place`, with where it is used."""
        return place if self.place is None or place.used else replace(place, used=self.place)


class Filler:
    """Makes filled-in copies of parts of the tree; `files` reads the tables, and takes the complaints."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._made = self._depth = 0

    def fill(self, node: Node, annotation: Any, names: Parameters) -> Node:
        """A copy of `node`, which stands at `annotation`, with parameters filled in and tables read."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise BrokenFileError(node.place, TOO_DEEP)
        file = node.value.get("file") if isinstance(node.value, dict) else None
        of = collection(annotation) if file is not None and isinstance(file.value, str) else None
        if file is None or of is None:
            filled = self.items(node, annotation, names)
        else:
            filled = self._from_file(node, file, of, names)
        self._depth -= 1
        return filled

    def items(self, node: Node, annotation: Any, names: Parameters) -> Node:
        """The same for a `node` that is not itself a table in a file."""
        self._made += 1
        if self._made > MOST_VALUES:
            raise BrokenFileError(node.place, f"with this, more than {MOST_VALUES} values when all is written out")
        place = names.placed(node.place)
        value = node.value
        if isinstance(value, dict):
            tagged = tag_of(annotation, value)
            tag = tagged.value if tagged is not None else None
            items = {key: self.fill(item, below(annotation, key, tag), names) for key, item in value.items()}
            for key in value:
                if _PLACEHOLDER.search(str(key)):
                    self.complain(node.keys[key], "a parameter cannot stand in a key, only in values")
            return Node(place, items, {key: names.placed(at) for key, at in node.keys.items()})
        if isinstance(value, list):
            return Node(place, [self.fill(item, below(annotation, i, None), names) for i, item in enumerate(value)])
        if isinstance(value, str) and "${" in value and SecretStr not in alternatives(annotation):
            return self._text(node, value, place, annotation, names)
        return _single(node, place, annotation)

    def _text(self, node: Node, text: str, place: Place, annotation: Any, names: Parameters) -> Node:
        """A text with parameters in it."""
        whole = _PLACEHOLDER.fullmatch(text)
        if whole and not whole["escaped"]:
            parameter = self._parameter(whole["name"], place, names)
            if parameter is None:
                return Node(place, None, hole=True)
            filled = self.fill(parameter, annotation, Parameters(None, place))  # it stands where it was given
            return _marked(filled, text, annotation)

        lacking = False

        def words(match: re.Match[str]) -> str:
            nonlocal lacking
            if match["escaped"]:
                return match[0][1:]
            parameter = self._parameter(match["name"], place, names)
            if parameter is None or parameter.value is None or not isinstance(parameter.value, Scalar):
                lacking = True
                if parameter is not None and not parameter.hole:
                    text = f"this cannot be filled in for ${{{match['name']}}} in a text; write a single value"
                    self.complain(replace(parameter.place, used=place), text)
                return ""
            return parameter.written

        done = _PLACEHOLDER.sub(words, text)
        return _marked(
            _single(replace(node, value=done, written=done, hole=lacking), place, annotation), text, annotation
        )

    def _parameter(self, name: str, place: Place, names: Parameters) -> Node | None:
        """What `${name}` at `place` stands for; None where that is nothing, which is said once for each line."""
        if names.values is None:
            self.complain(place, f"parameters stand in lines and templates, not here{_ESCAPE}")
            return None
        if _NAME.fullmatch(name) is None:
            self.complain(place, f"write ${{name}} with a name of letters, digits and '_'{_ESCAPE}")
            return None
        if name not in names.values and name not in names.used:
            asked = "" if names.place is None else f", which {place} asks for"
            how = f"give '{name}' under 'with' or, in a table of lines, in a column"
            self.complain(names.place or place, f"no value for ${{{name}}}{asked}: {how}")
        names.used.add(name)
        return names.values.get(name)

    def _from_file(self, node: Node, file: Node, annotation: Any, names: Parameters) -> Node:
        """The table in the file that `file` names, with what is written beside it in `node` laid over it."""
        name = self.fill(file, str, names)
        listed = get_origin(annotation) is list
        content: Node | None = None
        match str(name.value).lower().rpartition(".")[2]:
            case "csv":
                sheet = self._files.sheet(beside(name.place, str(name.value)), name.place)
                if sheet is not None:
                    table = tables.listed(sheet) if listed else tables.keyed(sheet, get_args(annotation)[0])
                    self._files.complaints += table.complaints
                    content = table.node
            case "yaml" | "yml":
                content = self._files.document(beside(name.place, str(name.value)), name.place)
            case _:
                self.complain(name.place, "write the name of a table: a file that ends in .csv, .yaml or .yml")
        if content is None:
            return Node(name.place, [] if listed else {}, hole=True)
        beside_it = without(node, {"file"})
        if listed and beside_it.value:
            self.complain(node.place, "the list is in the file; nothing else can stand beside 'file'")
        filled = self.items(content, annotation, names)
        return filled if listed else merged(filled, self.items(beside_it, annotation, names))

    def complain(self, place: Place, text: str) -> None:
        self._files.complaints.append((place, text))


def merged(base: Node, over: Node) -> Node:
    """`over` laid over `base`: tables key by key; any other value replaces what `base` has, and None takes it away."""
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    value: dict[Key, Node] = {}
    for key, node in over.value.items():
        if key not in base.value:
            value[key] = node
        elif node.value is not None or node.hole:
            value[key] = merged(base.value[key], node)
    value |= {key: node for key, node in base.value.items() if key not in over.value}
    return Node(over.place, value, {**base.keys, **over.keys}, hole=base.hole or over.hole)


def without(node: Node, left_out: Collection[str]) -> Node:
    """The table `node` without some of its keys."""
    items = node.value.items() if isinstance(node.value, dict) else ()
    return Node(node.place, {key: item for key, item in items if key not in left_out}, node.keys)


def _single(node: Node, place: Place, annotation: Any) -> Node:
    """A copy of a single value at `place`; a cell of a table becomes what may stand at `annotation`, where that is known."""
    if node.cell and annotation is not None:
        return replace(node, place=place, value=tables.typed(node, annotation), cell="")
    return replace(node, place=place)


def _marked(filled: Node, text: str, annotation: Any) -> Node:
    """What `text` was filled in to be, with that remembered where it is a text to the schema too, not a duration or a choice."""
    return (
        replace(filled, unfilled=text) if isinstance(filled.value, str) and str in alternatives(annotation) else filled
    )
