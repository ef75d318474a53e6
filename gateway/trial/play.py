"""What lines make of a recording, with the recording's own clock: requests as Oden would get them, and why. Pure.

Each record is one request here, as if Oden were always reached at once; where requests have to wait, delivery merges them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.mapping.compile import LinePlan
from gateway.mapping.line import LineState, Tick, step
from gateway.mapping.provenance import Provenance, provenance_of
from gateway.model import Notice, Sample, StartInterval
from gateway.oden.requests import Wording, iso, request_for


@dataclass(slots=True)
class Played:
    """What came of a recording, in the order in which it was decided."""

    made: list[Provenance] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def play(plans: Sequence[LinePlan], events: Iterable[Sample | float]) -> Played:
    """Map `events` from an empty memory on. Raises nothing that a recording can cause."""
    states = [LineState()] * len(plans)
    played = Played()
    now = None

    def advance(number: int, event: Sample | Tick) -> None:
        took = step(plans[number], states[number], event)
        states[number] = took.state
        played.made.extend(provenance_of(took, event))
        played.notices.extend(took.notices)

    for event in events:
        now = event.received if isinstance(event, Sample) else event
        for number, plan in enumerate(plans):
            if not isinstance(event, Sample):
                advance(number, Tick(now))
            elif (event.source, event.address) in plan.subscriptions:
                advance(number, Tick(now))  # what was due before is not this sample's doing
                advance(number, event)
    played.made.sort(key=lambda made: made.record.at)
    played.notices.sort(key=lambda notice: notice.at)
    return played


@dataclass(frozen=True, slots=True)
class Shown:
    """A request that a record becomes, with `<…>` in the place of ids that only Oden knows."""

    made: Provenance
    path: str
    body: Mapping[str, object]

    def __str__(self) -> str:
        at = iso(int(self.made.record.at))
        return f"{at} {self.path} {json.dumps(self.body, ensure_ascii=False)}"


def requests(made: Iterable[Provenance], plans: Sequence[LinePlan], wording: Wording) -> Iterator[Shown]:
    """The requests of a recording. Intervals are called by their type and number on the line: `<RUN 3>`."""
    names: dict[str, str] = {}
    counts: dict[tuple[str, str], int] = {}
    lines = {plan.key: plan for plan in plans}
    for one in made:
        record = one.record
        if isinstance(record, StartInterval):
            number = counts[record.line, record.type] = counts.get((record.line, record.type), 0) + 1
            names[record.key] = f"<{record.type} {number}>"
        yield shown(one, lines[record.line], names.get(record.interval, "<unknown>"), wording)


def shown(cause: Provenance, plan: LinePlan, interval: str, wording: Wording) -> Shown:
    """The request of one record; `interval` is what its interval is called."""
    line_id = plan.id or f"<{plan.factory}/{plan.line}>"
    interval_id = None if isinstance(cause.record, StartInterval) else interval
    request = request_for((cause.record,), line_id, (interval_id,), wording)
    return Shown(cause, request.endpoint.path, request.fields())
