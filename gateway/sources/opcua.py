"""OPC UA: one subscription per server, a monitored item per node (Part 4, 5.13 and 5.14).

asyncua's own reconnecting and its `Subscription` are not used: both hide a lost item behind a connection that says it
is fine. Here every connection starts from nothing, and what could not be monitored is asked for again, one by one.

Going slower: while `take` waits, publish responses are not fetched any more, so values wait in the queues of the
server, QUEUE per item. It marks what it had to drop, which becomes a gap notice; after its lifetime it drops the
subscription, which becomes a new connection and a gap notice.
"""

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import urlsplit

import structlog
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError

from gateway.clock import Clock
from gateway.config.addresses import NodeAddress, parse_node_id
from gateway.config.schema import OpcuaConfig
from gateway.errors import SourceError
from gateway.model import Notice, Sample
from gateway.sources.base import TURN, Arrival, Source, SourceHealth, Take, moments_of
from gateway.sources.opcua_decode import decode

log = structlog.get_logger()

QUEUE = 100
"""Values of one node that the server keeps between two publish responses."""
BATCHES = 4
"""Publish responses that are fetched ahead of `take`."""

_SESSION_TIMEOUT_MS = 60_000
_LIFETIME = 12  # keep-alive periods without our asking after which the server may drop the subscription; at least 3
_VALUES_PER_BATCH = 1_000
_ITEMS_PER_CALL = 100  # small controllers refuse more in one request
_RETRY = 2.0  # seconds until a failed item is asked for again, doubling to
_RETRY_LONGEST = 30.0
_CLOSING = 2.0  # seconds that a server gets for a farewell

_Incoming = ua.PublishResult | SourceError
"""What comes by a connection: values, a keep-alive, or in the end that it is lost."""


