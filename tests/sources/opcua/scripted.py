"""A small OPC UA server that does what a test says: it answers in the bytes of the standard, without a socket.

Its time is that of the event loop, so that hours pass at once where that is simulated. It samples by exception: what is
written is queued for the next publishing interval of each subscription.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.status_codes import StatusCodes

from gateway.clock import LoopClock
from gateway.errors import SourceError
from tests.sources.opcua.scripted_connection import ScriptedConnection
from tests.sources.opcua.scripted_nodes import (
    EPOCH,
    POISON,
    POISONED,
    Nodes,
    event_field,
    node_name,
    notification,
    poison,
    queue,
    refused,
    runs,
    sent,
    standard,
)


@dataclass(slots=True)
class _Subscription:
    owner: int
    """The session that it is one of; it takes requests to publish of that one alone."""
    items: dict[int, tuple[int, int, str]] = field(default_factory=dict)
    """Item id -> client handle, subscription, node."""
    waiting: list[tuple[int, ua.DataValue | list[ua.Variant]]] = field(default_factory=list)
    queues: dict[int, int] = field(default_factory=dict)
    """Client handle -> how many values of its node are kept between two messages."""
    events: dict[int, tuple[int, str, ua.EventFilter, int]] = field(default_factory=dict)
    """Item id -> client handle, notifier, what is wanted, and how many are kept."""
    number: int = 1
    kept: dict[int, bytes] = field(default_factory=dict)
    silent: float = 0.0


class Server(Nodes):
    """Its nodes, sessions and subscriptions. The manners are attributes: change them at any time."""

    def __init__(self, **values: object) -> None:
        super().__init__()
        self.publishing = 0.25
        self.keepalive = 20
        """Publishing intervals, whatever was asked."""
        self.clock_ticks = True
        self.clock_watched = True
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
        self.alive: set[int] = set()
        """The numbers of those that there are: one that nobody ends stays."""
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
    def session(self) -> int:
        """The newest of those that there are, 0: none."""
        return max(self.alive, default=0)

    @property
    def outstanding(self) -> int:
        return sum(not future.done() for future, _ in self._requests)

    def connection(self) -> ScriptedConnection:
        return ScriptedConnection(self)

    def cut(self) -> None:
        """Connections are lost, and there are none until `reachable` is true again."""
        self.reachable = False
        self.link += 1
        for future, _ in self._requests:
            if not future.done():
                future.set_exception(ConnectionError("cut"))

    def end_session(self, *, subscriptions: bool) -> None:
        """All sessions are over; with `subscriptions` these too."""
        self.alive.clear()
        if subscriptions:
            self.subscriptions.clear()

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
                    queue(subscription.waiting, handle, data, subscription.queues[handle])

    def tell_again(self, name: str) -> None:
        """Tell the value as it was told, with its time."""
        for subscription in self.subscriptions.values():
            for handle, _, node in subscription.items.values():
                if node == name:
                    queue(subscription.waiting, handle, self.values[name], subscription.queues[handle])

    def delete(self, name: str, *, told: int = 0) -> None:
        """A node goes, and its items are dead, also when there is one of this name again. `told`: with this status, as
        one server does it, else in silence."""
        if told:
            self.write(name, None, status=told)
        del self.values[name]
        for subscription in self.subscriptions.values():
            for id_, (handle, number, node) in subscription.items.items():
                if node == name:
                    subscription.items[id_] = handle, number, ""

    def happen(self, notifier: str, *, type_: int = 2041, old: float = 0.0, **fields: object) -> None:
        """An event of `notifier`, `old` seconds ago; what of it is the state of a condition has a ConditionId, and is
        told again as long as it is to be retained. Field names have `__` for `/`."""
        told = {name.replace("__", "/"): value for name, value in fields.items()}
        told = {
            "EventType": standard(type_),
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
            fields = [event_field(told, clause) for clause in filter_.SelectClauses]
            if sum(each == handle for each, _ in subscription.waiting) < most:
                subscription.waiting.append((handle, fields))
            else:
                overflow: dict[str, object] = {"EventType": standard(3035), "Time": self.now()}
                subscription.waiting = [each for each in subscription.waiting if each[0] != handle][: most - 1]
                subscription.waiting.append((handle, [event_field(overflow, each) for each in filter_.SelectClauses]))

    # -- what is asked --

    async def answer(self, request: Any, session: int) -> Buffer:
        name = type(request).__name__.removesuffix("Request")
        while self.frozen or self.deaf_to_us:
            await asyncio.sleep(0.5)
        called = [each.MethodId.Identifier for each in request.Parameters.MethodsToCall] if name == "Call" else []
        self.asked.append("ConditionRefresh" if called == [3875] else name)
        if session not in self.alive:
            raise refused(StatusCodes.BadSessionIdInvalid)
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
        return sent(response)

    async def _createmonitoreditems(self, request: ua.CreateMonitoredItemsRequest) -> Buffer:
        asked = request.Parameters
        self._limit(len(asked.ItemsToCreate))
        subscription = self.subscriptions[asked.SubscriptionId]
        response = ua.CreateMonitoredItemsResponse()
        for item in asked.ItemsToCreate:
            node, handle = node_name(item.ItemToMonitor.NodeId), item.RequestedParameters.ClientHandle
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
                subscription.queues[handle] = min(item.RequestedParameters.QueueSize, self.longest_queue)
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
        return sent(response)

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
        return sent(response)

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
                self._tell(subscription, notifier, {"EventType": standard(2787), "Time": self.now()})
                for told in [*self.conditions.values()]:
                    self._ids += 1
                    again = {"EventId": b"event %d" % self._ids} if self.renews_ids else {}
                    self._tell(subscription, notifier, {**told, **again})
                self._tell(subscription, notifier, {"EventType": standard(2788), "Time": self.now()})
        return sent(response)

    async def _transfersubscriptions(self, request: ua.TransferSubscriptionsRequest) -> Buffer:
        response = ua.TransferSubscriptionsResponse()
        for id_ in request.Parameters.SubscriptionIds:
            known = self.transfers and id_ in self.subscriptions
            if known:
                self.subscriptions[id_].owner = self.session
            code = 0 if known else StatusCodes.BadSubscriptionIdInvalid
            response.Parameters.Results.append(ua.TransferResult(ua.StatusCode(ua.UInt32(code))))
        return sent(response)

    async def _republish(self, request: ua.RepublishRequest) -> Buffer:
        asked = request.Parameters
        if asked.SubscriptionId not in self._own():
            raise refused(StatusCodes.BadSubscriptionIdInvalid)
        kept = self.subscriptions[asked.SubscriptionId].kept
        if asked.RetransmitSequenceNumber not in kept or self.forgets:
            raise refused(StatusCodes.BadMessageNotAvailable)
        return Buffer(kept[asked.RetransmitSequenceNumber])

    async def _publish(self, request: ua.PublishRequest) -> Buffer:
        if self.outstanding >= self.most_publishes:
            raise refused(StatusCodes.BadTooManyPublishRequests)
        for each in request.Parameters.SubscriptionAcknowledgements:
            if each.SubscriptionId not in self.subscriptions:
                continue
            self.acknowledged.append(each.SequenceNumber)
            self.subscriptions[each.SubscriptionId].kept.pop(each.SequenceNumber, None)
        if not self._own():
            raise refused(StatusCodes.BadNoSubscription)
        future: asyncio.Future[Buffer] = asyncio.get_running_loop().create_future()
        self._requests.append((future, request))
        return await future

    def _own(self) -> dict[int, _Subscription]:
        """The subscriptions of the session that there is."""
        return {id_: each for id_, each in self.subscriptions.items() if each.owner == self.session}

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
                subscription.waiting.append((handle, self._value("2258", self.behind)))

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
            message.NotificationData = [notification(waiting) for waiting in runs(subscription.waiting)]
            again = ua.RepublishResponse()
            again.NotificationMessage = message
            kept = bytes(sent(again))
            subscription.kept[subscription.number] = kept.replace(POISON, POISONED) if self.spoils else kept
            subscription.waiting = []
            subscription.number += 1
        subscription.silent = 0
        if self.lose(message.SequenceNumber):
            return
        response = ua.PublishResponse()
        response.Parameters = ua.PublishResult(ua.UInt32(id_), [], False, message)
        self._requests.popleft()[0].set_result(sent(response))


def clock() -> LoopClock:
    """The gateway's clock, which agrees with the server's."""
    return LoopClock(EPOCH)


__all__ = ["EPOCH", "POISON", "POISONED", "Server", "SourceError", "clock", "poison"]
