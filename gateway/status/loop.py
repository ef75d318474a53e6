"""Once a second: what the outbox holds is read, what is wrong is observed, and log and service manager are told of
it.
"""

import asyncio
from collections.abc import AsyncGenerator

import structlog

from gateway.clock import Clock
from gateway.errors import GatewayError, OutboxError, SourceError
from gateway.health import Problems
from gateway.log_sink import lost_lines
from gateway.outbox.control_handlers import ControlHandlers
from gateway.outbox.statistics import Summary
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.status.findings import Standstill
from gateway.status.history_file import Chronicle
from gateway.status.journal import Journal
from gateway.status.notify import Systemd
from gateway.status.picture import Parts, beside_amounts, on_now, snapshot
from gateway.status.snapshot import Snapshot, as_json
from gateway.supervisor import Supervisor

log = structlog.get_logger()

SHOWN = 50
"""Notices and dead letters on the status page."""
STATUS = "status"
"""The command's name at the control socket, beside the commands for the outbox."""
EVERY = 1.0
"""Seconds between two looks."""


class StatusLoop:
    """Keeps the picture of the gateway current. `summary` is what the outbox holds at the start."""

    def __init__(
        self,
        parts: Parts,
        outbox: OutboxThread,
        problems: Problems,
        supervisor: Supervisor,
        clock: Clock,
        *,
        handlers: ControlHandlers,
        journal: Journal,
        systemd: Systemd,
        summary: Summary,
        chronicle: Chronicle,
    ) -> None:
        self._outbox = outbox
        self._problems = problems
        self._supervisor = supervisor
        self._clock = clock
        self._handlers = handlers
        self._journal = journal
        self._systemd = systemd
        self._summary = summary
        self._chronicle = chronicle
        self._standstill = Standstill()
        self._lost_lines = 0
        self._unreadable: str | None = None
        self.follow(parts)
        self.turned_at = clock.monotonic()

    def follow(self, parts: Parts) -> None:
        """Look at other parts from now on."""
        self._parts = parts
        for plan in parts.plans:
            self._chronicle.history.follow(plan.key, beside_amounts(plan))

    def snapshot(self, *, whole: bool = True) -> Snapshot:
        """The picture as it is now; as `picture.snapshot`."""
        stuck, stands = self._supervisor.stuck(), self._standstill.seconds(self._clock.monotonic())
        return snapshot(
            self._parts,
            self._problems,
            self._summary,
            self._clock.now(),
            stuck,
            unreadable=self._unreadable,
            whole=whole,
            stands=stands,
        )

    async def answer(self) -> AsyncGenerator[dict[str, object], None]:
        """The picture, as whoever reads the page's JSON knows it."""
        yield as_json(self.snapshot())

    async def run(self) -> None:
        """Look for ever."""
        while True:
            self.turned_at = self._clock.monotonic()
            await self._read_outbox()
            self._note_failures()
            picture = self.snapshot(whole=False)
            self._journal.look(picture)
            await self._remember(picture)
            self._systemd.status(picture.headline)
            await asyncio.sleep(EVERY)

    async def _remember(self, picture: Snapshot) -> None:
        """What is known of each line goes into the chronicle, also what is older than it."""
        history, parts = self._chronicle.history, self._parts
        for plan in parts.plans:
            for span in on_now(plan, parts.intake.state(plan.key)):
                history.begin(span)
        for line in picture.lines:
            history.know(line.key, line.unknown_since, picture.now)
        self._chronicle.trend.take(picture)
        await self._chronicle.keep(picture.now)

    async def _read_outbox(self) -> None:
        """An outbox that cannot be read is shown, and the last picture of it stays. A damaged one ends the process."""
        try:
            before, self._summary = self._summary, await self._outbox(Outbox.summary, SHOWN)
        except OutboxError as error:
            self._unreadable = str(error)
            return
        self._unreadable = None
        self._standstill.look(self._summary, self._parts.drain.health.lines, self._clock.monotonic())
        dropped = self._summary.totals.given_up - before.totals.given_up
        if dropped:
            log.error("output_dropped", entries=dropped, reason="the outbox is full")
        self._handlers.observe(self._clock.monotonic(), self._summary.totals)

    def _note_failures(self) -> None:
        """What the supervisor and the log have seen since the last look. A source that is away says so itself."""
        failures = self._supervisor.failures
        while failures:
            failure = failures.popleft()
            if isinstance(failure.error, GatewayError):
                text = failure.text
            else:
                text = f"{failure.name} failed and was started again: {failure.text}"
            if not isinstance(failure.error, SourceError):
                self._problems.note("task_failed", failure.name, text)
        lost = lost_lines.count + self._supervisor.unlogged
        if lost > self._lost_lines:
            reason = f" ({lost_lines.reason})" if lost_lines.reason else ""
            self._problems.note("log_unwritable", "", f"The log cannot be written{reason}: {lost} lines are missing.")
            self._lost_lines = lost
