"""No link is followed that stands in the place of a file of the gateway's own: what it leads to stays as it is.

Which files there are is not listed here: a gateway that runs shows it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.errors import OutboxError
from gateway.outbox.recovery import open_store
from gateway.own_files import open_own, write_anew
from tests.peers import PATIENCE, Mosquitto, free_port, wait_until
from tests.processes import status_json

CONFIG = """
oden: {{url: "http://127.0.0.1:9/v2", token: t0k3n}}
sources: {{floor: {{type: mqtt, url: "{broker}", client_id: links}}}}
lines:
  - factory: Factory A
    line: Line 01
    id: l1
    inputs: {{order: {{source: floor, topic: plant/order, field: number}}}}
    run: {{key: order, product: Film, settle: 0s}}
outbox: {{directory: "{box}", min_free: 0%}}
status: {{listen: "127.0.0.1:{status}"}}
"""


@contextmanager
def gateway(folder: Path, broker: Mosquitto, box: Path) -> Iterator[int]:
    """One that works in `box`; the port of its page. It ends in order."""
    port = free_port()
    config = folder / "gateway.yaml"
    config.write_text(CONFIG.format(broker=broker.url, box=box, status=port))
    (folder / "run").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "run", "-c", str(config)],
        env=os.environ | {"RUNTIME_DIRECTORY": str(folder / "run")},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


async def takes_in(broker: Mosquitto, port: int) -> None:
    """A run is taken in, and the page's history is on the disk."""
    await wait_until(lambda: (status_json(port) or {"sources": [{}]})["sources"][0].get("connected"))
    await broker.publish("plant/order", json.dumps({"number": "4711"}))
    await wait_until(lambda: status_json(port)["lines"][0]["run"])


async def test_links_in_the_places_of_its_files_are_not_followed(tmp_path: Path) -> None:
    """All that a gateway has written beside its store, and under the names by which it is put there: another one finds
    links there, works, and leaves alone what they lead to."""
    places = [tmp_path / name for name in ("first", "second")]
    with Mosquitto(tmp_path / "broker") as broker:
        for place in places:
            place.mkdir()
        with gateway(places[0], broker, places[0] / "box") as port:
            await takes_in(broker, port)
        written = [
            path.relative_to(places[0])
            for folder in ("box", "run")
            for path in (places[0] / folder).rglob("*")
            if path.is_file() and not {"outbox", "lock"} & {*path.relative_to(places[0]).parts}
        ]
        assert len(written) >= 3
        precious = tmp_path / "precious"
        precious.write_text("precious")
        for path in written:
            for name in (path, path.with_suffix(".new"), path.with_name(path.name + ".new")):
                link = places[1] / name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.unlink(missing_ok=True)
                link.symlink_to(precious)
        with gateway(places[1], broker, places[1] / "box") as port:
            await takes_in(broker, port)
    assert precious.read_text() == "precious"
    assert not any((places[1] / path).is_symlink() for path in written if path.suffix == ".json")


@pytest.mark.parametrize("name", ["cache.db", "cache.db-wal", "ballast"])
def test_a_link_within_the_store_is_refused(tmp_path: Path, name: str) -> None:
    """SQLite would follow it: whoever sees to it is told where it is."""
    other = tmp_path / "other"
    open_store(tmp_path / "box")[0].close()
    place = tmp_path / "box" / "outbox" / name
    if place.exists():
        place.rename(other)
    else:
        other.write_bytes(b"")
    before = other.read_bytes()
    place.symlink_to(other)
    with pytest.raises(OutboxError, match=f"{name}: somebody has put a link in its place"):
        open_store(tmp_path / "box")
    assert other.read_bytes() == before


def test_a_file_is_replaced_as_a_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    """What was there before is a link, a file that others may read, or nothing."""
    other = tmp_path / "other"
    other.write_text("precious")
    path = tmp_path / "own.json"
    for durable in (False, True):
        path.with_suffix(".new").symlink_to(other)
        write_anew(path, "ours", durable=durable)
        assert (path.read_text(), path.stat().st_mode & 0o777, other.read_text()) == ("ours", 0o600, "precious")
        path.unlink()
        path.symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"):
        open_own(path, os.O_WRONLY)
    assert other.read_text() == "precious"
