"""What lines make of a recording, with the recording's own clock: requests as Oden would get them, and why. Pure.

Each record is one request here, as if Oden were always reached at once; where requests have to wait, delivery merges them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.mapping.compile import LinePlan
from gateway.mapping.line import LineState, Tick, step
from gateway.model import Notice, Output, Record, Sample, Setting, StartInterval
from gateway.oden import payloads


@dataclass(frozen=True, slots=True)
class Seen:
    """An input's value when a record was made, and since when."""

    value: object
    at: float


@dataclass(frozen=True, slots=True)
class Made:
    """A record, and what made it: `event` (a sample, or None: time passing) and the `inputs` as they were known then.

    `section` is the part of the line's configuration that says so; `line` is the place of the line in the configuration.
    """

    record: Record
    line: int
    event: Sample | None
    inputs: Mapping[str, Seen]

    @property
    def section(self) -> str:
        if isinstance(self.record, Setting) or getattr(self.record, "quality_schema", None) is not None:
            return "rules"
        if isinstance(self.record, Output):
            return "scrap_yield"
        return {"RUN": "run", "STATE": "states", "BATCH": "batches"}.get(self.record.type, "intervals")


@dataclass(slots=True)
class Played:
    """What came of a recording, in the order in which it was decided."""

    made: list[Made] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def play(plans: Sequence[LinePlan], events: Iterable[Sample | float]) -> Played:
    """Map `events` from an empty memory on. Raises nothing that a recording can cause."""
    states = [LineState()] * len(plans)
    played = Played()
    now = None

    def advance(number: int, event: Sample | Tick) -> None:
        took = step(plans[number], states[number], event)
        states[number] = took.state
        if took.records:
            inputs = {name: Seen(known.value, known.at) for name, known in took.state.inputs.items()}
            sample = event if isinstance(event, Sample) else None
            played.made.extend(Made(record, number, sample, inputs) for record in took.records)
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

    made: Made
    path: str
    body: Mapping[str, object]

    def __str__(self) -> str:
        at = payloads.iso(int(self.made.record.at))
        return f"{at} {self.path} {json.dumps(self.body, ensure_ascii=False)}"


def requests(made: Iterable[Made], plans: Sequence[LinePlan], wording: payloads.Wording) -> Iterator[Shown]:
    """The requests of a recording. Intervals are called by their type and number on the line: `<RUN 3>`."""
    names: dict[str, str] = {}
    counts: dict[tuple[int, str], int] = {}
    for one in made:
        record, plan = one.record, plans[one.line]
        if isinstance(record, StartInterval):
            number = counts[one.line, record.type] = counts.get((one.line, record.type), 0) + 1
            names[record.key] = f"<{record.type} {number}>"
        line_id = plan.id or f"<{plan.factory}/{plan.line}>"
        interval_id = None if isinstance(record, StartInterval) else names.get(record.interval, "<unknown>")
        request = payloads.request_for((record,), line_id, (interval_id,), wording)
        yield Shown(one, request.endpoint.path, json.loads(request.body))
