"""What a later life has told is taken off what an older copy of the memory still has to tell."""

from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema_io import Counter as CounterSettings
from gateway.mapping.compile import LinePlan
from gateway.mapping.counters import Credit, less_credit
from gateway.mapping.credit import Entry, Told, credited, holding, known_output, with_late
from gateway.mapping.feeder import Event, feed
from gateway.mapping.line import LineState, Step, Tick, dump, load
from gateway.mapping.trail import Feed
from gateway.model import Output, Record, Sample, StartInterval
from tests.mapping.recording import LINE, PLC, T0, Played, message, order, plan, play, scrap, tag, tick

EXAMPLE = plan()
FACTORS = [
    {"count": "good", "factor": 2, "raw_data": {"yield": "{n}"}},
    {"count": "good", "factor": -3, "raw_data": {"scrap": "{n}", "scrap_code": "Taken back"}},
]
BOTH = [{"count": "good", "raw_data": {"yield": "{n}"}}, {"count": "reject", "raw_data": {"yield": "{n}"}}]


def counting(good: dict[str, Any], entries: list[dict[str, Any]] | None = None) -> LinePlan:
    """The example with its counter of good ones like this, and perhaps with other entries."""
    inputs = {**LINE["inputs"], "good": {"source": "plc", "node": "Good", "counter": good}}
    output = {"every": "60s", "entries": entries or LINE["scrap_yield"]["entries"]}
    return plan(inputs=inputs, scrap_yield=output)


class Kind(NamedTuple):
    """A line, what its counter shows at first, and which way and over what it counts."""

    line: LinePlan
    begin: int
    step: int = 1
    turn: int = 0
    lowest: int = 0

    def shows(self, count: int) -> int:
        value = self.begin + self.step * count
        return (value - self.lowest) % self.turn + self.lowest if self.turn else value


KINDS = {
    "up": Kind(EXAMPLE, 65_500, turn=65_536),
    "narrow": Kind(counting({"rollover": 1000}), 990, turn=1000),
    "rated": Kind(counting({"rollover": 65_536, "max_rate": "10/s"}), 65_500, turn=65_536),
    "plain": Kind(counting({}), 5000),
    "rated plain": Kind(counting({"max_rate": "10/s"}), 5000),
    "down": Kind(counting({"direction": "down"}), 50_000, step=-1),
    "signed": Kind(counting({"signed": 16}), 32_700, turn=65_536, lowest=-32_768),
    "both ways": Kind(counting({"backwards": "count"}), 5000),
    "both ways over": Kind(counting({"backwards": "count", "rollover": 65_536}), 65_500, turn=65_536),
    "factors": Kind(counting({"rollover": 65_536}, FACTORS), 65_500, turn=65_536),
    "two of a kind": Kind(counting({"rollover": 65_536}, BOTH), 65_500, turn=65_536),
}


def shown(records: list[Record], since: int) -> list[Entry]:
    """What Oden shows of records beyond a time stamp."""
    return [
        (record.timestamp, dict(record.raw_data))
        for record in records
        if isinstance(record, Output) and record.timestamp > since
    ]


def totals(*parts: list[Entry]) -> Counter[str]:
    found: Counter[str] = Counter()
    for _, raw in (entry for part in parts for entry in part):
        for name in ("yield", "scrap"):
            found[f"{name} {raw.get('scrap_code', '') if name == 'scrap' else ''}"] += int(str(raw.get(name, 0)))
    return found


def nonzero(total: Counter[str]) -> dict[str, int]:
    return {name: amount for name, amount in total.items() if amount}


moves = st.lists(st.tuples(st.integers(10, 40), st.integers(0, 30), st.integers(0, 5)), min_size=1, max_size=12)


