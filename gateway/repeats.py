"""What intake has taken before: redeliveries of MQTT messages, and messages whose id has come.

A batch decides on copies. Nothing of it counts before it is mapped whole; given up and mapped again, it decides the
same again. What has come of batches is stored by the next commit."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from gateway.mapping.compile import LinePlan
from gateway.mapping.values import find, scalar, text
from gateway.message_ids import IdsOfCommit, MessageIds, NewIds, digest
from gateway.model import Notice, Sample
from gateway.outbox.store import Outbox
from gateway.receipt_rows import Changes
from gateway.receipts import Session, Verdict
from gateway.sources.base import Arrival, Connected, Receipt

P = ParamSpec("P")
T = TypeVar("T")

_FORGOTTEN = "the broker has forgotten the session; messages since the gateway was last connected may be missing"


class Ask(Protocol):
    """Asks the outbox, as often as it takes."""

    async def __call__(self, call: Callable[Concatenate[Outbox, P], T], *args: P.args, **kwargs: P.kwargs) -> T: ...


@dataclass(frozen=True, slots=True)
class Known:
    """What is to be stored of a batch: changes of receipts by session, ids by source, and sources whose deliveries an
    earlier version has kept."""

    sessions: dict[str, Changes]
    ids: dict[str, IdsOfCommit]
    old_rings: tuple[str, ...]


class Repeats:
    """What has come so far, of all sources, and what of that is yet to be stored."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.sessions: dict[str, Session] = {}
        self.connected: dict[str, str] = {}
        """Source -> the session that its connection has."""
        self.ids: dict[str, MessageIds] = {}
        self.unstored_ids: dict[str, dict[str, None]] = {}
        self._old_rings: list[str] = []

    async def load(self, plans: Iterable[LinePlan]) -> None:
        """Read the ids of the sources whose messages have some."""
        for source in {source for plan in plans for source, _ in plan.ids}:
            self.ids[source] = await self.ask(Outbox.message_ids, source)

    def take_over(self, batch: "BatchRepeats") -> None:
        """`batch` is mapped: what has come of it counts from now on."""
        self.sessions.update(batch.sessions)
        self.connected.update(batch.connected)
        self._old_rings += batch.old_rings
        for source, new in batch.new_ids.new.items():
            self.unstored_ids.setdefault(source, {}).update(new)

    def take(self) -> Known:
        """What the next commit is to store: it counts as stored, because that commit is made until it is."""
        changed = {name: session.take_changes() for name, session in self.sessions.items() if session.changed}
        ids = {
            source: IdsOfCommit(self.ids[source].number, tuple(new)) for source, new in self.unstored_ids.items() if new
        }
        for source, commit in ids.items():
            self.ids[source].add(commit)
        known = Known(changed, ids, tuple(self._old_rings))
        self.unstored_ids, self._old_rings = {}, []
        return known


@dataclass(slots=True)
class BatchRepeats:
    """The same while a batch is mapped."""

    before: Repeats
    sessions: dict[str, Session] = field(default_factory=dict)
    """Those of which something has come."""
    connected: dict[str, str] = field(default_factory=dict)
    old_rings: list[str] = field(default_factory=list)
    new_ids: NewIds = field(init=False)
    begun: bool = False
    """A session has begun, which is to be stored at once."""
    foreseen: set[str] = field(default_factory=set)
    """Sessions whose connections know what the batch has of them."""

    def __post_init__(self) -> None:
        self.new_ids = NewIds(self.before.ids, self.before.unstored_ids)

    async def begin(self, arrival: Arrival, connected: Connected, now: float) -> list[Notice]:
        """A connection begins. A lost session is a gap where there was one, also before this process; the source knows
        only its own life."""
        name = f"{arrival.source}/{connected.session}"
        known = name in self.sessions or name in self.before.sessions
        if not known:
            stored = await self.before.ask(Outbox.session, name)
            ring = await self.before.ask(Outbox.old_ring, arrival.source) if stored is None else []
            known = stored is not None or bool(ring)
            loaded = Session.stored(stored.head, stored.blocks) if stored else Session.of_deliveries(ring)
            self.sessions[name] = loaded
            if ring:
                self.old_rings.append(arrival.source)
        session = self._session(name)
        session.connect(connected.at, resumed=connected.resumed, lost_at=connected.lost_at, away=connected.away)
        self.connected[arrival.source] = name
        self.foreseen.discard(name)
        self.begun |= session.changed
        if arrival.notices or connected.resumed or not known:
            return []
        return [Notice("gap", now, arrival.source, "", _FORGOTTEN)]

    def verdict(self, arrivals: Sequence[Arrival], at: int) -> Verdict:
        """What the receipts say of the arrival at this place of the batch; takes note of what it confirms. Without a
        receipt it is new."""
        arrival = arrivals[at]
        receipt = arrival.receipt
        if receipt is None and not arrival.confirmed:
            return "new"
        name = self.connected.get(arrival.source) or self.before.connected[arrival.source]
        session = self._session(name)
        for numbers in arrival.confirmed:
            session.confirm(numbers)
        if receipt is None:
            return "new"
        if session.may_come_again and name not in self.foreseen:
            self.foreseen.add(name)
            session.foresee(_receipts_of(arrival.source, islice(arrivals, at, None)))
        return session.deliver(receipt.packet_id, receipt.digest, dup=receipt.dup, at=receipt.at)

    def is_repeat(self, plan: LinePlan, sample: Sample, said: set[str]) -> bool:
        """Whether a message with the id of this one has come before; from now on it has. What the broker had kept says
        nothing new anyway. `said` are the ids of the parts of this message before: an id that stands around its events
        is that of all."""
        identities = plan.ids.get((sample.source, sample.address), ())
        if sample.retained or sample.quality == "bad":
            return False
        known = False
        for paths in identities:
            values = [scalar(find(sample.value, path)) for path in paths]
            if None not in values:
                id_ = digest(plan.key, sample.address, [text(value) for value in values])
                if sample.part and id_ in said:
                    continue
                if self.new_ids.is_known(sample.source, id_):
                    known = True
                else:
                    said.add(id_)
        return known

    def _session(self, name: str) -> Session:
        if name not in self.sessions:
            self.sessions[name] = self.before.sessions[name].copy()
        return self.sessions[name]


def _receipts_of(source: str, arrivals: Iterable[Arrival]) -> Iterator[Receipt]:
    """Those of a source, as far as its connection goes."""
    for arrival in arrivals:
        if arrival.source == source:
            if arrival.connected is not None:
                return
            if arrival.receipt is not None:
                yield arrival.receipt
