"""The horizon on disk: what lines have heard of late, stored beside their states and in the same commits, so that after
a restart a message that comes late is put in its place as if nothing had happened.

Each commit adds one row with what all lines have heard since the last (`mapping.trail_log`); now and then a line's
beginning is stored anew, and rows that lie before the beginnings of all lines are dropped. So every sample is written
once, and what is kept is bounded in time and in bytes.
"""

import base64
import json
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from gateway.batch import in_slices
from gateway.mapping.again import Slices
from gateway.mapping.clocks import NO_CLOCKS, Clocks
from gateway.mapping.compile import LinePlan
from gateway.mapping.line import LineState
from gateway.mapping.trail import Feed, forgotten, needed_since
from gateway.mapping.trail_log import addition, beginning, last_number, restored
from gateway.outbox.store import Outbox
from gateway.repeats import Ask

log = structlog.get_logger()

REVIEWED = 60.0
"""Seconds between two looks at what can be forgotten."""
BEGINNINGS = 300.0
"""A line's beginning is stored anew after so many seconds at the earliest."""
MOST_BYTES = 32 * 2**20
"""What the rows may take, unless something else is said; beyond that, what all lines remember becomes shorter."""


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


class _Said(NamedTuple):
    """The rows, and what they say of each line, the oldest first: as text, which takes a fraction of the memory of what
    it says."""

    rows: list[_Row]
    lines: defaultdict[str, list[str]]


class _Begun(NamedTuple):
    """A line's beginning that is stored: the number of the entry before its trail, when that was at the plant, and when
    it was stored."""

    number: int
    at: float
    stored_at: float


