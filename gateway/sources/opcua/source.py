"""OPC UA: one session per server, a monitored item per tag (Part 4, 5.13 and 5.14).

A small controller has few sessions, and little time: how often one is set up is limited.

asyncua's own reconnecting and its `Subscription` are not used: both hide a lost item behind a connection that says it
is fine. A connection that is lost leaves the session at the server, whose queues go on: it is taken up again over
another connection, with what the server has sent meanwhile and kept. Where the server has the session no more, its
subscriptions are moved to a new one; where it has these no more either, everything begins anew, and the time between is
a gap.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NoReturn

import structlog
from asyncua.ua.uaerrors import UaError

from gateway.clock import Clock, ClockMoves
from gateway.config.schema import OpcuaConfig
from gateway.connection_steps import note_step
from gateway.errors import SourceError
from gateway.model import Notice, Recovered, Sample
from gateway.sources.base import TURN, Arrival, Source, SourceHealth, Take, not_connected
from gateway.sources.opcua.channel import Channel
from gateway.sources.opcua.connection import Connection
from gateway.sources.opcua.history import Told
from gateway.sources.opcua.inbox import Inbox
from gateway.sources.opcua.items import WatchedItems
from gateway.sources.opcua.publishing import OUTSTANDING, Publisher
from gateway.sources.opcua.server_clock import ServerClock
from gateway.sources.opcua.services import Link, LinkLost, read_limits, transfer
from gateway.sources.opcua.session import Session
from gateway.sources.opcua.session_key import KeyFile
from gateway.sources.opcua.set_back import SetBack
from gateway.sources.opcua.tags import Tag
from gateway.sources.opcua.translation import reason_of, translated
from gateway.sources.opcua.watch import Audit, read_clock

MOST = 20
"""Set-ups within WINDOW."""
WINDOW = 600.0
"""Seconds."""

_SHARE = 10.0  # times as long as setting up took is the least time between the beginnings of two
_LONGEST = 60.0  # seconds that this share is at the most


class SetUps:
    """Remembers the set-ups of one server, and says how long to wait before the next. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._begun: deque[float] = deque(maxlen=MOST)
        self._took = 0.0

    def add(self, begun: float, took: float) -> None:
        """A session was set up, whatever became of it."""
        self._begun.append(begun)
        self._took = took

    def wait(self, now: float) -> float:
        """Seconds until the next may begin."""
        if not self._begun:
            return 0.0
        spared = self._begun[-1] + min(_SHARE * self._took, _LONGEST)
        counted = self._begun[0] + WINDOW if len(self._begun) == MOST else now
        return max(0.0, spared - now, counted - now)


log = structlog.get_logger()


QUIETLY = 10.0
"""Seconds in which a lost connection is replaced before the mapping is told that nothing is known."""

