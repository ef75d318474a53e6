"""Addresses of inputs that look right and are not: topics that no message has, paths of another language, counters that
are counted twice, tables that learn from nothing."""

import re
from collections.abc import Iterator, Mapping, Sequence

from gateway.config.addresses import JSON_PATH, SPARKPLUG, meant_node_id, own_path
from gateway.config.invisible import CURLY_QUOTES, TYPESET, in_curly_quotes, name_of
from gateway.config.lint_sources import doubts_of_path
from gateway.config.lint_texts import joined_by, texts_of
from gateway.config.near_words import is_turned, look_alike, one_slip_apart, suggestion
from gateway.config.schema import Line, LookupTable
from gateway.config.schema_io import Counter, Input
from gateway.config.schema_messages import OwnTime
from gateway.config.schema_walk import Loc
from gateway.config.tree import quoted
from gateway.errors import ConfigFault

_ADDRESSES = ("node", "topic", "device", "metric", "field", "time", "event", "type")
_SIGNED = {2**15 - 1: 16, 2**31 - 1: 32}
_LARGEST = frozenset({255, 9999, 32767, 65535, 99999, 999999, 9999999, 99999999, 2**24 - 1, 2**31 - 1, 2**32 - 1})
"""What counters show before they begin again: words full of ones, displays full of nines."""
_PLACE = re.compile(r"(?:^|/)(\$[A-Za-z_]\w*|\$\([A-Za-z_]\w*\)|<[^/<>]+>|%\w+%|:\w+|\*)(?=/|\Z)")
_IN_BRACES = re.compile(r"\{[A-Za-z_][\w.]*\}")
_ELEMENT = re.compile(r"\[-?\d{1,6}\]")
_TRUTHS = {
    "true": re.compile("WAHR|VRAI|VERDADERO|VERDADEIRO|VERO|WAAR|PRAWDA|PRAVDA|IGAZ|SANT|SANN|TOSI|DOĞRU|ИСТИНА"),
    "false": re.compile("FALSCH|FAUX|FALSO|ONWAAR|FAŁSZ|NEPRAVDA|HAMIS|FALSKT|FALSK|EPÄTOSI|YANLIŞ|ЛОЖЬ"),
}
"""What spreadsheets write in other languages, always in capitals."""
_FOLDERS = {"i=84": "Root", "i=85": "Objects", "i=86": "Types", "i=87": "Views"}
_KINDS = re.compile(r"[ND](BIRTH|DEATH|DATA|CMD)")
"""The level of a Sparkplug topic that says what kind of message it is."""
_SHARED = re.compile(r"\$(share/[^/]*|queue|exclusive)/(?P<topic>.*)", re.DOTALL)


def find_doubtful_inputs(lines: Sequence[Line]) -> Iterator[ConfigFault]:
    """What is certainly or probably not meant in the addresses of the inputs of `lines`."""
    counted: dict[tuple[object, ...], tuple[str, str]] = {}
    spelt: dict[tuple[str, str], str] = {}
    fields: dict[tuple[str, str, str], str] = {}
    everything = [given for line in lines for given in line.inputs.values()]
    levelled = {given.source for given in everything if given.topic is not None and "/" in given.topic}
    for index, line in enumerate(lines):
        twice: dict[str, dict[str, str]] = {}
        there: dict[tuple[object, ...], list[tuple[str, Input]]] = {}
        for name, given in line.inputs.items():
            loc: Loc = ("lines", index, "inputs", name)
            yield from _address(given, loc)
            if given.topic is not None:
                yield from _topic(given.topic, (*loc, "topic"), levelled=given.source in levelled)
            yield from _spelling(given, loc, spelt)
            if given.field is not None and given.source is not None:
                field = fields.setdefault((given.source, name, given.field.casefold()), given.field)
                if field != given.field:
                    text = (
                        f"of other {quoted(name)} this field is {quoted(field)}: only their case differs, and it counts"
                    )
                    yield ConfigFault((*loc, "field"), text, warning=True)
            if given.counter is None:
                yield from _the_same(given, name, loc, there)
                continue
            yield from _rollover(given.counter, (*loc, "counter", "rollover"))
            if given.counter.restarts_with == name:
                text = "a counter does not start again with itself: write the input whose change it starts with"
                yield ConfigFault((*loc, "counter", "restarts_with"), text)
            if given.source is None or given.words or given.expr is not None:
                continue
            address = (given.source, *(getattr(given, key) for key in _ADDRESSES if key != "time"), repr(given.only))
            first = counted.setdefault(address, (line.line, name))
            if first != (line.line, name):
                twice.setdefault(first[0], {})[name] = first[1]
        yield from _counted_twice(line, index, twice)


