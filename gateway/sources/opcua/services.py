"""What is asked of a server, in requests of the size that it takes (Part 4, 5.11 and 5.13). Only reading."""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol, TypeVar

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import UaStatusCodeError

from gateway.config.schema_base import Deadband
from gateway.errors import SourceError
from gateway.sources.opcua.decode import epoch
from gateway.sources.opcua.wire import Reading, reading

A = TypeVar("A")
T = TypeVar("T")

MOST_PER_REQUEST = 100
"""Nodes in one request where the server does not say how many it takes; small controllers refuse more."""
MOST_EVER = 1_000
"""Nodes in one request, whatever the server says: its answer is read in one go."""

_LIMITS = (11705, 11714, 11712, 11710, 12165)
"""Most nodes per read, items per call, paths per translation, nodes per browse and per reading of history."""
_NAMESPACE_ARRAY = 2255
_SERVICE_LEVEL = 2267
WELL = 200
"""The least ServiceLevel of a server that is well."""
_KEEPALIVE = 20  # publishing intervals without a change after which the server says that it lives
LIFETIME = 60.0
"""Seconds without our asking after which the server may drop a subscription; it may choose another time."""
_VALUES_PER_MESSAGE = 1_000
UNREADABLE = "its value cannot be read: it is no OPC UA value"
TOO_LARGE = "its value is larger than an answer of the server may be: name an element of it with `index`"
_SIZES = {StatusCodes.BadRequestTooLarge, StatusCodes.BadResponseTooLarge, StatusCodes.BadEncodingLimitsExceeded}
TOO_MUCH = frozenset({StatusCodes.BadTooManyOperations, *_SIZES})
"""By what a server refuses a request of which it would take a part."""


class LinkLost(SourceError):
    """The way to the server is lost, or it does not answer; the session may stand, and can be taken up again."""


class Link(Protocol):
    """The way to a server on which a session stands."""

    async def request(self, request: Any, limit: float | None = None) -> Buffer:
        """The response to `request`, with its type id. `limit` in seconds, 0: none, None: the usual.

        Raises UaStatusCodeError where the server answers with a fault, LinkLost where it has the session no more,
        OSError where the way is lost or too slow.
        """


@dataclass(slots=True)
class Limits:
    """How many nodes one request may name; each is halved whenever the server says that it was too many, or that
    request or answer were too large."""

    read: int = MOST_PER_REQUEST
    items: int = MOST_PER_REQUEST
    translate: int = MOST_PER_REQUEST
    browse: int = MOST_PER_REQUEST
    history: int = MOST_PER_REQUEST


Limited = Literal["read", "items", "translate", "browse", "history"]


