"""What stands beside a line of YAML, and whether the line belongs there, by the keys that sections have."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from gateway.config.schema_walk import in_one_section
from gateway.config.yaml_lines import Repair

_FARTHEST = 400
"""Lines that are looked through in each direction."""
MOST_OFF = 3
"""Blanks by which an indent is taken for a slip wherever the line stands."""
_FARTHEST_OFF = 6
"""The same of a line that belongs to those there."""
_KEY = re.compile(r"[ \t]*(?:- +)?(?P<key>[A-Za-z_]\w*)[ \t]*:(?=[ \t]|\Z)")


def key_of(text: str) -> str | None:
    """The key with which a line begins, if it is a word."""
    match = _KEY.match(text)
    return match["key"] if match is not None else None


def is_item(lines: Sequence[str], number: int) -> bool:
    """Whether the line with this number can be an item of a list: one beside it is, and begins with the same key, or
    one of them with none."""
    key = key_of(lines[number - 1])
    for beside in _beside(lines, number, _indent(lines[number - 1])):
        if beside.lstrip().startswith("- "):
            other = key_of(beside)
            return key is None or other is None or key == other
    return False


def belongs(lines: Sequence[str], number: int, indent: int) -> bool:
    """Whether most lines beside the one with this number, indented by so much, are of its section."""
    key = key_of(lines[number - 1])
    if key is None:
        return False
    others = [key_of(line) for line in _beside(lines, number, indent)]
    alike = [other for other in others if other is not None and in_one_section({key, other})]
    return 2 * len(alike) > len(others)


def moved(text: str, indents: Sequence[int]) -> Iterator[Repair]:
    """The line indented like others, of which `indents` are known, the nearest first."""
    content = text.lstrip(" \t")
    before = text[: len(text) - len(content)]
    tab = before.find("\t")
    if not content or content.startswith("#"):
        return
    if tab >= 0:
        yield from (Repair(tab + 1, "a tab; indent with spaces", " " * other + content) for other in indents)
        return
    if content.startswith("- "):  # its keys stand two blanks further
        indents = [*indents, *(other - 2 for other in indents if other > 1)]
    for other in sorted(set(indents) - {len(before)}, key=lambda other: (abs(other - len(before)), -other)):
        if abs(other - len(before)) <= (_FARTHEST_OFF if key_of(text) is not None else MOST_OFF):
            reason = f"this line is indented by {len(before)} blanks; its neighbours are by {other}"
            yield Repair(len(before) + 1, reason, " " * other + content)


def moved_in(lines: Sequence[str], number: int, indents: Sequence[int]) -> Iterator[Repair]:
    """The line with this number indented as others are; likely where most lines beside it are then of its section."""
    above = next((line for line in reversed(lines[: number - 1]) if line.strip()), "")
    least = _indent(above) if above.rstrip().endswith(":") else -1
    own = _indent(lines[number - 1])
    for repair in moved(lines[number - 1], sorted(indents, key=lambda indent: indent <= least)):
        indent = _indent(repair.line)
        likely = belongs(lines, number, indent)
        if likely or abs(indent - own) <= MOST_OFF:
            yield repair._replace(likely=likely)


def _beside(lines: Sequence[str], number: int, indent: int) -> Iterator[str]:
    """The lines, the nearest first, that stand in the same mapping or list as the line with this number does where it
    is indented by so much."""
    for indices in (range(number - 2, -1, -1), range(number, len(lines))):
        for line in (lines[at] for at in islice(indices, _FARTHEST)):
            if line.strip() and _indent(line) < indent:
                break
            if line.strip() and _indent(line) == indent:
                yield line


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
