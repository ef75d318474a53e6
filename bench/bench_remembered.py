"""What a line remembers for late messages, and what an order costs that is heard late: the bytes of it on the disk, how
far back it reaches, the processor time of taking again what came since, and the longest that nothing else turns in it.

Lines with a PLC's tags, orders, scrap and states: quiet ones; busy ones, whose 25 values a second come one by one, or
as one moment; and one whose orders' broker was lost for as long as `late_max`, while its PLC counted. Exits with 1
where a quiet line takes more than MOST_KIB, or nothing else turns for longer than MOST_TURN.
"""

import gc
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from silence import silent

from gateway.batch import SLICE
from gateway.cli.run import UNREACHABLE
from gateway.config.schema import Line
from gateway.horizon import Horizon
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.feeder import feed, settled
from gateway.mapping.line import LineState
from gateway.mapping.trail import Feed
from gateway.model import Contact, Moment, Sample

T0 = 1_767_592_800.0
LINES, ANALOG = 10, 20
MOST_KIB = 100.0
MOST_TURN = 0.05
LOST = 8 * 3600

Event = Sample | Moment | Contact


def plan(number: int) -> LinePlan:
    def tag(name: str, **more: Any) -> dict[str, Any]:
        return {"source": "plc", "node": f"nsu=urn:acme:line;s=L{number:02}.{name}", **more}

    topic = f"plant/L{number:02}"
    given: dict[str, Any] = {
        "factory": "F",
        "line": f"L{number}",
        "inputs": {
            **{f"a{each}": tag(f"Analog{each}") for each in range(ANALOG)},
            "good": tag("Good", counter={"rollover": 65536, "max_rate": "5/s"}),
            "reject": tag("Reject", counter={}),
            "state": tag("State"),
            "order": {"source": "mes", "topic": f"{topic}/order", "field": "number", "time": "at"},
            "scrap": {"source": "mes", "topic": f"{topic}/scrap", "time": "at"},
        },
        "run": {"key": "order", "product": "P", "name": "{order}", "end": {"when": "a0 < 0", "for": "5m"}},
        "states": {
            "input": "state",
            "codes": {1: {"category": "Up"}, 2: {"category": "Down", "reason": "{a1}"}},
            "hold": "5s",
        },
        "scrap_yield": {
            "entries": [
                {"count": "good", "raw_data": {"yield": "{n}"}},
                {"count": "reject", "raw_data": {"scrap": "{n}"}},
                {"count": "scrap.qty", "raw_data": {"scrap": "{n}", "scrap_code": "{scrap.code}"}},
            ]
        },
    }
    return compile_line(Line.model_validate(given), ("lines", number))


