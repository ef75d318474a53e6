"""The life of one session: what its subscriptions bring becomes arrivals, until it is lost.

One consumer takes everything in its order: responses of the publish loops, findings of the audit, and in the end that
the session is lost. While `take` waits nothing more is asked for, so values wait in the queues of the server. It marks
what it had to drop, which becomes a gap; after its lifetime it drops the subscription, which becomes a new connection
and a gap.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import NoReturn

from gateway.clock import Clock, ClockMoves
from gateway.errors import SourceError
from gateway.model import Notice, NoticeKind, Recovered, Sample
from gateway.sources.base import TURN, Arrival, SourceHealth, Take, moments_of
from gateway.sources.opcua.audit import Auditor
from gateway.sources.opcua.decode import Decoded, says_null
from gateway.sources.opcua.history import Told, read_history
from gateway.sources.opcua.inbox import Finding, Inbox, Incoming
from gateway.sources.opcua.items import WatchedItems
from gateway.sources.opcua.lateness import Lateness, late_after
from gateway.sources.opcua.publishing import Published, Publisher
from gateway.sources.opcua.reports import Reports
from gateway.sources.opcua.server_clock import ServerClock
from gateway.sources.opcua.services import UNREADABLE, Link, LinkLost, read_values
from gateway.sources.opcua.set_back import SetBack
from gateway.sources.opcua.translation import translated
from gateway.sources.opcua.wire import Message, Reading

_RETRY = 2.0  # seconds until a failed item is asked for again, doubling to
_RETRY_LONGEST = 30.0


class Silent(LinkLost):
    """Nothing is heard, although the server may be there."""


class Session:
    """The subscriptions of one session of the source `name`, from the first message to the loss."""

    def __init__(
        self,
        name: str,
        link: Link,
        items: WatchedItems,
        publisher: Publisher,
        clock: Clock,
        health: SourceHealth,
        waiting: Callable[[], AbstractContextManager[None]],
        server_clock: ServerClock,
        set_back: SetBack,
        moves: ClockMoves,
    ) -> None:
        """Waiting for the server is done inside of `waiting`."""
        self._name = name
        self._link = link
        self.items = items
        self.publisher = publisher
        self._clock = clock
        self._health = health
        self._waiting = waiting
        self.has_heard = True
        """Whether anything has come since the session was taken up again."""
        self.good_at = -math.inf
        """When a good value came last, on the monotonic clock."""
        self._lateness = Lateness()
        health.late_after = late_after(items.publishing, items.slowest)
        self.auditor = Auditor()
        self._server_clock, self._set_back, self._moves = server_clock, set_back, moves
        self._reports = Reports(name, items, self.auditor, health, clock.now(), server_clock, set_back)
        self.unreadable: set[str] = set()
        """Nodes whose values have made messages unreadable; they are not watched until they can be read."""

    def is_hopeless(self, error: LinkLost) -> bool:
        """Whether to take up the session, lost by `error`, would help no more than it did before."""
        return isinstance(error, Silent) and not self.has_heard

    def known(self) -> Arrival:
        """What was told of each tag last: it is so still, unless the server has kept something newer."""
        return Arrival(self._name, moments_of(self._reports.known(self._clock.now())))

    @property
    def told(self) -> Told:
        """What was told of each tag."""
        told = {node: self.auditor.told(node) for node in self.items.nodes}
        values = {
            node: last.source_time
            for node, last in told.items()
            if isinstance(last, Decoded) and last.source_time is not None
        }
        return Told(values, self._reports.events)

    async def recover(self, since: float, told: Told) -> tuple[Recovered, Mapping[str, str]]:
        """What the server has kept of the time from `since` on, in which nobody listened, and why tags are missing in
        it. `told`: as that of the sessions before. To be asked before anything is delivered."""
        history = await read_history(self._link, self.items, since, told, self._clock)
        await self._learn_nulls((node, value) for node, values in history.values.items() for value in values)
        for subscription in self.items.subscriptions.values():
            subscription.pulse.resumed(self._clock.monotonic())
        return self._reports.recovered(since, history, self._clock.now()), history.missing

    async def catch_up(self, take: Take) -> None:
        """Take what the server has sent to a connection that was lost, and go on from there."""
        self.has_heard = False
        self.publisher.resumed()
        for number, subscription in self.items.subscriptions.items():
            while (published := await self.publisher.kept(number)) is not None:
                await self._take_in(published, take)
            subscription.pulse.resumed(self._clock.monotonic())
        if not any(subscription.pulse.interval for subscription in self.items.subscriptions.values()):
            self._health.set_connected(self._clock.now())  # nothing need come of it for hours

    def _hear(self) -> None:
        if not self.has_heard:
            self.has_heard = True
            self._health.set_connected(self._clock.now())

    async def deliver(self, inbox: Inbox, take: Take, turn: Callable[[], None]) -> NoReturn:
        """Hand over what arrives; ask again for items that failed. Raises SourceError when the session is lost, and
        what else has ended that which runs beside.

        `inbox` is where the publish loops and the audit put what they have.
        """
        pause = _RETRY
        retry_at = self._clock.monotonic() + pause
        while True:
            turn()
            now = self._clock.monotonic()
            self._reports.complain(self._clock.now())
            dead_at = min(one.pulse.dead_at(now) for one in self.items.subscriptions.values())
            wake = min(now + TURN, dead_at, retry_at if self.items.missing else math.inf)
            try:
                async with asyncio.timeout(max(0.0, wake - now)):
                    incoming = await inbox.get()
            except TimeoutError:
                self._see_that_it_lives()
            else:
                if await self._use(incoming, take):
                    retry_at = self._clock.monotonic()
            if not self.items.missing:
                pause = _RETRY
                retry_at = self._clock.monotonic() + pause
            elif self._clock.monotonic() >= retry_at:
                with self._waiting(), translated("cannot subscribe"):
                    await self.items.watch_missing(self._clock.monotonic())
                pause = min(2 * pause, _RETRY_LONGEST)
                retry_at = self._clock.monotonic() + pause

    def _see_that_it_lives(self) -> None:
        now = self._clock.monotonic()
        for subscription in self.items.subscriptions.values():
            pulse = subscription.pulse
            if now >= pulse.dead_at(now):
                raise Silent(f"the server has been silent for {now - pulse.heard_at:.0f} s")

    async def _use(self, incoming: Incoming, take: Take) -> bool:
        """Whether items are to be replaced at once."""
        if isinstance(incoming, Exception):
            raise incoming
        if isinstance(incoming, Finding):
            return await self._replace(incoming, take)
        with self._waiting(), translated("a lost message could not be asked for"):
            published = await self.publisher.receive(incoming)
        self._health.heard_at = self._clock.now()
        if published is None:
            return False
        self._hear()
        return await self._take_in(published, take)

    async def _take_in(self, published: Published, take: Take) -> bool:
        """Whether items are to be replaced at once."""
        try:
            with self._waiting(), translated("the types of tags could not be asked for"):
                told = [item for message in published.messages for item in message.items if says_null(item[1])]
                await self._learn_nulls((self.items.node(handle), value) for handle, value in told)
            with self._waiting():
                unreadable = await self._without_unreadable(published)
        except BaseException:
            self.publisher.give_back(published)
            raise
        arrival = self._arrival(published)
        self._note_beats(published)
        before = self._clock.monotonic()
        if arrival.moments or arrival.notices:
            self.auditor.waits(before)
            await take(arrival)
            self.auditor.takes(self._clock.monotonic())
        else:  # nothing in it that anybody must store
            self.publisher.acknowledge(published.numbers)
        if unreadable:
            await take(self._gone(unreadable, "reject", UNREADABLE))
        with self._waiting(), translated("conditions could not be asked for"):
            await self.items.refresh(before)
        waited = self._clock.monotonic() - before
        for subscription in self.items.subscriptions.values():
            subscription.pulse.waited(waited)
        return bool(unreadable)

    async def _learn_nulls(self, told: Iterable[tuple[str | None, Reading]]) -> None:
        """Null that has no type is empty where the tag holds text. The server is asked for that, once of each tag that
        says so. Raises OSError where the way is lost."""
        nodes = {node for node, value in told if says_null(value) and node is not None}
        if nodes and not nodes <= self.items.texts.keys():
            await self.items.learn_texts(nodes - self.items.texts.keys())

    def _note_beats(self, published: Published) -> None:
        subscription = self.items.subscriptions[published.subscription]
        beats = sum(self.items.heartbeats(message.items) for message in published.messages)
        subscription.pulse.heard(self._clock.monotonic(), beats=beats)

    async def _replace(self, finding: Finding, take: Take) -> bool:
        for node in finding.mute:
            self._reports.note_mute(node)
        for node in finding.deaf:
            self._reports.note_deaf(node)
            self.items.lose(node, "the server no longer tells of its changes")
        for node in finding.readable:
            self.unreadable.discard(node)
            self.items.lose(node, UNREADABLE)
        if finding.deaf:
            text = "the server no longer told of its changes: it is watched anew; what changed and changed back is lost"
            await take(self._gone(finding.deaf, "gap", text))
        return True

    def _gone(self, nodes: Iterable[str], kind: NoticeKind, text: str) -> Arrival:
        """Nothing is known of `nodes` any more, until something comes of them again."""
        now = self._clock.now()
        nodes = [*nodes]
        values = [node for node in nodes if not self.items.is_events(node)]
        samples = [Sample(self._name, node, None, now, quality="bad") for node in values]
        notices = tuple(Notice(kind, now, self._name, node, text) for node in nodes)
        return Arrival(self._name, moments_of(samples), notices)

    async def _without_unreadable(self, published: Published) -> set[str]:
        """Where a message could not be read to its end: watch the culprits no more, and all others of that subscription
        anew, because nobody knows what the message said of them. The culprits."""
        spoilt = [message for message in published.messages if message.spoilt]
        if not spoilt:
            return set()
        watched = self.items.subscriptions[published.subscription].items
        nodes = [node for node in watched if not self.items.is_events(node)]
        with translated("the tags could not be read"):
            wanted = [self.items.wanted[node] for node in nodes]
            values = await read_values(self._link, wanted, self.items.limits)
            culprits = {node for node, value in zip(nodes, values, strict=True) if value == UNREADABLE}
            culprits = culprits or self._named(spoilt)
            if not culprits:
                raise SourceError("the server's messages cannot be read")
            await self.items.drop(culprits, UNREADABLE)
        self.unreadable |= culprits
        for node in nodes:
            if node not in culprits:
                self.items.lose(node, "it is watched anew, because a message of the server could not be read")
        return culprits

    def _named(self, spoilt: list[Message]) -> set[str]:
        handles = {handle for message in spoilt for handle in message.spoilt if handle is not None}
        return {node for handle in handles if (node := self.items.node(handle)) is not None}

    def _arrival(self, published: Published) -> Arrival:
        now = self._clock.now()
        by = self._moves.take()
        self._server_clock.moved(by)
        self._set_back.moved(by)
        samples, notices = self._reports.of(published, now)
        if samples:
            self._health.last_sample_at = now
            if any(sample.quality == "good" for sample in samples):
                self.good_at = self._clock.monotonic()
        newest, beat = self._reports.newest, self._reports.beat(published, now)
        if newest is not None:
            self._health.newest_at = newest
            newest -= self._reports.ahead(newest, now)
        self._health.newest_age = self._lateness.came(now, newest, beat)
        moments = moments_of(samples, self._reports.resolution(samples))
        return Arrival(self._name, moments, tuple(notices), done=partial(self.publisher.acknowledge, published.numbers))
