"""The outbox against a simple model: whatever is committed, sent, lost, refused, killed and opened again, the books are
right."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from gateway.errors import OutboxError
from gateway.model import Output, Record, Setting, StartInterval, UpdateInterval
from gateway.outbox.entries import Phase, Work
from gateway.outbox.key_value import KeyValueStore, MemoryStore
from gateway.outbox.sqlite_store import SqliteStore
from gateway.outbox.store import Outbox
from gateway.record_kinds import creates
from tests.outbox.books import SPAN, AlwaysHolds, read
from tests.outbox.failing_rows import ANSWER_LOST, Fragile
from tests.outbox.floor import LINE, OTHER, Floor, Oden, attempt_for, id_of, next_commit, packable

ACCIDENT = st.sampled_from(["none"] * 9 + ["resume", "kill", "before", "after", "read", "read"])
"""An outage that is over, a kill, a write that fails before or after it took effect, or a read that fails."""
MADE = st.tuples(
    st.sampled_from(
        [
            "nothing",
            "start",
            "closed",
            "output",
            "output",
            "update",
            "update",
            "end and start",
            "later",
            "test",
            "set",
            "set",
        ]
    ),
    st.sampled_from([0, 0, 0, 1, 1, 2, 12]),
    st.sampled_from(["RUN", "RUN", "WASH", "BATCH", "STATE"]),
    st.integers(1, 5),
)
"""What is made, of which of the last intervals, of which type, how many."""
FATE = st.sampled_from(["fine", "fine", "fine", "lost", "lost after", "again", "dead", "put back"])
SENT = st.tuples(st.integers(0, 11), FATE, st.booleans(), st.booleans())
"""Which of the things that are offered, what becomes of it, whether others may be packed with it, whether more comes in
between."""


def phase_of(work: Work) -> Phase | None:
    """That of its attempt; None where it has none."""
    return work.attempt.phase if work.attempt else None


def attempt_id(work: Work) -> tuple[str, int]:
    return work.lane, work.positions[0]


class OutboxMachine(AlwaysHolds):
    """`told` is an Oden that hears every record as it is committed, `oden` one that gets what the outbox offers."""

    def make(self) -> KeyValueStore:
        return self.memory

    def __init__(self) -> None:
        super().__init__()
        self.memory = MemoryStore()
        self.floor, self.told, self.oden = Floor(), Oden(), Oden()
        self.starts: list[StartInterval] = []
        self.ended: set[str] = set()
        self.strays: set[str] = set()
        """Intervals that were forgotten when something of theirs came."""
        self.late: Counter[str] = Counter()
        """By interval, entries of output from after the end that were committed."""
        self.took: dict[tuple[str, int], set[int]] = {}
        """By attempt, the positions that took effect at Oden, which the outbox need not know."""
        self.lives = True
        """Whether the process goes on where a commit has failed."""
        self.raised = False

    @initialize()
    def open(self) -> None:
        self.rows = Fragile(self.make())
        self.outbox = Outbox(self.rows, SPAN)

    # What happens to a change

    def done(self, change: Callable[[], object]) -> bool:
        """Whether the change took effect. `raised`: whoever made it does not know."""
        self.raised = False
        try:
            return change() is not False
        except OutboxError as error:
            self.raised = True
            return str(error) == ANSWER_LOST

    @rule(accident=ACCIDENT, when=st.integers(0, 40), made=MADE, sent=st.lists(SENT, max_size=4))
    def go_on(
        self, accident: str, when: int, made: tuple[str, int, str, int], sent: list[tuple[int, str, bool, bool]]
    ) -> None:
        """One rule, because no kind of step makes sense without the others."""
        self.lives = when % 3 > 0
        if accident == "resume":
            self.done(self.outbox.resume)
        elif accident == "kill":
            self.kill()
        elif accident == "read":
            self.rows.reads_left = when
        elif accident != "none":
            self.rows.fails = accident
        # A read that fails between two changes ends a step before it has begun.
        with suppress(OutboxError):
            self.make_records(*made)
        for one in sent:
            with suppress(OutboxError):
                self.request(*one)
        self.rows.reads_left = None

    def kill(self) -> None:
        """A new outbox over the same rows; what was on its way is found, as delivery does at a start."""
        self.rows.close()
        self.open()
        for work in self.outbox.work():
            if work.attempt is not None and work.attempt.phase == "sending":
                self.phase(work, "in_doubt" if creates(work.records[0]) else "retry")

    # What is made

    def commit(self, records: list[Record]) -> None:
        """As intake does: the same commit until it is made, also where another life has begun in between."""
        of_intervals = [one for one in records if not isinstance(one, Setting)]
        unknown = {one.interval for one in of_intervals if self.outbox.interval(one.interval) is None}
        ended = {one.interval for one in of_intervals if not isinstance(one, Output) and one.end is not None}
        made = next_commit(self.outbox, records=tuple(records))
        while not self.done(lambda: self.outbox.commit(made)) or self.raised:
            if not self.lives:
                self.kill()
        reads_left, self.rows.reads_left = self.rows.reads_left, None
        before = dict(self.rows.items())
        self.outbox.commit(made)
        assert dict(self.rows.items()) == before, "a commit that is made again changes nothing"
        self.rows.reads_left = reads_left
        for record in records:
            self.told.take(record)
            self.late[record.interval] += isinstance(record, Output) and record.interval in self.ended | ended
        self.starts += [one for one in records if isinstance(one, StartInterval)]
        self.strays |= unknown - {one.key for one in self.starts}
        self.ended |= ended

    def make_records(self, what: str, of: int, kind: str, number: int) -> None:
        """Of one of the last intervals, or new ones."""
        floor, starts = self.floor, self.starts
        known = starts[-1 - of] if of < len(starts) else None
        match what:
            case "closed":
                new = [floor.start(LINE, kind, lasts=number) for _ in range(number)]
                self.commit([*new, floor.output(new[0], number)])
            case "output" if known:
                code = "Splice" if number > 3 else None
                self.commit([floor.output(known, amount, code) for amount in range(1, number + 1)])
            case "test" if known:
                self.commit([floor.test(known, amount) for amount in range(number)])
            case "set":
                one = (
                    floor.setting(f"product {of}", lsl=number) if number % 2 else floor.setting(f"product {of}", usl=of)
                )
                self.commit([one, floor.setting("another", lsl=number)])
            case "update" if known:
                self.commit([floor.update(known, product=str(number), **{"name": "other"} if number > 3 else {})])
            case "end and start":
                last: list[Record] = []
                if known and not self.ends(known):
                    last = [floor.output(known, 1), floor.end(known)]
                self.commit([*last, floor.start(LINE, kind)])
            case "later":
                floor.tick(25 * number)
            case "start":
                self.commit([floor.start([LINE, OTHER][number == 5], kind)])

    def ends(self, start: StartInterval) -> bool:
        return start.key in self.ended or start.end is not None

    # What delivery does

    def offered(self) -> list[Work]:
        """What can be gone on with. A lane with a request under way does nothing else."""
        works = self.outbox.work()
        busy = {one.lane for one in works if phase_of(one) == "sending"}
        return [one for one in works if one.lane not in busy or phase_of(one) == "sending"]

    def request(self, which: int, fate: str, packed: bool, stale: bool) -> None:
        """Do the next thing for something that is offered. `stale`: more is committed, and a doubt settled, between the
        choice and its doing."""
        fit = self.offered()
        if not fit:
            return
        work = fit[which % len(fit)]
        if stale:
            self.make_records("update", which % 3, "RUN", 1 + which % 5)
            doubts = (one for one in self.outbox.work() if phase_of(one) == "in_doubt" and one.lane != work.lane)
            if (doubt := next(doubts, None)) is not None and which % 2:
                self.look_up(doubt, fate)
        if phase_of(work) == "sending":
            self.answer(work, fate)
        elif phase_of(work) == "in_doubt":
            self.look_up(work, fate)
        elif work.stuck:
            self.set_aside(work)
        elif work.attempt is not None or not packed or not packable(work.records[0]):
            self.send(work, fate)
        else:
            self.send(self.outbox.gather(work, packable, 4), fate)

    def send(self, work: Work, fate: str) -> None:
        """The first or another try, which takes effect or not; of a pack that is refused, all but the first does."""
        if not self.still_has(work):
            return
        attempt = replace(work.attempt or attempt_for(work), phase="sending")
        self.check_order(work)
        if not self.done(lambda: self.outbox.begin(work, attempt)) or self.raised:
            return  # nothing of a request leaves that is not known to be stored
        if fate not in ("fine", "lost after", "dead"):
            return
        pairs = list(zip(work.positions, work.records, strict=True))[fate == "dead" :]
        self.took[attempt_id(work)] = {at for at, _ in pairs}
        for _, record in pairs:
            self.oden.take(record)

    def still_has(self, work: Work) -> bool:
        """Whether no kill, while the choice was made, has made another life of it."""
        return work.attempt is None or any(one.attempt == work.attempt for one in self.outbox.work())

    def check_order(self, work: Work) -> None:
        """Nothing is offered before what it depends on is at Oden."""
        there = read(self.rows)
        for record in work.records:
            if isinstance(record, StartInterval):
                assert record.key not in self.oden.made
                continue
            if isinstance(record, Setting):
                first = min(there.lanes[work.lane])
                assert work.positions == (first,), "what is set of one thing is set in order"
                continue
            assert record.interval in self.oden.made
            left = sum(isinstance(one, Output) and one.interval == record.interval for one in there.records())
            if isinstance(record, UpdateInterval) and record.end is not None and work.attempt is None:
                assert left <= self.late[record.interval], "an end goes after the output from before it"

    def answer(self, work: Work, fate: str) -> None:
        """Oden tells what it took, where it took anything; or nobody learns."""
        took = self.took.get(attempt_id(work), set())
        if not self.still_has(work):
            return
        if fate.startswith("lost"):
            self.phase(work, "in_doubt" if creates(work.records[0]) else "retry")
        elif took:
            self.settle(work, took, set(work.positions) - took)
        elif fate == "put back":
            self.settle(work, set(), set())
        elif fate == "dead":
            self.settle(work, set(), set(work.positions))
        else:
            self.phase(work, "retry")

    def look_up(self, work: Work, fate: str) -> None:
        """What is in doubt is found, or not. A pack is settled by what is there."""
        took = self.took.get(attempt_id(work), set())
        if not self.still_has(work):
            return
        if took or len(work.positions) > 1:
            self.settle(work, took, set())
        elif fate == "dead":
            self.settle(work, set(), set(work.positions))
        else:
            self.phase(work, "retry")

    def set_aside(self, work: Work) -> None:
        """What is stuck is parked, or buried where its interval is forgotten."""
        if work.interval is not None:
            self.done(lambda: self.outbox.park(work))
        elif self.outbox.interval(work.records[0].interval) is None:
            self.done(lambda: self.outbox.settle(work, {}, {work.positions[0]: "its interval is not known"}, 7.0))

    def phase(self, work: Work, phase: Phase) -> None:
        assert work.attempt is not None
        attempt = replace(work.attempt, phase=phase)
        self.done(lambda: self.outbox.begin(work, attempt))

    def settle(self, work: Work, delivered: set[int], dead: set[int]) -> None:
        assert work.attempt is not None
        ids = {
            at: id_of(one.key) if isinstance(one, StartInterval) else None
            for at, one in zip(work.positions, work.records, strict=True)
            if at in delivered
        }
        if self.done(lambda: self.outbox.settle(work, ids, dict.fromkeys(dead, "no"), 7.0)):
            self.took.pop(attempt_id(work), None)

    # And at last

    def teardown(self) -> None:
        if hasattr(self, "rows"):
            self.rows.fails = self.rows.reads_left = None
            self.drain()
            self.all_is_there()
            self.rows.close()

    def drain(self) -> None:
        """Everything can be delivered, in no more steps than there are things to do."""
        for _ in range(20 * len(read(self.rows).records()) + 20):
            works = self.offered()
            if not works:
                break
            under_way = (number for number, one in enumerate(works) if phase_of(one) == "sending")
            self.request(next(under_way, 0), "fine", packed=True, stale=False)
        counts = self.outbox.counts()
        assert (counts.waiting, counts.sending, counts.in_doubt) == (0, 0, 0), "something waits for ever"

    def all_is_there(self) -> None:
        """What Oden shows is what was committed, but for what a dead letter says or stops."""
        self.every_record_is_in_one_place()
        self.amounts_are_conserved()
        there = read(self.rows)
        dead = {record.interval for record in there.dead}
        lost = {record.interval for record in there.dead if isinstance(record, StartInterval)}
        assert {record.interval for record in there.records()} <= lost
        refused = {str(record.about) for record in there.dead if isinstance(record, Setting)}
        for thing in self.told.set:
            assert thing[-1] in refused or self.oden.set[thing] == self.told.set[thing]
        assert self.oden.made.keys() == self.told.made.keys() - lost
        for key in self.oden.made.keys() - dead:
            assert self.oden.shown(key, SPAN) == self.told.shown(key, SPAN)


TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


class DiskMachine(OutboxMachine):
    """The same on disk, where a kill closes the store and opens it again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())

    def make(self) -> KeyValueStore:
        return SqliteStore(self.folder / "outbox")

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.folder)


def test_the_same_on_disk() -> None:
    """Every claim above, with rows on disk."""
    quick = settings(
        max_examples=20, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(DiskMachine, settings=quick)
