"""What a server has kept of its tags while nobody listened: raw values and events (Part 11), read in bounded requests.

A tag has a history where the server keeps one of it (Historizing) and the user may read it; the events of a node where
its EventNotifier says so. What was told before does not count: values by their time, events by their ids and times.

The time is read in *windows*, one after the other, each of all tags: so where a limit is reached, of each tag is known
what it did until about the same time, and only what came after that is missing, with the reason. A window is as long as
makes it a few requests where tags say little, and not many where they say much.

The limits hold for three hours of 25 tags that change once a second: 270,000 values. All of them are handed over at
once, so that no line decides anything with a part of them; some 350 bytes each, until the lines have them, are what a
small edge box has to spare. A line puts them back in parts (`mapping.recovery`): it remembers no more than ever.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from math import inf
from typing import Any

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from gateway.clock import Clock
from gateway.sources.opcua.decode import Decoded, epoch
from gateway.sources.opcua.events import EventKey, Occurrence, is_subtype
from gateway.sources.opcua.items import WatchedItems
from gateway.sources.opcua.services import UNREADABLE, Link, call, in_chunks, read_raw, read_values, standard
from gateway.sources.opcua.wire import reading

LONGEST = 90.0
"""Seconds that reading may take, which is less than a source may wait for its server (`base.CONNECTING`); what the
subscriptions tell waits meanwhile."""
MOST_PER_TAG = 100_000
"""Values of one tag, or events of one node, that are read: one that changes that often leaves room for others."""
MOST = 300_000
"""Values and events of all tags."""
PER_RESPONSE = 1_000
"""Values of one tag in one response."""
PER_ANSWER = 10_000
"""Values of all tags in one response, which is read in one go."""
SHORTEST = 60.0
"""Seconds of the first window."""
PER_WINDOW = 20_000
"""Values in one window: the next is shorter where there were more, and longer where there were few."""
GROWTH = 4
"""Times as long is a window as the one before, where that had few values."""
OVERLAP = 1.0
"""Seconds of the windows before and after that are asked for too: servers differ in whether the ends belong to it."""
REMEMBERED = 1_000
"""Events of one node that are remembered, the newest."""
EARLIER = 10.0
"""Seconds before the time that is asked for: what was on its way then never came."""
CLOCKS = 5.0
"""A server's clock that differs by more seconds from ours says nothing of when a value was."""

_HISTORY_READ = 4  # in UserAccessLevel and in EventNotifier (Part 3, 8.57 and 8.59)
_START_TIME = 2257
_NO_PLACE = StatusCodes.BadNoContinuationPoints
_NOT_KEPT = "the server keeps no history of it"


@dataclass(slots=True)
class ToldEvents:
    """The events of one node that were told: the `keys` of the newest, and `since` when somebody listens, in seconds
    since 1970."""

    since: float
    keys: dict[EventKey, None] = field(default_factory=dict)

    def add(self, key: EventKey) -> None:
        """An event was told."""
        self.keys[key] = None
        if len(self.keys) > REMEMBERED:
            del self.keys[next(iter(self.keys))]


@dataclass(slots=True)
class Told:
    """What was told of tags: when the newest of their `values` was so, in seconds since 1970, and which `events`."""

    values: dict[str, float] = field(default_factory=dict)
    events: dict[str, ToldEvents] = field(default_factory=dict)

    def update(self, later: "Told") -> None:
        """What was told in the session after."""
        self.values |= later.values
        for node, events in later.events.items():
            known = self.events.setdefault(node, events)
            for key in events.keys:
                known.add(key)


