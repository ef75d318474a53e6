"""What is asked of a server, in requests of the size that it takes (Part 4, 5.11 and 5.13). Only reading."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import UaStatusCodeError

from gateway.sources.opcua.wire import Reading, reading

T = TypeVar("T")

MOST_PER_REQUEST = 100
"""Nodes in one request where the server does not say how many it takes; small controllers refuse more."""
MOST_EVER = 1_000
"""Nodes in one request, whatever the server says: its answer is read in one go."""

_MAX_NODES_PER_READ = 11705
_MAX_ITEMS_PER_CALL = 11714
_NAMESPACE_ARRAY = 2255
_LIFETIME = 12  # keep-alive periods without our asking after which the server may drop the subscription; at least 3
_VALUES_PER_MESSAGE = 1_000
UNREADABLE = "its value cannot be read: it is no OPC UA value"


class Link(Protocol):
    """The way to a server on which a session stands."""

    async def request(self, request: Any, limit: float | None = None) -> Buffer:
        """The response to `request`, with its type id. `limit` in seconds, 0: none, None: the usual.

        Raises UaStatusCodeError where the server answers with a fault, OSError where the way is lost or too slow.
        """


@dataclass(slots=True)
class Limits:
    """How many nodes one request may name; each is halved whenever the server says that it was too many."""

    read: int = MOST_PER_REQUEST
    items: int = MOST_PER_REQUEST


async def call(link: Link, request: Any, kind: type[T]) -> T:
    """Send `request`; its good response, of `kind`. Raises as `Link.request`, ValueError for an unreadable one."""
    data = await link.request(request)
    try:
        response: Any = struct_from_binary(kind, data)
    except Exception as error:  # the library raises whatever comes of bytes that mean nothing
        raise ValueError(f"the server's answer cannot be read ({type(error).__name__})") from error
    response.ResponseHeader.ServiceResult.check()
    result: T = response
    return result


async def read_limits(link: Link) -> Limits:
    """What the server says of its limits; where it says nothing, or nothing sensible, the usual ones."""
    ids = [ua.NodeId(ua.Int32(number), ua.Int16(0)) for number in (_MAX_NODES_PER_READ, _MAX_ITEMS_PER_CALL)]
    try:
        told = await read_values(link, ids, Limits(read=1))
    except (UaStatusCodeError, ValueError):
        return Limits()
    return Limits(*map(_sensible, told))


def _sensible(told: Reading) -> int:
    number = told if isinstance(told, str) else told.value
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        return MOST_PER_REQUEST
    return min(number, MOST_EVER)


async def read_values(link: Link, ids: Sequence[ua.NodeId], limits: Limits) -> list[Reading]:
    """The values of `ids`, in their order. A value that makes an answer unreadable is found by halves, so that it costs
    no other its value. Raises UaStatusCodeError where the server refuses to read at all."""
    values: list[Reading] = []
    size = limits.read
    while len(values) < len(ids):
        chunk = ids[len(values) : len(values) + size]
        try:
            values += await _read_once(link, chunk)
        except UaStatusCodeError as error:
            if error.code != StatusCodes.BadTooManyOperations or size <= 1:
                raise
            size = limits.read = max(1, size // 2)
        except ValueError:
            if len(chunk) > 1:
                size = (len(chunk) + 1) // 2
                continue
            values.append(UNREADABLE)
            size = limits.read
    return values


async def _read_once(link: Link, ids: Sequence[ua.NodeId]) -> list[Reading]:
    request = ua.ReadRequest()
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.NodesToRead = [ua.ReadValueId(NodeId=id_, AttributeId=AttributeIds.Value) for id_ in ids]
    response = await call(link, request, ua.ReadResponse)
    if len(response.Results or ()) != len(ids):
        raise ValueError("the server's answer has another number of values than it was asked for")
    return [reading(value) for value in response.Results]


async def create_subscription(link: Link, interval: float, keepalive: int) -> ua.CreateSubscriptionResult:
    """A subscription with a publishing interval of `interval` seconds and a keep-alive after so many of them; what the
    server makes of that."""
    request = ua.CreateSubscriptionRequest()
    request.Parameters = ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=interval * 1000,
        RequestedMaxKeepAliveCount=keepalive,
        RequestedLifetimeCount=_LIFETIME * keepalive,
        MaxNotificationsPerPublish=_VALUES_PER_MESSAGE,
        PublishingEnabled=True,
    )
    given: ua.CreateSubscriptionResult = (await call(link, request, ua.CreateSubscriptionResponse)).Parameters
    return given


@dataclass(frozen=True, slots=True)
class ItemRequest:
    """A value to be watched: every `sampling` seconds, with so many values kept between two messages."""

    handle: int
    node_id: ua.NodeId
    sampling: float
    queue: int


async def create_items(
    link: Link, subscription: int, items: Sequence[ItemRequest], limits: Limits
) -> list[ua.MonitoredItemCreateResult]:
    """What the server makes of each of `items`, in their order."""
    results: list[ua.MonitoredItemCreateResult] = []
    while len(results) < len(items):
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters = ua.CreateMonitoredItemsParameters(
            SubscriptionId=subscription,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ItemsToCreate=[_item(item) for item in items[len(results) : len(results) + limits.items]],
        )
        try:
            response = await call(link, request, ua.CreateMonitoredItemsResponse)
        except UaStatusCodeError as error:
            if error.code != StatusCodes.BadTooManyOperations or limits.items <= 1:
                raise
            limits.items = max(1, limits.items // 2)
        else:
            if len(response.Results or ()) != len(request.Parameters.ItemsToCreate):
                raise ValueError("the server's answer has another number of items than it was asked for")
            results += response.Results
    return results


def _item(item: ItemRequest) -> ua.MonitoredItemCreateRequest:
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=item.node_id, AttributeId=AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=item.handle,
            SamplingInterval=item.sampling * 1000,
            QueueSize=item.queue,
            DiscardOldest=True,
        ),
    )


async def delete_items(link: Link, subscription: int, items: Sequence[int], limits: Limits) -> None:
    """Watch the items `items`, by the server's numbers, no more; that it knows some of them no more is fine."""
    begin = 0
    while begin < len(items):
        request = ua.DeleteMonitoredItemsRequest()
        request.Parameters = ua.DeleteMonitoredItemsParameters(
            subscription, [ua.UInt32(item) for item in items[begin : begin + limits.items]]
        )
        try:
            await call(link, request, ua.DeleteMonitoredItemsResponse)
        except UaStatusCodeError as error:
            if error.code != StatusCodes.BadTooManyOperations or limits.items <= 1:
                raise
            limits.items = max(1, limits.items // 2)
        else:
            begin += len(request.Parameters.MonitoredItemIds)


async def republish(link: Link, subscription: int, number: int) -> Buffer:
    """The response to the request to send the message `number` again. Raises as `Link.request`."""
    request = ua.RepublishRequest()
    request.Parameters.SubscriptionId = subscription
    request.Parameters.RetransmitSequenceNumber = number
    return await link.request(request)


async def namespaces(link: Link) -> list[str]:
    """The server's namespace array."""
    request = ua.ReadRequest()
    request.Parameters.NodesToRead = [
        ua.ReadValueId(NodeId=ua.NodeId(ua.Int32(_NAMESPACE_ARRAY), ua.Int16(0)), AttributeId=AttributeIds.Value)
    ]
    response = await call(link, request, ua.ReadResponse)
    value = response.Results[0].Value
    return list(value.Value or ()) if value is not None else []
