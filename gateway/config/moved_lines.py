"""Lines that are indented as they cannot have been meant: by what the schema has where they stand.

Where a line does not fit, the likely slips are tried on the outline of the file: this line, one shortly before or one
that opens what is around, alone or with what belongs to it, further out or in. The one counts after which all that is
moved, and what follows, fits best.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from gateway.config.outline import TWICE, UNKNOWN, Frame, Row, Trial, opened, placed, row_of, rows_of
from gateway.config.places import known
from gateway.config.schema_walk import every_key
from gateway.config.tree import INNER_BREAK, NO_YAML, Finding, Key, Position, quoted
from gateway.config.yaml_lines import DASH_TOO_MANY, NO_BULLET
from gateway.config.yaml_siblings import TAB, indent_of
from gateway.config.yaml_words import WORD_ALONE

_BEFORE = 3
"""Lines before the one that does not fit that may have been moved, beside those that open what it stands in."""
_BEHIND = 12
"""Lines behind those that are moved, and behind the one that does not fit, that have to fit as well."""
_FARTHEST = 12
"""Blanks."""
_AROUND = 6
"""Lines in either direction of which the indents are tried."""


_BLANKS = 1
"""So many blanks off are as likely as a '- ' that is missing or too many."""


_MOST = 200
"""Slips in one file that are told."""
_TIMES = 2
"""Times that one line is edited at the most."""
_LONGEST = 400
"""Lines that may be moved together."""
_MOST_PLACED = 20
"""So many times each line of a file is tried in another place, and `_PLACED_ANYWAY`, before nothing more is looked
for."""
_PLACED_ANYWAY = 200_000
"""Lines."""


class Kind(Enum):
    """What may be wrong with lines."""

    MOVED = 0
    DASH_TOO_MANY = 1
    NO_DASH = 2
    NO_COLON = 3
    JOINED = 4


_TOLD = {Kind.DASH_TOO_MANY: DASH_TOO_MANY, Kind.NO_DASH: NO_BULLET, Kind.NO_COLON: WORD_ALONE}


class Edit(NamedTuple):
    """What may have been meant by the rows from `begin` to `end`: to stand `by` so many blanks further; and of the
    first, where it is the only one, another kind of slip. What begins at the column `part` of one that was joined
    stands in a line of its own, indented by `by`."""

    begin: int
    end: int
    by: int = 0
    kind: Kind = Kind.MOVED
    part: int = 0

    def rows(self, row: Row, line: str) -> list[Row]:
        """What was meant by one of them, which the `line` has."""
        match self.kind:
            case Kind.MOVED:
                return [row.moved(self.by)]
            case Kind.NO_DASH:
                return [row.item().moved(self.by)]
            case Kind.DASH_TOO_MANY:
                return [row.no_item().moved(self.by)]
        return [row_of(meant) for meant in self.line(line).split(INNER_BREAK)]

    def line(self, line: str) -> str:
        """The same as a line."""
        content = line.lstrip(" \t")
        by = self.by
        match self.kind:
            case Kind.NO_DASH:
                content = f"- {content}"
            case Kind.DASH_TOO_MANY:
                content = content[1:].lstrip(" ")
            case Kind.NO_COLON:
                content = _BEHIND_WORD.sub(r"\g<0>:", content, count=1)
            case Kind.JOINED:
                return f"{line[: self.part].rstrip()}{INNER_BREAK}{' ' * self.by}{line[self.part :]}"
        return " " * max(indent_of(line) + by, 0) + content


_BEHIND_WORD = re.compile(r"(?:- +)*\w+")


class Slip(NamedTuple):
    """What is wrong with the line at index `at`: in which column and why; and the `lines` that were meant by it and
    others, by their indices."""

    at: int
    column: int
    text: str
    lines: Mapping[int, str]


def put_back(lines: list[str], file: Path, annotation: Any) -> list[Finding]:
    """Put in the place of `lines` of `file`, which holds what the schema has at `annotation`, what was meant by those
    that are indented as they cannot have been meant; what is said of them."""
    said: list[Finding] = []
    for slip in islice(_Search(lines, annotation).slips(), _MOST):
        said.append(Finding(Position(slip.at + 1, slip.column, file), f"{NO_YAML}{slip.text}"))
        for index, line in slip.lines.items():
            lines[index] = line
    return said


class _Search:
    def __init__(self, lines: Sequence[str], annotation: Any) -> None:
        all_rows = rows_of(lines)
        self._lines = lines
        self._numbers = [number for number, row in enumerate(all_rows) if row is not None]
        self._rows = [row for row in all_rows if row is not None]
        self._frames = [opened(annotation)]
        """Before each row."""
        steps = Counter(
            row.indent - above.indent
            for above, row in pairwise(self._rows)
            if above.opens and row.indent > above.indent
        )
        self._step = steps.most_common(1)[0][0] if steps else 2
        self._costs: list[int] = []
        self._edited: Counter[int] = Counter()
        """How often each line has been edited."""
        self._left = _MOST_PLACED * len(self._rows) + _PLACED_ANYWAY
        """So many lines are still tried in another place, or looked at for this."""

    def slips(self) -> Iterator[Slip]:
        at = 0
        while at < len(self._rows):
            self._place(at)
            edit = self._best(at) if self._costs[at] >= TWICE and self._left > 0 else None
            if edit is not None:
                was = self._rows[edit.begin]
                first = self._lines[self._numbers[edit.begin]]
                numbers = range(self._numbers[edit.begin], self._numbers[edit.end - 1] + 1)
                lines = {number: edit.line(self._lines[number]) for number in numbers if self._lines[number].strip()}
                column = (first.index("\t") if was.tab else indent_of(first)) + 1
                if edit.kind is Kind.JOINED:
                    column = edit.part + 1
                elif edit.kind is Kind.NO_COLON:
                    column = was.at + len(was.word) + 1
                self._edited[numbers[0]] += 1
                self._put(edit, first)
                yield Slip(numbers[0], column, self._told(edit, was), lines)
                at = edit.begin - 1
            at += 1

    def _put(self, edit: Edit, line: str) -> None:
        """Let the rows be what was meant by them."""
        self._back_to(edit.begin)
        rows = [edit.rows(row, line) for row in self._rows[edit.begin : edit.end]]
        self._rows[edit.begin : edit.end] = [row for meant in rows for row in meant]
        number = self._numbers[edit.begin]
        self._numbers[edit.begin : edit.begin + 1] = [number] * len(rows[0])

    def _place(self, at: int) -> None:
        frame, cost = placed(self._frames[at], self._rows[at], at, trial := Trial(at, self._step))
        for collection, keys in trial.keys.items():
            for key in keys:
                collection.seen.setdefault(key, at)
        del self._frames[at + 1 :], self._costs[at:]
        self._frames.append(frame)
        self._costs.append(cost)

    def _back_to(self, at: int) -> None:
        """Forget what was read from the row `at` on."""
        frame: Frame | None = self._frames[-1]
        while frame is not None:
            seen = frame.collection.seen
            for key in [key for key, number in seen.items() if number >= at]:
                del seen[key]
            frame = frame.around
        before: Frame | None = self._frames[at]
        while before is not None:
            seen = before.collection.seen
            for key in [key for key, number in seen.items() if number >= at]:
                del seen[key]
            before = before.around
        del self._frames[at + 1 :], self._costs[at:]

    def _best(self, at: int) -> Edit | None:
        """The slip because of which the row `at` most likely does not fit; None: none of those that are tried."""
        best: tuple[tuple[int, int, int, bool, int], Edit] | None = None
        for begin in self._suspects(at):
            between = self._rows[max(begin - _BEFORE, 0) : at + 1]
            if any(row.key is None and not row.columns and row is not self._rows[begin] for row in between):
                continue  # what is no YAML stands there, which is likelier to be wrong
            for end in self._ends(begin):
                if best is not None and best[0][:2] < (0, end - begin):
                    continue  # nothing there fits better
                last = min(max(end, at + 1) + _BEHIND, len(self._rows))
                as_it_is = self._cost(Edit(begin, end), last, None)
                if as_it_is is None:
                    continue
                most = as_it_is - UNKNOWN
                for edit in self._edits(begin, end):
                    most = min(most, best[0][0]) if best is not None else most
                    cost = self._cost(edit, last, most, at)
                    if cost is None:
                        continue
                    off = abs(edit.by) if edit.kind is Kind.MOVED else _BLANKS
                    rank = (cost, end - begin, off, edit.by > 0, at - begin)
                    if best is None or rank < best[0]:
                        best = rank, edit
        return best[1] if best is not None else None

    def _suspects(self, at: int) -> list[int]:
        """Rows that may have been moved: the nearest first."""
        rows = [at - back for back in range(_BEFORE + 1) if at >= back]
        frame: Frame | None = self._frames[at]
        while frame is not None:
            rows += [frame.line, frame.collection.opener]
            frame = frame.around
        return [row for row in dict.fromkeys(rows) if row >= 0 and self._edited[self._numbers[row]] < _TIMES]

    def _ends(self, begin: int) -> Iterator[int]:
        """How far what was moved may go from the row `begin` on: that alone, what stands below, all of its kind."""
        indent = self._rows[begin].indent
        ends = [begin + 1]
        below = begin + 1
        last = min(begin + _LONGEST + 1, len(self._rows))
        while below < last and self._rows[below].indent > indent:
            below += 1
        ends.append(below)
        all_of_it = below
        while all_of_it < last and self._rows[all_of_it].indent >= indent:
            all_of_it += 1
        ends.append(all_of_it)
        self._left -= (all_of_it - begin) // 4
        rows = self._rows
        if begin + 1 < below:
            keys, column = self._keys_around(begin), rows[begin + 1].indent
            ends += (
                at
                for at in range(begin + 2, below)
                if rows[at].indent < column or (rows[at].indent == column and rows[at].key in keys)
            )
        # what has a place where it stands, behind others that have none
        here: Frame | None = self._frames[begin]
        while here is not None and here.collection.column > indent:
            here = here.around
        beside = known(here.collection.annotation).keys if here is not None else None
        fitting = (
            at for at in range(begin + 1, all_of_it) if rows[at].indent == indent and rows[at].key in (beside or ())
        )
        ends += islice(fitting, 1)
        # what has none below the key that is open before
        inside = known(self._frames[begin].below).keys if self._frames[begin].opens else None
        others = (
            at for at in range(begin + 1, all_of_it) if rows[at].indent == indent and rows[at].key not in (inside or ())
        )
        ends += islice(others if inside is not None else (), 1)
        # where what follows is further in, though nothing is open
        ends += (
            at
            for at in range(begin + 2, min(all_of_it, begin + _LONGEST))
            if rows[at].indent > rows[at - 1].at and not rows[at - 1].opens
        )
        return iter(dict.fromkeys(end for end in ends if end <= begin + _LONGEST))

    def _keys_around(self, begin: int) -> set[Key]:
        """The keys of the sections that the row `begin` may stand in."""
        keys: set[Key] = set()
        frame: Frame | None = self._frames[begin]
        while frame is not None:
            for annotation in (frame.collection.annotation, frame.below):
                keys |= known(annotation).keys or set()
            frame = frame.around
        return keys

    def _edits(self, begin: int, end: int) -> Iterator[Edit]:
        """What may have been meant by the rows."""
        row = self._rows[begin]
        near = self._rows[max(begin - _AROUND, 0) : begin] + self._rows[end : end + _AROUND]
        columns = {column for other in near for column in (*other.columns, other.at)}
        frame: Frame | None = self._frames[begin]
        while frame is not None:
            columns |= {max(frame.collection.column, 0), max(frame.collection.column, -2) + 2}
            frame = frame.around
        shifts = {column - row.indent for column in columns} - (set() if row.tab else {0})
        least = min(other.indent for other in self._rows[begin:end])
        for by in sorted((by for by in shifts if abs(by) <= _FARTHEST and least + by >= 0), key=abs):
            yield Edit(begin, end, by)
        if end == begin + 1 and row.word in self._keys_around(begin):
            yield Edit(begin, end, 0, Kind.NO_COLON)
        for part in row.parts if end == begin + 1 else ():
            columns |= {column + 2 for column in columns} | {row.at}
            columns = {column for column in columns if column <= row.at + 2}
            yield from (Edit(begin, end, column, Kind.JOINED, part) for column in sorted(columns, reverse=True))
        if end == begin + 1 and row.columns[:1] and not row.tab:
            yield from (Edit(begin, end, by, Kind.DASH_TOO_MANY) for by in (0, 2))
        elif end == begin + 1 and not row.columns and not row.tab:
            yield from (Edit(begin, end, by, Kind.NO_DASH) for by in (0, -2) if row.at + by >= 0)

    def _cost(self, edit: Edit, last: int, most: int | None, at: int = -1) -> int | None:
        """How badly the rows from the first that is meant to the `last` fit; None: worse than `most`, or the first or
        that `at` which does not fit still does not."""
        frame, trial, cost = self._frames[edit.begin], Trial(edit.begin, self._step), 0
        for number in range(edit.begin, last):
            rows = [self._rows[number]]
            if number < edit.end and at >= 0:
                rows = edit.rows(rows[0], self._lines[self._numbers[number]])
            for row in rows:
                frame, more = placed(frame, row, number, trial)
                cost += more
                self._left -= 1
                if most is not None and (cost > most or (number in (edit.begin, at) and more >= UNKNOWN)):
                    return None
        return cost

    def _told(self, move: Edit, was: Row) -> str:
        if was.tab:
            return TAB
        if move.kind is Kind.JOINED:
            blanks = f"{move.by} blank{'s' * (move.by != 1)}"
            if move.by > was.at and was.key in every_key():
                return f"this belongs below {quoted(was.key)}: put it in a line of its own, indented by {blanks}"
            return f"this belongs in a line of its own, indented by {blanks}"
        if move.kind is not Kind.MOVED:
            return _TOLD[move.kind]
        row = self._rows[move.begin]
        frame = self._frames[move.begin]
        if move.by > 0:
            frame, _ = placed(frame, row, move.begin, Trial(move.begin, self._step))
        blanks = f"{was.indent} blank{'s' * (was.indent != 1)}"
        by = f"{abs(move.by)} blank{'s' * (abs(move.by) != 1)} {'more' if move.by > 0 else 'less'}"
        opener = frame.collection.opener
        while (around := frame.around) is not None and frame.collection.column > row.indent:
            frame, opener = around, around.collection.opener
        other = frame.line if move.by < 0 else opener
        belongs = ""
        if other >= 0:
            key = self._rows[other].key
            name = quoted(key) if key in every_key() else "the item" if key is None else "the key"
            how = "stands beside" if move.by < 0 else "belongs to"
            belongs = f"; it {how} {name} of line {self._numbers[other] + 1}"
        neighbours = f"by {row.indent}" if row.indent else "not indented"
        more = f", and all down to line {self._numbers[move.end - 1] + 1}" if move.end > move.begin + 1 else ""
        return f"this line is indented by {blanks}; its neighbours are {neighbours}{belongs}: indent it by {by}{more}"
