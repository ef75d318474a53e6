"""What is wrong with inputs that are MQTT messages: their topics, fields and forms, and how those of several fit
together. See `check`."""

import re
from collections.abc import Iterable, Iterator, Sequence

from gateway.config.addresses import SPARKPLUG, named_levels, path_of, topic_filter
from gateway.config.near_words import suggestion
from gateway.config.schema import Line
from gateway.config.schema_io import Input
from gateway.config.schema_messages import Parts
from gateway.config.schema_walk import Loc
from gateway.config.tree import quoted
from gateway.errors import ConfigFault, characters_of

MAX_TOPIC_SIZE = 65535
_LEVEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def message_faults(given: Input, loc: Loc) -> Iterator[ConfigFault]:
    """What is wrong with one input of messages, which stands at `loc`."""
    fault = _topic_fault(given.topic) if given.topic is not None else None
    if fault is not None:
        yield ConfigFault((*loc, "topic"), fault, rests_on=())
    paths = [((*loc, "field"), given.field), ((*loc, "time"), given.time_field)]
    paths += [((*loc, "only", path), path) for path in given.only]
    paths += [((*loc, "id"), str(path)) for path in given.id]
    if isinstance(given.split, Parts) and given.split.columns:
        yield from _column_faults(given.split.columns, named_levels(given.topic or ""), paths, loc)
    if isinstance(given.split, Parts):
        paths.append(((*loc, "split", "field"), given.split.field))
        if (given.split.field is None) != bool(given.split.columns):
            yield ConfigFault((*loc, "split"), "write 'field', which has an array, or the 'columns' of a table")
    elif given.split not in (None, "lines", "elements"):
        yield ConfigFault((*loc, "split"), "write 'lines', 'elements', or what holds the events: {field: shots}")
    yield from path_faults(paths)
    if given.binary is not None and given.binary.encoding == "raw":
        for key in ("split", "field", "number", "capture", "json_schema"):
            if key in given.model_fields_set:
                text = f"'{key}' means nothing where the payload is bytes: remove it, or write 'encoding: hex'"
                yield ConfigFault((*loc, key), text)


def _column_faults(
    columns: Sequence[str], levels: Sequence[str], paths: Iterable[tuple[Loc, str | None]], loc: Loc
) -> Iterator[ConfigFault]:
    """What is wrong with the columns of a table, and with the fields that are taken of its lines."""
    if len({*columns}) != len(columns):
        yield ConfigFault((*loc, "split", "columns"), "two columns have the same name, of which only one would count")
    known = (*columns, *levels)
    for at, path in paths:
        name = re.split(r"[.\[]", path or "", maxsplit=1)[0]
        if name and name not in known:
            yield ConfigFault(at, f"the table has no column '{name}': name it in 'columns'{suggestion(name, known)}")


def path_faults(paths: Iterable[tuple[Loc, str | None]]) -> Iterator[ConfigFault]:
    """What is wrong with the way to a field, each with its place; None: the whole is meant."""
    for at, path in paths:
        try:
            path_of("all" if path is None else path)
        except ValueError as error:
            is_key = at[-1] == path
            yield ConfigFault(at, str(error), rests_on=(), at=() if is_key else characters_of(error))


def forms_faults(lines: Sequence[Line]) -> Iterator[ConfigFault]:
    """What does not fit together in the messages of several inputs: a topic is read in one way, and subscribed once."""
    seen: dict[tuple[str | None, str], tuple[str, Input]] = {}
    filters: dict[tuple[str | None, int], dict[str, Loc]] = {}
    for index, line in enumerate(lines):
        for name, given in line.inputs.items():
            if given.topic is None:
                continue
            at: Loc = ("lines", index, "inputs", name)
            first, other = seen.setdefault((given.source, given.topic), (name, given))
            for key, here, there in (("split", given.split, other.split), ("binary", given.is_raw, other.is_raw)):
                if here != there:
                    text = f"{quoted(first)} reads this topic too, with another '{key}': write the same"
                    yield ConfigFault((*at, *([key] if key in given.model_fields_set else [])), text, at_key=True)
            if "+" in given.topic and _topic_fault(given.topic) is not None:
                continue
            filter_ = topic_filter(given.topic)
            filters.setdefault((given.source, filter_.count("/")), {}).setdefault(filter_, (*at, "topic"))
    for alike in filters.values():
        for one in [each for each in alike if "+" in each]:
            other_ = next((each for each in alike if each != one and _overlap(one, each)), None)
            if other_ is not None:
                text = f"a message can be of this topic and of {quoted(other_)}, and a broker may send it for each"
                yield ConfigFault(alike[one], f"{text}: write one topic that is both, and 'only'")


def _topic_fault(topic: str) -> str | None:
    if not topic or "\0" in topic or len(topic.encode()) > MAX_TOPIC_SIZE:
        return f"a topic has from 1 to {MAX_TOPIC_SIZE} bytes, none of them zero"
    if topic.startswith(f"{SPARKPLUG}/"):
        return "this is a topic of Sparkplug B: write 'device' and 'metric' instead"
    names = named_levels(topic)
    levels = [level for level in topic.split("/") if "+" in level or "#" in level]
    if len(levels) != len(names) or not all(_LEVEL_NAME.fullmatch(name) for name in names):
        return (
            "wildcards ('+' and '#') cannot stand here alone; give the level a name, which becomes a field: "
            "plant/+station/events"
        )
    if len({*names}) != len(names):
        return "two levels of the topic have the same name"
    return None


def _overlap(one: str, other: str) -> bool:
    """Whether a topic can match both filters, which have as many levels."""
    pairs = zip(one.split("/"), other.split("/"), strict=True)
    return all(left == right or "+" in (left, right) for left, right in pairs)
