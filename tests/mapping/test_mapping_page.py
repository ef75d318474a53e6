"""The examples of docs/mapping.md can be copied: each compiles, alone or in the place that its indentation says."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.config.lint import find_doubts
from gateway.config.loader import load
from gateway.config.message_schemas import MessageSchema
from gateway.config.schema import Line
from gateway.config.schema_intervals import Run, States
from gateway.mapping.compile import compile_line, compile_lines
from gateway.model import Lookup

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
SECTIONS = (
    "What a line means",
    "Inputs",
    "Late messages",
    "Counters",
    "Expressions",
    "Runs",
    "Batches",
    "States",
    "Custom intervals",
    "Scrap and yield",
    "Quality tests, targets, products, work orders",
    "Presets",
)
HEAD = """
oden: {token: secret}
sources:
  press_plc: {type: opcua, url: "opc.tcp://10.1.4.20:4840"}
  floor: {type: mqtt, url: "mqtt://broker.plant-a.local", client_id: edge-01}
"""
TAGS = (
    "state mode speed order product sku order_done tank supplier alarms estop guard_closed running operator badge "
    "recipe recipe_active tool_changed tool_id resin max_speed"
)
MESSAGES = "event order_msg status entry"
INPUTS: dict[str, Any] = {
    **{name: {"source": "press_plc", "node": name} for name in TAGS.split()},
    **{name: {"source": "floor", "topic": name} for name in MESSAGES.split()},
    **{name: {"source": "press_plc", "node": name, "counter": {}} for name in ("good", "processed", "defective")},
}
KEYED = {"key": "order", "product": "{product}"}
CODED = {"input": "state", "codes": {1: {"category": "Uptime"}}}
TABLES = {"products": Lookup(frozenset({"name"}), {})}


def examples() -> list[tuple[str, str]]:
    """The YAML examples, with the section that they stand in."""
    parts = re.split(r"^#+ (.*)$", PAGE, flags=re.MULTILINE)
    sections = zip(parts[1::2], parts[2::2], strict=True)
    return [
        (title.split(":")[0], block)
        for title, text in sections
        if title.split(":")[0] in SECTIONS
        for block in re.findall(r"^```yaml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    ]


@pytest.mark.parametrize(("section", "text"), examples())
def test_example_can_be_copied(section: str, text: str, tmp_path: Path) -> None:
    """A whole file, sections of a line, or keys of a section."""
    if not text.startswith(" "):
        shutil.copytree(ROOT / "config" / "presets", tmp_path / "presets")
        (tmp_path / "gateway.yaml").write_text(HEAD + text, encoding="utf-8")
        loaded = load(tmp_path / "gateway.yaml", {})
        assert compile_lines(loaded.config.lines, loaded.lookups)
        assert [doubt for doubt in find_doubts(loaded.config) if not doubt.warning] == []
        return
    given = dict(YAML(typ="safe").load(text))
    if text.startswith("      "):
        assert given.keys() <= Run.model_fields.keys() or given.keys() <= States.model_fields.keys()
        of_run = given.keys() <= Run.model_fields.keys()
        given = {"run": {**KEYED, **given}} if of_run else {"states": {**CODED, **given}}
    if "operator" in given.get("states", {}):
        given["states"] = {**CODED, **given["states"]}
    line: dict[str, Any] = {"factory": "F", "line": "L", "run": KEYED, **given}
    line["inputs"] = {**INPUTS, **given.get("inputs", {})}
    for each in line["inputs"].values():
        if "json_schema" in each:  # the loader reads it; here any will do
            each["json_schema"] = Path(each["json_schema"])
    schemas = {
        each["json_schema"]: MessageSchema("any", "{}") for each in line["inputs"].values() if "json_schema" in each
    }
    assert compile_line(Line.model_validate(line), (), TABLES, schemas=schemas)
    any_line = "lines: [{factory: F, line: L, inputs: {a: {source: floor, topic: a}}}]"
    (tmp_path / "gateway.yaml").write_text(HEAD + any_line, encoding="utf-8")
    config = load(tmp_path / "gateway.yaml", {}).config.model_copy(update={"lines": [Line.model_validate(line)]})
    assert [doubt for doubt in find_doubts(config) if not doubt.warning] == []


def test_there_are_examples_of_each_section() -> None:
    """The page is read as it is written."""
    assert {section for section, _ in examples()} == set(SECTIONS)
    assert len(examples()) >= 26