@dataclass(slots=True)
class History:
    """What there is: `values` and `events` by tag, as the server has told them, and why tags are `missing`, of which
    there may be some up to a time: `until`, in seconds since 1970."""

    values: dict[str, list[Decoded]] = field(default_factory=dict)
    events: dict[str, list[Occurrence]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    until: dict[str, float] = field(default_factory=dict)

    def miss(self, nodes: Sequence[str], reason: str) -> None:
        for node in nodes:
            self.missing.setdefault(node, reason)


async def read_history(link: Link, items: WatchedItems, since: float, told: Told, clock: Clock) -> History:
    """What the server has kept of all tags from `since` on, in seconds since 1970, without what was `told`. Raises
    OSError where the way is lost."""
    return await _Reader(link, items, since, told, clock).read()


class _Reader:
    """One reading."""

    def __init__(self, link: Link, items: WatchedItems, since: float, told: Told, clock: Clock) -> None:
        self._link = link
        self._items = items
        self._since = since
        self._told = told
        self._clock = clock
        self._until = clock.monotonic() + LONGEST
        self._count = 0
        self._begins, self._ends = -inf, inf
        """The window that is being read."""
        self._asked: dict[str, int] = {}
        """How many values of each tag were asked for last."""
        self._newest: dict[str, tuple[float, int]] = {}
        """The newest time that a server has told of each tag in this window, and how often."""
        self.history = History()

    async def read(self) -> History:
        history, items = self.history, self._items
        history.miss([*items.missing], "it is not received")
        nodes = [node for node in items.nodes if node not in history.missing]
        kept = await self._with_history(nodes)
        for node in nodes:
            if node not in kept:
                history.miss([node], f"{_NOT_KEPT}s events" if items.is_events(node) else _NOT_KEPT)
        if kept and not await self._has_run():
            history.miss(kept, "the server itself was away")
        values = [node for node in kept if not items.is_events(node)]
        events = [[node] for node in kept if items.is_events(node)]  # each of these has its own filter
        await self._by_windows([values, *events])
        for each in events:
            with self._told_why_not(each):
                await self._leave_out_other_types(each)
        return history

    async def _by_windows(self, groups: Sequence[Sequence[str]]) -> None:
        """Read what there is of all `groups`, which are asked for in requests of their own."""
        begins, long, now = self._since, SHORTEST, self._clock.now()
        while begins < inf and not all(node in self.history.missing for nodes in groups for node in nodes):
            ends, before = begins + long, self._count
            self._begins = begins if begins > self._since else -inf
            self._ends = ends if ends < now else inf
            for nodes in groups:
                with self._told_why_not(nodes):
                    left = [node for node in nodes if node not in self.history.missing]
                    await in_chunks(self._items.limits, "history", left, self._chunk)
            told, begins = self._count - before, self._ends
            if told > PER_WINDOW:
                long = max(long / GROWTH, SHORTEST)
            elif told * GROWTH <= PER_WINDOW:
                long *= GROWTH

    @contextmanager
    def _told_why_not(self, nodes: Sequence[str]) -> Iterator[None]:
        """What is refused, or makes no sense, inside is why more of the history of `nodes` is not known."""
        try:
            yield
        except (UaStatusCodeError, ValueError) as error:
            self.history.miss(nodes, f"the server does not tell its history: {error}")

    async def _with_history(self, nodes: Sequence[str]) -> list[str]:
        """Those of `nodes` of which the server keeps a history that we may read."""
        of_values = AttributeIds.Historizing, AttributeIds.UserAccessLevel
        of_events = AttributeIds.EventNotifier, AttributeIds.EventNotifier
        asked = [
            ua.ReadValueId(NodeId=self._items.wanted[node].NodeId, AttributeId=attribute)
            for node in nodes
            for attribute in (of_events if self._items.is_events(node) else of_values)
        ]
        try:
            told = [each.Value.Value if each.Value is not None else None for each in await self._raw(asked)]
        except (UaStatusCodeError, ValueError):
            return []
        return [
            node
            for node, keeps, access in zip(nodes, told[::2], told[1::2], strict=True)
            if (keeps is True or self._items.is_events(node)) and isinstance(access, int) and access & _HISTORY_READ
        ]

    async def _raw(self, asked: Sequence[ua.ReadValueId]) -> list[ua.DataValue]:
        return await read_raw(self._link, asked, self._items.limits)

    async def _has_run(self) -> bool:
        """Whether the server has run all the time: else nobody has kept anything for a while."""
        try:
            [started] = await read_values(self._link, [standard(_START_TIME)], self._items.limits)
        except (UaStatusCodeError, ValueError):
            return True
        if isinstance(started, str) or not isinstance(started.value, str):
            return True
        return datetime.fromisoformat(started.value).timestamp() <= self._since

    async def _chunk(self, nodes: Sequence[str]) -> Sequence[str]:
        """Read what there is of `nodes` in this window, in as many requests as that takes."""
        begin = max(self._since - EARLIER, self._begins - OVERLAP)
        waiting: dict[str, bytes | None] = dict.fromkeys(nodes)
        alone: list[str] = []
        self._newest.clear()
        while waiting:
            if over := self._is_over():
                self.history.miss([*waiting, *alone], over)
                await self._release(waiting)
                return nodes
            answers = await self._ask(waiting, begin)
            if len(waiting) > 1:
                alone += (full := [node for node, result in answers.items() if result.StatusCode.value == _NO_PLACE])
                answers = {node: result for node, result in answers.items() if node not in full}
            further = {node: point for node, result in answers.items() if (point := self._take(node, result))}
            for node in [node for node in answers if node not in further and self._is_cut(node, answers[node])]:
                await self._go_on(node)
            waiting = {node: point for node, point in further.items() if node not in self.history.missing}
            await self._release({node: point for node, point in further.items() if node not in waiting})
        for node in nodes:
            if node in alone:
                await self._chunk([node])
            elif node not in self.history.missing:
                self.history.until[node] = min(self._ends, self._clock.now())
        return nodes

    def _is_over(self) -> str:
        """Why no more is to be read; empty where that is not so."""
        if self._clock.monotonic() > self._until:
            return "the server takes too long to tell its history"
        return f"its tags have changed more than {MOST} times" if self._count >= MOST else ""

    async def _go_on(self, node: str) -> None:
        """A server that tells as many as were asked for, and not that there are more, has more."""
        while node not in self.history.missing and not self._is_over():
            before = self._newest.get(node)
            if before is None:
                break
            result = (await self._ask({node: None}, before[0])).get(node)
            if result is None:
                return
            self._take(node, result, again=before[1])
            if not self._is_cut(node, result):
                return
            if self._newest[node] == before:
                break
        self.history.miss([node], self._is_over() or "the server does not tell its history whole")

    async def _ask(self, waiting: Mapping[str, bytes | None], begin: float) -> dict[str, ua.HistoryReadResult]:
        """An answer that cannot be read costs the tags that make it so, which are found by halves."""
        try:
            response = await call(self._link, self._request(waiting, begin), ua.HistoryReadResponse)
        except ValueError:
            if len(waiting) == 1:
                self.history.miss([*waiting], UNREADABLE)
                return {}
            nodes = [*waiting]
            halves = nodes[: len(nodes) // 2], nodes[len(nodes) // 2 :]
            return {
                node: result
                for half in halves
                for node, result in (await self._ask({node: waiting[node] for node in half}, begin)).items()
            }
        told = epoch(response.ResponseHeader.Timestamp)
        if told is not None and abs(told - self._clock.now()) > CLOCKS:
            reason = f"the server's clock is off by {told - self._clock.now():+.0f} s"
            self.history.miss([*waiting], reason)
            await self._release(waiting)
            return {}
        return dict(zip(waiting, response.Results or (), strict=True))

    def _request(self, waiting: Mapping[str, bytes | None], begin: float, *, release: bool = False) -> Any:
        request = ua.HistoryReadRequest()
        many = max(1, min(PER_RESPONSE, PER_ANSWER // len(waiting)))
        self._asked |= dict.fromkeys(waiting, many)
        request.Parameters.HistoryReadDetails = self._details(next(iter(waiting)), begin, many)
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.ReleaseContinuationPoints = release
        request.Parameters.NodesToRead = [
            ua.HistoryReadValueId(
                NodeId=self._items.wanted[node].NodeId,
                IndexRange=self._items.wanted[node].IndexRange,
                ContinuationPoint=ua.ByteString(point) if point is not None else None,
            )
            for node, point in waiting.items()
        ]
        return request

    def _details(self, node: str, begin: float, many: int) -> Any:
        """What is asked of `node`, and of the others in its request: so `many` values of each."""
        begins = datetime.fromtimestamp(begin, UTC)
        ends = datetime.fromtimestamp(min(self._ends + OVERLAP, self._clock.now() + CLOCKS), UTC)
        if self._items.is_events(node):
            return ua.ReadEventDetails(ua.UInt32(many), begins, ends, self._items.readers[node].filter)
        return ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=begins,
            EndTime=ends,
            NumValuesPerNode=ua.UInt32(many),
            ReturnBounds=False,
        )

    async def _release(self, waiting: Mapping[str, bytes | None]) -> None:
        """Tell the server that it need not keep where we were."""
        held = {node: point for node, point in waiting.items() if point is not None}
        if held:
            try:
                await call(self._link, self._request(held, self._since, release=True), ua.HistoryReadResponse)
            except (UaStatusCodeError, ValueError):
                return

    def _take(self, node: str, result: ua.HistoryReadResult, again: int = 0) -> bytes | None:
        """Keep what is told of `node`, but for the first `again`, which were told before; where the server has more,
        what gets it."""
        data: Any = result.HistoryData
        if result.StatusCode.is_bad() or not (data is None or isinstance(data, ua.HistoryData | ua.HistoryEvent)):
            self.history.miss([node], f"the server does not tell its history: {result.StatusCode.name}")
            return None
        for time, told in islice(self._entries(node, data), again, None):
            if time is None:
                continue
            newest, many = self._newest.get(node, (time, 0))
            self._newest[node] = (time, many + 1 if time == newest else 1)
            if not self._begins <= time < self._ends or self._is_told(node, time, told):
                continue
            self.history.until[node] = time
            if isinstance(told, Occurrence):
                self.history.events.setdefault(node, []).append(told)
            else:
                self.history.values.setdefault(node, []).append(told)
            self._count += 1
        if len(self.history.values.get(node) or self.history.events.get(node) or ()) > MOST_PER_TAG:
            self.history.miss([node], f"it has changed more than {MOST_PER_TAG} times")
        return result.ContinuationPoint or None

    def _entries(self, node: str, data: Any) -> Iterator[tuple[float | None, Decoded | Occurrence]]:
        """What is told, each with when it was; None of what cannot be put anywhere."""
        if isinstance(data, ua.HistoryEvent):
            for each in data.Events or ():
                event = self._items.readers[node].read(each.EventFields)
                yield event.time, event
        elif data is not None:
            for value in data.DataValues or ():
                read = reading(value)
                if not isinstance(read, str):
                    yield read.source_time, read

    def _is_told(self, node: str, time: float, told: Decoded | Occurrence) -> bool:
        """Whether it was told before, or is nothing to be told."""
        if isinstance(told, Decoded):
            return time <= self._told.values.get(node, self._since)
        events = self._told.events.get(node) or ToldEvents(self._since)
        return told.control is not None or time <= events.since or told.key in events.keys

    async def _leave_out_other_types(self, nodes: Sequence[str]) -> None:
        """There are servers that tell of all events of a node, whatever type is asked for."""
        for node in nodes:
            wanted = self._items.readers[node].type if self._items.is_events(node) else None
            events = self.history.events.get(node)
            if wanted is None or not events:
                continue
            del self.history.events[node]  # where a type cannot be looked up, none of them is known to be wanted
            fitting = {
                type_: type_ is not None and await is_subtype(self._link, self._items.limits, type_, wanted)
                for type_ in {event.type for event in events}
            }
            self.history.events[node] = [event for event in events if fitting[event.type]]

    def _is_cut(self, node: str, result: ua.HistoryReadResult) -> bool:
        """Whether there is as much as was asked for, and so perhaps more."""
        data: Any = result.HistoryData
        told = getattr(data, "DataValues", None) or getattr(data, "Events", None) or ()
        return node not in self.history.missing and len(told) >= self._asked[node]
