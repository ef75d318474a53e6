"""No request without an end, and no hold without something that waits."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

from gateway.delivery.breaker import Hold
from gateway.delivery.limited import LimitedClient
from gateway.oden.classification import Answer
from gateway.oden.client import OdenClient
from gateway.oden.endpoints import INTERVAL_SET, Endpoint
from gateway.oden.pace import Pace
from tests.campaign.virtual import simulate
from tests.delivery.simulated import Plant, T, live


class Hanging:
    """A client of which some requests never end, and do not even mind being cancelled."""

    def __init__(self, hangs: Iterator[bool]) -> None:
        self.pace = Pace(0.0)
        self._hangs = hangs

    async def post(self, endpoint: Endpoint, body: str, written: asyncio.Event, *, keeps: object = None) -> Answer:
        while next(self._hangs):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1e6)
        written.set()
        return Answer(sent=True, seconds=0.1, status=200, own=True)


def test_p9_a_request_that_hangs_ends() -> None:
    """After the limit it counts as one that may have arrived, and stands in nobody's way; one that ends is as it is."""

    async def both() -> None:
        client = LimitedClient(cast("OdenClient", Hanging(iter([True, False, False]))), 30.0, 8)
        loop, written = asyncio.get_running_loop(), asyncio.Event()
        begun = loop.time()
        answer = await client.post(INTERVAL_SET, "{}", written)
        assert (answer.sent, answer.status, written.is_set()) == (True, None, True)
        assert 30.0 < loop.time() - begun < client.limit + 1.0 < 300.0
        assert (await client.post(INTERVAL_SET, "{}", asyncio.Event())).status == 200

    simulate(both())


def test_p9_a_line_on_which_nothing_waits_is_not_held() -> None:
    """A hold ends with the last record that it is about; another line's is left alone."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, line="Factory A/Line 02")
        plant.commit(run)
        await plant.until(lambda: "Factory A/Line 02" in plant.drain.health.lines)
        plant.drain.health.lines["Factory A/Line 01"] = Hold("403: not yours", T + 1e6)
        await asyncio.sleep(10)
        held.append(set(plant.drain.health.lines))

    held: list[set[str]] = []
    live(story, faults=["error status=403 line='Line 02'"])
    assert held == [{"Factory A/Line 02"}]
