"""Reading the configuration anew while the gateway runs: when that is asked for, and what it changes.

Only what differs is touched (`difference`, which is pure; `gateway/app.py` changes the parts). A source is started
anew where its section or what it has to receive differs; a line is mapped by its new plan from the next batch on, with
what is remembered of it; delivery begins anew where how it works, or a line's name at Oden, differs. A line that left
the configuration is mapped no more, and what waits of it is still delivered. What only counts at a start is named. A
configuration that is wrong, or that cannot be gone over to, changes nothing, and is a problem until a right one is
read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import structlog

from gateway.clock import Clock
from gateway.config.difference import LIVE, Names, after_a_restart, names_between
from gateway.config.loader import Loaded
from gateway.config.schema import Config, Line, OpcuaConfig
from gateway.errors import ConfigError, ConfigFault
from gateway.health import Condition
from gateway.mapping.compile import LinePlan
from gateway.mapping.inputs import form_of
from gateway.sources.opcua.tags import Tag, tags_of

log = structlog.get_logger()

T = TypeVar("T")

Configuration = tuple[Loaded, Sequence[LinePlan]]
"""A configuration that was read and is right, and the plans of its lines."""

EVERY = 5.0
"""Seconds between two turns of the loop while nobody asks."""

Wanted = Mapping[str, frozenset[Tag | tuple[str, str, str]]]
"""By source, what is to be received: OPC UA tags with how they are watched; topics, and of each device the metrics."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to be done; `restart` are settings that do not count before a restart."""

    sources: Names
    lines: Names
    delivery: bool
    page: bool
    restart: tuple[str, ...]

    def words(self) -> dict[str, str | bool]:
        """For the log: only what there is."""
        parts: dict[str, str | bool] = {
            "sources": str(self.sources),
            "lines": str(self.lines),
            "delivery": self.delivery,
            "page": self.page,
            "after_a_restart": ", ".join(self.restart),
        }
        return {name: value for name, value in parts.items() if value}


class Reload:
    """Reads the configuration when asked. `reread` blocks, and raises ConfigError."""

    def __init__(self, reread: Callable[[], Configuration], clock: Clock) -> None:
        self._reread = reread
        self._clock = clock
        self._asked = asyncio.Event()
        self._refused: str | None = None
        self._failed: str | None = None
        self._restart: tuple[str, ...] = ()
        self.turned_at = clock.monotonic()

    def ask(self) -> None:
        """Somebody wants the configuration to be read anew."""
        self._asked.set()

    async def run(self, change: Callable[[Loaded, Sequence[LinePlan]], Awaitable[Difference]]) -> None:
        """Answer until cancelled. `change` goes over to a configuration and says what differed; it raises ConfigError
        where it cannot.
        """
        while True:
            self.turned_at = self._clock.monotonic()
            reading = asyncio.ensure_future(self._once(change)) if self._asked.is_set() else None
            if reading is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(EVERY):
                        await self._asked.wait()
                continue
            try:
                while not reading.done():
                    self.turned_at = self._clock.monotonic()
                    await asyncio.wait({reading}, timeout=EVERY)
            finally:
                reading.cancel()
            reading.result()

    async def _once(self, change: Callable[[Loaded, Sequence[LinePlan]], Awaitable[Difference]]) -> None:
        self._asked.clear()
        try:
            loaded, plans = await asyncio.to_thread(self._reread)
            changed = await change(loaded, plans)
        except ConfigError as error:
            reason = "; ".join(map(str, error.diagnostics))
            log.error("configuration_refused", reason=reason)  # noqa: TRY400 - the reason says it all
            self._refused, self._failed = reason, None
            return
        except Exception as error:
            self._failed = str(error) or type(error).__name__
            raise  # it is the supervisor that tells of it
        for warning in loaded.warnings:
            log.warning("configuration_warning", where=warning.where, text=warning.text)
        self._refused = self._failed = None
        self._restart = changed.restart
        log.info("configuration_reloaded", **changed.words())

    def conditions(self) -> Iterator[Condition]:
        """What is wrong with the configuration as it was last read."""
        if self._refused is not None:
            text = f"The configuration is wrong, so the one from before counts: {self._refused}"
            yield Condition("configuration_refused", "", text)
        if self._failed is not None:
            text = f"The configuration is right, and could not be gone over to ({self._failed}): what runs goes on."
            yield Condition("restart_needed", "", f"{text} All of it counts after a restart.")
        elif self._restart:
            names = ", ".join(self._restart)
            yield Condition("restart_needed", "", f"These settings have changed and count after a restart: {names}.")


