"""What docs/log.md says is found in the log: its lines are typed, as they stand, where the journal has what a gateway
has really written to it.
"""

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.docs_chapters import LOG
from tests.docs_rig import Rig, rig_in
from tests.peers import PATIENCE, free_port, wait_for
from tests.processes import next_line, whole_lines

CONFIG = """
oden: {{url: "http://127.0.0.1:{oden}/v2", token: demo-token}}
sources:
  plc: {{type: opcua, url: "opc.tcp://127.0.0.1:{opcua}", security: none}}
  floor: {{type: mqtt, url: "mqtt://127.0.0.1:{broker}", client_id: edge-log}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      state: {{source: plc, node: "nsu=urn:acme:line;s=L01.State"}}
      order: {{source: floor, topic: plant-a/L01/events/order, field: number, time: at}}
      scrap: {{source: floor, topic: 'Straße/"L01"/scrap[1]', time: at}}
    run: {{key: order, product: Film, name: "{{order}}", settle: 100ms}}
    states: {{input: state, codes: {{1: {{category: Uptime}}}}, other: {{category: Unplanned Downtime}}}}
    scrap_yield: {{every: 2s, entries: [{{count: scrap.qty, raw_data: {{scrap: "{{n}}"}}}}]}}
outbox: {{directory: outbox}}
status: {{listen: "127.0.0.1:{status}"}}
log: {{level: debug}}
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A gateway between the simulated plant and the stand-in for Oden, the journal that has its log, and an empty
    folder."""
    rig = rig_in(tmp_path)
    ports = {"oden": free_port(), "opcua": free_port(), "broker": free_port(), "status": free_port()}
    (rig.folder / "gateway.yaml").write_text(CONFIG.format(**ports))
    with (tmp_path / "journal").open("wb") as journal:
        held = os.fstat(journal.fileno())
    rig.environment["JOURNAL_STREAM"] = f"{held.st_dev}:{held.st_ino}"
    gateway = f"{shlex.quote(sys.executable)} -m tests.quick_hours run -c gateway.yaml 2>> ../journal"
    try:
        for stand_in in (
            f"plant --at-once --opcua-port {ports['opcua']} --mqtt-port {ports['broker']}",
            f"oden --port {ports['oden']}",
        ):
            assert next_line(rig.go_on(f"oden-gateway simulate {stand_in}"))
        rig.go_on(gateway)
        wait_for(lambda: len(told(rig, "source_connected")) == 2)
        say(ports["broker"])
        yield rig
    finally:
        rig.end()


def say(port: int) -> None:
    """An order that nobody understands, one, and scrap of it."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    at = datetime.now(UTC).isoformat()
    for topic, said in (
        ("plant-a/L01/events/order", "not JSON at all"),
        ("plant-a/L01/events/order", json.dumps({"number": "WO-1007", "at": at})),
        ('Straße/"L01"/scrap[1]', json.dumps({"qty": 3, "at": at})),
    ):
        client.publish(topic, said, qos=1).wait_for_publish(PATIENCE)
    client.disconnect()
    client.loop_stop()


def written(rig: Rig) -> list[Mapping[str, Any]]:
    """What the gateway has logged so far."""
    return [json.loads(line[len("<n>") :]) for line in whole_lines(rig.folder.parent / "journal")]


def told(rig: Rig, event: str) -> list[Mapping[str, Any]]:
    """The same of one event."""
    return [line for line in written(rig) if line["event"] == event]


def found(rig: Rig, command: str) -> list[Mapping[str, Any]]:
    """The lines that a command prints, each of which is one of the gateway's log."""
    return [json.loads(line) for line in rig.run(rig.meant(command)).stdout.splitlines()]


def key_of_the_run(rig: Rig) -> str | None:
    """Of the record that begins it, once it is delivered, an hour has been summed up after that, and all of this is in
    the log."""
    starts = (line for line in told(rig, "record_made") if line["kind"] == "start")
    (key, *_) = [*(line["record"] for line in starts if "events/order" in json.dumps(line)), None]
    sent = [line for line in told(rig, "request_answered") if line["endpoint"] == "interval/set"]
    delivered = any(line["outcome"] == "delivered" and key in line["records"] for line in sent)
    summed = sum(line["delivered"] for line in told(rig, "hour"))
    return key if delivered and summed and told(rig, "payload_rejected") else None


def leads_to_a_record(rig: Rig, command: str) -> bool:
    return {"record_made", "sample_taken"} <= {line["event"] for line in found(rig, command)}


def test_the_lines_of_the_page_about_the_log_find_what_it_says(rig: Rig) -> None:
    """What a person should see; the hours; from a topic and from a tag to the key of a record; and from that to Oden's
    answer. A topic in which JSON escapes something is found by a part of it."""
    wait_for(lambda: key_of_the_run(rig))
    rig.words = {"01M8T5BGA8Q9AFMNK15H9ZZHAR": str(key_of_the_run(rig))}
    assert [wrong for typed in LOG if (wrong := rig.type(typed)) is not None] == []
    warnings, hours, topic, key = (typed.command for typed in LOG)
    severe = [line for line in written(rig) if line["level"] in ("warning", "error", "critical")]
    assert found(rig, warnings)[: len(severe)] == severe
    assert {line["level"] for line in found(rig, warnings)} <= {"warning", "error", "critical"}
    assert {line["event"] for line in found(rig, hours)} == {"hour"}
    assert found(rig, hours)[0].keys() == {
        *("timestamp", "level", "event", "samples", "records", "merged", "requests", "delivered"),
        *("rejected", "gaps", "waiting", "text"),
    }
    assert rig.meant("01M8T5BGA8Q9AFMNK15H9ZZHAR") in [line.get("record") for line in found(rig, topic)]
    steps = [line for line in found(rig, key) if line.get("record") == rig.meant("01M8T5BGA8Q9AFMNK15H9ZZHAR")]
    told_of = [line["event"] for line in steps if line.get("endpoint") in (None, "interval/set")]
    assert [event for event in told_of if event != "connection_step"] == [
        *("record_made", "request_sent", "request_answered"),
    ]
    for word in ("nsu=urn:acme:line;s=L01.State", "scrap[1]"):
        wait_for(partial(leads_to_a_record, rig, topic.replace("plant-a/L01/events/order", shlex.quote(word))))
    assert found(rig, topic.replace("plant-a/L01/events/order", "Straße")) == []
