"""Error messages for what pydantic finds wrong, which tell the person who wrote the file what to write instead.

No message repeats a value of the file: it may be a secret.
"""

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from gateway.config.invisible import CURLY_QUOTES, foreign_letter, in_curly_quotes
from gateway.config.schema import PREPROCESSED_KEYS, Line, Oden, OpcuaConfig
from gateway.config.schema_base import Duration, Rate
from gateway.config.schema_io import Entry
from gateway.config.schema_mqtt import MqttConfig, Presence
from gateway.config.schema_process import Status
from gateway.config.schema_walk import (
    Loc,
    SchemaLocation,
    alternatives,
    locate,
    section_keys,
    section_models,
    tag_key,
    tag_of,
    tag_values,
)
from gateway.config.tree import quoted
from gateway.errors import ConfigFault

USER_IN_ADDRESS = (
    "no user or password can stand in an address, which is shown and logged: remove it, and write `username` and "
    "`password` beside it"
)
_EACH = 5
"""Of faults alike, how many are told each by itself; where there are more, the first is told for all of them."""
_SHORTEST = 4
"""Letters of words that are compared letter by letter: more than so many, on the average of two."""
_WORD = re.compile(r"[^\W_]+")
_PARAMETER = re.compile(r"\$\{?\w+|[$§&#]?\s?\{+\s*\w+\s*\}+|<\w+>|%\w+%|\$\(\w+\)")
"""What people write for a parameter."""


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
    return len(different) == 1 and sum(map(len, different[0])) > 2 * _SHORTEST and _is_slip(*different[0])


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


