"""What a person does with records keeps the outbox's books: nothing is lost, nothing is twice, all that should follow
does."""

import json
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from gateway.errors import OutboxError
from gateway.model import Output, Record, StartInterval, UpdateInterval
from gateway.outbox.entries import Phase, Work
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.listing import Filter
from gateway.outbox.operator_actions import Retried, compare, drop, exported, imported, retry
from gateway.outbox.record_rules import CLOSED_KEPT, CORRECTABLE
from gateway.outbox.store import Outbox
from tests.outbox.actions_rig import LINES, TYPE, Plant, all_of, buried, dead, next_work, problems, refuse, send
from tests.outbox.floor import commit


@dataclass
class Oden:
    """What has been delivered: every interval, with its fields, and its total. Refuses what stands in `bad`."""

    fields: dict[str, dict[str, object]] = field(default_factory=dict)
    total: Counter[str] = field(default_factory=Counter)

    def take(self, record: Record) -> None:
        if isinstance(record, StartInterval):
            assert record.key not in self.fields, "an interval was made twice"
            self.fields[record.key] = {"start": record.start}
        known = self.fields[record.interval]
        if isinstance(record, Output):
            self.total[record.interval] += int(str(record.raw_data["yield"]))
        elif isinstance(record, UpdateInterval | StartInterval):
            known |= record.metadata
            known |= {"end": record.end} if record.end is not None else {}


def accept(outbox: Outbox, work: Work, oden: Oden) -> None:
    for record in work.records:
        oden.take(record)
    outbox.settle(
        send(outbox, work), {at: f"id-{r.interval}" for at, r in zip(work.positions, work.records, strict=True)}
    )


def deliver_all(outbox: Outbox, oden: Oden) -> None:
    """As delivery does it, with an Oden that takes everything."""
    while works := outbox.work():
        work = works[0]
        if work.stuck and work.interval is not None:
            outbox.park(work)
        elif work.stuck:
            outbox.settle(work, {}, dict.fromkeys(work.positions, "its interval is not known any more"), 1.0)
        else:
            accept(outbox, work, oden)


