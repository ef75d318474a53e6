"""Every way in which a broker, a connection that is cut, and a gateway that is killed can meet, tried out.

A state is the broker, both directions of the connection, the session's receipts in memory and on disk, and how often
each message has counted. From each state every step is taken that can come next. It is a fault if a message counts
twice, or if the broker is done with one that has not counted.
"""

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from gateway.receipts import Session
from tests.receipts.digests import digest
from tests.receipts.models import Model, Sent


@dataclass(frozen=True, slots=True)
class Ack:
    """A PUBACK on its way to the broker: the message that it is for, and its number on the connection."""

    packet_id: int
    number: int


@dataclass(frozen=True, slots=True)
class Question:
    """The barrier, and its answer: the numbers of the PUBACKs that were written before it."""

    numbers: tuple[int, ...]


class Known:
    """A session that is changed no more; most steps leave it as it is, so what matters of it is looked at once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def copy(self) -> Session:
        return self._session.copy()

    @cached_property
    def essence(self) -> object:
        return essence(self._session)


@dataclass(frozen=True)
class State:
    """See the module. `acked` are PUBACKs that were written since the last question. `lived`: this life of the gateway
    has had a connection."""

    broker: Model
    session: Known
    stored: Known
    counted: tuple[int, ...]
    to_publish: int = 0
    cuts: int = 0
    connected: bool = False
    down: tuple[Sent | Question, ...] = ()
    up: tuple[Ack | Question, ...] = ()
    acked: tuple[int, ...] = ()
    asked: bool = False
    number: int = 0
    lived: bool = False
    path: tuple[str, ...] = field(default=(), compare=False)

    def key(self) -> object:
        """What makes two states one."""
        rest = (self.counted, self.to_publish, self.cuts, self.connected, self.down, self.up, self.acked, self.asked)
        return self.broker, self.session.essence, self.stored.essence, self.number, self.lived, rest


def essence(session: Session) -> object:
    """What decides how a session answers from here on."""
    table = session._receipts
    places = {place: at for at, place in enumerate(table.places())}
    held = session.receipts
    receipts = tuple(
        (receipt.packet_id, receipt.digest, receipt.number if receipt.left_at is None else 0) for receipt in held
    )
    by_number = tuple(
        tuple(places[place] for place in table.with_numbers(range(number, number + 1)))
        for number in range(1, session._number + 1)
    )
    view = (
        tuple((places.get(place), session._view.digest(at)) for at, place in enumerate(session._view.places))
        if session.counting or session.reuses
        else ()
    )
    ids = {receipt.packet_id for receipt in held}
    by_id = tuple((id_, None if (place := table.with_id(id_)) is None else places[place]) for id_ in sorted(ids))
    return (
        receipts,
        by_number,
        by_id,
        session.counting,
        session.dup_seen,
        session.reuses,
        session._last_new,
        session._began_anew,
        session._away,
        session._number,
        view,
        (*session._begins,),
        session._again,
        session._closed,
        tuple(digest for digest, _ in session._confirmed),
        tuple(digest for digest, _ in session._in_doubt),
    )


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong, and the steps that led to it."""

    text: str
    path: tuple[str, ...]


def search(
    broker: Model, payloads: str, cuts: int, *, ambiguous: int = 0, known: Session | None = None, alike: bool = False
) -> tuple[int, Fault | None]:
    """Try everything with one message for each letter of `payloads` (equal letters are equal payloads) and at most
    `cuts` cuts and kills. Answers how many states there are, and the first fault. `ambiguous`: so many messages may
    be lost for each cut, if others have equal payloads. `known` is a session that has shown something before.
    `alike`: of equal messages it is the sum that counts, not which of them was taken for which."""
    begin = Known(known if known is not None else Session())
    first = State(broker, begin, begin, (0,) * len(payloads), len(payloads), cuts)
    seen, waiting = {first.key()}, deque([first])
    while waiting:
        state = waiting.popleft()
        for name, step in _steps(state, payloads):
            after = replace(step, path=(*state.path, name))
            judge = _fault_of_sums if alike else _fault
            fault = judge(after, payloads, ambiguous * (cuts - after.cuts))
            if fault is not None:
                return len(seen), Fault(fault, after.path)
            key = after.key()
            if key not in seen:
                seen.add(key)
                waiting.append(after)
    return len(seen), None


