"""A clock that goes back is told from late values by the order in which a server tells."""

import asyncio

import pytest

from gateway.sources.opcua.set_back import SetBack
from tests.sources.harness import Intake, node
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.story import connected, simulated

BACK = 20.0
PROMPT = 0.5
"""Seconds by which a value can be older than it came: a publishing interval, and what goes on meanwhile."""


def off(intake: Intake, name: str) -> list[float]:
    """By how much each live value of the tag is later than it came, as its clock is known; less than nothing: older."""
    live = [one for one in intake.samples if one.address == node(name) and not one.initial and one.quality == "good"]
    return [(one.device_time or 0.0) - one.received for one in live]


def listed(intake: Intake) -> list[str]:
    return [notice.text for notice in intake.notices if notice.kind == "time"]


async def written(server: Server, *names: str, times: int, old: float = 0.0) -> None:
    for _ in range(times):
        await asyncio.sleep(1.0)
        for name in names:
            server.write(name, server.now().timestamp(), old=old)


def prompt(offs: list[float]) -> bool:
    return bool(offs) and all(-PROMPT <= each <= PROMPT for each in offs)


@simulated
async def test_p13_tags_that_rest_are_of_the_clock_that_others_show_to_be_set_back() -> None:
    """One that changes once an hour shows nothing itself; one with a clock of its own keeps its times; and a clock that
    is put right, or set back further, is known to be at once."""
    server = Server(counter=0, order=0, own=0)
    async with connected(server, "counter", "order", "own") as (source, intake):
        await written(server, "counter", "own", times=5)
        await written(server, "counter", times=1, old=BACK)
        server.write("order", "B", old=BACK)
        await written(server, "own", times=5)
        await written(server, "counter", times=30, old=BACK)
        assert source.health.newest_age is not None
        assert source.health.newest_age < 1.0, "nothing is late"
        await written(server, "counter", times=3, old=2 * BACK)
        server.write("order", "C", old=2 * BACK)
        await written(server, "counter", times=3)
        server.write("order", "D")
        server.write("own", 7, old=2 * BACK - 5)
        await asyncio.sleep(1)
        assert prompt(off(intake, "counter"))
        assert prompt(off(intake, "order"))
        *own, late = off(intake, "own")
        assert prompt(own)
        assert late == pytest.approx(5 - 2 * BACK, abs=PROMPT), "nothing is known of any clock any more"
        [text] = listed(intake)
        assert "was set back: it is 20 s behind, which is added to the times that it says" in text


@simulated
async def test_p13_a_servers_own_clock_shows_that_it_was_set_back_by_its_messages() -> None:
    """Before any tag has changed twice; so that the first change is not put before it happened."""
    server = Server(order=0)
    async with connected(server, "order") as (_, intake):
        await asyncio.sleep(30)
        server.clock_off = -BACK
        await asyncio.sleep(5)
        server.write("order", "B", old=BACK)
        await asyncio.sleep(5)
        server.clock_off = 0.0
        await asyncio.sleep(5)
        server.write("order", "C", old=15.0)
        await asyncio.sleep(5)
        first, late = off(intake, "order")
        assert -PROMPT <= first <= PROMPT
        assert late == pytest.approx(-15.0, abs=PROMPT)


@simulated
async def test_p13_what_a_queue_kept_over_a_clock_that_goes_back_keeps_its_order_and_its_distances() -> None:
    """A cut of 40 s, in the middle of which the clock goes back: what comes then lies where it was."""
    server = Server(counter=0)
    async with connected(server, "counter") as (source, intake):
        await written(server, "counter", times=5)
        server.cut()
        await written(server, "counter", times=15)
        await written(server, "counter", times=25, old=BACK)
        server.reachable = True
        await asyncio.sleep(10)
        told = {one.value: one.device_time or 0.0 for one in intake.samples if one.quality == "good" and one.value}
        wrong = [time - float(value) for value, time in told.items()]  # type: ignore[arg-type]
        assert len(wrong) == 45
        assert wrong[:20] == pytest.approx([0.0] * 20, abs=PROMPT)
        assert wrong[20:] == pytest.approx([wrong[-1]] * 25, abs=PROMPT), "all by the same"
        assert 0.0 <= wrong[-1] <= 5.0, "by how long the newest of them had waited"
        assert source.health.connected


def test_p13_seconds_of_a_time_that_wavers_are_no_step() -> None:
    clock = SetBack()
    clock.said([("a", 100.0), ("a", 99.5)], 100.0)
    assert clock.ahead(99.5, 100.0) is None


def test_p13_our_own_clock_moves_what_another_is_behind() -> None:
    clock = SetBack()
    clock.said([("a", 100.0), ("a", 80.0)], 100.0)
    assert clock.ahead(81.0, 101.0) == -20.0
    clock.moved(5.0)
    assert clock.ahead(82.0, 107.0) == -25.0
    clock.moved(-25.0)
    assert clock.ahead(83.0, 83.0) is None


def test_p13_what_a_new_item_says_first_is_no_step_but_a_message_is_one() -> None:
    clock = SetBack()
    clock.said([(1, 100.0), ("a", 100.0)], 100.0)
    clock.begins_anew()
    clock.said([(2, 110.0), ("a", 40.0)], 110.0)
    assert clock.behind == 0.0
    clock.begins_anew()
    clock.said([(3, 90.0)], 120.0)
    assert clock.behind == 30.0
