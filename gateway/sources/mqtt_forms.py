"""How the payloads of topics are read: as one value or several, as text or bytes, with levels of the topic as fields,
and what the value of each is. Pure.

A message stays one, however many events it makes: it is handed over, committed and acknowledged as a whole.
"""

import csv
import json
import math
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from gateway.config.addresses import named_levels, path_of, topic_filter
from gateway.config.schema_messages import MOST_BYTES, PLAIN, Form, Parts
from gateway.frozen import dataclass

LARGEST = 256 * 1024
"""Bytes; a payload beyond this is refused."""

DEEPEST = 100
"""How deep a payload may be nested: far less than what anything that looks at its value can bear."""

_EXCERPT = 200
_DIGITS = 300  # beyond them an integer cannot become a float


def decode(payload: bytes) -> object:
    """What the message says: the value of its JSON, or else its text without surrounding white space.

    Raises ValueError, with what is wrong, for what must not be guessed at: more than LARGEST bytes, not UTF-8, JSON
    with a key twice (RFC 8259 leaves open which one counts), with a number or character that JSON text cannot carry
    on, or nested more than DEEPEST deep.
    """
    if len(payload) > LARGEST:
        raise too_large(len(payload))
    try:
        text = payload.removeprefix(BOM_UTF8).decode()  # Windows programs put a byte order mark in front
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start})") from None
    try:
        value: object = (_DECODER if len(text) > _DIGITS else _SHORT).decode(text)
    except json.JSONDecodeError:
        return text.strip()
    except RecursionError:
        raise _too_deep() from None
    if text.count("[") + text.count("{") > DEEPEST and _is_deeper(value):
        raise _too_deep()
    if "\\u" in text:
        _refuse_surrogates(value)
    return value


def too_large(size: int) -> ValueError:
    """What is raised for a payload of `size` bytes."""
    return ValueError(f"has {size} bytes; at most {LARGEST} are taken")


def _too_deep() -> ValueError:
    return ValueError(f"is nested more than {DEEPEST} deep")


def _is_deeper(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
    return any(isinstance(one, dict | list) for one in level)


def excerpt(payload: bytes) -> str:
    """The beginning of a payload, printable, at most 200 characters."""
    return ascii(payload[:_EXCERPT].decode("utf-8", "replace"))[1:-1][:_EXCERPT]


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen = set[str]()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"has the key {key!r} twice")
            seen.add(key)
    return fields


def _refuse_constant(text: str) -> object:
    raise ValueError(f"has {text}, which is not a JSON number")


def _int(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"has a number of {len(text)} digits")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"has the number {text}, which is too large")
    return value


_SHORT = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_float)
"""For a text that is no longer than a number may be."""
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_float, parse_int=_int
)


