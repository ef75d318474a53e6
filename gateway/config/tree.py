"""What is read of a file, YAML or a table: a tree in which every key, value and list item knows its position; and parts
of it by where they stand.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from gateway.config.characters import index_of
from gateway.model import Scalar

Key = str | int
NO_YAML = "not YAML: "
"""How begins what is said of syntax."""
Tree = Scalar | list["Tree"] | dict[Key, "Tree"]
"""The values without positions, as pydantic takes them."""
_EACH = 5
"""Of faults alike, how many are told each by itself; where there are more, the first is told for all of them."""


@dataclass(frozen=True, slots=True)
class Position:
    """A position in a file; line and column count from 1.

    `used_at` is the position of the line that uses what stands here, where this is in a template or table.
    """

    line: int
    column: int
    file: Path = Path()
    used_at: "Position | None" = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Finding(NamedTuple):
    """What is wrong at a position, or with `warning` may be, and what would be right. `absent` is as of ConfigFault."""

    position: Position
    text: str
    warning: bool = False
    absent: bool = False


_PARTED = "\ue000"
INNER_BREAK = f"  # {_PARTED}\r"
"""What is put between two lines that were joined: a comment and a break, which is none for those who count lines."""
_LINE_BREAK = re.compile(rf"\r\n|\n|(?<!{_PARTED})\r")


class LineIndex:
    """The lines of `file` as editors count them: ended by LF, CR LF or CR, not by YAML 1.1's rarer breaks."""

    def __init__(self, text: str, file: Path) -> None:
        self._text = text
        self._file = file
        self._starts = [0, *(match.end() for match in _LINE_BREAK.finditer(text))]

    def position(self, index: int) -> Position:
        """The position of the character at `index`. Beyond the text it is the end of the last line."""
        if index >= len(self._text):
            index = len(self._text.rstrip("\r\n"))
        line = bisect_right(self._starts, index)
        return Position(line, index - self._starts[line - 1] + 1, self._file)

    def place(self, position: Position, value: str, at: int) -> Position | None:
        """The position of the character `at` of `value`, which is written from `position` on; None where something
        else is written there."""
        begin = self._starts[position.line - 1] + position.column - 1
        index = index_of(self._text, begin, value, at, in_table=self._file.suffix == ".csv")
        return None if index is None else replace(self.position(index), used_at=position.used_at)

    def text(self, line: int) -> str:
        """The text of `line`, which counts from 1, with its line break."""
        return self._text[self._starts[line - 1] : (*self._starts, None)[line]]


class Filled(NamedTuple):
    """How a text became what it is: `written` is the text with its parameters, `pieces` where these were filled in:
    each is from which character to which of what became of it, and the same of `written`."""

    written: str
    pieces: tuple[tuple[int, int, int, int], ...]

    def before(self, at: int) -> int:
        """The character of `written` that became the character `at`: of what was filled in, the first."""
        moved = 0
        for begin, end, was, was_end in self.pieces:
            if at < begin:
                break
            if at < end:
                return was
            moved = was_end - end
        return at + moved


class BrokenFileError(Exception):
    """A file cannot be read any further than the position of `finding`.

    `opened` is where what could not be read to its end begins; None where this is no matter of YAML's syntax.
    """

    def __init__(self, position: Position, text: str, opened: Position | None = None) -> None:
        self.finding = Finding(position, text)
        self.opened = opened
        super().__init__(text)


