"""How brokers send messages, as small models: what each may do next is a choice, and a search tries every choice.

Each is what was measured on the real one (docs/mqtt.md). A model keeps what is queued and what is pending (sent or
about to be sent, and not acknowledged), and says which packets may leave next. All are values: a step makes another
model."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple


class Sent(NamedTuple):
    """A PUBLISH on the wire: message, packet id, DUP."""

    message: int
    packet_id: int
    dup: bool


class Pending(NamedTuple):
    """A message that waits for its acknowledgement. `again`: it has still to be sent (again) on this connection."""

    message: int
    packet_id: int
    again: bool = False


@dataclass(frozen=True)
class Model(ABC):
    """A broker with one session, in which at most `window` messages are pending."""

    away: ClassVar[bool] = False
    """Before a connection it cannot be connected to, because it is started anew."""
    window: int = 2
    queue: tuple[int, ...] = ()
    pending: tuple[Pending, ...] = ()

    def publish(self, message: int) -> "Model":
        return replace(self, queue=(*self.queue, message))

    @property
    def done(self) -> bool:
        return not self.queue and not self.pending

    def connect(self) -> "Model":
        """A connection begins: what is pending is to be sent again."""
        return replace(self, pending=tuple(entry._replace(again=True) for entry in self.pending))

    def acknowledge(self, packet_id: int) -> "Model":
        """The PUBACK of a packet id is processed."""
        return replace(self, pending=tuple(entry for entry in self.pending if entry.packet_id != packet_id))

    @abstractmethod
    def sends(self) -> Iterator[tuple["Model", Sent]]:
        """What may be sent next, each with the broker as it is afterwards."""

    def _resend(self, at: int, *, dup: bool) -> tuple["Model", Sent]:
        entry = self.pending[at]
        pending = (*self.pending[:at], entry._replace(again=False), *self.pending[at + 1 :])
        return replace(self, pending=pending), Sent(entry.message, entry.packet_id, dup)

    def _first_to_resend(self) -> int | None:
        return next((at for at, entry in enumerate(self.pending) if entry.again), None)

    def _send_new(self, packet_id: int, **changes: int) -> Iterator[tuple["Model", Sent]]:
        if self.queue and len(self.pending) < self.window:
            pending = (*self.pending, Pending(self.queue[0], packet_id))
            broker = replace(self, queue=self.queue[1:], pending=pending, **changes)
            yield broker, Sent(self.queue[0], packet_id, dup=False)


@dataclass(frozen=True)
class KeepsIds(Model):
    """mosquitto: ids go on over connections; all that is pending comes first, with DUP."""

    next_id: int = 1

    def sends(self) -> Iterator[tuple[Model, Sent]]:
        at = self._first_to_resend()
        if at is not None:
            yield self._resend(at, dup=True)
        else:
            yield from self._send_new(self.next_id, next_id=self.next_id + 1)


@dataclass(frozen=True)
class OneAtATime(KeepsIds):
    """ejabberd: as mosquitto, from an arbitrary id on, with a window of one."""

    window: int = 1
    next_id: int = 4001


@dataclass(frozen=True)
class Counts(Model):
    """RabbitMQ: ids begin at 1 on each connection; what is pending comes first, in order, with DUP and new ids."""

    number: int = 0

    def connect(self) -> Model:
        again = tuple(Pending(entry.message, 0, again=True) for entry in self.pending)
        return replace(self, pending=again, number=0)

    def sends(self) -> Iterator[tuple[Model, Sent]]:
        at, number = self._first_to_resend(), self.number + 1
        if at is None:
            yield from self._send_new(number, number=number)
        else:
            entry = Pending(self.pending[at].message, number)
            pending = (*self.pending[:at], entry, *self.pending[at + 1 :])
            yield replace(self, pending=pending, number=number), Sent(entry.message, number, dup=True)


@dataclass(frozen=True)
class NewFirst(Model):
    """NATS: ids are kept and begin at 1 whenever nothing is pending; what is pending comes again at any later time,
    also on the connection by which it came already, with DUP; new messages do not wait for it."""

    next_id: int = 1
    repeats: int = 1
    """How often something may come again on the connection by which it came."""

    def sends(self) -> Iterator[tuple[Model, Sent]]:
        packet_id = self.next_id if self.pending else 1
        yield from self._send_new(packet_id, next_id=packet_id + 1)
        for at, entry in enumerate(self.pending):
            if entry.again:
                yield self._resend(at, dup=True)
            elif self.repeats:
                yield replace(self, repeats=self.repeats - 1), Sent(entry.message, entry.packet_id, dup=True)


@dataclass(frozen=True)
class Restarted(NewFirst):
    """NATS that is started anew with each cut: what was pending comes again at any later time, with DUP and with ids of
    the same kind as new messages, which do not wait for it."""

    away = True

    def connect(self) -> Model:
        pending = tuple(entry._replace(packet_id=0, again=True) for entry in self.pending)
        return replace(self, pending=pending, next_id=1)

    def sends(self) -> Iterator[tuple["Model", Sent]]:
        used = {entry.packet_id for entry in self.pending} - {0}
        packet_id = self.next_id if used else 1
        yield from self._send_new(packet_id, next_id=packet_id + 1)
        for at, entry in enumerate(self.pending):
            if entry.again:
                pending = (*self.pending[:at], Pending(entry.message, packet_id), *self.pending[at + 1 :])
                yield replace(self, pending=pending, next_id=packet_id + 1), Sent(entry.message, packet_id, dup=True)


@dataclass(frozen=True)
class Stopped(Restarted):
    """NATS that is stopped and started anew with each cut: while it stops it still answers, but it has stored nothing
    of the last PUBACKs that it has taken, up to `unstored` of them."""

    unstored: int = 1
    taken: tuple[int, ...] = ()
    """The messages of these."""

    def acknowledge(self, packet_id: int) -> Model:
        done = tuple(entry.message for entry in self.pending if entry.packet_id == packet_id)
        pending = tuple(entry for entry in self.pending if entry.packet_id != packet_id)
        return replace(self, pending=pending, taken=(*self.taken, *done)[-self.unstored :])

    def connect(self) -> Model:
        left = (*self.taken, *(entry.message for entry in self.pending))
        pending = tuple(Pending(message, 0, again=True) for message in left)
        return replace(self, pending=pending, next_id=1, taken=())


@dataclass(frozen=True)
class NeverDup(Model):
    """aedes: ids go on from an arbitrary one; what is pending comes again in order, with new ones mixed in, and never
    with DUP."""

    next_id: int = 4001

    def sends(self) -> Iterator[tuple[Model, Sent]]:
        yield from self._send_new(self.next_id, next_id=self.next_id + 1)
        at = self._first_to_resend()
        if at is not None:
            yield self._resend(at, dup=False)