class Letters(RuleBasedStateMachine):
    """Records come, are taken, refused and left in doubt, tried again and dropped, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = MemoryStore()
        self.outbox = Outbox(self.rows)
        self.plant, self.oden = Plant(), Oden()
        self.expected: dict[str, dict[str, object]] = {}
        self.total: Counter[str] = Counter()
        self.ended: set[str] = set()

    begun = Bundle("begun")

    @rule(target=begun, line=st.sampled_from(LINES), type_=st.sampled_from(["RUN", "STATE", TYPE]))
    def starts(self, line: str, type_: str) -> StartInterval:
        record = self.plant.start(line, type_)
        self.expected[record.key] = {"start": record.start, **record.metadata}
        commit(self.outbox, record)
        return record

    @rule(of=begun, amount=st.integers(1, 9))
    def produces(self, of: StartInterval, amount: int) -> None:
        if of.key in self.expected:
            self.total[of.key] += amount
            commit(self.outbox, self.plant.output(of, amount))

    @rule(of=begun, end=st.booleans())
    def updates(self, of: StartInterval, end: bool) -> None:
        if of.key in self.expected and not (end and of.key in self.ended):
            record = self.plant.update(of, end=end)
            self.expected[of.key] |= {**record.metadata, **({"end": record.end} if end else {})}
            self.ended |= {of.key} if end else set()
            commit(self.outbox, record)

    @rule(data=st.data(), fate=st.sampled_from(["taken", "taken", "refused", "again", "doubt"]))
    def delivers(self, data: st.DataObject, fate: str) -> None:
        works = self.outbox.work()
        if not works:
            return
        work = data.draw(st.sampled_from(works))
        if work.stuck:
            assert work.interval is not None, "a record was left without its interval"
            self.outbox.park(work)
        elif fate == "taken":
            accept(self.outbox, work, self.oden)
        elif fate == "refused":
            refuse(self.outbox, work)
        elif fate == "again" or not isinstance(work.records[0], UpdateInterval):
            work = send(self.outbox, work)
            assert work.attempt is not None
            phase: Phase = "retry" if fate == "again" else "in_doubt"
            self.outbox.begin(work, replace(work.attempt, phase=phase, not_before=1e9))

    @rule()
    def outage_ends(self) -> None:
        self.outbox.resume()

    @rule()
    def restarts(self) -> None:
        self.outbox = Outbox(self.rows)

    @rule(data=st.data())
    def retries_some(self, data: st.DataObject) -> None:
        letters = dead(self.outbox)
        if letters:
            some = data.draw(st.lists(st.sampled_from(letters), min_size=1, unique_by=lambda one: one.record.key))
            assert retry(self.outbox, some).hopeless == 0
            assert not {one.position for one in some} & {one.position for one in dead(self.outbox)}

    @rule()
    def hurries(self) -> None:
        found = all_of(self.outbox, Filter(where="again"))
        assert retry(self.outbox, found).sent == len(found)
        assert all(one.not_before == 0 for one in all_of(self.outbox, Filter(where="again")))

    @rule(data=st.data())
    def changes_and_retries(self, data: st.DataObject) -> None:
        letters = [one for one in dead(self.outbox) if isinstance(one.record, StartInterval)]
        if letters:
            one = data.draw(st.sampled_from(letters))
            text = json.loads(exported(one))
            text["details"]["product"] = f"mended {one.record.key}"
            changed = imported([json.dumps(text)])
            compare(letters, changed)
            assert retry(self.outbox, [one], {key: record for key, (_, record) in changed.items()}).sent == 1
            self.expected[one.record.interval]["product"] = f"mended {one.record.key}"

    @rule(data=st.data())
    def drops(self, data: st.DataObject) -> None:
        letters = [one for one in dead(self.outbox) if isinstance(one.record, StartInterval)]
        if letters:
            one = data.draw(st.sampled_from(letters))
            key = one.record.key
            others = all_of(self.outbox, Filter(interval=frozenset({key})))
            assert drop(self.outbox, [one], others) == 1 + len(others)
            del self.expected[key]
            self.total.pop(key, None)

    @invariant()
    def the_books_are_right(self) -> None:
        assert problems(self.outbox) == []
        totals = self.outbox.totals
        there = len(all_of(self.outbox))
        assert (
            sum(totals.records.values()) == totals.delivered + totals.merged + totals.dropped + totals.outdated + there
        )

    def teardown(self) -> None:
        """In the end, with everything tried again, Oden has exactly what is expected."""
        for _ in range(3):
            deliver_all(self.outbox, self.oden)
            letters = dead(self.outbox)
            assert retry(self.outbox, letters).hopeless == 0
        assert all_of(self.outbox) == []
        assert self.oden.fields == self.expected
        assert self.oden.total == self.total


TestLetters = Letters.TestCase
TestLetters.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_p5_dependents_are_released_by_a_retry() -> None:
    """What waits with a dead start is delivered once the start, tried again, is; in the right order, and once."""
    outbox, plant, oden = Outbox(MemoryStore()), Plant(), Oden()
    start = buried(outbox, plant)
    commit(outbox, plant.output(start, 5), plant.update(start), plant.update(start, end=True))
    deliver_all(outbox, oden)
    assert oden.fields == {}
    assert [one.where for one in all_of(outbox)] == ["dead", "parked", "parked"]
    assert retry(outbox, dead(outbox)).sent == 1
    deliver_all(outbox, oden)
    assert (oden.total[start.key], oden.fields[start.key]["end"]) == (5, 1004)
    assert all_of(outbox) == []


def test_a_later_update_wins_over_one_that_was_parked() -> None:
    """An update that comes after a retry is not undone by an older one that was set aside before it."""
    outbox, plant, oden = Outbox(MemoryStore()), Plant(), Oden()
    start = buried(outbox, plant)
    commit(outbox, replace(plant.update(start), metadata={"colour": "old"}))
    outbox.park(next_work(outbox))
    retry(outbox, dead(outbox))
    commit(outbox, replace(plant.update(start), metadata={"colour": "new"}))
    deliver_all(outbox, oden)
    assert oden.fields[start.key]["colour"] == "new"


def test_a_later_update_wins_over_one_that_is_tried_again() -> None:
    """A refused update that is tried again while a later one waits gives way to it, field by field."""
    outbox, plant, oden = Outbox(MemoryStore()), Plant(), Oden()
    start = plant.start()
    commit(outbox, start)
    deliver_all(outbox, oden)
    commit(outbox, replace(plant.update(start), metadata={"colour": "old", "size": "L"}))
    refuse(outbox, next_work(outbox))
    commit(outbox, replace(plant.update(start), metadata={"colour": "new"}))
    assert retry(outbox, dead(outbox)).sent == 1
    deliver_all(outbox, oden)
    assert (oden.fields[start.key]["colour"], oden.fields[start.key]["size"]) == ("new", "L")


def test_an_interval_is_known_as_long_as_a_dead_letter_names_it() -> None:
    """Refused output can still be sent after so many others have closed that its interval would have been forgotten."""
    outbox, plant, oden = Outbox(MemoryStore()), Plant(), Oden()
    first = plant.start()
    commit(outbox, first)
    deliver_all(outbox, oden)
    commit(outbox, plant.output(first, 7))
    refuse(outbox, next_work(outbox))
    commit(outbox, plant.update(first, end=True))
    deliver_all(outbox, oden)
    for _ in range(CLOSED_KEPT + 3):
        start = plant.start()
        commit(outbox, start, plant.update(start, end=True))
        deliver_all(outbox, oden)
    assert retry(outbox, dead(outbox)).sent == 1
    deliver_all(outbox, oden)
    assert oden.total[first.key] == 7
    plant.number += CORRECTABLE
    for _ in range(CLOSED_KEPT + 3):
        start = plant.start()
        commit(outbox, start, plant.update(start, end=True))
        deliver_all(outbox, oden)
    assert outbox.interval(first.key) is None


def test_a_drop_takes_also_what_is_parked_meanwhile() -> None:
    """A record that delivery sets aside between the look and the drop goes with its start; delivery that had chosen a
    record which is gone then does nothing with it."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    start = buried(outbox, plant)
    commit(outbox, plant.output(start), plant.update(start))
    found, others = dead(outbox), all_of(outbox, Filter(interval=frozenset({start.key})))
    chosen = [work for work in outbox.work() if work.stuck]
    outbox.park(chosen[0])
    assert drop(outbox, found, others) == 3
    outbox.park(chosen[1])
    assert (all_of(outbox), problems(outbox), outbox.interval(start.key)) == ([], [], None)


