"""What the parser of YAML says, and what is said of keys that are none, in the words of the person who has written the
file.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from gateway.config.schema_walk import every_key, in_one_section, may_hold_secret

WORD_ALONE = "a ':' is missing after this word"
NO_COLON = "not YAML: a ':' is missing; write 'key: value', and put a text of several lines in quotes"
"""What is said of a text of several lines where a key was expected."""
DECIMAL_COMMA = (
    "a number with a decimal comma? Write it with a point, such as 0.5, and thousands without any sign: a ',' ends "
    "what stands before it"
)
_NAMESPACE = re.compile(r"nsu?=[^;]+", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[isgb]=[^;]+", re.IGNORECASE)
_WHOLE_NODE = re.compile(r"(?:.*;)?[isgb]=.", re.IGNORECASE)
_PARTED_SPACE = re.compile(r"node:[ \t]+(nsu?=[^\s,;{}\[\]]+),[ \t]*\Z", re.IGNORECASE)
_PARTED_REST = re.compile(r"[isgb]=(?:\$\{\w+\}|[^\s{}\[\],])+", re.IGNORECASE)
PARTED_NODE = "a ',' ends the node id, and braces do so inside brackets: write ';', and quotes around all of it"
BEHIND_NODE = "a ',' ends the node id before it; remove this, or put quotes around all of the id if this is part of it"
BY_REFERENCE = "a secret is written ${secret:NAME}"
_KEY_BEFORE = re.compile(r"(\w+):[ \t]+\Z")
NO_COMMENT = "a comment begins with '#', not with '//'"

_NO_KEY = re.compile(
    r"(?P<word>[\w.-]+)(?::(?P<no_blank>[\[{\"'])|[ \t]*(?P<sign>=>|->|:=|=)[ \t]*(?=[\[{\"']|\Z))|(?P<slashes>//)"
)
"""A key that is none: with what was to be its value, or a comment of another language."""
_WITH_VALUE = re.compile(
    r"(?!secret:)(?P<word>[\w.-]+)"
    r"(?::(?P<no_blank>(?!//)(?=\S))|[ \t]*(?P<sign>=>|->|:=|=|;|：)[ \t]*(?=\S))(?P<slashes>\Z.)?"
)
"""The same of a key that has no value."""
_NO_SIGN = re.compile(r"(?P<word>[A-Za-z_]\w*)[ \t]+(?=[\w\"'-])")
_NO_COLON = re.compile(r"(?P<word>[\w.-]+)[ \t]+(?:\{[^}]*|\[[^\]]*)\Z")
"""Brackets that end within a key are part of it: `Weight [kg]`."""
_FREE_TEXTS = frozenset({"category", "reason", "comment", "name", "description", "display_name", "product"})
"""Keys of words of people's own, in which a ',' may stand."""
_DECIMALS = re.compile(r"\d+ ?(?:[%/A-Za-z].{0,9})?")


class NoKey(NamedTuple):
    """What was not meant to be a key as it is written: what is wrong at its character `at`, from 0, and the key that
    was meant, if that can be told, with the character at which its value begins."""

    at: int
    text: str
    key: str = ""
    value: int = 0


def no_key(text: str, *, is_alone: bool, has_colon: bool, behind_text: Iterable[object] = ()) -> NoKey | None:
    """Why `text`, which stands as a key, was not meant to be one as it is written; None: it was. `is_alone`: it has no
    value, `has_colon`: but a ':' stands behind it. `behind_text`: where the value before is a text, the keys before."""
    glued = _NO_COLON.match(text)
    if glued is not None:
        return NoKey(glued.end("word"), "a ':' is missing after this word")
    match = _NO_KEY.match(text)
    meant: tuple[str, int] = ("", 0)
    if match is None and is_alone and (match := _WITH_VALUE.match(text)) is not None:
        meant = match["word"], match.end()
    if match is None:
        match = None if has_colon else _NO_SIGN.match(text)
        if match is None or match["word"] not in every_key():
            return None
        if _FREE_TEXTS & {*behind_text} and not in_one_section({match["word"], *behind_text}):
            return NoKey(0, "a text with a ',' in it needs quotes")
        return NoKey(match.end("word"), "a ':' is missing after this word", match["word"], match.end())
    if match["slashes"]:
        return NoKey(0, NO_COMMENT)
    if match["sign"]:
        return NoKey(match.start("sign"), f"write ':' in the place of '{match['sign']}'", *meant)
    return NoKey(match.end("word"), "a blank is missing after this ':'", *meant)


def of_value(text: str, index: int, said: str) -> str:
    """What is said of a line in which the parser stopped at `index`: of a secret, how one is written."""
    key = _KEY_BEFORE.search(text[:index])
    is_secret = key is not None and may_hold_secret(key[1]) and text[index : index + 1] in {"%", "@", "`"}
    return f"{BY_REFERENCE}; one that stands here itself needs quotes" if is_secret else said


def wrong_type(key: object) -> str:
    """What is said of a key that is neither text nor a whole number."""
    if isinstance(key, float) and key.is_integer():
        return f"a key is text or a whole number: write {key:.0f}"
    if isinstance(key, list):
        return "a key is text or a whole number; write a line for each of these"
    return "a key is text or a whole number; put other keys in quotes"


def decimals(text: str, before: str) -> str | None:
    """The number, with a point and with what is behind it, that was cut in two by its decimal comma, so that `text`
    stands as a key without a value behind the value `before`; None: there is none."""
    if _DECIMALS.fullmatch(text) is None or re.fullmatch(r"[-+]?\d*", before) is None:
        return None
    return f"{before or 0}.{text}"


def parted_node(text: str, begin: int) -> tuple[int, int, str] | None:
    """Of a line that has, from `begin` on, the last part of a node id with braces in it, and before that its namespace
    with a ',' behind it: from where to where that is, and the id that was meant; None: it is no such line."""
    space, rest = _PARTED_SPACE.search(text[:begin]), _PARTED_REST.match(text, begin)
    return (space.start(1), rest.end(), f"{space[1]};{rest[0]}") if space is not None and rest is not None else None


def is_node_parted(before: str, key: str) -> bool:
    """Whether `before` and `key` are the two parts of a node id that has a ',' where its ';' belongs. Behind a node id
    that is whole stands something else: put together, the two could be the id of another node."""
    return _NAMESPACE.fullmatch(before) is not None and _IDENTIFIER.fullmatch(key) is not None


def is_behind_node(before: str, key: str) -> bool:
    """Whether `before` is a node id that is whole, and `key` what could be the last part of one. A ':' in the place of
    its '=' would make no known key of it."""
    is_whole = _WHOLE_NODE.match(before) is not None or "${" in before
    return is_whole and _IDENTIFIER.fullmatch(key) is not None


def what_of_tag(tag: str) -> str:
    """What is said of a `tag` of YAML, by what other programs mean by it."""
    word = tag.strip("!<>").casefold()
    if word.startswith(("secret", "env", "vault")):
        return f"{BY_REFERENCE}, and not by a tag ('!{word}')" if word.isidentifier() else _TAGS
    if word.startswith("include"):
        return "another file is named under `include` at the top, and not by a tag ('!include')"
    return _TAGS


_TAGS = "tags (words that begin with '!') mean nothing here; put the text in quotes"


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