def walk(broker: Model, payloads: Sequence[str], cuts: int, seed: int) -> str | None:
    """Go one way by chance, to the end. Answers the first fault."""
    chances = random.Random(seed)
    begin = Known(Session())
    state = State(broker, begin, begin, (0,) * len(payloads), len(payloads), cuts)
    while steps := [*_steps(state, payloads)]:
        weights = [1 if name in ("cut", "killed") else 20 for name, _ in steps]
        ((_, state),) = chances.choices(steps, weights)
        fault = _fault(state, payloads, 0)
        if fault is not None:
            return fault
    return None if state.broker.done else "the broker still has messages"


def _fault(state: State, payloads: Sequence[str], may_be_lost: int) -> str | None:
    published = len(state.counted) - state.to_publish
    held = {*state.broker.queue, *(entry.message for entry in state.broker.pending)}
    lost = [message for message in range(published) if not state.counted[message] and message not in held]
    twice = [message for message in range(published) if state.counted[message] > 1]
    unlike = [message for message in lost if payloads.count(payloads[message]) == 1]
    if twice or unlike or len(lost) > may_be_lost:
        return f"lost: {lost}, twice: {twice}"
    return None


def _fault_of_sums(state: State, payloads: Sequence[str], may_be_lost: int) -> str | None:
    published = len(state.counted) - state.to_publish
    held = {*state.broker.queue, *(entry.message for entry in state.broker.pending)}
    for payload in set(payloads):
        alike = [message for message in range(published) if payloads[message] == payload]
        counted = sum(state.counted[message] for message in alike)
        lost = len([message for message in alike if message not in held]) - counted
        if counted > len(alike) or lost > (may_be_lost if payloads.count(payload) > 1 else 0):
            return f"of {len(alike)} equal messages {counted} have counted"
    return None


def _steps(state: State, payloads: Sequence[str]) -> Iterator[tuple[str, State]]:
    if state.to_publish:
        message = len(state.counted) - state.to_publish
        broker = state.broker.publish(message)
        yield f"published {message}", replace(state, broker=broker, to_publish=state.to_publish - 1)
    if not state.connected:
        if not state.broker.done or state.to_publish:
            session = state.session.copy()
            session.connect(0.0, resumed=True, away=state.broker.away or (False if state.lived else None))
            connected = replace(state, session=Known(session), connected=True, lived=True)
            yield "connected", replace(connected, broker=state.broker.connect())
        return
    for broker, packet in state.broker.sends():
        yield f"sent {packet}", replace(state, broker=broker, down=(*state.down, packet))
    if state.down:
        yield _received(state, payloads)
    if state.up:
        yield _processed(state)
    if state.acked and not state.asked:
        question = Question(state.acked)
        yield "asked", replace(state, up=(*state.up, question), acked=(), asked=True)
    if state.cuts:
        gone = replace(state, connected=False, cuts=state.cuts - 1, down=(), up=(), acked=(), asked=False, number=0)
        yield "cut", gone
        yield "killed", replace(gone, session=_loaded(state.stored), lived=False)


def _received(state: State, payloads: Sequence[str]) -> tuple[str, State]:
    packet, down = state.down[0], state.down[1:]
    session = state.session.copy()
    if isinstance(packet, Question):
        for number in packet.numbers:
            session.confirm(range(number, number + 1))
        return "confirmed", replace(state, down=down, session=Known(session), asked=False)
    verdict = session.deliver(packet.packet_id, digest(payloads[packet.message]), dup=packet.dup, at=0.0)
    number = state.number + 1
    known = Known(session)
    after = replace(state, down=down, session=known, number=number)
    if verdict != "twice":
        after = replace(after, up=(*state.up, Ack(packet.packet_id, number)), acked=(*state.acked, number))
    if verdict != "new":
        return f"{verdict} {packet.message}", after
    counted = tuple(count + (message == packet.message) for message, count in enumerate(state.counted))
    return f"counted {packet.message}", replace(after, counted=counted, stored=known)


def _processed(state: State) -> tuple[str, State]:
    packet, up = state.up[0], state.up[1:]
    if isinstance(packet, Question):
        return "answered", replace(state, up=up, down=(*state.down, packet))
    return f"acknowledged id {packet.packet_id}", replace(
        state, up=up, broker=state.broker.acknowledge(packet.packet_id)
    )


def _loaded(stored: Known) -> Known:
    """What another life of the gateway knows: receipts, and none of them of a connection that stands."""
    session = stored.copy()
    session.connect(0.0, resumed=True)
    return Known(session)