def test_a_letter_is_dropped_or_retried_once() -> None:
    """Two commands at the same time do not act twice on one letter."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    buried(outbox, plant)
    found = dead(outbox)
    assert [retry(outbox, found).sent, retry(outbox, found).sent, drop(outbox, found)] == [1, 0, 0]
    assert problems(outbox) == []


def test_only_dead_letters_can_be_dropped() -> None:
    """What waits, is parked or under way stays, whatever is asked for."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    start = plant.start()
    commit(outbox, start, plant.output(start), plant.start())
    send(outbox, next_work(outbox, "start"))
    everything = all_of(outbox)
    assert drop(outbox, everything, everything) == 0
    assert all_of(outbox) == everything


def test_a_letter_without_its_interval_stays() -> None:
    """A record that can never be sent is not tried again: it stays until it is dropped."""
    outbox, plant, oden = Outbox(MemoryStore()), Plant(), Oden()
    stranger = plant.output(plant.start())
    commit(outbox, stranger)
    deliver_all(outbox, oden)
    assert retry(outbox, dead(outbox)) == Retried(hopeless=1)
    with pytest.raises(OutboxError, match=r"its interval is not known any more\. Nothing was changed"):
        retry(outbox, dead(outbox), {stranger.key: stranger})
    assert drop(outbox, dead(outbox)) == 1
    assert problems(outbox) == []