def _the_same(
    given: Input, name: str, loc: Loc, there: dict[tuple[object, ...], list[tuple[str, Input]]]
) -> Iterator[ConfigFault]:
    """That an input says what another of the line says: the same part of the same place, taken in the same way. `there`
    are those before, by their places."""
    if given.source is None:
        return
    alike = there.setdefault((given.source, given.address, given.metric, given.field), [])
    first = next((other for other, each in alike if each == given), None)
    alike.append((name, given))
    if first is not None:
        text = f"this takes the same as {quoted(first)}, from the same place: is another meant? If not, remove one"
        yield ConfigFault(loc, text, at_key=True, warning=True)


def _counted_twice(line: Line, index: int, twice: Mapping[str, Mapping[str, str]]) -> Iterator[ConfigFault]:
    """Inputs of a line that count what is counted already: by the line that does, and by their names what theirs is.

    Where they are several of another line, that line was copied, which is said once, of the line.
    """
    for other, names in twice.items():
        if len(names) > 1 and other != line.line:
            text = f"this line counts what {quoted(other)} counts ({', '.join(names)}): the same places, twice"
            yield ConfigFault(("lines", index, "line"), text, warning=True, rests_on=(("lines", index, "line"),))
            continue
        for name, first in names.items():
            text = f"this counts what {quoted(first)} of {quoted(other)} counts: the same place, twice"
            yield ConfigFault(("lines", index, "inputs", name), text, at_key=True, warning=True)


def find_doubtful_tables(tables: Mapping[str, LookupTable], lines: Sequence[Line]) -> Iterator[ConfigFault]:
    """What is probably not meant in the tables that learn from inputs of `lines`."""
    inputs = {name for line in lines for name in line.inputs}
    for name, table in tables.items():
        if table.learned_from is None:
            continue
        loc: Loc = ("tables", name)
        if table.learned_from not in inputs:
            text = f"no line has the input {quoted(table.learned_from)}{suggestion(table.learned_from, sorted(inputs))}"
            texts = (text for index, line in enumerate(lines) for _, text in texts_of(line, ("lines", index)))
            is_used = any(f"{{{name}[" in text for text in texts)
            names: list[Loc] = [("lines", index, "inputs", "*") for index in range(len(lines))]
            rests_on = (("lines", "*"), *names, (*loc, "from"))
            yield ConfigFault((*loc, "from"), text, warning=not is_used, rests_on=rests_on)
        key = table.key or ""
        if "{" in key:
            text = f"a field of the messages is named here, without braces: write {quoted(key.strip('{ }'))}"
            yield ConfigFault((*loc, "key"), text, warning=True)
        elif key.startswith(f"{table.learned_from}."):
            text = f"the field is looked for in each message: write {quoted(key.partition('.')[2])} alone"
            yield ConfigFault((*loc, "key"), text, warning=True)
        else:
            yield from _path(key, (*loc, "key"))


def _rollover(counter: Counter, loc: Loc) -> Iterator[ConfigFault]:
    rollover = counter.rollover
    if rollover is not None and rollover in _LARGEST:
        text = f"is {rollover:.0f} the largest that it shows? A counter begins again at the number after it: write"
        bits = _SIGNED.get(int(rollover))
        signed = f", or `signed: {bits}` where it goes on below zero" if bits is not None else ""
        yield ConfigFault(loc, f"{text} {rollover + 1:.0f}{signed}", warning=True)


