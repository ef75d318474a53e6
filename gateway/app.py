"""The running gateway: the only place that knows every part, and what keeps each of them going."""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial

import structlog

from gateway import __version__, control
from gateway.clock import AnchoredClock, Clock
from gateway.config.device import SPARKPLUG
from gateway.config.loader import Loaded
from gateway.config.schema import FASTEST, Config, OpcuaSource
from gateway.delivery.drain import Drain, Settings
from gateway.errors import DamagedRow, GatewayError
from gateway.intake import Intake
from gateway.mapping.compile import LinePlan
from gateway.oden import desk as calls
from gateway.oden.client import OdenClient
from gateway.oden.configured import configured
from gateway.oden.payloads import Wording
from gateway.outbox.desk import Desk
from gateway.outbox.entries import LineRef, Summary
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread, open_outbox
from gateway.sources.base import Source
from gateway.status.journal import Journal
from gateway.status.notify import Systemd
from gateway.status.picture import Parts, snapshot
from gateway.status.snapshot import Snapshot
from gateway.status.web import StatusServer
from gateway.tables import Tables
from gateway.trial import asked

log = structlog.get_logger()

EARLIEST = 1_793_000_000.0
"""2026-10: no clock of a machine that runs this version can rightly show less."""
STUCK = 60.0
"""Seconds without a turn of intake or delivery after which the process counts as stuck."""
GRACE = 10.0
"""Seconds that requests under way get to be answered when the gateway is stopped."""
DRIFT = 2.0
"""Seconds between the machine's clock and the gateway's that count as the clock having been set."""
LASTING = 30.0
"""Seconds that a clock must stay ahead before it is followed: what a slip of a hand or a bad server did is soon put right."""
SHOWN_FOR = 3600.0
"""Seconds that a failure that was mended stays on the status page."""
SHOWN = 50
"""Notices and dead letters on the status page."""


