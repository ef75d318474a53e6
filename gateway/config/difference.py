"""How two states of a configuration differ, by name; also where each is known to another process. Pure but for links in
paths.

A `Mark` stands for what it was made of: two are equal where that is. It is made with a salt, which whoever asks chooses
anew for each question, so that what was marked, a password for instance, cannot be told from it.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, SecretStr

from gateway.config.schema import Config

T = TypeVar("T")
Mark = str


@dataclass(frozen=True, slots=True)
class Names:
    """What is new, has changed, and has gone, by name; each in the order of its configuration."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)

    def __str__(self) -> str:
        """`+new ~changed -gone`, as people write differences."""
        marked = (("+", self.new), ("~", self.changed), ("-", self.gone))
        return " ".join(f"{mark}{name}" for mark, names in marked for name in names)


def names_between(before: Mapping[str, T], after: Mapping[str, T]) -> Names:
    """What differs from `before` to `after`."""
    return Names(
        tuple(name for name in after if name not in before),
        tuple(name for name in after if name in before and before[name] != after[name]),
        tuple(name for name in before if name not in after),
    )


@dataclass(frozen=True, slots=True)
class Marks:
    """Of a configuration: each source with the inputs that it feeds, each line by its key, and how Oden is asked."""

    sources: Mapping[str, Mark]
    lines: Mapping[str, Mark]
    oden: Mark


def marks(config: Config, salt: str) -> Marks:
    """The marks of `config`. Paths count as where they lead to, by whichever way the file was named."""

    def mark(*things: object) -> Mark:
        return hashlib.blake2b(repr(_form(things)).encode(), key=salt.encode()[:64], digest_size=16).hexdigest()

    fed = {
        name: [
            (line.key, of_line)
            for line in config.lines
            if (of_line := {key: given for key, given in line.inputs.items() if given.source == name})
        ]
        for name in config.sources
    }
    return Marks(
        {name: mark(section, fed[name]) for name, section in config.sources.items()},
        {line.key: mark(line) for line in config.lines},
        mark(config.oden),
    )


def _form(value: object) -> object:
    """`value` as what it is alone, secrets included."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Path():
            return os.path.realpath(value)
        case BaseModel():
            return [(name, _form(getattr(value, name))) for name in type(value).model_fields]
        case Mapping():
            return [(_form(key), _form(each)) for key, each in value.items()]
        case list() | tuple():
            return [_form(each) for each in value]
        case set() | frozenset():
            return sorted(repr(_form(each)) for each in value)
    return value
