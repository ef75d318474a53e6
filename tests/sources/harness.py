"""What the tests of sources share: an intake that remembers, sources that run while a block does, and a clock."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import CoroutineType
from typing import Any

from gateway.clock import AnchoredClock
from gateway.config.schema import OpcuaConfig
from gateway.config.schema_io import Input
from gateway.config.schema_mqtt import MqttConfig
from gateway.model import Notice, Sample
from gateway.receipts import Session, Verdict
from gateway.sources.base import Arrival, Source
from gateway.sources.mqtt import MqttSource
from gateway.sources.opcua.source import OpcuaSource
from gateway.sources.opcua.tags import Tag, tag_of
from tests.peers import PATIENCE, Mosquitto, OpcuaServer, wait_until


class HandClock:
    """A clock that stands still until it is moved: nothing runs out because the machine is busy."""

    def __init__(self) -> None:
        self.time = 1_767_592_800.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time - 1_767_000_000.0

    def slept(self) -> float:
        return 0.0

    def advance(self, seconds: float) -> None:
        self.time += seconds


class Intake:
    """Takes arrivals and acknowledges them at once, as long as `open` is set and `acknowledge` is true. Its receipts
    are in memory: `session` can be handed from one to the next.

    While `fault` is set, taking raises it.
    """

    def __init__(self, *, acknowledge: bool = True) -> None:
        self.arrivals: list[Arrival] = []
        self.acknowledge = acknowledge
        self.fault: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.session = Session()
        self.verdicts: list[tuple[Arrival, Verdict]] = []

    async def take(self, arrival: Arrival) -> None:
        await self.open.wait()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        self.arrivals.append(arrival)
        verdict: Verdict = "new"
        if arrival.connected is not None:
            self.session.connect(arrival.connected.at, resumed=arrival.connected.resumed)
        for numbers in arrival.confirmed:
            self.session.confirm(numbers)
        if arrival.receipt is not None:
            receipt = arrival.receipt
            verdict = self.session.deliver(receipt.packet_id, receipt.digest, dup=receipt.dup, at=receipt.at)
            self.verdicts.append((arrival, verdict))
        if self.acknowledge and arrival.done is not None and verdict != "twice":
            arrival.done()

    @property
    def samples(self) -> list[Sample]:
        return [sample for arrival in self.arrivals for sample in arrival.samples]

    @property
    def notices(self) -> list[Notice]:
        return [notice for arrival in self.arrivals for notice in arrival.notices]

    def first_deliveries(self) -> list[object]:
        """The values of messages that are no redeliveries."""
        first = [arrival for arrival, verdict in self.verdicts if verdict == "new"]
        return [sample.value for arrival in first for sample in arrival.samples]

    @property
    def new_sessions(self) -> list[bool]:
        """Of each connection, whether the broker had forgotten the session."""
        return [not arrival.connected.resumed for arrival in self.arrivals if arrival.connected is not None]

    def values(self, address: str) -> list[object]:
        """The usable values of one address, in order."""
        return [sample.value for sample in self.samples if sample.address == address and sample.quality != "bad"]


@asynccontextmanager
async def running(source: Source, intake: Intake) -> AsyncIterator[list[Exception]]:
    """Run `source` into `intake`, anew whenever it ends; gives the errors with which it has ended.

    On leaving it is cancelled as the application does, and must end.
    """
    others = asyncio.all_tasks()
    errors: list[Exception] = []
    task = asyncio.create_task(_again_and_again(source, intake, errors))
    try:
        yield errors
    finally:
        task.cancel()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), "the source swallowed its cancellation"
        await wait_until(lambda: not _left_behind(others))


async def _again_and_again(source: Source, intake: Intake, errors: list[Exception]) -> None:
    """What the supervisor of the process does, without its log and its growing pauses."""
    while True:
        try:
            await source.run(intake.take)
        except Exception as error:  # noqa: BLE001 - whatever ends a source, it is started again
            errors.append(error)
        await asyncio.sleep(0.2)


def _left_behind(others: set["asyncio.Task[Any]"]) -> list[str]:
    """Tasks of a client that outlived its source."""
    coroutines = (task.get_coro() for task in asyncio.all_tasks() - others)
    files = [coroutine.cr_code.co_filename for coroutine in coroutines if isinstance(coroutine, CoroutineType)]
    return [file for file in files if "/asyncua/client/" in file or "/gateway/sources/" in file]


def opcua_config(url: str, **settings: Any) -> OpcuaConfig:
    """A source at `url`; a setting that is None is left out."""
    whole = {"type": "opcua", "url": url, "publishing_interval": "50ms", "security": "none", **settings}
    return OpcuaConfig.model_validate({name: value for name, value in whole.items() if value is not None})


def mqtt_config(url: str, **settings: Any) -> MqttConfig:
    return MqttConfig.model_validate({"type": "mqtt", "url": url, "client_id": "edge-test", **settings})


def mqtt_source(broker: Mosquitto, *topics: str, url: str | None = None, **settings: Any) -> MqttSource:
    return MqttSource("floor", mqtt_config(url or broker.url, **settings), topics, AnchoredClock())


def opcua_tag(node: str, config: OpcuaConfig, **settings: Any) -> Tag:
    """The tag `node`, watched as an input with `settings` says; with `event` its events instead of its value."""
    if settings.pop("event", False):
        return tag_of(Input.model_validate({"source": "plc", "event": node, **settings}), config)
    return tag_of(Input.model_validate({"source": "plc", "node": node, **settings}), config)


def opcua_tags(nodes: Iterable[str], config: OpcuaConfig) -> list[Tag]:
    """The tags `nodes`, watched as their source says."""
    return [opcua_tag(node, config) for node in nodes]


def node(name: str) -> str:
    return f"nsu=urn:acme:line;s={name}"


def opcua_source(server: OpcuaServer, *names: str, url: str | None = None, **settings: str) -> OpcuaSource:
    config = opcua_config(url or server.url, **settings)
    return OpcuaSource("plc", config, opcua_tags(map(node, names), config), AnchoredClock())