def _address(given: Input, loc: Loc) -> Iterator[ConfigFault]:
    time: Loc = (*loc, "time", "field") if isinstance(given.time, OwnTime) else (*loc, "time")
    for key in _ADDRESSES:
        place, value = (time, given.time_field) if key == "time" else ((*loc, key), getattr(given, key))
        if value is not None:
            yield from _written(key, value, place)
    yield from _device(given.device or "", loc)
    for key in ("node", "event", "type"):
        value = getattr(given, key)
        if value is not None and value.startswith("/"):
            doubts = doubts_of_path(value, from_root=True)
            yield from (ConfigFault((*loc, key), text, warning=True, at=(at,)) for at, text in doubts)
        elif value is not None:
            yield from _node(value, (*loc, key))
    for path, place in ((given.field, (*loc, "field")), (given.time_field, time)):
        if path is not None:
            yield from _path(path, place)
    for path in given.only:
        yield from _path(path, (*loc, "only", path))
    if isinstance(given.default, str):
        yield from _default(given.default, (*loc, "default"))
    for named, values in given.only.items():
        yield from _only(values, (*loc, "only", named))
    only_field = str(given.id[0]) if len(given.id) == 1 else ""
    if re.search(r"\w\s*[,;|+&]\s*\w", only_field):
        parts = ", ".join(re.split(r"\s*[,;|+&]\s*", only_field))
        yield ConfigFault((*loc, "id"), f"several fields are a list: write [{parts}]", warning=True)


def _written(key: str, value: str, place: Loc) -> Iterator[ConfigFault]:
    """What is wrong with the signs of an address, whichever it is."""
    if value != value.strip():
        side = "end" if value != value.rstrip() else "beginning"
        text = f"there is a blank at the {side}, which makes it another {key}; remove it"
        yield ConfigFault(place, text, warning=True)
    elif in_curly_quotes(value):
        yield ConfigFault(place, CURLY_QUOTES)
    elif value.count('"') % 2 and (value[0] == '"' or value[-1] == '"'):
        side = "end" if value[-1] == '"' else "beginning"
        text = f"there is a quote at the {side} alone: remove it, or the other is missing"
        yield ConfigFault(place, text, warning=True)
    elif not value.isascii() and (sign := next((sign for sign in value if sign in TYPESET), None)) is not None:
        text = f"{name_of(sign)} stands here, as from a PDF: is {quoted(TYPESET[sign])} meant?"
        yield ConfigFault(place, text, warning=True)
    elif _IN_BRACES.search(value):
        text = "inputs are not filled in here; a parameter of a template is written ${name}"
        yield ConfigFault(place, text, warning=True)


def _device(device: str, loc: Loc) -> Iterator[ConfigFault]:
    levels = device.split("/")
    if len(levels) > 1 and _KINDS.fullmatch(levels[1]):
        meant = "/".join((levels[0], *levels[2:]))
        text = f"{quoted(levels[1])} says what kind of message a topic is of, and belongs to no device: write"
        yield ConfigFault((*loc, "device"), f"{text} {quoted(meant)}", warning=True)


def _default(default: str, loc: Loc) -> Iterator[ConfigFault]:
    if _IN_BRACES.search(default):
        text = "inputs are not filled in here: a default is a value; what follows from others is an input with `expr`"
        yield ConfigFault(loc, text, warning=True)
    if (truth := truth_word(default)) is not None:
        text = f"a spreadsheet writes this for {truth}, and here it is text: write {truth}, without quotes"
        yield ConfigFault(loc, text, warning=True, rests_on=())


