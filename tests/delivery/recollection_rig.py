"""A line whose counters go on while its outbox is put back to an older copy."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.amendments import Amendments, Change
from gateway.clock import LoopClock
from gateway.mapping.compile import LinePlan
from gateway.mapping.line import LineState, Tick
from gateway.mapping.state_rows import StateRows
from gateway.model import Sample
from gateway.oden.client import OdenClient
from gateway.oden.pace import Pace
from gateway.outbox.entries import Commit, Within
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.life import LifeMark, begin_life, is_compared
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.recollection import LaterComparison, recollect
from tests.delivery.harness import TOKEN, Rig
from tests.mapping.recording import T0, order, plan, play, tag, tick

PLAN = plan()


class Recorded(MemoryStore):
    """A copy of rows that keeps what they are after each transaction."""

    def __init__(self, rows: MemoryStore) -> None:
        super().__init__()
        self.steps: list[MemoryStore] = []
        self.apply(dict(rows.items()))

    def apply(self, put: Mapping[str, str], drop: Iterable[str] = ()) -> None:
        super().apply(put, drop)
        after = MemoryStore()
        after.apply(dict(self.items()))
        self.steps.append(after)


class Amended(Amendments):
    """Changes that are stored at once."""

    def __init__(self, outbox: OutboxThread, plans: Sequence[LinePlan]) -> None:
        super().__init__(lambda: None)
        self._outbox, self._plans = outbox, {plan.key: plan for plan in plans}

    async def make(self, line: str, change: Change, within: Within = ()) -> None:
        await self._outbox(_amend, self._plans.get(line), change, within)


def _amend(outbox: Outbox, plan: LinePlan | None, change: Change, within: Within) -> None:
    if plan is None:
        notices, number = change(LineState()).notices, outbox.last_commit() + 1
        outbox.commit(Commit(number=number, notices=notices, within=within))
        return
    rows = StateRows(outbox.line_state(plan.key))
    state, notices, records = change(rows.state(plan))
    states, number = {plan.key: rows.changes(state)}, outbox.last_commit() + 1
    outbox.commit(Commit(number=number, states=states, records=records, notices=notices, within=within))


class Gateway:
    """A line whose counters go on, and its gateway, which can be put back to a copy of its outbox."""

    def __init__(self, rig: Rig, *plans: LinePlan) -> None:
        self.rig = rig
        self.plans = plans or (PLAN,)
        """All that are compared; the first one is the line's."""
        self.rounds = 0
        """Rounds of questions while the gateway works."""
        self.now = 1.0
        self.good = 65_000
        self.made = 0

    async def lives(self, *orders: str, minutes: int, seconds: int = 0) -> None:
        """So many minutes of production, each order at the beginning of one, and `seconds` more; all is committed and
        delivered."""
        names = iter(orders)
        samples: list[Sample | Tick] = []
        for length in (*(60,) * minutes, *(seconds,) * (seconds > 0)):
            if (name := next(names, None)) is not None:
                samples.append(order(self.now, name))
            self.now += length
            self.good, self.made = self.good + 100, self.made + 100
            samples.append(tag(self.now, "Good", self.good % 65_536))
        samples.append(tick(self.now + 1.0))
        self.map(*samples)
        async with self.rig.running():
            await self.rig.drained()

    async def total(self) -> int:
        """What Oden shows once the last window has ended."""
        self.now += 120.0
        self.map(tick(self.now))
        async with self.rig.running():
            await self.rig.drained()
        return self.rig.oden.total("yield")

    def map(self, *samples: Sample | Tick) -> None:
        self.map_into(Outbox(self.rig.rows), *samples)

    def map_into(self, outbox: Outbox, *samples: Sample | Tick) -> None:
        plan = self.plans[0]
        rows = StateRows(outbox.line_state(plan.key))
        played = play(plan, *samples, state=rows.state(plan))
        commit = Commit(
            number=outbox.last_commit() + 1,
            states={plan.key: rows.changes(played.state)},
            records=tuple(played.records),
        )
        outbox.commit(commit)

    async def put_back(self, copy: MemoryStore, runtime: Path, *, compared: bool = True) -> int:
        """Another life over a copy; answers how many requests the comparison took. `compared`: it comes to its end."""
        before = len(self.rig.oden.seen)
        assert begin_life(Outbox(copy), LifeMark(runtime / "box", runtime))
        assert not is_compared(Outbox(copy))
        await self.compares(copy)
        assert is_compared(Outbox(copy)) == compared
        return len(self.rig.oden.seen) - before

    async def compares(self, rows: MemoryStore) -> None:
        """The comparison before anything is mapped, of a life over these rows that has begun."""
        self.rig.rows = rows
        async with self.asking() as (outbox, client):
            await recollect(outbox, client, self.plans, T0 + self.now, self.rig.wording.reference)

    async def compares_later(self) -> None:
        """The comparison while the gateway works, to its end."""
        clock, reference = LoopClock(T0 + self.now), self.rig.wording.reference
        async with self.asking() as (outbox, client):
            amended = Amended(outbox, self.plans)
            await LaterComparison(outbox, lambda: client, amended, self._planned, clock, reference).run()

    def _planned(self) -> Sequence[LinePlan]:
        self.rounds += 1
        return self.plans

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[tuple[OutboxThread, OdenClient]]:
        """What asks the outbox, and Oden."""
        outbox, rows = OutboxThread(), self.rig.rows
        await outbox.open(lambda: Outbox(rows))
        async with OdenClient(self.rig.oden.url, lambda: TOKEN, pace=Pace(0.0, 0.0)) as client:
            yield outbox, client
        await outbox.close()

    def makes(self, minutes: int) -> None:
        """So many minutes of production are committed, and nothing is delivered."""
        for _ in range(minutes):
            self.now += 60.0
            self.good, self.made = self.good + 100, self.made + 100
            self.map(tag(self.now, "Good", self.good % 65_536))
        self.map(tick(self.now + 61.0))
        self.now += 61.0

    def copy(self) -> MemoryStore:
        copy = MemoryStore()
        copy.apply(dict(self.rig.rows.items()))
        return copy
