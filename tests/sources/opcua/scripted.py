"""A small OPC UA server that does what a test says: it answers in the bytes of the standard, without a socket.

Its time is that of the event loop, so that hours pass at once where that is simulated. It samples by exception: what is
written is queued for the next publishing interval of each subscription.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_to_binary
from asyncua.ua.uaerrors import UaStatusCodeError

from gateway.clock import LoopClock
from gateway.errors import SourceError
from gateway.health import KindName
from gateway.sources.opcua.channel import LinkLost, in_session

EPOCH = 1_767_592_800.0
POISONED = b"\x0f\x08\x00\x00\x00" + b"POISONED"
"""A byte string in a data value: its type, length and content."""
POISON = b"\x0f\xff\xff\xff\x7f" + b"POISONED"
"""What becomes of it on the wire: a byte string that is longer than the message."""


@dataclass(slots=True)
class _Subscription:
    owner: int
    """The session that it is one of; it takes requests to publish of that one alone."""
    items: dict[int, tuple[int, int, str]] = field(default_factory=dict)
    """Item id -> client handle, subscription, node."""
    waiting: list[tuple[int, ua.DataValue | list[ua.Variant]]] = field(default_factory=list)
    events: dict[int, tuple[int, str, ua.EventFilter, int]] = field(default_factory=dict)
    """Item id -> client handle, notifier, what is wanted, and how many are kept."""
    number: int = 1
    kept: dict[int, bytes] = field(default_factory=dict)
    silent: float = 0.0


class Server:
    """The manners are attributes: change them at any time. `values` are by the string identifier of their node."""

    def __init__(self, **values: object) -> None:
        self.values: dict[str, ua.DataValue] = {}
        self.namespaces = ["http://opcfoundation.org/UA/", "urn:acme:line"]
        self.publishing = 0.25
        self.keepalive = 20
        """Publishing intervals, whatever was asked."""
        self.clock_ticks = True
        self.clock_watched = True
        self.most_nodes = 1_000
        self.most_items = 10_000
        """In one subscription."""
        self.most_publishes = 100
        self.deaf: set[str] = set()
        """Nodes of which nothing is told although they can be read."""
        self.publishes = True
        self.lose: Callable[[int], bool] = lambda _number: False
        """Whether the message with this number never arrives."""
        self.spoils = False
        """Whether a message with a poisoned value is unreadable only as it comes first, not as it was kept."""
        self.forgets = False
        """Whether no message is kept."""
        self.acknowledged: list[int] = []
        self.asked: list[str] = []
        """The names of the requests, in order."""
        self.sessions = 0
        """Sessions that were ever begun."""
        self.session = 0
        """The number of the session that there is, 0: none."""
        self.types: dict[str, int] = {}
        """Nodes of which the type of their values is said: the number of a type of the standard."""
        self.ranks: dict[str, int] = {}
        """The ValueRank of nodes that hold no single value."""
        self.refused_browse = 0
        """By what the server refuses to browse."""
        self.reachable = True
        self.frozen = self.deaf_to_us = self.mute = False
        """Nothing goes on in it; what is sent to it, or what it answers, gets lost on the way."""
        self.link = 0
        """The number of the connection that can be."""
        self.transfers = True
        self.resumed = 0
        """How often somebody wanted a session again."""
        self.created: list[str] = []
        """Nodes for which an item was created, in order."""
        self.asked_items: dict[str, ua.MonitoringParameters] = {}
        """How the item of a node was asked for, the last time."""
        self.asked_subscriptions: list[ua.CreateSubscriptionParameters] = []
        self.least_sampling = 0.0
        """Seconds, whatever was asked."""
        self.longest_queue = 10_000
        self.refused_filters: dict[str, int] = {}
        """By what nodes refuse any filter."""
        self.historized: set[str] = set()
        """Nodes whose values are kept."""
        self.history: dict[str, list[ua.DataValue]] = {}
        self.keeps_events = False
        self.kept_events: list[tuple[str, dict[str, object]]] = []
        """Of which notifier, and what is told of each; whatever type is asked for, as one server does it."""
        self.started = EPOCH - 1_000_000
        self.most_history = 1_000
        """Values of a node in one response."""
        self.tells_more = True
        """Whether it says that there are more."""
        self.refused_history = 0
        self.history_takes = 0.0
        """Seconds."""
        self.clock_off = 0.0
        self.released = 0
        """Continuation points that were given back."""
        self.notifiers: set[str] = set()
        """Nodes that have events."""
        self.refused_events = 0
        """By what the server refuses any filter of events."""
        self.conditions: dict[str, dict[str, object]] = {}
        """What is told of each condition when it is asked for; `renews_ids`: with another EventId."""
        self.renews_ids = False
        self.knows_refresh = True
        self.refreshes = 0
        self.subscriptions: dict[int, _Subscription] = {}
        self._requests: deque[tuple[asyncio.Future[Buffer], Any]] = deque()
        self._ids = 0
        for name, value in values.items():
            self.write(name.replace("__", "."), value)

    @property
    def outstanding(self) -> int:
        return sum(not future.done() for future, _ in self._requests)

    def connection(self) -> "_Connection":
        return _Connection(self)

    def cut(self) -> None:
        """Connections are lost, and there are none until `reachable` is true again."""
        self.reachable = False
        self.link += 1
        for future, _ in self._requests:
            if not future.done():
                future.set_exception(ConnectionError("cut"))

    def end_session(self, *, subscriptions: bool) -> None:
        """The session is over; with `subscriptions` these too."""
        self.session = 0
        if subscriptions:
            self.subscriptions.clear()

    def now(self) -> datetime:
        return datetime.fromtimestamp(EPOCH + asyncio.get_running_loop().time(), UTC)

    def write(self, name: str, value: object, *, status: int = 0, old: float = 0.0) -> None:
        """Set a value; its source time is `old` seconds ago. `poison()` makes its message unreadable."""
        variant = value if isinstance(value, ua.Variant) else ua.Variant(value)
        stamp = self._stamp(old)
        code = ua.StatusCode(ua.UInt32(status))
        self.values[name] = data = ua.DataValue(variant, code, stamp, self._stamp(0.0))
        if name in self.historized:
            self.history.setdefault(name, []).append(data)
        if name in self.deaf:
            return
        for subscription in self.subscriptions.values():
            for handle, _, node in subscription.items.values():
                if node == name:
                    subscription.waiting.append((handle, data))

    def happen(self, notifier: str, *, type_: int = 2041, old: float = 0.0, **fields: object) -> None:
        """An event of `notifier`, `old` seconds ago; what of it is the state of a condition has a ConditionId, and is
        told again as long as it is to be retained. Field names have `__` for `/`."""
        told = {name.replace("__", "/"): value for name, value in fields.items()}
        told = {
            "EventType": _standard(type_),
            "SourceName": notifier,
            "Severity": 500,
            "Time": self._stamp(old),
            **told,
        }
        self._ids += 1
        told.setdefault("EventId", b"event %d" % self._ids)
        condition = told.get("ConditionId")
        if condition is not None:
            told["ConditionId"] = ua.NodeId(ua.String(str(condition)), ua.Int16(1))
            self.conditions[str(condition)] = told
            if not told.get("Retain"):
                del self.conditions[str(condition)]
        if self.keeps_events:
            self.kept_events.append((notifier, told))
        for subscription in self.subscriptions.values():
            self._tell(subscription, notifier, told)

    def _tell(self, subscription: _Subscription, notifier: str, told: dict[str, object]) -> None:
        for handle, node, filter_, most in subscription.events.values():
            wanted = [each.FilterOperands[0].Value.Value for each in filter_.WhereClause.Elements]
            if node != notifier or (wanted and told["EventType"] not in wanted):
                continue
            fields = [_field(told, clause) for clause in filter_.SelectClauses]
            if sum(each == handle for each, _ in subscription.waiting) < most:
                subscription.waiting.append((handle, fields))
            else:
                overflow: dict[str, object] = {"EventType": _standard(3035), "Time": self.now()}
                subscription.waiting = [each for each in subscription.waiting if each[0] != handle][: most - 1]
                subscription.waiting.append((handle, [_field(overflow, each) for each in filter_.SelectClauses]))

    def _stamp(self, old: float) -> Any:
        try:
            now = self.now().timestamp()
        except RuntimeError:  # before the loop runs
            now = EPOCH
        return datetime.fromtimestamp(now - old, UTC)

    def delete(self, name: str) -> None:
        """A node goes, in silence."""
        del self.values[name]

    # -- what is asked --

    async def answer(self, request: Any, session: int) -> Buffer:
        name = type(request).__name__.removesuffix("Request")
        while self.frozen or self.deaf_to_us:
            await asyncio.sleep(0.5)
        called = [each.MethodId.Identifier for each in request.Parameters.MethodsToCall] if name == "Call" else []
        self.asked.append("ConditionRefresh" if called == [3875] else name)
        if session != self.session:
            raise _refused(StatusCodes.BadSessionIdInvalid)
        await asyncio.sleep(0.001)
        response: Buffer = await getattr(self, f"_{name.lower()}")(request)
        while self.mute:
            await asyncio.sleep(0.5)
        return response

    async def _createsubscription(self, request: ua.CreateSubscriptionRequest) -> Buffer:
        self._ids += 1
        self.subscriptions[self._ids] = _Subscription(self.session)
        self.asked_subscriptions.append(request.Parameters)
        response = ua.CreateSubscriptionResponse()
        response.Parameters = ua.CreateSubscriptionResult(
            ua.UInt32(self._ids), self.publishing * 1000, ua.UInt32(1000), ua.UInt32(self.keepalive)
        )
        return _sent(response)

    async def _createmonitoreditems(self, request: ua.CreateMonitoredItemsRequest) -> Buffer:
        asked = request.Parameters
        self._limit(len(asked.ItemsToCreate))
        subscription = self.subscriptions[asked.SubscriptionId]
        response = ua.CreateMonitoredItemsResponse()
        for item in asked.ItemsToCreate:
            node, handle = _name(item.ItemToMonitor.NodeId), item.RequestedParameters.ClientHandle
            self._ids += 1
            wanted: Any = item.RequestedParameters.Filter
            if isinstance(wanted, ua.EventFilter):
                most = min(item.RequestedParameters.QueueSize, self.longest_queue)
                code = self.refused_events if node in self.notifiers else StatusCodes.BadNodeIdUnknown
                self.asked_items[node] = item.RequestedParameters
                if not code:
                    subscription.events[self._ids] = handle, node, wanted, most
                    self.created.append(node)
                status = ua.StatusCode(ua.UInt32(code))
                response.Results.append(
                    ua.MonitoredItemCreateResult(status, ua.UInt32(self._ids), 0.0, ua.UInt32(most))
                )
                continue
            code = self._refusal(subscription, node)
            if isinstance(item.RequestedParameters.Filter, ua.DataChangeFilter):
                code = code or self.refused_filters.get(node, 0)
            self.asked_items[node] = item.RequestedParameters
            if not code:
                subscription.items[self._ids] = handle, asked.SubscriptionId, node
                subscription.waiting.append((handle, self._value(node)))
                self.created.append(node)
            response.Results.append(
                ua.MonitoredItemCreateResult(
                    ua.StatusCode(ua.UInt32(code)),
                    ua.UInt32(self._ids),
                    max(item.RequestedParameters.SamplingInterval, self.least_sampling * 1000),
                    min(item.RequestedParameters.QueueSize, self.longest_queue),
                )
            )
        return _sent(response)

    def _refusal(self, subscription: _Subscription, node: str) -> int:
        if node == "2258" and not self.clock_watched:
            return StatusCodes.BadAttributeIdInvalid
        if node != "2258" and node not in self.values:
            return StatusCodes.BadNodeIdUnknown
        own = [each for _, _, each in subscription.items.values() if each != "2258"]
        return StatusCodes.BadTooManyMonitoredItems if node != "2258" and len(own) >= self.most_items else 0

    async def _deletemonitoreditems(self, request: ua.DeleteMonitoredItemsRequest) -> Buffer:
        asked = request.Parameters
        self._limit(len(asked.MonitoredItemIds))
        for item in asked.MonitoredItemIds:
            self.subscriptions[asked.SubscriptionId].items.pop(item, None)
            self.subscriptions[asked.SubscriptionId].events.pop(item, None)
        response = ua.DeleteMonitoredItemsResponse()
        response.Results = [ua.StatusCode() for _ in asked.MonitoredItemIds]
        return _sent(response)

    async def _read(self, request: ua.ReadRequest) -> Buffer:
        asked = request.Parameters.NodesToRead
        self._limit(len(asked))
        response = ua.ReadResponse()
        response.Results = [self._attribute(each) for each in asked]
        return _sent(response)

    def _attribute(self, asked: ua.ReadValueId) -> ua.DataValue:
        node = _name(asked.NodeId)
        if asked.AttributeId == AttributeIds.EventNotifier and node in self.notifiers:
            return ua.DataValue(ua.Variant(5 if self.keeps_events else 1, ua.VariantType.Byte))
        if asked.AttributeId == AttributeIds.DataType:
            kind = self.types.get(node)
            return ua.DataValue(ua.Variant(None if kind is None else _standard(kind)))
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
            raise _refused(self.refused_history)
        response = ua.HistoryReadResponse()
        response.ResponseHeader.Timestamp = self.now() + timedelta(seconds=self.clock_off)
        if asked.ReleaseContinuationPoints:
            self.released += len(asked.NodesToRead)
            response.Results = [ua.HistoryReadResult() for _ in asked.NodesToRead]
            return _sent(response)
        details = asked.HistoryReadDetails
        for each in asked.NodesToRead:
            fitting = self._kept(details, _name(each.NodeId))
            at = int(each.ContinuationPoint or b"0")
            told = fitting[at : at + min(self.most_history, details.NumValuesPerNode)]
            more = at + len(told) < len(fitting) and self.tells_more
            point = ua.ByteString(b"%d" % (at + len(told))) if more else None
            of_events = isinstance(details, ua.ReadEventDetails)
            data: Any = ua.HistoryEvent(told) if of_events else ua.HistoryData(told)
            response.Results.append(ua.HistoryReadResult(ua.StatusCode(), point, data))
        return _sent(response)

    def _kept(self, details: Any, node: str) -> list[Any]:
        if isinstance(details, ua.ReadEventDetails):
            return [
                ua.HistoryEventFieldList([_field(told, clause) for clause in details.Filter.SelectClauses])
                for notifier, told in self.kept_events
                if notifier == node and details.StartTime <= told["Time"] <= details.EndTime
            ]
        kept: list[Any] = self.history.get(node, [])
        return [one for one in kept if details.StartTime <= one.SourceTimestamp <= details.EndTime]

    async def _browse(self, request: ua.BrowseRequest) -> Buffer:
        """Of types the one that each is of: the standard's types of conditions are all of one line here, and of texts
        there is one (LocaleId)."""
        if self.refused_browse:
            raise _refused(self.refused_browse)
        response = ua.BrowseResponse()
        for each in request.Parameters.NodesToBrowse:
            parent = {2915: 2881, 2881: 2782, 2782: 2041, 295: 12}.get(each.NodeId.Identifier)
            found = [ua.ReferenceDescription(NodeId=_expanded(parent))] if parent is not None else []
            response.Results.append(ua.BrowseResult(References=found))
        return _sent(response)

    async def _call(self, request: ua.CallRequest) -> Buffer:
        [asked] = request.Parameters.MethodsToCall
        assert (asked.ObjectId.Identifier, asked.MethodId.Identifier) == (2782, 3875), "nothing else is ever called"
        response = ua.CallResponse()
        response.ResponseHeader.Timestamp = self.now()
        code = 0 if self.knows_refresh else StatusCodes.BadMethodInvalid
        response.Results = [ua.CallMethodResult(ua.StatusCode(ua.UInt32(code)))]
        if self.knows_refresh:
            self.refreshes += 1
            subscription = self.subscriptions[asked.InputArguments[0].Value]
            for notifier in self.notifiers:
                self._tell(subscription, notifier, {"EventType": _standard(2787), "Time": self.now()})
                for told in [*self.conditions.values()]:
                    self._ids += 1
                    again = {"EventId": b"event %d" % self._ids} if self.renews_ids else {}
                    self._tell(subscription, notifier, {**told, **again})
                self._tell(subscription, notifier, {"EventType": _standard(2788), "Time": self.now()})
        return _sent(response)

    async def _transfersubscriptions(self, request: ua.TransferSubscriptionsRequest) -> Buffer:
        response = ua.TransferSubscriptionsResponse()
        for id_ in request.Parameters.SubscriptionIds:
            known = self.transfers and id_ in self.subscriptions
            if known:
                self.subscriptions[id_].owner = self.session
            code = 0 if known else StatusCodes.BadSubscriptionIdInvalid
            response.Parameters.Results.append(ua.TransferResult(ua.StatusCode(ua.UInt32(code))))
        return _sent(response)

    async def _republish(self, request: ua.RepublishRequest) -> Buffer:
        asked = request.Parameters
        if asked.SubscriptionId not in self._own():
            raise _refused(StatusCodes.BadSubscriptionIdInvalid)
        kept = self.subscriptions[asked.SubscriptionId].kept
        if asked.RetransmitSequenceNumber not in kept or self.forgets:
            raise _refused(StatusCodes.BadMessageNotAvailable)
        return Buffer(kept[asked.RetransmitSequenceNumber])

    async def _publish(self, request: ua.PublishRequest) -> Buffer:
        if self.outstanding >= self.most_publishes:
            raise _refused(StatusCodes.BadTooManyPublishRequests)
        for each in request.Parameters.SubscriptionAcknowledgements:
            if each.SubscriptionId not in self.subscriptions:
                continue
            self.acknowledged.append(each.SequenceNumber)
            self.subscriptions[each.SubscriptionId].kept.pop(each.SequenceNumber, None)
        if not self._own():
            raise _refused(StatusCodes.BadNoSubscription)
        future: asyncio.Future[Buffer] = asyncio.get_running_loop().create_future()
        self._requests.append((future, request))
        return await future

    def _own(self) -> dict[int, _Subscription]:
        """The subscriptions of the session that there is."""
        return {id_: each for id_, each in self.subscriptions.items() if each.owner == self.session}

    def _limit(self, nodes: int) -> None:
        if nodes > self.most_nodes:
            raise _refused(StatusCodes.BadTooManyOperations)

    def _value(self, node: str) -> ua.DataValue:
        stamp: Any = self.now()
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

    # -- what it says by itself --

    async def live(self) -> None:
        """Publish, for ever."""
        while True:
            await asyncio.sleep(self.publishing)
            if self.frozen:
                continue
            for id_, subscription in self._own().items():
                self._tick(subscription)
                self._say(id_, subscription)

    def _tick(self, subscription: _Subscription) -> None:
        for handle, _, node in subscription.items.values():
            if node == "2258" and self.clock_ticks:
                subscription.waiting.append((handle, self._value("2258")))

    def _say(self, id_: int, subscription: _Subscription) -> None:
        subscription.silent += 1
        if not self.publishes or (not subscription.waiting and subscription.silent < self.keepalive):
            return
        while self._requests and self._requests[0][0].done():
            self._requests.popleft()
        if not self._requests:
            return
        keepalive = not subscription.waiting
        message = ua.NotificationMessage(ua.UInt32(subscription.number))
        message.PublishTime = self.now() + timedelta(seconds=self.clock_off)
        if not keepalive:
            message.NotificationData = [_notification(waiting) for waiting in _runs(subscription.waiting)]
            again = ua.RepublishResponse()
            again.NotificationMessage = message
            kept = bytes(_sent(again))
            subscription.kept[subscription.number] = kept.replace(POISON, POISONED) if self.spoils else kept
            subscription.waiting = []
            subscription.number += 1
        subscription.silent = 0
        if self.lose(message.SequenceNumber):
            return
        response = ua.PublishResponse()
        response.Parameters = ua.PublishResult(ua.UInt32(id_), [], False, message)
        self._requests.popleft()[0].set_result(_sent(response))


class _Connection:
    session_timeout = 60.0
    alternatives = False
    certificate_ends: float | None = None

    def __init__(self, server: Server) -> None:
        self._server = server
        self._session = 0
        self._link = -1

    def concerns(self, now: float) -> dict[KindName, str]:
        return {}

    def _connect(self) -> None:
        if not self._server.reachable:
            raise LinkLost("cannot connect: it is cut")
        if self._server.frozen or self._server.deaf_to_us or self._server.mute:
            raise LinkLost("cannot connect: it does not answer")
        self._link = self._server.link

    def _begin(self) -> None:
        self._server.sessions += 1
        self._server.session = self._session = self._server.sessions

    async def open(self, now: float) -> None:
        self._connect()
        if self._session == self._server.session:
            self._server.end_session(subscriptions=True)
        self._begin()

    async def resume(self, now: float) -> bool:
        self._connect()
        self._server.resumed += 1
        if self._session == self._server.session:
            return True
        self._begin()
        return False

    async def request(self, request: Any, limit: float | None = None) -> Buffer:
        if self._link != self._server.link:
            raise ConnectionError("cut")
        async with asyncio.timeout(10 if limit is None else None):
            with in_session():
                answer = await self._server.answer(request, self._session)
        if self._link != self._server.link:
            raise ConnectionError("cut")
        return answer

    async def is_ill(self) -> bool:
        return False

    async def keep(self) -> None:
        await asyncio.Event().wait()

    def drop(self) -> None:
        self._link = -1

    async def close(self) -> None:
        if self._link == self._server.link and self._session == self._server.session:
            self._server.end_session(subscriptions=True)
            self._session = 0
        self.drop()


def _runs(waiting: list[tuple[int, Any]]) -> list[list[tuple[int, Any]]]:
    """Changes of values together, and events, in their order."""
    return [[*each] for _, each in groupby(waiting, lambda one: isinstance(one[1], list))]


def _notification(waiting: list[tuple[int, Any]]) -> Any:
    if isinstance(waiting[0][1], list):
        return ua.EventNotificationList([ua.EventFieldList(ua.UInt32(handle), told) for handle, told in waiting])
    return ua.DataChangeNotification(
        [ua.MonitoredItemNotification(ua.UInt32(handle), value) for handle, value in waiting]
    )


def _standard(number: int) -> ua.NodeId:
    return ua.NodeId(ua.Int32(number), ua.Int16(0))


def _expanded(number: int) -> ua.ExpandedNodeId:
    return ua.ExpandedNodeId(ua.Int32(number), ua.Int16(0))


def _field(told: dict[str, object], clause: ua.SimpleAttributeOperand) -> ua.Variant:
    """What is told where `clause` asks for it; null where there is no such thing."""
    if not clause.BrowsePath:
        value = told.get("ConditionId") if clause.AttributeId == AttributeIds.NodeId else None
    else:
        value = told.get("/".join(str(name.Name) for name in clause.BrowsePath))
    if isinstance(value, str) and clause.BrowsePath and clause.BrowsePath[0].Name == "Message":
        value = ua.LocalizedText(value)
    return value if isinstance(value, ua.Variant) else ua.Variant(value)


def poison() -> ua.Variant:
    """A value that makes what holds it unreadable."""
    return ua.Variant(POISONED[5:], ua.VariantType.ByteString)


def _sent(response: Any) -> Buffer:
    return Buffer(struct_to_binary(response).replace(POISONED, POISON))


def _refused(code: int) -> UaStatusCodeError:
    error: UaStatusCodeError = UaStatusCodeError(code)  # type: ignore[no-untyped-call]
    return error


def _name(node: ua.NodeId) -> str:
    return str(node.Identifier)


def clock() -> LoopClock:
    """The gateway's clock, which agrees with the server's."""
    return LoopClock(EPOCH)


__all__ = ["EPOCH", "POISON", "POISONED", "Server", "SourceError", "clock", "poison"]
