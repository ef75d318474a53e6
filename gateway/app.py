"""The running gateway: the only place that knows every part. It wires them; the supervisor keeps them going.

The order of the shutdown is that of the stages below: first nothing more is taken in, then what was taken in is
committed and what is under way at Oden is answered, then everything that only shows or answers ends.
"""

import asyncio
import math
import signal
from collections.abc import AsyncGenerator, Iterable, Sequence
from functools import partial

import structlog

from gateway import __version__, clock_control, control, ntp
from gateway.clock import AnchoredClock, Clock
from gateway.clock_watch import ClockWatch, KnownTime, Retiming, Witnesses
from gateway.config.addresses import SPARKPLUG
from gateway.config.loader import Loaded
from gateway.config.schema import MAX_RATE, Config, OpcuaConfig
from gateway.delivery.drain import DeliveryOptions, Drain
from gateway.health import Problems
from gateway.intake import Intake
from gateway.mapping.compile import LinePlan
from gateway.mending import mend
from gateway.oden import control_handlers as call_handlers
from gateway.oden.client import OdenClient, configured_client
from gateway.oden.requests import Wording
from gateway.outbox.control_handlers import ControlHandlers
from gateway.outbox.entries import LineRef
from gateway.outbox.known_time import keep_time, known_time
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread, open_outbox
from gateway.sources.base import Source
from gateway.status.journal import Journal
from gateway.status.loop import SHOWN, StatusLoop
from gateway.status.notify import Systemd, Watchdog
from gateway.status.picture import Parts
from gateway.status.web import StatusServer
from gateway.supervisor import Child, Supervisor
from gateway.tables import Tables
from gateway.trial import control_handlers as explain_handlers

log = structlog.get_logger()

GRACE = 10.0
"""Seconds that intake gets to commit, and requests under way to be answered, when the gateway is stopped."""

CLOSING = 2.0
"""Seconds in which what was taken in may be acknowledged while the sources are still connected."""

SOURCES, CORE, EDGES = range(3)
"""The stages of the shutdown, in their order."""


