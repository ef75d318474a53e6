"""Reads YAML as a `tree`, with what is wrong in it.

The language is YAML 1.2 (https://yaml.org/spec/1.2.2/) with its core schema (10.3.2), so `12:30` and `no` are text. It
is stricter than that where leniency hides mistakes: keys are unique and are text or whole numbers, tags are refused,
numbers are finite. The tree is built from ruamel's events. What an alias repeats is shared, not copied, but counted as
often as it is repeated, and the depth is limited.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
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

from gateway.config.invisible import INVISIBLE, invisible_in, name_of, without_invisible
from gateway.config.schema_walk import may_hold_secret, number_keys
from gateway.config.tree import BrokenFileError, Finding, Key, LineIndex, Node, Position, quoted
from gateway.config.yaml_words import (
    BEHIND_NODE,
    BY_REFERENCE,
    DECIMAL_COMMA,
    NO_COMMENT,
    decimals,
    is_behind_node,
    is_node_parted,
    meant_by,
    no_key,
    what_of_tag,
    wrong_type,
)
from gateway.model import Scalar

MAX_VALUES = 400_000
"""In one file, each value counted as often as aliases repeat it."""
MAX_DEPTH = 40
"""Levels of nesting."""
TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep; nothing in this file needs that"
_CUT = re.compile(r" #[^\s#]\S*[ \t]*(?=[\r\n]|\Z)")
"""A comment of one word, close behind a text."""
_SLASHES = re.compile(r"[ \t]//[ \t]")
_DOCUMENT = re.compile(r"(?<=[\r\n])---(?=[ \t]*(?:#.*)?(?:[\r\n]|\Z))")
_CONTENT = re.compile(r"^[ \t]*[^\s#%]", re.MULTILINE)
_SECOND = "a second document begins; a file holds one"
_COLON = re.compile(r"[ \t]*:")
_MAX_NUMBER_LENGTH = 300
"""Characters; longer numbers are text."""


def scalar(text: str) -> Scalar:
    """The value of a plain scalar by the core schema."""
    if text in {"", "~", "null", "Null", "NULL"}:
        return None
    if text in {"true", "True", "TRUE", "false", "False", "FALSE"}:
        return text[0] in "tT"
    if len(text) > _MAX_NUMBER_LENGTH:
        return text
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"0o[0-7]+|0x[0-9a-fA-F]+", text):
        return int(text, 0)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text) and math.isfinite(float(text)):
        return float(text)
    return text


def compose(text: str, file: Path) -> tuple[Node, list[Finding]]:
    """The tree of `text`, the content of `file`, and what is wrong with single keys and values of it.

    An empty file is one value, None. Raises BrokenFileError where the rest of the file cannot be read; its message
    never repeats the text, which may hold a secret.
    """
    composer = _Composer(text, file)
    return composer.document(), composer.findings


def without_other_documents(text: str, file: Path) -> tuple[str, list[Finding]]:
    """`text` with each line that begins another document as a comment of the same length, and what is said of it. Such
    a line is none of any text that goes over several lines."""
    content = _CONTENT.search(text)
    if content is None or _DOCUMENT.search(text, content.end()) is None:
        return text, []
    lines, begin = LineIndex(text, file), content.end()
    marks = (mark.start() for mark in _DOCUMENT.finditer(text, begin))
    findings = [Finding(lines.position(at), f"{_SECOND}: remove this line") for at in marks]
    return text[:begin] + _DOCUMENT.sub("#--", text[begin:]), findings


def stopped(text: str, file: Path, beyond: int) -> BrokenFileError | None:
    """Why YAML's syntax lets `text` be read no further than line `beyond`, of which no tree is made; None: it does."""
    try:
        composer = _Composer(text, file)
        for event in composer.events():
            if event.start_mark.line >= beyond and composer.position(event.start_mark).line > beyond:
                break
    except BrokenFileError as error:
        return error
    return None


