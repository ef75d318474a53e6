"""The gateway as its own process at machines that count in every way, and that say "nothing" in every way."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from gateway.sources.opcua.decode import NOT_ACTIVE
from tests.peers import NULL_TEXT, wait_until
from tests.processes import status_json
from tests.test_whole_path import Line

HEAD = """
oden: {{url: "http://127.0.0.1:{oden}/v2", token: "${{secret:oden_token}}", settle: 2s}}
sources:
  plc:   {{type: opcua, url: "{opcua}", security: none}}
  floor: {{type: mqtt, url: "{mqtt}", client_id: edge-test}}
outbox: {{directory: {folder}/outbox}}
status: {{listen: "127.0.0.1:{status}"}}
"""
TAG = "nsu=urn:acme:line;s=L01"
COUNTERS = f"""
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      order:  {{source: floor, topic: order, field: number, time: at}}
      signed: {{source: plc, node: "{TAG}.Signed", counter: {{signed: 16, max_rate: 100/s}}}}
      left:   {{source: plc, node: "{TAG}.Left", counter: {{direction: down}}}}
      text:   {{source: plc, node: "{TAG}.Text", counter: {{number: text}}}}
      high:   {{source: plc, node: "{TAG}.High"}}
      low:    {{source: plc, node: "{TAG}.Low"}}
      halves: {{words: [high, low], counter: {{rollover: 4294967296, max_rate: 100/s}}}}
      both:   {{expr: "left + glitch", counter: {{backwards: count}}}}
      glitch: {{source: plc, node: "{TAG}.Glitch", counter: {{max_rate: 100/s}}}}
      jump:   {{source: plc, node: "{TAG}.Jump", counter: {{too_fast: ignore}}}}
      leap:   {{source: plc, node: "{TAG}.Leap", counter: {{max_rate: 10/s, too_fast: ignore}}}}
      burst:  {{source: plc, node: "{TAG}.Burst", counter: {{max_rate: 10/s}}}}
      scrap:  {{source: floor, topic: scrap, number: text, time: at}}
    run: {{key: order, product: Film, name: "{{order}}", settle: 200ms}}
    scrap_yield:
      every: 2s
      entries:
        - {{count: signed, raw_data: {{signed: "{{n}}"}}}}
        - {{count: left, raw_data: {{left: "{{n}}"}}}}
        - {{count: text, raw_data: {{text: "{{n}}"}}}}
        - {{count: halves, raw_data: {{halves: "{{n}}"}}}}
        - {{count: both, raw_data: {{both: "{{n}}"}}}}
        - {{count: glitch, raw_data: {{glitch: "{{n}}"}}}}
        - {{count: jump, raw_data: {{jump: "{{n}}"}}}}
        - {{count: leap, raw_data: {{leap: "{{n}}"}}}}
        - {{count: burst, raw_data: {{burst: "{{n}}"}}}}
        - {{count: scrap.qty, max: 500, raw_data: {{scrap: "{{n}}"}}}}
