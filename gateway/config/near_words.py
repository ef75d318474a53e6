"""What is most likely meant by a word that is not known, or by the name of a file that is not there: of which one it is
a slip, and what other programs call so.
"""

import difflib
import glob
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from gateway.config.tree import quoted

_SHORTEST = 4
"""Letters of words that are compared letter by letter: more than so many, on the average of two."""
_WORD = re.compile(r"[^\W_]+")


POLICIES = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
_OLD = re.compile(r"basic(256|128rsa15)(?!sha256)")
"""Policies that are broken, and no longer taken (Part 7)."""
_NONE = frozenset({"none", "off", "no", "false", "nonenone", "disabled", "without"})
_MODES = {"sign": "Sign", "signencrypt": "SignAndEncrypt", "encrypt": "SignAndEncrypt"}
_NEAR_WORD_OF_SECURITY = 0.7

_NEAR_FILE = 0.75
"""How alike two names are of which one is most likely a slip of the other."""
_OF_OTHERS = {"verbose": "debug", "trace": "debug", "notice": "info", "critical": "error", "fatal": "error"}
"""Words of other programs that are like another word than the one that is meant."""


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that is most like `word`, whatever their case, with blanks and dashes as '_'; None: none is."""
    names = {_folded(name): name for name in reversed(list(known))}
    near = difflib.get_close_matches(_folded(word), names, n=1, cutoff=cutoff)
    return names[near[0]] if near else None


def meant_choice(value: object, names: Iterable[str]) -> str:
    """The end of a message about `value`, which is none of `names`: which of them is most likely meant."""
    near = nearest(_OF_OTHERS.get(str(value).casefold(), str(value)), names, 0.5)
    return f"; did you mean '{near}'?" if near else ""


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


def meant_security(written: str) -> str:
    """The end of a message about `written`, which is no policy and mode: what is meant by it, if clear."""
    folded = _SIGNS.sub("", written.rpartition("#")[2]).casefold().replace("and", "")
    if folded in _NONE:
        return "; did you mean 'none'?"
    policy = next((each for each in POLICIES if each.casefold() in folded), None)
    rest = folded.replace(policy.casefold(), "") if policy is not None else _OLD.sub("", folded)
    mode = _MODES[near] if (near := nearest(rest, _MODES, _NEAR_WORD_OF_SECURITY)) is not None else None
    if rest and mode is None:
        return "; did you mean 'none'?" if nearest(folded, ["none"], _NEAR_WORD_OF_SECURITY) is not None else ""
    mode = mode or "SignAndEncrypt"
    if policy is None and _OLD.match(folded):
        return f": this policy is broken, and not taken any more; where the server has it, '{POLICIES[0]}/{mode}'"
    return f"; did you mean '{policy or POLICIES[0]}/{mode}'?"


def meant_file(path: Path) -> Path | None:
    """The file that is most likely meant by `path`, which is not there; None: there is none like it."""
    if not _is_missing(path):
        return None
    there = _nearest_there(path)
    missing = path.relative_to(there).parts
    if len(missing) == 1:
        near = _near_name(there, missing[0], is_folder=False)
        return near if near is None or near.is_file() else None
    folder = _near_name(there, missing[0], is_folder=True)
    candidates = [there / path.name] if folder is None else [folder.joinpath(*missing[1:]), there / path.name]
    return next((file for file in candidates if file.is_file()), None)


def meant_pattern(folder: Path, pattern: str) -> str | None:
    """The pattern in `folder` that is most likely meant by one that matches nothing; None: there is none like it."""
    first, *rest = Path(pattern).parts
    others = [re.sub(r"\.ya?ml\Z", suffix, pattern) for suffix in (".yaml", ".yml")]
    near = _near_name(folder, first, is_folder=True) if rest and not glob.has_magic(first) else None
    if near is not None:
        others += [str(Path(near.name, *rest))]
    found = (other for other in others if glob.glob(other, root_dir=folder))  # noqa: PTH207 - as those of include
    return next(found, None)


def did_you_mean(path: Path) -> str:
    """The end of what is said of a file that is not there: which one is most likely meant."""
    near = meant_file(path)
    if near is None:
        return ""
    return f"; did you mean {quoted(near.relative_to(_nearest_there(path)))}?"


def _nearest_there(path: Path) -> Path:
    """The innermost folder on the way to `path` that is there."""
    return next((folder for folder in path.parents if not _is_missing(folder)), path)


def _is_missing(path: Path) -> bool:
    """Whether it is known not to be there."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # which may not be looked at, or is no name of a file
        return False
    return False


def _near_name(folder: Path, name: str, *, is_folder: bool) -> Path | None:
    """What is in `folder` and is most likely meant by `name`: another number is another file."""
    alike = {entry.name: entry for entry in _listed(folder, is_folder=is_folder) if _kind(entry.name) == _kind(name)}
    near = nearest(name, alike, _NEAR_FILE)
    return None if near is None else alike[near]


def _kind(name: str) -> tuple[str, str]:
    suffix = Path(name).suffix.lower()
    return ".yaml" if suffix == ".yml" else suffix, re.sub(r"\D", "", name)


def _listed(folder: Path, *, is_folder: bool) -> Iterator[Path]:
    with suppress(OSError):
        yield from (entry for entry in sorted(folder.iterdir()) if entry.is_dir() == is_folder)