@dataclass(slots=True)
class Node:
    """A value and its position; `keys` are the positions of a mapping's keys.

    `size` counts all values in it, `height` their levels, both as often and as deep as aliases repeat them.
    """

    position: Position
    value: Scalar | list["Node"] | dict[Key, "Node"]
    keys: dict[Key, Position] = field(default_factory=dict)
    size: int = 1
    height: int = 1
    empty: bool = False
    """Nothing is written here, which means None."""
    alone: bool = False
    """Nothing is written here, nor a ':' behind the key."""
    written: str = ""
    """A single value as the file writes it, without its quotes: `007` for the number 7."""
    separator: str = ""
    """Where this is a cell of a CSV table: its separator. The value is text until the schema says its type."""
    incomplete: bool = False
    """Some of what belongs here could not be read, which was reported. Other faults here may only follow from that."""
    unsubstituted: str = ""
    """A text with parameters as it was before they were substituted: `ns=2;s=${plc}.State`."""
    filled: Filled | None = None
    """How this text became what it is, where parameters were filled in."""

    def children(self) -> Collection["Node"]:
        """The values in a mapping or list."""
        if isinstance(self.value, dict):
            return self.value.values()
        return self.value if isinstance(self.value, list) else ()

    def has_gap(self) -> bool:
        """Whether something in it could not be read."""
        return self.incomplete or any(child.has_gap() for child in self.children())

    def tree(self, *, substituted: bool = True) -> Tree:
        """The values without positions; with texts as they were before substitution unless `substituted`."""
        if isinstance(self.value, dict):
            return {key: node.tree(substituted=substituted) for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.tree(substituted=substituted) for node in self.value]
        return self.value if substituted else self.unsubstituted or self.value


def printable(text: str) -> str:
    """`text` as a terminal and a log can show it: without line breaks and control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)


def quoted(text: object) -> str:
    """`text` in quotes, cut to 60 characters and on one line."""
    content = printable(str(text))
    return f"'{content[:60]}…'" if len(content) > 60 else f"'{content}'"


def all_of(node: Node) -> Iterator[Node]:
    """`node` and all that is in it, each once, also where an alias repeats it."""
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += one.children()


def mark_unread(root: Node, without_value: Collection[int], left_out: Collection[int]) -> None:
    """Mark as incomplete in `root` the values of the keys in the lines `without_value`, and of each line that was
    `left_out` the innermost mapping or list that begins before it and was not over before it."""
    for around in all_of(root) if without_value else ():
        for key, child in around.value.items() if isinstance(around.value, dict) else ():
            if around.keys[key].line in without_value:
                child.incomplete = True
    begins: dict[int, list[tuple[int, Node]]] = {}
    """Of each mapping and list that was looked at, what is in it by the lines."""
    for number in left_out:
        node: Node | None = root
        while node is not None:
            if id(node) not in begins:
                items = node.value.items() if isinstance(node.value, dict) else enumerate(node.children())
                of_lines = {node.keys.get(key, child.position).line: child for key, child in reversed([*items])}
                begins[id(node)] = sorted(of_lines.items(), key=lambda item: item[0])
            inner = begins[id(node)]
            at = bisect_right(inner, number, key=lambda item: item[0])
            last = inner[at - 1][1] if at else None
            if last is None or isinstance(last.value, Scalar):
                node.incomplete = True
                break
            node = last


def told_once(texts: Sequence[str], places: str) -> Iterator[str]:
    """What is said of each of the faults with these texts, in their order: of many alike the first says for how many
    more `places` it holds, and the others nothing, an empty text."""
    times, told = Counter(texts), set[str]()
    for text in texts:
        if times[text] <= _EACH:
            yield text
        else:
            yield "" if text in told else f"{text}; so it is in {times[text] - 1} more {places}"
            told.add(text)


def once_a_line(faults: Sequence[Finding]) -> Iterator[Finding]:
    """`faults`, where what is wrong with a line at several places in the same way is one."""
    alike: dict[tuple[int, str, bool], list[Finding]] = {}
    for fault in faults:
        said = fault.text.removeprefix(NO_YAML)
        alike.setdefault((fault.position.line, said, fault.warning), []).append(fault)
    for same in alike.values():
        first, *others = sorted(same, key=lambda fault: fault.position.column)
        places = ", ".join(dict.fromkeys(f"{each.position.line}:{each.position.column}" for each in others))
        yield first._replace(text=f"{first.text} (also at {places})") if places else first
