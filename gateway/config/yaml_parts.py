"""The parts of a YAML file that can be looked through by themselves, so that a large one takes no longer for each
mistake: what begins at the left edge, the items of the lists there, and where one of these is long what has a name in
it, such as a template."""

import re
from collections.abc import Sequence

_BEGINS_PART = re.compile(r" {0,4}- |[^\s#%}\]]")
_BEGINS_SECTION = re.compile(r"  [^\s#\-{}\[\],:][^{}\[\],:]*:[ \t]*(?:#.*)?\Z")
_LONG = 400
"""Lines of a part that is looked through by what has a name in it."""


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
