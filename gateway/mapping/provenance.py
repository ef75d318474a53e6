"""The provenance of records: the sample, or the passing of time, that made one, and what was known
of the inputs then. What was made by another input than those of its rule has the samples behind it. Pure."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from pydantic import TypeAdapter

from gateway.frozen import dataclass
from gateway.mapping.compile import LinePlan
from gateway.mapping.hearing import inputs_of
from gateway.mapping.line import Step, Tick
from gateway.mapping.values import excerpt
from gateway.model import Contact, Moment, Record, Recovered, Sample, UpdateInterval, key_of
from gateway.record_kinds import kind_of

MOST_BEHIND = 6
"""Samples that are named behind a wait or a window."""
REMEMBERED_RECORDS = 50
"""Records of a line whose provenance the running gateway remembers."""


def sample_key(source: str, address: str, received: float, source_time: float | None) -> str:
    """What the log calls a sample: a ULID of when it came, the same for the same sample."""
    return key_of(f"{source}\n{address}\n{received!r}\n{source_time!r}", min(max(int(received * 1000), 0), 2**48 - 1))


@dataclass(frozen=True, slots=True)
class InputExcerpt:
    """The beginning of an input's value, as JSON, and since when it was so."""

    value: str
    at: float


@dataclass(frozen=True, slots=True)
class SampleExcerpt:
    """A sample, as far as a person wants to see it: the beginning of its value, as JSON."""

    source: str
    address: str
    value: str
    received: float
    source_time: float | None = None

    @property
    def key(self) -> str:
        """What the log calls it, where it is a sample as it came."""
        return sample_key(self.source, self.address, self.received, self.source_time)


@dataclass(frozen=True, slots=True)
class Provenance:
    """A record, and what made it.

    `event` is the sample, the last of those of one moment, or None where time passed. Then, and where that sample is of
    no input by which such a record is made, but ends a wait or a window, what could have made it are the samples
    `behind`, the newest first, each with the value of the input of which it was the last. `inputs` are the inputs as
    they were known then; `rule` is the key of the line's rule by which the record was made, empty where it was by none.
    """

    record: Record
    event: SampleExcerpt | None
    inputs: Mapping[str, InputExcerpt]
    rule: str = ""
    because: str = ""
    """Where it corrects what was told: what has moved, and why, in words."""
    behind: tuple[SampleExcerpt, ...] = ()

    @property
    def section(self) -> str:
        """The part of the line's configuration by which the record was made."""
        record = self.record
        if kind_of(record).by_rule:
            return "rules"
        if kind_of(record).interval == "adds":
            return "scrap_yield"
        return {"RUN": "run", "STATE": "states", "BATCH": "batches"}.get(record.type, "intervals")

    def item(self, plan: LinePlan) -> tuple[int, str] | None:
        """Where the section is a list: the place of the item in it, and its kind; None where the
        line has no such item."""
        items: list[tuple[bool, str]] = []
        if self.section == "rules":
            items = [(rule.key == self.rule, rule.set) for rule in plan.rules]
        elif self.section == "intervals":
            items = [(interval.type == self.record.type, interval.type) for interval in plan.intervals]
        return next(((place, kind) for place, (matches, kind) in enumerate(items) if matches), None)


@cache
def provenance_adapter() -> TypeAdapter[Provenance]:
    """For the way over the control socket; made where a person asks."""
    return TypeAdapter(Provenance)


def provenance_of(
    plan: LinePlan | None, result: Step, event: Sample | Moment | Contact | Recovered | Tick
) -> Iterator[Provenance]:
    """The provenance of each record of one step of a line with this plan."""
    if not result.records:
        return
    inputs = {name: InputExcerpt(excerpt(memory.value), memory.at) for name, memory in result.state.inputs.items()}
    for record in result.records:
        because, rule = result.because.get(record.key), result.rules.get(record.key, "")
        if because is None:
            made_by = _excerpt_of(record, event)
            behind = _behind(plan, result, record, rule, made_by) if plan is not None else ()
            yield Provenance(record, made_by, inputs, rule, behind=behind)
        else:
            yield Provenance(record, _excerpt(because.sample), inputs, rule, because.text)


