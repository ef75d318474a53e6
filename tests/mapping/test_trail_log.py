"""What lines have heard, as text: after a restart a message that comes late is put in its place as if nothing had
happened, and nothing depends on how what comes is cut into commits."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import Line
from gateway.mapping import trail_log
from gateway.mapping.again import at_once
from gateway.mapping.clocks import SenderClock
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.feeder import Event, feed
from gateway.mapping.line import LineState, dump, load
from gateway.mapping.state_rows import StateRows
from gateway.mapping.trail import Feed, forgotten
from gateway.mapping.trail_log import _sample, _sample_of, addition, beginning, restored
from gateway.model import Lookup, Notice, Output, Record, Sample, StartInterval
from tests.mapping.laws import examples
from tests.mapping.recording import LINE, T0, message, order, plan, scrap, tag, tick
from tests.mapping.test_late_properties import PLANT, Made, arrivals, effective, made_plants


class Store:
    """A line whose state and trail are stored after each commit; it can be stopped at any time."""

    def __init__(self, line: LinePlan = PLANT) -> None:
        self.plan = line
        self.line = Feed(LineState())
        self.records: list[Record] = []
        self.notices: list[Notice] = []
        self._texts: dict[str, str] = {}
        self._states, self.begun = StateRows({}), ""
        self.added: list[str] = []
        self._stored: Feed | None = None
        self._rows: list[Record | Notice] = []

    def take(self, event: Event) -> None:
        self.line, result = feed(self.plan, self.line, event)
        self.records += result.records
        self.notices += result.notices

    def commit(self, *, anew: bool) -> None:
        if anew or self._stored is None:
            self.line = forgotten(self.line, self.line.state.now - PLANT.late)
        if said := addition(self._stored, self.line):
            self.added.append(json.dumps(said))
        if anew or self._stored is None or self._stored.plan is not self.line.plan:
            self.begun = beginning(self.line) or ""
        self._stored = self.line
        for name, text in self._states.changes(self.line.state, self.line.clocks).items():
            self._texts.pop(name, None)
            self._texts |= {name: text} if text is not None else {}

    def restart(self) -> None:
        """After a commit: all that is known is what is stored."""
        rows = [json.loads(text) for text in self.added]
        self._states = StateRows(self._texts)
        state, clocks = self._states.state(self.plan), self._states.clocks
        self.line = at_once(restored(self.plan, state, self.begun, rows, clocks))
        self._stored = self.line


def run(events: Sequence[Event], cuts: Sequence[int], restarts: Sequence[bool], line: LinePlan = PLANT) -> Store:
    """The events in commits of so many each; after each the line may be restarted."""
    store, left = Store(line), [*events]
    for number, (size, restart) in enumerate(zip(cuts, restarts, strict=False)):
        for event in left[:size]:
            store.take(event)
        left = left[size:]
        store.commit(anew=number % 3 == 0)
        if restart:
            store.restart()
    for event in left:
        store.take(event)
    return store


CUTS = st.lists(st.integers(0, 12), max_size=40)


@given(made_plants(), CUTS, st.lists(st.booleans(), min_size=40, max_size=40))
@examples(40)
def test_p13_commits_and_restarts_change_no_record(messages: list[Made], cuts: list[int], restarts: list[bool]) -> None:
    """The same arrivals give the same records, to the key, however they are cut and wherever the gateway restarts;
    only the second of its interval at which an entry of output stands can be another after a restart, and none is
    taken twice.
    """
    events = arrivals(messages, late=True)
    once, often = run(events, (), ()).records, run(events, cuts, restarts).records
    assert [*map(without_stamp, often)] == [*map(without_stamp, once)]
    stamps = [(record.interval, record.timestamp) for record in effective(often) if isinstance(record, Output)]
    assert len({*stamps}) == len(stamps)


@given(made_plants(), CUTS)
@examples(20)
def test_p13_commits_change_nothing(messages: list[Made], cuts: list[int]) -> None:
    """Without a restart the records are the same to the last second."""
    events = arrivals(messages, late=True)
    assert run(events, cuts, [False] * len(cuts)).records == run(events, (), ()).records


def test_p13_what_comes_late_after_a_restart_shows_no_wrong_clock() -> None:
    """Messages of one outage of their sender, mixed up and each nearly as late as the others: newer ones had been heard
    before the restart."""
    counts = plan(
        inputs={"good": {"source": "mes", "topic": "count", "field": "n", "time": "at", "counter": {}}},
        run=None,
        states=None,
        scrap_yield=None,
    )
    live = [message(30.0 * number, "count", {"n": number, "at": T0 + 30.0 * number}) for number in range(20)]
    came = enumerate((401, 431, 421, 461, 481, 501))
    late = [message(601.0 + 20 * place, "count", {"n": 5, "at": T0 + said}) for place, said in came]
    for restart in (False, True):
        store = run([*live, *late], [20], [restart], counts)
        assert not [notice for notice in store.notices if "behind" in notice.text]


def test_p13_a_trail_that_begins_with_a_late_message_is_whole_after_a_restart() -> None:
    """The first that is remembered has come late, and was put between two that had been stored before."""
    counts = {"good": {"source": "mes", "topic": "count", "field": "n", "time": "at", "counter": {}}}
    order_by_time = {"order": {"source": "mes", "topic": "order", "field": "number", "time": "at"}}
    by_key, output = (
        {"key": "order", "product": "P", "name": "{order}"},
        [{"count": "good", "raw_data": {"yield": "{n}"}}],
    )
    line = plan(inputs={**counts, **order_by_time}, run=by_key, states=None, scrap_yield={"entries": output})

    def said(at: float, heard: float, topic: str, value: dict[str, object]) -> Sample:
        return message(heard, topic, {**value, "at": T0 + at})

    begun = [said(10, 10, "order", {"number": "A"}), said(60, 60, "count", {"n": 30})]
    begun += [said(100, 100, "order", {"number": "B"}), said(200, 200, "count", {"n": 40})]
    late = [said(20, 500, "count", {"n": 5}), said(910, 925, "count", {"n": 45})]
    store = Store(line)
    for event in begun:
        store.take(event)
    store.commit(anew=False)
    for event in late:
        store.take(event)
    store.commit(anew=True)
    assert store.line.base is not None
    assert store.line.base.at == T0 + 20
    store.restart()
    store.take(tick(990))
    assert [entry.at - T0 for entry in store.line.trail()] == [60, 100, 200, 910]
    assert store.records == run([*begun, *late, tick(990)], (), (), line).records


def without_stamp(record: Record) -> Record:
    return replace(record, timestamp=0) if isinstance(record, Output) else record


def test_p13_a_late_message_after_a_restart_moves_what_it_owns() -> None:
    """Parts that were told before the restart go to the order that was heard of after it."""
    line = plan()
    told: list[Record] = []
    feeds, rows = Feed(LineState()), []
    before: Feed | None = None
    for event in (order(0, "A"), tag(1, "Good", 0), tag(100, "Good", 100), tag(200, "Good", 200), tick(250)):
        feeds, result = feed(line, feeds, event)
        told += result.records
        rows.append(addition(before, feeds))
        before = feeds
    feeds = at_once(restored(line, load(line, dump(feeds.state)), beginning(feeds), [row for row in rows if row]))
    assert not feeds.recalled
    feeds, result = feed(line, feeds, order(300, "B", at=150))
    feeds, result = feed(line, feeds, tick(400))
    amounts = [(record.timestamp, record.raw_data) for record in result.records if record.kind == "output"]
    assert [raw_data for _, raw_data in amounts] == [{"yield": 100}, {"yield": -100}]


@pytest.mark.parametrize("changed", ["nothing", "plan", "table", "version"])
def test_p13_another_plan_table_or_version_seals_what_was_told(changed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A late order begins at its time all the same; that output of before the change stays where it is told is listed,
    with what came late."""
    products = {"products": Lookup(frozenset({"name"}), {"FILM": {"name": "Film"}})}
    renamed = {"products": Lookup(frozenset({"name"}), {"FILM": {"name": "Foil"}})}
    line = Line.model_validate(LINE)
    before, after = compile_line(line, (), products), compile_line(line, (), products)
    store = Store(before)
    for event in (order(0, "A"), tag(1, "Good", 0), tag(100, "Good", 100), tag(200, "Good", 200), tick(250)):
        store.take(event)
    store.commit(anew=True)
    if changed == "version":
        monkeypatch.setattr(trail_log, "CODE", "another")
    store.plan = {"plan": plan(states=None), "table": compile_line(line, (), renamed)}.get(changed, after)
    store.restart()
    for event in (order(300, "B", at=150), tag(310, "Good", 310), tick(400)):
        store.take(event)
    starts = [
        record.start - T0 for record in store.records if isinstance(record, StartInterval) and record.type == "RUN"
    ]
    assert starts == [0.0, 150.0]
    moved = [record for record in store.records if isinstance(record, Output) and record.corrects]
    stays = [
        notice
        for notice in store.notices
        if "output that was told until 06:04:00Z stays where it is (100 yield of A)" in notice.text
    ]
    assert (len(moved), len(stays)) == ((2, 0) if changed == "nothing" else (0, 1))


