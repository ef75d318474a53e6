"""The schema as a tree that is walked along with the file: what the schema says of each key path of the file.

An `annotation` is the schema's type of a value, such as `Line`, `dict[str, Input]` or `float | None`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from gateway.config.schema import Config, LineKeys, TopLevelKeys

Loc = tuple[str | int, ...]
"""A key path from the root of the configuration: keys, and indices of lists."""


@cache
def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The types that `annotation` allows: a union's members without None, and without what Annotated adds."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return tuple(member for part in get_args(annotation) for member in alternatives(part))
    return () if annotation is NoneType else (annotation,)


@cache
def section_models(annotation: Any) -> tuple[type[BaseModel], ...]:
    """The sections that `annotation` allows. Where there are several, their key `tag_key` tells them apart."""
    return tuple(part for part in alternatives(annotation) if isinstance(part, type) and issubclass(part, BaseModel))


@cache
def tag_key(annotation: Any) -> str:
    """The key that tells apart the sections that `annotation` allows; empty where it allows only one."""
    possible = section_models(annotation)
    if len(possible) < 2:
        return ""
    return next((name for name in possible[0].model_fields if all(_is_tag(model, name) for model in possible)), "")


def _is_tag(model: type[BaseModel], name: str) -> bool:
    return name in model.model_fields and get_origin(model.model_fields[name].annotation) is Literal


def tag_values(model: type[BaseModel], key: str) -> tuple[Any, ...]:
    """The values of `key` that mean `model`."""
    return get_args(model.model_fields[key].annotation)


def tag_of(annotation: Any, value: Any) -> Any:
    """What `value`, which stands where the schema has `annotation`, has at its `tag_key`; None where it has nothing."""
    return value.get(tag_key(annotation)) if isinstance(value, dict) else None


@cache
def section_keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of a section, as they are written in the file, with their fields."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


@cache
def _every_section() -> tuple[type[BaseModel], ...]:
    seen: dict[type[BaseModel], None] = {}
    waiting: list[Any] = [Config, LineKeys, TopLevelKeys]
    while waiting:
        annotation = waiting.pop()
        for part in alternatives(annotation):
            if get_origin(part) in {dict, list}:
                waiting += get_args(part)
        for model in section_models(annotation):
            if model not in seen:
                seen[model] = None
                waiting += (info.annotation for info in section_keys(model).values())
    return tuple(seen)


@cache
def every_key() -> frozenset[str]:
    """The keys of all sections that there are."""
    return frozenset(key for model in _every_section() for key in section_keys(model))


@cache
def number_keys() -> frozenset[str]:
    """The keys at which a number is written, or one with its unit such as a duration."""
    fields = (item for model in _every_section() for item in section_keys(model).items())
    allowed = ((key, alternatives(cast("Any", info.annotation))) for key, info in fields)
    return frozenset(key for key, parts in allowed if bool not in parts and not {int, float}.isdisjoint(parts))


@cache
def _secret_keys() -> frozenset[str]:
    fields = (item for model in _every_section() for item in section_keys(model).items())
    return frozenset(key for key, info in fields if SecretStr in alternatives(cast("Any", info.annotation)))


def may_hold_secret(key: str) -> bool:
    """Whether a secret may stand at `key`: the schema says so, or it is called like one, or nearly."""
    name = key.lower()
    if name in every_key():
        return name in _secret_keys()
    return bool(_OF_SECRETS.search(name) or get_close_matches(name, _secret_keys(), n=1, cutoff=_NEAR_SECRET))


_OF_SECRETS = re.compile(
    r"passw|passphrase|secret|token|credential|api_?key|auth(?!or(?!i[sz]))|(?:\A|[\W_])(?:pass|passwd|pwd?)\Z"
)
_NEAR_SECRET = 0.75
"""How much like the key of a secret another one is at least that may be meant as it, as difflib measures."""


def in_one_section(keys: set[object]) -> bool:
    """Whether there is a section that may have all of these `keys`."""
    return any(keys <= section_keys(model).keys() for model in _every_section())


@cache
def may_stand_below(key: str, inner: str) -> bool:
    """Whether there is a section that has, at `key`, one with the key `inner`, or what a table may hold and a file."""
    for model in _every_section():
        info = section_keys(model).get(key)
        below: Any = info.annotation if info is not None else None
        if inner == "file" and section_collection(below) is not None:
            return True
        if any(inner in section_keys(part) for part in section_models(below)):
            return True
    return False


def child_annotation(annotation: Any, key: object, tag: object) -> Any:
    """The annotation of the value at `key` in a value of `annotation`; None where no such key may stand.

    `tag` is what that value has at its `tag_key`.
    """
    for part in alternatives(annotation):
        if get_origin(part) in {dict, list}:
            return get_args(part)[-1]
    possible = section_models(annotation)
    if len(possible) > 1:
        possible = tuple(model for model in possible if tag in tag_values(model, tag_key(annotation)))
    field = section_keys(possible[0]).get(str(key)) if possible else None
    return field and field.annotation


def keys_of(annotation: Any) -> tuple[str, ...] | None:
    """The keys of the sections that `annotation` allows; None: names of one's own, or no keys."""
    if any(get_origin(part) is dict for part in alternatives(annotation)):
        return None
    return tuple(dict.fromkeys(key for model in section_models(annotation) for key in section_keys(model))) or None


