"""What `check` says of the lines of the golden tests: nothing that can be configured is left out."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.cli.summary import summary
from gateway.config.schema import Line

GOLDEN = sorted((Path(__file__).parents[1] / "mapping" / "golden").iterdir())


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda folder: folder.name)
def test_every_golden_line_is_summarised(folder: Path) -> None:
    """Nothing that can be configured is left out: every input is named and every text of the configuration appears.

    Nothing is said of what is not configured.
    """
    written = YAML(typ="safe").load(folder / "line.yaml")
    output = "\n".join(text for texts in summary(Line.model_validate(written)).values() for text in texts)
    missing = [text for text in _texts(written) if text not in output and text.replace('"', '\\"') not in output]
    assert not missing
    assert not re.search(r"\bNone\b|\{\}|\(\)", output)


def _texts(written: Mapping[str, Any]) -> list[str]:
    """Names and texts in a line's configuration that a person would look for.

    Numbers, times and choices of words are left out, because the sentences put them into other words.
    """
    words = {
        "factory",
        "line",
        "every",
        "wait",
        "hold",
        "settle",
        "align",
        "between_runs",
        "gaps",
        "preset",
        "within",
        "set",
        "edge",
        "backwards",
    }
    words |= {
        "too_fast",
        "for",
        "empty_for",
        "correct",
        "idle",
        "after",
        "under",
        "fresh",
        "heartbeat",
        "max_rate",
        "of",
    }
    texts: list[str] = [*written["inputs"]]

    def walk(value: object, key: str) -> None:
        if isinstance(value, Mapping):
            for name, item in value.items():
                walk(item, str(name))
        elif isinstance(value, list):
            for item in value:
                walk(item, key)
        elif isinstance(value, str) and key not in words:
            texts.append(" ".join(value.split()))

    walk(written, "")
    return texts
