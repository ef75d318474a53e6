"""A simulated extrusion line: what happens on it and when, as a pure function of a seed and a beginning.

Nothing here waits, opens or prints; `plant_server` plays the events on real protocols as their time comes.
The line is made so that nothing about it is lost on a gateway that is killed and back within a few seconds:
every state lasts at least SHORTEST seconds, and the line stands still for STILL seconds before and after an
order changes, so that no part is counted while it is in doubt which order it belongs to.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, cycle
from random import Random
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

FACTORY, LINE = "Factory A", "Line 01"

IDLE, RUNNING, CHANGEOVER, JAM = 0, 1, 2, 3
UNLISTED = 7
"""A code that the configuration does not name, as PLC programs have them."""

ROLLOVER = 65536
FIRST_SHOWN: Mapping[str, int] = {"Good": ROLLOVER - 9, "Reject": ROLLOVER - 2}
"""What the 16-bit counters show before the first part: they roll over within seconds."""

SHORTEST = 6.0
STILL = 6.0
LEAD_IN = 2.0
SKUS = ("FILM-80", "FILM-120", "PIPE-32", "SHEET-2")
SCRAP_CODES = ("Splice", "Gauge", "Gel")


@dataclass(frozen=True, slots=True)
class StateChange:
    """The state tag shows `code` from `at` on."""

    at: float
    code: int
    kind: Literal["state"] = "state"


@dataclass(frozen=True, slots=True)
class Count:
    """The counter `tag` shows `value`; `total` parts were counted since the line began."""

    at: float
    tag: Literal["Good", "Reject"]
    value: int
    total: int
    kind: Literal["count"] = "count"


@dataclass(frozen=True, slots=True)
class Order:
    """Order `number` for product `sku` begins; an empty number says that none is on."""

    at: float
    number: str
    sku: str
    kind: Literal["order"] = "order"


@dataclass(frozen=True, slots=True)
class Scrap:
    """An operator books `qty` scrapped parts under `code`."""

    at: float
    qty: int
    code: str
    kind: Literal["scrap"] = "scrap"


@dataclass(frozen=True, slots=True)
class Totals:
    """The line's work is done: everything it has made. `scrap` holds what operators booked, by code."""

    at: float
    good: int
    reject: int
    scrap: Mapping[str, int]
    kind: Literal["totals"] = "totals"


Event = Annotated[StateChange | Count | Order | Scrap | Totals, Field(discriminator="kind")]
"""Something that happened on the line; `at` is in seconds since 1970, to the millisecond."""

EVENT: TypeAdapter[Event] = TypeAdapter(Event)
"""Event <-> JSON text."""


class _Counter:
    """A 16-bit counter of the PLC."""

    def __init__(self, tag: Literal["Good", "Reject"]) -> None:
        self._tag = tag
        self._total = 0

    def tick(self, at: float) -> Count:
        self._total += 1
        return Count(at, self._tag, (FIRST_SHOWN[self._tag] + self._total) % ROLLOVER, self._total)


def shift(seed: int, begin: float, stopping: Callable[[float], bool]) -> Iterator[Event]:
    """What happens on the line from `begin` on, in order of time; the line is idle and without an order before.

    `stopping(at)` is asked again and again whether work is to end at `at`. Once it says so, the line finishes
    what it must (a state never ends before SHORTEST), goes idle, STILL later the order is signed off, and Totals
    is the last event. The same seed, beginning and answers give the same events.
    """
    good = reject = 0
    scrap: dict[str, int] = {}
    at = begin
    for event in _work(Random(seed), begin, stopping):
        at = event.at
        if event.kind == "count":
            good, reject = (event.total, reject) if event.tag == "Good" else (good, event.total)
        elif event.kind == "scrap":
            scrap[event.code] = scrap.get(event.code, 0) + event.qty
        yield event
    yield Totals(at, good, reject, scrap)


def _work(rng: Random, begin: float, stopping: Callable[[float], bool]) -> Iterator[Event]:
    good, reject = _Counter("Good"), _Counter("Reject")
    troubles = cycle((None, JAM, None, UNLISTED))
    now = round(begin + LEAD_IN, 3)
    for number in count(1001):
        yield Order(now, f"WO-{number}", rng.choice(SKUS))
        now = yield from _running(rng, round(now + STILL, 3), rng.uniform(7, 9), good, reject, stopping)
        trouble = next(troubles)
        if trouble is not None and not stopping(now):
            yield StateChange(now, trouble)
            now = round(now + rng.uniform(SHORTEST, SHORTEST + 1), 3)
            if not stopping(now):
                now = yield from _running(rng, now, rng.uniform(6, 8), good, reject, stopping)
        if stopping(now + 2 * STILL + SHORTEST):
            break
        yield StateChange(now, CHANGEOVER)
        now = round(now + STILL, 3)
    yield StateChange(now, IDLE)
    yield Order(round(now + STILL, 3), "", "")


def _running(
    rng: Random, begin: float, seconds: float, good: _Counter, reject: _Counter, stopping: Callable[[float], bool]
) -> Generator[Event, None, float]:
    """The line runs for `seconds`, or less when work ends; returns when it stands still again."""
    yield StateChange(begin, RUNNING)
    end = round(begin + seconds, 3)
    scrap_at = begin + rng.uniform(1.5, SHORTEST - 1.5)
    at = begin
    while (at := round(at + rng.uniform(0.4, 0.6), 3)) < end:
        if at - begin >= SHORTEST and stopping(at):
            return at
        if scrap_at < at:
            yield Scrap(round(scrap_at, 3), rng.randint(1, 5), rng.choice(SCRAP_CODES))
            scrap_at = end
        yield good.tick(at)
        if rng.random() < 0.12:
            yield reject.tick(at)
    return end
