"""Twins: of several servers with the same tags the one is read that is well, and another when it goes."""

from asyncua import ua

from gateway.clock import AnchoredClock
from gateway.sources.opcua.source import OpcuaSource
from tests.peers import OpcuaServer, wait_until
from tests.sources.harness import Intake, opcua_config, opcua_tags, running

NODE = "nsu=urn:acme:line;s=L01.State"


async def set_level(server: OpcuaServer, level: int) -> None:
    node = server.server.get_node(ua.NodeId(ua.Int32(2267), ua.Int16(0)))
    await server.server.write_attribute_value(
        node.nodeid, ua.DataValue(ua.Variant(ua.Byte(level), ua.VariantType.Byte))
    )


async def test_the_server_that_is_well_is_read_and_its_twin_when_it_goes() -> None:
    """The first is ill; the second is used until it is gone; then the first, ill as it is, until it is well."""
    first, second = OpcuaServer(), OpcuaServer()
    await first.start(L01__State=1)
    await second.start(L01__State=2)
    await set_level(first, 100)
    config = opcua_config(first.url, redundant=[second.url])
    source, intake = OpcuaSource("plc", config, opcua_tags([NODE], config), AnchoredClock()), Intake()
    try:
        async with running(source, intake):
            await wait_until(lambda: intake.values(NODE) == [2])
            await second.stop()
            await wait_until(lambda: intake.values(NODE) == [2, 1])
            await first.write("L01.State", 3)
            await wait_until(lambda: intake.values(NODE) == [2, 1, 3])
        assert len(first.server.iserver._external_sessions) == 0
    finally:
        await first.stop()
        await second.stop()


async def test_a_server_that_falls_ill_is_left_for_its_twin() -> None:
    first, second = OpcuaServer(), OpcuaServer()
    await first.start(L01__State=1)
    await second.start(L01__State=2)
    config = opcua_config(first.url, redundant=[second.url])
    source, intake = OpcuaSource("plc", config, opcua_tags([NODE], config), AnchoredClock()), Intake()
    try:
        async with running(source, intake):
            await wait_until(lambda: intake.values(NODE) == [1])
            await set_level(first, 50)
            await wait_until(lambda: intake.values(NODE) == [1, 2])
        for server in (first, second):
            assert len(server.server.iserver._external_sessions) == 0
    finally:
        await first.stop()
        await second.stop()
