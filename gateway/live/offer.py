"""What was found at a source as inputs of the configuration: to be pasted into its file, or as a table. Pure."""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.config.addresses import BrowsePath, parse_place
from gateway.config.model_files import yaml_scalar
from gateway.config.substitution import escaped
from gateway.mapping.times import epoch_seconds
from gateway.model import Scalar
from gateway.sources.found import Found, Metric, Topic, TreeNode

COLUMNS = ("node", "topic", "field", "time", "device", "metric")
"""The keys by which an input says where it comes from, beside its source, and which time its messages say."""

LONGEST_REMARK = 100

_TIMES = ("at", "timestamp", "time", "ts", "datetime", "zeitstempel", "zeit", "zeitpunkt", "heure", "hora", "ora")
"""Words by which the field of a message is called that says when it was, the likeliest first."""
_FIRST_TIME = 946_684_800.0
"""The year 2000: what lies before it is a duration, or a clock that nobody has set."""

_SPELT = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ø": "o", "æ": "ae"}
)
"""How letters are written where there are only those of English; of others the accent is left out."""

_AVOIDED = {"true", "false", "null", "in", "n", "as", "break", "const", "continue", "else", "for", "function", "if"}
_AVOIDED |= {"import", "let", "loop", "package", "namespace", "return", "var", "void", "while", "start", "duration"}
"""Names that would mean something else in an expression or a text pattern."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An input that could be: its `name`, its keys, what is to be said beside it, the value that was seen, the type
    that the source states for it, empty where it states none, and the words that lead to it."""

    name: str
    keys: dict[str, str]
    remark: str
    value: Scalar = None
    type: str = ""
    path: tuple[str, ...] = ()


@dataclass(slots=True)
class Offers:
    """Makes offers of what is found at the source `source`, each with a name of its own among all in `names`."""

    source: str
    names: set[str] = field(default_factory=set)

    def of(self, found: Found) -> Iterator[Offer]:
        """The inputs that `found` could be; none where it holds no value that an input can take, or has a name that
        nobody could write."""
        match found:
            case TreeNode():
                readable = found.variable and not found.problem and found.type and not _is_compound(found)
                if readable and found.node.isprintable():
                    remark = f"{found.type}, {_shown(found.value)}{f' {found.unit}' if found.unit else ''}"
                    words = [*_parents(found), *found.name.split(".")]
                    yield self._offer(words, {"node": found.node}, remark, found.value, found.type)
            case Topic():
                if found.problem or not _is_plain_topic(found.topic):
                    return
                levels, time = found.topic.split("/"), time_field(found.fields)
                for path, value in found.fields.items():
                    if not path.isprintable() or path == time:
                        continue
                    keys = {"topic": found.topic} | ({"field": path} if path else {}) | ({"time": time} if time else {})
                    yield self._offer([*levels, *(path.split(".") if path else ())], keys, _shown(value), value)
            case Metric():
                if not found.problem and (found.device + found.metric).isprintable():
                    words = [*found.device.split("/"), *found.metric.split("/")]
                    keys = {"device": found.device, "metric": found.metric}
                    yield self._offer(words, keys, f"{found.type}, {_shown(found.value)}", found.value, found.type)

    def _offer(self, words: list[str], keys: dict[str, str], remark: str, value: Scalar, kind: str = "") -> Offer:
        return Offer(self._name(words), {"source": self.source} | keys, remark, value, kind, tuple(words))

    def _name(self, words: list[str]) -> str:
        """A name from the last of `words`, with as many before it as make it the only one."""
        parts = [part for part in map(_identifier, words) if part]
        for count in range(1, len(parts) + 1):
            name = "_".join(parts[-count:])
            if name[0].isdigit():
                if count < len(parts):
                    continue
                name = f"_{name}"
            if name not in self.names and name not in _AVOIDED:
                self.names.add(name)
                return name
        stem, number = "_".join(parts) or "input", 1
        while (name := f"_{stem}_{number}" if stem[0].isdigit() else f"{stem}_{number}") in self.names:
            number += 1
        self.names.add(name)
        return name


def time_field(fields: Mapping[str, Scalar]) -> str | None:
    """Which of the `fields` of a message says when it was, with its zone: the time of the others. None where none does,
    or where there are no others."""
    called = {path: words_of(path.rpartition(".")[2]) for path in fields if path.isprintable()}
    times = [path for path, words in called.items() if words & {*_TIMES} and _is_time(fields[path])]
    if not times or len(fields) == 1:
        return None
    rank = {word: number for number, word in enumerate(_TIMES)}
    return min(times, key=lambda path: (path.count("."), len(called[path]), min(rank.get(w, 9) for w in called[path])))


def _is_time(value: Scalar) -> bool:
    seconds = epoch_seconds(value)
    return seconds is not None and seconds >= _FIRST_TIME


def words_of(name: str) -> frozenset[str]:
    """The words that a name is made of: `sent`, `at` of `sentAt`."""
    return frozenset(_identifier(name).split("_"))


def yaml_line(offer: Offer, more: str = "") -> str:
    """An input as a line below `inputs:`, with `more` keys as they are to be written."""
    keys = ", ".join(f"{key}: {yaml_scalar(escaped(text), quoted=True)}" for key, text in offer.keys.items())
    return f"  {offer.name}: {{{keys}{more}}}  # {one_line(offer.remark)}"


def csv_text(offers: Iterable[Offer]) -> str:
    """A table of inputs, for `inputs: {file: …}`; columns that would be empty are left out."""
    rows = list(offers)
    used = [column for column in COLUMNS if any(column in row.keys for row in rows)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "source", *used])
    for row in rows:
        cells = [row.keys.get(column, "") for column in used]
        writer.writerow([row.name, row.keys["source"], *(escaped(cell) for cell in cells)])
    return text.getvalue()


def _parents(node: TreeNode) -> list[str]:
    """The names above `node`, as far as they are known: of its path, else of a text identifier's parts."""
    if node.path:
        place = parse_place(node.path)
        return [name for _, name in place.steps[:-1]] if isinstance(place, BrowsePath) else []
    return re.split(r"[./]", node.node.rpartition("=")[2])[:-1]


def _identifier(word: str) -> str:
    """`PartsGood 2` as `parts_good_2`, `Stückzahl` as `stueckzahl`."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", word).translate(_SPELT))
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain)
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")[:40].strip("_")


def _is_compound(node: TreeNode) -> bool:
    return node.type.endswith("[]") or node.type in {"ExtensionObject", "ByteString", "XmlElement", "DataValue"}


def _is_plain_topic(topic: str) -> bool:
    return not topic.startswith("$") and topic.isprintable() and not set("+#") & set(topic)


def _shown(value: Scalar) -> str:
    return json.dumps(value, ensure_ascii=False)


def one_line(text: str) -> str:
    """`text` as a remark."""
    return "".join(character if character.isprintable() else " " for character in text)[:LONGEST_REMARK]
