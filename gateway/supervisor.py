"""Keeps every long-running task of the process going, and knows which of them has stopped turning.

Theory of operation. A *child* is one long-running task: its name, the function that runs it, when its loop last
*turned* (completed a pass, which proves that it does not hang), and how it ends. A task of the supervisor runs the
function and, whenever it raises, runs it again after a growing pause. Nothing else in the process starts a
long-running task, so nothing can end unseen:

- An exception is logged, ever more seldom where it comes again and again (`fewer_failures`), and added to `failures`,
  and the child is started again. Exception groups are taken apart first. A `GatewayError` is logged by its sentence;
  anything else is a fault of the program and logged with its traceback.
- A `DamagedRow` is fatal: the outbox is repaired when it is opened, so `run` returns and the process ends, once.
- `failing` names the children that failed and have not run steadily since.
- Logging never raises; lines that were lost are counted in `unlogged`.
- A child that has not turned for its `limit` is cancelled and started again alone. One that must not be cut off in the
  middle (`vital`: intake, delivery), and one that does not end when it is cancelled, cannot be mended from within:
  `stuck` says so, the watchdog is not fed any more, and whoever started the process starts it again. `watch` makes
  `stuck` also check something that is not a child, such as the outbox's thread. A pause before a restart counts as
  turning, and nobody is blamed for a time in which the whole process stood still, nor for one in which all waited for
  something that is watched by itself and has a limit of its own (`waited_since`): a slow disk is no loop that hangs.

`start` and `run` may return while children still run; only `stop`, `replace` and `shutdown` wait for their end.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from gateway.clock import Clock
from gateway.errors import DamagedRow, GatewayError
from gateway.fewer_failures import FewerFailures

log = structlog.get_logger()

FIRST_PAUSE = 0.5
"""Seconds before the first restart; each further one waits twice as long, with jitter."""
STEADY = 60.0
"""Seconds that a child must have run for the pauses to begin anew, where it does not say that it has done its work."""
CHECK_EVERY = 1.0
"""Seconds between two checks of every child."""
TURN = 20.0
"""The longest time without a turn, in seconds."""
CANCEL_LIMIT = 10.0
"""Seconds that a cancelled child gets to end before it counts as one that will not."""
HELD_UP = 5.0
"""Seconds that one has waited for something that is watched from which on that is to blame for what does not turn."""
STOOD_STILL = 10.0
"""Seconds between two checks from which on the whole process had stood still: stopped, swapped out, or blocked."""
MOST_FAILURES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A long-running task as its owner describes it.

    `run` may be called again after it raised. Where it returns without having been asked to, that is a failure like
    any other; with `once`, it has done its work. `turned_at` is when its loop last turned, on the monotonic clock.
    `request_stop` asks it to return by itself, for which it gets `grace` seconds; without it, it is cancelled. At
    the shutdown children end in ascending order of `stage`, those of one stage together. `has_worked`: it has done what
    it is there for since `run` was called last, so that the next pause is a first one.
    """

    name: str
    run: Callable[[], Awaitable[None]]
    turned_at: Callable[[], float]
    limit: float = TURN
    vital: bool = False
    once: bool = False
    stage: int = 0
    request_stop: Callable[[], None] | None = None
    grace: float = 0.0
    longest_pause: float = 30.0
    has_worked: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Failure:
    """A child that raised, or stopped turning, at `at` (epoch), and was started again."""

    name: str
    at: float
    error: Exception

    @property
    def text(self) -> str:
        return str(self.error) or type(self.error).__name__


class EndedUnasked(GatewayError):
    """A child has ended without a reason of its own: it did not turn and was cut off, was cancelled, or returned."""


@dataclass(slots=True)
class _ChildState:
    """A child and where it stands."""

    child: Child
    begun_at: float
    failing: str = ""
    """Why it failed last; empty once it has run for STEADY seconds since."""
    task: "asyncio.Task[None] | None" = None
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
    waited_since: Callable[[], float]


