"""The horizon on disk: what lines have heard of late, stored beside their states and in the same commits, so that after
a restart a message that comes late is put in its place as if nothing had happened.

Each commit adds one row with what all lines have heard since the last (`mapping.trail_log`); now and then a line's
beginning is stored anew, and rows that lie before the beginnings of all lines are dropped. So every sample is written
once, and what is kept is bounded in time and in bytes.
"""

import base64
import json
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from gateway.mapping.compile import LinePlan
from gateway.mapping.line import LineState
from gateway.mapping.trail import HORIZON, Feed, forgotten, needed_since
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


class Heard(NamedTuple):
    """What a commit stores of the horizon: what was heard since the last as a `row`, empty where nothing was; the
    `beginnings` of trails by line; and the number of the first commit of which the row is still needed."""

    row: str
    beginnings: Mapping[str, str]
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
        self._lines: dict[str, Feed] = {}
        """As they were stored last."""
        self._rows: deque[_Row] = deque()
        self._size = 0
        self._begun: dict[str, tuple[int, float]] = {}
        """By line the number with which its stored beginning begins, and when that was stored."""
        self._needed: dict[str, float] = {}
        """By line the time from which on it needs rows."""
        self._reviewed = 0.0
        self._read: list[Any] = []
        """What lines had heard, until the first commit."""

    async def load(self) -> None:
        """Read what is there. To be called once, before `line`."""
        for number, text in await self._ask(Outbox.heard):
            row = _unpacked(text)
            self._read.append(row["lines"])
            self._add(_Row(number, row["at"], len(text)))

    async def line(self, plan: LinePlan, state: LineState) -> Feed:
        """The line with this state as it was stored. Where its trail cannot be understood, or a part of it is no longer
        there, the line begins with none."""
        begun = await self._ask(Outbox.trail, plan.key)
        said = self._read or [_unpacked(row)["lines"] for _, row in await self._ask(Outbox.heard)]
        line = _restored(plan, state, begun, [row[plan.key] for row in said if plan.key in row])
        self._lines[plan.key] = line
        if line.base is not None:
            self._begun[plan.key] = line.base.number, self._newest
        self._needed[plan.key] = _first(line, self._newest)
        return line

    def forget(self, line: str) -> None:
        """The line has gone, and all of it is stored."""
        for known in (self._lines, self._begun, self._needed):
            known.pop(line, None)

    def take(self, moved: Mapping[str, Feed], number: int, at: float) -> Heard:
        """What the commit `number`, which is made `at` a time, stores of the lines that have `moved`. It counts as
        stored."""
        self._read = []
        at = max(at, self._newest)
        said = {key: added for key, line in moved.items() if (added := addition(self._lines.get(key), line))}
        row = _packed({"at": at, "lines": said}) if said else ""
        anew = {key: line for key, line in moved.items() if self._is_missing(key, line)}
        self._lines.update(moved)
        beginnings = {key: text for key, line in anew.items() if (text := self._begin(key, line, at))}
        if at - self._reviewed >= REVIEWED or self._size > MOST_BYTES:
            beginnings |= self._review(at)
        self._needed |= {key: min(self._needed.get(key, at), _first(line, at)) for key, line in moved.items()}
        oldest = min(self._needed.values(), default=at)
        if row:
            self._add(_Row(number, at, len(row)))
        while self._rows and self._rows[0].at < oldest:
            self._size -= self._rows.popleft().size
        return Heard(row, beginnings, self._rows[0].number if self._rows else number)

    def _is_missing(self, key: str, line: Feed) -> bool:
        """Whether what is stored of the line is not enough to know its trail from."""
        before = self._lines.get(key)
        if line.base is None:
            return False
        is_another = before is None or before.plan is not line.plan or key not in self._begun
        return is_another or (before is not None and line.base.number > before.numbered)

    def _begin(self, key: str, line: Feed, at: float) -> str | None:
        """The beginning of the line's trail, which is stored `at` a time."""
        text = beginning(line) if line.recalled else None
        if text is not None and line.base is not None:
            self._begun[key], self._needed[key] = (line.base.number, at), _first(line, at)
        return text

    def _review(self, at: float) -> dict[str, str]:
        """The beginnings of lines that remember more than is needed, so that rows can go."""
        self._reviewed, beginnings = at, {}
        is_full = self._size > MOST_BYTES
        least = self._rows[len(self._rows) // 2].at if is_full else 0.0
        for key, known in self._lines.items():
            line = forgotten(known, max(least, needed_since(known, at)))
            if line.base is None or (not line.newest and not line.parts and not line.late and key not in self._begun):
                self._needed[key] = at
                continue
            number, stored_at = self._begun.get(key, (0, 0.0))
            is_due = is_full or at - stored_at >= BEGINNINGS
            if line.base.number != number and is_due and (text := self._begin(key, line, at)):
                beginnings[key] = text
            elif line.base.number == number:
                self._needed[key] = _first(line, at)
        return beginnings

    @property
    def _newest(self) -> float:
        return self._rows[-1].at if self._rows else 0.0

    def _add(self, row: _Row) -> None:
        self._rows.append(row)
        self._size += row.size


def _packed(row: object) -> str:
    """A row as it is stored: what lines hear is much alike, so that it takes a quarter of the room."""
    text = json.dumps(row, separators=(",", ":"), default=repr)
    return base64.b85encode(zlib.compress(text.encode(), 3)).decode()


def _unpacked(text: str) -> Any:
    return json.loads(zlib.decompress(base64.b85decode(text)))


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
