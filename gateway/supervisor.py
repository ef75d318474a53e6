"""Keeps every long-running task of the process going, and knows which of them has stopped turning.

Theory of operation. A *child* is one long-running task: its name, the function that runs it, when it last turned, and
how it ends. Each child has a keeper, a task that runs the function and starts it again with a growing pause whenever
it raises. Nothing else in the process starts a long-running task, so nothing can end unseen:

- An exception is told (log, `failures`) and the child is started again. Exception groups are taken apart first. An
  error of ours (`GatewayError`) is told by its sentence; anything else is a fault of the program and told with its
  traceback.
- A `DamagedRow` is fatal: the outbox is repaired when it is opened, so `run` returns and the process ends, once.
- Telling never fails: a log sink that raises is counted (`unlogged`) and changes nothing.
- A child that has not turned for its `limit` is cancelled and started again alone. One that must not be cut off in
  the middle (`vital`: intake, delivery), and one that does not end when it is cancelled, cannot be mended from
  within: `stuck` says so, the watchdog is not fed any more, and the service manager starts the process again. `watch`
  adds to these what is no child, such as the outbox's thread. A pause before a restart counts as turning.

Callers must not assume that a child has ended when `start` or `run` of another returns; `stop` and `shutdown` wait
for it.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from gateway.clock import Clock
from gateway.errors import DamagedRow, GatewayError

log = structlog.get_logger()

FIRST_PAUSE = 0.5
"""Seconds before the first restart; each further one waits twice as long, with jitter."""
STEADY = 60.0
"""Seconds that a child must have run for the pauses to begin anew."""
LOOK = 1.0
"""Seconds between two looks at every child."""
TURN = 30.0
"""Seconds in which a loop must turn."""
ENDING = 10.0
"""Seconds that a cancelled child gets to end before it counts as one that will not."""
MOST_FAILURES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A long-running task as its owner describes it.

    `run` may be called again after it raised. Where it returns without having been asked to, that is a failure like
    any other; with `once`, it has done its work. `turned_at` is when its loop last turned, on the monotonic clock.
    `end` asks it to return by itself, for which it gets `grace` seconds; without it, it is cancelled. At the shutdown
    children end in ascending order of `stage`, those of one stage together.
    """

    name: str
    run: Callable[[], Awaitable[None]]
    turned_at: Callable[[], float]
    limit: float = TURN
    vital: bool = False
    once: bool = False
    stage: int = 0
    end: Callable[[], None] | None = None
    grace: float = 0.0
    longest_pause: float = 30.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A child that raised, or stopped turning, at `at` (epoch), and was started again."""

    name: str
    at: float
    error: Exception

    @property
    def text(self) -> str:
        return str(self.error) or type(self.error).__name__


class Ended(GatewayError):
    """A child has ended without a reason of its own: it did not turn and was cut off, was cancelled, or returned."""


@dataclass(slots=True)
class _Kept:
    """A child and where it stands."""

    child: Child
    begun_at: float
    keeper: "asyncio.Task[None] | None" = None
    running: "asyncio.Task[None] | None" = None
    """None in the pause before a restart."""
    cut_off_at: float | None = None
    """When it was cancelled because it did not turn."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class _Watched:
    """Something that turns and is no child."""

    name: str
    turned_at: Callable[[], float]
    limit: float


