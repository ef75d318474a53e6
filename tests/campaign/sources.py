"""Where a line's story comes from: a broker that keeps a session, a PLC that shows the present count, and a mapping's
records.

They outlive the gateway. What a life has not committed is offered again to the next one.
"""

import asyncio
import random
from collections.abc import Callable, Sequence

from gateway.clock import Clock
from gateway.errors import OutboxError, OutboxFull
from gateway.model import Contact, Moment, Record, Sample, StartInterval
from gateway.outbox import record_rules
from gateway.outbox.store import Outbox
from gateway.sources.base import Arrival, Connected, Receipt, Take
from tests.campaign.lost import Lost
from tests.campaign.plant import EPOCH, FLOOR, PLC, Message, Story
from tests.campaign.storage import InLine
from tests.receipts.digests import hashed

WINDOW = 20
"""Messages under way at the most."""
PACKET_IDS = 65_535
SAMPLING = 2.0
"""Seconds between two looks of the PLC's server at its values."""


class Broker:
    """Publishes the messages of all lines to one session, at least once each, in order."""

    def __init__(
        self, messages: Sequence[Message], chances: random.Random, outages: Sequence[tuple[float, float]] = ()
    ) -> None:
        """From when to when it cannot be reached: `outages`, seconds of the loop."""
        self._messages = sorted(messages, key=lambda message: (message.at, message.topic, message.text))
        self._chances = chances
        self._outages = outages
        self._next = 0
        self._packet_id = 0
        self._sent: dict[int, Message] = {}
        self._known = False
        self._number = 0
        """Messages on this connection."""
        self._processed: list[int] = []
        """Numbers whose acknowledgement was processed, to be confirmed before the next message."""
        self._room = asyncio.Event()

    @property
    def empty(self) -> bool:
        """Whether everything has been published and acknowledged."""
        return self._next == len(self._messages) and not self._sent

    @property
    def under_way(self) -> list[Message]:
        """What was published and not acknowledged."""
        return [*self._sent.values()]

    @property
    def to_come(self) -> list[Message]:
        """What is yet to be published."""
        return [*self._messages[self._next :]]

    async def serve(self, take: Take, clock: Clock, alive: Callable[[], bool]) -> None:
        """One connection, which is said to stand: first again what was not acknowledged, then what comes.
        Acknowledgements of a dead client are lost.
        """
        self._number, self._processed = 0, []
        connected = Connected("gateway at broker", self._known, clock.monotonic())
        self._known = True
        await take(Arrival(FLOOR, connected=connected, contacts=(Contact(FLOOR, clock.now(), "back", clock.now()),)))
        for packet_id in [*self._sent]:
            await self._publish(take, clock, alive, packet_id, again=True)
        while self._next < len(self._messages):
            await self._come(self._messages[self._next].at, take, clock)
            while len(self._sent) >= WINDOW:
                self._room.clear()
                await self._room.wait()
            self._packet_id = self._packet_id % PACKET_IDS + 1
            while self._packet_id in self._sent:
                self._packet_id = self._packet_id % PACKET_IDS + 1
            self._sent[self._packet_id] = self._messages[self._next]
            self._next += 1
            await self._publish(take, clock, alive, self._packet_id, again=False)

    async def _come(self, at: float, take: Take, clock: Clock) -> None:
        """Wait until it is time for the next message; say of outages on the way that they begin and are over."""
        loop = asyncio.get_running_loop()
        for since, until in self._outages:
            if loop.time() < since < at:
                await _until(since)
                await take(Arrival(FLOOR, contacts=(Contact(FLOOR, clock.now(), "lost", clock.now()),)))
                await _until(until)
                await take(Arrival(FLOOR, contacts=(Contact(FLOOR, clock.now(), "back", clock.now()),)))
        await _until(at)

    async def _publish(
        self, take: Take, clock: Clock, alive: Callable[[], bool], packet_id: int, *, again: bool
    ) -> None:
        message = self._sent[packet_id]
        sample = Sample(FLOOR, message.topic, message.payload, clock.now())
        if self._processed:
            confirmed, self._processed = tuple(range(one, one + 1) for one in self._processed), []
            await take(Arrival(FLOOR, confirmed=confirmed))
        self._number += 1
        number = self._number

        def acknowledged() -> None:
            if alive() and self._sent.get(packet_id) is message:
                del self._sent[packet_id]
                self._processed.append(number)
                self._room.set()

        def done() -> None:
            asyncio.get_running_loop().call_later(self._chances.choice((0.0, 0.01, 0.5)), acknowledged)

        receipt = Receipt(packet_id, hashed(f"{message.topic} {message.text}"), again, clock.monotonic())
        await take(Arrival(FLOOR, (Moment((sample,)),), receipt=receipt, done=done))


async def watch_plc(stories: Sequence[Story], take: Take, clock: Clock) -> None:
    """One subscription to the counters, which is said to stand: the present values first, then each change that is
    still there when looked at.
    """
    loop = asyncio.get_running_loop()
    await take(Arrival(PLC, contacts=(Contact(PLC, clock.now(), "back", clock.now()),)))
    known: dict[str, float] = {}
    while True:
        for story in stories:
            now = loop.time()
            since, count = max((at, count) for at, count in story.counts if at <= now)
            if known.get(story.name) != since:
                address = f"ns=2;s={story.name}.Reject"
                first = story.name not in known
                sample = Sample(PLC, address, count, clock.now(), source_time=EPOCH + since, initial=first)
                known[story.name] = since
                await take(Arrival(PLC, (Moment((sample,)),)))
        await asyncio.sleep(SAMPLING)


def put_in(outbox: Outbox, line: str, state: str, records: tuple[Record, ...]) -> None:
    """Store records and a line's state as a commit does, but without a number: numbers are for intake alone."""
    full = outbox.summary(0).full
    if full is not None:
        raise OutboxFull(full)
    with outbox.transaction() as transaction:
        transaction.set_line_state(line, {"head": state})
        record_rules.append(transaction, records)


async def feed(story: Story, outbox: InLine, wake: Callable[[], None], lost: Lost) -> None:
    """Commit the records of `story` when they are made. How far it is stands beside them, as a line's state does; what
    a copy has forgotten does not come again."""
    number = max(lost.told, int((await outbox(Outbox.line_state, story.key)).get("head", 0)))
    unknown = lost.begun(story)
    while number < len(story.records):
        at, records = story.records[number]
        records = tuple(one for one in records if isinstance(one, StartInterval) or one.interval not in unknown)
        await _until(at)
        try:
            await outbox(put_in, story.key, str(number + 1), records)
        except OutboxError:
            await asyncio.sleep(1.0)
        else:
            number += 1
            lost.told = number
            wake()


async def _until(at: float) -> None:
    await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))
