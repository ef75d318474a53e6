"""Reading YAML: the values are those of YAML 1.2, and each knows where it stands."""

import json
import string
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.config.tree import BrokenFileError, Node, Tree
from gateway.config.yaml_tree import compose, scalar
from gateway.model import Scalar

FILE = Path("gateway.yaml")
TEXT = st.text(string.ascii_letters + string.digits + " .:-_#{}[]'\"\\,&*!|>%@`~ü€", max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXT, below, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([None, 2]))
def test_json_is_read_as_it_is(value: Tree, indent: int | None) -> None:
    """JSON is YAML 1.2 (1.3), so what json writes is read back the same."""
    root, problems = compose(json.dumps(value, ensure_ascii=False, indent=indent), FILE)
    assert problems == []
    assert root.tree() == value


@given(VALUES)
def test_each_value_stands_at_its_place(value: Tree) -> None:
    """Line and column of each value and each key are where its text begins."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    lines = text.split("\n")

    def look(node: Node) -> None:
        written = lines[node.position.line - 1][node.position.column - 1 :]
        if isinstance(node.value, dict):
            assert written.startswith("{")
            for key, position in node.keys.items():
                assert lines[position.line - 1][position.column - 1 :].startswith(json.dumps(key, ensure_ascii=False))
                look(node.value[key])
        elif isinstance(node.value, list):
            assert written.startswith("[")
            for item in node.value:
                look(item)
        else:
            assert written.startswith(json.dumps(node.value, ensure_ascii=False))

    look(compose(text, FILE)[0])


@given(st.text("{}[]:,?-a5 \u00a0\n", max_size=30))
@example("a: {{ \u00a0order }}")
@example("? [a]\n: \u00a0b")
def test_any_text_is_read_or_told_to_be_broken(text: str) -> None:
    """Also where a key is no text, and invisible characters stand beside it."""
    with suppress(BrokenFileError):
        for finding in compose(text, FILE)[1]:
            assert finding.position.line <= text.count("\n") + 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-5", -5),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_scalars(text: str, value: Scalar) -> None:
    """The core schema of YAML 1.2 (10.3.2), except that a number is finite and of a sane length, or else text."""
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)
