"""The nodes of the scripted OPC UA server: what is read and browsed of them, and what they have kept, as bytes."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_to_binary
from asyncua.ua.uaerrors import UaStatusCodeError

from gateway.sources.opcua.decode import OVERFLOW

EPOCH = 1_767_592_800.0
POISONED = b"\x0f\x08\x00\x00\x00" + b"POISONED"
"""A byte string in a data value: its type, length and content."""
POISON = b"\x0f\xff\xff\xff\x7f" + b"POISONED"
"""What becomes of it on the wire: a byte string that is longer than the message."""


class Nodes:
    """The manners are attributes: change them at any time. `values` are by the string identifier of their node."""

    def __init__(self) -> None:
        self.values: dict[str, ua.DataValue] = {}
        self.namespaces = ["http://opcfoundation.org/UA/", "urn:acme:line"]
        self.most_nodes = 1_000
        self.types: dict[str, int] = {}
        """Nodes of which the type of their values is said: the number of a type of the standard."""
        self.ranks: dict[str, int] = {}
        """The ValueRank of nodes that hold no single value."""
        self.refused_browse = 0
        """By what the server refuses to browse."""
        self.historized: set[str] = set()
        """Nodes whose values are kept."""
        self.history: dict[str, list[ua.DataValue]] = {}
        self.keeps_events = False
        self.kept_events: list[tuple[str, dict[str, object]]] = []
        """Of which notifier, and what is told of each; whatever type is asked for, as one server does it."""
        self.started = EPOCH - 1_000_000
        self.most_history = 1_000
        """Values of a node in one response."""
        self.most_points = 1_000
        """Nodes of one request of which the server remembers how far it has told."""
        self.tells_more = True
        """Whether it says that there are more."""
        self.refused_history = 0
        self.history_takes = 0.0
        """Seconds."""
        self.clock_off = 0.0
        self.behind = 0.0
        """Seconds that the heartbeat is on its way."""
        self.released = 0
        """Continuation points that were given back."""
        self.notifiers: set[str] = set()
        """Nodes that have events."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(EPOCH + asyncio.get_running_loop().time(), UTC)

    def _stamp(self, old: float) -> Any:
        try:
            now = self.now().timestamp()
        except RuntimeError:  # before the loop runs
            now = EPOCH
        return datetime.fromtimestamp(now - old, UTC)

    async def _read(self, request: ua.ReadRequest) -> Buffer:
        asked = request.Parameters.NodesToRead
        self._limit(len(asked))
        response = ua.ReadResponse()
        response.Results = [self._attribute(each) for each in asked]
        return sent(response)

    def _attribute(self, asked: ua.ReadValueId) -> ua.DataValue:
        node = node_name(asked.NodeId)
        if asked.AttributeId == AttributeIds.EventNotifier and node in self.notifiers:
            return ua.DataValue(ua.Variant(5 if self.keeps_events else 1, ua.VariantType.Byte))
        if asked.AttributeId == AttributeIds.DataType:
            kind = self.types.get(node)
            return ua.DataValue(ua.Variant(None if kind is None else standard(kind)))
        if asked.AttributeId == AttributeIds.ValueRank:
            return ua.DataValue(ua.Variant(self.ranks.get(node, -1), ua.VariantType.Int32))
        if asked.AttributeId == AttributeIds.Historizing:
            return ua.DataValue(ua.Variant(node in self.historized, ua.VariantType.Boolean))
        if asked.AttributeId == AttributeIds.UserAccessLevel:
            return ua.DataValue(ua.Variant(5 if node in self.historized else 1, ua.VariantType.Byte))
        if node == "2257":
            started: Any = datetime.fromtimestamp(self.started, UTC)
            return ua.DataValue(ua.Variant(started, ua.VariantType.DateTime))
        return self._value(node)

    async def _historyread(self, request: ua.HistoryReadRequest) -> Buffer:
        asked: Any = request.Parameters
        self._limit(len(asked.NodesToRead))
        await asyncio.sleep(self.history_takes)
        if self.refused_history:
            raise refused(self.refused_history)
        response = ua.HistoryReadResponse()
        response.ResponseHeader.Timestamp = self.now() + timedelta(seconds=self.clock_off)
        if asked.ReleaseContinuationPoints:
            self.released += len(asked.NodesToRead)
            response.Results = [ua.HistoryReadResult() for _ in asked.NodesToRead]
            return sent(response)
        details = asked.HistoryReadDetails
        for each in asked.NodesToRead:
            if each.ContinuationPoint:  # up to when it was asked for at first
                at, until = map(float, each.ContinuationPoint.split())
                details.EndTime = datetime.fromtimestamp(until, UTC)
            else:
                at, until = 0, details.EndTime.timestamp()
            fitting = self._kept(details, node_name(each.NodeId))[int(at) :]
            told = fitting[: min(self.most_history, details.NumValuesPerNode)]
            more = len(told) < len(fitting) and self.tells_more
            if more and sum(bool(one.ContinuationPoint) for one in response.Results) >= self.most_points:
                refusal = ua.StatusCode(ua.UInt32(StatusCodes.BadNoContinuationPoints))
                response.Results.append(ua.HistoryReadResult(refusal))
                continue
            point = ua.ByteString(b"%d %r" % (at + len(told), until)) if more else None
            of_events = isinstance(details, ua.ReadEventDetails)
            data: Any = ua.HistoryEvent(told) if of_events else ua.HistoryData(told)
            response.Results.append(ua.HistoryReadResult(ua.StatusCode(), point, data))
        return sent(response)

    def _kept(self, details: Any, node: str) -> list[Any]:
        if isinstance(details, ua.ReadEventDetails):
            return [
                ua.HistoryEventFieldList([event_field(told, clause) for clause in details.Filter.SelectClauses])
                for notifier, told in self.kept_events
                if notifier == node and details.StartTime <= told["Time"] <= details.EndTime
            ]
        kept: list[Any] = self.history.get(node, [])
        return [one for one in kept if details.StartTime <= one.SourceTimestamp <= details.EndTime]

    async def _browse(self, request: ua.BrowseRequest) -> Buffer:
        """Of types the one that each is of: the standard's types of conditions are all of one line here, and of texts
        there is one (LocaleId)."""
        if self.refused_browse:
            raise refused(self.refused_browse)
        response = ua.BrowseResponse()
        for each in request.Parameters.NodesToBrowse:
            parent = {2915: 2881, 2881: 2782, 2782: 2041, 295: 12}.get(each.NodeId.Identifier)
            found = [ua.ReferenceDescription(NodeId=expanded(parent))] if parent is not None else []
            response.Results.append(ua.BrowseResult(References=found))
        return sent(response)

    def _limit(self, nodes: int) -> None:
        if nodes > self.most_nodes:
            raise refused(StatusCodes.BadTooManyOperations)

    def _value(self, node: str, behind: float = 0.0) -> ua.DataValue:
        stamp: Any = self.now() - timedelta(seconds=behind)
        if node == "2255":
            return ua.DataValue(ua.Variant(self.namespaces, ua.VariantType.String))
        if node == "2258":
            return ua.DataValue(
                ua.Variant(stamp, ua.VariantType.DateTime), SourceTimestamp=stamp, ServerTimestamp=stamp
            )
        if node in self.values:
            known = self.values[node]
            return ua.DataValue(known.Value, known.StatusCode, known.SourceTimestamp, stamp)
        return ua.DataValue(None, ua.StatusCode(ua.UInt32(StatusCodes.BadNodeIdUnknown)), None, stamp)