def _only(values: Sequence[object], loc: Loc) -> Iterator[ConfigFault]:
    """What is wrong with the values of a field that a message must have."""
    if len(values) == 1 and isinstance(values[0], str) and joined_by(values[0]) is not None:
        parts = ", ".join(re.split(r"\s*[;|]\s*", values[0]))
        text = f"{quoted(values[0])} is one text: if several are meant write [{parts}]"
        yield ConfigFault(loc, text, warning=True, rests_on=())
    for value in values:
        if isinstance(value, str) and (truth := truth_word(value)) is not None:
            text = f"{quoted(value)} is what a spreadsheet writes for {truth}: if that is meant write {truth}"
            yield ConfigFault(loc, text, warning=True, rests_on=())


def truth_word(text: str) -> str | None:
    """`true` or `false`, where `text` is how a spreadsheet in another language writes it."""
    return next((truth for truth, words in _TRUTHS.items() if words.fullmatch(text.strip())), None)


def _topic(topic: str, loc: Loc, *, levelled: bool) -> Iterator[ConfigFault]:
    """`levelled`: other topics of this source have levels, so that dots are most likely meant for them; bridges from
    other brokers write whole topics with dots."""
    shared = _SHARED.fullmatch(topic)
    scheme = re.match(r"[a-z]+://[^/]*/?", topic)
    if shared is not None:
        text = "a message never has this topic; write what follows"
        if not topic.startswith("$exclusive/"):
            text = "of a shared subscription each gateway gets a part, and a line needs all; write what follows"
        yield ConfigFault(loc, f"{text}: {quoted(shared['topic'])}")
    elif (place := _PLACE.search(topic)) is not None and not topic.startswith("$SYS"):
        text = f"a level that is {quoted(place[1])}? No message has it: a parameter of a template is written ${{name}}"
        yield ConfigFault(loc, f"{text}, and wildcards cannot stand here", warning=True)
    elif topic.startswith("$"):
        text = "topics that begin with '$' are the broker's own; events of a line have others"
        yield ConfigFault(loc, text, warning=True)
    elif scheme is not None:
        yield ConfigFault(loc, f"a topic has no address before it; write {quoted(topic[scheme.end() :])} alone")
    elif "//" in topic or topic.endswith("/"):
        text = "two '/' in a row, or one at the end, make a level without a name: a topic is compared sign by sign"
        yield ConfigFault(loc, text, warning=True)
    elif re.search(r"\s/|/\s", topic):
        yield ConfigFault(loc, "there is a blank beside a '/', which makes it another topic; remove it", warning=True)
    elif "\\" in topic or (levelled and re.fullmatch(r"[^/.]+(\.[^/.]+){2,}", topic)):
        meant = re.sub(r"[\\.]" if "/" not in topic and "\\" not in topic else r"\\", "/", topic)
        yield ConfigFault(loc, f"levels of a topic are set apart by '/': {quoted(meant)}", warning=True)


def _node(node: str, loc: Loc) -> Iterator[ConfigFault]:
    if node.endswith((";", ",")):
        text = f"the {quoted(node[-1])} at the end makes it another node; remove it"
        yield ConfigFault(loc, text, warning=True)
    elif re.search(r"[;,]\s*ns=\d+\s*\Z", node):
        meant = meant_node_id(node)
        yield ConfigFault(
            loc, f"the namespace comes first{f'; did you mean {quoted(meant)}?' if meant else ''}", warning=True
        )
    elif (by_number := re.match(r"nsu=(\d+);", node)) is not None:
        meant = f"ns={by_number[1]};{node[by_number.end() :]}"
        text = f"'nsu' has the name of a namespace, and its number stands behind 'ns': did you mean {quoted(meant)}?"
        yield ConfigFault(loc, text, warning=True)
    elif re.search(r"(?:^|;)[sb]=\s", node):
        yield ConfigFault(loc, "the blank after the '=' makes it another node; remove it", warning=True)
    elif node.startswith(("s=", "ns=0;s=")):
        text = "without a namespace this" if node[0] == "s" else "this"
        text += " is namespace 0, the standard's own; write ns=2;s=… or nsu=…;s=…"
        yield ConfigFault(loc, text, warning=True)
    elif loc[-1] == "node" and (folder := _FOLDERS.get(node.removeprefix("ns=0;"))) is not None:
        yield ConfigFault(loc, f"this is the folder {folder}, which has no value: write the node id of a tag in it")


