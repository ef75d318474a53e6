"""Where a line of YAML has quotes, brackets and a comment, and where a bracket of it may be missing.

Which keys a section can have says at which of several places it is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from gateway.config.schema_walk import every_key, may_stand_below

_CLOSERS = {"{": "}", "[": "]"}
_BEFORE_TOKEN = frozenset(" \t[{,:-")
_DOUBTFUL = re.compile(r",[ \t]|[ \t]#")
"""In quotes: the quote may have been meant to end before this."""
STRAIGHT = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_BEGINS = re.compile(r"(?:(?P<key>[A-Za-z_]\w*):|-)[ \t]+(?=(?P<inner>[A-Za-z_]\w*):[ \t])")
"""What stands before a section in brackets of which the first is missing."""
_NEXT = re.compile(r",[ \t]*(?P<key>[A-Za-z_]\w*):[ \t]")
_SECTION = re.compile(r"(?P<key>[A-Za-z_]\w*):[ \t]+\{[ \t]*(?P<first>[A-Za-z_]\w*):[ \t](?P<rest>[^{}]*)")
"""A section in brackets, as far as it has none in it."""


class Repair(NamedTuple):
    """A line that may have been meant; `column` (from 1) and `text` say what is wrong with the one that is there.

    `unsure` is the column in `line` of a value that may be more than one thing; 0: there is none.
    """

    column: int
    text: str
    line: str
    unsure: int = 0
    likely: int = 0
    """How much speaks for it beside others of its kind."""


@dataclass(frozen=True, slots=True)
class Line:
    """Where a line has quotes that may not be closed as they were meant, its comment, and its brackets without an end.

    `open_quote`: the last of the quotes is not closed. `flow`: it has brackets at all.
    """

    text: str
    quotes: tuple[int, ...]
    open_quote: bool
    comment: int | None
    brackets: str
    flow: bool


def scan(text: str) -> Line:
    """The parts of `text`, a line that begins outside of quotes and brackets."""
    quote: int | None = None
    quotes: list[int] = []
    brackets: list[str] = []
    comment: int | None = None
    flow = False
    at = 0
    while at < len(text) and comment is None:
        character, before = text[at], text[at - 1] if at else " "
        if quote is not None:
            if character == "\\" and text[quote] == '"':
                at += 1
            elif character == text[quote]:
                if character == "'" and text.startswith("''", at):
                    at += 1
                else:
                    if _DOUBTFUL.search(text, quote, at):
                        quotes.append(quote)
                    quote = None
        elif character in "\"'" and before in _BEFORE_TOKEN:
            quote = at
        elif character == "#" and before in " \t":
            comment = at
        elif character in _CLOSERS and (brackets or before in _BEFORE_TOKEN):
            brackets.append(character)
            flow = True
        elif brackets and character == _CLOSERS[brackets[-1]]:
            brackets.pop()
        at += 1
    if quote is not None:
        quotes.append(quote)
    return Line(text, tuple(quotes), quote is not None, comment, "".join(brackets), flow)


def opened_bracket(line: Line) -> Iterator[Repair]:
    """The line with a '{' where a section begins without one and ends with its '}'."""
    plain = STRAIGHT.sub(lambda match: "\0" * len(match[0]), line.text)[: line.comment]
    if plain.count("}") - plain.count("{") != 1:
        return
    for match in _BEGINS.finditer(plain):
        at = match.end()
        if may_stand_below(match["key"], match["inner"]) if match["key"] else match["inner"] in every_key():
            yield Repair(at + 1, "a '{' is missing before this", f"{line.text[:at]}{{{line.text[at:]}")


def closed_brackets(line: Line) -> Iterator[Repair]:
    """The line with the brackets closed that it leaves open: before a key that cannot stand in the section that is, or
    at its end; or with what was taken for a comment as a part of it."""
    text, missing = line.text, missing_brackets(line)
    if line.comment is not None:
        reason = "' #' begins a comment, so that the rest of this line is not read; put the text in quotes"
        yield Repair(line.comment + 1, reason, f"{text[: line.comment]}_{text[line.comment + 1 :]}")
    plain = STRAIGHT.sub(lambda match: "\0" * len(match[0]), text)[: line.comment]
    for section in _SECTION.finditer(plain) if missing == "}" else ():
        begin = section.start("rest")
        key, keys = section["key"], _NEXT.finditer(section["rest"])
        foreign = (other for other in keys if not may_stand_below(key, other["key"]))
        other = next(foreign, None) if may_stand_below(key, section["first"]) else None
        if other is not None:
            at = begin + other.start()
            yield Repair(at + 1, "a '}' is missing before this", f"{text[:at]}}}{text[at:]}")
    end = len(text[: line.comment].rstrip())
    reason = f"a closing bracket is missing: '{missing}'"
    yield Repair(end + 1, reason, f"{text[:end]}{missing}{text[end:]}")


def missing_brackets(line: Line) -> str:
    """What closes the brackets of a line."""
    return "".join(_CLOSERS[bracket] for bracket in reversed(line.brackets))
