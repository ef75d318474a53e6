"""What the parser of YAML says, and what is said of keys that are none, in the words of the person who has written the
file.
"""

import re

NO_COLON = "not YAML: a ':' is missing; write 'key: value', and put a text of several lines in quotes"
"""What is said of a text of several lines where a key was expected."""
NO_COMMENT = "a comment begins with '#', not with '//'"

_NO_KEY = re.compile(
    r"(?P<word>[\w.-]+)(?::(?P<no_blank>[\[{\"'])|[ \t]*(?P<sign>=>|->|:=|=)[ \t]*(?=[\[{\"']|\Z))|(?P<slashes>//)"
)
"""A key that is none: with what was to be its value, or a comment of another language."""
_WITH_VALUE = re.compile(
    r"(?!secret:)(?P<word>[\w.-]+)(?::(?P<no_blank>(?!//)\S)|[ \t]*(?P<sign>=>|->|:=|=)(?=[ \t]*\S))(?P<slashes>\Z.)?"
)
"""The same of a key that has no value."""


def no_key(text: str, *, is_alone: bool) -> tuple[int, str] | None:
    """Where `text`, which stands as a key, was not meant to be one as it is written, and what is wrong there.
    `is_alone`: it has no value."""
    match = _NO_KEY.match(text) or (_WITH_VALUE.match(text) if is_alone else None)
    if match is None:
        return None
    if match["slashes"]:
        return 0, NO_COMMENT
    if match["sign"]:
        return match.start("sign"), f"write ':' in the place of '{match['sign']}'"
    return match.end("word"), "a blank is missing after this ':'"


def meant_by(problem: str) -> str:
    """What to do about `problem`, ruamel's message. Its own words are not passed on: they repeat parts of the file."""
    return next(hint for part, hint in _HINTS if part in problem)


_HINTS = (
    (
        "mapping values are not allowed",
        "no ':' can stand here; indent this line like its neighbours, or put a text with ': ' in quotes",
    ),
    ("could not find expected ':'", NO_COLON.removeprefix("not YAML: ")),
    ("unexpected end of stream", "the quote that is opened here is never closed"),
    (
        "expected <block end>",
        "this line does not fit; indent it like its neighbours, and look here or in the line before for a missing "
        "quote, ',' or ':'",
    ),
    (
        "expected ',' or",
        "a ',' or a closing bracket is missing before this; inside brackets, text with any of []{}, in it needs quotes",
    ),
    ("expected alphabetic or numeric", "a text that begins with '*' or '&' needs quotes"),
    ("cannot start any token", "no value begins with this character; put it in quotes"),
    ("escape", "after a backslash in double quotes only certain letters may follow; use single quotes instead"),
    ("", "this does not fit what stands before it; look at indentation, quotes and brackets"),
)
"""Part of ruamel's message -> what to do."""
