"""What intake works on: a batch of arrivals while it is mapped; other plans to map by; and what it says of itself."""

import asyncio
import json
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import TypeVar

import structlog

from gateway.errors import OutboxError, OutboxFull
from gateway.frozen import dataclass, replace
from gateway.mapping.again import Slices
from gateway.mapping.compile import LinePlan
from gateway.mapping.coverage import is_taken
from gateway.mapping.feeder import Event
from gateway.mapping.inputs import refusal
from gateway.mapping.lateness import LatenessLog
from gateway.mapping.line import Step, Tick, step
from gateway.mapping.provenance import Provenance, ProvenanceLog, sample_key
from gateway.mapping.trail import Feed
from gateway.model import Contact, Moment, Notice, Record, Recovered, Reject, Sample
from gateway.rejects import MOST_OF_KIND, kind_of_reason, payload_of
from gateway.repeats import BatchRepeats
from gateway.sources.base import Arrival, Replay

log = structlog.get_logger()

T = TypeVar("T")

MOST_NAMED = 100_000
"""Addresses of which is remembered what the log calls their newest sample."""
SLICE = 0.02
"""Seconds that steps are taken at once, before something else of the process turns."""

Routes = Mapping[tuple[str, str], Sequence[LinePlan]]
"""By source and address, the plans of the lines that are fed from there."""


