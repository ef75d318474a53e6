"""Servers of other makers that say nothing any more although they are connected: one that hangs, one that has ended the
subscriptions alone, one whose node was deleted. Each is noticed and told, and goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.peers import PATIENCE, wait_until
from tests.real_peers.opcua_servers import SERVERS, OpcuaPeer
from tests.real_peers.test_opcua_values import LINE, STATE, told, watching
from tests.sources.harness import Intake, running

OTHER = f"{LINE};s=Other"


@pytest.fixture(params=SERVERS)
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpcuaPeer]:
    """Each server, with two tags."""
    server = SERVERS[request.param](tmp_path / "server")
    try:
        await server.start(L01__State=1, Other=0)
        yield server
    finally:
        await server.kill()


def is_unknown(intake: Intake, node: str) -> bool:
    """Whether the last that came of `node` is that nobody knows it."""
    return [one.quality for one in intake.samples if one.address == node][-1:] == ["bad"]


async def until_alone(server: OpcuaPeer) -> None:
    """Wait until the server has no session but one."""
    async with asyncio.timeout(PATIENCE):
        while (await server.ask(do="sessions"))["sessions"] != 1:
            await asyncio.sleep(0.1)


async def test_p9_a_server_that_hangs_is_noticed_and_goes_on(server: OpcuaPeer) -> None:
    """Its connections stay open, and new ones are taken by its kernel. Its tags are unknown until it answers again; no
    session of ours is left beside the one that is used."""
    source, intake = watching(server.url, (STATE, {}), (OTHER, {}), timeout="3s")
    async with running(source, intake):
        await wait_until(lambda: told(intake, STATE) == [1] and told(intake, OTHER) == [0])
        server.freeze()
        try:
            await wait_until(lambda: not source.health.connected)
            await wait_until(lambda: is_unknown(intake, STATE) and is_unknown(intake, OTHER))
        finally:
            server.thaw()
        await server.write("L01.State", 2)
        await wait_until(lambda: told(intake, STATE)[-1] == 2 and not is_unknown(intake, OTHER))
        assert source.health.failed == {}
        await until_alone(server)
    assert {notice.kind for notice in intake.notices} <= {"gap"}


@pytest.mark.parametrize("server", ["node-opcua", "asyncua"], indirect=True)
async def test_p9_subscriptions_that_are_gone_are_missed(server: OpcuaPeer) -> None:
    """The session lives and answers; the heartbeat does not come. What is so by then is told, and the time is a gap.
    open62541 has no way to end a subscription by itself."""
    source, intake = watching(server.url, (STATE, {}), (OTHER, {}), timeout="3s")
    async with running(source, intake):
        await wait_until(lambda: told(intake, STATE) == [1] and told(intake, OTHER) == [0])
        await server.ask(do="silence")
        await server.write("L01.State", 2)
        await wait_until(lambda: told(intake, STATE)[-1] == 2)
        assert source.health.failed == {}
        await until_alone(server)
    assert {notice.kind for notice in intake.notices} == {"gap"}


async def test_p9_a_node_that_was_deleted_is_unknown_until_it_is_back(server: OpcuaPeer) -> None:
    """The tag beside it goes on. Two of these servers delete in silence: the audit finds it."""
    source, intake = watching(server.url, (STATE, {}), (OTHER, {}), audit="1s")
    async with running(source, intake):
        await wait_until(lambda: told(intake, STATE) == [1] and told(intake, OTHER) == [0])
        await server.delete("L01.State")
        await wait_until(lambda: STATE in source.health.failed and is_unknown(intake, STATE))
        await server.write("Other", 1)
        await wait_until(lambda: told(intake, OTHER) == [0, 1])
        await server.add("L01.State", 5)
        await wait_until(lambda: told(intake, STATE)[-1] == 5 and source.health.failed == {})
        await server.write("L01.State", 6)
        await wait_until(lambda: told(intake, STATE)[-1] == 6)
    news = [one.value for one in intake.samples if one.address == STATE and one.quality == "good" and not one.initial]
    assert [*dict.fromkeys(told(intake, STATE))] == [1, 5, 6]
    assert len(news) == len({*news}), "what a new item says first is no news"
    assert {(notice.kind, notice.address) for notice in intake.notices} <= {("gap", STATE)}


async def test_p9_a_counter_whose_node_is_back_within_an_audit_is_heard_again(server: OpcuaPeer) -> None:
    """It never stands: its node is deleted and made anew while it counts. Once it is heard again, none is lost."""
    source, intake = watching(server.url, (STATE, {}), (OTHER, {}), audit="5s")
    count = 1

    async def until(condition: Callable[[], bool]) -> None:
        nonlocal count
        async with asyncio.timeout(PATIENCE):
            while not condition():
                count += 1
                await server.write("L01.State", count)
                await asyncio.sleep(0.2)

    async with running(source, intake):
        await wait_until(lambda: told(intake, STATE) == [1] and told(intake, OTHER) == [0])
        await until(lambda: count == 20)
        await server.delete("L01.State")
        await server.add("L01.State", back := count + 1)
        count = back
        await until(lambda: told(intake, STATE)[-1] > back)
        heard = told(intake, STATE)[-1]
        await until(lambda: count >= heard + 20)
        await wait_until(lambda: told(intake, STATE)[-1] == count)
        assert source.health.failed == {}
    values = told(intake, STATE)
    once = [value for value, after in pairwise([*values, None]) if value != after]  # the first of an item may be known
    assert once[once.index(heard) :] == [*range(heard, count + 1)]
    assert {(notice.kind, notice.address) for notice in intake.notices} <= {("gap", STATE)}
