"""The sources and the delivery that a configuration names; and the parts of the gateway as children of the supervisor,
with the stage of the shutdown in which each ends."""

from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from pathlib import Path

from gateway import control
from gateway.clock import Clock
from gateway.config.addresses import SPARKPLUG
from gateway.config.schema import Config, OpcuaConfig
from gateway.config.schema_messages import Form
from gateway.delivery.drain import DeliveryOptions, Drain
from gateway.intake import Intake
from gateway.mapping.compile import LinePlan
from gateway.mapping.inputs import form_of
from gateway.oden.client import OdenClient
from gateway.oden.requests import Wording
from gateway.outbox.entries import LineRef
from gateway.outbox.thread import OutboxThread
from gateway.sources.base import Source, Take
from gateway.status.loop import StatusLoop
from gateway.status.web import StatusServer
from gateway.supervisor import Child

GRACE = 10.0
"""Seconds that intake gets to commit, and requests under way to be answered, when the gateway is stopped."""

SOURCES, CORE, EDGES = range(3)
"""The stages of the shutdown, in their order."""


def source_child(source: Source, take: Take) -> Child:
    """A source, which hands over to `take`."""
    run = partial(source.run, take)
    return Child(
        name=f"source {source.name}",
        run=run,
        turned_at=lambda: source.turned_at,
        stage=SOURCES,
        has_worked=lambda: source.has_worked,
    )


def core_child(name: str, part: Intake | Drain) -> Child:
    """Intake or delivery: what must turn, and may finish what it has begun."""
    return Child(
        name=name,
        run=part.run,
        turned_at=lambda: part.turned_at,
        vital=True,
        stage=CORE,
        request_stop=part.stop,
        grace=GRACE,
    )


def edge_child(name: str, part: StatusLoop | StatusServer | control.Control) -> Child:
    """What only shows or answers."""
    return Child(name=name, run=part.run, turned_at=lambda: part.turned_at, stage=EDGES)


def make_drain(
    outbox: OutboxThread, client: OdenClient, clock: Clock, config: Config, may_send: Callable[[], bool]
) -> Drain:
    """What delivers by `config`, while the time `may` be sent."""
    options = DeliveryOptions(
        config.oden.settle,
        config.oden.timeout,
        Wording(config.oden.raw_data, config.oden.reference),
        span=config.outbox.merge_span,
        in_order=config.outbox.backlog == "in_order",
        ends=config.outbox.ends,
        updates=config.outbox.updates,
        oden=config.oden.shown_url,
    )
    lines = {line.key: LineRef(line.factory, line.line, line.id) for line in config.lines}
    return Drain(outbox, client, clock, options, lines, may_send)


def import_libraries(config: Config) -> None:
    """Import what `make_sources` needs for `config`. On a slow machine that takes so long that a loop which is watched
    would count as one that hangs."""
    for section in config.sources.values():
        import_module("gateway.sources.opcua.source" if isinstance(section, OpcuaConfig) else "gateway.sources.mqtt")


def make_sources(
    config: Config,
    plans: Iterable[LinePlan],
    clock: Clock,
    runtime: Path | None = None,
    kept: Path | None = None,
    *,
    clean: bool = False,
) -> dict[str, Source]:
    """The sources of `config` by name, each with the addresses that the inputs of `plans` name. What must not outlive a
    start of the machine is kept in `runtime`, what must in `kept`; nowhere, where there is none.
    `clean`: brokers keep nothing for them."""
    forms: dict[str, dict[str, Form]] = {name: {} for name in config.sources}
    devices: dict[str, dict[str, set[str]]] = {name: {} for name in config.sources}
    for plan in plans:
        for (source, address), inputs in plan.subscriptions.items():
            if inputs[0].metric:
                device = address.removeprefix(f"{SPARKPLUG}/")
                devices[source].setdefault(device, set()).update(
                    input_.metric for input_ in inputs if input_.metric is not None
                )
            else:
                forms[source][address] = form_of(inputs)
    sources: dict[str, Source] = {}
    for name, section in config.sources.items():
        # Each library is imported only where it is used: asyncua alone costs 0.5 s and 20 MB.
        if isinstance(section, OpcuaConfig):
            from gateway.sources.opcua.channel import Channel
            from gateway.sources.opcua.session_key import key_file
            from gateway.sources.opcua.source import OpcuaSource as Opcua
            from gateway.sources.opcua.tags import tags_of

            channel = Channel(section, key_file(runtime, name), lasts=True)
            sources[name] = Opcua(name, section, tags_of(name, section, config.lines), clock, channel)
        else:
            from gateway.sources.mqtt import MqttSource as Mqtt

            host = None
            if devices[name]:
                from gateway.sources.sparkplug import SparkplugHost

                host = SparkplugHost(
                    name,
                    devices[name],
                    clock,
                    asks=section.rebirth == "auto",
                    keeps=section.history == "auto",
                    alone=section.node_birth == "optional",
                )
            sources[name] = Mqtt(name, section, forms[name], clock, host, kept, clean=clean)
    return sources
