"""P10: of one mistake in a plant of several files one thing is said, where it is, and what helps when it is done."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from gateway.__main__ import main
from tests.config.command import written

HEAD = """\
oden: {token: "${secret:oden_token}"}
sources:
  plc: {type: opcua, url: "opc.tcp://10.1.4.20:4840", security: none, sampling: 100ms}
  floor: {type: mqtt, url: "mqtt://broker", client_id: edge-01}
tables:
  products: {file: products.csv, key: sku}
  orders: {from: announced, key: number}
include: [templates.yaml]
lines:
  - {file: lines.csv, use: packer, factory: Factory A}
"""
TEMPLATES = """\
templates:
  packer:
    inputs:
      order: {source: plc, node: "ns=2;s=${plc}.Order"}
      sku: {source: plc, node: "ns=2;s=${plc}.Sku"}
      good: {source: plc, node: "ns=2;s=${plc}.Good", counter: {rollover: 65536}}
      announced: {source: floor, topic: "plant/${plc}/orders"}
      scrap: {source: floor, topic: "plant/${plc}/scrap", time: at}
      lot: {source: floor, topic: "plant/${plc}/lot", field: number}
    run: {key: order, product: "{products[sku].name|{sku}}", name: "{order}", metadata: {due: "{orders[order].due}"}}
    scrap_yield: {entries: [{count: good, raw_data: {yield: "{n}"}}, {count: scrap.qty, raw_data: {scrap: "{n}"}}]}
