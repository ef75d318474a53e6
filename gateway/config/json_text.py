"""JSON that people write: where each value of it stands, and in plain words what is wrong where it is none."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
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
    """A text is no JSON; `at` is the index of the character where, and the message what is wrong and what is right.

    `mends` are what to put in the place of which characters, from the one index to the other, so that what is behind
    can be read as well; without any that is not known.
    """

    def __init__(self, at: int, text: str, *mends: tuple[int, int, str]) -> None:
        self.at, self.mends = at, mends
        super().__init__(text)


class JsonFlaws(ValueError):
    """A text is no JSON: all `flaws` that could be found, in their order. `mended` is what was most likely meant; None:
    that is not known."""

    def __init__(self, flaws: Sequence[JsonFlaw], mended: "Mended | None") -> None:
        self.flaws, self.mended = flaws, mended
        super().__init__(str(flaws[0]))


class Mended:
    """A text in which mistakes were mended."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._moves: list[tuple[int, int, int]] = []
        """From which index to which something was put in, and how many characters that are more than there were."""

    def mend(self, begin: int, end: int, instead: str) -> None:
        """Put something in the place of the characters from `begin` to `end`."""
        self.text = f"{self.text[:begin]}{instead}{self.text[end:]}"
        self._moves.append((begin, begin + len(instead), len(instead) - (end - begin)))

    def before(self, index: int) -> int:
        """Where the character at `index` stood in the text as it was written."""
        for begin, end, more in reversed(self._moves):
            index = index - more if index >= end else min(index, begin)
        return index


def read_json(text: str) -> tuple[Any, Places]:
    """What `text` says, and where it stands. Raises JsonFlaw where it is no JSON
    or says a name twice, RecursionError where it is nested too deeply."""
    try:
        return json.loads(text), places_of(text)
    except json.JSONDecodeError as error:
        raise _flaw(text, error) from None


def read_all(text: str) -> tuple[Any, Places]:
    """The same. Raises JsonFlaws with all that is wrong as far as it can be told: what is behind a mistake is looked at
    with that mended."""
    mended, flaws = Mended(text), list[JsonFlaw]()
    while len(flaws) < MOST_FLAWS:
        try:
            found = read_json(mended.text)
        except JsonFlaw as flaw:
            flaws.append(JsonFlaw(mended.before(flaw.at), str(flaw)))
            if not flaw.mends:
                raise JsonFlaws(flaws, None) from None
            for begin, end, instead in sorted(flaw.mends, reverse=True):
                mended.mend(begin, end, instead)
        else:
            if flaws:
                raise JsonFlaws(flaws, mended)
            return found
    raise JsonFlaws(flaws, None)


MOST_FLAWS = 50
"""Mistakes of one text that are told in one run."""


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
    at = error.pos + error.msg.startswith("Illegal trailing comma")  # where that stands, Python says from 3.13 on
    before, rest = text[:at].rstrip(_BLANKS), text[at:]
    blank = len(rest) - len(rest.lstrip(_BLANKS))
    if error.msg.startswith("Invalid control character"):
        is_tab = rest[:1] == "\t"
        sign = "\\t for a tab" if is_tab else "\\n for a line break"
        mend = (at, at + 1, " ") if is_tab else (at, at, '",' if rest.lstrip(_BLANKS)[:1] == '"' else '"')
        return JsonFlaw(at, f"this cannot stand in a text: a quote is missing before it, or write {sign}", mend)
    if error.msg.startswith("Invalid \\"):
        return JsonFlaw(at, r'a backslash is written twice in a text, as in "\\d+"', (at, at, "\\"))
    if error.msg.startswith("Unterminated"):
        return JsonFlaw(at, "the quote that is opened here is never closed")
    at, rest = at + blank, rest[blank:]
    word = re.match(r"[^\s{}\[\],:\"]*", rest)
    stands = _of_what_stands(at, before, rest, word[0] if word else "")
    return stands or JsonFlaw(at, _of_what_is_missing(error, rest), *_missing(error, at, rest, word[0] if word else ""))


def _missing(error: json.JSONDecodeError, at: int, rest: str, word: str) -> Iterator[tuple[int, int, str]]:
    """What to put where something must stand that does not."""
    if error.msg.startswith("Expecting ':'"):
        yield (at, at + 1, ":") if rest[0] in "=;" else (at, at, ":")
    elif error.msg.startswith("Expecting ','") and rest[0] not in "}]":
        yield (at, at + 1, ",") if rest[0] == ";" else (at, at, ",")
    elif error.msg.startswith(("Expecting property name", "Expecting value")) and word:
        yield at, at + len(word), json.dumps(word)
    elif error.msg.startswith("Expecting value"):
        yield at, at, "null"


def _of_what_stands(at: int, before: str, rest: str, word: str) -> JsonFlaw | None:
    """What is wrong by what stands there; None where that is nothing in itself."""
    sign = rest[:1]
    if not rest:
        return JsonFlaw(at, _ENDS if before else "nothing is written here")
    if INVISIBLE.match(sign):
        return JsonFlaw(at, f"{name_of(sign)} stands here; delete it, or type a blank", (at, at + 1, " "))
    if rest.startswith(("//", "/*", "#")):
        comment = re.match(r"/\*.*?\*/|(?://|#)[^\r\n]*", rest, re.DOTALL)
        mends = [(at, at + comment.end(), "")] if comment is not None else []
        return JsonFlaw(at, 'JSON has no comments: remove this, or write "$comment": "..."', *mends)
    if sign in QUOTES:
        return JsonFlaw(at, 'curly quotes; write straight ones (")', *_quotes(at, rest, f'[{QUOTES}"]'))
    if sign == "'":
        return JsonFlaw(at, 'names and texts stand in double quotes (")', *_quotes(at, rest, "'"))
    if not before and sign not in "{[" and re.match(r"[\w$]+\s*:|---|<", rest):
        return JsonFlaw(at, "this is another language: a JSON Schema is JSON, and begins with '{'")
    if before.endswith(",") and sign in "}],":
        return JsonFlaw(len(before) - 1, "one ',' too many", (len(before) - 1, len(before), ""))
    decimal = re.search(r"(?<![\w.])(\d+),\Z", before)
    if decimal is not None and (digits := re.match(r"\d+", rest)):
        meant = f"{decimal[1]}.{digits[0]}"
        text = f"a decimal comma: write the number with a point, {meant}"
        return JsonFlaw(decimal.start(), text, (len(before) - 1, len(before), "."))
    if word in _WORDS:
        return JsonFlaw(at, f"write {_WORDS[word]}, in small letters", (at, at + len(word), _WORDS[word]))
    if re.fullmatch(r"[-+]?\.\d+|\+\d[\d.]*|0\d+", word) or (before.endswith("0") and sign.isdigit()):
        text = "a number begins with one digit before its point, and without '+' and noughts: 0.5"
        begin = at - 1 if before.endswith("0") and sign.isdigit() else at
        return JsonFlaw(at, text, (begin, at + len(word), "1"))
    return None


def _quotes(at: int, rest: str, closing: str) -> Iterator[tuple[int, int, str]]:
    """Straight quotes in the place of the one with which `rest` begins, at `at`, and of the one that closes it in its
    line."""
    line = re.split(r"[\r\n]", rest, maxsplit=1)[0]
    end = re.search(closing, line[1:])
    if end is not None:
        yield at, at + 1, '"'
        yield at + 1 + end.start(), at + 1 + end.end(), '"'


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
