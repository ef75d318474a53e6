"""What arrives late is a problem, what merely does not change, or was kept for us, is none: in simulated time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.sources.opcua.lateness import LEAST, Lateness, late_after
from gateway.sources.opcua.source import OpcuaSource
from tests.campaign.virtual import simulate
from tests.sources.harness import node
from tests.sources.opcua.history_plant import forget
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.story import connected, simulated


def is_late(source: OpcuaSource) -> bool:
    age = source.health.newest_age
    return age is not None and age > source.health.late_after


async def write(server: Server, name: str, seconds: float, *, old: float = 0.0, every: float = 0.2) -> None:
    begun = asyncio.get_running_loop().time()
    count = 0
    while asyncio.get_running_loop().time() < begun + seconds:
        count += 1
        server.write(name, begun + count, old=old)
        await asyncio.sleep(every)


@simulated
async def test_p9_values_that_arrive_twenty_seconds_late_are_a_problem_until_they_do_not() -> None:
    """Within some seconds, and at an age of seconds, not of a minute."""
    server = Server(a=0, quiet=0)
    async with connected(server, "a", "quiet") as (source, _):
        await write(server, "a", 30)
        assert not is_late(source)
        assert source.health.newest_age is not None
        assert source.health.newest_age < 1
        await asyncio.sleep(20)
        await write(server, "a", 15, old=20.0)
        assert is_late(source)
        assert source.health.newest_age == pytest.approx(20, abs=0.5)
        await write(server, "a", 1)
        assert not is_late(source)


@simulated
async def test_p9_a_way_that_takes_twenty_seconds_is_a_problem_also_where_little_changes() -> None:
    """The heartbeat is late as well."""
    server = Server(a=0)
    async with connected(server, "a") as (source, _):
        await write(server, "a", 2)
        server.behind = 20.0
        await asyncio.sleep(20)
        await write(server, "a", 1, old=20.0)
        await asyncio.sleep(60)
        assert is_late(source)


@simulated
async def test_what_does_not_change_is_never_late() -> None:
    """Nor does it become so by what came last."""
    server = Server(a=0, b=0)
    async with connected(server, "a", "b") as (source, _):
        await asyncio.sleep(60)
        server.write("a", 1, old=20.0)
        for _ in range(7_200):
            await asyncio.sleep(0.5)
            assert not is_late(source)
        assert source.health.newest_age is not None
        assert source.health.newest_age < 1


def late_after_an_outage() -> list[Callable[[Server], Awaitable[None]]]:
    async def kept(server: Server) -> None:
        server.cut()
        await write(server, "a", 25)

    async def told_once_more(server: Server) -> None:
        server.cut()
        await asyncio.sleep(25)
        for name in ("a", "b"):
            server.tell_again(name)

    async def anew(server: Server) -> None:
        forget(server)
        await asyncio.sleep(25)

    return [kept, told_once_more, anew]


@pytest.mark.parametrize("outage", late_after_an_outage(), ids=lambda each: each.__name__)
def test_what_was_kept_for_us_is_no_problem_after_it_came(outage: Callable[[Server], Awaitable[None]]) -> None:
    async def main() -> None:
        server = Server(a=0, b=0)
        async with connected(server, "a", "b") as (source, intake):
            await write(server, "a", 30)
            await outage(server)
            server.reachable = True
            await asyncio.sleep(15)
            assert source.health.connected
            for _ in range(600):
                await asyncio.sleep(0.5)
                assert not is_late(source)
            assert intake.values(node("b"))

    simulate(main())


@simulated
async def test_a_device_with_a_wrong_clock_makes_no_other_late() -> None:
    """What one device says is old now and then; the server is not."""
    server = Server(a=0, b=0)
    async with connected(server, "a", "b") as (source, _):
        await asyncio.sleep(5)
        for _ in range(300):
            await write(server, "b", 0.2, old=120.0)
            await asyncio.sleep(7)
            assert not is_late(source)


@simulated
async def test_how_far_the_clock_of_the_server_is_ahead_is_taken_off() -> None:
    """What is 20 s old is so, although a clock that is 15 s ahead shows five."""
    server = Server(a=0)
    server.clock_off = 15.0
    async with connected(server, "a") as (source, _):
        await write(server, "a", 30, old=-15.0)
        assert not is_late(source)
        await asyncio.sleep(20)
        await write(server, "a", 15, old=5.0)
        assert is_late(source)
        assert source.health.newest_age == pytest.approx(20, abs=0.5)


def test_slow_intervals_are_allowed_for() -> None:
    assert late_after(0.25, 0.1) == LEAST
    assert late_after(5.0, 10.0) == 35.0


def test_nothing_is_known_before_something_came() -> None:
    lateness = Lateness()
    assert lateness.came(100.0, None, 60.0) is None, "a server whose values have no time of their own"
    assert lateness.came(101.0, 100.5, None) == 0.5
    assert lateness.came(102.0, None, 90.0) == 0.5
    assert lateness.came(112.0, None, 99.0) == 12.0, "of ten seconds"


def test_a_clock_of_ours_that_was_set_back_leaves_nothing_for_long() -> None:
    lateness = Lateness()
    assert lateness.came(1_000.0, 999.9, None) == pytest.approx(0.1)
    assert lateness.came(500.0, 480.0, None) == 20.0
