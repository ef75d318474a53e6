"""A small plant in several files, from which the tests of templates, tables and included files start."""

from collections.abc import Mapping
from pathlib import Path

from tests.config.command import TOKEN

PLANT: Mapping[str, str] = {
    "gateway.yaml": """\
include: [sources.yaml, lines/*.yaml]
oden: {token: "${secret:oden_token}"}
tables:
  products: {file: products.csv, key: sku}
templates:
  base:
    inputs:
      order: {source: floor, topic: "${site}/${plc}/order"}
    run: {key: order, product: "{products[order].name}", settle: 1s}
  extruder:
    use: base
    with: {site: plant-a, plc: "${plc}"}
    defaults: {rollover: 65536}
    inputs:
      file: tags.csv
    states:
      input: state
      codes: {file: codes.csv}
    scrap_yield:
      every: 60s
      entries:
        - {count: good, raw_data: {yield: "{n}", machine: "${plc} of ${line}"}}
lines:
  - {file: lines.csv, use: extruder, factory: Factory A}
""",
    "sources.yaml": """\
sources:
  press_plc: {type: opcua, url: "opc.tcp://10.1.4.20:4840"}
  floor: {type: mqtt, url: "mqtt://broker.plant-a.local", client_id: edge-01}
""",
    "lines/special.yaml": """\
lines:
  - factory: Factory B
    line: Line 09
    use: extruder
    with: {plc: L09, rollover: 256}
    inputs:
      speed: {source: press_plc, node: "ns=2;s=${plc}.Speed"}
    states:
      codes: {3: ~, 2: {reason: Cleaning}}
""",
    "lines.csv": "line,plc,rollover\nLine 01,L01,\nLine 02,L02,1000\n",
    "tags.csv": (
        "name;source;node;counter.rollover;counter.max_rate\r\n"
        'state;press_plc;"ns=2;s=${plc}.State";;\r\n'
        'good;press_plc;"ns=2;s=${plc}.Good";${rollover};5/s\r\n'
    ),
    "codes.csv": "code,category,reason\n1,Uptime,\n2,Planned Downtime,Changeover\n3,Unplanned Downtime,Jam\n",
    "products.csv": "sku,name\n100,Pipe\n",
}
"""Name of a file -> what it holds."""


def planted(folder: Path, files: Mapping[str, str] = PLANT) -> Path:
    """`files` in `folder`, with the token's file beside them; the main file's path."""
    for name, text in {**files, "secrets/oden_token": f"{TOKEN}\n"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    return folder / "gateway.yaml"