def together(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """`arrivals`, where what has come of a source in parts is in the last of its arrivals with some: to put something
    in its place means to take again what the lines have heard since, which is done once then."""
    parts: dict[str, list[int]] = {}
    for place, arrival in enumerate(arrivals):
        if arrival.recovered is not None and arrival.recovered.in_part:
            parts.setdefault(arrival.source, []).append(place)
    gathered = [*arrivals]
    for places in parts.values():
        found = [kept for place in places if (kept := arrivals[place].recovered) is not None]
        moments = sorted((each for kept in found for each in kept.moments), key=lambda each: each.samples[-1].received)
        whole = replace(found[-1], since=min(kept.since for kept in found), moments=tuple(moments))
        for place in places[:-1]:
            gathered[place] = replace(arrivals[place], recovered=None)
        gathered[places[-1]] = replace(arrivals[places[-1]], recovered=whole)
    return gathered


@dataclass(slots=True)
class IntakeHealth:
    """What intake says of itself; counts since the process started."""

    samples: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By source and quality."""
    unmatched: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By source and address: what no input has taken."""
    redelivered: int = 0
    repeated: int = 0
    """Messages that were left out because of their id."""
    blocked: str | None = None
    """Why nothing can be stored at the moment."""
    full: str | None = None
    """The same where there is no room, which is by design."""
    faults: dict[str, str] = field(default_factory=dict)
    """Line -> the gateway's own error in mapping it, until it maps again."""

    def block(self, error: OutboxError | None) -> None:
        """Nothing can be stored because of this; None: it can again."""
        self.blocked = None if error is None else f"the outbox cannot be used: {error}"
        self.full = str(error) if isinstance(error, OutboxFull) else None


class Pauses:
    """Lets everything else of the process turn in what may take long."""

    def __init__(self) -> None:
        self._until = time.perf_counter() + SLICE

    @property
    def due(self) -> bool:
        """Whether there was no pause for a SLICE."""
        return time.perf_counter() >= self._until

    async def pause(self, turn: Callable[[], None]) -> None:
        """Call `turn` and pause."""
        turn()
        await asyncio.sleep(0)
        self._until = time.perf_counter() + SLICE


@dataclass(slots=True)
class Batch:
    """Arrivals while they are mapped, and what has come of them; `lines` are those that moved."""

    arrivals: Sequence[Arrival]
    repeats: BatchRepeats
    lines: dict[str, Feed] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    taken: list[Arrival] = field(default_factory=list)
    """The arrivals that are to be acknowledged."""
    heard: list[Arrival] = field(default_factory=list)
    """Those that have not come before."""
    steps: list[tuple[str, Step, Event]] = field(default_factory=list)
    samples: Counter[tuple[str, str]] = field(default_factory=Counter)
    unmatched: Counter[tuple[str, str]] = field(default_factory=Counter)
    redelivered: int = 0
    repeated: int = 0
    rejects: list[Reject] = field(default_factory=list)
    replayed: dict[int, Reject | None] = field(default_factory=dict)
    """By its number in the store, what is still wrong with a message that was to be taken once more; None: nothing."""

    pauses: Pauses = field(default_factory=Pauses)
    left_out: int = 0
    """Messages that could not be used, of which so many like them were in the batch that they are only counted."""
    _last_refused: Sample | None = None
    _refused: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Samples of which nothing could be used, by line, address and reason."""
    _flooded: set[tuple[str, str]] = field(default_factory=set)
    """Lines and addresses of which many could not be used."""

    def take(self, line: str, after: Feed, result: Step, event: Event) -> None:
        """Take in what has come of an event: the line with the key `line` is `after` now."""
        self.lines[line] = after
        if result.records or result.delays:
            self.steps.append((line, result, event))
            self.records += result.records
        self.notices += result.notices
        for sample, text in result.refused:
            self._refuse(line, sample, text)

    def count(self, health: IntakeHealth, provenance: ProvenanceLog, lateness: LatenessLog) -> None:
        """Note what was taken, and where it led: the batch counts now."""
        health.samples.update(self.samples)
        health.unmatched.update(self.unmatched)
        health.redelivered += self.redelivered
        health.repeated += self.repeated
        tells = structlog.is_configured() and log.is_enabled_for(logging.DEBUG)
        if tells:
            self._tell_samples(provenance.newest)
        for line, result, event in self.steps:
            made = provenance.add(line, result, event)
            lateness.add(line, result)
            for each in made if tells else ():
                log.debug("record_made", **said_of(each, provenance.newest), line=line, **because(event))

    def _tell_samples(self, newest: dict[tuple[str, str], str]) -> None:
        """Have each sample in the log, with the records that were made at once because of it, or of its moment; what
        the `newest` of each address is called, is remembered."""
        made: dict[int, list[str]] = defaultdict(list)
        for _, result, event in self.steps:
            for sample in _samples_of(event):
                made[id(sample)] += [record.key for record in result.records]
        for arrival in self.heard:
            kept = arrival.recovered.moments if arrival.recovered is not None else ()
            for sample in (sample for moment in (*kept, *arrival.moments) for sample in moment.samples):
                key = sample_key(sample.source, sample.address, sample.received, sample.source_time)
                newest[sample.source, sample.address] = key
                said = {"source": sample.source, "address": sample.address, "quality": sample.quality}
                log.debug("sample_taken", sample=key, **said, records=made.get(id(sample), []))
        if len(newest) > MOST_NAMED:
            newest.clear()

    def events(
        self, arrival: Arrival, plans: Sequence[LinePlan], routes: Routes
    ) -> Iterator[tuple[LinePlan, Sample | Moment | Contact | Recovered]]:
        """What an arrival says, and to which lines: one that is replayed to those that could not use it then."""
        self.heard.append(arrival)
        for contact in arrival.contacts:
            for plan in plans:
                if any(source == contact.source for source, _ in plan.subscriptions):
                    yield plan, contact
        said: set[str] = set()
        if arrival.recovered is not None:
            yield from self._recovered(arrival.recovered, plans)
        for moment in arrival.moments:
            for plan, event in self._parts(moment, routes, said if arrival.replay is None else None):
                if arrival.replay is None or not arrival.replay.reject.lines or plan.key in arrival.replay.reject.lines:
                    yield plan, event

    def is_stepped(self, replay: Replay | None, plan: LinePlan, line: Feed, event: Event) -> bool:
        """Whether a step is taken for an event: of what is replayed only where the line can use it now."""
        return self._takes_again(replay, plan, line, event) if replay is not None else not self._counts(plan, event)

    def _counts(self, plan: LinePlan, event: Event) -> bool:
        """Whether an event is a message that a line cannot use, as many of the batch before it. That is counted, for
        all that a step could do about it."""
        if not self._flooded or not isinstance(event, Sample) or (plan.key, event.address) not in self._flooded:
            return False
        try:
            text = refusal(plan.fed_by(event), event)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - the step tells of it, be it an extension that crashes
            return False
        if text is None or self._refused[_kind(plan.key, event, text)] < MOST_OF_KIND:
            return False
        self.left_out += 1
        self.notices.append(Notice("reject", event.received, event.source, event.address, text))
        return True

    def _takes_again(self, replay: Replay, plan: LinePlan, line: Feed, event: Event) -> bool:
        """Whether a line can use something of `event` now, which is replayed; else it stays in the store."""
        known = self.replayed.get(replay.number)
        refused = () if isinstance(event, Contact | Recovered | Tick) else step(plan, line.state, event).refused
        for _, text in refused:
            lines = known.lines if known is not None else ()
            known = replace(replay.reject, reason=text, lines=(*lines, plan.key))
        self.replayed[replay.number] = known
        return not refused

    def conclude(self, replay: Replay) -> None:
        """Every line has seen what is replayed; where none has, it stays in the store."""
        reads = "the line reads" if replay.reject.lines else "an input reads"
        text = f"nothing takes it: {reads} no such topic any more, or only of other messages"
        self.replayed.setdefault(replay.number, replace(replay.reject, reason=text))

    def _recovered(self, recovered: Recovered, plans: Sequence[LinePlan]) -> Iterator[tuple[LinePlan, Recovered]]:
        """The lines that what was kept is about, each with what is. All is counted."""
        for sample in (sample for moment in recovered.moments for sample in moment.samples):
            self.samples[sample.source, sample.quality] += 1
        for plan in plans:
            if recovered.source in plan.keepers:
                parts = (tuple(one for one in each.samples if plan.takes(one)) for each in recovered.moments)
                yield plan, replace(recovered, moments=tuple(Moment(part) for part in parts if part))

    def reject(self, plan: LinePlan, event: Event, error: BaseException, now: float) -> None:
        """Give notice of what a line could not take, because of a fault of our own."""
        sample = event.samples[0] if isinstance(event, Moment) else event
        source = sample.source if isinstance(sample, Sample | Recovered) else ""
        address = sample.address if isinstance(sample, Sample) else ""
        text = f"line {plan.key}: internal error: {type(error).__name__}"
        self.notices.append(Notice("reject", now, source, address, text))
        if isinstance(sample, Sample):
            self._refuse(plan.key, sample, text)

    def with_loss(self, text: str, now: float) -> "Batch":
        """The lines as they are now, without what is to be told of it, but that this is lost."""
        lost = len(self.records) + len(self.notices) + len(self.rejects)
        return Batch((), self.repeats, self.lines, notices=[Notice("loss", now, "", "", text, max(lost, 1))])

    def _refuse(self, line: str, sample: Sample, text: str) -> None:
        """Nothing of a sample could be used by a line, nor maybe by others."""
        if self.rejects and self._last_refused is sample:
            last = self.rejects[-1]
            self.rejects[-1] = replace(last, lines=(*last.lines, line))
            return
        self._last_refused = sample
        kind = _kind(line, sample, text)
        self._refused[kind] += 1
        if self._refused[kind] > MOST_OF_KIND:  # most of a flood is not worth its payload
            self.left_out += 1
            self._last_refused = None
            self._flooded.add((line, sample.address))
            return
        payload = payload_of(sample.value) if not sample.part else json.dumps(sample.value).encode()
        said = sample.source, sample.address, payload, sample.received, text
        self.rejects.append(Reject(*said, (line,), sample.retained, sample.part))

    def _parts(
        self, moment: Moment, routes: Routes, said: set[str] | None
    ) -> Iterator[tuple[LinePlan, Sample | Moment]]:
        """The lines that a moment is about, each with what is, but for messages that came before. All are counted.
        `said` are the ids of the message that the moment is of; None: whether it came before makes no difference."""
        parts: dict[str, tuple[LinePlan, list[Sample]]] = {}
        qualities = [sample.quality for sample in moment.samples]
        for quality in {*qualities}:
            self.samples[moment.samples[0].source, quality] += qualities.count(quality)
        for sample in moment.samples:
            address = (sample.source, sample.address)
            plans = routes.get(address, ())
            if not is_taken(plans, sample):
                self.unmatched[address] += 1
            for plan in plans:
                if said is not None and plan.ids and self.repeats.is_repeat(plan, sample, said):
                    self.repeated += 1
                elif (part := parts.get(plan.key)) is not None:
                    part[1].append(sample)
                else:
                    parts[plan.key] = plan, [sample]
        for plan, samples in parts.values():
            yield plan, samples[0] if len(samples) == 1 else Moment(tuple(samples))


def _kind(line: str, sample: Sample, text: str) -> tuple[str, str, str]:
    return line, sample.address, kind_of_reason(text.partition(": ")[0])


@dataclass(slots=True)
class Replan:
    """Other plans by which to map, and which lines they change; `then` is called in the moment from which on they
    count."""

    plans: Sequence[LinePlan]
    changed: frozenset[str]
    then: Callable[[], None]
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self) -> None:
        """They do."""
        self.then()
        self.done.set()


async def in_slices(slices: Slices[T], turn: Callable[[], None]) -> T:
    """The result of what may take long, while everything else of the process turns. `turn` is called at each pause: so
    it shows that it does not hang."""
    pauses = Pauses()
    while True:
        try:
            next(slices)
        except StopIteration as done:
            result: T = done.value
            return result
        if pauses.due:
            await pauses.pause(turn)


def _samples_of(event: Event) -> Iterator[Sample]:
    """The samples that an event is made of; none of it where time passed, or a source came or went."""
    moments = event.moments if isinstance(event, Recovered) else (event,)
    for moment in moments:
        if isinstance(moment, Moment):
            yield from moment.samples
        elif isinstance(moment, Sample):
            yield moment


def said_of(made: Provenance, newest: Mapping[tuple[str, str], str]) -> dict[str, object]:
    """A record, and what the log calls the sample that made it, and the `newest` of those behind it, as words of a log
    line."""
    said: dict[str, object] = {"record": made.record.key, "kind": made.record.kind}
    if made.event is not None:
        said["sample"] = made.event.key
        if not made.behind:
            return said
    behind = [
        {"sample": newest.get((each.source, each.address)), "source": each.source, "address": each.address}
        for each in made.behind
    ]
    return {**said, "behind": behind}


def because(event: Event) -> dict[str, str]:
    """What of the plant brought it about, as words of a log line; none where time passed."""
    if isinstance(event, Tick):
        return {}
    if isinstance(event, Contact):
        return {"source": event.source, "contact": event.state}
    if isinstance(event, Recovered):
        return {"source": event.source, "kept": str(len(event.moments))}
    sample = event.samples[-1] if isinstance(event, Moment) else event
    return {"source": sample.source, "address": sample.address}
