"""Stories of a source and a scripted server in simulated time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

from gateway.sources.opcua.source import OpcuaSource
from tests.campaign.virtual import simulate
from tests.sources.harness import Intake, node, opcua_config, opcua_tag
from tests.sources.opcua import scripted
from tests.sources.opcua.scripted import Server

ONLY_READING = {
    *("Browse", "BrowseNext", "TranslateBrowsePathsToNodeIds", "Read", "HistoryRead"),
    *("CreateSubscription", "DeleteSubscriptions", "TransferSubscriptions", "Publish", "Republish"),
    *("CreateMonitoredItems", "DeleteMonitoredItems", "ConditionRefresh"),
}
"""All that the gateway may ask of a server. Another request is a failure, whatever it is, so that one that acts on a
plant cannot be forgotten here. ConditionRefresh is the one method that may be called."""


@asynccontextmanager
async def connected(
    server: Server,
    *names: str,
    intake: Intake | None = None,
    inputs: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
    **settings: Any,
) -> AsyncIterator[tuple[OpcuaSource, Intake]]:
    """A source that reads `names` of `server`, some of them browse paths, and is run again five seconds after it has
    ended. `inputs` are the settings of some of them."""
    intake = intake or Intake()
    config = opcua_config("opc.tcp://plc:4840", **{"publishing_interval": "250ms", **settings})
    addresses = {name: name if name.startswith("/") else node(name) for name in names}
    tags = [opcua_tag(address, config, **inputs.get(name, {})) for name, address in addresses.items()]
    source = OpcuaSource("plc", config, tags, scripted.clock(), server.connection())

    async def run() -> None:
        while True:
            try:
                await source.run(intake.take)
            except scripted.SourceError:
                await asyncio.sleep(5)

    living = asyncio.create_task(server.live())
    task = asyncio.create_task(run())
    try:
        yield source, intake
    finally:
        task.cancel()
        await asyncio.wait({task})
        living.cancel()
        assert not (server.alive and server.reachable), "it was left in good order"
        assert set(server.asked) <= ONLY_READING


def simulated(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """A test whose time is simulated."""

    def run() -> None:
        async def main() -> None:
            await test()

        simulate(main())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def bad(intake: Intake) -> list[str]:
    return [sample.address for sample in intake.samples if sample.quality == "bad"]


def gaps(intake: Intake) -> list[tuple[str, str]]:
    return [(notice.address, notice.text) for notice in intake.notices if notice.kind == "gap"]
