"""What a source is to the rest of the gateway: what it hands over, what it says of itself, how a connection ends."""

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from datetime import UTC, datetime
from functools import partial
from typing import NoReturn

from gateway.clock import Clock
from gateway.errors import SourceError
from gateway.frozen import dataclass, replace
from gateway.health import KindName
from gateway.model import Contact, Moment, Notice, Recovered, Reject, Sample

TURN = 10.0
"""Seconds after which a source that hears nothing shows nevertheless that it turns."""
CONNECTING = 120.0
"""Seconds that a peer may take to be connected to; then the source counts as one that hangs, in a name look-up, say."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection to an MQTT broker has begun: the first that a source hands over of it.

    `session` names the session: broker and client. `resumed` says that the broker has kept it. `at` is on the monotonic
    clock; so is `lost_at`, when the connection before was lost, None where this life of the source had none. `away`:
    it was closed in order by the broker, or that could not be connected to since, as where it is started anew; None
    where nobody knows, in the first connection of a life.
    """

    session: str
    resumed: bool
    at: float
    lost_at: float | None = None
    away: bool | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a redelivery is known by: packet id, digest of topic and payload, and DUP flag of a QoS 1 PUBLISH, which was
    read at `at` on the monotonic clock."""

    packet_id: int
    digest: bytes
    dup: bool
    at: float


@dataclass(frozen=True, slots=True)
class Replay:
    """A message out of the store of those that could not be used, with its number there: it is taken once more."""

    number: int
    reject: Reject


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a source hands over at once: it is committed as a whole, then `done` is called.

    `contacts` say whether sources are heard; what they say comes first, then what the source has `recovered`, then the
    `moments`, which are in the order in which they are to be mapped. `done` runs on the event loop, only after moments,
    notices and what they caused are on disk, and never raises. Each QoS 1 PUBLISH of a connection has an arrival with
    its `receipt`, whatever it says, in their order. `confirmed` are those whose acknowledgement the broker has provably
    processed, by their numbers on the connection, from 1 on. `weight` is the KiB of what it was made of. `rejects` are
    messages of it that the source could not read, to be kept; `replay` says that it is one of these again. One that
    says that our clock was set (`clock_set`: by so many seconds) comes of no source.
    """

    source: str
    moments: tuple[Moment, ...] = ()
    notices: tuple[Notice, ...] = ()
    receipt: Receipt | None = None
    done: Callable[[], None] | None = None
    connected: Connected | None = None
    confirmed: tuple[range, ...] = ()
    contacts: tuple[Contact, ...] = ()
    weight: int = 0
    rejects: tuple[Reject, ...] = ()
    replay: Replay | None = None
    recovered: Recovered | None = None
    clock_set: float = 0.0

    @property
    def size(self) -> int:
        """What an arrival counts for: itself, its samples, and its weight."""
        size = 1 + self.weight
        for moment in self.moments:  # written out, because it is asked of each message
            size += len(moment.samples)
        if self.recovered is not None:
            size += sum(len(moment.samples) for moment in self.recovered.moments)
        return size

    @property
    def says_nothing(self) -> bool:
        """Whether there is nothing to take in, to store or to acknowledge."""
        return self.receipt is None and self == Arrival(self.source, weight=self.weight)

    @property
    def samples(self) -> Iterator[Sample]:
        """The samples of all moments, in their order."""
        for moment in self.moments:
            yield from moment.samples


Take = Callable[[Arrival], Awaitable[None]]
"""Hands an arrival to intake; waits while intake is full, which is how a source is slowed down."""


RENEWING = 5.0
"""Seconds that a source gets to be connected again by a reload before it counts as away."""