def wanted(config: Config, plans: Iterable[LinePlan]) -> dict[str, frozenset[Tag | tuple[str, str, str]]]:
    """What the inputs of `config`, which `plans` were compiled from, receive of each source."""
    found: dict[str, set[Tag | tuple[str, str, str]]] = {}
    for plan in plans:
        for (source, address), inputs in plan.subscriptions.items():
            metrics = {input_.metric or "" for input_ in inputs}
            form = repr(form_of(inputs))
            found.setdefault(source, set()).update((address, metric, form) for metric in metrics)
    for name, section in config.sources.items():
        if isinstance(section, OpcuaConfig):
            found[name] = set(tags_of(name, section, config.lines))
    return {source: frozenset(addresses) for source, addresses in found.items()}


def difference(
    old: Config, new: Config, receives: tuple[Wanted, Wanted], *, tables: bool, started_by: Config | None = None
) -> Difference:
    """From `old` to `new`; `receives` is what is received before and after, `tables` whether the look-up tables read
    otherwise now; `started_by` is what the process was started by, unless that is `old`.
    """
    before, after = receives
    sources = names_between(
        {name: (section, before.get(name)) for name, section in old.sources.items()},
        {name: (section, after.get(name)) for name, section in new.sources.items()},
    )
    lines_before, lines_after = ({line.key: line for line in config.lines} for config in (old, new))
    lines = names_between(lines_before, lines_after)
    if tables or old.tables != new.tables:
        lines = Names(lines.new, tuple(key for key in lines_after if key in lines_before), lines.gone)
    return Difference(
        sources,
        lines,
        delivery=_of_delivery(old) != _of_delivery(new),
        page=old.status != new.status,
        restart=after_a_restart(started_by or old, new),
    )


def impossible(
    old: Config, new: Config, receives: tuple[Iterable[LinePlan], Iterable[LinePlan]]
) -> Iterator[ConfigFault]:
    """Why nobody can go over from `old` to `new` while the gateway runs."""
    yield from renamed(old, new, receives)
    if new.outbox.directory != old.outbox.directory:
        text = "the outbox cannot be moved while the gateway runs: stop it, move the directory, start it"
        yield ConfigFault(("outbox", "directory"), text)


def renamed(old: Config, new: Config, receives: tuple[Iterable[LinePlan], Iterable[LinePlan]]) -> Iterator[ConfigFault]:
    """Lines that seem to have been given another name: one has gone, and a new one receives what it had received. Its
    memory would be lost, and its open run stay open.
    """
    before, after = ({plan.key: frozenset(plan.subscriptions) for plan in plans} for plans in receives)
    gone = [line for line in old.lines if line.key not in after]
    for index, line in enumerate(new.lines):
        if line.key in before:
            continue
        for other in gone:
            shared = before[other.key] & after[line.key]
            if len(shared) * 2 > len(before[other.key]):
                yield ConfigFault(
                    ("lines", index, "line"), _RENAMED.format(line=line.line, other=_known_as(other, line))
                )
                break


_RENAMED = (
    "{line} receives what a line received that is gone now; to go on with its run and its counts under another "
    "name, write `renamed_from: {other}`; if it is another line, take the old one out, reload, and then add this one"
)


def _known_as(other: Line, line: Line) -> str:
    return other.line if other.key == f"{line.factory}/{other.line}" else other.key


def _of_delivery(config: Config) -> object:
    names = {line.key: (line.factory, line.line, line.id) for line in config.lines}
    return config.oden, names, [getattr(config.outbox, name) for name in sorted(LIVE)]
