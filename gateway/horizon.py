"""The horizon on disk: what lines have heard of late, stored beside their states and in the same commits, so that after
a restart a message that comes late is put in its place as if nothing had happened.

Each commit adds one row with what all lines have heard since the last (`mapping.trail_log`); now and then a line's
beginning is stored anew, and rows that lie before the beginnings of all lines are dropped. So every sample is written
once, and what is kept is bounded in time and in bytes.
"""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog

from gateway.mapping.compile import LinePlan
from gateway.mapping.line import LineState, load
from gateway.mapping.trail import HORIZON, Feed, forgotten
from gateway.mapping.trail_log import addition, beginning, restored
from gateway.outbox.store import Outbox
from gateway.repeats import Ask

log = structlog.get_logger()

REVIEWED = 60.0
"""Seconds between two looks at what can be forgotten."""
BEGINNINGS = HORIZON / 3
"""A line's beginning is stored anew after so many seconds at the earliest."""
MOST_BYTES = 32 * 2**20
"""What the rows may take; beyond that, what all lines remember becomes shorter."""


@dataclass(frozen=True, slots=True)
class HorizonRows:
    """What a commit stores of the horizon: what was `heard` since the last, the `beginnings` of trails by line, and the
    number of the first commit of which the row is still needed. `lines` are all of them, as they are stored."""

    number: int
    at: float
    lines: Mapping[str, Feed]
    heard: str
    beginnings: Mapping[str, str]
    needed: Mapping[str, float]
    """By line the time from which on it needs rows."""
    since: int


class _Row(NamedTuple):
    """The row of a commit: its number, the time by which all in it had been heard, and its size."""

    number: int
    at: float
    size: int


class Horizon:
    """What of the horizon is on disk. `ask` asks the outbox, until it answers."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._stored: dict[str, Feed] = {}
        """The lines as they were stored last."""
        self._rows: deque[_Row] = deque()
        self._size = 0
        self._begun: dict[str, tuple[int, float]] = {}
        """By line the number with which its stored beginning begins, and when that was stored."""
        self._needed: Mapping[str, float] = {}
        self._reviewed = 0.0
        self._read: list[Any] = []
        """What lines had heard, until the first commit."""

    async def load(self) -> None:
        """Read what is there. To be called once, before `line`."""
        for number, text in await self._ask(Outbox.heard):
            row = json.loads(text)
            self._read.append(row["lines"])
            self._add(_Row(number, row["at"], len(text)))

    async def line(self, plan: LinePlan) -> Feed:
        """A line as it was stored. Where its trail cannot be understood, or a part of it is no longer there, the line
        begins with none."""
        text = await self._ask(Outbox.line_state, plan.key)
        state = load(plan, text) if text else LineState()
        begun = await self._ask(Outbox.trail, plan.key)
        said = self._read or [json.loads(row)["lines"] for _, row in await self._ask(Outbox.heard)]
        line = _restored(plan, state, begun, [row[plan.key] for row in said if plan.key in row])
        self._stored[plan.key] = line
        if line.base is not None:
            self._begun[plan.key] = line.base.number, self._newest
        self._needed = {**self._needed, plan.key: _first(line, self._newest)}
        return line

    def rows(self, lines: Mapping[str, Feed], number: int, at: float) -> HorizonRows:
        """What the commit `number`, which is made `at` a time, stores of the `lines`, which are all. Changes nothing
        but how much lines remember."""
        self._read = []
        at = max(at, self._newest)
        heard: dict[str, dict[str, Any]] = {}
        for key, line in lines.items():
            before = self._stored.get(key)
            if line is not before and (said := addition(before, line)):
                heard[key] = said
        row = json.dumps({"at": at, "lines": heard}, separators=(",", ":"), default=repr) if heard else ""
        if at - self._reviewed >= REVIEWED or self._size > MOST_BYTES:
            until = max(at - HORIZON, self._rows[len(self._rows) // 2].at if self._size > MOST_BYTES else 0.0)
            lines = {key: forgotten(line, until) for key, line in lines.items()}
        anew = (line for key, line in lines.items() if self._begins_anew(key, line, at))
        begun = {line.plan.key: text for line in anew if line.plan is not None and (text := beginning(line))}
        needed = {key: self._needed_by(key, line, at, anew=key in begun) for key, line in lines.items()}
        since = next((row.number for row in self._rows if row.at >= min(needed.values(), default=at)), number)
        return HorizonRows(number, at, lines, row, begun, needed, since)

    def stored(self, rows: HorizonRows | None) -> None:
        """What these rows say is on disk, if any."""
        if rows is None:
            return
        self._stored = dict(rows.lines)
        self._needed = rows.needed
        for key in rows.beginnings:
            base = rows.lines[key].base
            if base is not None:
                self._begun[key] = base.number, rows.at
        if rows.heard:
            self._add(_Row(rows.number, rows.at, len(rows.heard)))
        while self._rows and self._rows[0].number < rows.since:
            self._size -= self._rows.popleft().size
        if rows.at - self._reviewed >= REVIEWED:
            self._reviewed = rows.at

    @property
    def _newest(self) -> float:
        return self._rows[-1].at if self._rows else 0.0

    def _add(self, row: _Row) -> None:
        self._rows.append(row)
        self._size += row.size

    def _begins_anew(self, key: str, line: Feed, at: float) -> bool:
        """Whether the beginning of the line's trail is to be stored."""
        before = self._stored.get(key)
        if line.base is None or not line.recalled:
            return False
        if before is None or before.plan is not line.plan or key not in self._begun:
            return True
        number, stored_at = self._begun[key]
        # Where more was heard than is remembered, what follows has nothing stored to follow.
        missing = line.base.number > before.numbered
        return line.base.number != number and (missing or self._size > MOST_BYTES or at - stored_at >= BEGINNINGS)

    def _needed_by(self, key: str, line: Feed, at: float, *, anew: bool) -> float:
        """From when on the line needs rows; `anew`: its beginning is stored now."""
        is_empty = not line.newest and not line.parts
        needed = _first(line, at) if anew or is_empty or key not in self._needed else self._needed[key]
        return min(needed, line.late[0][0].received) if line.late else needed


def _first(line: Feed, at: float) -> float:
    """When the first of the line's trail was heard, or is waiting for its place; `at` where there is none."""
    times = [next((entry.at for entry in line.trail()), at), *(sample.received for sample, _ in line.late[:1])]
    return min(at, *times)


def _restored(plan: LinePlan, state: LineState, begun: str | None, added: Sequence[Mapping[str, Any]]) -> Feed:
    try:
        return restored(plan, state, begun, added)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        log.warning("trail_not_understood", line=plan.key, reason=f"{type(error).__name__}: {error}")
        return Feed(state)
