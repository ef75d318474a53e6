"""The outline of a YAML file: which keys and items its lines have, and how well they fit the schema where they stand.

It is read line by line and is forgiving, so that there is one of a file that is no YAML as well. What stands where is
known by indents alone; of what stands in brackets only the keys are looked at.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from gateway.config.near_words import meant_key
from gateway.config.other_form import TABLE
from gateway.config.places import ANYTHING, OF_LINES, below, known
from gateway.config.schema import Line
from gateway.config.tree import Key
from gateway.config.yaml_lines import BULLET

_LINE = re.compile(
    r"(?P<indent> *)(?P<dashes>(?:- +)*)(?:(?P<key>[A-Za-z_][\w.-]*|\d+|\"[^\"\\]*\"|'[^']*')[ ]*:(?=[ ]|\Z)[ ]*)?"
    r"(?P<value>.*)"
)
_WORD_ALONE = re.compile(r"(?:[A-Za-z_]\w*|\d+)\Z")
_TEXT = re.compile(r"[|>][-+\d]*[ ]*(?:#.*)?\Z")
_IN_QUOTES = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'")
_ENTRY = re.compile(r"[{,][ ]*([A-Za-z_]\w*|\d+)[ ]*:(?=[ ]|\Z)")
_GLUED = re.compile(r"([A-Za-z_]\w*)[ ]+(?=[^\s=:;>-])")
_PART = re.compile(r"(?:[A-Za-z_]\w*|\d+):(?= |\Z)")
_NONE = re.compile(r"(?:~|null)?[ ]*(?:#.*)?\Z")

NO_PLACE = 4
"""How much it counts that a line stands where nothing can."""
UNKNOWN = 3
"""The same of a key that the section does not have, and of a value of another form than the schema has there."""
TWICE = 2
"""The same of a key that stood there before: by itself that is told as it is."""
MISSING = 1
"""The same of a key that is missing, of a section with nothing in it, and of what stands as nothing else does there."""


class Row(NamedTuple):
    """What a line has: the columns, from 0, of its dashes and of what follows them; its key, and what stands behind."""

    columns: tuple[int, ...]
    at: int
    key: Key | None
    opens: bool
    """Nothing stands behind the key, so that what belongs to it stands below."""
    form: str
    """How the value begins, if it does with a bracket; '~' for none, else 'x'."""
    inner: tuple[Key, ...]
    """The keys in the brackets of the value."""
    tab: bool = False
    """A tab stands before it, so that nobody knows how far it is indented."""
    word: str = ""
    """The word with which a text begins that has no key: of a key, if its ':' is missing."""
    parts: tuple[int, ...] = ()
    """The columns behind its key at which another key or item begins, as none can in one line."""
    alone: bool = False
    """The key is a word without ':', and may be a value as well."""

    @property
    def indent(self) -> int:
        """The column at which the line begins."""
        return self.columns[0] if self.columns else self.at

    def moved(self, by: int) -> "Row":
        """The same with so many blanks more before it."""
        return self._replace(columns=tuple(column + by for column in self.columns), at=self.at + by, tab=False)

    def item(self) -> "Row":
        """The same with '- ' before it."""
        return self._replace(columns=(self.at,), at=self.at + 2)

    def no_item(self) -> "Row":
        """The same without '- ' before it."""
        return self._replace(columns=(), at=self.columns[0])


def rows_of(lines: Sequence[str]) -> list[Row | None]:
    """What each of the lines has; None of one that only goes on with what another has, is empty or has a comment."""
    rows: list[Row | None] = []
    text_of: int | None = None  # the column of what has a text of several lines, or brackets that are open
    depth = 0
    for line in lines:
        content = line.lstrip(" \t")
        if not content or content[0] in "#\r":
            rows.append(None)
            continue
        indent = len(line) - len(content)
        if text_of is not None and (indent > text_of or (depth and content[0] in "}]")):
            depth += _depth(content) if depth else 0
            text_of = text_of if depth != 0 or text_of is None or depth < 0 else None
            rows.append(None)
            continue
        row, text_of, depth = row_of(line), None, 0
        rows.append(row)
        value = content
        if row.form in "{[" and (depth := max(_depth(value), 0)):
            text_of = row.indent
        elif _TEXT.search(value) and row.form == "|":
            text_of, depth = row.indent, 0
            depth = -1
    return rows


def _depth(text: str) -> int:
    plain = _IN_QUOTES.sub("", text).partition(" #")[0]
    return plain.count("{") + plain.count("[") - plain.count("}") - plain.count("]")


@cache
def row_of(line: str) -> Row:
    """What the line has, which has anything. Another sign in the place of a '- ' is told by itself, and is one here."""
    length = len(line)
    if (bullet := BULLET.match(line)) is not None:
        line = f"{line[: bullet.start('sign')]}- {line[bullet.end() :]}"
    content = line.lstrip(" \t")
    has_tab = "\t" in line[: len(line) - len(content)]
    match = _LINE.match(" " * (len(line) - len(content)) + content)
    assert match is not None  # noqa: S101 - it matches every line
    begin, dashes, value = len(match["indent"]), match["dashes"], match["value"]
    if not dashes and value[:2].rstrip() == "-":
        dashes, value = value, ""
    columns = tuple(begin + at for at, sign in enumerate(dashes) if sign == "-")
    at, key = begin + len(dashes), match["key"]
    is_alone = key is None and _WORD_ALONE.match(value) is not None
    if is_alone:
        key, value = value, ""
    found: Key | None = None
    if key is not None:
        found = int(key) if key.isdecimal() else key.strip("\"'")
    opens = key is not None and not value.partition("#")[0].strip() and (not value or value[0] == "#")
    form = value[0] if value[:1] in {"{", "[", "|", ">"} else "~" if _NONE.match(value) else "x"
    form = "|" if form == ">" else form
    inner: tuple[Key, ...] = ()
    if form == "{":
        inner = _entries(value)
    word = _GLUED.match(value) if key is None else None
    offset = length - len(value)
    parts = tuple(offset + part for part in _parts(value)) if key is not None else ()
    return Row(columns, at, found, opens, form, inner, has_tab, word[1] if word else "", parts, is_alone)


def _parts(value: str) -> Iterator[int]:
    """Where in the value of a key the next one begins, or an item."""
    plain = _IN_QUOTES.sub(lambda match: "\0" * len(match[0]), value)
    plain = re.split(r"(?:^|(?<= ))#", plain)[0]
    depth, after = 0, True
    for at, sign in enumerate(plain):
        depth += (sign in "{[") - (sign in "}]")
        if depth == 0 and (at == 0 or plain[at - 1] == " ") and sign not in "{[ ":
            is_item = after and plain[at : at + 2] == "- "
            if is_item or _PART.match(plain, at):
                yield at
        if sign != " ":
            after = sign in "}]\0"


def _entries(value: str) -> tuple[Key, ...]:
    """The keys of a mapping in braces, but for those of what is in it."""
    plain = _IN_QUOTES.sub("''", value)
    keys: list[Key] = []
    depth = 0
    for at, sign in enumerate(plain):
        if sign in "{,[" and (depth == 0 or (depth == 1 and sign == ",")):
            match = _ENTRY.match(plain, at)
            if match is not None:
                keys.append(int(match[1]) if match[1].isdecimal() else match[1])
        depth += (sign in "{[") - (sign in "}]")
    return tuple(keys)


@dataclass(slots=True, eq=False)
class Collection:
    """A mapping or list of lines below each other, which stands where the schema has `annotation` and is opened by the
    line `opener`. `seen` are its keys and in which line each stood first."""

    column: int
    annotation: Any
    is_list: bool
    opener: int
    seen: dict[Key, int] = field(default_factory=dict)


class Frame(NamedTuple):
    """A collection in which the next line may go on, and those around it."""

    collection: Collection
    below: Any
    """What the schema has below the last key or item."""
    opens: bool
    """Nothing stood behind that."""
    line: int
    """The line of that."""
    around: "Frame | None"


@cache
def _of_key(annotation: Any, key: Key) -> int:
    """How badly a key fits a mapping: what is a slip of a known one is wrong wherever it stands."""
    if annotation is ANYTHING:
        return UNKNOWN
    place = known(annotation)
    if place.keys is None or key in place.keys:
        return 0 if place.mapping else UNKNOWN
    if place.of_own or (key == TABLE and place.mapping):
        return 0
    return 1 if meant_key(str(key), sorted(map(str, place.keys))) is not None else UNKNOWN


@cache
def _of_value(annotation: Any, form: str, inner: tuple[Key, ...]) -> int:
    """How badly a value fits: by its form, and by the keys in its braces."""
    if annotation is ANYTHING or form == "~":
        return 0
    place = known(annotation)
    match form:
        case "{":
            return sum(_of_key(annotation, key) for key in inner) if place.mapping else UNKNOWN
        case "[":
            return 0 if place.items else UNKNOWN
    return 0 if place.single else UNKNOWN


def opened(annotation: Any) -> Frame:
    """Where a file begins that holds what the schema has at `annotation`."""
    return Frame(Collection(-1, ANYTHING, is_list=False, opener=-1), annotation, opens=True, line=-1, around=None)


@dataclass(slots=True)
class Trial:
    """Keys of collections that stand in lines from `start` on, as they are tried: what was seen there is forgotten."""

    start: int
    step: int
    """By how many blanks most of what belongs to a key is indented below it."""
    keys: dict[Collection, set[Key]] = field(default_factory=dict)

    def has(self, collection: Collection, key: Key) -> bool:
        """Whether the key stands in the collection."""
        return collection.seen.get(key, self.start) < self.start or key in self.keys.get(collection, ())


def placed(frame: Frame, row: Row, number: int, trial: Trial) -> tuple[Frame, int]:
    """Where the next line may go on after `row`, which has the `number`, and how badly this fits below `frame`."""
    cost = NO_PLACE * (row.tab or bool(row.parts))
    for column in row.columns:
        frame, more = _entered(frame, column, trial, is_list=True)
        frame = frame._replace(below=below(frame.collection.annotation, None), opens=True, line=number)
        cost += more
    if row.alone and row.columns and known(frame.below).single:
        return frame._replace(opens=False), cost
    if row.key is None:
        if not row.columns:
            return frame, NO_PLACE  # a text that goes on, or what is no YAML
        cost += _of_value(frame.below, row.form, row.inner)
        return frame._replace(opens=row.form == "~"), cost
    around = frame.collection
    frame, more = _entered(frame, row.at, trial, is_list=False)
    collection = frame.collection
    if row.columns and around.is_list:  # items begin alike
        cost += MISSING * (bool(around.seen) and not trial.has(around, row.key))
        trial.keys.setdefault(around, set()).add(row.key)
    cost += more + _of_key(collection.annotation, row.key)
    if trial.has(collection, row.key):
        cost += TWICE
    trial.keys.setdefault(collection, set()).add(row.key)
    inner = below(collection.annotation, row.key)
    if not row.opens:
        cost += _of_value(inner, row.form, row.inner)
    return Frame(collection, inner, row.opens, number, frame.around), cost


def _entered(frame: Frame, column: int, trial: Trial, *, is_list: bool) -> tuple[Frame, int]:
    """The frame in which something stands at `column`, and how badly it fits there."""
    cost = 0
    while (around := frame.around) is not None and (
        frame.collection.column > column
        or (frame.collection.is_list and not is_list and frame.collection.column == around.collection.column == column)
    ):
        cost += _left(frame, trial)
        frame = around._replace(opens=False)
    here = frame.collection
    if here.column == column and here.is_list == is_list:
        return frame, cost + _emptied(frame)
    if here.column == column and not (is_list and frame.opens):
        return frame, cost + NO_PLACE
    place, fits = known(frame.below), False
    if frame.opens:
        fits = place.items if is_list else place.mapping
        cost += 0 if fits or frame.below is ANYTHING else UNKNOWN
    else:
        cost += NO_PLACE
    usual = (
        {here.column + trial.step, here.column}
        if is_list
        else {here.column + trial.step, here.column + 2 * here.is_list}
    )
    cost += MISSING * (here.column >= 0 and column not in usual)
    inner = Collection(column, frame.below if fits else ANYTHING, is_list, frame.line)
    return Frame(inner, None, opens=False, line=frame.line, around=frame), cost


def _left(frame: Frame, trial: Trial) -> int:
    """What is missing in a collection that ends."""
    here = frame.collection
    if here.is_list or here.annotation is ANYTHING:
        return _emptied(frame)
    needed = known(here.annotation).needed
    if frame.around is not None and frame.around.collection.is_list and here.annotation is Line:
        needed = OF_LINES if not any(trial.has(here, key) for key in ("use", TABLE)) else needed
    return _emptied(frame) + MISSING * sum(not trial.has(here, key) for key in needed)


def _emptied(frame: Frame) -> int:
    """How much it counts that nothing stands below the last key of a section."""
    if not frame.opens or frame.below is ANYTHING or frame.below is None:
        return 0
    return 0 if known(frame.below).single else MISSING