class OpcuaSource(Source):
    """The tags of one OPC UA server; `nodes` as they are written in the configuration."""

    def __init__(self, name: str, config: OpcuaConfig, nodes: Sequence[str], clock: Clock) -> None:
        super().__init__(name, clock, SourceHealth())
        self._config = config
        self._nodes = tuple(dict.fromkeys(nodes))
        self._addresses = {node: parse_node_id(node) for node in self._nodes}

    async def _serve(self, take: Take) -> NoReturn:
        timeout = self._config.timeout
        client = Client(_with_port(self._config.url), timeout=timeout, watchdog_intervall=timeout)
        client.name = client.description = "oden-gateway"
        client.session_timeout = _SESSION_TIMEOUT_MS
        inbox: asyncio.Queue[_Incoming] = asyncio.Queue(BATCHES)

        async def lost(error: Exception) -> None:
            reason = f"the connection was lost ({_reason(error)})"
            self.health.set_disconnected(self._clock.now(), reason)
            await inbox.put(SourceError(reason))  # behind what had already arrived

        client.connection_lost_callback = lost
        try:
            with self._waiting():
                with _translated("cannot connect"):
                    async with asyncio.timeout(timeout):
                        await client.connect()
                subscription = _Subscription(client, self._nodes, self._addresses, self.health)
                with _translated("cannot subscribe"):
                    silence = await subscription.create(self._config.publishing_interval, timeout, inbox)
                    await subscription.monitor_missing()
            self._connected()
            await self._report_gap(take)
            self.health.set_connected(self._clock.now())
            log.info("source_connected", source=self.name, tags=len(self._nodes), failed=len(self.health.failed))
            await self._deliver(subscription, inbox, silence, take)
        finally:
            await _close(client)

    def _unknown(self, now: float) -> tuple[Sample, ...]:
        return tuple(Sample(self.name, node, None, now, quality="bad") for node in self._nodes)

    async def _deliver(
        self, subscription: "_Subscription", inbox: "asyncio.Queue[_Incoming]", silence: float, take: Take
    ) -> NoReturn:
        """Hand over what arrives; ask again for items that failed; SourceError when nothing arrives for `silence`."""
        refused: dict[str, str] = {}
        heard = self._clock.monotonic()
        pause = _RETRY
        retry_at = heard + pause
        while True:
            self._turn()
            now = self._clock.monotonic()
            wake = min(now + TURN, heard + silence, retry_at if subscription.missing else math.inf)
            try:
                async with asyncio.timeout(max(0.0, wake - now)):
                    incoming = await inbox.get()
            except TimeoutError:
                if self._clock.monotonic() - heard >= silence:
                    raise SourceError(f"the server has been silent for {silence:.0f} s") from None
            else:
                if isinstance(incoming, SourceError):
                    raise incoming
                arrival = self._arrival(incoming, subscription, refused)
                if arrival.moments or arrival.notices:
                    await take(arrival)
                heard = self._clock.monotonic()
            if not subscription.missing:
                pause = _RETRY
                retry_at = self._clock.monotonic() + pause
            elif self._clock.monotonic() >= retry_at:
                with self._waiting(), _translated("cannot subscribe"):
                    await subscription.monitor_missing()
                pause = min(2 * pause, _RETRY_LONGEST)
                retry_at = self._clock.monotonic() + pause

    def _arrival(self, response: ua.PublishResult, subscription: "_Subscription", refused: dict[str, str]) -> Arrival:
        """The values of one publish response. A status change ends the subscription: SourceError.

        `refused` remembers why a node's values cannot be used, so that each reason is noticed once, not with each
        value.
        """
        now = self._clock.now()
        samples: list[Sample] = []
        notices: list[Notice] = []
        for item in _values(response):
            node = self._nodes[item.ClientHandle]
            try:
                data = decode(item.Value)
            except ValueError as error:
                if refused.get(node) != str(error):
                    refused[node] = self.health.failed[node] = str(error)
                    notices.append(Notice("reject", now, self.name, node, str(error)))
                continue
            if refused.pop(node, None) is not None:
                self.health.failed.pop(node, None)
            if data.overflowed:
                text = f"more than {QUEUE} values came faster than they could be taken; the server dropped older ones"
                notices.append(Notice("gap", now, self.name, node, text))
            if _is_gone(item.Value):
                subscription.lose(node)
            initial = node in subscription.unheard
            if data.quality != "bad":
                subscription.unheard.discard(node)
            sample = Sample(self.name, node, data.value, now, data.quality, data.source_time, initial=initial)
            samples.append(sample)
        if samples:
            self.health.last_sample_at = now
        return Arrival(self.name, moments_of(samples), tuple(notices))


