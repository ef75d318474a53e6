"""Presets: what comes with the gateway for machines and order systems that follow a standard."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.config.loader import load
from gateway.config.state_presets import PACKML, TMC
from gateway.errors import InvalidConfig
from gateway.mapping.compile import LinePlan, compile_lines
from gateway.model import Sample
from tests.mapping.recording import LINE, T0, plan, play, tag, tick

PRESETS = Path(__file__).parents[2] / "config" / "presets"
HEAD = """
oden: {token: secret}
sources:
  press_plc: {type: opcua, url: "opc.tcp://10.1.4.20:4840"}
  floor: {type: mqtt, url: "mqtt://broker.plant-a.local", client_id: edge-01}
"""


def line(folder: Path, text: str) -> LinePlan:
    """The one line of a configuration that stands beside the presets."""
    shutil.copytree(PRESETS, folder / "presets")
    file = folder / "gateway.yaml"
    file.write_text(HEAD + text, encoding="utf-8")
    loaded = load(file, {})
    (plan_of_line,) = compile_lines(loaded.config.lines, loaded.lookups)
    return plan_of_line


@pytest.mark.parametrize(("number", "name", "kind"), PACKML)
def test_packml_state_by_number_and_by_name(number: int, name: str, kind: str) -> None:
    """Each of the 17 states is told alike, however the controller says it."""
    states = {"preset": "packml", "input": "state", "categories": {kind: "Found"}}
    line_plan = plan(run=None, scrap_yield=None, states=states)
    reason = "" if kind == "uptime" else f", {name}"
    for spelling in (number, str(number), float(number), name, name.upper(), name.lower()):
        assert play(line_plan, tag(10, "State", spelling)).texts == [f"start STATE 1 at 10: Found{reason}"]


@pytest.mark.parametrize(("number", "name", "kind"), TMC)
def test_tmc_state_by_number_and_by_name(number: int, name: str, kind: str) -> None:
    """TMC (OPC 30060) has the names of PackML and numbers of its own."""
    states = {"preset": "tmc", "input": "state", "categories": {kind: "Found"}}
    line_plan = plan(run=None, scrap_yield=None, states=states)
    reason = "" if kind == "uptime" else f", {name}"
    for spelling in (number, name.upper()):
        assert play(line_plan, tag(10, "State", spelling)).texts == [f"start STATE 1 at 10: Found{reason}"]


def test_the_numbers_of_tmc_are_not_taken_for_those_of_packml() -> None:
    """Where the node says that it is TMC's, the preset of PackML is refused; where only the number says so, it is said
    with the remedy."""
    states = {"preset": "packml", "input": "state"}
    node = "nsu=http://opcfoundation.org/UA/TMC/v2/;i=6001"
    with pytest.raises(InvalidConfig) as caught:
        plan(run=None, scrap_yield=None, states=states, inputs={"state": {"source": "plc", "node": node}})
    assert [(fault.loc[-1], "preset: tmc" in fault.text) for fault in caught.value.faults] == [("preset", True)]
    (notice,) = play(plan(run=None, scrap_yield=None, states=states), tag(10, "State", 0)).notices
    assert "preset: tmc" in notice.text


def test_packml_of_2022_says_completed() -> None:
    """It is the state that was called Complete."""
    states = {"preset": "packml", "input": "state"}
    line_plan = plan(run=None, scrap_yield=None, states=states)
    for spelling in ("Completed", "COMPLETED", "completed"):
        assert play(line_plan, tag(10, "State", spelling)).texts == ["start STATE 1 at 10: Planned Downtime, Complete"]


def test_packml_numbers_are_those_of_the_standard() -> None:
    """All states, once each."""
    assert [number for number, _, _ in PACKML] == list(range(1, 18))
    assert len({name for _, name, _ in PACKML}) == 17
    assert [number for number, _, kind in PACKML if kind == "uptime"] == [6]


def test_packml_opcua(tmp_path: Path) -> None:
    """A server by OPC 30050: three state machines, each inside the one before. Those that are not active are empty; a
    machine without unit modes produces."""
    nodes = 'base: "ns=5;i=1", machine: "ns=5;i=2", execute: "ns=5;i=3", mode: "ns=5;i=4"'
    line_plan = line(
        tmp_path,
        "include: [presets/packml_opcua.yaml]\nlines:\n  - {factory: Factory A, line: Line 01, use: packml_opcua, "
        f"with: {{plc: press_plc, {nodes}}}}}\n",
    )

    def says(seconds: float, *states: str) -> list[Sample]:
        at = T0 + seconds
        return [Sample("press_plc", f"ns=5;i={node}", text, at) for node, text in enumerate(states, 1)]

    samples = [
        *says(10, "Aborted", "", ""),
        *says(200, "Cleared", "Stopped", ""),
        *says(400, "Cleared", "Running", "Execute"),
    ]
    assert play(line_plan, *samples, tick(600)).texts == [
        "start STATE 1 at 10: Unplanned Downtime, Aborted",
        "end STATE 1 at 200",
        "start STATE 2 at 200: Unplanned Downtime, Stopped",
        "end STATE 2 at 400",
        "start STATE 3 at 400: Uptime",
    ]


def test_packtags(tmp_path: Path) -> None:
    """A machine with OMAC's tag names, from the preset file and one line of configuration."""
    unit = "nsu=urn:acme:line;s=Unit01."
    line_plan = line(
        tmp_path,
        "include: [presets/packtags.yaml]\nlines:\n  - {factory: Factory A, line: Line 01, use: packtags, "
        f'with: {{plc: press_plc, unit: "{unit}"}}}}\n',
    )

    def sample(seconds: float, node: str, value: object) -> Sample:
        return Sample("press_plc", unit + node, value, T0 + seconds, source_time=T0 + seconds)

    played = play(
        line_plan,
        sample(1, "Status.UnitModeCurrent", 1),
        sample(1, "Admin.StopReason.ID", 0),
        sample(1, "Status.StateCurrent", 4),
        sample(10, "Status.Product[0].ProductID", 1234),
        sample(20, "Status.StateCurrent", 6),
        sample(100, "Admin.StopReason.ID", 17),
        sample(100, "Status.StateCurrent", 9),
        sample(130, "Status.StateCurrent", 6),
        sample(500, "Status.UnitModeCurrent", 2),
        tick(1000),
    )
    assert played.texts == [
        "start STATE 1 at 1: Planned Downtime, Idle",
        "start RUN 2 at 10: 1234",
        "end STATE 1 at 20",
        "start STATE 3 at 20: Uptime",
        "end STATE 3 at 500: short_stops 1, short_stop_seconds 30",
        "start STATE 4 at 500: Planned Downtime, Maintenance",
    ]