def standard(number: int) -> ua.NodeId:
    return ua.NodeId(ua.Int32(number), ua.Int16(0))


def expanded(number: int) -> ua.ExpandedNodeId:
    return ua.ExpandedNodeId(ua.Int32(number), ua.Int16(0))


def event_field(told: dict[str, object], clause: ua.SimpleAttributeOperand) -> ua.Variant:
    """What is told where `clause` asks for it; null where there is no such thing."""
    if not clause.BrowsePath:
        value = told.get("ConditionId") if clause.AttributeId == AttributeIds.NodeId else None
    else:
        value = told.get("/".join(str(name.Name) for name in clause.BrowsePath))
    if isinstance(value, str) and clause.BrowsePath and clause.BrowsePath[0].Name == "Message":
        value = ua.LocalizedText(value)
    return value if isinstance(value, ua.Variant) else ua.Variant(value)


def queue(waiting: list[tuple[int, Any]], handle: int, data: ua.DataValue, most: int) -> None:
    """Of a full queue the oldest value goes, and the one after it says so (Part 4, 5.13.1.5)."""
    waiting.append((handle, data))
    own = [place for place, (each, _) in enumerate(waiting) if each == handle]
    if len(own) <= most:
        return
    if len(own) > 2:
        told: Any = waiting[own[1]][1]
        code = ua.StatusCode(ua.UInt32((told.StatusCode.value if told.StatusCode else 0) | OVERFLOW))
        waiting[own[1]] = handle, ua.DataValue(told.Value, code, told.SourceTimestamp, told.ServerTimestamp)
    del waiting[own[0]]


def runs(waiting: list[tuple[int, Any]]) -> list[list[tuple[int, Any]]]:
    """Changes of values together, and events, in their order."""
    return [[*each] for _, each in groupby(waiting, lambda one: isinstance(one[1], list))]


def notification(waiting: list[tuple[int, Any]]) -> Any:
    """What is said of one of `runs`."""
    if isinstance(waiting[0][1], list):
        return ua.EventNotificationList([ua.EventFieldList(ua.UInt32(handle), told) for handle, told in waiting])
    return ua.DataChangeNotification(
        [ua.MonitoredItemNotification(ua.UInt32(handle), value) for handle, value in waiting]
    )


def poison() -> ua.Variant:
    """A value that makes what holds it unreadable."""
    return ua.Variant(POISONED[5:], ua.VariantType.ByteString)


def sent(response: Any) -> Buffer:
    return Buffer(struct_to_binary(response).replace(POISONED, POISON))


def refused(code: int) -> UaStatusCodeError:
    error: UaStatusCodeError = UaStatusCodeError(code)  # type: ignore[no-untyped-call]
    return error


def node_name(node: ua.NodeId) -> str:
    return str(node.Identifier)
