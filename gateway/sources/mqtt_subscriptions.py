"""Which topics a broker has granted, how the others are asked for, and which its session has subscribed.

All are asked for at once, MANY in a SUBSCRIBE. Some brokers take no more than SMALL in one (AWS IoT): they refuse, or
end the connection. What was refused among many is therefore asked for once more in small ones, before it counts as
refused; after a connection that ended before a long one was answered, all are small. What stays refused is asked for
again and again, after a pause that grows.

Some brokers end the connection for a topic that they do not allow (AWS IoT, EMQX with `deny_action = disconnect`). They
answer in order, so it is among those of the first SUBSCRIBE that was not answered: these are asked for one by one, once
all others are answered, and one that was asked for alone when connections ended is left for a long time. That is pure.

On disk is what the session has subscribed: what has left the configuration is to be unsubscribed. It is written before
a topic is subscribed and after the broker has let it go, so that the list never lacks one. A file that cannot be read
or written costs nothing but that: what still comes of such topics is acknowledged and counted.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import structlog
from pydantic import TypeAdapter

from gateway.own_files import write_anew
from gateway.sources.mqtt_reasons import reason

MANY = 250
SMALL = 8
_PAUSE, _LONGEST_PAUSE = 2.0, 30.0
"""Seconds until what was refused is asked for again, doubling."""
_MOST_CUTS = 2
"""Connections that end when a topic alone was asked for, after which that is the cause."""
LEFT = 300.0
"""Seconds until such a topic is asked for again."""
_ENDS = "the broker ends the connection when it is asked for"
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
        self._open: list[tuple[str, ...]] = []
        """What was asked for and is not answered, in order."""
        self._cuts: dict[str, int] = {}
        """Topics that connections may have ended for, and how many did when they were asked for alone."""
        self._left: dict[str, float] = {}
        """Of those that they do end for, when they are asked for again."""
        self.begin(float("-inf"))

    def begin(self, now: float) -> None:
        """A connection has begun. One that ended before it answered may have ended for the length of what it did not
        answer, or for a topic in there."""
        if self._open and len(self._open[0]) > SMALL:
            self._most = SMALL
        elif self._open:
            self._suspect(self._open[0], now)
        self._open = []
        self._alone: dict[str, None] = {topic: None for topic in self._cuts if topic not in self._left}
        """To be asked for one by one, the least suspected first."""
        self._next: dict[str, None] = {topic: None for topic in self.topics if topic not in self._cuts}
        """To be asked for now."""
        self._small: dict[str, None] = {}
        """To be asked for now, a few at a time."""
        self._retry: dict[str, None] = {}
        """To be asked for after the pause."""
        self._pause, self._retry_at = _PAUSE, float("inf")

    @property
    def in_doubt(self) -> bool:
        """Whether a connection may have ended for a topic, and it is not known which one."""
        return bool(self._open) or any(topic not in self._left for topic in self._cuts)

    def _suspect(self, topics: Sequence[str], now: float) -> None:
        """A connection has ended before it answered for these topics."""
        for topic in topics:
            self._cuts[topic] = self._cuts.get(topic, 0) + (len(topics) == 1)
            if self._cuts[topic] >= _MOST_CUTS:
                self.failed[topic] = _ENDS
                self._left[topic] = now + LEFT
        self._cuts = dict(sorted(self._cuts.items(), key=lambda known: known[1]))

    @property
    def due(self) -> float:
        """When something is to be asked."""
        if self._next or self._small or (self._alone and not self._open):
            return float("-inf")
        return min(self._retry_at, *self._left.values(), float("inf"))

    @property
    def complete(self) -> bool:
        """Whether the broker has answered for each topic, but for those that it ends the connection for."""
        return not (self._next or self._small or self._alone or self._open)

    def ask(self, now: float) -> Iterator[tuple[str, ...]]:
        """The topics of each SUBSCRIBE that is to be sent now."""
        for topic in [topic for topic, at in self._left.items() if at <= now]:
            del self._left[topic]
            self._alone[topic] = None
        if self._retry_at <= now:
            self._small |= self._retry
            self._retry, self._retry_at = {}, float("inf")
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        for waiting, most in ((self._next, self._most), (self._small, SMALL)):
            topics = tuple(waiting)
            waiting.clear()
            for first in range(0, len(topics), most):
                part = topics[first : first + most]
                self._open.append(part)
                yield part
        if self._alone and not self._open:
            topic = next(iter(self._alone))
            del self._alone[topic]
            self._open.append((topic,))
            yield (topic,)

    def answer(self, topics: Sequence[str], codes: Sequence[int], now: float) -> tuple[str, ...]:
        """The broker has answered a SUBSCRIBE of `topics` with `codes`. Gives what it has granted."""
        self._open.remove(tuple(topics))
        granted: list[str] = []
        for topic, refusal in _refusals(topics, codes, self._qos):
            self._cuts.pop(topic, None)
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


log = structlog.get_logger()

_LIST = TypeAdapter(list[str])


class FilterFile:
    """The file of one session in `directory`; without one nothing is kept."""

    def __init__(self, directory: Path | None, session: str) -> None:
        name = hashlib.blake2b(session.encode(), digest_size=8).hexdigest()
        self._path = directory / f"subscribed-{name}.json" if directory is not None else None

    def read(self) -> frozenset[str]:
        """The topics; none where there is no list that can be read."""
        try:
            topics = json.loads(self._path.read_text(encoding="utf-8")) if self._path is not None else []
        except (OSError, ValueError):
            return frozenset()
        return (
            frozenset(topic for topic in topics if isinstance(topic, str)) if isinstance(topics, list) else frozenset()
        )

    def write(self, topics: Iterable[str]) -> None:
        """Keep `topics`; when this returns they are on disk, or the log says why not."""
        if self._path is None:
            return
        try:
            write_anew(self._path, json.dumps(sorted(topics)), durable=True)
        except OSError as error:
            log.warning("subscriptions_not_kept", reason=str(error), file=str(self._path))