def second_of(number: int, second: int, analog: int) -> list[Sample]:
    """What a line says in a second; so many of its analog values change in it."""
    at = T0 + second

    def tag(name: str, value: object, after: float = 0.0) -> Sample:
        return Sample(
            "plc", f"nsu=urn:acme:line;s=L{number:02}.{name}", value, at + after + 0.03, source_time=at + after
        )

    said = [tag("Good", second)]
    said += [tag("Reject", second // 20)] if second % 20 == number else []
    said += [tag("State", 1 + second // 120 % 2)] if second % 120 == number else []
    for each in range(analog):
        said.append(tag(f"Analog{each % ANALOG}", 20.0 + ((second * 7919 + each) % 1000) / 37, each / 50))
    return said


def messages_of(number: int, second: int) -> Iterator[Sample]:
    at, topic = T0 + second, f"plant/L{number:02}"
    if second % 900 == 5 * number:
        yield Sample("mes", f"{topic}/order", {"number": f"A{second}", "at": at}, at + 0.06)
    if second % 300 == 7 * number:
        yield Sample("mes", f"{topic}/scrap", {"qty": 3, "code": "Gel", "at": at}, at + 0.06)


def quiet(number: int, second: int) -> list[Event]:
    """A count each second, and six analog values each ten."""
    return [*second_of(number, second, int(second % 10 < 6)), *messages_of(number, second)]


def one_by_one(number: int, second: int) -> list[Event]:
    return [*second_of(number, second, 24), *messages_of(number, second)]


def one_moment(number: int, second: int) -> list[Event]:
    at = T0 + second
    said = [
        Sample("plc", each.address, each.value, at + 0.03, source_time=at) for each in second_of(number, second, 24)
    ]
    return [Moment(tuple(said)), *messages_of(number, second)]


def orders_lost(number: int, second: int) -> list[Event]:
    """From the first minute on the broker is not heard; the PLC counts each second."""
    if second == 60:
        return [Contact("mes", T0 + 60, "lost", T0 + 60)]
    return [*second_of(number, second, 0), *(messages_of(number, second) if second < 60 else ())]


class Figures(NamedTuple):
    """Of a line, as `measured` says."""

    values: float
    kib: float
    reaches: float
    again: float
    turn: float


async def unused(*_: Any, **__: Any) -> Any:
    raise AssertionError


def measured(plant: Callable[[int, int], list[Event]], seconds: int, lines: int) -> Figures:
    """By line: values a second, KiB on the disk, seconds back, seconds of the processor for an order from as far back
    as is remembered, and the longest of it between two turns."""
    plans = [plan(number) for number in range(lines)]
    horizon, fed = Horizon(unused, 2**40), {one.key: Feed(LineState()) for one in plans}
    rows, begun, values = dict[int, int](), dict[str, int](), 0
    for second in range(seconds):
        for number, one in enumerate(plans):
            for event in plant(number, second):
                values += len(event.samples) if isinstance(event, Moment) else 1
                fed[one.key], _ = feed(one, fed[one.key], event)
        heard = horizon.take(fed, second + 1, T0 + second)
        rows[second + 1] = len(heard.row)
        begun |= {key: len(text) for key, text in heard.beginnings.items()}
        rows = {number: size for number, size in rows.items() if number >= heard.since}
    first, now = fed[plans[0].key], T0 + seconds
    began = first.base.at if first.base is not None else now
    said = max(T0 + 30, began + 1) if began > T0 else T0 + 30
    if first.state.lost:
        first, _ = feed(plans[0], first, Contact("mes", now, "back", now))
    late = Sample("mes", "plant/L00/order", {"number": "late", "at": said}, now + 1)
    first, _ = feed(plans[0], first, late)
    again, turn = derived(plans[0], first)
    return Figures(
        values / lines / seconds,
        (sum(rows.values()) + sum(begun.values())) / lines / 1024,
        now - max(began, T0),
        again,
        turn,
    )


def derived(one: LinePlan, line: Feed) -> tuple[float, float]:
    """The processor time that it takes to put in its place what came late, and the longest turn, which ends with the
    first slice after SLICE, as in `in_slices`."""
    begun = turn_begun = time.process_time()
    longest = 0.0
    slices = settled(one, line)
    while True:
        try:
            next(slices)
        except StopIteration:
            ended = time.process_time()
            return ended - begun, max(longest, ended - turn_begun)
        now = time.process_time()
        if now - turn_begun >= SLICE:
            longest, turn_begun = max(longest, now - turn_begun), now


def main() -> int:
    silent()
    gc.collect()
    gc.freeze()  # as `run` does, and so is the next
    gc.set_threshold(*UNREACHABLE)
    failed = False
    plants: list[tuple[str, Callable[[int, int], list[Event]], int, int]] = [
        ("quiet", quiet, 1500, LINES),
        ("25 values a second, one by one", one_by_one, 1200, 2),
        ("25 values a second as one moment", one_moment, 1200, 2),
        (f"broker lost for {LOST // 3600} h, a count each second", orders_lost, LOST, 1),
    ]
    for name, plant, seconds, lines in plants:
        found = measured(plant, seconds, lines)
        print(
            f"{name}: {found.values:.1f} values a second, {found.kib:.0f} KiB a line, {found.reaches / 60:.1f} min "
            f"back; an order of then: {1000 * found.again:.0f} ms, at most {1000 * found.turn:.0f} ms a turn",
            flush=True,
        )
        failed |= found.turn > MOST_TURN
        failed |= plant is quiet and found.kib > MOST_KIB
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
