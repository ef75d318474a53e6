"""What made a record: the sample, or the passing of time, and what was known of the inputs then. Pure."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from gateway.mapping.compile import LinePlan
from gateway.mapping.line import Step, Tick
from gateway.mapping.values import excerpt
from gateway.model import Output, Record, Sample, Setting

KEPT = 50
"""Records of a line whose causes the running gateway remembers."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The beginning of an input's value, as JSON, and since when it was so."""

    value: str
    at: float


@dataclass(frozen=True, slots=True)
class Event:
    """A sample, as far as a person wants to see it: the beginning of its value, as JSON."""

    source: str
    address: str
    value: str
    received: float
    source_time: float | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """A record, and what made it: `event`, or None where time passed, the `inputs` as they were known then, and where it is told by one
    of the line's rules, the key of that."""

    record: Record
    event: Event | None
    inputs: Mapping[str, Seen]
    rule: str = ""

    @property
    def section(self) -> str:
        """The part of the line's configuration that says so."""
        record = self.record
        if isinstance(record, Setting) or (isinstance(record, Output) and record.quality_schema is not None):
            return "rules"
        if isinstance(record, Output):
            return "scrap_yield"
        return {"RUN": "run", "STATE": "states", "BATCH": "batches"}.get(record.type, "intervals")

    def item(self, plan: LinePlan) -> tuple[int, str] | None:
        """Where the section is a list: the place of the item in it, and what that says it is; None where the line has no such item."""
        items: list[tuple[bool, str]] = []
        if self.section == "rules":
            items = [(one.key == self.rule, one.set) for one in plan.rules]
        elif self.section == "intervals":
            items = [(one.type == self.record.type, one.type) for one in plan.intervals]
        return next(((place, kind) for place, (fits, kind) in enumerate(items) if fits), None)


CAUSE: TypeAdapter[Cause] = TypeAdapter(Cause)


def causes(took: Step, event: Sample | Tick) -> Iterator[Cause]:
    """The causes of the records of one step."""
    if not took.records:
        return
    inputs = {name: Seen(excerpt(known.value), known.at) for name, known in took.state.inputs.items()}
    for record in took.records:
        yield Cause(record, _event(record, event), inputs, took.rules.get(record.key, ""))


def _event(record: Record, event: Sample | Tick) -> Event | None:
    if isinstance(event, Tick) or record.at < event.received:
        return None  # what was due before a sample is not its doing
    return Event(event.source, event.address, excerpt(event.value), event.received, event.source_time)


class Causes:
    """The causes of the last records of each line, in memory only."""

    def __init__(self) -> None:
        self._lately: dict[str, deque[Cause]] = {}

    def learn(self, line: str, took: Step, event: Sample | Tick) -> None:
        """Remember what made the records of a step."""
        if took.records:
            self._lately.setdefault(line, deque(maxlen=KEPT)).extend(causes(took, event))

    def find(self, key: str) -> Cause | None:
        """The newest record whose key begins so."""
        newest = (one for lately in self._lately.values() for one in reversed(lately))
        return next((one for one in newest if one.record.key.startswith(key)), None)

    def last(self, line: str) -> Cause | None:
        """The newest record of the line with this key."""
        lately = self._lately.get(line)
        return lately[-1] if lately else None
