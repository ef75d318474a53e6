"""The schema as a tree that can be walked along with the file: what stands where, and which keys it may have."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config.schema import Config

Loc = tuple[str | int, ...]
"""A way from the root of the file: keys, and indices of lists."""


@cache
def alternatives(annotation: Any) -> tuple[Any, ...]:
    """What may stand there: a union's members without None, and without what Annotated adds."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return tuple(member for part in get_args(annotation) for member in alternatives(part))
    return () if annotation is NoneType else (annotation,)


@cache
def models(annotation: Any) -> tuple[type[BaseModel], ...]:
    """The sections that may stand there: several where one of their keys, `tag_key`, tells them apart."""
    return tuple(part for part in alternatives(annotation) if isinstance(part, type) and issubclass(part, BaseModel))


@cache
def tag_key(annotation: Any) -> str:
    """The key that tells apart the sections that may stand there; empty where there is only one kind."""
    possible = models(annotation)
    shared = (
        [name for name in possible[0].model_fields if all(_is_tag(one, name) for one in possible)] if possible else []
    )
    return shared[0] if len(possible) > 1 and shared else ""


def _is_tag(model: type[BaseModel], name: str) -> bool:
    return name in model.model_fields and get_origin(model.model_fields[name].annotation) is Literal


def tags(model: type[BaseModel], key: str) -> tuple[Any, ...]:
    """The values of `key` that mean `model`."""
    return get_args(model.model_fields[key].annotation)


def tag_of(annotation: Any, value: Any) -> Any:
    """What `value`, which stands there, has at `tag_key`; None where it has nothing."""
    return value.get(tag_key(annotation)) if isinstance(value, dict) else None


@cache
def fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of a section, as they are written in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def below(annotation: Any, key: object, tag: object) -> Any:
    """The annotation of what stands at `key` of what stands at `annotation`, which has `tag` at its `tag_key`; None where nothing may."""
    for part in alternatives(annotation):
        if get_origin(part) in {dict, list}:
            return get_args(part)[-1]
    possible = models(annotation)
    if len(possible) > 1:
        possible = tuple(model for model in possible if tag in tags(model, tag_key(annotation)))
    field = fields(possible[0]).get(str(key)) if possible else None
    return field and field.annotation


def is_text(annotation: Any) -> bool:
    """Whether only text may stand there, so that what looks like a number is text as well."""
    return all(
        part not in {int, float, bool} and get_origin(part) in {None, Literal} for part in alternatives(annotation)
    ) and not models(annotation)


def is_section(annotation: Any) -> bool:
    """Whether keys or list items stand there, not a single value."""
    return bool(models(annotation)) or any(get_origin(part) in {dict, list} for part in alternatives(annotation))


@cache
def collection(annotation: Any) -> Any:
    """The table or list of sections that may stand there; None where none may."""
    kinds = (part for part in alternatives(annotation) if get_origin(part) in {dict, list})
    return next((part for part in kinds if models(get_args(part)[-1])), None)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where pydantic found something wrong, in the terms of the file.

    `section` is the model that holds `loc`, `field` what it says of it; both None in the middle of a list or table.
    """

    loc: Loc
    section: type[BaseModel] | None
    field: FieldInfo | None
    annotation: Any
    at_key: bool = False


def spot(parts: Iterable[str | int]) -> Spot:
    """Translate pydantic's `loc`, which also names the members of unions and marks keys of tables by `[key]`."""
    found = Spot((), None, None, Config)
    for part in parts:
        found = _step(found, part)
    return found


def _step(at: Spot, part: str | int) -> Spot:
    possible = models(at.annotation)
    if len(possible) > 1:
        chosen = next((model for model in possible if part in tags(model, tag_key(at.annotation))), None)
        return Spot(at.loc, at.section, at.field, chosen, at_key=part == "[key]")
    if possible:
        field = fields(possible[0]).get(str(part))
        return Spot((*at.loc, part), possible[0], field, field.annotation if field else None)
    for alternative in alternatives(at.annotation):
        if get_origin(alternative) in {dict, list}:
            return Spot((*at.loc, part), None, None, get_args(alternative)[-1])
    return Spot(at.loc, at.section, at.field, None, at_key=part == "[key]")
