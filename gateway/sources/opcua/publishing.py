"""The publish loops of a session: requests that wait at the server, what comes of them in order, and what is missing.

Several requests are outstanding at once, so that a long way or a busy server does not hold values up. A message is
acknowledged only when its owner says so, which is after the commit: what the server was told is ours cannot be asked
for again. A message that is missing, or that cannot be read, is asked for once more.

Messages have numbers (Part 4, 5.14.1.1): what is new, known and missing by them is pure.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

import structlog
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from gateway.errors import SourceError
from gateway.sources.opcua.services import Link, LinkLost, republish
from gateway.sources.opcua.wire import Message, read_publish, read_republish

LAST = 0xFFFF_FFFF
"""After this number comes 1."""
MOST_ASKED = 100
"""Missing messages that are asked for, the newest; servers keep fewer."""
_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class Hole:
    """Messages that never came: `numbers` can be asked for, `more` before them are too many to."""

    numbers: tuple[int, ...]
    more: int = 0


class Sequence:
    """Follows one subscription. A keep-alive carries the number that the next message will have, and takes none."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._seen: OrderedDict[int, int] = OrderedDict()
        """What messages said, by their numbers."""

    @property
    def newest(self) -> int | None:
        """The number of the message that came last; None before the first."""
        return self._newest

    def back_to(self, newest: int | None, numbers: Iterable[int]) -> None:
        """What came behind `newest`, the messages `numbers`, is as if it had not come: nobody could use it."""
        self._newest = newest
        for number in numbers:
            self._seen.pop(number, None)

    @property
    def next(self) -> int:
        """The number of the message that is to come; the first of a subscription is 1."""
        return 1 if self._newest is None else self._newest % LAST + 1

    def is_known(self, number: int, content: int) -> bool:
        """Whether the message `number` was there before: a server offers it again until it has seen our word for it.
        One that says something else is another: the server has begun to count anew."""
        return self._seen.get(number) == content

    def arrived(self, number: int, content: int = 0, *, keepalive: bool) -> Hole | None:
        """Take note of what came, and say what should have come before it.

        The first of all begins the count, whatever its number. A step back begins it anew: nothing can be asked for.
        """
        before, self._newest = self._newest, _previous(number) if keepalive else number
        if not keepalive:
            self._note(number, content)
        if before is None:
            return None
        if keepalive and number == before:  # some servers repeat the number of the last message
            self._newest = before
            return None
        absent = (self._newest - before) % LAST - (0 if keepalive else 1)
        if not 0 < absent < LAST // 2:
            return None
        asked = min(absent, MOST_ASKED)
        numbers = [number]
        for _ in range(asked):
            numbers.append(_previous(numbers[-1]))
        return Hole(tuple(reversed(numbers[1:])), absent - asked)

    def recovered(self, number: int, content: int) -> None:
        """A missing message came after all."""
        self._note(number, content)

    def _note(self, number: int, content: int) -> None:
        self._seen[number] = content
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)


def _previous(number: int) -> int:
    return LAST if number <= 1 else number - 1


log = structlog.get_logger()

OUTSTANDING = 3
"""Publish requests that wait at the server: three servers were tried with up to ten, and gained nothing after three."""
MOST_ACKNOWLEDGED = 1_000
"""Acknowledgements that wait for a request to carry them; older ones are forgotten, which costs the server memory."""

AT_ONCE = 500
"""Acknowledgements in one request: more would be too large for some servers."""

_REST = 1.0  # seconds until a server that takes not even one request is asked again

_GONE = {StatusCodes.BadNoSubscription, StatusCodes.BadSubscriptionIdInvalid}

Incoming = Callable[[Buffer], Awaitable[None]]
"""Takes a response; waits while those before it are not used yet."""


@dataclass(slots=True)
class Published:
    """What one response has brought: messages of one subscription in their order, and what is lost before them.
    `behind` is the number of the message that came before them, None: there was none."""

    subscription: int
    behind: int | None
    messages: list[Message] = field(default_factory=list)
    lost: int = 0

    @property
    def numbers(self) -> list[tuple[int, int]]:
        """What is to be acknowledged once it is stored."""
        return [(self.subscription, message.number) for message in self.messages if not message.keepalive]


