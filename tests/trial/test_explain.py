"""`explain` against the running gateway, as a person uses it: processes, a real broker, text out."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.demo_parts import status_json
from gateway.mapping.line import LineState, Step
from gateway.mapping.provenance import REMEMBERED_RECORDS, ProvenanceLog
from gateway.model import StartInterval
from tests.config.command import Answer, check, environment, written
from tests.mapping.recording import tick
from tests.peers import Mosquitto, free_port, wait_until

CONFIG = """
oden: {{url: "http://127.0.0.1:{nobody}/v2", token: "${{secret:oden_token}}"}}
sources: {{floor: {{type: mqtt, url: "{broker}", client_id: edge-01}}}}
outbox: {{directory: outbox}}
status: {{listen: "127.0.0.1:{status}"}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      order: {{source: floor, topic: order, field: number}}
    run: {{key: order, product: FILM, settle: 0s}}
"""


@contextmanager
def gateway(folder: Path, broker: Mosquitto) -> Iterator[Path]:
    """A gateway whose Oden is away; its configuration. Ends with 0 when it is told to stop."""
    status = free_port()
    path = written(folder, CONFIG.format(nobody=free_port(), broker=broker.url, status=status))
    command = [sys.executable, "-m", "gateway", "run", "-c", path.name]
    process = subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.DEVNULL)
    try:
        yield path
        process.terminate()
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()


def explain(config: Path, *options: str) -> Answer:
    return check(config, *options, command="explain")


async def test_explain_asks_the_running_gateway(tmp_path: Path) -> None:
    """By line and by key: the request, the message, the rule and its position, the inputs, where the record is now."""
    with Mosquitto(tmp_path / "broker") as broker:
        with gateway(tmp_path / "gateway", broker) as config:
            port = int(re.findall(r"listen: \"127.0.0.1:(\d+)\"", config.read_text())[0])

            def subscribed() -> bool:
                status = status_json(port)
                return status is not None and all(source["connected"] for source in status["sources"])

            await wait_until(subscribed, 120)
            none = explain(config, "--last", "Line 01")
            assert none.code == 1
            assert "remembers no record of this line" in none.problems[0]
            await broker.publish("order", '{"number": "4711"}')
            await wait_until(lambda: explain(config, "--last", "Line 01").code == 0, 120)
            last = explain(config, "--last", "Line 01").output
            for words in (
                'interval/set {"type": {"name": "RUN"}, "line": {"id": "<Factory A/Line 01>"}',
                "rule     run, gateway.yaml:11",
                'cause    floor order = {"number": "4711"}',
                'order = "4711"',
                "now      it waits to be sent",
            ):
                assert words in last
            key = re.findall(r"record +([0-9A-Z]{26})", last)[0]
            assert explain(config, key[:20].lower()).output == last
        gone = explain(config, "--last", "Line 01")
        assert gone.code == 1
        assert "no running gateway" in gone.problems[0]
        assert "--recording" in gone.problems[0]


def test_p12_the_causes_of_a_few_records_are_remembered() -> None:
    """The newest of each line, whatever other lines do; the rest is forgotten."""
    log = ProvenanceLog()
    for number in range(3 * REMEMBERED_RECORDS):
        record = StartInterval(f"KEY{number}", "one", 0.0, "RUN", number)
        log.add("one", Step(LineState(), (record,)), tick(number))
    log.add("two", Step(LineState(), (StartInterval("OTHER", "two", 0.0, "RUN", 1),)), tick(1))
    last = log.last("one")
    assert last is not None
    assert (last.record.key, last.section) == (f"KEY{3 * REMEMBERED_RECORDS - 1}", "run")
    assert log.find(f"KEY{2 * REMEMBERED_RECORDS}") is not None
    assert log.find(f"KEY{2 * REMEMBERED_RECORDS - 1}") is None
    assert log.find("OTHER") is not None
    assert log.last("three") is None
