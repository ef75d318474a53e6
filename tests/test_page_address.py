"""SIGHUP with another `status.listen`: the page goes there, or stays where it was where that is taken."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.peers import PATIENCE, Mosquitto, free_port, wait_until
from tests.processes import end_all, status_json
from tests.test_reload import Plant


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Plant]:
    with Mosquitto(tmp_path / "broker") as broker:
        site = Plant(tmp_path, broker)
        yield site
        end_all(site.processes)


def listen(site: Plant, address: str) -> None:
    text = f'status: {{listen: "127.0.0.1:{site.status_port}"}}'
    site.configure()
    file = site.folder / "gateway.yaml"
    file.write_text(file.read_text().replace(text, f'status: {{listen: "{address}"}}'))


@pytest.mark.parametrize("is_port_the_same", [False, True])
async def test_a_page_whose_new_address_is_taken_stays_where_it_was(site: Plant, *, is_port_the_same: bool) -> None:
    """It is said on the page and in the log with its place in the file, until an address is free."""
    gateway = site.up()
    with socket.socket() as other:
        other.bind(("127.0.0.2", site.status_port if is_port_the_same else 0))
        other.listen()
        taken = f"127.0.0.2:{other.getsockname()[1]}"
        listen(site, taken)
        said = site.reload(gateway)
        assert said["event"] == "configuration_refused"
        assert "gateway.yaml:5:" in said["reason"]
        assert "address already in use" in said["reason"]
        assert "status.listen" in said["reason"]
        await wait_until(lambda: any(said["reason"] in problem["text"] for problem in site.status()["problem_details"]))
        assert [problem["kind"] for problem in site.status()["problem_details"]] == ["configuration_refused"]
    moved = free_port()
    listen(site, f"127.0.0.1:{moved}")
    assert site.reload(gateway)["page"] is True
    await wait_until(lambda: (status_json(moved) or {"problem_details": [""]})["problem_details"] == [])
    await wait_until(lambda: status_json(site.status_port) is None)


async def test_where_the_new_address_is_taken_the_old_page_answers_all_the_time(site: Plant) -> None:
    """Who has it open is not even connected again."""
    gateway = site.up()
    page = f"http://127.0.0.1:{site.status_port}"
    async with aiohttp.ClientSession() as client, client.get(f"{page}/api/changes") as stream:
        with socket.create_server(("127.0.0.1", 0)) as other:
            listen(site, f"127.0.0.1:{other.getsockname()[1]}")
            assert site.reload(gateway)["event"] == "configuration_refused"
        told = b""
        while b"configuration_refused" not in told:
            told += await asyncio.wait_for(stream.content.readany(), PATIENCE)
            assert not stream.content.at_eof()


async def test_reloads_after_one_another_leave_no_old_address_behind(site: Plant) -> None:
    """Each asked for as soon as the one before is done, when the page has only just begun."""
    gateway = site.up()
    left = []
    for _ in range(5):
        left.append(site.status_port)
        site.status_port = free_port()
        site.configure()
        assert site.reload(gateway)["page"] is True
    await wait_until(lambda: site.status()["lines"])
    await wait_until(lambda: all(status_json(port) is None for port in left))


async def test_a_page_goes_to_an_address_that_only_itself_has_taken(site: Plant) -> None:
    """From this machine alone to every address, with the same port, and back."""
    gateway = site.up()
    for host in ("0.0.0.0", "127.0.0.1", "0.0.0.0"):
        listen(site, f"{host}:{site.status_port}")
        assert site.reload(gateway)["page"] is True
        await wait_until(lambda: site.status()["lines"])
