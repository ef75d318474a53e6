"""Draining: chooses what is next, slot after slot, and has it carried out; the thin shell around the pure parts.

For every request: the attempt is on disk before its first byte leaves, and what the answer means is on disk before the
lane goes on. Each request is settled by itself: whatever goes wrong with one does not disturb the others under way.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import structlog
from structlog.contextvars import bind_contextvars

from gateway.clock import Clock
from gateway.delivery.breaker import DeliveryHealth
from gateway.delivery.executor import MOST_UNDER_WAY, RequestExecutor
from gateway.delivery.schedule import OTHERS, Choice, is_correction, plan
from gateway.delivery.settlement import OUTBOX_PAUSE, DeliveryOptions
from gateway.errors import CommitConflict, DamagedRow, OutboxError
from gateway.oden.client import OdenClient
from gateway.outbox.entries import LineRef, Pause, Work
from gateway.outbox.life import rest_at_most
from gateway.outbox.operator_actions import paused_by
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread

__all__ = ["DeliveryOptions", "Drain"]

log = structlog.get_logger()

T = TypeVar("T")

LEAD = 0.05
"""Seconds before the next slot in which the choice is made and stored: late enough to be fresh, early enough for a
disk."""
TICK = 0.001
"""Seconds that make no difference: a sleep may end that much early."""
TURN = 2.0
"""Seconds after which `turned_at` is set anew, whatever is waited for."""
LONGEST_IDLE = 4.0
"""Seconds after which the outbox is looked at again, though nothing has been said to be new."""
ASK_EVERY = 20.0
"""Seconds between two searches that are made only for the time of their answers."""
LONGEST_WAIT = 3600.0
"""Seconds that anything of the process before waits for its next step at the most."""


def _to_do(outbox: Outbox) -> tuple[Pause | None, list[Work]]:
    return paused_by(outbox), outbox.work()


def _begun(outbox: Outbox) -> list[Work]:
    """What has an attempt on disk. What is unsure is offered as one, and is none before it is looked up."""
    return [work for work in outbox.work() if work.attempt in outbox.attempts(work.lane)]


class Drain:
    """Delivers the outbox to Oden until told to stop. `lines` are those of the configuration.

    While a person has paused delivery, nothing of the outbox leaves; what was under way is still answered.

    While the present time is not known, by `time_known`, nothing leaves that holds a time: only searches for lines,
    whose answers tell the time.
    """

    def __init__(
        self,
        outbox: OutboxThread,
        client: OdenClient,
        clock: Clock,
        options: DeliveryOptions,
        lines: Mapping[str, LineRef],
        time_known: Callable[[], bool] = lambda: True,
    ) -> None:
        self._outbox = outbox
        self._client = client
        self._clock = clock
        self._options = options
        self._executor = RequestExecutor(outbox, client, clock, options, lines)
        self._time_known = time_known
        self._ask_at = 0.0
        """When the time is asked for again (monotonic)."""
        self._busy: set[str] = set()
        self._corrections: deque[bool] = deque(maxlen=OTHERS)
        """Whether the last choices were corrections."""
        self._under_way: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None
        self._abandoning = False
        self._news = asyncio.Event()
        self._stopping = False
        self._outbox_retry_at = 0.0
        self.turned_at = clock.monotonic()

    @property
    def health(self) -> DeliveryHealth:
        """What delivery says of itself."""
        return self._executor.breaker.health

    @property
    def lines(self) -> Mapping[str, LineRef]:
        """What is known of each line at Oden."""
        return self._executor.settlement.lines

    @property
    def gap(self) -> float:
        """Seconds between two requests at present."""
        return self._client.pace.gap

    def silent_for(self) -> float | None:
        """Seconds since a request left that has had no answer, and none has come to any other since; None while
        nothing is waited for.
        """
        since = self._client.silent_since
        return None if since is None else max(0.0, self._clock.monotonic() - since)

    def wake(self) -> None:
        """Something new waits in the outbox."""
        self._news.set()

    def stop(self) -> None:
        """Send nothing more; `run` returns once what is under way has been answered."""
        self._stopping = True
        self._executor.settlement.giving_up.set()
        self._news.set()

    async def run(self) -> None:
        """Deliver until `stop`. The next `run` starts from what is on disk.

        Raises DamagedRow where a row of the outbox is damaged, OutboxError where the outbox does not take an answer
        before the end, and whatever a fault of the gateway's own raises: always plain, and
        after everything under way has been answered and, as far as the outbox permits, settled. Meanwhile an outbox
        that cannot be used is waited for. `turned_at` is set at least every few seconds.
        """
        self._busy.clear()
        self._error = None
        self._abandoning = False
        if not self._stopping:
            self._executor.settlement.giving_up.clear()
        try:
            try:
                await self._deliver()
            except Exception as error:  # noqa: BLE001 - raised again below, after the others have been answered
                self._failed(error)
            await self._answered()
        finally:
            await self._abandon()
        if self._error is not None:
            raise self._error

    async def _deliver(self) -> None:
        while not await self._recovered():
            await self._turning(asyncio.sleep(OUTBOX_PAUSE))
        while not self._stopping and self._error is None:
            self.turned_at = self._clock.monotonic()
            self._news.clear()
            await asyncio.sleep(min(1.0, max(0.0, self._client.pace.wait(self._clock.monotonic()) - LEAD)))
            if self._client.pace.wait(self._clock.monotonic()) > LEAD + TICK:
                continue
            choice, wake = await self._choose()
            if choice is None:
                await self._idle(wake)
                continue
            self._busy.add(choice.work.lane)
            written = asyncio.Event()
            task = asyncio.create_task(self._carry_out(choice, written))
            self._under_way.add(task)
            task.add_done_callback(self._ended)
            await self._turning(written.wait())

    async def _answered(self) -> None:
        """Wait until nothing is under way any more; what cannot be put on disk by then is given up."""
        self._executor.settlement.giving_up.set()
        while self._under_way:
            await self._turning(asyncio.wait({*self._under_way}))

    async def _abandon(self) -> None:
        """End what is under way, without waiting for answers. There is nothing left of it but where `run` was
        cancelled."""
        self._abandoning = True
        while under_way := {*self._under_way}:
            for task in under_way:
                task.cancel()
            await asyncio.wait(under_way)

    async def _turning(self, awaitable: Awaitable[T]) -> T:
        """The result of `awaitable`, while `turned_at` shows that it is waited for by design."""
        task = asyncio.ensure_future(awaitable)
        # Whoever waits may be cancelled as it fails: then nobody asks for its exception.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            while not task.done():
                self.turned_at = self._clock.monotonic()
                await asyncio.wait({task}, timeout=TURN)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        self.turned_at = self._clock.monotonic()
        return task.result()

    async def _recovered(self) -> bool:
        """Whether what the run before has left is seen to; False while the outbox cannot be used."""
        try:
            await self._turning(self._recover())
        except OutboxError as error:
            if self._stopping:
                raise
            self._wait_for_outbox(error)
            return False
        return True

    async def _recover(self) -> None:
        await self._executor.learn_lines()
        # What is unsure rests by a clock that may have been set back since.
        await self._outbox(rest_at_most, self._clock.now() + self._options.settle)
        for work in await self._outbox(_begun):
            if work.attempt is not None:
                await self._executor.settlement.recover(work, work.attempt, LONGEST_WAIT)
        await self._executor.settlement.resumed()

    async def _choose(self) -> tuple[Choice | None, float | None]:
        """What to do now or, where that is nothing, when to look again at the latest (epoch)."""
        now, hold, lines = self._clock.now(), self.health.api, self.lines
        hold = None if hold is None or hold.only else hold
        if len(self._busy) >= (1 if hold else MOST_UNDER_WAY):
            return None, None
        if hold and hold.until > now:
            return None, hold.until
        if (pause := self._outbox_retry_at - self._clock.monotonic()) > 0.0:
            return None, now + pause
        time_known = self._time_known()
        if not time_known and (pause := self._ask_at - self._clock.monotonic()) > 0.0:
            return None, now + pause
        busy = frozenset(self._busy)
        try:
            paused, works = await self._turning(self._outbox(_to_do))
        except OutboxError as error:
            self._wait_for_outbox(error)
            return None, now + OUTBOX_PAUSE
        busy |= self._busy  # what has ended meanwhile is not among `works` as it is now
        if await self._recover_abandoned(works, busy):
            return None, now
        if paused is not None:
            return None, None
        self._forget_holds(works)
        chosen = plan(
            works,
            now,
            busy=busy,
            held=self._executor.breaker.held,
            has_line=lambda line: time_known and line in lines and lines[line].oden_id is not None,
            ends_first=self._executor.settlement.ends_first.always,
            ends_first_of=self._executor.settlement.ends_first.types,
            span=self._options.span,
            correction_due=not any(self._corrections),
            left_open=self._executor.left_open.due,
            probes=self._executor.breaker.probes,
        )
        if chosen.choice is not None:
            self._corrections.append(is_correction(chosen.choice.work))
            self._executor.breaker.note_choice(chosen.choice.work)
        if chosen.choice is not None and not time_known:
            self._ask_at = self._clock.monotonic() + ASK_EVERY
        if chosen.choice is None and not self._busy:
            self.health.outbox = None  # it can be read, and there is nothing to write
        return chosen.choice, chosen.wake

    def _forget_holds(self, works: Sequence[Work]) -> None:
        """A line on which nothing waits is not held up."""
        waiting = {work.line for work in works}
        for line in [*self.health.lines.keys() - waiting]:
            if not any(lane.startswith(f"{line}/") for lane in self._busy):
                del self.health.lines[line]

    async def _recover_abandoned(self, works: Sequence[Work], busy: frozenset[str]) -> bool:
        """Go on with attempts that say of themselves that they are being sent, while nobody sends them, their lanes not
        being `busy`: their request was stored although storing it seemed to fail, or its task has ended. Whether there
        were any."""
        abandoned = [
            (work, work.attempt)
            for work in works
            if work.attempt is not None and work.attempt.phase == "sending" and work.lane not in busy
        ]
        for work, attempt in abandoned:
            await self._turning(self._executor.settlement.recover(work, attempt, LONGEST_WAIT))
        return bool(abandoned)

    async def _idle(self, wake: float | None) -> None:
        pause = LONGEST_IDLE if wake is None else min(LONGEST_IDLE, max(0.01, wake - self._clock.now()))
        try:
            async with asyncio.timeout(pause):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _carry_out(self, choice: Choice, written: asyncio.Event) -> None:
        """Supervises one request: whatever is wrong with it, or with its answer, does not stop the others."""
        work, settlement = choice.work, self._executor.settlement
        try:
            bind_contextvars(record=work.records[0].key, line=work.line)  # of this task: whatever is logged in it
            await self._executor.carry_out(choice, written)
        except OutboxError as error:
            if settlement.giving_up.is_set():
                raise
            self._wait_for_outbox(error)  # nothing was sent: an answer is kept until the outbox has taken it
        except (DamagedRow, CommitConflict):
            raise
        except Exception as error:
            log.exception("request_not_handled", step=choice.step, line=work.line, record=work.records[0].key)
            await settlement.stumbled(work, f"a fault of the gateway's own, see the log ({type(error).__name__})")
        finally:
            written.set()
            self._busy.discard(work.lane)
            self._news.set()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A request is no longer under way; what could not be dealt with in its own place ends `run`."""
        self._under_way.discard(task)
        if task.cancelled():
            if not self._abandoning:
                self._failed(RuntimeError("a request was cancelled, which nobody had asked for"))
        elif (error := task.exception()) is not None:
            self._failed(error)

    def _wait_for_outbox(self, error: OutboxError) -> None:
        self._executor.settlement.outbox_failed(error)
        self._outbox_retry_at = self._clock.monotonic() + OUTBOX_PAUSE

    def _failed(self, error: BaseException) -> None:
        """`run` ends with `error`: the first, but a damage goes before all else, for it is mended before anything goes
        on."""
        if self._error is None or (isinstance(error, DamagedRow) and not isinstance(self._error, DamagedRow)):
            self._error = error
        self._executor.settlement.giving_up.set()
        self._news.set()
