"""What holds for a whole line, however its runs and batches are recognised: each part and each test is told once."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import Line
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.line import Tick
from gateway.model import Notice, Output, Sample, StartInterval
from tests.mapping.laws import examples
from tests.mapping.recording import Played, play
from tests.mapping.test_interval_properties import BATCHES, INPUTS, INTERVALS, RUNS, STATES, any_recording, spans

ROLLOVER = 1000
"""Of the counter `good` in INPUTS: what shows less than before has rolled over, where it is not listed otherwise."""
LISTED = re.compile(
    r"good went from (?P<before>\d+) to (?P<after>\d+)(?: after (?P<left>\d+), .*: a glitch, (?P<made>\d+) counted"
    r"|: taken as a reset, (?P<reset>\d+) counted|.*(?P<nothing>nothing counted|not counted)|.*: counted)"
)
RUN_TEST, BATCH_TEST = "6", "7"


def line(
    run: dict[str, Any], batches: dict[str, Any] | None, align: str, between: str, gaps: str, least: int | None
) -> LinePlan:
    """A line whose one counter is told three times: in another unit, with a code that changes, and of the batch."""
    minimum = {} if least is None else {"min": least}
    entries = [
        {"count": "good", "factor": 3, "raw_data": {"yield": "{n}"}, **minimum},
        {"count": "good", "raw_data": {"scrap": "{n}", "tank": "{tank}"}},
    ]
    test = {"set": "quality_test", "event": "event", "raw_data": {"type": "{event.type}"}}
    rules: list[dict[str, Any]] = [test | {"quality_schema": RUN_TEST}]
    if batches is not None:
        entries.append({"count": "good", "of": "batch", "raw_data": {"batch": "{n}"}, **minimum})
        rules.append(test | {"quality_schema": BATCH_TEST, "of": "batch"})
    output = {"every": "10s", "align": align, "between_runs": between, "gaps": gaps, "entries": entries}
    given = {"factory": "F", "line": "L", "inputs": INPUTS, "run": run, "batches": batches, "states": STATES[1]}
    more = {"intervals": INTERVALS, "scrap_yield": output, "rules": rules}
    return compile_line(Line.model_validate({**given, **more}), ())


lines = st.builds(
    line,
    st.sampled_from(RUNS),
    st.sampled_from(BATCHES),
    st.sampled_from(["clock", "run"]),
    st.sampled_from(["next", "unassigned", "report"]),
    st.sampled_from(["start", "end"]),
    st.sampled_from([None, 100]),
)


def moved(samples: Sequence[Sample], notices: Sequence[Notice]) -> int:
    """By how much the counter moved, over all it shows, and as far as is listed how that is taken."""
    shown = [sample.value for sample in samples if sample.address == "Good" and isinstance(sample.value, int)]
    listed = [match for notice in notices if (match := LISTED.match(notice.text))]
    made, known = 0, {shown[0]: 0} if shown else {}
    for before, after in pairwise(shown):
        match = listed[0] if listed and (listed[0]["before"], listed[0]["after"]) == (str(before), str(after)) else None
        if match is not None:
            listed.pop(0)
        if match is not None and match["left"]:
            made = known[int(match["left"])] + int(match["made"])
        elif match is not None and (match["reset"] or match["nothing"]):
            made += int(match["reset"] or 0)
        else:
            made += (after - before) % ROLLOVER
        known[after] = made
    assert not listed
    return made


def reported(played: Played) -> Counter[str]:
    """What was reported, what waits, and what was only said, by the name of the amount; for tests
    how many, by their schema."""
    sums: Counter[str] = Counter()
    for record in played.records:
        if isinstance(record, Output) and record.quality_schema is not None:
            sums[record.quality_schema] += 1
        elif isinstance(record, Output):
            sums.update({name: int(record.raw_data[name] or 0) for name in record.amounts})
    for amount in (*played.state.output.pending, *played.state.batch_output.pending):
        sums[amount.key.amount_names[0]] += int(amount.amount)
    for test in played.state.rules.waiting_tests:
        sums[test.schema] += 1
    for notice in played.notices:
        assert notice.kind != "loss"
        match = re.match(r"(-?\d+) were made while no (run|batch)", notice.text)
        if match:
            sums[f"no {match[2]}"] += int(match[1])
        _, never_known, in_it = notice.text.partition("was never known, nor is what was made in it: ")
        counted_later, not_reported, _ = notice.text.partition(" made in one that is not reported: nor is that")
        for is_said, words in ((never_known, in_it), (not_reported, counted_later)):
            for amount, name in re.findall(r"(-?\d+) (\w+)(?= \(|,|$)", words if is_said else ""):
                sums[name] += int(amount)
        untold = re.search(r"a quality test is not told: (?:no|it is of the) (run|batch)", notice.text)
        if untold:
            sums[RUN_TEST if untold[1] == "run" else BATCH_TEST] += 1
    return sums


@examples(200)
@given(lines, any_recording, st.booleans())
def test_p2_p4_each_part_and_each_test_is_told_once(example: LinePlan, samples: list[Sample], restarts: bool) -> None:
    """Through rollovers, bad quality, new subscriptions, late and retained messages and restarts: entries plus what
    waits plus what is said to be of no run is the counter's movement, for runs and for batches; and each test is told,
    waits or is said to be of none, never twice."""
    played = play(example, *samples, Tick(samples[-1].received + 100), restarts=restarts)
    sums, made = reported(played), moved(samples, played.notices)
    tests = sum(sample.address == "event" and not sample.retained for sample in samples)
    assert sums["yield"] + sums["scrap"] + sums["no run"] == 4 * made
    assert sums[RUN_TEST] == tests
    if example.batch_output is not None:
        assert sums["batch"] + sums["no batch"] == made
        assert sums[BATCH_TEST] == tests


@examples(150)
@given(lines, any_recording)
def test_p4_everything_is_of_an_interval_that_was_told(example: LinePlan, samples: list[Sample]) -> None:
    """No output or test comes before the start of its interval, and of each interval no two entries, and no two tests
    of one schema, have the same second; and intervals that stand in for none do not overlap the others."""
    played = play(example, *samples, Tick(samples[-1].received + 100))
    starts: dict[str, int] = {}
    stamps = set()
    for record in played.records:
        if isinstance(record, StartInterval):
            starts[record.key] = record.start
        elif isinstance(record, Output):
            assert starts[record.interval] <= record.timestamp
            stamp = (record.interval, record.quality_schema, record.timestamp)
            assert stamp not in stamps
            stamps.add(stamp)
    for known in spans(played.records).values():
        for (first, end), (second, _) in pairwise(known):
            assert end is not None
            assert first < end <= second
