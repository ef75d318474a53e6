"""Where in its file a character of a single value stands: the value may be in quotes, have escapes in them, go over
several lines, or be a cell of a table.

The value is known, and what is written is followed along it, so that nothing is guessed: where something else is
written than the value, as in a line that was mended, nobody can tell.
"""

import re

_PROPERTIES = re.compile(r"(?:[&!]\S*[ \t]+)*")
"""An anchor or a tag before the value."""
_LINE = r"(?:\r\n|\n|\r)"
_FOLD = rf"(?P<fold>[ \t]*(?:{_LINE}[ \t]*)+)"
_ESCAPED_BREAKS = re.compile(rf"(?:\\{_LINE}[ \t]*)*")
_IN_QUOTES = {
    '"': re.compile(
        rf"{_ESCAPED_BREAKS.pattern}(?:{_FOLD}"
        r"|\\(?:x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|(?P<escape>[^xuU\r\n]))"
        r"|(?P<plain>[^\\\"]))"
    ),
    "'": re.compile(rf"{_FOLD}|(?P<plain>')'|(?P<same>[^'])"),
}
_PLAIN = re.compile(rf"{_FOLD}|(?P<plain>.)", re.DOTALL)
_CELL = re.compile(r"(?P<plain>\")\"|(?P<same>[^\"])")
_PLAIN_CELL = re.compile(r"(?P<plain>.)", re.DOTALL)
_BLOCK_HEAD = re.compile(rf"[|>][^\r\n]*{_LINE}(?P<empty>(?:[ ]*{_LINE})*)(?P<indent>[ ]*)")
_ESCAPES = {
    **dict(zip("0abtnvfre", "\0\a\b\t\n\v\f\r\x1b", strict=True)),
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
    "\t": "\t",
}
"""What stands behind a backslash in double quotes -> what is meant, where that is another character."""


def index_of(text: str, begin: int, value: str, at: int, *, in_table: bool = False) -> int | None:
    """The index in `text`, the content of a file, of the character `at` of `value`, which is written from the index
    `begin` on; None where something else is written there."""
    here = begin
    if in_table:
        token = _PLAIN_CELL
        if text[here : here + 1] == '"':
            token, here = _CELL, here + 1
        else:
            here += len(text[here:]) - len(text[here:].lstrip(" \t"))
        return _followed(text, here, value, at, token)
    properties = _PROPERTIES.match(text, here)
    here = properties.end() if properties is not None else here
    sign = text[here : here + 1]
    if sign in {"|", ">"}:
        return _in_block(text, here, value, at)
    if sign in _IN_QUOTES:
        return _followed(text, here + 1, value, at, _IN_QUOTES[sign])
    return _followed(text, here, value, at, _PLAIN)


def _followed(text: str, here: int, value: str, at: int, token: re.Pattern[str]) -> int | None:
    done = 0
    while done < at:
        match = token.match(text, here)
        if match is None:
            return None
        said = _said(match)
        if not value.startswith(said, done):
            return None
        done, here = done + len(said), match.end()
    if token is _IN_QUOTES['"'] and (breaks := _ESCAPED_BREAKS.match(text, here)) is not None:
        here = breaks.end()
    return here if done == at else None


def _said(match: re.Match[str]) -> str:
    """What one character, or the end of a line, that is written in a text on one level stands for."""
    kind = match.lastgroup or ""
    written = match[kind]
    if kind == "fold":
        breaks = written.replace("\r\n", "\n").replace("\r", "\n").count("\n")
        return "\n" * (breaks - 1) or " "
    if kind in {"x", "u", "U"}:
        return chr(int(written, 16)) if int(written, 16) <= 0x10FFFF else ""
    return _ESCAPES.get(written, written) if kind == "escape" else written


def _in_block(text: str, here: int, value: str, at: int) -> int | None:
    """The same for a value that is written in lines of its own, below a '|' or '>'."""
    head = _BLOCK_HEAD.match(text, here)
    if head is None:
        return None
    first = value.lstrip("\n")
    indent = len(head["indent"]) - (len(first) - len(first.lstrip(" ")))
    ends = re.compile(rf"(?:{_LINE}[ ]{{0,{indent}}})+") if indent > 0 else None
    if ends is None:
        return None
    done, here = len(value) - len(first), head.end() - len(head["indent"]) + indent
    while done < at:
        end = ends.match(text, here)
        if end is None:
            if text[here : here + 1] != value[done]:
                return None
            done, here = done + 1, here + 1
            continue
        breaks = len(re.findall(_LINE, end[0]))
        said = len(value) - done - len(value[done:].lstrip("\n"))
        if breaks == 1 and value[done] == " ":  # folded
            done += 1
        elif said >= breaks - 1 and said:
            done += min(said, breaks)
        else:
            return None
        here = end.end()
    return here if done == at else None
