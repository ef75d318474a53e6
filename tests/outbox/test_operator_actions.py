"""What a person does with records keeps the outbox's books: nothing is lost, nothing is twice, all that should follow
does."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from gateway.errors import OutboxError
from gateway.model import Output, Record, Setting, StartInterval, UpdateInterval, record_key
from gateway.outbox.entries import Attempt, Phase, Work
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.listing import Cursor, Filter, Listed, details, page
from gateway.outbox.operator_actions import Retried, compare, drop, exported, imported, retry
from gateway.outbox.record_rules import CLOSED_KEPT, CORRECTABLE
from gateway.outbox.reindex import reindex
from gateway.outbox.store import Outbox
from gateway.outbox.verify import check, lines, strays
from tests.outbox import floor as things
from tests.outbox.floor import commit

LINES = ("Factory A/Line 01", "Factory A/Line 02")
LINE = LINES[0]
TYPE = "WASH"


@dataclass
class Plant:
    """Makes records with keys of their own; the `n`th has the time 1000 + n."""

    number: int = 0

    def start(self, line: str = LINE, type_: str = TYPE) -> StartInterval:
        at = self._tick()
        return StartInterval(record_key(line, at, at), line, at, type_, at, f"no {at}", {"product": "P"})

    def update(self, of: StartInterval, *, end: bool = False) -> UpdateInterval:
        at = self._tick()
        return UpdateInterval(
            record_key(of.line, at, at),
            of.line,
            at,
            of.type,
            of.key,
            at if end else None,
            None,
            {f"f{at % 3}": str(at)},
        )

    def output(self, of: StartInterval, amount: int = 1) -> Output:
        at = self._tick()
        return Output(record_key(of.line, at, at), of.line, at, of.type, of.key, at, {"yield": amount}, ("yield",))

    def _tick(self) -> int:
        self.number += 1
        return 1000 + self.number


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


def all_of(outbox: Outbox, wanted: Filter | None = None, rows: int = 3) -> list[Listed]:
    """Everything that fits, read in small pages."""
    found: list[Listed] = []
    begin: Cursor | None = None
    while True:
        some, begin = page(outbox, wanted or Filter(), begin, rows)
        found += some
        if begin is None:
            return found


def dead(outbox: Outbox) -> list[Listed]:
    return all_of(outbox, Filter(where="dead"))


def problems(outbox: Outbox) -> list[str]:
    verdicts = [verdict for line in lines(outbox) for verdict in check(outbox, line) if verdict is not None]
    return [problem for verdict in verdicts for problem in verdict.problems] + list(strays(outbox))


def send(outbox: Outbox, work: Work) -> Work:
    """Begin `work`, or go on with it."""
    attempt = work.attempt or Attempt(work.lane, work.positions, "interval/set", '{"a":1}', begun=1.0)
    attempt = replace(attempt, phase="sending", tries=attempt.tries + 1)
    assert outbox.begin(work, attempt)
    return replace(work, attempt=attempt)


def refuse(outbox: Outbox, work: Work, error: str = "400: no") -> None:
    outbox.settle(send(outbox, work), {}, dict.fromkeys(work.positions, error), 5.0)


def accept(outbox: Outbox, work: Work, oden: Oden) -> None:
    for record in work.records:
        oden.take(record)
    outbox.settle(
        send(outbox, work), {at: f"id-{r.interval}" for at, r in zip(work.positions, work.records, strict=True)}
    )


def next_work(outbox: Outbox, kind: str | None = None) -> Work:
    return next(work for work in outbox.work() if kind in (None, work.records[0].kind))


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


def buried(outbox: Outbox, plant: Plant, type_: str = TYPE) -> StartInterval:
    """A start that Oden has refused."""
    start = plant.start(type_=type_)
    commit(outbox, start)
    refuse(outbox, next_work(outbox, "start"), "400: no such product")
    return start


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


def test_pages_show_everything_once_whatever_their_size() -> None:
    """Dead letters first, then parked ones, then the lanes; the same with pages of one row as with one of all."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    first = buried(outbox, plant)
    commit(outbox, plant.output(first))
    outbox.park(next_work(outbox, "output"))
    starts = [plant.start(type_="STATE") for _ in range(5)]
    commit(outbox, *starts, *(plant.output(start) for start in starts), plant.start(LINES[1]))
    work = next_work(outbox, "start")
    outbox.begin(work, replace(send(outbox, work).attempt, phase="in_doubt", reason="cut"))  # type: ignore[arg-type, type-var]
    outbox.resume()
    whole = all_of(outbox, rows=10**6)
    assert [all_of(outbox, rows=rows) for rows in (1, 2, 7)] == [whole] * 3
    assert [one.where for one in whole[:2]] == ["dead", "parked"]
    assert Counter(one.where for one in whole) == {"dead": 1, "parked": 1, "doubt": 1, "waiting": 10}
    assert len({one.record.key for one in whole}) == 13


