"""Whether Oden has exactly what the line has made: two accounts of the same time, and their comparison.

Pure. One account is folded from the plant's own events, the other is read from the stand-in's model; both have
the same shape. The rules are the gateway's own (whole seconds, so a start or end may differ by one).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from math import inf, nan

from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.store import ScrapYieldRecord
from gateway.simulator.plant import CHANGEOVER, FACTORY, IDLE, JAM, LINE, RUNNING, Event

AUTO_REJECT = "Auto reject"
"""The scrap code that parts of the reject counter are reported under."""

MEANING: Mapping[int, tuple[str, str | None]] = {
    IDLE: ("Planned Downtime", "No order"),
    RUNNING: ("Uptime", None),
    CHANGEOVER: ("Planned Downtime", "Changeover"),
    JAM: ("Unplanned Downtime", "Jam"),
}
"""State code -> category and reason at Oden, as the demo's configuration has it."""

TOLERANCE = 1.0
LEAST_GAP = 1.0
"""Seconds between two requests that Oden asks for."""
TAKEN_UP = 0.5
"""Seconds that a request may lie in the kernel before the stand-in, on a busy machine, takes it up: it tells when that
was, not when the request was written.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: `good` parts, and `scrap` by code; `end` is None while it is on."""

    order: str
    product: str
    start: float
    end: float | None = None
    good: float = 0
    scrap: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        scrap = ", ".join(f"{qty} {code}" for code, qty in sorted(self.scrap.items()) if qty)
        return f"{self.product} {_span(self.start, self.end)}: {self.good} good, scrap {scrap or 'none'}"


@dataclass(frozen=True, slots=True)
class State:
    """One state; `end` is None while it lasts."""

    category: str
    reason: str | None
    start: float
    end: float | None = None

    def __str__(self) -> str:
        return f"{self.category}{f' / {self.reason}' if self.reason else ''} {_span(self.start, self.end)}"


@dataclass(frozen=True, slots=True)
class Account:
    """What happened on the line: runs and states, each by start."""

    runs: tuple[Run, ...]
    states: tuple[State, ...]

    @property
    def good(self) -> float:
        return sum(run.good for run in self.runs)

    def scrap(self) -> dict[str, float]:
        """Scrapped parts by code, over all runs."""
        total: dict[str, float] = {}
        for run in self.runs:
            for code, qty in run.scrap.items():
                total[code] = total.get(code, 0) + qty
        return total


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison, as text."""

    what: str
    plant: str
    oden: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Report:
    """The comparison of the two accounts; `ok` when every row is."""

    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)


def plant_account(events: Iterable[Event]) -> Account:
    """What the plant says. Every part is made while an order is on; the events of a real shift hold to that."""
    runs: list[Run] = []
    states: list[State] = []
    for event in events:
        if event.kind == "state":
            if states:
                states[-1] = replace(states[-1], end=event.at)
            category, reason = MEANING.get(event.code, ("Unplanned Downtime", f"PLC code {event.code}"))
            states.append(State(category, reason, event.at))
        elif event.kind == "order":
            if runs and runs[-1].end is None:
                runs[-1] = replace(runs[-1], end=event.at)
            if event.number:
                runs.append(Run(event.number, event.sku, event.at))
        elif event.kind == "count" and event.tag == "Good":
            runs[-1] = replace(runs[-1], good=runs[-1].good + 1)
        elif event.kind == "count":
            runs[-1] = _with_scrap(runs[-1], AUTO_REJECT, 1)
        elif event.kind == "scrap":
            runs[-1] = _with_scrap(runs[-1], event.code, event.qty)
    return Account(tuple(runs), tuple(states))


def oden_account(model: OdenModel) -> Account:
    """What the stand-in has on the plant's line."""
    runs = []
    for interval in model.intervals("RUN", FACTORY, LINE):
        run = Run(interval.name or "", interval.product or "", interval.start, interval.end)
        for record in model.output(interval):
            run = _with_output(run, record)
        runs.append(run)
    states = [
        State(interval.category or "", interval.reason, interval.start, interval.end)
        for interval in model.intervals("STATE", FACTORY, LINE)
    ]
    return Account(tuple(runs), tuple(states))


