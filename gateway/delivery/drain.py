"""Draining: chooses what is next, slot after slot, and has it carried out; the thin shell around the pure parts.

For every request: the attempt is on disk before its first byte leaves, and what the answer means is on disk before the
lane goes on.
"""

import asyncio
from collections.abc import Mapping

import structlog

from gateway.clock import Clock
from gateway.delivery.carry import Carrier, Settings
from gateway.delivery.health import DeliveryHealth
from gateway.delivery.schedule import Choice, plan
from gateway.errors import GatewayError
from gateway.oden.client import OdenClient
from gateway.outbox.entries import LineRef
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread

__all__ = ["Drain", "Settings"]

log = structlog.get_logger()

MOST_UNDER_WAY = 8
LEAD = 0.05
"""Seconds before the next slot in which the choice is made and stored: late enough to be fresh, early enough for a disk."""
TICK = 0.001
"""Seconds that make no difference: a sleep may end that much early."""
LONGEST_WAIT = 3600.0
"""Seconds that anything of the process before waits for its next step at the most."""


class Drain:
    """Delivers the outbox to Oden until told to stop."""

    def __init__(
        self, outbox: OutboxThread, client: OdenClient, clock: Clock, settings: Settings, lines: Mapping[str, LineRef]
    ) -> None:
        self._outbox = outbox
        self._client = client
        self._clock = clock
        self._settings = settings
        self._carrier = Carrier(outbox, client, clock, settings, lines)
        self._busy: set[str] = set()
        self._news = asyncio.Event()
        self._stopping = False
        self.turned_at = clock.monotonic()

    @property
    def health(self) -> DeliveryHealth:
        """What delivery says of itself."""
        return self._carrier.holds.health

    @property
    def lines(self) -> Mapping[str, LineRef]:
        """What is known of each line at Oden."""
        return self._carrier.lines

    @property
    def gap(self) -> float:
        """Seconds between two requests at present."""
        return self._client.pace.gap

    def wake(self) -> None:
        """Something new waits in the outbox."""
        self._news.set()

    def stop(self) -> None:
        """Send nothing more; `run` returns once what is under way has been answered."""
        self._stopping = True
        self._news.set()

    async def run(self) -> None:
        """Deliver until `stop`. An outbox that cannot be written raises; the next `run` starts from what is on disk."""
        self._busy.clear()
        await self._recover()
        async with asyncio.TaskGroup() as under_way:
            while not self._stopping:
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
                under_way.create_task(self._carry_out(choice, written))
                await written.wait()

    async def _recover(self) -> None:
        await self._carrier.learn_lines()
        for work in await self._outbox(Outbox.work):
            if work.attempt is not None:
                await self._carrier.found(work, work.attempt, LONGEST_WAIT)
        await self._carrier.resumed()

    async def _choose(self) -> tuple[Choice | None, float | None]:
        now, hold, lines = self._clock.now(), self.health.api, self.lines
        if len(self._busy) >= (1 if hold else MOST_UNDER_WAY):
            return None, None
        if hold and hold.until > now:
            return None, hold.until
        chosen = plan(
            await self._outbox(Outbox.work),
            now,
            busy=frozenset(self._busy),
            held={line: hold.until for line, hold in self.health.lines.items()},
            has_line=lambda line: line in lines and lines[line].oden_id is not None,
            ends_first=self._settings.ends_first,
            span=self._settings.span,
        )
        return chosen.choice, chosen.wake

    async def _idle(self, wake: float | None) -> None:
        pause = min(5.0, max(0.01, wake - self._clock.now())) if wake is not None else 5.0
        try:
            async with asyncio.timeout(pause):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _carry_out(self, choice: Choice, written: asyncio.Event) -> None:
        """Supervises one request: whatever is wrong with it, or with its answer, does not stop the others."""
        work = choice.work
        try:
            await self._take_step(choice, written)
        except GatewayError:
            raise
        except Exception as error:
            log.exception("request_not_handled", step=choice.step, line=work.line, record=work.records[0].key)
            await self._carrier.stumbled(work, f"a fault of the gateway's own, see the log ({type(error).__name__})")
        finally:
            written.set()
            self._busy.discard(work.lane)
            self._news.set()

    async def _take_step(self, choice: Choice, written: asyncio.Event) -> None:
        work, carrier = choice.work, self._carrier
        match choice.step:
            case "park":
                log.warning("record_parked", record=work.records[0].key, line=work.line)
                await self._outbox(Outbox.park, work)
            case "bury":
                await carrier.refuse(work, {work.positions[0]: "its interval is not known any more"})
            case "find_line":
                await carrier.find_line(work, written)
            case _ if (early := carrier.early(work)) > 0.0:
                # The clock was set forward meanwhile; what may still take effect has not had its time.
                await carrier.later(work, early)
            case "look_up":
                await carrier.look_up(work, written)
            case "send" | "resend":
                await carrier.send(work, written)
