"""Which topics a broker has granted, and how the others are asked for. Pure, for one broker.

All are asked for at once, MANY in a SUBSCRIBE. Some brokers take no more than SMALL in one (AWS IoT): they refuse, or
end the connection. What was refused among many is therefore asked for once more in small ones, before it counts as
refused; after a connection that ended before any answer, all are small. What stays refused is asked for again and
again, after a pause that grows.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from gateway.sources.mqtt_reasons import reason

MANY = 250
SMALL = 8
_PAUSE, _LONGEST_PAUSE = 2.0, 30.0
"""Seconds until what was refused is asked for again, doubling."""
_ONLY_QOS_0 = "the broker grants only QoS 0, where messages can be lost"


class Subscriptions:
    """The topics that are wanted of a broker, over all connections; times are seconds on a monotonic clock."""

    def __init__(self, topics: Iterable[str], qos: Literal[0, 1] = 1) -> None:
        """`qos` is the least that is to be granted."""
        self._qos = qos
        self.lossy = False
        """The broker knows no QoS but 0: of what is granted, that is said also to who asks for no more."""
        self.topics = tuple(dict.fromkeys(topics))
        self.failed: dict[str, str] = {}
        """Why a topic is not received, of those that the broker has refused."""
        self._most = MANY
        self._tried_many = False
        self._answered = True
        self.begin()

    def begin(self) -> None:
        """A connection has begun. One that ended before it answered a long SUBSCRIBE may have ended for its length."""
        if self._tried_many and not self._answered:
            self._most = SMALL
        self._tried_many = self._answered = False
        self._outstanding = 0
        self._next: dict[str, None] = dict.fromkeys(self.topics)
        """To be asked for now."""
        self._small: dict[str, None] = {}
        """To be asked for now, a few at a time."""
        self._retry: dict[str, None] = {}
        """To be asked for after the pause."""
        self._pause, self._retry_at = _PAUSE, float("inf")

    @property
    def due(self) -> float:
        """When something is to be asked."""
        return float("-inf") if self._next or self._small else self._retry_at

    @property
    def complete(self) -> bool:
        """Whether the broker has answered for each topic."""
        return not (self._next or self._small or self._outstanding)

    def ask(self, now: float) -> Iterator[tuple[str, ...]]:
        """The topics of each SUBSCRIBE that is to be sent now."""
        if self._retry_at <= now:
            self._small |= self._retry
            self._retry, self._retry_at = {}, float("inf")
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        for waiting, most in ((self._next, self._most), (self._small, SMALL)):
            topics = tuple(waiting)
            waiting.clear()
            for first in range(0, len(topics), most):
                part = topics[first : first + most]
                self._tried_many |= len(part) > SMALL
                self._outstanding += 1
                yield part

    def answer(self, topics: Sequence[str], codes: Sequence[int], now: float) -> tuple[str, ...]:
        """The broker has answered a SUBSCRIBE of `topics` with `codes`. Gives what it has granted."""
        self._answered = True
        self._outstanding -= 1
        granted: list[str] = []
        for topic, refusal in _refusals(topics, codes, self._qos):
            if refusal is None:
                self.failed.pop(topic, None)
                granted.append(topic)
                if self.lossy:
                    self.failed[topic] = _ONLY_QOS_0
            elif len(topics) > SMALL:
                self._small[topic] = None
            else:
                self.failed[topic] = refusal
                self._retry[topic] = None
                self._retry_at = min(self._retry_at, now + self._pause)
        return tuple(granted)


def _refusals(topics: Sequence[str], codes: Sequence[int], qos: int) -> Iterator[tuple[str, str | None]]:
    """Of each topic why it is not granted, None where it is."""
    if len(codes) != len(topics):
        text = f"the broker has answered a SUBSCRIBE of {len(topics)} topics with {len(codes)} codes"
        yield from ((topic, text) for topic in topics)
        return
    for topic, code in zip(topics, codes, strict=True):
        match code:
            case 0 | 1 if code >= qos:
                yield topic, None
            case 0:
                yield topic, _ONLY_QOS_0
            case _:
                yield topic, f"the broker refuses it: {reason(code)}"
