"""When a broker is asked for a sign of life, and whether it has processed our PUBACKs; and what its answers prove.
Pure, for one connection.

Whether it has processed them is asked by an UNSUBSCRIBE of a filter that was never subscribed, or a PINGREQ, after the
PUBACKs of a batch: a broker works through a connection in order, so the answer proves that it has processed every
PUBACK that was written before. Whatever the answer says will do. One question is under way at a time, at most one each
GAP. Where the UNSUBSCRIBE is not answered, pings ask; and a broker that twice ended the connection right after one gets
pings only.

A broker that uses packet ids again (NATS) begins with the first once nothing waits for its PUBACK. What it sends then
cannot be told from what it had sent with the same ids, where that is equal and the connection is cut before the answer.
So there the PUBACK of the last message is written only when those of the others are confirmed: until then the ids go
on, and a cut leaves at most one message of which that is open.

A broker is dead that sends nothing at all for an interval after it was asked for a sign of life. What waits in the
kernel is such a sign, and while nothing is read from the socket nothing can be known: behind many messages the answer
to a PINGREQ comes last.
"""

from collections import deque
from dataclasses import dataclass

GAP = 0.01
"""Seconds between two questions at the least."""
ANSWER = 5.0
"""Seconds after which another question is asked beside one that is not answered."""
TOLD = 60.0
"""Seconds without an answer after which that is a problem."""
MOST_STRIKES = 2
_HALF = 0x7FFF
"""Up to here the ids of a session cannot have come round."""
PING = 0
"""What a PINGREQ is known by; an UNSUBSCRIBE is by its packet id."""


@dataclass(frozen=True, slots=True)
class _Question:
    packet_id: int
    numbers: tuple[range, ...]
    at: float


class Confirmation:
    """Questions and answers; times are seconds on a monotonic clock."""

    def __init__(self) -> None:
        self._strikes = 0
        self._uses_again = False
        """It has given a low packet id to a new message."""
        self.begin()

    def begin(self) -> None:
        """A connection begins: nothing was written on it."""
        self._last_id = 0
        """Of the last new message."""
        self._held: tuple[int, int] | None = None
        """Packet id and number of the last message, whose PUBACK is written when those of the others are confirmed."""
        self._written: list[range] = []
        """The messages whose PUBACKs no question has asked about. The answer to the one before may come behind a long
        queue, so that these are many; nearly always they follow each other."""
        self._questions: deque[_Question] = deque()
        self._asked_at = float("-inf")
        self._answered = False
        self._since: float | None = None

    @property
    def pings_only(self) -> bool:
        """Whether this broker bears no UNSUBSCRIBE of what was never subscribed."""
        return self._strikes >= MOST_STRIKES

    def came(self, packet_id: int | None, *, dup: bool) -> None:
        """A message was read; None: at QoS 0."""
        if packet_id is not None and not dup:
            self._uses_again |= packet_id <= self._last_id <= _HALF
            self._last_id = packet_id

    def acknowledge(self, packet_id: int, number: int, now: float) -> tuple[int, ...]:
        """The message of this packet id, and number on this connection, is stored; the packet ids of which the PUBACKs
        are to be written now."""
        written: tuple[tuple[int, int], ...] = ((packet_id, number),)
        if self._uses_again and (self._held is not None or self._is_open):
            written, self._held = (self._held,) if self._held is not None else (), (packet_id, number)
        for _, each in written:
            self._wrote(each, now)
        return tuple(each for each, _ in written)

    def due(self, now: float) -> tuple[int, ...]:
        """The same of what was held back, after an answer."""
        if self._held is None or self._is_open:
            return ()
        (packet_id, number), self._held = self._held, None
        self._wrote(number, now)
        return (packet_id,)

    @property
    def _is_open(self) -> bool:
        """PUBACKs were written that are not confirmed."""
        return bool(self._written) or any(question.numbers for question in self._questions)

    def _wrote(self, number: int, now: float) -> None:
        last = self._written[-1] if self._written else range(0)
        if number == last.stop and last:
            self._written[-1] = range(last.start, number + 1)
        else:
            self._written.append(range(number, number + 1))
        if self._since is None:
            self._since = now

    def wait(self, now: float) -> float | None:
        """Seconds until the next question is to be asked; None where there is nothing to ask before an answer comes."""
        if self._questions:
            last = self._questions[-1]
            open_to_pings = last.packet_id != PING and any(question.numbers for question in self._questions)
            if not (open_to_pings or self._written) or self._ping_under_way:
                return None
            return max(0.0, last.at + ANSWER - now)
        return max(0.0, self._asked_at + GAP - now) if self._written else None

    @property
    def by_ping(self) -> bool:
        """Whether the next question is a PINGREQ."""
        return self.pings_only or bool(self._questions)

    @property
    def _ping_under_way(self) -> bool:
        return any(question.packet_id == PING for question in self._questions)

    def asked(self, packet_id: int, now: float) -> None:
        """A question was written: the packet id of the UNSUBSCRIBE, or PING, also for a PINGREQ of the keep-alive."""
        self._questions.append(_Question(packet_id, tuple(self._written), now))
        self._written = []
        self._asked_at = now

    def answered(self, packet_id: int, now: float) -> tuple[range, ...]:
        """The messages whose PUBACKs this answer proves to be processed, by their numbers."""
        if all(question.packet_id != packet_id for question in self._questions):
            return ()
        numbers: list[range] = []
        while self._questions:
            question = self._questions.popleft()
            numbers += question.numbers
            if question.packet_id == packet_id:
                break
        if packet_id != PING:
            self._answered, self._strikes = True, 0
        self._since = now if self._is_open else None
        return tuple(numbers)

    def lost(self, now: float) -> None:
        """The connection has ended. Right after an UNSUBSCRIBE, and where none was answered, that may be the cause."""
        open_ = [question for question in self._questions if question.packet_id != PING]
        if open_ and not self._answered and now - open_[-1].at < ANSWER:
            self._strikes += 1

    def overdue(self, now: float) -> bool:
        """Whether the broker has left a question open for longer than TOLD."""
        return self._since is not None and now - self._since > TOLD


class KeepAlive:
    """Times are seconds on a monotonic clock. `interval` is the longest silence from us that the broker bears, and how
    long its answer is waited for."""

    def __init__(self, interval: float, now: float) -> None:
        self.interval = interval
        self._sent = now
        self._asked: float | None = None
        """When the PINGREQ was sent after which nothing has come."""

    def sent(self, now: float) -> None:
        """Something was sent."""
        self._sent = now

    def pinged(self, now: float) -> None:
        """A PINGREQ was sent."""
        self._sent = now
        if self._asked is None:
            self._asked = now

    def heard(self) -> None:
        """Something has come, or waits to be read, or nothing is read at present."""
        self._asked = None

    def due(self, now: float, tick: float) -> bool:
        """Whether a PINGREQ is to be sent; this is asked every `tick` seconds."""
        return now - self._sent >= max(self.interval - tick, self.interval / 2)

    def dead(self, now: float) -> bool:
        """Whether the broker is given up."""
        return self._asked is not None and now - self._asked >= self.interval
