"""Reads a YAML file to its end although its syntax is wrong, so that a person sees all that is wrong with it at once.

Where the parser stops, the line is looked for that it stopped because of: a line is mended by guess, and the guess
counts if the parser gets further, or if it does once the lines beside it, which may have the same slip, are mended as
well. The person is told of these lines. What no guess mends is left out, and what remains is marked as incomplete
around it. The file is looked through part by part first, so that a large one takes no longer for each mistake; how much
is read for guesses in all is limited.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from gateway.config.moved_lines import put_back
from gateway.config.tree import NO_YAML, BrokenFileError, Finding, Node, Position, all_of, mark_unread
from gateway.config.yaml_brackets import Repair
from gateway.config.yaml_lines import (
    NEVER_CLOSED,
    NO_BULLET,
    comma_at_end,
    likely_repairs,
    missing_signs,
    repairs_at,
    without_value,
)
from gateway.config.yaml_siblings import Surroundings, begins_of_parts, moved, part_around
from gateway.config.yaml_tree import compose, stopped
from gateway.config.yaml_words import NO_COLON

MOST_FAULTS = 200
"""Faults of syntax in one file that are told; what follows is left out, which is told as well."""
_FARTHEST = 40
"""Lines that are looked through backwards from where the parser stopped."""
_NEAR = 3
"""Lines, from where the parser stopped backwards, that are likelier to be wrong than those before."""
_MOST_TRIED = 300
"""Guesses that are tried where the parser stopped once."""
_FEWEST_TRIED = 20
"""Guesses that are tried where few are worth it."""
_MOST_READ = 30
"""So many times the length of the file is read, and `_READ_ANYWAY`, before few guesses are worth it."""
_READ_ANYWAY = 2_000_000
"""Characters."""
_MOST_KINDS = 2
"""Slips of different kinds, one beside the other, that are looked for together."""
_MOST_ADDED = 20
"""Characters that are put into a line beside quotes that are written twice."""
_BREAK = re.compile(r"(\r\n|\n|\r)")


def repaired(text: str, file: Path, annotation: Any = None) -> tuple[Node | None, list[Finding]]:
    """The tree of what can be read of `text`, None where nothing can be, and all that is wrong with it.

    Lines that are moved are first put back where the schema has them, which has `annotation` for the whole file.
    """
    repairs = _Repaired(text, file, annotation)
    return repairs.read(), repairs.faults


def put_in_order(text: str, file: Path, annotation: Any) -> tuple[Node | None, list[Finding]] | None:
    """The same of what can be read as it is; None: no lines of it are moved."""
    repairs = _Repaired(text, file, annotation)
    return (repairs.read(), repairs.faults) if repairs.faults else None


class _Stop(NamedTuple):
    """Where the parser stopped (line and column count from 1), the line in which what it did not end begins, and what
    is wrong there."""

    line: int
    column: int
    begun: int
    text: str


Guess = tuple[int, Repair]
"""The number of a line, and what may be wrong with it."""
_Neighbours = dict[tuple[int, str, int], Repair | None]
"""The number of a line, what is wrong with one beside it, and how that is indented -> the like repair of this line."""


class _Repaired:
    """The lines of a file, mended step by step; `faults` are what was wrong with them, at their true positions."""

    def __init__(self, text: str, file: Path, annotation: Any) -> None:
        pieces = _BREAK.split(text)
        self._lines, self._breaks = pieces[::2], [*pieces[1::2], ""]
        self._written = tuple(self._lines)
        self._file = file
        self._reached = (0, 0)
        self._tried = self._read = 0
        self._most_read = _MOST_READ * len(text) + _READ_ANYWAY
        self._worth_trying = _MOST_TRIED
        """Fewer behind what could not be mended, of which the next stop may only follow."""
        self._without_value: set[int] = set()
        self._left_out: set[int] = set()
        self._unsure: set[tuple[int, int]] = set()
        """Line and column of values, in the mended lines."""
        self.faults = [] if annotation is None else put_back(self._lines, file, annotation)

    def read(self) -> Node | None:
        """The tree of what can be read; None where nothing can be."""
        self._mend_parts()
        self._reached = (0, 0)
        while True:
            try:
                root, findings = compose("".join(map(str.__add__, self._lines, self._breaks)), self._file)
            except BrokenFileError as error:
                at = error.finding.position
                if error.opened is None or len(self.faults) >= MOST_FAULTS:
                    told = f"{MOST_FAULTS} mistakes of syntax before this are told; the rest of the file was not read"
                    self.faults.append(error.finding if error.opened is None else Finding(at, told))
                    return None
                if not self._mend(_Stop(at.line, at.column, error.opened.line, error.finding.text)):
                    return None
            else:
                self._mark(root)
                self.faults += (finding._replace(position=self._true(finding.position)) for finding in findings)
                return root

    def _mend_parts(self) -> None:
        """Mend each part of the file by itself: what is wrong with it whatever stands around it."""
        begins = begins_of_parts(self._lines)
        before = 0
        for begin, end in zip(begins, [*begins[1:], len(self._lines)], strict=True):
            while len(self.faults) < MOST_FAULTS:
                stop = self._stop(begin, end)
                # A text of several lines may have been cut in two
                if stop is None or self._stop(before, end) is None or not self._mend(stop):
                    break
            before = begin

    def _mend(self, stop: _Stop) -> bool:
        """Mend, or leave out, what the parser stopped because of, and say so; False: nothing more can be done."""
        self._tried = 0
        mended = self._mended(stop)
        for number, repair in mended or ():
            at = Position(number, repair.column, self._file)
            self.faults.append(Finding(at, f"{NO_YAML}{repair.text.removeprefix(NO_YAML)}"))
            if repair.unsure:
                self._unsure.add((number, repair.unsure))
        self._worth_trying = max(self._worth_trying // 3, _FEWEST_TRIED) if mended is None else _MOST_TRIED
        if self._read > self._most_read:
            self._worth_trying = _FEWEST_TRIED
        if mended is not None:
            return True
        self.faults.append(Finding(self._true(Position(stop.line, stop.column, self._file)), stop.text))
        in_brackets = self._in_brackets(stop.begun) and stop.line - stop.begun < _FARTHEST
        return self._leave_out(stop.begun if in_brackets else stop.line, stop.line)

    def _mended(self, stop: _Stop, like: str = "", kinds: int = _MOST_KINDS) -> list[Guess] | None:
        """The lines that were mended so that the parser gets beyond what follows; None where no guess does that.

        `like` says what was wrong with the line before, which is likeliest to be wrong here too; `kinds` is how many
        other slips are looked for.
        """
        first = max(min(stop.begun, self._line_before(stop.line)), stop.line - _FARTHEST, 1)
        further: list[tuple[list[Guess], _Stop]] = []
        seen = 0  # of those, which need not be gone on from again
        for groups in self._groups(first, stop, like):
            for unplaced in groups:
                if self._tried >= self._worth_trying:
                    return None
                self._tried += 1
                group = [self._placed(number, repair) for number, repair in unplaced]
                before = self._put({number: repair.line for number, repair in group})
                then = self._stop_with(group, first, stop.line)
                if then is None:
                    return self._needed(group, before, first, stop.line) or None
                self._put(before)
                if len(group) > 1:
                    continue
                if _said(group) == like and then.line > stop.line and (rest := self._then(group, then, kinds)):
                    return rest
                further.append((group, then))
            # A text that was meant to end before has everything up to here in it, so this is likelier than what follows
            for group, then in further[seen:] if kinds and stop.line > stop.begun else ():
                ended = _said(group).startswith(NEVER_CLOSED) and group[0][0] < then.line <= stop.line
                if ended and (rest := self._then(group, then, kinds - 1)):
                    return rest
            seen = len(further)
        for group, then in further if kinds else ():
            if then[:2] > stop[:2] and _said(group) != like and (rest := self._then(group, then, kinds - 1)):
                return rest
        return None

    def _then(self, group: list[Guess], stop: _Stop, kinds: int) -> list[Guess] | None:
        """`group` and what mends that at which the parser stops after it."""
        if self._tried >= self._worth_trying:
            return None
        before = self._put({number: repair.line for number, repair in group})
        rest = self._mended(stop, _said(group), kinds)
        if rest is None:
            self._put(before)
            return None
        return [*group, *rest]

    def _needed(self, group: list[Guess], before: dict[int, str], first: int, stopped: int) -> list[Guess]:
        """Those of `group`, which are mended, that have to be; the others are as they were `before`. None of them where
        the parser stopped for what stands around these lines."""
        needed = list(group)
        for number, repair in group if len(group) > 1 else ():
            self._put({number: before[number]})
            if self._stop_with(group, first, stopped) is None:
                needed.remove((number, repair))
            else:
                self._put({number: repair.line})
        return needed

    def _stop_with(self, group: Sequence[Guess], first: int, stopped: int) -> _Stop | None:
        """Where the parser stops with the lines of `group` as they are now; None where it gets beyond the line that
        follows those and that where it `stopped`, and not only because these became part of a longer text."""
        last = max(stopped, group[-1][0])
        following = self._line_after(last)
        then = self._stop(*part_around(self._lines, first, last), following)
        only_longer = then is not None and then.text == NO_COLON and then.begun <= following
        return then if then is None or then.line <= following or only_longer else None

    def _put(self, lines: dict[int, str]) -> dict[int, str]:
        """Put in lines by their numbers; those that were there."""
        before = {number: self._lines[number - 1] for number in lines}
        for number, line in lines.items():
            self._lines[number - 1] = line
        return before

    def _groups(self, first: int, stop: _Stop, like: str) -> Iterator[list[list[Guess]]]:
        """Lines with what they may have been meant to be, by the kind of slip, the likeliest first, that is what is
        `like` the slip before; after those of a kind the same with like ones beside them, which may have the same slip.
        """
        found: _Neighbours = {}
        for alike in (True, False) if like else (False,):
            for kind in self._guesses(first, stop):
                chosen = (guess for guess in kind if (guess[1].text == like) == alike and self._changes(*guess))
                guesses = list(islice(chosen, self._worth_trying))
                groups = [self._with_neighbours(number, repair, first, found) for number, repair in guesses]
                distinct = {tuple((at, other.line) for at, other in group): group for group in groups if group[1:]}
                yield [*([guess] for guess in guesses), *distinct.values()]

    def _changes(self, number: int, repair: Repair) -> bool:
        """Whether `repair` is another line than the one there is and the one that was written, which would only take
        back what was guessed before, and no more than what was written in quotes: to put quotes around those of the
        last guess doubles them, each time anew."""
        written, line = self._written[number - 1], self._lines[number - 1]
        return repair.line not in (line, written) and len(repair.line) <= 2 * len(written) + _MOST_ADDED

    def _with_neighbours(self, number: int, repair: Repair, first: int, found: _Neighbours) -> list[Guess]:
        """`repair` of a line, and the like ones of the lines beside it, indented alike and without a gap, in order;
        those that were `found` for others before, as long as the lines are the same, are not looked for anew."""
        indent = len(repair.line) - len(repair.line.lstrip(" "))
        group = {number: repair}
        for step in (-1, 1):
            at = number + step
            while max(first - _FARTHEST, 1) <= at <= min(number + _FARTHEST, len(self._lines)):
                sought = at, repair.text, indent
                if sought not in found:
                    alone = self._alone(at, indent)
                    found[sought] = next((other for other in alone if other.text == repair.text), None)
                like = found[sought]
                if like is None or not self._changes(at, like) or self._indent(at) != self._indent(number):
                    break
                group[at] = like
                at += step
        return sorted(group.items())

    def _placed(self, number: int, repair: Repair) -> Guess:
        """`repair` of a line as it is now, with its column in the file."""
        at = self._true(Position(number, repair.column))
        return number, repair._replace(column=at.column)

    def _indent(self, number: int) -> int:
        """How many blanks, of whatever kind, stand at the beginning of a line."""
        return len(self._lines[number - 1]) - len(self._lines[number - 1].lstrip())

    def _alone(self, number: int, indent: int) -> Iterator[Repair]:
        """What may be wrong with a line by itself, or with its indent where that of a line like it is `indent`."""
        line = self._lines[number - 1]
        yield from likely_repairs(line)
        yield from missing_signs(line)
        yield from moved(line, [indent])

    def _guesses(self, first: int, stop: _Stop) -> Iterator[Iterator[Guess]]:
        """Single lines with what they may have been meant to be, by the kind of slip, the likeliest first."""
        numbers = range(min(stop.line, len(self._lines)), first - 1, -1)
        yield ((number, repair) for number in numbers for repair in likely_repairs(self._lines[number - 1]))
        if numbers:
            line = self._lines[numbers[0] - 1]
            yield ((stop.line, repair) for repair in repairs_at(line, stop.column - 1, stop.text))
            before = self._line_before(stop.line)
            around = self._lines[stop.begun - 1 : before + _FARTHEST] if stop.begun <= before < stop.line else []
            yield ((before, repair) for repair in comma_at_end(self._lines[before - 1], around))
        begin, end = part_around(self._lines, first, stop.line)
        others = [*reversed(self._lines[begin : stop.line - 1]), *self._lines[stop.line - 1 : end]]
        indents = list(dict.fromkeys(len(line) - len(line.lstrip(" ")) for line in others if line.strip()))
        near, far, sides = numbers[:_NEAR], numbers[_NEAR:], Surroundings(self._lines, first, stop.line)
        yield ((number, repair) for number in near for repair in self._below(number))
        yield ((number, repair) for number in near for repair in self._missing(number, sides))
        moved_to = sides.moved_to(numbers, self._opening(first), indents)
        yield (guess for guess in moved_to if guess[1].likely)
        yield (guess for guess in moved_to if not guess[1].likely and guess[0] in near)
        yield ((number, repair) for number in far for repair in self._below(number))
        yield ((number, repair) for number in far for repair in self._missing(number, sides))
        yield (guess for guess in moved_to if not guess[1].likely and guess[0] in far)

    def _below(self, number: int) -> Iterator[Repair]:
        """The line further in, where it stands right below a key without a value and no further in than that."""
        above, indent = self._line_before(number), self._indent(number)
        is_below = self._lines[above - 1].rstrip().endswith(":") and self._indent(above) == indent and above != number
        return moved(self._lines[number - 1], [indent + 2] if is_below else [])

    def _missing(self, number: int, sides: Surroundings) -> Iterator[Repair]:
        """What may be missing in the line; a '- ' only where there is a list that the line can be an item of."""
        for repair in missing_signs(self._lines[number - 1]):
            if repair.text != NO_BULLET or sides.is_item(number):
                yield repair

    def _mark(self, root: Node) -> None:
        """Mark what is incomplete in `root` because something was left out or may be another thing, and put the
        positions right."""
        for node in all_of(root):
            if (node.position.line, node.position.column) in self._unsure:
                node.value, node.incomplete = None, True
            node.position = self._true(node.position)
            node.keys = {key: self._true(position) for key, position in node.keys.items()}
        mark_unread(root, self._without_value, self._left_out)

    def _true(self, position: Position) -> Position:
        """The position in the file as it is of one in the mended lines."""
        if position.line > len(self._lines):
            return position
        mended, written, at = self._lines[position.line - 1], self._written[position.line - 1], position.column - 1
        if mended.lstrip() == written.lstrip():  # it is only moved
            return replace(position, column=max(at + len(written) - len(mended), 0) + 1)
        same = next((n for n, (one, other) in enumerate(zip(mended, written, strict=False)) if one != other), None)
        if mended == written or same is None or at <= same:
            return replace(position, column=min(at, len(written)) + 1)
        return replace(position, column=min(max(at + len(written) - len(mended), same), len(written)) + 1)

    def _opening(self, first: int) -> int:
        """The line of the key below which this one stands, or else the first, both among those shortly before it."""
        begin = max(first - _FARTHEST, 1)
        before = [at for at in range(begin, first) if self._lines[at - 1].lstrip()[:1] not in {"", "#"}]
        return next((at for at in reversed(before) if self._indent(at) < self._indent(first)), (*before, first)[0])

    def _line_before(self, number: int) -> int:
        """The number of the nearest line before that has anything in it; `number` where there is none."""
        return next((at for at in range(number - 1, 0, -1) if self._lines[at - 1].strip()), number)

    def _line_after(self, number: int) -> int:
        """The number of the nearest line behind that has anything in it; `number` where there is none."""
        return next((at + 1 for at in range(number, len(self._lines)) if self._lines[at].strip()), number)

    def _stop(self, begin: int, end: int, beyond: int | None = None) -> _Stop | None:
        """Where the lines from an index to another cannot be read any further by themselves; None where they can, or
        can be read `beyond` the line with this number."""
        text = "".join(f"{line}\n" for line in self._lines[begin:end])
        self._read += len(text)
        error = stopped(text, self._file, (end if beyond is None else beyond) - begin)
        if error is None or error.opened is None:
            return None
        at = error.finding.position
        return _Stop(begin + at.line, at.column, begin + error.opened.line, error.finding.text)

    def _in_brackets(self, number: int) -> bool:
        return re.search(r"(?:^|[:-])[ \t]+[\[{]", self._lines[number - 1]) is not None

    def _leave_out(self, first: int, last: int) -> bool:
        """Leave out the lines from `first` to `last` and what is indented below; of `key: value` only the value.

        False where this has been done before.
        """
        key = without_value(self._lines[first - 1]) if first <= len(self._lines) else None
        if first == last and key is not None and first not in self._without_value:
            self._lines[first - 1] = key
            self._without_value.add(first)
            return True
        if first > len(self._lines) or (first, last) <= self._reached:
            return False
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
        return True


def _said(group: Sequence[Guess]) -> str:
    return group[0][1].text
