"""What intake has mapped and not stored yet: committed by its cause, and acknowledged afterwards.

A record, a notice, the beginning of a session or the first value ever of an input is committed at once, with what comes
within TOGETHER seconds. Messages that only moved what is remembered are committed together, when the first of them has
waited for MESSAGE_WRITE seconds or so many wait that the broker might stop (`ack_window`); tags that did, every
STATE_WRITE seconds, because flash wears and a counter's difference is found again after a crash. Each commit takes up
everything that there is.

A commit is under way beside intake, which goes on to gather and to map; one at a time, in the order of their numbers.
It is given to the outbox as often as it takes, and the outbox knows a number that it has stored already, whatever
became of the answer. Once it is stored, what is left to do (acknowledge, wake delivery, tell of notices) is a list of
calls, each made once.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from gateway.ack_window import AckWindow
from gateway.clock import Clock
from gateway.horizon import Horizon
from gateway.mapping.state_rows import StateRows
from gateway.mapping.trail import Feed
from gateway.model import Notice, Record, Reject
from gateway.outbox.entries import Commit, Within
from gateway.outbox.store import Outbox
from gateway.rejects import Allowance, FewerNotices
from gateway.repeats import Ask, Repeats
from gateway.sources.base import Arrival

TOGETHER = 0.005
MESSAGE_WRITE = 1.0
STATE_WRITE = 5.0
NOTHING_REPLAYED: Mapping[int, Reject | None] = MappingProxyType({})


@dataclass(slots=True)
class _UnderWay:
    """A commit, and how what it holds is acknowledged."""

    commit: Commit
    done: list[Callable[[], None]]
    windows: tuple[AckWindow, ...]


class Committer:
    """Takes over what was mapped (`take_over`), and stores it (`commit`)."""

    def __init__(
        self,
        ask: Ask,
        repeats: Repeats,
        horizon: Horizon,
        clock: Clock,
        on_stored: Callable[[Sequence[Record]], None],
        on_noticed: Callable[[Sequence[Notice]], None],
        on_end: Callable[[], None],
        is_awaited: Callable[[], bool],
    ) -> None:
        """`on_stored` is called with the records of each commit that held any, `on_noticed` with its notices,
        `on_end` when a commit is over or was given up. While what is to be stored `is_awaited` by something by which
        the outbox may get room, nothing is refused because that is full."""
        self._ask = ask
        self._repeats = repeats
        self._horizon = horizon
        self._clock = clock
        self._on_stored = on_stored
        self._on_noticed = on_noticed
        self._on_end = on_end
        self._is_awaited = is_awaited
        self._rows: dict[str, StateRows] = {}
        self._windows: dict[str, AckWindow] = defaultdict(AckWindow)
        self._number = 0
        """Of the last commit."""
        self.last_stored = 0
        """The number of the last commit that is on disk."""
        self._records: list[Record] = []
        self._notices: list[Notice] = []
        self._fewer = FewerNotices()
        self._refused = 0
        """Values and messages that could not be used."""
        self._moved: dict[str, Feed] = {}
        self._allowance = Allowance()
        self._rejects: list[Reject] = []
        self._replayed: dict[int, Reject | None] = {}
        self._left_out = 0
        """Messages that could not be used and are not kept."""
        self._within: Within = ()
        self._done: list[Callable[[], None]] = []
        self._urgent_since: float | None = None
        """When the first of what is to be committed at once was taken over."""
        self._written_at = clock.monotonic()
        self._under_way: _UnderWay | None = None
        self._task: asyncio.Task[None] | None = None
        self._after: deque[Callable[[], None]] = deque()
        """What is left to do for commits that are stored."""

    def load(self, number: int) -> None:
        """The number of the last commit."""
        self._number = self.last_stored = number

    def rows(self, line: str) -> StateRows | None:
        """What is stored of a line; None where that was not read."""
        return self._rows.get(line)

    def follow(self, line: str, rows: StateRows) -> None:
        """What is stored of a line, from which on its changes are stored."""
        self._rows[line] = rows

    def forget(self, lines: Iterable[str]) -> None:
        """Lines that have gone, of which everything is stored."""
        for line in lines:
            self._rows.pop(line, None)
            self._horizon.forget(line)

    def take_over(
        self,
        arrivals: Iterable[Arrival],
        moved: Mapping[str, Feed],
        records: Sequence[Record],
        notices: Sequence[Notice],
        rejects: Sequence[Reject] = (),
        replayed: Mapping[int, Reject | None] = NOTHING_REPLAYED,
        left_out: int = 0,
        within: Within = (),
        *,
        at_once: bool,
    ) -> None:
        """Take over what `arrivals`, and time, have come to: lines that moved, records and notices, messages that could
        not be used and those that were taken once more; what waits and is at Oden `within` others is taken out. What is
        neither stored nor moves anything is acknowledged with what it may have come after."""
        for arrival in arrivals:
            if arrival.done is not None:
                self._done.append(arrival.done)
            if arrival.done is not None and arrival.receipt is not None:
                self._windows[arrival.source].came(arrival.receipt.at)
        self._moved.update(moved)
        self._records += records
        told = self._fewer.add(notices, self._clock.monotonic())
        self._notices += told
        self._refused += sum(notice.count for notice in notices if notice.kind == "reject")
        self._left_out += left_out
        self._within += within
        for reject in rejects:
            if self._allowance.admits(reject, self._clock.monotonic()):
                self._rejects.append(reject)
            else:
                self._left_out += 1
        self._replayed.update(replayed)
        kept = bool(self._rejects) or bool(self._replayed) or bool(self._within)
        first = any(self._rows[line].lacks_a_first(feed.state) for line, feed in moved.items())
        if self._urgent_since is None and (at_once or first or records or told or kept):
            self._urgent_since = self._clock.monotonic()
        if not self._moved and not kept and not self._waiting():
            if self._under_way is not None:
                self._under_way.done += self._done
            else:
                self._after += self._done
            self._done = []

    @property
    def is_idle(self) -> bool:
        """Whether everything is stored and acknowledged, but for tags that moved and may wait."""
        return self._under_way is None and not self._after and not self._done and self._urgent_since is None

    def due_in(self) -> float | None:
        """Seconds until something is to be committed; None where there is nothing."""
        now = self._clock.monotonic()
        if any(window.full for window in self._windows.values()):
            return 0.0
        times = [self._urgent_since + TOGETHER] if self._urgent_since is not None else []
        times += [since + MESSAGE_WRITE for window in self._windows.values() if (since := window.since) is not None]
        times += [self._written_at + STATE_WRITE] if self._moved else []
        times += [self._fewer.due] if self._fewer.due is not None else []
        return max(0.0, min(times) - now) if times else None

    async def commit(self, *, all_: bool = False) -> None:
        """Commit where that is due, or with `all_` whatever there is: wait for the commit before, and begin it.

        Raises what a commit under way has raised; called again, it goes on with that.
        """
        self.finish()
        if self._task is not None and self._task.done():
            await self.stored()
        due = self.due_in()
        if due == 0.0 or (all_ and due is not None):
            await self.stored()
            self._under_way = self._taken_up(all_=all_)
            self._begin(self._under_way)

    async def stored(self) -> None:
        """Wait until the commit that is under way is stored, and what is left to do for it is done. Raises what it
        has raised; called again, it goes on with it."""
        if self._task is None and self._under_way is not None:
            self._begin(self._under_way)
        task = self._task
        if task is not None:
            try:
                await task
            finally:
                if task.done():
                    self._task = None
        self.finish()

    def finish(self) -> None:
        """Make each call that is left once, whatever the others do. Raises what was raised, when all are made."""
        errors: list[Exception] = []
        while self._after:
            try:
                self._after.popleft()()
            except Exception as error:  # noqa: BLE001 - it is raised below
                errors.append(error)
        if errors:
            raise ExceptionGroup("after a commit", errors)

    def _waiting(self) -> bool:
        return any(window.waiting for window in self._windows.values())

    def _taken_up(self, *, all_: bool) -> _UnderWay:
        """Everything that there is, as a commit; with `all_`, what was to be told later too."""
        known = self._repeats.take()
        self._number += 1
        heard = self._horizon.take(self._moved, self._number, self._clock.now())
        commit = Commit(
            number=self._number,
            states={line: self._rows[line].changes(feed.state, feed.clocks) for line, feed in self._moved.items()},
            records=tuple(self._records),
            notices=(*self._notices, *self._fewer.more(self._clock.monotonic(), all_=all_)),
            sessions=known.sessions,
            ids=known.ids,
            old_rings=known.old_rings,
            heard=heard.row,
            trails=heard.beginnings,
            heard_since=heard.since,
            rejects=tuple(self._rejects),
            replayed=self._replayed,
            rejects_left_out=self._left_out,
            refused=self._refused,
            within=self._within,
        )
        windows = tuple(window for window in self._windows.values() if window.taken())
        under_way = _UnderWay(commit, self._done, windows)
        self._records, self._notices, self._moved, self._done = [], [], {}, []
        self._rejects, self._replayed, self._left_out, self._refused, self._within = [], {}, 0, 0, ()
        self._urgent_since, self._written_at = None, self._clock.monotonic()
        return under_way

    def _begin(self, under_way: _UnderWay) -> None:
        self._task = asyncio.create_task(self._store(under_way))
        self._task.add_done_callback(lambda _: self._on_end())

    def _stored_in(self, outbox: Outbox, commit: Commit) -> None:
        if self._is_awaited():
            outbox.commit(commit, takes_in=False)
        else:
            outbox.commit(commit)

    async def _store(self, under_way: _UnderWay) -> None:
        await self._ask(self._stored_in, under_way.commit)
        # From here on nothing is repeated. The next lines only assign.
        self._under_way, self.last_stored = None, under_way.commit.number
        self._after += under_way.done
        self._after += [partial(window.acknowledged, self._clock.monotonic()) for window in under_way.windows]
        if under_way.commit.records:
            self._after.append(partial(self._on_stored, under_way.commit.records))
        if under_way.commit.notices:
            self._after.append(partial(self._on_noticed, under_way.commit.notices))
        self.finish()
