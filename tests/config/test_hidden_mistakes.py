"""P10: what a mistake used to hide, or to say twice: of several at once each is told once, where it is."""

import contextlib
import io
import json
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.config.message_schemas import MessageSchema, SchemaFlaw
from tests.config.command import written

HEAD = """\
oden: {token: "${secret:oden_token}"}
sources:
  plc:
    type: opcua
    url: "opc.tcp://10.1.4.20:4840"
    security: none
  floor: {type: mqtt, url: "mqtt://broker", client_id: edge-01}
tables:
  orders: {from: announced, key: number}
templates:
  packer:
    inputs:
      order: {source: plc, node: "ns=2;s=${unit}.Order"}
      state: {source: plc, node: "ns=2;s=${unit}.State"}
      good: {source: plc, node: "ns=2;s=${unit}.Good", counter: {rollover: 65536}}
      bad: {source: plc, node: "ns=2;s=${unit}.Bad", counter: {rollover: 65536}}
    run: {key: order, product: P, name: "{order}"}
    states:
      input: state
      codes: {1: {category: Uptime}, 2: {category: Jam}}
      short_stops: {under: 2m, during: [Uptime]}
    scrap_yield: {entries: [{count: good, raw_data: {yield: "{n}"}}, {count: bad, raw_data: {scrap: "{n}"}}]}
lines:
  - {file: lines.csv, use: packer, factory: A}
  - {factory: A, line: Other, use: packer, with: {unit: PK2}}
  - factory: A
    line: Last
    inputs:
      announced: {source: floor, topic: plant/orders}
      begin: {source: floor, topic: plant/begin}
    run: {start: {event: begin}, product: "{orders[begin.number].product}", name: "{begin.number}"}
    intervals:
      - type: Shift
        calendar:
          zone: Europe/Berlin
          shifts:
            - {name: Early, from: "06:00", to: "14:00"}
            - {name: Late, from: "14:00", to: "22:00"}
"""
LINES = "line,unit\nOne,FL1\nTwo,FL2\nThree,FL3\n"
BEGIN = "{source: floor, topic: plant/begin}"
UNREAD = "use: packer, with: {unit: PK2}", "use: packer, with: {▲units: PK2}"


def said(folder: Path, *edits: tuple[str, str]) -> tuple[list[tuple[str, str]], list[str]]:
    """What `check` says of the plant with these edits, and where the marks of the edits are."""
    files = {"gateway.yaml": HEAD, "lines.csv": LINES}
    for old, new in edits:
        name = next(name for name, text in files.items() if old in text)
        files[name] = files[name].replace(old, new, 1)
    marks = []
    for name, text in files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if "▲" in line:
                marks.append(f"{name}:{number}:{line.index('▲') + 1}")
        files[name] = text.replace("▲", "")
    path = written(folder / "plant", files["gateway.yaml"])
    (path.parent / "lines.csv").write_text(files["lines.csv"], encoding="utf-8")
    (path.parent / "secrets" / "oden_token").chmod(0o600)
    out = io.StringIO()
    with contextlib.redirect_stderr(out), contextlib.redirect_stdout(io.StringIO()):
        main(["check", "-c", str(path)])
    found = [line.replace(f"{path.parent}/", "").partition(": ") for line in out.getvalue().splitlines()]
    return [(where, text) for where, _, text in found], marks


@pytest.mark.parametrize(
    ("edits", "cures"),
    [
        ([], []),
        ([("from: announced", "from: ▲anounced"), UNREAD], ["did you mean 'announced'", "did you mean 'unit'"]),
        ([('to: "14:00"', 'to: ▲"1400"')], ['did you mean "14:00"']),
        ([('to: "14:00"', 'to: ▲"14.00 Uhr"')], ['did you mean "14:00"']),
        ([('to: "22:00"', 'to: ▲"24:00"')], ['write "00:00" for midnight']),
        ([('from: "14:00"', "from: ▲2pm")], ["as on a clock"]),
        (
            [
                ('{name: Late, from: "14:00"', '{name: Late, from: "13:00"'),
                ("shifts:\n            -", "shifts:\n            ▲-"),
            ],
            ["Early and Late are on at one time"],
        ),
        ([("{under: 2m", "{▲below: 2m")], ["did you mean 'under', which is missing"]),
        ([("{under: 2m", "{▲below: [a]")], None),
        ([("    type: opcua", "    ▲typ: opcua")], ["unknown key 'typ'; did you mean 'type'"]),
        (
            [("    type: opcua", "    ▲driver: opcua"), ("security: none", "▲securty: none")],
            ["did you mean 'type'", "did you mean 'security'"],
        ),
        ([("    security: none", "    security: ▲non")], ["did you mean 'none'"]),
        (
            [("    security: none", "    security: ▲Basic256Sha256/SignEncrypt")],
            ["did you mean 'Basic256Sha256/SignAndEncrypt'"],
        ),
        ([("    security: none\n", "    security: none\n    ▲tokenabc\n")], ["unknown key"]),
        ([("Two,FL2", "▲Two,FL1")], ["this line counts what 'One' counts (good, bad)"]),
        (
            [(BEGIN, "{source: plc, event: ▲i:2253, type: BaseEventType, fields: {number: SourceName}}")],
            ["did you mean 'i=2253'"],
        ),
        (
            [(BEGIN, "{source: plc, event: i=2253, type: ▲AlarmConditonType, fields: {number: SourceName}}")],
            ["did you mean 'AlarmConditionType'"],
        ),
    ],
)
def test_p10_each_of_them_is_told_once(edits: list[tuple[str, str]], cures: list[str] | None, tmp_path: Path) -> None:
    found, marks = said(tmp_path, *edits)
    if cures is None:  # what does not fit there is not meant: both are told
        assert len(found) == 2
        return
    assert [where for where, _ in found] == marks
    assert [cure for cure, (_, text) in zip(cures, found, strict=True) if cure not in text] == [], found


@pytest.mark.parametrize(
    ("document", "flaws", "doubts"),
    [
        ({"type": "int", "minimum": "0"}, ["type", "minimum"], []),
        ({"requierd": ["a"], "properties": {"a": {"type": "int"}}}, ["properties.a.type"], ["requierd"]),
        ({"items": {"type": "int"}, "required": ["a", "a"], "pattern": "("}, ["items.type", "required", "pattern"], []),
        ({"properties": {"items": 5, "type": {"max": 3}}}, ["properties.items"], ["properties.type.max"]),
        ({"allOf": [{"type": "strin"}, 5, {"minLenght": 3}]}, ["allOf.0.type", "allOf.1"], ["allOf.2.minLenght"]),
        ({"minimum": 5, "maximum": 1, "type": "numbr"}, ["minimum", "type"], []),
        ({"pattern": "^(a+)+$", "$ref": "x.json", "minLength": -1}, ["minLength", "pattern", "$ref"], []),
        ({"properties": 5, "required": [1]}, ["properties", "required.0"], []),
    ],
)
def test_p10_all_that_is_wrong_with_a_schema(document: object, flaws: list[str], doubts: list[str]) -> None:
    """What stands beside a mistake is looked at as well."""
    with pytest.raises(SchemaFlaw) as refused:
        MessageSchema("scrap.json", json.dumps(document))
    told = [
        sorted(".".join(str(part) for part in way if part is not None) for way, _ in found)
        for found in (refused.value.flaws, refused.value.doubts)
    ]
    assert told == [sorted(flaws), sorted(doubts)]