class _Composer:
    def __init__(self, text: str, file: Path) -> None:
        self.findings: list[Finding] = []
        self._text = text
        self._events = self.events()
        self._anchors: dict[str, Node] = {}
        self._depth = self._count = 0
        self._key: str | None = None  # of the value that is read, where that is a text
        self._above: list[str] = []  # the keys below which it stands
        self._lines = LineIndex(text, file)
        self._has_invisible = INVISIBLE.search(text) is not None

    def document(self) -> Node:
        root = Node(self._lines.position(0), None, empty=True)
        for event in self._events:
            if isinstance(event, NodeEvent):
                root = self._node(event)
        return root

    def _node(self, event: Event) -> Node:
        position = self.position(event.start_mark)
        self._count += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BrokenFileError(position, TOO_DEEP)
        if isinstance(event, AliasEvent):
            node = self._alias(event, position)
        else:
            node = self._build(cast("ScalarEvent | CollectionStartEvent", event), position)
        if node.height > MAX_DEPTH:
            raise BrokenFileError(position, TOO_DEEP)
        if max(node.size, self._count) > MAX_VALUES:
            many = f"more than {MAX_VALUES} values, counting what aliases repeat; no configuration needs that"
            raise BrokenFileError(position, many)
        self._depth -= 1
        return node

    def _alias(self, event: AliasEvent, position: Position) -> Node:
        target = self._anchors.get(event.anchor)
        if target is None:
            text = "not YAML: nothing above is called so by a '&'; a text that begins with '*' itself needs quotes"
            self.findings.append(Finding(position, text))
            return Node(position, None, incomplete=True)
        return target

    def _build(self, event: ScalarEvent | CollectionStartEvent, position: Position) -> Node:
        if event.tag is not None:
            self.findings.append(Finding(position, what_of_tag(str(event.tag))))
        node = Node(position, None)
        if isinstance(event, ScalarEvent):
            node.value = scalar(event.value) if event.implicit[0] else event.value
            node.written = event.value
            if self._has_invisible and self._report_invisible(event):
                node.written = without_invisible(event.value)
                node.value = scalar(node.written) if event.implicit[0] else node.written
            if event.style is None and event.end_mark.index + 2 < len(self._text):
                self._report_cut(event)
            if event.style is None and "//" in event.value and (slashes := _SLASHES.search(event.value)):
                at = replace(position, column=position.column + slashes.start() + 1)
                self.findings.append(Finding(at, f"{NO_COMMENT}: this is part of the text", warning=True))
            node.empty = event.start_mark.index == event.end_mark.index
            if event.tag is not None:  # what else it may be nobody knows
                node.value, node.incomplete = None, True
        elif isinstance(event, SequenceStartEvent):
            node.value = [self._node(item) for item in self._until(SequenceEndEvent)]
        else:
            begin = event.start_mark.index
            self._read_mapping(node, in_list=self._text[max(begin - 2, 0) : begin] == "- ")
        children = node.value.values() if isinstance(node.value, dict) else node.value
        if not isinstance(children, Scalar):
            node.size += sum(child.size for child in children)
            node.height += max((child.height for child in children), default=0)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _read_mapping(self, mapping: Node, *, in_list: bool) -> None:
        """Read keys and values into `mapping`, of a list or not; of equal keys the first counts."""
        value: dict[Key, Node] = {}
        for event in self._until(MappingEndEvent):
            found, self._key = len(self.findings), None
            key = self._node(event)
            meant = [finding for finding in self.findings[found:] if finding.warning]
            if self._has_invisible and meant:  # a key is no prose: what follows a ':' may have become part of it
                self.findings[found:] = [finding._replace(warning=False) for finding in self.findings[found:]]
                mapping.incomplete = True
            self._key = key.value if isinstance(key.value, str) else None
            self._above.append(self._key or "")
            item = self._node(next(self._events))
            self._above.pop()
            plain = isinstance(event, ScalarEvent) and event.style is None
            has_colon = plain and item.empty and key.written.endswith(":")  # `{topic:}`, by 7.3.3 of YAML a key
            if has_colon:
                key.written = key.written[:-1]
                key.value = scalar(key.written)
            if plain and not has_colon and self._is_no_key(event, key, item, mapping, value):
                continue
            item.incomplete = item.incomplete or bool(self._has_invisible and meant)
            if item.empty:
                is_alone = not has_colon and _COLON.match(self._text, event.end_mark.index) is None
                item.position, item.alone = key.position, is_alone
            if isinstance(key.value, dict) and item.value is None:  # {{order}}
                name = str(next(iter(key.value), "order"))
                text = f'double braces: write "{{{name}}}", in quotes, where an input is to be filled in'
                text = BY_REFERENCE if name.startswith("secret") or self._may_be_secret() else text
                self.findings.append(Finding(mapping.position, text))
                mapping.value, mapping.incomplete = None, True
                for _ in self._until(MappingEndEvent):
                    pass
                return
            if isinstance(key.value, bool) or not isinstance(key.value, Key):
                self.findings.append(Finding(key.position, wrong_type(key.value)))
            elif key.value in value:
                first = mapping.keys[key.value]
                text = f"this key stands at line {first.line}, column {first.column} already; keep one of them"
                if len(value) > 1 and key.value == next(iter(value)) and in_list:
                    text += ", or write '- ' before it where another item of the list begins"
                # What has no ':' in braces is a value rather than a key.
                has_colon = _COLON.match(self._text, event.end_mark.index) is not None
                is_shown = (has_colon or not item.empty) and not self._may_be_secret()
                name = f" {quoted(key.value)}" if is_shown else ""
                self.findings.append(Finding(key.position, f"duplicate key{name}: {text}"))
            else:
                value[key.value] = item
                mapping.keys[key.value] = key.position
        mapping.value = value

    def _may_be_secret(self) -> bool:
        """Whether what is read stands at, or below, a key that may hold a secret."""
        return any(may_hold_secret(key) for key in self._above if key)

    def _is_no_key(self, event: Event, key: Node, item: Node, mapping: Node, value: dict[Key, Node]) -> bool:
        """Whether `key`, a plain one with the value `item` in `mapping`, was not meant to be one as it is written. Then
        that is reported, and what was meant is put into `value`, the entries before it."""
        has_colon = _COLON.match(self._text, event.end_mark.index) is not None
        last = next(reversed(value)) if value and item.empty and not has_colon else None
        before = None if last is None else value[last]
        left = before and before.empty and isinstance(last, str)  # `scale: ,5`, but not `1, 2: …`
        is_number = left or (before and (before.written or isinstance(before.value, float)))
        if before is not None and last == "node" and is_node_parted(before.written, key.written):
            before.value = before.written = node = f"{before.written};{key.written}"
            self.findings.append(Finding(before.position, f"a ',' ends what stands before it: did you mean '{node}'?"))
            return True
        if before is not None and last == "node" and is_behind_node(before.written, key.written):
            before.incomplete = True  # it may be a part of this
            self.findings.append(Finding(key.position, f"unknown key {quoted(key.written[0])}: {BEHIND_NODE}"))
            return True
        number = decimals(key.written, before.written) if before is not None and is_number else None
        if before is not None and number is not None:
            before.value, before.written = scalar(number), ""
            self.findings.append(Finding(key.position, DECIMAL_COMMA))
            return True
        behind_text = value if before is not None and isinstance(before.value, str) else ()
        slip = no_key(key.written, is_alone=item.empty, has_colon=has_colon, behind_text=behind_text)
        if slip is None:
            return False
        at = key.position
        self.findings.append(Finding(replace(at, column=at.column + slip.at), slip.text))
        if not slip.key or slip.key in value:
            mapping.incomplete = True
            return True
        text = key.written[slip.value :].strip("\"'")
        value[slip.key] = Node(replace(at, column=at.column + slip.value), scalar(text), written=text)
        mapping.keys[slip.key] = at
        return True

    def _report_invisible(self, event: ScalarEvent) -> bool:
        """Report the invisible characters; whether one of them is certainly not meant."""
        certain, begin = False, event.start_mark.index
        written = self._text[begin : event.end_mark.index]
        for at, meant in invisible_in(written, is_number=self._key in number_keys()):
            reason = f"{name_of(written[at])} stands here; delete it, or type a blank"
            self.findings.append(Finding(self._lines.position(begin + at), reason, meant))
            certain = certain or not meant
        return certain

    def _report_cut(self, event: ScalarEvent) -> None:
        """Warn of a text that a ' #' may have cut off: `Tag #1`."""
        comment = _CUT.match(self._text, event.end_mark.index)
        if comment is not None and event.value:
            reason = "from ' #' on this is a comment; if it belongs to the text, put all of it in quotes"
            self.findings.append(Finding(self._lines.position(event.end_mark.index + 1), reason, warning=True))

    def _until(self, end: type[Event]) -> Iterator[Event]:
        return takewhile(lambda event: not isinstance(event, end), self._events)

    def events(self) -> Iterator[Event]:
        """The events. Whatever error ruamel raises becomes a BrokenFileError."""
        last = self._lines.position(0)
        documents = 0
        try:
            for event in YAML(typ="safe", pure=True).parse(self._text):
                last = self.position(event.start_mark)
                documents += isinstance(event, DocumentStartEvent)
                if documents > 1:
                    raise BrokenFileError(last, _SECOND, last)
                yield event
        except MarkedYAMLError as error:
            raise self._broken(error) from None
        except ReaderError as error:
            position = self._lines.position(error.position)
            text = "not YAML: an invisible control character stands here; delete it"
            raise BrokenFileError(position, text, position) from None
        except ValueError:  # an escape such as "\\UFFFFFFFF", which chr() refuses
            text = "not YAML: after this, an escape names a character that does not exist"
            raise BrokenFileError(last, text, last) from None

    def _broken(self, error: MarkedYAMLError) -> BrokenFileError:
        problem = error.problem or ""
        opened = self.position(error.context_mark or error.problem_mark)
        position = opened if "unexpected end of stream" in problem else self.position(error.problem_mark)
        line = self._lines.text(position.line)
        indent = line[: len(line) - len(line.lstrip(" \t"))]
        if "\t" in indent:
            position = replace(position, column=indent.index("\t") + 1)
            return BrokenFileError(position, "not YAML: a tab; indent with spaces", opened)
        return BrokenFileError(position, f"not YAML: {meant_by(problem)}", opened)

    def position(self, mark: StreamMark) -> Position:
        """The position of what ruamel has marked."""
        return self._lines.position(mark.index)
