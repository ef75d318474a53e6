"""The running gateway: the only place that knows every part. It wires them; the supervisor keeps them going.

The order of the shutdown is that of the stages below: first nothing more is taken in, then what was taken in is
committed and what is under way at Oden is answered, then everything that only shows or answers ends.
"""

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Literal

import structlog

from gateway import clock_watch, control, control_places, ntp, ways
from gateway.build import described
from gateway.children import EDGES, SOURCES, core_child, edge_child, make_drain, make_sources, source_child
from gateway.clock import AnchoredClock
from gateway.clock_evidence import KnownTime
from gateway.clock_watch import ClockWatch, Witnesses
from gateway.config.difference import in_effect, marks
from gateway.config.loader import Loaded
from gateway.config.schema import MAX_RATE, Config
from gateway.config.schema_process import Status
from gateway.errors import GatewayError
from gateway.fence import Fence
from gateway.health import Condition, Problems
from gateway.intake import Intake
from gateway.live import control_handlers as live_handlers
from gateway.live.tail import Onlookers, Present
from gateway.mapping.compile import LinePlan
from gateway.mending import keep_time, known_time, mend
from gateway.model import Record
from gateway.oden import control_handlers as call_handlers
from gateway.oden.client import OdenClient, configured_client
from gateway.outbox.control_handlers import ControlHandlers
from gateway.outbox.life import LifeMark, begin_life, is_compared
from gateway.outbox.reject_handlers import REJECTS, RejectHandlers
from gateway.outbox.store import Outbox
from gateway.outbox.thread import SLOW_DISK, OutboxThread, open_outbox, sum_within
from gateway.page import Page
from gateway.recollection import LaterComparison, recollect
from gateway.reload import Configuration, Difference, Reload, difference, impossible, wanted
from gateway.sources.base import Source
from gateway.status.history_file import HISTORY_FILE, Chronicle
from gateway.status.journal import Journal
from gateway.status.loop import SHOWN, STATUS, StatusLoop
from gateway.status.notify import Systemd, Watchdog
from gateway.status.picture import Parts
from gateway.status.web import StatusServer
from gateway.supervisor import Child, Supervisor
from gateway.tables import Tables
from gateway.trial import control_handlers as explain_handlers

log = structlog.get_logger()

CLOSING = 2.0
"""Seconds in which what was taken in may be acknowledged while the sources are still connected."""

STARTING = 120.0
"""Seconds more that systemd is to wait for the start, said four times as often while the outbox is being opened."""


