"""For how long what several tags of one server say together may never have been: it looks at them one by one. Pure.

`!running && !jammed` is true for a moment where the server has looked at the one since the machine changed, and not yet
at the other. A moment is over when each tag has been looked at once more, and that is known when it has been reported.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from gateway.config.schema_base import Watched
from gateway.config.schema_io import Input
from gateway.mapping.expressions import names_in

Watching = Mapping[str, Watched]
"""How OPC UA sources watch their tags, by the names of the sources."""
NOT_WATCHED: Watching = MappingProxyType({})


class Held(NamedTuple):
    """How long something must be so: `hold` seconds by the plant's time, or `wait` by the gateway's."""

    hold: float
    wait: float


AT_ONCE = Held(0.0, 0.0)


def held_by_default(names: Iterable[str], inputs: Mapping[str, Input], watching: Watching) -> Held:
    """How long what is decided by the inputs `names` must be so where nothing is said of that: as long as the server
    takes to look at all their tags, where several are of one source."""
    tags: dict[str, dict[str, Watched]] = {}
    for tag in _tags(names, inputs):
        source = tag.source or ""
        if source in watching:
            usual = watching[source]
            sampling = tag.sampling if tag.sampling is not None else usual.sampling
            publishing = tag.publishing_interval if tag.publishing_interval is not None else usual.publishing
            tags.setdefault(source, {})[tag.address] = Watched(sampling, publishing)
    several = [watched for of_source in tags.values() if len(of_source) > 1 for watched in of_source.values()]
    hold = max((watched.sampling for watched in several), default=0.0)
    return Held(hold, hold + max(watched.publishing for watched in several)) if hold else AT_ONCE


def _tags(names: Iterable[str], inputs: Mapping[str, Input]) -> Iterator[Input]:
    """The tags of servers on which `names` rest."""
    waiting, seen = [*names], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in inputs or name in seen:
            continue
        seen.add(name)
        section = inputs[name]
        waiting += [*names_in(section.expr or ""), *section.words]
        if section.node is not None:
            yield section
