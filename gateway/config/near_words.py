"""Which of the known words an unknown one is most likely a slip of, or which other programs call so."""

import difflib
import re
from collections.abc import Iterable, Sequence

from gateway.config.tree import quoted

_SHORTEST = 4
"""Letters of words that are compared letter by letter: more than so many, on the average of two."""
_WORD = re.compile(r"[^\W_]+")


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that is most like `word`, whatever their case, with blanks and dashes as '_'; None: none is."""
    names = {_folded(name): name for name in reversed(list(known))}
    near = difflib.get_close_matches(_folded(word), names, n=1, cutoff=cutoff)
    return names[near[0]] if near else None


def one_slip_apart(name: str, other: str) -> bool:
    """Whether both have the same words but for one, and that is a slip of the other: a letter that is missing, too
    many or another, or two that are turned. Numbers and short words (`Line A`) are meant."""
    words, others = _WORD.findall(name.casefold()), _WORD.findall(other.casefold())
    if len(words) != len(others):
        words, others = ["".join(words)], ["".join(others)]
    different = [pair for pair in zip(words, others, strict=True) if pair[0] != pair[1]]
    if len(different) != 1:
        return False
    is_long = sum(map(len, different[0])) > 2 * _SHORTEST
    return _is_slip(*different[0]) if is_long else is_turned(*different[0], _SHORTEST)


def is_turned(word: str, other: str, shortest: int) -> bool:
    """Whether two letters beside each other make one word of the other, of so many letters at least."""
    apart = [place for place in range(len(word)) if word[place] != other[place]] if len(word) == len(other) else []
    return len(word) >= shortest and len(apart) == 2 and apart[1] == apart[0] + 1 and _is_slip(word, other)


def look_alike(name: str, other: str) -> bool:
    """Whether both look the same and are not: a small L, a capital i and a one, or an O and a nought; or are the same
    but for the signs between letters, or between a letter and a number."""
    return name != other and (seen_as(name) == seen_as(other) or without_signs(name) == without_signs(other))


def seen_as(name: str) -> str:
    """`name` with the signs that look alike as one of them, whatever its case; but for words of nothing else: `IO` is
    not 10."""
    return _WORD.sub(
        lambda word: word[0] if _ONLY_ALIKE.fullmatch(word[0]) else word[0].translate(_ALIKE), name
    ).casefold()


_ONLY_ALIKE = re.compile("[lI1Oo0]+")
_ALIKE = str.maketrans({"l": "1", "I": "1", "O": "0", "o": "0"})


def without_signs(name: str) -> str:
    """`name` without its case, blanks and signs, but for what parts two numbers: `Line 1-1` is not `Line 11`."""
    return ".".join(_SIGNS.sub("", part) for part in _BETWEEN_NUMBERS.split(name)).casefold()


_SIGNS = re.compile(r"[\W_]+")
_BETWEEN_NUMBERS = re.compile(r"(?<=\d)[\W_]+(?=\d)")


def _is_slip(word: str, other: str) -> bool:
    """Whether one letter that is missing, too many or another, or two that are turned, make one word of the other.

    A digit is no slip.
    """
    begin = 0
    while begin < min(len(word), len(other)) and word[begin] == other[begin]:
        begin += 1
    end = 0
    while end < min(len(word), len(other)) - begin and word[-1 - end] == other[-1 - end]:
        end += 1
    rest, others = word[begin : len(word) - end], other[begin : len(other) - end]
    one_apart = len(rest) <= 1 and len(others) <= 1
    turned = len(rest) == 2 and rest == others[::-1]
    return (one_apart or turned) and not any(map(str.isdigit, rest + others))


def one_slip_of_fields(path: str, other: str) -> bool:
    """Whether one field of messages is another but for its case, a letter more or two that are turned; a digit is none,
    nor an `s` that makes several of one."""
    one, two = sorted((path.casefold(), other.casefold()), key=len)
    if len(one) < 3 or any(map(str.isdigit, one + two)) or two == f"{one}s":
        return False
    if len(one) == len(two):
        return one == two or is_turned(one, two, 3)
    return len(two) == len(one) + 1 and any(two[:place] + two[place + 1 :] == one for place in range(len(two)))


def _folded(word: str) -> str:
    return word.strip().casefold().replace(" ", "_").replace("-", "_")


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the known word that is most like it, and the known words."""
    names = list(dict.fromkeys(known))
    near = nearest(word, names)
    meant = f"; did you mean {quoted(near)}?" if near else ""
    return f"{meant} (possible here: {most_alike(word, names) or 'nothing'})"


_MOST_NAMED = 12


def most_alike(word: str, known: Sequence[str]) -> str:
    """The known words, with commas between them; of very many those that are most like `word`, and how many more there
    are. Without a word all of them."""
    if not word or len(known) <= _MOST_NAMED:
        return ", ".join(known)
    alike = {*difflib.get_close_matches(word, known, n=_MOST_NAMED, cutoff=0.0)}
    return f"{', '.join(name for name in known if name in alike)} and {len(known) - len(alike)} more"


_NEAR_KEY = 0.7
"""How much like a known key an unknown one is at least where it is a slip of it, as difflib measures."""
_SHORTEST_KEY = 2
"""Letters: more of them make a slip of a short key out of one letter that is another."""
_SUFFIX = re.compile(r"_(interval|time|period|name|value)$")
"""What other programs write after a key of ours: `sampling_interval`."""
_SYNONYMS = {
    "inputs": ("tags", "signals", "variables", "points"),
    "factory": ("site", "plant"),
    "line": ("name", "machine", "cell"),
    "other": ("else", "default", "others"),
    "log": ("logging",),
    "raw_data": ("data", "values"),
    "url": ("endpoint", "host", "server", "broker", "address", "uri", "endpoint_url", "hostname"),
    "node": ("tag", "nodeid", "node_id", "item", "address", "variable"),
    "topic": ("mqtt_topic", "subscribe", "channel"),
    "field": ("path", "json_path", "jsonpath", "property", "attribute"),
    "username": ("user", "login"),
    "key": ("order", "job"),
    "max_rate": ("rate", "speed"),
    "rollover": ("max", "modulo", "overflow", "wrap"),
    "every": ("interval", "period"),
    "type": ("kind", "protocol", "driver"),
    "when": ("if", "condition", "trigger"),
    "settle": ("debounce", "delay"),
    "with": ("parameters", "params", "arguments", "args", "vars", "values"),
    "use": ("template", "extends", "base", "from_template", "based_on"),
}
"""Key -> what other programs call it."""


def meant_key(word: str, known: Sequence[str]) -> str | None:
    """The known key that is most likely meant by an unknown one."""
    known = [key for key in known if key != word]  # which may stand in another section of the kind
    word = re.split(r"\s*[=:>;]", word)[0]
    word = _SUFFIX.sub("", word) if _SUFFIX.sub("", word) in known else word
    slip = (key for key in known if len(word) > _SHORTEST_KEY and _is_slip(_folded(word), key))
    return called_elsewhere(word, known) or nearest(word, known, _NEAR_KEY) or next(slip, None)


def called_elsewhere(word: str, known: Sequence[str]) -> str | None:
    """The known key that other programs call `word`."""
    return next((key for key, others in _SYNONYMS.items() if key in known and _folded(word) in others), None)
