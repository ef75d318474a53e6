"""What happens on a simulated line, and what Oden must show of it in the end. A function of a seed.

A line tells of itself in one of two ways: by messages (and one counter in a PLC), which the gateway maps; or as
records, made as a mapping would, among them kinds of which the present mapping makes none.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import floor
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.config.schema import Line
from gateway.mapping.compile import LinePlan, compile_line
from gateway.model import Output, Record, Scalar, StartInterval, UpdateInterval, interval_key, record_key

if TYPE_CHECKING:
    from tests.campaign.orders import Word

FACTORY = "Factory A"
EPOCH = 1_800_000_000.0
"""The time at which the loop's time is 0."""
FLOOR, PLC = "floor", "plc"
"""The names of the sources."""
CUSTOM = "CHECK"
"""A custom interval type."""

CATEGORIES = ("Uptime", "Planned Downtime", "Unplanned Downtime", "No Data")
REASONS = (None, "Changeover", "Jam", "PLC")
CODES = ("Splice", "Gel", "Edge")
REFERENCE = "gateway_key"
"""Under which name each record carries its key at Oden."""
NAMES = 10
"""How many names runs and batches have."""
AUTOMATIC = "Auto reject"
"""The scrap code of what the PLC counts."""
ON_A_TAG = "PLC"
"""Where the totals of that are, since when a counter is seen again cannot be told to the part of a run."""


class Shown(NamedTuple):
    """One interval as Oden shows it; `details` are names of products, categories and so on, in order of their keys."""

    type: str
    start: int
    end: int | None
    name: str | None
    details: tuple[tuple[str, str], ...]


Totals = dict[tuple[str, int], Counter[str]]
"""By type and start of the interval: how much of what. `yield`, `scrap CODE`, and one of each entry that cannot be
summed.
"""


class Message(NamedTuple):
    """What a line publishes at `at`, seconds of the loop."""

    at: float
    topic: str
    payload: Any

    @property
    def text(self) -> str:
        return json.dumps(self.payload)


@dataclass
class Story:
    """One line: what it says and when (in seconds of the loop), and what is true of it."""

    name: str
    plan: LinePlan | None = None
    messages: list[Message] = field(default_factory=list)
    counts: list[tuple[float, int]] = field(default_factory=list)
    """The counter in the PLC: what it shows from when on."""
    records: list[tuple[float, tuple[Record, ...]]] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    totals: Totals = field(default_factory=dict)
    orders: "Sequence[Word]" = ()
    """What is said of its maintenance work orders, as `orders` makes it."""

    @property
    def key(self) -> str:
        return f"{FACTORY}/{self.name}"


def total_of(raw: Mapping[str, object], stamp: int | None) -> Counter[str]:
    """What an entry of output adds to the totals."""
    if "note" in raw:
        said = {name: value for name, value in raw.items() if name != REFERENCE}
        return Counter([f"{stamp} {json.dumps(said, sort_keys=True)}"])
    total: Counter[str] = Counter()
    if "yield" in raw:
        total["yield"] += int(str(raw["yield"]))
    if "scrap" in raw:
        total[f"scrap {raw.get('scrap_code')}"] += int(str(raw["scrap"]))
    return total


def mapped(name: str, seed: int, length: float, epoch: float = EPOCH) -> Story:
    """A line that publishes messages for `length` seconds; `seed` decides what. `epoch`, a whole second, is its time
    0.
    """
    return Mapped(name, random.Random(seed), length, epoch).story


def recorded(name: str, seed: int, length: float) -> Story:
    """A line whose records are made here."""
    return _Recorded(name, random.Random(seed), length).story


def calm(name: str, length: float) -> Story:
    """A line on which every minute something begins and ends of which no Oden refuses anything."""
    return _Calm(name, length).story


