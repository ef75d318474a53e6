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

from gateway.config.message_schemas import Schemas
from gateway.config.schema import Config
from gateway.config.schema_process import Log, OutboxConfig, Status
from gateway.model import Lookup, Lookups

T = TypeVar("T")
Mark = str

_SECTIONS: Mapping[str, type[BaseModel]] = {"outbox": OutboxConfig, "status": Status, "log": Log}
"""The sections of which each setting is compared by itself."""
LIVE = frozenset({"backlog", "ends", "merge_span", "updates"})
"""Settings of the outbox with which delivery begins; by the others it is opened, and it stays open."""
AFTER_A_RESTART = tuple(
    f"{section}.{name}"
    for section in ("outbox", "log")
    for name in _SECTIONS[section].model_fields
    if section != "outbox" or name not in LIVE
)
"""The settings that count from the start on, whatever is read later."""


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
    """Of a configuration: each source with the inputs that it feeds, each line by its key with the JSON Schemas that it
    names, how Oden is asked, each table with what is in it, and each setting of the process, as `log.level`."""

    sources: Mapping[str, Mark]
    lines: Mapping[str, Mark]
    oden: Mark
    tables: Mapping[str, Mark]
    settings: Mapping[str, Mark]


def marks(config: Config, lookups: Lookups, schemas: Schemas, salt: str) -> Marks:
    """The marks of `config`, with its tables and schemas as they were read. Paths count as where they lead to, by
    whichever way the file was named."""

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
        {
            line.key: mark(line, [schemas[path].text for given in line.inputs.values() if (path := given.json_schema)])
            for line in config.lines
        },
        mark(config.oden),
        {name: mark(table, _cells(lookups[name])) for name, table in config.tables.items()},
        {name: mark(value) for name, value in settings(config).items()},
    )


def _cells(table: Lookup) -> object:
    """What a table holds, in whichever order it was written."""
    return sorted(table.columns), sorted((key, sorted(row.items())) for key, row in table.rows.items())


def settings(config: Config) -> dict[str, object]:
    """The settings of the process, by section and name."""
    return {
        f"{section}.{name}": getattr(getattr(config, section), name)
        for section, model in _SECTIONS.items()
        for name in model.model_fields
    }


def in_effect(started_by: Config, read: Config) -> Config:
    """What counts of `read` in a process that was started by another configuration."""
    at_start = {name: getattr(started_by.outbox, name) for name in OutboxConfig.model_fields if name not in LIVE}
    return read.model_copy(update={"log": started_by.log, "outbox": read.outbox.model_copy(update=at_start)})


def after_a_restart(started_by: Config, read: Config) -> tuple[str, ...]:
    """The settings of `read` that do not count yet in that process."""
    before, after = settings(started_by), settings(read)
    return tuple(name for name in AFTER_A_RESTART if before[name] != after[name])


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