def compare(plant: Account, oden: Account, received: Sequence[float], waiting: int | None) -> Report:
    """Everything that must be right, row by row.

    `received` is when the requests reached Oden; `waiting` how many records are left in the gateway's outbox, None
    where it does not say, which is wrong too.
    """
    return Report(
        (
            *_runs(plant.runs, oden.runs),
            *_states(plant.states, oden.states),
            Row("yield", str(plant.good), str(oden.good), plant.good == oden.good),
            *_scrap(plant.scrap(), oden.scrap()),
            Row("left in the outbox", "0", "unknown" if waiting is None else str(waiting), waiting == 0),
            _pace(received),
        )
    )


def least_gap(received: Sequence[float]) -> float | None:
    """The shortest time between two requests; None where there were fewer than two."""
    return min((later - earlier for earlier, later in pairwise(sorted(received))), default=None)


def _runs(plant: Sequence[Run], oden: Sequence[Run]) -> list[Row]:
    rows = [Row("runs", str(len(plant)), str(len(oden)), len(plant) == len(oden))]
    for run in plant:
        matches = [other for other in oden if other.order == run.order]
        ok = len(matches) == 1 and _same_run(run, matches[0])
        rows.append(Row(f"run {run.order}", str(run), _texts(matches), ok))
    known = {run.order for run in plant}
    rows += [Row(f"run {run.order}", "none", str(run), ok=False) for run in oden if run.order not in known]
    return rows


def _states(plant: Sequence[State], oden: Sequence[State]) -> list[Row]:
    """The count, and a row for each state that is not found exactly once."""
    rows = [Row("states", str(len(plant)), str(len(oden)), len(plant) == len(oden))]
    matched: set[int] = set()
    for state in plant:
        matches = [number for number, other in enumerate(oden) if _close(other.start, state.start)]
        matched.update(matches)
        if len(matches) != 1 or not _same_state(state, oden[matches[0]]):
            rows.append(Row("state", str(state), _texts([oden[number] for number in matches]), ok=False))
    rows += [Row("state", "none", str(state), ok=False) for number, state in enumerate(oden) if number not in matched]
    return rows


def _scrap(plant: Mapping[str, float], oden: Mapping[str, float]) -> list[Row]:
    codes = sorted(plant.keys() | oden.keys())
    return [
        Row(f"scrap {code}", str(plant.get(code, 0)), str(oden.get(code, 0)), plant.get(code, 0) == oden.get(code, 0))
        for code in codes
    ]


def taken_up_late(received: Sequence[float]) -> float:
    """Seconds by which some request must have been taken up late, if all were written at the pace; 0 where none was."""
    written, most = inf, 0.0
    for at in sorted(received, reverse=True):
        written = min(at, written - LEAST_GAP)
        most = max(most, at - written)
    return most


def _pace(received: Sequence[float]) -> Row:
    gap = least_gap(received)
    ok = taken_up_late(received) <= TAKEN_UP
    return Row("least time between requests", f"at least {LEAST_GAP:.3f} s", "-" if gap is None else f"{gap:.3f} s", ok)


def _same_run(plant: Run, oden: Run) -> bool:
    return (
        (plant.product, plant.good) == (oden.product, oden.good)
        and _without_zeros(plant.scrap) == _without_zeros(oden.scrap)
        and _close(plant.start, oden.start)
        and _close(plant.end, oden.end)
    )


def _same_state(plant: State, oden: State) -> bool:
    return (plant.category, plant.reason) == (oden.category, oden.reason) and _close(plant.end, oden.end)


def _close(plant: float | None, oden: float | None) -> bool:
    if plant is None or oden is None:
        return plant is oden
    return abs(plant - oden) <= TOLERANCE


def _without_zeros(amounts: Mapping[str, float]) -> dict[str, float]:
    return {code: qty for code, qty in amounts.items() if qty}


def _with_scrap(run: Run, code: str, qty: float) -> Run:
    return replace(run, scrap={**run.scrap, code: run.scrap.get(code, 0) + qty})


def _with_output(run: Run, record: ScrapYieldRecord) -> Run:
    """`run` with one scrap/yield record of Oden's: `yield`, or `scrap` with its `scrap_code`, or both."""
    data = record.raw_data
    if "yield" in data:
        run = replace(run, good=run.good + _amount(data["yield"]))
    if "scrap" in data:
        run = _with_scrap(run, str(data.get("scrap_code")), _amount(data["scrap"]))
    return run


def _amount(value: object) -> float:
    """A number as it is, anything else as NaN, which equals nothing."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else nan


def _texts(matches: Sequence[Run | State]) -> str:
    return "; ".join(map(str, matches)) or "none"


def _span(start: float, end: float | None) -> str:
    return f"{_clock(start)} to {'now' if end is None else _clock(end)}"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
