"""docs/configuration.md says what the schema says."""

import subprocess
import sys
from pathlib import Path

from gateway.config import schema
from gateway.config.schema_base import Section

ROOT = Path(__file__).parents[2]


def test_the_reference_is_current() -> None:
    """The page is what `.ci/reference` makes of the schema today."""
    done = subprocess.run([sys.executable, ROOT / ".ci" / "reference", "--check"], check=False)
    assert done.returncode == 0, "run .ci/reference"


def test_every_key_is_explained() -> None:
    """No key of the configuration is without words in the reference."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for model in list(vars(schema).values()):
        if isinstance(model, type) and issubclass(model, Section) and model is not Section:
            for name, field in model.model_fields.items():
                row = next(line for line in text.splitlines() if line.startswith(f"| `{field.alias or name}` |"))
                assert len(row.split("|")[3].strip()) > 10, row


def test_headings_name_kinds_of_sections_alone() -> None:
    """A heading says of which kind a section is where a key with one value tells, and no type of the schema."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    headings = [line for line in text.splitlines() if line.startswith("## `")]
    assert "## `sources.NAME (type: mqtt)`" in headings
    assert "## `lines[].inputs.NAME`" in headings
    assert [line for line in headings if "class" in line or "int8" in line] == []
