"""Reads a YAML file to its end although its syntax is wrong, so that a person sees all that is wrong with it at once.

Where the parser stops, the line is looked for that it stopped because of: a line is mended by guess, and the guess
counts if the parser gets further. The person is told of that line. What no guess mends is left out, and what remains
is marked as incomplete around it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from gateway.config.yaml_lines import Repair, likely_repairs, missing_signs, moved, repairs_at, without_value
from gateway.config.yaml_tree import BrokenFileError, Finding, Node, Position, compose

MOST_FAULTS = 20
"""Faults of syntax in one file that are told; the rest of it is left out."""
_FARTHEST = 40
"""Lines that are looked through backwards from where the parser stopped."""
_BEGINS_PART = re.compile(r" {0,4}- |[^\s#]")
_BREAK = re.compile(r"(\r\n|\n|\r)")


def read_yaml(text: str, file: Path) -> tuple[Node, list[Finding]]:
    """The tree of `text`, the content of `file`, and all that is wrong with it.

    What could not be read is left out, and the mapping or list around it is incomplete. No message repeats the text.
    """
    repaired = _Repaired(text, file)
    faults: list[Finding] = []
    for _ in range(MOST_FAULTS):
        try:
            root, findings = compose(repaired.text(), file)
        except BrokenFileError as error:
            faults.append(repaired.mended(error))
            if repaired.hopeless:
                break
        else:
            repaired.mark(root)
            return root, faults + findings
    return Node(Position(1, 1, file), {}, incomplete=True), faults


class _Repaired:
    """The lines of a file, mended step by step. `hopeless`: nothing more can be done."""

    def __init__(self, text: str, file: Path) -> None:
        pieces = _BREAK.split(text)
        self._lines, self._breaks = pieces[::2], [*pieces[1::2], ""]
        self._file = file
        self._reached = (0, 0)
        self._without_value: set[int] = set()
        self._left_out: set[int] = set()
        self.hopeless = False

    def text(self) -> str:
        return "".join(line + end for line, end in zip(self._lines, self._breaks, strict=True))

    def mended(self, error: BrokenFileError) -> Finding:
        """What is wrong, with its true position, after the lines were mended so that the parser gets further."""
        finding = error.finding
        if error.opened is None:
            self.hopeless = True
            return finding
        stopped = finding.position.line
        first = max(min(error.opened.line, self._line_before(stopped)), stopped - _FARTHEST, 1)
        for number, repair in self._guesses(first, finding):
            if self._gets_further(number, repair.line, first, stopped):
                position = Position(number, repair.column, self._file)
                return Finding(position, f"not YAML: {repair.text.removeprefix('not YAML: ')}")
        begun = error.opened.line
        self._leave_out(begun if self._in_brackets(begun) and stopped - begun < _FARTHEST else stopped, stopped)
        return finding

    def _guesses(self, first: int, finding: Finding) -> Iterator[tuple[int, Repair]]:
        """Lines with what they may have been meant to be, the likeliest first."""
        stopped = finding.position.line
        numbers = range(min(stopped, len(self._lines)), first - 1, -1)
        for number in numbers:
            yield from ((number, repair) for repair in likely_repairs(self._lines[number - 1]))
        if numbers:
            line = self._lines[numbers[0] - 1]
            yield from ((stopped, repair) for repair in repairs_at(line, finding.position.column - 1, finding.text))
        for number in numbers:
            yield from ((number, repair) for repair in missing_signs(self._lines[number - 1]))
        begin, end = self._part(first, stopped)
        near = [*reversed(self._lines[begin : stopped - 1]), *self._lines[stopped:end]]
        indents = list(dict.fromkeys(len(line) - len(line.lstrip(" ")) for line in near if line.strip()))
        for number in numbers:
            yield from ((number, repair) for repair in moved(self._lines[number - 1], indents))

    def mark(self, root: Node) -> None:
        """Mark what is incomplete in `root` because something was left out."""
        for number in sorted(self._without_value):
            _mark_values(root, number)
        for number in sorted(self._left_out):
            _innermost(root, number).incomplete = True

    def _line_before(self, number: int) -> int:
        """The number of the nearest line before that has anything in it."""
        return next((at for at in range(number - 1, 0, -1) if self._lines[at - 1].strip()), number)

    def _gets_further(self, number: int, line: str, first: int, stopped: int) -> bool:
        """Try `line` in the place of that of `number`, and keep it if what is wrong then is behind what follows."""
        if line == self._lines[number - 1]:
            return False
        before, self._lines[number - 1] = self._lines[number - 1], line
        wrong = self._error_line(first, stopped)
        following = next((at + 1 for at in range(stopped, len(self._lines)) if self._lines[at].strip()), stopped)
        if wrong is None or wrong > following:
            return True
        self._lines[number - 1] = before
        return False

    def _part(self, first: int, last: int) -> tuple[int, int]:
        """The lines, from an index to another, that belong together around the lines with these numbers."""
        begin = next((at for at in range(first - 1, -1, -1) if _BEGINS_PART.match(self._lines[at])), 0)
        after = (at for at in range(last, len(self._lines)) if _BEGINS_PART.match(self._lines[at]))
        return begin, next(after, len(self._lines))

    def _error_line(self, first: int, last: int) -> int | None:
        """The line at which the part of the file around these lines cannot be read any further."""
        begin, end = self._part(first, last)
        try:
            compose("".join(f"{line}\n" for line in self._lines[begin:end]), self._file)
        except BrokenFileError as error:
            return begin + error.finding.position.line if error.opened is not None else None
        return None

    def _in_brackets(self, number: int) -> bool:
        return re.search(r"(?:^|[:-])[ \t]+[\[{]", self._lines[number - 1]) is not None

    def _leave_out(self, first: int, last: int) -> None:
        """Leave out the lines from `first` to `last` and what is indented below; of `key: value` only the value."""
        key = without_value(self._lines[first - 1]) if first <= len(self._lines) else None
        if first == last and key is not None and first not in self._without_value:
            self._lines[first - 1] = key
            self._without_value.add(first)
            return
        if first > len(self._lines) or (first, last) <= self._reached:
            self.hopeless = True
            return
        self._reached = (first, last)
        indent = len(self._lines[first - 1]) - len(self._lines[first - 1].lstrip())
        number = first
        while number <= len(self._lines):
            line = self._lines[number - 1]
            if number > last and line.strip() and len(line) - len(line.lstrip()) <= indent:
                break
            self._lines[number - 1] = ""
            self._left_out.add(number)
            number += 1


def _mark_values(node: Node, number: int) -> None:
    """Mark the values of the keys in line `number`."""
    children = node.value.items() if isinstance(node.value, dict) else ()
    for key, child in children:
        if node.keys[key].line == number:
            child.incomplete = True
        _mark_values(child, number)
    for child in node.value if isinstance(node.value, list) else ():
        _mark_values(child, number)


def _innermost(node: Node, number: int) -> Node:
    """The innermost mapping or list that begins before line `number` and was not over before it."""
    children = [child for child in node.children() if child.position.line <= number]
    last = max(children, key=lambda child: child.position.line, default=None)
    if last is None or isinstance(last.value, str | int | float | bool | None):
        return node
    return _innermost(last, number)