class Horizon:
    """What of the horizon is on disk: rows of `most_bytes` at most. `ask` asks the outbox, until it answers. To read it
    can take long: everything else of the process turns meanwhile, and `turn` is called again and again."""

    def __init__(self, ask: Ask, most_bytes: int = MOST_BYTES, turn: Callable[[], None] = lambda: None) -> None:
        self._ask = ask
        self._most_bytes = most_bytes
        self._turn = turn
        self._lines: dict[str, Feed] = {}
        """As they were stored last."""
        self._rows: deque[_Row] = deque()
        self._size = 0
        self._begun: dict[str, _Begun] = {}
        self._needed: dict[str, float] = {}
        """By line the time from which on it needs rows."""
        self._reviewed = 0.0
        self._said: _Said | None = None
        """What the rows say, from when a line needs it until the next commit."""

    async def load(self) -> None:
        """Read what is there, before `line`; what was read before is forgotten."""
        self._rows.clear()
        self._size, self._said = 0, None
        said = await self._rows_said()
        for row in said.rows:
            self._add(row)

    async def line(self, plan: LinePlan, state: LineState, clocks: Clocks = NO_CLOCKS) -> Feed:
        """The line with this state, and what is known of the `clocks` of its senders, as it was stored. Where its trail
        cannot be understood, or a part of it is no longer there, the line begins with none."""
        begun = await self._ask(Outbox.trail, plan.key)
        added = (await self._rows_said()).lines[plan.key]
        line = await in_slices(_restored(plan, state, begun, added, clocks), self._turn)
        self._lines[plan.key] = line
        if line.base is not None or begun:
            number, at = (line.base.number, line.base.at) if line.base is not None else (0, 0.0)
            self._begun[plan.key] = _Begun(number, at, self._newest)
        self._needed[plan.key] = _first(line, self._newest)
        return line

    async def _rows_said(self) -> _Said:
        """What the rows say: all of them are unpacked for whatever lines are read between two commits."""
        if self._said is None:
            self._said = await in_slices(_unpacked_rows(await self._ask(Outbox.heard)), self._turn)
        return self._said

    def forget(self, line: str) -> None:
        """The line has gone, and all of it is stored."""
        for known in (self._lines, self._begun, self._needed):
            known.pop(line, None)

    def take(self, moved: Mapping[str, Feed], number: int, at: float) -> Heard:
        """What the commit `number`, which is made `at` a time, stores of the lines that have `moved`. It counts as
        stored."""
        self._said = None
        at = max(at, self._newest)
        said = {key: added for key, line in moved.items() if (added := addition(self._lines.get(key), line))}
        row = _packed({"at": at, "lines": said}) if said else ""
        anew = {key: begun for key, line in moved.items() if (begun := self._begun_anew(key, line)) is not None}
        self._lines.update(moved)
        beginnings = {key: text for key, line in anew.items() if (text := self._begin(key, line, at))}
        for key in [key for key, line in moved.items() if line.base is None and key in self._begun]:
            del self._begun[key]
            beginnings[key] = ""
        if at - self._reviewed >= REVIEWED or self._size > self._most_bytes:
            beginnings |= self._review(at)
        self._needed |= {key: _first(line, at) for key, line in moved.items() if key not in self._begun}
        oldest = min(self._needed.values(), default=at)
        if row:
            self._add(_Row(number, at, len(row)))
        while self._rows and self._rows[0].at < oldest:
            self._size -= self._rows.popleft().size
        return Heard(row, beginnings, self._rows[0].number if self._rows else number)

    def _begun_anew(self, key: str, line: Feed) -> Feed | None:
        """The line with the beginning that is to be stored, where what is stored of it is not enough to know its trail
        from: there is none, or something was put in its place before it."""
        before, begun = self._lines.get(key), self._begun.get(key)
        if line.base is None:
            return None
        if before is None or before.plan is not line.plan or begun is None or line.base.number > before.numbered:
            return line
        if before.corrected == line.corrected or begun.number == line.base.number:
            return None
        ends = (part[-1].at for part in line.parts)
        return forgotten(line, next((at for at in ends if at >= begun.at), begun.at))

    def _begin(self, key: str, line: Feed, at: float) -> str | None:
        """The beginning of the line's trail, which is stored `at` a time."""
        text = beginning(line) if line.recalled else None
        if text is not None and line.base is not None:
            self._begun[key], self._needed[key] = _Begun(line.base.number, line.base.at, at), _first(line, at)
        return text

    def _review(self, at: float) -> dict[str, str]:
        """The beginnings of lines that remember more than is needed, so that rows can go."""
        self._reviewed, beginnings = at, {}
        is_full = self._size > self._most_bytes
        least = self._rows[len(self._rows) // 2].at if is_full else 0.0
        for key, known in self._lines.items():
            line = forgotten(known, max(least, needed_since(known, at)))
            if line.base is None or (not line.newest and not line.parts and not line.late and key not in self._begun):
                self._needed[key] = at
                continue
            begun = self._begun.get(key, _Begun(0, 0.0, 0.0))
            is_due = is_full or at - begun.stored_at >= BEGINNINGS
            if line.base.number != begun.number and is_due and (text := self._begin(key, line, at)):
                beginnings[key] = text
            elif line.base.number == begun.number:
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


def _unpacked_rows(texts: Sequence[tuple[int, str]]) -> Slices[_Said]:
    said = _Said([], defaultdict(list))
    for number, text in texts:
        row = json.loads(zlib.decompress(base64.b85decode(text)))
        said.rows.append(_Row(number, row["at"], len(text)))
        for line, added in row["lines"].items():
            said.lines[line].append(json.dumps(added, separators=(",", ":")))
        yield
    return said


def _first(line: Feed, at: float) -> float:
    """When the first of the line's trail was heard, or is waiting for its place; `at` where there is none."""
    times = [next((entry.at for entry in line.trail()), at), *(late.sample.received for late in line.late[:1])]
    return min(at, *times)


def _restored(
    plan: LinePlan, state: LineState, begun: str | None, texts: Sequence[str], clocks: Clocks
) -> Slices[Feed]:
    added: list[Mapping[str, Any]] = []
    for text in texts:
        added.append(json.loads(text))
        yield
    try:
        return (yield from restored(plan, state, begun, added, clocks))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        log.warning("trail_not_understood", line=plan.key, reason=f"{type(error).__name__}: {error}")
        return Feed(state, numbered=_last_number(added), clocks=clocks)


def _last_number(added: Sequence[Mapping[str, Any]]) -> int:
    try:
        return last_number(added)
    except (ValueError, KeyError, TypeError, IndexError):
        return 0