class _Subscription:
    """The subscription of one connection and its items. A node's client handle is its position in `nodes`.

    `missing` are the nodes without a monitored item; why is in `health.failed`. `unheard` are those with an item from
    which nothing has come yet.
    """

    def __init__(
        self, client: Client, nodes: Sequence[str], addresses: dict[str, NodeAddress], health: SourceHealth
    ) -> None:
        self.missing = dict.fromkeys(nodes)
        self._client = client
        self._session = client.uaclient.session
        self._handles = {node: handle for handle, node in enumerate(nodes)}
        self._addresses = addresses
        self._health = health
        self.unheard: set[str] = set()
        self._items: dict[str, int] = {}
        self._id = 0
        self._sampling_ms = 0.0
        health.failed.clear()

    async def create(self, interval: float, limit: float, inbox: "asyncio.Queue[_Incoming]") -> float:
        """Create the subscription; return after how many silent seconds it is to be taken for dead.

        A server says something at least once per keep-alive, which is asked to be half of `limit`; what the server
        makes of it decides.
        """
        keepalive = max(1, round(limit / 2 / interval))
        asked = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=interval * 1000,
            RequestedMaxKeepAliveCount=keepalive,
            RequestedLifetimeCount=_LIFETIME * keepalive,
            MaxNotificationsPerPublish=_VALUES_PER_BATCH,
            PublishingEnabled=True,
        )
        given = await self._session.create_subscription(asked, inbox.put)
        self._id = given.SubscriptionId
        self._sampling_ms = given.RevisedPublishingInterval / 5
        keepalive_seconds: float = given.RevisedMaxKeepAliveCount * given.RevisedPublishingInterval / 1000
        return max(limit, 2 * keepalive_seconds)

    async def monitor_missing(self) -> None:
        """Ask for an item for every missing node; those that the server refuses stay missing.

        Namespace indices are read anew: a server may add the namespace later than it begins to answer.
        """
        namespaces = await self._client.get_namespace_array()
        requests: list[tuple[str, ua.MonitoredItemCreateRequest]] = []
        for node in self.missing:
            try:
                node_id = _resolve(self._addresses[node], namespaces)
            except LookupError as error:
                self._health.failed[node] = error.args[0]
            else:
                requests.append((node, self._request(node, node_id)))
        for begin in range(0, len(requests), _ITEMS_PER_CALL):
            await self._create_items(requests[begin : begin + _ITEMS_PER_CALL])

    async def _create_items(self, requests: Sequence[tuple[str, ua.MonitoredItemCreateRequest]]) -> None:
        stale = [self._items.pop(node) for node, _ in requests if node in self._items]
        if stale:
            await self._session.delete_monitored_items(ua.DeleteMonitoredItemsParameters(self._id, stale))
        results = await self._session.create_monitored_items(
            ua.CreateMonitoredItemsParameters(
                SubscriptionId=self._id,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[request for _, request in requests],
            )
        )
        for (node, _), result in zip(requests, results, strict=True):
            if result.StatusCode.is_good():
                self._items[node] = result.MonitoredItemId
                self._health.failed.pop(node, None)
                self.missing.pop(node)
                self.unheard.add(node)
            else:
                self._health.failed[node] = f"the server refuses it: {result.StatusCode.name}"

    def lose(self, node: str) -> None:
        """The server no longer knows the node; its item is dead and stays so when the node returns."""
        self._health.failed[node] = "the server has removed the node"
        self.missing[node] = None

    def _request(self, node: str, node_id: ua.NodeId) -> ua.MonitoredItemCreateRequest:
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node_id, AttributeId=AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=self._handles[node],
                SamplingInterval=self._sampling_ms,
                QueueSize=QUEUE,
                DiscardOldest=True,
            ),
        )


def _with_port(url: str) -> str:
    """The registered port (Part 6, 7.2) where none is given."""
    address = urlsplit(url)
    return url if address.port is not None else address._replace(netloc=f"{address.netloc}:4840").geturl()


def _resolve(address: NodeAddress, namespaces: Sequence[str]) -> ua.NodeId:
    """The node id in the terms of this connection; LookupError where the server does not have the namespace."""
    namespace = address.namespace
    if isinstance(namespace, str) and namespace not in namespaces:
        raise LookupError(f"the server has no namespace {namespace}")
    index = namespaces.index(namespace) if isinstance(namespace, str) else namespace
    identifier: Any = address.identifier  # the library's own types are plain ones with a name
    return ua.NodeId(identifier, ua.Int16(index))


def _values(result: ua.PublishResult) -> Iterator[ua.MonitoredItemNotification]:
    for notification in result.NotificationMessage.NotificationData or ():
        if isinstance(notification, ua.StatusChangeNotification):
            raise SourceError(f"the server ended the subscription ({notification.Status.name})")
        if isinstance(notification, ua.DataChangeNotification):
            yield from notification.MonitoredItems


def _is_gone(data: ua.DataValue) -> bool:
    return data.StatusCode is not None and data.StatusCode.value == StatusCodes.BadNodeIdUnknown


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Errors of the library and the network become SourceError."""
    try:
        yield
    except (OSError, UaError) as error:
        raise SourceError(f"{doing}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError) and error.errno is None:
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


async def _close(client: Client) -> None:
    """Say farewell and leave nothing behind: no task, no socket.

    `disconnect` swallows a cancellation that hits it and waits for a server that may be dead, so it gets a task and a
    limit of its own. It also does not close a socket whose loss the library has concluded by itself.
    """
    protocol = client.uaclient.protocol
    farewell = asyncio.create_task(client.disconnect())
    try:
        await asyncio.wait({farewell}, timeout=_CLOSING)
    finally:
        farewell.cancel()
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()