LISTED = 100
"""Tags of which something is missing for one reason that are listed each for itself."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two attempts to do so


class OpcuaSource(Source):
    """The tags of one OPC UA server."""

    def __init__(
        self,
        name: str,
        config: OpcuaConfig,
        tags: Sequence[Tag],
        clock: Clock,
        connection: Connection | None = None,
    ) -> None:
        """`connection`: None is one as `config` says, which keeps no key of its session."""
        super().__init__(name, clock, SourceHealth())
        self._config = config
        self._tags = tuple(tags)
        self._set_ups = SetUps()
        self._connection = connection if connection is not None else Channel(config, KeyFile(None))
        self._inbox = Inbox()
        self._beside: list[asyncio.Task[None]] = []
        """What brings something of the session, while it stands."""
        self._session: Session | None = None
        """What is watched, while the server may have it."""
        self._before: Session | None = None
        """What was watched last."""
        self._server_clock, self._set_back, self._moves = ServerClock(), SetBack(), ClockMoves(clock)
        self._told = Told()
        """In sessions before."""
        self._quiet_until = self._pause = 0.0
        """Until when, on the monotonic clock, nobody is told of a loss; and the pause before it is made good."""
        self._taken_up_at = 0.0
        """When a session was begun or taken up last."""
        self._called_at = 0.0
        """When this was called last, on the monotonic clock."""

    @property
    def link(self) -> Link | None:
        """The way to the server while a session stands, for questions beside what is watched."""
        return self._connection if self.health.connected else None

    @property
    def has_worked(self) -> bool:
        return self._before is not None and self._before.good_at >= self._called_at

    @property
    def granted(self) -> Mapping[str, tuple[float, float]]:
        """Also for how many seconds the server keeps a session of which nobody says anything (`session`), and after how
        many it says at the latest that a subscription lives (`keepalive`)."""
        if self._session is None or not self.health.connected:
            return {}
        kept = self._connection.session_timeout
        return {**self._session.items.granted, "session": (kept, kept)}

    async def _serve(self, take: Take) -> NoReturn:
        self.health.concerns = self._connection.concerns(self._clock.now())
        self._called_at = self._clock.monotonic()
        lost = False
        try:
            session = self._session
            if session is not None:
                session = await self._resume(session, take)
            else:
                session = await self._begin(take)
            while True:
                try:
                    await self._work(session, take)
                except LinkLost as error:
                    self._lose(str(error))
                    if session.is_hopeless(error):
                        raise SourceError(str(error)) from error
                    if not session.has_heard and self._clock.monotonic() + self._pause > self._quiet_until:
                        raise
                    session = await self._resume_soon(session, take)
        except LinkLost:
            lost = True
            raise
        finally:
            await self._end_beside()
            if lost and not self._connection.alternatives:
                self._connection.drop()
            else:
                self._session = None
                await self._connection.close()

    async def _begin(self, take: Take, *, opened: bool = False) -> Session:
        """Begin a session, unless that is done, and watch all tags in it."""
        await self._spare_the_server()
        with self._waiting():
            begun = self._clock.monotonic()
            if not opened:
                await self._connection.open(self._clock.now())
            publisher = Publisher(self._connection, self._inbox.put)
            try:
                items = await self._watch(self._connection, publisher)
            finally:
                self._set_ups.add(begun, self._clock.monotonic() - begun)
        self._listen(publisher)
        session = Session(
            self.name,
            self._connection,
            items,
            publisher,
            self._clock,
            self.health,
            self._waiting,
            self._server_clock,
            self._set_back,
            self._moves,
        )
        kept = await self._recovered(session)
        self._connected()
        if kept is not None:
            await take(kept)
        else:
            await self._report_gap(take)
        self.health.set_connected(self._clock.now())
        log.info("source_connected", source=self.name, tags=len(items.nodes), failed=len(self.health.failed))
        self._session = self._before = session
        self._taken_up_at, self._pause = self._clock.monotonic(), 0.0
        return session

    async def _recovered(self, session: Session) -> Arrival | None:
        """What the server has kept of the time in which nobody listened, and of which tags it has not; None where it is
        not to be asked, or there was no such time."""
        if self._before is not None:
            self._told.update(self._before.told)
        since = self._lost_at
        if since is None or self._config.history == "off":
            return None
        self._inbox.keeps = True
        try:
            with self._waiting(), translated("the server's history could not be read"):
                recovered, missing = await session.recover(since, self._told)
        finally:
            self._inbox.keeps = False
        nodes = session.items.nodes
        log.info("opcua_recovered", source=self.name, moments=len(recovered.moments), tags=len(nodes) - len(missing))
        notices = [
            Notice("gap", recovered.received, self.name, address, text)
            for address, text in _listed(recovered, missing, len(nodes))
        ]
        return Arrival(self.name, notices=tuple(notices), recovered=recovered)

    async def _resume(self, session: Session, take: Take) -> Session:
        """Go on with what is watched over another connection, where the server still has it."""
        with self._waiting():
            resumed = await self._connection.resume(self._clock.now())
            resumed = resumed or await transfer(self._connection, list(session.items.subscriptions))
        if not resumed:
            self._session = None
            await self._tell_loss("the server has ended the session", take)
            return await self._begin(take, opened=True)
        was_told = self._loss_told
        self._connected()
        log.info("source_resumed", source=self.name)
        if was_told:
            await take(session.known())
        with self._waiting(), translated("what the server has kept could not be asked for"):
            await session.catch_up(take)
        self._listen(session.publisher)
        self._taken_up_at = self._clock.monotonic()
        return session

    async def _resume_soon(self, session: Session, take: Take) -> Session:
        """Try to go on, for a while in which nobody is told of the loss: at once where the connection stood for longer
        than the longest pause and anything came of it, else after a pause, because a server may take a session up and
        end the connection again. Raises as the last attempt."""
        now = self._clock.monotonic()
        if session.has_heard:
            self._quiet_until = now + QUIETLY
            if now > self._taken_up_at + _LONGEST_PAUSE:
                self._pause = 0.0
        while True:
            await asyncio.sleep(self._pause)
            self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
            self._turn()
            try:
                return await self._resume(session, take)
            except SourceError as error:
                self._lose(str(error))
                if self._session is None or self._clock.monotonic() + self._pause > self._quiet_until:
                    raise

    async def _work(self, session: Session, take: Take) -> NoReturn:
        """Take what the session brings until it is lost."""
        connection, items = self._connection, session.items
        audit = Audit(connection, items, session.auditor, session.unreadable, self._config.audit, self._clock)
        clock = read_clock(connection, items, self._clock, self.health)
        self._run_beside(connection.keep(), audit.run(self._inbox.put), clock)
        try:
            await session.deliver(self._inbox, take, self._turn)
        finally:
            await self._end_beside()

    def _listen(self, publisher: Publisher) -> None:
        """Have the server tell, from here on. What came over a connection before and was not used, it has kept."""
        self._inbox.clear()
        self._run_beside(*(publisher.loop() for _ in range(OUTSTANDING)))

    def _run_beside(self, *work: Coroutine[None, None, None]) -> None:
        self._beside += [asyncio.create_task(self._told_of_its_end(each)) for each in work]

    async def _end_beside(self) -> None:
        ending, self._beside = self._beside, []
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _told_of_its_end(self, work: Coroutine[None, None, None]) -> None:
        """Do `work`; where it ends the session, say so at once, and to the consumer behind what has already arrived.
        What is no fault of the server or of the way to it is one of ours, and told as that."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is, the consumer must know
            ending = error
            if isinstance(error, OSError | UaError | ValueError):
                ending = LinkLost(f"the connection was lost ({reason_of(error)})")
            self.health.set_disconnected(self._clock.now(), str(ending))
            await self._inbox.put(ending)

    def _unknown(self, now: float) -> tuple[Sample, ...]:
        return tuple(
            Sample(self.name, tag.address, None, now, quality="bad") for tag in self._tags if tag.events is None
        )

    async def _spare_the_server(self) -> None:
        """Wait until a session may be set up again."""
        before = self.health.detail
        while (wait := self._set_ups.wait(self._clock.monotonic())) > 0:
            self._turn()
            reason = f"{before}; waits for {wait:.0f} s, so that setting up sessions does not burden the server"
            self.health.set_disconnected(self._clock.now(), reason)
            await asyncio.sleep(min(wait, TURN))

    async def _watch(self, connection: Connection, publisher: Publisher) -> WatchedItems:
        with translated("cannot subscribe"):
            limits = await read_limits(connection)
            items = WatchedItems(connection, self._tags, self.health.failed, publisher.follow, limits)
            interval, timeout = self._config.publishing_interval, self._config.timeout
            await items.start(interval, timeout, connection.session_timeout, self._clock.monotonic())
            note_step(self._config.url, "subscribed", tags=len(items.nodes), failed=len(self.health.failed))
        return items


def _listed(recovered: Recovered, missing: Mapping[str, str], every: int) -> Iterator[tuple[str, str]]:
    """What is to be said of the tags that are `missing`, with why, of `every` tag there is; each by its address, or
    together, without one, where it is so of all, and of those that are too many."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for node, reason in missing.items():
        reasons[reason].append(node)
    for reason, nodes in reasons.items():
        if 1 < len(nodes) == every and len({recovered.until.get(node) for node in nodes}) == 1:
            yield "", f"{_gap(recovered, nodes[:1])}: {reason}"
            continue
        yield from ((node, f"{_gap(recovered, [node])}: {reason}") for node in nodes[:LISTED])
        if more := nodes[LISTED:]:
            yield "", f"{_gap(recovered, more)} of {len(more)} more tags, from {more[0]} to {more[-1]}: {reason}"


def _gap(recovered: Recovered, nodes: Sequence[str]) -> str:
    """Since when it is not known what tags did: for those that were read up to a time, since then."""
    until = min(recovered.until.get(node, recovered.since) for node in nodes)
    if until <= recovered.since:
        return not_connected(recovered.since, recovered.received)
    began = datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    took = recovered.received - until
    return f"its history is read until {began}; what changed and changed back in the {took:.0f} s since is not known"