def test_filters_narrow_it_down() -> None:
    """By key, line, kind, type, where, error and age; all that are given hold together."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    first = buried(outbox, plant)
    other = plant.start(LINES[1], "STATE")
    entry = plant.output(other)
    commit(outbox, other, entry)

    def keys(**wanted: object) -> set[str]:
        return {one.record.key for one in all_of(outbox, Filter(**wanted))}  # type: ignore[arg-type]

    assert keys(keys=frozenset({first.key[:20]})) == keys(keys=frozenset({first.key})) == {first.key}
    assert keys(lines=(LINES[1],)) == {other.key, entry.key}
    assert keys(kind="output") == {entry.key}
    assert keys(kind="state") == {other.key, entry.key}
    assert keys(where="dead") == keys(error="NO SUCH") == {first.key}
    assert keys(before=1002) == {first.key}
    assert keys(after=1003) == keys(lines=(LINES[1],), kind="output") == {entry.key}
    assert keys(interval=frozenset({other.key})) == {entry.key}
    assert keys(where="again") == set()


def test_what_stands_beside_a_record_is_found() -> None:
    """The letter of a dead one, the attempt of one under way, with the request as it was sent; the interval of
    either."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    buried(outbox, plant)
    commit(outbox, plant.start(LINES[1]))
    send(outbox, next_work(outbox))
    letter, moving = all_of(outbox)
    beside = details(outbox, letter)
    assert beside.letter is not None
    assert (beside.letter.body, beside.letter.error, beside.attempt) == ('{"a":1}', "400: no such product", None)
    beside = details(outbox, moving)
    assert beside.attempt is not None
    assert (beside.attempt.body, beside.letter, moving.where) == ('{"a":1}', None, "sending")


DAMAGE: dict[str, tuple[Callable[[MemoryStore, list[str]], None], str]] = {
    "a record is gone": (lambda rows, keys: rows.apply({}, [keys[0]]), "records are there, and"),
    "a record is no record": (lambda rows, keys: rows.apply({keys[0]: "{}"}), "this is not a record"),
    "a record is in the wrong lane": (
        lambda rows, keys: rows.apply({keys[0]: rows.get(keys[1]) or ""}),
        "does not belong into this lane",
    ),
    "an interval is gone": (
        lambda rows, keys: rows.apply({}, [key for key, _ in list(rows.items()) if key.startswith("interval/")]),
        "is not known",
    ),
    "a record that no lane leads to": (
        lambda rows, keys: rows.apply({f"record/{LINE}/output/99": "{}"}),
        "a record that no lane leads to",
    ),
    "an attempt that no lane leads to": (
        lambda rows, keys: rows.apply({f"attempt/{LINE}/output/99": "{}"}),
        "an attempt that no lane leads to",
    ),
    "output is miscounted": (
        lambda rows, keys: _miscount(rows, '"outputs":1', '"outputs":2'),
        "entries of output are there, and 2 should be",
    ),
    "parked ones are miscounted": (
        lambda rows, keys: _miscount(rows, '"outputs":1', '"outputs":1,"parked":4'),
        "records are parked with it, and 4 should be",
    ),
    "the start is elsewhere": (
        lambda rows, keys: _miscount(rows, '"start_at":0', '"start_at":7'),
        "its start should wait as",
    ),
}


def _miscount(rows: MemoryStore, old: str, new: str) -> None:
    (key,) = (key for key, _ in rows.items() if key.startswith("interval/"))
    text = rows.get(key)
    assert text is not None
    assert old in text
    rows.apply({key: text.replace(old, new)})