class App:
    """One gateway, from a configuration that has been checked."""

    def __init__(self, loaded: Loaded, plans: Sequence[LinePlan]) -> None:
        self._loaded = loaded
        self._plans = plans
        self._clock = AnchoredClock()
        self._started_at = self._clock.now()
        self._systemd = Systemd()
        self._journal = Journal(self._clock.monotonic)
        self._stop = asyncio.Event()
        self._failures: dict[str, tuple[float, str]] = {}
        self._waiting_for_clock = False
        self._ahead_since: float | None = None
        self._damage: DamagedRow | None = None
        self._tables = Tables(loaded)

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises GatewayError where it cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        config = self._loaded.config
        outbox = OutboxThread()
        kept = config.outbox
        await outbox.open(
            lambda: open_outbox(
                kept.directory,
                limit=kept.size_limit,
                min_free=kept.min_free,
                span=kept.merge_span,
                drop_oldest_output=kept.when_full == "drop_oldest_output",
            )
        )
        try:
            if config.oden.rate > FASTEST:
                log.warning("faster_than_oden_permits", requests_per_second=config.oden.rate, url=config.oden.url)
            async with configured(self._loaded, loop.time()) as client:
                settings = Settings(
                    config.oden.settle,
                    config.oden.timeout,
                    Wording(config.oden.raw_data, config.oden.reference),
                    span=kept.merge_span,
                    in_order=kept.backlog == "in_order",
                    ends_first=kept.ends == "before_next",
                )
                lines = {line.key: LineRef(line.factory, line.line, line.id) for line in config.lines}
                drain = Drain(outbox, client, self._clock, settings, lines)
                intake = Intake(outbox, self._plans, self._clock, drain.wake, self._journal.noticed)
                await self._serve(outbox, drain, intake, client)
        finally:
            self._journal.close()
            await outbox.close()
        log.info("gateway_stopped")
        if self._damage is not None:
            raise self._damage

    async def _serve(self, outbox: OutboxThread, drain: Drain, intake: Intake, client: OdenClient) -> None:
        self._seen_until = await intake.load()
        self._summary: Summary = await outbox(Outbox.summary, SHOWN)
        sources = make_sources(self._loaded.config, self._plans, self._clock)
        desk = Desk(outbox, live=True, wake=drain.wake)
        parts = Parts(self._loaded.config, self._plans, sources, intake, drain, self._started_at)

        def picture() -> Snapshot:
            return snapshot(parts, self._summary, self._clock.now(), self._problems(), self._alive(intake, drain))

        def answer(command: str, question: object) -> AsyncGenerator[dict[str, object], None]:
            if command == calls.COMMAND:
                return calls.answer(client, question)
            if command == asked.COMMAND:
                return asked.answer(intake.causes, question)
            return desk.answer(command, question)

        async with AsyncExitStack() as stack:
            page = StatusServer(self._loaded.config.status.listen, picture, lambda: self._alive(intake, drain))
            try:
                await stack.enter_async_context(page)
            except GatewayError as error:
                # A taken port is no reason not to take data in; whoever looks at systemd or the log sees why.
                log.error("status_not_served", reason=str(error))  # noqa: TRY400 - the reason says it all
                self._fail("page", str(error))
            directory = await asyncio.to_thread(self._loaded.config.outbox.directory.absolute)
            commands = control.Control(directory, control.places(directory), answer)
            try:
                await stack.enter_async_context(commands)
            except GatewayError as error:
                log.error("control_not_served", reason=str(error))  # noqa: TRY400 - the reason says it all
                self._fail("control", str(error))
            log.info("gateway_started", version=__version__, lines=len(self._plans), sources=len(sources))
            self._systemd.ready()
            delivery = asyncio.create_task(self._keep("delivery", drain.run))
            beat = asyncio.create_task(self._keep("status", lambda: self._beat(outbox, intake, drain, desk, picture)))
            tables = asyncio.create_task(self._keep("tables", lambda: self._tables.run(intake.follow)))
            stopped = asyncio.create_task(self._stop.wait())
            await self._wait_for_clock(stopped)
            mapping = asyncio.create_task(self._keep("intake", intake.run))
            taking = [
                asyncio.create_task(self._keep(source.name, partial(source.run, intake.take))) for source in sources
            ]
            await stopped
            self._systemd.stopping()
            log.info("gateway_stopping")
            await _end(taking)
            intake.stop()
            drain.stop()
            await asyncio.wait({mapping, delivery}, timeout=GRACE)
            await _end([mapping, delivery, beat, tables])

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """The supervisor of a loop: one that raises is logged, shown and started again from what is on disk."""
        while True:
            try:
                await run()
            except DamagedRow as error:
                # It is mended when the outbox is opened: whoever supervises this process starts it again.
                log.critical("outbox_damaged", loop=name, reason=str(error))
                self._damage = error
                self._stop.set()
                return
            except Exception as error:
                log.exception("loop_failed", loop=name)
                self._fail(name, f"{name} failed and was started again: {error}")
                await asyncio.sleep(5.0)
            else:
                return

    async def _wait_for_clock(self, stopped: "asyncio.Task[bool]") -> None:
        """Take nothing in while the machine's clock is certainly wrong: time stamps could not be mended afterwards."""
        while not stopped.done() and self._clock.now() < max(EARLIEST, self._seen_until):
            if not self._waiting_for_clock:
                log.warning("waiting_for_clock", now=self._clock.now(), last_seen=self._seen_until)
            self._waiting_for_clock = True
            await asyncio.wait({stopped}, timeout=1.0)
            self._clock.anchor()
        self._waiting_for_clock = False

    async def _beat(
        self, outbox: OutboxThread, intake: Intake, drain: Drain, desk: Desk, picture: Callable[[], Snapshot]
    ) -> None:
        """Keep the picture fresh, and systemd told that every loop turns."""
        told = 0.0
        while True:
            interval = self._systemd.watchdog_interval
            if interval and self._clock.monotonic() - told >= interval and self._alive(intake, drain) is None:
                self._systemd.watchdog()
                told = self._clock.monotonic()
            self._follow_clock()
            try:
                before, self._summary = self._summary, await outbox(Outbox.summary, SHOWN)
                dropped = self._summary.totals.given_up - before.totals.given_up
                if dropped:
                    log.error("output_dropped", entries=dropped, reason="the outbox is full")
                desk.observe(self._clock.monotonic(), self._summary.totals)
            except (sqlite3.Error, OSError, ValueError, KeyError) as error:
                self._fail("status", f"the outbox cannot be read: {error}")
            now = picture()
            self._journal.look(now.sources)
            self._systemd.status(now.headline)
            await asyncio.sleep(1.0)

    def _follow_clock(self) -> None:
        """Follow a clock that was set forward and stays so, which reorders nothing; say so of one that was set back."""
        drift, now = self._clock.drift(), self._clock.monotonic()
        self._ahead_since = None if drift <= DRIFT else now if self._ahead_since is None else self._ahead_since
        if self._ahead_since is not None and now - self._ahead_since >= LASTING:
            self._ahead_since = None
            log.warning("clock_set_forward", seconds=round(drift, 1))
            self._fail("clock", f"the machine's clock was set forward by {drift:.0f} s, which the gateway has followed")
            self._clock.anchor()
        elif drift < -DRIFT:
            self._fail("clock", f"the machine's clock was set back by {-drift:.0f} s; the gateway goes on by its own")

    def _fail(self, name: str, text: str) -> None:
        """Show `text` as a problem for the next hour."""
        self._failures[name] = (self._clock.monotonic(), text)

    def _problems(self) -> tuple[str, ...]:
        waiting = ("Waiting for the clock: this machine's time is before the last one that was stored.",)
        recent = self._clock.monotonic() - SHOWN_FOR
        failures = (text for at, text in self._failures.values() if at > recent)
        tables = (self._tables.wrong,) if self._tables.wrong else ()
        return (*(waiting if self._waiting_for_clock else ()), *tables, *failures)

    def _alive(self, intake: Intake, drain: Drain) -> str | None:
        now = self._clock.monotonic()
        loops = {"delivery": drain.turned_at}
        if not self._waiting_for_clock:
            loops["intake"] = intake.turned_at
        stuck = [name for name, turned_at in loops.items() if now - turned_at > STUCK]
        return f"stuck for more than {STUCK:.0f} s: {', '.join(stuck)}" if stuck else None


