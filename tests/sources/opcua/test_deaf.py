"""Tags of which a server tells nothing any more although they move, against a scripted server in simulated time."""

import asyncio
from collections.abc import Callable

import pytest
from asyncua.ua.status_codes import StatusCodes

from gateway.sources.opcua.decode import MEANING
from tests.campaign.virtual import simulate
from tests.sources.harness import Intake, node
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.story import bad, connected, gaps, simulated

COUNTER = node("counter")


class Machine:
    """Counts in `server`, `every` so many seconds."""

    def __init__(self, server: Server, every: float) -> None:
        self.server, self.every, self.count = server, every, 0

    async def run(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> float:
        """Count on for so long, or `until` something is so. How long it was."""
        for step in range(round(seconds / self.every)):
            if until():
                return step * self.every
            self.count += 1
            self.server.write("counter", self.count)
            await asyncio.sleep(self.every)
        return seconds


@pytest.mark.parametrize("every", [0.25, 1.5])
@pytest.mark.parametrize("away", [0.0, 10.0, 100.0])
@pytest.mark.parametrize("status", [0, StatusCodes.BadNodeIdInvalid & MEANING, StatusCodes.BadNoData & MEANING])
def test_p9_a_counter_whose_node_was_deleted_and_is_back_is_heard_again(every: float, away: float, status: int) -> None:
    """Its old item is dead, and said nothing of that, or a status. The counter is at no time of an age that would show
    by itself; what it counts once it is heard again comes whole."""

    async def main() -> None:
        server = Server(counter=0, other=0)
        machine = Machine(server, every)
        async with connected(server, "counter", "other") as (source, intake):
            await machine.run(30)
            server.delete("counter", told=status)
            await asyncio.sleep(away)
            back, before = machine.count + 1, len(intake.samples)  # of `other` nothing comes any more

            def is_heard() -> bool:
                return any(isinstance(one.value, int) and one.value >= back for one in intake.samples[before:])

            assert await machine.run(400, until=is_heard) < 200
            at = machine.count
            await machine.run(300)
            await asyncio.sleep(1)
            values = intake.values(COUNTER)
            assert values[values.index(at) :] == [*range(at, machine.count + 1)], "none is lost afterwards"
            assert source.health.failed == {}
            assert bad(intake).count(COUNTER) <= 2
            assert server.created.count("counter") == 2
            assert server.created.count("other") == 1
            assert server.sessions == 1

    simulate(main())


@simulated
async def test_p9_a_node_that_is_deleted_twice_alike_is_found_twice() -> None:
    """It says the same each time: that the first new item did is no sign that another would be no help."""
    server = Server(state=1)
    async with connected(server, "state") as (source, intake):
        for times in (1, 2, 3):
            await asyncio.sleep(200)
            server.delete("state")
            await asyncio.sleep(130)
            assert [address for address, _ in gaps(intake)] == times * [node("state")]
            server.write("state", 1)
        await asyncio.sleep(200)
        assert source.health.failed == {}


@simulated
async def test_what_nobody_takes_makes_no_tag_deaf() -> None:
    """While nothing can be stored, the values wait in the queues of the server: a new item would lose them."""
    server, intake = Server(counter=0), Intake()
    machine = Machine(server, 0.5)
    async with connected(server, "counter", intake=intake, queue=5_000):
        await machine.run(30)
        intake.open.clear()
        await machine.run(600)
        intake.open.set()
        await machine.run(300)
        await asyncio.sleep(1)
        assert intake.values(COUNTER) == [*range(1, machine.count + 1)]
        assert server.created.count("counter") == 1
        assert gaps(intake) == []


@simulated
async def test_a_server_that_leaves_out_what_it_was_not_asked_to_is_asked_ever_more_seldom() -> None:
    """It has a deadband of its own, in which a value moves all the time: a new item is no help."""
    server = Server(noisy=0.0)
    server.deaf.add("noisy")
    async with connected(server, "noisy") as (_, intake):
        for step in range(2 * 36_000):
            server.write("noisy", 0.001 * (step % 5))
            await asyncio.sleep(0.1)
        assert server.created.count("noisy") <= 7
        server.deaf.clear()
        for step in range(1_200):
            server.write("noisy", 10.0 + step)
            await asyncio.sleep(0.1)
        made = server.created.count("noisy")
        server.delete("noisy")
        for step in range(2_000):
            server.write("noisy", 20.0 + step)
            await asyncio.sleep(0.1)
        assert server.created.count("noisy") == made + 1, "one that has told of itself since is found as soon as ever"
        assert intake.values(node("noisy"))[-1] == 20.0 + 1_999


@pytest.mark.parametrize("every", [0.1, 0.3, 0.5, 1.0, 2.9])
def test_p9_a_bit_that_toggles_is_heard_again(every: float) -> None:
    """As often as not it is what was told last: its times show that it moves. The audits are no steps of its own."""

    async def main() -> None:
        server = Server(bit=False, rewritten=1)
        async with connected(server, "bit", "rewritten") as (_, intake):
            await asyncio.sleep(10)
            server.deaf |= {"bit", "rewritten"}  # of the other a server need not tell that the same was written again
            for step in range(round(1_200 / every)):
                server.write("bit", step % 2 == 0)
                server.write("rewritten", 1)
                await asyncio.sleep(every)
                if server.created.count("bit") > 1:
                    break
            server.deaf.clear()
            server.write("bit", value=True)
            await asyncio.sleep(5)
            assert (server.created.count("bit"), server.created.count("rewritten")) == (2, 1)
            assert gaps(intake)[0][0] == node("bit")
            assert intake.values(node("bit"))[-1] is True

    simulate(main())