@dataclass(slots=True)
class SourceHealth:
    """What a source says of itself; only the source writes it. Times are seconds since 1970.

    `since` is when it was last connected or lost its connection, 0 before the first attempt has ended. `detail` is
    the present state in words: "connected", or why not. `failed` says why single tags, topics or devices are not
    received although the source is connected, by their addresses. `concerns` are sentences about what is wrong with
    the source although it works, by the kind of problem (`health.KINDS`). `newest_at` is the plant's time of the
    newest value that has a time of its own, and `newest_age` how old what came lately was at the least when it
    came, which shows whether what arrives is the present; None where this connection has brought none yet. An age
    above `late_after` is a problem. `certificate_ends` is when the first of the certificates ends by which the
    connection is protected. `unconfirmed` says that the broker leaves open whether it has taken acknowledgements.
    `heard_at` is when anything last came of the peer, be it the end of the connection. `unwanted` counts messages
    of topics that no input names. `room` is for how many seconds the broker's queue is enough while we are away,
    where that is known. `renewed_at` is when a reload put the source in the place of one that was connected.
    """

    connected: bool = False
    since: float = 0.0
    detail: str = "not connected yet"
    failed: dict[str, str] = field(default_factory=dict)
    last_sample_at: float | None = None
    concerns: Mapping[KindName, str] = field(default_factory=dict)
    newest_at: float | None = None
    newest_age: float | None = None
    late_after: float = math.inf
    certificate_ends: float | None = None
    heard_at: float = 0.0
    unconfirmed: str | None = None
    unwanted: dict[str, int] = field(default_factory=dict)
    room: float | None = None
    renewed_at: float = -math.inf

    def is_renewed(self, now: float) -> bool:
        """Whether a reload has just begun to connect it anew; how that ends, is told after RENEWING seconds."""
        return now - self.renewed_at < RENEWING

    def set_connected(self, now: float) -> None:
        self.connected, self.since, self.detail, self.newest_age = True, now, "connected", None

    def set_disconnected(self, now: float, reason: str) -> None:
        if self.connected or self.since == 0.0:
            self.since = now
        self.connected, self.detail = False, reason


class Source(ABC):
    """A peer to which one connection at a time is held. A supervisor calls `run` again and again.

    A kind of source implements `_serve` and `_unknown`. What must happen whenever a connection ends, for whatever
    reason, stands here once: health, the bad samples that tell the mapping, and the beginning of the gap.
    """

    def __init__(self, name: str, clock: Clock, health: SourceHealth) -> None:
        self.name = name
        self.health = health
        self._clock = clock
        self._turned_at = clock.monotonic()
        self._waits_until = -math.inf
        self._stands = False
        self._back: Contact | None = None
        """What is yet to be said: that the peer can be reached again."""
        self._lost_at: float | None = None
        self._loss_told = False
        self._interrupted = False

    @property
    def turned_at(self) -> float:
        """When the source last showed that it is not stuck, on the monotonic clock.

        That is at least every TURN seconds, also where the peer says nothing. While it waits for intake, which may take
        its time, it is now; so it is while it waits for the peer, but for CONNECTING seconds at the most.
        """
        now = self._clock.monotonic()
        return now if now < self._waits_until else self._turned_at

    async def run(self, take: Take) -> NoReturn:
        """Serve one connection, from the attempt to connect until it is lost; always ends by raising.

        Raises SourceError where the peer cannot be reached, refuses, or is lost. Any other exception is a fault of the
        gateway. Before either leaves, the mapping has been told that nothing is known of the source any more, once for
        each time that it was. A cancelled task ends at once; if `run` is called again after that, it tells it first.
        """
        self._turn()
        hand_over = partial(self._hand_over, take)
        if self._interrupted:
            await self._tell_loss("the connection was given up", hand_over)
        self._interrupted = True
        try:
            try:
                await self._serve(hand_over)
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                raise RuntimeError("a wait inside was cancelled, which nobody had asked for") from error
            finally:
                if self._stands:
                    self._lose("the connection was given up")
        except Exception as error:  # whatever it is, the mapping must know before it leaves
            reason = str(error) if isinstance(error, SourceError) else f"internal error: {error!r}"
            await self._tell_loss(reason, hand_over)
            self._interrupted = False
            raise

    def replaces(self, other: "Source") -> None:
        """A reload is about to end `other`, and this source takes its place."""
        if other.health.connected:
            other.health.renewed_at = self.health.renewed_at = self._clock.now()

    @property
    def granted(self) -> Mapping[str, tuple[float, float]]:
        """What the peer has made of the settings by which its values are watched, while it is connected: by the name of
        each the least and the most of any value, in seconds or values; empty where there is nothing of that kind."""
        return {}

    @property
    def has_worked(self) -> bool:
        """Whether good values have come since `run` was called last, and the source itself sees to it that it does not
        connect too often, so that it can be called again at once."""
        return False

    def heard_before(self, at: float) -> None:
        """Before this process another heard the source, until `at`, in seconds since 1970. Only a source that keeps
        what it had to say since is to be told: another lists no gap for a time in which the gateway was off."""
        self._lost_at = at

    @abstractmethod
    async def _serve(self, take: Take) -> NoReturn:
        """Serve one connection until it is lost, and raise why.

        Calls `_connected` once it stands, and `_turn` at least every TURN seconds.
        """

    def read_again(self, reject: Reject, now: float) -> tuple[tuple[Moment, ...], str]:
        """What a message says, out of the store of those that could not be used, as if it came `now`; and why it still
        cannot be read. Raises SourceError where it must not be taken once more at all."""
        del reject, now
        raise SourceError("it is the value of a tag, which is not replayed: the present one comes by itself")

    @abstractmethod
    def _unknown(self, now: float) -> tuple[Sample, ...]:
        """The samples of bad quality by which the mapping learns that nothing is known of the source any more."""

    def _connected(self) -> None:
        """The connection stands: what comes from here on is something to be lost. The next arrival says so."""
        self._stands, self._loss_told = True, False
        self.health.heard_at = now = self._clock.now()
        self._back = Contact(self.name, now, "back", now)

    def _lose(self, reason: str) -> None:
        """The connection stands no more. What a source does about it by itself, it does before it raises."""
        if self._stands:
            self._stands, self._lost_at = False, min(self.health.heard_at, self._clock.now())
        self.health.set_disconnected(self._clock.now(), reason)

    async def _report_gap(self, take: Take, address: str = "") -> None:
        """List the time since the last connection was lost, for values that nobody has kept for us meanwhile."""
        if self._lost_at is not None:
            now = self._clock.now()
            notice = Notice("gap", now, self.name, address, not_connected(self._lost_at, now))
            await take(Arrival(self.name, notices=(notice,)))

    def _turn(self) -> None:
        """Show that the source is not stuck."""
        self._turned_at = self._clock.monotonic()

    @contextmanager
    def _waiting(self, longest: float = CONNECTING) -> Iterator[None]:
        """What is done inside waits for somebody else: that counts as turning, for `longest` seconds at the most."""
        self._waits_until = self._clock.monotonic() + longest
        try:
            yield
        finally:
            self._waits_until = -math.inf
            self._turn()

    async def _hand_over(self, take: Take, arrival: Arrival) -> None:
        if self._back is not None:
            arrival, self._back = replace(arrival, contacts=(self._back, *arrival.contacts)), None
        self._waits_until = math.inf  # as `_waiting` has it, which costs more than all else that is done here
        try:
            await take(arrival)
        finally:
            self._waits_until = -math.inf
            self._turn()

    async def _tell_loss(self, reason: str, take: Take) -> None:
        now = self._clock.now()
        self.health.set_disconnected(now, reason)
        if not self._loss_told:
            since = now if self._lost_at is None else min(self._lost_at, now)
            contact, self._back = Contact(self.name, now, "lost", since), None
            await take(Arrival(self.name, moments_of(self._unknown(now)), contacts=(contact,)))
            self._loss_told = True


