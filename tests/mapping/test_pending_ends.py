"""P13: what is made while it is not known yet whether the run has ended belongs to nobody until it is."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.compile import LinePlan
from gateway.mapping.line import LineState, Tick, dump, load, step
from gateway.model import Output, Record, Sample, StartInterval
from tests.mapping.laws import examples
from tests.mapping.recording import LINE, T0, fed, order, plan, play, tag, tick

ENTRIES = {"entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]}
COUNTER = {**LINE["inputs"], "good": {"source": "plc", "node": "Good", "counter": {}}}
ENDS = {"when": {"when": "state == 0", "for": "5m"}, "idle": {"idle": "5m", "count": ["good"]}}


def ending(end: object, every: str = "60s", between: str = "next") -> LinePlan:
    output = {**ENTRIES, "every": every, "between_runs": between}
    return plan(inputs=COUNTER, states=None, run={**LINE["run"], "end": end}, scrap_yield=output)


def yields(records: Sequence[Record]) -> dict[tuple[str | None, float], int]:
    """What was told of each run."""
    runs = {each.key: (each.name, each.start - T0) for each in records if isinstance(each, StartInterval)}
    sums = Counter[tuple[str | None, float]]()
    for record in records:
        if isinstance(record, Output):
            sums[runs[record.interval]] += int(str(record.raw_data["yield"]))
    return dict(sums)


COUNTED = [tag(at, "Good", at // 10) for at in range(0, 600, 10)]
STOPPED: list[Sample] = [order(0, "A"), tag(1, "State", 1), tag(100.5, "State", 0)]


def in_order(*samples: Sample) -> list[Sample]:
    return sorted(samples, key=lambda sample: sample.received)


def test_p13_what_is_made_while_an_end_has_yet_to_hold_is_of_the_time_that_no_run_was_on() -> None:
    """Though windows of a minute end before the five minutes have passed."""
    later = [order(700, "B"), tag(701, "State", 1), tag(720, "Good", 60)]
    events: list[Sample | Tick] = [*in_order(*STOPPED, *COUNTED, *later), tick(900)]
    assert yields(fed(ending(ENDS["when"]), *events).records) == {("A", 0): 10, ("B", 700): 50}
    alone = yields(fed(ending(ENDS["when"], between="unassigned"), *events).records)
    assert alone == {("A", 0): 10, ("Unassigned", 110): 49, ("B", 700): 1}


def test_p13_where_an_end_does_not_hold_all_is_of_the_run() -> None:
    """It is told with the next window once that is known."""
    events: list[Sample | Tick] = [*in_order(*STOPPED, *COUNTED, tag(300, "State", 1)), tick(700)]
    played = fed(ending(ENDS["when"]), *events)
    assert yields(played.records) == {("A", 0): 59}
    stamps = [record.timestamp - T0 for record in played.records if isinstance(record, Output)]
    assert stamps[:4] == [60, 120, 360, 420]


MOVES = st.lists(
    st.tuples(st.integers(1, 400), st.sampled_from(["stop", "go", "count", "count", "count", "order"])), max_size=14
)


@given(MOVES, st.sampled_from(sorted(ENDS)))
@examples(60)
def test_p13_whose_something_is_does_not_depend_on_the_length_of_windows(
    moves: Sequence[tuple[int, str]], end: str
) -> None:
    """Windows of ten seconds, a minute and a day tell the same sums of each run."""
    events: list[Sample | Tick] = [order(0, "A0"), tag(0, "State", 1), tag(0, "Good", 0)]
    at, made = 0, 0
    for number, (pause, what) in enumerate(moves, 1):
        at += pause
        if what == "order":
            events.append(order(at, f"A{number}"))
        elif what == "count":
            made += number
            events.append(tag(at, "Good", made))
        else:
            events.append(tag(at, "State", int(what == "go")))
    rest = [order(at + 700, "Z"), tag(at + 701, "State", 1), tag(at + 702, "Good", made + 1), tag(at + 703, "State", 0)]
    events = [*events, *rest, tick(at + 90_000)]
    told = [yields(play(ending(ENDS[end], every), *events).records) for every in ("10s", "60s", "1d")]
    assert told[0] == told[1] == told[2]


def test_p13_an_end_that_the_configuration_does_not_know_any_more_holds_nothing_back() -> None:
    """It was waited for when the configuration changed."""
    played = play(ending(ENDS["when"]), *in_order(*STOPPED, *COUNTED[:15]))
    after = ending(None)
    state: LineState = load(after, dump(played.state))
    records = [*played.records]
    for event in (tag(150, "Good", 15), tick(300)):
        result = step(after, state, event)
        state, records = result.state, [*records, *result.records]
    assert yields(records) == {("A", 0): 15}