def test_an_import_is_whole_or_nothing() -> None:
    """Where one letter of an import is gone, none of the others is sent."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    buried(outbox, plant)
    buried(outbox, plant)
    found = dead(outbox)
    retry(outbox, found[1:])
    before = [one.record.key for one in dead(outbox)]
    with pytest.raises(OutboxError, match=r"it is not a dead letter any more\. Nothing was changed"):
        retry(outbox, found, {one.record.key: one.record for one in found})
    assert [one.record.key for one in dead(outbox)] == before


def test_what_was_changed_is_what_is_sent() -> None:
    """The change is in the record that is sent; the interval that has got an end counts as ended."""
    outbox, plant, oden = Outbox(MemoryStore()), Plant(), Oden()
    start = buried(outbox, plant)
    text = json.loads(exported(dead(outbox)[0])) | {"name": "another", "end": 2000}
    changed = imported(["", json.dumps(text), ""])
    compare(dead(outbox), changed)
    retry(outbox, dead(outbox), {start.key: changed[start.key][1]})
    record = next_work(outbox).records[0]
    assert (record.name, record.end) == ("another", 2000)  # type: ignore[union-attr]  # it is a start
    interval = outbox.interval(start.key)
    assert interval is not None
    assert interval.ended
    deliver_all(outbox, oden)
    assert problems(outbox) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"start": 5}, "line 1: 'start' cannot be changed, it was 1001"),
        ({"line": "Factory A/Line 02"}, "line 1: 'line' cannot be changed"),
        ({"type": "OTHER"}, "line 1: 'type' cannot be changed"),
        ({"key": "01KAQ3V5ZP4K7RAAAAAAAAAAAA"}, "line 1: there is no dead letter 01KAQ3V5ZP4K7RAAAAAAAAAAAA"),
        ({"end": 1001}, "line 1: 'end' must be after 'start'"),
        ({"nmae": "x"}, "line 1: a record has no 'nmae'"),
        ({"name": 7}, "line 1: this is not a record: name: Input should be a valid string"),
        ({"kind": "begin"}, "line 1: this is not a record"),
    ],
)
def test_a_change_that_cannot_be_is_refused(change: dict[str, object], complaint: str) -> None:
    """Identity and place of a record stay, fields are those of a record, and what is wrong is said with its line."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    buried(outbox, plant)
    text = json.dumps(json.loads(exported(dead(outbox)[0])) | change)
    with pytest.raises(OutboxError) as error:
        compare(dead(outbox), imported([text]))
    assert str(error.value).startswith(complaint)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"key": ', "line 2: this is not JSON: "),
        ("[1]", "line 2: this is not a record"),
        ('"text"', "line 2: this is not a record"),
        ("same", "line 2: {key} is there twice, first on line 1"),
    ],
)
def test_a_line_that_is_no_record_is_refused(text: str, complaint: str) -> None:
    """Broken JSON, something else than an object, and a record that is there twice, each with its line."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    start = buried(outbox, plant)
    right = exported(dead(outbox)[0])
    with pytest.raises(OutboxError) as error:
        imported([right, right if text == "same" else text])
    assert str(error.value).startswith(complaint.format(key=start.key))


def test_an_end_and_an_amount_stay_what_they_are() -> None:
    """An end cannot be taken away, and an amount is a number: others count on both."""
    outbox, plant, oden = Outbox(MemoryStore()), Plant(), Oden()
    start = plant.start()
    commit(outbox, start)
    deliver_all(outbox, oden)
    commit(outbox, plant.output(start), plant.update(start, end=True))
    for kind in ("output", "update"):
        refuse(outbox, next_work(outbox, kind))
    end, amount = (
        json.loads(exported(next(one for one in dead(outbox) if one.record.kind == k))) for k in ("update", "output")
    )
    for text, complaint in (
        (end | {"end": None}, "'end' cannot be taken away"),
        (amount | {"raw_data": {"yield": "many"}}, "each of 'amounts' must be a number"),
        (amount | {"timestamp": 1}, "'timestamp' cannot be changed"),
    ):
        with pytest.raises(OutboxError, match=complaint):
            compare(dead(outbox), imported([json.dumps(text)]))