"""
NOTHING = f"""
tables:
  orders: {{from: add, key: number, keep: 10}}
  texts:  {{file: texts.csv}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      add:     {{source: floor, topic: add, time: at}}
      order:   {{source: plc, node: "{TAG}.Order"}}
      fault:   {{source: plc, node: "{TAG}.Fault", capture: "^FAULT (.+)$"}}
      base:    {{source: plc, node: "{TAG}.Base"}}
      execute: {{source: plc, node: "{TAG}.Execute"}}
      speed:   {{source: plc, node: "{TAG}.Speed"}}
      mode:    {{source: plc, node: "{TAG}.Mode", default: Production}}
      note:    {{source: floor, topic: note, only: {{type: note}}}}
    run: {{key: order, product: "{{orders[order].sku}}", name: "{{order}}", settle: 200ms}}
    states:
      ladder:
        - {{when: 'fault != ""', category: Unplanned Downtime, reason: "{{texts[fault].text|{{fault}}}}"}}
        - {{when: 'mode == "Setup"', category: Planned Downtime, reason: Setup}}
        - {{when: 'base != "Cleared"', category: Unplanned Downtime, reason: "{{base}}"}}
        - {{when: 'execute == "Execute" && speed > 5', category: Uptime}}
      other: {{category: Planned Downtime, reason: "{{execute}}"}}
      offline: {{after: 1s, category: No Data}}
"""

TOBACCO = f"""
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      brand:  {{source: plc, node: "{TAG}.Brand"}}
      state:  {{source: plc, node: "{TAG}.State"}}
      mode:   {{source: plc, node: "{TAG}.Mode"}}
      cause:  {{source: plc, node: "{TAG}.Cause"}}
      made:   {{source: plc, node: "{TAG}.Made", counter: {{signed: 32, max_rate: 100/s}}}}
      left:   {{source: plc, node: "{TAG}.Left", counter: {{signed: 32, direction: down, max_rate: 100/s}}}}
    run: {{key: brand, product: "{{brand}}", name: "{{brand}}", settle: 200ms}}
    states:
      preset: tmc
      input: state
      mode: mode
      codes:
        8: {{category: Unplanned Downtime, reason: "{{cause|no cause}}"}}
    scrap_yield:
      every: 2s
      entries:
        - {{count: made, raw_data: {{made: "{{n}}"}}}}
        - {{count: left, raw_data: {{left: "{{n}}"}}}}
"""


PACKML = f"""
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      number: {{source: plc, node: "{TAG}.Number"}}
      mode:   {{source: plc, node: "{TAG}.Mode"}}
    states: {{preset: packml, input: number, mode: mode}}
  - factory: Factory A
    line: Line 02
    inputs:
      name: {{source: plc, node: "{TAG}.Name"}}
    states: {{preset: packml, input: name}}
  - factory: Factory A
    line: Line 03
    inputs:
      alarms: {{source: plc, node: "{TAG}.Alarms"}}
    states:
      ladder: [{{when: "bit(alarms, 3)", category: Unplanned Downtime, reason: Guard}}]
      other: {{category: Uptime}}
"""


class Machine(Line):
    """A line with a configuration of its own."""

    def configure(self, lines: str) -> None:
        values = {"opcua": self.opcua.url, "mqtt": self.mosquitto.url, "folder": self.folder, **self.ports}
        values["oden"] = self.tap.port
        (self.folder / "gateway.yaml").write_text(HEAD.format(**values) + lines)

    async def begin(self, **variables: Any) -> None:
        """Start all peers, then the gateway, and wait until it hears them."""
        self.mosquitto.start()
        await self.opcua.start(**variables)
        self.start("oden")
        self.start("gateway")
        await wait_until(self.ready)
        await wait_until(lambda: self.inputs_heard() >= len(variables))

    def status(self) -> dict[str, Any]:
        """What the gateway says of the line."""
        status = status_json(self.ports["status"])
        return status["lines"][0] if status is not None else {"inputs": {}}

    def inputs_heard(self) -> int:
        status = status_json(self.ports["status"]) or {"lines": []}
        return sum(len(line["inputs"]) for line in status["lines"])

    def unmatched(self) -> dict[str, int]:
        """By topic, the messages that no input has taken since the gateway was started."""
        status = status_json(self.ports["status"]) or {"sources": []}
        return {topic: number for source in status["sources"] for topic, number in source["unmatched"].items()}

    def rejects(self) -> list[str]:
        status = status_json(self.ports["status"]) or {"notices": []}
        return [notice["text"] for notice in status["notices"]]

    async def shows(self, **tags: Any) -> None:
        """Each tag shows this now; it is seen before anything else happens."""
        for name, value in tags.items():
            await self.opcua.write(f"L01.{name}", value, time=datetime.now(UTC))
            await asyncio.sleep(0.3)

    async def says(self, topic: str, **fields: object) -> None:
        message = {**fields, "at": datetime.now(UTC).isoformat()}
        await self.mosquitto.publish(topic, json.dumps(message))

    def counted(self) -> dict[str, int]:
        """The sums at Oden, by the name in the raw data."""
        model = self.oden()
        sums: dict[str, int] = {}
        for run in model.intervals("RUN", "Factory A", "Line 01"):
            for entry in model.output(run):
                for name, amount in entry.raw_data.items():
                    sums[name] = sums.get(name, 0) + int(str(amount))
        return sums

    def states_told(self, line: str = "Line 01") -> list[tuple[str, str | None]]:
        states = self.oden().intervals("STATE", "Factory A", line)
        return [(str(state.category), state.reason) for state in states]

    def runs_told(self) -> list[tuple[str, str | None, bool]]:
        """Name and product of each run, and whether it has ended."""
        runs = self.oden().intervals("RUN", "Factory A", "Line 01")
        return [(str(run.name), run.product, run.end is not None) for run in runs]

    async def close(self) -> None:
        """End all that it has started."""
        for name in list(self.processes):
            self.end(name)
        self.mosquitto.stop()
        await self.opcua.stop()


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    machine = Machine(tmp_path)
    try:
        yield machine
    finally:
        await machine.close()


def int16(value: int) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.Int16)


def word(value: int) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.UInt16)


async def test_p2_p4_counters_of_every_kind_are_exact_at_a_real_server(machine: Machine) -> None:
    """With a sign, down, as text, in halves, derived, with glitches and jumps, over a kill of the gateway: at Oden is
    what was made, and what is doubtful is listed."""
    machine.configure(COUNTERS)
    await machine.begin(
        L01__Signed=int16(32_765),
        L01__Left=100,
        L01__Text="10",
        L01__High=word(0),
        L01__Low=word(65_530),
        L01__Glitch=5_000,
        L01__Jump=10,
        L01__Leap=10,
        L01__Burst=10,
    )
    await machine.says("order", number="A1")
    await wait_until(machine.runs_told)
    await machine.shows(Signed=int16(-32_766), Left=90, Text="12", Low=word(65_535), Glitch=5_010, Jump=12)
    await machine.shows(Low=word(4), High=word(1), Left=100, Glitch=0)
    await machine.shows(Glitch=5_011, Jump=2_000_000, Leap=11, Burst=11)
    await machine.shows(Leap=2_000_000, Burst=2_000_000)
    machine.end("gateway")
    await machine.shows(Signed=int16(-32_760), Left=95, Text="20", Low=word(9))
    machine.start("gateway")
    await wait_until(machine.ready)
    await machine.says("scrap", qty="3")
    await machine.says("scrap", qty="4711")
    await machine.says("scrap", code="nothing")
    await machine.shows(Glitch=5_012, Jump=2_000_003, Leap=2_000_002, Burst=2_000_001)
    made = {"signed": 11, "left": 15, "text": 10, "halves": 15, "both": 7, "glitch": 12, "jump": 5, "scrap": 3}
    made |= {"leap": 3, "burst": 1_999_991}  # a jump beyond `max_rate` is counted, unless somebody says otherwise
    await wait_until(lambda: machine.counted() == made)
    for words in ("a glitch, 1 counted", "not counted", "more than its max of 500"):
        await wait_until(lambda words=words: words in " ".join(machine.rejects()))  # type: ignore[misc]


async def test_p2_machines_that_say_nothing_are_heard(machine: Machine) -> None:
    """Null texts, with their type and without one, also as the first that is heard, a state machine that is not active,
    a tag that is not there, NaN and arrays, at a real server; and what came to nothing is on the status page."""
    (machine.folder / "texts.csv").write_text("fault,text\nE1,Jam\n")
    machine.configure(NOTHING)
    null, untyped = ua.Variant(None, ua.VariantType.String), NULL_TEXT
    await machine.begin(L01__Order=null, L01__Fault=untyped, L01__Base="Aborted", L01__Execute="", L01__Speed=9.0)
    await machine.says("note", type="other")
    await machine.opcua.write("L01.Execute", null, status=NOT_ACTIVE)
    await machine.says("add", number="A1", sku="Film")
    await machine.says("add", number="B1", sku="Bag")
    await wait_until(lambda: machine.states_told() == [("Unplanned Downtime", "Aborted")])  # also after `offline`
    await machine.shows(Base="Cleared", Execute="Execute")
    await machine.shows(Order="A1", Fault="FAULT E1")
    await asyncio.sleep(1.5)
    await machine.shows(Fault="FAULT E9")
    await asyncio.sleep(1.5)
    await machine.shows(Fault=untyped)
    await wait_until(lambda: machine.states_told()[-1] == ("Uptime", None))
    await machine.shows(Order=untyped)
    await wait_until(lambda: machine.runs_told() == [("A1", "Film", True)])
    machine.end("gateway")
    machine.start("gateway")
    await wait_until(machine.ready)
    await machine.shows(Order="B1")
    await wait_until(lambda: ("B1", "Bag", False) in machine.runs_told())  # what was learned is on the disk
    await machine.shows(Speed=float("nan"))
    await wait_until(lambda: machine.states_told()[-1][0] == "No Data")
    await machine.shows(Speed=10.0)
    await wait_until(lambda: machine.states_told()[-1][0] == "Uptime")
    await machine.shows(Speed=[10.0, 11.0])
    await wait_until(lambda: any("array" in text for text in machine.rejects()))
    reasons = [reason for _, reason in machine.states_told()]
    assert "Jam" in reasons
    assert "E9" in reasons
    await wait_until(lambda: any("nan" in text for text in machine.rejects()))
    await machine.says("note", type="other")
    await wait_until(lambda: machine.unmatched() == {"note": 1})
    status = machine.status()
    assert status["without_value"] == ["mode", "note"]
    assert status["missed"] == {"texts": ["E9"]}


def double_word(value: int) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.Int32)


def text(value: str | None) -> ua.Variant:
    return ua.Variant(ua.LocalizedText(value, "en"), ua.VariantType.LocalizedText)


async def test_p2_p4_a_machine_of_the_tobacco_industry_is_understood(machine: Machine) -> None:
    """OPC 30060 has numbers of its own for states and modes, totals that go from 2147483647 to -2147483648, and texts
    with a language that are null, or empty, where there is nothing to say: by either the run ends and the cause of
    a stop goes. A kill of the gateway in between changes nothing."""
    machine.configure(TOBACCO)
    await machine.begin(
        L01__Brand=text("Blue"),
        L01__State=4,
        L01__Mode=1,
        L01__Cause=text(None),
        L01__Made=double_word(2_147_483_640),
        L01__Left=double_word(-2_147_483_640),
    )
    await wait_until(lambda: machine.runs_told() == [("Blue", "Blue", False)])
    await wait_until(lambda: machine.states_told() == [("Uptime", None)])
    await machine.shows(Made=double_word(-2_147_483_646), Left=double_word(2_147_483_646))
    await machine.shows(Cause=text("Paper break"), State=8)
    await wait_until(lambda: machine.states_told()[-1] == ("Unplanned Downtime", "Paper break"))
    machine.end("gateway")
    await machine.shows(Made=double_word(-2_147_483_640), Left=double_word(2_147_483_640))
    machine.start("gateway")
    await wait_until(machine.ready)
    await machine.shows(State=0)
    await wait_until(lambda: machine.states_told()[-1] == ("Unplanned Downtime", "Stopped"))
    await machine.shows(Cause=text(""), State=8)
    await wait_until(lambda: machine.states_told()[-1] == ("Unplanned Downtime", "no cause"))
    await machine.shows(Mode=5, State=2)
    await wait_until(lambda: machine.states_told()[-1] == ("Planned Downtime", "Clean"))
    await machine.shows(Brand=text(None))
    await wait_until(lambda: machine.runs_told() == [("Blue", "Blue", True)])
    assert machine.counted() == {"made": 16, "left": 16}
    await machine.shows(Brand=text("Red"), Mode=1, State=4)
    await wait_until(lambda: machine.runs_told()[1:] == [("Red", "Red", False)])
    await machine.shows(Brand=text(""))
    await wait_until(lambda: machine.runs_told()[1:] == [("Red", "Red", True)])
    await wait_until(lambda: machine.states_told()[-1] == ("Uptime", None))
    assert [text for text in machine.rejects() if "not" in text] == []


async def test_p2_packml_s_last_state_has_a_number_and_two_names(machine: Machine) -> None:
    """State 17 is Complete and, since the edition of 2022, Completed: by number, by either name, and from one name to
    the other it is one state, also where the gateway is killed in it; what comes before and after is told. So is a bit
    of a signed word."""
    machine.configure(PACKML)
    await machine.begin(L01__Number=6, L01__Mode=1, L01__Name="Execute", L01__Alarms=int16(-32_768))
    lines, before, after = ("Line 01", "Line 02"), ("Uptime", None), ("Planned Downtime", "Idle")
    complete = ("Planned Downtime", "Complete")
    await wait_until(lambda: [machine.states_told(line) for line in lines] == [[before]] * 2)
    await machine.shows(Number=17, Name="Completed")
    await wait_until(lambda: [machine.states_told(line) for line in lines] == [[before, complete]] * 2)
    await machine.shows(Name="Complete", Alarms=int16(-32_760))
    await wait_until(lambda: machine.states_told("Line 03") == [before, ("Unplanned Downtime", "Guard")])
    machine.end("gateway")
    await machine.shows(Name="COMPLETED")
    machine.start("gateway")
    await wait_until(machine.ready)
    await machine.shows(Number=4, Name="Idle")
    await wait_until(lambda: [machine.states_told(line) for line in lines] == [[before, complete, after]] * 2)
    assert machine.rejects() == []
