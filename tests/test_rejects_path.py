"""Messages that could not be used, seen from outside: processes, a broker, the command, the page."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.fence import WHY
from gateway.sources.mqtt_forms import LARGEST
from tests.peers import PATIENCE, Mosquitto, wait_for, wait_until
from tests.processes import end_all
from tests.test_reload import Plant, event


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with Mosquitto(tmp_path / "broker") as broker:
        plant = Plant(tmp_path, broker)
        yield plant
        end_all(plant.processes)


def configure(plant: Plant, *, field: str = "number", most: int = 1_000) -> None:
    """The plant's configuration, with the order in another field, and scrap up to `most`."""
    plant.configure()
    file = plant.folder / "gateway.yaml"
    text = file.read_text().replace("field: number", f"field: {field}")
    file.write_text(text.replace("count: scrap.qty,", f"count: scrap.qty, max: {most},"))


def command(plant: Plant, *words: str, code: int = 0) -> Any:
    """What `oden-gateway rejects` prints as JSON."""
    whole = [sys.executable, "-m", "gateway", "rejects", *words, "-c", str(plant.folder / "gateway.yaml"), "--json"]
    result = subprocess.run(whole, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert result.returncode == code, result.stderr
    return json.loads(result.stdout)


def kept(plant: Plant) -> int:
    return int(plant.status().get("rejected", {"kept": -1})["kept"])


async def test_p6_orders_that_were_rejected_are_taken_in_after_the_fix(plant: Plant) -> None:
    """The configuration names a field that the messages do not have. They are on the page; with the field mended and
    the configuration reloaded the command takes them in, while the gateway runs. 256 KB of rubbish are kept whole."""
    configure(plant, field="nr")
    gateway = plant.up()
    await event(plant, "l01/order", number="A")
    await plant.broker.publish("l01/scrap", b"\xff" * LARGEST)
    await wait_until(lambda: kept(plant) == 2)
    status = plant.status()["rejected"]
    assert status["newest"][-1]["reason"].startswith('order is missing: the message has no field "nr"')
    listed = command(plant, "list")
    assert [(each["number"], each["address"]) for each in listed["rejects"]] == [(2, "l01/scrap"), (1, "l01/order")]
    assert command(plant, "show", "1")["payload"] == '{"number": "A"}'
    shown = command(plant, "show", "2")
    assert shown["reject"]["size"] == LARGEST
    assert shown["payload_base64"].strip("/w=") == ""
    [stays] = command(plant, "replay", "1", code=1)["replayed"]
    assert "has no field" in stays["reason"]
    configure(plant)
    assert plant.reload(gateway)["event"] == "configuration_reloaded"
    await wait_until(plant.is_connected)
    assert command(plant, "replay", "--topic", "order") == {"replayed": [{"number": 1, "taken": True}]}
    await wait_until(lambda: plant.runs() == [("A", False)])
    assert command(plant, "drop", "--all", "--yes") == {"dropped": 1}
    assert command(plant, "list")["rejects"] == []


async def test_p4_killed_while_it_replays(plant: Plant) -> None:
    """Twenty scrap messages, and a kill in the middle of taking them in; then again while nothing runs, and at the next
    start: each counts once."""
    configure(plant, most=1)
    gateway = plant.up()
    await event(plant, "l01/order", number="A")
    for number in range(20):
        await event(plant, "l01/scrap", qty=2, id=f"x{number}")
    await wait_until(lambda: kept(plant) == 20)
    configure(plant, most=10)
    assert plant.reload(gateway)["event"] == "configuration_reloaded"
    await wait_until(plant.is_connected)
    whole = [sys.executable, "-m", "gateway", "rejects", "replay", "--all", "-c", str(plant.folder / "gateway.yaml")]
    replaying = await asyncio.create_subprocess_exec(*whole, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: kept(plant) < 20)
    gateway.kill()
    gateway.wait()
    await replaying.wait()
    left = command(plant, "list")["rejects"]
    if left:
        said = command(plant, "replay", "--all", code=1)["replayed"]
        assert {each["reason"] for each in said} == {"no gateway runs: it is replayed when it starts"}
    plant.start("run", "-c", str(plant.folder / "gateway.yaml"))
    wait_for(plant.is_connected)
    await wait_until(lambda: plant.scrap() == Counter({f"x{number}": 2 for number in range(20)}))
    await wait_until(lambda: kept(plant) == 0)


FAULTY = """
from gateway.outbox.store import Outbox

whole = Outbox.commit

def commit(outbox, commit):
    if "poison" in repr((commit.states, commit.records)):
        raise UnicodeError("it cannot be written down")
    whole(outbox, commit)

Outbox.commit = commit
"""


async def test_p5_a_message_that_cannot_be_stored_is_found_and_kept_out(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours in storing what one of many messages means: all begins anew within the process, the message is
    kept as one that could not be used, and each other counts once."""
    (plant.folder / "sitecustomize.py").write_text(FAULTY)
    monkeypatch.setenv("PYTHONPATH", f"{plant.folder}:{Path(__file__).parents[1]}")
    configure(plant)
    gateway = plant.up()
    await event(plant, "l01/order", number="A")
    names = [f"x{number}" for number in range(20)]
    for name in (*names[:10], "poison", *names[10:]):
        await event(plant, "l01/scrap", qty=1, id=name)
    await wait_until(lambda: plant.scrap() == Counter(names))
    await wait_until(lambda: kept(plant) == 1)
    assert command(plant, "list")["rejects"][0]["reason"] == WHY
    assert len(plant.log("begins_anew")) == 2
    assert gateway.poll() is None