@pytest.mark.parametrize("corrected_at", [69.5, 45], ids=["after it", "before it"])
@pytest.mark.parametrize("restarts", [[], [4], [6], [7], [3, 5, 6], [6, 8], [4, 5, 6, 7, 8]], ids=str)
def test_p13_what_came_of_a_backlog_is_told_once_after_a_correction_and_a_restart(
    corrected_at: float, restarts: list[int]
) -> None:
    """A message of a backlog that was told with what came when it came, not with what was made when it was, is
    remembered so, unless a correction has put it at its time: a late message finds what was really told."""
    events: list[Event] = [
        order(0, "A"),
        scrap(10, 1),
        tick(61),
        scrap(66, 2, at=50),
        tag(70, "Reject", 5),
        scrap(71, 3, at=corrected_at),
        tick(80),
        tick(130),
        tag(135, "Reject", 5),
        scrap(140, 4, at=100),
        tick(150),
        tick(200),
    ]
    store = Store(plan())
    for number, event in enumerate(events):
        store.take(event)
        store.commit(anew=False)
        if number in restarts:
            store.restart()
    told = [record.raw_data.get("scrap", 0) for record in store.records if isinstance(record, Output)]
    assert sum(int(str(amount)) for amount in told) == 1 + 2 + 3 + 4


