"""A batch of intake: arrivals that are mapped together, and what has come of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.mapping.feeder import Event
from gateway.mapping.line import Step
from gateway.mapping.trail import Feed
from gateway.model import Notice, Record
from gateway.outbox.entries import Commit
from gateway.repeats import BatchRepeats
from gateway.sources.base import Arrival


@dataclass(slots=True)
class Batch:
    """Arrivals while they are mapped, and what has come of them; `lines` are those that moved."""

    arrivals: Sequence[Arrival]
    repeats: BatchRepeats
    lines: dict[str, Feed] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    done: list[Callable[[], None]] = field(default_factory=list)
    """How arrivals are acknowledged."""
    steps: list[tuple[str, Step, Event]] = field(default_factory=list)
    samples: Counter[tuple[str, str]] = field(default_factory=Counter)
    redelivered: int = 0
    repeated: int = 0
    commit: Commit | None = None
    """None where there is nothing to store."""