def test_sparkplug_packml(tmp_path: Path) -> None:
    """A machine with PackML behind a Sparkplug edge node: its birth, changes, the death of its device, its return."""
    line_plan = line(
        tmp_path,
        "include: [presets/sparkplug_packml.yaml]\n"
        "lines:\n  - {factory: Factory A, line: Line 01, use: sparkplug_packml, "
        "with: {broker: floor, device: Plant A/Edge 1/Filler}, "
        'scrap_yield: {entries: [{count: processed, raw_data: {yield: "{n}"}}]}}\n',
    )

    def sample(seconds: float, values: Mapping[str, object], **more: Any) -> Sample:
        address = "spBv1.0/Plant A/Edge 1/Filler"
        return Sample("floor", address, values, T0 + seconds, source_time=T0 + seconds, **more)

    count, state, product = "Admin/ProdProcessedCount[0]/AccCount", "Status/StateCurrent", "Status/Product[0]/ProductID"
    birth = {"Status/UnitModeCurrent": 1, "Admin/StopReason/ID": 0, state: 6, product: 0, count: 100}
    played = play(
        line_plan,
        sample(1, birth, initial=True),
        sample(10, {product: 1234, count: 100}),
        sample(30, {count: 130}),
        sample(40, dict.fromkeys(birth), quality="bad"),
        sample(200, {**birth, product: 1234, state: 9, "Admin/StopReason/ID": 17, count: 150}, initial=True),
        sample(400, {state: 6}),
        tick(1000),
    )
    assert played.texts == [
        "start STATE 1 at 1: Uptime",
        "start RUN 2 at 10: 1234",
        "output of 2 at 60: yield 30",
        "end STATE 1 at 40",
        "start STATE 3 at 40: No Data",
        "end STATE 3 at 200",
        "start STATE 4 at 200: Unplanned Downtime, Aborted, stop reason 17",
        "output of 2 at 240: yield 20",
        "end STATE 4 at 400",
        "start STATE 5 at 400: Uptime",
    ]
    assert not played.notices