def test_p4_what_was_stepped_before_a_trail_began_anew_stays_stepped_after_a_restart() -> None:
    """The entry that was made last lies before others, where it came late: nothing that follows it in the trail from
    before is of the one that began anew."""
    store = Store(plan())
    for event in (tag(1, "Good", 0), order(2, "A"), tag(10, "Good", 10), tag(20, "Good", 20), scrap(25, 3, at=5)):
        store.take(event)
    store.take(tick(40))
    store.commit(anew=True)
    last = max(store.line.trail(), key=lambda entry: entry.number)
    assert last.at < store.line.newest[-1].at
    store.line = store.line.begun_anew(store.plan)
    store.commit(anew=True)
    store.restart()
    assert [*store.line.trail()] == []
    store.take(tag(50, "Good", 50))
    store.take(scrap(60, 4, at=45))
    for at in (80, 200):
        store.take(tick(at))
    told = [record.raw_data.get("yield", 0) for record in store.records if isinstance(record, Output)]
    assert sum(int(str(amount)) for amount in told) == 50


def test_p13_late_messages_that_have_no_place_yet_outlive_another_plan() -> None:
    """They were acknowledged: with another configuration they are taken by its rules."""
    line = plan()
    feeds, before = Feed(LineState()), Feed(LineState())
    for event in (order(0, "A"), tag(100, "Good", 100), order(120, "B", at=50)):
        feeds, _ = feed(line, feeds, event)
    assert feeds.late
    row = json.loads(json.dumps(addition(before, feeds)))
    other = plan(run={"key": "order", "product": "{product}", "name": "No. {order}"})
    again = at_once(restored(other, feeds.state, beginning(feeds), [row]))
    assert again.plan is None
    assert again.late == feeds.late
    again, _ = feed(other, again, tick(130))
    assert not again.late


