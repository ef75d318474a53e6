"""Lines as the budget of one token counts them, and how late what they say is at Oden."""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from heapq import heapify, heappop, heappush
from math import floor, inf
from typing import Any, Literal, NamedTuple

from gateway.model import Output, Record, Scalar, StartInterval, UpdateInterval, record_key
from gateway.oden.exchange import iso
from gateway.outbox.store import SPAN
from tests.campaign.plant import EPOCH, FACTORY

STATE_MEAN = 120.0
"""Seconds that a state lasts, by chance (exponential)."""
WINDOW = 60.0
"""Seconds of one output window; they end on the minute, on all lines at once, as the mapping has it."""
RUN_LENGTH = 1800.0
BEGIN = 600.0


class Event(NamedTuple):
    """Records that one line makes at `at`, in seconds of the loop."""

    at: float
    line: str
    records: tuple[Record, ...]


class BusyLine:
    """One line that works without end: states by chance, a run every half hour, output of it every minute.

    With one scrap code an entry holds yield and scrap; each code more is another entry.
    """

    def __init__(self, number: int, codes: int, seed: int) -> None:
        self.name = f"Line {number:03}"
        self.key = f"{FACTORY}/{self.name}"
        self._codes = codes
        self._chances = random.Random(f"{seed} {number}")
        self._numbers = 0
        self._open: dict[str, StartInterval] = {}
        self._stamp = 0

    def events(self) -> Iterator[Event]:
        """For ever, in order of time. The lines begin within BEGIN of each other, and their runs change at different
        times.
        """
        begin = self._chances.uniform(0, BEGIN)
        first_run = begin + self._chances.uniform(1, RUN_LENGTH)
        timers: list[tuple[float, int, Callable[[float], tuple[Record, ...]], Callable[[float], float]]] = [
            (begin, 0, self._run, lambda at: at + RUN_LENGTH if at > begin else first_run),
            (begin, 1, self._state, lambda at: at + self._chances.expovariate(1 / STATE_MEAN)),
            ((begin // WINDOW + 1) * WINDOW, 2, self._window, lambda at: at + WINDOW),
        ]
        heapify(timers)
        while True:
            at, order, make, after = heappop(timers)
            yield Event(at, self.key, make(EPOCH + at))
            heappush(timers, (after(at), order, make, after))

    def _key(self, at: float) -> str:
        self._numbers += 1
        return record_key(self.key, self._numbers, at)

    def _next(self, kind: str, at: float, name: str | None, details: Mapping[str, str]) -> tuple[Record, ...]:
        """The end of the interval that is on, and the start of the next."""
        before = self._open.get(kind)
        start = floor(at) if before is None else max(floor(at), before.start + 1)
        ended = [] if before is None else [UpdateInterval(self._key(at), self.key, at, kind, before.key, start)]
        self._open[kind] = StartInterval(self._key(at), self.key, at, kind, start, name, details)
        return (*ended, self._open[kind])

    def _run(self, at: float) -> tuple[Record, ...]:
        output = self._window(at) if "RUN" in self._open else ()
        self._stamp = 0
        return output + self._next("RUN", at, f"{self.name} {floor(at)}", {"product": "Film 20"})

    def _state(self, at: float) -> tuple[Record, ...]:
        return self._next("STATE", at, None, {"category": self._chances.choice(("Uptime", "Unplanned Downtime"))})

    def _window(self, at: float) -> tuple[Record, ...]:
        run = self._open["RUN"]
        records = []
        for code in range(self._codes):
            self._stamp = max(floor(at), self._stamp + 1, run.start + 1)
            raw: dict[str, Scalar] = {"scrap": self._chances.randint(1, 9), "scrap_code": f"Code {code}"}
            if code == 0:
                raw = {"yield": self._chances.randint(1, 99), **raw}
            names = tuple(name for name in ("yield", "scrap") if name in raw)
            key = self._key(at)
            records.append(Output(key, self.key, at, "RUN", run.key, self._stamp, raw, names))
        return tuple(records)


Family = Literal["states", "runs", "output"]
LIMITS: Mapping[Family, float] = {"states": 15.0, "runs": 15.0, "output": 900.0}
"""Seconds within which 95 of 100 must be at Oden."""


class Delays:
    """How long after it was made each start and each output record was at the stand-in."""

    def __init__(self) -> None:
        self.seen: dict[Family, list[tuple[float, float]]] = {"states": [], "runs": [], "output": []}
        """When it was made (seconds of the loop), and how long it took."""
        self._starts: dict[tuple[str, str, str], float] = {}
        self._runs: dict[str, int] = {}
        self._output: dict[tuple[str, int, str], list[tuple[int, float]]] = defaultdict(list)

    def made(self, record: Record, line_id: str) -> None:
        """`record` was made just now."""
        if isinstance(record, StartInterval):
            self._starts[line_id, record.type, iso(record.start)] = record.at - EPOCH
            self._runs[record.key] = record.start
        elif isinstance(record, Output):
            of = line_id, self._runs[record.interval], str(record.raw_data["scrap_code"])
            self._output[of].append((record.timestamp, record.at - EPOCH))

    def arrived(self, path: str, body: bytes, now: float) -> None:
        """The stand-in has accepted a request."""
        given = json.loads(body)
        if path == "/v2/interval/set" and "id" not in given:
            kind = given["type"]["name"]
            at = self._starts.pop((given["line"]["id"], kind, given["start_time"]))
            self.seen["states" if kind == "STATE" else "runs"].append((at, now - at))
        elif path == "/v2/scrap_yield/set":
            self._entry(given["interval"], given["data"], now)

    def _entry(self, interval: Any, data: Any, now: float) -> None:
        """An entry holds what was counted for its run and code in the same stretch of the span, up to its time
        stamp.
        """
        run = int(interval["id"], 16) // 1000  # as the stand-in makes ids
        of = interval["line"]["id"], run, data["raw_data"]["scrap_code"]
        upto = int(datetime.fromisoformat(data["timestamp"]).timestamp())
        left = []
        for stamp, at in self._output.pop(of, ()):
            if stamp <= upto and (stamp - run - 1) // SPAN == (upto - run - 1) // SPAN:
                self.seen["output"].append((at, now - at))
            else:
                left.append((stamp, at))
        if left:
            self._output[of] = left

    def p95(self, family: Family, since: float = 0.0, until: float = inf) -> float:
        """Seconds within which 95 of 100 were there, of what was made from `since` to before `until`."""
        taken = sorted(delay for at, delay in self.seen[family] if since <= at < until)
        return taken[int(0.95 * len(taken))] if taken else 0.0

    @property
    def missing(self) -> int:
        """Starts and output records that are not there yet."""
        return len(self._starts) + sum(map(len, self._output.values()))
