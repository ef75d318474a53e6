"""SIGHUP with another `status.listen`: the page goes there, or stays where it was where that is taken."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers import Mosquitto, free_port, wait_until
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
        await wait_until(lambda: "configuration_refused" in [p["kind"] for p in site.status()["problem_details"]])
        [problem] = [p for p in site.status()["problem_details"] if p["kind"] == "configuration_refused"]
        assert said["reason"] in problem["text"]
    moved = free_port()
    listen(site, f"127.0.0.1:{moved}")
    assert site.reload(gateway)["page"] is True
    await wait_until(lambda: (status_json(moved) or {"problem_details": [""]})["problem_details"] == [])
    assert status_json(site.status_port) is None


async def test_a_page_goes_to_an_address_that_only_itself_has_taken(site: Plant) -> None:
    """From this machine alone to every address, with the same port, and back."""
    gateway = site.up()
    for host in ("0.0.0.0", "127.0.0.1"):
        listen(site, f"{host}:{site.status_port}")
        assert site.reload(gateway)["page"] is True
        await wait_until(lambda: site.status()["lines"])
