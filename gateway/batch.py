"""A batch of intake: arrivals while they are mapped, and what has come of them."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.horizon import HorizonRows
from gateway.mapping.again import Slices
from gateway.mapping.line import Step, Tick
from gateway.mapping.trail import Feed
from gateway.model import Moment, Notice, Record, Sample
from gateway.outbox.entries import Commit
from gateway.repeats import BatchRepeats
from gateway.sources.base import Arrival

T = TypeVar("T")

SLICE = 0.02
"""Seconds that steps are taken again at once, before something else of the process turns."""


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
    steps: list[tuple[str, Step, Sample | Moment | Tick]] = field(default_factory=list)
    samples: Counter[tuple[str, str]] = field(default_factory=Counter)
    redelivered: int = 0
    repeated: int = 0
    commit: Commit | None = None
    """None where there is nothing to store."""
    horizon: HorizonRows | None = None
    """The same of what lines have heard."""

    def take(self, line: str, after: Feed, result: Step, event: Sample | Moment | Tick) -> None:
        """Take in what has come of an event: the line with the key `line` is `after` now."""
        self.lines[line] = after
        if result.records:
            self.steps.append((line, result, event))
            self.records += result.records
        self.notices += result.notices


async def in_slices(slices: Slices[T]) -> T:
    """The result of what may take long, while everything else of the process turns."""
    until = time.perf_counter() + SLICE
    while True:
        try:
            next(slices)
        except StopIteration as done:
            result: T = done.value
            return result
        if time.perf_counter() >= until:
            await asyncio.sleep(0)
            until = time.perf_counter() + SLICE
