"""A YAML file as a tree in which every key, value and list item knows where it stands.

YAML 1.2 (https://yaml.org/spec/1.2.2/) with its core schema (10.3.2), so `12:30` and `no` are text. Stricter where
leniency hides mistakes: keys are unique and are text or whole numbers, tags are refused, numbers are finite. Built
from ruamel's events: what an alias repeats is counted, not copied, and depth is limited.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StreamMark
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from gateway.model import Scalar

LARGEST_TREE = 100_000
"""Values in one file, each counted as often as aliases repeat it."""
DEEPEST = 40
"""Levels of nesting."""
_LONGEST_NUMBER = 300

Key = str | int
Tree = Scalar | list["Tree"] | dict[Key, "Tree"]
"""The values alone, as pydantic takes them."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file; line and column count from 1. `used` is where what stands there is used, if elsewhere."""

    line: int
    column: int
    file: Path = Path()
    used: "Place | None" = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Lines:
    """The lines of `file` as editors count them: ended by LF, CR LF or CR, not by YAML 1.1's rarer breaks."""

    def __init__(self, text: str, file: Path) -> None:
        self._text = text
        self._file = file
        self._starts = [0, *(match.end() for match in re.finditer(r"\r\n|\n|\r", text))]

    def place(self, index: int) -> Place:
        """Where the character at `index` stands; the end of the last line for what comes after it."""
        if index >= len(self._text):
            index = len(self._text.rstrip("\r\n"))
        line = bisect_right(self._starts, index)
        return Place(line, index - self._starts[line - 1] + 1, self._file)

    def text(self, line: int) -> str:
        """The `line`th line, which counts from 1, with what ends it."""
        return self._text[self._starts[line - 1] : (*self._starts, None)[line]]


class BrokenFileError(Exception):
    """A file cannot be read any further than `place`."""

    def __init__(self, place: Place, text: str) -> None:
        self.place, self.text = place, text
        super().__init__(text)


@dataclass(slots=True)
class Node:
    """A value and where it stands; `keys` are the places of a mapping's keys.

    `size` counts all values in it, `height` their levels, both as often and as deep as aliases repeat them.
    """

    place: Place
    value: Scalar | list["Node"] | dict[Key, "Node"]
    keys: dict[Key, Place] = field(default_factory=dict)
    size: int = 1
    height: int = 1
    empty: bool = False
    """Nothing is written there, which means None."""
    written: str = ""
    """A single value as it is written, without its quotes: `007` for the number 7."""
    cell: str = ""
    """The separator of the CSV table of which this is a cell: text, until its place says what may stand there."""
    hole: bool = False
    """Some of what belongs here could not be had, which has been said; what else seems wrong here may come from that."""
    unfilled: str = ""
    """A text in which parameters were filled in, as it was before that: `ns=2;s=${plc}.State`."""

    def tree(self, *, filled: bool = True) -> Tree:
        """The values alone; unless `filled`, texts without their parameters."""
        if isinstance(self.value, dict):
            return {key: node.tree(filled=filled) for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.tree(filled=filled) for node in self.value]
        return self.value if filled else self.unfilled or self.value


def scalar(text: str) -> Scalar:
    """What a plain scalar means in the core schema."""
    if text in {"", "~", "null", "Null", "NULL"}:
        return None
    if text in {"true", "True", "TRUE", "false", "False", "FALSE"}:
        return text[0] in "tT"
    if len(text) > _LONGEST_NUMBER:
        return text
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"0o[0-7]+|0x[0-9a-fA-F]+", text):
        return int(text, 0)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text) and math.isfinite(float(text)):
        return float(text)
    return text


def compose(text: str, file: Path) -> tuple[Node, list[tuple[Place, str]]]:
    """The tree of `text`, which `file` holds, and what is wrong with single keys and values of it.

    An empty file is one value, None.

    BrokenFileError where the rest cannot be read; its sentence never repeats the text, which may hold a secret.
    """
    composer = _Composer(text, file)
    return composer.document(), composer.problems