def replayed(sources: Mapping[str, Source], replay: Replay, now: float) -> Arrival:
    """What a message out of the store of those that could not be used says `now`. Raises SourceError where it still
    cannot be read, or must not be taken once more."""
    reject = replay.reject
    if reject.source not in sources:
        raise SourceError(f"there is no source {reject.source} any more")
    moments, flaw = sources[reject.source].read_again(reject, now)
    if flaw:
        raise SourceError(flaw)
    return Arrival(reject.source, moments, replay=replay)


def moments_of(samples: Iterable[Sample], within: float = 0.0) -> tuple[Moment, ...]:
    """Split what came at once into moments, in the order of plant time: that of the device, or else of arrival.

    The samples of one address keep their order: one that comes twice at a time, or whose time goes back, is put into a
    moment behind the one before. Moments that are at most `within` seconds after another become one with it where no
    address is in both: a device that looks at its values one after the other gives them times that differ.
    """
    moments: dict[tuple[float, int], list[Sample]] = {}
    latest: dict[str, tuple[float, int]] = {}
    for sample in samples:
        at = sample.device_time
        place = (at if at is not None else sample.received, 0)
        before = latest.get(sample.address)
        if before is not None and place <= before:
            place = (before[0], before[1] + 1)
        latest[sample.address] = place
        moments.setdefault(place, []).append(sample)
    apart = [(place[0], moments[place]) for place in sorted(moments)]
    return tuple(Moment(tuple(together)) for together in (_joined(apart, within) if within else _samples(apart)))


def _samples(apart: list[tuple[float, list[Sample]]]) -> Iterator[list[Sample]]:
    for _, samples in apart:
        yield samples


def _joined(apart: list[tuple[float, list[Sample]]], within: float) -> Iterator[list[Sample]]:
    begun, together, addresses = -float("inf"), list[Sample](), set[str]()
    for time, samples in apart:
        own = [sample.address for sample in samples]
        if together and (time - begun > within or not addresses.isdisjoint(own)):
            yield together
            together, addresses = [], set()
        if not together:
            begun = time
        together += samples
        addresses.update(own)
    if together:
        yield together


def not_connected(since: float, now: float) -> str:
    """What is to be said of a gap."""
    began = datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"not connected since {began}, for {now - since:.0f} s; what changed and changed back is not known"
