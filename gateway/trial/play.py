"""Plays a recording by its own clock: the requests that Oden would get for it, and what causes each. Pure.

Each record is one request here, as if Oden could always be reached at once. Where requests have to wait, delivery
merges them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.mapping.compile import LinePlan
from gateway.mapping.feeder import at_rest, feed
from gateway.mapping.line import LineState, Tick
from gateway.mapping.provenance import Provenance, provenance_of
from gateway.mapping.trail import Feed
from gateway.model import Notice, Sample, StartInterval
from gateway.oden.requests import Wording, iso, request_for


@dataclass(slots=True)
class Playback:
    """What the lines made of a recording: the causes of all records, and the notices, each in the order of time."""

    causes: list[Provenance] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def play(plans: Sequence[LinePlan], events: Iterable[Sample | float]) -> Playback:
    """Map `events`, which are samples and bare times, from the lines' initial states on.

    No sample that a recording can hold makes it fail.
    """
    lines = [Feed(LineState())] * len(plans)
    playback = Playback()

    def advance(number: int, event: Sample | Tick) -> None:
        lines[number], result = feed(plans[number], lines[number], event)
        playback.causes.extend(provenance_of(result, event))
        playback.notices.extend(result.notices)

    for event in events:
        now = event.received if isinstance(event, Sample) else event
        for number, plan in enumerate(plans):
            if not isinstance(event, Sample):
                advance(number, Tick(now))
            elif (event.source, event.address) in plan.subscriptions:
                advance(number, Tick(now))  # what was due before is not caused by this sample
                advance(number, event)
    for number in range(len(plans)):
        if (late := at_rest(lines[number])) is not None:
            advance(number, Tick(late))
    playback.causes.sort(key=lambda cause: cause.record.at)
    playback.notices.sort(key=lambda notice: notice.at)
    return playback


@dataclass(frozen=True, slots=True)
class RequestPreview:
    """The request that a record becomes, with `<…>` in the place of ids that only Oden knows."""

    cause: Provenance
    path: str
    body: Mapping[str, object]

    def __str__(self) -> str:
        at = iso(int(self.cause.record.at))
        return f"{at} {self.path} {json.dumps(self.body, ensure_ascii=False)}"


def previews(causes: Iterable[Provenance], plans: Sequence[LinePlan], wording: Wording) -> Iterator[RequestPreview]:
    """The requests of a recording. Intervals are named by their type and their number on the line: `<RUN 3>`."""
    names: dict[str, str] = {}
    counts: dict[tuple[str, str], int] = {}
    by_key = {plan.key: plan for plan in plans}
    for cause in causes:
        record = cause.record
        if isinstance(record, StartInterval):
            number = counts[record.line, record.type] = counts.get((record.line, record.type), 0) + 1
            names[record.key] = f"<{record.type} {number}>"
        yield preview(cause, by_key[record.line], names.get(record.interval, "<unknown>"), wording)


def preview(cause: Provenance, plan: LinePlan, interval: str, wording: Wording) -> RequestPreview:
    """The request of one record; `interval` is the name that stands for the id of its interval."""
    line_id = plan.id or f"<{plan.factory}/{plan.line}>"
    interval_id = None if isinstance(cause.record, StartInterval) else interval
    request = request_for((cause.record,), line_id, (interval_id,), wording)
    return RequestPreview(cause, request.endpoint.path, json.loads(request.text()))
