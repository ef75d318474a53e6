"""A sample of the faults of real servers; `python -m tests.real_peers.opcua_faults 66` plays a longer story."""

from contextlib import suppress
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaError

from tests.real_peers.opcua_faults import Story
from tests.real_peers.opcua_servers import SERVERS
from tests.real_peers.service_tap import ServiceTap


@pytest.mark.parametrize("name", SERVERS)
async def test_p2_p4_p9_p13_p14_each_order_has_its_parts_whatever_happens_to_the_server(
    name: str, tmp_path: Path
) -> None:
    """Each fault once, in an order by chance. After each there is a run for each order, with the parts that were made
    in it, and a state for each change, and no other; in the end one session, and nothing was asked for that acts."""
    story = Story(SERVERS[name](tmp_path / "server"), tmp_path, seed=17)
    try:
        await story.begin()
        await story.play(len(story.faults()))
        await story.judge()
    finally:
        await story.end()


@pytest.mark.parametrize("name", SERVERS)
async def test_a_client_that_acts_is_seen(name: str, tmp_path: Path) -> None:
    """Or it would prove nothing that the gateway is not seen to."""
    server = SERVERS[name](tmp_path / "server")
    tap = ServiceTap(server.port)
    await tap.start()
    try:
        await server.start(L01__State=1)
        async with Client(f"opc.tcp://127.0.0.1:{tap.port}") as client:
            index = await client.get_namespace_index("urn:acme:line")
            node = client.get_node(ua.NodeId(ua.String("L01.State"), ua.Int16(index)))
            assert not tap.asked.keys() & {"Write", "Call"}
            with suppress(UaError):  # whether it is let or not
                await node.write_value(ua.Variant(2, ua.VariantType.Int32))
            called = ua.CallMethodRequest()
            called.ObjectId, called.MethodId = (ua.NodeId(ua.Int32(number), ua.Int16(0)) for number in (2253, 11492))
            called.InputArguments = [ua.Variant(ua.UInt32(0))]
            with suppress(UaError):
                await client.uaclient.session.call([called])
    finally:
        await tap.stop()
        await server.kill()
    assert (tap.asked["Write"], tap.asked["Call"]) == (1, 1)
