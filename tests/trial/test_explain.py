"""`explain` against the running gateway, as a person uses it: processes, a real broker, text out."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.mapping.compile import LinePlan
from gateway.mapping.feeder import feed
from gateway.mapping.line import LineState, Step, Tick
from gateway.mapping.provenance import REMEMBERED_RECORDS, ProvenanceLog, provenance_of
from gateway.mapping.trail import Feed
from gateway.model import Sample, StartInterval
from tests.config.command import Answer, check, environment, written
from tests.mapping.recording import T0, order, plan, scrap, tag, texts_of, tick
from tests.peers import Mosquitto, free_port, wait_until
from tests.processes import status_json

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


def behind(line: LinePlan, *events: Sample | Tick) -> dict[str, list[str]]:
    """By what a record says, the samples behind the wait or window that made it; none where one of its inputs did."""
    state, found = Feed(LineState()), dict[str, list[str]]()
    for event in events:
        state, result = feed(line, state, event)
        for cause, text in zip(provenance_of(line, result, event), texts_of(result.records), strict=True):
            samples = [
                f"{each.source} {each.address} = {each.value} at {each.received - T0:g}" for each in cause.behind
            ]
            found[re.sub(r"\d+ (at|of)", r"\1", text)] = samples
    return found


def test_a_wait_that_is_over_names_the_samples_behind_it() -> None:
    """The order that settled, the state that held, what was counted in the window, the stop that ended the run."""
    events: list[Sample | Tick] = [
        *(tag(0, "State", 1), tick(6), order(10, "A"), tick(11), tag(20, "Good", 1), tag(30, "Good", 5), tick(61)),
        *(tag(70, "State", 0), tick(76), tick(1871)),
    ]
    made = behind(plan(), *events)
    assert made["start STATE at 0: Uptime"] == ["plc State = 1 at 0"]
    assert made["start RUN at 10: A, FILM"] == ['mes order = "A" at 10']
    assert [samples for text, samples in made.items() if text.startswith("output")] == [["plc Good = 5 at 30"]]
    assert made["end RUN at 70"] == ["plc State = 0 at 70", 'mes order = "A" at 10']


def test_a_sample_that_ends_a_wait_has_behind_it_what_waited() -> None:
    """Scrap that comes in the moment in which an order has settled."""
    line, came = plan(), scrap(10.5, 1)
    waiting, _ = feed(line, Feed(LineState()), order(10, "A"))
    _, result = feed(line, waiting, came)
    (cause,) = provenance_of(line, result, came)
    assert cause.event is not None
    assert (cause.event.address, [each.address for each in cause.behind]) == ("scrap", ["order"])


def test_a_sample_that_came_after_a_wait_was_over_is_not_behind_it() -> None:
    """Nobody looked at the time before it came."""
    made = behind(plan(), tag(0, "State", 1), tag(6, "Reject", 1), tag(12, "State", 3), tag(13, "State", 1), tick(90))
    assert made == {"start STATE at 0: Uptime": ["plc State = 1 at 0"]}