def described(name: str) -> dict[str, Any]:
    """A line that is mapped, as the configuration has it."""
    message = {"source": FLOOR, "time": "at"}
    codes = {
        number: {"category": category} | ({"reason": reason} if reason else {})
        for number, (category, reason) in enumerate(zip(CATEGORIES, REASONS, strict=True))
    }
    return {
        "factory": FACTORY,
        "line": name,
        "inputs": {
            "state": {**message, "topic": f"{name}/state", "field": "code"},
            "order": {**message, "topic": f"{name}/order", "field": "number"},
            "product": {**message, "topic": f"{name}/order", "field": "sku"},
            "good": {**message, "topic": f"{name}/good", "field": "count", "counter": {"rollover": 65536}},
            "scrap": {**message, "topic": f"{name}/scrap"},
            "work": {**message, "topic": f"{name}/work"},
            "reject": {"source": PLC, "node": f"ns=2;s={name}.Reject", "counter": {"rollover": 65536}},
        },
        "run": {"key": "order", "product": "{product}", "name": "{order}", "settle": "0s"},
        "states": {"input": "state", "codes": codes, "hold": "0s"},
        "rules": [
            {
                "set": "maintenance_work_order",
                "event": "work",
                **{field: f"{{work.{field}}}" for field in ("external_id", "name", "started_at", "completed_at")},
            }
        ],
        "scrap_yield": {
            "every": "20s",
            "entries": [
                {"count": "good", "raw_data": {"yield": "{n}"}},
                {"count": "reject", "raw_data": {"scrap": "{n}", "scrap_code": AUTOMATIC}},
                {"count": "scrap.qty", "raw_data": {"scrap": "{n}", "scrap_code": "{scrap.code}"}},
            ],
        },
    }


class Mapped:
    """Messages of one line, and what they must lead to: each thing at its own time, far enough from the others."""

    def __init__(self, name: str, chances: random.Random, length: float, epoch: float = EPOCH) -> None:
        self.chances = chances
        self.epoch = epoch
        self.story = Story(name, compile_line(Line.model_validate(self.line(name)), ("lines", 0)))
        self.runs: list[tuple[float, float, int]] = []
        self._orders(length)
        self._states(length)
        self._output(length)
        self.story.messages.sort()

    def line(self, name: str) -> dict[str, Any]:
        """The line, as the configuration has it."""
        return described(name)

    def say(self, at: float, topic: str, **payload: Scalar) -> None:
        self.story.messages.append(Message(at, f"{self.story.name}/{topic}", {**payload, "at": self.epoch + at}))

    def _orders(self, length: float) -> None:
        at = self.chances.uniform(1, 20)
        while at < length - 20:
            end = min(at + self.chances.uniform(20, 300), length)
            number, sku = f"{self.story.name} {len(self.runs)}", f"Film {self.chances.randint(1, 5)}"
            self.say(at, "order", number=number, sku=sku)
            details = (("product", sku),)
            start = floor(self.epoch + at)
            self.story.shown.append(Shown("RUN", start, floor(self.epoch + end), number, details))
            self.story.totals["RUN", start] = Counter()
            self.runs.append((at, end, start))
            if end >= length - 20 or self.chances.random() < 0.2:
                self.say(end, "order", number="", sku="")
                end += self.chances.uniform(5, 60)
            at = end
        # The PLC stops counting well before, so that its last count is seen while the last run is on.
        self.counted_until = self.runs[-1][1] - 10

    def _states(self, length: float) -> None:
        at, code = self.chances.uniform(1, 20), 0
        while at < length:
            code = self.chances.choice([one for one in range(len(CATEGORIES)) if one != code])
            self.say(at, "state", code=code)
            after = at + 2.1 + self.chances.expovariate(1 / 40)
            end = floor(self.epoch + after) if after < length else None
            details = {"category": CATEGORIES[code]} | ({"reason": REASONS[code] or ""} if REASONS[code] else {})
            self.story.shown.append(Shown("STATE", floor(self.epoch + at), end, None, tuple(sorted(details.items()))))
            at = after

    def _output(self, length: float) -> None:
        good = self.chances.randint(0, 65_535)
        reject = self.chances.randint(0, 65_535)
        self.say(0.5, "good", count=good)
        self.story.counts.append((0.0, reject))
        self.story.totals[ON_A_TAG, 0] = Counter()
        for begin, end, start in self.runs:
            total = self.story.totals["RUN", start]
            at = begin
            while (at := at + self.chances.uniform(0.5, 15)) < end - 0.01:
                amount = self.chances.randint(1, 90)
                what = self.chances.choice(("good", "good", "scrap", "reject"))
                if what == "good":
                    good = (good + amount) % 65_536
                    self.say(at, "good", count=good)
                    total["yield"] += amount
                elif what == "scrap":
                    code = self.chances.choice(CODES)
                    self.say(at, "scrap", qty=amount, code=code)
                    total[f"scrap {code}"] += amount
                elif at < self.counted_until and self._is_seen(at):
                    reject = (reject + amount) % 65_536
                    self.story.totals[self._counted_for(start)][f"scrap {AUTOMATIC}"] += amount
                    self.story.counts.append((at, reject))

    def _is_seen(self, _at: float) -> bool:
        """Whether the PLC may count at that time."""
        return True

    def _counted_for(self, _start: int) -> tuple[str, int]:
        """The key of the totals for what the PLC counts in the run that starts then."""
        return ON_A_TAG, 0