class _Composer:
    def __init__(self, text: str, file: Path) -> None:
        self.problems: list[tuple[Place, str]] = []
        self._text = text
        self._events = self._parse()
        self._anchors: dict[str, Node] = {}
        self._depth = self._written = 0
        self._lines = Lines(text, file)

    def document(self) -> Node:
        root = Node(self._lines.place(0), None, empty=True)
        documents = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.problems.append((self._place(event.start_mark), "a second document begins; a file holds one"))
                    break
            elif isinstance(event, NodeEvent):
                root = self._node(event)
        return root

    def _node(self, event: Event) -> Node:
        place = self._place(event.start_mark)
        self._written += 1
        self._depth += 1
        if self._depth > DEEPEST:
            raise BrokenFileError(place, TOO_DEEP)
        if isinstance(event, AliasEvent):
            node = self._alias(event, place)
        else:
            node = self._new(cast("ScalarEvent | CollectionStartEvent", event), place)
        if node.height > DEEPEST:
            raise BrokenFileError(place, TOO_DEEP)
        if max(node.size, self._written) > LARGEST_TREE:
            raise BrokenFileError(
                place, f"more than {LARGEST_TREE} values, counting what aliases repeat; no configuration needs that"
            )
        self._depth -= 1
        return node

    def _alias(self, event: AliasEvent, place: Place) -> Node:
        target = self._anchors.get(event.anchor)
        if target is None:
            raise BrokenFileError(
                place, "not YAML: no anchor (&name) of this name is complete before this alias (*name)"
            )
        return target

    def _new(self, event: ScalarEvent | CollectionStartEvent, place: Place) -> Node:
        if event.tag is not None:
            self.problems.append((place, "tags (words that begin with '!') mean nothing here; put the text in quotes"))
        node = Node(place, None)
        if isinstance(event, ScalarEvent):
            node.value = scalar(event.value) if event.implicit[0] else event.value
            node.written = event.value
            node.empty = event.start_mark.index == event.end_mark.index
        elif isinstance(event, SequenceStartEvent):
            node.value = [self._node(item) for item in self._until(SequenceEndEvent)]
        else:
            self._fill(node)
        below = node.value.values() if isinstance(node.value, dict) else node.value
        if not isinstance(below, Scalar):
            node.size += sum(item.size for item in below)
            node.height += max((item.height for item in below), default=0)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _fill(self, mapping: Node) -> None:
        """Read keys and values into `mapping`; of equal keys the first stays."""
        value: dict[Key, Node] = {}
        for event in self._until(MappingEndEvent):
            key = self._node(event)
            item = self._node(next(self._events))
            if item.empty:
                item.place = key.place
            if isinstance(key.value, bool) or not isinstance(key.value, Key):
                self.problems.append((key.place, "a key is text or a whole number; put other keys in quotes"))
            elif key.value in value:
                first = mapping.keys[key.value]
                text = f"this key stands at line {first.line}, column {first.column} already; keep one of them"
                self.problems.append((key.place, f"duplicate key {shown(key.value)}: {text}"))
            else:
                value[key.value] = item
                mapping.keys[key.value] = key.place
        mapping.value = value

    def _until(self, end: type[Event]) -> Iterator[Event]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _parse(self) -> Iterator[Event]:
        """The events; every way that ruamel has of refusing a text becomes one."""
        last = self._lines.place(0)
        try:
            for event in YAML(typ="safe", pure=True).parse(self._text):
                last = self._place(event.start_mark)
                yield event
        except MarkedYAMLError as error:
            raise self._explained(error) from None
        except ReaderError as error:
            place = self._lines.place(error.position)
            raise BrokenFileError(place, "not YAML: an invisible control character stands here; delete it") from None
        except ValueError:  # an escape such as "\\UFFFFFFFF", which chr() refuses
            raise BrokenFileError(
                last, "not YAML: after this, an escape names a character that does not exist"
            ) from None

    def _explained(self, error: MarkedYAMLError) -> BrokenFileError:
        problem = error.problem or ""
        place = self._place(error.context_mark if "unexpected end of stream" in problem else error.problem_mark)
        line = self._lines.text(place.line)
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent:
            return BrokenFileError(replace(place, column=indent.index("\t") + 1), "not YAML: a tab; indent with spaces")
        return BrokenFileError(place, "not YAML: " + next(hint for part, hint in _HINTS if part in problem))

    def _place(self, mark: StreamMark) -> Place:
        return self._lines.place(mark.index)


def one_line(text: str) -> str:
    """`text` as a terminal and a log can show it: without line breaks and control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)


def shown(text: object) -> str:
    """`text` in quotes, short and on one line."""
    words = one_line(str(text))
    return f"'{words[:60]}…'" if len(words) > 60 else f"'{words}'"


TOO_DEEP = f"nested more than {DEEPEST} levels deep; nothing in this file needs that"

_HINTS = (
    (
        "mapping values are not allowed",
        "no ':' can stand here; indent this line like its neighbours, or put a text with ': ' in quotes",
    ),
    ("could not find expected ':'", "a ':' is missing; write 'key: value', and put a text of several lines in quotes"),
    ("unexpected end of stream", "the quote that is opened here is never closed"),
    (
        "expected <block end>",
        "this line does not fit; indent it like its neighbours, and look here or in the line before for a missing quote, ',' or ':'",
    ),
    (
        "expected ',' or",
        "a ',' or a closing bracket is missing before this; inside brackets, text with any of []{}, in it needs quotes",
    ),
    ("cannot start any token", "no value begins with this character; put it in quotes"),
    ("escape", "after a backslash in double quotes only certain letters may follow; use single quotes instead"),
    ("", "this does not fit what stands before it; look at indentation, quotes and brackets"),
)
"""Part of ruamel's problem -> what to do. Ruamel's own words are not passed on: they repeat parts of the file."""
