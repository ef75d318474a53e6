"""Error messages for what pydantic finds wrong, which tell the person who wrote the file what to write instead.

No message repeats a value of the file: it may be a secret.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.config.invisible import CURLY_QUOTES, foreign_letter, in_curly_quotes
from gateway.config.near_words import called_elsewhere, meant_choice, meant_key, meant_security, nearest, suggestion
from gateway.config.schema import PREPROCESSED_KEYS, Line, Oden, OpcuaConfig
from gateway.config.schema_base import Duration, Rate
from gateway.config.schema_io import Entry
from gateway.config.schema_mqtt import MqttConfig, Presence
from gateway.config.schema_process import Status
from gateway.config.schema_walk import (
    Loc,
    SchemaLocation,
    alternatives,
    every_key,
    locate,
    may_hold_secret,
    section_keys,
    section_models,
    tag_key,
    tag_of,
    tag_values,
)
from gateway.config.tree import quoted
from gateway.errors import ConfigFault

USER_IN_ADDRESS = """\
no user or password can stand in an address, which is shown and logged: remove it, and write `username` and \
`password` beside it"""
_PARAMETER = re.compile(r"\$\{?\w+|[$§&#]?\s?\{+\s*\w+\s*\}+|<\w+>|%\w+%|\$\(\w+\)")
"""What people write for a parameter."""


@dataclass(frozen=True, slots=True)
class SchemaFault:
    """What does not fit the schema, where in the schema that is, and how pydantic calls it.

    `meant` is the key, or the value of a key that tells sections apart, that is most likely meant instead of the
    `value` that is written there. One that `follows` only follows from another, which is told.
    """

    fault: ConfigFault
    at: SchemaLocation
    kind: str
    meant: str | None = None
    below: str | None = None
    """Of an unknown key: the one key of its section below which it may stand."""
    value: Any = None
    follows: bool = False


def schema_faults(error: ValidationError, tree: Any) -> list[SchemaFault]:
    """What is wrong, once for each key path. `error` is about `{"config": the whole file}`, which is `tree`.

    A key that is missing is not told where another one is in its place, which was misspelt; nor that keys are no text,
    where keys may stand as well and one of them is wrong.
    """
    faults: dict[Loc, SchemaFault] = {}
    for details in error.errors(include_url=False):
        found = _fault(details)
        faults.setdefault(found.fault.loc, found)
    _lost_secrets(faults, tree)
    _stand_for_missing(faults)
    misspelt = {(*found.at.loc[:-1], found.meant) for found in faults.values() if found.kind == "extra_forbidden"}
    above = {loc[:depth] for loc in faults for depth in range(len(loc))}
    follows: dict[str, Collection[tuple[object, ...]]] = {"missing": misspelt, "string_type": above, "too_short": above}
    return [found for loc, found in faults.items() if loc not in follows.get(found.kind, ())]


def _lost_secrets(faults: dict[Loc, SchemaFault], tree: Any) -> None:
    """Let an unknown key stand for the secret of which nothing is written in the section, or just above: most likely it
    is that, and it is not repeated."""
    for loc, found in [*faults.items()]:
        if found.kind != "extra_forbidden" or found.meant is not None:
            continue
        section = value_at(tree, loc[:-1])
        around = {loc[:-1]: section, **{(*loc[:-1], key): inner for key, inner in section.items() if key != loc[-1]}}
        lost = [
            (*place, key)
            for place, inner in around.items()
            for key, value in (inner.items() if isinstance(inner, dict) else ())
            if value is None and key in every_key() and key != loc[-1] and may_hold_secret(str(key))
        ]
        if lost:
            text = f"this stands as a key of its own: write the secret behind '{lost[0][-1]}:', in its line"
            faults[loc] = replace(found, fault=replace(found.fault, text=text), below=None)
            faults |= {lost[0]: replace(faults[lost[0]], follows=True)} if lost[0] in faults else {}


def value_at(tree: Any, loc: Loc) -> Any:
    """What stands at `loc` in `tree`."""
    for part in loc:
        tree = tree[part]
    return tree


def _stand_for_missing(faults: dict[Loc, SchemaFault]) -> None:
    """Let the one unknown key of a section stand for the one that is missing, where its value would fit there."""
    for loc, missing in [*faults.items()]:
        beside = [found for at, found in faults.items() if at[:-1] == loc[:-1] and at != loc]
        unknown = [found for found in beside if found.kind == "extra_forbidden"]
        is_one = len(unknown) == 1 and not any(found.kind == "missing" for found in beside)
        if missing.kind != "missing" or not is_one or missing.at.section in {None, Line}:
            continue
        (other,) = unknown
        field = missing.at.field
        if other.meant is not None or other.below is not None or field is None or not _fits(other.value, field):
            continue
        key, meant = other.fault.loc[-1], str(loc[-1])
        known = suggestion("", _keys(missing.at.section) if missing.at.section is not None else ())
        named = "" if may_hold_secret(meant) else f" {quoted(key)}"  # it may be the secret
        text = f"unknown key{named}; did you mean {quoted(meant)}, which is missing?{known}"
        faults[other.fault.loc] = replace(other, fault=replace(other.fault, text=text), meant=meant)


def _fits(value: object, field: FieldInfo) -> bool:
    """Whether a value can stand in a field."""
    whole: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    adapter: TypeAdapter[Any] = TypeAdapter(whole)
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return value is not None


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
    elif kind == "union_tag_not_found" and isinstance(value, dict):
        meant = _misspelt_tag(at, value)
    return SchemaFault(_config_fault(details, at), at, kind, meant, below, value)


def _misspelt_tag(at: SchemaLocation, section: Mapping[Any, Any]) -> str | None:
    """The key in a section that is most likely a slip of the one that tells apart the sections that may stand there."""
    known = {key for model in section_models(at.annotation) for key in _keys(model)}
    others = [str(key) for key in section if str(key) not in known]
    tag, tags = tag_key(at.annotation), _tags(at)
    of_name = (key for key in others if meant_key(key, [tag]) == tag)
    return next(of_name, next((key for key in others if section.get(key) in tags), None)) if tag is not None else None


def _as_name(text: object) -> str | None:
    """The name that is meant by one with blanks or signs in it; None: there is none."""
    name = re.sub(r"\W+", "_", str(text).strip())
    return name if name.isidentifier() and name.isascii() and name != text else None


def _tags(at: SchemaLocation) -> list[str]:
    """The values of the key that tells apart the sections that may stand at `at`."""
    return [tag for model in section_models(at.annotation) for tag in tag_values(model, tag_key(at.annotation))]


def _config_fault(details: ErrorDetails, at: SchemaLocation) -> ConfigFault:
    kind, value = details["type"], details["input"]
    if isinstance(value, str) and in_curly_quotes(value) and not at.at_key:
        return ConfigFault(at.loc, CURLY_QUOTES)
    fault: ConfigFault | None = None
    match kind:
        case "string_pattern_mismatch" if isinstance(value, str):
            fault = _pattern_fault(at, value)
        case "extra_forbidden" | "invalid_key":
            return ConfigFault(at.loc, _unknown_key(at, value), at_key=True)
        case "missing":
            return ConfigFault(at.loc, f"the key {quoted(at.loc[-1])} is missing{_description(at)}")
        case "union_tag_invalid" | "union_tag_not_found":
            return _tag_fault(at, value, is_absent=kind == "union_tag_not_found")
        case "literal_error":
            return _literal_fault(at, value)
        case "string_type" if value is None and not at.at_key:
            return ConfigFault(at.loc, f"nothing is written here{_description(at)}")
        case "string_type" if isinstance(value, dict) and list(value.values()) == [None] and not at.at_key:
            return _braces_fault(at, str(next(iter(value))))
        case "int_type" | "float_type" | "value_error" if isinstance(value, str) and _PARAMETER.fullmatch(value):
            return ConfigFault(at.loc, "a parameter of a template is written ${name}, with the '$' and the braces")
        case "int_type" | "float_type":
            fault = _number_fault(at, value)
    return fault or ConfigFault(at.loc, _message(kind, details.get("ctx", {}), at, value), at_key=at.at_key)


def _pattern_fault(at: SchemaLocation, value: str) -> ConfigFault | None:
    """What is wrong with a text that has not the form that it is to have, where it shows what was meant."""
    if (foreign := foreign_letter(value)) is not None:
        return ConfigFault(at.loc, f"{foreign}: type it anew", at_key=at.at_key)
    if re.fullmatch(r"\w+(\s*;\s*\w+)+", value):
        return ConfigFault(at.loc, "write ',' in the place of ';'", at=(value.index(";"),))
    if _form(at) in {None, _COUNTED}:
        if re.fullmatch(r"\$?\{+\s*[\w.]+\s*\}+", value):
            return ConfigFault(at.loc, "an input is named here: write its name without braces", at_key=at.at_key)
        if _form(at) is None and not at.at_key and re.fullmatch(r"[A-Za-z_]\w*(\.\w+)+", value):
            return ConfigFault(at.loc, "an input is named here: a field of a message is one of its own, by 'field'")
    elif re.match(r"\w+://[^/?#]*@", value):
        return ConfigFault(at.loc, USER_IN_ADDRESS)
    return None


def _tag_fault(at: SchemaLocation, value: object, *, is_absent: bool) -> ConfigFault:
    """What is wrong with the key that tells which section is meant, or with its value."""
    slip = _misspelt_tag(at, value) if is_absent and isinstance(value, dict) else None
    if slip is not None:
        text = f"unknown key {quoted(slip)}; did you mean {quoted(tag_key(at.annotation))}?"
        return ConfigFault((*at.loc, slip), text, at_key=True)
    key, tag, names = tag_key(at.annotation), tag_of(at.annotation, value), _tags(at)
    complaint = f"the key '{key}' is missing; write" if tag is None else f"unknown {key}; write"
    return ConfigFault((*at.loc, key), f"{complaint} {_choice(names)}{meant_choice(tag, names)}")


def _literal_fault(at: SchemaLocation, value: object) -> ConfigFault:
    """What is wrong with a value that is none of those that there are."""
    choices = [
        choice for part in alternatives(at.annotation) if get_origin(part) is Literal for choice in get_args(part)
    ]
    names = [*map(str, choices)]
    if all(isinstance(choice, int) for choice in choices):
        return ConfigFault(at.loc, f"write {_choice(names).replace(chr(39), '')}, without quotes or a unit")
    quotes = "" if isinstance(value, str) else ", with the quotes"
    return ConfigFault(at.loc, f"write {_choice(names)}{quotes}{meant_choice(value, names)}")


def _braces_fault(at: SchemaLocation, name: str) -> ConfigFault:
    """What is wrong with a `name` in braces without quotes, which YAML reads as a mapping."""
    if name.startswith("secret"):
        return ConfigFault(at.loc, "write ${secret:NAME}, with the '$' before the braces")
    if SecretStr in alternatives(at.annotation):
        return ConfigFault(at.loc, "write ${secret:NAME}, or the secret alone, without braces")
    return ConfigFault(at.loc, f'put quotes around the braces: "{{{name if name.isidentifier() else "..."}}}"')


def _number_fault(at: SchemaLocation, value: object) -> ConfigFault | None:
    """What is wrong with what stands where a number is wanted, where it shows which one was meant."""
    if isinstance(value, list | dict) and at.annotation is None:
        return ConfigFault(at.loc, _SINGLE)
    if isinstance(value, str) and re.fullmatch(r"\d{1,3}([_'’ ]\d{3})+", value):
        digits = "".join(filter(str.isdigit, value))
        return ConfigFault(at.loc, f"write a number here without any sign between its thousands: {digits}")
    if isinstance(value, str) and re.fullmatch(r"[-+]?[\d.]+,[\d.,]+", value):
        return ConfigFault(at.loc, "write the number with a point, as in 0.5, and thousands without any sign: 1000")
    return None


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
    if called_elsewhere(key, _keys(section)) is not None:
        return []
    below: dict[str, Any] = {name: info.annotation for name, info in section_keys(section).items()}
    return [name for name, part in below.items() if any(key in section_keys(model) for model in section_models(part))]


def _keys(section: type[BaseModel]) -> list[str]:
    """The keys that may be written in a section."""
    preprocessed = section_keys(PREPROCESSED_KEYS[section]) if section in PREPROCESSED_KEYS else ()
    return [*section_keys(section), *preprocessed]


def _choice(names: Iterable[str]) -> str:
    *first, last = [f"'{name}'" for name in names]
    return f"{', '.join(first)} or {last}" if first else last


def _description(at: SchemaLocation) -> str:
    """What the schema says of the key, as a sentence of its own."""
    return f". {at.field.description}" if at.field and at.field.description else ""


def _message(kind: str, context: Mapping[str, Any], at: SchemaLocation, value: object) -> str:
    match kind:
        case "value_error":
            return str(context["error"])
        case "string_pattern_mismatch":
            form = _form(at)
            return f"write {form}{_meant_form(str(value), form)}" if form else _NAME
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


_SCHEME = re.compile(r"([\w.]+)://")
_SECURITY = "policy/mode, such as Basic256Sha256/SignAndEncrypt, or none"


def _meant_form(text: str, form: str) -> str:
    """The end of a message about a `text` that should have a `form` of its own: the word of that of which it has a
    slip."""
    before, sign, _ = text.partition("://")
    if form == _SECURITY:
        return meant_security(text)
    schemes = _SCHEME.findall(form)
    near = nearest(before, schemes, 0.7) if sign and before not in schemes else None
    return f"; did you mean '{near}://'?" if near is not None else ""


_SINGLE = "write a single value here: text, a number, true or false"
_NAME = "write a name of letters, digits and '_' that does not begin with a digit"
_COUNTED = "the name of an input or, for a field of an event, input.field"
_FORMS: Mapping[tuple[type[BaseModel], str], str] = {
    (Oden, "url"): "https://host/path, such as https://api.oden.app/v2",
    (OpcuaConfig, "url"): "opc.tcp://host:port, such as opc.tcp://10.1.4.20:4840",
    (OpcuaConfig, "redundant"): "opc.tcp://host:port, such as opc.tcp://10.1.4.21:4840",
    (OpcuaConfig, "security"): _SECURITY,
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