class Supervisor:
    """The children of one process. `alive` is called about once a LOOK while nothing is stuck: it feeds the
    watchdog.
    """

    def __init__(self, clock: Clock, alive: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._alive = alive
        self._kept: dict[str, _Kept] = {}
        self._watched: list[_Watched] = []
        self._ended = asyncio.Event()
        self._shutting_down = False
        self.fatal: DamagedRow | None = None
        self.failures: deque[Failure] = deque(maxlen=MOST_FAILURES)
        """What failed, the newest last; whoever shows them takes them out."""
        self.unlogged = 0
        """Lines of the supervisor's own that the log did not take."""

    def start(self, child: Child) -> None:
        """Start `child`; none of its name may be running. After `shutdown` has begun, nothing is started any more."""
        if self._shutting_down:
            return
        if child.name in self._kept:
            raise ValueError(f"{child.name} runs already")
        kept = self._kept[child.name] = _Kept(child, self._clock.monotonic())
        kept.keeper = asyncio.create_task(self._keep(kept), name=f"keeper of {child.name}")

    async def stop(self, name: str) -> None:
        """End the child `name` and wait until it has ended; nothing happens where there is none."""
        kept = self._kept.get(name)
        if kept is None:
            return
        kept.stopping.set()
        if kept.running is not None and kept.child.end is not None:
            kept.child.end()
            await asyncio.wait({kept.running}, timeout=kept.child.grace)
        while kept.running is not None and not kept.running.done():
            kept.running.cancel()  # again and again: a library below may swallow a cancellation
            await asyncio.wait({kept.running}, timeout=5.0)
        if kept.keeper is not None:
            await asyncio.wait({kept.keeper})

    async def replace(self, child: Child) -> None:
        """Run `child` in the place of the one of its name, which has ended before."""
        await self.stop(child.name)
        self.start(child)

    def watch(self, name: str, turned_at: Callable[[], float], limit: float = TURN) -> None:
        """Let what is no child be part of liveness; `turned_at` as of a child."""
        self._watched.append(_Watched(name, turned_at, limit))

    async def run(self, until: asyncio.Event) -> None:
        """Look after the children until `until` is set, or until something is fatal (`fatal`)."""
        waits = [asyncio.create_task(until.wait()), asyncio.create_task(self._ended.wait())]
        try:
            while not any(wait.done() for wait in waits):
                self._look()
                await asyncio.wait(waits, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def shutdown(self) -> None:
        """End all children, stage by stage."""
        self._shutting_down = True
        while self._kept:
            stage = min(kept.child.stage for kept in self._kept.values())
            names = [name for name, kept in self._kept.items() if kept.child.stage == stage]
            await asyncio.gather(*(self.stop(name) for name in names))

    def stuck(self) -> str | None:
        """What has stopped turning and cannot be mended from within, in words; None where nothing has."""
        now = self._clock.monotonic()
        for kept in self._kept.values():
            if kept.cut_off_at is not None and now - kept.cut_off_at > ENDING:
                return f"{kept.child.name} does not end"
            if kept.child.vital and (still := now - self._turned(kept)) > kept.child.limit:
                return f"{kept.child.name} has not turned for {still:.0f} s"
        for watched in self._watched:
            if (still := now - watched.turned_at()) > watched.limit:
                return f"{watched.name} has not turned for {still:.0f} s"
        return None

    def _turned(self, kept: _Kept) -> float:
        if kept.running is None:
            return self._clock.monotonic()
        return max(kept.begun_at, kept.child.turned_at())

    def _look(self) -> None:
        """Cut off children that do not turn; say that the process is alive where it is."""
        try:
            now = self._clock.monotonic()
            for kept in self._kept.values():
                still = now - self._turned(kept)
                overdue = not kept.child.vital and not kept.stopping.is_set() and still > kept.child.limit
                if overdue and kept.cut_off_at is None and kept.running is not None:
                    kept.cut_off_at = now
                    kept.running.cancel()
            if self.stuck() is None:
                self._alive()
        except Exception as error:  # noqa: BLE001 - whatever one child has got wrong, the others are still looked after
            self._tell("supervisor", error, None)

    async def _keep(self, kept: _Kept) -> None:
        child, pause = kept.child, FIRST_PAUSE
        try:
            while not kept.stopping.is_set():
                kept.begun_at = self._clock.monotonic()
                kept.running = asyncio.ensure_future(child.run())
                try:
                    await asyncio.wait({kept.running})
                except asyncio.CancelledError:
                    kept.running.cancel()
                    raise
                error = _outcome(kept)
                kept.running, kept.cut_off_at = None, None
                if error is None or self._is_fatal(error):
                    return
                if kept.stopping.is_set():
                    self._tell(child.name, error, None)
                    return
                if self._clock.monotonic() - kept.begun_at > STEADY:
                    pause = FIRST_PAUSE
                pause = min(pause, child.longest_pause)
                resting = pause * random.uniform(0.5, 1.0)
                self._tell(child.name, error, resting)
                with suppress(TimeoutError):
                    async with asyncio.timeout(resting):
                        await kept.stopping.wait()
                pause *= 2
        finally:
            if self._kept.get(child.name) is kept:
                del self._kept[child.name]

    def _is_fatal(self, error: Exception) -> bool:
        for cause in causes(error):
            if isinstance(cause, DamagedRow):
                self._tell_safely("critical", "outbox_damaged", reason=str(cause))
                self.fatal = self.fatal or cause
                self._ended.set()
                return True
        return False

    def _tell(self, name: str, error: Exception, pause: float | None) -> None:
        """Tell why `name` failed; it is started again after `pause` seconds, None: it is not."""
        again = {} if pause is None else {"restart_in": round(pause, 1)}
        for cause in causes(error):
            self.failures.append(Failure(name, self._clock.now(), cause))
            if isinstance(cause, GatewayError):
                self._tell_safely("warning", "task_ended", task=name, reason=str(cause), **again)
            else:
                self._tell_safely("error", "task_failed", task=name, exc_info=cause, **again)

    def _tell_safely(self, level: str, event: str, **words: object) -> None:
        try:
            getattr(log, level)(event, **words)
        except Exception:  # noqa: BLE001 - a log that cannot be written stops nothing
            self.unlogged += 1


def _outcome(kept: _Kept) -> Exception | None:
    """What was wrong with how a child ended; None where nothing was."""
    child, ended = kept.child, kept.running
    if ended is None:
        return None
    if ended.cancelled():
        if kept.stopping.is_set():
            return None
        late = kept.cut_off_at is not None
        return Ended(f"{child.name} has not turned for {child.limit:.0f} s" if late else f"{child.name} was cancelled")
    error = ended.exception()
    if error is None:
        return None if child.once or kept.stopping.is_set() else Ended(f"{child.name} has ended without being asked to")
    if isinstance(error, Exception):
        return error
    raise error  # KeyboardInterrupt and the like are nobody's to hold up


def causes(error: Exception) -> Iterator[Exception]:
    """The exceptions that `error` is made of: those within a group, however deep, else itself."""
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from causes(inner)
    else:
        yield error
