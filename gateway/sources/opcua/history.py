"""What a server has kept of its tags while nobody listened: raw history (Part 11), read in bounded requests.

A tag has a history where the server keeps one of it (Historizing) and the user may read it. What cannot be read whole
is missing, with the reason: nobody can tell then what happened. Values before a time that was given do not count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uaerrors import UaStatusCodeError

from gateway.clock import Clock
from gateway.sources.opcua.decode import Decoded, epoch
from gateway.sources.opcua.items import WatchedItems
from gateway.sources.opcua.services import UNREADABLE, Link, call, in_chunks, read_raw, read_values, standard
from gateway.sources.opcua.wire import reading

LONGEST = 30.0
"""Seconds that reading may take; the subscriptions wait meanwhile, and values in the server's queues."""
MOST_PER_TAG = 10_000
"""Values of one tag that are read; of one that has more, nothing is known."""
MOST = 100_000
"""Values of all tags."""
PER_RESPONSE = 1_000
"""Values of one tag in one response."""
EARLIER = 10.0
"""Seconds before the time that is asked for: what was on its way then never came."""
CLOCKS = 5.0
"""A server's clock that differs by more seconds from ours says nothing of when a value was."""

_HISTORY_READ = 4  # in UserAccessLevel (Part 3, 8.57)
_START_TIME = 2257
_NOT_KEPT = "the server keeps no history of it"


@dataclass(slots=True)
class History:
    """What there is: `values` by tag, in the order of their times, and why tags are `missing`."""

    values: dict[str, list[Decoded]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def miss(self, nodes: Sequence[str], reason: str) -> None:
        for node in nodes:
            self.missing.setdefault(node, reason)


async def read_history(
    link: Link, items: WatchedItems, since: float, told: Mapping[str, float], clock: Clock
) -> History:
    """What the server has kept of all tags from `since` on, in seconds since 1970; of a tag that is in `told`, only
    what is newer than that. Raises OSError where the way is lost."""
    return await _Reader(link, items, since, told, clock).read()


class _Reader:
    """One reading."""

    def __init__(self, link: Link, items: WatchedItems, since: float, told: Mapping[str, float], clock: Clock) -> None:
        self._link = link
        self._items = items
        self._since = since
        self._told = told
        self._clock = clock
        self._until = clock.monotonic() + LONGEST
        self._count = 0
        self.history = History()

    async def read(self) -> History:
        history, items = self.history, self._items
        history.miss([node for node in items.nodes if items.is_events(node)], "events are not kept")
        history.miss([*items.missing], "it is not received")
        nodes = [node for node in items.nodes if node not in history.missing]
        kept = await self._with_history(nodes)
        history.miss([node for node in nodes if node not in kept], _NOT_KEPT)
        if kept and not await self._has_run():
            history.miss(kept, "the server itself was away")
        try:
            await in_chunks(items.limits, "history", kept, self._chunk)
        except (UaStatusCodeError, ValueError) as error:
            history.miss(kept, f"the server does not tell its history: {error}")
        return history

    async def _with_history(self, nodes: Sequence[str]) -> list[str]:
        """Those of `nodes` of which the server keeps a history that we may read."""
        asked = [
            ua.ReadValueId(NodeId=self._items.wanted[node].NodeId, AttributeId=attribute)
            for node in nodes
            for attribute in (AttributeIds.Historizing, AttributeIds.UserAccessLevel)
        ]
        try:
            told = [each.Value.Value if each.Value is not None else None for each in await self._raw(asked)]
        except (UaStatusCodeError, ValueError):
            return []
        return [
            node
            for node, keeps, access in zip(nodes, told[::2], told[1::2], strict=True)
            if keeps is True and isinstance(access, int) and access & _HISTORY_READ
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
        """Read what there is of `nodes`, in as many requests as that takes."""
        begin = self._since - EARLIER
        waiting: dict[str, bytes | None] = dict.fromkeys(nodes)
        while waiting:
            if self._clock.monotonic() > self._until or self._count > MOST:
                self.history.miss([*waiting], "the server takes too long to tell its history, or it is too much")
                await self._release(waiting)
                break
            answers = await self._ask(waiting, begin)
            further = {node: point for node, result in answers.items() if (point := self._take(node, result))}
            for node in [node for node in answers if node not in further and self._is_cut(node, answers[node])]:
                await self._go_on(node)
            waiting = {node: point for node, point in further.items() if node not in self.history.missing}
        return nodes

    async def _go_on(self, node: str) -> None:
        """A server that tells as many as were asked for, and not that there are more, has more."""
        while node not in self.history.missing and self._clock.monotonic() <= self._until:
            known = self.history.values[node]
            before, last = len(known), known[-1].source_time if known else None
            if last is None:
                break
            result = (await self._ask({node: None}, last)).get(node)
            if result is None:
                return
            self._take(node, result, again=sum(value.source_time == last for value in known))
            if not self._is_cut(node, result):
                return
            if len(known) == before:
                break
        self.history.miss([node], "the server does not tell its history whole")

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
        details: Any = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=datetime.fromtimestamp(begin, UTC),
            EndTime=datetime.fromtimestamp(self._clock.now() + CLOCKS, UTC),
            NumValuesPerNode=ua.UInt32(PER_RESPONSE),
            ReturnBounds=False,
        )
        request = ua.HistoryReadRequest()
        request.Parameters.HistoryReadDetails = details
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

    async def _release(self, waiting: Mapping[str, bytes | None]) -> None:
        """Tell the server that it need not keep where we were."""
        held = {node: point for node, point in waiting.items() if point is not None}
        if held:
            try:
                await call(self._link, self._request(held, self._since, release=True), ua.HistoryReadResponse)
            except (UaStatusCodeError, ValueError):
                return

    def _take(self, node: str, result: ua.HistoryReadResult, again: int = 0) -> bytes | None:
        """Keep what is told of `node`, but for the first `again` values, which were told before; where the server has
        more, what gets it."""
        data = result.HistoryData
        if result.StatusCode.is_bad() or not (data is None or isinstance(data, ua.HistoryData)):
            self.history.miss([node], f"the server does not tell its history: {result.StatusCode.name}")
            return None
        known = self.history.values.setdefault(node, [])
        after = self._told.get(node, self._since)
        for value in _values(result)[again:]:
            read = reading(value)
            if not isinstance(read, str) and read.source_time is not None and read.source_time > after:
                known.append(read)
                self._count += 1
        if len(known) > MOST_PER_TAG:
            self.history.miss([node], f"it has changed more than {MOST_PER_TAG} times")
            return None
        return result.ContinuationPoint or None

    def _is_cut(self, node: str, result: ua.HistoryReadResult) -> bool:
        """Whether there is as much as was asked for, and so perhaps more."""
        return node not in self.history.missing and len(_values(result)) >= PER_RESPONSE


def _values(result: ua.HistoryReadResult) -> Sequence[ua.DataValue]:
    data: Any = result.HistoryData
    return data.DataValues or () if isinstance(data, ua.HistoryData) else ()
