"""What it costs that orders are heard late: the parts that are at the wrong run at rest, the most and the longest that
were meanwhile, and the requests, through mapping and outbox, each request a second as at Oden.

120 changes of order on a line that counts a part a second, in windows of 60 s; each order is heard up to so many
seconds late. Then 40 lines after an outage of ten minutes with ten changes each: the requests for each of them. Exits
with 1 where a part is at the wrong run at rest, or a late change costs more than MOST requests.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gateway.config.schema import Line
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.feeder import feed
from gateway.mapping.line import LineState, Tick
from gateway.mapping.trail import Feed
from gateway.model import Output, Record, Sample, StartInterval
from gateway.outbox.entries import Attempt, Commit
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox

T0 = 1_767_592_800.0
CHANGES, EVERY = 120, 90
"""Changes of order, and the seconds between two."""
LATE = (0, 1, 5, 15, 30, 60)
UNEVEN = (1.0, 0.4, 0.7)
"""What of that it is, one after another: where it is always the same, the sender's clock is what is wrong."""
LINES, LOST, CHANGED = 40, 600, 10
MOST = 6.0
"""Requests for a late change, with one kind of raw data."""


def plan(number: int = 0) -> LinePlan:
    given: dict[str, Any] = {
        "factory": "Factory A",
        "line": f"Line {number}",
        "inputs": {
            "good": {"source": "plc", "node": f"L{number}.Good", "counter": {}},
            "order": {"source": "mes", "topic": f"L{number}/order", "field": "number", "time": "at"},
        },
        "run": {"key": "order", "product": "FILM", "name": "{order}"},
        "scrap_yield": {"every": "60s", "entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]},
    }
    return compile_line(Line.model_validate(given), ("lines", number))


def order(number: int, name: str, said: float, heard: float) -> Sample:
    return Sample("mes", f"L{number}/order", {"number": name, "at": T0 + said}, T0 + heard)


def count(number: int, second: int) -> Sample:
    return Sample("plc", f"L{number}.Good", second, T0 + second, source_time=T0 + second)


class Plant:
    """Lines, their outbox, and what Oden has of each run; a request a second."""

    def __init__(self, plans: list[LinePlan]) -> None:
        self.plans = plans
        self.lines = [Feed(LineState()) for _ in plans]
        self.outbox = Outbox(MemoryStore())
        self.requests = 0
        self.names: dict[str, str] = {}
        self.made: Counter[str] = Counter()

    def hear(self, number: int, event: Sample | Tick) -> None:
        self.lines[number], result = feed(self.plans[number], self.lines[number], event)
        if result.records:
            self.outbox.commit(Commit(number=self.outbox.last_commit() + 1, records=result.records))

    def request(self) -> bool:
        """Deliver the oldest of what waits: output last. Answers whether there was something."""
        works = [work for work in self.outbox.work() if not work.stuck]
        if not works:
            return False
        work = min(works, key=lambda work: (isinstance(work.records[0], Output), work.records[0].at))
        attempt = Attempt(work.lane, work.positions, "interval/set", "{}", begun=1.0)
        self.outbox.begin(work, attempt)
        for record in work.records:
            self._take(record)
        self.outbox.settle(
            replace(work, attempt=attempt), dict.fromkeys(work.positions, f"id of {work.records[0].interval}")
        )
        self.requests += 1
        return True

    def _take(self, record: Record) -> None:
        if isinstance(record, StartInterval):
            self.names[record.key] = f"{record.line} {record.name}"
        elif isinstance(record, Output):
            self.made[self.names[record.interval]] += int(str(record.raw_data["yield"]))


def late(seconds: int) -> tuple[int, int, int, int]:
    """Parts at the wrong run at rest; the most that were meanwhile, and for how many seconds some were; requests."""
    plant, line = Plant([plan()]), "Factory A/Line 0"
    most = wrong_for = longest = 0
    last = CHANGES * EVERY
    heard: dict[int, list[int]] = {}
    for number in range(CHANGES + 1):
        heard.setdefault(number * EVERY + int(seconds * UNEVEN[number % len(UNEVEN)]), []).append(number)
    for second in range(last + 300):
        if second <= last:
            plant.hear(0, count(0, second))
        for number in heard.get(second, ()):
            name = f"A{number}" if number < CHANGES else ""
            plant.hear(0, order(0, name, number * EVERY + 0.5, second + 0.5))
        plant.hear(0, Tick(T0 + second + 0.9))
        plant.request()
        wrong = max((made - EVERY for made in plant.made.values()), default=0)
        most, wrong_for = max(most, wrong), wrong_for + 1 if wrong > 0 else 0
        longest = max(longest, wrong_for)
    while plant.request():
        pass
    right = Counter({f"{line} A{number}": EVERY for number in range(CHANGES)})
    return sum(abs(plant.made[run] - right[run]) for run in {*plant.made, *right}) // 2, most, longest, plant.requests


def outage() -> float:
    """Requests for each change of order that was heard late, of all lines after an outage, beyond those in order."""

    def requests(*, lost: bool) -> int:
        plant = Plant([plan(number) for number in range(LINES)])
        for second in range(LOST + 120):
            for number in range(LINES):
                if second % 10 == 0:
                    plant.hear(number, count(number, second))
                for said in _changes(number):
                    heard = LOST + 1 + said / LOST if lost and said else said
                    if second <= heard < second + 1:
                        plant.hear(number, order(number, f"A{said:.0f}", said, heard))
                plant.hear(number, Tick(T0 + second + 0.999))
            plant.request()
        while plant.request():
            pass
        return plant.requests

    return requests(lost=True) / (LINES * CHANGED)


def _changes(number: int) -> Iterator[float]:
    yield 0.5
    for place in range(1, CHANGED + 1):
        yield place * (LOST - 20) / CHANGED + number / LINES


def main() -> int:
    failed = False
    print("orders late up to    parts at the wrong run at rest    most meanwhile    longest, s    requests")
    for seconds in LATE:
        rest, most, longest, requests = late(seconds)
        failed |= rest > 0
        print(f"{seconds:8d} s {rest:28d} {most:24d} {longest:13d} {requests:11d}")
    cost = outage()
    failed |= cost > MOST
    print(f"{LINES} lines, ten minutes away, {CHANGED} changes a line: {cost:.1f} requests a change, all told")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
