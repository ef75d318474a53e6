"""What it costs that orders are heard late: the parts that are at the wrong run at rest, the most and the longest that
were meanwhile, and the requests, through mapping, outbox and the choice of what is sent next, a request a second.

120 changes of order on a line that counts a part a second, in windows of 60 s; each order is heard so many seconds
late, always or at the most, with windows that wait for late orders and without. Then 40 lines after an outage of ten
minutes with ten changes each: the requests for each of them, and by how much later than without the outage a run is at
Oden that begins after it. Exits with 1 where a part is at the wrong run at rest, a late change costs more than MOST
requests, or what is live is later by more than MOST_LATER.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from silence import silent

from gateway.config.schema import Line
from gateway.delivery.schedule import OTHERS, is_correction
from gateway.delivery.schedule import plan as next_of
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
WAITS = (0, 60)
"""Seconds for which windows wait."""
SHARES = {"always": (1.0,), "at most": (1.0, 0.4, 0.7)}
"""What of that it is, one after another."""
LINES, LOST, CHANGED = 40, 600, 10
MOST = 6.0
"""Requests for a late change, with one kind of raw data."""
MOST_LATER = 5.0
"""Seconds by which what is live may be later because of what is corrected."""
SPAN = 900.0
"""The time resolution of output, as usual."""


def plan(number: int = 0, wait: int = 0) -> LinePlan:
    given: dict[str, Any] = {
        "factory": "Factory A",
        "line": f"Line {number}",
        "inputs": {
            "good": {"source": "plc", "node": f"L{number}.Good", "counter": {}},
            "order": {"source": "mes", "topic": f"L{number}/order", "field": "number", "time": "at"},
        },
        "run": {"key": "order", "product": "FILM", "name": "{order}"},
        "scrap_yield": {
            "every": "60s",
            "wait": f"{wait}s",
            "entries": [{"count": "good", "raw_data": {"yield": "{n}"}}],
        },
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
        self.others = 0
        """Requests since the last correction."""
        self.waited: dict[str, float] = {}
        """By the run that a start is of, how long it took until it was sent."""
        self.names: dict[str, str] = {}
        self.made: Counter[str] = Counter()

    def hear(self, number: int, event: Sample | Tick) -> None:
        self.lines[number], result = feed(self.plans[number], self.lines[number], event)
        if result.records:
            self.outbox.commit(Commit(number=self.outbox.last_commit() + 1, records=result.records))

    def request(self, second: float) -> bool:
        """Deliver what is next, at the end of the `second`. Answers whether there was something."""
        chosen = next_of(
            self.outbox.work(),
            T0 + second,
            busy=frozenset(),
            held={},
            has_line=lambda _: True,
            span=SPAN,
            correction_due=self.others >= OTHERS,
        )
        if chosen.choice is None:
            return False
        work = chosen.choice.work
        self.others = 0 if is_correction(work) else self.others + 1
        attempt = Attempt(work.lane, work.positions, "interval/set", "{}", begun=1.0)
        self.outbox.begin(work, attempt)
        for record in work.records:
            self._take(record, T0 + second)
        self.outbox.settle(
            replace(work, attempt=attempt), dict.fromkeys(work.positions, f"id of {work.records[0].interval}")
        )
        self.requests += 1
        return True

    def _take(self, record: Record, now: float) -> None:
        if isinstance(record, StartInterval):
            self.waited[f"{record.line} {record.name}"] = now - record.at
            self.names[record.key] = f"{record.line} {record.name}"
        elif isinstance(record, Output):
            self.made[self.names[record.interval]] += int(str(record.raw_data["yield"]))


def late(seconds: int, shares: Sequence[float], wait: int) -> tuple[int, int, int, int]:
    """Parts at the wrong run at rest; the most that were meanwhile, and for how many seconds some were; requests."""
    plant, line = Plant([plan(wait=wait)]), "Factory A/Line 0"
    most = wrong_for = longest = 0
    last, second = CHANGES * EVERY, 0
    heard: dict[int, list[int]] = {}
    for number in range(CHANGES + 1):
        heard.setdefault(number * EVERY + int(seconds * shares[number % len(shares)]), []).append(number)
    for second in range(last + 300):
        if second <= last:
            plant.hear(0, count(0, second))
        for number in heard.get(second, ()):
            name = f"A{number}" if number < CHANGES else ""
            plant.hear(0, order(0, name, number * EVERY + 0.5, second + 0.5))
        plant.hear(0, Tick(T0 + second + 0.9))
        plant.request(second + 1)
        wrong = max((made - EVERY for made in plant.made.values()), default=0)
        most, wrong_for = max(most, wrong), wrong_for + 1 if wrong > 0 else 0
        longest = max(longest, wrong_for)
    while plant.request(second := second + 1):
        pass
    right = Counter({f"{line} A{number}": EVERY for number in range(CHANGES)})
    return sum(abs(plant.made[run] - right[run]) for run in {*plant.made, *right}) // 2, most, longest, plant.requests


def outage() -> tuple[float, float]:
    """Requests for each change of order that was heard late, of all lines after an outage, all told; and by how many
    seconds a run that begins afterwards is later at Oden than without the outage, at the most."""

    def played(*, lost: bool) -> Plant:
        plant, second = Plant([plan(number) for number in range(LINES)]), 0
        for second in range(LOST + 240):
            for number in range(LINES):
                if second % 10 == 0:
                    plant.hear(number, count(number, second))
                for said in _changes(number):
                    heard = LOST + 1 + said / LOST if lost and 0.5 < said < LOST else said
                    if second <= heard < second + 1:
                        plant.hear(number, order(number, f"A{said:.3f}", said, heard))
                plant.hear(number, Tick(T0 + second + 0.999))
            plant.request(second + 1)
        while plant.request(second := second + 1):
            pass
        return plant

    without, with_it = played(lost=False), played(lost=True)
    live = [f"Factory A/Line {number} A{_changes(number)[-1]:.3f}" for number in range(LINES)]
    later = max(with_it.waited[run] - without.waited[run] for run in live)
    return with_it.requests / (LINES * CHANGED), later


def _changes(number: int) -> list[float]:
    """When the orders of a line change: at first, during the outage, and once when it has been over for a while."""
    during = [place * (LOST - 20) / CHANGED + number / LINES for place in range(1, CHANGED + 1)]
    return [0.5, *during, LOST + 90 + 2.5 * number]


def main() -> int:
    silent()
    failed = False
    print("orders late      wait    parts at the wrong run at rest    most meanwhile    longest, s    requests")
    for wait, (word, shares), seconds in product(WAITS, SHARES.items(), LATE):
        rest, most, longest, requests = late(seconds, shares, wait)
        failed |= rest > 0
        print(f"{word:7s} {seconds:2d} s {wait:5d} s {rest:33d} {most:17d} {longest:13d} {requests:11d}")
    cost, later = outage()
    failed |= cost > MOST or later > MOST_LATER
    print(
        f"{LINES} lines, ten minutes away, {CHANGED} changes a line: {cost:.1f} requests a change, all told; what is "
        f"live is later by {later:.1f} s at most"
    )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
