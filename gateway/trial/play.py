"""Plays a recording by its own clock: the requests that Oden would get for it, and what causes each. Pure.

Each record is one request here, as if Oden could always be reached at once. Where requests have to wait, delivery
merges them.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.mapping.again import at_once
from gateway.mapping.compile import LinePlan
from gateway.mapping.coverage import MOST_SHOWN, Coverage
from gateway.mapping.feeder import Event, feed, settled
from gateway.mapping.lateness import LatenessLog
from gateway.mapping.line import LineState, Step, Tick
from gateway.mapping.provenance import Provenance, provenance_of
from gateway.mapping.trail import Feed
from gateway.model import Contact, Moment, Notice, Sample, StartInterval
from gateway.oden.exchange import iso
from gateway.oden.requests import Wording, request_for
from gateway.rejects import THE_LAST, kind_of_reason
from gateway.sources.base import moments_of

T = TypeVar("T")


@dataclass(slots=True)
class Playback:
    """What the lines made of a recording: the causes of all records, and the notices, each in the order of time;
    what of the configuration came to nothing; how late messages were; and what is known of the lines in the end, by
    their keys."""

    causes: list[Provenance] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    lateness: LatenessLog = field(default_factory=LatenessLog)
    states: dict[str, LineState] = field(default_factory=dict)


def moments(plans: Sequence[LinePlan], events: Iterable[T]) -> Iterator[T | Moment]:
    """The events with tags and metrics put together that came from one source at once, at one time of the plant:
    they are one moment. A message is one by itself.
    """
    gathered: list[Sample] = []
    for event in events:
        sample = event if isinstance(event, Sample) and not _is_message(plans, event) else None
        if gathered and (sample is None or (sample.source, sample.received) != _came(gathered[0])):
            yield from moments_of(gathered)
            gathered = []
        if sample is not None:
            gathered.append(sample)
        else:
            yield event
    yield from moments_of(gathered)


def _came(sample: Sample) -> tuple[str, float]:
    return sample.source, sample.received


def _is_message(plans: Sequence[LinePlan], sample: Sample) -> bool:
    route = (sample.source, sample.address)
    return any(fed.message for plan in plans for fed in plan.subscriptions.get(route, ()))


def play(
    plans: Sequence[LinePlan], events: Iterable[Sample | Contact | Notice | float], coverage: Coverage | None = None
) -> Playback:
    """Map `events`, which are samples, contacts with sources, what those rejected, and bare times, from the lines'
    initial states on; `coverage` goes on from there.

    No sample that a recording can hold makes it fail.
    """
    lines = [Feed(LineState())] * len(plans)
    playback = Playback(coverage=Coverage() if coverage is None else coverage)

    def advance(number: int, event: Event) -> None:
        lines[number], result = feed(plans[number], lines[number], event)
        tell(number, result, event)

    def tell(number: int, result: Step, event: Event) -> None:
        playback.lateness.add(plans[number].key, result)
        playback.causes.extend(provenance_of(plans[number], result, event))
        playback.notices.extend(result.notices)

    sources = {source for plan in plans for source, _ in plan.subscriptions}
    for event in moments(plans, events):
        if isinstance(event, Notice) and event.source in sources:
            playback.notices.append(event)
        samples = event.samples if isinstance(event, Moment) else (event,) if isinstance(event, Sample) else ()
        for sample in samples:
            playback.coverage.sample(plans, sample)
        for number, plan in enumerate(plans):
            if isinstance(event, float | int):
                advance(number, Tick(event))
            if isinstance(event, Contact) and any(source == event.source for source, _ in plan.subscriptions):
                advance(number, Tick(event.received))
                advance(number, event)
            part = tuple(sample for sample in samples if (sample.source, sample.address) in plan.subscriptions)
            if part:
                advance(number, Tick(max(sample.received for sample in part)))  # what was due before is not its doing
                advance(number, part[0] if len(part) == 1 else Moment(part))
    for number, plan in enumerate(plans):
        if (settles_at := lines[number].settles_at) is not None:
            lines[number], result = at_once(settled(plan, lines[number]))
            tell(number, result, Tick(settles_at))
    for plan, line in zip(plans, lines, strict=True):
        playback.coverage.line(plan, line.state)
        playback.states[plan.key] = line.state
    playback.causes.sort(key=lambda cause: cause.record.at)
    playback.notices.sort(key=lambda notice: notice.at)
    return playback


def begun(plans: Sequence[LinePlan], states: Mapping[str, LineState]) -> Iterator[str]:
    """What has begun and is not told: sentences about runs, batches and intervals that the end came too soon for."""
    for plan in plans:
        state = states[plan.key]
        for kind, track in (("run", state.runs), ("batch", state.batches), *state.intervals.items()):
            change, start = track.pending_change, track.pending_start
            about = f"line {plan.line}: the {kind}"
            if change is not None and change.key:
                yield f"{about} {change.key} had just begun when the recording ended; it is not told"
            elif start is not None:
                needs = "its run" if kind == "batch" else "what it needs, such as its product,"
                yield f"{about} {start.key} has begun and is not told, because {needs} is not known"


def rejected(notices: Iterable[Notice]) -> Iterator[str]:
    """What could not be used, by where it came from and why: how often, and what at last. Reasons that differ in
    numbers and quoted values alone are one."""
    numbers: Counter[tuple[str, str, str]] = Counter()
    last: dict[tuple[str, str, str], str] = {}
    for notice in notices:
        if notice.kind == "reject":
            text = notice.text.partition(THE_LAST)[2] or notice.text
            reason = notice.source, notice.address, kind_of_reason(text.partition(": ")[0])
            numbers[reason] += notice.count
            last[reason] = text
    for reason, number in numbers.most_common(MOST_SHOWN):
        yield f"{reason[0]} {reason[1]}: {number} rejected, at last: {last[reason]}"
    if len(numbers) > MOST_SHOWN:
        yield f"{len(numbers) - MOST_SHOWN} more reasons why something was rejected"


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