class App:
    """One gateway, from a configuration that has been checked."""

    def __init__(self, loaded: Loaded, plans: Sequence[LinePlan]) -> None:
        self._loaded = loaded
        self._plans = plans
        self._clock = AnchoredClock()
        self._problems = Problems(self._clock)
        self._sources: Sequence[Source] = ()
        self._systemd = Systemd()
        self._watchdog = Watchdog(self._systemd)
        self._journal = Journal(self._clock.monotonic)
        self._tables = Tables(loaded, self._clock)

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises GatewayError where it cannot start, DamagedRow where it must start
        anew.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        config = self._loaded.config
        section = config.outbox
        outbox = OutboxThread()
        await outbox.open(
            lambda: open_outbox(
                section.directory,
                limit=section.size_limit,
                min_free=section.min_free,
                span=section.merge_span,
                drop_oldest_output=section.when_full == "drop_oldest_output",
            )
        )
        try:
            if config.oden.rate > MAX_RATE:
                log.warning("faster_than_oden_permits", requests_per_second=config.oden.rate, url=config.oden.url)
            async with configured_client(self._loaded, loop.time()) as client:
                watch = ClockWatch(self._clock, self._problems, self._witnesses(client))
                fatal = await self._serve(stop, outbox, client, watch, await outbox(known_time))
                while fatal is None and watch.leap.is_set() and not stop.is_set():
                    leap = watch.land()
                    if leap.retiming is not None:
                        await mend(outbox, self._plans, leap.retiming)
                    fatal = await self._serve(stop, outbox, client, watch, None)
        finally:
            self._journal.close()
            await outbox.close()
            self._watchdog.end()
        log.info("gateway_stopped")
        if fatal is not None:
            raise fatal

    async def _serve(
        self,
        stop: asyncio.Event,
        outbox: OutboxThread,
        client: OdenClient,
        watch: ClockWatch,
        known: KnownTime | None,
    ) -> Exception | None:
        """Have all parts work until `stop`, until the clock has leapt, or until something is fatal, which is answered.
        `known` is what is known of the time at boot; None: the clock is set."""
        supervisor = Supervisor(self._clock, self._watchdog.alive)
        supervisor.watch("the outbox", lambda: outbox.turned_at)
        drain = self._delivery(outbox, client, watch)
        intake = Intake(outbox, self._plans, self._clock, drain.wake, self._journal.noticed)
        seen_until = await intake.load()
        sources = self._sources = make_sources(self._loaded.config, self._plans, self._clock)
        handlers = ControlHandlers(outbox, live=True, wake=drain.wake)
        status = StatusLoop(
            Parts(
                self._loaded.config,
                self._plans,
                sources,
                intake,
                drain,
                self._clock.now(),
                supervisor.failing,
                lambda: (*watch.conditions(), *self._tables.conditions()),
            ),
            outbox,
            self._problems,
            supervisor,
            self._clock,
            handlers=handlers,
            journal=self._journal,
            systemd=self._systemd,
            summary=await outbox(Outbox.summary, SHOWN),
        )

        async def begin() -> None:
            if known is not None:
                await watch.begin(known, seen_until)
                if seen_until > self._clock.now():  # a clock was ahead, and nobody had confirmed it
                    since = math.floor(known.since or self._clock.now())
                    await mend(outbox, self._plans, Retiming(since, self._clock.now() - seen_until))
                    await intake.load()
            for child in (
                _core("intake", intake),
                _core("delivery", drain),
                *(_source(each, intake) for each in sources),
            ):
                supervisor.start(child)
            watching = partial(watch.run, lambda now: outbox(keep_time, now))
            supervisor.start(Child(name="clock", run=watching, turned_at=lambda: watch.turned_at, stage=EDGES))

        edges = [
            _edge("status", status),
            _edge("page", StatusServer(self._loaded.config.status.listen, status.snapshot, supervisor.stuck)),
            _edge("control", await self._control(handlers, client, intake, watch)),
        ]
        if self._loaded.config.tables:
            tables = self._tables
            run = partial(tables.run, intake.follow)
            edges.append(Child(name="tables", run=run, turned_at=lambda: tables.turned_at, stage=EDGES))
        log.info("gateway_started", version=__version__, lines=len(self._plans), sources=len(sources))
        self._systemd.ready()
        try:
            for child in edges:
                supervisor.start(child)
            supervisor.start(
                Child(name="start", run=begin, turned_at=lambda: watch.turned_at, once=True, stage=SOURCES)
            )
            await supervisor.run(stop, watch.leap)
            if stop.is_set():
                self._systemd.stopping()
            log.info("gateway_stopping")
            await intake.close(CLOSING)
        finally:
            await supervisor.shutdown()
        return supervisor.fatal

    def _witnesses(self, client: OdenClient) -> Witnesses:
        """Who is asked about the time. By an address without TLS anybody could answer."""
        oden, is_secure = client.server_time, self._loaded.config.oden.url.startswith("https:")

        def at_once() -> float | None:
            now = self._clock.monotonic()
            distance = oden.latest(now)
            return None if distance is None else now + distance

        def agreed() -> float | None:
            now = self._clock.monotonic()
            distance = oden.distance(now)
            return None if distance is None else now + distance

        return Witnesses(
            ntp=ntp.synchronised,
            has_own_clock=ntp.has_clock_of_its_own,
            uptime=ntp.uptime,
            oden=agreed,
            oden_at_once=lambda: at_once() or ("unasked" if is_secure and not oden.answers else "silent"),
            devices=lambda: ((source.name, source.health.newest_at) for source in self._sources),
        )

    def _delivery(self, outbox: OutboxThread, client: OdenClient, watch: ClockWatch) -> Drain:
        config = self._loaded.config
        settings = DeliveryOptions(
            config.oden.settle,
            config.oden.timeout,
            Wording(config.oden.raw_data, config.oden.reference),
            span=config.outbox.merge_span,
            in_order=config.outbox.backlog == "in_order",
            ends=config.outbox.ends,
        )
        lines = {line.key: LineRef(line.factory, line.line, line.id) for line in config.lines}
        return Drain(outbox, client, self._clock, settings, lines, watch.may_send)

    async def _control(
        self, handlers: ControlHandlers, client: OdenClient, intake: Intake, watch: ClockWatch
    ) -> control.Control:
        def answer(command: str, question: object) -> AsyncGenerator[dict[str, object], None]:
            if command == call_handlers.CALL:
                return call_handlers.handle_call(client, question)
            if command == clock_control.COMMAND:
                return clock_control.answer(watch, question)
            if command == explain_handlers.COMMAND:
                return explain_handlers.answer(intake.provenance, question)
            return handlers.answer(command, question)

        directory = await asyncio.to_thread(self._loaded.config.outbox.directory.absolute)
        return control.Control(directory, control.places(directory), answer)


def _source(source: Source, intake: Intake) -> Child:
    run = partial(source.run, intake.take)
    return Child(name=f"source {source.name}", run=run, turned_at=lambda: source.turned_at, stage=SOURCES)


def _core(name: str, part: Intake | Drain) -> Child:
    return Child(
        name=name,
        run=part.run,
        turned_at=lambda: part.turned_at,
        vital=True,
        stage=CORE,
        request_stop=part.stop,
        grace=GRACE,
    )


def _edge(name: str, part: StatusLoop | StatusServer | control.Control) -> Child:
    return Child(name=name, run=part.run, turned_at=lambda: part.turned_at, stage=EDGES)


def make_sources(config: Config, plans: Iterable[LinePlan], clock: Clock) -> list[Source]:
    """The sources of `config`, each with the addresses that the inputs of `plans` name."""
    addresses: dict[str, dict[str, None]] = {name: {} for name in config.sources}
    devices: dict[str, dict[str, set[str]]] = {name: {} for name in config.sources}
    for plan in plans:
        for (source, address), inputs in plan.subscriptions.items():
            if inputs[0].metric:
                device = address.removeprefix(f"{SPARKPLUG}/")
                devices[source].setdefault(device, set()).update(input_.field[0] for input_ in inputs)
            else:
                addresses[source][address] = None
    sources: list[Source] = []
    for name, section in config.sources.items():
        # Each library is imported only where it is used: asyncua alone costs 0.5 s and 20 MB.
        if isinstance(section, OpcuaConfig):
            from gateway.sources.opcua.source import OpcuaSource as Opcua

            sources.append(Opcua(name, section, list(addresses[name]), clock))
        else:
            from gateway.sources.mqtt import MqttSource as Mqtt

            host = None
            if devices[name]:
                from gateway.sources.sparkplug import SparkplugHost

                host = SparkplugHost(name, devices[name], clock)
            sources.append(Mqtt(name, section, list(addresses[name]), clock, host))
    return sources