def make_sources(config: Config, plans: Iterable[LinePlan], clock: Clock) -> list[Source]:
    """The sources of `config`, each with the addresses that the inputs of `plans` name."""
    addresses: dict[str, dict[str, None]] = {name: {} for name in config.sources}
    devices: dict[str, dict[str, set[str]]] = {name: {} for name in config.sources}
    for plan in plans:
        for (source, address), fed in plan.subscriptions.items():
            if fed[0].metric:
                device = address.removeprefix(f"{SPARKPLUG}/")
                devices[source].setdefault(device, set()).update(one.field[0] for one in fed)
            else:
                addresses[source][address] = None
    sources: list[Source] = []
    for name, section in config.sources.items():
        # Each library is imported only where it is used: asyncua alone costs 0.5 s and 20 MB.
        if isinstance(section, OpcuaSource):
            from gateway.sources.opcua import OpcuaSource as Opcua

            sources.append(Opcua(name, section, list(addresses[name]), clock))
        else:
            from gateway.sources.mqtt import MqttSource as Mqtt

            host = None
            if devices[name]:
                from gateway.sources.sparkplug import SparkplugHost

                host = SparkplugHost(name, devices[name], clock)
            sources.append(Mqtt(name, section, list(addresses[name]), clock, host))
    return sources


async def _end(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Cancel `tasks` until they have ended: a library below them may swallow a cancellation."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=5.0)
