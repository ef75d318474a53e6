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
