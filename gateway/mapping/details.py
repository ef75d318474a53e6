"""What is told of an interval beside its times, as Oden's metadata holds it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor

from pydantic import JsonValue

from gateway.mapping.inputs import moment
from gateway.mapping.patterns import Look, Pattern
from gateway.mapping.values import number
from gateway.model import Scalar


@dataclass(frozen=True, slots=True)
class Amount:
    """A value that is a number at Oden: what is none is left out."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Words:
    """A value that is text at Oden, also where it is filled in from a number."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Moment:
    """A value that is a time at Oden, in whole seconds: what is none is left out."""

    pattern: Pattern


Template = Words | Amount | Moment | Pattern | Scalar | tuple[str, ...] | Mapping[str, "Template"]
"""What is to be filled in; a mapping keeps only what is known. Plain values, and lists of texts, are as they are."""


def filled(template: Template, look: Look) -> JsonValue:
    """The template by what is known now; None where nothing of it is."""
    match template:
        case Words(pattern):
            return pattern.words(look)
        case Amount(pattern):
            return number(pattern.render(look))
        case Moment(pattern):
            at = moment(pattern.render(look))
            return None if at is None else datetime.fromtimestamp(floor(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case Pattern():
            value = template.render(look)
            return value.strip() or None if isinstance(value, str) else value
        case Mapping():
            return all_filled(template, look) or None
        case tuple():
            return [*template]
    return template


def all_filled(templates: Mapping[str, Template], look: Look) -> dict[str, JsonValue]:
    """The templates that are known now, by name."""
    return {name: value for name, template in templates.items() if (value := filled(template, look)) is not None}


def inputs_of(template: Template) -> Iterator[str]:
    """The inputs that the template looks at."""
    match template:
        case Words(pattern) | Amount(pattern) | Moment(pattern):
            yield from inputs_of(pattern)
        case Pattern():
            yield from (reference.input for reference in template.references)
        case Mapping():
            for part in template.values():
                yield from inputs_of(part)