def _folded(word: str) -> str:
    return word.strip().casefold().replace(" ", "_").replace("-", "_")


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the known word that is most like it, and all known words."""
    names = list(dict.fromkeys(known))
    near = nearest(word, names)
    meant = f"; did you mean {quoted(near)}?" if near else ""
    return f"{meant} (possible here: {', '.join(names) or 'nothing'})"


@dataclass(frozen=True, slots=True)
class SchemaFault:
    """What does not fit the schema, where in the schema that is, and how pydantic calls it.

    `meant` is the key, or the value of a key that tells sections apart, that is most likely meant instead.
    """

    fault: ConfigFault
    at: SchemaLocation
    kind: str
    meant: str | None = None
    below: str | None = None
    """Of an unknown key: the one key of its section below which it may stand."""


def schema_faults(error: ValidationError) -> list[SchemaFault]:
    """What is wrong, once for each key path. `error` is about `{"config": the whole file}`.

    A key that is missing is not told where another one is in its place, which was misspelt; nor that keys are no text,
    where keys may stand as well and one of them is wrong.
    """
    faults: dict[Loc, SchemaFault] = {}
    for details in error.errors(include_url=False):
        found = _fault(details)
        faults.setdefault(found.fault.loc, found)
    misspelt = {(*found.at.loc[:-1], found.meant) for found in faults.values() if found.kind == "extra_forbidden"}
    above = {loc[:depth] for loc in faults for depth in range(len(loc))}
    follows: dict[str, Collection[tuple[object, ...]]] = {"missing": misspelt, "string_type": above, "too_short": above}
    return [found for loc, found in faults.items() if loc not in follows.get(found.kind, ())]


def one_level_out(found: Iterable[SchemaFault]) -> list[SchemaFault]:
    """What was `found`, where keys of one section that belong below one and the same key of it are told together."""
    told: list[SchemaFault] = []
    groups: dict[tuple[Loc, str], list[SchemaFault]] = {}
    for one in found:
        group = groups.setdefault((one.fault.loc[:-1], one.below), []) if one.below is not None else []
        group.append(one)
        if len(group) == 1:
            told.append(one)
    for (_, below), (first, *others) in groups.items():
        if others:
            names = " and ".join(quoted(one.fault.loc[-1]) for one in (first, *others))
            text = f"{names} stand under {quoted(below)}: {below}: {{{first.fault.loc[-1]}: …}}"
            told[told.index(first)] = replace(first, fault=replace(first.fault, text=text))
    return told


def _fault(details: ErrorDetails) -> SchemaFault:
    at, kind, value = locate(details["loc"][1:]), details["type"], details["input"]
    meant: str | None = None
    below: str | None = None
    if kind == "extra_forbidden" and at.section is not None:
        inner = _inner_sections(at.section, str(at.loc[-1]))
        meant = None if inner else meant_key(str(at.loc[-1]), [*section_keys(at.section)])
        below = inner[0] if len(inner) == 1 else None
    elif kind == "string_pattern_mismatch" and at.at_key:
        meant = _as_name(value)
    elif kind == "union_tag_invalid":
        meant = nearest(str(tag_of(at.annotation, value)), _tags(at), 0.5)
    return SchemaFault(_config_fault(details, at), at, kind, meant, below)


def _as_name(text: object) -> str | None:
    """The name that is meant by one with blanks or signs in it; None: there is none."""
    name = re.sub(r"\W+", "_", str(text).strip())
    return name if name.isidentifier() and name.isascii() and name != text else None


def _tags(at: SchemaLocation) -> list[str]:
    """The values of the key that tells apart the sections that may stand at `at`."""
    return [tag for model in section_models(at.annotation) for tag in tag_values(model, tag_key(at.annotation))]


def _config_fault(details: ErrorDetails, at: SchemaLocation) -> ConfigFault:
    kind, context, value = details["type"], details.get("ctx", {}), details["input"]
    if isinstance(value, str) and in_curly_quotes(value) and not at.at_key:
        return ConfigFault(at.loc, CURLY_QUOTES)
    match kind:
        case "string_pattern_mismatch" if isinstance(value, str) and (foreign := foreign_letter(value)) is not None:
            return ConfigFault(at.loc, f"{foreign}: type it anew", at_key=at.at_key)
        case "string_pattern_mismatch" if isinstance(value, str) and re.fullmatch(r"\w+(\s*;\s*\w+)+", value):
            return ConfigFault(at.loc, "write ',' in the place of ';'", at=(value.index(";"),))
        case "string_pattern_mismatch" if isinstance(value, str) and _form(at) in {None, _COUNTED}:
            if re.fullmatch(r"\$?\{+\s*[\w.]+\s*\}+", value):
                return ConfigFault(at.loc, "an input is named here: write its name without braces", at_key=at.at_key)
            if _form(at) is None and not at.at_key and re.fullmatch(r"[A-Za-z_]\w*(\.\w+)+", value):
                return ConfigFault(at.loc, "an input is named here: a field of a message is one of its own, by 'field'")
        case "string_pattern_mismatch" if isinstance(value, str) and re.match(r"\w+://[^/?#]*@", value):
            return ConfigFault(at.loc, USER_IN_ADDRESS)
        case "extra_forbidden" | "invalid_key":
            return ConfigFault(at.loc, _unknown_key(at, value), at_key=True)
        case "missing":
            return ConfigFault(at.loc, f"the key {quoted(at.loc[-1])} is missing{_description(at)}")
        case "union_tag_invalid" | "union_tag_not_found":
            key, tag = tag_key(at.annotation), tag_of(at.annotation, value)
            names = _tags(at)
            complaint = f"the key '{key}' is missing; write" if tag is None else f"unknown {key}; write"
            return ConfigFault((*at.loc, key), f"{complaint} {_choice(names)}{_nearest(tag, names)}")
        case "literal_error":
            literals = [part for part in alternatives(at.annotation) if get_origin(part) is Literal]
            choices = [choice for literal in literals for choice in get_args(literal)]
            names = [*map(str, choices)]
            if all(isinstance(choice, int) for choice in choices):
                return ConfigFault(at.loc, f"write {_choice(names).replace(chr(39), '')}, without quotes or a unit")
            quotes = "" if isinstance(value, str) else ", with the quotes"
            return ConfigFault(at.loc, f"write {_choice(names)}{quotes}{_nearest(value, names)}")
        case "string_type" if value is None and not at.at_key:
            return ConfigFault(at.loc, f"nothing is written here{_description(at)}")
        case "int_type" | "float_type" | "value_error" if isinstance(value, str) and _PARAMETER.fullmatch(value):
            text = "a parameter of a template is written ${name}, with the '$' and the braces"
            return ConfigFault(at.loc, text)
        case "string_type" if isinstance(value, dict) and list(value.values()) == [None] and not at.at_key:
            name = str(next(iter(value)))
            if name.startswith("secret"):
                return ConfigFault(at.loc, "write ${secret:NAME}, with the '$' before the braces")
            if SecretStr in alternatives(at.annotation):
                return ConfigFault(at.loc, "write ${secret:NAME}, or the secret alone, without braces")
            return ConfigFault(at.loc, f'put quotes around the braces: "{{{name if name.isidentifier() else "..."}}}"')
        case "int_type" | "float_type" if isinstance(value, list | dict) and at.annotation is None:
            return ConfigFault(at.loc, _SINGLE)
        case "int_type" | "float_type" if isinstance(value, str) and re.fullmatch(r"\d{1,3}([_'’ ]\d{3})+", value):
            digits = "".join(filter(str.isdigit, value))
            return ConfigFault(at.loc, f"write a number here without any sign between its thousands: {digits}")
        case "int_type" | "float_type" if isinstance(value, str) and re.fullmatch(r"[-+]?[\d.]+,[\d.,]+", value):
            return ConfigFault(at.loc, "write the number with a point, as in 0.5, and thousands without any sign: 1000")
    return ConfigFault(at.loc, _message(kind, context, at), at_key=at.at_key)


def _form(at: SchemaLocation) -> str | None:
    return None if at.section is None else _FORMS.get((at.section, str(at.loc[-1])))


def _unknown_key(at: SchemaLocation, value: object) -> str:
    key, known = str(at.loc[-1]), _keys(at.section) if at.section else []
    if key == "<<":
        return "'<<' merges nothing here: what lines have in common stands in a template, which they name with 'use'"
    # A key without a value may be a value that has lost its key, so it is repeated only where it resembles a key
    inner = _inner_sections(at.section, key) if at.section is not None else []
    meant = None if inner else meant_key(key, known)
    named = value is not None or meant is not None
    parameter = "; a parameter of a template stands under 'with'" if at.section is Line else ""
    below = f"; it stands under {' or '.join(map(quoted, inner))}" if inner and named else ""
    question = f"; did you mean {quoted(meant)}?" if meant is not None else below
    return f"unknown key{f' {quoted(key)}' if named else ''}{question}{suggestion('', known)}{parameter}"


def _inner_sections(section: type[BaseModel], key: str) -> list[str]:
    """The keys of `section` below which `key` may stand; none where other programs call a key of its own so."""
    if _called_elsewhere(key, _keys(section)) is not None:
        return []
    below: dict[str, Any] = {name: info.annotation for name, info in section_keys(section).items()}
    return [name for name, part in below.items() if any(key in section_keys(model) for model in section_models(part))]


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
    return _called_elsewhere(word, known) or nearest(word, known, _NEAR_KEY) or next(slip, None)


def _called_elsewhere(word: str, known: Sequence[str]) -> str | None:
    """The known key that other programs call `word`."""
    return next((key for key, others in _SYNONYMS.items() if key in known and _folded(word) in others), None)


def _keys(section: type[BaseModel]) -> list[str]:
    """The keys that may be written in a section."""
    preprocessed = section_keys(PREPROCESSED_KEYS[section]) if section in PREPROCESSED_KEYS else ()
    return [*section_keys(section), *preprocessed]


def _choice(names: Iterable[str]) -> str:
    *first, last = [f"'{name}'" for name in names]
    return f"{', '.join(first)} or {last}" if first else last


def _nearest(value: object, names: Iterable[str]) -> str:
    near = nearest(str(value), names, 0.5)
    return f"; did you mean '{near}'?" if near else ""


def _description(at: SchemaLocation) -> str:
    """What the schema says of the key, as a sentence of its own."""
    return f". {at.field.description}" if at.field and at.field.description else ""


def _message(kind: str, context: Mapping[str, Any], at: SchemaLocation) -> str:
    match kind:
        case "value_error":
            return str(context["error"])
        case "string_pattern_mismatch":
            form = _form(at)
            return f"write {form}" if form else _NAME
        case "greater_than":
            return f"must be more than {context['gt']:g}{_unit(at)}"
        case "greater_than_equal":
            return f"must be at least {context['ge']:g}{_unit(at)}"
        case "less_than":
            return f"must be less than {context['lt']:g}{_unit(at)}{_description(at)}"
        case "less_than_equal":
            return f"must be at most {context['le']:g}{_unit(at)}{_description(at)}"
        case "string_type" if at.at_key:
            return _NAME
        case "string_type" if at.annotation is None:  # one of several kinds of single values
            return _SINGLE
    if kind == "too_short" and context.get("min_length", 1) > 1:
        return f"this must have at least {context['min_length']} entries"
    annotation: Any = at.field.annotation if at.field is not None else None
    if kind == "int_type" and annotation is not None and float in alternatives(annotation):
        kind = "float_type"
    return _WRONG_TYPE.get(kind) or f"this value cannot stand here{_description(at)}"


def _unit(at: SchemaLocation) -> str:
    metadata = at.field.metadata if at.field else []
    if get_args(Duration)[1] in metadata:
        return " s"
    return " a second" if get_args(Rate)[1] in metadata else ""


_SINGLE = "write a single value here: text, a number, true or false"
_NAME = "write a name of letters, digits and '_' that does not begin with a digit"
_COUNTED = "the name of an input or, for a field of an event, input.field"
_FORMS: Mapping[tuple[type[BaseModel], str], str] = {
    (Oden, "url"): "https://host/path, such as https://api.oden.app/v2",
    (OpcuaConfig, "url"): "opc.tcp://host:port, such as opc.tcp://10.1.4.20:4840",
    (OpcuaConfig, "security"): "policy/mode, such as Basic256Sha256/SignAndEncrypt, or none",
    (MqttConfig, "url"): "mqtt://host:port, with TLS mqtts://host:port, under WebSocket ws:// or wss://host:port/path",
    (MqttConfig, "alternatives"): "mqtt://host:port, with TLS mqtts://host:port, under WebSocket ws:// or wss://",
    (MqttConfig, "host_id"): "the host's id, which is one level of a topic: without '/', '+', '#' and blanks",
    (Presence, "topic"): "one topic, without wildcards ('+' and '#'): a message is published there",
    (Entry, "count"): _COUNTED,
    (Status, "listen"): "address:port, such as 127.0.0.1:8321",
}
"""How texts with a form of their own are written. All other texts with a pattern are names."""

_SECTION = "write keys and values here: 'key: value' lines, indented below"
_WRONG_TYPE = {
    "string_type": "write text here; a number, true or false that is meant as text needs quotes",
    "is_instance_of": "write a path here",
    "int_type": "write a whole number here, without quotes or a unit",
    "float_type": "write a number here, such as 0.1, without quotes or a unit",
    "bool_type": "write true or false here",
    "list_type": "write a list here: an indented line that begins with '- ' for each item",
    "dict_type": _SECTION,
    "model_type": _SECTION,
    "model_attributes_type": _SECTION,
    "string_too_short": "this must not be empty",
    "too_short": "this must have at least one entry",
}


def told_once(texts: Sequence[str], places: str) -> Iterator[str]:
    """What is said of each of the faults with these texts, in their order: of many alike the first says for how many
    more `places` it holds, and the others nothing, an empty text."""
    times, told = Counter(texts), set[str]()
    for text in texts:
        if times[text] <= _EACH:
            yield text
        else:
            yield "" if text in told else f"{text}; so it is in {times[text] - 1} more {places}"
            told.add(text)
