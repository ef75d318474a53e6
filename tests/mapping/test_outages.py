"""P13: an outage of one source while another is live throughout leaves what there would be without it."""

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.mapping.line import Tick
from gateway.model import Contact, Output, Sample, StartInterval, UpdateInterval
from tests.mapping.recording import T0, Played, back, fed, lost, message, plan, tag, tick

INPUTS: Mapping[str, Mapping[str, Any]] = {
    "order": {"source": "mes", "topic": "order", "field": "v", "time": "at"},
    "state": {"source": "mes", "topic": "state", "field": "v", "time": "at"},
    "scrap": {"source": "mes", "topic": "scrap", "time": "at"},
    "good": {"source": "plc", "node": "good", "counter": {}},
}
LINE = plan(
    inputs=INPUTS,
    run={"key": "order", "product": "P", "name": "{order}"},
    states={"input": "state", "codes": {1: {"category": "Uptime"}, 3: {"category": "Down"}}, "hold": "30s"},
    scrap_yield={
        "entries": [
            {"count": "good", "raw_data": {"yield": "{n}"}},
            {"count": "scrap.qty", "raw_data": {"scrap": "{n}"}},
        ]
    },
)


def what_is_at_oden(played: Played) -> tuple[list[tuple[object, ...]], dict[tuple[object, str], float]]:
    """Intervals with start, end and name, and the sums of each."""
    starts = {record.key: record for record in played.records if isinstance(record, StartInterval)}
    ends = {record.interval: record.end for record in played.records if isinstance(record, UpdateInterval)}
    sums: dict[tuple[object, str], float] = {}
    for record in played.records:
        if isinstance(record, Output):
            owner = starts[record.interval]
            for name in record.amounts:
                key = ((owner.type, owner.start), name)
                sums[key] = sums.get(key, 0) + float(str(record.raw_data[name]))
    intervals = [(one.type, one.start - T0, one.name, ends.get(key)) for key, one in starts.items()]
    return sorted(intervals, key=repr), {key: amount for key, amount in sums.items() if amount}


@pytest.mark.parametrize("ticks", [False, True])
@pytest.mark.parametrize("seconds", [600, 3600, 3 * 3600])
def test_p13_an_outage_of_one_source_while_the_other_is_live_changes_nothing(seconds: int, ticks: bool) -> None:
    """Orders, states and scrap of messages wait at the broker; the PLC counts all the time. At rest all is as it would
    have been: the runs, their parts, the states that held, and none that did not.
    """
    begun, ended = 1000, 1000 + seconds
    messages: list[tuple[float, str, dict[str, object]]] = [(0.0, "order", {"v": "A0"}), (1.0, "state", {"v": 1})]
    for number, at in enumerate(range(700, ended + 500, 250), 1):
        messages.append((at + 0.5, "order", {"v": f"A{number}"}))
        messages.append((at + 20.5, "state", {"v": 3}))
        messages.append((at + (30.5 if number % 2 else 90.5), "state", {"v": 1}))  # every other is too short
        messages.append((at + 100.5, "scrap", {"qty": number}))
    said = [message(at, topic, {**fields, "at": T0 + at}) for at, topic, fields in sorted(messages, key=lambda m: m[0])]
    counts = [tag(at, "good", at // 10) for at in range(10, ended + 600, 10)]
    undisturbed = fed(LINE, *sorted([*said, *counts], key=lambda each: each.received), tick(ended + 900))

    events: list[Sample | Contact | Tick] = [*counts, lost(begun + 20, "mes", since=begun), back(ended, "mes")]
    waiting = [each for each in said if begun < each.received - T0 <= ended]
    for number, each in enumerate(waiting):
        events.append(message(ended + 0.1 + number * 0.01, each.address, each.value))
    events += [each for each in said if each not in waiting]
    times = {id(event): event.at if isinstance(event, Tick) else event.received for event in events}
    events.sort(key=lambda event: times[id(event)])
    disturbed = fed(LINE, *events, tick(ended + 900), ticks=ticks)
    assert what_is_at_oden(disturbed) == what_is_at_oden(undisturbed)