class App:
    """One gateway, from a configuration that has been checked. `reread` reads and checks it anew; it raises ConfigError
    where it is wrong by then.
    """

    def __init__(self, loaded: Loaded, plans: Sequence[LinePlan], reread: Callable[[], Configuration]) -> None:
        self._loaded = self._started_by = loaded
        self._plans = plans
        self._clock = AnchoredClock()
        self._problems = Problems(self._clock, ways.here())
        self._clock_watch = ClockWatch(self._clock, self._problems, self._witnesses())
        self._systemd = Systemd()
        self._watchdog = Watchdog(self._systemd)
        self._supervisor = self._new_supervisor()
        self._journal = Journal(self._clock.monotonic)
        self._tables = Tables(loaded, self._clock)
        self._reload = Reload(reread, self._clock)
        self._outbox = OutboxThread()
        self._fence = Fence()
        self._chronicle = Chronicle(loaded.config.outbox.directory / HISTORY_FILE)
        self._clients = AsyncExitStack()
        self._sources: dict[str, Source] = {}
        self._takes_in = False
        self._page = Page(self._make_page)

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises GatewayError where it cannot start, DamagedRow where it must start
        anew. At SIGHUP the configuration is read anew, and what differs is changed.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.ask)
        feeding = asyncio.create_task(self._watchdog.feed(self._begins_or_ends))
        config, section = self._loaded.config, self._loaded.config.outbox
        live = partial(begin_life, mark=self._life(), settle=config.oden.settle)
        await self._opened(
            lambda: open_outbox(
                section.directory,
                limit=section.size_limit,
                min_free=section.min_free,
                span=section.merge_span,
                drop_oldest_output=section.when_full == "drop_oldest_output",
                live=partial(live, now=self._clock.now()),
            )
        )
        await self._chronicle.load()
        try:
            if config.oden.rate > MAX_RATE:
                log.warning("faster_than_oden_permits", requests_per_second=config.oden.rate, url=config.oden.shown_url)
            async with self._clients:
                await self._serve(stop, await self._outbox(known_time))
                while self._supervisor.fatal is None and not stop.is_set():
                    if self._clock_watch.leap.is_set():
                        leap = self._clock_watch.land()
                        if leap.retiming is not None:
                            await mend(self._outbox, self._plans, leap.retiming)
                        if leap.other_life:
                            await self._outbox(partial(live, now=self._clock.now(), is_other=True))
                    self._fence.begin()
                    self._supervisor, self._takes_in = self._new_supervisor(), False
                    await self._serve(stop, None)
        finally:
            self._journal.close()
            await self._chronicle.save()
            await self._outbox.close()
            feeding.cancel()
            self._watchdog.end()
        log.info("gateway_stopped")
        if self._supervisor.fatal is not None:
            raise self._supervisor.fatal

    def _new_supervisor(self) -> Supervisor:
        return Supervisor(self._clock, self._watchdog.alive, self._watchdog.hung)

    def _begins_or_ends(self) -> bool:
        """Whether no supervisor looks after what runs, and the outbox's thread keeps its limit."""
        in_call = self._clock.monotonic() - self._outbox.turned_at
        return not self._supervisor.is_looking_after and in_call <= SLOW_DISK

    async def _opened(self, make: Callable[[], Outbox]) -> None:
        """Open the outbox. To repair a large one can take longer than a start usually may: systemd is told so."""
        opening = asyncio.ensure_future(self._outbox.open(make))
        while not opening.done():
            self._systemd.starting(STARTING)
            await asyncio.wait({opening}, timeout=STARTING / 4)
        opening.result()

    def _life(self) -> LifeMark:
        return LifeMark(self._loaded.config.outbox.directory.absolute(), control_places.runtime_directory())

    async def _serve(self, stop: asyncio.Event, known: KnownTime | None) -> None:
        """Have all parts work until `stop`, until the clock has leapt, or until something is fatal. `known` is what is
        known of the time at boot; None: the clock is set."""
        supervisor, outbox = self._supervisor, self._outbox
        supervisor.watch("the outbox", lambda: outbox.turned_at, SLOW_DISK, lambda: outbox.waited_since)
        await self._deliver_by(*await self._opened_client(self._loaded))
        limit, moves = self._loaded.config.outbox.heard_limit, self._clock_watch.moves
        told = self._stored, self._journal.noticed
        intake = self._intake = Intake(outbox, self._plans, self._clock, *told, limit, moves, self._fence)
        self._onlookers = Onlookers(intake.take, intake.waiting)
        seen_until = await intake.load()
        self._sources = self._make_sources(self._loaded.config, self._plans)
        for name in self._loaded.config.keepers & self._sources.keys():
            if (heard_until := intake.heard_until(name)) is not None:
                self._sources[name].heard_before(heard_until)
        self._rejects = RejectHandlers(outbox, lambda number, reject: intake.replay(self._sources, number, reject))
        handlers = self._handlers = ControlHandlers(
            outbox, live=True, wake=self._wake, directory=self._loaded.config.outbox.directory
        )
        self._started_at = self._clock.now()
        status = self._status = StatusLoop(
            self._parts(),
            outbox,
            self._problems,
            supervisor,
            self._clock,
            handlers=handlers,
            journal=self._journal,
            systemd=self._systemd,
            summary=await outbox(Outbox.summary, SHOWN),
            chronicle=self._chronicle,
        )
        log.info("gateway_started", version=described(), lines=len(self._plans), sources=len(self._sources))
        self._systemd.ready()
        waiting, reload = self._clock_watch, self._reload
        begin, change = partial(self._begin, known, seen_until), partial(reload.run, self._change)
        try:
            for child in (
                edge_child("status", status),
                self._page.child(self._loaded.config.status),
                edge_child("control", await self._control(handlers)),
                *self._table_children(),
                Child(name="start", run=begin, turned_at=lambda: waiting.turned_at, once=True, stage=SOURCES),
                Child(name="reload", run=change, turned_at=lambda: reload.turned_at, stage=SOURCES),
            ):
                supervisor.start(child)
            await supervisor.run(stop, waiting.leap, self._fence.anew)
            if stop.is_set():
                self._systemd.stopping()
            log.info("gateway_stopping")
            await intake.close(CLOSING if not self._fence.anew.is_set() else 0.0)
        finally:
            await supervisor.shutdown()

    def _wake(self) -> None:
        self._drain.wake()

    def _stored(self, records: Sequence[Record]) -> None:
        """Records were committed."""
        self._chronicle.history.take(records)
        self._wake()

    async def _begin(self, known: KnownTime | None, seen_until: float) -> None:
        """Once it is known what time it is, take in and deliver."""
        supervisor, watch = self._supervisor, self._clock_watch
        if known is not None:
            await watch.begin(known, seen_until)
            if (retiming := watch.ahead_of_now(seen_until)) is not None:
                with watch.busy():
                    await mend(self._outbox, self._plans, retiming)
                with watch.busy():
                    await self._intake.load()
        if not await self._outbox(is_compared):
            with watch.busy():
                reference = self._loaded.config.oden.reference
                await recollect(self._outbox, self._client, self._plans, self._clock.now(), reference)
            with watch.busy():
                await self._intake.load()
        supervisor.start(core_child("intake", self._intake))
        self._takes_in = True
        self._start_what_stands()
        if not await self._outbox(is_compared):
            supervisor.start(self._comparison())
        watching = partial(watch.run, lambda now: self._outbox(keep_time, now))
        supervisor.start(Child(name="clock", run=watching, turned_at=lambda: watch.turned_at, stage=EDGES))
        await self._rejects.replay_wanted()

    def _comparison(self) -> Child:
        """What goes on comparing, where Oden could not be asked yet."""
        amendments, reference = self._intake.amendments, self._loaded.config.oden.reference
        later = LaterComparison(
            self._outbox, lambda: self._client, amendments, lambda: self._plans, self._clock, reference
        )
        return Child(name="comparison", run=later.run, turned_at=self._clock.monotonic, once=True, stage=EDGES)

    def _witnesses(self) -> Witnesses:
        """Who is asked about the time. By an address without TLS anybody could answer."""

        def now_by(distance: float | None) -> float | None:
            return None if distance is None else self._clock.monotonic() + distance

        def oden_at_once() -> float | Literal["unasked", "silent"]:
            oden = self._client.server_time
            unasked = self._loaded.config.oden.url.startswith("https:") and not oden.answers
            return now_by(oden.latest(self._clock.monotonic())) or ("unasked" if unasked else "silent")

        return Witnesses(
            ntp=ntp.Synchronised(),
            has_own_clock=ntp.has_clock_of_its_own,
            uptime=ntp.uptime,
            boot=ntp.boot,
            oden=lambda: now_by(self._client.server_time.distance(self._clock.monotonic())),
            oden_at_once=oden_at_once,
            devices=lambda: [(name, source.health.newest_at) for name, source in self._sources.items()],
        )

    async def _change(self, loaded: Loaded, plans: Sequence[LinePlan]) -> Difference:
        """Run on by another configuration: what was fed by a source that changes comes again, or is found by the
        difference, as after any lost connection. ConfigError where it cannot be gone over to. What may fail is made
        before anything is stopped; what was stopped is started again however this ends, as it is configured then.
        """
        old, new, supervisor = self._loaded.config, loaded.config, self._supervisor
        if faults := tuple(impossible(old, new, (self._plans, plans))):
            raise loaded.error(faults)
        receives = wanted(old, self._plans), wanted(new, plans)
        before, after = ((read.lookups, read.schemas) for read in (self._loaded, loaded))
        change = difference(old, new, receives, tables=before != after, started_by=self._started_by.config)
        touched = {*change.sources.new, *change.sources.changed}
        made = await asyncio.to_thread(self._make_sources, new, plans)  # a library may have to be loaded
        opened = await self._opened_client(loaded) if change.delivery else None

        def swap() -> None:
            self._loaded, self._plans, self._tables = loaded, plans, Tables(loaded, self._clock)
            self._sources = {name: made[name] if name in touched else self._sources[name] for name in made}
            self._status.follow(self._parts())

        for name in change.sources.changed:
            made[name].replaces(self._sources[name])
        self._systemd.reloading()
        try:
            if change.page:
                await self._page.prepare(supervisor, old.status, loaded)
            for name in (*change.sources.gone, *change.sources.changed):
                if not await supervisor.stop(f"source {name}"):
                    raise GatewayError(f"source {name} does not end, so that the configuration cannot be changed")
            await supervisor.stop("tables")
            await self._intake.replan(plans, change.lines.changed, swap)
            if opened is not None:
                if not await supervisor.stop("delivery"):
                    raise GatewayError("delivery does not end, so that the configuration cannot be changed")
                await self._deliver_by(*opened)
            await self._page.go_over(supervisor)
        finally:
            self._status.follow(self._parts())
            self._start_what_stands()
            await self._page.settle(supervisor, self._loaded.config.status)
            self._systemd.ready()
            if opened is not None:
                await opened[1].aclose()  # of what is not used
        return change

    def _start_what_stands(self) -> None:
        """Of what the configuration names, and what is to run by now."""
        due = [*self._table_children()]
        if self._takes_in:
            sources = (source_child(source, self._onlookers.take) for source in self._sources.values())
            due += [core_child("delivery", self._drain), *sources]
        for child in due:
            if not self._supervisor.runs(child.name):
                self._supervisor.start(child)

    async def _opened_client(self, loaded: Loaded) -> tuple[OdenClient, AsyncExitStack]:
        """A client by that configuration, and what closes it."""
        clients = AsyncExitStack()
        client = configured_client(loaded, asyncio.get_running_loop().time())
        return await clients.enter_async_context(client), clients

    async def _deliver_by(self, client: OdenClient, closing: AsyncExitStack) -> None:
        """Make what delivers, by the configuration that counts now. One of before has ended; its client is closed when
        nobody can ask by it any more."""
        before = self._clients.pop_all()
        self._clients.push_async_exit(closing.pop_all())
        client.pace.written(asyncio.get_running_loop().time())  # nobody knows when the one before has asked last
        self._client = client
        self._drain = make_drain(self._outbox, client, self._clock, self._loaded.config, self._clock_watch.may_send)
        await self._outbox(sum_within, self._loaded.config.outbox.merge_span)
        await before.aclose()

    def _parts(self) -> Parts:
        """What is to be looked at."""
        return Parts(
            self._loaded.config,
            self._plans,
            tuple(self._sources.values()),
            self._intake,
            self._drain,
            self._started_at,
            self._supervisor.failing,
            self._conditions,
            self._chronicle.history,
        )

    def _make_page(self, section: Status) -> StatusServer:
        status, stuck, ask = self._status, self._supervisor.stuck, self._handlers.answer
        return StatusServer.configured(section, status.snapshot, stuck, self._chronicle, ask)

    def _table_children(self) -> Iterator[Child]:
        tables = self._tables
        if self._loaded.config.tables:
            run = partial(tables.run, self._intake.follow)
            yield Child(name="tables", run=run, turned_at=lambda: tables.turned_at, stage=EDGES)

    async def _control(self, handlers: ControlHandlers) -> control.Control:
        def answer(command: str, question: object) -> AsyncGenerator[dict[str, object], None]:
            if command == call_handlers.CALL:
                return call_handlers.handle_call(self._client, question)
            if command == clock_watch.COMMAND:
                return clock_watch.answer(self._clock_watch, question)
            if command in live_handlers.COMMANDS:
                return live_handlers.answer(command, question, self._present, self._clock)
            if command.startswith(REJECTS):
                return self._rejects.answer(command, question)
            if command == explain_handlers.COMMAND:
                return explain_handlers.answer(self._intake.provenance, question)
            if command == STATUS:
                return self._status.answer()
            return handlers.answer(command, question)

        directory = await asyncio.to_thread(self._loaded.config.outbox.directory.absolute)
        return control.Control(directory, control_places.places(directory), answer)

    def _present(self) -> Present:
        remembered, config = self._intake.state, self._loaded.config
        counts = partial(marks, in_effect(self._started_by.config, config), self._tables.lookups, self._loaded.schemas)
        running = config, self._plans, self._sources, self._onlookers
        return Present(*running, lambda line: remembered(line).inputs, counts)

    def _make_sources(self, config: Config, plans: Iterable[LinePlan]) -> dict[str, Source]:
        return make_sources(config, plans, self._clock, control_places.runtime_directory(), config.outbox.directory)

    def _conditions(self) -> Iterable[Condition]:
        of_page = self._page.conditions(self._clock.now())
        return (*self._clock_watch.conditions(), *self._tables.conditions(), *self._reload.conditions(), *of_page)
