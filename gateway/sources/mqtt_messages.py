"""What the messages of one broker say: on topics, of edge nodes; those that nobody wants, and what cannot be read; and
how many come in the busiest hour.
"""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.config.addresses import SPARKPLUG
from gateway.errors import SourceError
from gateway.frozen import dataclass
from gateway.model import Moment, Notice, Recovered, Reject, Sample
from gateway.sources.base import moments_of
from gateway.sources.mqtt_forms import Part, Topics, excerpt, too_large
from gateway.sources.mqtt_packets import Publish

if TYPE_CHECKING:  # its library is imported only where a device is named
    from gateway.sources.sparkplug import SparkplugHost

from collections import deque

_MOST_UNWANTED = 100
"""Topics that nobody wants, by name."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a message says. What of it cannot be read is to be kept (`rejects`)."""

    moments: tuple[Moment, ...] = ()
    notices: tuple[Notice, ...] = ()
    rejects: tuple[Reject, ...] = ()
    recovered: Recovered | None = None


_NOTHING = Said()


class Messages:
    """Reads the messages of the source `name`. In `unwanted` it counts those of topics that nobody wants."""

    def __init__(self, name: str, topics: Topics, host: "SparkplugHost | None", unwanted: dict[str, int]) -> None:
        self._name = name
        self._topics = topics
        self._host = host
        self._unwanted = unwanted

    def interpret(self, message: Publish, received: float) -> Said:
        """What a message says that came at the time `received`; nothing where nobody wants it."""
        topic, payload = _as_text(message.topic), message.payload
        of_host = self._host is not None and topic.startswith(f"{SPARKPLUG}/")
        if not of_host and not self._topics.wants(
            topic
        ):  # the session can hold subscriptions of an earlier configuration
            self._count_unwanted(topic)
            return _NOTHING
        rejects: tuple[Reject, ...] = ()
        try:
            if message.left_out:
                raise too_large(len(payload) + message.left_out)
            if self._host is not None and of_host:
                if message.retained:  # none that follows the specification is; who knows how old it is
                    return _NOTHING
                reported = self._host.interpret(topic, payload, received)
                if reported.unread:
                    rejects = (Reject(self._name, topic, payload, received, reported.unread),)
                return Said(moments_of(reported.samples), reported.notices, rejects, reported.recovered)
            parts = self._topics.parts(topic, payload)
        except ValueError as error:
            if not message.left_out:  # what was left out is not here any more
                reason = f"the payload {error}"
                rejects = (Reject(self._name, topic, payload, received, reason, retained=message.retained),)
            return Said((), (self._rejected(topic, f"the payload {error}", payload, received),), rejects)
        moments = self._moments(parts, received, retained=message.retained)
        unread = [part for part in parts if part.flaw]
        if not unread:
            return Said(moments)
        rejects = tuple(
            Reject(self._name, topic, part.payload, received, part.flaw, read_as=part.address) for part in unread
        )
        notices = tuple(self._rejected(topic, part.flaw, part.payload, received) for part in unread)
        return Said(moments, notices, rejects)

    def _rejected(self, topic: str, reason: str, payload: bytes, received: float) -> Notice:
        return Notice("reject", received, self._name, topic, f"{reason}: {excerpt(payload)}")

    def _moments(self, parts: Iterable[Part], received: float, *, retained: bool) -> tuple[Moment, ...]:
        return tuple(
            [
                Moment((Sample(self._name, part.address, part.value, received, retained=retained, part=part.place),))
                for part in parts
                if not part.flaw
            ]
        )

    def read_again(self, reject: Reject, now: float) -> tuple[tuple[Moment, ...], str]:
        """What a message says that was kept, as `Source.read_again` has it."""
        topic = reject.address
        if topic.startswith(f"{SPARKPLUG}/"):
            raise SourceError("what an edge node says counts only in its order: its next birth says everything anew")
        try:
            if reject.part:
                parts = [Part(topic, json.loads(reject.payload), reject.part)]
            else:
                parts = _refused(reject, self._topics.parts(topic, reject.payload))
        except ValueError as error:
            return (), f"the payload {error}"
        flaw = next((part.flaw for part in parts if part.flaw), "")
        return self._moments(parts, now, retained=reject.retained), flaw

    def _count_unwanted(self, topic: str) -> None:
        name = topic if topic in self._unwanted or len(self._unwanted) < _MOST_UNWANTED else "other topics"
        self._unwanted[name] = self._unwanted.get(name, 0) + 1


def _refused(reject: Reject, parts: list[Part]) -> list[Part]:
    """What of `parts` was refused: where several of the configuration's topics fit, others may have been taken as it
    came. All, where that topic is not in the configuration any more."""
    read_as = reject.read_as or (reject.address if reject.lines else "")
    return [part for part in parts if part.address == read_as] or parts


def _as_text(topic: str) -> str:
    """The topic, with what is no UTF-8 in it as a person can read it: it gets into notices, rejects and fields, and
    nothing that is stored or sent can hold it otherwise."""
    try:
        topic.encode()
    except UnicodeEncodeError:
        return topic.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return topic


HOURS = 24 * 7
"""Hours that are remembered: a week, because a plant may stand still at the weekend."""
_HOUR, _MINUTE = 3600.0, 60.0


class Busiest:
    """Counts messages by the hour, from the first one on; times are seconds on one clock that never goes back."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._hours: deque[tuple[int, int]] = deque(maxlen=HOURS)
        """Hours in which something came, by their numbers, and how much; the last may still go on."""

    def add(self, now: float) -> None:
        """A message has come."""
        self._first = now if self._first is None else self._first
        hour = int((now - self._first) // _HOUR)
        last, count = self._hours.pop() if self._hours else (hour, 0)
        if last != hour:
            self._hours.append((last, count))
            count = 0
        self._hours.append((hour, count + 1))

    def lasts(self, queue: int, now: float) -> float | None:
        """For how many seconds a queue of so many messages is enough, at the rate of the busiest hour of the last week;
        in the first hour at that so far. None before a minute has passed."""
        if self._first is None or now - self._first < _MINUTE:
            return None
        oldest = (now - self._first) // _HOUR - HOURS
        most = max((count for hour, count in self._hours if hour > oldest), default=0)
        return queue * min(now - self._first, _HOUR) / most if most else None