def takes_only_text(annotation: Any) -> bool:
    """Whether `annotation` allows only text, so that what looks like a number is text as well."""
    return all(
        part not in {int, float, bool} and get_origin(part) in {None, Literal} for part in alternatives(annotation)
    ) and not section_models(annotation)


def takes_section(annotation: Any) -> bool:
    """Whether `annotation` means keys or list items, not a single value."""
    return bool(section_models(annotation)) or any(
        get_origin(part) in {dict, list} for part in alternatives(annotation)
    )


@cache
def section_collection(annotation: Any) -> Any:
    """The mapping or list of sections that `annotation` allows; None where it allows none."""
    collections = (part for part in alternatives(annotation) if get_origin(part) in {dict, list})
    return next((part for part in collections if section_models(get_args(part)[-1])), None)


@dataclass(frozen=True, slots=True)
class SchemaLocation:
    """A place where pydantic found something wrong: its key path in the file, and what the schema says of it.

    `section` is the model that has the last key of `loc`, `field` its field of that key; both are None for the items of
    a list or mapping. `at_key` says that the key is wrong, not the value.
    """

    loc: Loc
    section: type[BaseModel] | None
    field: FieldInfo | None
    annotation: Any
    at_key: bool = False


def locate(parts: Iterable[str | int]) -> SchemaLocation:
    """Translate pydantic's `loc`, which also names the members of unions and marks keys of mappings by `[key]`."""
    location = SchemaLocation((), None, None, Config)
    for part in parts:
        location = _step(location, part)
    return location


def _step(at: SchemaLocation, part: str | int) -> SchemaLocation:
    if part == "[key]":
        return replace(at, at_key=True)
    possible = section_models(at.annotation)
    if len(possible) > 1:
        chosen = next((model for model in possible if part in tag_values(model, tag_key(at.annotation))), None)
        return SchemaLocation(at.loc, at.section, at.field, chosen)
    if possible and len(alternatives(at.annotation)) > 1:  # the name of the section, or of what may stand for it
        return replace(at, annotation=possible[0]) if part == possible[0].__name__ else at
    if possible:
        field = section_keys(possible[0]).get(str(part))
        return SchemaLocation((*at.loc, part), possible[0], field, field.annotation if field else None)
    for alternative in alternatives(at.annotation):
        if get_origin(alternative) in {dict, list}:
            return SchemaLocation((*at.loc, part), None, None, get_args(alternative)[-1])
    return SchemaLocation(at.loc, at.section, at.field, None)
