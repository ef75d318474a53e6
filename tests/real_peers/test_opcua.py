"""The gateway with OPC UA servers of other makers: tags arrive, and counters are exact whatever happens to the
server.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaError

from tests.peers import wait_until
from tests.real_peers.gateway_run import GatewayRun
from tests.real_peers.opcua_servers import SERVERS, NodeOpcua, OpcuaPeer
from tests.real_peers.tap import ByteTap


@pytest.fixture(params=SERVERS)
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpcuaPeer]:
    """Each server, not running yet."""
    server = SERVERS[request.param](tmp_path / "server")
    try:
        yield server
    finally:
        await server.kill()


class Press:
    """A machine behind an OPC UA server: what it has really made, and how the gateway tells it."""

    def __init__(self, server: OpcuaPeer, run: GatewayRun) -> None:
        self.server = server
        self.run = run
        self.counter = 65_500
        self.made = 0

    async def serve(self, *before: str) -> None:
        await self.server.start(before=before, L01__State=1, L01__Good=self.counter, L01__Order="A1")

    def moved(self, parts: int) -> None:
        """As many parts have been made while nobody looks."""
        self.counter = (self.counter + parts) % 65_536
        self.made += parts

    async def make(self, parts: int) -> None:
        """One part at a time, as a PLC counts."""
        for _ in range(parts):
            self.moved(1)
            await self.server.write("L01.Good", self.counter)

    async def until_told(self) -> None:
        """Wait until Oden has as many as were made, and see that it stays so."""
        await wait_until(lambda: self.run.amount("yield") >= self.made, 60)
        await self.run.until_settled(2.0)
        assert self.run.amount("yield") == self.made


@pytest.fixture
async def press(server: OpcuaPeer, tmp_path: Path) -> AsyncIterator[tuple[Press, ByteTap]]:
    """A press that serves, with a gateway that reads it through a tap and has told the first parts."""
    tap = ByteTap(server.port)
    await tap.start()
    run = GatewayRun.with_opcua(tmp_path / "gateway", f"opc.tcp://127.0.0.1:{tap.port}")
    press = Press(server, run)
    try:
        await press.serve()
        await run.start_oden()
        run.start_gateway()
        await run.until_connected()
        await wait_until(lambda: run.intervals("RUN"), 60)
        await press.make(50)
        await press.until_told()
        yield press, tap
    finally:
        await run.close()
        await tap.stop()


async def test_p2_p4_counters_are_exact_over_a_restart(press: tuple[Press, ByteTap]) -> None:
    """The server is killed, its counter moves on, its namespace has another index: nothing is lost, doubled or begun
    anew.
    """
    line, _ = press
    await line.make(10)
    await line.server.kill()
    line.moved(7)
    await line.serve("urn:acme:other")
    await line.run.until(lambda status: status["sources"][0]["connected"], "connected")
    await line.make(20)
    await line.until_told()
    assert [body["name"] for body in line.run.intervals("RUN")] == ["A1"]
    assert [body["metadata"]["category"]["name"] for body in line.run.intervals("STATE")] == ["Uptime"]


async def test_p2_p4_counters_are_exact_over_a_dead_line_and_a_cut(press: tuple[Press, ByteTap]) -> None:
    """The line to the server is dead for a while, then reset; later the gateway is killed. Every part is told once."""
    line, tap = press
    tap.freeze()
    await line.make(15)
    tap.cut()
    tap.thaw()
    await line.make(15)
    await line.until_told()
    await line.run.kill_gateway()
    await line.make(15)
    line.run.start_gateway()
    await line.run.until_connected()
    await line.until_told()


async def test_node_opcua_is_as_secure_as_it_is_told(tmp_path: Path) -> None:
    """It offers the policies, lets in who knows the password, and states the limits that it was given."""
    server = NodeOpcua(
        tmp_path / "server",
        policies=["None", "Basic256Sha256"],
        modes=["None", "SignAndEncrypt"],
        users={"operator": "right"},
        anonymous=False,
        capabilities={"maxSessions": 7, "operationLimits": {"maxNodesPerRead": 12}},
    )
    try:
        await server.start(L01__State=1)
        endpoints = await Client(server.url).connect_and_get_server_endpoints()
        offered = {(str(e.SecurityPolicyUri).rpartition("#")[2], e.SecurityMode.name) for e in endpoints}
        assert offered == {("None", "None_"), ("Basic256Sha256", "SignAndEncrypt")}
        with pytest.raises(UaError):
            await _value(server, "operator", "wrong", 11705)
        assert await _value(server, "operator", "right", 11705) == 12
    finally:
        await server.kill()


async def _value(server: OpcuaPeer, user: str, password: str, number: int) -> object:
    client = Client(server.url)
    client.set_user(user)
    client.set_password(password)
    async with asyncio.timeout(30), client:
        return await client.get_node(ua.NodeId(ua.Int32(number), ua.Int16(0))).read_value()


async def test_a_node_can_go_and_come_back(server: OpcuaPeer) -> None:
    """A deleted variable is unknown to clients, and known again once it is added; all this on this machine only."""
    await server.start(L01__State=1)
    assert server.process.listens_at() == {"127.0.0.1"}
    async with asyncio.timeout(60), Client(server.url) as client:
        index = (await client.get_namespace_array()).index("urn:acme:line")
        node = client.get_node(ua.NodeId(ua.String("L01.State"), ua.Int16(index)))
        assert await node.read_value() == 1
        await server.delete("L01.State")
        with pytest.raises(UaError):
            await node.read_value()
        await server.add("L01.State", 3, type="UInt16")
        assert await node.read_value() == 3
