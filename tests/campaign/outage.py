"""After an outage: how many requests the backlog takes, and how many of the slots are used. In simulated time."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import NamedTuple

from gateway.model import Output, Record, StartInterval, UpdateInterval
from gateway.oden.limits import MOST_INTERVALS
from gateway.outbox.store import SPAN
from tests.campaign.load import HOUR, Gateway, Queue, Site, at
from tests.campaign.plant import FACTORY
from tests.campaign.quiet import silent
from tests.campaign.virtual import simulate

RUNNING_IN = HOUR / 2
"""Seconds that all is well before the outage: then intervals are open at Oden, and output of theirs is there."""

IntervalKey = tuple[str, str, int]
"""Line, type and start."""
EntryKey = tuple[IntervalKey, str, int]
"""Interval, scrap code, and which stretch of the span since its start."""


class Picture(NamedTuple):
    """What is true, or what Oden shows: the end of each interval, and the sums of output in the resolution that
    merging keeps.
    """

    ends: dict[IntervalKey, int | None]
    sums: dict[EntryKey, Counter[str]]


@dataclass(frozen=True)
class Drained:
    """What it took to deliver everything after an outage."""

    requests: int
    least: int
    seconds: float
    gap: float
    used: float
    """Requests per second, of the first 2,000."""
    complete: bool
    """Whether Oden shows what is true."""

    def __str__(self) -> str:
        ratio = self.requests / self.least
        return (
            f"{self.requests} requests, {ratio:.4f} of the least ({self.least}), in {self.seconds / HOUR:.2f} h; "
            f"slots used {self.used:.4f}, smallest gap {self.gap:.4f} s; "
            f"Oden shows {'all' if self.complete else 'NOT all'} of it"
        )


def drain(lines: int, hours: float, *, plain: bool = False, latency: float = 0.2) -> Drained:
    """An outage of so many hours, and nothing new while what has gathered is delivered."""

    async def main() -> Drained:
        site = Site(lines, latency=latency)
        gateway = Queue(site) if plain else Gateway(site)
        running = asyncio.create_task(gateway.run())
        records: list[Record] = []

        def take(made: tuple[Record, ...]) -> None:
            records.extend(made)
            gateway.take(made)

        playing = asyncio.create_task(site.play(RUNNING_IN + hours * HOUR, take, gateway.waiting))
        await at(RUNNING_IN)
        site.oden.up = False
        await asyncio.sleep(2 * latency)
        before, written = _shown(site), len(site.oden.written)
        await playing
        site.oden.up = True
        while gateway.waiting():
            await asyncio.sleep(1.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        true = _true(records)
        times = site.oden.written[written:]
        measured = times[:2001]
        return Drained(
            requests=len(times),
            least=_least(true, before),
            seconds=times[-1] - times[0],
            gap=min(after - before for before, after in pairwise(site.oden.written)),
            used=(len(measured) - 1) / (measured[-1] - measured[0]),
            complete=_shown(site) == true,
        )

    with silent():
        return simulate(main())


def _least(true: Picture, there: Picture) -> int:
    """The fewest requests that make what is `there` true: one for each interval that is not there, one for each entry
    that lacks something, and one for every MOST_INTERVALS ends of one line and type of intervals that are there.
    """
    new = [key for key in true.ends if key not in there.ends]
    entries = [key for key, sums in true.sums.items() if there.sums.get(key) != sums]
    open_there = Counter(key[:2] for key, end in there.ends.items() if end != true.ends[key])
    return len(new) + len(entries) + sum(ceil(number / MOST_INTERVALS) for number in open_there.values())


def _true(records: Sequence[Record]) -> Picture:
    ends: dict[IntervalKey, int | None] = {}
    sums: dict[EntryKey, Counter[str]] = defaultdict(Counter)
    keys: dict[str, IntervalKey] = {}
    for record in records:
        if isinstance(record, StartInterval):
            keys[record.key] = record.line, record.type, record.start
            ends[keys[record.key]] = record.end
        elif isinstance(record, UpdateInterval):
            ends[keys[record.interval]] = record.end
        elif isinstance(record, Output):
            _add(sums, keys[record.interval], record.raw_data, record.timestamp)
    return Picture(ends, dict(sums))


def _shown(site: Site) -> Picture:
    ends: dict[IntervalKey, int | None] = {}
    sums: dict[EntryKey, Counter[str]] = defaultdict(Counter)
    model = site.oden.model
    for line in site.lines:
        for kind in ("RUN", "STATE"):
            for interval in model.intervals(kind, FACTORY, line.name):
                key = line.key, kind, interval.start
                if key in ends:
                    raise AssertionError(f"{key} is there twice")
                ends[key] = interval.end
                for entry in model.output(interval):
                    _add(sums, key, entry.raw_data, entry.timestamp or 0)
    return Picture(ends, dict(sums))


def _add(sums: dict[EntryKey, Counter[str]], key: IntervalKey, raw: Mapping[str, object], stamp: int) -> None:
    amounts = sums[key, str(raw["scrap_code"]), int((stamp - key[2] - 1) // SPAN)]
    amounts.update({name: int(str(raw[name])) for name in ("yield", "scrap") if name in raw})