def _refuse_surrogates(value: object) -> None:
    """Half a surrogate pair (`"\\ud83d"`) is a Python string that no file or request can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("has an escape that is half a character") from None


MOST_PARTS = 1_000
"""Events that one message can make."""
MOST_AROUND = 50
"""Fields around an array that its elements can get."""


@dataclass(frozen=True, slots=True)
class Part:
    """One value that a message says at `address`, a topic as the configuration writes it; or, with a `flaw`, the bytes
    of what cannot be read. `place` is 0 where the value is that of the payload as it came, else from 1 on."""

    address: str
    value: object
    place: int = 0
    flaw: str = ""
    payload: bytes = b""


class Topics:
    """The topics of one broker that are wanted, each with its form, as the configuration writes them: in a topic,
    `+name` stands for any text of that level, which becomes a field of that name."""

    def __init__(self, forms: Mapping[str, Form]) -> None:
        self._exact = {topic: form for topic, form in forms.items() if not named_levels(topic)}
        self._named: dict[int, list[tuple[tuple[str, ...], str, Form]]] = defaultdict(list)
        for topic, form in forms.items():
            if named_levels(topic):
                levels = tuple(topic.split("/"))
                self._named[len(levels)].append((levels, topic, form))
        self.filters = tuple(dict.fromkeys(topic_filter(topic) for topic in forms))
        """What is to be subscribed."""

    def __len__(self) -> int:
        return len(self.filters)

    def wants(self, topic: str) -> bool:
        """Whether anything is wanted of a topic."""
        return topic in self._exact or any(self._matches(topic))

    def parts(self, topic: str, payload: bytes) -> list[Part]:
        """What a message says, in its order. Raises ValueError where it cannot be read as a whole."""
        form = self._exact.get(topic)
        if form is PLAIN:
            parts = [Part(topic, decode(payload))]
        else:
            parts = [] if form is None else [*_parts(topic, form, payload, {})]
        if self._named:
            for address, form, fields in self._matches(topic):
                parts += _parts(address, form, payload, fields)
        return parts

    def _matches(self, topic: str) -> Iterator[tuple[str, Form, dict[str, object]]]:
        given = topic.split("/")
        for levels, address, form in self._named.get(len(given), ()):
            pairs = [*zip(levels, given, strict=True)]
            if all(level[:1] == "+" or level == said for level, said in pairs):
                yield address, form, {level[1:]: said for level, said in pairs if level[:1] == "+"}


def _parts(address: str, form: Form, payload: bytes, fields: Mapping[str, object]) -> Iterator[Part]:
    number = 0
    for number, (value, flaw, said) in enumerate(_values(form, payload), 1):
        if number > MOST_PARTS:
            raise ValueError(f"has more than {MOST_PARTS} events")
        around = value if isinstance(value, dict) or not fields else {"value": value}
        whole = {**around, **fields} if isinstance(around, dict) and fields else around
        yield Part(address, whole, number if fields or form != PLAIN else 0, flaw, said)


Value = tuple[object, str, bytes]
"""A value, or why it cannot be read and its bytes."""


def _values(form: Form, payload: bytes) -> Iterator[Value]:
    if form.raw:
        if len(payload) > MOST_BYTES:
            raise ValueError(f"has {len(payload)} bytes; at most {MOST_BYTES} are taken as bytes")
        yield payload.hex(), "", b""
    elif form.split is None:
        yield decode(payload), "", b""
    elif form.split == "lines":
        for line in filter(str.strip, _lines(payload)):
            try:
                yield decode(line.encode()), "", b""
            except ValueError as error:
                yield None, f"a line of the payload {error}", line.encode()
    elif isinstance(form.split, Parts) and form.split.columns:
        yield from _rows(form.split, payload)
    else:
        yield from ((element, "", b"") for element in _elements(form.split, payload))


def _lines(payload: bytes) -> list[str]:
    """All lines; of those that are blank nobody says anything."""
    if len(payload) > LARGEST:
        raise too_large(len(payload))
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start})") from None
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _rows(form: Parts, payload: bytes) -> Iterator[Value]:
    separator = "\t" if form.separator == "tab" else form.separator
    table = _table(separator, _lines(payload))
    head = "".join(f"{row}\n" for row, _, _ in islice(table, form.skip))
    for row, cells, why in table:
        fits = len(cells) == len(form.columns)
        flaw = why if why or fits else f"has {len(cells)} columns, not {len(form.columns)}"
        if flaw:  # it is kept as what it would be by itself
            yield None, f"a line of the payload {flaw}", f"{head}{row}".encode()
        else:
            yield dict(zip(form.columns, (cell.strip() for cell in cells), strict=True)), "", b""


def _table(separator: str, lines: Iterable[str]) -> Iterator[tuple[str, list[str], str]]:
    """The rows of a table: the text of each, its cells, and why it is none. A row goes on in the next line where a
    quoted cell does, to the end where that has none: what looks like a line in there would be a made-up one."""
    read: list[str] = []

    def noted() -> Iterator[str]:
        for line in lines:
            read.append(line)
            yield f"{line}\n"

    table = csv.reader(noted(), delimiter=separator, strict=True)
    while True:
        read.clear()
        try:
            cells, flaw = next(table), ""
        except StopIteration:
            return
        except (csv.Error, ValueError) as error:
            cells, flaw = [], f"is no table: {error}"
        row = "\n".join(read)
        if row.strip():
            yield row, cells, flaw


def _elements(form: Parts | str, payload: bytes) -> Iterator[object]:
    array: object = decode(payload)
    around: dict[str, object] = {}
    field = form.field if isinstance(form, Parts) else None
    for part in path_of(field) if field is not None else ():
        around |= _plain_fields(array)
        array = _inside(array, part)
    if array is None:
        return
    if len(around) > MOST_AROUND:
        raise ValueError(f"has more than {MOST_AROUND} fields around its array")
    if not isinstance(array, list):
        where = f" in the field {field}" if field is not None else ""
        raise ValueError(f"has no array{where}")  # noqa: TRY004 - the payload is wrong, as any other
    for element in array:
        yield {**around, **element} if isinstance(element, dict) else element


def _inside(value: object, part: str) -> object:
    """The field or element `part` of `value`; None where null stands there, or around it."""
    if isinstance(value, dict) and part in value:
        return value[part]
    if isinstance(value, list) and part[:1] == "[" and -len(value) <= int(part[1:-1]) < len(value):
        return value[int(part[1:-1])]
    return None if value is None else ()


def _plain_fields(value: object) -> dict[str, object]:
    """Those that the elements of an array inside get: of two with one name, the nearer one."""
    fields = value.items() if isinstance(value, dict) else ()
    return {name: field for name, field in fields if not isinstance(field, dict | list)}