def _excerpt_of(record: Record, event: Sample | Moment | Contact | Recovered | Tick) -> SampleExcerpt | None:
    if isinstance(event, Moment):
        event = event.samples[-1]
    if not isinstance(event, Sample) or record.at < event.received:
        return None  # what was due before a sample is not its doing
    return _excerpt(event)


def _excerpt(event: Sample) -> SampleExcerpt:
    return SampleExcerpt(event.source, event.address, excerpt(event.value), event.received, event.source_time)


def _behind(
    plan: LinePlan, result: Step, record: Record, rule: str, made_by: SampleExcerpt | None
) -> tuple[SampleExcerpt, ...]:
    """What the inputs had said last, by which the record was made once a wait or a window was over; nothing where one
    of them has made it."""
    known, names = result.state.inputs, [*_looked_at(plan, record, rule)]
    for name in names:
        names += (other for other in plan.inputs[name].relies_on if other not in names)
    places = {(plan.inputs[name].source, plan.inputs[name].address) for name in names}
    if made_by is not None and (made_by.source, made_by.address) in places:
        return ()
    said = (
        SampleExcerpt(each.source, each.address, excerpt(memory.value), memory.received, memory.at)
        for each in (plan.inputs[name] for name in names)
        if each.address and (memory := known.get(each.name)) is not None and 0 < memory.received <= record.at
    )
    return tuple(sorted({*said}, key=lambda sample: sample.received, reverse=True)[:MOST_BEHIND])


def _looked_at(plan: LinePlan, record: Record, rule: str) -> Iterable[str]:
    """The inputs by which such a record is made."""
    if kind_of(record).by_rule:
        return next((each.inputs for each in plan.rules if each.key == rule), ())
    if kind_of(record).interval == "adds":
        output = plan.batch_output if record.type == "BATCH" else plan.output
        return output.entries if output is not None else ()
    if record.type == "STATE":
        return plan.states.selector.inputs if plan.states is not None else ()
    track = next(
        (each for each in (plan.run, plan.batches, *plan.intervals) if each and each.type == record.type), None
    )
    if track is None:
        return ()
    ends = isinstance(record, UpdateInterval) and record.end is not None and track.end is not None
    corrects = isinstance(record, UpdateInterval) and record.end is None
    return (
        track.inputs if corrects else (*inputs_of(track.start), *(inputs_of(track.end) if ends and track.end else ()))
    )


class ProvenanceLog:
    """The provenance of the newest records of each line, in memory only. `plans` are those of the lines."""

    def __init__(self) -> None:
        self.plans: Mapping[str, LinePlan] = {}
        self.newest: dict[tuple[str, str], str] = {}
        """By source and address, what the log calls the newest sample, as far as it tells of samples."""
        self._newest: dict[str, deque[Provenance]] = {}

    def add(
        self, line: str, result: Step, event: Sample | Moment | Contact | Recovered | Tick
    ) -> tuple[Provenance, ...]:
        """Remember what made the records of a step of the line with the key `line`, and answer it."""
        made = tuple(provenance_of(self.plans.get(line), result, event))
        if made:
            self._newest.setdefault(line, deque(maxlen=REMEMBERED_RECORDS)).extend(made)
        return made

    def find(self, key: str) -> Provenance | None:
        """The newest record whose key begins with `key`."""
        newest_first = (entry for entries in self._newest.values() for entry in reversed(entries))
        return next((entry for entry in newest_first if entry.record.key.startswith(key)), None)

    def last(self, line: str) -> Provenance | None:
        """The newest record of the line with the key `line`."""
        entries = self._newest.get(line)
        return entries[-1] if entries else None