def test_p13_an_entry_is_a_few_dozen_bytes() -> None:
    """What a sample costs on disk."""
    feeds, before = Feed(LineState()), None
    for number in range(100):
        feeds, _ = feed(PLANT, feeds, tag(number, "Reject", number))
        before = before or feeds
    assert len(json.dumps(addition(before, feeds), separators=(",", ":"))) < 60 * 100


@pytest.mark.parametrize(
    "sample",
    [
        Sample("floor", "scrap", {"qty": 1}, 1e9),
        Sample("floor", "scrap", {"qty": 1}, 1e9, part=3),
        Sample("floor", "scrap", 0, 1e9, "uncertain", 1e9, retained=True, initial=True, distrust="late", part=1),
    ],
)
def test_a_sample_is_read_as_it_was_stored(sample: Sample) -> None:
    """All that is known of it, also which part of its message it is."""
    stored = _sample(sample, {})
    assert _sample_of([(sample.source, stored[0]), *stored[1:]]) == sample


def test_p11_what_is_known_of_a_wrong_clock_is_stored_as_it_is_after_our_own_was_set() -> None:
    """The sender's messages are later by what our clock was set by, also after a restart."""
    stream, rows = ("floor", "order"), StateRows({})
    line = replace(Feed(LineState()), clocks={stream: SenderClock(5.0, (3600.0,) * 5)})
    stored = rows.changes(line.state, line.clocks)
    moved = line.with_clock_set(600.0)
    stored |= rows.changes(moved.state, moved.clocks)
    known = StateRows({name: text for name, text in stored.items() if text is not None}).clocks[stream]
    assert known.lags == (4200.0,) * 5
    assert known.is_wrong
    assert rows.changes(moved.state, moved.clocks) == {}


OF_TWO = plan(
    inputs={
        "order": {"source": "mes", "topic": "order", "field": "number", "time": "at"},
        "code": {"source": "mes", "topic": "line/+station/of/+order/state", "field": "code", "time": "at"},
    },
    run={"key": "order", "product": "P", "name": "{order}"},
    states={"input": "code", "codes": {n: {"category": f"C{n}"} for n in range(4)}, "hold": "0s"},
    scrap_yield=None,
)
LAGS = st.sampled_from([0.1, 0.1, 40.0, 90.0, 600.0, 1500.0, -3.0, -60.0])
"""By how much a clock is behind, or ahead."""
SAID = st.tuples(st.integers(5, 400), st.integers(0, 3), st.booleans(), st.sampled_from([0, 0, 0, 0, 20, 700]))
"""A message so many seconds after the one before, of which sender it is, whether that goes on to the next order, and by
how much it comes late."""


@given(st.lists(LAGS, min_size=4, max_size=4), st.lists(SAID, max_size=40), CUTS, st.lists(st.booleans(), min_size=40))
@examples(60)
def test_p13_what_is_learned_of_clocks_holds_over_restarts(
    lags: list[float], said: list[tuple[int, int, bool, int]], cuts: list[int], restarts: list[bool]
) -> None:
    """Senders whose clocks are right, behind or ahead, on topics of their own and of each order: the same records and
    the same words, wherever the gateway restarts."""
    events, now, orders = list[Sample](), 10.0, [0] * 4
    for after, sender, goes_on, late in said:
        now, orders[sender] = now + after, orders[sender] + goes_on
        at = T0 + now - lags[sender]
        topic, value = ("order", {"number": orders[0]}) if not sender else ("line/+station/of/+order/state", {})
        code = {"code": after % 4, "station": f"S{sender}", "order": str(orders[sender])} if sender else value
        events.append(message(now + late + 0.05, topic, {**code, "at": at}))
    events.sort(key=lambda sample: sample.received)
    once, often = run(events, cuts, [False] * len(cuts), OF_TWO), run(events, cuts, restarts, OF_TWO)
    assert often.line.clocks.keys() == once.line.clocks.keys()
    assert [replace(one, key="") for one in often.records] == [replace(one, key="") for one in once.records]
    assert often.notices == once.notices