class Publisher:
    """The publish loops of one session: `follow` its subscriptions, run some `loop`s, `receive` what they bring."""

    def __init__(self, link: Link, incoming: Incoming) -> None:
        self._link = link
        self._incoming = incoming
        self._sequences: dict[int, Sequence] = {}
        self._acknowledged: dict[tuple[int, int], None] = {}
        self._loops = 0

    def follow(self, subscription: int) -> None:
        """Messages of `subscription` are ours from its first on."""
        self._sequences[subscription] = Sequence()

    def acknowledge(self, numbers: list[tuple[int, int]]) -> None:
        """What these messages said is stored; the server may forget them. Pairs of subscription and number."""
        self._acknowledged.update(dict.fromkeys(numbers))
        while len(self._acknowledged) > MOST_ACKNOWLEDGED:
            del self._acknowledged[next(iter(self._acknowledged))]

    def resumed(self) -> None:
        """The session goes on over another connection; the loops of the one before have ended."""
        self._loops = 0

    async def loop(self) -> None:
        """Keep one request at the server. Returns where the server takes fewer than there are; raises SourceError when
        there is nothing to be had any more, LinkLost and OSError when session or way are lost."""
        self._loops += 1
        while True:
            acknowledged = list(islice(self._acknowledged, AT_ONCE))
            for numbers in acknowledged:
                del self._acknowledged[numbers]
            try:
                response = await self._link.request(_publish(acknowledged), 0)
            except (OSError, LinkLost):
                self.acknowledge(acknowledged)
                raise
            except UaStatusCodeError as error:
                self.acknowledge(acknowledged)
                if error.code in _GONE:
                    raise SourceError(f"the server has ended the subscription ({_name(error)})") from None
                if error.code == StatusCodes.BadTooManyPublishRequests:
                    if self._loops > 1:
                        self._loops -= 1
                        log.info("publish_loop_ended", left=self._loops)
                        return
                elif error.code != StatusCodes.BadTimeout:
                    raise SourceError(f"the server refuses to publish ({_name(error)})") from None
                await asyncio.sleep(_REST)
            else:
                await self._incoming(response)

    async def receive(self, response: Buffer) -> Published | None:
        """What a response says, with what had to be asked for once more; None for what is not ours or was there before.

        Raises SourceError where the response cannot be read at all, UaStatusCodeError and OSError as `Link.request`.
        """
        try:
            subscription, message = read_publish(response)
        except ValueError as error:
            raise SourceError(f"the server's messages cannot be read: {error}") from None
        sequence = self._sequences.get(subscription)
        if sequence is None:
            return None
        if not message.keepalive and sequence.is_known(message.number, message.content):
            self.acknowledge([(subscription, message.number)])
            return None
        published = Published(subscription, sequence.newest)
        hole = sequence.arrived(message.number, message.content, keepalive=message.keepalive)
        try:
            if hole is not None:
                await self._fill(hole, published, sequence)
            if message.spoilt:
                again = await self._again(subscription, message.number)
                message = message if again is None or again.spoilt else again
        except BaseException:
            published.messages.append(message)
            self.give_back(published)
            raise
        published.messages.append(message)
        return published

    def give_back(self, published: Published) -> None:
        """Nobody could use it, because the way was lost meanwhile: it is to be had again, as what never came."""
        sequence = self._sequences[published.subscription]
        sequence.back_to(published.behind, [message.number for message in published.messages])

    async def kept(self, subscription: int) -> Published | None:
        """The next message of `subscription` that the server has sent to a connection that was lost, and has kept; None
        where there are no more. To be asked while no `loop` runs. Raises OSError as `Link.request`."""
        sequence = self._sequences[subscription]
        message = await self._again(subscription, sequence.next)
        if message is None:
            return None
        published = Published(subscription, sequence.newest, [message])
        sequence.arrived(message.number, message.content, keepalive=False)
        return published

    async def _fill(self, hole: Hole, published: Published, sequence: Sequence) -> None:
        published.lost += hole.more
        for number in hole.numbers:
            message = await self._again(published.subscription, number)
            if message is None:
                published.lost += 1
            else:
                sequence.recovered(number, message.content)
                published.messages.append(message)

    async def _again(self, subscription: int, number: int) -> Message | None:
        """The message as the server has kept it; None where it has not."""
        with suppress(UaStatusCodeError, ValueError):
            message = read_republish(await republish(self._link, subscription, number))
            if message.number == number and not message.keepalive:
                return message
        return None


def _publish(acknowledged: list[tuple[int, int]]) -> ua.PublishRequest:
    request = ua.PublishRequest()
    request.Parameters.SubscriptionAcknowledgements = [
        ua.SubscriptionAcknowledgement(ua.UInt32(subscription), ua.UInt32(number))
        for subscription, number in acknowledged
    ]
    return request


def _name(error: UaStatusCodeError) -> str:
    return ua.StatusCode(ua.UInt32(error.code)).name
