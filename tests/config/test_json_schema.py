"""The JSON Schema takes what `check` takes, and marks what is plainly wrong."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from gateway.cli.schema import json_schema
from gateway.cli.startup import read_config

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "config").glob("*.yaml"))
GOLDEN = sorted((ROOT / "tests" / "config" / "golden").rglob("*.yaml"))

VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def content(path: Path) -> Any:
    """A file as an editor's YAML reader has it: keys are text."""
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")), default=str))


def found(value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in VALIDATOR.iter_errors(value)]


def files() -> Iterator[Path]:
    for path in (*SHIPPED, *GOLDEN):
        value = content(path)
        if isinstance(value, dict) and value.keys() & {"lines", "templates", "include"}:
            yield path


def test_it_is_a_schema() -> None:
    """It follows the dialect that it names."""
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", [*files()], ids=lambda path: str(path.relative_to(ROOT)))
def test_it_takes_what_check_takes(path: Path) -> None:
    """The shipped examples, and files with templates, tables, parameters and includes."""
    assert found(content(path)) == []


WRONG: list[tuple[tuple[str | int, ...], object]] = [
    (("odn",), {}),
    (("sources", "floor", "typ"), "mqtt"),
    (("lines", 0, "inputs", "order", "soruce"), "floor"),
    (("lines", 0, "run", "settle"), [1]),
    (("outbox", "backlog"), "later"),
    (("lines", 0, "states", "codes"), 3),
]


@pytest.mark.parametrize(("at", "value"), WRONG, ids=str)
def test_it_marks_what_is_plainly_wrong(at: tuple[str | int, ...], value: object) -> None:
    """A key that is misspelt, a value that is none of those that can be, a section where a value belongs."""
    whole = content(ROOT / "config" / "gateway.yaml")
    place: Any = whole
    for key in at[:-1]:
        place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
    place[at[-1]] = value
    assert found(whole) != []


def test_each_key_says_what_it_means() -> None:
    """An editor shows the words of the reference beside a key."""
    line = json_schema()["$defs"]["Line"]["properties"]
    assert line["factory"]["description"] == "Name of the factory at Oden."
    assert line["use"]["description"]


def test_the_command_prints_it_and_the_example_names_it() -> None:
    """The shipped example's first line says where its schema is, beside it, and that is what the command prints."""
    done = subprocess.run([sys.executable, "-m", "gateway", "schema"], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == json_schema()
    shipped = ROOT / "config" / "gateway.schema.json"
    for path in SHIPPED:
        assert path.read_text(encoding="utf-8").startswith(f"# yaml-language-server: $schema={shipped.name}\n")
    assert shipped.read_text(encoding="utf-8") == done.stdout, "run .ci/reference"
    read_config(ROOT / "config" / "gateway.yaml", {"ODEN_GATEWAY_SECRET_ODEN_TOKEN": "x"})