@pytest.mark.parametrize("damage", DAMAGE)
def test_verify_finds_what_is_wrong(damage: str) -> None:
    """Each kind of damage to rows is found and said; without it there is nothing to say."""
    rows, plant = MemoryStore(), Plant()
    outbox = Outbox(rows)
    start = plant.start()
    commit(outbox, start, plant.output(start))
    assert problems(outbox) == []
    change, complaint = DAMAGE[damage]
    change(rows, [key for key, _ in rows.items() if key.startswith("record/")])
    assert any(complaint in problem for problem in problems(Outbox(rows)))


def test_verify_does_not_count_what_moves() -> None:
    """Records that come while a line is read are no problem: it says that it could not count."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    commit(outbox, *(plant.start(type_="STATE") for _ in range(600)))
    steps = check(outbox, LINE)
    assert next(steps) is None
    commit(outbox, plant.start(type_="STATE"))
    verdict = list(steps)[-1]
    assert verdict is not None
    assert (verdict.problems, verdict.moved) == ([], True)


def test_a_setting_that_is_sent_once_more_gives_way_to_what_waits() -> None:
    """A refused setting can be listed, exported, changed and retried; what was said of the same thing since holds,
    field by field."""
    floor, oden, outbox = things.Floor(), things.Oden(), Outbox(MemoryStore())
    commit(outbox, floor.setting("Film", lsl=1, usl=9))
    (work,) = outbox.work()
    outbox.settle(things.begun(outbox, work), {}, {work.positions[0]: "no"}, 7.0)
    commit(outbox, floor.setting("Film", lsl=2))
    (letter,) = all_of(outbox, Filter(where="dead", kind="target"))
    line = exported(letter).replace('"usl": 9', '"usl": 8')
    changed = imported([line])
    compare([letter], changed)
    done = retry(outbox, [letter], {key: record for key, (_, record) in changed.items()})
    assert done.sent == 1
    assert problems(outbox) == []
    assert things.drain(outbox, oden) == 1
    assert [fields | {} for fields in oden.set.values()] == [
        {"product": {"name": "Film"}, "metric_group": {"name": "Speed"}, "lsl": 2, "usl": 8}
    ]


def refused(outbox: Outbox, work: Work) -> None:
    """Oden refuses a setting for good."""
    outbox.settle(things.begun(outbox, work), {}, {work.positions[0]: "no"}, 7.0)


MANY = 150
"""Things: more than anything in memory is about."""


@pytest.mark.parametrize("killed", [False, True])
def test_p5_of_many_refused_settings_none_takes_back_what_was_said_later(killed: bool) -> None:
    """However many things were refused, each is no dead letter any more once it was said anew."""
    floor, oden, rows = things.Floor(), things.Oden(), MemoryStore()
    outbox = Outbox(rows)
    commit(outbox, *(floor.setting(f"Film {number}", lsl=1) for number in range(MANY)))
    while works := outbox.work():
        refused(outbox, works[0])
    assert outbox.counts().dead == MANY
    outbox = Outbox(rows) if killed else outbox
    commit(outbox, *(floor.setting(f"Film {number}", lsl=2) for number in range(MANY)))
    things.drain(outbox, oden)
    assert (outbox.counts().dead, outbox.totals.outdated) == (0, MANY)
    assert [key for key, _ in rows.items() if key.startswith("thing/")] == []
    assert problems(outbox) == []


def test_p5_two_refusals_of_one_thing_take_nothing_back() -> None:
    """Where two dead letters speak of one thing, what is said later counts against both."""
    floor, oden, outbox = things.Floor(), things.Oden(), Outbox(MemoryStore())
    for setting in (floor.setting("Film", lsl=1, usl=9), floor.setting("Film", lsl=2)):
        commit(outbox, setting)
        refused(outbox, outbox.work()[0])
    assert [exported(one).count('sl":') for one in all_of(outbox, Filter(where="dead"))] == [1, 1]
    commit(outbox, floor.setting("Film", lsl=3, usl=7))
    things.drain(outbox, oden)
    assert outbox.dead_letters(5) == []
    (shown,) = oden.set.values()
    assert (shown["lsl"], shown["usl"]) == (3, 7)


@pytest.mark.parametrize("killed", [False, True])
def test_p5_a_setting_that_is_refused_while_many_wait_takes_nothing_back(killed: bool) -> None:
    """What waits far behind is later all the same, and is merged into one request for each thing."""
    floor, oden, rows = things.Floor(), things.Oden(), MemoryStore()
    outbox = Outbox(rows)
    commit(outbox, floor.setting("Film", lsl=1))
    first = things.begun(outbox, outbox.work()[0])
    commit(outbox, floor.setting("Film", lsl=2), *(floor.setting(f"Film {number}", lsl=3) for number in range(MANY)))
    outbox = Outbox(rows) if killed else outbox
    commit(outbox, *(floor.setting(f"Film {number}", usl=4) for number in range(MANY)), floor.setting("Film", usl=4))
    outbox.settle(first, {}, {first.positions[0]: "no"}, 7.0)
    assert (outbox.counts().dead, outbox.totals.outdated) == (0, 1)
    assert things.drain(outbox, oden) == MANY + 1
    assert all(fields["usl"] == 4 for fields in oden.set.values())
    assert [key for key, _ in rows.items() if key.startswith("thing/")] == []


@pytest.mark.parametrize("what", ["retried", "dropped"])
def test_p12_of_a_refused_setting_that_a_person_has_seen_to_nothing_is_left(what: str) -> None:
    """Once it was sent once more, or dropped, no row is about the thing any more."""
    floor, oden, rows = things.Floor(), things.Oden(), MemoryStore()
    outbox = Outbox(rows)
    commit(outbox, floor.setting("Film", lsl=1))
    refused(outbox, outbox.work()[0])
    (letter,) = all_of(outbox, Filter(where="dead"))
    assert [key for key, _ in rows.items() if key.startswith("thing/")] != []
    if what == "retried":
        assert retry(outbox, [letter]).sent == 1
    else:
        assert drop(outbox, [letter]) == 1
    things.drain(outbox, oden)
    assert [key for key, _ in rows.items() if key.startswith("thing/")] == []


def test_p7_what_is_known_of_things_is_made_anew_from_the_records() -> None:
    """After rows were lost, merging and dead letters go on as before: with one that waits, one that is under way, and
    one that was refused."""
    floor, rows = things.Floor(), MemoryStore()
    outbox = Outbox(rows)
    commit(outbox, floor.setting("Film", lsl=1), floor.setting("Pipe", lsl=1))
    refused(outbox, outbox.work()[0])
    things.begun(outbox, outbox.work()[0])
    commit(outbox, floor.setting("Film", usl=2), floor.setting("Pipe", lsl=2), floor.setting("Wire", lsl=1))
    whole = {key: text for key, text in rows.items() if key.startswith("thing/")}
    assert len(whole) == 3
    some, other, _ = whole
    rows.apply({"thing/of nobody": "{}", other: "no JSON"}, [some])
    assert reindex(rows) == []
    assert {key: text for key, text in rows.items() if key.startswith("thing/")} == whole


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        pytest.param(None, {"usl": 9}, id="as it was"),
        pytest.param(("usl", 8), {"usl": 8}, id="another field is changed"),
        pytest.param(("lsl", 5), {"lsl": 5, "usl": 9}, id="the field itself is changed"),
    ],
)
def test_p5_a_refused_setting_that_was_listed_before_a_later_word_takes_nothing_back(
    change: tuple[str, int] | None, sent: dict[str, int]
) -> None:
    """Listed or exported, then overtaken, then sent once more: only what nothing later says, and what the person says
    differently."""
    floor, oden, outbox = things.Floor(), things.Oden(), Outbox(MemoryStore())
    commit(outbox, floor.setting("Film", lsl=1, usl=9))
    (work,) = outbox.work()
    body = {"line": {"id": "7"}, **(work.records[0].fields if isinstance(work.records[0], Setting) else {})}
    attempt = replace(things.attempt_for(work), body=json.dumps(body))
    assert outbox.begin(work, attempt)
    outbox.settle(replace(work, attempt=attempt), {}, {work.positions[0]: "no"}, 7.0)
    (letter,) = all_of(outbox, Filter(where="dead"))
    commit(outbox, floor.setting("Film", lsl=2))
    things.drain(outbox, oden)
    changed = None
    if change is not None:
        assert isinstance(letter.record, Setting)
        changed = {letter.record.key: replace(letter.record, fields=dict([*letter.record.fields.items(), change]))}
    assert retry(outbox, [letter], changed).sent == 1
    (work,) = outbox.work()
    assert isinstance(work.records[0], Setting)
    assert {name: value for name, value in work.records[0].fields.items() if name in ("lsl", "usl")} == sent
