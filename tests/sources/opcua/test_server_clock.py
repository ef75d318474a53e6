"""By how much a server's clock is ahead is learned from when it says that it publishes, and taken off its times."""

import asyncio
import json

import pytest

from gateway.model import Sample
from gateway.sources.opcua.server_clock import LONG, MESSAGES, MOST, ServerClock
from gateway.sources.recording import line_of
from tests.sources.harness import Intake, node
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.story import connected, simulated


def samples(intake: Intake) -> list[Sample]:
    """The values of the tag `a` that came live."""
    said = [one for arrival in intake.arrivals for moment in arrival.moments for one in moment.samples]
    return [one for one in said if one.address == node("a") and not one.initial]


async def written(server: Server, times: int, ahead: float) -> None:
    for count in range(times):
        await asyncio.sleep(1.0)
        server.write("a", count + 1, old=-ahead)


@simulated
async def test_p13_what_a_server_is_ahead_by_is_taken_off_what_it_says() -> None:
    """Also of a value that it had to keep for a while: that goes to when it was, and not 3 s later."""
    server = Server(a=0)
    server.write("kept", 0, old=60.0)
    server.clock_off = 3.0
    async with connected(server, "a", "kept") as (_, intake):
        await written(server, 5, 3.0)
        server.write("kept", 9, old=7.0)
        written_at = server.now().timestamp()
        await asyncio.sleep(5)
        live = samples(intake)
        [_, kept] = [sample for sample in intake.samples if sample.address == node("kept")]
        assert [sample.ahead for sample in live[1:]] == pytest.approx([3.0] * 4, abs=0.2)
        assert kept.source_time is not None
        assert kept.source_time - kept.ahead == pytest.approx(written_at - 10.0, abs=0.2)
        assert not [notice for arrival in intake.arrivals for notice in arrival.notices]
        assert json.loads(line_of(kept))["ahead"] == kept.ahead, "so that a recording is mapped as it was"


@simulated
async def test_p13_devices_of_a_server_with_clocks_of_their_own_keep_their_times() -> None:
    """The server's clock is ahead, and what it collects is stamped by clocks that are right."""
    server = Server(a=0)
    server.clock_off = 3.0
    async with connected(server, "a") as (_, intake):
        await written(server, 5, 0.0)
        await asyncio.sleep(2)
        assert {sample.ahead for sample in samples(intake)} == {0.0}


@simulated
async def test_p13_a_clock_that_is_put_right_is_seen_within_minutes_and_a_large_lead_is_listed_once() -> None:
    server = Server(a=0)
    server.clock_off = 20.0
    async with connected(server, "a") as (_, intake):
        await written(server, 30, 20.0)
        server.clock_off = 0.0
        await written(server, 120, 0.0)
        await asyncio.sleep(2)
        found = samples(intake)
        assert found[20].ahead == pytest.approx(20.0, abs=0.2)
        assert found[-1].ahead == 0.0
        listed = [notice for arrival in intake.arrivals for notice in arrival.notices]
        assert [(notice.kind, notice.text) for notice in listed] == [
            ("time", "the clock of the server is 20 s ahead, which is taken off the times that it says")
        ]


def test_p13_what_a_server_has_kept_says_nothing_of_its_clock() -> None:
    """A hundred messages of an outage come at once, long after they were published."""
    clock = ServerClock()
    clock.published(104.0, 100.0)
    clock.stamped([104.0], 100.0)
    for number in range(100):
        clock.published(105.0 + number, 400.0 + number / 100)
    clock.published(406.0, 402.0)
    assert clock.ahead == 4.0


def test_p13_a_clock_that_is_a_long_way_off_is_none_to_learn_from() -> None:
    clock = ServerClock()
    clock.published(1000.0 + MOST + 1, 1000.0)
    clock.stamped([1000.0 + MOST + 1], 1000.0)
    assert clock.ahead == 0.0


def test_p13_one_value_that_is_stamped_by_the_servers_clock_is_enough() -> None:
    """Whatever else is in its message: one that is far off, others that are older."""
    clock = ServerClock()
    clock.published(1010.0, 1000.0)
    clock.stamped([1000.0 + MOST + 1, 900.0], 1000.0)
    assert clock.ahead == 0.0
    clock.stamped([1000.0 + MOST + 1, 900.0, 1010.0], 1000.0)
    assert clock.ahead == 10.0


def test_p13_so_many_messages_over_so_long_show_that_a_clock_was_put_right() -> None:
    clock = ServerClock()
    clock.published(1010.0, 1000.0)
    clock.stamped([1010.0], 1000.0)
    for number in range(MESSAGES):
        assert clock.ahead == 10.0
        clock.published(1001.0 + number * LONG / 4, 1001.0 + number * LONG / 4)
    assert clock.ahead == 0.0


def test_p13_what_our_clock_was_behind_by_is_no_lead_of_the_server_once_it_is_set() -> None:
    """A machine that had stood still for 40 s, and a server that is 3 s ahead."""
    clock = ServerClock()
    clock.published(1043.0, 1000.0)
    clock.stamped([1043.0], 1000.0)
    assert clock.ahead == 43.0
    clock.moved(40.0)
    assert clock.ahead == 3.0
    clock.moved(-40.0)
    assert clock.ahead == 43.0


def test_p13_a_small_lead_is_forgotten_too() -> None:
    clock = ServerClock()
    clock.published(1000.9, 1000.0)
    clock.stamped([1000.9], 1000.0)
    for number in range(MESSAGES):
        clock.published(1001.0 + number * LONG / 4, 1001.0 + number * LONG / 4)
    assert clock.ahead == 0.0
