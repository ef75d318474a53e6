"""JSON that people write: where each value of it stands, and in plain words what is wrong where it is none."""

import json
import re
from collections.abc import Mapping
from typing import Any

from gateway.config.invisible import INVISIBLE, QUOTES, name_of
from gateway.config.tree import quoted

Way = tuple[str | int | None, ...]
"""The names, and the numbers of elements, on the way to a value; with None behind it, the name of the value itself."""

Places = Mapping[Way, int]
"""The index in a text at which each value, and each name, begins."""

_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+)')
_BLANKS = " \t\r\n"
_NO_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})
_WORDS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false", "None": "null", "NULL": "null"}
_ENDS = "the file ends before all brackets are closed: a '}' or ']' is missing"


class JsonFlaw(ValueError):
    """A text is no JSON; `at` is the index of the character where, and the message what is wrong and what is right."""

    def __init__(self, at: int, text: str) -> None:
        self.at = at
        super().__init__(text)


def read_json(text: str) -> tuple[Any, Places]:
    """What `text` says, and where it stands. Raises JsonFlaw where it is no JSON
    or says a name twice, RecursionError where it is nested too deeply."""
    try:
        return json.loads(text), places_of(text)
    except json.JSONDecodeError as error:
        raise _flaw(text, error) from None


def places_of(text: str) -> Places:
    """Where everything stands in `text`, which is JSON."""
    places: dict[Way, int] = {}
    way: list[str | int] = []
    """The name or number that is on in each of the brackets that are open."""
    is_name = False
    for token in _TOKEN.finditer(text):
        sign, at = token[0], token.start()
        match sign:
            case "{" | "[":
                places[tuple(way)] = at
                way.append("" if sign == "{" else 0)
                is_name = sign == "{"
            case "}" | "]":
                way.pop()
            case ",":
                last = way[-1]
                is_name = isinstance(last, str)
                way[-1] = last if isinstance(last, str) else last + 1
            case ":":
                is_name = False
            case _ if is_name:
                way[-1] = str(json.loads(sign))
                if (*way, None) in places:
                    raise JsonFlaw(at, f"the name {quoted(way[-1])} is there already: keep one of them")
                places[(*way, None)] = at
            case _:
                if sign in _NO_NUMBERS:
                    raise JsonFlaw(at, f"{sign} is no number of JSON")
                places[tuple(way)] = at
    return places


def _flaw(text: str, error: json.JSONDecodeError) -> JsonFlaw:
    """What is wrong where the library could read no further."""
    at, before, rest = error.pos, text[: error.pos].rstrip(_BLANKS), text[error.pos :]
    blank = len(rest) - len(rest.lstrip(_BLANKS))
    if error.msg.startswith("Invalid control character"):
        sign = "\\t for a tab" if rest[:1] == "\t" else "\\n for a line break"
        return JsonFlaw(at, f"this cannot stand in a text: a quote is missing before it, or write {sign}")
    if error.msg.startswith("Invalid \\"):
        return JsonFlaw(at, r'a backslash is written twice in a text, as in "\\d+"')
    if error.msg.startswith("Unterminated"):
        return JsonFlaw(at, "the quote that is opened here is never closed")
    at, rest = at + blank, rest[blank:]
    word = re.match(r"[^\s{}\[\],:\"]*", rest)
    return _of_what_stands(at, before, rest, word[0] if word else "") or JsonFlaw(at, _of_what_is_missing(error, rest))


def _of_what_stands(at: int, before: str, rest: str, word: str) -> JsonFlaw | None:
    """What is wrong by what stands there; None where that is nothing in itself."""
    sign = rest[:1]
    if not rest:
        return JsonFlaw(at, _ENDS if before else "nothing is written here")
    if INVISIBLE.match(sign):
        return JsonFlaw(at, f"{name_of(sign)} stands here; delete it, or type a blank")
    if rest.startswith(("//", "/*", "#")):
        return JsonFlaw(at, 'JSON has no comments: remove this, or write "$comment": "..."')
    if sign in QUOTES:
        return JsonFlaw(at, 'curly quotes; write straight ones (")')
    if sign == "'":
        return JsonFlaw(at, 'names and texts stand in double quotes (")')
    if not before and sign not in "{[" and re.match(r"[\w$]+\s*:|---|<", rest):
        return JsonFlaw(at, "this is another language: a JSON Schema is JSON, and begins with '{'")
    if before.endswith(",") and sign in "}],":
        return JsonFlaw(len(before) - 1, "one ',' too many")
    decimal = re.search(r"(?<![\w.])(\d+),\Z", before)
    if decimal is not None and (digits := re.match(r"\d+", rest)):
        meant = f"{decimal[1]}.{digits[0]}"
        return JsonFlaw(decimal.start(), f"a decimal comma: write the number with a point, {meant}")
    if word in _WORDS:
        return JsonFlaw(at, f"write {_WORDS[word]}, in small letters")
    if re.fullmatch(r"[-+]?\.\d+|\+\d[\d.]*|0\d+", word) or (before.endswith("0") and sign.isdigit()):
        return JsonFlaw(at, "a number begins with one digit before its point, and without '+' and noughts: 0.5")
    return None


def _of_what_is_missing(error: json.JSONDecodeError, rest: str) -> str:
    """What is wrong by what must stand there."""
    word = re.match(r"[^\s{}\[\],:\"]+", rest)
    if error.msg.startswith("Expecting property name"):
        return f'a name stands in double quotes: "{word[0]}"' if word else "a name in double quotes must stand here"
    if error.msg.startswith("Expecting ':'"):
        instead = f"write ':' in the place of '{rest[0]}'" if rest[0] in "=;" else "a ':' is missing behind this name"
        return instead.replace("behind this name", "before this, behind the name")
    if error.msg.startswith("Expecting ','"):
        return f"a ',' is missing before this{', or a bracket is of the wrong kind' if rest[0] in '}]' else ''}"
    if error.msg.startswith("Extra data"):
        return f"one '{rest[0]}' too many" if rest[0] in "}],:" else "what stands before this is whole: remove the rest"
    return f'a text stands in double quotes: "{word[0]}"' if word else "a value is missing here"