class Supervisor:
    """The children of one process. About once a CHECK_EVERY `alive` is called while nothing is stuck, which feeds the
    watchdog, else `hung` with what is.
    """

    def __init__(
        self, clock: Clock, alive: Callable[[], None] = lambda: None, hung: Callable[[str], None] = lambda _: None
    ) -> None:
        self._clock = clock
        self._alive = alive
        self._hung = hung
        self._children: dict[str, _ChildState] = {}
        self._watched: list[_Watched] = []
        self._fatal_seen = asyncio.Event()
        self._shutting_down = False
        self._checked_at = clock.monotonic()
        self._stood_still_until = -math.inf
        """When the whole process was last found to have stood still: nobody could turn before."""
        self._held_up_until = -math.inf
        """When all were last found to wait for something that is watched by itself."""
        self.fatal: Exception | None = None
        """What the process has to end for: a DamagedRow, or a fault of the supervisor's own."""
        self.failures: deque[Failure] = deque(maxlen=MOST_FAILURES)
        """What failed, the newest last; whoever shows them takes them out."""
        self.is_looking_after = False
        """Whether `run` goes on."""
        self._fewer = FewerFailures()
        self.unlogged = 0
        """Lines of the supervisor's own that the log did not take."""

    def start(self, child: Child) -> None:
        """Start `child`; none of its name may be running. After `shutdown` has begun, nothing is started any more."""
        if self._shutting_down:
            return
        if child.name in self._children:
            raise ValueError(f"{child.name} runs already")
        state = self._children[child.name] = _ChildState(child, self._clock.monotonic())
        state.task = asyncio.create_task(self._run_again_and_again(state), name=f"task of {child.name}")
        state.task.add_done_callback(self._note_if_it_failed)

    def runs(self, name: str) -> bool:
        """Whether there is a child of the name; one that rests before it is started again counts."""
        return name in self._children

    async def stop(self, name: str) -> bool:
        """End the child `name`, and wait until it has ended, for at most CANCEL_LIMIT beyond its grace; whether it has.

        Where there is none of the name, that is so. One that has not counts as stuck.
        """
        state = self._children.get(name)
        if state is None:
            return True
        state.stopping.set()
        if state.task is not None and self._request_stop(state.child):
            await asyncio.wait({state.task}, timeout=state.child.grace)
        last_try = self._clock.monotonic() + CANCEL_LIMIT
        while state.running is not None and not state.running.done():
            state.cut_off_at = state.cut_off_at or self._clock.monotonic()
            state.running.cancel()  # again and again: a library below may swallow a cancellation
            await asyncio.wait({state.running}, timeout=CANCEL_LIMIT / 4)
            if self._clock.monotonic() >= last_try:
                return False
        if state.task is not None:
            await asyncio.wait({state.task})
        return True

    async def replace(self, child: Child) -> None:
        """Run `child` in the place of the one of its name, once that has ended. GatewayError where it does not end."""
        if not await self.stop(child.name):
            raise GatewayError(f"{child.name} does not end, so nothing can take its place")
        self.start(child)

    def watch(
        self,
        name: str,
        turned_at: Callable[[], float],
        limit: float = TURN,
        waited_since: Callable[[], float] | None = None,
    ) -> None:
        """Let what is no child be part of liveness; `turned_at` as of a child. `waited_since` is for what the children
        wait for: since when the one of them does that has waited longest; now where none does."""
        self._watched.append(_Watched(name, turned_at, limit, waited_since or self._clock.monotonic))

    async def run(self, *until: asyncio.Event) -> None:
        """Look after the children until one of `until` is set, or until something is fatal (`fatal`)."""
        waits = [asyncio.create_task(event.wait()) for event in (*until, self._fatal_seen)]
        self.is_looking_after = True
        try:
            while not any(wait.done() for wait in waits):
                self._check_children()
                await asyncio.wait(waits, timeout=CHECK_EVERY, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.is_looking_after = False
            for wait in waits:
                wait.cancel()

    async def shutdown(self) -> None:
        """End all children, stage by stage. One that does not end holds up no other: it is logged and left behind."""
        self._shutting_down = True
        while self._children:
            stage = min(state.child.stage for state in self._children.values())
            names = [name for name, state in self._children.items() if state.child.stage == stage]
            ended = await asyncio.gather(*(self.stop(name) for name in names))
            for name in [name for name, has_ended in zip(names, ended, strict=True) if not has_ended]:
                self._log("error", "task_does_not_end", task=name)
                self._children.pop(name, None)

    def failing(self) -> dict[str, str]:
        """By name, why a child that runs at present, or rests before it is started again, failed within the last minute
        of its running."""
        return {name: state.failing for name, state in self._children.items() if state.failing}

    def stuck(self) -> str | None:
        """What has stopped turning and cannot be mended from within, in words; None where nothing has."""
        now = self._clock.monotonic()
        for state in self._children.values():
            if state.cut_off_at is not None and now - max(state.cut_off_at, self._held_up_until) > CANCEL_LIMIT:
                return f"{state.child.name} does not end"
            if state.child.vital and (still := now - self._turned(state)) > state.child.limit:
                return f"{state.child.name} has not turned for {still:.0f} s"
        for watched in self._watched:
            if (still := now - max(watched.turned_at(), self._stood_still_until)) > watched.limit:
                return f"{watched.name} has not turned for {still:.0f} s"
        return None

    def _turned(self, state: _ChildState) -> float:
        if state.running is None:
            return self._clock.monotonic()
        return max(state.begun_at, state.child.turned_at(), self._stood_still_until, self._held_up_until)

    def _check_children(self) -> None:
        """Cut off children that do not turn; say that the process is alive where it is."""
        try:
            now = self._clock.monotonic()
            if now - self._checked_at > STOOD_STILL:
                self._stood_still_until = now
            self._checked_at = now
            if any(now - watched.waited_since() > HELD_UP for watched in self._watched):
                self._held_up_until = now
            for state in self._children.values():
                self._check(state, now)
            if (reason := self.stuck()) is None:
                self._alive()
            else:
                self._hung(reason)
        except Exception as error:  # noqa: BLE001 - whatever one child has got wrong, the others are still looked after
            self._note_failure("supervisor", error, None)

    def _check(self, state: _ChildState, now: float) -> None:
        if now - state.begun_at > STEADY and state.running is not None:
            state.failing = ""
        if state.child.vital or state.stopping.is_set() or state.running is None:
            return
        if state.cut_off_at is None and now - self._turned(state) > state.child.limit:
            state.cut_off_at = now
        if state.cut_off_at is not None:
            state.running.cancel()  # at every check: a library below may swallow a cancellation

    def _request_stop(self, child: Child) -> bool:
        """Ask a child to end by itself; whether it can."""
        if child.request_stop is None:
            return False
        try:
            child.request_stop()
        except Exception as error:  # noqa: BLE001 - the others have to be ended too
            self._note_failure(child.name, error, None)
            return False
        return True

    def _note_if_it_failed(self, task: "asyncio.Task[None]") -> None:
        """A fault of the supervisor's own ends the process: a child that nobody looks after would die unseen."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.fatal = self.fatal or RuntimeError(f"the supervisor failed: {error!r}")
            self._fatal_seen.set()

    async def _run_again_and_again(self, state: _ChildState) -> None:
        child, pause = state.child, FIRST_PAUSE
        try:
            while True:
                state.begun_at = self._clock.monotonic()
                state.running = asyncio.create_task(_called(child.run), name=child.name)
                try:
                    await asyncio.wait({state.running})
                except asyncio.CancelledError:
                    state.running.cancel()
                    raise
                error = _outcome(state)
                state.running, state.cut_off_at = None, None
                if error is None or self._note_if_fatal(error):
                    return
                state.failing = str(error) or type(error).__name__
                if state.stopping.is_set():
                    self._note_failure(child.name, error, None)
                    return
                if is_steady := self._clock.monotonic() - state.begun_at > STEADY:
                    self._fewer.forget(child.name)
                pause = FIRST_PAUSE if is_steady or child.has_worked() else min(pause, child.longest_pause)
                resting = pause * random.uniform(0.5, 1.0)
                self._note_failure(child.name, error, resting)
                with suppress(TimeoutError):
                    async with asyncio.timeout(resting):
                        await state.stopping.wait()
                if state.stopping.is_set() and child.request_stop is None:
                    return  # one that can end by itself gets to do so: it may have something in hand
                pause *= 2
        finally:
            if self._children.get(child.name) is state:
                del self._children[child.name]

    def _note_if_fatal(self, error: Exception) -> bool:
        for cause in causes(error):
            if isinstance(cause, DamagedRow):
                self._log("critical", "outbox_damaged", reason=str(cause))
                self.fatal = self.fatal or cause
                self._fatal_seen.set()
                return True
        return False

    def _note_failure(self, name: str, error: Exception, pause: float | None) -> None:
        """Tell why `name` failed; it is started again after `pause` seconds, None: it is not."""
        again: dict[str, float] = {} if pause is None else {"restart_in": round(pause, 1)}
        for cause in causes(error):
            self.failures.append(Failure(name, self._clock.now(), cause))
            withheld = self._fewer.withheld(name, f"{type(cause).__name__} {cause}", self._clock.monotonic())
            if withheld is None and pause is not None:
                continue
            again |= {"withheld": withheld} if withheld else {}
            if isinstance(cause, GatewayError):
                self._log("warning", "task_ended", task=name, reason=str(cause), **again)
            else:
                self._log("error", "task_failed", task=name, exc_info=cause, **again)

    def _log(self, level: str, event: str, **words: object) -> None:
        try:
            getattr(log, level)(event, **words)
        except Exception:  # noqa: BLE001 - a log that cannot be written stops nothing
            self.unlogged += 1


def _outcome(state: _ChildState) -> Exception | None:
    """What was wrong with how a child ended; None where nothing was."""
    child, ended = state.child, state.running
    if ended is None:
        return None
    if ended.cancelled():
        if state.stopping.is_set():
            return None
        late = state.cut_off_at is not None
        return EndedUnasked(
            f"{child.name} has not turned for {child.limit:.0f} s" if late else f"{child.name} was cancelled"
        )
    error = ended.exception()
    if error is None:
        return (
            None
            if child.once or state.stopping.is_set()
            else EndedUnasked(f"{child.name} has ended without being asked to")
        )
    if isinstance(error, Exception):
        return error
    crash = RuntimeError(f"{child.name} crashed: {error!r}")  # as extensions in other languages do
    crash.__cause__ = error
    return crash


async def _called(run: Callable[[], Awaitable[None]]) -> None:
    await run()


def causes(error: Exception) -> Iterator[Exception]:
    """The exceptions that `error` is made of: those within a group, however deep, else itself."""
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from causes(inner)
    else:
        yield error