def test_an_abort_without_a_stop_reason_has_its_name(tmp_path: Path) -> None:
    """A machine that has no stop reason, or has not said it yet, is Aborted; and a line can leave the tag out."""
    for more in ("", ", inputs: {stop: ~}, states: {codes: {9: ~}}"):
        folder = tmp_path / str(len(more))
        folder.mkdir()
        line_plan = line(
            folder,
            "include: [presets/packtags.yaml]\nlines:\n  - {factory: Factory A, line: Line 01, use: packtags, "
            f'with: {{plc: press_plc, unit: ""}}{more}}}\n',
        )
        mode = Sample("press_plc", "Status.UnitModeCurrent", 1, T0)
        played = play(line_plan, mode, Sample("press_plc", "Status.StateCurrent", 9, T0), tick(10))
        assert played.texts == ["start STATE 1 at 0: Unplanned Downtime, Aborted"]
        assert ("stop" in line_plan.inputs) is not bool(more)


def test_isa95_events(tmp_path: Path) -> None:
    """Orders, states and people from event topics, from the preset file and one line of configuration."""
    line_plan = line(
        tmp_path,
        "include: [presets/isa95_events.yaml]\nlines:\n  - {factory: Factory A, line: Line 01, use: isa95_events, "
        "with: {broker: floor, path: acme/a/l1}}\n",
    )

    def sample(seconds: float, topic: str, **value: object) -> Sample:
        return Sample("floor", f"acme/a/l1/{topic}", {**value, "time": T0 + seconds}, T0 + seconds + 0.2)

    played = play(
        line_plan,
        sample(10, "job-order", command="Start", id="4711", material="FILM"),
        sample(11, "equipment-state", state="Running"),
        sample(12, "personnel", person="Ann"),
        sample(100, "equipment-state", state="Stopped", reason="Jam"),
        sample(200, "job-order", command="Stop", id="4711", material="FILM"),
        sample(300, "job-order", command="Start", id="4712", material="PIPE"),
        tick(400),
    )
    assert played.texts == [
        "start RUN 1 at 10: 4711, FILM",
        "start Operator 2 at 12: Ann",
        "start STATE 3 at 11: Uptime",
        "end STATE 3 at 100",
        "start STATE 4 at 100: Unplanned Downtime, Jam",
        "end RUN 1 at 200",
        "start RUN 5 at 300: 4712, PIPE",
    ]


def test_a_code_of_ones_own_comes_over_the_preset() -> None:
    """The other states are the preset's still."""
    assert LINE["states"]["codes"][2] == {"category": "Planned Downtime", "reason": "Changeover"}
    line_plan = plan(run=None, scrap_yield=None, states={**LINE["states"], "preset": "packml", "hold": "0s"})
    assert play(line_plan, tag(10, "State", 2), tag(20, "State", 11)).texts == [
        "start STATE 1 at 10: Planned Downtime, Changeover",
        "end STATE 1 at 20",
        "start STATE 2 at 20: Unplanned Downtime, Held",
    ]