class Machine:
    """Counts, and is seen by one life after another; `made` is what it has made, as Oden is to show it."""

    def __init__(self, kind: Kind) -> None:
        self.kind, self.now, self.count, self.reject, self.made = kind, 5.0, 0, 10, Counter[str]()
        first = tag(1, "Good", kind.shows(0)), tag(1, "Reject", self.reject)
        self.state = play(kind.line, *first, order(2, "A"), tick(4)).state
        self.entries = (
            [entry for entries in kind.line.output.entries.values() for entry in entries if entry.input != "scrap"]
            if kind.line.output is not None
            else []
        )

    def lives(
        self, state: LineState, moves: list[tuple[int, int, int]], *, scraps: int = 0, ends: bool = False
    ) -> Played:
        """A life that begins with what a subscription shows first, and sees these moves: seconds, counts of the one
        counter and of the other; before them comes a message of so many `scraps`. It `ends`: its last window does."""
        samples: list[Sample | Tick] = []
        if scraps:
            self.now += 1
            samples.append(scrap(self.now, scraps, "Gel"))
            self.made.update(totals([(0, {"scrap": scraps, "scrap_code": "Gel"})]))
        initial = True
        for seconds, goods, rejects in moves:
            self.now += seconds
            self.count, self.reject = self.count + goods, self.reject + rejects
            counted = {"good": goods, "reject": rejects}
            for entry in self.entries:
                raw: dict[str, object] = {
                    **dict(entry.fixed),
                    entry.amount_names[0]: counted[entry.input] * int(str(entry.factor)),
                }
                self.made.update(totals([(0, raw)]))
            shown_now = {"Good": self.kind.shows(self.count), "Reject": self.reject}
            samples += [tag(self.now, node, value, initial=initial) for node, value in shown_now.items()]
            initial = False
        if ends:
            self.now += 130
            samples.append(tick(self.now))
        return play(self.kind.line, *samples, state=state)


@given(before=moves, since=moves, after=moves, name=st.sampled_from([*KINDS]))
def test_p4_an_older_copy_tells_each_part_once(
    before: list[tuple[int, int, int]], since: list[tuple[int, int, int]], after: list[tuple[int, int, int]], name: str
) -> None:
    """However far the counters moved before the copy was taken, in the life that it does not know, and after: what the
    two lives have told together is what was made."""
    machine = Machine(KINDS[name])
    line = machine.kind.line
    first = machine.lives(machine.state, before)
    unknown = machine.lives(first.state, since, ends=True)
    last = max(max(known.stamps, default=int(T0) + 2) for known in known_output(line, first.state))
    copy, _, _ = credited(line, first.state, {0: {"RUN": shown(unknown.records, last)}}, {})
    second = machine.lives(copy, after, ends=True)
    assert nonzero(totals(*(shown(life.records, 0) for life in (first, unknown, second)))) == nonzero(machine.made)


@given(
    chain=st.lists(st.tuples(moves, st.integers(0, 9), moves, st.integers(0, 9)), min_size=1, max_size=4),
    name=st.sampled_from(["up", "plain", "signed", "down", "both ways"]),
    is_back=st.booleans(),
)
def test_p4_however_many_copies_are_put_back_before_oden_can_be_asked_each_part_is_told_once(
    chain: list[tuple[list[tuple[int, int, int]], int, list[tuple[int, int, int]], int]], name: str, is_back: bool
) -> None:
    """Each time another life has compared and told, and a copy from before it is put back while Oden is away again.
    What was told of one stretch is taken off what was made by its end: a message of this life that is the like of one
    of another's is told all the same. `is_back`: Oden can be asked when the last of them begins."""
    machine, told, others = Machine(KINDS[name]), list[Entry](), dict[int, Told]()
    line, state = machine.kind.line, machine.state
    for number, (theirs, their_scraps, ours, our_scraps) in enumerate(chain, 1):
        knows = credited(line, state, others, {}, waits=False)[0] if others else state
        other = machine.lives(load(line, dump(knows)), theirs, scraps=their_scraps, ends=True)
        others[number] = {"RUN": shown(other.records, 0)}
        if is_back and number == len(chain):
            state = credited(line, state, others, {}, waits=True)[0]
        else:
            state = holding(line, holding(line, state, number), number)
        own = machine.lives(load(line, dump(state)), ours, scraps=our_scraps)
        told, state = [*told, *shown(own.records, 0)], own.state
    if not is_back:
        state = credited(line, state, others, {}, waits=False)[0]
    last = machine.lives(state, [(10, 0, 0)], ends=True)
    assert (last.state.output.held, last.state.output.held_before) == ((), {})
    by_others = [entry for one in others.values() for entry in one["RUN"]]
    assert nonzero(totals(by_others, told, shown(last.records, 0))) == nonzero(machine.made)


