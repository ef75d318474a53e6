"""What holds for runs, batches, states and custom intervals of any plant, however they are recognised."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.schema import Line
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.intervals import ByCondition, ByIdleness, ByKey
from gateway.mapping.line import Tick, due, dump
from gateway.model import Record, Sample, StartInterval, UpdateInterval
from tests.mapping.laws import examples
from tests.mapping.recording import T0, fed, message, play, tag

INPUTS: dict[str, Any] = {
    "state": {"source": "plc", "node": "State"},
    "running": {"source": "plc", "node": "Running"},
    "tank": {"source": "plc", "node": "Tank"},
    "good": {"source": "plc", "node": "Good", "counter": {"rollover": 1000}},
    "order": {"source": "mes", "topic": "order", "field": "number", "time": "at"},
    "sku": {"source": "mes", "topic": "order", "field": "sku"},
    "event": {"source": "mes", "topic": "event", "time": "at"},
    "who": {"source": "mes", "topic": "login", "field": "name"},
}
STARTED = {"event": "event", "when": 'event.type == "start"'}
STOPPED = {"event": "event", "when": 'event.type == "stop"'}
TOLD = {"product": "{sku}", "name": "{order}", "metadata": {"tank": "{tank}"}}
RUNS: list[dict[str, Any]] = [
    {"key": "order", **TOLD, "empty_for": "10s", "correct": "1m"},
    {"key": "order", **TOLD, "settle": "0s", "end": {"when": "state == 0", "for": "20s"}},
    {"key": "running", **TOLD, "unknown_product": "?", "end": {"idle": "30s"}},
    {"start": {"when": "running", "for": "3s"}, **TOLD, "end": {"when": "state == 0 || !running", "for": "5s"}},
    {"start": {"when": "state == 1"}, **TOLD},
    {"start": STARTED, **TOLD, "end": STOPPED, "settle": "2s", "unknown_product": "?"},
    {"start": {"event": "running"}, "product": "P", "end": {"idle": "10s"}},
]
BATCHES: list[dict[str, Any] | None] = [
    None,
    {"key": "tank", "name": "{tank}-{batch}"},
    {"key": "tank", "without_run": True, "settle": "0s", "empty_for": "3s"},
    {"every": 50, "count": "good", "name": "{batch}"},
    {"every": 50, "count": "good", "without_run": True},
    {"start": STARTED, "end": {"when": "tank == 0"}, "settle": "0s"},
]
CODES = {0: {"category": "Down"}, 1: {"category": "Up"}, 2: {"category": "Down", "reason": "{who}"}}
STATES: list[dict[str, Any]] = [
    {"input": "state", "codes": CODES, "other": {"category": "Other"}, "hold": "2s"},
    {
        "input": "state",
        "codes": CODES,
        "hold": "1s",
        "short_stops": {"under": "20s", "during": ["Up"]},
        "offline": {"after": "30s", "category": "No Data"},
        "operator": {"event": "event", "reason": "{event.type}", "of": ["Down"]},
    },
    {
        "ladder": [{"when": "state == 2 && !running", "category": "Down"}, {"when": "running", "category": "Up"}],
        "other": {"category": "Idle", "comment": "{tank}"},
        "offline": {"after": "1s", "category": "No Data"},
    },
    {"input": "state", "bits": [{"bit": 1, "category": "A"}, {"bit": 0, "category": "B"}], "other": {"category": "C"}},
    {"preset": "packml", "input": "state", "mode": "tank", "hold": "500ms"},
]
CLOCK = {
    "zone": "Europe/Berlin",
    "shifts": [
        {"name": "A", "from": "07:00", "to": "07:01"},
        {"name": "B", "days": "mon", "from": "07:01", "to": "07:05"},
    ],
}
INTERVALS = [
    {"type": "Shift", "calendar": CLOCK},
    {"type": "Operator", "key": "who", "name": "{who}", "correct": "1m"},
    {"type": "Tool", "start": {"event": "tank"}, "inside_run": True, "metadata": {"tank": "{tank}"}},
]


def line(
    run: dict[str, Any], batches: dict[str, Any] | None, states: dict[str, Any], inputs: dict[str, Any] = INPUTS
) -> LinePlan:
    """A line that is recognised in these ways."""
    given = {"factory": "F", "line": "L", "inputs": inputs, "run": run, "states": states, "intervals": INTERVALS}
    output = {"every": "10s", "entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]}
    return compile_line(Line.model_validate({**given, "batches": batches, "scrap_yield": output}), ())


lines = st.sampled_from([line(run, batches, states) for run in RUNS for batches in BATCHES for states in STATES])
at_once = lines.filter(lambda example: example.run is None or not isinstance(example.run.end, ByCondition | ByIdleness))
"""Lines whose runs are over when they end."""

nodes = st.one_of(
    st.tuples(st.just("State"), st.sampled_from([0, 1, 1, 2, 3, 6])),
    st.tuples(st.just("Running"), st.booleans()),
    st.tuples(st.just("Tank"), st.sampled_from([0, 1, 2, 3])),
    st.tuples(st.just("Good"), st.integers(0, 999)),
)
sometimes = st.sampled_from([False, False, True])
ALL = ("State", "Running", "Tank", "Good")
waits = st.sampled_from([0.0, 0.1, 0.4, 0.7, 2.0, 4.0, 12.0, 45.0])


def recordings(*lateness: float) -> st.SearchStrategy[list[Sample]]:
    """Samples in the order of their arrival, of which each is one of `lateness` seconds late."""
    late = st.sampled_from(lateness)
    tags = st.builds(
        lambda value, late, first: lambda at: [tag(at, *value, source=at - late, initial=first)], nodes, late, sometimes
    )
    gone = st.just(lambda at: [tag(at, node, None, quality="bad") for node in ALL])
    orders = st.builds(
        lambda number, sku, late, kept: (
            lambda at: [message(at, "order", {"number": number, "sku": sku, "at": T0 + at - late}, retained=kept)]
        ),
        st.sampled_from(["", "A", "B", "C"]),
        st.sampled_from(["FILM", "PIPE", None]),
        late,
        sometimes,
    )
    events = st.builds(
        lambda kind, late, kept: lambda at: [message(at, "event", {"type": kind, "at": T0 + at - late}, retained=kept)],
        st.sampled_from(["start", "start", "stop", "other"]),
        late,
        sometimes,
    )
    logins = st.builds(
        lambda name: lambda at: [message(at, "login", {"name": name})], st.sampled_from(["Ann", "Bob", ""])
    )
    acts = st.tuples(waits, st.one_of(tags, tags, tags, orders, events, logins, gone))
    return st.lists(acts, min_size=15, max_size=80).map(samples_of)


def samples_of(acts: Sequence[tuple[float, Any]]) -> list[Sample]:
    """The samples in the order of their arrival, none within 80 ms after a full second, so that what is told to be some
    milliseconds older is of the same second."""
    now, samples = 1.09, []
    for wait, act in acts:
        now = round(now + wait, 3)
        samples += act(now)
    return samples


any_recording = recordings(0.0, 0.0, 0.3, 5.0, 3600.0)


def spans(records: Sequence[Record]) -> dict[str, list[tuple[int, int | None]]]:
    """From when to when the intervals of each type are, in the order of their starts; None: still on."""
    by_type: dict[str, dict[str, tuple[int, int | None]]] = defaultdict(dict)
    for record in records:
        if isinstance(record, StartInterval):
            assert all(end is not None for _, end in by_type[record.type].values()), "the one before has not ended"
            by_type[record.type][record.key] = (record.start, record.end)
        elif isinstance(record, UpdateInterval) and record.end is not None:
            start, end = by_type[record.type][record.interval]
            assert end is None, "it ends twice"
            by_type[record.type][record.interval] = (start, record.end)
    return {kind: list(known.values()) for kind, known in by_type.items()}


@examples(300)
@given(lines, any_recording)
def test_intervals_of_one_type_never_overlap(example: LinePlan, samples: list[Sample]) -> None:
    """Whatever begins and ends them: one at a time, each a second long at least, no two with one start second."""
    played = play(example, *samples, Tick(samples[-1].received + 100))
    for kind, known in spans(played.records).items():
        for start, end in known:
            assert end is None or start < end, kind
        for (first, end), (second, _) in pairwise(known):
            assert first < second, kind
            assert end is not None, kind
            assert end <= second, kind


@examples(200)
@given(at_once, recordings(0.0))
def test_batches_are_inside_runs(example: LinePlan, samples: list[Sample]) -> None:
    """A batch that is to be in a run begins in one and ends with it, to the second that each interval has at least.
    What comes to light late about a run, because a message is late or its end must hold, can leave a batch of it that
    was told already."""
    played = play(example, *samples, Tick(samples[-1].received + 100))
    known = spans(played.records)
    runs = known.get("RUN", [])
    inside = ["Tool"] + (["BATCH"] if example.batches is not None and example.batches.inside else [])
    for kind in inside:
        for start, end in known.get(kind, []):
            host = next((run for run in reversed(runs) if run[0] <= start), None)
            assert host is not None, kind
            assert host[1] is None or (end is not None and end <= max(host[1], start + 1)), kind


@examples(250)
@given(lines, any_recording, st.lists(st.floats(0, 1), max_size=15), st.booleans())
def test_p13_records_do_not_depend_on_how_a_recording_is_cut(
    example: LinePlan, samples: list[Sample], cuts: list[float], restarts: bool
) -> None:
    """Ticks anywhere, and the memory through its text at any event: the same records, keys, notices and memory."""
    first, last = samples[0].received, samples[-1].received + 100
    ticks = [Tick(first + cut * (last - first)) for cut in cuts]
    mixed: list[Sample | Tick] = [*samples, *ticks]
    mixed.sort(key=lambda event: event.at if isinstance(event, Tick) else event.received)
    whole = play(example, *samples, Tick(last))
    cut = play(example, *mixed, Tick(last), restarts=restarts)
    assert cut.records == whole.records
    assert cut.notices == whole.notices
    assert dump(cut.state) == dump(whole.state)


@examples(100)
@given(lines, any_recording)
def test_something_happens_when_it_is_due(example: LinePlan, samples: list[Sample]) -> None:
    """Time goes on: after what is due has been done, nothing is due at or before that time."""
    state = play(example, *samples).state
    for _ in range(20):
        time = due(example, state)
        if time is None:
            break
        state = play(example, Tick(max(time, state.now)), state=state).state
        later = due(example, state)
        assert later is None or later > state.now


@examples(100)
@given(lines, any_recording, st.integers(1, 59))
def test_p2_values_told_again_change_nothing(example: LinePlan, samples: list[Sample], where: int) -> None:
    """After a new subscription each tag is told as it was known: no interval begins or ends by that."""
    before = samples[:where]
    newest = {sample.address: sample for sample in before if sample.source == "plc"}
    if any(sample.quality == "bad" for sample in newest.values()):
        return
    now = before[-1].received
    again = [
        Sample("plc", node, sample.value, now, source_time=sample.source_time, initial=True)
        for node, sample in newest.items()
    ]
    settled = play(example, *before)
    assert play(example, *again, state=settled.state).records == []


@examples(150)
@given(lines, recordings(0.0), st.lists(st.tuples(st.integers(0, 79), st.integers(0, 30)), max_size=10))
def test_p2_messages_sent_again_change_nothing(
    example: LinePlan, samples: list[Sample], again: list[tuple[int, int]]
) -> None:
    """A sender that lost its connection sends messages with times of their own again, at once or much later: the same
    records, where these messages say which order is on, or that something begins, ends, or has a reason. No two have
    one time, and none is of a time after its arrival, which would count instead, and be that of several."""
    assert example.run is not None
    start = example.run.start
    keyed = isinstance(start, ByKey) and start.input == "order" and not example.run.correct
    addresses = {"event", "order"} if keyed else {"event"}
    samples = [
        replace(sample, value={**sample.value, "at": sample.value["at"] - (len(samples) - place) / 1000})
        if isinstance(sample.value, dict) and "at" in sample.value
        else sample
        for place, sample in enumerate(samples)
    ]
    more: list[tuple[float, Sample]] = [*enumerate(samples)]
    for place_again, later in again:
        if (
            place_again < len(samples)
            and samples[place_again].address in addresses
            and not samples[place_again].retained
        ):
            after = min(place_again + later, len(samples) - 1)
            more.append((after + 0.5, replace(samples[place_again], received=samples[after].received)))
    end = Tick(samples[-1].received + 4000)
    with_more = [sample for _, sample in sorted(more, key=lambda place: place[0])]
    assert fed(example, *with_more, end).texts == fed(example, *samples, end).texts


def of_a_device(given: dict[str, Any]) -> dict[str, Any]:
    """The inputs with metrics of a Sparkplug device for tags."""
    metric = {"source": "plc", "device": "G/E/D"}
    return {
        name: {**{key: section[key] for key in section if key != "node"}, **metric, "metric": section["node"]}
        if "node" in section
        else section
        for name, section in given.items()
    }


@examples(150)
@given(st.sampled_from(RUNS), st.sampled_from(BATCHES), st.sampled_from(STATES), any_recording)
def test_p13_messages_of_one_topic_mean_what_they_do_on_their_own(
    run: dict[str, Any], batches: dict[str, Any] | None, states: dict[str, Any], samples: list[Sample]
) -> None:
    """The same messages on one topic, of which each input takes its kind, make the same records, to the key."""
    together = {
        name: {**section, "topic": "all", "only": {"kind": section["topic"]}} if "topic" in section else section
        for name, section in INPUTS.items()
    }
    joined = [
        replace(sample, address="all", value={**sample.value, "kind": sample.address})
        if isinstance(sample.value, dict)
        else sample
        for sample in samples
    ]
    end = Tick(samples[-1].received + 4000)
    assert play(line(run, batches, states, together), *joined, end).records == (
        play(line(run, batches, states), *samples, end).records
    )


@examples(150)
@given(st.sampled_from(RUNS), st.sampled_from(BATCHES), st.sampled_from(STATES), any_recording)
def test_p13_metrics_of_a_device_mean_what_tags_do(
    run: dict[str, Any], batches: dict[str, Any] | None, states: dict[str, Any], samples: list[Sample]
) -> None:
    """The same values as metrics of a Sparkplug device, a message each, make the same records, to the key."""
    tags, metrics = line(run, batches, states), line(run, batches, states, of_a_device(INPUTS))
    joined = [
        sample
        if sample.source == "mes"
        else replace(sample, address="spBv1.0/G/E/D", value={sample.address: sample.value})
        for sample in samples
    ]
    end = Tick(samples[-1].received + 4000)
    assert play(metrics, *joined, end).records == play(tags, *samples, end).records


def test_the_plants_are_varied() -> None:
    """What is drawn above makes intervals of every type, updates included, so that the properties
    are about something."""
    kinds: set[tuple[str, str]] = set()

    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(lines, any_recording)
    def collect(example: LinePlan, samples: list[Sample]) -> None:
        records = play(example, *samples, Tick(samples[-1].received + 100)).records
        kinds.update((record.kind, record.type) for record in records)

    collect()
    starts = {kind for kind_of_record, kind in kinds if kind_of_record == "start"}
    assert starts == {"RUN", "BATCH", "STATE", "Shift", "Operator", "Tool"}
    assert {("update", kind) for kind in starts} <= kinds


@pytest.mark.parametrize("run", RUNS, ids=lambda run: str(run.get("key") or run.get("start")))
def test_each_way_of_recognising_runs_finds_some(run: dict[str, Any]) -> None:
    """A plain shift in which each way can begin and end a run."""
    samples = [
        tag(1, "State", 0),
        tag(1, "Running", False),
        tag(2, "Good", 0),
        message(5, "order", {"number": "A", "sku": "FILM", "at": T0 + 5}),
        message(5, "event", {"type": "start", "at": T0 + 5}),
        tag(6, "Running", True),
        tag(6, "State", 1),
        tag(20, "Good", 10),
        message(200, "event", {"type": "stop", "at": T0 + 200}),
        message(200, "order", {"number": "", "sku": "FILM", "at": T0 + 200}),
        tag(200, "Running", False),
        tag(200, "State", 0),
        tag(300, "State", 1),
    ]
    runs = spans(play(line(run, None, STATES[0]), *samples, Tick(T0 + 500)).records)["RUN"]
    assert runs[0][0] in {T0 + 5, T0 + 6}
    assert runs[0][1] is not None