async def in_chunks(
    limits: Limits, limited: Limited, asked: Sequence[A], ask: Callable[[Sequence[A]], Awaitable[Sequence[T]]]
) -> list[T]:
    """What `ask` answers for all that is `asked`, in its order, in requests of the size that the server takes. Raises
    as `call`, ValueError where an answer has another number of results."""
    results: list[T] = []
    while len(results) < len(asked):
        size = getattr(limits, limited)
        chunk = asked[len(results) : len(results) + size]
        try:
            answer = await ask(chunk)
        except UaStatusCodeError as error:
            if error.code not in TOO_MUCH or len(chunk) <= 1:
                raise
            setattr(limits, limited, len(chunk) // 2)
            continue
        if len(answer) != len(chunk):
            raise ValueError("the server's answer has another number of results than it was asked for")
        results += answer
    return results


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
    try:
        told = await read_values(link, [*map(standard, _LIMITS)], Limits(read=1))
    except (UaStatusCodeError, ValueError):
        return Limits()
    return Limits(*map(_sensible, told))


def standard(number: int) -> ua.ReadValueId:
    """The value of a node of the standard's own namespace."""
    return value_of(ua.NodeId(ua.Int32(number), ua.Int16(0)))


def value_of(id_: ua.NodeId, index: str = "") -> ua.ReadValueId:
    """What is to be read, or watched: the value of a node, or the part `index` of it."""
    return ua.ReadValueId(NodeId=id_, AttributeId=AttributeIds.Value, IndexRange=index or None)


def notifier_of(id_: ua.NodeId) -> ua.ReadValueId:
    """What is to be watched so that the events of a node are told; reading it says whether there are any."""
    return ua.ReadValueId(NodeId=id_, AttributeId=AttributeIds.EventNotifier)


def _sensible(told: Reading) -> int:
    number = told if isinstance(told, str) else told.value
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        return MOST_PER_REQUEST
    return min(number, MOST_EVER)


async def read_raw(link: Link, wanted: Sequence[ua.ReadValueId], limits: Limits) -> list[ua.DataValue]:
    """What is `wanted` as the library reads it, in its order. Raises as `call`."""
    return await in_chunks(limits, "read", wanted, partial(_read_raw, link))


async def _read_raw(link: Link, wanted: Sequence[ua.ReadValueId]) -> list[ua.DataValue]:
    request = ua.ReadRequest()
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.NodesToRead = list(wanted)
    return list((await call(link, request, ua.ReadResponse)).Results or ())


async def read_each(link: Link, wanted: Sequence[ua.ReadValueId], limits: Limits) -> list[ua.DataValue | str]:
    """What is `wanted` as the library reads it, in its order, or why it cannot be read. A value that makes an answer
    unreadable, or too large, is found by halves, so that it costs no other its value. Raises UaStatusCodeError where
    the server refuses to read at all."""
    return await in_chunks(limits, "read", wanted, partial(_read_each, link))


async def _read_each(link: Link, wanted: Sequence[ua.ReadValueId]) -> list[ua.DataValue | str]:
    try:
        return [*await _read_raw(link, wanted)]
    except ValueError:
        if len(wanted) == 1:
            return [UNREADABLE]
    except UaStatusCodeError as error:
        if error.code not in _SIZES:
            raise
        if len(wanted) == 1:
            return [TOO_LARGE]
    middle = len(wanted) // 2
    return [*await _read_each(link, wanted[:middle]), *await _read_each(link, wanted[middle:])]


async def read_values(link: Link, wanted: Sequence[ua.ReadValueId], limits: Limits) -> list[Reading]:
    """The values that are `wanted`, in their order. Raises as `read_each`."""
    return [each if isinstance(each, str) else reading(each) for each in await read_each(link, wanted, limits)]


async def create_subscription(link: Link, interval: float) -> ua.CreateSubscriptionResult:
    """A subscription with a publishing interval of `interval` seconds; what the server makes of that, as far as it is
    sensible."""
    request = ua.CreateSubscriptionRequest()
    request.Parameters = ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=interval * 1000,
        RequestedMaxKeepAliveCount=_KEEPALIVE,
        RequestedLifetimeCount=max(3 * _KEEPALIVE, math.ceil(LIFETIME / interval)),
        MaxNotificationsPerPublish=_VALUES_PER_MESSAGE,
        PublishingEnabled=True,
    )
    given: ua.CreateSubscriptionResult = (await call(link, request, ua.CreateSubscriptionResponse)).Parameters
    if not given.RevisedPublishingInterval > 0:
        given.RevisedPublishingInterval = interval * 1000
    given.RevisedMaxKeepAliveCount = given.RevisedMaxKeepAliveCount or ua.UInt32(_KEEPALIVE)
    return given


@dataclass(frozen=True, slots=True)
class ItemRequest:
    """A value to be watched: every `sampling` seconds, with so many values kept between two messages.

    `deadband`: only what moves by more is told. `each`: the same value with a new time is told too. `events`: it is the
    events of a node that are wanted, and which.
    """

    handle: int
    wanted: ua.ReadValueId
    sampling: float
    queue: int
    deadband: Deadband | None = None
    each: bool = False
    events: ua.EventFilter | None = None


async def create_items(
    link: Link, subscription: int, items: Sequence[ItemRequest], limits: Limits
) -> list[ua.MonitoredItemCreateResult]:
    """What the server makes of each of `items`, in their order, as far as it is sensible."""

    async def create(chunk: Sequence[ItemRequest]) -> list[ua.MonitoredItemCreateResult]:
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters = ua.CreateMonitoredItemsParameters(
            SubscriptionId=subscription,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ItemsToCreate=[_item(item) for item in chunk],
        )
        results = list((await call(link, request, ua.CreateMonitoredItemsResponse)).Results or ())
        for item, result in zip(chunk, results, strict=False):
            if not result.RevisedSamplingInterval >= 0:
                result.RevisedSamplingInterval = item.sampling * 1000
        return results

    return await in_chunks(limits, "items", items, create)