"""
LINES = "line,plc\n" + "".join(f"Line {number},L{number:02}\n" for number in range(1, 25))
STATE_HOLD = LINES.replace("\n", ",\n").replace("plc,", "plc,state.hold", 1)
PRODUCTS = "sku,name,speed\n1,Film,40\n2,Bag,55\n3,Box,12.5\n4,Lid,9\n"
FILES = {"gateway.yaml": HEAD, "templates.yaml": TEMPLATES, "lines.csv": LINES, "products.csv": PRODUCTS}


def said(folder: Path, file: str, old: str, new: str) -> list[str]:
    """What `check` says of the plant in which `new` stands in one file in the place of `old`."""
    assert old in FILES[file]
    path = written(folder / "plant", FILES["gateway.yaml"])
    (path.parent / "secrets" / "oden_token").chmod(0o600)
    for name, text in FILES.items():
        (path.parent / name).write_text(text.replace(old, new, 1) if name == file else text, encoding="utf-8")
    out = io.StringIO()
    with contextlib.redirect_stderr(out), contextlib.redirect_stdout(io.StringIO()):
        main(["check", "-c", str(path)])
    return [problem.replace(f"{path.parent}/", "") for problem in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("file", "old", "new", "where", "cure"),
    [
        ("gateway.yaml", ", factory: Factory A", "", "lines.csv:2:1", "'factory' is missing.*so it is in 23 more rows"),
        ("gateway.yaml", "[templates.yaml]", "[template.yaml]", "gateway.yaml:8:11", "no such file"),
        ("gateway.yaml", "tables:", "table:", "gateway.yaml:5:1", "did you mean 'tables'"),
        ("gateway.yaml", "sampling:", "sampling_interval:", "gateway.yaml:3:71", "did you mean 'sampling'"),
        (
            "templates.yaml",
            '"{products[sku].name|',
            '"{products[sku]|',
            "templates.yaml:10:34",
            r"{products\[sku\].name}",
        ),
        (
            "templates.yaml",
            "{products[sku].name|",
            "{products.sku.name|",
            "templates.yaml:10:34",
            r"{products\[sku\].name}",
        ),
        (
            "templates.yaml",
            "{products[sku].name|",
            "{products[{sku}].name|",
            "templates.yaml:10:34",
            r"{products\[sku\].name}",
        ),
        (
            "templates.yaml",
            "{products[sku].name|",
            "{products(sku).name|",
            "templates.yaml:10:34",
            r"{products\[sku\].name}",
        ),
        ("templates.yaml", '"{order}"', '"{ order }"', "templates.yaml:10:70", "without blanks, {order}"),
        (
            "templates.yaml",
            "time: at}",
            "time: at, zone: Europe/Berlin}",
            "templates.yaml:8:69",
            "it stands under 'time'",
        ),
        (
            "templates.yaml",
            "rollover: 65536}",
            "rollover: 65536}, unit: kg",
            "templates.yaml:6:83",
            "it stands under 'counter'",
        ),
        (
            "templates.yaml",
            'topic: "plant/${plc}/lot"',
            'node: "plant/${plc}/lot"',
            "templates.yaml:9:28",
            "write 'topic'",
        ),
        ("lines.csv", "Line 7,L07", "Line 7,#NV", "lines.csv:8:8", "error of a formula"),
        ("lines.csv", "Line 7,L07", "Line 7,L\x0007", "lines.csv:8:9", "U\\+0000"),
        ("products.csv", "Film", "GrÃ¶Ãe", "products.csv:2:5", "read in another encoding"),
        ("products.csv", "12.5", "k.A.", "products.csv:4:7", "all of the column is text"),
        ("products.csv", "55", "55 1/min", "products.csv:3:7", "write a number alone"),
        ("products.csv", "Film", "=B7", "products.csv:2:3", "this is a formula, and text here"),
        ("products.csv", "Film", '"=CONCAT(A1,B1)"', "products.csv:2:3", "save the table with what it gives"),
        ("lines.csv", "L07", "=B6", "lines.csv:8:8", "this is a formula"),
        ("products.csv", "sku,name,speed\n1,", "sku,name,speed\n03.11.2023,", "products.csv:2:1", "makes this of '2'"),
        ("products.csv", "1,Film", "01.Feb,Film", "products.csv:2:1", "make the column text there"),
        (
            "products.csv",
            "1,Film,40\n2,Bag,55\n3,Box,12.5\n4,",
            "1-1,A,1\n1-2,B,1\n45231,",
            "products.csv:4:1",
            "no dates",
        ),
        (
            "products.csv",
            "1,Film,40\n2,Bag,55\n3,Box,12.5\n4,",
            "1. Mrz,A,1\nFeb 02,",
            "products.csv:2:1",
            "such as 1-2",
        ),
        ("lines.csv", LINES, STATE_HOLD, "lines.csv:1:10", "no key is called 'state.hold'.*did you mean 'states.hold'"),
        (
            "lines.csv",
            LINES,
            STATE_HOLD.replace("L01,", "L01,5s"),
            "lines.csv:1:10",
            r"has no \$\{state.hold\}; did you mean 'states.hold', a key of the line itself",
        ),
        ("gateway.yaml", "from: announced", "from: announcd", "gateway.yaml:7:18", "did you mean 'announced'"),
        ("gateway.yaml", "from: announced", "from: lot", "gateway.yaml:7:18", "a table learns from those"),
        (
            "templates.yaml",
            "{orders[order].due}",
            "{orders[announced].due}",
            "templates.yaml:10:95",
            r"is a whole message with fields.*\{orders\[announced.number\]",
        ),
        (
            "templates.yaml",
            "{products[sku].name|",
            "{products[good].name|",
            "templates.yaml:10:32",
            "'good' is a running count",
        ),
        (
            "templates.yaml",
            "s=${plc}.Sku",
            "s=L07.Sku",
            "templates.yaml:5:32",
            r"'L07' is 'plc' of one line.*\$\{plc\}",
        ),
        ("templates.yaml", "plant/${plc}/lot", "plant/L24/lot", "templates.yaml:9:35", r"is \$\{plc\} meant"),
        (
            "templates.yaml",
            'name: "{order}"',
            'name: "L02 {order}"',
            "templates.yaml:10:68",
            "all lines of this template have it here",
        ),
    ],
)
def test_p10_one_mistake_is_told_once_with_its_cure(
    file: str, old: str, new: str, where: str, cure: str, tmp_path: Path
) -> None:
    problems = said(tmp_path, file, old, new)
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"{where}: ")
    assert re.search(cure, problems[0])


def test_the_plant_is_right(tmp_path: Path) -> None:
    """Without any of these mistakes nothing is said."""
    assert said(tmp_path, "lines.csv", "line", "line") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("s=${plc}.Sku", "s=${plc}.L07"),  # a tag that is called as a machine is
        ("s=${plc}.Sku", "s=${plc}.L070"),
        ("plant/${plc}/lot", "plant/${plc}/L25"),
        ('name: "{order}"', 'name: "Film {order}"'),
        ("  packer:\n", "  packer:\n    defaults: {plc: L07}\n"),
    ],
)
def test_p10_what_a_template_has_of_its_own(old: str, new: str, tmp_path: Path) -> None:
    """Words that are no parameter of any line, stand beside it, or stand for it where a line gives none."""
    assert said(tmp_path, "templates.yaml", old, new) == []


def test_p10_the_secret_of_another_system_is_not_meant(tmp_path: Path) -> None:
    """Of two secrets with a long word alike, one is no slip of the other."""
    problems = said(tmp_path, "gateway.yaml", "secret:oden_token", "secret:plc_token")
    assert len(problems) == 1
    assert "did you mean" not in problems[0]
