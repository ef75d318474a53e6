"""Inputs that say too much or too little of where their value comes from."""

from pathlib import Path

import pytest

from gateway.cli.startup import read_config
from gateway.errors import ConfigError

HEAD = """oden: {token: none}
sources:
  plc: {type: opcua, url: "opc.tcp://127.0.0.1:1"}
  floor: {type: mqtt, url: "mqtt://127.0.0.1:1", client_id: edge}
lines:
  - factory: F
    line: L
    inputs:
      speed: {source: plc, node: "ns=2;s=Speed"}
"""
STATES = """    states: {ladder: [{when: "speed > 5", category: Up}], other: {category: Down}}
"""


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ('x: {expr: "speed > 5", source: ▲plc}', "'source' means nothing beside 'expr'"),
        ('x: {expr: "speed > 5", fresh: ▲5s}', "'fresh' means nothing beside 'expr'"),
        ("▲x: {edge: rising}", "the key 'source' is missing"),
        ("x: {stale: ▲speed}", "'speed' is never quiet: give it 'fresh' or 'heartbeat'"),
        ('x: {expr: "speed >▲"}', "is not an expression: something is missing at the end"),
        ("▲x: {source: floor, device: G/E/D}", "the key 'metric' is missing: which metric of Sparkplug is meant?"),
        ("▲x: {source: floor, metric: Good}", "the key 'device' is missing: which device of Sparkplug is meant?"),
        ("x: {source: floor, device: ▲Press, metric: Good}", "'Press' is not a device: write group/edge node/device"),
        ("x: {source: floor, device: ▲G/E/D/C, metric: Good}", "'G/E/D/C' is not a device"),
        ("x: {source: floor, device: ▲G/+/D, metric: Good}", "'+' and '#' cannot stand in its names"),
        (
            "x: {source: floor, device: G/E/D, metric: Good, field: a.▲.b}",
            "write the name of a field, with single dots between nested ones",
        ),
        (
            "x: {source: floor, topic: ▲spBv1.0/G/DDATA/E/D}",
            "this is a topic of Sparkplug B: write 'device' and 'metric'",
        ),
        ("x: {source: plc, node: i=1, device: ▲G/E/D}", "'device' means nothing here: the source 'plc' is OPC UA"),
        ("x: {source: plc, node: i=1, only: ▲{type: a}}", "'only' means nothing here: the source 'plc' is OPC UA"),
        (
            "x: {source: floor, device: G/E/D, metric: Good, only: ▲{type: a}}",
            "'only' means nothing beside 'device' and 'metric'",
        ),
        ("x: {source: plc, node: i=1, id: ▲number}", "'id' means nothing here: the source 'plc' is OPC UA"),
        ("x: {source: plc, node: i=1, json_schema: ▲s.json}", "'json_schema' means nothing here: the source 'plc'"),
        (
            "x: {source: floor, topic: t, binary: {type: int8}, json_schema: ▲s.json}",
            "'json_schema' means nothing where the payload is bytes",
        ),
        ("x: {source: floor, topic: t, sampling: ▲0}", "'sampling' means nothing here: the source 'floor' is MQTT"),
        (
            "x: {source: plc, node: i=1, counter: {}, deadband: ▲2}",
            "small changes would not be counted: remove it, or 'counter'",
        ),
        ("x: {source: plc, node: i=1, deadband: ▲2 mm}", 'write how far the value must move, such as 0.5, or "2%"'),
        ("x: {source: plc, node: i=1, edge: any, trigger: ▲timestamp}", "'edge' sees changes, and a value that is"),
        ("x: {source: plc, node: i=1, index: ▲a}", "write the number of the element, counted from 0"),
        (
            'x: {source: plc, node: "ns=2;s=Speed", ▲queue: 5}',
            "'speed' names this tag too, with another 'queue': the server watches a tag in one way",
        ),
        ("x: {source: floor, topic: t, id: ▲[a, b.]}", "write the name of a field, with single dots"),
        ("x: {source: floor, topic: t, only: {type: ▲[]}}", "write a value, or several: scrap or [start, stop]"),
        ("x: {source: floor, topic: t, only: {type: ▲{a: 1}}}", "write a value, or several: scrap or [start, stop]"),
        ("x: {source: floor, topic: t, only: {a..b: ▲1}}", "write the name of a field, with single dots"),
        ("x: {source: plc, event: ▲Press}", "'Press' is not a node id"),
        ("x: {source: plc, event: i=2253, type: ▲AlarmType}", "'AlarmType' is none of BaseEventType, "),
        ("x: {source: plc, event: i=2253, node: ▲i=1}", "'node' means nothing beside 'event'"),
        ("x: {source: plc, event: i=2253, sampling: ▲0}", "'sampling' means nothing beside 'event'"),
        ("x: {source: plc, event: i=2253, id: ▲EventId}", "'id' means nothing here: the source 'plc' is OPC UA"),
        ("x: {source: plc, node: i=1, type: ▲AlarmConditionType}", "'type' belongs to 'event': of which node"),
        ("x: {source: plc, event: i=2253, ▲fields: {job: Job}}", "fields are those of a type of events: write 'type'"),
        ("x: {source: plc, event: i=2253, type: i=7, fields: {▲Time: Job}}", "'Time' is a field that each event has"),
        ("x: {source: plc, event: i=2253, type: i=7, fields: {job: ▲/2:Job}}", "'/2:Job' begins at the root"),
        ("x: {source: plc, event: i=2253, type: i=7, fields: {job: {path: 2:Job/▲, index: 0}}}", "ends without a name"),
        ("x: {source: plc, event: i=2253, field: ▲Msg}", "the event has no field 'Msg': name it under 'fields'"),
        ("x: {source: plc, event: i=2253, only: {Aktive: ▲1}}", "the event has no field 'Aktive': name it under"),
        ("x: {source: floor, topic: t, event: ▲i=2253}", "'event' means nothing here: the source 'floor' is MQTT"),
        (
            'x: {expr: "▲sped > 1"}',
            '"sped" is not an input of this line; its inputs are: speed, x; did you mean "speed"?',
        ),
    ],
)
def test_p10_wrong_inputs_are_refused_with_their_place(given: str, text: str, tmp_path: Path) -> None:
    """What is wrong, at the line and column (▲) of the value or key that is."""
    path = tmp_path / "gateway.yaml"
    path.write_text(f"{HEAD}      {given.replace('▲', '')}\n{STATES}", encoding="utf-8")
    (tmp_path / "s.json").write_text("{}")
    with pytest.raises(ConfigError) as caught:
        read_config(path, {})
    (problem,) = caught.value.diagnostics
    assert problem.where.endswith(f":10:{7 + given.index('▲')}")
    assert text in problem.text


@pytest.mark.parametrize(
    ("was", "becomes", "meant"),
    [
        ("opc.tcp://", "http://", None),
        ("opc.tcp://", "opc.tpc://", "opc.tcp://"),
        ("opc.tcp://", "mqqt://", None),
        ("mqtt://", "http://", None),
        ("mqtt://", "mqqt://", "mqtt://"),
    ],
)
def test_a_scheme_that_is_meant_is_one_that_can_stand_there(
    was: str, becomes: str, meant: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text((HEAD + STATES).replace(was, becomes))
    with pytest.raises(ConfigError) as wrong:
        read_config(path, {})
    (told,) = (each.text for each in wrong.value.diagnostics if "such as opc" in each.text or "WebSocket" in each.text)
    assert (f"did you mean '{meant}'?" in told) if meant is not None else ("did you mean" not in told)
