"""What a machine tells as events of its own, at a server of another maker with the types of ISA-95: jobs, cycles and an
alarm become runs, output and states, whatever becomes of connection and gateway."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import AnchoredClock
from gateway.sources.opcua.source import OpcuaSource
from tests.links import Link
from tests.peers import wait_until
from tests.real_peers.gateway_run import GatewayRun
from tests.real_peers.opcua_servers import NodeOpcua
from tests.sources.harness import Intake, opcua_config, opcua_tag, running

PRESS = "nsu=urn:acme:line;s=Press"
JOBS = "nsu=http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/"
JOB: dict[str, Any] = {
    "type": f"{JOBS};i=1006",  # ISA95JobOrderStatusEventType
    "fields": {"job": f"{JOBS};JobOrder", "state": {"path": f"{JOBS};JobState", "index": 0}},
}
CYCLE: dict[str, Any] = {
    "type": "/Types/EventTypes/BaseEventType/nsu=urn:acme:line;CycleEventType",
    "fields": {
        "count": "nsu=urn:acme:line;Count",
        "bad": "nsu=urn:acme:line;Bad",
        "cavity": {"path": "nsu=urn:acme:line;Cavities", "index": 1},
    },
}
LINE = f"""
    inputs:
      job:
        source: plc
        event: "{PRESS}"
        type: "{JOB["type"]}"
        fields: {{job: "{JOBS};JobOrder", state: {{path: "{JOBS};JobState", index: 0}}}}
      cycle:
        source: plc
        event: "{PRESS}"
        type: "{CYCLE["type"]}"
        fields: {{bad: "nsu=urn:acme:line;Bad"}}
      active: {{source: plc, event: "{PRESS}", type: AlarmConditionType, field: ActiveState, default: false}}
      text: {{source: plc, event: "{PRESS}", type: AlarmConditionType, field: ConditionName, default: ""}}
    run:
      start: {{event: job, when: 'job.state.StateText == "Running"'}}
      end: {{event: job, when: 'job.state.StateText == "Ended"'}}
      name: "{{job.job.JobOrderID}}"
      product: Film
      settle: 0s
    states:
      ladder: [{{when: active, category: Unplanned Downtime, reason: "{{text}}"}}]
      other: {{category: Uptime}}
    scrap_yield:
      every: 1s
      entries:
        - {{count: cycle, each: 1, raw_data: {{yield: "{{n}}"}}}}
        - {{count: cycle.bad, raw_data: {{scrap: "{{n}}", scrap_code: Press}}}}
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NodeOpcua]:
    server = NodeOpcua(tmp_path / "server", machine=True, alarms={"Heat": 50})
    try:
        await server.start(L01__State=0)
        yield server
    finally:
        await server.kill()


@pytest.fixture
async def link(server: NodeOpcua) -> AsyncIterator[Link]:
    """The way to the server, which can be cut."""
    link = Link(server.port)
    await link.start()
    yield link
    await link.stop()


class Press:
    """What has really happened there."""

    def __init__(self, server: NodeOpcua) -> None:
        self.cycles = self.bad = 0
        self._server = server

    async def job(self, order: str, state: str, number: int) -> None:
        await self._server.ask(do="job", order=order, state=state, number=number)

    async def cycle(self, times: int, bad: int = 1) -> None:
        for _ in range(times):
            self.cycles += 1
            self.bad += bad
            await self._server.ask(do="cycle", count=self.cycles, bad=bad, cavities=[7, self.cycles, 9])


async def test_p2_events_of_isa_95_and_of_the_machines_own_types_are_messages(server: NodeOpcua, link: Link) -> None:
    """With fields, elements of arrays and structures in structures; those of a cut come afterwards, each once."""
    press = Press(server)
    config = opcua_config(f"opc.tcp://127.0.0.1:{link.port}")
    tags = [opcua_tag(PRESS, config, event=True, **settings) for settings in (JOB, CYCLE)]
    source, intake = OpcuaSource("plc", config, tags, AnchoredClock()), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await press.job("A-1", "Running", 3)
        await press.cycle(2)
        await wait_until(lambda: len(intake.samples) == 3)
        await link.stop()
        await press.cycle(3, bad=0)
        await press.job("A-1", "Ended", 5)
        await link.start()
        await wait_until(lambda: len(intake.samples) == 7)
        assert source.health.failed == {}
    assert intake.notices == []
    values: list[Any] = [sample.value for sample in intake.samples]
    of = {tag.address: [each.value for each in intake.samples if each.address == tag.address] for tag in tags}
    jobs: list[Any] = of[tags[0].address]
    cycles: list[Any] = of[tags[1].address]
    assert [(each["job"]["JobOrderID"], each["state"]["StateText"], each["state"]["StateNumber"]) for each in jobs] == [
        ("A-1", "Running", 3),
        ("A-1", "Ended", 5),
    ]
    assert [(each["count"], each["bad"], each["cavity"]) for each in cycles] == [
        (1, 1, 1),
        (2, 1, 2),
        (3, 0, 3),
        (4, 0, 4),
        (5, 0, 5),
    ]
    assert {each["SourceName"] for each in values} == {"Press"}
    assert all(each["Time"] and each["EventId"] for each in values)


async def test_p2_p4_jobs_cycles_and_an_alarm_are_told_over_a_cut_and_a_crash(
    server: NodeOpcua, link: Link, tmp_path: Path
) -> None:
    """The gateway as a process: what happened during the cut is told. After the crash the alarm that is on is told by
    the server once more, because it is asked to; events that nobody heard are none of the alarm's."""
    press = Press(server)
    source = f'sources: {{plc: {{type: opcua, url: "opc.tcp://127.0.0.1:{link.port}", security: none}}}}'
    run = GatewayRun(tmp_path / "gateway", source, LINE)
    try:
        await run.start_oden()
        run.start_gateway()
        await run.until_connected()
        await press.job("A-1", "Running", 3)
        await press.cycle(5)
        await wait_until(lambda: run.amount("yield") == 5 and run.amount("scrap") == 5)
        assert [body["name"] for body in run.intervals("RUN")] == ["A-1"]
        link.cut()
        await press.cycle(5)
        await press.job("A-1", "Ended", 5)
        await press.job("A-2", "Running", 3)
        await press.cycle(3)
        await wait_until(lambda: run.amount("yield") == 13 and run.amount("scrap") == 13)
        await run.kill_gateway()
        await server.write("Heat", 60.5)
        run.start_gateway()
        await run.until_connected()
        await wait_until(lambda: states(run)[-1:] == [("Unplanned Downtime", "Heat is high")])
        await server.write("Heat", 20.5)
        await press.cycle(2)
        await wait_until(lambda: states(run)[-1:] == [("Uptime", None)])
        await run.until_settled(2.0)
        assert [body["name"] for body in run.intervals("RUN")] == ["A-1", "A-2"]
        assert (run.amount("yield"), run.amount("scrap")) == (press.cycles, press.bad)
    finally:
        await run.close()


def states(run: GatewayRun) -> list[tuple[str, str | None]]:
    """Category and reason of each state that Oden was told."""
    told = [body["metadata"] for body in run.intervals("STATE")]
    return [(each["category"]["name"], each.get("reason", {}).get("name")) for each in told]
