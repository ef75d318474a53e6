"""SIGHUP with another section of the only source: it is connected anew, and nothing is said to be wrong meanwhile."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.peers import Mosquitto, wait_until
from tests.processes import end_all
from tests.test_reload import Plant


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with Mosquitto(tmp_path / "broker") as broker:
        plant = Plant(tmp_path, broker)
        yield plant
        end_all(plant.processes)


async def test_the_only_source_is_connected_anew_and_the_gateway_stays_ready(plant: Plant) -> None:
    """However often it is asked meanwhile; where the broker does not come back, that is said within seconds."""
    gateway = plant.up()
    looks: list[tuple[int, bool, list[str]]] = []

    async def look(page: aiohttp.ClientSession) -> None:
        while True:
            async with page.get("/readyz") as ready, page.get("/api/status") as answer:
                said = await answer.json()
            kinds = [problem["kind"] for problem in said["problem_details"]]
            looks.append((ready.status, said["sources"][0]["connected"], kinds))

    async with aiohttp.ClientSession(f"http://127.0.0.1:{plant.status_port}") as page:
        looking = asyncio.create_task(look(page))
        for seconds in range(21, 61):
            if not all(connected for _, connected, _ in looks):
                break  # it has been seen while it was connected anew
            plant.configure(source_more=f", keepalive: {seconds}s")
            said = await asyncio.to_thread(plant.reload, gateway)
            assert said["sources"] == "~floor"
            await wait_until(plant.is_connected)
        assert {(ready, *kinds) for ready, _, kinds in looks} == {(200,)}
        assert not all(connected for _, connected, _ in looks)
        plant.broker.stop()
        plant.configure(source_more=", keepalive: 20s")
        await asyncio.to_thread(plant.reload, gateway)
        await wait_until(lambda: looks[-1][0] == 503)
        assert looks[-1][2] == ["sources_away"]
        looking.cancel()