class _Recorded:
    """Records of one line, as a mapping would make them: runs with output and updates, batches, states, custom
    intervals.
    """

    def __init__(self, name: str, chances: random.Random, length: float) -> None:
        self.chances = chances
        self.story = Story(name)
        self.length = length
        self.number = 0
        self.events: list[tuple[float, Callable[[], tuple[Record, ...]]]] = []
        self._chain("RUN", self._run, 20, 400)
        self._chain("STATE", lambda: {"category": chances.choice(CATEGORIES)}, 2.1, 80)
        if chances.random() < 0.5:
            self._chain("BATCH", dict, 60, 500)
        if chances.random() < 0.7:
            self._customs()
        self.story.records = [(at, make()) for at, make in sorted(self.events, key=lambda event: event[0])]

    def key(self) -> str:
        self.number += 1
        return record_key(self.story.key, self.number, EPOCH)

    def at(self, at: float, make: Callable[[], tuple[Record, ...]]) -> None:
        self.events.append((at, make))

    def _run(self) -> dict[str, str]:
        return {"product": f"Film {self.chances.randint(1, 5)}"}

    def _chain(self, kind: str, details: Callable[[], dict[str, str]], shortest: float, longest: float) -> None:
        """Intervals of one type one after another; a new one begins in the transaction in which the last one ends."""
        at, ending = self.chances.uniform(1, 30), None
        number = 0
        while at < self.length:
            number += 1
            after = at + self.chances.uniform(shortest, longest)
            end = floor(EPOCH + after) if after < self.length or self.chances.random() < 0.5 else None
            # Told again and again, and longer than some Oden keeps.
            name = f"{kind} {number % NAMES} of the customer" if kind != "STATE" else None
            what, line, begun = details(), self.story.key, floor(EPOCH + at)
            key = interval_key(line, kind, begun)
            start = StartInterval(key, line, EPOCH + at, kind, begun, name, dict(what))
            self.at(at, partial(_both, ending, start))
            name = self._updates(start, at, after, what) or name
            if kind != "STATE":
                self._output(start, at, after)
            shown = tuple(sorted(what.items()))
            self.story.shown.append(Shown(kind, start.start, end, name, shown))
            ending = None
            if end is not None:
                ending = UpdateInterval(self.key(), line, EPOCH + after, kind, key, end)
                if after >= self.length or self.chances.random() < 0.1:
                    self.at(after, partial(_both, ending, None))
                    ending = None
                    after += self.chances.uniform(5, 60)
            at = after
        if ending is not None:
            self.at(self.length, partial(_both, ending, None))

    def _updates(self, start: StartInterval, at: float, after: float, what: dict[str, str]) -> str | None:
        """Now and then more is known of it while it is on; changes `what`, answers its new name where it has one."""
        name = None
        for _ in range(self.chances.choice((0, 0, 0, 1, 3))):
            at = self.chances.uniform(at, after)
            changed: dict[str, str] = {}
            if start.type == "RUN" and self.chances.random() < 0.5:
                changed = self._run()
            elif start.type == "STATE":
                changed = {"reason": self.chances.choice(("Jam", "Changeover", "Film tore"))}
            else:
                name = f"{start.name} b{self.chances.randint(1, 9)}"
            what |= changed
            new = None if changed else name
            update = UpdateInterval(self.key(), start.line, EPOCH + at, start.type, start.key, None, new, changed)
            self.at(at, partial(_both, update, None))
        return name

    def _output(self, start: StartInterval, at: float, after: float) -> None:
        total = self.story.totals.setdefault((start.type, start.start), Counter())
        stamp = start.start
        while (at := at + self.chances.uniform(1, 40)) < after:
            raw: dict[str, Scalar] = {}
            amounts: tuple[str, ...] = ()
            if self.chances.random() < 0.7:
                raw, amounts = {"yield": self.chances.randint(1, 90)}, ("yield",)
            if self.chances.random() < 0.5 or not raw:
                raw |= {"scrap": self.chances.randint(1, 9), "scrap_code": self.chances.choice(CODES)}
                amounts = (*amounts, "scrap")
            if self.chances.random() < 0.1:
                raw, amounts = {**raw, "note": self.chances.choice("ab")}, ()
            stamp = max(floor(EPOCH + at), stamp + 1)
            total += total_of(raw, stamp)
            # Some comes to light only after the end.
            late = self.chances.uniform(0, 60) if self.chances.random() < 0.1 else 0.0
            made = at + late
            output = Output(self.key(), start.line, EPOCH + made, start.type, start.key, stamp, raw, amounts)
            self.at(made, partial(_both, output, None))

    def _customs(self) -> None:
        """Checks, told when they are over, some many at a time; or while they are still on."""
        second = floor(EPOCH) + 5
        for _ in range(self.chances.randint(1, 12)):
            at = self.chances.uniform(1, self.length)
            made: list[Record] = []
            for _ in range(self.chances.choice((1, 1, 3, 40))):
                second += self.chances.randint(1, 5)
                end = second + self.chances.randint(1, 90)
                details = {"result": self.chances.choice(("pass", "fail"))}
                line, name = self.story.key, f"Check {second}"
                key = interval_key(line, CUSTOM, second)
                is_open = self.chances.random() < 0.2
                made.append(
                    StartInterval(key, line, EPOCH + at, CUSTOM, second, name, details, end=None if is_open else end)
                )
                if is_open:
                    later = at + self.chances.uniform(1, 90)
                    ended = UpdateInterval(self.key(), line, EPOCH + later, CUSTOM, key, end, None, {"by": "operator"})
                    self.at(later, partial(_both, ended, None))
                    details = details | {"by": "operator"}
                self.story.shown.append(Shown(CUSTOM, second, end, name, tuple(sorted(details.items()))))
            self.at(at, partial(tuple, made))


