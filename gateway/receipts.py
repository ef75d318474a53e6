"""Which MQTT deliveries are redeliveries, decided from the unconfirmed receipts of one session. Pure.

A packet id is no identity: brokers use ids again, give a message another id when they send it once more, and leave out
the DUP flag. What holds on all of them is that they send nothing again of which they have processed the PUBACK. So only
*unconfirmed* receipts are compared: of messages that are committed and of which the broker has not provably processed
the PUBACK. Proof is its answer to a packet that was sent after the PUBACK on the same connection; what a later
connection says proves nothing about an earlier one.

How brokers differ decides how a delivery is compared (measured; docs/mqtt.md has the table):

- **Counting** sessions, in which ids begin at 1 on each connection (RabbitMQ): ids mean nothing across connections, but
  what comes again comes first, in order and with DUP: the last of what was sent. So it agrees with the receipts from
  one of them on, up to the last; while several will do, it is not new if it agrees from any of them. Anything else
  ends it: from there on all is new, and the broker is done with every receipt that did not come again. Where what
  follows is here already, it is looked at first: what equals receipts, and is not followed by the others, is new.
- All others keep the id of what they send again. With DUP, the same id and content are a redelivery. Without DUP they
  are one only in a session that has never shown DUP (aedes); one that uses ids again may have begun to count again, so
  that there a low id says nothing.
- Of these, some use ids **again** at once (NATS). When they are started anew they have forgotten the ids of what they
  still have to send, and send it with DUP and any id. So where that may be, with DUP, equal content is enough where
  only one receipt has it, or on a connection whose ids have begun anew (had something been pending, they would have
  gone on). One that was there all the time has kept them, and gives the first only when it is done with all. One that
  is stopped answers for a moment after it has stopped storing: what it confirmed within STORED_LATE of the end comes
  again too, so the digests of that are kept until such a connection has shown what comes again.

Nothing is evicted because there is much of it. There cannot be more receipts than packet ids, 65,535: a message with
the id of another proves that the broker is done with that one. A receipt that an earlier connection has left expires
when the session has been connected for LEFTOVER since, never by the time away.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Literal, Protocol

from gateway.receipt_rows import BLOCK, HEAD, Blocks, Changes, Head
from gateway.receipt_table import DIGEST, NOTHING, ReceiptTable, Unconfirmed

LEFTOVER = 600.0
"""Seconds of connection after which a receipt of an earlier connection expires: well above the time after which a
broker sends again what was not acknowledged on a connection that stands (30 s on NATS)."""
STORED_LATE = 1.0
"""Seconds before the end of a connection in which a broker that ends may confirm what it does not store."""
COMES_AGAIN = 60.0
"""Seconds of connection in which it sends that again: twice what NATS takes for what was not acknowledged."""
MOST_IN_DOUBT = 1_000
_CHANGED_IN_PLACE = ("_receipts", "_confirmed", "_in_doubt", "_begins", "_blocks")
_LOOK_EVERY = 10.0
_MOST = 0xFFFF
"""Packet ids, and receipts."""
_HALF = 0x7FFF
"""Up to here the ids of a session cannot have come round."""


class Coming(Protocol):
    """A message that is here, and of which nothing is decided yet."""

    @property
    def digest(self) -> bytes: ...
    @property
    def dup(self) -> bool: ...


Verdict = Literal["new", "again", "twice"]
"""new: it counts. again: it has counted, and is to be acknowledged. twice: this connection has brought it before, and
its one PUBACK is written or about to be; another one could acknowledge the next message that gets its id."""


class Session:
    """The unconfirmed receipts of one session at one broker, in the order of their deliveries; changed in place.

    Calls are made in the order in which things happened. Times are seconds on one clock that never goes back while the
    process lives.
    """

    def __init__(self) -> None:
        self.counting = True
        """Each id so far was the number of its message on its connection."""
        self.dup_seen = False
        self.reuses = False
        """A new message has got no higher id than the one before, long before all ids were used."""
        self._last_new = 0
        """Id of the last new message of this connection."""
        self._began_anew = False
        """This connection has begun with the first of all ids, at a broker that may have been started anew."""
        self._away: bool | None = None
        """The broker may have been started anew, and not sent all again yet; None where nobody knows."""
        self._away_at = -COMES_AGAIN
        self._receipts = ReceiptTable()
        """By place; places only grow."""
        self._confirmed: list[tuple[bytes, float]] = []
        """On this connection, of a session that uses ids again: digest, and age of the session."""
        self._in_doubt: list[tuple[bytes, float]] = []
        """The same of what was confirmed right before the end of earlier ones, and has not come again."""
        self._age = 0.0
        self._number = 0
        self._connected_at: float | None = None
        self._age_before = 0.0
        """When this connection began."""
        self._passed = 0.0
        """When it was last looked whether something has expired."""
        self._view = NOTHING
        """The places and digests there were when this connection began."""
        self._begins: list[int] = []
        """Of a counting session: where in the view what comes again may have begun."""
        self._again = 0
        """Of a counting session: how much has come again. These are the first of the connection, and each has its
        number as its packet id."""
        self._closed = False
        """Of a counting session: nothing comes again on this connection any more."""
        self._blocks = Blocks()
        """What is on disk."""
        self._next = 0
        self._head_changed = True

    @classmethod
    def stored(cls, head: str, blocks: Mapping[int, str]) -> "Session":
        """The session whose head and blocks, by their first places, are on disk. Raises ValueError for other texts."""
        session, known = cls(), HEAD.validate_json(head)
        session.counting, session.dup_seen, session._age = known.counting, known.dup_seen, known.age
        session.reuses = known.reuses
        session._blocks = Blocks(known.blocks)
        for first, _ in known.blocks:
            for packet_id, digest, left_at, place in BLOCK.validate_json(blocks.get(first, "[]")):
                left = known.age if left_at is None else left_at
                session._receipts.put(place, packet_id, bytes.fromhex(digest), 0, left)
        session._next = session._blocks.stored_to
        session._passed, session._head_changed = session._age, False
        return session

    @classmethod
    def of_deliveries(cls, deliveries: Iterable[tuple[int, str]]) -> "Session":
        """A session of which only the last committed deliveries are known, packet id and digest in hexadecimal, the
        oldest first: each may be unconfirmed. How its broker counts is not known."""
        session = cls()
        for packet_id, digest in deliveries:
            if len(digest) == 2 * DIGEST:  # what is no digest is that of no message
                session._receipts.put(session._next, packet_id, bytes.fromhex(digest), 0, 0.0)
                session._next += 1
        return session

    @property
    def changed(self) -> bool:
        """Whether something is to be written."""
        return self._head_changed or self._blocks.changed or self._next > self._blocks.stored_to

    def __len__(self) -> int:
        return len(self._receipts)

    @property
    def receipts(self) -> tuple[Unconfirmed, ...]:
        """What is unconfirmed, in order."""
        return tuple(receipt for _, receipt in self._receipts.items())

    def copy(self) -> "Session":
        """Another one, which can be changed without this one."""
        other = Session.__new__(Session)  # this is for each batch, and all that it would begin with is taken over
        other.__dict__ = held = vars(self).copy()
        for name in _CHANGED_IN_PLACE:
            held[name] = held[name].copy()
        return other

    # What happens

    def connect(self, at: float, *, resumed: bool, lost_at: float | None = None, away: bool | None = None) -> None:
        """A connection begins; the one before was lost at `lost_at`, where that is known. Where the broker has not kept
        the session, nothing from before means anything. `away`: it has ended the one before, or could not be connected
        to since, so that it may have been started anew; None where nobody knows, because we were away ourselves."""
        if lost_at is not None:
            self._age = self._now(lost_at)
        if away:
            self._away_at = self._age
        self._away = away if away is None else self._age < self._away_at + COMES_AGAIN
        earlier = self._in_doubt if self._began_anew or not self._number else []
        self._in_doubt = [*earlier, *(each for each in self._confirmed if each[1] >= self._age - STORED_LATE)]
        del self._in_doubt[:-MOST_IN_DOUBT]
        self._confirmed = []
        if not resumed:
            self._forget()
        for place in self._receipts.leave(self._age):
            self._blocks.change(place)
        self._number = self._last_new = 0
        self._connected_at = at
        self._age_before = self._age
        self._view = self._receipts.view()
        self._begins, self._again, self._closed = [], 0, False

    def deliver(self, packet_id: int, digest: bytes, *, dup: bool, at: float) -> Verdict:
        """What this QoS 1 PUBLISH is; `digest`, of DIGEST bytes, stands for topic and payload. To be called for every
        one, whatever becomes of it. A new one is unconfirmed from now on, and a redelivery is so again."""
        self._number += 1
        if self._number == 1:
            kept = dup and self._with(packet_id, digest) is not None
            self._began_anew = packet_id == 1 and (not kept if self._away is None else self._away)
        before = self.counting, self.dup_seen
        self.counting &= packet_id == self._number
        self.dup_seen |= dup
        self._head_changed |= before != (self.counting, self.dup_seen)
        self._pass(at)
        place = self._counted(digest, dup=dup) if self.counting else self._same(packet_id, digest, dup=dup)
        verdict: Verdict = "new" if place is None else "again"
        if place is None:
            if dup and self.reuses and self._began_anew and self._was_in_doubt(digest):
                verdict = "again"
            self._learn(packet_id, dup=dup)
            self._give_up(packet_id, dup=dup)
            place = self._next
            self._next += 1
        elif self._receipts.of_this_connection(place):
            return "twice"
        self._put(place, digest, packet_id, self._number)
        return verdict

    @property
    def may_come_again(self) -> bool:
        """Whether it depends on what follows if the next message has come before: see `foresee`."""
        return self.counting and not self._closed and len(self._view.places) > 0

    def foresee(self, coming: Iterable[Coming]) -> None:
        """What comes next on this connection, as far as it is here already. Of a counting session the first of what
        comes with DUP may equal receipts, and what follows show that it was never here: then it is new."""
        begins, at = self._may_begin(), self._again
        for each in coming:
            agree = [begin for begin in begins if each.dup and self._agrees(begin + at, each.digest)]
            if not agree:
                if all(begin + at < len(self._view.places) for begin in begins):
                    self._close([])
                return
            begins, at = agree, at + 1

    def confirm(self, numbers: range) -> None:
        """The broker has processed the PUBACKs of these messages of this connection, by their numbers from 1 on."""
        self._processed(self._receipts.with_numbers(numbers))

    # Comparing

    def _counted(self, digest: bytes, *, dup: bool) -> int | None:
        """The place of the message in a counting session, None where it is new."""
        if self._closed:
            return None
        at = self._again
        begins = self._may_begin()
        agree = [begin for begin in begins if dup and self._agrees(begin + at, digest)]
        if not agree:
            self._close([begin for begin in begins if begin + at == len(self._view.places)])
            return None
        self._align(agree)
        self._again += 1
        return self._view.places[agree[0] + at]

    def _may_begin(self) -> Sequence[int]:
        """Where what comes again may begin: what was seen of it agrees with the receipts from there on."""
        return self._begins if self._again else range(len(self._view.places))

    def _close(self, begins: list[int]) -> None:
        """Nothing comes again on this connection any more. What came again begins at the first of `begins`. Where that
        is nowhere, none of the receipts came again, and the broker is done with them all: what seemed to were messages
        that had not come before, and equal ones had."""
        self._closed = True
        if begins or not self._again:
            self._align(begins)
            return
        view, first = self._view, self._begins[0]
        waiting = [bool(self._receipts.with_numbers(range(number, number + 1))) for number in range(1, self._again + 1)]
        self._remove(view.places)
        self._receipts.number_anew()
        for number, waits in enumerate(waiting, 1):
            if waits:
                self._put(self._next, view.digest(first + number - 1), number, number)
                self._next += 1

    def _agrees(self, at: int, digest: bytes) -> bool:
        view = self._view
        return at < len(view.places) and view.digest(at) == digest and view.places[at] in self._receipts

    def _align(self, begins: list[int]) -> None:
        """What came again begins at the first of `begins`: what stood before was processed, and each that came has the
        receipt from there on."""
        first = self._begins[0] if self._begins else None
        if not begins or begins[0] == first:
            self._begins = begins or self._begins
            return
        self._begins = begins
        places, numbers = self._view.places, range(1, self._again + 1)
        waiting = [bool(self._receipts.with_numbers(range(number, number + 1))) for number in numbers]
        self._remove(places[: begins[0]])
        self._receipts.number_anew()
        for at, number in enumerate(numbers, begins[0]):
            if at < len(places) and waiting[number - 1] and places[at] in self._receipts:
                self._put(places[at], self._view.digest(at), number, number)
            elif at < len(places):  # confirmed meanwhile
                self._remove((places[at],))

    def _put(self, place: int, digest: bytes, packet_id: int, number: int) -> None:
        """The message of `place` has come with this packet id, as this message of the connection."""
        self._blocks.change(place)
        self._receipts.put(place, packet_id, digest, number)

    def _same(self, packet_id: int, digest: bytes, *, dup: bool) -> int | None:
        """The place of the message in a session that keeps ids, None where it is new."""
        place = self._with(packet_id, digest)
        if place is not None:
            goes_on = packet_id > self._number or not self.reuses
            silent = not self.dup_seen and self._is_left(place) and goes_on
            return place if dup or silent else None
        if not (dup and self.reuses) or self._away is False:
            return None
        alike = [place for place in self._view.places_of(digest) if self._is_left(place)]
        return alike[0] if alike and (self._began_anew or len(alike) == 1) else None

    def _with(self, packet_id: int, digest: bytes) -> int | None:
        """The place of the receipt that has this packet id and content."""
        place = self._receipts.with_id(packet_id)
        return place if place is not None and self._receipts[place].digest == digest else None

    def _was_in_doubt(self, digest: bytes) -> bool:
        """Whether the broker may have confirmed such a message without storing that; each is one message."""
        at = next((at for at, (known, _) in enumerate(self._in_doubt) if known == digest), None)
        if at is not None:
            del self._in_doubt[at]
        return at is not None

    def _is_left(self, place: int) -> bool:
        """Whether a receipt is there that an earlier connection has left."""
        return place in self._receipts and not self._receipts.of_this_connection(place)

    def _learn(self, packet_id: int, *, dup: bool) -> None:
        """Take note whether ids of new messages go back."""
        if not dup:
            reuses = packet_id <= self._last_new <= _HALF
            self._head_changed |= reuses and not self.reuses
            self.reuses |= reuses
            self._last_new = packet_id

    def _give_up(self, packet_id: int, *, dup: bool) -> None:
        """A new message has got this id: the broker is done with the one that had it before, and one that uses ids
        again gives the first only when it is done with all. But it may have been started anew, and still have to send
        those with other ids."""
        if self.reuses and self._away is False and packet_id == 1 and not dup:
            self._processed(self._receipts.left_until(inf))
        place = self._receipts.with_id(packet_id)
        anew = self.reuses and self._away is not False
        if place is not None and not (anew and self._is_left(place) and len(self) < _MOST):
            self._processed((place,))

    # Time

    def _now(self, at: float) -> float:
        """How long the session has been connected in all."""
        return self._age if self._connected_at is None else max(self._age, self._age_before + at - self._connected_at)

    def _pass(self, at: float) -> None:
        """Let what earlier connections have left expire."""
        self._age = self._now(at)
        if self._age - self._passed < _LOOK_EVERY:
            return
        self._passed = self._age
        self._remove(self._receipts.left_until(self._age - LEFTOVER))
        self._in_doubt = [each for each in self._in_doubt if each[1] > self._age - COMES_AGAIN]

    # Rows

    def take_changes(self) -> Changes:
        """What is to be written for the receipts as they are now; to be called once for each commit."""
        rows = self._blocks.take_rows(self._receipts, self._next)
        self._head_changed = False
        head = Head(self.counting, self.dup_seen, round(self._age, 3), self.reuses, self._blocks.places)
        return Changes(HEAD.dump_json(head).decode(), rows)

    # Inside

    def _processed(self, places: Sequence[int]) -> None:
        """The broker has processed the PUBACKs of these, whether it has stored that or not."""
        if self.reuses:
            self._confirmed += [(self._receipts[place].digest, self._age) for place in places[-MOST_IN_DOUBT:]]
            del self._confirmed[:-MOST_IN_DOUBT]
        self._remove(places)

    def _remove(self, places: Iterable[int]) -> None:
        for place in self._receipts.remove(places):
            self._blocks.change(place)

    def _forget(self) -> None:
        self._remove([*self._receipts.places()])
        self._confirmed, self._in_doubt = [], []
        self.counting, self.dup_seen, self.reuses, self._head_changed = True, False, False, True