def _item(item: ItemRequest) -> ua.MonitoredItemCreateRequest:
    parameters = ua.MonitoringParameters(
        ClientHandle=item.handle, SamplingInterval=item.sampling * 1000, QueueSize=item.queue, DiscardOldest=True
    )
    if item.events is not None:
        wanted: Any = item.events
        parameters.Filter = wanted
    elif item.deadband is not None or item.each:
        change = ua.DataChangeTrigger.StatusValueTimestamp if item.each else ua.DataChangeTrigger.StatusValue
        kind, size = ua.DeadbandType.None_, 0.0
        if item.deadband is not None:
            kind = ua.DeadbandType.Percent if item.deadband.percent else ua.DeadbandType.Absolute
            size = item.deadband.size
        chosen: Any = ua.DataChangeFilter(change, ua.UInt32(kind.value), size)
        parameters.Filter = chosen
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=item.wanted, MonitoringMode=ua.MonitoringMode.Reporting, RequestedParameters=parameters
    )


async def delete_items(link: Link, subscription: int, items: Sequence[int], limits: Limits) -> None:
    """Watch the items `items`, by the server's numbers, no more; that it knows some of them no more is fine."""

    async def delete(chunk: Sequence[int]) -> Sequence[int]:
        request = ua.DeleteMonitoredItemsRequest()
        request.Parameters = ua.DeleteMonitoredItemsParameters(subscription, [ua.UInt32(item) for item in chunk])
        await call(link, request, ua.DeleteMonitoredItemsResponse)
        return chunk

    await in_chunks(limits, "items", items, delete)


async def refresh_conditions(link: Link, subscription: int) -> float | None:
    """Ask the server to tell the event items of `subscription` of all conditions that are of interest now (Part 9,
    5.5.7): the only method that is ever called. When that was by the server's clock, in seconds since 1970; None where
    it does not do that. Raises OSError as `Link.request`."""
    request = ua.CallRequest()
    request.Parameters.MethodsToCall = [
        ua.CallMethodRequest(
            ua.NodeId(ua.Int32(ObjectIds.ConditionType), ua.Int16(0)),
            ua.NodeId(ua.Int32(ObjectIds.ConditionType_ConditionRefresh), ua.Int16(0)),
            [ua.Variant(subscription, ua.VariantType.UInt32)],
        )
    ]
    try:
        response = await call(link, request, ua.CallResponse)
    except (UaStatusCodeError, ValueError):
        return None
    if not response.Results or response.Results[0].StatusCode.is_bad():
        return None
    return epoch(response.ResponseHeader.Timestamp)


async def republish(link: Link, subscription: int, number: int) -> Buffer:
    """The response to the request to send the message `number` again. Raises as `Link.request`."""
    request = ua.RepublishRequest()
    request.Parameters.SubscriptionId = subscription
    request.Parameters.RetransmitSequenceNumber = number
    return await link.request(request)


def state_of(level: int) -> int:
    """Of what state a ServiceLevel is (Part 4, 6.6.2.4.2), from 0: maintenance, without data, degraded, well."""
    return min(level, 2) if level < WELL else 3


async def service_level(link: Link) -> int:
    """How well the server says that it is, from 0 to 255 (Part 5, 6.3.1); one that says nothing is well. Raises
    OSError as `Link.request`."""
    try:
        [told] = await read_values(link, [standard(_SERVICE_LEVEL)], Limits())
    except (UaStatusCodeError, ValueError):
        return 255
    level = told if isinstance(told, str) else told.value
    return level if isinstance(level, int) else 255


async def transfer(link: Link, subscriptions: Sequence[int]) -> bool:
    """Make `subscriptions` of another session of ours those of this one; False where the server does not. Those that it
    has nevertheless are deleted."""
    request = ua.TransferSubscriptionsRequest()
    request.Parameters.SubscriptionIds = [ua.UInt32(number) for number in subscriptions]
    request.Parameters.SendInitialValues = False
    try:
        results = (await call(link, request, ua.TransferSubscriptionsResponse)).Parameters.Results or ()
    except (UaStatusCodeError, ValueError):
        return False
    moved = [number for number, result in zip(subscriptions, results, strict=False) if result.StatusCode.is_good()]
    if len(moved) == len(subscriptions):
        return True
    if moved:
        delete = ua.DeleteSubscriptionsRequest()
        delete.Parameters.SubscriptionIds = [ua.UInt32(number) for number in moved]
        await call(link, delete, ua.DeleteSubscriptionsResponse)
    return False


async def namespaces(link: Link) -> list[str]:
    """The server's namespace array. Raises as `call`."""
    [told] = await read_raw(link, [standard(_NAMESPACE_ARRAY)], Limits())
    return list(told.Value.Value or ()) if told.Value is not None else []