def _path(path: str, loc: Loc) -> Iterator[ConfigFault]:
    if path == "$" or path.startswith(("$.", "$[")):
        name = own_path(path)
        cure = quoted(name) if name and name[0] != "[" else "the name of a field, or leave it out"
        yield ConfigFault(loc, f"{JSON_PATH} {cure}")
    elif "->" in path or (not path.startswith("/") and re.search(r"\w/\w", path)):
        meant = re.sub(r"\s*(->|/)\s*", ".", path)
        yield ConfigFault(loc, f"fields are set apart by dots; did you mean {quoted(meant)}?", warning=True)
    elif path.startswith("/"):
        meant = path.strip("/").replace("/", ".")
        yield ConfigFault(loc, f"fields are set apart by dots, not by '/'; did you mean {quoted(meant)}?", warning=True)
    elif path.count("(") != path.count(")"):
        text = "a parenthesis is missing: the sum of all elements is written as sum(rejects)"
        yield ConfigFault(loc, text)
    elif "[" in _ELEMENT.sub("", path):
        text = "an element of an array is written as rejects[2], counted from 0, and the sum of all as sum(rejects)"
        yield ConfigFault(loc, text, warning=True)


def find_near_topics(lines: Sequence[Line]) -> Iterator[ConfigFault]:
    """Levels of topics, and parts of the names of Sparkplug devices, that differ from those of others beside them by
    their case or by one slip, and topics that begin with a '/' where others do not."""
    beside: dict[tuple[str, str], dict[str, list[tuple[Loc, str]]]] = {}
    for index, line in enumerate(lines):
        for name, given in line.inputs.items():
            key = "topic" if given.topic else "device"
            path: str = getattr(given, key) or ""
            if not path or given.source is None or "$" in path:
                continue
            before = "" if given.topic else f"{SPARKPLUG}/"
            for level in path.split("/"):
                places = beside.setdefault((given.source, before.casefold()), {}).setdefault(level, [])
                if len(places) < _ENOUGH or not before:
                    places.append((("lines", index, "inputs", name, key), path))
                before += f"{level}/"
    for levels in beside.values():
        for level, places in levels.items() if len(levels) <= _MOST_BESIDE else ():
            likely = [other for other in levels if len(levels[other]) > len(places)]
            meant = next((other for other in likely if _is_near(level, other)), None)
            if meant is None and len(places) == 1:  # letters may be turned in what is as short as a code
                meant = next((o for o in likely if len(levels[o]) >= _ENOUGH and is_turned(level, o, _ENOUGH)), None)
            for loc, topic in places if meant is not None else ():
                text = f"{quoted(level)} in {quoted(topic)} is {quoted(meant)} in other {loc[-1]}s: are these two?"
                if not level:
                    text = (
                        "this begins with a '/', other topics of this broker do not: a topic is compared sign by sign"
                    )
                yield ConfigFault(loc, text, warning=True)


_MOST_BESIDE = 60
"""Levels beside each other of which each is compared with each: more are numbers of machines."""
_ENOUGH = 3
"""Topics with one level that show that it is meant. First levels are all counted: one machine of a template that has
another is as often there as its lines."""


def _is_near(level: str, other: str) -> bool:
    return not level or level.casefold() == other.casefold() or one_slip_apart(level, other) or look_alike(level, other)


def _spelling(given: Input, loc: Loc, spelt: dict[tuple[str, str], str]) -> Iterator[ConfigFault]:
    """Topics and nodes that differ from another only in their case."""
    for key in ("topic", "node", "event"):
        value: str | None = getattr(given, key)
        if value is None or given.source is None:
            continue
        first = spelt.setdefault((given.source, value.casefold()), value)
        if first != value:
            text = f"elsewhere this {key} is {quoted(first)}: only their case differs, and it counts"
            yield ConfigFault((*loc, key), text, warning=True)
