"""Live samples as the inputs of the lines take them: what the sources say from now on, and before it what is known; and
who looks on at that, whichever the sources are at the moment."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import TypeAdapter

from gateway.config.difference import Marks
from gateway.config.schema import Config
from gateway.mapping.compile import LinePlan
from gateway.mapping.inputs import InputMemory, InputPlan, read
from gateway.model import Quality, Sample
from gateway.sources.base import Arrival, Source, Take

Watch = Callable[[Arrival], None]
"""Told of an arrival; never raises, and does not wait."""


class Onlookers:
    """Stands between the sources and `then`, which takes what they hand over. `waiting` is what `then` has accepted and
    not made anything of yet."""

    def __init__(self, then: Take, waiting: Callable[[], Iterable[Arrival]] = lambda: ()) -> None:
        self._then = then
        self._waiting = waiting
        self._watching: set[Watch] = set()
        self._handed: dict[int, Arrival] = {}
        """By its identity what `then` has no room for yet."""

    async def take(self, arrival: Arrival) -> None:
        """Tell those who look on, and hand `arrival` on."""
        for watch in self._watching:
            watch(arrival)
        self._handed[id(arrival)] = arrival
        try:
            await self._then(arrival)
        finally:
            del self._handed[id(arrival)]

    def join(self, watch: Watch) -> None:
        """Tell `watch` of all that is under way, and of what comes from now on until it leaves. What is not told is in
        what is known at this moment: whoever reads that without a wait in between misses nothing and gets nothing
        twice."""
        for arrival in (*self._waiting(), *self._handed.values()):
            watch(arrival)
        self._watching.add(watch)

    def leave(self, watch: Watch) -> None:
        self._watching.discard(watch)


MOST_WAITING = 10_000
"""Readings that wait to be shown; what comes beyond them is counted."""


@dataclass(frozen=True, slots=True)
class InputReading:
    """What one input of a line has been told. `at` is the plant's time of it, None where it has none, and `received`
    ours. `known`: not new, but what was known before. `problem`: why it is no value."""

    line: str
    input: str
    source: str
    address: str
    value: object
    quality: Quality
    at: float | None
    received: float
    known: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Present:
    """What runs at this moment. `onlookers` are those of all its sources, and stay the same when these change.
    `memories` gives what is remembered of the inputs of the line with a key, `marks` with a salt by what it runs."""

    config: Config
    plans: Sequence[LinePlan]
    sources: Mapping[str, Source]
    onlookers: Onlookers
    memories: Callable[[str], Mapping[str, InputMemory]] = lambda _: {}
    marks: Callable[[str], Marks] = lambda _: Marks({}, {}, "", {}, {})


NO_VALUE = "it has no value yet"
"""Why it is none where a tag that never was written is read."""

READING = TypeAdapter(InputReading)


def readings(plans: Iterable[LinePlan], sample: Sample) -> Iterator[InputReading]:
    """What `sample` says of each input that it feeds; where it feeds none, it has no input's name."""
    fed = False
    for plan in plans:
        for each in plan.subscriptions.get((sample.source, sample.address), ()):
            if sample.quality == "bad" or each.accepts(sample):
                fed = True
                yield _reading(plan, each, sample)
    if not fed:
        place = ("", "", sample.source, sample.address)
        yield InputReading(*place, sample.value, sample.quality, sample.source_time, sample.received)


def _reading(plan: LinePlan, each: InputPlan, sample: Sample) -> InputReading:
    make = partial(InputReading, f"{plan.factory}/{plan.line}", each.name, sample.source, sample.address)
    if sample.quality == "bad":
        return make(None, "bad", sample.source_time, sample.received)
    taken = read(each, None, sample, sample.received)
    problem = "; ".join(notice.text for notice in taken.notices if notice.kind == "reject")
    if not taken.usable and not problem:
        problem = NO_VALUE if sample.value is None else "uncertain, so it is not used"
    at = sample.source_time if each.time is None else taken.memory.at or None
    return make(taken.memory.value, sample.quality, at, sample.received, problem=problem)


def known(present: Present) -> Iterator[InputReading]:
    """What is remembered of the inputs."""
    for plan in present.plans:
        for name, memory in present.memories(plan.key).items():
            each = plan.inputs.get(name)
            if each is not None and each.source and memory.received:
                place = (f"{plan.factory}/{plan.line}", name, each.source, each.address)
                yield InputReading(*place, memory.value, memory.quality, memory.at or None, memory.received, known=True)


async def tail(present: Callable[[], Present], source: str | None) -> AsyncGenerator[InputReading | int]:
    """What is known of the inputs of `source`, or of all, and then each reading that comes, until nobody wants more. A
    number says how many were left out because too many came. `present` is asked again and again: a gateway may go over
    to another configuration."""
    waiting: asyncio.Queue[InputReading] = asyncio.Queue(MOST_WAITING)
    left_out = 0

    def take(arrival: Arrival) -> None:
        nonlocal left_out
        for sample in arrival.samples:
            for reading in readings(present().plans, sample) if source in {None, sample.source} else ():
                if waiting.full():
                    left_out += 1
                else:
                    waiting.put_nowait(reading)

    onlookers = present().onlookers
    onlookers.join(take)
    before = [*known(present())]  # without a wait since: what comes while they are told is behind them
    try:
        for reading in before:
            if source in {None, reading.source}:
                yield reading
        while True:
            yield await waiting.get()
            if left_out and waiting.empty():
                number, left_out = left_out, 0
                yield number
    finally:
        onlookers.leave(take)


def as_json(reading: InputReading) -> dict[str, object]:
    """`reading` as a JSON object; `READING` reads it back."""
    written: dict[str, object] = READING.dump_python(reading, mode="json")
    return written
