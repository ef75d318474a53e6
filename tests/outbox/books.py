"""What always holds of an outbox, whatever is committed, sent, lost, refused, killed and opened again: the books are
right."""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis.stateful import RuleBasedStateMachine, invariant

from gateway.model import RECORD, Output, Record, Setting, StartInterval, UpdateInterval
from gateway.outbox.entries import DEAD_LETTER, INTERVAL, Interval
from gateway.outbox.key_value import KeyValueStore
from gateway.outbox.lanes import DEAD
from gateway.outbox.record_rules import MOST_CLOSED_KEPT
from gateway.outbox.store import Outbox
from tests.outbox.failing_rows import Fragile
from tests.outbox.floor import Oden, total

SPAN = 60.0


@dataclass
class There:
    """What the rows say, read without the outbox."""

    lanes: dict[str, dict[int, Record]] = field(default_factory=dict)
    dead: list[Record] = field(default_factory=list)
    intervals: dict[str, Interval] = field(default_factory=dict)

    def records(self) -> list[Record]:
        return [record for lane in self.lanes.values() for record in lane.values()]


def read(rows: KeyValueStore) -> There:
    there = There()
    for key, text in rows.items():
        kind, _, rest = key.partition("/")
        lane, _, number = rest.rpartition("/")
        if kind == "record" and lane == DEAD:
            there.dead.append(DEAD_LETTER.validate_json(text).record)
        elif kind == "record":
            there.lanes.setdefault(lane, {})[int(number)] = RECORD.validate_json(text)
        elif kind == "interval":
            there.intervals[rest] = INTERVAL.validate_json(text)
    return there


class AlwaysHolds(RuleBasedStateMachine):
    """The claims about the `outbox` over `rows`, beside what was `told` to it and what `oden` has got."""

    rows: Fragile
    outbox: Outbox
    starts: list[StartInterval]
    told: Oden
    oden: Oden
    strays: set[str]
    """Intervals that were forgotten when something of theirs came."""
    took: dict[tuple[str, int], set[int]]
    """By attempt, the positions that took effect at Oden, which the outbox need not know."""

    @invariant()
    def a_restart_sees_the_same(self) -> None:
        fresh = Outbox(self.rows, SPAN)
        assert fresh.work() == self.outbox.work()
        assert fresh.counts() == self.outbox.counts()
        assert fresh.totals == self.outbox.totals

    @invariant()
    def every_record_is_in_one_place(self) -> None:
        there, totals = read(self.rows), self.outbox.totals
        appended, left = sum(totals.records.values()), len(there.records()) + len(there.dead)
        assert appended == totals.delivered + totals.merged + totals.outdated + left
        for name, lane in self.outbox.lanes.items():
            records = there.lanes.get(name, {})
            assert name == DEAD or lane.waiting == len(records)
            carried = [at for attempt in self.outbox.attempts(name) for at in attempt.positions]
            assert len(carried) == len(set(carried))
            assert set(carried) <= records.keys()
            assert sorted(lane.attempts) == sorted(attempt.number for attempt in self.outbox.attempts(name))
            for at in records.keys() - set(carried):
                assert any(first <= at < last for first, last, _ in lane.parts())

    @invariant()
    def counts_add_up(self) -> None:
        there, counts = read(self.rows), self.outbox.counts()
        phases: Counter[str] = Counter()
        for name in self.outbox.lanes:
            for attempt in self.outbox.attempts(name):
                phases[attempt.phase] += len(attempt.positions)
        parked = sum(len(lane) for name, lane in there.lanes.items() if name.endswith("/parked"))
        assert (counts.parked, counts.dead) == (parked, len(there.dead))
        assert (counts.sending, counts.in_doubt) == (phases["sending"], phases["in_doubt"])
        assert counts.waiting + counts.sending + counts.in_doubt + parked == len(there.records())

    @invariant()
    def intervals_know_what_waits_for_them(self) -> None:
        there = read(self.rows)
        seen: dict[str, Interval] = {}
        for name, lane in there.lanes.items():
            for at, record in lane.items():
                if isinstance(record, Setting):
                    continue
                known = there.intervals.get(record.interval)
                assert known is not None or record.interval in self.strays, "an interval is forgotten too early"
                found = seen.setdefault(record.interval, Interval("", "", 0))
                waits = not name.endswith("/parked") and not self.outbox.is_carried(name, at)
                found.parked += name.endswith("/parked")
                found.outputs += isinstance(record, Output)
                if isinstance(record, UpdateInterval) and not name.endswith("/parked"):
                    assert not waits or found.update_at is None, "updates that wait are one"
                    assert waits or not found.updating, "updates do not overtake each other"
                    found.update_at = at if waits else found.update_at
                    found.updating |= not waits
                elif isinstance(record, StartInterval) and waits:
                    found.start_at = at
        for key, known in there.intervals.items():
            found = seen.get(key, Interval("", "", 0))
            dead = sum(record.interval == key for record in there.dead)
            assert (known.parked, known.outputs + known.late, known.dead) == (found.parked, found.outputs, dead)
            assert (known.start_at, known.update_at, known.updating) == (
                found.start_at,
                found.update_at,
                found.updating,
            )

    @invariant()
    def intervals_are_forgotten(self) -> None:
        there = read(self.rows)
        kept = [key for lane in self.outbox.lanes.values() for key in lane.closed]
        assert all(len(lane.closed) <= MOST_CLOSED_KEPT for lane in self.outbox.lanes.values())
        for key, known in there.intervals.items():
            assert known.pending or not known.closed or key in kept

    @invariant()
    def amounts_are_conserved(self) -> None:
        there = read(self.rows)
        unknown = {
            record.key
            for (lane, _), positions in self.took.items()
            for at in positions
            if (record := there.lanes[lane][at]).kind == "output"
        }
        held: Counter[str] = Counter()
        for record in [*there.records(), *there.dead]:
            if isinstance(record, Output) and record.key not in unknown:
                held[record.interval] += int(total([record]))
        for start in self.starts:
            at_oden = self.oden.made[start.key].output if start.key in self.oden.made else []
            assert held[start.key] + total(at_oden) == total(self.told.made[start.key].output)