class _Calm(_Recorded):
    """A run with output, a state and a check every minute."""

    def __init__(self, name: str, length: float) -> None:
        self.story, self.number = Story(name), 0
        for at in range(30, int(length), 60):
            for kind, details in (("RUN", {"product": "Film 1"}), ("STATE", {"category": "Uptime"}), (CUSTOM, {})):
                begun, end = int(EPOCH) + at, int(EPOCH) + at + 20
                line, key = self.story.key, interval_key(self.story.key, kind, begun)
                start = StartInterval(key, line, EPOCH + at, kind, begun, None, dict(details))
                ended = UpdateInterval(self.key(), line, EPOCH + at + 20, kind, key, end)
                output = Output(self.key(), line, EPOCH + at + 9, kind, key, begun + 9, {"yield": 1}, ("yield",))
                of_run = kind == "RUN"
                self.story.records += [(at, (start,)), *([(at + 9, (output,))] if of_run else []), (at + 20, (ended,))]
                self.story.shown.append(Shown(kind, begun, end, None, tuple(sorted(details.items()))))
                self.story.totals |= {(kind, begun): Counter({"yield": 1})} if of_run else {}
        self.story.records.sort(key=lambda told: told[0])


def _both(*records: Record | None) -> tuple[Record, ...]:
    return tuple(record for record in records if record is not None)