@given(since=moves, after=moves, beyond=st.integers(1, 5000), name=st.sampled_from(["up", "plain", "rated", "signed"]))
def test_p4_what_oden_shows_beyond_what_was_counted_is_no_reset_and_no_rollover(
    since: list[tuple[int, int, int]], after: list[tuple[int, int, int]], beyond: int, name: str
) -> None:
    """Where Oden shows more than the counter moved by, as where messages come again, so much less is told: nothing is
    made up of it."""
    machine = Machine(KINDS[name])
    line = machine.kind.line
    unknown = machine.lives(machine.state, since, ends=True)
    more: Entry = (int(T0), {"yield": beyond})
    copy, taken, _ = credited(line, machine.state, {0: {"RUN": [*shown(unknown.records, 0), more]}}, {})
    second = machine.lives(copy, after, ends=True)
    goods = sum(move[1] for move in after)
    assert taken["good"] == beyond + sum(move[1] for move in since)
    assert totals(shown(second.records, 0))["yield "] == max(0, goods - beyond)


@given(
    moves=st.lists(st.integers(0, 60), min_size=1, max_size=20),
    told=st.integers(1, 400),
    unit=st.sampled_from([1, 3, -2, 0.1]),
    alone=st.booleans(),
    turn=st.sampled_from([None, 1000]),
)
def test_p4_never_more_is_told_than_was_counted_beyond_what_was_told(
    moves: list[int], told: int, unit: float, alone: bool, turn: int | None
) -> None:
    """And as soon as more was counted, all of that is."""
    counter, rest = CounterSettings(rollover=turn), 0.0
    left: Credit | None = Credit(round(told * unit, 6))
    for move in moves:
        amount, lost = move * unit, 0.0
        if left is not None:
            amount, left, lost = less_credit(counter, left, amount, "on", unit, alone=alone)
        rest += amount
        assert lost == 0
    assert rest / unit == pytest.approx(max(0, sum(moves) - told), abs=1e-4)


def test_p4_more_rollovers_than_were_seen_are_known_by_what_was_told() -> None:
    """A copy of weeks ago: the counter went round twice, which is no more to be told and takes nothing from what is
    made now."""
    counter = CounterSettings(rollover=65_536)
    assert less_credit(counter, Credit(131_072 + 40), 60, "on", 1, alone=True) == (20, None, 0)
    assert less_credit(counter, Credit(131_072 + 40), 60, "on", 1, alone=False)[0] == 0


@pytest.mark.parametrize("shows", [0, 30])
def test_p4_where_a_counter_was_reset_in_the_lost_stretch_the_rest_is_listed(shows: int) -> None:
    """It counted to 5300 and was reset, and 320 more were told than it shows: how much of the last of it was told
    nobody knows. What is made from then on is told."""
    line = KINDS["plain"].line
    state = play(line, tag(1, "Good", 5000), order(2, "A"), tick(4)).state
    copy, _, _ = credited(line, state, {0: {"RUN": [(int(T0) + 9, {"yield": 350})]}}, {})
    played = play(line, tag(10, "Good", shows), tag(20, "Good", shows + 7), tick(130), state=copy)
    assert totals(shown(played.records, 0)) == Counter({"yield ": 7})
    lost = 350 - shows
    assert [notice.text for notice in played.notices if "another life" in notice.text] == [
        f"good began anew while another life told {lost} more of it than can be seen: "
        "what it counted before and did not tell is not told"
    ]
    assert played.state.output.credit == {}


def test_p4_a_glitch_just_then_takes_nothing_off_twice() -> None:
    """The PLC shows 3 for a moment and what it had counted afterwards: that is no reset."""
    line = KINDS["rated plain"].line
    state = play(line, tag(1, "Good", 5000), order(2, "A"), tick(4)).state
    copy, _, _ = credited(line, state, {0: {"RUN": [(int(T0) + 9, {"yield": 50})]}}, {})
    played = play(line, tag(30, "Good", 3), tag(31, "Good", 5100), tick(150), state=copy)
    assert totals(shown(played.records, 0)) == Counter({"yield ": 50})


