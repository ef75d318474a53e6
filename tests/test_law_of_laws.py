"""The law of laws, pure: mapping, outbox and a model of Oden, over made plants; `make laws` tries it on 10,100. However
late, double or cut into commits what a plant says arrives, and whatever becomes of requests and processes meanwhile,
once all is at rest Oden shows what it would have shown undisturbed; and never takes from an interval what another has
not got yet.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.mapping.compile import LinePlan
from gateway.mapping.feeder import feed
from gateway.mapping.line import LineState, Tick
from gateway.mapping.trail import Feed
from gateway.model import Output, Record, Sample, StartInterval, UpdateInterval
from gateway.outbox.entries import Commit, Work
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.operator_actions import retry
from gateway.outbox.store import Outbox
from tests.mapping.laws import PIECES, of_piece
from tests.mapping.recording import LINE, plan
from tests.mapping.test_late_properties import HASTY, PLANT, SECTIONS, Made, arrivals, facts, made_plants
from tests.outbox.actions_rig import dead, problems
from tests.outbox.floor import begun, in_phase

FATES = ("taken", "taken", "taken", "refused", "lost", "lost after it was taken", "not sent")
"""What becomes of a request."""


@dataclass
class Oden:
    """What is there: records as they were taken, and a judge of their order."""

    records: list[Record] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    def take(self, record: Record) -> str | None:
        assert record.key not in self.keys, "nothing is made twice"
        if isinstance(record, Output):
            assert self.keys.issuperset(record.after), "what is taken from one interval has been added to another"
        self.keys.add(record.key)
        self.records.append(record)
        return f"id of {record.key}" if isinstance(record, StartInterval) else None


class Plant:
    """A line, its outbox and Oden; what comes of arrivals is committed, and something of it is delivered."""

    def __init__(self, plan: LinePlan = PLANT) -> None:
        self.plan = plan
        self.rows = MemoryStore()
        self.outbox = Outbox(self.rows)
        self.oden = Oden()
        self.line = Feed(LineState())
        self._waiting: list[Record] = []

    def hear(self, event: Sample | Tick) -> None:
        self.line, result = feed(self.plan, self.line, event)
        self._waiting += result.records

    def commit(self) -> None:
        if self._waiting:
            self.outbox.commit(Commit(number=self.outbox.last_commit() + 1, records=tuple(self._waiting)))
            self._waiting.clear()

    def restart(self) -> None:
        """The process is killed, and starts again: what was on its way is in doubt."""
        self.outbox = Outbox(self.rows)

    def deliver(self, which: int, fate: str) -> None:
        """One step of one piece of work."""
        works = self.outbox.work()
        if not works:
            return
        work = works[which % len(works)]
        if work.stuck and work.interval is not None:
            self.outbox.park(work)
        elif work.stuck:
            self.outbox.settle(work, {}, {work.positions[0]: "its interval is not known any more"})
        elif work.attempt is not None and work.attempt.phase != "retry":
            self._look_up(work)
        else:
            self._send(work, fate)

    def _send(self, work: Work, fate: str) -> None:
        work = begun(self.outbox, work) if work.attempt is None else in_phase(self.outbox, work, "sending")
        match fate:
            case "taken":
                self.outbox.settle(work, self._taken(work))
            case "refused":
                self.outbox.settle(work, {}, dict.fromkeys(work.positions, "400: no"))
            case "lost":
                in_phase(self.outbox, work, "in_doubt")
            case "lost after it was taken":
                self._taken(work)
                in_phase(self.outbox, work, "in_doubt")
            case _:
                in_phase(self.outbox, work, "retry")

    def _taken(self, work: Work) -> dict[int, str | None]:
        return {at: self.oden.take(one) for at, one in zip(work.positions, work.records, strict=True)}

    def _look_up(self, work: Work) -> None:
        """What is in doubt is looked up: it is there whole or not at all."""
        there = {at: one for at, one in zip(work.positions, work.records, strict=True) if one.key in self.oden.keys}
        if there:
            ids = {at: f"id of {one.key}" if isinstance(one, StartInterval) else None for at, one in there.items()}
            self.outbox.settle(work, ids)
        else:
            in_phase(self.outbox, work, "retry")

    def rest(self) -> None:
        """Everything works, and what was refused is sent once more, until nothing is left."""
        while True:
            while self.outbox.work():
                self.deliver(0, "taken")
            letters = dead(self.outbox)
            if not letters:
                return
            retry(self.outbox, letters)


Shown = tuple[set[object], dict[object, float]]


def shown(records: Sequence[Record], still_on: Collection[str] = ()) -> Shown:
    """What Oden shows, without the seconds that are left of what never was; of what is `still_on` a second was told in
    between, and its end is to come."""
    gone = {record.interval for record in records if isinstance(record, UpdateInterval) and record.withdraws}
    latest: dict[str, int | None] = {}
    for record in records:
        if isinstance(record, StartInterval | UpdateInterval) and record.end is not None:
            latest[record.interval] = record.end
    starts = {record.key: record.start for record in records if isinstance(record, StartInterval)}
    slivers = {key for key in gone if key in starts and latest.get(key) == starts[key] + 1} - {*still_on}
    of_slivers = sums([record for record in records if record.interval in slivers])
    assert not any(of_slivers.values()), "nothing is left in what never was"
    known = [record for record in records if record.interval not in slivers]
    return facts(
        [
            replace(record, end=None)
            if isinstance(record, StartInterval | UpdateInterval) and record.interval in still_on
            else record
            for record in known
        ]
    )


def sums(records: Sequence[Record]) -> dict[object, float]:
    found: dict[object, float] = {}
    for record in records:
        if isinstance(record, Output):
            for name in record.amounts:
                key = (record.interval, name, record.raw_data.get("scrap_code") if name == "scrap" else None)
                found[key] = round(found.get(key, 0) + float(str(record.raw_data[name])), 6)
    return found


def undisturbed(messages: list[Made], line: LinePlan = PLANT) -> tuple[Shown, set[str]]:
    """What Oden shows where all arrives in order and at once, and what is still on then."""
    plant = Plant(line)
    for event in arrivals(messages, late=False):
        plant.hear(event)
    plant.commit()
    plant.rest()
    records = plant.oden.records
    ended = {one.interval for one in records if isinstance(one, StartInterval | UpdateInterval) and one.end is not None}
    return shown(records), {one.key for one in records if isinstance(one, StartInterval)} - ended


STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 8), st.sampled_from(FATES), st.booleans()), min_size=10, max_size=80
)
"""After so many arrivals a commit; then a step of what waits, and its fate; and whether the process is killed."""


LINES = (
    PLANT,
    plan(**SECTIONS, scrap_yield={**LINE["scrap_yield"], "wait": "45s"}),
    plan(**SECTIONS, scrap_yield={**LINE["scrap_yield"], "every": "5m", "wait": "45s", "align": "run"}),
    plan(**SECTIONS, late_withdraw="delete"),
)
"""Whatever is set of late messages, the same is at Oden."""


@pytest.mark.parametrize("piece", PIECES)
@given(made_plants(), STEPS, st.sampled_from(LINES))
@settings(of_piece(40, 216), suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_p13_at_rest_oden_shows_what_it_would_have_shown_undisturbed(
    piece: int, messages: list[Made], steps: list[tuple[int, int, str, bool]], line: LinePlan
) -> None:
    """Late by up to 800 s, in any order, whatever becomes of each request, and with kills: the same intervals, details
    and sums; and nothing is ever taken from an interval before another has it."""
    _at_rest(messages, steps, line, undisturbed(messages))


@pytest.mark.parametrize("piece", PIECES)
@given(made_plants((1, 9)), STEPS)
@settings(of_piece(20, 108), suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_p13_at_rest_oden_shows_nothing_that_did_not_hold(
    piece: int, messages: list[Made], steps: list[tuple[int, int, str, bool]]
) -> None:
    """The same where orders, states and operators change before they have held."""
    _at_rest(messages, steps, HASTY, undisturbed(messages, HASTY))


def _at_rest(
    messages: list[Made],
    steps: list[tuple[int, int, str, bool]],
    line: LinePlan,
    undisturbed: tuple[Shown, set[str]],
) -> None:
    plant, events = Plant(line), arrivals(messages, late=True)
    for size, which, fate, killed in steps:
        for event in events[:size]:
            plant.hear(event)
        events = events[size:]
        plant.commit()
        plant.deliver(which, fate)
        plant.deliver(which + 1, "taken")
        if killed:
            plant.restart()
    for event in events:
        plant.hear(event)
        plant.commit()
        plant.deliver(0, "taken")
    assert not problems(plant.outbox)
    plant.rest()
    assert not problems(plant.outbox)
    counts = plant.outbox.counts()
    assert (counts.waiting, counts.parked, counts.dead) == (0, 0, 0)
    right, still_on = undisturbed
    assert shown(plant.oden.records, still_on) == right


@pytest.mark.parametrize("piece", PIECES)
@given(made_plants(), STEPS)
@settings(of_piece(15, 80), suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_p13_messages_that_come_again_change_nothing_at_oden(
    piece: int, messages: list[Made], steps: list[tuple[int, int, str, bool]]
) -> None:
    """The same where keys, states and counts are sent twice, whatever was delivered in between."""
    again = [
        replace_delay(each, each.delay + 3.0 + number) for number, each in enumerate(messages) if each.topic != "scrap"
    ]
    plant, events = Plant(), arrivals([*messages, *again], late=True)
    for size, which, fate, _ in steps:
        for event in events[:size]:
            plant.hear(event)
        events = events[size:]
        plant.commit()
        plant.deliver(which, fate)
    for event in events:
        plant.hear(event)
    plant.commit()
    plant.rest()
    right, still_on = undisturbed(messages)
    assert shown(plant.oden.records, still_on) == right


def replace_delay(made: Made, delay: float) -> Made:
    return made._replace(delay=delay)
