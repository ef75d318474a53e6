"""What `check --live` finds of a gateway that runs, and of what it waits for, is mended by doing what it says."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.control import ask
from gateway.control_places import places
from gateway.errors import GatewayError
from tests.config.command import environment
from tests.edge_node import INT64, EdgeNode
from tests.live.person import Do, Person, all_done_in_stages
from tests.live.test_check_live_peers import answering, broker
from tests.peers import PATIENCE, Mosquitto

pytestmark = pytest.mark.asyncio(loop_scope="module")

A = "Factory A/Line 01"
LONG = "x" * 200_000
"""A hundred of these are more than the gateway takes while it can store nothing."""
KEEPS_A_MINUTE = bytes([0, 0, 5, 0x11]) + (60).to_bytes(4, "big")


async def shorter(person: Person, finding: Mapping[str, str]) -> None:
    """As the broker has it, by what is written there; the running gateway is told by the command for that."""
    assert f"shorten `session_expiry` of {finding['about']}" in finding["cure"]
    found = re.search(r"the broker keeps messages for (\d+) s", finding["text"])
    assert found is not None, finding
    person.at(finding["about"])["session_expiry"] = f"{found[1]}s"


async def reloaded(person: Person, finding: Mapping[str, str]) -> None:
    await person.shell(finding["cure"])


def made_room(disk: Callable[[str], object]) -> Do:
    """The command says for what it waits: for room on the disk."""

    async def do(person: Person, finding: Mapping[str, str]) -> None:
        said = await person.command(finding)
        assert "the disk" in said, said
        disk("0.9")

    return do


@asynccontextmanager
async def running(person: Person, share: Path) -> AsyncIterator[None]:
    """The gateway, on a disk of which so much is free as `share` says, once it can be asked."""
    command = (sys.executable, "-m", "tests.full_disk", str(share), "run", "-c", str(person.file))
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        env=environment(),
    )
    box = person.file.parent / "outbox"
    try:
        async with asyncio.timeout(PATIENCE):
            while not await answers(box):
                assert process.returncode is None
                await asyncio.sleep(0.05)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def answers(box: Path) -> bool:
    try:
        return [item async for item in ask(box, places(box), "status", None)] != []
    except GatewayError:
        return False


async def test_what_is_found_of_a_gateway_that_runs_is_gone_once_it_is_done(tmp_path: Path) -> None:
    person, share = Person(tmp_path), tmp_path / "share"
    person.config["outbox"] |= {"directory": str(tmp_path / "outbox"), "min_free": "5%"}
    share.write_text("0.9")
    stages: tuple[Mapping[tuple[str, str], Do], ...] = (
        {("session_short", "short"): shorter},
        {("not_running", "the running gateway"): reloaded},
    )
    with Mosquitto(tmp_path / "broker") as floor:
        await floor.publish("a/b", "1", retain=True)
        async with answering(broker(KEEPS_A_MINUTE, 1)) as place:
            person.config["oden"] = {"url": "http://127.0.0.1:1/v2", "token": "${secret:oden_token}"}
            for name, url in (("short", f"mqtt://{place}"), ("floor", floor.url)):
                person.config["sources"][name] = {
                    "type": "mqtt",
                    "url": url,
                    "client_id": f"edge-{name}",
                    "version": "5",
                }
                person.input(name, source=name, topic="a/b")
            person.config["lines"][0]["states"] = {"input": "short", "codes": {1: {"category": "Uptime"}}}
            await person.asks(0.1)  # which writes the file
            async with running(person, share):
                always = {("oden_unreachable", "Oden"), ("silent", f"{A} short")}
                left = always | {("silent", f"{A} floor")}  # of which the running gateway has heard before
                await all_done_in_stages(person, stages, left, wrong={("oden_unreachable", "Oden")})
                share.write_text("0.0")
                await floor.publish("a/b", *(f'"{number} {LONG}"' for number in range(100)))
                waits = {("source_waits", "floor"): made_room(share.write_text)}
                await all_done_in_stages(person, [waits], left, wrong={("oden_unreachable", "Oden")})


async def test_a_device_that_was_there_is_to_be_switched_on(tmp_path: Path) -> None:
    """And shown by the command once it is: its name is right, because it was there."""
    person, share = Person(tmp_path), tmp_path / "share"
    person.config["outbox"]["directory"] = str(tmp_path / "outbox")
    share.write_text("0.9")
    place = ("device_away", f"{A} device")
    with Mosquitto(tmp_path / "broker") as floor:
        edge = EdgeNode(floor.port)
        edge.add("Press", Counts__Good=(INT64, 5))
        await asyncio.to_thread(edge.start)
        try:
            person.config["oden"] = {"url": "http://127.0.0.1:1/v2", "token": "${secret:oden_token}"}
            person.config["sources"]["floor"] = {"type": "mqtt", "url": floor.url, "client_id": "edge-1"}
            person.input("device", source="floor", device="Plant A/Edge 1/Press", metric="Counts/Good")
            person.config["lines"][0]["states"] = {"input": "device", "codes": {5: {"category": "Uptime"}}}
            await person.asks(0.1)  # which writes the file

            async def switched_on(person: Person, finding: Mapping[str, str]) -> None:
                assert "the device is offline" in finding["text"]
                assert "see that the device is on, and reached by its edge node" in finding["cure"]
                await asyncio.to_thread(edge.device_born, "Press")
                assert "Counts/Good" in await person.command(finding)

            async with running(person, share):
                await person.until(lambda found: found.keys() == {("oden_unreachable", "Oden")})
                await asyncio.to_thread(edge.device_died, "Press")
                nobody = {("oden_unreachable", "Oden")}
                await all_done_in_stages(person, [{place: switched_on}], nobody, wrong=nobody)
        finally:
            await asyncio.to_thread(edge.stop)