def test_p4_a_copy_of_a_memory_that_has_taken_off_takes_nothing_off_once_more() -> None:
    """Nor does a gateway that was killed just then."""
    line = KINDS["plain"].line
    state = play(line, tag(1, "Good", 5000), order(2, "A"), tick(4)).state
    assert [(known.stamps, known.credited) for known in known_output(line, state)] == [((), 0)]
    after, _, _ = credited(line, state, {0: {"RUN": [(int(T0) + 70, {"yield": 50})]}}, {})
    assert [(known.stamps, known.credited) for known in known_output(line, after)] == [((), int(T0) + 70)]
    again = load(line, dump(after))
    assert again.output == after.output
    assert credited(line, again, {0: {"RUN": []}}, {}) == (again, {}, {})


def test_p4_what_waits_of_events_is_not_told_again() -> None:
    """A message that the copy has taken and not told yet, and that a later life has told."""
    state = play(EXAMPLE, tag(1, "Good", 100), order(2, "A"), scrap(10, 3, "Gel"), tick(11)).state
    later = play(EXAMPLE, scrap(20, 4, "Edge"), tick(100), state=state)
    copy, taken, _ = credited(EXAMPLE, state, {0: {"RUN": shown(later.records, int(T0) + 2)}}, {})
    assert (taken, copy.output.pending, copy.output.credit) == ({"scrap": 3}, (), {})


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("told_by_another", [True, False])
def test_p4_messages_that_wait_for_their_places_are_told_by_one_life(*, told_by_another: bool, killed: bool) -> None:
    """They came late and were acknowledged when the copy was taken: a later life has put them in their places, or not,
    as after a reboot. Where one was killed that had looked at them, the next looks at them once more."""
    copy = Feed(LineState())
    events: list[Event] = [tag(1, "Good", 100), order(2, "A"), tag(60, "Good", 110)]
    events += [scrap(70, 3, at=30), scrap(70, 4, at=31)]
    for event in events:
        copy, _ = feed(EXAMPLE, copy, event)
    assert len(copy.late) == 2
    later, records = copy, list[Record]()
    events = [scrap(75, 5, at=75), tick(200)]
    for event in events:
        later, result = feed(EXAMPLE, later, event)
        records += result.records
    of_later = shown(records, 0) if told_by_another else []
    waits = with_late(EXAMPLE, copy.state, [each.sample for each in copy.late])
    state, taken, _ = credited(EXAMPLE, waits, {0: {"RUN": of_later}}, {})
    assert taken.get("scrap", 0) == (7 if told_by_another else 0)
    if killed:
        late = [each.sample for each in copy.late]
        held = holding(EXAMPLE, with_late(EXAMPLE, state, late))
        assert holding(EXAMPLE, with_late(EXAMPLE, held, late)) == held
        state, _, _ = credited(EXAMPLE, with_late(EXAMPLE, load(EXAMPLE, dump(state)), late), {0: {"RUN": []}}, {})
    copy, again = replace(copy, state=state).begun_anew(EXAMPLE), list[Record]()
    events = [scrap(300, 6, at=300), tick(500)]
    for event in events:
        copy, result = feed(EXAMPLE, copy, event)
        again += result.records
    scraps = totals(of_later, shown(again, 0))["scrap Splice"]
    assert scraps == (7 + 5 + 6 if told_by_another else 7 + 6)
    assert copy.state.output.foretold == {}


def test_p4_what_was_held_goes_to_the_runs_in_which_it_was_made() -> None:
    """Several have begun by the time that Oden can be asked: what waited when the copy was taken was made in the first,
    what the counter had moved by since in the second."""
    line = KINDS["plain"].line
    begun = play(line, tag(1, "Good", 5000), order(2, "A"), tag(30, "Good", 5003), order(31, "B"), tick(32))
    copy = play(line, tag(40, "Good", 5007), tick(41), state=begun.state).state
    waits = play(line, tag(1, "Good", 5000), order(2, "A"), tag(30, "Good", 5003), tick(31)).state
    for state, orders, told in ((copy, "CDE", {"B": 4 + 20}), (waits, "BCDE", {"A": 3 + 24})):
        held = load(line, dump(holding(line, state)))
        events: list[Sample | Tick] = [tag(50, "Good", 5027, initial=True)]
        events += [order(60 + 20 * place, name) for place, name in enumerate(orders)]
        later = play(line, *events, tag(150, "Good", 5030), tick(160), state=held)
        assert later.state.output.kept
        after, _, _ = credited(line, load(line, dump(later.state)), {0: {"RUN": []}}, {})
        last = play(line, tick(400), state=after)
        names = {one.key: one.name for one in (*begun.records, *later.records) if isinstance(one, StartInterval)}
        by_run: Counter[str] = Counter()
        for record in (*later.records, *last.records):
            if isinstance(record, Output):
                by_run[names[record.interval] or ""] += int(str(record.raw_data["yield"]))
        assert by_run == told | {"E": 3}
        assert last.state.output.kept == ()


