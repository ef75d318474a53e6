"""Which lines of a YAML file belong together: the parts of it that can be looked through by themselves, so that a large
file takes no longer for each mistake; and what stands beside a line, and whether the line belongs there, by the keys
that sections have.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from gateway.config.schema_walk import in_one_section
from gateway.config.yaml_brackets import Repair

_BEGINS_PART = re.compile(r" {0,4}- |[^\s#%}\]]")
_BEGINS_SECTION = re.compile(r"  [^\s#\-{}\[\],:][^{}\[\],:]*:[ \t]*(?:#.*)?\Z")
_LONG = 400
"""Lines of a part that is looked through by what has a name in it."""

_FARTHEST = 400
"""Lines that are looked through in each direction."""
_NO_INDENT = 1_000_000
"""Of a line that has nothing in it, or a comment: it ends no section and is part of none."""
MOST_OFF = 3
"""Blanks by which an indent is taken for a slip wherever the line stands."""
_FARTHEST_OFF = 6
"""The same of a line that belongs to those there."""
TAB = "a tab; indent with spaces"
_KEY = re.compile(r"[ \t]*(?:- +)?(?P<key>[A-Za-z_]\w*|\d+)[ \t]*:(?=[ \t]|\Z)")


def begins_of_parts(lines: Sequence[str]) -> list[int]:
    """The indices of the lines at which parts begin."""
    begins = [at for at, line in enumerate(lines) if at == 0 or _BEGINS_PART.match(line)]
    sections: list[int] = []
    for begin, end in zip(begins, [*begins[1:], len(lines)], strict=True):
        if end - begin > _LONG:
            sections += [at for at in range(begin + 1, end) if _BEGINS_SECTION.match(lines[at])]
    return sorted([*begins, *sections])


def part_around(lines: Sequence[str], first: int, last: int) -> tuple[int, int]:
    """The lines, from an index to another, that belong together around those from the number `first` to `last`."""
    begin, end = _edge(lines, range(first - 1, -1, -1)), _edge(lines, range(last, len(lines)))
    return 0 if begin is None else begin, len(lines) if end is None else end


def _edge(lines: Sequence[str], indices: range) -> int | None:
    """The first of these lines at which a part begins, or where that is far off what has a name; None: none is."""
    section: int | None = None
    for number, at in enumerate(indices):
        if number > _LONG and section is not None:
            return section
        if _BEGINS_PART.match(lines[at]):
            return at
        if section is None and _BEGINS_SECTION.match(lines[at]):
            section = at
    return None


def key_of(text: str) -> str | None:
    """The key with which a line begins, if it is a word or a number."""
    match = _KEY.match(text)
    return match["key"] if match is not None else None


def moved(text: str, indents: Sequence[int]) -> Iterator[Repair]:
    """The line indented like others, of which `indents` are known, the nearest first."""
    content = text.lstrip(" \t")
    before = text[: len(text) - len(content)]
    tab = before.find("\t")
    if not content or content.startswith("#"):
        return
    if tab >= 0:
        yield from (Repair(tab + 1, TAB, " " * other + content) for other in indents)
        return
    if content.startswith("- "):  # its keys stand two blanks further
        indents = [*indents, *(other - 2 for other in indents if other > 1)]
    for other in sorted(set(indents) - {len(before)}, key=lambda other: (abs(other - len(before)), -other)):
        if abs(other - len(before)) <= (_FARTHEST_OFF if key_of(text) is not None else MOST_OFF):
            neighbours = f"its neighbours are by {other}" if other else "its neighbours are not indented"
            reason = f"this line is indented by {len(before)} blank{'s' * (len(before) != 1)}; {neighbours}"
            yield Repair(len(before) + 1, reason, " " * other + content)


class Surroundings:
    """The lines around those from `first` to `last` as they are now, each of which is looked at once."""

    def __init__(self, lines: Sequence[str], first: int, last: int) -> None:
        self._before = max(first - 1 - _FARTHEST, 0)
        self._lines = lines[self._before : last + _FARTHEST]
        self._indents = [_NO_INDENT if line.lstrip()[:1] in {"", "#"} else indent_of(line) for line in self._lines]
        self._keys: dict[int, str | None] = {}

    def is_item(self, number: int) -> bool:
        """Whether the line with this number can be an item of a list: one beside it is, and begins with the same key,
        or one of them with none; or it begins with a brace, as no key does."""
        at = number - 1 - self._before
        if self._lines[at].lstrip().startswith("{"):
            return True
        key = self._key(at)
        for beside in self._beside(at, self._indents[at]):
            if self._lines[beside].lstrip().startswith("- "):
                other = self._key(beside)
                return key is None or other is None or key == other
        return False

    def moved_to(self, numbers: Sequence[int], opening: int, indents: Sequence[int]) -> list[tuple[int, Repair]]:
        """The lines with these numbers indented as others are, and the one that is `opening` the section of these: that
        first if more speaks for it than for any of them."""
        own = [(number, repair) for number in numbers for repair in self.moved_in(number, indents)]
        most = max((repair.likely for _, repair in own), default=0)
        above = [(opening, repair) for repair in self.moved_in(opening, indents) if opening not in numbers]
        above.sort(key=lambda guess: -guess[1].likely)
        return [*above, *own] if above and above[0][1].likely > most else [*own, *above]

    def moved_in(self, number: int, indents: Sequence[int]) -> Iterator[Repair]:
        """The line with this number indented as others are; likely by how many lines beside it are of its section."""
        at = number - 1 - self._before
        above = next((index for index in range(at - 1, -1, -1) if self._indents[index] < _NO_INDENT), None)
        opens = above is not None and self._lines[above].rstrip().endswith(":")
        least = self._indents[above] if above is not None and opens else -1
        below = next((indent for indent in self._indents[at + 1 :] if indent < _NO_INDENT), 0)
        most = below if self._lines[at].rstrip().endswith(":") and below > self._indents[at] else _NO_INDENT
        has_tab = "\t" in self._lines[at][: self._indents[at]]
        repairs = moved(self._lines[at], sorted(indents, key=lambda indent: indent <= least))
        for repair in sorted(
            repairs, key=lambda repair: indent_of(repair.line) >= most
        ):  # what is below it stays there
            indent = indent_of(repair.line)
            likely = self._alike(at, indent)
            if likely or has_tab or abs(indent - self._indents[at]) <= MOST_OFF:
                yield repair._replace(likely=likely)

    def _alike(self, at: int, indent: int) -> int:
        """How many lines beside this one, indented by so much, are of its section; 0 where most are not."""
        key = self._key(at)
        if key is None:
            return 0
        others = Counter(self._key(beside) for beside in self._beside(at, indent))
        alike = sum(count for other, count in others.items() if other is not None and _in_one_section(key, other))
        return alike if 2 * alike > others.total() else 0

    def _beside(self, at: int, indent: int) -> Iterator[int]:
        """The lines, the nearest first, that stand in the same mapping or list as this one does where it is indented by
        so much."""
        for indices in (range(at - 1, -1, -1), range(at + 1, len(self._lines))):
            for beside in islice(indices, _FARTHEST):
                if self._indents[beside] < indent:
                    break
                if self._indents[beside] == indent:
                    yield beside

    def _key(self, at: int) -> str | None:
        if at not in self._keys:
            self._keys[at] = key_of(self._lines[at])
        return self._keys[at]


def _in_one_section(key: str, other: str) -> bool:
    return in_one_section({key, other}) or (key.isdecimal() and other.isdecimal())


def indent_of(line: str) -> int:
    """How many blanks, of whatever kind, stand at the beginning of a line."""
    return len(line) - len(line.lstrip())
