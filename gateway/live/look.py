"""What each source is like at this moment: whether it is reached, and what of each input comes of it.

Looked at as its state, its last values and, of an OPC UA server, one reading of types, units and the clock over the
session that stands.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, TypeAdapter

from gateway.clock import Clock
from gateway.config.addresses import SPARKPLUG
from gateway.config.difference import AFTER_A_RESTART, Marks, Names, names_between
from gateway.config.schema import OpcuaConfig
from gateway.errors import SourceError
from gateway.live.tail import InputReading, Present, known, readings
from gateway.secret_forms import shown_address
from gateway.sources.base import Arrival, Source
from gateway.ways import Ways

if TYPE_CHECKING:  # its library is loaded only where a source speaks OPC UA
    from gateway.sources.opcua.description import Description

SECONDS = 10.0
"""How long is waited for values and messages, unless somebody says it."""

_BIRTHS = 5.0
"""Seconds in which edge nodes that are asked for their births send them."""
_AWAY = 3.0
"""Seconds after which a source that was tried and is not connected counts as away."""


@dataclass(frozen=True, slots=True)
class SourceLook:
    """A source. `failed` says by address why something is not received, `concerns` by kind of problem what is wrong
    although it works. `types` and `units` are by address. `granted` is what an OPC UA server has made of what was asked
    of it, the least and the most, in seconds or values. `clock_ahead` is how far the server's clock is ahead of ours,
    in seconds; None where it does not say. `tried`: the first attempt to connect has ended. `readings` are the last of
    each input, by line and input."""

    name: str
    url: str
    protection: str
    connected: bool
    detail: str
    failed: Mapping[str, str]
    concerns: Mapping[str, str]
    readings: tuple[InputReading, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    granted: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    clock_ahead: float | None = None
    tried: bool = True
    by_gateway: bool = False
    """It is as the running gateway sees it, in its own session."""
    spoke: frozenset[str] = frozenset()
    """The addresses of which something came, whether an input takes it or not."""


SOURCE_LOOK = TypeAdapter(SourceLook)


class LookQuestion(BaseModel):
    """Which state of the configuration is meant: what differs from what runs is not looked at."""

    seconds: float
    salt: str
    marks: Marks


class LookDifference(BaseModel):
    """From what runs to the state that is meant. `settings` are those that a reload changes, `restart` those that count
    after a restart alone; `by` is how one asks the running gateway for either."""

    sources: Names
    lines: Names
    oden: bool
    tables: Names
    settings: tuple[str, ...]
    restart: tuple[str, ...]
    by: Ways

    @property
    def by_reload(self) -> bool:
        """Whether a reload changes anything."""
        return any((self.sources, self.lines, self.oden, self.tables, self.settings))


def differing(ours: Marks, theirs: Marks, by: Ways) -> LookDifference:
    """How what runs differs from what is meant."""
    settings = names_between(ours.settings, theirs.settings).changed
    return LookDifference(
        sources=names_between(ours.sources, theirs.sources),
        lines=names_between(ours.lines, theirs.lines),
        oden=ours.oden != theirs.oden,
        tables=names_between(ours.tables, theirs.tables),
        settings=tuple(name for name in settings if name not in AFTER_A_RESTART),
        restart=tuple(name for name in settings if name in AFTER_A_RESTART),
        by=by,
    )


async def look(present: Present, clock: Clock, seconds: float) -> list[SourceLook]:
    """Each source as it is after `seconds`, or as soon as all that is expected of any has come."""
    last = {(reading.line, reading.input): reading for reading in known(present)}
    spoke: set[tuple[str, str]] = set()

    def take(arrival: Arrival) -> None:
        for sample in arrival.samples:
            spoke.add((sample.source, sample.address))
            for reading in readings(present.plans, sample):
                last[reading.line, reading.input] = reading

    sources = present.sources.values()
    present.onlookers.join(take)
    try:
        began = clock.monotonic()
        while clock.monotonic() < began + seconds:
            waited = clock.monotonic() - began
            if all(_has_said_all(source, present, last, waited) for source in sources):
                break
            await asyncio.sleep(0.1)
    finally:
        present.onlookers.leave(take)
    return [await _looked_at(source, present, clock, last, spoke) for source in sources]


def _has_said_all(
    source: Source, present: Present, last: Mapping[tuple[str, str], InputReading], waited: float
) -> bool:
    if not source.health.connected:
        return source.health.since > 0 and waited > _AWAY
    wanted = {address for plan in present.plans for name, address in plan.subscriptions if name == source.name}
    told_before = isinstance(present.config.sources[source.name], OpcuaConfig)  # a tag that rests says nothing anew
    heard = {
        reading.address
        for reading in last.values()
        if reading.source == source.name and (told_before or not reading.known)
    }
    # What its device lacks counts once a birth would have come.
    failed = {each for each in source.health.failed if waited > _BIRTHS or not each.startswith(f"{SPARKPLUG}/")}
    return wanted <= heard | failed


async def _looked_at(
    source: Source,
    present: Present,
    clock: Clock,
    last: Mapping[tuple[str, str], InputReading],
    spoke: Collection[tuple[str, str]],
) -> SourceLook:
    section, health = present.config.sources[source.name], source.health
    said = await _described(source, section, present, clock) if isinstance(section, OpcuaConfig) else None
    return SourceLook(
        source.name,
        shown_address(section.url),
        (section.security or "none") if isinstance(section, OpcuaConfig) else section.url.partition(":")[0],
        health.connected,
        health.detail,
        dict(health.failed),
        {str(kind): text for kind, text in health.concerns.items()},
        tuple(reading for reading in last.values() if reading.source == source.name and reading.input),
        said.types if said is not None else {},
        said.units if said is not None else {},
        source.granted if said is not None else {},
        said.clock_ahead if said is not None else None,
        tried=health.connected or health.since > 0,
        spoke=frozenset(address for name, address in spoke if name == source.name),
    )


async def _described(source: Source, section: OpcuaConfig, present: Present, clock: Clock) -> "Description | None":
    """What a server says of the tags and of the time; None where it does not answer."""
    from gateway.sources.opcua.description import describe  # noqa: PLC0415
    from gateway.sources.opcua.source import OpcuaSource  # noqa: PLC0415
    from gateway.sources.opcua.translation import translated  # noqa: PLC0415 - as above

    link = source.link if isinstance(source, OpcuaSource) else None
    if link is None:
        return None
    places = {
        given.address: (given.node, given.index)
        for line in present.config.lines
        for given in line.inputs.values()
        if given.source == source.name and given.node is not None
    }
    try:
        with translated("cannot read"):
            return await describe(link, places, clock.now)
    except SourceError:
        return None
