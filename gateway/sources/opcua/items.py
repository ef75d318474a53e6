"""The watched values of a session: each tag with a monitored item in one of its subscriptions, or the reason why not.

What a server cannot watch yet is asked for again, one by one; a subscription that is full gets another beside it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from gateway.config.addresses import NodeAddress
from gateway.sources.opcua.alive import Pulse, heartbeat_interval
from gateway.sources.opcua.services import (
    ItemRequest,
    Limits,
    Link,
    create_items,
    create_subscription,
    delete_items,
    namespaces,
)

log = structlog.get_logger()

QUEUE = 100
"""Values of one node that the server keeps between two publish responses."""
MOST_SUBSCRIPTIONS = 16
"""Subscriptions of one session, where a server allows few items in each."""

_CURRENT_TIME = ua.NodeId(ua.Int32(2258), ua.Int16(0))
_FULL = {StatusCodes.BadTooManyMonitoredItems}


@dataclass(slots=True)
class Subscription:
    """One subscription, with what the server has made of the wishes; seconds. `full`: it takes no more items."""

    id: int
    publishing: float
    pulse: Pulse
    items: dict[str, int] = field(default_factory=dict)
    full: bool = False


class WatchedItems:
    """The items of one session. A node's client handle is its position in `nodes`; that of a heartbeat is behind them.

    `missing` are the nodes without an item; why is in `failed`, which the owner shares. `unheard` are those with an
    item from which nothing has come yet.
    """

    def __init__(
        self,
        link: Link,
        addresses: Mapping[str, NodeAddress],
        failed: dict[str, str],
        follow: Callable[[int], None],
        limits: Limits,
    ) -> None:
        """`follow` is told the id of each subscription before anything can come of it."""
        self._link = link
        self._addresses = addresses
        self._failed = failed
        self._follow = follow
        self.limits = limits
        self.nodes: tuple[str, ...] = tuple(addresses)
        self._handles = {node: handle for handle, node in enumerate(self.nodes)}
        self.missing = dict.fromkeys(self.nodes)
        self.unheard: set[str] = set()
        self.ids: dict[str, ua.NodeId] = {}
        """The node ids in the terms of this session, of those nodes whose namespace the server has."""
        self.sampling: float = 0.0
        """The slowest sampling of any item, in seconds, as the server has decided."""
        self.subscriptions: dict[int, Subscription] = {}
        self._interval = self._limit = self._heartbeat = 0.0
        failed.clear()

    async def start(self, interval: float, limit: float, session_timeout: float, now: float) -> None:
        """Create the first subscription, and an item for every node that the server lets us watch. Seconds; `limit` is
        what an answer may take.

        Raises UaStatusCodeError, ValueError and OSError where the server refuses as a whole; also the others here.
        """
        self._interval, self._limit = interval, limit
        self._heartbeat = heartbeat_interval(limit, session_timeout)
        await self._subscribe(now)
        await self.watch_missing(now)

    @property
    def publishing(self) -> float:
        """The slowest publishing interval of any subscription, in seconds, as revised."""
        return max(subscription.publishing for subscription in self.subscriptions.values())

    def node(self, handle: int) -> str | None:
        """The node with this client handle; None for a heartbeat, and for what is not ours."""
        return self.nodes[handle] if 0 <= handle < len(self.nodes) else None

    def is_heartbeat(self, handle: int) -> bool:
        """Whether `handle` is that of a heartbeat."""
        return handle == len(self.nodes)

    def lose(self, node: str, reason: str) -> None:
        """The item of `node` is of no use any more: it is to be replaced."""
        self._failed[node] = reason
        self.missing[node] = None

    async def drop(self, nodes: Collection[str], reason: str) -> None:
        """Watch `nodes` no more, and do not ask for them again until `lose`."""
        for node in nodes:
            self._failed[node] = reason
            self.missing.pop(node, None)
        await self._delete(nodes)

    async def watch_missing(self, now: float) -> None:
        """Ask for an item for every missing node; those that the server refuses stay missing.

        Namespace indices are read anew: a server may add the namespace later than it begins to answer.
        """
        known = await namespaces(self._link)
        wanted: list[str] = []
        for node in self.missing:
            try:
                self.ids[node] = _resolve(self._addresses[node], known)
            except LookupError as error:
                self._failed[node] = error.args[0]
            else:
                wanted.append(node)
        await self._delete(wanted)
        while wanted:
            subscription = next((one for one in self.subscriptions.values() if not one.full), None)
            if subscription is None:
                if len(self.subscriptions) >= MOST_SUBSCRIPTIONS:
                    return
                subscription = await self._subscribe(now)
            wanted = await self._create(subscription, wanted)

    async def _create(self, subscription: Subscription, nodes: Sequence[str]) -> list[str]:
        """Create items for `nodes`; those for which there is no room in this subscription, to be tried in another."""
        sampling = self._interval / 5
        requests = [ItemRequest(self._handles[node], self.ids[node], sampling, QUEUE) for node in nodes]
        results = await create_items(self._link, subscription.id, requests, self.limits)
        left: list[str] = []
        for node, result in zip(nodes, results, strict=True):
            if result.StatusCode.is_good():
                subscription.items[node] = result.MonitoredItemId
                self.sampling = max(self.sampling, result.RevisedSamplingInterval / 1000)
                self._failed.pop(node, None)
                self.missing.pop(node)
                self.unheard.add(node)
                continue
            self._failed[node] = f"the server refuses it: {result.StatusCode.name}"
            if result.StatusCode.value in _FULL and subscription.items:
                left.append(node)
        subscription.full = bool(left)
        return left

    async def _delete(self, nodes: Collection[str]) -> None:
        for subscription in self.subscriptions.values():
            stale = [subscription.items.pop(node) for node in nodes if node in subscription.items]
            if stale:
                subscription.full = False
                await delete_items(self._link, subscription.id, stale, self.limits)

    async def _subscribe(self, now: float) -> Subscription:
        """Another subscription, with a heartbeat in it where the server's clock can be watched."""
        keepalive = max(1, round(self._limit / 2 / self._interval))
        given = await create_subscription(self._link, self._interval, keepalive)
        self._follow(given.SubscriptionId)
        publishing = given.RevisedPublishingInterval / 1000
        request = ItemRequest(len(self.nodes), _CURRENT_TIME, self._heartbeat, 1)
        [result] = await create_items(self._link, given.SubscriptionId, [request], self.limits)
        # a server may look more often than its clock ticks: what was asked is the least to judge by
        beat = max(self._heartbeat, result.RevisedSamplingInterval / 1000, publishing)
        if result.StatusCode.is_bad() or beat > 3 * self._heartbeat:  # refused, or too seldom to judge by
            beat = 0.0
        pulse = Pulse(beat, given.RevisedMaxKeepAliveCount * publishing, self._limit, now)
        subscription = Subscription(given.SubscriptionId, publishing, pulse)
        self.subscriptions[given.SubscriptionId] = subscription
        log.info("opcua_subscribed", subscription=subscription.id, publishing=publishing, heartbeat=beat)
        return subscription


def _resolve(address: NodeAddress, known: Sequence[str]) -> ua.NodeId:
    """The node id in the terms of this connection; LookupError where the server does not have the namespace."""
    namespace = address.namespace
    if isinstance(namespace, str) and namespace not in known:
        raise LookupError(f"the server has no namespace {namespace}")
    index = known.index(namespace) if isinstance(namespace, str) else namespace
    identifier: Any = address.identifier  # the library's own types are plain ones with a name
    return ua.NodeId(identifier, ua.Int16(index))
