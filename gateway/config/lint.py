"""What looks right in a configuration and is not: an error where that is certain, else a warning with its cure."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gateway.config.lint_expressions import find_doubtful_comparisons
from gateway.config.lint_fields import find_lost_fields, find_unfit_fields
from gateway.config.lint_inputs import find_doubtful_inputs, find_doubtful_tables, find_near_topics
from gateway.config.lint_never import find_doubtful_ranges, find_never
from gateway.config.lint_purpose import find_other_purposes
from gateway.config.lint_sense import find_doubtful_codes, find_meant_as_text, find_senseless
from gateway.config.lint_sources import find_doubtful_sources
from gateway.config.lint_texts import find_doubtful_texts, find_near_misses
from gateway.config.message_schemas import NO_SCHEMAS, Schemas
from gateway.config.schema import Config
from gateway.config.schema_process import Status
from gateway.config.schema_walk import Loc
from gateway.errors import ConfigFault
from gateway.model import NO_LOOKUPS, Lookups

_CONDITIONS = frozenset({"when", "expr"})


def find_doubts(
    config: Config,
    lookups: Lookups = NO_LOOKUPS,
    overridden: Collection[Loc] = (),
    schemas: Schemas = NO_SCHEMAS,
    folder: Path | None = None,
) -> Iterator[ConfigFault]:
    """All that is certainly (an error) or probably (a warning) not meant as it is written, with its tables and schemas
    as they are now. What stands at the key paths `overridden` is set by the environment; `folder` is that of the
    file."""
    for index, line in enumerate(config.lines):
        loc: Loc = ("lines", index)
        expressions = [*_expressions(line, loc)]  # to look for them costs more than what is looked for in them
        yield from _by_themselves(find_doubtful_texts(line, loc))
        yield from find_senseless(line, loc, lookups)
        yield from find_never(line, loc)
        yield from find_doubtful_ranges(line, loc, expressions)
        yield from find_other_purposes(line, loc)
        yield from find_unfit_fields(line, loc, schemas)
        yield from _by_themselves(find_doubtful_codes(line, loc))
        yield from find_doubtful_comparisons(line, loc, expressions)
        yield from find_meant_as_text(line, loc, expressions)
        yield from find_lost_fields(line, loc, expressions)
    yield from find_doubtful_inputs(config.lines)
    yield from _by_themselves(find_near_topics(config.lines))
    yield from find_doubtful_tables(config.tables, config.lines)
    yield from find_near_misses(config.lines, config.status.categories)
    yield from find_doubtful_sources(config, folder)
    if ("status", "listen") not in overridden:  # a container listens for the host, which says who reaches it
        yield from _open_page(config.status)


def _open_page(status: Status) -> Iterator[ConfigFault]:
    """That anybody on the network may read the page."""
    host = status.listen.rpartition(":")[0].strip("[]")
    if status.token is None and host != "localhost" and not re.match(r"127\.|::1\Z", host):
        text = "whoever reaches this address can read the page, because 'status' has no 'token': write one, or"
        yield ConfigFault(("status", "listen"), f"{text} 127.0.0.1 for this machine alone", warning=True)


def _by_themselves(faults: Iterable[ConfigFault]) -> Iterator[ConfigFault]:
    """`faults` of texts that are as they are whatever else could be read."""
    return (replace(fault, rests_on=()) for fault in faults)


def _expressions(value: Any, loc: Loc) -> Iterator[tuple[Loc, str]]:
    """The conditions and expressions in a part of the configuration, with their places."""
    match value:
        case BaseModel():
            for name, info in type(value).model_fields.items():
                item = getattr(value, name)
                if name in _CONDITIONS and isinstance(item, str):
                    yield (*loc, name), item
                elif isinstance(item, BaseModel | Mapping | list):
                    yield from _expressions(item, (*loc, info.alias or name))
        case Mapping():
            for key, item in value.items():
                yield from _expressions(item, (*loc, key))
        case list():
            for index, item in enumerate(value):
                yield from _expressions(item, (*loc, index))
