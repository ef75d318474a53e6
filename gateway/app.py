"""The running gateway: the only place that knows every part. It wires them; the supervisor keeps them going.

The order of the shutdown is that of the stages below: first nothing more is taken in, then what was taken in is
committed and what is under way at Oden is answered, then everything that only shows or answers ends.
"""

import asyncio
import signal
from collections.abc import AsyncGenerator, Iterable, Sequence
from functools import partial
from pathlib import Path

import structlog

from gateway import __version__, control
from gateway.clock import AnchoredClock, Clock
from gateway.clock_watch import ClockWatch
from gateway.config.addresses import SPARKPLUG
from gateway.config.loader import Loaded
from gateway.config.schema import MAX_RATE, Config, OpcuaConfig
from gateway.delivery.drain import DeliveryOptions, Drain
from gateway.health import Condition, Problems
from gateway.intake import Intake
from gateway.mapping.compile import LinePlan
from gateway.oden import control_handlers as call_handlers
from gateway.oden.client import OdenClient, configured_client
from gateway.oden.requests import Wording
from gateway.outbox.control_handlers import ControlHandlers
from gateway.outbox.entries import LineRef
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
        self._clock_watch = ClockWatch(self._clock, self._problems)
        self._systemd = Systemd()
        self._watchdog = Watchdog(self._systemd)
        self._supervisor = Supervisor(self._clock, self._watchdog.alive)
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
                await self._serve(stop, outbox, client)
        finally:
            self._journal.close()
            await outbox.close()
            self._watchdog.end()
        log.info("gateway_stopped")
        if self._supervisor.fatal is not None:
            raise self._supervisor.fatal

    async def _serve(self, stop: asyncio.Event, outbox: OutboxThread, client: OdenClient) -> None:
        supervisor = self._supervisor
        supervisor.watch("the outbox", lambda: outbox.turned_at)
        drain = self._delivery(outbox, client)
        intake = Intake(outbox, self._plans, self._clock, drain.wake, self._journal.noticed)
        seen_until = await intake.load()
        sources = make_sources(self._loaded.config, self._plans, self._clock, control.runtime_directory())
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
                self._conditions,
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

        async def take_in() -> None:
            await self._clock_watch.wait_until_possible(seen_until)
            for child in (_core("intake", intake), *(_source(source, intake) for source in sources)):
                supervisor.start(child)
            supervisor.start(_edge("clock", self._clock_watch))

        edges = [
            _edge("status", status),
            _edge("page", StatusServer(self._loaded.config.status.listen, status.snapshot, supervisor.stuck)),
            _edge("control", await self._control(handlers, client, intake)),
        ]
        if self._loaded.config.tables:
            tables = self._tables
            run = partial(tables.run, intake.follow)
            edges.append(Child(name="tables", run=run, turned_at=lambda: tables.turned_at, stage=EDGES))
        log.info("gateway_started", version=__version__, lines=len(self._plans), sources=len(sources))
        self._systemd.ready()
        try:
            for child in (*edges, _core("delivery", drain)):
                supervisor.start(child)
            waiting = self._clock_watch
            supervisor.start(
                Child(name="start", run=take_in, turned_at=lambda: waiting.turned_at, once=True, stage=SOURCES)
            )
            await supervisor.run(stop)
            self._systemd.stopping()
            log.info("gateway_stopping")
            await intake.close(CLOSING)
        finally:
            await supervisor.shutdown()

    def _delivery(self, outbox: OutboxThread, client: OdenClient) -> Drain:
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
        return Drain(outbox, client, self._clock, settings, lines)

    async def _control(self, handlers: ControlHandlers, client: OdenClient, intake: Intake) -> control.Control:
        def answer(command: str, question: object) -> AsyncGenerator[dict[str, object], None]:
            if command == call_handlers.CALL:
                return call_handlers.handle_call(client, question)
            if command == explain_handlers.COMMAND:
                return explain_handlers.answer(intake.provenance, question)
            return handlers.answer(command, question)

        directory = await asyncio.to_thread(self._loaded.config.outbox.directory.absolute)
        return control.Control(directory, control.places(directory), answer)

    def _conditions(self) -> Iterable[Condition]:
        return (*self._clock_watch.conditions(), *self._tables.conditions())


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


def _edge(name: str, part: StatusLoop | StatusServer | control.Control | ClockWatch) -> Child:
    return Child(name=name, run=part.run, turned_at=lambda: part.turned_at, stage=EDGES)


def make_sources(config: Config, plans: Iterable[LinePlan], clock: Clock, runtime: Path | None = None) -> list[Source]:
    """The sources of `config`, each with the addresses that the inputs of `plans` name. What must not outlive a start
    of the machine is kept in `runtime`; nowhere, where there is none."""
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
            from gateway.sources.opcua.channel import Channel
            from gateway.sources.opcua.session_key import key_file
            from gateway.sources.opcua.source import OpcuaSource as Opcua
            from gateway.sources.opcua.tags import tags_of

            channel = Channel(section, key_file(runtime, name))
            sources.append(Opcua(name, section, tags_of(name, section, config.lines), clock, channel))
        else:
            from gateway.sources.mqtt import MqttSource as Mqtt

            host = None
            if devices[name]:
                from gateway.sources.sparkplug import SparkplugHost

                host = SparkplugHost(name, devices[name], clock)
            sources.append(Mqtt(name, section, list(addresses[name]), clock, host))
    return sources
