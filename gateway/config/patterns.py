"""Regular expressions that somebody has written, and that are looked for in whatever comes. Pure."""

import re

MOST_REPEATS = 3
"""How many parts of a pattern can be repeated: the time that it takes grows with that power of the text's length."""

_REPEAT = re.compile(r"(?<!\\)(?:\\\\)*((?:\[(?:\\.|[^\]\\])*\]|\\.|[^\\]))([*+]|\{\d*,?\d*\})")
_FIXED = re.compile(r"\{\d{1,4}\}")


def repeats_too_much(pattern: str) -> bool:
    """Whether looking for the pattern could take for ever. What is repeated so many times exactly, as in `[0-9]{4}`,
    takes no time; a part in parentheses that is repeated is tried with each way in which its repeats can fall."""
    repeats = [(match[1], match[2]) for match in _REPEAT.finditer(pattern)]
    varying = [what for what, times in repeats if not _FIXED.fullmatch(times)]
    within = any(what == ")" for what, _ in repeats)
    return ")" in varying or len(varying) > (0 if within else MOST_REPEATS)


_CAUSES = (
    ("unterminated character set", "a ']' is missing behind this '['"),
    ("missing )", "a ')' is missing behind this '('"),
    ("unbalanced parenthesis", "one ')' too many"),
    (
        "nothing to repeat",
        "nothing stands before this that could be repeated: any text is .*, the sign itself \\{sign}",
    ),
    ("multiple repeat", "one sign too many that repeats: write one of *, + and ?"),
    ("min repeat", "the smaller number comes first, as in {{2,4}}"),
    ("bad character range", "this range ends before it begins; a '-' that is meant itself stands last, as in [A-Z-]"),
    ("bad escape (end", "the backslash at the end has nothing behind it: one that is meant itself is written \\\\"),
    ("bad escape", "{escape} means nothing in a pattern: a backslash that is meant itself is written \\\\"),
    ("incomplete escape", "{escape} is not whole: write the digits of the character behind it"),
    ("unknown extension", "a part in parentheses begins with what it is, without this '?'"),
    ("look-behind", "what stands behind '(?<=' or '(?<!' must be of one length"),
    ("global flags", "what holds for all of the pattern, such as (?i), stands at its beginning"),
    ("group", "there is no such part in parentheses before this"),
)
"""How begins, or what is in, what the library says -> what is said here; never in its own words."""
_POSIX = re.compile(r"\[:\^?(?:alnum|alpha|blank|digit|lower|punct|space|upper|word|xdigit):\]")


def why_no_pattern(pattern: str) -> tuple[str, int | None] | None:
    """Why `pattern` is none, and at which of its characters, from 0, if that is known; None: it is one."""
    posix = _POSIX.search(pattern)
    if posix is not None:
        return f"{posix[0]} is of another language: write the characters themselves, as in [A-Za-z0-9]", posix.start()
    try:
        re.compile(pattern)
    except re.error as error:
        at = error.pos
        cause = next((cure for begin, cure in _CAUSES if begin in error.msg), "this cannot stand here")
        rest = pattern[at or 0 :]
        return cause.format(sign=rest[:1] or "*", escape=f"'{rest[:2]}'"), at
    except (OverflowError, RecursionError):
        return "a number in it is too large, or it is nested too deeply", None
    return None
