"""The watched values of a session: each tag with a monitored item in one of its subscriptions, or the reason why not.

What a server cannot watch yet is asked for again, one by one; a subscription that is full gets another beside it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import structlog
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from gateway.config.addresses import BrowsePath
from gateway.sources.opcua.events import EventReader, reader_of
from gateway.sources.opcua.meanings import Meaning, meanings_of, texts_of
from gateway.sources.opcua.server_clock import Pulse, heartbeat_interval
from gateway.sources.opcua.services import (
    ItemRequest,
    Limits,
    Link,
    create_items,
    create_subscription,
    delete_items,
    namespaces,
    notifier_of,
    refresh_conditions,
    standard,
    value_of,
)
from gateway.sources.opcua.tags import Tag
from gateway.sources.opcua.views import Path, ends_of, from_root, node_id

log = structlog.get_logger()

MOST_SUBSCRIPTIONS = 16
"""Subscriptions of one session, where a server allows few items in each."""

REFRESH_REST = 60.0
"""Seconds between two times that a server is asked for the conditions of a subscription."""

SELDOM = 10.0
"""Seconds between two looks, or two messages, that are a problem although nobody has asked for more."""
SHORT = 5.0
"""Seconds for which a server keeps a subscription that are too few for a connection that is cut."""
MOST_NAMED = 5
"""Nodes that are named where a path leads to several."""

_CURRENT_TIME = 2258
_FULL = {StatusCodes.BadTooManyMonitoredItems}
_NO_FILTER = {
    StatusCodes.BadMonitoredItemFilterUnsupported,
    StatusCodes.BadMonitoredItemFilterInvalid,
    StatusCodes.BadFilterNotAllowed,
    StatusCodes.BadDeadbandFilterInvalid,
}


@dataclass(slots=True)
class Subscription:
    """One subscription, with what the server has made of the wishes; seconds. `asked` is the publishing interval that
    was asked for; after `lifetime` without our asking it ends. `full`: it takes no more items.

    `unsure`: of its conditions something may have been missed, so they are to be asked for, from `refresh_from` on.
    `refreshed` is when they were, on the server's clock.
    """

    id: int
    asked: float
    publishing: float
    lifetime: float
    pulse: Pulse
    items: dict[str, int] = field(default_factory=dict)
    full: bool = False
    unsure: bool = False
    refresh_from: float = -math.inf
    refreshed: float = -math.inf


class WatchedItems:
    """The items of one session. A tag's client handle is its position in `nodes`; that of a heartbeat is behind them.

    `missing` are the tags without an item, by their addresses; why is in `failed`, which the owner shares. `unheard`
    are those with an item from which nothing has come yet. Tags with the same publishing interval share a subscription.
    """

    def __init__(
        self,
        link: Link,
        tags: Sequence[Tag],
        failed: dict[str, str],
        follow: Callable[[int], None],
        limits: Limits,
    ) -> None:
        """`follow` is told the id of each subscription before anything can come of it."""
        self._link = link
        self._tags = {tag.address: tag for tag in tags}
        self._failed = failed
        self._follow = follow
        self.limits = limits
        self.nodes: tuple[str, ...] = tuple(self._tags)
        self._handles = {node: handle for handle, node in enumerate(self.nodes)}
        self.missing = dict.fromkeys(self.nodes)
        self.unheard: set[str] = set()
        self.wanted: dict[str, ua.ReadValueId] = {}
        """What is read of each tag, in the terms of this session, where the server has its namespace."""
        self.meanings: dict[str, Meaning] = {}
        """What of their values is wanted, of tags of which that is not all."""
        self.texts: dict[str, bool] = {}
        """Whether a tag holds one text, of those that have said null without saying of what type."""
        self.readers: dict[str, EventReader] = {}
        """How the events of a node are read, of tags that stand for such."""
        self.sampling: dict[str, float] = {}
        """How often the server looks at each tag that has an item, in seconds, as it has decided."""
        self._queues: dict[str, int] = {}
        """How many values of each such tag it keeps, as it has decided."""
        self.otherwise: dict[str, str] = {}
        """What the server does of a tag instead of what was asked."""
        self.first_only: dict[str, str] = {}
        """The same of tags of whose changes it does not tell."""
        self._undamped: set[str] = set()
        """Tags with a deadband that the server does not know for them."""
        self.subscriptions: dict[int, Subscription] = {}
        self._limit = self._heartbeat = 0.0
        failed.clear()

    async def start(self, interval: float, limit: float, session_timeout: float, now: float) -> None:
        """Create the first subscriptions, and an item for every tag that the server lets us watch. Seconds; `interval`
        is for a source without tags, `limit` what an answer may take.

        Raises UaStatusCodeError, ValueError and OSError where the server refuses as a whole; also the others here.
        """
        self._limit = limit
        self._heartbeat = heartbeat_interval(limit, session_timeout)
        for publishing in dict.fromkeys(tag.publishing for tag in self._tags.values()) or (interval,):
            await self._subscribe(publishing, now)
        await self.watch_missing(now)

    @property
    def publishing(self) -> float:
        """The slowest publishing interval of any subscription, in seconds, as revised."""
        return max(subscription.publishing for subscription in self.subscriptions.values())

    @property
    def slowest(self) -> float:
        """The slowest sampling of any item, in seconds, as revised."""
        return max(self.sampling.values(), default=0.0)

    @property
    def granted(self) -> dict[str, tuple[float, float]]:
        """What the server has made of the settings by which tags are watched, by their names: the least and the most of
        any tag, in seconds or values."""
        publishing = [one.publishing for one in self.subscriptions.values()]
        sampling = [self.sampling[node] for node in self._queues if not self.is_events(node)]
        queues = [*map(float, self._queues.values())]
        keepalive = [one.pulse.keepalive for one in self.subscriptions.values()]
        of = {"publishing_interval": publishing, "sampling": sampling, "queue": queues, "keepalive": keepalive}
        return {name: (min(values), max(values)) for name, values in of.items() if values}

    @property
    def concern(self) -> str | None:
        """Which tags are not watched as asked; None where all are."""
        told = {**self.first_only, **self.otherwise}
        if not told:
            return None
        node, text = next(iter(told.items()))
        others = f", and {len(told) - 1} more" if len(told) > 1 else ""
        return f"not watched as asked: {node} ({text}){others}"

    def tag(self, node: str) -> Tag:
        """The tag with the address `node`."""
        return self._tags[node]

    def deadband(self, node: str) -> float:
        """How far the value of a tag may lie from what was told of it; anywhere, where that is a share of a range,
        which the server knows alone."""
        deadband = self._tags[node].deadband
        if deadband is None or node in self._undamped:
            return 0.0
        return math.inf if deadband.percent else deadband.size

    @property
    def has_conditions(self) -> bool:
        """Whether any of the events that are watched can be states of conditions."""
        return any(reader.conditions for reader in self.readers.values())

    def is_events(self, node: str) -> bool:
        """Whether the tag stands for the events of a node: it has no value."""
        return self._tags[node].events is not None

    def node(self, handle: int) -> str | None:
        """The node with this client handle; None for a heartbeat, and for what is not ours."""
        return self.nodes[handle] if 0 <= handle < len(self.nodes) else None

    def is_heartbeat(self, handle: int) -> bool:
        """Whether the item with this client handle is a heartbeat."""
        return handle == len(self.nodes)

    def heartbeats(self, items: Iterable[tuple[int, object]]) -> int:
        """How many of what came, each with its handle, are of a heartbeat."""
        return [handle for handle, _ in items].count(len(self.nodes))

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

    async def learn_texts(self, nodes: Collection[str]) -> None:
        """Find out which of `nodes` hold texts. Raises OSError where the way is lost."""
        known = {node: self.wanted[node] for node in nodes if node in self.wanted}
        self.texts |= await texts_of(self._link, self.limits, known)

    async def watch_missing(self, now: float) -> None:
        """Ask for an item for every missing tag; those that the server refuses stay missing.

        Namespace indices are read anew: a server may add the namespace later than it begins to answer.
        """
        await self._locate()
        groups: dict[float, list[str]] = defaultdict(list)
        for node in self.missing:
            if node in self.wanted:
                groups[self._tags[node].publishing].append(node)
        for publishing, nodes in groups.items():
            await self._delete(nodes)
            await self._watch(publishing, nodes, now)
        await self.refresh(now)

    async def refresh(self, now: float) -> None:
        """Ask for conditions wherever something of them may have been missed, if it is time."""
        for subscription in self.subscriptions.values():
            if subscription.unsure and now >= subscription.refresh_from:
                subscription.unsure, subscription.refresh_from = False, now + REFRESH_REST
                at = await refresh_conditions(self._link, subscription.id)
                if at is not None:
                    subscription.refreshed = at

    async def _locate(self) -> None:
        """Find the missing tags in the terms of this session, and learn what their values mean."""
        known = await namespaces(self._link)
        found: dict[str, ua.NodeId] = {}
        paths: dict[str, Path] = {}
        for node in self.missing:
            self.wanted.pop(node, None)
            place = self._tags[node].place
            try:
                if isinstance(place, BrowsePath):
                    paths[node] = from_root(place, known)
                else:
                    found[node] = node_id(place, known)
            except LookupError as error:
                self._failed[node] = error.args[0]
        ends = await ends_of(self._link, list(paths.values()), self.limits, known)
        for node, ids in zip(paths, ends, strict=True):
            if len(ids) == 1:
                found[node] = ids[0]
            else:
                self._failed[node] = _no_end(ids)
        tags = [(self._tags[node], id_) for node, id_ in found.items()]
        values = [(tag, id_) for tag, id_ in tags if tag.events is None]
        self.meanings.update(await meanings_of(self._link, self.limits, values))
        self.wanted |= {tag.address: value_of(id_, tag.index) for tag, id_ in values}
        for tag, id_ in tags:
            if tag.events is None:
                continue
            try:
                self.readers[tag.address] = await reader_of(self._link, self.limits, tag.events, known)
            except LookupError as error:
                self._failed[tag.address] = error.args[0]
            except (UaStatusCodeError, ValueError) as error:
                self._failed[tag.address] = f"the type of its events cannot be found out: {error}"
            else:
                self.wanted[tag.address] = notifier_of(id_)

    async def _watch(self, publishing: float, nodes: list[str], now: float) -> None:
        while nodes:
            fitting = (one for one in self.subscriptions.values() if one.asked == publishing and not one.full)
            subscription = next(fitting, None)
            if subscription is None:
                if len(self.subscriptions) >= MOST_SUBSCRIPTIONS:
                    return
                subscription = await self._subscribe(publishing, now)
            nodes = await self._create(subscription, nodes)

    async def _create(self, subscription: Subscription, nodes: Sequence[str]) -> list[str]:
        """Create items for `nodes`; those that are to be tried once more: where there is no room in this subscription,
        or where the server knows no deadband for them."""
        requests = [self._request(node) for node in nodes]
        results = await create_items(self._link, subscription.id, requests, self.limits)
        left: list[str] = []
        again: list[str] = []
        for node, request, result in zip(nodes, requests, results, strict=True):
            if result.StatusCode.is_good():
                self._created(subscription, node, result)
                continue
            reason = f"the server refuses it: {result.StatusCode.name}"
            if result.StatusCode.value in _NO_FILTER:
                if request.deadband is not None:
                    self._undamped.add(node)
                    self.otherwise[node] = f"told of every change, because {reason}"
                    again.append(node)
                reason += ", which is about `trigger: timestamp`" if request.each else ""
            self._failed[node] = reason
            if result.StatusCode.value in _FULL and subscription.items:
                left.append(node)
        subscription.full = bool(left)
        return [*again, *left]

    def _request(self, node: str) -> ItemRequest:
        tag = self._tags[node]
        if tag.events is not None:
            events = self.readers[node].filter
            return ItemRequest(self._handles[node], self.wanted[node], 0.0, tag.queue, events=events)
        deadband = None if node in self._undamped else tag.deadband
        each = tag.trigger == "timestamp"
        return ItemRequest(self._handles[node], self.wanted[node], tag.sampling, tag.queue, deadband, each)

    def _created(self, subscription: Subscription, node: str, result: ua.MonitoredItemCreateResult) -> None:
        subscription.items[node] = result.MonitoredItemId
        self.sampling[node] = result.RevisedSamplingInterval / 1000
        self._queues[node] = result.RevisedQueueSize
        self._failed.pop(node, None)
        self.missing.pop(node)
        coarser = "; ".join(_coarser(self._tags[node], subscription, result))
        if node in self.readers:
            self.sampling[node] = 0.0
            subscription.unsure |= self.readers[node].conditions
            lacking = ", ".join(self.readers[node].lacking)
            coarser = "; ".join(filter(None, (coarser, lacking and f"the type of its events has no {lacking}")))
        else:
            self.unheard.add(node)
        if coarser:
            self.otherwise[node] = coarser

    async def _delete(self, nodes: Collection[str]) -> None:
        for subscription in self.subscriptions.values():
            stale = [subscription.items.pop(node) for node in nodes if node in subscription.items]
            if stale:
                subscription.full = False
                await delete_items(self._link, subscription.id, stale, self.limits)

    async def _subscribe(self, publishing: float, now: float) -> Subscription:
        """Another subscription, with a heartbeat in it where the server's clock can be watched."""
        given = await create_subscription(self._link, publishing)
        self._follow(given.SubscriptionId)
        revised = given.RevisedPublishingInterval / 1000
        request = ItemRequest(len(self.nodes), standard(_CURRENT_TIME), self._heartbeat, 1)
        [result] = await create_items(self._link, given.SubscriptionId, [request], self.limits)
        # a server may look more often than its clock ticks: what was asked is the least to judge by
        beat = max(self._heartbeat, result.RevisedSamplingInterval / 1000, revised)
        if result.StatusCode.is_bad() or beat > 3 * self._heartbeat:  # refused, or too seldom to judge by
            beat = 0.0
        pulse = Pulse(beat, given.RevisedMaxKeepAliveCount * revised, self._limit, now)
        lifetime = given.RevisedLifetimeCount * revised
        subscription = Subscription(given.SubscriptionId, publishing, revised, lifetime, pulse)
        self.subscriptions[given.SubscriptionId] = subscription
        log.info("opcua_subscribed", subscription=subscription.id, publishing=revised, heartbeat=beat)
        return subscription