def test_p4_what_another_life_has_told_is_taken_off_where_it_was_made_and_off_nothing_later() -> None:
    """The counter has moved by 20 while the copy slept, of which 15 were told; then another run has begun, and waits
    with what was made in it."""
    line = KINDS["plain"].line
    copy = play(line, tag(1, "Good", 5000), order(2, "A"), tick(4))
    events = tag(50, "Good", 5020, initial=True), order(60, "B"), tag(70, "Good", 5024), tick(75)
    later = play(line, *events, state=holding(line, copy.state))
    after, taken, _ = credited(line, later.state, {0: {"RUN": [(int(T0) + 30, {"yield": 15})]}}, {}, waits=False)
    last = play(line, tick(400), state=after)
    records = [*copy.records, *later.records, *last.records]
    names = {one.key: one.name for one in records if isinstance(one, StartInterval)}
    told = [(names[one.interval], one.raw_data["yield"]) for one in records if isinstance(one, Output)]
    assert (sorted(told, key=str), taken) == ([("A", 5), ("B", 4)], {"good": 15})


def test_p4_of_events_that_wait_only_what_is_shown_with_their_raw_data_is_taken_off() -> None:
    """Another life has told of others, which came to it alone."""
    state = play(EXAMPLE, tag(1, "Good", 100), order(2, "A"), scrap(10, 3, "Gel"), tick(11)).state
    entries: list[Entry] = [(int(T0) + 90, {"scrap": 4, "scrap_code": "Edge"})]
    copy, taken, _ = credited(EXAMPLE, state, {0: {"RUN": entries}}, {})
    assert (copy.output.pending, taken) == (state.output.pending, {})
    entries = [(int(T0) + 90, {"scrap": 2, "scrap_code": "Gel"})]
    copy, taken, _ = credited(EXAMPLE, state, {0: {"RUN": entries}}, {})
    assert ([amount.amount for amount in copy.output.pending], taken) == ([1], {"scrap": 2})


def test_p4_what_events_have_told_stays() -> None:
    """A message is told once, by the life that has taken it; how much that is, is known."""
    state = play(EXAMPLE, tag(1, "Good", 100), order(2, "A"), tick(4)).state
    later = play(EXAMPLE, scrap(10, 3, "Gel"), tick(100), state=state)
    after, taken, beyond = credited(EXAMPLE, state, {0: {"RUN": shown(later.records, 0)}}, {})
    assert (after.inputs, after.output.pending, taken, beyond) == (state.inputs, state.output.pending, {}, {"scrap": 3})
    assert [known.stamps for known in known_output(EXAMPLE, state)] == [()]


def test_p4_what_is_older_than_what_another_life_has_changed_is_not_counted_after_it() -> None:
    """A counter told by messages: one of before comes after the memory was changed, and moves nothing."""
    counter = {"source": "mes", "topic": "good", "field": "count", "time": "at", "counter": {"rollover": 65536}}
    line = plan(
        inputs={**PLC, "good": counter},
        states=None,
        scrap_yield={"every": "60s", "entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]},
    )

    def count(seconds: float, value: int, at: float) -> Sample:
        return message(seconds, "good", {"count": value, "at": T0 + at})

    known, told = Feed(LineState()), list[Any]()
    for event in (
        order(1, "A"),
        count(10, 100, 10),
        count(20, 150, 20),
        None,
        count(65, 160, 65),
        count(70, 110, 12),
        tick(90),
        count(100, 170, 100),
        tick(300),
    ):
        known, result = feed(line, known, event) if event is not None else (known.begun_anew(line), Step(known.state))
        told += [record.raw_data["yield"] for record in result.records if isinstance(record, Output)]
    assert sum(told) == 70
