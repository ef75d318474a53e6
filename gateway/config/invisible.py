"""Characters that look like others, or like nothing, and make another word of a word: what they are called, and where
they stand.
"""

import re
import unicodedata
from collections.abc import Iterator

BLANKS = frozenset("\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000")
"""They look like blanks and are none."""

_NOTHING = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a-\u202e"
_MORE = "\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
INVISIBLE = re.compile(rf"[{''.join(sorted(BLANKS))}{_NOTHING}{_MORE}]")
"""One character that looks like a blank or like nothing."""

_NAMES = {
    "\u00a0": "a no-break space",
    "\u00ad": "a soft hyphen",
    "\u200b": "a zero width space",
    "\ufeff": "a byte order mark",
}
_JOINERS = frozenset("\u200c\u200d" + "".join(map(chr, range(0xFE00, 0xFE10))))
_NO_PROSE = re.compile(r"[<>=&|;/]")
_THOUSANDS = re.compile(r"(?<=\d)[^\S ](?=\d{3}(?!\d))")
_LATIN_LIKE = str.maketrans("АВЕКМНОРСТУХЅІЈаеорсухѕіјΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEKMHOPCTYXSIJaeopcyxsijABEZHIKMNOPTYXo")
"""Letters of Cyrillic and Greek -> what they look like."""
_LOOKS_LATIN = re.compile(f"[{''.join(map(chr, _LATIN_LIKE))}]")
_ONLY_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_ONLY_FOREIGN = re.compile(r"[\u0370-\u052f]")
_BESIDE_DIGITS = re.compile(r"(?<=\d)[OoIl]|[OoIl](?=\d)")
_DIGIT_LIKE = {"O": "0", "o": "0", "I": "1", "l": "1"}
_LATIN = re.compile(r"[\x00-\u024f]*\Z")


WIDE = {"：": ":", "，": ",", "、": ",", "｛": "{", "｝": "}", "［": "[", "］": "]", "＂": '"', "＇": "'", "＃": "#"}
"""Signs of Chinese and Japanese keyboards, and what they look like and are not."""


QUOTES = "“”„‟«»‹›‘’‚‛＂＇"
"""Quotes of text programs, which open and close in every way that some language has."""
CURLY_QUOTES = 'these curly quotes are part of the text; write straight ones ("), or none'


TYPESET = {"–": "-", "—": "-", "−": "-", "‐": "-", "\u2011": "-", "ﬁ": "fi", "ﬂ": "fl", "ﬀ": "ff", "…": "..."}
"""What text programs and PDFs put in the place of what was typed."""


def in_curly_quotes(text: str) -> bool:
    """Whether somebody has put `text` in quotes that are none in this file."""
    return len(text) > 1 and text[0] in QUOTES and text[-1] in QUOTES


def name_of(character: str) -> str:
    """What a character is called, with its number: `a no-break space (U+00A0)`."""
    name = unicodedata.name(character, "a character").lower()
    if character in WIDE or character in TYPESET:
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name} (U+{ord(character):04X})"
    return f"{_NAMES.get(character, f'an invisible character, {name}')} (U+{ord(character):04X})"


def foreign_letter(text: str) -> str | None:
    """Where a letter of `text` looks like one of ours and is none, as the Cyrillic a does: which one that is."""
    match = _LOOKS_LATIN.search(text)
    return None if match is None else f"{match[0]!r} is a {unicodedata.name(match[0]).lower()} (U+{ord(match[0]):04X})"


def looks_like(text: str) -> str:
    """`text` as people see it: letters of other writings as those that they look like, a letter between digits as the
    digit, whole letters with their accents."""
    text = unicodedata.normalize("NFKC", text).translate(_LATIN_LIKE)
    return _BESIDE_DIGITS.sub(lambda match: _DIGIT_LIKE[match[0]], text)


def mixed_letter(text: str) -> str | None:
    """Which letter of a word in `text` looks like one of ours among others of ours, and is none: `foreign_letter`."""
    for word in re.findall(r"[^\W\d_]+", text):
        foreign = _ONLY_FOREIGN.findall(word)
        if _ONLY_LATIN.search(word) and foreign and all(_LOOKS_LATIN.match(letter) for letter in foreign):
            return foreign_letter(word)
    return None


def invisible_in(text: str, *, is_number: bool = False) -> Iterator[tuple[int, bool]]:
    """The index of each invisible character of `text`, and whether it may be meant.

    A joiner is meant in writings and signs that need it. A blank of another kind between words of a text can be a
    matter of typography, as before a French colon; in an address, a condition or what is a number it is none.
    """
    for match in INVISIBLE.finditer(text):
        character = match[0]
        if character in _JOINERS and not _LATIN.match(text.replace(character, "")):
            continue
        inner = character in BLANKS and text[: match.start()].strip() != "" and text[match.end() :].strip() != ""
        yield match.start(), inner and not is_number and not _NO_PROSE.search(text)


def without_invisible(text: str) -> str:
    """`text` as it was meant: blanks of another kind are blanks, and what shows nothing is gone."""
    text = _THOUSANDS.sub("", text) if text[:1].isdigit() else text
    return INVISIBLE.sub(lambda match: " " if match[0] in BLANKS else "", text).strip()