def _coarser(tag: Tag, subscription: Subscription, result: ua.MonitoredItemCreateResult) -> Iterator[str]:
    """Where the server tells or looks more seldom, or keeps less, than somebody has asked for, or than anybody wants
    who has not."""
    told = subscription.publishing
    if told > (1.001 * tag.publishing if "publishing_interval" in tag.asked else max(SELDOM, tag.publishing)):
        yield f"told every {told:g} s instead of {tag.publishing:g} s"
    sampling = result.RevisedSamplingInterval / 1000
    asked = "sampling" in tag.asked
    if sampling > (1.001 * tag.sampling if asked and tag.sampling else max(SELDOM, tag.sampling)):
        yield f"sampled every {sampling:g} s instead of {tag.sampling:g} s"
    kept = result.RevisedQueueSize
    if kept <= 1 < tag.queue and told > sampling and tag.events is None:
        yield (
            f"one value kept instead of {tag.queue}, so what changes and changes back within {told:g} s is not told, "
            f"nor that it is lost: `publishing_interval: {max(1, round(1000 * sampling))}ms` helps, and `queue: 1` "
            "where that does not matter"
        )
    elif "queue" in tag.asked and kept < tag.queue:
        yield f"{kept} values kept instead of {tag.queue}"
    if 0 < subscription.lifetime < SHORT:
        yield (
            f"nothing kept once nobody has asked for {subscription.lifetime:g} s, so an outage of the connection loses "
            "what changes and changes back"
        )


def _no_end(ids: Sequence[ua.NodeId]) -> str:
    """Why the end of a path is no node that can be watched."""
    if not ids:
        return "the server has no node at this path"
    named = ", ".join(id_.to_string() for id_ in ids[:MOST_NAMED])
    return f"the path leads to {len(ids)} nodes: name the one that is meant by its node id, of {named}"
